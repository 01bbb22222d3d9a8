//! Listening to a tmux session: a control client that is told every output as it comes.
//!
//! Holds to: it asks nothing, and the bytes of a pane come escaped in one line, so that no output can be taken for tmux's own
//! words; it ends with its value, or with towline, since its input closes. Leaves out: what the bytes mean.

use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::parse::{self, Notice};
use super::{PaneId, failed};
use crate::error::TransportError;
use crate::program::{self, OnDrop, Start};

/// What a listener hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A pane put out these bytes.
    Output(PaneId, &'a [u8]),
    /// The session is gone, or the server.
    End,
}

/// A listener; it ends with this value.
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    /// tmux leaves when this closes.
    _input: ChildStdin,
}

impl Watch {
    pub(super) async fn start(
        start: Start<'_>,
        deadline: Instant,
        mut hear: impl FnMut(Heard<'_>) + Send + 'static,
    ) -> Result<Self, TransportError> {
        let mut child = program::spawn(start, OnDrop::Kill)?;
        let missing = || TransportError::local("taking a child's pipes", std::io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let (attached, ready) = oneshot::channel();
        let task = tokio::spawn(async move {
            listen(output, attached, &mut hear).await;
            let _ = child.wait().await;
        });
        match tokio::time::timeout_at(deadline.into(), ready).await {
            Ok(Ok(())) => Ok(Self { task, _input: input }),
            Ok(Err(_)) => Err(failed("tmux does not let towline listen: the session is gone")),
            Err(_) => {
                task.abort();
                Err(failed("tmux did not let towline listen in time"))
            }
        }
    }

    /// Whether it still listens.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(output: ChildStdout, attached: oneshot::Sender<()>, hear: &mut (impl FnMut(Heard<'_>) + Send)) {
    let mut attached = Some(attached);
    let mut reader = BufReader::with_capacity(64 * 1024, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        match parse::notice(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Notice::Output(pane, bytes) => hear(Heard::Output(pane, &bytes)),
            Notice::Attached => {
                if let Some(attached) = attached.take() {
                    let _ = attached.send(());
                }
            }
            Notice::Exit => break,
            Notice::Other => {}
        }
    }
    hear(Heard::End);
}
