//! What surrounds a call: who asks, how to cancel it, whom to tell of progress; and the engine's settings.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use towline_base::SessionName;

/// What surrounds one call.
#[derive(Clone)]
pub struct Context {
    /// The conversation's own session: where calls go that name none.
    pub own_session: SessionName,
    /// Name and version of the client, for the event stream.
    pub client: String,
    /// Cancelled when the client no longer wants the call: what it started on the host is then ended.
    pub cancel: CancellationToken,
    /// Cancelled when towline itself stops: the call is given up and what it started on the host goes on.
    pub closing: CancellationToken,
    /// Told of progress while a command runs; `None` if the client did not ask.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// Asks the person; `None` where nobody can be asked, which is a refusal.
    pub ask: Option<Asker>,
    /// Who reads the answer.
    pub reader: Reader,
    /// Cancelled when the answer was written out: only then does an outcome in it count as read.
    pub told: CancellationToken,
}

/// The word for whoever is told each answer as soon as it is there.
#[must_use]
pub fn told_at_once() -> CancellationToken {
    let told = CancellationToken::new();
    told.cancel();
    told
}

/// Who reads an answer: what of secrets is taken out where an excerpt cuts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// An agent: also what looks like a part of a secret at an edge.
    #[default]
    Agent,
    /// A person, or a program of theirs that wants every byte: only whole secrets.
    Person,
}

/// Asks the person who uses towline, and waits for the reply.
pub type Asker = Arc<dyn Fn(Ask) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// What a person is asked to confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The action and the rule by which they are asked, as a sentence without its full stop.
    pub about: String,
    /// What is to be done: the command, the path.
    pub what: String,
}

/// What a person replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Do it.
    Yes,
    /// Do not.
    No,
    /// Nothing, and why.
    Nobody(String),
}

/// How far a running command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Since it was started.
    pub elapsed: Duration,
    /// Bytes of output so far.
    pub bytes: u64,
    /// The last line of output, made visible and cut.
    pub last_line: String,
}

/// What the engine is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program to start as ssh.
    pub ssh: PathBuf,
    /// The directory for what towline keeps on this machine; made with mode 0700.
    pub state_dir: PathBuf,
    /// Directory that every session begins in, if not the home directory.
    pub cwd: Option<String>,
    /// Arguments for ssh before `--`, from the person who starts towline (never from an agent): tests name a config file here.
    pub ssh_options: Vec<String>,
    /// What may be done to hosts.
    pub rules: towline_policy::Rules,
    /// Which secrets logins and commands may use; what its wallet hands out is taken out of what somebody reads.
    pub access: towline_transport::Access,
    /// How the audit journal is kept.
    pub audit: crate::audit::Options,
    /// What the user's settings say of hosts.
    pub book: crate::book::HostBook,
    /// On which machine the calls work.
    pub reach: Way,
    /// Told of every event after it was written.
    pub on_event: Option<crate::events::Sink>,
    /// Told of what terminals show.
    pub recorder: Option<crate::terminals::Recorder>,
    /// The program to start as tmux, where the environment names none.
    pub tmux: Option<PathBuf>,
}

impl Settings {
    /// Settings that say nothing more than what ssh is, and where towline keeps what it keeps.
    #[must_use]
    pub fn new(ssh: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            ssh: ssh.into(),
            state_dir: state_dir.into(),
            cwd: None,
            ssh_options: Vec::new(),
            rules: towline_policy::Rules::default(),
            audit: crate::audit::Options::default(),
            book: crate::book::HostBook::default(),
            access: towline_transport::Access::default(),
            reach: Way::default(),
            on_event: None,
            recorder: None,
            tmux: None,
        }
    }
}

/// How hosts are reached.
#[derive(Clone, Debug, Default)]
pub enum Way {
    /// Over the system's ssh.
    #[default]
    Ssh,
    /// Not at all: every host is this machine, with this home directory and environment. For tests and trials.
    Local {
        /// The home directory.
        home: PathBuf,
        /// The environment, whole.
        env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    },
}
