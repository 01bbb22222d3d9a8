//! What a run does, decided by its seed: commands with what they will print and how they will end, and faults with their times.
//!
//! Holds to: pure; the same seed gives the same commands and the same faults in the same order. When they meet is up to the machine.
//! Leaves out: carrying anything out.

use std::fmt::Write as _;
use std::time::Duration;

/// Numbers that look random and follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The numbers of one purpose under a seed.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A number from `from` to below `to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// Whether something that happens so many times in a hundred happens now.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }
}

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the conversation's own session.
    Own,
    /// In a session that several towlines share, by number.
    Shared(u64),
    /// Beside the conversation's session, in a copy.
    Fresh,
    /// In a copy that nobody waits for.
    Background,
}

/// One command, and all that is known of it before it runs.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// A word that no other command has.
    pub(super) token: String,
    /// Where it runs.
    pub(super) place: Place,
    /// How long the call waits.
    pub(super) timeout: Duration,
    /// When the client cancels, if it does.
    pub(super) cancel: Option<Duration>,
    /// The status that it ends with.
    pub(super) status: u8,
    /// Short lines that it prints.
    lines: u64,
    /// Lines of 100 KB that it prints after them.
    wide: u64,
    /// Hundredths of a second that it takes beside printing.
    pause: u64,
    /// Whether it ends its shell.
    exits: bool,
}

/// Bytes of a wide line.
const WIDE: usize = 100_000;

impl Work {
    /// The next command.
    pub(super) fn next(dice: &mut Dice, token: String) -> Self {
        let place = match dice.below(10) {
            0..=2 => Place::Own,
            3..=5 => Place::Shared(dice.below(2)),
            6 | 7 => Place::Fresh,
            _ => Place::Background,
        };
        let timeout = if dice.percent(12) { dice.milliseconds(700, 3000) } else { Duration::from_secs(60) };
        let cancel = dice.percent(3).then(|| dice.milliseconds(0, 1500));
        let wide = if dice.percent(5) { dice.between(1, 4) } else { 0 };
        let pause = match dice.below(10) {
            0..=4 => 0,
            5..=8 => dice.between(1, 60),
            _ => dice.between(60, 250),
        };
        let lines = if dice.percent(10) { dice.between(100, 400) } else { dice.between(1, 12) };
        let status = u8::try_from(dice.below(100)).unwrap_or(0);
        Self { token, place, timeout, cancel, status, lines, wide, pause, exits: dice.percent(8) }
    }

    /// The same command with another status, and never cancelled.
    #[cfg(test)]
    pub(super) fn ending_with(self, status: u8) -> Self {
        Self { status, cancel: None, ..self }
    }

    /// The shell text.
    pub(super) fn command(&self) -> String {
        let Self { token, lines, wide, pause, status, .. } = self;
        let mut text = format!("echo {token} >>~/ledger; i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo {token} $i; ");
        if *pause > 0 {
            let _ = write!(text, "if [ $i = {} ]; then sleep {}.{:02}; fi; ", lines.div_ceil(2), pause / 100, pause % 100);
        }
        text.push_str("done; ");
        if *wide > 0 {
            let _ = write!(text, "i=0; while [ $i -lt {wide} ]; do i=$((i+1)); printf '%0{WIDE}d\\n' $i; done; ");
        }
        let _ = write!(text, "echo {token} >>~/ends; ");
        let _ = if self.exits { write!(text, "exit {status}") } else { write!(text, "(exit {status})") };
        text
    }

    /// All that it prints.
    pub(super) fn output(&self) -> String {
        let mut text: String = (1..=self.lines).fold(String::new(), |mut text, i| {
            let _ = writeln!(text, "{} {i}", self.token);
            text
        });
        for i in 1..=self.wide {
            let digits = i.to_string();
            text.extend(std::iter::repeat_n('0', WIDE - digits.len()));
            text.push_str(&digits);
            text.push('\n');
        }
        text
    }
}

/// What goes wrong. Times are how long it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every connection is reset.
    Cut,
    /// A connection ends behind this many more bytes from the host.
    CutWithin(u64),
    /// Every connection is reset again and again while it comes up.
    CutWhileUp(u64),
    /// Every connection is reset, and nobody gets through.
    Away(Duration),
    /// Every byte stays where it is.
    Freeze(Duration),
    /// The host's side is closed, and the client is not told.
    HostGone(Duration),
    /// The client's side is closed, and the host's lane goes on.
    ClientGone(Duration),
    /// The old connection is held with what is on its way in it, a new one takes its place, then the old one goes on.
    Stale(Duration),
    /// Few bytes a second, each of them late.
    Slow(Duration),
    /// kill -9 of towline; it is started again after a while.
    Towline(Duration),
    /// kill -9 of the ssh that holds the connection.
    Master,
    /// kill -9 of the ssh that holds the channel.
    Channel,
    /// kill -9 of the lane on the host.
    Lane,
    /// kill -9 of a session's supervisor on the host.
    Supervisor,
    /// kill -9 of a session's shell on the host.
    Shell,
    /// kill -9 of sshd's process of the connection.
    Sshd,
}

