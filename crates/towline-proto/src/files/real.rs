//! Real: where paths lead on the host, links followed.

use super::{Fields, ToolCall, ToolError, word};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/real.sh");

/// The call for these paths, absolute or relative to the session's directory; without NUL.
#[must_use]
pub fn call(paths: &[Vec<u8>]) -> ToolCall {
    ToolCall { tool: "real", args: paths.to_vec(), payload: Vec::new() }
}

/// Reads a reply: for each path, in order, the absolute path without links, or the host's word for why that cannot be told.
///
/// # Errors
/// If the reply is not one that the program gives.
pub fn parse(status: u8, body: &[u8]) -> Result<Vec<Result<Vec<u8>, String>>, ToolError> {
    let mut fields = Fields::of(status, body)?;
    fields.next()?;
    let mut paths = Vec::new();
    while !fields.is_empty() {
        let words = fields.words()?;
        paths.push(match word(&words, 0)? {
            "ok" => match fields.next()? {
                real if real.starts_with(b"/") => Ok(real.to_vec()),
                _ => return Err(ToolError::protocol("a real path that is not absolute")),
            },
            "err" => Err(word(&words, 1)?.to_owned()),
            _ => return Err(ToolError::protocol("an unknown kind of path")),
        });
    }
    Ok(paths)
}
