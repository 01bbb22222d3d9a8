//! Write: a content becomes a file, or is added to one.

use super::{Fields, Tag, TagKind, ToolCall, ToolError, number, number_at, word};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/write.sh");

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path, absolute or relative to the session's directory; without NUL.
    pub path: Vec<u8>,
    /// What may be there.
    pub how: How,
    /// The bytes.
    pub content: Vec<u8>,
    /// Names the private file: hex digits that nobody can guess.
    pub nonce: String,
    /// Paths without links that the session read, and the content that it read there.
    pub known: Vec<(Vec<u8>, Tag)>,
    /// Whether `known` is all that there is to know.
    pub complete: Complete,
}

/// What may be at a path before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Anything that is a regular file, or nothing.
    Any,
    /// Nothing.
    New,
    /// Nothing, or an empty file.
    Blank,
    /// As `Any`; the content is added at the end.
    Append,
}

/// Whether the host may ask back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// The session read more files of that name.
    More,
    /// These are all of that name; through a link the path may still be another.
    SameName,
    /// Nothing else is known: never ask.
    All,
}

/// The call for a request.
#[must_use]
pub fn call(request: &Request) -> ToolCall {
    let how: &[u8] = match request.how {
        How::Any => b"any",
        How::New => b"new",
        How::Blank => b"blank",
        How::Append => b"append",
    };
    let complete: &[u8] = match request.complete {
        Complete::More => b"0",
        Complete::SameName => b"1",
        Complete::All => b"2",
    };
    let size = request.content.len().to_string().into_bytes();
    let mut args = vec![request.path.clone(), how.to_vec(), size, request.nonce.clone().into_bytes(), complete.to_vec()];
    for (real, tag) in &request.known {
        args.push(real.clone());
        args.push(tag.as_str().as_bytes().to_vec());
    }
    ToolCall { tool: "write", args, payload: request.content.clone() }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is written.
    Done(Done),
    /// Nothing is written: the path led to this file, of which the request did not say whether it was read.
    Ask {
        /// The path without links.
        real: Vec<u8>,
    },
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The session's directory.
    pub cwd: Vec<u8>,
    /// The path without links.
    pub real: Vec<u8>,
    /// Whether the path's last name was a link.
    pub linked: bool,
    /// Whether the file is new.
    pub created: bool,
    /// Its size now.
    pub size: u64,
    /// How the host names contents.
    pub kind: TagKind,
    /// What could not be kept.
    pub lost: Vec<Lost>,
    /// After an append to a content that was known: the name of the new content.
    pub tag: Option<Tag>,
}

/// What a replaced file does not have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its owner's number.
    Owner(u64),
    /// Its group's number.
    Group(u64),
    /// Its mode, in decimal digits that are meant as octal.
    Mode(u64),
    /// It had so many names; the others keep the old content.
    Links(u64),
    /// An access list.
    Acl,
}

/// Reads what could not be kept.
pub(crate) fn lost(words: &[&str]) -> Vec<Lost> {
    let read = |word: &&str| {
        let (what, value) = word.split_once('=')?;
        let value = number(value.as_bytes())?;
        match what {
            "owner" => Some(Lost::Owner(value)),
            "group" => Some(Lost::Group(value)),
            "mode" => Some(Lost::Mode(value)),
            "links" => Some(Lost::Links(value)),
            "acl" => Some(Lost::Acl),
            _ => None,
        }
    };
    words.iter().filter_map(read).collect()
}

/// Reads a reply.
///
/// # Errors
/// The host's word for why nothing (or, with the word `partial`, not all of an append) was written.
pub fn parse(status: u8, body: &[u8]) -> Result<Reply, ToolError> {
    let mut fields = Fields::of(status, body)?;
    let cwd = fields.next()?.to_vec();
    let real = fields.next()?.to_vec();
    let words = fields.words()?;
    let created = match word(&words, 0)? {
        "ask" => return Ok(Reply::Ask { real }),
        "created" => true,
        "updated" | "appended" => false,
        _ => return Err(ToolError::protocol("an unknown outcome")),
    };
    Ok(Reply::Done(Done {
        cwd,
        real,
        linked: word(&words, 1)? == "1",
        created,
        size: number_at(&words, 2)?,
        kind: TagKind::parse(word(&words, 3)?.as_bytes())?,
        lost: lost(&words[4..]),
        tag: Tag::parse(fields.next()?),
    }))
}
