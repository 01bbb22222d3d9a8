//! When a wait is over, and why.
//!
//! Holds to: pure: what was seen and the times come in, a verdict goes out. Leaves out: waiting.

use std::time::Duration;

use towline_base::limits;

use super::classify::Awaits;

/// Silence after which a terminal counts as quiet, once something came.
pub(crate) const QUIET: Duration = Duration::from_millis(250);
/// Silence after a prompt when all of it is there.
const SETTLED: Duration = Duration::from_millis(30);
/// Silence after a prompt's mark when the prompt counts as empty: a shell may read files between the two.
const EMPTY: Duration = Duration::from_secs(1);
/// How long something may take to come at all: a round trip over a slow link, and the program's own time.
pub(crate) const FIRST: Duration = Duration::from_secs(1);

/// The same for a terminal that was just opened: the link is dialled, and a shell reads its startup files.
const START: Duration = Duration::from_secs(6);

/// What is known at a moment of a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Since the wait began.
    pub(crate) waited: Duration,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// Since the last output; `None` if none came since the wait began.
    pub(crate) silent: Option<Duration>,
    /// Prompts that the shell marked since the wait's beginning; `None` where it marks none.
    pub(crate) prompts: Option<u64>,
    /// Something was drawn after the last of them.
    pub(crate) drawn: bool,
    /// What the screen seems to wait for.
    pub(crate) needs: Option<Awaits>,
    /// The pattern was found.
    pub(crate) matched: bool,
    /// The program has ended.
    pub(crate) dead: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// What was just opened shows something that can be worked with.
    Start,
    Quiet,
    Prompt,
    Pattern,
}

/// Whether a wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again when something comes, and at this time at the latest.
    Wait(Duration),
    Over(Why),
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The pattern came.
    Matched,
    /// Nothing came for a while.
    Quiet,
    /// The shell told that it is at its prompt.
    Prompt,
    /// It looks like a shell's prompt; the shell tells nothing.
    LooksLikePrompt,
    /// Something else than a shell asks a question.
    Asked,
    /// The program ended.
    Ended,
    /// The time was over.
    Timeout,
}

impl Why {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Matched => "pattern matched",
            Self::Quiet => "quiet",
            Self::Prompt => "prompt is back",
            Self::LooksLikePrompt => "looks like a prompt",
            Self::Asked => "it asks something",
            Self::Ended => "program ended",
            Self::Timeout => "timeout",
        }
    }
}

/// Decides at a moment.
pub(crate) fn decide(until: Until, seen: &Seen) -> Verdict {
    if seen.matched {
        return Verdict::Over(Why::Matched);
    }
    if seen.dead {
        return Verdict::Over(Why::Ended);
    }
    if seen.waited >= seen.limit {
        return Verdict::Over(Why::Timeout);
    }
    let left = seen.limit.saturating_sub(seen.waited);
    let quiet_in = match seen.silent {
        Some(silent) => QUIET.saturating_sub(silent),
        None => FIRST.saturating_sub(seen.waited),
    };
    let quiet = quiet_in.is_zero();
    match until {
        Until::Start => start(seen, left),
        Until::Pattern => Verdict::Wait(left),
        Until::Quiet if quiet => Verdict::Over(Why::Quiet),
        Until::Quiet => Verdict::Wait(left.min(quiet_in)),
        Until::Prompt => match seen.prompts {
            // The mark comes a moment before the prompt is drawn.
            Some(count) if count > 0 => match seen.silent.map_or(Duration::ZERO, |silent| settled(seen).saturating_sub(silent)) {
                Duration::ZERO => Verdict::Over(Why::Prompt),
                rest => Verdict::Wait(left.min(rest)),
            },
            // A password that a command asks for would be waited for in vain.
            Some(_) if quiet && matches!(seen.needs, Some(Awaits::Password | Awaits::YesNo)) => Verdict::Over(Why::Asked),
            Some(_) => Verdict::Wait(if quiet { left } else { left.min(quiet_in) }),
            None if quiet => match seen.needs {
                Some(Awaits::Shell) => Verdict::Over(Why::LooksLikePrompt),
                Some(Awaits::Password | Awaits::YesNo) => Verdict::Over(Why::Asked),
                Some(Awaits::Pager | Awaits::Editor | Awaits::Interpreter) | None => Verdict::Wait(left),
            },
            None => Verdict::Wait(left.min(quiet_in)),
        },
    }
}

