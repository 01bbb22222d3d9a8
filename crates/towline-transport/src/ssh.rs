//! Channels over the system's ssh: the user's own master if it is up, else one of ours, else a connection of its own.
//!
//! Holds to: the first connection is one start of ssh that becomes the master and carries the first channel; the lock of a
//! destination is held meanwhile, so that side by side nobody logs in twice; a user's master is never ended; what is not known to
//! work is not used twice. Leaves out: argument lists (`argv`), what ssh's words mean (`classify`), where files lie (`sockets`).

mod add_key;
mod host_key;
mod login;

pub use add_key::Added;
pub use host_key::Trusted;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use towline_base::{Code, Failure, Secret, env, limits};

use crate::access::HostAccess;
use crate::argv::{self, Asking, Basis};
use crate::channel::{Channel, Route};
use crate::classify::{classify, shown};
use crate::destination::{AgentForwarding, Destination};
use crate::error::TransportError;
use crate::program::{self, Environment, OnDrop, Said, Start};
use crate::published::{Board, Lock, Notice};
use crate::resolve::{Resolved, mentions};
use crate::settings::SshSettings;
use crate::{agent, sockets};

/// How long `ssh -O` may take: it talks to a process of this machine.
const CONTROL: Duration = Duration::from_secs(2);
/// How long a master that had no room for a channel is left alone while there are others.
const FULL: Duration = Duration::from_secs(30);
/// Masters for one destination at the most: beyond it the host's limits are what is wrong.
const MASTERS: usize = 16;
/// Bytes of a configuration file that are looked at.
const CONFIG_BYTES: u64 = 1 << 20;

/// Runs commands on hosts over the system's ssh; cheap to clone.
#[derive(Clone, Debug)]
pub struct SshTransport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: SshSettings,
    board: Board,
    /// The environment for ssh, with the agent's socket once that was looked for.
    env: OnceCell<Vec<(OsString, OsString)>>,
    memory: Mutex<Memory>,
}

/// What this process has learnt.
#[derive(Debug, Default)]
struct Memory {
    /// What a name means; forgotten as soon as a connection has to be made.
    resolved: HashMap<Destination, Arc<Resolved>>,
    /// Destinations whose user's master is not used any more.
    without_users: HashSet<Destination>,
    /// Users' masters that answered.
    answered: HashSet<PathBuf>,
    /// Sockets that are not used any more.
    abandoned: HashSet<PathBuf>,
    /// Masters that had no room, and when.
    full: HashMap<PathBuf, Instant>,
    /// Passwords that were given in so many words.
    literal: HashMap<Destination, Secret>,
    /// What logins and sudo may use at a destination, where the caller knows better than by the host's name.
    granted: HashMap<Destination, HostAccess>,
}

/// One wish for a channel.
struct Wish<'a> {
    destination: &'a Destination,
    command: &'a str,
    deadline: Instant,
    resolved: Arc<Resolved>,
    notice: Notice,
}

/// Over what a terminal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A connection that is up, if there is one.
    WhatIsUp,
    /// A connection of its own.
    Own,
}

/// How a terminal is started.
#[derive(Clone, Debug)]
pub struct TerminalCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables that it gets besides the usual ones.
    pub env: Vec<(OsString, OsString)>,
    /// Over what it goes.
    pub route: Route,
}

/// What came of asking a master for a channel.
enum Attached {
    Channel(Box<Channel>),
    /// The host gives no more of them over this connection.
    Full(TransportError),
    /// There is no such master, or it does not answer.
    Gone,
}

impl SshTransport {
    /// A transport with these settings; starts nothing yet.
    #[must_use]
    pub fn new(settings: SshSettings) -> Self {
        let board = Board::new(&settings.state_dir);
        Self { inner: Arc::new(Inner { settings, board, env: OnceCell::new(), memory: Mutex::default() }) }
    }

