//! Opening terminals, and attaching again to those that a host holds.
//!
//! Holds to: a host that is not known to have a shell gets no command, only a terminal; opening a name twice gives the same one.
//! Leaves out: what is done in it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use towline_base::{Code, Failure, HostAlias, limits};
use towline_transport::tmux::{Colours, NewWindow, Opened};
use towline_transport::{Over, Route};

use super::view::{self, Ended};
use super::{KIND, Note, Open, Terminals, name_or_own, remote};
use crate::action::{Mode, TerminalOpen};
use crate::answer::{Answer, Body};
use crate::context::Context;
use crate::hosts::Hosts;

/// How long a new terminal may take to show something: connecting is part of it.
const FIRST_SCREEN: Duration = Duration::from_secs(25);
/// A terminal that ended so soon after it went over a shared connection was refused by it.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

impl Terminals {
    /// Opens a terminal, or finds the one of that name, and tells its screen.
    pub(crate) async fn open(&self, hosts: &Hosts, alias: &HostAlias, wish: &TerminalOpen, context: &Context) -> Result<Answer, Failure> {
        self.tmux.usable().await?;
        let name = name_or_own(wish.name.as_ref(), context);
        let mut notes = Vec::new();
        let there = self.expire(hosts).await?;
        let same = there.iter().find(|pane| pane.host == alias.as_str() && pane.name == name.as_str());
        if let Some(pane) = same {
            let open = self.opened(alias, name.clone(), pane.clone()).await?;
            let look = self.look(&open, 1, Colours::Dropped).await?;
            match view::ended(&look, open.note.ssh) {
                Some(_) if open.note.persist => drop(self.revive(hosts, open, &mut notes).await?),
                Some(_) => {
                    notes.push("the earlier terminal of this name had ended and was replaced.".to_owned());
                    self.tmux.close(pane.id).await?;
                }
                None => notes.push("this terminal was open already; it is as it was left.".to_owned()),
            }
        } else {
            check_room(there.len())?;
        }
        let place = hosts.terminal_place(alias)?;
        let line = if wish.persist { Some(remote::persistent(&name)) } else { wish.command.clone() };
        let line = line.or_else(|| place.has_a_shell.then(remote::taught));
        let (command, route) = place.command(line.as_deref(), Over::WhatIsUp).await?;
        let note = Note { ssh: route != Route::Local, persist: wish.persist };
        let text = serde_json::to_string(&note).unwrap_or_default();
        let window = NewWindow { host: alias.as_str(), kind: KIND, name: name.as_str(), size: wish.size, note: &text, command: &command };
        let begun = Instant::now();
        let turn = self.opening.lock().await;
        if same.is_none() {
            check_room(self.tmux.list().await?.iter().filter(|pane| pane.kind == KIND).count())?;
        }
        let (pane, opened) = self.tmux.open(&window).await?;
        drop(turn);
        let mut open = self.opened(alias, name.clone(), pane).await?;
        let mut waited = self.begin(&open, FIRST_SCREEN, context).await?;
        if opened == Opened::New {
            let refused = |route: &Route| matches!(route, Route::OwnMaster(_) | Route::UserMaster(_)) && begun.elapsed() < REFUSED_WITHIN;
            let look = self.look(&open, 1, Colours::Dropped).await?;
            if matches!(view::ended(&look, note.ssh), Some(Ended::Cut(_))) && refused(&route) {
                let (command, _) = place.command(line.as_deref(), Over::Own).await?;
                let pane = self.tmux.replace(open.pane.id, &NewWindow { command: &command, ..window }).await?;
                open = self.opened(alias, open.name, pane).await?;
                waited = self.begin(&open, FIRST_SCREEN, context).await?;
            }
            self.check_start(&open).await?;
        }
        let mut answer = self.answer(&open, Mode::Screen, None, false, waited, notes).await?;
        if let Body::Terminal(terminal) = &mut answer.body {
            terminal.attach = self.attach(&open).await;
        }
        Ok(answer)
    }

