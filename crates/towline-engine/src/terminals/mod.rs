//! Terminals: real ones, in a tmux server on this machine, that a person can attach to and that outlive towline.
//!
//! Holds to: a terminal's state is tmux's, so that whoever comes later finds it; what is typed is typed byte for byte; a password is
//! not typed by an agent; nothing is sent to a host beyond what was asked for. Leaves out: commands and files, which never go through
//! a terminal.

pub mod classify;
mod decide;
mod end;
pub mod keys;
mod marks;
mod open;
mod password;
mod place;
mod record;
mod remote;
mod store;
mod tap;
pub mod view;
mod wait;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use towline_base::redact::Redactor;
use towline_base::{Code, Failure, HostAlias, Secret, TerminalName, limits};
use towline_transport::tmux::{Colours, Look, Pane, Size, Tmux, TmuxSettings, Typing};

pub use decide::Why;
pub(crate) use open::TerminalPlace;
pub use record::{Piece, Recorder, What};

use self::classify::Awaits;
use self::end::Gone;
use self::place::{New, Place};
use self::tap::{Taps, Told};
use self::view::{Ended, Shown};
use self::wait::Waited;
use crate::action::{Asks, Mode, TerminalRead, TerminalSend, TerminalWait};
use crate::answer::{Answer, Body, Terminal};
use crate::context::Context;
use crate::hosts::Hosts;

/// What is written down with a terminal, for whoever finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    /// It goes over ssh, not on this machine.
    ssh: bool,
    /// The host's own tmux or screen holds it.
    persist: bool,
}

/// The terminals of one engine.
pub(crate) struct Terminals {
    tmux: Tmux,
    taps: Taps,
    state_dir: PathBuf,
    redactor: Redactor,
    /// Held while a window is opened, so that no more are than may be.
    opening: tokio::sync::Mutex<()>,
}

/// A terminal that is there.
struct Open {
    alias: HostAlias,
    name: TerminalName,
    pane: Pane,
    note: Note,
    told: watch::Receiver<Told>,
}

