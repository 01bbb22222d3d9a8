//! Whether all that was said is true, and whether all that ran was told.
//!
//! Holds to: pure; the ledger on the host is the witness. Leaves out: collecting.

use std::collections::HashMap;
use std::time::Duration;

use super::field::Story;
use super::plan::Place;
use super::words::Said;

/// What else is to be known of a host.
pub(super) struct Circumstances<'a> {
    /// How often each command wrote itself into the ledger.
    pub(super) ledger: &'a HashMap<String, usize>,
    /// When sessions' shells were killed.
    pub(super) shells_killed: &'a [Duration],
    /// When each command's end was seen on the host.
    pub(super) ends: &'a HashMap<String, Duration>,
}

/// What is wrong with a command's story; empty if all is well.
pub(super) fn judge(story: &Story, around: &Circumstances<'_>) -> Vec<String> {
    let ran = around.ledger.get(&story.work.token).copied().unwrap_or(0);
    let mut wrong = story.wrong.clone();
    if ran > 1 {
        wrong.push(format!("it ran {ran} times"));
    }
    let cancelled = story.work.cancel.is_some();
    let shell_killed = around.shells_killed.iter().any(|at| *at >= story.asked);
    for (at, said) in &story.said {
        let truth = match said {
            Said::Exited(status) => *status == story.work.status && ran == 1,
            Said::Killed(signal) => (signal == "KILL" && shell_killed) || (signal == "TERM" && cancelled),
            // It was cancelled before, or whoever was to give it to a shell was killed in that moment.
            Said::Lost(why) => why.contains("never began") && ran == 0,
            Said::NotStarted(_) => ran == 0,
            // What a lost connection still delivered may have come later.
            Said::NoRecord => !has_begun(story, *at) && around.ends.get(&story.work.token).is_none_or(|end| end > at),
            Said::GoesOn | Said::Unknown(_) | Said::Cancelled | Said::NotTold(_) | Said::Nothing => true,
            Said::Strange(_) => false,
        };
        if !truth {
            wrong.push(format!("false, since it is in the ledger {ran} times and ends with {}: {said:?}", story.work.status));
        }
    }
    if ran > 0 && !story.settled {
        wrong.push("it ran and its outcome was not recovered".to_owned());
    }
    if ran == 0 && !story.settled && has_begun(story, Duration::MAX) {
        wrong.push("it was said to run, and never did".to_owned());
    }
    wrong
}

/// Whether somebody was told before that time that it runs.
fn has_begun(story: &Story, before: Duration) -> bool {
    story.said.iter().any(|(at, said)| *at < before && matches!(said, Said::GoesOn | Said::Exited(_)))
}

/// A word for the first answer to a call.
pub(super) fn kind(story: &Story) -> &'static str {
    match story.said.first().map(|(_, said)| said) {
        Some(Said::Exited(_)) => "exit and output",
        Some(Said::Killed(_)) => "killed",
        Some(Said::GoesOn) if story.work.place == Place::Background => "running, as was asked for",
        Some(Said::GoesOn) => "running at its timeout",
        Some(Said::Unknown(_)) => "unknown, with the id",
        Some(Said::Lost(_)) => "lost",
        Some(Said::NotStarted(_)) => "not started",
        Some(Said::Cancelled) => "cancelled",
        Some(Said::Nothing) => "none: towline was killed",
        Some(Said::NoRecord | Said::NotTold(_) | Said::Strange(_)) => "strange",
        None => "none in time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::plan::{Dice, Work};

    /// What was said a second after the other; the end was seen at `end`.
    fn check(status: u8, ran: usize, settled: bool, said: &[Said], end: Option<u64>) -> usize {
        let work = Work::next(&mut Dice::new(1, 1), "t".to_owned()).ending_with(status);
        let said = said.iter().zip(1..).map(|(said, second)| (Duration::from_secs(second), said.clone())).collect();
        let story = Story { work, towline: 0, said, asked: Duration::ZERO, id: None, wrong: Vec::new(), settled, may_miss: false };
        let ledger = HashMap::from([("t".to_owned(), ran)]);
        let ends = end.map(|end| ("t".to_owned(), Duration::from_secs(end))).into_iter().collect();
        judge(&story, &Circumstances { ledger: &ledger, shells_killed: &[], ends: &ends }).len()
    }

    #[test]
    fn what_is_false_or_lost_or_done_twice_is_found() {
        let refused = || Said::NotStarted("x".to_owned());
        let unknown = || Said::Unknown("x".to_owned());
        for (ran, settled, said, wrong) in [
            (1, true, vec![Said::Exited(3)], 0),
            (1, true, vec![unknown(), Said::Exited(3)], 0),
            (0, false, vec![unknown(), Said::NoRecord], 0),
            (0, false, vec![refused()], 0),
            (0, false, vec![Said::Nothing], 0),
            (2, true, vec![Said::Exited(3)], 2),
            (1, true, vec![Said::Exited(4)], 1),
            (0, true, vec![Said::Exited(3)], 1),
            (1, true, vec![refused(), Said::Exited(3)], 1),
            (1, false, vec![Said::Nothing], 1),
            (1, false, vec![unknown(), Said::NoRecord], 1),
            (0, false, vec![Said::GoesOn], 1),
            (1, true, vec![Said::Killed("KILL".to_owned())], 1),
        ] {
            assert_eq!(check(3, ran, settled, &said, None), wrong, "{ran} {settled} {said:?}");
        }
        // What had no record and came later is no falsehood; what had its end, or was said to run, is one.
        for (said, end, wrong) in [
            (vec![unknown(), Said::NoRecord, Said::Exited(3)], 3, 0),
            (vec![unknown(), Said::NoRecord, Said::Exited(3)], 1, 1),
            (vec![Said::GoesOn, Said::NoRecord, Said::Exited(3)], 3, 1),
        ] {
            assert_eq!(check(3, 1, true, &said, Some(end)), wrong, "{said:?} {end}");
        }
    }
}
