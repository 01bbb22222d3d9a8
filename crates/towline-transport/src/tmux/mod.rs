//! towline's own tmux server: windows that outlive towline and that a person can attach to.
//!
//! Holds to: a socket and a configuration of our own, so that the user's tmux is never touched; no tmux is started before a window
//! is opened, and it ends with its last window; every question has a deadline. Leaves out: what runs in a window, and what its
//! screen means.

mod parse;
mod plan;
mod watch;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use towline_base::env::{self, Variable};
use towline_base::{Code, Nonce, limits};

use crate::error::TransportError;
use crate::program::{self, Environment, Said, Start};
use crate::sockets;

pub use watch::{Heard, Watch};

pub(crate) use plan::session_name;

/// How long tmux may take for an answer; it needs milliseconds, and a machine under load some more.
const ANSWER: Duration = Duration::from_secs(10);
/// How long others who open windows may take together: each needs a tenth of a second, and a machine under load some more.
const OPENING: Duration = Duration::from_secs(30);
/// How long after the end of a program its exit status may be missing before it counts as not known.
const STATUS: Duration = Duration::from_secs(5);
/// How often a server that refuses is looked at again, and how long between.
const ENDING_LOOKS: usize = 20;
const ENDING_PAUSE: Duration = Duration::from_millis(25);
/// The oldest tmux that has what is used here.
const OLDEST: (u32, u32) = (3, 0);
const CONFIG: &str = include_str!("tmux.conf");
const INSTALL: &str = "Terminals need tmux 3.0 or newer on the machine that towline runs on; everything else works without it.";

/// What the server is told once.
#[derive(Clone, Debug)]
pub struct TmuxSettings {
    /// The program to start as tmux.
    pub program: PathBuf,
    /// Where the configuration lies; also tells servers of different towlines apart. Made with mode 0700.
    pub state_dir: PathBuf,
    /// `XDG_RUNTIME_DIR`, where the socket lies.
    pub runtime_dir: Option<PathBuf>,
}

impl TmuxSettings {
    /// The program and the runtime directory that the environment names; this program where it names none.
    #[must_use]
    pub fn from_environment(state_dir: impl Into<PathBuf>, program: Option<&Path>) -> Self {
        let said = env::read(Variable::Tmux).map(PathBuf::from).or_else(|| program.map(Path::to_owned));
        Self {
            program: said.unwrap_or_else(|| "tmux".into()),
            state_dir: state_dir.into(),
            runtime_dir: env::read(Variable::XdgRuntime).map(PathBuf::from).or_else(sockets::usual_runtime_dir),
        }
    }
}

/// towline's tmux server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tmux {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: TmuxSettings,
    usable: OnceCell<()>,
}

/// A pane's number in its server, written `%3`; never given twice while the server lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaneId(pub u64);

impl fmt::Display for PaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// A window to open.
#[derive(Clone, Copy, Debug)]
pub struct NewWindow<'a> {
    /// The host whose tmux session it belongs to: `towline/HOST`.
    pub host: &'a str,
    /// What it is, such as `terminal` or `calls`.
    pub kind: &'a str,
    /// Its name among those of its kind and host.
    pub name: &'a str,
    /// Its size; a person who attaches does not change it.
    pub size: Size,
    /// What its maker wants to find again.
    pub note: &'a str,
    /// The program and its arguments, two words at least: tmux gives a single one to a shell.
    pub command: &'a [OsString],
}

/// A pane of ours, as the server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pane {
    /// Its number.
    pub id: PaneId,
    /// Its window's, written `@2`.
    pub window: String,
    /// How its program ended, if it did.
    pub dead: Option<Dead>,
    /// Its size.
    pub size: Size,
    /// When its window was last active, in seconds since 1970.
    pub active: u64,
    /// Clients that look at its session, watchers without a screen among them.
    pub watched: u32,
    /// The host.
    pub host: String,
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What tells it from every other that was or will be.
    pub made: String,
    /// Its maker's note.
    pub note: String,
}

/// How a pane's program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Its exit status; `None` where tmux does not tell it.
    pub status: Option<i32>,
    /// The signal that ended it; tmux tells it from 3.3 on.
    pub signal: Option<i32>,
}