impl Terminals {
    pub(crate) fn new(state_dir: &Path, program: Option<&Path>, recorder: Option<Recorder>, redactor: Redactor) -> Self {
        Self {
            tmux: Tmux::new(TmuxSettings::from_environment(state_dir, program)),
            taps: Taps::new(recorder),
            state_dir: state_dir.to_owned(),
            redactor,
            opening: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) async fn close(&self) {
        self.taps.close().await;
    }

    /// Sends text and keys, waits, and tells what changed.
    pub(crate) async fn send(&self, hosts: &Hosts, alias: &HostAlias, send: &TerminalSend, context: &Context) -> Result<Answer, Failure> {
        let mut notes = Vec::new();
        let open = self.find(hosts, alias, send.name.as_ref(), context, &mut notes).await?;
        if let Some(size) = send.resize {
            self.tmux.resize(open.pane.id, size).await?;
            self.taps.record_size(&open.pane, size).await;
        }
        let before = self.look(&open, 0, Colours::Dropped).await?;
        if let Some(ended) = view::ended(&before, open.note.ssh) {
            return Err(dead(&open, &ended));
        }
        password::check(hosts, &open, send, &before)?;
        let secret = match &send.secret {
            Some(name) => Some(password::secret(hosts, &open, name, &before).await?),
            None => None,
        };
        let flow = open.told.borrow().flow;
        let mut held = store::hold(&self.state_dir, alias, &open.name, &open.pane.made).await?;
        if send.text.is_some() || !send.keys.is_empty() || send.enter {
            held.memory.sent = Some(Place::of(&before, Some(flow)));
            // A password has no echo, and is not written down.
            let echo = if send.asks == Asks::Nothing { send.text.as_deref() } else { None };
            held.memory.set_typed(echo.unwrap_or_default());
        }
        let (since, typed) = (held.memory.sent.clone(), held.memory.typed.clone());
        held.keep(&self.redactor)?;
        self.put_in(&open, send, secret.as_ref(), &mut notes).await?;
        let place = since.unwrap_or_else(|| Place::of(&before, Some(flow)));
        let waited = self.wait(&open, &send.wait, (place, &typed), send.timeout, context).await?;
        self.answer(&open, Mode::Changes, None, false, waited, notes).await
    }

    /// Types and presses what is to be sent.
    async fn put_in(&self, open: &Open, send: &TerminalSend, secret: Option<&Secret>, notes: &mut Vec<String>) -> Result<(), Failure> {
        let mut keys: Vec<String> = send.keys.iter().map(|key| key.as_str().to_owned()).collect();
        keys.extend(send.enter.then(|| "Enter".to_owned()));
        let text = send.text.as_deref().unwrap_or_default();
        if text.ends_with('\n') && !send.enter {
            notes.push("the newline at the end of the text was pasted, not pressed; enter: true presses Enter.".to_owned());
        }
        let typing = if text.contains('\n') { Typing::Paste } else { Typing::Keys };
        let (text, typing) = match secret {
            Some(secret) => (secret.reveal_to_the_host(), Typing::Keys),
            None => (text.as_bytes(), typing),
        };
        Ok(self.tmux.put(open.pane.id, text, typing, &keys).await?)
    }

    /// Waits, and tells what the terminal shows.
    pub(crate) async fn read(&self, hosts: &Hosts, alias: &HostAlias, read: &TerminalRead, context: &Context) -> Result<Answer, Failure> {
        let mut notes = Vec::new();
        let open = self.find(hosts, alias, read.name.as_ref(), context, &mut notes).await?;
        let memory = store::hold(&self.state_dir, alias, &open.name, &open.pane.made).await?.memory;
        let place = memory.sent.unwrap_or_default();
        let waited = self.wait(&open, &read.wait, (place, &memory.typed), read.timeout, context).await?;
        self.answer(&open, read.mode, read.lines, read.colours, waited, notes).await
    }

    /// Ends a terminal.
    pub(crate) async fn end(
        &self,
        hosts: &Hosts,
        alias: &HostAlias,
        name: Option<&TerminalName>,
        context: &Context,
    ) -> Result<Answer, Failure> {
        let name = name_or_own(name, context);
        let pane = self.pane(alias, &name).await?;
        let note = note_of(&pane);
        let look = self.tmux.look(pane.id, 1, Colours::Dropped).await?;
        let ended = view::ended(&look, note.ssh);
        let held = note.persist && matches!(ended, None | Some(Ended::Cut(_) | Ended::Unknown));
        let on_host = match hosts.terminal_place(alias) {
            _ if !held => None,
            Ok(place) => Some(place.end_held(&name).await),
            Err(_) => Some(Gone::Perhaps),
        };
        self.tmux.close(pane.id).await?;
        store::forget(&self.state_dir, alias, &name);
        let how = match ended {
            _ if on_host == Some(Gone::Surely) => "what the host held of it was ended there".to_owned(),
            _ if held => {
                let again = "TerminalOpen with persist attaches to it again, and TerminalClose ends it then";
                format!("that what the host held of it was ended there is not confirmed: {again}")
            }
            Some(Ended::Exited(status)) => format!("its program had ended with status {status}"),
            Some(Ended::Signalled(signal)) => format!("signal {signal} had ended its program"),
            Some(Ended::Cut(words)) => format!("its link had been cut: {words}"),
            Some(Ended::Unknown) => "its program had ended".to_owned(),
            None => "what ran in it was hung up".to_owned(),
        };
        Ok(Answer { body: Body::Text(format!("Closed the terminal {name} on {alias}; {how}.")), notes: Vec::new() })
    }

    /// A line for each terminal, and how a person attaches; nothing where there is none. Terminals that are old are closed.
    pub(crate) async fn tell(&self, hosts: &Hosts) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let panes = match self.expire(hosts).await {
            Ok(panes) => panes,
            Err(failure) => return format!("terminals: not known now: {}\n", failure.text),
        };
        for pane in &panes {
            let Size { cols, rows } = pane.size;
            let state = match pane.dead {
                None => "open".to_owned(),
                Some(dead) => match (dead.signal, dead.status) {
                    (Some(signal), _) => format!("dead: signal {signal}"),
                    (None, Some(255)) if note_of(pane).ssh => "dead: link cut".to_owned(),
                    (None, Some(status)) => format!("dead: exit {status}"),
                    (None, None) => "dead".to_owned(),
                },
            };
            let _ = writeln!(text, "terminal {} on {}: {cols}x{rows}, {state}", pane.name, pane.host);
        }
        let mut seen: Vec<&str> = panes.iter().map(|pane| pane.host.as_str()).collect();
        seen.dedup();
        for host in seen {
            if let Some(command) = self.tmux.attach_command(host, None).await {
                let _ = writeln!(text, "a person watches {host} with:\n    {command}");
            }
        }
        text
    }

