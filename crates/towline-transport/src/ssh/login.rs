//! Making a connection: ssh logs in, asks its questions at a desk of ours, and becomes a master; or a person does it at the terminal.
//!
//! Holds to: the lock of a destination is held meanwhile; a master that came up is known to all; whoever could not log in hears what was
//! asked and what was wrong, and nothing is tried twice. Leaves out: what answers a question (`askpass`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use towline_base::env::Variable;
use towline_base::{Code, limits};

use super::{SshTransport, Wish};
use crate::argv::{self, Asking, Basis};
use crate::askpass::{Asker, Desk};
use crate::channel::{Channel, Route};
use crate::classify::{shown, tells_of_no_listener, tells_only_of_the_end};
use crate::destination::Destination;
use crate::error::TransportError;
use crate::program::{self, OnDrop};
use crate::published::{Lock, Notice};
use crate::sockets;

const BROKE_EARLY: &str = "The host ended the connection while it came up; the log of its sshd says why.";
/// How long a person may take at the terminal.
const BY_HAND: Duration = Duration::from_secs(300);

/// What became of a start of ssh.
enum Step {
    Opened(Result<(), TransportError>),
    /// It asked what nobody can answer.
    GivenUp,
    Late,
}

impl SshTransport {
    /// Connects: ssh logs in, goes to the background as a master, and carries the first channel.
    pub(super) async fn start_master(&self, wish: &Wish<'_>, lock: &Lock) -> Result<Channel, TransportError> {
        let state = &self.inner.settings.state_dir;
        let Ok(socket) = sockets::fresh(self.inner.settings.runtime_dir.as_deref(), state) else { return self.single(wish).await };
        let list = argv::start(&self.basis(wish), &socket, wish.left(), wish.command);
        let desk = self.desk(wish, Vec::new());
        // Before it is started: should this process be killed now, the master comes up all the same, and the next one finds it.
        announce(wish, lock, &socket);
        let publication = Publication { notice: &wish.notice, lock, socket: &socket };
        let child = self.spawn_asking(&list, desk.as_ref()).await?;
        let mut channel = Channel::new(child, Route::OwnMaster(socket.clone()), wish.name())?;
        match step(&mut channel, desk.as_ref(), wish.deadline).await {
            Step::Opened(Ok(())) => Ok(channel),
            Step::Opened(Err(error)) => {
                let words = shown(&channel.control.stderr());
                if tells_of_no_listener(&words) || (wish.resolved.is_proxied() && tells_only_of_the_end(&words)) {
                    // Either there can be no master here, or ssh hid the proxy's words because there would have been one.
                    return self.single(wish).await;
                }
                if socket.exists() {
                    self.control(&socket, "exit").await;
                }
                Err(self.told(wish, desk.as_ref(), error, &words).await)
            }
            Step::GivenUp => {
                channel.control.kill_all();
                Err(unanswered(wish, desk.as_ref()))
            }
            Step::Late if socket.exists() => {
                self.control(&socket, "exit").await;
                drop(publication);
                let text = format!("{} let us in, but the command said nothing in the time that there was", wish.name());
                Err(TransportError::ssh(Code::RemoteShell, text))
            }
            Step::Late => {
                channel.control.kill_all();
                let words = shown(&channel.control.stderr());
                let words = if words.is_empty() { String::new() } else { format!(" ssh said so far: {words}") };
                Err(late(wish, &format!("connecting.{words}")))
            }
        }
    }

    /// Connects for this one channel.
    pub(super) async fn single(&self, wish: &Wish<'_>) -> Result<Channel, TransportError> {
        let list = argv::single(&self.basis(wish), wish.left(), wish.command);
        let desk = self.desk(wish, Vec::new());
        let mut channel = Channel::new(self.spawn_asking(&list, desk.as_ref()).await?, Route::Single, wish.name())?;
        match step(&mut channel, desk.as_ref(), wish.deadline).await {
            Step::Opened(Ok(())) => Ok(channel),
            Step::Opened(Err(error)) => {
                let words = shown(&channel.control.stderr());
                Err(self.told(wish, desk.as_ref(), error, &words).await)
            }
            Step::GivenUp => {
                channel.control.kill_all();
                Err(unanswered(wish, desk.as_ref()))
            }
            Step::Late => {
                channel.control.kill_all();
                Err(late(wish, "connecting"))
            }
        }
    }

    /// Connects at the terminal of the person who started this towline: ssh asks there what it has to ask. The connection then serves
    /// every towline of the user. Returns false if there was one already.
    ///
    /// # Errors
    /// If ssh did not log in.
    pub async fn sign_in(&self, destination: &Destination) -> Result<bool, TransportError> {
        let deadline = Instant::now() + BY_HAND;
        let resolved = std::sync::Arc::new(self.resolve(destination, deadline).await?);
        let wish = self.wish(destination, "true", deadline, resolved);
        let up = |channel: Option<Channel>| channel.is_some();
        if up(self.over_what_is_up(&wish).await?) {
            return Ok(false);
        }
        let Some(lock) = wish.notice.lock(deadline).await? else { return Err(late(&wish, "waiting for another towline that connects")) };
        if up(self.over_ours(&wish, Some(&lock)).await?) {
            return Ok(false);
        }
        let socket = sockets::fresh(self.inner.settings.runtime_dir.as_deref(), &self.inner.settings.state_dir)?;
        let basis = Basis { asking: Asking::ByTerminal, ..self.basis(&wish) };
        let list = argv::start_by_hand(&basis, &socket);
        announce(&wish, &lock, &socket);
        let _publication = Publication { notice: &wish.notice, lock: &lock, socket: &socket };
        let ended = program::at_terminal(self.start(&list, self.env().await), deadline).await?;
        if ended && socket.exists() {
            return Ok(true);
        }
        let text = format!("ssh did not log in to {} ({}); it said why in the terminal.", wish.name(), wish.resolved.address());
        // ssh's words went to the person: what kind of failure it was is not known here.
        Err(TransportError::Ssh { code: Code::SshFailed, text, hint: Some("") })
    }

