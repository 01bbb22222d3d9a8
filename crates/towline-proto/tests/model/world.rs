//! The model's world: towlines with the real machine, a network that loses and delays, and the host.
//!
//! Holds to: every answer is judged when it is given, by the truth that the host's model keeps aside. Time passes only where
//! nothing else can happen, or as a fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use towline_base::{Code, ExecutionId, Handle, SessionName};
use towline_proto::Request as Wanted;
use towline_proto::files::ToolCall;
use towline_proto::frame::Tag;
use towline_proto::outcome::{Standing, parse_hello, parse_slice};
use towline_proto::recovery::{CallId, Effect, Epoch, Event, Finish, Line, Timing, Trouble};
use towline_proto::request::{Output, Run};

use super::host::{Actor, End, Exec, Host, LaneId, as_frame, name};
use super::mutation::Mutation;
use super::wire::{self, Request};

const SECOND: Duration = Duration::from_secs(1);
const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(3),
    silence: Duration::from_secs(9),
    idle_heartbeat: Duration::from_secs(15),
    idle_silence: Duration::from_secs(28),
    first_pause: Duration::from_millis(100),
    unreached_pause: Duration::from_millis(800),
    longest_pause: Duration::from_secs(5),
};
/// A towline that reads what others left has a generation above theirs.
pub(super) const READER: u8 = 100;

