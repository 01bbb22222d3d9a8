//! What Glob and Grep share: the texts of their answers, the reply's end, the times of files.
//!
//! Holds to: everything is read from bytes of a stranger, bounded, without a panic. Leaves out: what is searched for.

use std::cmp::Ordering;

use towline_base::visible;

use super::ToolError;

/// Functions of the remote side that Glob and Grep use.
pub const PROGRAM: &str = include_str!("../sh/shared_search.sh");

/// Largest part of a reply that holds what was found, in bytes; the programs cut there.
pub(super) const REPLY: usize = 2 * 1024 * 1024;
/// Most files that one search tells of: a larger list is cut, and that is told.
pub(super) const FILES: usize = 20_000;
/// How long a host searches, in seconds: some clients give up a call after a minute.
pub(super) const SECONDS: u64 = 50;

/// Why a search was not even started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The pattern, a glob or a type is none, in ripgrep's words.
    #[error("Search failed — ripgrep rejected the pattern, glob, or file type without searching:\nrg: {0}")]
    Rejected(String),
    /// A parameter cannot be sent.
    #[error("{0} holds a NUL character.")]
    Nul(&'static str),
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The answer, as the native tools give it.
    pub text: String,
    /// What else a reader must know: cuts, what could not be read, what was not honoured. Whole sentences.
    pub notes: Vec<String>,
    /// Where was searched: the absolute path of the directory (of the file's session for a single file).
    pub root: String,
}

/// The end of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the marks that a host sets")]
pub(super) struct End {
    pub engine: Vec<u8>,
    pub status: u32,
    pub ignores: bool,
    /// Whether there may be more than one reply holds.
    pub cut: bool,
    /// Whether the host stopped because it had taken too long.
    pub late: bool,
    /// Whether a single file was searched.
    pub one: bool,
    pub errors: u64,
    pub root: Vec<u8>,
    pub error: Vec<u8>,
}

impl End {
    /// Parts a reply into what was found and its end.
    pub(super) fn split(body: &[u8]) -> Result<(&[u8], Self), ToolError> {
        let bad = || ToolError::protocol("a search without its end");
        let mark = b"\n\0T ";
        let at = body.windows(mark.len()).rposition(|window| window == mark).ok_or_else(bad)?;
        let mut fields = body[at + mark.len()..].split(|byte| *byte == 0);
        let mut next = || fields.next().ok_or_else(bad);
        let (words, root, error) = (next()?, next()?, next()?);
        let words: Vec<&[u8]> = words.split(|byte| *byte == b' ').collect();
        let [engine, status, ignores, cut, one, errors] = words[..] else { return Err(bad()) };
        let number = |word: &[u8]| number(word).ok_or_else(bad);
        let end = Self {
            engine: engine.to_vec(),
            status: u32::try_from(number(status)?).map_err(|_| bad())?,
            ignores: ignores == b"1",
            cut: cut == b"1",
            late: cut == b"2",
            one: one == b"1",
            errors: number(errors)?,
            root: root.to_vec(),
            error: error.to_vec(),
        };
        Ok((&body[..at], end))
    }

    /// The sentence about what was not even looked at. `base` is what of the root was searched.
    pub(super) fn left_out(&self, base: &str) -> Option<String> {
        (self.root == b"/" && base.is_empty() && !self.one).then(|| {
            "/proc and /sys, which are the kernel's and no files on a disk, were left out; name them as the path to search them.".to_owned()
        })
    }

    /// The sentence about a search that took too long.
    pub(super) fn too_long(&self) -> Option<String> {
        self.late.then(|| {
            format!("The search was stopped after {SECONDS} seconds: not every file was looked at. Narrow the path or the pattern.")
        })
    }

    /// The sentence about what could not be read, if anything could not.
    pub(super) fn unreadable(&self) -> Option<String> {
        (self.errors > 0).then(|| {
            let what = if self.errors == 1 { "1 file or directory".to_owned() } else { format!("{} files or directories", self.errors) };
            format!("{what} could not be read; the first message: {}", visible::to_text(&self.error).0)
        })
    }
}

/// The arguments of a call, with their length before them: a shell that cannot hold their bytes finds it out by that.
pub(super) fn with_length(args: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let length: usize = args.iter().map(Vec::len).sum();
    std::iter::once(length.to_string().into_bytes()).chain(args).collect()
}

/// A decimal number.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// When a file was changed, as far as the host can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Nanoseconds since 1970.
    Time(i128),
    /// Its rank within a batch; 1 is the newest.
    Rank(Vec<u8>, u64),
    /// Not known.
    Unknown,
}

impl Stamp {
    fn parse(word: &[u8]) -> Self {
        let rank = || {
            let rest = word.strip_prefix(b"~")?;
            let dot = rest.iter().position(|byte| *byte == b'.')?;
            Some(Self::Rank(rest[..dot].to_vec(), number(&rest[dot + 1..])?))
        };
        let time = || {
            let (negative, rest) = word.strip_prefix(b"-").map_or((false, word), |rest| (true, rest));
            let mut parts = rest.splitn(2, |byte| matches!(byte, b'.' | b','));
            let seconds = i128::from(number(parts.next()?)?) * 1_000_000_000;
            let mut nanos = 0_i128;
            for at in 0..9 {
                let digit = parts_digit(word, at);
                nanos = nanos * 10 + digit;
            }
            Some(Self::Time(if negative { -seconds - nanos } else { seconds + nanos }))
        };
        rank().or_else(time).unwrap_or(Self::Unknown)
    }
}

/// The digit at a place behind the point; 0 where there is none.
fn parts_digit(word: &[u8], at: usize) -> i128 {
    let point = word.iter().position(|byte| matches!(byte, b'.' | b','));
    let digit = point.and_then(|point| word.get(point + 1 + at)).filter(|byte| byte.is_ascii_digit());
    digit.map_or(0, |byte| i128::from(byte - b'0'))
}

