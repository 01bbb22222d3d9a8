//! Texts of files: numbered lines, what was written, what paths are.

use std::fmt::Write as _;

use towline_base::{Failure, visible};
use towline_engine::answer::{Entry, FileContent, FileFailure, FileView, How, Listing, Written};

use super::words::{date, one_line, size};
use super::{Block, Question, failure, marks, noted};

const CURRENT: &str = "(file state is current in your context — no need to Read it back)";
const REBASED: &str = "(note: the file had been modified on disk since you last read it — the edit applied cleanly, but the file contains other changes not in your context. Read it again before you rely on the rest of it.)";

/// The answer of `Read` and `MultiRead`.
pub(super) fn views(question: &Question, views: &[Result<FileView, FileFailure>], notes: &[String]) -> Result<Vec<Block>, Failure> {
    if let (Question::Read(given), [one]) = (question, views) {
        let view = one.as_ref().map_err(|error| error.failure.clone())?;
        let mut blocks = Vec::new();
        let mut all = Vec::new();
        if view.path != *given {
            all.push(format!("{} is {}", one_line(given), one_line(&view.path)));
        }
        let text = content(&view.content, &mut all, &mut blocks);
        all.extend_from_slice(notes);
        let text = join_notes(text, &all);
        if !text.is_empty() {
            blocks.push(Block::Text(text));
        }
        return Ok(blocks);
    }
    Ok(several(views, notes))
}

/// Each file in order, below a line with its path and how many bytes are shown.
fn several(views: &[Result<FileView, FileFailure>], notes: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut text = String::new();
    for view in views {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        match view {
            Ok(view) => {
                let _ = writeln!(text, "==> {} <== {}", one_line(&view.path), shown(&view.content));
                let (mut all, mut images) = (Vec::new(), Vec::new());
                let lines = content(&view.content, &mut all, &mut images);
                text.push_str(&join_notes(lines, &all));
                if !images.is_empty() {
                    blocks.push(Block::Text(std::mem::take(&mut text)));
                    blocks.extend(images);
                }
            }
            Err(error) => {
                let _ = write!(text, "==> {} <== error\n{}", one_line(&error.path), failure(&error.failure));
            }
        }
    }
    let text = join_notes(text, notes);
    if !text.is_empty() {
        blocks.push(Block::Text(text));
    }
    blocks
}

fn shown(content: &FileContent) -> String {
    match content {
        FileContent::Text { bytes, .. } | FileContent::Image { bytes, .. } => size(bytes.len() as u64),
        FileContent::Empty | FileContent::PastEnd { .. } => size(0),
    }
}

/// The text of a file's content; notes and pictures are added to what is given.
fn content(content: &FileContent, notes: &mut Vec<String>, images: &mut Vec<Block>) -> String {
    match content {
        FileContent::Text { first_line, bytes, total_lines, whole, not_utf8 } => {
            let (text, marked) = visible::to_text(bytes);
            let (text, last) = numbered(&text, *first_line, *whole);
            if !whole {
                notes.push(format!("Lines {first_line}\u{2013}{last} of {total_lines}."));
            }
            notes.extend(marks(marked));
            if *not_utf8 {
                notes
                    .push("This file is not UTF-8: Edit and Write refuse it. Convert it with Bash (iconv), or change it there.".to_owned());
            }
            text
        }
        FileContent::Empty => "<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>".to_owned(),
        FileContent::PastEnd { offset, total_lines } => format!(
            "<system-reminder>Warning: the file exists but is shorter than the provided offset ({offset}). The file has {total_lines} lines.</system-reminder>"
        ),
        FileContent::Image { mime, bytes } => {
            images.push(Block::Image(mime, bytes.clone()));
            String::new()
        }
    }
}

/// Lines with numbers, as natively, and the last number; after the final newline of a whole file one more, empty line.
fn numbered(text: &str, first_line: u64, whole: bool) -> (String, u64) {
    let lines = match text.strip_suffix('\n') {
        Some(inner) if !whole => inner,
        _ => text,
    };
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut number = first_line;
    for line in lines.split('\n') {
        if number > first_line {
            out.push('\n');
        }
        let _ = write!(out, "{number}\t{line}");
        number += 1;
    }
    (out, number - 1)
}