    /// Starts a command on a host; see [`crate::Transport::open`].
    ///
    /// # Errors
    /// If no channel could be had before the deadline.
    pub async fn open(&self, destination: &Destination, command: &str, deadline: Instant) -> Result<Channel, TransportError> {
        if let Some(resolved) = self.remembered(destination) {
            let wish = self.wish(destination, command, deadline, resolved);
            if let Some(channel) = self.over_what_is_up(&wish).await? {
                return Ok(channel);
            }
        }
        let resolved = Arc::new(self.resolve(destination, deadline).await?);
        self.memory().resolved.insert(destination.clone(), Arc::clone(&resolved));
        let wish = self.wish(destination, command, deadline, resolved);
        if let Some(channel) = self.over_what_is_up(&wish).await? {
            return Ok(channel);
        }
        let Some(lock) = wish.notice.lock(deadline).await? else {
            return Err(login::late(&wish, "waiting for another towline that connects"));
        };
        // Another process may have connected while this one waited.
        if let Some(channel) = self.over_ours(&wish, Some(&lock)).await? {
            return Ok(channel);
        }
        self.start_master(&wish, &lock).await
    }

    /// The command of a terminal on a host: program and arguments, and what they get besides the usual environment. It goes over a
    /// connection that is up, where there is one; `remote` is what the host is to run, its login shell if `None`.
    ///
    /// # Errors
    /// If ssh does not say before the deadline what the name means.
    pub async fn terminal(
        &self,
        destination: &Destination,
        remote: Option<&str>,
        over: Over,
        deadline: Instant,
    ) -> Result<TerminalCommand, TransportError> {
        let resolved = Arc::new(self.resolve(destination, deadline).await?);
        let wish = self.wish(destination, remote.unwrap_or_default(), deadline, resolved);
        let master = if over == Over::WhatIsUp { self.any_master(&wish).await } else { None };
        let (arguments, route) = match master {
            Some(Route::UserMaster(socket)) => (argv::terminal_attached(&self.basis(&wish), &socket, remote), Route::UserMaster(socket)),
            Some(Route::OwnMaster(socket)) => (argv::terminal_attached(&self.basis(&wish), &socket, remote), Route::OwnMaster(socket)),
            Some(Route::Single | Route::Local) | None => (argv::terminal_single(&self.basis(&wish), remote), Route::Single),
        };
        Ok(TerminalCommand { program: self.inner.settings.program.clone(), arguments, env: self.env().await.to_vec(), route })
    }

    /// A master that is up, the user's first.
    async fn any_master(&self, wish: &Wish<'_>) -> Option<Route> {
        if let Some(socket) = self.user_master(wish).await {
            return Some(Route::UserMaster(socket));
        }
        for socket in wish.notice.sockets() {
            if !self.is_to_be_left_alone(&socket) && sockets::is_ours(&socket) && self.control(&socket, "check").await {
                return Some(Route::OwnMaster(socket));
            }
        }
        None
    }

    /// The password that sudo asks for there; `None` if the configuration names none.
    ///
    /// # Errors
    /// If it cannot be fetched.
    pub async fn sudo_password(&self, destination: &Destination, deadline: Instant) -> Result<Option<Secret>, Failure> {
        match self.access_to(destination).sudo_password() {
            Some(name) => self.inner.settings.access.wallet.fetch(name, deadline).await.map(Some),
            None => Ok(self.memory().literal.get(destination).cloned()),
        }
    }

    /// Says what logins and sudo may use at this very destination, whatever is said of the host's name.
    pub fn grant(&self, destination: &Destination, access: &HostAccess) {
        if *access != HostAccess::default() {
            self.memory().granted.insert(destination.clone(), access.clone());
        }
    }

    /// What logins and sudo may use there. Secrets are for the account that the configuration means, not for one that an agent names.
    fn access_to(&self, destination: &Destination) -> HostAccess {
        if let Some(granted) = self.memory().granted.get(destination) {
            return granted.clone();
        }
        if destination.options().user.is_some() {
            return HostAccess::default();
        }
        self.inner.settings.access.of(destination.host())
    }

    /// What the name means to ssh, as `user@name:port`.
    ///
    /// # Errors
    /// If ssh does not say it before the deadline.
    pub async fn address(&self, destination: &Destination, deadline: Instant) -> Result<String, TransportError> {
        Ok(self.resolve(destination, deadline).await?.address())
    }

    /// Keeps a password that was given in so many words, for the logins of this process to that destination.
    pub fn keep_password(&self, destination: &Destination, password: Secret) {
        self.inner.settings.access.wallet.remember(&password);
        self.memory().literal.insert(destination.clone(), password);
    }

