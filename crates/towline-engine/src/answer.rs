//! What the engine answers: one type for each tool, free of MCP and of the command line. The texts are made from it
//! elsewhere; nothing here was cut without a count.

use std::time::Duration;

use towline_base::{Handle, HostAlias, TerminalName};
pub use towline_transport::tmux::Size;

pub use crate::terminals::Why;
pub use crate::terminals::classify::Awaits;
pub use crate::terminals::view::{Ended, Shown};

/// An answer, and what else its reader should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer itself.
    pub body: Body,
    /// Sentences that stand as `[note] …` lines: link rebuilt, state restored, unread executions.
    pub notes: Vec<String>,
}

/// The answer of one tool.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Of Bash.
    Execution(Execution),
    /// Of Jobs.
    Jobs(Vec<JobLine>),
    /// Of JobOutput.
    JobOutput(OutputSlice),
    /// Of JobStop.
    Stopped(Stopped),
    /// Of Read (one) and MultiRead (several, each of which may have failed by itself).
    Files(Vec<Result<FileView, FileFailure>>),
    /// Of Write and Edit.
    Written(Written),
    /// Of Stat: path as given, and what it is or why not.
    Stats(Vec<(String, Result<Entry, String>)>),
    /// Of List.
    Listing(Listing),
    /// Of Glob and Grep: text as the native tools give it.
    Found(String),
    /// Of Hosts, Connect and Disconnect: lines of text.
    Text(String),
    /// Of Clean where it only looks.
    Kept(Kept),
    /// Of Clean where it removes.
    Removed(Removed),
    /// Of TerminalOpen, TerminalSend and TerminalRead.
    Terminal(Box<Terminal>),
}

/// What towline keeps on a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The directory that all of it lies in.
    pub root: String,
    /// KiB in all.
    pub kib: u64,
    /// Sessions.
    pub sessions: Vec<KeptSession>,
    /// Connections of other towline processes.
    pub others: usize,
    /// Executions in all.
    pub executions: usize,
    /// Of those, how many run or wait.
    pub running: usize,
    /// Of those, how many are over and were not read.
    pub unread: usize,
    /// KiB of their output.
    pub output_kib: u64,
    /// The first of those that run.
    pub running_jobs: Vec<JobLine>,
    /// Terminals that its tmux or screen holds; `None` if it did not say.
    pub terminals: Option<Vec<HeldTerminal>>,
}

/// A terminal that a host's own tmux or screen holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTerminal {
    /// Its name.
    pub name: TerminalName,
    /// What holds it.
    pub holder: Holder,
    /// Somebody is attached to it there: a window of a towline, or a person.
    pub attached: bool,
}

/// What holds a terminal on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// tmux, on a socket of our own.
    Tmux,
    /// screen, under a name of our own.
    Screen,
}

/// A session as Clean tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub life: SessionLife,
    /// Time without a command; `None` if the host cannot tell.
    pub idle: Option<Duration>,
    /// Where it stands.
    pub cwd: String,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionLife {
    /// A command runs in it.
    Busy,
    /// Its shell waits.
    Idle,
    /// Its processes are gone; what it was is saved.
    Gone,
}

/// What Clean removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Outcomes.
    pub executions: usize,
    /// Sessions that ended.
    pub sessions: Vec<String>,
    /// Idle sessions that stay because a job of theirs runs.
    pub with_jobs: Vec<String>,
    /// Everything went: the directory that it lay in.
    pub whole: Option<String>,
    /// Executions of which it is not certain that all processes ended.
    pub unsure: usize,
    /// Names in the state directory that could not be removed.
    pub left: Option<String>,
    /// Our own connections to the host that were ended.
    pub connections: usize,
    /// Terminals that the host held and that ended.
    pub terminals: usize,
    /// Whether all of those did.
    pub terminals_left: TerminalsLeft,
}

/// What is known of the terminals that a host still holds after all was to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TerminalsLeft {
    /// None that is ours.
    #[default]
    Nothing,
    /// The host did not say.
    Unknown,
    /// These.
    Still(Vec<TerminalName>),
}

/// A terminal, as far as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its name.
    pub name: TerminalName,
    /// Its host.
    pub host: HostAlias,
    /// Its size.
    pub size: Size,
    /// Column and row of the cursor, from 0.
    pub cursor: (u16, u16),
    /// What is shown of it.
    pub shown: Shown,
    /// How its program ended, if it did.
    pub ended: Option<Ended>,
    /// What it seems to wait for.
    pub awaits: Option<Awaits>,
    /// The last command's exit status, where the shell tells it.
    pub status: Option<i32>,
    /// Why the wait ended, if there was one.
    pub why: Option<Why>,
    /// How a person attaches; told when it is opened.
    pub attach: Option<String>,
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It ended by itself.
    Exited(u8),
    /// A signal ended it: its name without `SIG`.
    Killed(String),
    /// It runs.
    Running,
    /// It waits in its session's queue behind others.
    Queued,
    /// Its outcome cannot be known any more, and why.
    Lost(String),
    /// Its state is not known now, and why: the link is down.
    Unknown(String),
}

