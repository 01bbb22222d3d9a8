//! The client's side of a line, as a state machine: what to send, what to send again, when a link is dead, what to answer.
//!
//! Holds to: no I/O and no clock; events and the time go in, effects come out, and the same events give the same effects.
//! A request to run may be sent again after a reconnect because its id makes the host attach instead of starting; a question may
//! because it changes nothing; whatever else was sent is never sent again. Every call gets exactly one [`Effect::Finish`].
//! Leaves out: who connects, and how an answer is shown.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use towline_base::{Code, Handle, SessionName};

pub use words::{CallId, Effect, Ends, Epoch, Event, Finish, Outcome, Timing, Trouble};

use crate::Request;
use crate::frame::{Frame, Tag};
use crate::outcome::{self, Hello, Standing};
use crate::request::Output;

/// What may be done with a request whose lane was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// The host attaches by the id.
    ByItsId,
    /// It only asks.
    Harmless,
    /// It may have been carried out, and doing it twice would be another thing.
    Never,
}

/// The file tools that change nothing.
const LOOKING_TOOLS: &[&str] = &["read", "stat", "list", "glob", "grep"];

fn again(request: &Request) -> Again {
    match request {
        Request::Run(_) => Again::ByItsId,
        // A stop of what has ended says so; a session that is there is found; an execution that was let go is let go.
        Request::Ping
        | Request::Wait(_)
        | Request::Over(_)
        | Request::Output(_)
        | Request::Stop(..)
        | Request::Jobs(_)
        | Request::Ack(_)
        | Request::Session(_)
        | Request::End(_)
        | Request::Visits(_)
        | Request::Facts
        | Request::Sweep(_)
        | Request::Bound(_)
        | Request::Clean(_) => Again::Harmless,
        Request::Tool(_, call) if LOOKING_TOOLS.contains(&call.tool) => Again::Harmless,
        Request::Tool(..) => Again::Never,
    }
}

#[derive(Clone, Debug)]
struct Waiting {
    request: Box<Request>,
    deadline: Duration,
    /// The lane on which it was sent last; `None` if it never was.
    sent: Option<Epoch>,
    body: Vec<u8>,
    out: Ends,
    err: Ends,
    rebuilt: bool,
    /// When it was asked.
    since: Duration,
    /// The lane was in the middle of telling this execution's outcome when it was asked for it: the call waits for the next telling.
    came_late: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// No lane, and none is wanted.
    Idle,
    /// A lane is being opened.
    Opening(Opening),
    /// A lane is there.
    Up { heard: Duration, asked: Option<Asked> },
    /// The next attempt waits.
    Resting { until: Duration },
}

/// How far the opening of a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Opening {
    /// There is no channel yet.
    Connecting,
    /// The host let us in, and its shell has said nothing.
    Reached,
    /// Its shell listens: requests follow the program without a wait for its word.
    Greeted,
}

/// Pings that were not answered yet.
#[derive(Clone, Copy, Debug, Hash)]
struct Asked {
    first: Duration,
    last: Duration,
}

/// A line: at most one lane at a time, and the calls that wait on it.
#[derive(Clone, Debug)]
pub struct Line {
    timing: Timing,
    state: State,
    epoch: Epoch,
    calls: BTreeMap<CallId, Waiting>,
    /// Attempts that failed in a row.
    failures: u32,
    down_since: Option<Duration>,
    trouble: Option<Trouble>,
    next_number: u64,
    hello: Option<Hello>,
    /// Since when there is always a call that waits.
    busy_since: Option<Duration>,
    /// Executions whose output this lane has begun to send and whose outcome it has not: who asks now has missed a part.
    telling: BTreeSet<String>,
}

/// Numbers at and above this one are the machine's own pings; calls use their own id as number.
const PINGS_FROM: u64 = 1 << 40;
/// Bytes that one call may collect; more is a broken or hostile host.
const COLLECT_BYTES: usize = towline_base::limits::REPLY_BYTES;
/// Attempts that reached an sshd and failed, after which the pauses grow: as many as it forgives within seconds (a connection that
/// comes to no login is one second of penalty, and the first fifteen are free).
const BRISK: u32 = 8;
/// Outcomes that a lane may be in the middle of telling; more is a broken or hostile host.
const TELLING: usize = 1000;