    /// Stops using a connection that does not answer any more: later channels get another one. Ours ends with its last channel; the
    /// user's is left as it is.
    pub async fn abandon(&self, destination: &Destination, route: &Route) {
        match route {
            Route::UserMaster(socket) => {
                self.memory().abandoned.insert(socket.clone());
            }
            Route::OwnMaster(socket) => {
                self.memory().abandoned.insert(socket.clone());
                if let Some(resolved) = self.remembered(destination) {
                    self.unpublish(&self.notice(destination, &resolved), socket, None).await;
                }
            }
            Route::Single | Route::Local => {}
        }
    }

    /// Stops using the user's own master for a destination; ours takes over. It is never ended.
    pub fn forget_user_master(&self, destination: &Destination) {
        self.memory().without_users.insert(destination.clone());
    }

    /// Ends our own connections to a destination, and with them the channels of every towline process; not the user's.
    /// Returns how many there were.
    ///
    /// # Errors
    /// If ssh does not say what the name means, or the list cannot be locked.
    pub async fn end_master(&self, destination: &Destination, deadline: Instant) -> Result<usize, TransportError> {
        let resolved = self.resolve(destination, deadline).await?;
        let count = self.end_notice(&self.notice(destination, &resolved), deadline).await?;
        self.memory().resolved.remove(destination);
        self.sweep().await;
        Ok(count)
    }

    /// Ends every connection of ours that this machine knows of, whatever the destination. Returns how many there were.
    ///
    /// # Errors
    /// If a list cannot be locked.
    pub async fn end_all_masters(&self, deadline: Instant) -> Result<usize, TransportError> {
        let mut count = 0;
        for notice in self.inner.board.all() {
            count += self.end_notice(&notice, deadline).await?;
        }
        Ok(count)
    }

    async fn end_notice(&self, notice: &Notice, deadline: Instant) -> Result<usize, TransportError> {
        let Some(lock) = notice.lock(deadline).await? else {
            return Err(TransportError::ssh(Code::Local, "another towline is connecting to this host and holds the list of connections"));
        };
        let mut count = 0;
        for socket in notice.sockets() {
            if sockets::is_ours(&socket) && self.control(&socket, "exit").await {
                count += 1;
            }
            self.unpublish(notice, &socket, Some(&lock)).await;
        }
        Ok(count)
    }

    /// A channel over a master that is there already, the user's first.
    async fn over_what_is_up(&self, wish: &Wish<'_>) -> Result<Option<Channel>, TransportError> {
        if let Some(socket) = self.user_master(wish).await {
            match self.attach(wish, Route::UserMaster(socket.clone())).await? {
                Attached::Channel(channel) => return Ok(Some(*channel)),
                Attached::Full(_) => {
                    self.memory().full.insert(socket, Instant::now());
                }
                Attached::Gone => {
                    self.memory().abandoned.insert(socket);
                }
            }
        }
        self.over_ours(wish, None).await
    }

    /// A channel over a master of ours.
    async fn over_ours(&self, wish: &Wish<'_>, lock: Option<&Lock>) -> Result<Option<Channel>, TransportError> {
        let claimed = wish.notice.sockets();
        let count = claimed.len();
        let mut refusal = None;
        for socket in claimed {
            if self.is_to_be_left_alone(&socket) {
                continue;
            }
            if !sockets::is_ours(&socket) || !sockets::listens(&socket).await {
                self.unpublish(&wish.notice, &socket, lock).await;
                continue;
            }
            match self.attach(wish, Route::OwnMaster(socket.clone())).await? {
                Attached::Channel(channel) => return Ok(Some(*channel)),
                Attached::Full(error) => {
                    self.memory().full.insert(socket, Instant::now());
                    refusal = Some(error);
                }
                Attached::Gone => self.unpublish(&wish.notice, &socket, lock).await,
            }
        }
        match refusal {
            Some(error) if count >= MASTERS => Err(error),
            _ => Ok(None),
        }
    }

