//! The parameters of each tool as they come over the wire: strict types whose doc comments are the schemas' descriptions.
//!
//! Holds to: names exactly as agents know them; unknown fields refused. Leaves out: `host` and `session`, which the table
//! adds and takes away, and checks that need more than a type (see `convert`).

#![expect(clippy::doc_markdown, reason = "the comments are read by models, as they stand")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bash {
    pub(crate) command: String,
    /// ms to wait (default 120000); then it goes on in the background
    pub(crate) timeout: Option<u64>,
    /// What it does, in a few words
    pub(crate) description: Option<String>,
    /// Return at once; see JobOutput
    #[serde(default)]
    pub(crate) run_in_background: bool,
    /// Run beside the session, in a copy of its state
    #[serde(default)]
    pub(crate) fresh: bool,
    /// For this call only
    pub(crate) cwd: Option<String>,
    /// Variables for this call only
    pub(crate) env: Option<BTreeMap<String, String>>,
    /// Names of configured secrets to set as variables, unseen
    pub(crate) env_secrets: Option<Vec<String>>,
    pub(crate) stdin: Option<String>,
    #[serde(default)]
    pub(crate) stderr: Stderr,
    #[serde(default)]
    pub(crate) on_timeout: OnTimeout,
    /// Run as root, in root's own session
    #[serde(default)]
    #[expect(dead_code, reason = "the table takes it as a host of its own before it comes here")]
    pub(crate) sudo: bool,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stderr {
    #[default]
    Merged,
    Separate,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnTimeout {
    #[default]
    Background,
    Kill,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobOutput {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) stream: Stream,
    /// First byte
    pub(crate) offset: Option<u64>,
    /// Bytes
    pub(crate) limit: Option<u64>,
    /// Last n lines
    pub(crate) tail: Option<u64>,
    /// Only lines matching this regex
    pub(crate) grep: Option<String>,
    /// ms, at most 290000 (default 0; with wait_for 120000)
    pub(crate) wait: Option<u64>,
    /// end, output, or a regex that a line must match
    pub(crate) wait_for: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stream {
    #[default]
    Stdout,
    Stderr,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobStop {
    pub(crate) id: String,
    /// Name, e.g. INT (default TERM, then KILL)
    pub(crate) signal: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jobs {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hosts {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Read {
    pub(crate) file_path: String,
    /// First line, from 1
    pub(crate) offset: Option<u64>,
    /// Lines
    pub(crate) limit: Option<u64>,
    /// Read whole even above 256 KB
    #[serde(default)]
    pub(crate) allow_large: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MultiRead {
    pub(crate) files: Vec<Window>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    pub(crate) file_path: String,
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    pub(crate) file_path: String,
    pub(crate) content: String,
    /// Add at the end instead
    #[serde(default)]
    pub(crate) append: bool,
    /// content is base64
    #[serde(default)]
    pub(crate) base64: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) file_path: String,
    pub(crate) old_string: String,
    pub(crate) new_string: String,
    #[serde(default)]
    pub(crate) replace_all: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MultiEdit {
    pub(crate) file_path: String,
    pub(crate) edits: Vec<Replacement>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replacement {
    pub(crate) old_string: String,
    pub(crate) new_string: String,
    #[serde(default)]
    pub(crate) replace_all: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stat {
    pub(crate) paths: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) path: Option<String>,
    /// Dot files too
    #[serde(default)]
    pub(crate) hidden: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Glob {
    pub(crate) pattern: String,
    pub(crate) path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grep {
    pub(crate) pattern: String,
    pub(crate) path: Option<String>,
    /// e.g. *.{ts,tsx}
    pub(crate) glob: Option<String>,
    /// e.g. rust
    #[serde(rename = "type")]
    pub(crate) file_type: Option<String>,
    #[serde(default)]
    pub(crate) output_mode: OutputMode,
    #[serde(rename = "-A")]
    pub(crate) after: Option<u64>,
    #[serde(rename = "-B")]
    pub(crate) before: Option<u64>,
    #[serde(rename = "-C")]
    pub(crate) around: Option<u64>,
    pub(crate) context: Option<u64>,
    /// Line numbers (default true)
    #[serde(rename = "-n")]
    pub(crate) numbers: Option<bool>,
    #[serde(rename = "-i", default)]
    pub(crate) ignore_case: bool,
    #[serde(rename = "-o", default)]
    pub(crate) only_matching: bool,
    /// Entries shown (default 250, 0: all)
    pub(crate) head_limit: Option<u64>,
    /// Entries skipped
    pub(crate) offset: Option<u64>,
    #[serde(default)]
    pub(crate) multiline: bool,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputMode {
    Content,
    #[default]
    FilesWithMatches,
    Count,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    /// Directory the session goes to
    pub(crate) cwd: Option<String>,
    /// Name for people
    pub(crate) label: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u64>,
    pub(crate) identity_file: Option<String>,
    /// Jump host
    pub(crate) jump: Option<String>,
    /// Let the host use your user's ssh agent
    #[serde(default)]
    pub(crate) forward_agent: bool,
    /// Keys for that agent, by the names in your user's settings
    pub(crate) add_keys: Option<Vec<String>>,
    /// Work as root; use the host name that is returned
    #[serde(default)]
    #[expect(dead_code, reason = "the table takes it as a host of its own before it comes here")]
    pub(crate) sudo: bool,
    /// Refused unless the user's configuration allows it
    pub(crate) password: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disconnect {
    /// End it on the host too
    #[serde(default)]
    pub(crate) end: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminalOpen {
    /// Default: this conversation's
    pub(crate) name: Option<String>,
    /// Default 120
    pub(crate) cols: Option<u64>,
    /// Default 40
    pub(crate) rows: Option<u64>,
    /// Default: the login shell
    pub(crate) command: Option<String>,
    /// The host's tmux or screen keeps it over a lost link
    #[serde(default)]
    pub(crate) persist: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminalSend {
    pub(crate) name: Option<String>,
    /// Literal; Enter is not pressed
    pub(crate) text: Option<String>,
    /// e.g. C-c, Up, M-x, F5, Enter
    pub(crate) keys: Option<Vec<String>>,
    /// Name of a secret to type at a password prompt, with Enter
    pub(crate) secret: Option<String>,
    /// Press Enter at the end
    #[serde(default)]
    pub(crate) enter: bool,
    /// COLSxROWS
    pub(crate) resize: Option<String>,
    /// Afterwards: quiet (default), prompt, none, or a regex
    pub(crate) wait: Option<String>,
    /// ms
    pub(crate) timeout: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminalRead {
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Last n lines
    pub(crate) lines: Option<u64>,
    /// Regex to wait for in what came after the last TerminalSend
    pub(crate) pattern: Option<String>,
    /// quiet or prompt
    pub(crate) wait: Option<String>,
    #[serde(default)]
    pub(crate) colors: bool,
    /// ms to wait at most
    pub(crate) timeout: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    #[default]
    Screen,
    Changes,
    Scrollback,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminalClose {
    pub(crate) name: Option<String>,
}
