//! The system's ssh: one authenticated connection per host, and channels over it.
//!
//! Holds to: `ssh` itself reads its configuration and does the authentication; host keys are never accepted more easily than the
//! user's configuration says; a connection is shared by all towline processes of the user; a user's own control master is used
//! and never ended; nothing waits longer than it was told. Leaves out: what a channel carries.

mod access;
mod agent;
mod argv;
pub mod askpass;
mod channel;
mod classify;
mod destination;
mod error;
mod local;
mod program;
mod published;
mod resolve;
mod secrets;
mod settings;
mod sockets;
mod ssh;
pub mod tmux;

use std::time::Instant;

pub use access::{Access, HostAccess, LiteralPasswords};
pub use argv::IDLE_LIMIT;
pub use channel::{Channel, Control, End, Input, Output, Route};
pub use destination::{AgentForwarding, ConnectOptions, Destination};
pub use error::TransportError;
pub use local::LocalTransport;
pub use program::become_command;
pub use secrets::Wallet;
pub use settings::SshSettings;
pub use ssh::{Added, Over, SshTransport, TerminalCommand, Trusted};

/// A way to run commands: over ssh, or on this machine with the same programs and the same pipes.
#[derive(Clone, Debug)]
pub enum Transport {
    /// On a host, over the system's ssh.
    Ssh(SshTransport),
    /// On this machine.
    Local(LocalTransport),
}

impl Transport {
    /// Starts a command and returns when it has written its first byte to standard output, or has ended.
    ///
    /// The command has to write something at once: that byte is what proves that the channel is open. A command that ends with
    /// status 255 without having written anything is taken for a failure of ssh and may be started once more over another
    /// connection, so it must be one that does no harm twice.
    ///
    /// # Errors
    /// If no channel could be had before the deadline.
    pub async fn open(&self, destination: &Destination, remote_command: &str, deadline: Instant) -> Result<Channel, TransportError> {
        match self {
            Self::Ssh(ssh) => ssh.open(destination, remote_command, deadline).await,
            Self::Local(local) => local.open(remote_command, deadline).await,
        }
    }
}
