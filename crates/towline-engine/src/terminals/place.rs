//! Places in a terminal: what was there at a time, and what is new since then.
//!
//! Holds to: pure; a row is known by how many rows had scrolled off above it, so that what is old stays old however far it
//! scrolled; where that count cannot be trusted (the screen was cleared, resized, or more scrolled off than is kept), lines are known
//! by their text instead, and that is told. Leaves out: looking.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};
use towline_base::redact::Redactor;
use towline_transport::tmux::Look;

/// What was typed is searched for as an echo in so many lines beyond those that were typed.
const ECHO_LINES: usize = 3;

/// A time in a terminal's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Rows that had scrolled off the screen.
    history: u64,
    /// The same and the cursor's row.
    row: u64,
    /// The line that the cursor was in.
    line: String,
    /// Each line of the screen, by its hash.
    lines: Vec<u64>,
    /// The alternate screen was shown.
    alternate: bool,
    /// Columns.
    cols: u16,
    /// What had come out until then.
    pub(crate) flow: Option<Flow>,
}

/// How much a terminal put out, as one listener counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The listener.
    pub(crate) listener: u64,
    /// Newlines.
    pub(crate) lines: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Prompts that the shell marked.
    pub(crate) prompts: u64,
}

impl Flow {
    /// How many rows can have scrolled since an earlier count, at most; `None` if it was another listener's.
    pub(crate) fn rows_since(self, earlier: Option<Flow>, cols: u16) -> Option<u64> {
        let earlier = earlier.filter(|earlier| earlier.listener == self.listener)?;
        let bytes = self.bytes.saturating_sub(earlier.bytes);
        Some(self.lines.saturating_sub(earlier.lines) + bytes / u64::from(cols.max(1)) + 1)
    }
}

/// Lines that are new, and whether some of them are not kept any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) lines: Vec<String>,
    /// Rows before these that are not here.
    pub(crate) missing: u64,
}

/// Where a pattern was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) new: New,
    /// The line of the look that the first of these is; `None` where lines are known by their text only.
    from: Option<usize>,
}

impl Place {
    /// The place that a look shows.
    pub(crate) fn of(look: &Look, flow: Option<Flow>) -> Self {
        let screen = screen_lines(look);
        let cursor = look.above + u64::from(look.cursor.1);
        let at = line_at(look, cursor);
        Self {
            history: look.history,
            row: look.history - look.above + look.starts.get(at).copied().unwrap_or(cursor),
            line: look.lines.get(at).cloned().unwrap_or_default(),
            lines: screen.iter().map(|line| hash(line)).collect(),
            alternate: look.alternate,
            cols: look.size.cols,
            flow,
        }
    }

