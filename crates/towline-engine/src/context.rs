//! What surrounds a call: who asks, how to cancel it, whom to tell of progress; and the engine's settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use towline_base::SessionName;
pub use towline_proto::request::Keeping;

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
    /// Which secrets logins and commands may use.
    pub access: towline_transport::Access,
    /// On which machine the calls work.
    pub reach: Way,
    /// Told of every event after it was written.
    pub on_event: Option<crate::events::Sink>,
    /// Told of what terminals show.
    pub recorder: Option<crate::terminals::Recorder>,
    /// What hosts keep of executions and sessions, and for how long.
    pub keeping: Keeping,
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
