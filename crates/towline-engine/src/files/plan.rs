//! What an edit does to a content: which bytes go, which come, and what an agent is told of it. Pure.
//!
//! Holds to: a text is found as it stands, or with the line ends of the file, or, if it is nowhere, as the bytes that its `\xHH`
//! stand for; all edits of a call or none; bytes outside the matches stay. Leaves out: where the content comes from.

use std::ops::Range;

use towline_base::{Code, Failure, visible};
use towline_proto::files::splice::{Splice, Splices};

use super::changes;
use crate::action::{Edit, Replacement};

/// An edit of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The pieces to replace.
    pub(crate) splices: Splices,
    /// The content afterwards.
    pub(crate) content: Vec<u8>,
    /// How many places are replaced.
    pub(crate) places: u64,
    /// The changed lines with their numbers.
    pub(crate) changed: String,
}

/// Lines that an error names.
const NAMED_LINES: usize = 20;

/// Whether the edit makes a file that is not there yet (or is empty).
pub(crate) fn creates(edit: &Edit) -> bool {
    edit.edits.first().is_some_and(|first| first.old.is_empty())
}

/// Refuses what cannot be done to any content.
pub(crate) fn check(edit: &Edit) -> Result<(), Failure> {
    if edit.edits.is_empty() {
        return Err(Failure::new(Code::BadInput, "edits: at least one edit is needed."));
    }
    for (at, one) in edit.edits.iter().enumerate() {
        if one.old == one.new {
            let text = "No changes to make: old_string and new_string are exactly the same.";
            return Err(numbered(edit, at, Failure::new(Code::NoMatch, text).hint("")));
        }
        if at > 0 && one.old.is_empty() {
            return Err(numbered(edit, at, Failure::new(Code::BadInput, "old_string is empty: there is nothing to replace.")));
        }
    }
    Ok(())
}

/// What the edit does to this content.
pub(crate) fn plan(old: &[u8], edit: &Edit) -> Result<Plan, Failure> {
    check(edit)?;
    if std::str::from_utf8(old).is_err() {
        let text = format!(
            "{} is not valid UTF-8, so an edit could damage it; nothing was written. Convert it first (for example `iconv -f latin1 -t utf-8`), \
             or change it with a command such as sed or perl.",
            edit.file_path
        );
        return Err(Failure::new(Code::NotText, text));
    }
    let mut draft = Draft::new(old);
    let mut places = 0;
    for (at, one) in edit.edits.iter().enumerate() {
        let found = find(&draft.content, one).map_err(|failure| numbered(edit, at, failure))?;
        places += found.len() as u64;
        draft.replace(&found);
    }
    if draft.content == old {
        return Err(Failure::new(Code::NoMatch, "No changes to make: the edits leave the file as it is.").hint(""));
    }
    let splices = draft.splices().ok_or_else(|| Failure::new(Code::Internal, "the pieces of an edit are out of order"))?;
    let changed = changes::lines(old, &draft.content, &splices);
    Ok(Plan { splices, content: draft.content, places, changed })
}

/// Says which of several edits failed.
fn numbered(edit: &Edit, at: usize, mut failure: Failure) -> Failure {
    if edit.multi {
        failure.text = format!("Edit {} of {}, and nothing was written: {}", at + 1, edit.edits.len(), failure.text);
    }
    failure
}

/// A place, and what comes there.
type Place = (Range<usize>, Vec<u8>);