/// A file of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    pub path: Vec<u8>,
    pub stamp: Stamp,
}

/// Reads records of stamp and path; stops at a record without a path. Returns what follows, too.
pub(super) fn stamps(mut rest: &[u8]) -> Result<(Vec<Stamped>, &[u8]), ToolError> {
    let mut files = Vec::new();
    while let Some(at) = find(rest, b"\0\n") {
        let record = &rest[..at];
        rest = &rest[at + 2..];
        if record.is_empty() {
            return Ok((files, rest));
        }
        let space = record.iter().position(|byte| *byte == b' ').ok_or_else(|| ToolError::protocol("a file without a time"))?;
        files.push(Stamped { path: record[space + 1..].to_vec(), stamp: Stamp::parse(&record[..space]) });
    }
    Ok((files, &[]))
}

/// Where a word stands.
pub(super) fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

/// Sorts files, the newest first, equal ones by path. Returns whether the host told enough for it.
pub(super) fn newest_first(files: &mut [Stamped]) -> bool {
    let times = files.iter().all(|file| matches!(file.stamp, Stamp::Time(_)));
    let one_batch = files.windows(2).all(|pair| match (&pair[0].stamp, &pair[1].stamp) {
        (Stamp::Rank(a, _), Stamp::Rank(b, _)) => a == b,
        _ => false,
    });
    let known = times || one_batch || files.len() < 2;
    files.sort_by(|a, b| {
        let order = match (&a.stamp, &b.stamp) {
            (Stamp::Time(a), Stamp::Time(b)) => b.cmp(a),
            (Stamp::Rank(_, a), Stamp::Rank(_, b)) if known => a.cmp(b),
            (Stamp::Time(_), _) => Ordering::Less,
            (_, Stamp::Time(_)) => Ordering::Greater,
            (Stamp::Rank(..) | Stamp::Unknown, Stamp::Rank(..) | Stamp::Unknown) => Ordering::Equal,
        };
        order.then_with(|| by_names(&a.path, &b.path))
    });
    known
}

/// The order of ripgrep's `--sort path`: name by name.
pub(super) fn by_names(a: &[u8], b: &[u8]) -> Ordering {
    a.split(|byte| *byte == b'/').cmp(b.split(|byte| *byte == b'/'))
}

/// A path on one line of an answer, and how many of its characters had to be written as `\xHH`.
pub(super) fn path_text(path: &[u8]) -> (String, usize) {
    let (text, marked) = visible::to_text(path);
    let more = text.matches(['\n', '\t']).count();
    if more == 0 { (text, marked) } else { (text.replace('\n', "\\x0a").replace('\t', "\\x09"), marked + more) }
}

/// The sentence about characters that were written as `\xHH`.
pub(super) fn marked_note(marked: usize) -> Option<String> {
    match marked {
        0 => None,
        1 => Some("1 character that is no printable text is written as \\xHH.".to_owned()),
        many => Some(format!("{many} characters that are no printable text are written as \\xHH.")),
    }
}

/// The sentence about an order that the host could not tell.
pub(super) const NO_TIMES: &str =
    "This host tells no modification times for some of these files: where times are missing the order is by path.";

/// Takes what an offset and a limit leave; the texts for it, as the native tool has them, are empty where nothing was cut.
pub(super) fn page<T>(items: Vec<T>, offset: u64, limit: u64) -> (Vec<T>, String) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let cut = items.len().saturating_sub(offset) > limit;
    let mut parts = Vec::new();
    if cut {
        parts.push(format!("limit: {limit}"));
    }
    if offset > 0 {
        parts.push(format!("offset: {offset}"));
    }
    (items.into_iter().skip(offset).take(limit).collect(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_kind_of_host_are_read() {
        let cases: &[(&str, Stamp)] = &[
            ("1795180105.9574908900", Stamp::Time(1_795_180_105_957_490_890)),
            ("1795180105", Stamp::Time(1_795_180_105_000_000_000)),
            ("1795180105,5", Stamp::Time(1_795_180_105_500_000_000)),
            ("-1.5", Stamp::Time(-1_500_000_000)),
            ("~77.3", Stamp::Rank(b"77".to_vec(), 3)),
            ("-", Stamp::Unknown),
            ("", Stamp::Unknown),
            ("~", Stamp::Unknown),
            ("99999999999999999999999", Stamp::Unknown),
        ];
        for (word, stamp) in cases {
            assert_eq!(&Stamp::parse(word.as_bytes()), stamp, "{word}");
        }
    }

    #[test]
    fn the_newest_stands_first_and_equal_ones_stand_by_name() {
        let file = |path: &str, stamp: &str| Stamped { path: path.into(), stamp: Stamp::parse(stamp.as_bytes()) };
        let check = |files: &[(&str, &str)], expected: &str, known: bool| {
            let mut files: Vec<_> = files.iter().map(|(path, stamp)| file(path, stamp)).collect();
            assert_eq!(newest_first(&mut files), known);
            let order: Vec<_> = files.iter().map(|file| String::from_utf8_lossy(&file.path)).collect();
            assert_eq!(order.join(" "), expected);
        };
        check(&[("a", "1"), ("b", "3"), ("c", "2")], "b c a", true);
        check(&[("a.b", "1"), ("a/c", "1")], "a/c a.b", true);
        check(&[("a", "~1.2"), ("b", "~1.1")], "b a", true);
        check(&[("b", "~1.2"), ("a", "~2.9")], "a b", false);
        check(&[("b", "-"), ("c", "5"), ("a", "-")], "c a b", false);
    }
}