    /// Takes secrets out of what is kept in so many words; a line that held one is new the next time.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        self.line = redactor.text(&self.line).into_owned();
    }

    /// How many rows above the screen a look must show so that everything since this place is in it.
    pub(crate) fn back(&self, look: &Look, now: Option<Flow>) -> u64 {
        match self.moved(look, now) {
            Some(trimmed) if !look.alternate && !self.alternate => look.history.saturating_sub(self.first().saturating_sub(trimmed)),
            None if self.overflown(look, now).is_some() => look.history,
            Some(_) | None => 0,
        }
    }

    /// How many rows came, where so many did that nothing of this place can be among the last ones.
    fn overflown(&self, look: &Look, now: Option<Flow>) -> Option<u64> {
        if look.alternate || self.alternate || self.cols != look.size.cols {
            return None;
        }
        let lines = now?.lines.saturating_sub(self.flow.filter(|then| Some(then.listener) == now.map(|now| now.listener))?.lines);
        (lines >= look.limit / 10 && u64::try_from(look.lines.len()).is_ok_and(|shown| shown < lines)).then_some(lines)
    }

    /// The first row that can hold something new: the top of the screen, or the cursor's line where that began above it.
    fn first(&self) -> u64 {
        self.history.min(self.row)
    }

    /// How many rows at the beginning of the history were dropped since; `None` if that cannot be told.
    fn moved(&self, look: &Look, now: Option<Flow>) -> Option<u64> {
        if self.cols != look.size.cols {
            return None;
        }
        let full = look.limit - look.limit / 10;
        if look.history >= self.history && look.history < full {
            return Some(0);
        }
        if look.history < self.history && self.history < full {
            return None; // cleared
        }
        // tmux drops a tenth at a time.
        let rows = now?.rows_since(self.flow, self.cols)?;
        if rows >= look.limit / 10 {
            return None;
        }
        Some(if look.history >= self.history { 0 } else { look.limit / 10 })
    }

    /// What came after the cursor of this place, without the echo of what was typed there.
    pub(crate) fn after_cursor(&self, look: &Look, now: Option<Flow>, typed: &[String]) -> Fresh {
        let (new, from) = match self.moved(look, now) {
            Some(trimmed) if !look.alternate && !self.alternate => {
                let top = look.history - look.above;
                let row = self.row.saturating_sub(trimmed);
                let from = line_at(look, row.saturating_sub(top));
                let mut lines: Vec<String> = look.lines.iter().skip(from).cloned().collect();
                if let Some(first) = lines.first_mut().filter(|_| row >= top)
                    && let Some(rest) = first.strip_prefix(self.line.as_str())
                {
                    *first = rest.to_owned();
                }
                (New { lines, missing: top.saturating_sub(row) }, Some(from))
            }
            Some(_) | None => match self.overflown(look, now) {
                Some(rows) => (New { lines: look.lines.clone(), missing: rows.saturating_sub(look.lines.len() as u64) }, Some(0)),
                None => (New { lines: self.by_text(look), missing: 0 }, None),
            },
        };
        let mut lines = without_echo(new.lines, typed);
        // A prompt ends in a blank, which is not kept at the end of a line; the cursor stands behind it.
        if let Some(at) = line_at(look, look.above + u64::from(look.cursor.1)).checked_sub(from.unwrap_or(0))
            && from.is_some()
            && let Some(line) = lines.get_mut(at)
        {
            let blanks = usize::from(look.cursor.0).saturating_sub(look.row.chars().count());
            line.push_str(&" ".repeat(blanks.min(2)));
        }
        Fresh { new: New { lines, missing: new.missing }, from }
    }

    /// The place at which a later search begins, after a pattern was found that ends in the `at`-th fresh line, `left` bytes before
    /// that line's end.
    pub(crate) fn found(look: &Look, fresh: &Fresh, at: usize, left: usize, flow: Option<Flow>) -> Self {
        let mut place = Self::of(look, flow);
        if let Some(line) = fresh.from.map(|from| from + at).filter(|line| *line < look.lines.len()) {
            let text = &look.lines[line];
            let end = text.len().saturating_sub(left);
            place.row = look.history - look.above + look.starts[line];
            text.get(..end).unwrap_or(text).clone_into(&mut place.line);
        }
        place
    }

    /// The place before the line that the cursor is in: what follows is that line whole, and all after it.
    pub(crate) fn before_line(look: &Look, flow: Option<Flow>) -> Self {
        Self { line: String::new(), ..Self::of(look, flow) }
    }

    /// Lines that are new or that changed since this place.
    pub(crate) fn changes(&self, look: &Look, now: Option<Flow>) -> New {
        match self.moved(look, now) {
            Some(trimmed) if !look.alternate && !self.alternate => {
                let top = look.history - look.above;
                let old_top = self.history.saturating_sub(trimmed);
                let from = line_at(look, old_top.saturating_sub(top));
                let lines = look.lines.iter().skip(from).enumerate();
                let is_new = |(at, line): &(usize, &String)| old_top < top || self.lines.get(*at) != Some(&hash(line));
                New { lines: lines.filter(is_new).map(|(_, line)| line.clone()).collect(), missing: top.saturating_sub(old_top) }
            }
            Some(_) if look.alternate && self.alternate => {
                let is_new = |(at, line): &(usize, &String)| self.lines.get(*at) != Some(&hash(line));
                New { lines: look.lines.iter().enumerate().filter(is_new).map(|(_, line)| line.clone()).collect(), missing: 0 }
            }
            Some(_) | None => match self.overflown(look, now) {
                Some(rows) => New { lines: look.lines.clone(), missing: rows.saturating_sub(look.lines.len() as u64) },
                None => New { lines: self.by_text(look), missing: 0 },
            },
        }
    }

    /// The lines of the screen whose text was not on it.
    fn by_text(&self, look: &Look) -> Vec<String> {
        let old: HashSet<u64> = self.lines.iter().copied().collect();
        screen_lines(look).iter().filter(|line| !old.contains(&hash(line))).cloned().collect()
    }
}

/// The lines of the screen itself.
fn screen_lines(look: &Look) -> &[String] {
    &look.lines[line_at(look, look.above).min(look.lines.len())..]
}

/// The line that holds a row.
fn line_at(look: &Look, row: u64) -> usize {
    look.starts.partition_point(|start| *start <= row).saturating_sub(1)
}

fn hash(line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.trim_end().hash(&mut hasher);
    hasher.finish()
}

/// Takes out the echo of what was typed: the terminal repeats each line at the cursor, and a shell that was busy repeats it once
/// more behind its prompt.
fn without_echo(lines: Vec<String>, typed: &[String]) -> Vec<String> {
    let mut lines = lines;
    let mut from = 0;
    for text in typed.iter().map(|text| text.trim_end()).filter(|text| !text.is_empty()) {
        let window = from..lines.len().min(from + ECHO_LINES + 1);
        let Some(at) = window.clone().find(|at| lines[*at].contains(text)) else { continue };
        let end = lines[at].find(text).unwrap_or(0) + text.len();
        // What stands behind an echo on its line is output: a program may print without a newline first.
        lines[at].drain(..end);
        from = at;
        if let Some(again) = (at + 1..lines.len()).find(|again| repeats(&lines[*again], text)) {
            lines[again].clear();
        }
    }
    lines
}

