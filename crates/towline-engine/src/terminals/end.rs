//! The ends of terminals that somebody or something else has to see to: those that a host holds, and those that are old.
//!
//! Holds to: of a terminal that was closed nothing is left on its host, or it is said that this is not confirmed; what nobody uses any
//! more goes, on the host too. Leaves out: which are old (`decide`).

use std::time::Duration;

use tokio::time::Instant;
use towline_base::{Failure, HostAlias, TerminalName};
use towline_transport::Over;
use towline_transport::tmux::{Colours, Pane};

use super::view::{self, Ended};
use super::{KIND, Note, Terminals, decide, note_of, remote, store};
use crate::hosts::Hosts;

/// How long the end on the host is waited for: connecting is part of it where the link was cut.
const ENDING: Duration = Duration::from_secs(15);
const LOOKS: Duration = Duration::from_millis(50);

/// Whether something is gone from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Surely,
    Perhaps,
}

impl Terminals {
    /// Ends what the host holds of a terminal, by a last command in its own window.
    pub(super) async fn end_on_host(&self, hosts: &Hosts, alias: &HostAlias, name: &TerminalName, pane: &Pane) -> Gone {
        if self.begin_to_end(hosts, alias, name, pane).await.is_err() {
            return Gone::Perhaps;
        }
        let deadline = Instant::now() + ENDING;
        while Instant::now() < deadline {
            match self.tmux.look(pane.id, 0, Colours::Dropped).await.map(|look| view::ended(&look, note_of(pane).ssh)) {
                Ok(Some(Ended::Exited(0))) => return Gone::Surely,
                Ok(None) => tokio::time::sleep(LOOKS).await,
                Ok(Some(Ended::Exited(_) | Ended::Signalled(_) | Ended::Cut(_) | Ended::Unknown)) | Err(_) => return Gone::Perhaps,
            }
        }
        Gone::Perhaps
    }

    async fn begin_to_end(&self, hosts: &Hosts, alias: &HostAlias, name: &TerminalName, pane: &Pane) -> Result<(), Failure> {
        let (command, _) = hosts.terminal_place(alias)?.command(Some(&remote::ended(name)), Over::WhatIsUp).await?;
        self.tmux.respawn(pane.id, &command).await?;
        Ok(())
    }

    /// Closes terminals that nobody has used for long, and returns the others. One that a host holds is ended there first: its window
    /// goes when that is over and old as well.
    pub(super) async fn expire(&self, hosts: &Hosts) -> Result<Vec<Pane>, Failure> {
        let now = towline_base::clock::unix().as_secs();
        let mut left = Vec::new();
        for pane in self.tmux.list().await?.into_iter().filter(|pane| pane.kind == KIND) {
            let named = HostAlias::parse(&pane.host).ok().zip(TerminalName::parse(&pane.name).ok());
            let note = note_of(&pane);
            match named {
                _ if !decide::is_old(now.saturating_sub(pane.active), pane.dead.is_some()) => left.push(pane),
                Some((host, name)) if note.persist => {
                    let not_any_more = serde_json::to_string(&Note { persist: false, ..note }).unwrap_or_default();
                    self.tmux.note(pane.id, &not_any_more).await?;
                    if let Err(failure) = self.begin_to_end(hosts, &host, &name, &pane).await {
                        tracing::debug!(%failure, "what a host holds of an old terminal could not be ended");
                    }
                    left.push(pane);
                }
                _ => {
                    self.tmux.close(pane.id).await?;
                    if let Some((host, name)) = named {
                        store::forget(&self.state_dir, &host, &name);
                    }
                }
            }
        }
        left.sort_by(|a, b| (&a.host, &a.name).cmp(&(&b.host, &b.name)));
        Ok(left)
    }
}