/// Notes after numbered lines: the lines keep their own end, an empty last line included.
fn join_notes(text: String, notes: &[String]) -> String {
    if notes.is_empty() {
        return text;
    }
    let notes = noted(String::new(), notes);
    if text.is_empty() { notes } else { format!("{text}\n{notes}") }
}

/// The answer of `Write`, `Edit` and `MultiEdit`.
pub(super) fn written(of: &Written) -> String {
    let path = one_line(&of.path);
    let mut text = match of.how {
        _ if of.created => format!("File created successfully at: {path} {CURRENT}"),
        How::Write => format!("The file {path} has been updated successfully. {CURRENT}"),
        How::Append => format!("The file {path} has been updated successfully: the content was added at its end. {CURRENT}"),
        How::Edit { all, rebased, places } => {
            let remark = if rebased { REBASED } else { CURRENT };
            if all {
                let count = if places == 1 { "1 place".to_owned() } else { format!("{places} places") };
                format!("The file {path} has been updated. All occurrences were successfully replaced. {remark}\n{count} replaced.")
            } else {
                format!("The file {path} has been updated successfully. {remark}")
            }
        }
    };
    match of.how {
        How::Write | How::Append => {
            let _ = write!(text, "\n{}.", size_exact(of.bytes));
        }
        How::Edit { .. } => {
            let changed = visible::to_text(of.changed.as_bytes()).0;
            if !changed.is_empty() {
                text.push('\n');
                text.push_str(changed.trim_end_matches('\n'));
            }
        }
    }
    if let Some(link) = &of.through_link {
        let _ = write!(text, "\n[note] The path is a symbolic link; its target was written: {}.", one_line(link));
    }
    text
}

fn size_exact(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// The answer of Stat: a line each.
pub(super) fn stats(of: &[(String, Result<Entry, String>)]) -> String {
    let line = |(path, found): &(String, Result<Entry, String>)| match found {
        Ok(entry) => {
            let given = if entry.name == *path { String::new() } else { format!("{} = ", one_line(path)) };
            format!("{given}{}: {}", one_line(&entry.name), facts(entry))
        }
        Err(why) => format!("{}: {}", one_line(path), one_line(why)),
    };
    of.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Kind, size, mode, owner, time.
fn facts(entry: &Entry) -> String {
    let kind = match &entry.target {
        Some(target) => format!("{} -> {}", entry.kind, one_line(target)),
        None => entry.kind.to_owned(),
    };
    let mut parts = vec![kind];
    parts.extend(entry.size.map(size_exact));
    parts.extend([one_line(&entry.mode), one_line(&entry.owner), date(&entry.mtime)].into_iter().filter(|part| !part.is_empty()));
    parts.join(", ")
}

/// The answer of List.
pub(super) fn listing(of: &Listing) -> String {
    let mut text = format!("{}:", one_line(&of.path));
    if of.entries.is_empty() {
        text.push_str("\n(empty)");
    }
    for entry in &of.entries {
        let mark = match entry.kind {
            "directory" => "/",
            _ => "",
        };
        let target = entry.target.as_ref().map(|target| format!(" -> {}", one_line(target))).unwrap_or_default();
        let kind = if matches!(entry.kind, "file" | "directory" | "symlink") { String::new() } else { format!(" ({})", entry.kind) };
        let size = entry.size.filter(|_| entry.kind == "file").map_or_else(|| "-".to_owned(), |size| size.to_string());
        let _ = write!(text, "\n{size}\t{}\t{}{mark}{target}{kind}", date(&entry.mtime), one_line(&entry.name));
    }
    if of.omitted > 0 {
        let _ = write!(text, "\n[note] {} more entries are not shown; use Glob or Bash for them.", of.omitted);
    }
    text
}
