//! A stand-in for the engine whose answers are scripted, and a client that speaks raw lines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use towline_base::{Code, Failure, Handle, HostAlias};
use towline_engine::answer::{Body, Excerpt, Execution, State};
use towline_engine::{Action, Answer, Ask, Call, Context, Progress};
use towline_mcp::{Conversation, Ending, Selection, Server, Settings, Work};

/// Longest that a test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Says what was asked; Bash commands are words of a small language of their own.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) seen: Arc<Mutex<Vec<(Call, String, String)>>>,
    /// What happened, in words, in order.
    pub(crate) events: Arc<Mutex<Vec<String>>>,
    pub(crate) happened: Arc<Notify>,
    pub(crate) in_work: Arc<Mutex<(usize, usize)>>,
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// Of each call, whether its answer was written out.
    pub(crate) told: Arc<Mutex<Vec<CancellationToken>>>,
}

impl Scripted {
    fn tell(&self, event: &str) {
        self.events.lock().unwrap().push(event.to_owned());
        self.happened.notify_waiters();
    }

    /// Waits until that event was told.
    pub(crate) async fn until(&self, event: &str) {
        let wait = async {
            loop {
                let notified = self.happened.notified();
                tokio::pin!(notified);
                notified.as_mut().enable();
                if self.events.lock().unwrap().iter().any(|e| e == event) {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {event}; {:?}", self.events.lock().unwrap()));
    }

    async fn bash(&self, command: &str, context: &Context) -> Result<Answer, Failure> {
        self.tell(&format!("begin {command}"));
        match command {
            "panic" => panic!("as it was told to"),
            "wait" => tokio::select! {
                () = context.cancel.cancelled() => { self.tell("cancelled"); Ok(done("partial", State::Killed("TERM".into()))) }
                () = context.closing.cancelled() => { self.tell("closing"); Err(Failure::new(Code::LinkLost, "gave up")) }
            },
            "deaf" => {
                context.cancel.cancelled().await;
                self.tell("cancelled");
                std::future::pending().await
            }
            "gate" => {
                let gate = self.gate.clone().expect("the test gave a gate");
                {
                    let mut counts = self.in_work.lock().unwrap();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                }
                gate.acquire().await.expect("the gate stays").forget();
                self.in_work.lock().unwrap().0 -= 1;
                Ok(done("", State::Exited(0)))
            }
            "chatty" => {
                let progress = context.progress.clone();
                for n in 0..250_u64 {
                    if let Some(tell) = &progress {
                        tell(Progress { elapsed: Duration::from_millis(n * 10), bytes: n * 100, last_line: format!("line {n}") });
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(done("", State::Exited(0)))
            }
            "ask" | "ask again" => {
                let Some(asker) = &context.ask else { return Ok(done("nobody can be asked", State::Exited(0))) };
                let about = "Bash on h has to be confirmed (a rule)".to_owned();
                let reply = asker(Ask { about, what: "rm \u{1b}[2J x".to_owned() }).await;
                Ok(done(&format!("{reply:?}"), State::Exited(0)))
            }
            "fail" => Err(Failure::new(Code::Refused, "nobody listens on port 22")),
            "native" => Err(Failure::new(Code::NotFound, "File does not exist.").hint("")),
            other => Ok(done(other, State::Exited(0))),
        }
    }
}

pub(crate) fn done(output: &str, state: State) -> Answer {
    let bytes = output.as_bytes().to_vec();
    let stdout = Excerpt { total: bytes.len() as u64, head: bytes, ..Excerpt::default() };
    let id = Handle::parse("k3f9xx").unwrap();
    let duration = Some(Duration::from_millis(1240));
    let body =
        Body::Execution(Execution { id, state, duration, cwd: Some("/srv/app".into()), stdout, stderr: None, moved_to_background: None });
    Answer { body, notes: Vec::new() }
}

impl Work for Scripted {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only commands are scripted")]
    async fn perform(&self, call: Call, context: Context) -> Result<Answer, Failure> {
        self.told.lock().unwrap().push(context.told.clone());
        self.seen.lock().unwrap().push((call.clone(), context.own_session.to_string(), context.client.clone()));
        match &call.action {
            Action::Bash(bash) => self.bash(&bash.command, &context).await,
            _ => Ok(Answer { body: Body::Text("done".into()), notes: Vec::new() }),
        }
    }

    async fn told(&self) {}

    async fn close(&self) {
        self.tell("closed");
    }
}

pub(crate) fn settings(set: &str, host: Option<&str>) -> Settings {
    Settings {
        host: host.map(|name| HostAlias::parse(name).unwrap()),
        default_host: None,
        tools: Selection::parse(set).unwrap(),
        conversation: Conversation::default(),
    }
}

/// A client that writes and reads raw lines.
pub(crate) struct Client {
    pub(crate) write: Option<WriteHalf<DuplexStream>>,
    pub(crate) read: BufReader<ReadHalf<DuplexStream>>,
    pub(crate) server: JoinHandle<Ending>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    /// What came without being waited for.
    pub(crate) aside: Vec<Value>,
}

impl Client {
    pub(crate) fn start(work: Scripted, settings: Settings) -> Self {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        let (stop, stopped) = oneshot::channel::<()>();
        let (server_read, server_write) = tokio::io::split(theirs);
        let stop_when = async move {
            // Dropping the sender is no request to stop.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let server = tokio::spawn(towline_mcp::serve(Server::new(work, settings), server_read, server_write, stop_when));
        let (read, write) = tokio::io::split(ours);
        Self { write: Some(write), read: BufReader::new(read), server, stop: Some(stop), aside: Vec::new() }
    }

    /// A server with every tool and no pinned host.
    pub(crate) fn plain(work: &Scripted) -> Self {
        Self::start(work.clone(), settings("all", None))
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let write = self.write.as_mut().expect("input is open");
        tokio::time::timeout(DEADLINE, write.write_all(bytes)).await.expect("the server reads").unwrap();
    }

    pub(crate) async fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        self.raw(format!("{message}\n").as_bytes()).await;
    }

    /// The next message, whatever it is.
    pub(crate) async fn next(&mut self) -> Value {
        let mut line = String::new();
        let read = tokio::time::timeout(DEADLINE, self.read.read_line(&mut line)).await.expect("the server answers");
        assert!(read.unwrap() > 0, "the server closed its output");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    /// The answer with this id; everything before it goes aside.
    pub(crate) async fn answer(&mut self, id: &Value) -> Value {
        if let Some(at) = self.aside.iter().position(|m| m["id"] == *id && m.get("method").is_none()) {
            return self.aside.remove(at);
        }
        loop {
            let message = self.next().await;
            if message["id"] == *id && message.get("method").is_none() {
                return message;
            }
            self.aside.push(message);
        }
    }

    pub(crate) async fn request(&mut self, message: Value) -> Value {
        let id = message["id"].clone();
        self.send(message).await;
        self.answer(&id).await
    }

    pub(crate) async fn initialize(&mut self, version: &str) -> Value {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        let answer = self.request(json!({"id": 1, "method": "initialize", "params": params})).await;
        self.send(json!({"method": "notifications/initialized"})).await;
        answer
    }

    /// Sends a call and does not wait.
    pub(crate) async fn begin(&mut self, id: u32, tool: &str, arguments: Value) {
        self.send(json!({"id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})).await;
    }

    /// Calls a tool; its error flag and its text.
    pub(crate) async fn call(&mut self, id: u32, tool: &str, arguments: Value) -> (bool, String) {
        self.begin(id, tool, arguments).await;
        let answer = self.answer(&json!(id)).await;
        let result = &answer["result"];
        assert!(result.is_object(), "{answer}");
        (result["isError"] == true, result["content"][0]["text"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn bash(&mut self, id: u32, command: &str) {
        self.begin(id, "Bash", json!({"host": "h", "command": command})).await;
    }

    /// Closes the client's end of the server's input.
    pub(crate) async fn close_input(&mut self) {
        self.write.take().expect("input is open").shutdown().await.unwrap();
    }

    /// Waits for the server's end and says how long it took.
    pub(crate) async fn end(self) -> (Ending, Duration) {
        let began = std::time::Instant::now();
        let ending = tokio::time::timeout(DEADLINE, self.server).await.expect("the server ends").unwrap();
        (ending, began.elapsed())
    }
}
