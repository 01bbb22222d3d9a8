//! What is said to the machine of a line, and what it says.
//!
//! Holds to: plain values. Leaves out: what is done about them.

use std::time::Duration;

use towline_base::Code;

use crate::Request;
use crate::frame::Frame;
use crate::outcome::{Hello, Mark, Report};

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
    /// First pause before connecting again; doubles up to one of the two below.
    pub first_pause: Duration,
    /// Longest pause where the attempt did not reach an sshd: a waiting call should hardly notice when the link is back.
    pub unreached_pause: Duration,
    /// Longest pause where it did: long enough for `MaxStartups` and `PerSourcePenalties`.
    pub longest_pause: Duration,
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
    /// The host let us in, and its shell has said nothing yet.
    Reached(Epoch),
    /// A lane's shell listens, and its program was sent: requests may follow at once.
    Greeted(Epoch),
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
    /// Whether no sshd has seen the attempt, so that none counts it.
    pub(super) fn unreached(&self) -> bool {
        matches!(self.code, Code::Resolve | Code::Refused | Code::Unreachable | Code::ConnectTimeout)
    }

    /// Whether trying again soon cannot help: a person has to do something.
    pub(super) fn lasting(&self) -> bool {
        matches!(
            self.code,
            Code::BadHost
                | Code::BadInput
                | Code::HostKeyUnknown
                | Code::HostKeyChanged
                | Code::AuthRejected
                | Code::AuthPrompt
                | Code::SudoRefused
                | Code::SudoPassword
                | Code::SecretMissing
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
        /// What else is to be told: a tool in a session may find that a person was there.
        marks: Vec<Mark>,
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
