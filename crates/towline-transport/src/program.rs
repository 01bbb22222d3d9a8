//! Starting local programs: the one place of towline that does.
//!
//! Holds to: a program gets its own process group (a Ctrl-C for towline is not for it), pipes or nothing as its streams, and an end:
//! it is killed when the value that stands for it goes away. Leaves out: which program, and why.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::error::TransportError;

/// Bytes that are read of a short program's output; `ssh -G` says about 8 KB, a long look at a terminal a few MB.
const OUTPUT_BYTES: u64 = 16 << 20;

/// How long the pipes of a program that has ended are read on.
const PIPE_GRACE: Duration = Duration::from_millis(100);

/// What a program is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [OsString],
    /// Added to the environment, or all of it.
    pub(crate) environment: Environment<'a>,
    /// Variables of this process that it does not get: they hold secrets.
    pub(crate) without: &'a [String],
    pub(crate) directory: Option<&'a Path>,
}

/// Where a program's environment comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Environment<'a> {
    /// This process's, and these.
    Added(&'a [(OsString, OsString)]),
    /// Only these.
    Whole(&'a [(OsString, OsString)]),
    /// This process's but for these.
    Outside(&'a [&'a str]),
}

/// What becomes of a program whose value goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDrop {
    Kill,
    /// Its pipes close and it goes on, as a remote command does when the connection is lost.
    LetGo,
}

/// Becomes a shell command, with this process's terminal; returns only if that cannot be.
#[expect(clippy::disallowed_methods, reason = "this crate is the one that starts programs")]
#[must_use]
pub fn become_command(command: &str) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new("/bin/sh").arg("-c").arg(format!("exec {command}")).exec()
}

/// What a short program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
fn command(start: Start<'_>, on_drop: OnDrop) -> Command {
    let mut command = Command::new(start.program);
    command.args(start.arguments).process_group(0).kill_on_drop(on_drop == OnDrop::Kill);
    for variable in start.without {
        command.env_remove(variable);
    }
    match start.environment {
        Environment::Added(env) => command.envs(env.iter().cloned()),
        Environment::Whole(env) => command.env_clear().envs(env.iter().cloned()),
        Environment::Outside(names) => names.iter().fold(&mut command, |command, name| command.env_remove(name)),
    };
    if let Some(directory) = start.directory {
        command.current_dir(directory);
    }
    command
}

/// Starts a program with pipes for its three streams.
pub(crate) fn spawn(start: Start<'_>, on_drop: OnDrop) -> Result<Child, TransportError> {
    let mut command = command(start, on_drop);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| cannot_start(start.program, error))
}

/// Runs a program without input to its end, and returns what it said; `None` if it was not done at the deadline.
pub(crate) async fn run(start: Start<'_>, deadline: Instant) -> Result<Option<Said>, TransportError> {
    run_with(start, b"", deadline).await
}

/// The same for a program that reads this input.
pub(crate) async fn run_with(start: Start<'_>, input: &[u8], deadline: Instant) -> Result<Option<Said>, TransportError> {
    let mut command = command(start, OnDrop::Kill);
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_start(start.program, error))?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let status = {
        let reads = async { tokio::join!(write(stdin, input), read(out, &mut stdout), read(err, &mut stderr)) };
        tokio::pin!(reads);
        let work = async {
            tokio::select! {
                ((), (), ()) = &mut reads => child.wait().await,
                status = child.wait() => {
                    // What it left in the background may hold the pipes open.
                    let _ = tokio::time::timeout(PIPE_GRACE, &mut reads).await;
                    status
                }
            }
        };
        tokio::time::timeout_at(deadline.into(), work).await
    };
    match status {
        Ok(Ok(status)) => Ok(Some(Said { success: status.success(), code: status.code(), stdout, stderr })),
        Ok(Err(error)) => Err(TransportError::local(format!("waiting for \"{}\"", start.program.display()), error)),
        Err(_) => Ok(None),
    }
}

async fn write(stream: Option<tokio::process::ChildStdin>, input: &[u8]) {
    if let Some(mut stream) = stream {
        // A program that does not read its input says why by itself.
        let _ = stream.write_all(input).await;
    }
}

/// Runs a program at the terminal of whoever started this one, which it shares; whether it succeeded before the deadline.
pub(crate) async fn at_terminal(start: Start<'_>, deadline: Instant) -> Result<bool, TransportError> {
    let mut command = command(start, OnDrop::Kill);
    // It joins this process's own group: another could not read from the terminal.
    command.process_group(rustix::process::getpgrp().as_raw_nonzero().get());
    command.stdin(Stdio::null());
    let mut child = command.spawn().map_err(|error| cannot_start(start.program, error))?;
    match tokio::time::timeout_at(deadline.into(), child.wait()).await {
        Ok(Ok(status)) => Ok(status.success()),
        Ok(Err(error)) => Err(TransportError::local(format!("waiting for \"{}\"", start.program.display()), error)),
        Err(_) => Ok(false),
    }
}

/// Kills every process of the group that [`spawn`] made for a child.
pub(crate) fn kill_group(leader: u32) {
    // 0 and 1 would mean "my group" and "everybody".
    if let Some(group) = i32::try_from(leader).ok().filter(|leader| *leader > 1).and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

async fn read(stream: Option<impl tokio::io::AsyncRead + Unpin>, into: &mut Vec<u8>) {
    if let Some(stream) = stream {
        // A program that says more than the bound is cut there; it then ends by SIGPIPE.
        let _ = stream.take(OUTPUT_BYTES).read_to_end(into).await;
    }
}

fn cannot_start(program: &Path, error: io::Error) -> TransportError {
    if error.kind() == io::ErrorKind::NotFound {
        TransportError::NoProgram { program: program.to_owned() }
    } else {
        TransportError::local(format!("starting \"{}\"", program.display()), error)
    }
}
