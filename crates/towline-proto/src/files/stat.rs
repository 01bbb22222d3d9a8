//! Stat: what paths are.

use super::meta::{Meta, groups};
use super::{Fields, ToolCall, ToolError, word};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/stat.sh");

/// The call for these paths, absolute or relative to the session's directory; without NUL.
#[must_use]
pub fn call(paths: &[Vec<u8>]) -> ToolCall {
    ToolCall { tool: "stat", args: paths.to_vec(), payload: Vec::new() }
}

/// What they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The session's directory.
    pub cwd: Vec<u8>,
    /// For each path, in order: its absolute form and what it is, or the host's word for why that cannot be told.
    pub paths: Vec<Result<(Vec<u8>, Meta), String>>,
}

/// Reads a reply.
///
/// # Errors
/// If the reply is not one that the program gives.
pub fn parse(status: u8, body: &[u8]) -> Result<Reply, ToolError> {
    let mut fields = Fields::of(status, body)?;
    let cwd = fields.next()?.to_vec();
    let mut found = Vec::new();
    loop {
        let words = fields.words()?;
        match word(&words, 0)? {
            "" => break,
            "ok" => found.push(Ok(None)),
            "link" => found.push(Ok(Some(fields.next()?.to_vec()))),
            "err" => found.push(Err(word(&words, 1)?.to_owned())),
            _ => return Err(ToolError::protocol("an unknown kind of path")),
        }
    }
    let mut described = groups(&mut fields)?.into_iter();
    let mut paths = Vec::new();
    for path in found {
        paths.push(match path {
            Err(word) => Err(word),
            Ok(target) => match described.next().ok_or_else(|| ToolError::protocol("a path without words"))? {
                (_, None) => Err("enoent".to_owned()),
                (name, Some(meta)) => Ok((name, Meta { target: target.or(meta.target), ..meta })),
            },
        });
    }
    Ok(Reply { cwd, paths })
}
