//! The client's side of a line, as a state machine: what to send, what to send again, when a link is dead, what to answer.
//!
//! Holds to: no I/O and no clock; events and the time go in, effects come out, and the same events give the same effects.
//! A request to run may be sent again after a reconnect because its id makes the host attach instead of starting; a question may
//! because it changes nothing; whatever else was sent is never sent again. Every call gets exactly one [`Effect::Finish`].
//! Leaves out: who connects, and how an answer is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use towline_base::{Code, Handle};

use crate::Request;
use crate::frame::{Frame, Tag};
use crate::outcome::{self, Hello, Report, Standing};
use crate::request::Output;

/// A call of the line's user; unique per line.
pub type CallId = u64;
/// A lane, counted from 1; what an older one still says is not heard.
pub type Epoch = u64;

/// The times by which the machine goes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often a line with waiting calls is asked for a sign of life.
    pub heartbeat: Duration,
    /// Silence after which a line with waiting calls is dead.
    pub silence: Duration,
    /// How often an idle line is asked.
    pub idle_heartbeat: Duration,
    /// Silence after which an idle line is dead.
    pub idle_silence: Duration,
    /// First pause before connecting again; doubles up to the longest.
    pub first_pause: Duration,
    /// Longest pause: long enough for `MaxStartups` and `PerSourcePenalties`.
    pub longest_pause: Duration,
}

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
        | Request::Facts
        | Request::Clean(_) => Again::Harmless,
        Request::Tool(_, call) if LOOKING_TOOLS.contains(&call.tool) => Again::Harmless,
        Request::Tool(..) => Again::Never,
    }
}

/// What happens to the machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody calls; the answer must come by `deadline`.
    Call {
        /// Its id.
        call: CallId,
        /// What it asks.
        request: Box<Request>,
        /// When it must have been answered.
        deadline: Duration,
    },
    /// Somebody no longer wants an answer; nothing is said to the host.
    Forget(CallId),
    /// A lane said hello.
    Up(Epoch, Hello),
    /// A lane said something.
    Said(Epoch, Frame),
    /// A lane ended, or could not be had.
    Down(Epoch, Trouble),
    /// Time passed.
    Tick,
    /// The user wants the lane closed when nothing needs it.
    Release,
}

/// Why a lane is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub code: Code,
    /// In words, with what ssh said.
    pub text: String,
    /// What to do, if it is not what the code says.
    pub hint: Option<String>,
}

impl Trouble {
    /// Whether trying again soon cannot help: a person has to do something.
    fn lasting(&self) -> bool {
        matches!(
            self.code,
            Code::BadHost
                | Code::BadInput
                | Code::HostKeyUnknown
                | Code::HostKeyChanged
                | Code::AuthRejected
                | Code::AuthPrompt
                | Code::SshConfig
                | Code::MissingProgram
                | Code::RemoteShell
                | Code::Protocol
                | Code::HostState
                | Code::Forbidden
        )
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a lane.
    Open(Epoch),
    /// Give a lane up; it is not listened to any more.
    Close(Epoch),
    /// Send bytes on a lane.
    Send(Epoch, Vec<u8>),
    /// Answer a call.
    Finish(CallId, Finish),
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// The host replied.
    Reply {
        /// The reply's status.
        status: u8,
        /// Its body.
        body: Vec<u8>,
    },
    /// An execution's outcome came.
    Outcome(Box<Outcome>),
    /// The host refused the request to run: its word.
    Refused(String),
    /// No lane could be had; nothing was sent.
    NotSent(Trouble),
    /// It was sent, and what became of it is not known.
    Unknown {
        /// How the link stands.
        trouble: Option<Trouble>,
        /// Since when it is down, if it is.
        down_since: Option<Duration>,
    },
    /// The deadline came over a link that is up: an execution goes on, a reply did not come.
    Late,
}

/// An outcome with the output that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the execution stands.
    pub report: Report,
    /// Standard output.
    pub out: Ends,
    /// Standard error, if it was kept apart.
    pub err: Ends,
    /// Whether a lane was lost while the call waited.
    pub rebuilt: bool,
}

/// The ends of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// From the beginning.
    pub head: Vec<u8>,
    /// From the end, with the sizes `<total> <dropped>` on a line before it; empty if `head` is all.
    pub tail: Vec<u8>,
}

