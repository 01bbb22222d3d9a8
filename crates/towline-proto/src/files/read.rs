//! Read: windows of files, any number in one round trip.

use super::{Fields, Tag, TagKind, ToolCall, ToolError, number, number_at, word};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/read.sh");

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Parts the contents in the reply: hex digits that nobody can guess, new for each request.
    pub nonce: String,
    /// At most so many bytes of contents in all.
    pub budget: u64,
    /// A file up to this size comes whole, whatever window was asked for.
    pub small: u64,
    /// A picture may have so many bytes, whatever its file's own limit says.
    pub image: u64,
    /// Lines are counted in files up to this size.
    pub counted: u64,
    /// The files.
    pub files: Vec<FileRequest>,
}

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// Its path, absolute or relative to the session's directory; without NUL.
    pub path: Vec<u8>,
    /// Which lines; `None` for all.
    pub window: Option<Window>,
    /// At most so many bytes.
    pub max: u64,
}

/// Lines of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first, from 1.
    pub first: u64,
    /// How many; `None` for all that follow.
    pub lines: Option<u64>,
}

/// Numbers beyond this are cut down to it: shells and utilities count with 63 bits at the most.
const LARGEST: u64 = 1 << 53;

/// The call for a request.
#[must_use]
pub fn call(request: &Request) -> ToolCall {
    let text = |n: u64| n.min(LARGEST).to_string().into_bytes();
    let mut args =
        vec![request.nonce.clone().into_bytes(), text(request.budget), text(request.small), text(request.image), text(request.counted)];
    for file in &request.files {
        args.push(file.path.clone());
        args.push(file.window.map_or_else(Vec::new, |window| text(window.first.max(1))));
        args.push(file.window.and_then(|window| window.lines).map_or_else(Vec::new, text));
        args.push(text(file.max));
    }
    ToolCall { tool: "read", args, payload: Vec::new() }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The session's directory.
    pub cwd: Vec<u8>,
    /// How the host names contents.
    pub kind: TagKind,
    /// The files, in the order of the request.
    pub files: Vec<FileReply>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReply {
    /// The path without links; empty if it leads nowhere.
    pub real: Vec<u8>,
    /// Whether the path's last name was a link.
    pub linked: bool,
    /// What it holds.
    pub found: Found,
}

/// What a file holds, or why that is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The host's word for why it cannot be read.
    Error(String),
    /// All of it.
    Whole(Vec<u8>),
    /// Some lines.
    Window {
        /// Number of the first.
        first: u64,
        /// Newlines in the whole file; `None` if it was too large to count.
        newlines: Option<u64>,
        /// Bytes of the whole file.
        size: u64,
        /// Name of the whole content; `None` if the host could not compute it.
        tag: Option<Tag>,
        /// The lines, with their newlines.
        bytes: Vec<u8>,
    },
    /// The window begins after the last line.
    PastEnd {
        /// Newlines in the file.
        newlines: u64,
        /// Name of the content.
        tag: Option<Tag>,
    },
    /// More than was allowed for.
    TooLarge {
        /// Bytes of the file; of a window, at least so many.
        size: u64,
        /// Whether this is about a window.
        window: bool,
    },
    /// Left out: the contents of the files before it filled the budget.
    LeftOut {
        /// Its bytes.
        size: u64,
    },
    /// It changed while it was read: ask again, for it alone.
    Again,
}

/// Reads the reply to a request with this nonce.
///
/// # Errors
/// If the reply is not one that the program gives.
pub fn parse(nonce: &str, status: u8, body: &[u8]) -> Result<Reply, ToolError> {
    let mut fields = Fields::of(status, body)?;
    let cwd = fields.next()?.to_vec();
    let words = fields.words()?;
    let kind = TagKind::parse(word(&words, 0)?.as_bytes())?;
    let mut files = Vec::new();
    for _ in 0..number_at(&words, 1)? {
        let real = fields.next()?;
        files.push(file(real, &fields.words()?)?);
    }
    let mut outcomes = Vec::new();
    loop {
        let words = fields.words()?;
        if words == [""] {
            break;
        }
        outcomes.push((number_at(&words, 0)?, word(&words, 1)?, number_at(&words, 2)?));
    }
    for (index, state, size) in outcomes {
        let file = usize::try_from(index).ok().and_then(|index| files.get_mut(index));
        let file = file.ok_or_else(|| ToolError::protocol("a state of no file"))?;
        settle(&mut file.found, state, size, nonce, &mut fields)?;
    }
    if !fields.is_empty() {
        return Err(ToolError::protocol("bytes of no file"));
    }
    Ok(Reply { cwd, kind, files })
}

/// A file as its words tell it; the bytes come later.
fn file(real: &[u8], words: &[&str]) -> Result<FileReply, ToolError> {
    let linked = word(words, 0)? == "1";
    let tag = |at: usize| Tag::parse(words.get(at..).unwrap_or_default().join(" ").as_bytes());
    let found = match word(words, 1)? {
        "err" => Found::Error(word(words, 2)?.to_owned()),
        "whole" => Found::Whole(Vec::new()),
        "window" => Found::Window {
            first: number_at(words, 2)?,
            newlines: number(word(words, 3)?.as_bytes()),
            size: number_at(words, 4)?,
            tag: tag(5),
            bytes: Vec::new(),
        },
        "past" => Found::PastEnd { newlines: number_at(words, 2)?, tag: tag(4) },
        _ => return Err(ToolError::protocol("an unknown kind of file")),
    };
    Ok(FileReply { real: real.to_vec(), linked, found })
}

/// Gives a file its bytes, or the reason why they are not there.
fn settle(found: &mut Found, state: &str, size: u64, nonce: &str, fields: &mut Fields<'_>) -> Result<(), ToolError> {
    match (state, &mut *found) {
        ("in", Found::Whole(bytes) | Found::Window { bytes, .. }) => {
            let content = fields.until(nonce.as_bytes())?;
            if (content.len() as u64) < size {
                // It went away, or became shorter, after its size was looked at.
                *found = Found::Again;
            } else {
                *bytes = content.to_vec();
            }
        }
        ("again", _) => *found = Found::Again,
        ("large", _) => *found = Found::TooLarge { size, window: matches!(found, Found::Window { .. }) },
        ("full", _) => *found = Found::LeftOut { size },
        _ => return Err(ToolError::protocol("an unknown state of a file")),
    }
    Ok(())
}
