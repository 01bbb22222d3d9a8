//! The file tools' programs: requests, replies and their texts.
//!
//! Holds to: a typed request becomes a [`ToolCall`]; what the host answered is read by a pure parser that takes bytes of a
//! stranger and never panics. Leaves out: what an agent is told (towline-engine).

pub mod glob;
pub mod grep;
pub mod hash;
pub mod list;
pub mod meta;
pub mod read;
pub mod real;
pub mod search;
pub mod splice;
pub mod stat;
pub mod write;

pub use hash::{Tag, TagKind};

/// A request to one tool program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The tool's name: the program's function is `tl_tool_<name>`.
    pub tool: &'static str,
    /// Its arguments, any bytes but NUL.
    pub args: Vec<Vec<u8>>,
    /// What it reads on standard input; empty for nothing.
    pub payload: Vec<u8>,
}

/// What a tool program answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolReply {
    /// Its return status: 0 if `body` is the reply, else `body` is `word detail`.
    pub status: u8,
    /// What it wrote.
    pub body: Vec<u8>,
}

/// Why a tool program did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    /// One word of the host's errors (`enoent`, `eacces`, …), or `protocol` if the reply was none that a program gives.
    pub word: String,
    /// What else it told, as bytes.
    pub detail: Vec<u8>,
}

impl ToolError {
    /// A reply that no program of ours gives.
    #[must_use]
    pub fn protocol(what: &str) -> Self {
        Self { word: "protocol".to_owned(), detail: what.as_bytes().to_vec() }
    }

    /// Reads the body of a reply with a status other than 0.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        let line = body.strip_suffix(b"\n").unwrap_or(body);
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let word = parts.next().unwrap_or_default();
        let plain = !word.is_empty() && word.len() <= 32 && word.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        if !plain {
            return Self::protocol("an error without a word");
        }
        Self { word: String::from_utf8_lossy(word).into_owned(), detail: parts.next().unwrap_or_default().to_vec() }
    }
}

/// The fields of a reply: `LENGTH:BYTES` and a newline each, then what is left.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a successful reply.
    pub(crate) fn of(status: u8, body: &'a [u8]) -> Result<Self, ToolError> {
        if status == 0 { Ok(Self { rest: body }) } else { Err(ToolError::parse(body)) }
    }

    /// The next field.
    pub(crate) fn next(&mut self) -> Result<&'a [u8], ToolError> {
        let wrong = || ToolError::protocol("a field is cut or has no length");
        let colon = self.rest.iter().take(12).position(|byte| *byte == b':').ok_or_else(wrong)?;
        let length: usize = number(&self.rest[..colon]).and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
        let field = self.rest[colon + 1..].get(..length).ok_or_else(wrong)?;
        self.rest = self.rest[colon + 1 + length..].strip_prefix(b"\n").ok_or_else(wrong)?;
        Ok(field)
    }

    /// The next field as words.
    pub(crate) fn words(&mut self) -> Result<Vec<&'a str>, ToolError> {
        let field = std::str::from_utf8(self.next()?).map_err(|_| ToolError::protocol("words that are no text"))?;
        Ok(field.split(' ').collect())
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes before the next place of a mark, which is passed over.
    pub(crate) fn until(&mut self, mark: &[u8]) -> Result<&'a [u8], ToolError> {
        let found = self.rest.windows(mark.len().max(1)).position(|window| window == mark);
        let bytes = &self.rest[..found.ok_or_else(|| ToolError::protocol("the end of a content is missing"))?];
        self.rest = &self.rest[bytes.len() + mark.len()..];
        Ok(bytes)
    }

    /// The next bytes, without a length of their own.
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], ToolError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| ToolError::protocol("bytes are missing"))?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// A decimal number, as the host's utilities write it.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The word at a place, or an error that names what is missing.
pub(crate) fn word<'a>(words: &[&'a str], at: usize) -> Result<&'a str, ToolError> {
    words.get(at).copied().ok_or_else(|| ToolError::protocol("a word is missing"))
}

/// The number at a place.
pub(crate) fn number_at(words: &[&str], at: usize) -> Result<u64, ToolError> {
    number(word(words, at)?.as_bytes()).ok_or_else(|| ToolError::protocol("a number is missing"))
}

/// Every tool's name and program text, in the order in which they are joined. A name that begins with `shared` is no tool: its
/// text holds functions that several tools use.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("shared_files", include_str!("../sh/shared_files.sh")),
    ("shared_replace", include_str!("../sh/shared_replace.sh")),
    ("shared_meta", include_str!("../sh/shared_meta.sh")),
    ("read", read::PROGRAM),
    ("write", write::PROGRAM),
    ("splice", splice::PROGRAM),
    ("stat", stat::PROGRAM),
    ("list", list::PROGRAM),
    ("real", real::PROGRAM),
    ("shared_search", search::PROGRAM),
    ("shared_grep", grep::PLAIN_PROGRAM),
    ("glob", glob::PROGRAM),
    ("grep", grep::PROGRAM),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_told_apart_by_length_alone() {
        let mut fields = Fields::of(0, b"3:a\nb\n0:\n4:4:x\n\nrest").unwrap();
        assert_eq!(fields.next().unwrap(), b"a\nb");
        assert_eq!(fields.next().unwrap(), b"");
        assert_eq!(fields.next().unwrap(), b"4:x\n");
        assert_eq!(fields.bytes(4).unwrap(), b"rest");
        assert!(fields.is_empty());
    }

    #[test]
    fn an_error_has_a_word_and_any_detail() {
        let error = ToolError::parse(b"enoent /a b\nc\n");
        assert_eq!((error.word.as_str(), error.detail.as_slice()), ("enoent", &b"/a b\nc"[..]));
        for body in [&b""[..], b" x", b"No such", b"\xff", b"a-b c"] {
            assert_eq!(ToolError::parse(body).word, "protocol", "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_parser_panics_on_a_strangers_bytes(status in 0u8..3, body in "([0-9]{1,2}:)?[0-9a-z :\n\\-]{0,80}", raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            for body in [body.as_bytes(), &raw] {
                let _ = read::parse("ab", status, body);
                let _ = write::parse(status, body);
                let _ = splice::parse(status, body);
                let _ = stat::parse(status, body);
                let _ = list::parse(status, body);
                let _ = real::parse(status, body);
            }
        }

        #[test]
        fn no_parser_panics_on_fields_of_a_strangers_words(fields in proptest::collection::vec("(err|in|whole|window|past|large|done|changed|updated|ask|[0-9]{1,20}|s:[0-9a-f]{64}|gnu|ls|-| ){0,9}", 0..12), tail in proptest::collection::vec(any::<u8>(), 0..30)) {
            let mut body = Vec::new();
            for field in &fields {
                body.extend(format!("{}:{field}\n", field.len()).into_bytes());
            }
            body.extend(tail);
            let _ = read::parse(" ", 0, &body);
            let _ = write::parse(0, &body);
            let _ = splice::parse(0, &body);
            let _ = stat::parse(0, &body);
            let _ = list::parse(0, &body);
            let _ = real::parse(0, &body);
        }
    }
}
