//! What can be asked of the engine: one type for each tool, checked at the edge, free of MCP and of the command line.

use std::time::Duration;

use towline_base::{Handle, HostAlias, Secret, SecretName, SessionName, TerminalName};
use towline_transport::AgentForwarding;
pub use towline_transport::tmux::Size;

pub use crate::terminals::keys::Key;

/// One call: where, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The host; `None` only for what needs none ([`Action::Hosts`]).
    pub host: Option<HostAlias>,
    /// The session; `None` means the conversation's own.
    pub session: Option<SessionName>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Run a command.
    Bash(Bash),
    /// List executions that run or are unread.
    Jobs,
    /// Read an execution's output.
    JobOutput(JobOutput),
    /// End an execution.
    JobStop(JobStop),
    /// Show a file.
    Read(ReadWindow),
    /// Show several files.
    MultiRead(Vec<ReadWindow>),
    /// Write a file whole.
    Write(Write),
    /// Replace text in a file: one edit for Edit, several for MultiEdit.
    Edit(Edit),
    /// Tell what paths are.
    Stat(Vec<String>),
    /// List a directory.
    List(List),
    /// Find files by name.
    Glob(Glob),
    /// Find text in files.
    Grep(Grep),
    /// Tell what is configured and connected.
    Hosts,
    /// Connect, and tell what was found.
    Connect(Connect),
    /// Disconnect.
    Disconnect(Disconnect),
    /// List or remove what is kept on the host: for people, not for agents.
    Clean(Clean),
    /// Open a terminal.
    TerminalOpen(TerminalOpen),
    /// Type into a terminal.
    TerminalSend(TerminalSend),
    /// Show a terminal.
    TerminalRead(TerminalRead),
    /// End a terminal; the conversation's own if none is named.
    TerminalClose(Option<TerminalName>),
    /// Have a person log in at the terminal; no tool of an agent.
    SignIn,
    /// Look at a host's key, and have ssh accept it if its fingerprint is one of these; no tool of an agent.
    Trust(Vec<String>),
}

/// What to do with what towline keeps on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clean {
    /// Tell it.
    List,
    /// Remove outcomes that were read or are old, and end sessions that are idle.
    Finished,
    /// End everything that runs, remove everything, and end our own connections to the host.
    Everything,
}

/// A terminal to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalOpen {
    /// Its name; the conversation's own if not given.
    pub name: Option<TerminalName>,
    /// Its size.
    pub size: Size,
    /// What runs in it; the login shell if not given.
    pub command: Option<String>,
    /// The host's own tmux or screen holds it, so that it outlives the link.
    pub persist: bool,
}

/// What to type into a terminal: first the text, then the keys, then Enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSend {
    /// Its name; the conversation's own if not given.
    pub name: Option<TerminalName>,
    /// Text, as it is.
    pub text: Option<String>,
    /// Keys by name.
    pub keys: Vec<Key>,
    /// A secret of the user's to type, where the terminal asks for a password.
    pub secret: Option<SecretName>,
    /// Press Enter at the end.
    pub enter: bool,
    /// Another size, before anything is typed.
    pub resize: Option<Size>,
    /// For what to wait afterwards.
    pub wait: TerminalWait,
    /// How long.
    pub timeout: Option<Duration>,
    /// What the terminal asks for: the engine looks before anything is told of the call, whatever stands here.
    pub asks: Asks,
}

/// What a terminal asks for when something is to be typed there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// Nothing that would have to be hidden.
    #[default]
    Nothing,
    /// A password: what is typed is one, and is told to nobody.
    Password {
        /// The command with which a person gets there.
        person: String,
    },
}

impl TerminalSend {
    /// Whether it types characters; keys could spell them, too.
    #[must_use]
    pub fn types(&self) -> bool {
        self.text.as_ref().is_some_and(|text| !text.is_empty()) || self.keys.iter().any(Key::types)
    }
}

/// What to show of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalRead {
    /// Its name; the conversation's own if not given.
    pub name: Option<TerminalName>,
    /// Which part.
    pub mode: Mode,
    /// The last so many lines of it.
    pub lines: Option<u32>,
    /// For what to wait before.
    pub wait: TerminalWait,
    /// Keep the escape sequences of colours.
    pub colours: bool,
    /// How long to wait.
    pub timeout: Option<Duration>,
}

/// Which part of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// The screen.
    #[default]
    Screen,
    /// What changed since it was last shown.
    Changes,
    /// The screen and what has scrolled off it.
    Scrollback,
}

/// What a call waits for in a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum TerminalWait {
    /// Nothing.
    #[default]
    Nothing,
    /// That nothing comes any more.
    Quiet,
    /// The shell's prompt.
    Prompt,
    /// A match of this regular expression, in what came after the last sending.
    Pattern(String),
}

/// A command to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Bash {
    /// The shell text.
    pub command: String,
    /// How long the call waits; [`towline_base::limits::BASH_WAIT`] if not given.
    pub timeout: Option<Duration>,
    /// What happens to the command at that time.
    pub on_timeout: OnTimeout,
    /// What it is for, in words; shown in the view.
    pub description: Option<String>,
    /// Where it runs.
    pub place: Place,
    /// Directory for this call only.
    pub cwd: Option<String>,
    /// Variables for this call only: name, value. Names are checked by the engine.
    pub env: Vec<(String, String)>,
    /// Secrets of the configuration that this call gets as variables of the same name.
    pub env_secrets: Vec<SecretName>,
    /// What the command reads; nothing if not given.
    pub stdin: Option<Vec<u8>>,
    /// One stream, or two.
    pub stderr: Stderr,
}

