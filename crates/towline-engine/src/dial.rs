//! How a line gets its channels: towline-transport's, with its errors turned into the line's troubles.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use towline_base::{Failure, Nonce, Secret, limits};
use towline_proto::program::{command_line, command_line_as_root};
use towline_proto::recovery::Trouble;
use towline_transport::{Destination, Route, Transport, TransportError};

use crate::line::{Dial, Ending, Wire};
use crate::sudo;

/// The transport's own words of what took too long come before the line gives up.
const OWN_WORDS: Duration = Duration::from_secs(2);

/// As whom a lane works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acting {
    /// As the account that ssh logs in to.
    AsOneself,
    /// As root, by sudo.
    AsRoot,
}

/// One destination over one transport.
pub(crate) struct Dialler {
    transport: Transport,
    destination: Destination,
    acting: Acting,
    /// Over what the last channel went.
    route: Mutex<Option<Route>>,
}

impl Dialler {
    pub(crate) fn new(transport: Transport, destination: Destination, acting: Acting) -> Self {
        Self { transport, destination, acting, route: Mutex::new(None) }
    }

    /// The password for sudo, fetched when sudo asks.
    async fn password(&self, deadline: Instant) -> Result<Option<Secret>, Failure> {
        match &self.transport {
            Transport::Ssh(ssh) => ssh.sudo_password(&self.destination, deadline).await,
            Transport::Local(_) => Ok(None),
        }
    }
}

fn trouble(error: TransportError) -> Trouble {
    let Failure { code, text, hint } = error.into();
    Trouble { code, text, hint }
}

impl Dial for Dialler {
    async fn dial(&self, nonce: &Nonce) -> Result<Wire, Trouble> {
        let deadline = Instant::now() + limits::CONNECT.saturating_sub(OWN_WORDS);
        let prompt = Nonce::mint();
        let command = match self.acting {
            Acting::AsOneself => command_line(nonce),
            Acting::AsRoot => command_line_as_root(nonce, &prompt),
        };
        let mut channel = self.transport.open(&self.destination, &command, deadline).await.map_err(trouble)?;
        let head = match self.acting {
            Acting::AsOneself => Vec::new(),
            Acting::AsRoot => sudo::answer(&mut channel, nonce, &prompt, self.password(deadline)).await?,
        };
        if let Ok(mut route) = self.route.lock() {
            *route = Some(channel.route().clone());
        }
        let mut control = channel.control;
        let end = move || -> crate::line::End {
            Box::pin(async move {
                match control.wait().await {
                    towline_transport::End::Failed(error) => Ending::Failed(trouble(error)),
                    towline_transport::End::Exited(status) => {
                        let (words, _) = towline_base::visible::to_text(control.stderr().trim_ascii());
                        Ending::Exited(format!("the remote program ended with status {status}: {words}"))
                    }
                }
            })
        };
        let output = std::io::Cursor::new(head).chain(channel.output);
        Ok(Wire { input: Box::new(channel.input), output: Box::new(output), end: Box::new(end) })
    }

    async fn is_let_in(&self) -> bool {
        match &self.transport {
            Transport::Ssh(ssh) => ssh.is_let_in(&self.destination).await,
            Transport::Local(_) => false,
        }
    }

    async fn distrust(&self) {
        let route = self.route.lock().ok().and_then(|mut route| route.take());
        if let (Transport::Ssh(ssh), Some(route)) = (&self.transport, route) {
            ssh.abandon(&self.destination, &route).await;
        }
    }
}
