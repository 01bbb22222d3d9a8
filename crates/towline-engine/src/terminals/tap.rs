//! Listening to terminals: one listener per host, and for each terminal what it put out so far.
//!
//! Holds to: counts and marks only, so that a flood costs no memory; who waits is woken as output comes. Leaves out: screens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use towline_base::{Failure, Nonce};
use towline_transport::tmux::{Heard, Pane, PaneId, Size, Tmux, Watch};

use super::marks::{Prompt, Reader};
use super::place::Flow;
use super::record::{Recorder, What, Whose};

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
    known: Mutex<HashMap<PaneId, Known>>,
    recorder: Option<Recorder>,
}

/// What is known of one pane.
struct Known {
    reader: Reader,
    told: watch::Sender<Told>,
    /// Whose it is, once somebody of this engine has looked at it: from then on it is recorded.
    whose: Option<(Whose, Size)>,
}

/// The listeners of one engine.
pub(crate) struct Taps {
    hosts: tokio::sync::Mutex<HashMap<String, Listener>>,
    recorder: Option<Recorder>,
}

/// A terminal that is listened to.
pub(crate) struct Heed {
    pub(crate) told: watch::Receiver<Told>,
    /// It is recorded, and its screen was not told yet.
    pub(crate) screen_is_due: bool,
}

impl Taps {
    pub(crate) fn new(recorder: Option<Recorder>) -> Self {
        Self { hosts: tokio::sync::Mutex::default(), recorder }
    }

    /// What a terminal puts out from now on (or since this engine listens to its host).
    pub(crate) async fn listen(&self, tmux: &Tmux, pane: &Pane) -> Result<Heed, Failure> {
        let mut hosts = self.hosts.lock().await;
        if let Some(listener) = hosts.get(&pane.host).filter(|listener| listener.watch.is_alive()) {
            return Ok(listener.panes.of(pane));
        }
        let panes = Arc::new(Panes { listener: number(), known: Mutex::default(), recorder: self.recorder.clone() });
        let heed = panes.of(pane);
        let into = Arc::clone(&panes);
        let watch = tmux.watch(&pane.host, move |heard| into.hear(heard)).await?;
        hosts.insert(pane.host.clone(), Listener { watch, panes });
        Ok(heed)
    }

    /// Tells the recorder of a terminal's screen.
    pub(crate) async fn record_screen(&self, pane: &Pane, size: Size, screen: &[u8]) {
        self.record(pane, size, What::Screen(screen)).await;
    }

    /// Tells the recorder of a terminal's new size.
    pub(crate) async fn record_size(&self, pane: &Pane, size: Size) {
        self.record(pane, size, What::Size).await;
    }

    async fn record(&self, pane: &Pane, size: Size, what: What<'_>) {
        if let Some(listener) = self.hosts.lock().await.get(&pane.host) {
            listener.panes.record(pane.id, size, what);
        }
    }

    /// Stops listening.
    pub(crate) async fn close(&self) {
        self.hosts.lock().await.clear();
    }
}

impl Panes {
    fn of(&self, pane: &Pane) -> Heed {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(pane.id).or_insert_with(|| self.fresh());
        let screen_is_due = known.whose.is_none() && self.recorder.is_some();
        let (host, name, made) = (pane.host.clone(), pane.name.clone(), pane.made.clone());
        known.whose.get_or_insert((Whose { host, name, made }, pane.size));
        Heed { told: known.told.subscribe(), screen_is_due }
    }

    fn fresh(&self) -> Known {
        let flow = Flow { listener: self.listener, ..Flow::default() };
        let told = watch::Sender::new(Told { flow, prompt: Prompt::default(), last: None, over: false });
        Known { reader: Reader::default(), told, whose: None }
    }

    fn record(&self, pane: PaneId, now: Size, what: What<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = known.get_mut(&pane).and_then(|known| known.whose.as_mut());
        if let (Some(recorder), Some((whose, size))) = (&self.recorder, whose) {
            *size = now;
            recorder.tell(whose, now, what);
        }
    }

    fn hear(&self, heard: Heard<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match heard {
            Heard::Output(pane, bytes) => {
                let Known { reader, told, whose } = known.entry(pane).or_insert_with(|| self.fresh());
                reader.take(bytes);
                let prompt = reader.prompt();
                told.send_modify(|told| {
                    told.flow.bytes += bytes.len() as u64;
                    told.flow.lines += bytes.split(|byte| *byte == b'\n').skip(1).count() as u64;
                    told.flow.prompts = prompt.count;
                    told.prompt = prompt;
                    told.last = Some(Instant::now());
                });
                if let (Some(recorder), Some((whose, size))) = (&self.recorder, whose) {
                    recorder.tell(whose, *size, What::Output(bytes));
                }
            }
            Heard::End => known.values().for_each(|known| known.told.send_modify(|told| told.over = true)),
        }
    }
}

/// A number that no other listener has, in this process or another.
fn number() -> u64 {
    u64::from_str_radix(&Nonce::mint().as_str()[..15], 16).unwrap_or_default()
}
