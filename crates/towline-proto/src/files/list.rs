//! List: the entries of a directory.

use super::meta::{Named, groups};
use super::{Fields, ToolCall, ToolError, number};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/list.sh");

/// The call for a directory, absolute or relative to the session's directory; without NUL.
#[must_use]
pub fn call(path: &[u8], hidden: bool, limit: usize) -> ToolCall {
    let hidden: &[u8] = if hidden { b"1" } else { b"0" };
    ToolCall { tool: "list", args: vec![path.to_vec(), hidden.to_vec(), limit.to_string().into_bytes()], payload: Vec::new() }
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The session's directory.
    pub cwd: Vec<u8>,
    /// The directory's path without links.
    pub real: Vec<u8>,
    /// Entries in all.
    pub total: u64,
    /// The first of them, by name; names that begin with a dot come first.
    pub entries: Vec<Named>,
}

/// Reads a reply.
///
/// # Errors
/// The host's word for why the directory cannot be listed.
pub fn parse(status: u8, body: &[u8]) -> Result<Reply, ToolError> {
    let mut fields = Fields::of(status, body)?;
    let cwd = fields.next()?.to_vec();
    let real = fields.next()?.to_vec();
    let total = number(fields.next()?).ok_or_else(|| ToolError::protocol("a number is missing"))?;
    let mut entries = groups(&mut fields)?;
    for (name, _) in &mut entries {
        if name.starts_with(b"./") {
            name.drain(..2);
        }
    }
    Ok(Reply { cwd, real, total, entries })
}
