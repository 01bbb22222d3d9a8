//! From what the host sent to what matches: where it had no ripgrep, the pattern itself decides here.
//!
//! Holds to: the outcome is the same as ripgrep's own for the same files. Leaves out: how it is shown.

use regex::bytes::Regex;

use super::reply::{self, FileLines, Line};
use super::{DECIDABLE, GrepMode, GrepSearch, LINES, compile, search};
use crate::files::ToolError;
use search::{End, Stamped};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Files, for [`GrepMode::Files`].
    pub files: Vec<Stamped>,
    /// Counts, for [`GrepMode::Count`].
    pub counts: Vec<(Vec<u8>, u64)>,
    /// Lines, for [`GrepMode::Content`].
    pub lines: Vec<FileLines>,
    /// Whether the host stopped before it had seen everything.
    pub cut: bool,
    /// Files that turned out to be binary after some of their lines had come.
    pub binary: Vec<Vec<u8>>,
    /// Lines that are too long to be decided.
    pub undecided: u64,
}

/// Reads what was listed.
pub(super) fn decide(search: &GrepSearch, listed: &[u8], end: &End) -> Result<Outcome, ToolError> {
    let mut outcome = Outcome { cut: listed.len() >= search::REPLY, ..Outcome::default() };
    let plain = end.engine == b"plain";
    let asked = if plain { search.plain() } else { "" };
    if plain && end.cut && asked.ends_with("text") {
        return Err(ToolError { word: "toolarge".to_owned(), detail: end.root.clone() });
    }
    let mut rest = listed;
    if search.request.mode == GrepMode::Files {
        let (files, after) = search::stamps(listed)?;
        outcome.cut |= files.len() > search::FILES;
        outcome.files = files.into_iter().map(|file| Stamped { path: reply::plain_path(&file.path), ..file }).collect();
        rest = after;
    }
    if asked.ends_with("lines") || asked.ends_with("text") {
        let files = if asked.ends_with("text") { whole_files(search, rest)? } else { decided_lines(search, rest, &mut outcome.undecided)? };
        // Where no more was asked for than is shown, the page tells that there is more.
        outcome.cut |= end.cut && search.found() == LINES;
        take(search, &mut outcome, files);
    } else {
        match search.request.mode {
            GrepMode::Files => {}
            GrepMode::Count => {
                outcome.counts = reply::counts(listed);
                outcome.cut |= outcome.counts.len() > search::FILES;
            }
            GrepMode::Content => {
                let newlines = listed.split(|byte| *byte == b'\n').count() as u64 - 1;
                let (files, records) = reply::of_ripgrep(listed);
                // A newline in a path makes the host stop early; then the page cannot tell that there is more.
                outcome.cut |= newlines >= search.lines() && (search.lines() == LINES || records < search.lines());
                outcome.lines = parts_of_ripgrep(search, files)?;
            }
        }
    }
    sift(search, &mut outcome, end.one);
    Ok(outcome)
}

/// Puts what was decided where the mode wants it.
fn take(search: &GrepSearch, outcome: &mut Outcome, files: Vec<FileLines>) {
    match search.request.mode {
        GrepMode::Files => {
            let mut paths: Vec<&Vec<u8>> = files.iter().map(|file| &file.path).collect();
            paths.sort();
            outcome.files.retain(|file| paths.binary_search(&&file.path).is_ok());
        }
        GrepMode::Count => outcome.counts = files.into_iter().map(|file| (file.path, file.count)).collect(),
        GrepMode::Content => outcome.lines = files,
    }
}

/// Leaves out what was not asked for or turned out to be binary, and sorts.
fn sift(search: &GrepSearch, outcome: &mut Outcome, one: bool) {
    outcome.binary = outcome.lines.iter().filter(|file| file.binary).map(|file| file.path.clone()).collect();
    outcome.lines.retain(|file| !file.binary && search.allows(&file.path, one));
    outcome.binary.retain(|path| search.allows(path, one));
    outcome.counts.retain(|(path, count)| *count > 0 && search.allows(path, one));
    outcome.files.retain(|file| search.allows(&file.path, one));
    outcome.lines.sort_by(|a, b| search::by_names(&a.path, &b.path));
    outcome.counts.sort_by(|a, b| search::by_names(&a.0, &b.0));
}