    /// How a person attaches to a host's windows, if there are any.
    pub(crate) async fn attach_command(&self, alias: &HostAlias) -> Option<String> {
        let panes = self.tmux.list().await.ok()?;
        panes.iter().find(|pane| pane.host == alias.as_str())?;
        self.tmux.attach_command(alias.as_str(), None).await
    }

    /// The panes of a host's terminals.
    async fn panes(&self, alias: &HostAlias) -> Result<Vec<Pane>, Failure> {
        let panes = self.tmux.list().await?;
        Ok(panes.into_iter().filter(|pane| pane.kind == KIND && pane.host == alias.as_str()).collect())
    }

    /// The pane of a terminal.
    async fn pane(&self, alias: &HostAlias, name: &TerminalName) -> Result<Pane, Failure> {
        let here = self.panes(alias).await?;
        if let Some(pane) = here.iter().find(|pane| pane.name == name.as_str()) {
            return Ok(pane.clone());
        }
        let names: Vec<&str> = here.iter().map(|pane| pane.name.as_str()).collect();
        if store::is_known(&self.state_dir, alias, name) {
            store::forget(&self.state_dir, alias, name);
            let text = format!(
                "The terminal {name} on {alias} is gone: its window was closed, or tmux or this machine ended. What ran in it was hung up."
            );
            return Err(Failure::new(Code::Unknown, text).hint("TerminalOpen opens it anew."));
        }
        let hint = if names.is_empty() { "TerminalOpen opens one.".to_owned() } else { format!("There are: {}.", names.join(", ")) };
        Err(Failure::new(Code::Unknown, format!("There is no terminal {name} on {alias}.")).hint(hint))
    }

    /// The terminal of that name, attached again if it is held by the host and the link was cut.
    async fn find(
        &self,
        hosts: &Hosts,
        alias: &HostAlias,
        name: Option<&TerminalName>,
        context: &Context,
        notes: &mut Vec<String>,
    ) -> Result<Open, Failure> {
        let name = name_or_own(name, context);
        let pane = self.pane(alias, &name).await?;
        let open = self.opened(alias, name, pane).await?;
        self.revive(hosts, open, notes).await
    }

    async fn opened(&self, alias: &HostAlias, name: TerminalName, pane: Pane) -> Result<Open, Failure> {
        let heed = self.taps.listen(&self.tmux, &pane).await?;
        if heed.screen_is_due {
            let look = self.tmux.look(pane.id, 0, Colours::Kept).await?;
            self.taps.record_screen(&pane, look.size, &record::redraw(&look)).await;
        }
        Ok(Open { alias: alias.clone(), name, note: note_of(&pane), pane, told: heed.told })
    }

    async fn look(&self, open: &Open, back: u32, colours: Colours) -> Result<Look, Failure> {
        Ok(self.tmux.look(open.pane.id, back, colours).await?)
    }

    async fn attach(&self, open: &Open) -> Option<String> {
        self.tmux.attach_command(open.alias.as_str(), Some(&open.pane.window)).await
    }

