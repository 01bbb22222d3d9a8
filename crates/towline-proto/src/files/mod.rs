//! The file tools' programs: requests, replies and their texts.
//!
//! Holds to: a typed request becomes a [`ToolCall`]; what the host answered is read by a pure parser that takes bytes of a
//! stranger and never panics. Leaves out: what an agent is told (towline-engine).

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
        let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let word = parts.next().unwrap_or_default();
        let plain = !word.is_empty() && word.len() <= 32 && word.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        if !plain {
            return Self::protocol("an error without a word");
        }
        Self { word: String::from_utf8_lossy(word).into_owned(), detail: parts.next().unwrap_or_default().to_vec() }
    }
}

/// Every tool's name and program text, in the order in which they are joined. A name that begins with `shared` is no tool: its
/// text holds functions that several tools use.
pub const PROGRAMS: &[(&str, &str)] = &[];