/// Where a replacement goes in a content.
fn find(content: &[u8], one: &Replacement) -> Result<Vec<Place>, Failure> {
    if one.old.is_empty() {
        // Only the first edit of a call gets here with that, on a file that is not there or is empty.
        if !content.is_empty() {
            return Err(Failure::new(Code::BadInput, "Cannot create new file - file already exists.").hint(""));
        }
        return Ok(vec![(0..0, one.new.clone().into_bytes())]);
    }
    let mut new = one.new.clone().into_bytes();
    let mut matches = places(content, one.old.as_bytes());
    if matches.is_empty() {
        let decoded = visible::to_bytes(&one.old);
        if decoded != one.old.as_bytes() {
            matches = places(content, &decoded);
            new = visible::to_bytes(&one.new);
        }
    }
    match matches.len() {
        0 => Err(Failure::new(Code::NoMatch, format!("String to replace not found in file.\nString: {}", one.old)).hint("")),
        count if count > 1 && !one.all => Err(several(content, &matches, one)),
        _ => {
            let crlf = ends_with_crlf(content);
            Ok(matches.into_iter().map(|place| (place.clone(), line_ends(&content[place], &new, crlf))).collect())
        }
    }
}

fn several(content: &[u8], matches: &[Range<usize>], one: &Replacement) -> Failure {
    let mut line = 1;
    let mut from = 0;
    let mut lines: Vec<String> = Vec::new();
    for place in matches.iter().take(NAMED_LINES) {
        line += newlines(&content[from..place.start]);
        from = place.start;
        lines.push(line.to_string());
    }
    if matches.len() > NAMED_LINES {
        lines.push(format!("and {} more", matches.len() - NAMED_LINES));
    }
    let text = format!(
        "Found {} matches of the string to replace, but replace_all is false. To replace all occurrences, set replace_all to true. \
         To replace only one occurrence, please provide more context to uniquely identify the instance.\nString: {}\nThe matches begin in lines {}.",
        matches.len(),
        one.old,
        lines.join(", ")
    );
    Failure::new(Code::NoMatch, text).hint("")
}

