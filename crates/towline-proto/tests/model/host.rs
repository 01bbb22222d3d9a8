//! The host of the model: lanes, records, one session with its supervisors and shells, each of which takes small steps.
//!
//! Holds to: a step does what one system call or one message does in the remote programs; who is killed leaves what stood in
//! files and loses what stood in its memory or in a FIFO that nobody holds. Leaves out: what no request of the model touches (directories,
//! environments, copies), and partial writes. One assumption on time is made: whoever waits for a shell has told of its death before
//! somebody else, who waits a moment for that, calls the execution lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use towline_proto::frame::{Frame, Tag};
use towline_proto::recovery::Epoch;

use super::mutation::Mutation;
use super::wire::{Asked, Request};

/// An execution, by the number of its handle.
pub(super) type Exec = u8;
/// Which towline (by its generation) and which of its lanes.
pub(super) type LaneId = (u8, Epoch);

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Exit,
    Killed,
    Never,
}

impl End {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Exit => "exit 7 1 -\n/",
            Self::Killed => "kill 9 1 -\n/",
            Self::Never => "never 0 0 -\n?",
        }
    }
}

/// What a look at a record, with a look at who lives, tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Away,
    Queued,
    Running,
    Ended(End),
    Lost,
}

/// The record of an execution: a file that only grows.
#[derive(Clone, Debug, Hash)]
pub(super) struct Record {
    id: u8,
    /// The lane that asked first, and those that attached.
    asker: LaneId,
    waiters: BTreeSet<LaneId>,
    /// Who claimed its beginning, first one first.
    claims: Vec<Claim>,
    /// What the shell, or who waited for it, says of its end.
    said: Option<End>,
    /// The outcomes that were published.
    ends: Vec<End>,
    /// Parts of output in the spool.
    pub(super) spool: u8,
}

impl Record {
    /// Whether it was a lane of this towline that asked first.
    pub(super) fn asked_by(&self, generation: u8) -> bool {
        self.asker.0 == generation
    }
}

/// A line by which somebody claims an execution's beginning: its own number, and in whose shell it would be.
#[derive(Clone, Copy, Debug, Hash)]
struct Claim {
    number: u8,
    place: Option<(usize, usize)>,
}

/// A line in the session's FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Word {
    Begin(Exec),
    Done(usize, Exec),
    Death(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Duty {
    Listen,
    /// It has claimed a beginning and looks whether it was the first.
    Look(Exec, u8),
    Publish(Exec, End),
    Wake(Exec),
}

#[derive(Clone, Debug, Hash)]
struct Supervisor {
    alive: bool,
    duty: Duty,
    queue: VecDeque<Exec>,
    current: Option<Exec>,
    shell: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Job {
    None,
    Given(Exec),
    Runs(Exec),
}

#[derive(Clone, Debug, Hash)]
struct Shell {
    alive: bool,
    job: Job,
    supervisor: usize,
    /// Whether who waits for it has still to tell of its death.
    watched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Read,
    RunAttach(Exec),
    RunLook(Exec),
    RunSay(Exec),
    WaitAttach(Exec),
    WaitLook(Exec),
}

/// A lane: what is on its way to and from it, and what it is doing.
#[derive(Clone, Debug, Hash)]
pub(super) struct Lane {
    pub(super) up: VecDeque<Asked>,
    pub(super) down: VecDeque<Frame2>,
    /// The client does not listen any more; it may end any time.
    pub(super) stale: bool,
    step: Step,
    told: VecDeque<Exec>,
    /// What its sender is sending: parts so far.
    sending: VecDeque<(Exec, u8)>,
}

/// A frame that can be hashed and compared in order.
pub(super) type Frame2 = (Tag, String, Vec<u8>);

/// A process that a lane forked for what takes time; it outlives the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fork {
    Start(LaneId, Exec),
    Revive(LaneId, Exec),
    Output(LaneId, u64, Exec),
    Stop(LaneId, u64, Exec),
    Tool(LaneId, u64, u8),
}

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Host {
    pub(super) records: BTreeMap<Exec, Record>,
    supervisors: Vec<Supervisor>,
    shells: Vec<Shell>,
    fifo: VecDeque<Word>,
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    forks: Vec<Fork>,
    next_claim: u8,
    /// The truth, which nobody on the host keeps: how often it began, and how it ended.
    pub(super) starts: BTreeMap<Exec, u8>,
    pub(super) truth: BTreeMap<Exec, End>,
    pub(super) tools: BTreeMap<u8, u8>,
    pub(super) mutation: Option<Mutation>,
}

/// Something on the host that can take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    Lane(LaneId),
    Sender(LaneId),
    Fork(usize),
    Supervisor(usize),
    Shell(usize),
    Watcher(usize),
}