    /// A terminal that could not begin is no terminal: its words are the error.
    async fn check_start(&self, open: &Open) -> Result<(), Failure> {
        let look = self.look(open, 1, Colours::Dropped).await?;
        let words = || view::screen(&look, false).join("\n");
        let failure = match view::ended(&look, open.note.ssh) {
            Some(Ended::Cut(_)) => Failure::new(Code::SshFailed, format!("No terminal on {}: ssh said: {}", open.alias, words())),
            Some(Ended::Exited(remote::NEITHER)) if open.note.persist => {
                let text = format!("persist: {} has neither tmux nor screen, so nothing there can hold a terminal.", open.alias);
                Failure::new(Code::NotFound, text).hint("Open it without persist.")
            }
            Some(Ended::Exited(_) | Ended::Signalled(_) | Ended::Unknown) | None => return Ok(()),
        };
        self.tmux.close(open.pane.id).await?;
        super::store::forget(&self.state_dir, &open.alias, &open.name);
        Err(failure)
    }

    /// Attaches again to a terminal that the host holds, if the link under it was cut: in a window of its own, from the screen on that the
    /// host draws.
    pub(super) async fn revive(&self, hosts: &Hosts, open: Open, notes: &mut Vec<String>) -> Result<Open, Failure> {
        if !open.note.persist {
            return Ok(open);
        }
        let look = self.look(&open, 1, Colours::Dropped).await?;
        let Some(Ended::Cut(words)) = view::ended(&look, open.note.ssh) else { return Ok(open) };
        let place = hosts.terminal_place(&open.alias)?;
        let (command, _) = place.command(Some(&remote::persistent(&open.name)), Over::WhatIsUp).await?;
        let (host, name, note) = (open.alias.as_str(), open.name.as_str(), serde_json::to_string(&open.note).unwrap_or_default());
        let window = NewWindow { host, kind: KIND, name, size: open.pane.size, note: &note, command: &command };
        let pane = self.tmux.replace(open.pane.id, &window).await?;
        let open = self.opened(&open.alias, open.name.clone(), pane).await?;
        let mut told = open.told.clone();
        // Its screen is drawn afresh; what is not there in time is waited for by whoever waits.
        let _ = tokio::time::timeout(FIRST_SCREEN, told.changed()).await;
        tokio::time::sleep(super::decide::QUIET).await;
        notes.push(format!("the link had been cut ({words}); the terminal was held by the host and is attached again."));
        Ok(open)
    }
}

/// Whether one more may be opened.
fn check_room(there: usize) -> Result<(), Failure> {
    if there < limits::MOST_TERMINALS {
        return Ok(());
    }
    let text = format!("There are {} terminals already.", limits::MOST_TERMINALS);
    Err(Failure::new(Code::TooLarge, text).hint("Close one with TerminalClose; Hosts lists them."))
}

/// Where a terminal is to be, and how it is reached.
pub(crate) struct TerminalPlace {
    pub(crate) transport: towline_transport::Transport,
    pub(crate) destination: towline_transport::Destination,
    /// A line has been up there, so it has a POSIX shell.
    pub(crate) has_a_shell: bool,
}

impl TerminalPlace {
    /// The whole command, and over what it goes.
    async fn command(&self, remote: Option<&str>, over: Over) -> Result<(Vec<OsString>, Route), Failure> {
        let deadline = Instant::now() + limits::CONNECT;
        let (program, arguments, env, route) = match &self.transport {
            towline_transport::Transport::Ssh(ssh) => {
                let command = ssh.terminal(&self.destination, remote, over, deadline).await?;
                (command.program, command.arguments, command.env, command.route)
            }
            towline_transport::Transport::Local(local) => {
                let mut words = local.shell.clone();
                if let Some(remote) = remote {
                    words.extend(["-c".into(), remote.into()]);
                }
                let program = words.remove(0).into();
                (program, words, local.env.clone(), Route::Local)
            }
        };
        // Variables go by way of env, since an old tmux takes none for a window.
        let mut command: Vec<OsString> = vec!["env".into()];
        for (name, value) in env {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            command.push(pair);
        }
        command.push(program.into_os_string());
        command.extend(arguments);
        Ok((command, route))
    }
}
