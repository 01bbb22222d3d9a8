//! A lane by pipe: the remote programs under a given shell, with a home of their own, spoken to in the real protocol.
//!
//! Holds to: conditions with deadlines, never times; a host that is dropped has ended whatever ran on it, and fails the test
//! if anything was left that should have ended by itself. Leaves out: ssh.
#![allow(dead_code, reason = "some of these words are for faults whose tests are not here yet")]
#![expect(clippy::disallowed_methods, reason = "the tests start shells")]

use std::collections::VecDeque;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use towline_base::{ExecutionId, Handle, Nonce, SessionName};
use towline_proto::frame::{Decoder, Frame, Tag};
use towline_proto::outcome::{self, Report};
use towline_proto::program::PROGRAM;
use towline_proto::request::{Request, Run};

/// How long anything may take on a machine that is busy with other things.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The shell that runs lanes and supervisors, and the shell of sessions, each as words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shells {
    pub(crate) own: &'static str,
    pub(crate) session: &'static str,
}

/// A host: a home directory, and whatever runs with it in its environment.
pub(crate) struct Host {
    pub(crate) shells: Shells,
    home: TempDir,
    path: String,
    /// What stands before the lane's command line.
    before: Vec<String>,
}

impl Host {
    pub(crate) fn new(own: &'static str, session: &'static str) -> Self {
        let home = tempfile::Builder::new().prefix("towline-lane-").tempdir().unwrap();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        Self { shells: Shells { own, session }, home, path, before: Vec::new() }
    }

    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        self.path = path.to_str().unwrap().to_owned();
        self
    }

    pub(crate) fn under(mut self, before: &[&str]) -> Self {
        self.before = before.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The state directory: the only one below the layout's version.
    pub(crate) fn root(&self) -> PathBuf {
        let version = self.home().join(".local/state/towline/v1");
        fs::read_dir(version).unwrap().next().unwrap().unwrap().path()
    }

    pub(crate) fn open(&self) -> Line<'_> {
        self.open_with(&[])
    }

    /// A lane, once it said hello.
    pub(crate) fn open_with(&self, variables: &[(&str, &str)]) -> Line<'_> {
        let mut line = self.start(variables);
        let frame = line.next(DEADLINE);
        assert_eq!(frame.tag, Tag::Hello, "{frame:?}");
        line
    }

    pub(crate) fn start(&self, variables: &[(&str, &str)]) -> Line<'_> {
        self.start_for(None, variables)
    }

    /// A lane that gets its program; it has this session ready for what will be asked.
    pub(crate) fn start_for(&self, ahead: Option<&SessionName>, variables: &[(&str, &str)]) -> Line<'_> {
        let mut line = self.greet(variables);
        line.write(&PROGRAM.announcement(ahead));
        line
    }

    /// A lane that waits for its program.
    pub(crate) fn greet(&self, variables: &[(&str, &str)]) -> Line<'_> {
        let nonce = Nonce::mint();
        let take = |count: char, name: char| format!("{name}=$(dd ibs=1 obs=65536 count=${count} 2>/dev/null)");
        let (common, open) = (take('n', 'c'), take('m', 'l'));
        let begin =
            format!("printf '\\n%s\\n' {}; read -r k n m o q w && {common} && {open} && eval \"$c\" && eval \"$l\"", nonce.as_str());
        let words: Vec<&str> = self.before.iter().map(String::as_str).chain(self.shells.own.split(' ')).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["-c", &begin])
            .current_dir("/")
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.home())
            .env("TL_SELF", self.shells.own)
            .env("TL_USER_SHELL", self.shells.session)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if std::env::var_os("TL_SHOW").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            let mut decoder = Decoder::new(&nonce);
            let mut buffer = [0; 65536];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                decoder.feed(&buffer[..count]);
                while let Some(frame) = decoder.next_frame().expect("frames and nothing else") {
                    if sender.send(frame).is_err() {
                        return;
                    }
                }
            }
        });
        Line { host: self, stdin: child.stdin.take(), child, frames, waiting: VecDeque::new(), number: 0 }
    }

    /// The processes of this host: those with its home in their environment or among their words; pid and command line.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let home = format!("HOME={}\0", self.home().display()).into_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            let alive = fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
            let words = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).unwrap_or_default()).replace('\0', " ");
            // A shell that goes on from a saved state begins without an environment.
            let named = words.contains(self.home().to_str().unwrap());
            if alive && (named || environ.windows(home.len()).any(|window| window == home)) {
                found.push((pid, words));
            }
        }
        found
    }

    /// Waits until no process of this host is left; a failure names those that are.
    pub(crate) fn quiet(&self) {
        until("every process of the host has ended", || {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only a test that failed leaves something here: see `quiet`.
        for (pid, _) in self.processes() {
            kill(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A signal to one process.
pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The pid of a session's supervisor.
pub(crate) fn supervisor(host: &Host, session: &str) -> i32 {
    let current = fs::read_to_string(host.root().join("s").join(session).join("cur")).unwrap();
    current.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Waits for a condition, with a deadline.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if Instant::now() > end => panic!("not within {DEADLINE:?}: {what}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// One lane.
pub(crate) struct Line<'host> {
    pub(crate) host: &'host Host,
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Frame>,
    /// Frames that came while another was waited for.
    waiting: VecDeque<Frame>,
    number: u64,
}

/// How an execution ended, as the lane told it.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) tag: Tag,
    /// The outcome's first two words, or why it was refused.
    pub(crate) state: String,
    pub(crate) flags: String,
    pub(crate) report: Report,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    /// The end of standard output, where it was too long.
    pub(crate) tail: Vec<u8>,
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// A command in session `main`; the rest is set by who needs it.
pub(crate) fn command(text: &str) -> Run {
    Run {
        handle: Handle::mint(),
        id: ExecutionId::mint(),
        session: session("main"),
        copy: false,
        background: false,
        visitor: false,
        separate: false,
        limit: 0,
        command: text.to_owned(),
        stdin: None,
        cwd: None,
        env: Vec::new(),
        secrets: Vec::new(),
        agent: false,
    }
}

pub(crate) fn session(name: &str) -> SessionName {
    SessionName::parse(name).unwrap()
}

impl Line<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends a request; its number is the key of what it replies.
    pub(crate) fn send(&mut self, request: &Request) -> String {
        self.number += 1;
        let bytes = request.encode(self.number);
        self.write(&bytes);
        self.number.to_string()
    }

    fn next(&mut self, wait: Duration) -> Frame {
        match self.frames.recv_timeout(wait) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came within {wait:?}; {:?}", self.waiting),
            Err(RecvTimeoutError::Disconnected) => panic!("the lane has ended; {:?}", self.waiting),
        }
    }

    /// The next frame; as a client does, asks for a sign of life again and again.
    fn next_with_signs_of_life(&mut self, end: Instant) -> Frame {
        loop {
            match self.frames.recv_timeout(Duration::from_secs(2)) {
                Ok(frame) => return frame,
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => drop(self.send(&Request::Ping)),
                Err(why) => panic!("nothing came: {why}; {:?}", self.waiting),
            }
        }
    }

    /// The frames for a key, up to one with one of these tags.
    pub(crate) fn frames(&mut self, key: &str, last: &[Tag]) -> Vec<Frame> {
        let mut mine = Vec::new();
        let mut others = VecDeque::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        let end = Instant::now() + DEADLINE;
        loop {
            let frame = waiting.pop_front().unwrap_or_else(|| self.next_with_signs_of_life(end));
            if frame.key == key {
                let tag = frame.tag;
                mine.push(frame);
                if last.contains(&tag) {
                    others.extend(waiting);
                    self.waiting = others;
                    return mine;
                }
            } else {
                others.push_back(frame);
            }
        }
    }

    /// A request that has a reply: its status and body.
    pub(crate) fn call(&mut self, request: &Request) -> (String, String) {
        let key = self.send(request);
        let mut frames = self.frames(&key, &[Tag::Reply]);
        let status = String::from_utf8(frames.pop().unwrap().payload).unwrap();
        (status, String::from_utf8_lossy(&frames.into_iter().flat_map(|frame| frame.payload).collect::<Vec<u8>>()).into_owned())
    }

    /// Starts an execution, or attaches to it.
    pub(crate) fn begin(&mut self, run: &Run) -> String {
        self.send(&Request::Run(run.clone()));
        run.handle.as_str().to_owned()
    }

    /// The end of an execution.
    pub(crate) fn end(&mut self, run: &Run) -> Ended {
        let frames = self.frames(run.handle.as_str(), &[Tag::Outcome, Tag::Refused]);
        let collect = |wanted: Tag| -> Vec<u8> {
            frames.iter().filter(|frame| frame.tag == wanted).flat_map(|frame| frame.payload.iter().copied()).collect()
        };
        let last = frames.last().unwrap();
        let text = String::from_utf8_lossy(&last.payload).into_owned();
        let words: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
        // A mark behind what a command printed, where somebody else holds its pipe, is taken out by whoever shows it.
        let mark = format!("\x1e{}\x1e", run.id.as_str());
        let out = without(&collect(Tag::Out), mark.as_bytes());
        let err = without(&collect(Tag::Err), mark.as_bytes());
        Ended {
            tag: last.tag,
            state: words.iter().take(2).copied().collect::<Vec<_>>().join(" "),
            flags: words.get(3).copied().unwrap_or_default().to_owned(),
            report: outcome::parse_report(&last.payload),
            out,
            err,
            tail: collect(Tag::OutTail),
        }
    }

    pub(crate) fn run(&mut self, run: &Run) -> Ended {
        self.begin(run);
        self.end(run)
    }

    /// A command in session `main`.
    pub(crate) fn bash(&mut self, text: &str) -> Ended {
        self.run(&command(text))
    }

    /// Ends the sessions of these names and closes the lane.
    pub(crate) fn close(mut self, sessions: &[&str]) {
        for name in sessions {
            let (_, said) = self.call(&Request::End(session(name)));
            assert!(said == "ended\n" || said == "none\n", "{name}: {said}");
        }
        self.stdin = None;
        until("the lane has ended", || self.child.try_wait().unwrap().map(|_| ()).ok_or_else(String::new));
    }

    /// The lane's process ends without a word.
    pub(crate) fn cut(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn without(bytes: &[u8], mark: &[u8]) -> Vec<u8> {
    match bytes.windows(mark.len()).position(|window| window == mark) {
        Some(at) => [&bytes[..at], &bytes[at + mark.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