pub(super) fn name(exec: Exec) -> String {
    format!("bcdfg{}", char::from(b'0' + exec))
}

impl Host {
    /// A session that is up, as after any first call; `mutation` breaks the host if it is one of its own.
    pub(super) fn new(mutation: Option<Mutation>) -> Self {
        let mut host = Self { mutation, ..Self::default() };
        host.start_supervisor();
        host
    }

    fn broken(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn open(&mut self, lane: LaneId) {
        let hello = (Tag::Hello, "0".to_owned(), b"layout=1\n".to_vec());
        let fresh = Lane {
            up: VecDeque::new(),
            down: VecDeque::from([hello]),
            stale: false,
            step: Step::Read,
            told: VecDeque::new(),
            sending: VecDeque::new(),
        };
        self.lanes.insert(lane, fresh);
    }

    /// The client has let go of a lane; what is on its way to the host may still arrive.
    pub(super) fn leave(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.stale = true;
            lane.down.clear();
        }
    }

    /// Everybody who can take a step, in an order that gets on.
    pub(super) fn actors(&self) -> Vec<Actor> {
        let mut found = Vec::new();
        for (id, lane) in &self.lanes {
            if !lane.sending.is_empty() || !lane.told.is_empty() {
                found.push(Actor::Sender(*id));
            }
            if lane.step != Step::Read || !lane.up.is_empty() {
                found.push(Actor::Lane(*id));
            }
        }
        found.extend((0..self.forks.len()).map(Actor::Fork));
        for (index, supervisor) in self.supervisors.iter().enumerate() {
            let idle = supervisor.current.is_none() && self.shells[supervisor.shell].alive;
            let busy = supervisor.duty != Duty::Listen || !self.fifo.is_empty() || (idle && !supervisor.queue.is_empty());
            if supervisor.alive && busy {
                found.push(Actor::Supervisor(index));
            }
        }
        for (index, shell) in self.shells.iter().enumerate() {
            if shell.alive && shell.job != Job::None {
                found.push(Actor::Shell(index));
            }
            if !shell.alive && shell.watched {
                found.push(Actor::Watcher(index));
            }
        }
        found
    }

    pub(super) fn step(&mut self, actor: Actor) {
        match actor {
            Actor::Lane(lane) => self.lane_step(lane),
            Actor::Sender(lane) => self.sender_step(lane),
            Actor::Fork(index) => {
                let fork = self.forks.remove(index);
                self.fork_step(fork);
            }
            Actor::Supervisor(index) => self.supervisor_step(index),
            Actor::Shell(index) => self.shell_step(index),
            Actor::Watcher(index) => self.watcher_step(index),
        }
    }

    // --- faults ---

    pub(super) fn shells_alive(&self) -> Vec<usize> {
        (0..self.shells.len()).filter(|index| self.shells[*index].alive).collect()
    }

    pub(super) fn kill_shell(&mut self, index: usize) {
        self.shells[index].alive = false;
        if let Job::Given(exec) | Job::Runs(exec) = self.shells[index].job {
            self.truth.insert(exec, End::Killed);
        }
    }

    pub(super) fn supervisor_alive(&self) -> Option<usize> {
        self.supervisors.iter().position(|supervisor| supervisor.alive)
    }

    /// What stood in the FIFO is lost with the only one who held it open.
    pub(super) fn kill_supervisor(&mut self, index: usize) {
        self.supervisors[index].alive = false;
        if self.supervisor_alive().is_none() {
            self.fifo.clear();
        }
    }

    // --- lanes ---

    fn frame(&mut self, lane: LaneId, tag: Tag, key: &str, payload: &[u8]) {
        if let Some(lane) = self.lanes.get_mut(&lane).filter(|lane| !lane.stale) {
            lane.down.push_back((tag, key.to_owned(), payload.to_vec()));
        }
    }

