//! Following a command's output: what an answer of `JobOutput` means for one who wants every byte once.
//!
//! Holds to: pure; says what to print, where to go on, and whether to wait. Leaves out: calls, clocks, printing.

use towline_base::{Code, Failure};
use towline_engine::answer::{OutputSlice, State};

/// How a stream is followed.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Bytes that were seen.
    offset: u64,
    /// Whether the link was last known to be down, and that was told.
    apart: bool,
    /// Whether somebody else tells of the link.
    quiet: bool,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// Bytes to print.
    pub(crate) print: Vec<u8>,
    /// Sentences for the person.
    pub(crate) say: Vec<String>,
    /// How it goes on.
    pub(crate) next: Next,
}

/// How it goes on.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Next {
    /// Ask again at once.
    #[default]
    Ask,
    /// Ask again after a pause: nothing is known now.
    Pause,
    /// All of it was seen, and this is how the command stands.
    Done(State),
}

impl Follower {
    /// One that leaves it to another to tell of the link.
    pub(crate) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// From which byte to ask.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes an answer in.
    pub(crate) fn answer(&mut self, slice: OutputSlice) -> Step {
        let mut step = Step::default();
        if let State::Unknown(why) = &slice.state {
            step.next = Next::Pause;
            step.say.extend(self.parted(why));
        } else if std::mem::take(&mut self.apart) && !self.quiet {
            step.say.push("the link is back; nothing was lost or replayed".to_owned());
        }
        if slice.offset > self.offset && !slice.bytes.is_empty() {
            step.say.push(format!("{} bytes of output were dropped beyond the host's cap", slice.offset - self.offset));
            self.offset = slice.offset;
        }
        // What was seen before is not shown again, should an answer begin earlier than it was asked to.
        let seen = usize::try_from(self.offset.saturating_sub(slice.offset)).unwrap_or(usize::MAX).min(slice.bytes.len());
        step.print = slice.bytes[seen..].to_vec();
        self.offset = slice.next.max(self.offset);
        let all = self.offset >= slice.total || slice.bytes.is_empty();
        match slice.state {
            State::Exited(_) | State::Killed(_) | State::Lost(_) if all => {
                if self.offset < slice.total {
                    step.say.push(format!("{} bytes of output are missing at its end", slice.total - self.offset));
                }
                step.next = Next::Done(slice.state);
            }
            State::Exited(_) | State::Killed(_) | State::Lost(_) | State::Running | State::Queued | State::Unknown(_) => {}
        }
        step
    }

    /// Takes a failure in: a lost link is waited out, anything else ends the following.
    pub(crate) fn failure(&mut self, failure: Failure) -> Result<Step, Failure> {
        let passing = matches!(
            failure.code,
            Code::LinkLost
                | Code::Resolve
                | Code::Refused
                | Code::Unreachable
                | Code::ConnectTimeout
                | Code::ChannelRefused
                | Code::SshFailed
        );
        if !passing {
            return Err(failure);
        }
        let say = self.parted(&failure.text).into_iter().collect();
        Ok(Step { say, next: Next::Pause, ..Step::default() })
    }

    /// What to say when the link is down; once.
    fn parted(&mut self, why: &str) -> Option<String> {
        (!std::mem::replace(&mut self.apart, true) && !self.quiet)
            .then(|| format!("the link is down ({why}); the command goes on and is collected when it is back"))
    }
}

/// The exit code that tells how a command stands.
pub(crate) fn exit_code(state: &State) -> Option<u8> {
    match state {
        State::Exited(code) => Some(*code),
        State::Killed(signal) => Some(128 + number(signal)),
        State::Running | State::Queued | State::Lost(_) | State::Unknown(_) => None,
    }
}

/// A signal's number, by POSIX and Linux; 0 where it is none that is known.
fn number(signal: &str) -> u8 {
    const NUMBERS: &[(&str, u8)] = &[
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    NUMBERS.iter().find(|(name, _)| *name == signal).map_or(0, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_base::Handle;

    fn slice(state: State, offset: u64, bytes: &[u8], total: u64) -> OutputSlice {
        let id = Handle::parse("k3f9xx").expect("a handle");
        let (duration, cwd, waited) = (None, None, None);
        OutputSlice {
            id,
            state,
            duration,
            cwd,
            offset,
            next: offset + bytes.len() as u64,
            bytes: bytes.to_vec(),
            total,
            dropped: 0,
            waited,
        }
    }

    #[test]
    fn every_byte_is_printed_once_and_the_end_is_seen() {
        let mut follower = Follower::default();
        let script = [
            (slice(State::Queued, 0, b"", 0), "", Next::Ask),
            (slice(State::Running, 0, b"abc", 5), "abc", Next::Ask),
            (slice(State::Running, 1, b"bcde", 5), "de", Next::Ask),
            (slice(State::Running, 5, b"", 5), "", Next::Ask),
            (slice(State::Exited(3), 5, b"f", 8), "f", Next::Ask),
            (slice(State::Exited(3), 6, b"gh", 8), "gh", Next::Done(State::Exited(3))),
        ];
        for (answer, print, next) in script {
            let step = follower.answer(answer);
            assert_eq!((step.print.as_slice(), step.next, step.say.len()), (print.as_bytes(), next, 0));
        }
        assert_eq!(follower.offset(), 8);
    }

    #[test]
    fn a_gap_is_told() {
        let mut follower = Follower::default();
        let step = follower.answer(slice(State::Running, 100, b"x", 101));
        assert_eq!(step.say, ["100 bytes of output were dropped beyond the host's cap"]);
        let step = follower.answer(slice(State::Exited(0), 101, b"", 105));
        assert_eq!(step.say, ["4 bytes of output are missing at its end"]);
        assert_eq!(step.next, Next::Done(State::Exited(0)));
    }

    #[test]
    fn a_lost_link_is_told_once_and_waited_out() {
        let mut follower = Follower::default();
        let lost = || Failure::new(Code::LinkLost, "silent for 9 s");
        let first = follower.failure(lost()).expect("it is waited out");
        assert_eq!((first.say.len(), first.next), (1, Next::Pause));
        assert_eq!(follower.failure(lost()).expect("it is waited out").say.len(), 0);
        let unknown = follower.answer(slice(State::Unknown("down".into()), 0, b"", 0));
        assert_eq!((unknown.say.len(), unknown.next), (0, Next::Pause));
        let back = follower.answer(slice(State::Running, 0, b"", 0));
        assert_eq!(back.say, ["the link is back; nothing was lost or replayed"]);
        assert!(follower.failure(Failure::new(Code::Unknown, "no such id")).is_err());
    }

    #[test]
    fn states_have_the_exit_codes_that_shells_give() {
        for (state, code) in [
            (State::Exited(7), Some(7)),
            (State::Killed("TERM".into()), Some(143)),
            (State::Killed("KILL".into()), Some(137)),
            (State::Killed("XYZ".into()), Some(128)),
            (State::Lost("reboot".into()), None),
        ] {
            assert_eq!(exit_code(&state), code);
        }
    }
}