impl Fault {
    /// The next fault, and the pause before it.
    pub(super) fn next(dice: &mut Dice) -> (Duration, Self) {
        let pause = match dice.below(10) {
            0..=6 => dice.milliseconds(10, 150),
            7 | 8 => dice.milliseconds(150, 700),
            _ => dice.milliseconds(700, 2500),
        };
        let fault = match dice.below(100) {
            0..=14 => Self::Cut,
            15..=24 => Self::CutWithin(dice.between(1, 4000)),
            25..=28 => Self::CutWhileUp(dice.between(2, 6)),
            29..=33 => Self::Away(dice.milliseconds(100, 2500)),
            34..=45 => Self::Freeze(Self::freeze_time(dice)),
            46..=49 => Self::HostGone(if dice.percent(10) { Duration::from_secs(12) } else { dice.milliseconds(50, 1200) }),
            50..=55 => Self::ClientGone(dice.milliseconds(50, 2500)),
            56..=62 => Self::Stale(dice.milliseconds(50, 2500)),
            63..=66 => Self::Slow(dice.milliseconds(300, 2000)),
            67..=73 => Self::Towline(dice.milliseconds(0, 700)),
            74..=79 => Self::Master,
            80..=85 => Self::Channel,
            86..=90 => Self::Lane,
            91..=93 => Self::Supervisor,
            94 => Self::Shell,
            _ => Self::Sshd,
        };
        (pause, fault)
    }

    fn freeze_time(dice: &mut Dice) -> Duration {
        match dice.below(100) {
            0..=84 => dice.milliseconds(100, 1000),
            85..=96 => dice.milliseconds(1000, 4000),
            _ => dice.milliseconds(9500, 15_000),
        }
    }

    /// Its kind, in a word or two.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::CutWithin(_) => "cut within a frame",
            Self::CutWhileUp(_) => "cut while it comes up",
            Self::Away(_) => "cut and refused",
            Self::Freeze(_) => "frozen",
            Self::HostGone(_) => "half open, the host gone",
            Self::ClientGone(_) => "half open, the client gone",
            Self::Stale(_) => "stale worker beside a new line",
            Self::Slow(_) => "slow",
            Self::Towline(_) => "kill -9 towline",
            Self::Master => "kill -9 ssh's master",
            Self::Channel => "kill -9 ssh's channel",
            Self::Lane => "kill -9 the lane",
            Self::Supervisor => "kill -9 a supervisor",
            Self::Shell => "kill -9 a session's shell",
            Self::Sshd => "kill -9 sshd's process",
        }
    }

    /// Every kind; where one begins as another does, the longer one stands first.
    pub(super) const KINDS: [&str; 16] = [
        "cut within a frame",
        "cut while it comes up",
        "cut and refused",
        "cut",
        "frozen",
        "half open, the host gone",
        "half open, the client gone",
        "stale worker beside a new line",
        "slow",
        "kill -9 towline",
        "kill -9 ssh's master",
        "kill -9 ssh's channel",
        "kill -9 the lane",
        "kill -9 a supervisor",
        "kill -9 a session's shell",
        "kill -9 sshd's process",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_kind_of_the_list() {
        let mut dice = Dice::new(3, 3);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            seen.insert(Fault::next(&mut dice).1.kind());
        }
        assert!(seen.iter().all(|kind| Fault::KINDS.contains(kind)));
        assert_eq!(seen.len(), Fault::KINDS.len());
    }

    #[test]
    fn a_seed_gives_the_same_plan_and_another_seed_another() {
        let plan = |seed| {
            let mut dice = Dice::new(seed, 1);
            (0..50).map(|n| format!("{:?}{:?}", Fault::next(&mut dice), Work::next(&mut dice, n.to_string()))).collect::<Vec<_>>()
        };
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn a_command_prints_and_ends_as_it_was_foretold() {
        let mut dice = Dice::new(7, 7);
        for n in 0..30 {
            let work = Work { pause: 0, ..Work::next(&mut dice, format!("t{n}")) };
            let home = tempfile::tempdir().unwrap();
            let output = crate::run::command("sh").arg("-c").arg(work.command()).env("HOME", home.path()).output().unwrap();
            assert_eq!(output.status.code(), Some(i32::from(work.status)));
            assert!(String::from_utf8_lossy(&output.stdout) == work.output(), "{}", work.command());
        }
    }
}
