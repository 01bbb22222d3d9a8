//! The file tools' programs: requests, replies and their texts.

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

/// Every tool's name and program text.
pub const PROGRAMS: &[(&str, &str)] = &[];
