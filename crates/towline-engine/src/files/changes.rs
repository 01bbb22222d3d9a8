//! The changed lines of an edit, with their numbers: what an agent is told instead of the file.

use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use towline_proto::files::splice::Splices;

/// Lines that are told at the most; the others are counted.
const TOLD_LINES: usize = 60;
/// Characters of a line that are told at the most.
const TOLD_CHARACTERS: usize = 400;
/// Lines of one place that are compared; a larger place is told as a whole.
const COMPARED_LINES: usize = 2_000;

/// Each line that went as `-N<tab>text`, each that came as `+N<tab>text`, N counted in the old and in the new content.
pub(crate) fn lines(old: &[u8], new: &[u8], splices: &Splices) -> String {
    let mut out = Told::default();
    let (mut before, mut after) = (Numbers::of(old), Numbers::of(new));
    for (was, is) in places(old, new, splices) {
        let (was_lines, is_lines) = (split(&old[was.clone()]), split(&new[is.clone()]));
        let (was_first, is_first) = (before.at(was.start), after.at(is.start));
        if was_lines.len().max(is_lines.len()) > COMPARED_LINES {
            out.gone(&was_lines, was_first, 0..was_lines.len());
            out.come(&is_lines, is_first, 0..is_lines.len());
            continue;
        }
        for operation in capture_diff_slices(Algorithm::Myers, &was_lines, &is_lines) {
            if !matches!(operation, DiffOp::Equal { .. }) {
                out.gone(&was_lines, was_first, operation.old_range());
                out.come(&is_lines, is_first, operation.new_range());
            }
        }
    }
    out.end()
}

/// The lines, in the old and in the new content, that hold the pieces; those that touch are one place.
fn places(old: &[u8], new: &[u8], splices: &Splices) -> Vec<(Range<usize>, Range<usize>)> {
    let mut all: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let (mut gone, mut come) = (0, 0);
    for piece in splices.pieces() {
        let start = piece.offset + come - gone;
        let was = whole_lines(old, piece.offset..piece.offset + piece.delete);
        let is = whole_lines(new, start..start + piece.insert.len());
        gone += piece.delete;
        come += piece.insert.len();
        match all.last_mut() {
            Some((last_was, last_is)) if was.start <= last_was.end || is.start <= last_is.end => {
                *last_was = last_was.start..last_was.end.max(was.end);
                *last_is = last_is.start..last_is.end.max(is.end);
            }
            _ => all.push((was, is)),
        }
    }
    all
}

/// The range, made longer to whole lines.
fn whole_lines(content: &[u8], range: Range<usize>) -> Range<usize> {
    let start = content[..range.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = content[range.end..].iter().position(|byte| *byte == b'\n').map_or(content.len(), |at| range.end + at + 1);
    start..end
}

/// The numbers of lines, asked for from the first to the last: each byte is looked at once, however many places there are.
struct Numbers<'a> {
    content: &'a [u8],
    seen: usize,
    line: usize,
}

impl<'a> Numbers<'a> {
    fn of(content: &'a [u8]) -> Self {
        Self { content, seen: 0, line: 1 }
    }

    /// The number of the line that this byte is in.
    fn at(&mut self, byte: usize) -> usize {
        self.line += self.content[self.seen..byte].split(|byte| *byte == b'\n').count() - 1;
        self.seen = byte;
        self.line
    }
}

fn split(lines: &[u8]) -> Vec<&[u8]> {
    lines.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What was told so far.
#[derive(Default)]
struct Told {
    text: String,
    lines: usize,
}

impl Told {
    fn gone(&mut self, lines: &[&[u8]], first: usize, range: Range<usize>) {
        self.tell('-', lines, first, range);
    }

    fn come(&mut self, lines: &[&[u8]], first: usize, range: Range<usize>) {
        self.tell('+', lines, first, range);
    }

    fn tell(&mut self, sign: char, lines: &[&[u8]], first: usize, range: Range<usize>) {
        for at in range {
            self.lines += 1;
            if self.lines > TOLD_LINES {
                continue;
            }
            let line = lines[at].strip_suffix(b"\n").unwrap_or(lines[at]);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            let count = line.chars().count();
            let shown: String = line.chars().take(TOLD_CHARACTERS).collect();
            let _ = write!(self.text, "{sign}{}\t{shown}", first + at);
            if count > TOLD_CHARACTERS {
                let _ = write!(self.text, " … {} more characters", count - TOLD_CHARACTERS);
            }
            self.text.push('\n');
        }
    }

    fn end(mut self) -> String {
        if self.lines > TOLD_LINES {
            let _ = writeln!(self.text, "… {} more changed lines", self.lines - TOLD_LINES);
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use towline_proto::files::splice::Splice;

    use super::*;

    fn told(old: &str, pieces: &[(usize, usize, &str)]) -> String {
        let pieces =
            pieces.iter().map(|(offset, delete, insert)| Splice { offset: *offset, delete: *delete, insert: insert.as_bytes().to_vec() });
        let splices = Splices::new(pieces.collect()).unwrap();
        lines(old.as_bytes(), &splices.apply(old.as_bytes()).unwrap(), &splices)
    }

    /// Would take minutes if each place were counted from the beginning.
    #[test]
    fn very_many_places_are_told_and_counted() {
        let old = "same\nold\n".repeat(60_000);
        let pieces: Vec<_> = (0..60_000).map(|n| (n * 9 + 5, 3, "new")).collect();
        let told = told(&old, &pieces);
        assert!(told.starts_with("-2\told\n+2\tnew\n-4\told\n+4\tnew\n"), "{}", &told[..60]);
        assert!(told.ends_with("+60\tnew\n… 119940 more changed lines\n"), "{}", &told[told.len() - 60..]);
    }

    #[test]
    fn changed_lines_have_the_numbers_of_their_side() {
        let old = "one\ntwo\nthree\nfour\n";
        assert_eq!(told(old, &[(4, 3, "2\n2½")]), "-2\ttwo\n+2\t2\n+3\t2½\n");
        assert_eq!(told(old, &[(0, 0, "zero\n"), (14, 4, "4")]), "+1\tzero\n-4\tfour\n+5\t4\n");
        assert_eq!(told(old, &[(4, 4, "")]), "-2\ttwo\n");
        assert_eq!(told(old, &[(18, 0, "\nfive")]), "+5\tfive\n");
        assert_eq!(told("a\r\nb", &[(3, 1, "c")]), "-2\tb\n+2\tc\n");
        assert_eq!(told("", &[(0, 0, "new")]), "+1\tnew\n");
        assert_eq!(told("aXbXc", &[(1, 1, ""), (3, 1, "")]), "-1\taXbXc\n+1\tabc\n");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let long = "x".repeat(500);
        assert!(told("", &[(0, 0, &long)]).ends_with("x … 100 more characters\n"));
        let many = "line\n".repeat(100);
        assert!(told("", &[(0, 0, &many)]).ends_with("+60\tline\n… 40 more changed lines\n"));
    }
}
