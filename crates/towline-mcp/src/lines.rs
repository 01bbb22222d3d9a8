//! The stdio transport: one JSON-RPC message a line, read within a bound, written whole by one writer.
//!
//! Holds to: what comes in never ends the process (garbage, batches, giants, a notification before the lifecycle is
//! chosen) and every request gets an answer; the end of input and a broken output begin the shutdown at once.
//! Leaves out: what the messages mean.

use std::collections::VecDeque;
use std::future::Future;
use std::io;

use rmcp::RoleServer;
use rmcp::model::{ClientRequest, ErrorData, GetMeta as _, ProtocolVersion, RequestId, ServerJsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use towline_base::limits;

/// Messages that wait for the writer.
const WAITING: usize = 64;

type Incoming = RxJsonRpcMessage<RoleServer>;

/// The transport over a reader and a writer.
pub(crate) struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    /// Within a line that is too long.
    skipping: bool,
    /// Errors that are to be written before anything else is read.
    replies: VecDeque<Vec<u8>>,
    /// Whether the client has chosen a lifecycle.
    begun: bool,
    out: Option<mpsc::Sender<Vec<u8>>>,
    closing: CancellationToken,
}

impl<R: AsyncRead + Send + Unpin> Lines<R> {
    /// A transport, and its writer's end: it comes when the transport is closed or dropped and everything was written.
    /// `closing` is cancelled when input ends or output breaks.
    pub(crate) fn new(read: R, write: impl AsyncWrite + Send + Unpin + 'static, closing: CancellationToken) -> (Self, JoinHandle<()>) {
        let (out, messages) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write_all(write, messages, closing.clone()));
        let lines = Self {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Vec::new(),
            skipping: false,
            replies: VecDeque::new(),
            begun: false,
            out: Some(out),
            closing,
        };
        (lines, writer)
    }

    /// The next whole line, without its end; `None` at the end of input. Keeps what it has if it is dropped.
    async fn next_line(&mut self) -> Option<Line> {
        loop {
            let available = match self.read.fill_buf().await {
                Ok([]) => return None,
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(%error, "standard input cannot be read");
                    return None;
                }
            };
            let newline = available.iter().position(|b| *b == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            if !self.skipping {
                if self.line.len() + taken > limits::MESSAGE_BYTES {
                    self.skipping = true;
                    self.line = Vec::new();
                } else {
                    self.line.extend_from_slice(&available[..taken]);
                }
            }
            self.read.consume(taken);
            if newline.is_some() {
                if std::mem::take(&mut self.skipping) {
                    return Some(Line::TooLong);
                }
                return Some(Line::Whole(std::mem::take(&mut self.line)));
            }
        }
    }

    fn reply(&mut self, id: Option<RequestId>, text: String) {
        let message = ServerJsonRpcMessage::error(ErrorData::invalid_request(text, None), id);
        self.replies.extend(encode(&message));
    }

    /// What a line means: a message to hand on, or nothing (errors are queued as replies).
    fn take(&mut self, line: &[u8]) -> Option<Incoming> {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii();
        if line.is_empty() {
            return None;
        }
        let message = Some(line).filter(|line| line[0] != b'[').and_then(|line| serde_json::from_slice::<Incoming>(line).ok());
        if let Some(message) = message {
            return self.admit(message);
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(Value::Array(batch)) => {
                let text = "batches are not part of this protocol: send one message a line";
                let ids: Vec<_> = batch.iter().filter_map(id_of).collect();
                if ids.is_empty() {
                    self.reply(None, text.to_owned());
                }
                for id in ids {
                    self.reply(Some(id), text.to_owned());
                }
            }
            Ok(value) if value.get("method").is_some() && value.get("id").is_none() => {
                tracing::debug!("a notification of an unknown form was left out");
            }
            Ok(value) => self.reply(id_of(&value), "this is JSON, but no JSON-RPC 2.0 message".to_owned()),
            Err(error) => {
                if let Some(id) = salvaged_id(line) {
                    let data = ErrorData::parse_error(format!("this line is not JSON: {error}"), None);
                    self.replies.extend(encode(&ServerJsonRpcMessage::error(data, Some(id))));
                } else {
                    tracing::warn!(%error, bytes = line.len(), "a line that is not JSON was left out");
                }
            }
        }
        None
    }

    /// Holds back what is not a request until the client has chosen a lifecycle: the service would end on it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's list of requests grows")]
    fn admit(&mut self, message: Incoming) -> Option<Incoming> {
        if self.begun {
            return Some(message);
        }
        let Incoming::Request(request) = &message else {
            tracing::debug!("a message before the beginning of the lifecycle was left out");
            return None;
        };
        self.begun = match &request.request {
            ClientRequest::InitializeRequest(_) => true,
            ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
            other => {
                let meta = other.get_meta();
                let known = meta.protocol_version().is_some_and(|v| ProtocolVersion::KNOWN_VERSIONS.contains(&v));
                known && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
            }
        };
        Some(message)
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
}

fn id_of(value: &Value) -> Option<RequestId> {
    value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok())
}

/// The id of a message that is not JSON as a whole (a lone surrogate in a text, say), so that its caller need not wait for ever:
/// the first number that stands as an `"id"`, else the first text.
fn salvaged_id(line: &[u8]) -> Option<RequestId> {
    const NAME: &[u8] = b"\"id\"";
    let places = line.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).map(|(at, _)| at + NAME.len());
    let value = |at: usize| {
        let rest = line[at..].trim_ascii_start().strip_prefix(b":")?;
        serde_json::Deserializer::from_slice(rest).into_iter::<Value>().next()?.ok()
    };
    let ids: Vec<Value> = places.take(64).filter_map(value).filter(|id| id.is_number() || id.is_string()).collect();
    let id = ids.iter().find(|id| id.is_number()).or_else(|| ids.first())?;
    serde_json::from_value(id.clone()).ok()
}

fn encode(message: &TxJsonRpcMessage<RoleServer>) -> Option<Vec<u8>> {
    let mut bytes = serde_json::to_vec(message).inspect_err(|error| tracing::error!(%error, "a message cannot be written")).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

async fn write_all(mut write: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Vec<u8>>, closing: CancellationToken) {
    while let Some(message) = messages.recv().await {
        let written = async {
            write.write_all(&message).await?;
            write.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "standard output is gone");
            closing.cancel();
            return;
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the output is closed")
}

impl<R: AsyncRead + Send + Unpin> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let out = self.out.clone();
        async move {
            let out = out.ok_or_else(gone)?;
            let bytes = encode(&item).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            out.send(bytes).await.map_err(|_| gone())
        }
    }

    async fn receive(&mut self) -> Option<Incoming> {
        loop {
            while !self.replies.is_empty() {
                // Room is waited for first, so that nothing is lost if this is dropped meanwhile.
                let place = self.out.as_ref()?.reserve().await.ok()?;
                place.send(self.replies.pop_front().unwrap_or_default());
            }
            match self.next_line().await {
                Some(Line::Whole(line)) => {
                    if let Some(message) = self.take(&line) {
                        return Some(message);
                    }
                }
                Some(Line::TooLong) => {
                    let text = format!("a message was longer than {} bytes and was left out", limits::MESSAGE_BYTES);
                    tracing::warn!("{text}");
                    self.reply(None, text);
                }
                None => {
                    self.closing.cancel();
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.out = None;
        Ok(())
    }
}
