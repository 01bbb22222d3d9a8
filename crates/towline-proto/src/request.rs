//! Requests to a lane, as bytes.
//!
//! Holds to: a header line, argument lines whose backslashes and newlines are escaped, a counted payload; no byte of an agent
//! is ever shell text but the command that it asked to run. Leaves out: when a request may be sent again (see `recovery`).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use towline_base::{ExecutionId, Handle, Secret, SecretName, SessionName, limits};

use crate::files::ToolCall;
use crate::program::PROGRAM;

/// A command above this size travels as payload: the shell's `read` takes arguments byte by byte.
const COMMAND_AS_ARGUMENT: usize = 8 * 1024;

/// What a lane can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// For a sign of life.
    Ping,
    /// To start an execution, or to attach to it if it was started before.
    Run(Run),
    /// To be told of an execution's outcome.
    Wait(Handle),
    /// To let an execution go on without its session.
    Over(Handle),
    /// For part of an execution's output.
    Output(Output),
    /// To end an execution, with this signal first.
    Stop(Handle, &'static str),
    /// For the executions that run or are unread (or for all).
    Jobs(Which),
    /// That these executions were read.
    Ack(Vec<Handle>),
    /// To make sure that a session is there, and to tell of it.
    Session(SessionName),
    /// To end a session.
    End(SessionName),
    /// What a person ran in a session that its agent was not told of; it is told once.
    Visits(SessionName),
    /// What the host is and has.
    Facts,
    /// A file tool, in a session's directory.
    Tool(SessionName, ToolCall),
    /// To let expire on the host what is beyond these bounds.
    Sweep(Keeping),
    /// To keep the output of what runs within these bounds; where nothing is said, the defaults hold.
    Bound(Keeping),
    /// To list, or to remove, what is kept on the host.
    Clean(Clean),
}

/// Which executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Running or unread.
    Open,
    /// All that have not expired.
    All,
}

/// What a host keeps, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Days for an outcome that was read; 0 lets it go with the next look.
    pub read_days: u32,
    /// Days for an outcome that nobody read.
    pub unread_days: u32,
    /// Outcomes at the most.
    pub outcomes: u32,
    /// KiB of output at the most, of all executions of this user on the host.
    pub output_kib: u32,
    /// KiB of output at the most, of one execution: half of it from the beginning, half from the end.
    pub execution_kib: u32,
    /// Days after which a session without a command ends.
    pub idle_days: u32,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            read_days: limits::KEEP_READ_DAYS,
            unread_days: limits::KEEP_UNREAD_DAYS,
            outcomes: limits::KEEP_OUTCOMES,
            output_kib: limits::KEEP_OUTPUT_KIB,
            execution_kib: limits::KEEP_EXECUTION_KIB,
            idle_days: limits::IDLE_SESSION_DAYS,
        }
    }
}

/// What to do with what is kept on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clean {
    /// Tell it.
    List,
    /// Remove what is over and read or expired, and end sessions without a command for these seconds.
    Finished(Keeping, u64),
    /// Remove everything, and end what runs.
    All,
}

/// An execution to start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the request's flags, one letter each on the wire")]
pub struct Run {
    /// Its short name, which also names its files.
    pub handle: Handle,
    /// Its identity.
    pub id: ExecutionId,
    /// The session in which, or beside which, it runs.
    pub session: SessionName,
    /// In a copy of the session instead of in its shell.
    pub copy: bool,
    /// Nobody waits for it.
    pub background: bool,
    /// A person asks for it, not the session's agent.
    pub visitor: bool,
    /// Standard error in a spool of its own.
    pub separate: bool,
    /// Seconds after which the host itself ends it; 0 for never.
    pub limit: u64,
    /// The shell text.
    pub command: String,
    /// What it reads.
    pub stdin: Option<Vec<u8>>,
    /// Directory for this call only.
    pub cwd: Option<String>,
    /// Variables for this call only; the names are already checked.
    pub env: Vec<(String, String)>,
    /// The same with values that nobody is to read: they are in no file any more when the command begins.
    pub secrets: Vec<(SecretName, Secret)>,
    /// The agent that sshd forwarded to this lane is for this call.
    pub agent: bool,
}

/// Part of an execution's output, and what to wait for before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Which execution.
    pub handle: Handle,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// First byte; `None` with a wait for output: past what is there now.
    pub offset: Option<u64>,
    /// At most so many bytes.
    pub limit: u64,
    /// If above 0: only so many last lines of the last `limit` bytes.
    pub tail: u64,
    /// Hundredths of a second to wait.
    pub wait: u64,
    /// `end`, `output` or `pattern`.
    pub wait_for: &'static str,
    /// An extended regular expression.
    pub pattern: String,
}

