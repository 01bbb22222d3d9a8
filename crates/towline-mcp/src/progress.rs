//! Tells a client that asked how far its call is: at most twice a second, for the first time within a second.
//!
//! Holds to: nothing is sent after the call's answer; a silent command is told of now and then, so that clients whose
//! patience is renewed by progress keep waiting.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};
use towline_engine::Progress;

use crate::render;

/// Shortest time between two notifications.
const PACE: Duration = Duration::from_millis(500);
/// When the first is sent.
const FIRST: Duration = Duration::from_millis(800);
/// How long a call without news stays silent.
const SILENCE: Duration = Duration::from_secs(5);
/// Longest last line that is told, in characters.
const LINE: usize = 200;

/// What the engine is to call with news.
pub(crate) type Teller = Arc<dyn Fn(Progress) + Send + Sync>;

/// Sends notifications until it is dropped.
pub(crate) struct Reporter(AbortHandle);

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to tell this peer; the engine calls the function with news.
pub(crate) fn report(peer: Peer<RoleServer>, token: ProgressToken) -> (Reporter, Teller) {
    let (news, latest) = watch::channel(None);
    let task = tokio::spawn(tell(peer, token, latest));
    (Reporter(task.abort_handle()), Arc::new(move |progress| drop(news.send_replace(Some(progress)))))
}

async fn tell(peer: Peer<RoleServer>, token: ProgressToken, mut latest: watch::Receiver<Option<Progress>>) {
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    let mut ticks = tokio::time::interval_at(began + FIRST, PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let news = latest.has_changed().unwrap_or(false);
        if !news && told.is_some_and(|last| now - last < SILENCE) {
            continue;
        }
        told = Some(now);
        let elapsed = began.elapsed();
        let message = message(latest.borrow_and_update().as_ref(), elapsed);
        // The number grows with each notification, as the protocol asks: seconds since the call began.
        let param = ProgressNotificationParam::new(token.clone(), elapsed.as_secs_f64()).with_message(message);
        if peer.notify_progress(param).await.is_err() {
            return;
        }
    }
}

/// `last line · 1.2 KB · 3.10 s`.
fn message(progress: Option<&Progress>, elapsed: Duration) -> String {
    let Some(progress) = progress else { return format!("working \u{b7} {}", render::duration(elapsed)) };
    let mut parts = Vec::new();
    if !progress.last_line.is_empty() {
        parts.push(render::cut(&render::one_line(&progress.last_line), LINE));
    }
    parts.push(render::size(progress.bytes));
    parts.push(render::duration(progress.elapsed.max(elapsed)));
    parts.join(" \u{b7} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_line_bytes_and_time() {
        let progress = Progress { elapsed: Duration::from_secs(3), bytes: 1229, last_line: "a\tb\u{1b}".to_owned() };
        assert_eq!(message(Some(&progress), Duration::from_secs(2)), "a\\x09b\\x1b · 1.2 KB · 3.00 s");
        assert_eq!(message(None, Duration::from_secs(2)), "working · 2.00 s");
    }
}