/// A command's execution, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its handle.
    pub id: Handle,
    /// How it stands.
    pub state: State,
    /// How long it took or has taken so far; `None` where the host's record has no clock.
    pub duration: Option<Duration>,
    /// Where the session stands now; `None` if not known.
    pub cwd: Option<String>,
    /// Standard output (with standard error, if merged).
    pub stdout: Excerpt,
    /// Standard error, if it was kept apart.
    pub stderr: Option<Excerpt>,
    /// The command had to go on in the background, and after how long.
    pub moved_to_background: Option<Duration>,
}

/// Output within a budget: all of it, or head and tail.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// From the beginning.
    pub head: Vec<u8>,
    /// From the end; empty if `head` is all.
    pub tail: Vec<u8>,
    /// Bytes between them that are kept on the host and not shown here.
    pub omitted: u64,
    /// Bytes that the host itself dropped beyond its cap: they are nowhere.
    pub dropped: u64,
    /// Bytes in all, with what was dropped.
    pub total: u64,
}

/// A line of Jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct JobLine {
    /// Its handle.
    pub id: Handle,
    /// How it stands.
    pub state: State,
    /// Session it belongs to.
    pub session: String,
    /// Time since it was started, if known.
    pub age: Option<Duration>,
    /// The beginning of its command.
    pub command: String,
    /// Its last line of output.
    pub last_line: String,
}

/// Part of an execution's output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSlice {
    /// Its handle.
    pub id: Handle,
    /// How it stands.
    pub state: State,
    /// How long it took or has taken so far.
    pub duration: Option<Duration>,
    /// Where the session stood at its end.
    pub cwd: Option<String>,
    /// First byte of `bytes` in the stream; where the slice is not contiguous (grep), 0.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where the next slice begins; it can lie behind `offset` by more than `bytes` are, since a mark of towline's own between a
    /// command's output and that of its background jobs is not shown.
    pub next: u64,
    /// Bytes of the stream so far.
    pub total: u64,
    /// Bytes that the host dropped beyond its cap.
    pub dropped: u64,
    /// Why a wait ended, in words, if there was one.
    pub waited: Option<String>,
}

/// What JobStop did.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopped {
    /// Its handle.
    pub id: Handle,
    /// How it stands now.
    pub state: State,
    /// Processes that were signalled.
    pub signalled: u32,
    /// Whether all of them are seen to be gone.
    pub confirmed: bool,
}

/// What Read shows of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileView {
    /// The absolute path on the host.
    pub path: String,
    /// What it holds.
    pub content: FileContent,
}

/// What a file holds, as Read shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    /// Lines, CR LF already shown as LF.
    Text {
        /// Number of the first line, from 1.
        first_line: u64,
        /// The lines' bytes, with their newlines, exactly as they stand in the file (but for CR LF).
        bytes: Vec<u8>,
        /// Lines in the whole file, as far as counted.
        total_lines: u64,
        /// Whether this is the whole file.
        whole: bool,
        /// Whether bytes were no UTF-8.
        not_utf8: bool,
    },
    /// No bytes at all.
    Empty,
    /// The window begins after the last line.
    PastEnd {
        /// The line that was asked for.
        offset: u64,
        /// Lines in the file.
        total_lines: u64,
    },
    /// A picture.
    Image {
        /// Its type.
        mime: &'static str,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// One file of several that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFailure {
    /// The path as it was given.
    pub path: String,
    /// Why.
    pub failure: towline_base::Failure,
}

/// What Write or Edit did.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The absolute path on the host.
    pub path: String,
    /// Whether the file is new.
    pub created: bool,
    /// Its size now.
    pub bytes: u64,
    /// Kind of change.
    pub how: How,
    /// Changed lines with numbers, for Edit; empty for Write.
    pub changed: String,
    /// The link that was followed, if the path was one: `link -> target`.
    pub through_link: Option<String>,
}

/// Kind of a change to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Written whole.
    Write,
    /// Added at the end.
    Append,
    /// One place, or several in sequence.
    Edit {
        /// How many places were replaced.
        places: u64,
        /// Whether `replace_all` was asked for.
        all: bool,
        /// Whether the file had changed since it was read, and the edit still fitted.
        rebased: bool,
    },
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path (Stat) or name (List).
    pub name: String,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `block`, `char`, `unknown`.
    pub kind: &'static str,
    /// Target of a symlink.
    pub target: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Permission bits as `ls -l` shows them, or octal.
    pub mode: String,
    /// Owner and group.
    pub owner: String,
    /// Last change, in seconds since 1970 or as the host's `ls` shows it.
    pub mtime: String,
}

/// A directory's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The absolute path.
    pub path: String,
    /// Entries by name.
    pub entries: Vec<Entry>,
    /// Entries that were left out beyond the limit.
    pub omitted: u64,
}