/// The places of a text, from the left, none overlapping another. A newline that has no carriage return before it stands for
/// either form of line end.
fn places(content: &[u8], old: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let first = old[0];
    let either = first == b'\n';
    let mut at = 0;
    while at < content.len() {
        let Some(skip) = content[at..].iter().position(|byte| *byte == first || (either && *byte == b'\r')) else { break };
        at += skip;
        match end_of_match(content, at, old) {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Where a match that begins here ends.
fn end_of_match(content: &[u8], start: usize, old: &[u8]) -> Option<usize> {
    let mut at = start;
    let mut before = 0;
    for byte in old {
        if *byte == b'\n' && before != b'\r' && content.get(at) == Some(&b'\r') {
            at += 1;
        }
        if content.get(at) != Some(byte) {
            return None;
        }
        at += 1;
        before = *byte;
    }
    Some(at)
}

/// Whether most of a content's lines end with carriage return and newline.
fn ends_with_crlf(content: &[u8]) -> bool {
    let crlf = content.windows(2).filter(|pair| *pair == b"\r\n").count();
    crlf * 2 > newlines(content)
}

fn newlines(content: &[u8]) -> usize {
    content.split(|byte| *byte == b'\n').count() - 1
}

/// The new text with the line ends of what it replaces, or, if that has none, of the file.
fn line_ends(replaced: &[u8], new: &[u8], file_has_crlf: bool) -> Vec<u8> {
    let crlf = if replaced.contains(&b'\n') { ends_with_crlf(replaced) } else { file_has_crlf };
    if !crlf {
        return new.to_vec();
    }
    let mut out = Vec::with_capacity(new.len());
    for byte in new {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// A content that is being changed, and which of its bytes are still the old ones.
struct Draft {
    content: Vec<u8>,
    /// Length of each run, and where it begins in the old content if it is from there.
    runs: Vec<(usize, Option<usize>)>,
    old_length: usize,
}

impl Draft {
    fn new(old: &[u8]) -> Self {
        Self { content: old.to_vec(), runs: vec![(old.len(), Some(0))], old_length: old.len() }
    }

    /// Replaces places that are in order.
    fn replace(&mut self, places: &[Place]) {
        let mut content = Vec::with_capacity(self.content.len());
        let mut runs = Vec::new();
        let mut at = 0;
        for (place, new) in places {
            content.extend_from_slice(&self.content[at..place.start]);
            content.extend_from_slice(new);
            self.keep(at..place.start, &mut runs);
            runs.push((new.len(), None));
            at = place.end;
        }
        content.extend_from_slice(&self.content[at..]);
        self.keep(at..self.content.len(), &mut runs);
        (self.content, self.runs) = (content, runs);
    }

    /// Adds the runs of a part that stays.
    fn keep(&self, part: Range<usize>, runs: &mut Vec<(usize, Option<usize>)>) {
        let mut start = 0;
        for (length, source) in &self.runs {
            let from = part.start.max(start);
            let to = part.end.min(start + length);
            if from < to {
                runs.push((to - from, source.map(|source| source + (from - start))));
            }
            start += length;
        }
    }

    /// The change as pieces of the old content.
    fn splices(&self) -> Option<Splices> {
        let mut pieces: Vec<Splice> = Vec::new();
        let (mut old, mut new, mut insert) = (0, 0, Vec::new());
        for (length, source) in &self.runs {
            match source {
                None => insert.extend_from_slice(&self.content[new..new + length]),
                Some(source) => {
                    let delete = source.checked_sub(old)?;
                    if delete > 0 || !insert.is_empty() {
                        pieces.push(Splice { offset: old, delete, insert: std::mem::take(&mut insert) });
                    }
                    old = source + length;
                }
            }
            new += length;
        }
        let delete = self.old_length.checked_sub(old)?;
        if delete > 0 || !insert.is_empty() {
            pieces.push(Splice { offset: old, delete, insert });
        }
        Splices::new(pieces)
    }
}

#[cfg(test)]
#[allow(clippy::type_complexity, reason = "a table of cases is read, not called")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(edits: &[(&str, &str, bool)]) -> Edit {
        let edits: Vec<_> =
            edits.iter().map(|(old, new, all)| Replacement { old: (*old).to_owned(), new: (*new).to_owned(), all: *all }).collect();
        Edit { file_path: "f".to_owned(), multi: edits.len() > 1, edits }
    }

    fn after(old: &[u8], edits: &[(&str, &str, bool)]) -> Result<Vec<u8>, String> {
        let plan = plan(old, &edit(edits)).map_err(|failure| failure.text)?;
        assert_eq!(plan.splices.apply(old).as_ref(), Some(&plan.content), "the pieces make the content");
        Ok(plan.content)
    }

    #[test]
    fn bytes_outside_the_match_stay() {
        let table: &[(&[u8], &str, &str, bool, &[u8])] = &[
            // Line ends of the file, whatever the agent wrote.
            (b"a\r\nb\r\nc\r\n", "a\nb", "x\ny", false, b"x\r\ny\r\nc\r\n"),
            (b"a\r\nb\r\n", "a", "x\ny", false, b"x\r\ny\r\nb\r\n"),
            (b"a\r\nb\r\n", "a\r\nb", "x\r\ny", false, b"x\r\ny\r\n"),
            (b"a\nb\r\nc\n", "a\nb\nc", "a\nc", false, b"a\nc\n"),
            (b"a\nb\nc\r\n", "b\nc", "x\ny", false, b"a\nx\ny\r\n"),
            (b"one\r\ntwo\r\nthree\n", "one\ntwo\n", "1\n", false, b"1\r\nthree\n"),
            (b"a\r\nb", "a\n", "", false, b"b"),
            (b"x\r\ny", "\ny", "\nz", false, b"x\r\nz"),
            (b"x\ry\n", "y", "z\n", false, b"x\rz\n\n"),
            // A byte order mark stays where it is.
            (b"\xef\xbb\xbfone\n", "one", "two", false, b"\xef\xbb\xbftwo\n"),
            // No final newline, none added.
            (b"a\nb", "b", "c", false, b"a\nc"),
            // Overlapping matches: from the left, none twice.
            (b"aaaaa", "aa", "b", true, b"bba"),
            (b"abab", "ab", "", true, b""),
            ("é🦀é".as_bytes(), "é", "e", true, "e🦀e".as_bytes()),
            // What Read wrote as \xHH, taken back; the text itself first.
            (b"red\x1b[0m", "red\\x1b[0m", "\\x1b[1mred\\x1b[0m", false, b"\x1b[1mred\x1b[0m"),
            (b"a \\x1b and \x1b", "\\x1b", "\\x1c", false, b"a \\x1c and \x1b"),
            (b"a\0b", "a\\x00b", "ab", false, b"ab"),
            (b"a\rb\n", "a\\x0db\n", "ab\n", false, b"ab\n"),
            ("a\u{202e}b".as_bytes(), "a\\xe2\\x80\\xaeb", "ab", false, b"ab"),
            (b"x", "x", "\\x1b", false, b"\\x1b"),
        ];
        for (content, old, new, all, expected) in table {
            let result = after(content, &[(old, new, *all)]);
            assert_eq!(result.as_deref(), Ok(*expected), "{:?} {old:?}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn both_kinds_of_line_end_count_as_matches() {
        assert!(after(b"a\nb a\r\nb", &[("a\nb", "x", false)]).unwrap_err().starts_with("Found 2 matches"));
        assert_eq!(after(b"a\nb a\r\nb", &[("a\nb", "x\ny", true)]).unwrap(), b"x\ny x\r\ny");
    }

    #[test]
    fn edits_follow_each_other_and_all_or_none() {
        assert_eq!(after(b"a b c", &[("a", "b", false), ("b b", "x", false), ("c", "", false)]).unwrap(), b"x ");
        assert_eq!(after(b"a b c", &[("a", "xx", false), ("x", "y", true), ("yy b", "z", false)]).unwrap(), b"z c");
        let failed = after(b"a b c", &[("a", "b", false), ("b", "x", false)]).unwrap_err();
        assert!(failed.starts_with("Edit 2 of 2, and nothing was written: Found 2 matches"), "{failed}");
    }

    #[test]
    fn an_error_names_twenty_lines_and_counts_the_others() {
        let failed = after("a\n".repeat(25).as_bytes(), &[("a", "b", false)]).unwrap_err();
        assert!(failed.starts_with("Found 25 matches") && failed.ends_with("18, 19, 20, and 5 more."), "{failed}");
    }

    proptest! {
        #[test]
        fn without_carriage_returns_it_is_what_str_does(text in "[ab\\nxé]{0,40}", old in "[ab\\né]{1,3}", new in "[abz\\n]{0,3}") {
            let count = text.matches(&old).count();
            let all = after(text.as_bytes(), &[(&old, &new, true)]);
            let one = after(text.as_bytes(), &[(&old, &new, false)]);
            if old == new || count == 0 {
                prop_assert!(all.is_err() && one.is_err());
            } else {
                let expected = text.replace(&old, &new);
                if expected == text {
                    prop_assert!(all.is_err());
                } else {
                    prop_assert_eq!(all, Ok(expected.clone().into_bytes()));
                }
                if count > 1 || expected == text {
                    prop_assert!(one.is_err());
                } else {
                    prop_assert_eq!(one, Ok(expected.into_bytes()));
                }
            }
        }

        #[test]
        fn sequences_make_what_their_pieces_say(text in "[ab\\r\\n]{0,30}", edits in proptest::collection::vec(("[ab\\n]{1,2}", "[abz\\n]{0,3}", any::<bool>()), 1..5)) {
            let edits: Vec<_> = edits.iter().map(|(old, new, all)| (old.as_str(), new.as_str(), *all)).collect();
            // `after` compares the pieces with the content.
            let _ = after(text.as_bytes(), &edits);
        }
    }
}
