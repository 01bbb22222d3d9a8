//! From the engine's answers to what an agent reads: plain text, and images.
//!
//! Holds to: pure; native wording where NATIVE has one; every cut is told; only the very last line of an answer is its status
//! line. A line of output that begins like a status line, a note or another mark of ours (after any number of
//! backslashes) is set off by one more backslash. Leaves out: MCP's types.

mod files;
mod kept;
mod output;
mod terminals;
mod words;

use towline_base::Failure;
use towline_engine::{Action, Answer, Body};

pub use words::{duration, one_line, size};

pub(crate) use words::cut;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Text.
    Text(String),
    /// A picture: its type and bytes.
    Image(&'static str, Vec<u8>),
}

/// What of the question the answer's text depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Read, with the path as it was given.
    Read(String),
    /// `MultiRead`.
    MultiRead,
    /// `Write`, `Edit`, `MultiEdit`.
    Change,
    /// Bash that was to return at once.
    Background,
    /// `JobOutput` of this stream's name.
    JobOutput(&'static str),
    /// Anything else.
    Other,
}

impl Question {
    /// The question that an action is.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        use towline_engine::action::{Place, Stream};
        match action {
            Action::Read(window) => Self::Read(window.file_path.clone()),
            Action::MultiRead(_) => Self::MultiRead,
            Action::Write(_) | Action::Edit(_) => Self::Change,
            Action::Bash(bash) if bash.place == Place::Background => Self::Background,
            Action::JobOutput(job) if job.stream == Stream::Stderr => Self::JobOutput("stderr"),
            Action::JobOutput(_) => Self::JobOutput("stdout"),
            Action::Bash(_)
            | Action::Jobs
            | Action::JobStop(_)
            | Action::Stat(_)
            | Action::List(_)
            | Action::Glob(_)
            | Action::Grep(_)
            | Action::Hosts
            | Action::Connect(_)
            | Action::Clean(_)
            | Action::Disconnect(_)
            | Action::TerminalOpen(_)
            | Action::TerminalSend(_)
            | Action::TerminalRead(_)
            | Action::TerminalClose(_)
            | Action::SignIn
            | Action::Trust(_) => Self::Other,
        }
    }
}

/// Longest error text, in characters: clients cut longer ones themselves, at about 11,000.
const ERROR_CHARACTERS: usize = 10_000;

/// An answer as its reader sees it, or the failure that stands in its place.
///
/// # Errors
/// If the answer is that of a Read whose file could not be read.
pub fn answer(question: &Question, answer: &Answer) -> Result<Vec<Block>, Failure> {
    let notes = &answer.notes;
    let text = match &answer.body {
        Body::Execution(execution) => output::execution(execution, *question == Question::Background, notes),
        Body::JobOutput(slice) => {
            let stream = if let Question::JobOutput(stream) = question { stream } else { "stdout" };
            output::slice(slice, stream, notes)
        }
        Body::Jobs(jobs) => noted(output::jobs(jobs), notes),
        Body::Stopped(stopped) => output::stopped(stopped, notes),
        Body::Files(views) => return files::views(question, views, notes),
        Body::Written(written) => noted(files::written(written), notes),
        Body::Stats(stats) => noted(files::stats(stats), notes),
        Body::Terminal(terminal) => terminals::terminal(terminal, notes),
        Body::Listing(listing) => noted(files::listing(listing), notes),
        Body::Found(text) | Body::Text(text) => {
            let (text, marked) = towline_base::visible::to_text(text.as_bytes());
            noted_marks(output::set_off(&text), marked, notes)
        }
        Body::Kept(kept) => noted(kept::list(kept), notes),
        Body::Removed(removed) => noted(kept::removed(removed), notes),
    };
    Ok(vec![Block::Text(text)])
}

/// A failure as its reader sees it. A failure with an empty hint is a native text, which stands alone.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let text = if failure.hint.as_deref() == Some("") { failure.text.clone() } else { failure.to_string() };
    let (text, _) = towline_base::visible::to_text(text.as_bytes());
    cut(&text, ERROR_CHARACTERS)
}

/// A text with its notes after it, each a line.
fn noted(text: String, notes: &[String]) -> String {
    let mut text = text;
    for note in notes {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("[note] ");
        text.push_str(&one_line(note));
    }
    text
}

/// The same, with a note on what had to be written as `\xHH`.
fn noted_marks(text: String, marked: usize, notes: &[String]) -> String {
    let mut all = Vec::new();
    all.extend(marks(marked));
    all.extend_from_slice(notes);
    noted(text, &all)
}

/// The note on what had to be written as `\xHH`.
fn marks(marked: usize) -> Option<String> {
    let characters = if marked == 1 { "1 character was" } else { &format!("{marked} characters were") };
    (marked > 0).then(|| format!("{characters} written as \\xHH: control characters, or bytes that are not UTF-8."))
}