/// Escapes an argument so that it fits on one line that is not empty: `\` as `\\`, newline as `\n`, nothing as `\c`.
fn escape(argument: &[u8], out: &mut Vec<u8>) {
    let before = out.len();
    for byte in argument {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            0 => {} // cannot come: arguments are checked for NUL where they enter
            other => out.push(*other),
        }
    }
    if out.len() == before {
        out.extend(b"\\c");
    }
}

/// Payloads up to this size may be read into a variable of the lane's shell, if they hold no NUL.
const PAYLOAD_AS_TEXT: usize = 64 * 1024;

/// One request as bytes.
fn lines(number: u64, op: &str, arguments: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    let mut words = Vec::new();
    for argument in arguments {
        escape(argument, &mut words);
        words.push(b'\n');
    }
    let kind = if payload.len() <= PAYLOAD_AS_TEXT && !payload.contains(&0) { 't' } else { 'b' };
    let head = format!("{number} {op} {} {} {} {kind}", arguments.len(), payload.len(), words.len());
    // A bash takes the head with one read because it knows its length.
    let mut out = format!("{head:<63}\n").into_bytes();
    out.append(&mut words);
    out.extend_from_slice(payload);
    out
}

/// A request whose arguments are numbers.
fn numbers(number: u64, op: &str, values: &[u64]) -> Vec<u8> {
    let words: Vec<String> = values.iter().map(u64::to_string).collect();
    let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    lines(number, op, &words, &[])
}

impl Request {
    /// The bytes that ask it, under this number.
    #[must_use]
    pub fn encode(&self, number: u64) -> Vec<u8> {
        match self {
            Self::Ping => lines(number, "ping", &[], &[]),
            Self::Run(run) => run.encode(number),
            Self::Wait(handle) => lines(number, "wait", &[handle.as_str().as_bytes()], &[]),
            Self::Over(handle) => lines(number, "over", &[handle.as_str().as_bytes()], &[]),
            Self::Output(output) => output.encode(number),
            Self::Stop(handle, signal) => lines(number, "stop", &[handle.as_str().as_bytes(), signal.as_bytes()], &[]),
            Self::Jobs(which) => {
                let which: &[u8] = match which {
                    Which::Open => b"open",
                    Which::All => b"all",
                };
                lines(number, "jobs", &[which], &[])
            }
            Self::Ack(handles) => {
                let words: Vec<&[u8]> = handles.iter().map(|handle| handle.as_str().as_bytes()).collect();
                lines(number, "ack", &words, &[])
            }
            Self::Session(name) => lines(number, "session", &[name.as_str().as_bytes()], &[]),
            Self::End(name) => lines(number, "end", &[name.as_str().as_bytes()], &[]),
            Self::Visits(name) => lines(number, "visits", &[name.as_str().as_bytes()], &[]),
            Self::Facts => lines(number, "facts", &[PROGRAM.facts.as_bytes()], &[]),
            Self::Tool(session, call) => {
                let mut words: Vec<&[u8]> = vec![call.tool.as_bytes(), session.as_str().as_bytes()];
                words.extend(call.args.iter().map(Vec::as_slice));
                lines(number, "tool", &words, &call.payload)
            }
            Self::Sweep(keeping) => {
                let Keeping { read_days, unread_days, outcomes, output_kib, execution_kib: _, idle_days } = *keeping;
                numbers(number, "sweep", &[read_days.into(), unread_days.into(), outcomes.into(), output_kib.into(), idle_days.into()])
            }
            Self::Bound(keeping) => numbers(number, "bound", &[keeping.execution_kib.into(), keeping.output_kib.into()]),
            Self::Clean(what) => {
                let words = match what {
                    Clean::List => vec!["list".to_owned()],
                    Clean::Finished(keeping, idle) => {
                        vec!["finished".to_owned(), idle.to_string(), keeping.read_days.to_string(), keeping.unread_days.to_string()]
                    }
                    Clean::All => vec!["all".to_owned()],
                };
                // An argument and no payload: a full disk, where one would have to lie, is what is cleaned.
                let mut all = vec![PROGRAM.clean.as_bytes()];
                all.extend(words.iter().map(String::as_bytes));
                lines(number, "clean", &all, &[])
            }
        }
    }
}