/// What a towline's user wants, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// To run, and to wait for so many seconds.
    Run(Exec, u64),
    /// To start and not to wait.
    Background(Exec),
    /// Once the run was answered without an outcome: to wait for it again.
    Collect(Exec),
    /// To give the run up and to stop it.
    Cancel(Exec),
    /// To be told of an execution, whoever began it.
    Wait(Exec),
    /// The same, at once, while others may wait for it too.
    Also(Exec),
    /// To look at it.
    Look(Exec),
    /// To change a file.
    Change(u8),
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    Cut,
    NoConnection,
    Silence,
    Deadline,
    TowlineKilled,
    ShellKilled,
    SupervisorKilled,
    LaneKilled,
    /// The host is slower than the next connection.
    SlowHost,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Hears(LaneId),
    Host(Actor),
    Opens(LaneId),
    Wants(usize),
    StaleLaneEnds(LaneId),
    TimePasses,
    Fails(Fault, usize, LaneId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answered {
    No,
    Outcome,
    Otherwise,
    GivenUp,
}

#[derive(Clone, Debug)]
struct Towline {
    line: Line,
    generation: u8,
    wants: VecDeque<Want>,
    calls: BTreeMap<CallId, (Want, Answered)>,
    opening: BTreeSet<Epoch>,
    /// What it sent, for the mutations that send it again.
    sent: BTreeMap<CallId, Vec<u8>>,
    sendings: u8,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    now: Duration,
    towlines: Vec<Towline>,
    pub(super) host: Host,
    budget: u8,
    faults: &'static [Fault],
    mutation: Option<Mutation>,
    /// Faults after which an answer other than the outcome is a true one.
    late_is_fair: bool,
    lost_is_fair: bool,
    /// What was answered of each execution: it must never be answered otherwise.
    told: BTreeMap<Exec, Standing>,
}

/// What must not be.
pub(super) type Violation = String;

impl World {
    pub(super) fn new(wants: &[&[Want]], faults: &'static [Fault], budget: u8, mutation: Option<Mutation>) -> Self {
        let mut world = Self {
            now: SECOND,
            towlines: Vec::new(),
            host: Host::new(mutation),
            budget,
            faults,
            mutation,
            late_is_fair: false,
            lost_is_fair: false,
            told: BTreeMap::new(),
        };
        for wants in wants {
            world.add_towline(wants);
        }
        world
    }

    fn add_towline(&mut self, wants: &[Want]) {
        let generation = u8::try_from(self.towlines.len()).expect("few towlines");
        self.towlines.push(Towline::new(generation, wants));
    }

    /// A world without faults to come, in which somebody new reads everything twice.
    pub(super) fn with_reader(&self) -> Self {
        let mut world = self.clone();
        world.budget = 0;
        let wants: Vec<Want> =
            self.host.records.keys().flat_map(|exec| [Want::Wait(*exec), Want::Look(*exec), Want::Wait(*exec)]).collect();
        world.towlines = vec![Towline::new(READER, &wants)];
        world.late_is_fair = false;
        world
    }

    /// What can happen without a fault, in an order that gets on; passing time only if there is nothing else.
    pub(super) fn enabled(&self) -> Vec<Action> {
        let mut found: Vec<Action> = Vec::new();
        for (id, lane) in &self.host.lanes {
            if !lane.stale && !lane.down.is_empty() {
                found.push(Action::Hears(*id));
            }
        }
        found.extend(self.host.actors().into_iter().map(Action::Host));
        for towline in &self.towlines {
            found.extend(towline.opening.iter().map(|epoch| Action::Opens((towline.generation, *epoch))));
        }
        found.extend((0..self.towlines.len()).filter(|index| self.towlines[*index].can_want()).map(Action::Wants));
        found.extend(self.host.lanes.iter().filter(|(_, lane)| lane.stale).map(|(id, _)| Action::StaleLaneEnds(*id)));
        if found.is_empty() && !self.all_answered() {
            found.push(Action::TimePasses);
        }
        found
    }

    /// The faults that may happen now.
    pub(super) fn faults(&self) -> Vec<Action> {
        if self.budget == 0 {
            return Vec::new();
        }
        let mut found = Vec::new();
        for fault in self.faults {
            match fault {
                Fault::Cut | Fault::LaneKilled => {
                    let lanes = self.host.lanes.iter().filter(|(_, lane)| !lane.stale);
                    found.extend(lanes.map(|(id, _)| Action::Fails(*fault, 0, *id)));
                }
                Fault::NoConnection => {
                    for towline in &self.towlines {
                        let lanes = towline.opening.iter().map(|epoch| (towline.generation, *epoch));
                        found.extend(lanes.map(|id| Action::Fails(*fault, 0, id)));
                    }
                }
                Fault::SlowHost if !self.connects_soon() => {}
                Fault::Silence | Fault::Deadline | Fault::SlowHost => found.push(Action::Fails(*fault, 0, (0, 0))),
                Fault::TowlineKilled => {
                    let alive = (0..self.towlines.len()).filter(|index| self.towlines[*index].waits());
                    found.extend(alive.map(|index| Action::Fails(*fault, index, (0, 0))));
                }
                Fault::ShellKilled => {
                    found.extend(self.host.shells_alive().into_iter().map(|index| Action::Fails(*fault, index, (0, 0))));
                }
                Fault::SupervisorKilled => {
                    found.extend(self.host.supervisor_alive().map(|index| Action::Fails(*fault, index, (0, 0))));
                }
            }
        }
        found
    }

    fn connects_soon(&self) -> bool {
        self.towlines.iter().any(|towline| towline.line.next_tick().is_some_and(|next| next < self.now + SECOND))
    }

    pub(super) fn all_answered(&self) -> bool {
        self.towlines.iter().all(|towline| !towline.waits() && !towline.can_want())
    }

    pub(super) fn apply(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Hears(lane) => self.hears(lane)?,
            Action::Host(actor) => self.host.step(actor),
            Action::Opens(lane) => {
                self.towline(lane).opening.remove(&lane.1);
                self.host.open(lane);
                self.event(lane.0, Event::Greeted(lane.1))?;
            }
            Action::Wants(index) => self.wants(index)?,
            Action::StaleLaneEnds(lane) => {
                self.host.lanes.remove(&lane);
            }
            Action::TimePasses => self.time_passes()?,
            Action::Fails(fault, index, lane) => {
                self.budget -= 1;
                self.fails(fault, index, lane)?;
            }
        }
        self.nothing_twice()
    }

    fn fails(&mut self, fault: Fault, index: usize, lane: LaneId) -> Result<(), Violation> {
        match fault {
            Fault::Cut => {
                self.host.leave(lane);
                self.event(lane.0, Event::Down(lane.1, trouble(Code::LinkLost)))
            }
            Fault::LaneKilled => {
                self.host.lanes.remove(&lane);
                self.event(lane.0, Event::Down(lane.1, trouble(Code::LinkLost)))
            }
            Fault::NoConnection => {
                self.towline(lane).opening.remove(&lane.1);
                self.event(lane.0, Event::Down(lane.1, trouble(Code::ConnectTimeout)))
            }
            Fault::Silence => {
                let hurried = |(want, _): &(Want, Answered)| matches!(want, Want::Run(_, wait) if *wait < 9);
                self.late_is_fair |= self.towlines.iter().any(|towline| towline.calls.values().any(hurried));
                self.run_clock(self.now + TIMING.silence)
            }
            Fault::Deadline => {
                self.late_is_fair = true;
                self.run_clock(self.now + 5 * SECOND)
            }
            Fault::SlowHost => self.time_passes(),
            Fault::TowlineKilled => {
                self.restart(index);
                Ok(())
            }
            Fault::ShellKilled => {
                self.host.kill_shell(index);
                Ok(())
            }
            Fault::SupervisorKilled => {
                (self.late_is_fair, self.lost_is_fair) = (true, true);
                self.host.kill_supervisor(index);
                Ok(())
            }
        }
    }

    /// The towline is gone, with all that it knew; another reads what it had begun.
    fn restart(&mut self, index: usize) {
        let old = &self.towlines[index];
        let generation = old.generation + 10;
        let mut wants: Vec<Want> = Vec::new();
        for (want, _) in old.calls.values() {
            if let Want::Run(exec, _) | Want::Background(exec) = want {
                wants.push(Want::Wait(*exec));
            }
        }
        wants.extend(&old.wants);
        for (id, lane) in &mut self.host.lanes {
            if id.0 == old.generation {
                lane.stale = true;
                lane.down.clear();
            }
        }
        self.towlines[index] = Towline::new(generation, &wants);
    }

    fn towline(&mut self, lane: LaneId) -> &mut Towline {
        self.towlines.iter_mut().find(|towline| towline.generation == lane.0).expect("a lane's towline lives")
    }

    fn wants(&mut self, index: usize) -> Result<(), Violation> {
        let towline = &mut self.towlines[index];
        let Some(want) = towline.wants.pop_front() else { return Ok(()) };
        let generation = towline.generation;
        let call = 1 + towline.calls.len() as CallId;
        let patience = if let Want::Run(_, seconds) = want { Duration::from_secs(seconds) } else { 100 * SECOND };
        let request = match want {
            Want::Run(exec, _) => run(exec, false),
            Want::Background(exec) => run(exec, true),
            Want::Wait(exec) | Want::Also(exec) | Want::Collect(exec) => Wanted::Wait(handle(exec)),
            Want::Cancel(exec) => Wanted::Stop(handle(exec), "TERM"),
            Want::Look(exec) => Wanted::Output(look(exec)),
            Want::Change(tool) => {
                Wanted::Tool(session(), ToolCall { tool: "write", args: vec![tool.to_string().into_bytes()], payload: Vec::new() })
            }
        };
        if let Want::Cancel(exec) = want {
            let running = towline.calls.iter_mut().find(|(_, (want, _))| matches!(want, Want::Run(run, _) if *run == exec));
            if let Some((call, (_, answered @ Answered::No))) = running {
                *answered = Answered::GivenUp;
                let call = *call;
                self.event(generation, Event::Forget(call))?;
            }
        }
        let towline = &mut self.towlines[index];
        towline.calls.insert(call, (want, Answered::No));
        let deadline = self.now + patience;
        self.event(generation, Event::Call { call, request: Box::new(request), deadline })
    }

    fn hears(&mut self, id: LaneId) -> Result<(), Violation> {
        let Some(frame) = self.host.lanes.get_mut(&id).and_then(|lane| lane.down.pop_front()) else { return Ok(()) };
        let frame = as_frame(frame);
        let event = if frame.tag == Tag::Hello { Event::Up(id.1, parse_hello(&frame.payload)) } else { Event::Said(id.1, frame) };
        self.event(id.0, event)
    }

    fn time_passes(&mut self) -> Result<(), Violation> {
        let next = self.towlines.iter().filter_map(|towline| towline.line.next_tick()).min();
        match next {
            Some(next) => self.run_clock(next),
            None => Err("a call waits, nothing can happen, and no clock runs".to_owned()),
        }
    }

    /// Lets the clock run to this time, with every tick that the machines ask for on the way.
    fn run_clock(&mut self, to: Duration) -> Result<(), Violation> {
        loop {
            let next = self.towlines.iter().filter_map(|towline| towline.line.next_tick()).min();
            let at = next.map_or(to, |next| next.clamp(self.now, to));
            self.now = at;
            let due: Vec<u8> =
                self.towlines.iter().filter(|t| t.line.next_tick().is_some_and(|next| next <= at)).map(|t| t.generation).collect();
            if due.is_empty() {
                return Ok(());
            }
            for generation in due {
                self.event(generation, Event::Tick)?;
            }
            let stuck = self.towlines.iter().any(|towline| towline.line.next_tick().is_some_and(|next| next <= at));
            if stuck {
                return Err("a tick did not do what it was asked for".to_owned());
            }
        }
    }

    /// Gives an event to a machine and does what it says.
    fn event(&mut self, generation: u8, event: Event) -> Result<(), Violation> {
        let (now, mutation) = (self.now, self.mutation);
        let Some(index) = self.towlines.iter().position(|towline| towline.generation == generation) else { return Ok(()) };
        let effects = self.towlines[index].handle(now, event, mutation);
        for effect in effects {
            match effect {
                Effect::Open(epoch) => {
                    self.towlines[index].opening.insert(epoch);
                }
                Effect::Close(epoch) => {
                    self.towlines[index].opening.remove(&epoch);
                    if mutation != Some(Mutation::OldLanesAreHeard) {
                        self.host.leave((generation, epoch));
                    }
                }
                Effect::Send(epoch, bytes) => {
                    let asked = wire::read(&bytes);
                    if let Some(lane) = self.host.lanes.get_mut(&(generation, epoch)).filter(|lane| !lane.stale) {
                        lane.up.extend(asked);
                    }
                }
                Effect::Finish(call, finish) => self.judge(index, call, &finish)?,
            }
        }
        Ok(())
    }

    // --- what must hold ---

    fn nothing_twice(&self) -> Result<(), Violation> {
        let mut commands: BTreeMap<Exec, u8> = BTreeMap::new();
        for (exec, starts) in &self.host.starts {
            *commands.entry(exec % 4).or_default() += starts;
        }
        match commands.into_iter().find(|(_, starts)| *starts > 1) {
            Some((command, starts)) => Err(format!("command {command} was started {starts} times")),
            None => match self.host.tools.iter().find(|(_, times)| **times > 1) {
                Some((tool, times)) => Err(format!("change {tool} was made {times} times")),
                None => Ok(()),
            },
        }
    }

    /// Judges an answer: given once, to a call that waits, and true.
    fn judge(&mut self, index: usize, call: CallId, finish: &Finish) -> Result<(), Violation> {
        let towline = &mut self.towlines[index];
        let generation = towline.generation;
        let Some((want, answered)) = towline.calls.get_mut(&call) else { return Err(format!("call {call} was never made")) };
        let want = *want;
        if *answered != Answered::No {
            return Err(format!("call {call} ({want:?}) was answered again: {finish:?}"));
        }
        *answered = if matches!(finish, Finish::Outcome(_) | Finish::Reply { .. }) { Answered::Outcome } else { Answered::Otherwise };
        let patient = !matches!(want, Want::Change(_));
        match (finish, want) {
            (
                Finish::Outcome(outcome),
                Want::Run(exec, _) | Want::Wait(exec) | Want::Also(exec) | Want::Collect(exec) | Want::Background(exec),
            ) => self.true_outcome(exec, &outcome.report.standing, Some(&outcome.out.head)),
            (Finish::Reply { body, .. }, Want::Background(exec) | Want::Look(exec)) => {
                let slice = parse_slice(body).ok_or("a slice that cannot be read")?;
                let standing = slice.report.standing;
                if standing == Standing::NoRecord && matches!(want, Want::Background(_)) {
                    return Err(format!("{exec} was not recorded"));
                }
                let open = matches!(standing, Standing::NoRecord | Standing::Running | Standing::Queued);
                if open { Ok(()) } else { self.true_outcome(exec, &standing, None) }
            }
            // The host says so while it has no record; what is still on its way to an older lane may make one later.
            (Finish::Refused(word), Want::Wait(_) | Want::Also(_) | Want::Collect(_)) if word == "unknown" => Ok(()),
            (Finish::NotSent(_), _) if self.may_have_arrived(generation, call, want) => {
                Err(format!("call {call} ({want:?}) was called not sent, and it was"))
            }
            (Finish::NotSent(_), _) | (Finish::Reply { .. }, Want::Cancel(_) | Want::Change(_)) => Ok(()),
            (Finish::Late, _) if self.late_is_fair => Ok(()),
            (Finish::Unknown { .. }, _) if self.late_is_fair || !patient => Ok(()),
            _ => Err(format!("call {call} ({want:?}) was answered {finish:?}")),
        }
    }

    fn may_have_arrived(&self, generation: u8, call: CallId, want: Want) -> bool {
        let on_the_way = self.host.lanes.iter().any(|(id, lane)| id.0 == generation && lane.up.iter().any(|asked| asked.number == call));
        let arrived = match want {
            Want::Run(exec, _) | Want::Background(exec) => self.host.records.get(&exec).is_some_and(|record| record.asked_by(generation)),
            Want::Change(tool) => self.host.tools.contains_key(&tool),
            Want::Collect(_) | Want::Cancel(_) | Want::Wait(_) | Want::Also(_) | Want::Look(_) => false,
        };
        on_the_way || arrived
    }

    fn true_outcome(&mut self, exec: Exec, standing: &Standing, output: Option<&[u8]>) -> Result<(), Violation> {
        if let Some(before) = self.told.get(&exec).filter(|before| *before != standing) {
            return Err(format!("{exec} was called {before:?} before and {standing:?} now"));
        }
        self.told.insert(exec, standing.clone());
        // An execution whose id changed on the way is some other one: its first name has no truth.
        let truth = self.host.truth.get(&exec).copied();
        let fits = match standing {
            Standing::Exited(7) => truth == Some(End::Exit),
            Standing::Killed(signal) => signal == "KILL" && truth == Some(End::Killed),
            Standing::NeverBegan => truth == Some(End::Never),
            Standing::Lost(_) => self.lost_is_fair && matches!(truth, None | Some(End::Killed)),
            Standing::Exited(_)
            | Standing::Running
            | Standing::Queued
            | Standing::NoDirectory
            | Standing::NoRecord
            | Standing::Unknown(_) => false,
        };
        if !fits {
            return Err(format!("{exec} was called {standing:?}; the truth is {truth:?}"));
        }
        let spool = self.host.records.get(&exec).map_or(0, |record| record.spool);
        let whole: Vec<u8> = (0..spool).map(|part| b'a' + part).collect();
        let lost = matches!(standing, Standing::Lost(_));
        match output.filter(|output| !lost && *output != whole.as_slice()) {
            Some(output) => Err(format!("the output of {exec} was told as {:?}, not {:?}", text(output), text(&whole))),
            None => Ok(()),
        }
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.host.hash(hasher);
        (self.budget, self.late_is_fair, self.lost_is_fair).hash(hasher);
        for (exec, standing) in &self.told {
            (exec, matches!(standing, Standing::Lost(_))).hash(hasher);
        }
        for towline in &self.towlines {
            towline.line.fingerprint(self.now, hasher);
            (towline.generation, &towline.wants, &towline.calls, &towline.opening, towline.sendings).hash(hasher);
        }
    }
}

