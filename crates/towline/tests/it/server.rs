//! `towline mcp` as clients start and end it: pipes, sockets, signals, an output that breaks.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::towline;

const DEADLINE: Duration = Duration::from_secs(10);
/// What is promised for the end of the process.
const PROMPT: Duration = Duration::from_millis(500);

/// A running server; it does not outlive the test.
struct Server {
    child: Child,
    write: Option<Box<dyn Write>>,
    read: BufReader<Box<dyn Read>>,
    _home: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Over two pipes, as most clients do.
    fn piped(words: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = towline(&home);
        command.arg("mcp").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let write: Box<dyn Write> = Box::new(child.stdin.take().unwrap());
        let read: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        Self { child, write: Some(write), read: BufReader::new(read), _home: home }
    }

    /// Over sockets, as clients written for Node do.
    fn socketed() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ((input, theirs_in), (output, theirs_out)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let (stdin, stdout) = (std::os::fd::OwnedFd::from(theirs_in), std::os::fd::OwnedFd::from(theirs_out));
        let child = towline(&home).arg("mcp").stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
        Self { child, write: Some(Box::new(input)), read: BufReader::new(Box::new(output)), _home: home }
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        let write = self.write.as_mut().unwrap();
        write.write_all(format!("{message}\n").as_bytes()).unwrap();
        write.flush().unwrap();
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    fn initialize(&mut self) -> Value {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        self.send(json!({"id": 1, "method": "initialize", "params": params}));
        let answer = self.next();
        self.send(json!({"method": "notifications/initialized"}));
        answer
    }

    fn signal(&self, name: &str) {
        let pid = rustix_pid(&self.child);
        let signal = if name == "INT" { rustix::process::Signal::INT } else { rustix::process::Signal::TERM };
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end: how it was, and how long it took.
    fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < DEADLINE, "the server did not end");
            std::thread::yield_now();
        }
    }
}

fn rustix_pid(child: &Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

fn both() -> [Server; 2] {
    [Server::piped(&[]), Server::socketed()]
}

#[test]
fn the_list_is_answered_at_once_and_nothing_but_messages_is_on_stdout() {
    for mut server in both() {
        assert_eq!(server.initialize()["result"]["serverInfo"]["name"], "towline");
        server.send(json!({"id": 2, "method": "tools/list"}));
        assert_eq!(server.next()["result"]["tools"][0]["name"], "Bash");
        server.send(json!({"id": 3, "method": "tools/call", "params": {"name": "Nope"}}));
        assert_eq!(server.next()["result"]["isError"], true);
        drop(server.write.take());
        server.ended();
        let mut rest = String::new();
        server.read.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn the_end_of_input_ends_the_process() {
    for mut server in both() {
        server.initialize();
        drop(server.write.take());
        let (status, took) = server.ended();
        assert_eq!(status.code(), Some(0));
        assert!(took < PROMPT, "{took:?}");
    }
    // Also before anything was said.
    let mut silent = Server::piped(&[]);
    drop(silent.write.take());
    assert_eq!(silent.ended().0.code(), Some(0));
}

#[test]
fn a_client_that_does_not_read_does_not_hold_up_the_end() {
    for garbage in [false, true] {
        for mut server in both() {
            server.initialize();
            // More than pipes and sockets hold; errors have a way of their own.
            for id in 10..110 {
                server.send(json!({"id": id, "method": "tools/list"}));
                if garbage && id % 5 == 0 {
                    server.send(json!({"id": id + 1000, "method": "tools/call", "params": {"name": "x".repeat(300), "arguments": 5}}));
                }
            }
            drop(server.write.take());
            let (status, took) = server.ended();
            assert_eq!(status.code(), Some(0));
            // What it was sent before is read first.
            assert!(took < PROMPT * 2, "{took:?}");
        }
    }
}

#[test]
fn signals_end_the_process_cleanly_while_its_input_is_open() {
    for names in [&["INT"][..], &["TERM"], &["INT", "TERM"]] {
        for mut server in both() {
            server.initialize();
            for name in names {
                // The first may have ended it already; its place is kept until it is waited for.
                server.signal(name);
            }
            let (status, took) = server.ended();
            assert_eq!((status.code(), status.signal()), (Some(0), None), "{names:?}");
            assert!(took < PROMPT, "{names:?}: {took:?}");
        }
    }
}

#[test]
fn a_broken_output_ends_the_process() {
    let mut server = Server::piped(&["--host", "h"]);
    server.initialize();
    server.read = BufReader::new(Box::new(std::io::empty()));
    server.send(json!({"id": 2, "method": "ping"}));
    let (status, took) = server.ended();
    assert_eq!((status.code(), status.signal()), (Some(0), None));
    assert!(took < PROMPT * 2, "{took:?}");
}

#[test]
fn the_log_goes_to_stderr() {
    let home = tempfile::tempdir().unwrap();
    let mut command = towline(&home);
    command.arg("mcp").env("TOWLINE_LOG", "trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"not json\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("a line that is not JSON"));
}
