//! The ends of terminals that somebody or something else has to see to: those that a host holds, and those that are old.
//!
//! Holds to: of a terminal that was closed nothing is left on its host, or it is said that this is not confirmed; what nobody uses any
//! more goes, on the host too. Leaves out: which are old (`decide`).

use std::time::Duration;

use tokio::time::Instant;
use towline_base::{Failure, HostAlias, TerminalName};
use towline_transport::End;
use towline_transport::tmux::Pane;

use super::open::TerminalPlace;
use super::{KIND, Note, Terminals, decide, note_of, remote, store};
use crate::hosts::Hosts;

/// How long the end on the host is waited for: connecting is part of it where the link was cut.
const ENDING: Duration = Duration::from_secs(15);

/// Whether something is gone from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Surely,
    Perhaps,
}

impl TerminalPlace {
    /// Ends what the host holds of a terminal, beside its window: a tmux may fail that starts a command in a window which somebody
    /// listens to.
    pub(super) async fn end_held(&self, name: &TerminalName) -> Gone {
        let deadline = Instant::now() + ENDING;
        let (command, until) = (remote::ended(name), deadline.into_std());
        let ended = async {
            let mut channel = self.transport.open(&self.destination, &command, until).await.ok()?;
            Some(channel.control.wait().await)
        };
        match tokio::time::timeout_at(deadline, ended).await {
            Ok(Some(End::Exited(0))) => Gone::Surely,
            Ok(Some(End::Exited(_) | End::Failed(_)) | None) | Err(_) => Gone::Perhaps,
        }
    }
}

impl Terminals {
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
                    if let Ok(place) = hosts.terminal_place(&host) {
                        tokio::spawn(async move {
                            if place.end_held(&name).await == Gone::Perhaps {
                                tracing::debug!(%host, %name, "what a host holds of an old terminal may still be there");
                            }
                        });
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