impl Ends {
    /// Bytes of the stream and bytes dropped by the cap, and the tail itself; `None` if `head` is all.
    #[must_use]
    pub fn split_tail(&self) -> Option<(u64, u64, &[u8])> {
        let end = self.tail.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&self.tail[..end]).ok()?;
        let (total, dropped) = line.split_once(' ')?;
        Some((total.parse().ok()?, dropped.parse().ok()?, &self.tail[end + 1..]))
    }
}

#[derive(Debug)]
struct Waiting {
    request: Box<Request>,
    deadline: Duration,
    /// The lane on which it was sent last; `None` if it never was.
    sent: Option<Epoch>,
    body: Vec<u8>,
    out: Ends,
    err: Ends,
    rebuilt: bool,
}

#[derive(Debug)]
enum State {
    /// No lane, and none is wanted.
    Idle,
    /// A lane is being opened.
    Opening,
    /// A lane is there.
    Up { heard: Duration, asked: Option<Duration> },
    /// The next attempt waits.
    Resting { until: Duration },
}

/// A line: at most one lane at a time, and the calls that wait on it.
#[derive(Debug)]
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
}

/// Numbers at and above this one are the machine's own pings; calls use their own id as number.
const PINGS_FROM: u64 = 1 << 40;
/// Bytes that one call may collect; more is a broken or hostile host.
const COLLECT_BYTES: usize = towline_base::limits::REPLY_BYTES;

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
        }
    }

    /// What the host told when the lane came up; `None` while there is no lane.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        match self.state {
            State::Up { .. } => self.hello.as_ref(),
            State::Idle | State::Opening | State::Resting { .. } => None,
        }
    }

    /// When [`Event::Tick`] is needed next; `None` if nothing is to be done before another event.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let deadline = self.calls.values().map(|call| call.deadline).min();
        let state = match self.state {
            State::Idle | State::Opening => None,
            State::Resting { until } => Some(until),
            State::Up { heard, asked } => {
                let (beat, silence) = self.beat();
                Some((asked.unwrap_or(heard) + beat).min(heard + silence))
            }
        };
        deadline.into_iter().chain(state).min()
    }

    /// Takes an event at a time; times never go back.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Call { call, request, deadline } => {
                let waiting =
                    Waiting { request, deadline, sent: None, body: Vec::new(), out: Ends::default(), err: Ends::default(), rebuilt: false };
                self.calls.insert(call, waiting);
                match self.state {
                    State::Up { .. } => self.send(call, now, &mut effects),
                    State::Idle => self.open(&mut effects),
                    State::Opening | State::Resting { .. } => {}
                }
            }
            Event::Forget(call) => {
                self.calls.remove(&call);
            }
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
        self.state = State::Opening;
        effects.push(Effect::Open(self.epoch));
    }

    fn beat(&self) -> (Duration, Duration) {
        if self.calls.is_empty() {
            (self.timing.idle_heartbeat, self.timing.idle_silence)
        } else {
            (self.timing.heartbeat, self.timing.silence)
        }
    }

    fn send(&mut self, call: CallId, now: Duration, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.calls.get_mut(&call) else { return };
        waiting.rebuilt |= waiting.sent.is_some();
        waiting.sent = Some(self.epoch);
        // What an older lane brought of an answer is brought again from the beginning.
        waiting.body.clear();
        waiting.out = Ends::default();
        waiting.err = Ends::default();
        let mut bytes = waiting.request.encode(call);
        if let Request::Run(run) = &*waiting.request
            && run.background
        {
            // Nobody waits for its outcome; a look at its record in the same breath tells that it was taken.
            bytes.extend(look(run.handle.clone()).encode(call));
        }
        effects.push(Effect::Send(self.epoch, bytes));
        // A line that was quiet while nobody waited may be dead: the first call asks at once.
        if let State::Up { heard, asked: asked @ None } = &mut self.state
            && now.saturating_sub(*heard) > self.timing.heartbeat
        {
            *heard = now;
            *asked = None;
        }
    }

    fn on_up(&mut self, now: Duration, hello: Hello, effects: &mut Vec<Effect>) {
        self.state = State::Up { heard: now, asked: None };
        self.hello = Some(hello);
        self.failures = 0;
        self.down_since = None;
        self.trouble = None;
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.send(call, now, effects);
        }
    }

    fn on_down(&mut self, now: Duration, trouble: Trouble, effects: &mut Vec<Effect>) {
        let was_up = matches!(self.state, State::Up { .. });
        self.down_since.get_or_insert(now);
        self.failures += u32::from(!was_up);
        effects.push(Effect::Close(self.epoch));
        let lasting = trouble.lasting();
        let mut ended = Vec::new();
        for (call, waiting) in &self.calls {
            let finish = match waiting.sent {
                // Never sent: a first connection that fails says so at once, in ssh's own words.
                None if !was_up && (lasting || self.hello.is_none() || self.long_down(now)) => Some(Finish::NotSent(trouble.clone())),
                None => None,
                Some(_) if lasting || again(&waiting.request) == Again::Never => {
                    Some(Finish::Unknown { trouble: Some(trouble.clone()), down_since: self.down_since })
                }
                Some(_) => None,
            };
            ended.extend(finish.map(|finish| (*call, finish)));
        }
        for (call, finish) in ended {
            self.finish(call, finish, effects);
        }
        self.trouble = Some(trouble);
        // What comes late from the lost lane is not for us.
        self.epoch += 1;
        self.state = if self.calls.is_empty() {
            self.down_since = None;
            State::Idle
        } else {
            State::Resting { until: now + self.pause() }
        };
    }

    /// Whether the link has been away for so long that a new call is better told at once.
    fn long_down(&self, now: Duration) -> bool {
        self.down_since.is_none_or(|since| now.saturating_sub(since) > self.timing.silence)
    }

    fn pause(&self) -> Duration {
        let doubled = self.timing.first_pause.saturating_mul(1 << self.failures.min(16));
        doubled.min(self.timing.longest_pause)
    }

    fn on_tick(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let late: Vec<CallId> = self.calls.iter().filter(|(_, waiting)| waiting.deadline <= now).map(|(call, _)| *call).collect();
        for call in late {
            let sent = self.calls.get(&call).is_some_and(|waiting| waiting.sent.is_some());
            let finish = match (&self.state, sent) {
                (State::Up { heard, .. }, true) if now.saturating_sub(*heard) < self.timing.silence => Finish::Late,
                (_, true) => Finish::Unknown { trouble: self.trouble.clone(), down_since: self.down_since },
                (_, false) => Finish::NotSent(self.trouble.clone().unwrap_or_else(|| Trouble {
                    code: Code::ConnectTimeout,
                    text: "the connection was not there in time".to_owned(),
                    hint: None,
                })),
            };
            self.finish(call, finish, effects);
        }
        let (beat, silence) = self.beat();
        match self.state {
            State::Up { heard, .. } if now >= heard + silence => {
                let text = format!("the link has been silent for {} s", now.saturating_sub(heard).as_secs());
                self.on_down(now, Trouble { code: Code::LinkLost, text, hint: None }, effects);
            }
            State::Up { heard, asked } if now >= asked.unwrap_or(heard) + beat => {
                self.next_number += 1;
                effects.push(Effect::Send(self.epoch, Request::Ping.encode(self.next_number)));
                self.state = State::Up { heard, asked: Some(now) };
            }
            State::Resting { until } if now >= until => {
                if self.calls.is_empty() {
                    self.state = State::Idle;
                } else {
                    self.open(effects);
                }
            }
            State::Idle | State::Opening | State::Up { .. } | State::Resting { .. } => {}
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
        let status = std::str::from_utf8(&frame.payload).ok().and_then(|text| text.parse().ok()).unwrap_or(255);
        let body = std::mem::take(&mut waiting.body);
        self.finish(call, Finish::Reply { status, body }, effects);
    }

    /// The calls that wait for this execution's outcome.
    fn calls_for(&self, key: &str) -> Vec<CallId> {
        let waits = |request: &Request| match request {
            Request::Run(run) => run.handle.as_str() == key,
            Request::Wait(handle) => handle.as_str() == key,
            _ => false,
        };
        self.calls.iter().filter(|(_, waiting)| waits(&waiting.request)).map(|(call, _)| *call).collect()
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
    }

    /// The executions that calls wait for now.
    #[must_use]
    pub fn awaited(&self) -> Vec<Handle> {
        let handle = |request: &Request| match request {
            Request::Run(run) => Some(run.handle.clone()),
            Request::Wait(handle) => Some(handle.clone()),
            _ => None,
        };
        self.calls.values().filter_map(|waiting| handle(&waiting.request)).collect()
    }
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