    fn goes(&mut self, lane: LaneId, step: Step) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.step = step;
        }
    }

    fn lane_step(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        match lane.step {
            Step::Read => {
                if let Some(asked) = lane.up.pop_front() {
                    self.take(id, &asked);
                }
            }
            Step::RunAttach(exec) => {
                self.attach(id, exec);
                let then = if self.broken(Mutation::AttachedAfterTheLook) { Step::RunSay(exec) } else { Step::RunLook(exec) };
                self.goes(id, then);
            }
            Step::RunLook(exec) => {
                let queued = self.look(exec) == Stands::Queued;
                let then = match queued {
                    true if self.broken(Mutation::AttachedAfterTheLook) => Step::RunAttach(exec),
                    true => Step::RunSay(exec),
                    false => Step::WaitAttach(exec),
                };
                self.goes(id, then);
            }
            Step::RunSay(exec) => {
                if self.supervisor_alive().is_some() {
                    self.fifo.push_back(Word::Begin(exec));
                } else {
                    self.forks.push(Fork::Start(id, exec));
                }
                self.goes(id, Step::Read);
            }
            Step::WaitAttach(exec) => {
                self.attach(id, exec);
                self.goes(id, Step::WaitLook(exec));
            }
            Step::WaitLook(exec) => {
                let unattached = self.records.get(&exec).is_some_and(|record| !record.waiters.contains(&id));
                if unattached && !self.broken(Mutation::AttachedBeforeItIsThere) {
                    // It came between the two steps.
                    return self.goes(id, Step::WaitAttach(exec));
                }
                match self.look(exec) {
                    Stands::Ended(_) => self.tell(id, exec),
                    Stands::Away => self.frame(id, Tag::Standing, &name(exec), b"away"),
                    Stands::Queued | Stands::Running | Stands::Lost => self.forks.push(Fork::Revive(id, exec)),
                }
                self.goes(id, Step::Read);
            }
        }
    }

    fn take(&mut self, id: LaneId, asked: &Asked) {
        let number = asked.number;
        match asked.request {
            Request::Ping => self.frame(id, Tag::Reply, &number.to_string(), b"0"),
            Request::Run { exec, id: identity } => {
                if let Some(record) = self.records.get(&exec) {
                    if record.id != identity {
                        return self.frame(id, Tag::Refused, &name(exec), b"taken");
                    }
                    let then = if self.broken(Mutation::AttachedAfterTheLook) { Step::RunLook(exec) } else { Step::RunAttach(exec) };
                    self.goes(id, then);
                } else {
                    let record = Record {
                        id: identity,
                        asker: id,
                        waiters: BTreeSet::new(),
                        claims: Vec::new(),
                        said: None,
                        ends: Vec::new(),
                        spool: 0,
                    };
                    self.records.insert(exec, record);
                    self.goes(id, Step::RunSay(exec));
                }
            }
            Request::Wait(exec) => self.goes(id, Step::WaitAttach(exec)),
            Request::Output(exec) => self.forks.push(Fork::Output(id, number, exec)),
            Request::Stop(exec) => self.forks.push(Fork::Stop(id, number, exec)),
            Request::Tool(tool) => self.forks.push(Fork::Tool(id, number, tool)),
        }
    }

    fn attach(&mut self, id: LaneId, exec: Exec) {
        if let Some(record) = self.records.get_mut(&exec) {
            record.waiters.insert(id);
        }
    }

    /// A word to a lane's sender that there is an outcome; lost if the lane is gone.
    fn tell(&mut self, id: LaneId, exec: Exec) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.told.push_back(exec);
        }
    }

    /// One outcome after the other, each with its output; unless broken: then side by side.
    fn sender_step(&mut self, id: LaneId) {
        let side_by_side = self.broken(Mutation::OutcomesSentSideBySide);
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        if (lane.sending.is_empty() || side_by_side)
            && let Some(exec) = lane.told.pop_front()
        {
            lane.sending.push_back((exec, 0));
            return;
        }
        let Some((exec, sent)) = lane.sending.pop_front() else { return };
        let Some(end) = self.records.get(&exec).and_then(|record| record.ends.first().copied()) else { return };
        let key = name(exec);
        if sent < self.records[&exec].spool {
            self.frame(id, Tag::Out, &key, &[b'a' + sent]);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.sending.push_back((exec, sent + 1));
            }
        } else {
            self.frame(id, Tag::Outcome, &key, end.words().as_bytes());
            if self.broken(Mutation::OutcomeIsReadOnce)
                && let Some(record) = self.records.get_mut(&exec)
            {
                (record.said, record.ends) = (None, Vec::new());
            }
        }
    }

    fn fork_step(&mut self, fork: Fork) {
        match fork {
            Fork::Start(_, exec) => {
                if self.supervisor_alive().is_none() {
                    self.start_supervisor();
                }
                self.fifo.push_back(Word::Begin(exec));
            }
            Fork::Revive(lane, exec) => match self.judge(exec) {
                Stands::Queued => self.forks.push(Fork::Start(lane, exec)),
                Stands::Running => {
                    if self.supervisor_alive().is_none() {
                        self.start_supervisor();
                    }
                }
                Stands::Lost => self.frame(lane, Tag::Outcome, &name(exec), b"lost supervisor\n?"),
                Stands::Ended(_) => self.tell(lane, exec),
                Stands::Away => {}
            },
            Fork::Output(lane, number, exec) => {
                let words = match self.judge(exec) {
                    Stands::Away => "away",
                    Stands::Queued => "queued",
                    Stands::Running => "running",
                    Stands::Lost => "lost supervisor",
                    Stands::Ended(end) => end.words().split('\n').next().unwrap_or_default(),
                };
                let number = number.to_string();
                self.frame(lane, Tag::Body, &number, format!("{words}|0|0|0|0|0|none\n/\n.\n").as_bytes());
                self.frame(lane, Tag::Reply, &number, b"0");
            }
            Fork::Stop(lane, number, exec) => {
                self.stop(exec);
                self.frame(lane, Tag::Reply, &number.to_string(), b"0");
            }
            Fork::Tool(lane, number, tool) => {
                *self.tools.entry(tool).or_default() += 1;
                self.frame(lane, Tag::Reply, &number.to_string(), b"0");
            }
        }
    }

    fn stop(&mut self, exec: Exec) {
        match self.look(exec) {
            Stands::Queued => {
                let claim = self.claim(exec, None);
                if self.records[&exec].claims[0].number == claim {
                    self.truth.insert(exec, End::Never);
                    self.publish(exec, End::Never);
                    self.wake(exec);
                }
            }
            Stands::Running => {
                let place = self.records[&exec].claims.first().and_then(|claim| claim.place);
                if let Some((_, shell)) = place.filter(|(_, shell)| self.works_on(*shell, exec)) {
                    self.kill_shell(shell);
                }
            }
            Stands::Away | Stands::Ended(_) | Stands::Lost => {}
        }
    }

    // --- records ---

    fn claim(&mut self, exec: Exec, place: Option<(usize, usize)>) -> u8 {
        self.next_claim += 1;
        if let Some(record) = self.records.get_mut(&exec) {
            record.claims.push(Claim { number: self.next_claim, place });
        }
        self.next_claim
    }

    fn publish(&mut self, exec: Exec, end: End) {
        if let Some(record) = self.records.get_mut(&exec) {
            record.ends.push(end);
        }
    }

    fn wake(&mut self, exec: Exec) {
        let Some(record) = self.records.get(&exec) else { return };
        let mut lanes = BTreeSet::from([record.asker]);
        if !self.broken(Mutation::OnlyTheAskerIsWoken) {
            lanes.extend(&record.waiters);
        }
        for lane in lanes {
            self.tell(lane, exec);
        }
    }

    fn look(&self, exec: Exec) -> Stands {
        match self.records.get(&exec) {
            None => Stands::Away,
            Some(record) => match record.ends.first() {
                Some(end) => Stands::Ended(*end),
                None if record.claims.is_empty() => Stands::Queued,
                None => Stands::Running,
            },
        }
    }

    fn works_on(&self, shell: usize, exec: Exec) -> bool {
        let shell = &self.shells[shell];
        shell.alive && (shell.job == Job::Given(exec) || shell.job == Job::Runs(exec))
    }

    /// A look, and where nobody is left to tell the end: what the shell left is published, or it is lost.
    fn judge(&mut self, exec: Exec) -> Stands {
        let stands = self.look(exec);
        if stands != Stands::Running {
            return stands;
        }
        let Some((supervisor, shell)) = self.records[&exec].claims[0].place else { return stands };
        let any = self.broken(Mutation::AnySupervisorIsItsOwn) && self.supervisor_alive().is_some();
        if self.supervisors[supervisor].alive || any {
            return stands;
        }
        if let Some(end) = self.records[&exec].said {
            self.publish(exec, end);
            self.wake(exec);
            return self.look(exec);
        }
        let lives = self.shells[shell].watched && (self.works_on(shell, exec) || !self.shells[shell].alive);
        if lives && !self.broken(Mutation::LostIsGuessed) { Stands::Running } else { Stands::Lost }
    }

    // --- the session ---

    fn start_shell(&mut self, supervisor: usize) -> usize {
        self.shells.push(Shell { alive: true, job: Job::None, supervisor, watched: true });
        self.shells.len() - 1
    }

    /// A new supervisor takes over: a shell that only waits is told to leave, one that works goes on.
    fn start_supervisor(&mut self) {
        let index = self.supervisors.len();
        for shell in self.shells.iter_mut().filter(|shell| shell.alive && shell.job == Job::None) {
            shell.alive = false;
            shell.watched = false;
        }
        let shell = self.start_shell(index);
        self.supervisors.push(Supervisor { alive: true, duty: Duty::Listen, queue: VecDeque::new(), current: None, shell });
    }

    fn supervisor_step(&mut self, index: usize) {
        let duty = self.supervisors[index].duty;
        match duty {
            Duty::Listen => self.listen(index),
            Duty::Look(exec, claim) => {
                self.supervisors[index].duty = Duty::Listen;
                let first = self.records[&exec].claims[0].number == claim || self.broken(Mutation::ClaimsAreNotExclusive);
                if first && (self.records[&exec].ends.is_empty() || self.broken(Mutation::ClaimsAreNotExclusive)) {
                    let shell = self.supervisors[index].shell;
                    self.supervisors[index].current = Some(exec);
                    if self.shells[shell].alive {
                        self.shells[shell].job = Job::Given(exec);
                    } else {
                        // It was given to a shell that had died in between: its death is how it ends.
                        self.truth.insert(exec, End::Killed);
                    }
                }
            }
            Duty::Publish(exec, end) => {
                self.publish(exec, end);
                self.supervisors[index].duty = Duty::Wake(exec);
            }
            Duty::Wake(exec) => {
                self.wake(exec);
                self.supervisors[index].duty = Duty::Listen;
            }
        }
    }

    fn listen(&mut self, index: usize) {
        let own = self.supervisors[index].shell;
        let Some(word) = self.fifo.pop_front() else { return self.begin_next(index) };
        match word {
            Word::Begin(exec) => self.supervisors[index].queue.push_back(exec),
            Word::Done(shell, exec) => {
                self.supervisors[index].duty = Duty::Publish(exec, End::Exit);
                if shell == own {
                    self.supervisors[index].current = None;
                }
            }
            Word::Death(shell) => {
                let job = self.shells[shell].job;
                if shell == own {
                    let current = self.supervisors[index].current.take();
                    if let Some(exec) = current {
                        self.supervisors[index].duty = Duty::Publish(exec, End::Killed);
                    }
                    self.supervisors[index].shell = self.start_shell(index);
                } else if let Job::Given(exec) | Job::Runs(exec) = job {
                    self.supervisors[index].duty = Duty::Publish(exec, End::Killed);
                }
            }
        }
    }

    fn begin_next(&mut self, index: usize) {
        let shell = self.supervisors[index].shell;
        let Some(exec) = self.supervisors[index].queue.pop_front() else { return };
        let claim = self.claim(exec, Some((index, shell)));
        self.supervisors[index].duty = Duty::Look(exec, claim);
    }

    fn shell_step(&mut self, index: usize) {
        match self.shells[index].job {
            Job::None => {}
            Job::Given(exec) => {
                self.shells[index].job = Job::Runs(exec);
                *self.starts.entry(exec).or_default() += 1;
                if let Some(record) = self.records.get_mut(&exec) {
                    record.spool = 1;
                }
            }
            Job::Runs(exec) => {
                self.truth.insert(exec, End::Exit);
                if let Some(record) = self.records.get_mut(&exec) {
                    record.spool = 2;
                    record.said.get_or_insert(End::Exit);
                }
                self.shells[index].job = Job::None;
                let live = self.supervisor_alive();
                if live.is_some() {
                    self.fifo.push_back(Word::Done(index, exec));
                }
                if live.is_none_or(|live| self.supervisors[live].shell != index) {
                    // Its session goes on without it.
                    self.shells[index].alive = false;
                    self.shells[index].watched = false;
                }
            }
        }
    }

    fn watcher_step(&mut self, index: usize) {
        self.shells[index].watched = false;
        if self.supervisors[self.shells[index].supervisor].alive {
            self.fifo.push_back(Word::Death(index));
        } else if let Job::Given(exec) | Job::Runs(exec) = self.shells[index].job
            && let Some(record) = self.records.get_mut(&exec)
        {
            record.said.get_or_insert(End::Killed);
        }
    }
}

/// The frame as the client's machine takes it.
pub(super) fn as_frame((tag, key, payload): Frame2) -> Frame {
    Frame { tag, key, payload }
}
