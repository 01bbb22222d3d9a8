//! This machine in place of a host: the same command line, the same pipes, no connection.
//!
//! Holds to: as with a lost connection, dropping a channel closes its pipes and signals nobody. Leaves out: a login.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use towline_base::Code;

use crate::channel::{Channel, Route};
use crate::error::TransportError;
use crate::program::{self, Environment, OnDrop, Start};

/// Runs commands on this machine.
#[derive(Clone, Debug)]
pub struct LocalTransport {
    /// The shell and its arguments before `-c`, such as `["/bin/sh"]` or `["/usr/bin/busybox", "ash"]`.
    pub shell: Vec<OsString>,
    /// The whole environment of the commands.
    pub env: Vec<(OsString, OsString)>,
    /// The directory that they begin in.
    pub directory: PathBuf,
}

impl LocalTransport {
    /// `/bin/sh` with that environment, in that directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, env: Vec<(OsString, OsString)>) -> Self {
        Self { shell: vec!["/bin/sh".into()], env, directory: directory.into() }
    }

    pub(crate) async fn open(&self, command: &str, deadline: Instant) -> Result<Channel, TransportError> {
        let (program, first) = self.shell.split_first().ok_or_else(|| TransportError::NoProgram { program: PathBuf::new() })?;
        let mut arguments = first.to_vec();
        arguments.extend(["-c".into(), command.into()]);
        let start = Start {
            program: program.as_ref(),
            arguments: &arguments,
            environment: Environment::Whole(&self.env),
            without: &[],
            directory: Some(&self.directory),
        };
        let mut channel = Channel::new(program::spawn(start, OnDrop::LetGo)?, Route::Local, "this machine")?;
        match tokio::time::timeout_at(deadline.into(), channel.opened()).await {
            Ok(Ok(())) => Ok(channel),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(TransportError::ssh(Code::RemoteShell, "the command said nothing before the deadline")),
        }
    }
}