/// A look at a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How its program ended, if it did.
    pub dead: Option<Dead>,
    /// Its size.
    pub size: Size,
    /// Column and row of the cursor, from 0.
    pub cursor: (u16, u16),
    /// A full-screen program has switched to the alternate screen.
    pub alternate: bool,
    /// Rows that have scrolled off the screen and are kept.
    pub history: u64,
    /// How many are kept at most.
    pub limit: u64,
    /// How many rows of the history stand before those of the screen here.
    pub above: u64,
    /// The lines, wrapped rows joined, without blanks at their ends.
    pub lines: Vec<String>,
    /// The row at which each line begins, counted from the first that is here.
    pub starts: Vec<u64>,
    /// The same lines with their colours, if they were asked for.
    pub coloured: Option<Vec<String>>,
    /// The row that the cursor is in.
    pub row: String,
}

impl Tmux {
    /// A server with these settings; starts nothing.
    #[must_use]
    pub fn new(settings: TmuxSettings) -> Self {
        Self { inner: Arc::new(Inner { settings, usable: OnceCell::new() }) }
    }

    /// Our panes; none where no server runs (and then no tmux is started to say so).
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn list(&self) -> Result<Vec<Pane>, TransportError> {
        let Some(socket) = self.live_socket().await else { return Ok(Vec::new()) };
        let mut last = self.ask(&socket, plan::list(), b"").await;
        // A server whose last window was closed takes a moment to end, and its panes went before it.
        for _ in 0..ENDING_LOOKS {
            if last.is_ok() {
                break;
            }
            if !sockets::listens(&socket).await {
                return Ok(Vec::new());
            }
            tokio::time::sleep(ENDING_PAUSE).await;
            last = self.ask(&socket, plan::list(), b"").await;
        }
        last.map(|text| parse::panes(&text))
    }

    /// Opens a window, or finds the one of that host, kind and name that is there; tells which.
    ///
    /// # Errors
    /// If tmux is missing, too old, or does not do it.
    pub async fn open(&self, window: &NewWindow<'_>) -> Result<(Pane, Opened), TransportError> {
        self.usable().await?;
        let _lock = self.lock().await?;
        let same = |pane: &Pane| pane.host == window.host && pane.kind == window.kind && pane.name == window.name;
        if let Some(pane) = self.list().await?.into_iter().find(same) {
            return Ok((pane, Opened::Found));
        }
        Ok((self.begin(window).await?, Opened::New))
    }

    /// Puts a new window in the place of one whose program has ended; what the old one showed is lost. If somebody else has done so, it
    /// is theirs.
    ///
    /// The old one is not used again: a tmux (3.3a) that starts a command in a pane which a client in control mode has not read to its
    /// end reads past what it holds, and everything in it ends with it.
    ///
    /// # Errors
    /// If tmux does not do it.
    pub async fn replace(&self, old: PaneId, window: &NewWindow<'_>) -> Result<Pane, TransportError> {
        let _lock = self.lock().await?;
        let other = |pane: &Pane| pane.id != old && pane.host == window.host && pane.kind == window.kind && pane.name == window.name;
        if let Some(pane) = self.list().await?.into_iter().find(other) {
            return Ok(pane);
        }
        let pane = self.begin(window).await?;
        self.close(old).await?;
        Ok(pane)
    }

    /// A window that is not there yet.
    async fn begin(&self, window: &NewWindow<'_>) -> Result<Pane, TransportError> {
        let socket = match self.live_socket().await {
            Some(socket) => socket,
            None => self.fresh_socket()?,
        };
        std::fs::write(self.config(), format!("{CONFIG}set -g history-limit {}\n", limits::SCROLLBACK_LINES))
            .map_err(|error| TransportError::local("writing tmux's configuration", error))?;
        let there = self.ask(&socket, plan::has_session(&session_name(window.host)), b"").await.is_ok();
        let first = if there { plan::First::Window } else { plan::First::Session };
        let nonce = Nonce::mint();
        let text = self.ask(&socket, plan::open(window, &nonce.as_str()[..16], first), b"").await?;
        let pane = text.lines().find_map(parse::pane);
        pane.ok_or_else(|| failed(format!("tmux opened a window and did not say which: {}", text.trim())))
    }