    /// A desk for the questions of one ssh; none where there is no askpass, or no place for its socket.
    pub(super) fn desk(&self, wish: &Wish<'_>, accepted: Vec<String>) -> Option<Desk> {
        let settings = &self.inner.settings;
        let program = settings.access.askpass.as_deref()?;
        let (user, host) = wish.resolved.account();
        let asker = Asker {
            wallet: settings.access.wallet.clone(),
            access: self.access_to(wish.destination),
            user,
            host,
            literal: self.memory().literal.get(wish.destination).cloned(),
            desktop: settings.desktop.clone(),
            accepted,
            deadline: wish.deadline.min(Instant::now() + limits::CONNECT),
        };
        self.open_desk(program, asker)
    }

    pub(super) fn open_desk(&self, program: &Path, asker: Asker) -> Option<Desk> {
        let opened = self
            .desk_socket()
            .and_then(|socket| Desk::open(socket, program, asker).map_err(|error| TransportError::local("opening a socket", error)));
        opened.map_err(|error| tracing::warn!(%error, "ssh can ask nobody")).ok()
    }

    fn desk_socket(&self) -> Result<PathBuf, TransportError> {
        let settings = &self.inner.settings;
        sockets::fresh(settings.runtime_dir.as_deref(), &settings.state_dir).map(|path| path.with_extension(sockets::DESK))
    }

    pub(super) async fn spawn_asking(&self, arguments: &[OsString], desk: Option<&Desk>) -> Result<tokio::process::Child, TransportError> {
        let mut env = self.env().await.to_vec();
        env.extend(desk.map_or_else(nobody, Desk::environment));
        program::spawn(self.start(arguments, &env), OnDrop::Kill)
    }

    /// The failure with what the desk and a look at the host's key know besides.
    async fn told(&self, wish: &Wish<'_>, desk: Option<&Desk>, error: TransportError, words: &str) -> TransportError {
        if matches!(error.code(), Code::HostKeyUnknown | Code::HostKeyChanged) {
            return self.about_key(wish, &error, desk.and_then(Desk::host_key), words).await;
        }
        match desk.and_then(Desk::refused) {
            Some(refused) if matches!(error.code(), Code::AuthRejected | Code::AuthPrompt) => refused.failure(wish.name()),
            _ => described(wish, with_doubt(error, desk.and_then(Desk::doubt))),
        }
    }
}

fn with_doubt(error: TransportError, doubt: Option<String>) -> TransportError {
    match (error, doubt) {
        (TransportError::Ssh { code: code @ Code::AuthRejected, text, hint }, Some(doubt)) => {
            TransportError::Ssh { code, text: format!("{text}\n{doubt}"), hint }
        }
        (error, _) => error,
    }
}

/// Where there is no desk: also the ssh of a jump host, which does not hear of `BatchMode`, asks nobody.
pub(super) fn nobody() -> Vec<(OsString, OsString)> {
    vec![(Variable::Askpass.name().into(), "/bin/false".into()), ("SSH_ASKPASS_REQUIRE".into(), "force".into())]
}

/// Waits for the channel, for a question without an answer, or for the deadline.
async fn step(channel: &mut Channel, desk: Option<&Desk>, deadline: Instant) -> Step {
    let given_up = async {
        match desk {
            Some(desk) => desk.given_up().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = given_up => Step::GivenUp,
        opened = tokio::time::timeout_at(deadline.into(), channel.opened()) => opened.map_or(Step::Late, Step::Opened),
    }
}

fn unanswered(wish: &Wish<'_>, desk: Option<&Desk>) -> TransportError {
    match desk.and_then(Desk::refused) {
        Some(refused) => refused.failure(wish.name()),
        None => late(wish, "waiting for an answer"),
    }
}

fn announce(wish: &Wish<'_>, lock: &Lock, socket: &Path) {
    if let Err(error) = wish.notice.announce(lock, socket) {
        tracing::warn!(%error, "the connection cannot be announced");
    }
}

/// Makes a master known when the attempt to start it is over, if there is one then: whatever becomes of the wish, also if nobody
/// waits for it any more.
struct Publication<'a> {
    notice: &'a Notice,
    lock: &'a Lock,
    socket: &'a Path,
}

impl Drop for Publication<'_> {
    fn drop(&mut self) {
        let noted = if self.socket.exists() { self.notice.add(self.lock, self.socket) } else { self.notice.remove(self.lock, self.socket) };
        if let Err(error) = noted {
            tracing::warn!(%error, "the connection cannot be shared");
        }
    }
}

/// The same failure with the host that was meant.
pub(super) fn described(wish: &Wish<'_>, error: TransportError) -> TransportError {
    match error {
        TransportError::Ssh { code, text, hint } => {
            // The code's own hint is for a link that was up.
            let hint = if code == Code::LinkLost { hint.or(Some(BROKE_EARLY)) } else { hint };
            TransportError::Ssh { code, text: format!("{text}\n(ssh takes {} for {})", wish.name(), wish.resolved.address()), hint }
        }
        other @ (TransportError::NoProgram { .. } | TransportError::Tmux { .. } | TransportError::Local { .. }) => other,
    }
}

pub(super) fn late(wish: &Wish<'_>, doing: &str) -> TransportError {
    let text = format!("no connection to {} ({}) in the time that there was: {doing}", wish.name(), wish.resolved.address());
    TransportError::ssh(Code::ConnectTimeout, text)
}