impl Towline {
    fn new(generation: u8, wants: &[Want]) -> Self {
        Self {
            line: Line::new(TIMING),
            generation,
            wants: wants.iter().copied().collect(),
            calls: BTreeMap::new(),
            opening: BTreeSet::new(),
            sent: BTreeMap::new(),
            sendings: 0,
        }
    }

    fn waits(&self) -> bool {
        self.calls.values().any(|(_, answered)| *answered == Answered::No)
    }

    fn answer_to_run(&self, exec: Exec) -> Option<&Answered> {
        self.calls.values().find(|(want, _)| matches!(want, Want::Run(run, _) if *run == exec)).map(|(_, answered)| answered)
    }

    fn can_want(&self) -> bool {
        match self.wants.front() {
            None => false,
            Some(Want::Collect(exec)) => matches!(self.answer_to_run(*exec), None | Some(Answered::Otherwise)),
            Some(Want::Wait(_) | Want::Look(_)) => !self.waits(),
            Some(_) => true,
        }
    }

    /// The machine, or a broken one.
    fn handle(&mut self, now: Duration, event: Event, mutation: Option<Mutation>) -> Vec<Effect> {
        let event = match (mutation, event) {
            (Some(Mutation::OldLanesAreHeard), Event::Said(_, frame)) => Event::Said(self.newest(), frame),
            (_, event) => event,
        };
        let up = matches!(event, Event::Up(..));
        let mut effects = self.line.handle(now, event);
        let again: Vec<Effect> = match mutation {
            Some(Mutation::EveryAnswerTwice) => effects.iter().filter(|effect| matches!(effect, Effect::Finish(..))).cloned().collect(),
            Some(Mutation::EverythingIsSentAgain) if up => {
                let epoch = self.newest();
                self.sent.values().map(|bytes| Effect::Send(epoch, bytes.clone())).collect()
            }
            _ => Vec::new(),
        };
        effects.extend(again);
        if mutation.is_some() {
            self.remember(&mut effects, mutation);
        }
        effects
    }