/// What happens to a command that is not done when its call's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnTimeout {
    /// It goes on, and its id is returned.
    #[default]
    Background,
    /// It is ended with its whole process tree.
    Kill,
}

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Place {
    /// In the session's shell; its state persists.
    #[default]
    Session,
    /// In a copy of the session's state, beside it; the call waits.
    Fresh,
    /// In a copy of the session's state; the call returns at once.
    Background,
    /// In the session's shell, for a person who stepped in; the call returns at once, and the agent is told with its next call there.
    Handed,
}

/// How standard error is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stderr {
    /// In one stream with standard output, in the order it came.
    #[default]
    Merged,
    /// In a spool of its own.
    Separate,
}

/// What to show of an execution's output.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOutput {
    /// Which execution.
    pub id: Handle,
    /// Which stream.
    pub stream: Stream,
    /// From which byte.
    pub offset: Option<u64>,
    /// At most so many bytes.
    pub limit: Option<u64>,
    /// Only the last so many lines.
    pub tail: Option<u64>,
    /// Only lines that match this regular expression.
    pub grep: Option<String>,
    /// How long to wait.
    pub wait: Option<Duration>,
    /// For what to wait.
    pub wait_for: WaitFor,
}

/// A stream of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stream {
    /// Standard output, with standard error if they are merged.
    #[default]
    Stdout,
    /// Standard error, where it was kept apart.
    Stderr,
}

/// What ends a wait.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum WaitFor {
    /// The execution's end.
    #[default]
    End,
    /// Output past the offset (or past what is there), or the end.
    Output,
    /// A line that matches, or the end.
    Pattern(String),
}

/// Which execution to end, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStop {
    /// Which execution.
    pub id: Handle,
    /// The first signal, by name without `SIG`; TERM, and KILL after a grace, if not given.
    pub signal: Option<String>,
}

/// A window of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadWindow {
    /// The file.
    pub file_path: String,
    /// First line, counted from 1 (0 means 1).
    pub offset: Option<u64>,
    /// At most so many lines.
    pub limit: Option<u64>,
    /// Read it whole even if it is larger than the limit.
    pub allow_large: bool,
}

/// A file's new content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file.
    pub file_path: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// Add at the end instead of replacing.
    pub append: bool,
}

/// Replacements in one file, all or none, in sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub file_path: String,
    /// What to replace.
    pub edits: Vec<Replacement>,
    /// Whether the call was MultiEdit (texts differ a little).
    pub multi: bool,
}

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The text to find.
    pub old: String,
    /// The text to put there.
    pub new: String,
    /// Every place, or the only one.
    pub all: bool,
}

/// A directory to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The directory; the session's if not given.
    pub path: Option<String>,
    /// Names that begin with a dot, too.
    pub hidden: bool,
}

/// Files to find by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// The pattern.
    pub pattern: String,
    /// Below which directory.
    pub path: Option<String>,
}

/// Text to find in files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the native tool's own switches, one parameter each")]
pub struct Grep {
    /// The regular expression (ripgrep's syntax where the host has it).
    pub pattern: String,
    /// File or directory.
    pub path: Option<String>,
    /// Only files whose name matches.
    pub glob: Option<String>,
    /// Only files of this type (ripgrep's names).
    pub file_type: Option<String>,
    /// What to show.
    pub mode: GrepMode,
    /// Lines after a match.
    pub after: Option<u32>,
    /// Lines before a match.
    pub before: Option<u32>,
    /// Lines around a match.
    pub context: Option<u32>,
    /// Line numbers.
    pub numbers: bool,
    /// Upper and lower case alike.
    pub ignore_case: bool,
    /// Only the matching part.
    pub only_matching: bool,
    /// At most so many entries; 0 for no limit.
    pub head_limit: u64,
    /// Leave out so many first.
    pub offset: u64,
    /// `.` matches newlines, and patterns may span lines.
    pub multiline: bool,
}

/// What a search shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GrepMode {
    /// The lines.
    Content,
    /// The files.
    #[default]
    Files,
    /// How many in each file.
    Count,
}

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Connect {
    /// Directory that the session goes to.
    pub cwd: Option<String>,
    /// A name for people; shown in the view.
    pub label: Option<String>,
    /// User name, other than ssh_config's.
    pub user: Option<String>,
    /// Port, other than ssh_config's.
    pub port: Option<u16>,
    /// Key file, other than ssh_config's.
    pub identity_file: Option<String>,
    /// Jump host, other than ssh_config's.
    pub jump: Option<HostAlias>,
    /// Whether the user's agent can be used from there.
    pub agent: AgentForwarding,
    /// Keys that are loaded into the user's agent before, by the names that the settings give them.
    pub add_keys: Vec<String>,
    /// A password in so many words; taken only where the person has allowed it.
    pub password: Option<Secret>,
}

/// How to disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// End the session on the host, too (and the connection, if no session was named).
    pub end: bool,
}
