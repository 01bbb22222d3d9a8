//! What the host sent, as records: counts, lines by ripgrep, lines without it, whole files.
//!
//! Holds to: any bytes are read without a panic; a record that was cut is left out. Leaves out: what is done with them.

use super::search;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub number: u64,
    pub matched: bool,
    pub text: Vec<u8>,
}

/// Lines of a file, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileLines {
    pub path: Vec<u8>,
    pub lines: Vec<Line>,
    /// Matches in it.
    pub count: u64,
    /// It turned out to be binary after some of its lines had come.
    pub binary: bool,
}

/// Splits at a byte; `None` if it is not there.
fn split_at(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == byte)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A path without the `./` that keeps it from being an option.
pub(super) fn plain_path(path: &[u8]) -> Vec<u8> {
    path.strip_prefix(b"./").unwrap_or(path).to_vec()
}

/// `PATH NUL COUNT newline`, over and over.
pub(super) fn counts(mut rest: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let mut all = Vec::new();
    while let Some((path, after)) = split_at(rest, 0) {
        let Some((count, after)) = split_at(after, b'\n') else { break };
        let Some(count) = search::number(count) else { break };
        all.push((plain_path(path), count));
        rest = after;
    }
    all
}

/// `NUMBER : TEXT newline`, or `-` in the place of `:`.
fn line(bytes: &[u8]) -> Option<(Line, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = search::number(&bytes[..digits])?;
    let matched = match bytes.get(digits)? {
        b':' => true,
        b'-' => false,
        _ => return None,
    };
    let (text, rest) = split_at(&bytes[digits + 1..], b'\n')?;
    Some((Line { number, matched, text: text.to_vec() }, rest))
}

/// Lines as ripgrep gives them with `--null`, and how many records they were.
pub(super) fn of_ripgrep(mut rest: &[u8]) -> (Vec<FileLines>, u64) {
    let mut files: Vec<FileLines> = Vec::new();
    let mut records = 0;
    loop {
        if let Some(after) = rest.strip_prefix(b"--\n") {
            rest = after;
            records += 1;
            continue;
        }
        if let Some((path, after)) = stopped(rest) {
            match files.last_mut() {
                Some(last) if last.path == path => last.binary = true,
                _ => files.push(FileLines { path, binary: true, ..FileLines::default() }),
            }
            rest = after;
            continue;
        }
        let Some((path, after)) = split_at(rest, 0) else { break };
        let Some((line, after)) = line(after) else { break };
        let path = plain_path(path);
        if files.last().is_none_or(|last| last.path != path) {
            files.push(FileLines { path, ..FileLines::default() });
        }
        if let Some(last) = files.last_mut() {
            last.count += u64::from(line.matched);
            last.lines.push(line);
        }
        records += 1;
        rest = after;
    }
    (files, records)
}

/// ripgrep's remark that a file turned out to be binary; it stands where a line could, without a NUL.
fn stopped(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let before_nul = split_at(bytes, 0).map_or(bytes, |(before, _)| before);
    for remark in [&b": WARNING: stopped searching binary file"[..], b": binary file matches (found "] {
        if let Some(at) = search::find(before_nul, remark) {
            let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
            return Some((plain_path(&bytes[..at]), &bytes[end..]));
        }
    }
    None
}

/// `NUL PATH NUL` and what belongs to that file, over and over.
pub(super) fn by_file(bytes: &[u8]) -> Vec<(Vec<u8>, &[u8])> {
    let mut parts = bytes.split(|byte| *byte == 0).skip(1);
    let mut files = Vec::new();
    while let (Some(path), Some(content)) = (parts.next(), parts.next()) {
        files.push((plain_path(path), content));
    }
    files
}

/// All lines of one file's part.
pub(super) fn lines(mut rest: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    while let Some((line, after)) = line(rest) {
        lines.push(line);
        rest = after;
    }
    lines
}