    fn newest(&self) -> Epoch {
        self.line.epoch()
    }

    /// Notes what is sent, and breaks what is sent again.
    fn remember(&mut self, effects: &mut Vec<Effect>, mutation: Option<Mutation>) {
        effects.retain_mut(|effect| {
            let Effect::Send(_, bytes) = effect else { return true };
            let asked = wire::read(bytes);
            let call = asked[0].number;
            let before = self.sent.contains_key(&call);
            if before && mutation == Some(Mutation::NothingIsSentAgain) {
                return false;
            }
            if let (true, Some(Mutation::NewIdOnEachSending), Request::Run { exec, .. }) = (before, mutation, asked[0].request) {
                *bytes = run(exec + 4, false).encode(call);
            }
            if asked[0].request != Request::Ping {
                self.sent.insert(call, bytes.clone());
            }
            true
        });
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn trouble(code: Code) -> Trouble {
    Trouble { code, text: String::new(), hint: None }
}

fn session() -> SessionName {
    SessionName::parse("s").expect("a name")
}

fn handle(exec: Exec) -> Handle {
    Handle::parse(&name(exec)).expect("a handle")
}

fn look(exec: Exec) -> Output {
    Output { handle: handle(exec), stream: "stdout", offset: Some(0), limit: 0, tail: 0, wait: 0, wait_for: "end", pattern: String::new() }
}

fn run(exec: Exec, background: bool) -> Wanted {
    Wanted::Run(Run {
        handle: handle(exec),
        id: ExecutionId::from_bits(u128::from(exec)),
        session: session(),
        copy: false,
        background,
        visitor: false,
        separate: false,
        limit: 0,
        command: "true".to_owned(),
        stdin: None,
        cwd: None,
        env: Vec::new(),
        secrets: Vec::new(),
        agent: false,
    })
}
