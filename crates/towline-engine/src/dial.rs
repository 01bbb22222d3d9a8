//! How a line gets its channels: towline-transport's, with its errors turned into the line's troubles.

use std::sync::Mutex;
use std::time::Instant;

use towline_base::{Failure, limits};
use towline_proto::recovery::Trouble;
use towline_transport::{Destination, Route, Transport, TransportError};

use crate::line::{Dial, Ending, Wire};

/// One destination over one transport.
pub(crate) struct Dialler {
    transport: Transport,
    destination: Destination,
    /// Over what the last channel went.
    route: Mutex<Option<Route>>,
}

impl Dialler {
    pub(crate) fn new(transport: Transport, destination: Destination) -> Self {
        Self { transport, destination, route: Mutex::new(None) }
    }
}

fn trouble(error: TransportError) -> Trouble {
    let Failure { code, text, hint } = error.into();
    Trouble { code, text, hint }
}

impl Dial for Dialler {
    async fn dial(&self, command: String) -> Result<Wire, Trouble> {
        let deadline = Instant::now() + limits::CONNECT;
        let channel = self.transport.open(&self.destination, &command, deadline).await.map_err(trouble)?;
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
        Ok(Wire { input: Box::new(channel.input), output: Box::new(channel.output), end: Box::new(end) })
    }

    async fn distrust(&self) {
        let route = self.route.lock().ok().and_then(|mut route| route.take());
        if let (Transport::Ssh(ssh), Some(route)) = (&self.transport, route) {
            ssh.abandon(&self.destination, &route).await;
        }
    }
}
