//! From a look at a terminal to what is told of it.
//!
//! Holds to: pure; every cut is counted. Leaves out: the words around it.

use towline_base::limits;
use towline_transport::tmux::{Dead, Look};

use super::classify::{self, Awaits, Screen};
use super::place::New;

/// How a terminal's program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// ssh ended with its own failure: the link was cut, and these were its words. A program that itself ends with 255 looks the same.
    Cut(String),
    /// tmux does not say how.
    Unknown,
}

/// Text of a terminal, and how many lines before it are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The lines.
    pub lines: Vec<String>,
    /// Lines before them that are kept and not shown.
    pub omitted: u64,
    /// Rows before them that are not kept any more.
    pub missing: u64,
}

/// The line that tmux writes below what a program left.
const DEATH: &str = "Pane is dead";

/// The lines of the screen; those of a program that ended stand one row higher, since tmux wrote its death below.
pub(crate) fn screen(look: &Look, colours: bool) -> Vec<String> {
    let above = if look.dead.is_some() { look.above.saturating_sub(1) } else { look.above };
    let from = look.starts.partition_point(|start| *start < above);
    let lines = look.coloured.as_ref().filter(|_| colours).unwrap_or(&look.lines);
    trimmed(lines.iter().skip(from).cloned().collect(), look.dead)
}

/// Every line that was looked at.
pub(crate) fn all(look: &Look, colours: bool) -> Vec<String> {
    let lines = look.coloured.as_ref().filter(|_| colours).unwrap_or(&look.lines);
    trimmed(lines.clone(), look.dead)
}

/// Without the empty lines at the end and tmux's own.
pub(crate) fn trimmed(mut lines: Vec<String>, dead: Option<Dead>) -> Vec<String> {
    let trim = |lines: &mut Vec<String>| {
        while lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
    };
    trim(&mut lines);
    if dead.is_some() && lines.last().is_some_and(|line| line.contains(DEATH)) {
        lines.pop();
        trim(&mut lines);
    }
    lines
}

/// The last lines of a text, so many at the most and within the budget of an answer.
pub(crate) fn last(new: New, most: Option<usize>) -> Shown {
    let all = new.lines;
    let mut budget = limits::ANSWER_CHARACTERS;
    let mut from = all.len();
    while from > 0 && most.is_none_or(|most| all.len() - from < most) {
        let length = all[from - 1].chars().count() + 1;
        if length > budget {
            break;
        }
        budget -= length;
        from -= 1;
    }
    let mut lines = all;
    let rest = lines.split_off(from);
    Shown { lines: rest, omitted: lines.len() as u64, missing: new.missing }
}

/// How a program ended; over ssh, 255 is ssh's own word.
pub(crate) fn ended(look: &Look, over_ssh: bool) -> Option<Ended> {
    let dead = look.dead?;
    let words = || screen(look, false).last().map(|line| line.trim().to_owned()).unwrap_or_default();
    Some(match (dead.signal, dead.status) {
        (Some(signal), _) => Ended::Signalled(signal),
        (None, Some(255)) if over_ssh => Ended::Cut(words()),
        (None, Some(status)) => Ended::Exited(status),
        (None, None) => Ended::Unknown,
    })
}

/// What the screen seems to wait for; nothing where its program has ended.
pub(crate) fn awaits(look: &Look) -> Option<Awaits> {
    if look.dead.is_some() {
        return None;
    }
    let lines = screen(look, false);
    let screen = Screen { lines: &lines, row: &look.row, column: usize::from(look.cursor.0), alternate: look.alternate };
    classify::awaits(&screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_counted() {
        let lines: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let shown = last(New { lines: lines.clone(), missing: 2 }, Some(3));
        assert_eq!((shown.lines.join(" ").as_str(), shown.omitted, shown.missing), ("7 8 9", 7, 2));
        assert_eq!(last(New { lines: lines.clone(), missing: 0 }, None).lines, lines);
        let long = vec!["x".repeat(limits::ANSWER_CHARACTERS / 2); 3];
        let shown = last(New { lines: long, missing: 0 }, None);
        assert_eq!((shown.lines.len(), shown.omitted), (1, 2));
    }

    #[test]
    fn tmuxs_own_line_is_not_the_programs() {
        let lines = || vec!["out".to_owned(), String::new(), "Pane is dead (status 3, x)".to_owned()];
        assert_eq!(trimmed(lines(), Some(Dead { status: Some(3), signal: None })), ["out"]);
        assert_eq!(trimmed(lines(), None).len(), 3);
    }
}
