//! Listening to terminals: one listener per host, and for each terminal what it put out so far.
//!
//! Holds to: counts and marks only, so that a flood costs no memory; who waits is woken as output comes. Leaves out: screens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use towline_base::{Failure, Nonce};
use towline_transport::tmux::{Heard, PaneId, Tmux, Watch};

use super::marks::{Prompt, Reader};
use super::place::Flow;

/// What a terminal put out, as one listener counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) flow: Flow,
    pub(crate) prompt: Prompt,
    /// When the last output came; `None` if none did.
    pub(crate) last: Option<Instant>,
    /// The listener has ended: tmux, or the host's last terminal, is gone.
    pub(crate) over: bool,
}

/// The listener of one host.
struct Listener {
    watch: Watch,
    panes: Arc<Panes>,
}

/// What a listener knows of each pane.
struct Panes {
    listener: u64,
    known: Mutex<HashMap<PaneId, (Reader, watch::Sender<Told>)>>,
}

/// The listeners of one engine.
#[derive(Default)]
pub(crate) struct Taps {
    hosts: tokio::sync::Mutex<HashMap<String, Listener>>,
}

impl Taps {
    /// What a terminal puts out from now on (or since this engine listens to its host).
    pub(crate) async fn listen(&self, tmux: &Tmux, host: &str, pane: PaneId) -> Result<watch::Receiver<Told>, Failure> {
        let mut hosts = self.hosts.lock().await;
        if let Some(listener) = hosts.get(host).filter(|listener| listener.watch.is_alive()) {
            return Ok(listener.panes.of(pane));
        }
        let panes = Arc::new(Panes { listener: number(), known: Mutex::default() });
        let receiver = panes.of(pane);
        let into = Arc::clone(&panes);
        let watch = tmux.watch(host, move |heard| into.hear(heard)).await?;
        hosts.insert(host.to_owned(), Listener { watch, panes });
        Ok(receiver)
    }

    /// Stops listening.
    pub(crate) async fn close(&self) {
        self.hosts.lock().await.clear();
    }
}

impl Panes {
    fn of(&self, pane: PaneId) -> watch::Receiver<Told> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(pane).or_insert_with(|| self.fresh()).1.subscribe()
    }

    fn fresh(&self) -> (Reader, watch::Sender<Told>) {
        let flow = Flow { listener: self.listener, ..Flow::default() };
        (Reader::default(), watch::Sender::new(Told { flow, prompt: Prompt::default(), last: None, over: false }))
    }

    fn hear(&self, heard: Heard<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match heard {
            Heard::Output(pane, bytes) => {
                let (reader, told) = known.entry(pane).or_insert_with(|| self.fresh());
                reader.take(bytes);
                let prompt = reader.prompt();
                told.send_modify(|told| {
                    told.flow.bytes += bytes.len() as u64;
                    told.flow.lines += bytes.split(|byte| *byte == b'\n').skip(1).count() as u64;
                    told.flow.prompts = prompt.count;
                    told.prompt = prompt;
                    told.last = Some(Instant::now());
                });
            }
            Heard::End => known.values().for_each(|(_, told)| told.send_modify(|told| told.over = true)),
        }
    }
}

/// A number that no other listener has, in this process or another.
fn number() -> u64 {
    u64::from_str_radix(&Nonce::mint().as_str()[..15], 16).unwrap_or_default()
}