/// Whether a terminal has been unused for so long, in seconds, that it goes.
pub(crate) fn is_old(unused: u64, dead: bool) -> bool {
    let hours = if dead { limits::DEAD_TERMINAL_HOURS } else { limits::IDLE_TERMINAL_HOURS };
    unused > u64::from(hours) * 3600
}

/// Silence after a prompt's mark when the prompt is there.
fn settled(seen: &Seen) -> Duration {
    if seen.drawn { SETTLED } else { EMPTY }
}

/// Whether a terminal has begun: a greeting without a prompt is waited on for longer than one with it.
fn start(seen: &Seen, left: Duration) -> Verdict {
    let (enough, since, why) = match (seen.prompts, seen.silent) {
        (_, None) => (START, seen.waited, Why::Quiet),
        (Some(count), Some(silent)) if count > 0 => (settled(seen), silent, Why::Prompt),
        (_, Some(silent)) if seen.needs.is_some() => (QUIET, silent, Why::Quiet),
        (_, Some(silent)) => (FIRST, silent, Why::Quiet),
    };
    match enough.saturating_sub(since) {
        Duration::ZERO => Verdict::Over(why),
        rest => Verdict::Wait(left.min(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen {
        waited: Duration::from_millis(500),
        limit: Duration::from_secs(10),
        silent: Some(Duration::from_millis(300)),
        prompts: None,
        drawn: true,
        needs: None,
        matched: false,
        dead: false,
    };

    #[test]
    fn a_wait_ends_for_a_reason() {
        let ms = Duration::from_millis;
        let busy = Seen { silent: Some(ms(50)), ..SEEN };
        let nothing = Seen { silent: None, ..SEEN };
        let shell = Seen { needs: Some(Awaits::Shell), ..SEEN };
        let asks = Seen { needs: Some(Awaits::Password), ..SEEN };
        for (until, seen, expected) in [
            (Until::Start, Seen { waited: ms(5000), ..nothing }, Verdict::Wait(ms(1000))),
            (Until::Start, Seen { waited: ms(6000), ..nothing }, Verdict::Over(Why::Quiet)),
            (Until::Start, SEEN, Verdict::Wait(ms(700))),
            (Until::Start, asks, Verdict::Over(Why::Quiet)),
            (Until::Start, Seen { prompts: Some(1), ..busy }, Verdict::Over(Why::Prompt)),
            (Until::Start, Seen { prompts: Some(1), drawn: false, ..busy }, Verdict::Wait(ms(950))),
            (Until::Prompt, Seen { prompts: Some(1), drawn: false, ..busy }, Verdict::Wait(ms(950))),
            (Until::Quiet, SEEN, Verdict::Over(Why::Quiet)),
            (Until::Quiet, busy, Verdict::Wait(ms(200))),
            (Until::Quiet, nothing, Verdict::Wait(ms(500))),
            (Until::Quiet, Seen { waited: ms(1000), ..nothing }, Verdict::Over(Why::Quiet)),
            (Until::Pattern, SEEN, Verdict::Wait(ms(9500))),
            (Until::Pattern, Seen { matched: true, dead: true, ..SEEN }, Verdict::Over(Why::Matched)),
            (Until::Pattern, Seen { dead: true, ..SEEN }, Verdict::Over(Why::Ended)),
            (Until::Pattern, Seen { waited: ms(10_000), ..SEEN }, Verdict::Over(Why::Timeout)),
            (Until::Prompt, shell, Verdict::Over(Why::LooksLikePrompt)),
            (Until::Prompt, Seen { silent: Some(ms(10)), ..shell }, Verdict::Wait(ms(240))),
            (Until::Prompt, Seen { prompts: Some(0), ..shell }, Verdict::Wait(ms(9500))),
            (Until::Prompt, Seen { prompts: Some(1), ..busy }, Verdict::Over(Why::Prompt)),
            (Until::Prompt, Seen { prompts: Some(1), silent: Some(ms(10)), ..SEEN }, Verdict::Wait(ms(20))),
            (Until::Prompt, Seen { prompts: Some(0), ..asks }, Verdict::Over(Why::Asked)),
            (Until::Prompt, asks, Verdict::Over(Why::Asked)),
            (Until::Prompt, SEEN, Verdict::Wait(ms(9500))),
        ] {
            assert_eq!(decide(until, &seen), expected, "{until:?} {seen:?}");
        }
    }
}