    /// What is told of a terminal after a wait.
    async fn answer(
        &self,
        open: &Open,
        mode: Mode,
        lines: Option<u32>,
        colours: bool,
        waited: Waited,
        notes: Vec<String>,
    ) -> Result<Answer, Failure> {
        let most = lines.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX));
        let kept = if colours { Colours::Kept } else { Colours::Dropped };
        let (look, shown) = match mode {
            Mode::Screen => {
                let look = self.look(open, 1, kept).await?;
                let lines = view::screen(&look, colours);
                (look, view::last(New { lines, missing: 0 }, most))
            }
            Mode::Scrollback => {
                let back = lines.unwrap_or(limits::SCROLLBACK_READ).min(limits::SCROLLBACK_READ_MOST);
                let look = self.look(open, back, kept).await?;
                let lines = view::all(&look, colours);
                let most = usize::try_from(back).unwrap_or(usize::MAX);
                let shown = view::last(New { lines, missing: 0 }, Some(most));
                let omitted = shown.omitted + (look.history - look.above);
                (look, Shown { omitted, ..shown })
            }
            Mode::Changes => self.changes(open, most).await?,
        };
        if let Some(place) = waited.found {
            let mut held = store::hold(&self.state_dir, &open.alias, &open.name, &open.pane.made).await?;
            held.memory.sent = Some(place);
            held.memory.typed.clear();
            held.keep(&self.redactor)?;
        }
        if mode == Mode::Screen {
            self.told_until(open, &look).await?;
        }
        Ok(Answer { body: Body::Terminal(Box::new(Self::terminal(open, &look, shown, waited.why))), notes })
    }

    /// What changed since changes were last told; tells them once.
    async fn changes(&self, open: &Open, most: Option<usize>) -> Result<(Look, Shown), Failure> {
        let mut held = store::hold(&self.state_dir, &open.alias, &open.name, &open.pane.made).await?;
        let mut look = self.look(open, 1, Colours::Dropped).await?;
        let flow = open.told.borrow().flow;
        let place = held.memory.told.take().unwrap_or_default();
        let back = place.back(&look, Some(flow));
        if back > look.above {
            let back = u32::try_from(back).unwrap_or(u32::MAX).saturating_add(BETWEEN).min(limits::SCROLLBACK_READ_MOST);
            look = self.look(open, back, Colours::Dropped).await?;
        }
        let new = place.changes(&look, Some(flow));
        held.memory.told = Some(Place::of(&look, Some(flow)));
        held.keep(&self.redactor)?;
        let new = New { lines: view::trimmed(new.lines, look.dead), missing: new.missing };
        Ok((look, view::last(new, most)))
    }

    /// Remembers that the screen was told as it stands.
    async fn told_until(&self, open: &Open, look: &Look) -> Result<(), Failure> {
        let mut held = store::hold(&self.state_dir, &open.alias, &open.name, &open.pane.made).await?;
        let flow = open.told.borrow().flow;
        held.memory.told = Some(Place::of(look, Some(flow)));
        held.keep(&self.redactor)
    }

    fn terminal(open: &Open, look: &Look, shown: Shown, why: Option<Why>) -> Terminal {
        let prompt = open.told.borrow().prompt;
        let awaits = match (view::awaits(look), prompt.count > 0 && !prompt.running && !look.alternate && look.dead.is_none()) {
            (Some(Awaits::Password), _) => Some(Awaits::Password),
            (_, true) => Some(Awaits::Shell),
            // A command runs, and what looks like a prompt is its output.
            (Some(Awaits::Shell), false) if prompt.running => None,
            (other, false) => other,
        };
        Terminal {
            name: open.name.clone(),
            host: open.alias.clone(),
            size: look.size,
            cursor: look.cursor,
            shown,
            ended: view::ended(look, open.note.ssh),
            awaits,
            status: prompt.status.filter(|_| awaits == Some(Awaits::Shell)),
            why,
            attach: None,
        }
    }
}

/// The kind of our windows.
const KIND: &str = "terminal";
/// Rows that may come between two looks.
const BETWEEN: u32 = 200;

fn name_or_own(name: Option<&TerminalName>, context: &Context) -> TerminalName {
    name.cloned().unwrap_or_else(|| TerminalName::from(&context.own_session))
}

fn note_of(pane: &Pane) -> Note {
    serde_json::from_str(&pane.note).unwrap_or_default()
}

/// How long a wait may take.
fn limit(timeout: Option<Duration>, wait: &TerminalWait) -> Duration {
    let usual = match wait {
        TerminalWait::Nothing | TerminalWait::Quiet => Duration::from_secs(10),
        TerminalWait::Prompt | TerminalWait::Pattern(_) => limits::BASH_WAIT,
    };
    timeout.unwrap_or(usual).min(limits::LONGEST_WAIT)
}

fn dead(open: &Open, ended: &Ended) -> Failure {
    let how = match ended {
        Ended::Exited(status) => format!("its program ended with status {status}"),
        Ended::Signalled(signal) => format!("signal {signal} ended its program"),
        Ended::Cut(words) => format!("its link was cut: {words}"),
        Ended::Unknown => "its program ended".to_owned(),
    };
    Failure::new(Code::Unknown, format!("The terminal {} on {} is dead: {how}.", open.name, open.alias))
        .hint("TerminalRead still shows what it left; TerminalOpen opens it anew.")
}
