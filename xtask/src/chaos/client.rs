//! A towline over MCP stdio that can be killed at any moment and started again, with any number of calls in work.
//!
//! Holds to: each request has one answer or the process ended before; an answer too many is kept to be told. Leaves out: what
//! the answers say.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::{self, Outcome, Trouble};

/// How long a process may take until it has introduced itself: the machine is busy.
const HELLO: Duration = Duration::from_secs(60);

/// What came of a call.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer, and whether it is an error.
    Answer(String, bool),
    /// The process ended before it answered.
    Gone,
    /// Nothing came in the time that there was.
    Nothing,
}

/// How a towline is started.
#[derive(Debug)]
pub(super) struct Towline {
    /// The key of its conversation.
    pub(super) key: String,
    binary: PathBuf,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
    life: Mutex<Option<Arc<Life>>>,
    next_id: AtomicU64,
    /// Answers that nobody had asked for, or that came twice.
    pub(super) surplus: Arc<Mutex<Vec<String>>>,
}

/// One process of it.
#[derive(Debug)]
struct Life {
    child: Mutex<Child>,
    stdin: Mutex<ChildStdin>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    over: bool,
    calls: HashMap<u64, Sender<Value>>,
    answered: HashSet<u64>,
}

/// A call that was made.
pub(super) struct Asked {
    life: Option<Arc<Life>>,
    id: u64,
    answer: Receiver<Value>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Towline {
    /// One that is not started yet.
    pub(super) fn new(key: String, binary: PathBuf, environment: Vec<(OsString, OsString)>, log: PathBuf) -> Self {
        let (life, next_id, surplus) = (Mutex::new(None), AtomicU64::new(1), Arc::default());
        Self { key, binary, environment, log, life, next_id, surplus }
    }

    /// Starts it, and waits until it has introduced itself.
    pub(super) fn start(&self) -> Outcome<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = run::command(&self.binary);
        command.arg("mcp").env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("TOWLINE_SESSION_KEY", &self.key).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { return Err(Trouble::new("no pipes")) };
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (theirs, surplus) = (waiting.clone(), self.surplus.clone());
        std::thread::spawn(move || listen(stdout, &theirs, &surplus));
        *lock(&self.life) = Some(Arc::new(Life { child: Mutex::new(child), stdin: Mutex::new(stdin), waiting }));
        let client = json!({"name": "chaos", "version": "1"});
        let hello = self.ask("initialize", &json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}));
        match hello.answer.recv_timeout(HELLO) {
            Ok(_) => {
                hello.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
                Ok(())
            }
            Err(_) => Err(Trouble::new("towline does not introduce itself")),
        }
    }

    /// kill -9; false if it does not live.
    pub(super) fn kill(&self) -> bool {
        let Some(life) = lock(&self.life).take() else { return false };
        let mut child = lock(&life.child);
        let _ = child.kill();
        let _ = child.wait();
        true
    }

    /// Lets it end as a client does, and says whether it did so in time.
    pub(super) fn close(&self) -> bool {
        let Some(life) = lock(&self.life).take() else { return true };
        let mut child = lock(&life.child);
        towline_testkit::process::terminate(child.id());
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if !matches!(child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    /// Whether a process of it is there.
    pub(super) fn lives(&self) -> bool {
        lock(&self.life).is_some()
    }

    /// Calls a tool; the answer is waited for by [`Asked::reply`].
    pub(super) fn call(&self, tool: &str, arguments: &Value) -> Asked {
        self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a ping.
    pub(super) fn ping(&self) -> Asked {
        self.ask("ping", &json!({}))
    }

    fn ask(&self, method: &str, params: &Value) -> Asked {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = channel();
        let life = lock(&self.life).clone();
        let asked = Asked { life, id, answer };
        if let Some(life) = &asked.life {
            let mut waiting = lock(&life.waiting);
            if !waiting.over {
                waiting.calls.insert(id, sender);
                drop(waiting);
                asked.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
            }
        }
        asked
    }
}

impl Asked {
    /// What came of it.
    pub(super) fn reply(&self, within: Duration) -> Reply {
        match self.answer.recv_timeout(within) {
            Ok(value) => {
                let parts = value["result"]["content"].as_array().map(Vec::as_slice).unwrap_or_default();
                let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
                match value["error"]["message"].as_str() {
                    Some(message) => Reply::Answer(message.to_owned(), true),
                    None => Reply::Answer(text, value["result"]["isError"].as_bool() == Some(true)),
                }
            }
            Err(RecvTimeoutError::Disconnected) => Reply::Gone,
            Err(RecvTimeoutError::Timeout) => Reply::Nothing,
        }
    }

    /// Tells towline that nobody wants it any more.
    pub(super) fn cancel(&self) {
        self.write(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": self.id}}));
    }

    fn write(&self, message: &Value) {
        if let Some(life) = &self.life {
            // Where the process has gone, its reader says so.
            let _ = lock(&life.stdin).write_all(format!("{message}\n").as_bytes());
        }
    }
}

/// Hands out the answers until the process ends.
fn listen(stdout: ChildStdout, waiting: &Mutex<Waiting>, surplus: &Mutex<Vec<String>>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        // A process that was killed may end within a line.
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = value["id"].as_u64() else { continue };
        let mut waiting = lock(waiting);
        if !waiting.answered.insert(id) {
            lock(surplus).push(line);
        } else if let Some(sender) = waiting.calls.remove(&id) {
            let _ = sender.send(value);
        } else {
            lock(surplus).push(line);
        }
    }
    let mut waiting = lock(waiting);
    waiting.over = true;
    waiting.calls.clear();
}
