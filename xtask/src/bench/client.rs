//! A small MCP client: newline-delimited JSON-RPC over the stdio of one `towline mcp`.
//!
//! Holds to: it adds no work of its own to a measured time but one write and one read. Leaves out: everything of MCP that the
//! benchmark does not need; the demo and the tests use the official library.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::{self, Outcome, Trouble};

/// How long an answer may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<(Instant, Value)>,
    next_id: u64,
}

/// One call's answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// The text that an agent reads.
    pub(super) text: String,
    /// Milliseconds from the request's write to the answer's read.
    pub(super) ms: f64,
}

/// A tool's name and its arguments.
pub(super) type Request = (&'static str, Value);

impl Server {
    /// Starts the server, and does not speak yet.
    pub(super) fn spawn(binary: &Path, environment: &[(OsString, OsString)]) -> Outcome<Self> {
        let mut command = run::command(binary);
        command.arg("mcp").env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| Trouble::new("the server has no stdout"))?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let now = Instant::now();
                let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({"not json": line}));
                if sender.send((now, value)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, answers, next_id: 1 })
    }

    /// Starts the server and introduces itself.
    pub(super) fn start(binary: &Path, environment: &[(OsString, OsString)]) -> Outcome<Self> {
        let mut server = Self::spawn(binary, environment)?;
        server.ask_all(&[server_hello()])?;
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(server)
    }

    /// Introduces itself and asks for the tools in one go; returns the tools' JSON and the milliseconds since `begin`.
    pub(super) fn first_list(&mut self, begin: Instant) -> Outcome<(Value, f64)> {
        self.send(&request(0, "initialize", &server_hello().1))?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        let mut answers = self.ask_all(&[("tools/list", json!({}))])?;
        let (value, at) = answers.pop().ok_or_else(|| Trouble::new("no answer to tools/list"))?;
        Ok((value["result"].clone(), ms(at.saturating_duration_since(begin))))
    }

    /// Calls one tool.
    pub(super) fn call(&mut self, tool: &'static str, arguments: Value) -> Outcome<Answer> {
        let mut answers = self.call_all(&[(tool, arguments)])?;
        answers.pop().ok_or_else(|| Trouble(format!("{tool}: no answer")))
    }

    /// Calls tools side by side; the answers come in the order of the requests, each with its own time.
    pub(super) fn call_all(&mut self, requests: &[Request]) -> Outcome<Vec<Answer>> {
        let tools: Vec<&str> = requests.iter().map(|(tool, _)| *tool).collect();
        let calls: Vec<_> =
            requests.iter().map(|(tool, arguments)| ("tools/call", json!({"name": tool, "arguments": arguments}))).collect();
        let begin = Instant::now();
        let answers = self.ask_all(&calls)?;
        let each = answers.into_iter().zip(tools).map(|((value, at), tool)| {
            let text = text_of(&value).map_err(|Trouble(text)| Trouble(format!("{tool}: {text}")))?;
            Ok(Answer { text, ms: ms(at.saturating_duration_since(begin)) })
        });
        each.collect()
    }

    /// The server's process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ask_all(&mut self, requests: &[(&str, Value)]) -> Outcome<Vec<(Value, Instant)>> {
        let first = self.next_id;
        for (method, params) in requests {
            self.send(&request(self.next_id, method, params))?;
            self.next_id += 1;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut found: HashMap<u64, (Value, Instant)> = HashMap::new();
        while found.len() < requests.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let (at, value) = self.answers.recv_timeout(left).map_err(|_| Trouble::new("the server does not answer"))?;
            if let Some(id) = value["id"].as_u64().filter(|id| (first..self.next_id).contains(id)) {
                found.insert(id, (value, at));
            }
        }
        Ok((first..self.next_id).filter_map(|id| found.remove(&id)).collect())
    }

    fn send(&mut self, message: &Value) -> Outcome<()> {
        let stdin = self.stdin.as_mut().ok_or_else(|| Trouble::new("the server's stdin is closed"))?;
        stdin.write_all(format!("{message}\n").as_bytes())?;
        Ok(stdin.flush()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time in milliseconds.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn server_hello() -> (&'static str, Value) {
    let client = json!({"name": "towline-bench", "version": "1"});
    ("initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}))
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// The text of a tool's answer; a tool that could not do its work is trouble.
fn text_of(answer: &Value) -> Outcome<String> {
    if let Some(message) = answer["error"]["message"].as_str() {
        return Err(Trouble::new(message));
    }
    let parts = answer["result"]["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    if answer["result"]["isError"].as_bool() == Some(true) { Err(Trouble(text)) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_text_and_an_error_is_trouble() {
        let good = json!({"result": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}});
        assert_eq!(text_of(&good), Ok("ab".to_owned()));
        let bad = json!({"result": {"isError": true, "content": [{"type": "text", "text": "no such file"}]}});
        assert_eq!(text_of(&bad), Err(Trouble::new("no such file")));
        assert_eq!(text_of(&json!({"error": {"code": -32602, "message": "unknown tool"}})), Err(Trouble::new("unknown tool")));
    }

    /// A server that holds its first answer back until it was asked a second time.
    const BACKWARDS: &str = r#"#!/bin/sh
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"of %s"}]}}\n' "$1" "$1"; }
while read -r line; do
    id=${line#*\"id\":} id=${id%%,*}
    case $line in
        *initialized*) ;;
        *'"initialize"'*) answer "$id" ;;
        *) if [ -n "${held-}" ]; then answer "$id"; answer "$held"; held=; else held=$id; fi ;;
    esac
done
"#;

    #[test]
    fn answers_find_their_requests_in_whatever_order_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let (text, program) = (dir.path().join("text"), dir.path().join("server"));
        std::fs::write(&text, BACKWARDS).unwrap();
        // Copied by another process: while we hold it open for writing, a child of another test would make it busy.
        run::run(run::command("install").args(["-m", "755"]).args([&text, &program])).unwrap();
        let path = ("PATH".into(), run::variable("PATH").unwrap_or_default().into());
        let mut server = Server::start(&program, &[path]).unwrap();
        let answers = server.call_all(&[("Stat", json!({})), ("Read", json!({}))]).unwrap();
        assert_eq!((answers[0].text.as_str(), answers[1].text.as_str()), ("of 2", "of 3"));
        assert!(answers[0].ms >= answers[1].ms);
    }
}