    /// Looks at a pane: its screen, and so many rows of what has scrolled off.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn look(&self, pane: PaneId, back: u32, colours: Colours) -> Result<Look, TransportError> {
        let deadline = Instant::now() + STATUS;
        loop {
            let text = self.ask_server(plan::look(pane, back, colours == Colours::Kept), b"").await?;
            let look = parse::look(&text, back).ok_or_else(|| failed("tmux showed a screen that cannot be read"))?;
            // tmux sees the end of a program's output before it hears how the program ended, and may not hear it at all: see `plan::reap`.
            let silent = look.dead.as_ref().is_some_and(|dead| dead.status.is_none() && dead.signal.is_none());
            if !silent || Instant::now() >= deadline {
                return Ok(look);
            }
            tokio::time::sleep(STATUS / 100).await;
            self.tell(plan::reap(), b"").await?;
        }
    }

    /// Types a text; see [`Typing`].
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn type_text(&self, pane: PaneId, text: &[u8], typing: Typing) -> Result<(), TransportError> {
        self.put(pane, text, typing, &[]).await
    }

    /// Presses keys by the names that tmux has for them.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn press(&self, pane: PaneId, keys: &[String]) -> Result<(), TransportError> {
        self.put(pane, b"", Typing::Keys, keys).await
    }

    /// Types a text and presses keys, in one go: what two put in at the same time does not mix.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn put(&self, pane: PaneId, text: &[u8], typing: Typing, keys: &[String]) -> Result<(), TransportError> {
        let buffer = format!("towline-{}", &Nonce::mint().as_str()[..12]);
        let list = match (text.is_empty(), keys.is_empty()) {
            (true, true) => return Ok(()),
            (true, false) => plan::keys(pane, keys),
            (false, true) => plan::paste(pane, &buffer, typing == Typing::Paste),
            (false, false) => plan::both(plan::paste(pane, &buffer, typing == Typing::Paste), plan::keys(pane, keys)),
        };
        self.tell(list, text).await
    }

    /// Gives a pane's window another size.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn resize(&self, pane: PaneId, size: Size) -> Result<(), TransportError> {
        self.tell(plan::resize(pane, size), b"").await
    }

    /// Writes another note for a pane.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn note(&self, pane: PaneId, note: &str) -> Result<(), TransportError> {
        self.tell(plan::note(pane, note), b"").await
    }

    /// Ends a pane and what runs in it; with the last one the server ends, too.
    ///
    /// # Errors
    /// If the pane is gone, or tmux does not answer.
    pub async fn close(&self, pane: PaneId) -> Result<(), TransportError> {
        self.tell(plan::kill(pane), b"").await
    }

    /// Listens to every output of a host's windows until the value goes away; returns when it listens.
    ///
    /// # Errors
    /// If there is no such session.
    pub async fn watch(&self, host: &str, hear: impl FnMut(Heard<'_>) + Send + 'static) -> Result<Watch, TransportError> {
        let socket = self.socket().await?;
        let mut list = plan::server(&socket, &self.config());
        list.extend(plan::watch(&session_name(host)));
        Watch::start(self.start(&list), Instant::now() + ANSWER, hear).await
    }

    /// The command with which a person attaches to a host's windows, one of them (written `@2`) first; `None` where no server runs.
    pub async fn attach_command(&self, host: &str, window: Option<&str>) -> Option<String> {
        let socket = self.live_socket().await?;
        Some(plan::attach(&self.inner.settings.program, &socket, host, window))
    }

    /// Whether tmux is here and new enough, asked once.
    ///
    /// # Errors
    /// If it is not.
    pub async fn usable(&self) -> Result<(), TransportError> {
        let look = || async {
            let said = program::run(self.start(&["-V".into()]), Instant::now() + ANSWER).await.map_err(|error| match error {
                TransportError::NoProgram { program } => TransportError::Tmux {
                    code: Code::MissingProgram,
                    text: format!("the program \"{}\" is not on this machine", program.display()),
                    hint: Some(INSTALL),
                },
                other @ (TransportError::Ssh { .. } | TransportError::Tmux { .. } | TransportError::Local { .. }) => other,
            })?;
            let said = said.ok_or_else(|| failed(format!("\"tmux -V\" did not end within {} s", ANSWER.as_secs())))?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            match parse::version(&text) {
                Some(version) if version < OLDEST => Err(TransportError::Tmux {
                    code: Code::MissingProgram,
                    text: format!("{} is too old for terminals", text.trim()),
                    hint: Some(INSTALL),
                }),
                Some(_) | None => Ok(()),
            }
        };
        self.inner.usable.get_or_try_init(look).await.copied()
    }

    async fn tell(&self, list: Vec<OsString>, input: &[u8]) -> Result<(), TransportError> {
        self.ask_server(list, input).await.map(drop)
    }

    async fn ask_server(&self, list: Vec<OsString>, input: &[u8]) -> Result<String, TransportError> {
        let socket = self.socket().await?;
        self.ask(&socket, list, input).await
    }

    /// Runs one tmux command to its end and returns what it printed.
    async fn ask(&self, socket: &Path, list: Vec<OsString>, input: &[u8]) -> Result<String, TransportError> {
        let mut arguments = plan::server(socket, &self.config());
        arguments.extend(list);
        let said = program::run_with(self.start(&arguments), input, Instant::now() + ANSWER).await?;
        match said {
            Some(Said { success: true, stdout, .. }) => Ok(String::from_utf8_lossy(&stdout).into_owned()),
            Some(Said { stderr, .. }) => Err(failed(format!("tmux refuses: {}", crate::classify::shown(&stderr)))),
            None => Err(failed(format!("tmux did not answer within {} s", ANSWER.as_secs()))),
        }
    }

    fn start<'a>(&'a self, arguments: &'a [OsString]) -> Start<'a> {
        let environment = Environment::Outside(&INSIDE);
        Start { program: &self.inner.settings.program, arguments, environment, without: &[], directory: None }
    }

    async fn socket(&self) -> Result<PathBuf, TransportError> {
        self.live_socket()
            .await
            .ok_or_else(|| failed("towline's tmux server does not run: it ended or was ended, and its terminals with it"))
    }

    /// The socket of the server that runs. It is looked for wherever it may have been made: the environment of one towline can
    /// name a runtime directory and that of another none.
    async fn live_socket(&self) -> Option<PathBuf> {
        for socket in self.sockets() {
            if sockets::is_ours(&socket) && sockets::listens(&socket).await {
                return Some(socket);
            }
        }
        None
    }

    fn fresh_socket(&self) -> Result<PathBuf, TransportError> {
        let mut reason = std::io::Error::other("no directory is short enough for a socket");
        for socket in self.sockets() {
            match sockets::private(socket.parent().unwrap_or(Path::new("/"))) {
                Ok(()) => return Ok(socket),
                Err(error) => reason = error,
            }
        }
        Err(TransportError::local("finding a private directory for tmux's socket", reason))
    }

    /// Where the socket may lie. Its name says whose state it belongs to.
    fn sockets(&self) -> Vec<PathBuf> {
        let settings = &self.inner.settings;
        let digest = Sha256::digest(settings.state_dir.as_os_str().as_encoded_bytes());
        let name = format!("t-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
        sockets::directories(settings.runtime_dir.as_deref(), &settings.state_dir).into_iter().map(|dir| dir.join(&name)).collect()
    }

    fn config(&self) -> PathBuf {
        self.inner.settings.state_dir.join("terminals/tmux.conf")
    }

    /// Held while a window is opened, so that of two who want the same one opens it.
    async fn lock(&self) -> Result<std::fs::File, TransportError> {
        let failed_to = |error| TransportError::local("locking the terminals", error);
        let dir = self.inner.settings.state_dir.join("terminals");
        sockets::private(&dir).map_err(failed_to)?;
        let file = dir.join("lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file).map_err(failed_to)?;
        let deadline = Instant::now() + OPENING;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(failed(format!("others have been opening terminals for {} s", OPENING.as_secs())));
                }
                Err(error) => return Err(failed_to(error.into())),
            }
        }
    }
}

/// Whether a window was made or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was made.
    New,
    /// It was there.
    Found,
}

/// Whether a look keeps colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Plain text.
    Dropped,
    /// With the escape sequences that colour it, beside the plain text.
    Kept,
}

/// How a text is typed. Its newlines are sent as the carriage returns that a keyboard sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// As a person types.
    Keys,
    /// As a paste, of which a program that asked for it (bracketed paste) is told.
    Paste,
}

/// What would tell tmux that it runs within another.
const INSIDE: [&str; 3] = ["TMUX", "TMUX_PANE", "TMUX_TMPDIR"];

fn failed(text: impl Into<String>) -> TransportError {
    TransportError::Tmux { code: Code::Local, text: text.into(), hint: None }
}