impl Run {
    /// What makes two requests the same execution: everything that decides what runs.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.session.as_str().as_bytes());
        part(&[u8::from(self.copy), u8::from(self.separate)]);
        part(self.command.as_bytes());
        part(self.stdin.as_deref().unwrap_or(b"\0none"));
        part(self.cwd.as_deref().unwrap_or("\0none").as_bytes());
        for (name, value) in &self.env {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        // The record keeps the digest: of a secret it may tell no more than the name.
        for (name, _) in &self.secrets {
            part(b"secret");
            part(name.as_str().as_bytes());
        }
        hash.finalize().iter().take(16).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn encode(&self, number: u64) -> Vec<u8> {
        let as_payload = self.stdin.is_none() && self.command.len() > COMMAND_AS_ARGUMENT;
        let for_this_call = self.cwd.is_some() || self.agent || !(self.env.is_empty() && self.secrets.is_empty());
        let mut flags = String::from("-");
        for (flag, set) in [
            ('e', self.separate),
            ('i', self.stdin.is_some()),
            ('p', as_payload),
            ('o', for_this_call),
            ('s', !self.secrets.is_empty()),
            ('a', self.agent),
            ('b', self.background),
            ('v', self.visitor),
        ] {
            if set {
                flags.push(flag);
            }
        }
        let digest = self.digest();
        let limit = self.limit.to_string();
        let mut words: Vec<Vec<u8>> =
            [self.handle.as_str(), self.id.as_str(), &digest, self.session.as_str(), if self.copy { "c" } else { "s" }, &flags, &limit]
                .map(|word| word.as_bytes().to_vec())
                .to_vec();
        words.push(if as_payload { Vec::new() } else { self.command.clone().into_bytes() });
        if for_this_call {
            // The lane stores these lines as they came, still escaped; the session's shell undoes the escapes.
            words.push(self.cwd.clone().unwrap_or_default().into_bytes());
            words.extend(self.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()));
            let secret = |(name, value): &(SecretName, Secret)| [name.as_str().as_bytes(), b"=", value.reveal_to_the_host()].concat();
            words.extend(self.secrets.iter().map(secret));
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let payload = if as_payload { self.command.as_bytes() } else { self.stdin.as_deref().unwrap_or_default() };
        lines(number, "run", &words, payload)
    }
}

impl Output {
    fn encode(&self, number: u64) -> Vec<u8> {
        let offset = self.offset.map_or_else(|| "end".to_owned(), |offset| offset.to_string());
        let numbers = [self.limit, self.tail, self.wait].map(|number| number.to_string());
        let words = [self.handle.as_str(), self.stream, &offset, &numbers[0], &numbers[1], &numbers[2], self.wait_for, &self.pattern];
        lines(number, "output", &words.map(str::as_bytes), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_never_breaks_its_line() {
        let call = ToolCall { tool: "stat", args: vec![b"a\\n\nb".to_vec(), Vec::new(), vec![0]], payload: b"xy".to_vec() };
        let session = SessionName::parse("s").expect("a name");
        let head = format!("{:<63}\n", "7 tool 5 2 21 t");
        assert_eq!(Request::Tool(session, call).encode(7), [head.as_bytes(), b"stat\ns\na\\\\n\\nb\n\\c\n\\c\nxy"].concat());
    }

    fn run(command: &str) -> Run {
        Run {
            handle: Handle::parse("bcdfgh").expect("a handle"),
            id: ExecutionId::from_bits(1),
            session: SessionName::parse("s").expect("a name"),
            copy: false,
            background: false,
            visitor: false,
            separate: false,
            limit: 0,
            command: command.to_owned(),
            stdin: None,
            cwd: None,
            env: Vec::new(),
            secrets: Vec::new(),
            agent: false,
        }
    }

    #[test]
    fn a_secret_is_in_the_request_and_not_in_its_digest() {
        let with = |text: &str| {
            let secret = Secret::new(text.as_bytes().to_vec()).expect("a secret");
            Run { secrets: vec![(SecretName::parse("KEY").expect("a name"), secret)], ..run("true") }
        };
        assert_eq!(with("one").digest(), with("another").digest());
        assert_ne!(with("one").digest(), run("true").digest());
        let text = String::from_utf8(with("a\nb").encode(1)).expect("text");
        assert!(text.ends_with("\n-os\n0\ntrue\n\\c\nKEY=a\\nb\n"), "{text}");
        assert!(!format!("{:?}", with("one")).contains("one\""));
    }

    #[test]
    fn the_digest_tells_commands_apart_and_nothing_else() {
        let one = run("true");
        assert_eq!(one.digest(), Run { handle: Handle::mint(), id: ExecutionId::mint(), ..one.clone() }.digest());
        assert_ne!(one.digest(), run("false").digest());
        assert_ne!(one.digest(), Run { cwd: Some("/".into()), ..one.clone() }.digest());
        assert_ne!(one.digest(), Run { stdin: Some(Vec::new()), ..one.clone() }.digest());
    }

    #[test]
    fn a_long_command_is_payload_and_a_short_one_is_not() {
        let text = String::from_utf8(run("echo hi").encode(1)).expect("text");
        assert!(text.starts_with("1 run 8 0 "), "{text}");
        assert!(text[63..].starts_with("\nbcdfgh\n00000000000000000000000000000001\n"), "{text}");
        assert!(text.ends_with("\ns\ns\n-\n0\necho hi\n"), "{text}");
        let long = ": x\n".repeat(5000);
        let bytes = run(&long).encode(1);
        assert!(bytes.starts_with(format!("1 run 8 {} ", long.len()).as_bytes()));
        assert!(bytes.ends_with(long.as_bytes()));
    }
}
