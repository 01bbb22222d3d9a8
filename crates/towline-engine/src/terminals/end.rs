//! The ends of terminals that somebody or something else has to see to: those that a host holds, and those that are old.
//!
//! Holds to: of a terminal that was closed nothing is left on its host, or it is said that this is not confirmed; what nobody uses any
//! more goes, on the host too. Leaves out: which are old (`decide`).

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use towline_base::{Failure, HostAlias, TerminalName};
use towline_transport::End;
use towline_transport::tmux::Pane;

use super::open::TerminalPlace;
use super::{KIND, Note, Terminals, decide, note_of, remote, store};
use crate::answer::{HeldTerminal, TerminalsLeft};
use crate::hosts::Hosts;

/// How long the end on the host is waited for: connecting is part of it where the link was cut.
const ENDING: Duration = Duration::from_secs(15);
/// How long to wait before a host is asked again whether they ended.
const AGAIN: Duration = Duration::from_millis(200);
/// Bytes of its answer that are read: a thousand terminals and what a login prints before them.
const LIST_BYTES: u64 = 128 << 10;

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
        match self.run(&remote::ended(std::slice::from_ref(name)), Instant::now() + ENDING).await {
            Some((End::Exited(0), _)) => Gone::Surely,
            Some((End::Exited(_) | End::Failed(_), _)) | None => Gone::Perhaps,
        }
    }

    /// What the host holds; `None` if it does not say.
    async fn held(&self, deadline: Instant) -> Option<Vec<HeldTerminal>> {
        let (_, output) = self.run(&remote::held(), deadline).await?;
        remote::parse_held(&String::from_utf8_lossy(&output))
    }

    /// Runs a command there and reads what it prints.
    async fn run(&self, command: &str, deadline: Instant) -> Option<(End, Vec<u8>)> {
        let ran = async {
            let mut channel = self.transport.open(&self.destination, command, deadline.into_std()).await.ok()?;
            let mut output = Vec::new();
            channel.output.take(LIST_BYTES).read_to_end(&mut output).await.ok()?;
            Some((channel.control.wait().await, output))
        };
        tokio::time::timeout_at(deadline, ran).await.ok().flatten()
    }
}

/// What is left of the terminals that a host held, and how many there were.
pub(crate) struct EndedAll {
    pub(crate) ended: usize,
    pub(crate) left: TerminalsLeft,
}

impl Terminals {
    /// What a host holds of terminals; `None` if it does not say.
    pub(crate) async fn held(&self, hosts: &Hosts, alias: &HostAlias) -> Option<Vec<HeldTerminal>> {
        // A terminal is the account's own: root has none.
        if alias.is_root() {
            return Some(Vec::new());
        }
        hosts.terminal_place(alias).ok()?.held(Instant::now() + ENDING).await
    }

    /// Ends all terminals that a host holds, and none but ours. A window that showed one stays with its last screen, and does not bring
    /// it up again.
    pub(crate) async fn end_all_held(&self, hosts: &Hosts, alias: &HostAlias) -> EndedAll {
        let unknown = |ended| EndedAll { ended, left: TerminalsLeft::Unknown };
        let Some(there) = self.held(hosts, alias).await else { return unknown(0) };
        let names: Vec<TerminalName> = there.into_iter().map(|held| held.name).collect();
        let place = match hosts.terminal_place(alias) {
            Ok(place) if !names.is_empty() => place,
            Ok(_) | Err(_) => return EndedAll { ended: 0, left: TerminalsLeft::Nothing },
        };
        self.hold_no_more(alias).await;
        let deadline = Instant::now() + ENDING;
        for some in names.chunks(remote::MOST_AT_ONCE) {
            place.run(&remote::ended(some), deadline).await;
        }
        // screen ends a moment after it was told to.
        loop {
            let Some(left) = place.held(deadline).await else { return unknown(0) };
            let left: Vec<TerminalName> = left.into_iter().map(|held| held.name).filter(|name| names.contains(name)).collect();
            if left.is_empty() {
                return EndedAll { ended: names.len(), left: TerminalsLeft::Nothing };
            }
            if Instant::now() + AGAIN >= deadline {
                return EndedAll { ended: names.len() - left.len(), left: TerminalsLeft::Still(left) };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Has the windows of a host be what any window is. Where there is no tmux here, there are none.
    async fn hold_no_more(&self, alias: &HostAlias) {
        for pane in self.panes(alias).await.unwrap_or_default() {
            let note = note_of(&pane);
            if note.persist {
                let not_any_more = serde_json::to_string(&Note { persist: false, ..note }).unwrap_or_default();
                let _ = self.tmux.note(pane.id, &not_any_more).await;
            }
        }
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