    /// The user's own master, if it is up and nothing speaks against it.
    async fn user_master(&self, wish: &Wish<'_>) -> Option<PathBuf> {
        let socket = wish.resolved.control_path().filter(|socket| !self.is_to_be_left_alone(socket))?;
        // The sessions of the user's own connection are not to reach the agent because of ours.
        let apart = wish.destination.options().agent == AgentForwarding::On;
        if apart || self.memory().without_users.contains(wish.destination) {
            return None;
        }
        if !sockets::listens(&socket).await {
            self.memory().answered.remove(&socket);
            return None;
        }
        if !self.memory().answered.contains(&socket) {
            if !self.control(&socket, "check").await {
                return None;
            }
            self.memory().answered.insert(socket.clone());
        }
        Some(socket)
    }

    /// Asks a master for a channel.
    async fn attach(&self, wish: &Wish<'_>, route: Route) -> Result<Attached, TransportError> {
        let (Route::UserMaster(socket) | Route::OwnMaster(socket)) = &route else { return Ok(Attached::Gone) };
        let list = argv::attach(&self.basis(wish), socket, wish.command);
        let mut channel = Channel::new(self.spawn(&list).await?, route.clone(), wish.name())?;
        // A master looks alive while its network is frozen; silence as long as a lane would bear it means another connection,
        // if there is time left for one.
        let patience = if wish.left() > 2 * limits::SILENCE { limits::SILENCE } else { wish.left() };
        match tokio::time::timeout(patience, channel.opened()).await {
            Ok(Ok(())) => Ok(Attached::Channel(Box::new(channel))),
            Ok(Err(error)) if error.code() == Code::ChannelRefused => Ok(Attached::Full(error)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a master gave no channel");
                Ok(Attached::Gone)
            }
            Err(_) if Instant::now() >= wish.deadline => {
                let text = format!("the connection to {} that is up did not answer in the time that there was", wish.name());
                Err(TransportError::ssh(Code::LinkLost, text))
            }
            Err(_) => {
                tracing::debug!(?route, "a master is silent");
                self.abandon(wish.destination, &route).await;
                Ok(Attached::Gone)
            }
        }
    }

    async fn resolve(&self, destination: &Destination, deadline: Instant) -> Result<Resolved, TransportError> {
        let settings = &self.inner.settings;
        let list = argv::resolve(destination, &settings.options);
        let Some(said) = self.run(&list, deadline).await? else {
            let text =
                format!("\"ssh -G {}\" did not end in time; a Match exec or a name server in ssh_config may hang", destination.name());
            return Err(TransportError::ssh(Code::ConnectTimeout, text));
        };
        let words = String::from_utf8_lossy(&said.stderr);
        if !said.success {
            let words: Vec<&str> = words.lines().filter(|line| !line.starts_with("debug1: ") && !line.starts_with("OpenSSH_")).collect();
            let words = shown(words.join("\n").as_bytes());
            let verdict = classify(&words);
            let code = if verdict.code == Code::SshFailed { Code::SshConfig } else { verdict.code };
            return Err(TransportError::Ssh {
                code,
                text: format!("ssh refuses its configuration for {}: {words}", destination.name()),
                hint: verdict.hint,
            });
        }
        let mut resolved = Resolved::parse(&String::from_utf8_lossy(&said.stdout), &words);
        let chosen_by_person = settings.options.iter().any(|word| word == "-C" || word.to_ascii_lowercase().contains("compression"));
        let files = std::mem::take(&mut resolved.files);
        let chosen_in_file = tokio::task::spawn_blocking(move || files.iter().any(|file| file_mentions(file, "compression"))).await;
        resolved.compression_is_chosen = chosen_by_person || chosen_in_file.unwrap_or(true);
        Ok(resolved)
    }

    /// Takes a socket off the list, and its file away if nobody listens there; a master that does takes no more channels and ends with its
    /// last one.
    async fn unpublish(&self, notice: &Notice, socket: &Path, lock: Option<&Lock>) {
        let mut own = None;
        let lock = if lock.is_some() {
            lock
        } else {
            // Somebody who holds the lock finds out by himself.
            own = notice.lock(Instant::now()).await.ok().flatten();
            own.as_ref()
        };
        if let Some(Err(error)) = lock.map(|lock| notice.remove(lock, socket)) {
            tracing::warn!(%error, "the list of connections cannot be written");
        }
        if sockets::is_ours(socket) && !(sockets::listens(socket).await && self.control(socket, "stop").await) {
            let _ = std::fs::remove_file(socket);
        }
        drop(own);
    }

