//! One line of the journal: what it holds, and the chain that binds it to the line before.
//!
//! Holds to: the hash of a line is that of its bytes without the newline, and stands in the next line. Leaves out: files.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What the first line names as the hash of the one before it.
pub(crate) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An action that is about to be carried out, or was refused.
    Begin,
    /// What came of it.
    End,
    /// What towline found wrong with the journal itself, and that the chain goes on.
    Mark,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1; no number is left out.
    pub n: u64,
    /// The hash of the line before.
    pub prev: String,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The process that wrote it.
    pub pid: u32,
    /// The user of this machine.
    pub uid: u32,
    /// What the line tells.
    pub kind: Kind,
    /// Begin: who asked, where, and for what.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Begin>,
    /// End: what came of it.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Mark: what was found.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// An action and the decision on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Name and version of the client.
    pub client: String,
    /// The host; empty for what touches none.
    pub host: String,
    /// The session.
    pub session: String,
    /// The tool.
    pub tool: String,
    /// Its parameters: secrets redacted, contents as digests.
    pub arguments: Value,
    /// `permitted`, `confirmed` or `refused`.
    pub decision: String,
    /// The rule that decided; empty where none spoke.
    pub rule: String,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The number of its first line.
    pub of: u64,
    /// What came of it, in a line.
    pub outcome: String,
    /// Whether the tool failed.
    pub failed: bool,
    /// Milliseconds that it took.
    pub took: u64,
    /// How the execution stood that it told of, if it told of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Stood>,
}

/// How an execution stood when an action told of it: a later line tells the outcome of what went on behind an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stood {
    /// The execution.
    pub id: String,
    /// In a few words, as `exit 0`.
    pub state: String,
    /// Whether that is its end.
    pub over: bool,
    /// Bytes of its standard output, or of both streams in one, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
    /// Bytes of its standard error, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<u64>,
}

/// What was found wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// What.
    pub found: Found,
    /// How many bytes stand before this line that are no record of the chain.
    pub bytes: u64,
    /// Their hash.
    pub hash: String,
}

/// What towline can find wrong with the end of its journal when it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// A line that was not written to its end.
    Torn,
    /// Lines that towline did not write.
    Foreign,
    /// The end is missing.
    Cut,
    /// The file that holds the last line's number and hash was missing or could not be read.
    Headless,
}

/// The hash of a line.
#[must_use]
pub(crate) fn hash(line: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(line).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The last line as it is remembered beside the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 before the first.
    pub n: u64,
    /// How long the journal's file is with it.
    pub length: u64,
    /// How many files were closed before this one.
    pub segment: u64,
    /// Its hash.
    pub hash: String,
}

impl Head {
    /// Before the first line.
    #[must_use]
    pub fn new() -> Self {
        Self { n: 0, length: 0, segment: 0, hash: NO_HASH.to_owned() }
    }

    /// As it is written: of one length, so that a later one covers it whole.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{:020} {:020} {:020} {}\n", self.n, self.length, self.segment, self.hash)
    }

    /// Reads it; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let mut words = text.split(' ');
        let mut number = || words.next().filter(|word| word.len() == 20)?.parse::<u64>().ok();
        let (n, length, segment) = (number()?, number()?, number()?);
        let hash = words.next().filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))?.to_owned();
        words.next().is_none().then_some(Self { n, length, segment, hash })
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}