/// The mark that some files begin with is no part of their text.
fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Lines without ripgrep: decides those that only may match, and leaves out context that belongs to none.
fn decided_lines(search: &GrepSearch, rest: &[u8], undecided: &mut u64) -> Result<Vec<FileLines>, ToolError> {
    let regex = if search.ere.exact && !search.only_matching() { None } else { Some(compile(&search.request)?) };
    let mut files = Vec::new();
    for (path, content) in reply::by_file(rest) {
        let mut lines = reply::lines(content);
        for line in &mut lines {
            if line.number == 1 {
                line.text = unmarked(&line.text).to_vec();
            }
            let Some(regex) = regex.as_ref().filter(|_| line.matched && !search.ere.exact) else { continue };
            let decided = matches(regex, &line.text);
            *undecided += u64::from(decided.is_none());
            line.matched = decided.unwrap_or(false);
        }
        let count = lines.iter().filter(|line| line.matched).count() as u64;
        if count == 0 {
            continue;
        }
        let mut lines = near_matches(search, lines);
        if search.only_matching() {
            lines = lines.into_iter().flat_map(|line| parts(regex.as_ref(), line)).collect();
        }
        files.push(FileLines { path, lines, count, binary: false });
    }
    Ok(files)
}

/// Whether a line matches; `None` if its end, which did not come, could matter.
fn matches(regex: &Regex, text: &[u8]) -> Option<bool> {
    let found = regex.find(text);
    if text.len() <= DECIDABLE {
        return Some(found.is_some());
    }
    found.filter(|found| found.end() < text.len()).map(|_| true)
}

/// ripgrep's lines; their matching parts where it could not be asked for them.
fn parts_of_ripgrep(search: &GrepSearch, mut files: Vec<FileLines>) -> Result<Vec<FileLines>, ToolError> {
    if search.parts_here() {
        let regex = compile(&search.request)?;
        for file in &mut files {
            file.lines = std::mem::take(&mut file.lines).into_iter().flat_map(|line| parts(Some(&regex), line)).collect();
        }
    } else if search.only_matching() {
        for file in &mut files {
            file.lines.retain(|line| !line.matched || !line.text.is_empty());
        }
    }
    Ok(files)
}

/// The matching parts of a matching line but for empty ones; a line of context as it is.
fn parts(regex: Option<&Regex>, line: Line) -> Vec<Line> {
    let Some(regex) = regex.filter(|_| line.matched) else { return vec![line] };
    let found = regex.find_iter(&line.text).filter(|found| !found.is_empty());
    found.map(|found| Line { text: found.as_bytes().to_vec(), ..line.clone() }).collect()
}

/// Only the lines that are matches or near one.
fn near_matches(search: &GrepSearch, lines: Vec<Line>) -> Vec<Line> {
    let numbers: Vec<u64> = lines.iter().filter(|line| line.matched).map(|line| line.number).collect();
    let near = |number: u64| {
        let from = number.saturating_sub(u64::from(search.request.after));
        let first = numbers.partition_point(|at| *at < from);
        numbers.get(first).is_some_and(|at| *at <= number.saturating_add(u64::from(search.request.before)))
    };
    lines.into_iter().filter(|line| line.matched || near(line.number)).collect()
}

/// Whole files: everything is decided here.
fn whole_files(search: &GrepSearch, rest: &[u8]) -> Result<Vec<FileLines>, ToolError> {
    let regex = compile(&search.request)?;
    let files = reply::by_file(rest).into_iter().map(|(path, content)| {
        let content = unmarked(content);
        let mut lines = Vec::new();
        let starts: Vec<usize> = std::iter::once(0)
            .chain(content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
            .filter(|start| *start < content.len())
            .collect();
        let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
        let text_of = |index: usize| {
            let end = starts.get(index + 1).map_or(content.len(), |next| next - 1);
            let line = &content[starts[index]..end];
            if index + 1 == starts.len() { line.strip_suffix(b"\n").unwrap_or(line) } else { line }
        };
        let mut matched = vec![false; starts.len()];
        let mut count = 0;
        for found in regex.find_iter(content) {
            if found.start() >= content.len() {
                continue;
            }
            count += 1;
            let (first, last) = (line_of(found.start()), line_of(found.end().max(found.start() + 1) - 1));
            for index in first..=last {
                matched[index] = true;
                if search.only_matching() && !found.is_empty() {
                    let start = starts[index].max(found.start());
                    let end = (starts[index] + text_of(index).len()).min(found.end());
                    let text = content.get(start..end).unwrap_or_default().to_vec();
                    if !text.is_empty() {
                        lines.push(Line { number: index as u64 + 1, matched: true, text });
                    }
                }
            }
        }
        if !search.only_matching() {
            let all =
                (0..starts.len()).map(|index| Line { number: index as u64 + 1, matched: matched[index], text: text_of(index).to_vec() });
            lines = near_matches(search, all.collect());
        }
        FileLines { path, lines, count, binary: false }
    });
    Ok(files.filter(|file| file.count > 0).collect())
}
