//! The stdio transport: one JSON-RPC message a line, read within a bound, written whole by one writer.
//!
//! Holds to: what comes in never ends the process (garbage, batches, giants, a notification before the lifecycle is
//! chosen) and every request gets an answer; the end of input and a broken output begin the shutdown at once.
//! Leaves out: what the messages mean.

use std::collections::VecDeque;
use std::future::Future;
use std::io;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ClientRequest, CustomRequest, ErrorData, GetMeta as _, JsonRpcMessage, ProtocolVersion, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use towline_base::limits;

use crate::message_id::IdFinder;
use crate::receipts::Receipts;

/// Messages that wait for the writer.
const WAITING: usize = 64;
/// Errors that wait for a client that does not read; it gets no more of them.
const UNREAD_ERRORS: usize = 256;
/// The requests that this server answers: one of them that is not in its form has wrong parameters, and is no unknown method.
const METHODS: [&str; 5] = ["initialize", "ping", "server/discover", "tools/list", "tools/call"];

type Incoming = RxJsonRpcMessage<RoleServer>;

/// The transport over a reader and a writer.
pub(crate) struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    /// Within a line that is too long: what was seen of it.
    skipping: Option<IdFinder>,
    /// Errors that wait for the writer.
    replies: VecDeque<Vec<u8>>,
    /// Whether the client has chosen a lifecycle.
    begun: bool,
    out: Option<mpsc::Sender<Message>>,
    receipts: Receipts,
    closing: CancellationToken,
}

impl<R: AsyncRead + Send + Unpin> Lines<R> {
    /// A transport, and its writer's end: it comes when the transport is closed or dropped and everything was written.
    /// `closing` is cancelled when input ends or output breaks; who waits in `receipts` is told of the answers that were written.
    pub(crate) fn new(
        read: R,
        write: impl AsyncWrite + Send + Unpin + 'static,
        receipts: Receipts,
        closing: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (out, messages) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write_all(write, messages, closing.clone()));
        let lines = Self {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Vec::new(),
            skipping: None,
            replies: VecDeque::new(),
            begun: false,
            out: Some(out),
            receipts,
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
            let part = &available[..taken];
            if let Some(finder) = &mut self.skipping {
                finder.pass(part);
            } else if self.line.len() + taken > limits::MESSAGE_BYTES {
                let finder = self.skipping.insert(IdFinder::default());
                finder.pass(&std::mem::take(&mut self.line));
                finder.pass(part);
            } else {
                self.line.extend_from_slice(part);
            }
            self.read.consume(taken);
            if newline.is_some() {
                if let Some(finder) = self.skipping.take() {
                    return Some(Line::TooLong(finder.found()));
                }
                return Some(Line::Whole(std::mem::take(&mut self.line)));
            }
        }
    }

    fn reply(&mut self, id: Option<RequestId>, error: ErrorData) {
        if self.replies.len() < UNREAD_ERRORS {
            self.replies.extend(encode(&ServerJsonRpcMessage::error(error, id)));
        } else {
            tracing::warn!("the client does not read; an error was left out");
        }
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
                    self.reply(None, ErrorData::invalid_request(text, None));
                }
                for id in ids {
                    self.reply(Some(id), ErrorData::invalid_request(text, None));
                }
            }
            Ok(value) if value.get("method").is_some() && value.get("id").is_none() => {
                tracing::debug!("a notification of an unknown form was left out");
            }
            Ok(value) => self.reply(id_of(&value), no_message(&value)),
            Err(error) => {
                let mut finder = IdFinder::default();
                finder.pass(line);
                if let Some(id) = finder.found() {
                    self.reply(Some(id), ErrorData::parse_error(format!("this line is not JSON: {error}"), None));
                } else {
                    tracing::warn!(%error, bytes = line.len(), "a line that is not JSON was left out");
                }
            }
        }
        None
    }

    /// Answers a request whose parameters are not in its form; holds back what is not a request until the client has chosen a
    /// lifecycle: the service would end on it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's list of requests grows")]
    fn admit(&mut self, message: Incoming) -> Option<Incoming> {
        if let Incoming::Request(request) = &message
            && let ClientRequest::CustomRequest(custom) = &request.request
            && METHODS.contains(&custom.method.as_str())
        {
            self.reply(Some(request.id.clone()), ErrorData::invalid_params(misfit(custom), None));
            return None;
        }
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
    /// Its id, where it had one.
    TooLong(Option<RequestId>),
}

fn id_of(value: &Value) -> Option<RequestId> {
    value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok())
}

/// What is wrong with a value that is no message.
fn no_message(value: &Value) -> ErrorData {
    let request = value["jsonrpc"] == "2.0" && value["method"].is_string() && id_of(value).is_some();
    match value.get("params") {
        Some(params) if request && !params.is_object() => ErrorData::invalid_params("params must be an object", None),
        Some(_) if request => ErrorData::invalid_params("params do not have the form of a request's", None),
        _ => ErrorData::invalid_request("this is JSON, but no JSON-RPC 2.0 message", None),
    }
}

/// Why the parameters of a request are not those of its method.
fn misfit(request: &CustomRequest) -> String {
    let params = request.params.clone().unwrap_or(Value::Null);
    let method = &request.method;
    if !params.is_object() {
        return format!("{method}: params must be an object");
    }
    let why = if method == "tools/call" { serde_json::from_value::<CallToolRequestParams>(params).err() } else { None };
    why.map_or_else(|| format!("{method}: params do not have the form of this method"), |error| format!("{method}: {error}"))
}

fn encode(message: &TxJsonRpcMessage<RoleServer>) -> Option<Vec<u8>> {
    let mut bytes = serde_json::to_vec(message).inspect_err(|error| tracing::error!(%error, "a message cannot be written")).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

async fn write_all(mut write: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Message>, closing: CancellationToken) {
    while let Some(message) = messages.recv().await {
        let written = async {
            write.write_all(&message.bytes).await?;
            write.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "standard output is gone");
            closing.cancel();
            return;
        }
        if let Some(told) = message.told {
            told.cancel();
        }
    }
}

/// A message for the writer, and who is told that it was written.
struct Message {
    bytes: Vec<u8>,
    told: Option<CancellationToken>,
}

/// The request that a message answers.
fn answered(message: &TxJsonRpcMessage<RoleServer>) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the output is closed")
}

impl<R: AsyncRead + Send + Unpin> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let out = self.out.clone();
        let told = answered(&item).and_then(|id| self.receipts.take(id));
        async move {
            let out = out.ok_or_else(gone)?;
            let bytes = encode(&item).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            out.send(Message { bytes, told }).await.map_err(|_| gone())
        }
    }

    async fn receive(&mut self) -> Option<Incoming> {
        loop {
            let line = if self.replies.is_empty() {
                self.next_line().await
            } else {
                // Input is read on while an error waits: its end must be seen even if the client does not read.
                let out = self.out.clone()?;
                tokio::select! {
                    biased;
                    place = out.reserve() => {
                        place.ok()?.send(Message { bytes: self.replies.pop_front().unwrap_or_default(), told: None });
                        continue;
                    }
                    line = self.next_line() => line,
                }
            };
            match line {
                Some(Line::Whole(line)) => {
                    if let Some(message) = self.take(&line) {
                        return Some(message);
                    }
                }
                Some(Line::TooLong(id)) => {
                    let text = format!("a message was longer than {} bytes and was left out", limits::MESSAGE_BYTES);
                    tracing::warn!("{text}");
                    self.reply(id, ErrorData::invalid_request(text, None));
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