/// Whether a line is a prompt with the text behind it.
fn repeats(line: &str, text: &str) -> bool {
    let prompt = line.strip_suffix(text).unwrap_or_default();
    [" ", "$", "#", "%", ">"].iter().any(|end| prompt.ends_with(end)) && prompt.trim_end().ends_with(['$', '#', '%', '>', '❯'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_transport::tmux::Size;

    /// A look of 20 columns: the rows above the screen, then those of the screen; the cursor is at the end of the last.
    fn look(history: u64, above: &[&str], screen: &[&str]) -> Look {
        let rows: Vec<&str> = above.iter().chain(screen).copied().collect();
        let last = u16::try_from(screen.len()).expect("few") - 1;
        Look {
            dead: None,
            size: Size { cols: 20, rows: last + 1 },
            cursor: (u16::try_from(screen[usize::from(last)].len()).expect("short"), last),
            alternate: false,
            history,
            limit: 1000,
            above: above.len() as u64,
            starts: (0..rows.len() as u64).collect(),
            row: (*screen.last().expect("a row")).to_owned(),
            lines: rows.into_iter().map(str::to_owned).collect(),
            coloured: None,
        }
    }

    /// New lines that hold anything, in one.
    fn shown(new: &New) -> String {
        new.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn only_what_came_after_the_cursor_is_new_and_no_echo() {
        let before = Place::of(&look(5, &[], &["old DONE", "$"]), None);
        for (now, text, expected) in [
            (look(5, &[], &["old DONE", "$"]), "", ""),
            (look(5, &[], &["old DONE", "$ echo DONE"]), "echo DONE", ""),
            (look(7, &["old DONE", "$ echo DONE"], &["DONE", "$"]), "echo DONE", "DONE|$"),
            (look(6, &["old DONE"], &["$ cat", "x"]), "cat", "x"),
            (look(7, &["old DONE", "$make"], &["$ make", "ok"]), "make", "ok"),
            (look(6, &["old DONE"], &["$ hello", "hello"]), "hello", "hello"),
            (look(8, &["old DONE", "$ a", "> b"], &["out", "$"]), "a\nb", "out|$"),
            (look(5, &[], &["old DONE", "$ yes, DONE"]), "yes", ", DONE"),
        ] {
            let typed: Vec<String> = text.split('\n').map(str::to_owned).collect();
            assert_eq!(shown(&before.after_cursor(&now, None, &typed).new), expected, "{text}");
        }
    }

    #[test]
    fn changes_are_new_lines_and_lines_that_became_others() {
        let before = Place::of(&look(5, &[], &["a", "10%", "$"]), None);
        for (now, expected) in [
            (look(5, &[], &["a", "10%", "$"]), ""),
            (look(5, &[], &["a", "20%", "$"]), "20%"),
            (look(7, &["a", "20%"], &["$ ls", "x", "$"]), "20%|$ ls|x|$"),
            (look(7, &["20%"], &["$ ls", "x", "$"]), "20%|$ ls|x|$"),
            // Cleared: what is left is known by its text.
            (look(0, &[], &["a", "new", "$"]), "new"),
        ] {
            assert_eq!(shown(&before.changes(&now, None)), expected, "{now:?}");
        }
        let far = before.changes(&look(50, &[], &["x", "y", "$"]), None);
        assert_eq!((shown(&far).as_str(), far.missing), ("x|y|$", 45));
    }

    #[test]
    fn a_history_that_is_full_is_followed_while_the_listener_counts() {
        let flow = |lines| Some(Flow { listener: 1, lines, bytes: 0, prompts: 0 });
        let before = Place::of(&look(990, &[], &["a", "$"]), flow(0));
        // A tenth was dropped when the thousandth row came.
        let now = look(910, &["a", "$ x", "1"], &["2", "$"]);
        assert_eq!(before.moved(&now, flow(20)), Some(100));
        assert_eq!(before.back(&now, flow(20)), 20);
        assert_eq!(before.moved(&now, flow(200)), None);
        assert_eq!(before.moved(&now, Some(Flow { listener: 2, ..Flow::default() })), None);
        assert_eq!(shown(&before.changes(&look(910, &[], &["a", "2", "$"]), None)), "2");
    }

    #[test]
    fn another_width_or_the_other_screen_is_known_by_its_text() {
        let before = Place::of(&look(5, &[], &["a", "b", "$"]), None);
        let mut wide = look(3, &[], &["a", "new", "$"]);
        wide.size.cols = 80;
        let mut full = look(5, &[], &["vim", "a", "~"]);
        full.alternate = true;
        for (now, expected) in [(wide, "new"), (full.clone(), "vim|~")] {
            assert_eq!(shown(&before.changes(&now, None)), expected);
            assert_eq!(shown(&before.after_cursor(&now, None, &[]).new), expected);
        }
        let before = Place::of(&full, None);
        full.lines[1] = "b".to_owned();
        assert_eq!(shown(&before.changes(&full, None)), "b");
    }
}