impl Line {
    /// A line without a lane.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            state: State::Idle,
            epoch: 0,
            calls: BTreeMap::new(),
            failures: 0,
            down_since: None,
            trouble: None,
            next_number: PINGS_FROM,
            hello: None,
            busy_since: None,
            telling: BTreeSet::new(),
        }
    }

    /// What the host told when the lane came up; `None` while there is no lane.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        match self.state {
            State::Up { .. } => self.hello.as_ref(),
            State::Idle | State::Opening(_) | State::Resting { .. } => None,
        }
    }

    /// The session that a command waits for: a lane that is about to come up can have it ready.
    #[must_use]
    pub fn session_ahead(&self) -> Option<&SessionName> {
        self.calls.values().find_map(|waiting| if let Request::Run(run) = &*waiting.request { Some(&run.session) } else { None })
    }

    /// The number of the newest lane.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// When [`Event::Tick`] is needed next; `None` if nothing is to be done before another event.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let deadline = self.calls.values().map(|call| call.deadline).min();
        let state = match self.state {
            State::Idle | State::Opening(_) => None,
            State::Resting { until } => Some(until),
            State::Up { heard, asked } => {
                let watch = self.watch(heard, asked);
                Some(watch.ask.min(watch.dead))
            }
        };
        deadline.into_iter().chain(state).min()
    }

    /// Takes an event at a time; times never go back.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Call { call, request, deadline } => {
                self.calls.insert(call, Waiting::new(request, now, deadline));
                self.busy_since.get_or_insert(now);
                match self.state {
                    State::Up { .. } => self.send(call, now, &mut effects),
                    State::Idle => self.open(&mut effects),
                    State::Opening(Opening::Greeted) => self.send_early(call, now, &mut effects),
                    State::Opening(Opening::Connecting | Opening::Reached) | State::Resting { .. } => {}
                }
            }
            Event::Reached(epoch) => {
                if epoch == self.epoch && matches!(self.state, State::Opening(Opening::Connecting)) {
                    self.state = State::Opening(Opening::Reached);
                }
            }
            Event::Greeted(epoch) => {
                if epoch == self.epoch && matches!(self.state, State::Opening(Opening::Connecting | Opening::Reached)) {
                    self.state = State::Opening(Opening::Greeted);
                    for call in self.calls.keys().copied().collect::<Vec<_>>() {
                        self.send_early(call, now, &mut effects);
                    }
                }
            }
            Event::Forget(call) => {
                self.calls.remove(&call);
                self.rest();
            }
            // A lane says hello once; what a second one would do, no honest host asks for.
            Event::Up(epoch, _) if epoch == self.epoch && !matches!(self.state, State::Opening(_)) => {}
            Event::Up(epoch, hello) if epoch == self.epoch => self.on_up(now, hello, &mut effects),
            Event::Said(epoch, frame) if epoch == self.epoch => self.on_frame(now, frame, &mut effects),
            Event::Down(epoch, trouble) if epoch == self.epoch => self.on_down(now, trouble, &mut effects),
            Event::Up(epoch, _) => effects.push(Effect::Close(epoch)),
            Event::Said(..) | Event::Down(..) => {}
            Event::Tick => self.on_tick(now, &mut effects),
            Event::Release => {
                if self.calls.is_empty() && !matches!(self.state, State::Idle) {
                    effects.push(Effect::Close(self.epoch));
                    self.epoch += 1;
                    self.state = State::Idle;
                }
            }
        }
        effects
    }

    fn open(&mut self, effects: &mut Vec<Effect>) {
        self.epoch += 1;
        self.state = State::Opening(Opening::Connecting);
        effects.push(Effect::Open(self.epoch));
    }

    /// When a lane is to be asked for a sign of life, and when it is dead without one.
    fn watch(&self, heard: Duration, asked: Option<Asked>) -> Watch {
        let Some(busy_since) = self.busy_since else {
            let ask = asked.map_or(heard, |asked| asked.last) + self.timing.idle_heartbeat;
            return Watch { ask, dead: heard + self.timing.idle_silence };
        };
        // Silence counts from the first time at which somebody could expect a word: a quiet line is not dead when it is called.
        let expected = heard.max(asked.map_or(busy_since, |asked| asked.first.min(busy_since)));
        let ask = asked.map_or(expected, |asked| asked.last.max(expected)) + self.timing.heartbeat;
        Watch { ask, dead: expected + self.timing.silence }
    }

    /// Nobody waits any more.
    fn rest(&mut self) {
        if self.calls.is_empty() {
            self.busy_since = None;
        }
    }

    fn send(&mut self, call: CallId, now: Duration, effects: &mut Vec<Effect>) {
        let telling = self.calls.get(&call).and_then(|waiting| awaited(&waiting.request)).is_some_and(|key| self.telling.contains(key));
        let Some(waiting) = self.calls.get_mut(&call) else { return };
        waiting.rebuilt |= waiting.sent.is_some();
        waiting.sent = Some(self.epoch);
        waiting.came_late = telling;
        // What an older lane brought of an answer is brought again from the beginning.
        waiting.body.clear();
        waiting.out = Ends::default();
        waiting.err = Ends::default();
        effects.push(Effect::Send(self.epoch, waiting.bytes(call, now)));
    }

    /// Sends a call before the lane has said that it came up, if it may be sent again should it not come up.
    fn send_early(&mut self, call: CallId, now: Duration, effects: &mut Vec<Effect>) {
        // A command that was sent before goes again only to a host that has said that it keeps the same records; and what was asked after it
        // does not overtake it.
        if self.calls.values().any(|waiting| self.was_sent_before(waiting)) {
            return;
        }
        if self.calls.get(&call).is_some_and(|waiting| again(&waiting.request) != Again::Never) {
            self.telling.clear();
            self.send(call, now, effects);
        }
    }

    fn on_up(&mut self, now: Duration, hello: Hello, effects: &mut Vec<Effect>) {
        self.state = State::Up { heard: now, asked: None };
        self.telling.clear();
        let before = self.hello.replace(hello);
        if before.is_some_and(|before| self.hello.as_ref().is_some_and(|now| keeps_other_records(&before, now))) {
            self.give_up_what_was_sent(effects);
        }
        self.failures = 0;
        self.down_since = None;
        self.trouble = None;
        let unsent = |(call, waiting): (&CallId, &Waiting)| (waiting.sent != Some(self.epoch)).then_some(*call);
        for call in self.calls.iter().filter_map(unsent).collect::<Vec<_>>() {
            self.send(call, now, effects);
        }
    }

    /// The records that the executions were begun with are gone: the host would begin them again. What became of them is not known.
    fn give_up_what_was_sent(&mut self, effects: &mut Vec<Effect>) {
        let calls: Vec<CallId> = self.calls.iter().filter(|(_, waiting)| self.was_sent_before(waiting)).map(|(call, _)| *call).collect();
        for call in calls {
            let text = "the host's records are not those of before: they were removed, or the name leads to another host now".to_owned();
            let trouble = Some(Trouble { code: Code::HostState, text, hint: None });
            self.finish(call, Finish::Unknown { trouble, down_since: self.down_since }, effects);
        }
    }

    /// Whether it waits for an execution that was sent over an older lane.
    fn was_sent_before(&self, waiting: &Waiting) -> bool {
        waiting.sent.is_some_and(|sent| sent != self.epoch) && awaited(&waiting.request).is_some()
    }

    fn on_down(&mut self, now: Duration, trouble: Trouble, effects: &mut Vec<Effect>) {
        let was_up = matches!(self.state, State::Up { .. });
        self.down_since.get_or_insert(now);
        self.failures += u32::from(!was_up);
        effects.push(Effect::Close(self.epoch));
        let lasting = trouble.lasting();
        // A lane that finds no place says so before it takes a request: what was sent early was not taken.
        let untaken = (!was_up && trouble.code == Code::HostState).then_some(self.epoch);
        let mut ended = Vec::new();
        for (call, waiting) in &self.calls {
            let finish = match waiting.sent.filter(|sent| untaken != Some(*sent)) {
                // Never sent: a first connection that fails says so at once, in ssh's own words.
                None if !was_up && (lasting || self.hello.is_none() || self.long_down(now)) => Some(Finish::NotSent(trouble.clone())),
                Some(_) if lasting || again(&waiting.request) == Again::Never => {
                    Some(Finish::Unknown { trouble: Some(trouble.clone()), down_since: self.down_since })
                }
                None | Some(_) => None,
            };
            ended.extend(finish.map(|finish| (*call, finish)));
        }
        for (call, finish) in ended {
            self.finish(call, finish, effects);
        }
        let pause = self.pause(&trouble);
        self.trouble = Some(trouble);
        // What comes late from the lost lane is not for us.
        self.epoch += 1;
        self.state = if self.calls.is_empty() {
            self.down_since = None;
            State::Idle
        } else {
            State::Resting { until: now + pause }
        };
    }

    /// Whether the link has been away for so long that a new call is better told at once.
    fn long_down(&self, now: Duration) -> bool {
        self.down_since.is_none_or(|since| now.saturating_sub(since) > self.timing.silence)
    }

    fn pause(&self, trouble: &Trouble) -> Duration {
        let doubled = self.timing.first_pause.saturating_mul(1 << self.failures.min(16));
        let short = trouble.unreached() || self.failures <= BRISK;
        doubled.min(if short { self.timing.unreached_pause } else { self.timing.longest_pause })
    }

    fn on_tick(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let late: Vec<CallId> = self.calls.iter().filter(|(_, waiting)| waiting.deadline <= now).map(|(call, _)| *call).collect();
        for call in late {
            let sent = self.calls.get(&call).is_some_and(|waiting| waiting.sent.is_some());
            let finish = match (&self.state, sent) {
                (State::Up { heard, asked }, true) if now < self.watch(*heard, *asked).dead => Finish::Late,
                (_, true) => Finish::Unknown { trouble: self.trouble.clone(), down_since: self.down_since },
                (_, false) => Finish::NotSent(self.trouble.clone().unwrap_or_else(|| self.not_in_time())),
            };
            self.finish(call, finish, effects);
        }
        match self.state {
            State::Up { heard, asked } => self.on_tick_while_up(now, heard, asked, effects),
            State::Resting { until } if now >= until => {
                if self.calls.is_empty() {
                    self.down_since = None;
                    self.state = State::Idle;
                } else {
                    self.open(effects);
                }
            }
            State::Idle | State::Opening(_) | State::Resting { .. } => {}
        }
    }

    /// Why a call could not be sent in its time, where nothing has failed yet.
    fn not_in_time(&self) -> Trouble {
        let (code, text) = match self.state {
            State::Opening(Opening::Reached | Opening::Greeted) => (
                Code::RemoteShell,
                "the host let us in, and then nothing was heard of its login shell in time; nothing was sent. A login file may be slow or wait for input, or the link stands still",
            ),
            State::Opening(Opening::Connecting) | State::Idle | State::Up { .. } | State::Resting { .. } => {
                (Code::ConnectTimeout, "there was no connection to the host's shell in time; nothing was sent")
            }
        };
        Trouble { code, text: text.to_owned(), hint: None }
    }

    fn on_tick_while_up(&mut self, now: Duration, heard: Duration, asked: Option<Asked>, effects: &mut Vec<Effect>) {
        let watch = self.watch(heard, asked);
        // A tick that comes far too late means that this process itself did not run: what was said meanwhile is not heard yet.
        let slept = now >= watch.ask.min(watch.dead) + self.timing.heartbeat;
        if now >= watch.dead && !slept {
            let text = format!("the link has been silent for {} s", now.saturating_sub(heard).as_secs());
            self.on_down(now, Trouble { code: Code::LinkLost, text, hint: None }, effects);
        } else if now >= watch.ask || slept {
            self.next_number += 1;
            effects.push(Effect::Send(self.epoch, Request::Ping.encode(self.next_number)));
            let first = asked.filter(|_| !slept).map_or(now, |asked| asked.first);
            self.state = State::Up { heard: if slept { now } else { heard }, asked: Some(Asked { first, last: now }) };
        }
    }

    fn on_frame(&mut self, now: Duration, frame: Frame, effects: &mut Vec<Effect>) {
        if let State::Up { heard, asked } = &mut self.state {
            *heard = now;
            *asked = None;
        }
        match frame.tag {
            Tag::Hello => {}
            Tag::Body | Tag::Reply => self.on_reply(&frame, effects),
            Tag::Out | Tag::OutTail | Tag::Err | Tag::ErrTail | Tag::Outcome | Tag::Standing | Tag::Refused => {
                for call in self.calls_for(&frame.key) {
                    self.on_execution(call, &frame, effects);
                }
                self.note_telling(frame);
            }
        }
    }

    fn on_reply(&mut self, frame: &Frame, effects: &mut Vec<Effect>) {
        let Some(call) = frame.key.parse().ok().filter(|call| self.calls.contains_key(call)) else { return };
        let Some(waiting) = self.calls.get_mut(&call) else { return };
        if frame.tag == Tag::Body {
            if collect(&mut waiting.body, &frame.payload) {
                return;
            }
            let text = format!("the host sent more than {COLLECT_BYTES} bytes in one reply");
            self.finish(
                call,
                Finish::Unknown { trouble: Some(Trouble { code: Code::Protocol, text, hint: None }), down_since: None },
                effects,
            );
            return;
        }
        // A status that cannot be read is a failure: 255 is none that a program returns.
        let text = std::str::from_utf8(&frame.payload).unwrap_or_default();
        let (status, letters) = text.split_once(' ').unwrap_or((text, ""));
        let (status, marks) = (status.parse().unwrap_or(255), outcome::parse_marks(letters));
        let body = std::mem::take(&mut waiting.body);
        self.finish(call, Finish::Reply { status, body, marks }, effects);
    }

    /// The calls that wait for this execution's outcome and did not miss the beginning of what is told.
    fn calls_for(&self, key: &str) -> Vec<CallId> {
        let waits = |waiting: &Waiting| !waiting.came_late && waiting.sent == Some(self.epoch) && awaited(&waiting.request) == Some(key);
        self.calls.iter().filter(|(_, waiting)| waits(waiting)).map(|(call, _)| *call).collect()
    }

    /// Remembers in the middle of which outcomes the lane is.
    fn note_telling(&mut self, frame: Frame) {
        match frame.tag {
            Tag::Out | Tag::OutTail | Tag::Err | Tag::ErrTail if self.telling.len() < TELLING => {
                self.telling.insert(frame.key);
            }
            Tag::Outcome => {
                self.telling.remove(&frame.key);
                for waiting in self.calls.values_mut().filter(|waiting| awaited(&waiting.request) == Some(&frame.key)) {
                    waiting.came_late = false;
                }
            }
            Tag::Hello | Tag::Body | Tag::Reply | Tag::Standing | Tag::Refused | Tag::Out | Tag::OutTail | Tag::Err | Tag::ErrTail => {}
        }
    }

    fn on_execution(&mut self, call: CallId, frame: &Frame, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.calls.get_mut(&call) else { return };
        let place = match frame.tag {
            Tag::Out => &mut waiting.out.head,
            Tag::OutTail => &mut waiting.out.tail,
            Tag::Err => &mut waiting.err.head,
            Tag::ErrTail => &mut waiting.err.tail,
            Tag::Outcome => {
                let report = outcome::parse_report(&frame.payload);
                let (out, err) = (std::mem::take(&mut waiting.out), std::mem::take(&mut waiting.err));
                let rebuilt = waiting.rebuilt;
                self.finish(call, Finish::Outcome(Box::new(Outcome { report, out, err, rebuilt })), effects);
                return;
            }
            Tag::Refused => {
                let word = String::from_utf8_lossy(&frame.payload).into_owned();
                self.finish(call, Finish::Refused(word), effects);
                return;
            }
            Tag::Standing => {
                let (standing, ..) = outcome::parse_standing(&String::from_utf8_lossy(&frame.payload));
                if matches!(standing, Standing::NoRecord) {
                    self.finish(call, Finish::Refused("unknown".to_owned()), effects);
                }
                return;
            }
            Tag::Hello | Tag::Body | Tag::Reply => return,
        };
        // More than the two ends that a lane sends can only come from a host that does not keep to the protocol.
        let _ = collect(place, &frame.payload);
    }

    fn finish(&mut self, call: CallId, finish: Finish, effects: &mut Vec<Effect>) {
        if self.calls.remove(&call).is_some() {
            effects.push(Effect::Finish(call, finish));
        }
        self.rest();
    }

    /// Feeds a hasher with all that decides what the machine does from `now` on, seen from `now`: two lines that were asked the same
    /// and feed the same go on alike. For a search that must not visit a state twice.
    pub fn fingerprint(&self, now: Duration, hasher: &mut impl Hasher) {
        let since = |at: Duration| now.saturating_sub(at).as_millis();
        let until = |at: Duration| at.saturating_sub(now).as_millis();
        match self.state {
            State::Idle => 0_u8.hash(hasher),
            State::Opening(opening) => (1_u8, opening).hash(hasher),
            State::Up { heard, asked } => (2_u8, since(heard), asked.map(|asked| (since(asked.first), since(asked.last)))).hash(hasher),
            State::Resting { until: at } => (3_u8, until(at)).hash(hasher),
        }
        (self.epoch, self.failures.min(16), self.down_since.map(since), self.hello.is_some()).hash(hasher);
        (self.busy_since.map(since), &self.telling).hash(hasher);
        self.trouble.as_ref().map(|trouble| trouble.code.word()).hash(hasher);
        for (call, waiting) in &self.calls {
            (call, until(waiting.deadline), since(waiting.since), waiting.sent, waiting.rebuilt, waiting.came_late).hash(hasher);
            (&waiting.body, &waiting.out.head, &waiting.out.tail, &waiting.err.head, &waiting.err.tail).hash(hasher);
        }
    }
}