    /// `ssh -O request`; whether it succeeded.
    async fn control(&self, socket: &Path, request: &str) -> bool {
        let list = argv::control(socket, request);
        let said = self.run(&list, Instant::now() + CONTROL).await;
        matches!(said, Ok(Some(Said { success: true, .. })))
    }

    fn is_to_be_left_alone(&self, socket: &Path) -> bool {
        let memory = self.memory();
        memory.abandoned.contains(socket) || memory.full.get(socket).is_some_and(|since| since.elapsed() < FULL)
    }

    fn wish<'a>(&self, destination: &'a Destination, command: &'a str, deadline: Instant, resolved: Arc<Resolved>) -> Wish<'a> {
        let notice = self.notice(destination, &resolved);
        Wish { destination, command, deadline, resolved, notice }
    }

    fn notice(&self, destination: &Destination, resolved: &Resolved) -> Notice {
        let settings = &self.inner.settings;
        let list = argv::resolve(destination, &settings.options);
        let mut parts = vec![settings.program.as_os_str().as_encoded_bytes(), resolved.text.as_bytes()];
        parts.extend(list.iter().map(|word| word.as_encoded_bytes()));
        self.inner.board.notice(&parts)
    }

    /// Whether the host has let in a master that is being started: it listens only then.
    pub async fn is_let_in(&self, destination: &Destination) -> bool {
        let Some(resolved) = self.remembered(destination) else { return false };
        for socket in self.notice(destination, &resolved).coming() {
            if sockets::is_ours(&socket) && sockets::listens(&socket).await {
                return true;
            }
        }
        false
    }

    /// Takes away the sockets that were left behind.
    async fn sweep(&self) {
        let settings = &self.inner.settings;
        sockets::sweep(&sockets::directories(settings.runtime_dir.as_deref(), &settings.state_dir)).await;
    }

    fn basis<'a>(&'a self, wish: &'a Wish<'_>) -> Basis<'a> {
        let settings = &self.inner.settings;
        let asking = if settings.access.askpass.is_some() { Asking::ByAskpass } else { Asking::Nobody };
        Basis { destination: wish.destination, options: &settings.options, resolved: &wish.resolved, asking }
    }

    fn remembered(&self, destination: &Destination) -> Option<Arc<Resolved>> {
        self.memory().resolved.get(destination).map(Arc::clone)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spawn(&self, arguments: &[OsString]) -> Result<tokio::process::Child, TransportError> {
        program::spawn(self.start(arguments, self.env().await), OnDrop::Kill)
    }

    async fn run(&self, arguments: &[OsString], deadline: Instant) -> Result<Option<Said>, TransportError> {
        program::run(self.start(arguments, self.env().await), deadline).await
    }

    fn start<'a>(&'a self, arguments: &'a [OsString], env: &'a [(OsString, OsString)]) -> Start<'a> {
        let settings = &self.inner.settings;
        let without = settings.access.wallet.variables();
        Start { program: &settings.program, arguments, environment: Environment::Added(env), without, directory: None }
    }

    /// What ssh gets besides this process's environment; looks for the agent, and for what others left behind, the first time.
    async fn env(&self) -> &[(OsString, OsString)] {
        let look = || async {
            let settings = self.inner.settings.clone();
            self.sweep().await;
            let mut env = settings.env.clone();
            let find = move || agent::find(settings.auth_socket.as_deref(), settings.runtime_dir.as_deref(), settings.home.as_deref());
            if let Ok(Some(socket)) = tokio::task::spawn_blocking(find).await {
                env.push((env::Variable::SshAuthSock.name().into(), socket.into()));
            }
            env
        };
        self.inner.env.get_or_init(look).await
    }
}

impl Wish<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn name(&self) -> &str {
        self.destination.host().as_str()
    }
}

fn file_mentions(file: &Path, option: &str) -> bool {
    use std::io::Read;
    let mut text = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(CONFIG_BYTES).read_to_end(&mut text));
    read.is_ok() && mentions(&String::from_utf8_lossy(&text), option)
}
