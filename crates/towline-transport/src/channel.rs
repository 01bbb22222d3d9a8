//! A running command: a writer, a reader, and how it ended.
//!
//! Holds to: standard error is always read, and only its end is kept; its end-of-file is never waited for (a master in the background
//! may hold it open). Dropping the control kills the local ssh of this channel, never the master; what runs on the host goes on.
//! Leaves out: meaning; bytes go through as they are.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use towline_base::Code;

use crate::classify::{classify, shown};
use crate::error::TransportError;
use crate::program;

/// Bytes of standard error that are kept: its end, where ssh says why.
const STDERR_BYTES: usize = 8 << 10;
/// How long the reader of a pipe may lag behind the program's end.
const PIPE_GRACE: Duration = Duration::from_millis(100);

/// Over what a channel runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The user's own control master.
    UserMaster(PathBuf),
    /// A control master of towline's.
    OwnMaster(PathBuf),
    /// A connection of its own.
    Single,
    /// No connection: this machine.
    Local,
}

/// A running command.
#[derive(Debug)]
pub struct Channel {
    /// Its standard input; dropping it is end-of-file.
    pub input: Input,
    /// Its standard output.
    pub output: Output,
    /// The rest.
    pub control: Control,
}

/// A command's standard input.
#[derive(Debug)]
pub struct Input(ChildStdin);

/// A command's standard output.
#[derive(Debug)]
pub struct Output {
    /// What was read already to see that the channel is open.
    head: Vec<u8>,
    rest: ChildStdout,
}

/// What can be known of a command and done to it.
#[derive(Debug)]
pub struct Control {
    child: Child,
    route: Route,
    /// The host's name, for texts.
    name: String,
    /// The command said something, so the channel was up.
    opened: bool,
    stderr: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// How a command ended.
#[derive(Debug)]
pub enum End {
    /// With this status. On a host, 255 is never among them: ssh uses it for its own failures.
    Exited(i32),
    /// The channel failed, and how the command ended (or whether it did) is not known.
    Failed(TransportError),
}

impl Channel {
    /// Takes over a child that has pipes for its three streams.
    pub(crate) fn new(mut child: Child, route: Route, name: &str) -> Result<Self, TransportError> {
        let missing = || TransportError::local("taking a child's pipes", io::ErrorKind::BrokenPipe.into());
        let input = Input(child.stdin.take().ok_or_else(missing)?);
        let output = Output { head: Vec::new(), rest: child.stdout.take().ok_or_else(missing)? };
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(keep_end(child.stderr.take().ok_or_else(missing)?, Arc::clone(&stderr)));
        Ok(Self { input, output, control: Control { child, route, name: name.to_owned(), opened: false, stderr, reader } })
    }

    /// Over what it runs.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.control.route
    }

    /// Waits until the command said something, or ended as a command does.
    pub(crate) async fn opened(&mut self) -> Result<(), TransportError> {
        let (spoke, end) = tokio::select! {
            biased;
            spoke = self.output.first() => (spoke, None),
            end = self.control.wait() => {
                // Its last words may still be in the pipe, and something else may hold that pipe open.
                let spoke = tokio::time::timeout(PIPE_GRACE, self.output.first()).await.unwrap_or(false);
                (spoke, Some(end))
            }
        };
        self.control.opened |= spoke;
        if spoke {
            return Ok(());
        }
        let end = match end {
            Some(end) => end,
            None => self.control.wait().await,
        };
        match end {
            End::Exited(_) => Ok(()),
            End::Failed(error) => Err(error),
        }
    }
}

impl Output {
    /// Waits for the first bytes. True if something came, false at the end. May be given up and called again.
    async fn first(&mut self) -> bool {
        let mut chunk = vec![0; 4096];
        let count = self.rest.read(&mut chunk).await.unwrap_or(0);
        self.head.extend(&chunk[..count]);
        count > 0
    }
}

impl Control {
    /// Over what it runs.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The end of what was written to standard error so far (8 KB), by the command or by ssh.
    #[must_use]
    pub fn stderr(&self) -> Vec<u8> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process id of the local child; `None` when it has ended.
    #[must_use]
    pub fn local_pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the local child of this channel; the master and what runs on the host go on.
    pub fn kill(&mut self) {
        let _ = self.child.start_kill();
    }

    /// Kills the local child and what it has started: a jump host's ssh, an askpass.
    pub(crate) fn kill_all(&mut self) {
        if let Some(group) = self.child.id() {
            program::kill_group(group);
        }
        self.kill();
    }

    /// Waits for the end. May be given up and called again.
    pub async fn wait(&mut self) -> End {
        match self.child.wait().await {
            Ok(status) => {
                if !self.reader.is_finished() {
                    let _ = tokio::time::timeout(PIPE_GRACE, &mut self.reader).await;
                }
                self.end(status)
            }
            Err(error) => End::Failed(TransportError::local("waiting for the channel's end", error)),
        }
    }

    fn end(&self, status: std::process::ExitStatus) -> End {
        use std::os::unix::process::ExitStatusExt;
        let local = self.route == Route::Local;
        let text = match (status.code(), status.signal()) {
            (Some(code), _) if local || code != 255 => return End::Exited(code),
            (_, Some(signal)) if local => return End::Exited(128 + signal),
            (Some(code), _) => format!("ssh to {} ended with status {code}", self.name),
            (None, signal) => format!("the local ssh to {} was ended by signal {}", self.name, signal.unwrap_or_default()),
        };
        let stderr = self.stderr();
        let words = shown(&stderr);
        let verdict = classify(&words);
        // A master's channel says nothing when its connection goes; nor does ssh when the remote program ends by a signal.
        let code = if self.opened && verdict.code == Code::SshFailed { Code::LinkLost } else { verdict.code };
        let text = match (words.is_empty(), self.opened) {
            (false, _) => format!("{text}: {words}"),
            (true, false) => format!("{text} and said nothing"),
            (true, true) => {
                format!("{text} and said nothing: the connection was lost, or the program on the host ended with 255 or by a signal")
            }
        };
        End::Failed(TransportError::Ssh { code, text, hint: verdict.hint })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads to the end and keeps the last bytes.
async fn keep_end(mut stream: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&chunk[..count]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..surplus);
    }
}

impl AsyncRead for Output {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.head.is_empty() {
            return Pin::new(&mut this.rest).poll_read(context, buffer);
        }
        let count = this.head.len().min(buffer.remaining());
        buffer.put_slice(&this.head[..count]);
        this.head.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
