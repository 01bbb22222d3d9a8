//! The answer's text, as the native tool gives it, and what else its reader must know.
//!
//! Holds to: every cut is told. Leaves out: what matched.

use towline_base::visible;

use super::decide::Outcome;
use super::reply::{FileLines, Line};
use super::{COLUMNS, GrepMode, GrepSearch, LINES, search};
use search::{End, Found, page};

/// Text and notes.
pub(super) fn render(search: &GrepSearch, mut outcome: Outcome, end: &End) -> Found {
    let mut notes = Vec::new();
    let mut marked = 0;
    let binary = std::mem::take(&mut outcome.binary);
    let (cut, undecided) = (outcome.cut, outcome.undecided);
    let text = match search.request.mode {
        GrepMode::Files => files(search, outcome, &mut notes, &mut marked),
        GrepMode::Count => counts(search, outcome, end, &mut marked),
        GrepMode::Content => content(search, &outcome.lines, end, &mut marked),
    };
    if cut {
        notes.push(format!(
            "The search was cut at {LINES} lines, {} files or {} MiB: there is more. Narrow the pattern, the path or the glob.",
            search::FILES,
            search::REPLY >> 20
        ));
    }
    notes.extend(end.too_long());
    notes.extend(end.left_out(&search.hints.base));
    if end.engine == b"binary" {
        notes.push("This is a binary file (it holds NUL bytes): it was not searched.".to_owned());
    }
    for path in &binary {
        notes.push(format!(
            "{} holds NUL bytes after some matching lines: it was taken for binary and left out.",
            search::path_text(path).0
        ));
    }
    if undecided > 0 {
        notes.push(format!(
            "The host has no ripgrep, and {undecided} lines are too long (over 64 KiB) to decide without it: they may match and are not in the answer."
        ));
    }
    if !end.ignores {
        notes.push(
            "This host has neither ripgrep nor a git that knows what is ignored here: .gitignore was not honoured, ignored files were searched, too.".to_owned(),
        );
    }
    notes.extend(end.unreadable());
    notes.extend(search::marked_note(marked));
    Found { text, notes, root: search::path_text(&end.root).0 }
}

fn files(search: &GrepSearch, mut outcome: Outcome, notes: &mut Vec<String>, marked: &mut usize) -> String {
    if !search::newest_first(&mut outcome.files) {
        notes.push(search::NO_TIMES.to_owned());
    }
    let total = outcome.files.len();
    let (shown, limit) = page(outcome.files, search.request.offset, search.request.head_limit);
    if shown.is_empty() {
        return "No files found".to_owned();
    }
    if shown.len() < total {
        notes.push(format!("{total} files match in all."));
    }
    let what = if shown.len() == 1 { "file" } else { "files" };
    let gap = if limit.is_empty() { "" } else { " " };
    let mut text = format!("Found {} {what}{gap}{limit}", shown.len());
    for file in &shown {
        text.push('\n');
        text.push_str(&path(&file.path, marked));
    }
    text
}

fn counts(search: &GrepSearch, outcome: Outcome, end: &End, marked: &mut usize) -> String {
    let files = outcome.counts.len();
    let total: u64 = outcome.counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
    let (shown, limit) = page(outcome.counts, search.request.offset, search.request.head_limit);
    if files == 0 {
        return "No matches found".to_owned();
    }
    let lines: Vec<String> =
        shown.iter().map(|(name, count)| if end.one { count.to_string() } else { format!("{}:{count}", path(name, marked)) }).collect();
    let occurrences = if total == 1 { "occurrence" } else { "occurrences" };
    let of_files = if files == 1 { "file" } else { "files" };
    let limit = if limit.is_empty() { String::new() } else { format!(" with pagination = {limit}") };
    format!("{}\n\nFound {total} total {occurrences} across {files} {of_files}.{limit}", lines.join("\n"))
}

fn content(search: &GrepSearch, files: &[FileLines], end: &End, marked: &mut usize) -> String {
    let context = search.request.after > 0 || search.request.before > 0;
    let mut items: Vec<Item<'_>> = Vec::new();
    for file in files {
        let mut last: Option<u64> = None;
        for line in &file.lines {
            let gap = last.map_or(!items.is_empty(), |last| line.number > last.saturating_add(1));
            if context && gap {
                items.push(Item::Gap);
            }
            items.push(Item::Line(&file.path, line));
            last = Some(line.number);
        }
    }
    let (shown, limit) = page(items, search.request.offset, search.request.head_limit);
    let lines: Vec<String> = shown.iter().map(|item| item.text(search, end, marked)).collect();
    let text = if lines.is_empty() { "No matches found".to_owned() } else { lines.join("\n") };
    if limit.is_empty() { text } else { format!("{text}\n\n[Showing results with pagination = {limit}]") }
}

/// One line of an answer.
enum Item<'a> {
    Gap,
    Line(&'a [u8], &'a Line),
}

impl Item<'_> {
    fn text(&self, search: &GrepSearch, end: &End, marked: &mut usize) -> String {
        let Self::Line(name, line) = self else { return "--".to_owned() };
        let mark = if line.matched { ':' } else { '-' };
        let mut text = String::new();
        if !end.one {
            text.push_str(&path(name, marked));
            text.push(mark);
        }
        if search.request.numbers {
            text.push_str(&line.number.to_string());
            text.push(mark);
        }
        if line.text.len() >= COLUMNS {
            text.push_str(if line.matched { "[Omitted long matching line]" } else { "[Omitted long context line]" });
            return text;
        }
        let (shown, count) = visible::to_text(line.text.strip_suffix(b"\r").unwrap_or(&line.text));
        *marked += count;
        text.push_str(&shown);
        text
    }
}

fn path(bytes: &[u8], marked: &mut usize) -> String {
    let (text, count) = search::path_text(bytes);
    *marked += count;
    text
}