/// When something is due on a lane.
struct Watch {
    ask: Duration,
    dead: Duration,
}

impl Waiting {
    fn new(request: Box<Request>, now: Duration, deadline: Duration) -> Self {
        let (out, err) = (Ends::default(), Ends::default());
        Self { request, deadline, sent: None, body: Vec::new(), out, err, rebuilt: false, since: now, came_late: false }
    }

    /// The bytes that ask it now.
    fn bytes(&self, call: CallId, now: Duration) -> Vec<u8> {
        let request = &*self.request;
        if let Request::Output(output) = request
            && output.wait > 0
        {
            // What was waited before does not count again.
            let waited = u64::try_from(now.saturating_sub(self.since).as_millis() / 10).unwrap_or(u64::MAX);
            return Request::Output(Output { wait: output.wait.saturating_sub(waited).max(1), ..output.clone() }).encode(call);
        }
        let mut bytes = request.encode(call);
        if let Request::Run(run) = request
            && run.background
        {
            // Nobody waits for its outcome; a look at its record in the same breath tells that it was taken.
            bytes.extend(look(run.handle.clone()).encode(call));
        }
        bytes
    }
}

/// The execution whose outcome a request waits for.
fn awaited(request: &Request) -> Option<&str> {
    match request {
        Request::Run(run) => Some(run.handle.as_str()),
        Request::Wait(handle) => Some(handle.as_str()),
        Request::Ping
        | Request::Over(_)
        | Request::Output(_)
        | Request::Stop(..)
        | Request::Jobs(_)
        | Request::Ack(_)
        | Request::Session(_)
        | Request::End(_)
        | Request::Visits(_)
        | Request::Facts
        | Request::Tool(..)
        | Request::Sweep(_)
        | Request::Bound(_)
        | Request::Clean(_) => None,
    }
}

/// Whether two lanes speak of different records.
fn keeps_other_records(before: &Hello, now: &Hello) -> bool {
    !before.state.is_empty() && !now.state.is_empty() && before.state != now.state
}

/// A look at an execution's record, without waiting.
fn look(handle: Handle) -> Request {
    let output = Output { handle, stream: "stdout", offset: Some(0), limit: 0, tail: 0, wait: 0, wait_for: "end", pattern: String::new() };
    Request::Output(output)
}

/// Adds bytes within the bound; false if they do not fit.
fn collect(place: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let fits = place.len() + bytes.len() <= COLLECT_BYTES;
    if fits {
        place.extend_from_slice(bytes);
    }
    fits
}
