//! From a tool's wire type to the engine's action: the one place where the words of the tools meet the engine's.

use std::time::Duration;

use base64::Engine as _;
use towline_base::{Code, Failure, Handle, HostAlias, Secret, SecretName, limits};
use towline_engine::AgentForwarding;
use towline_engine::action::{self, Action};

use crate::wire;

mod terminals;

/// The default number of Grep's entries, as in the native tool.
const GREP_ENTRIES: u64 = 250;

/// A wire type that becomes an action.
pub(crate) trait IntoAction {
    /// What the engine is to do.
    fn action(self) -> Result<Action, Failure>;
}

fn bad(text: impl Into<String>) -> Failure {
    Failure::new(Code::BadInput, text)
}

fn wait(parameter: &str, ms: Option<u64>) -> Result<Option<Duration>, Failure> {
    match ms {
        Some(0) => Err(bad(format!("parameter {parameter:?} must be at least 1 (milliseconds)"))),
        Some(ms) => Ok(Some(Duration::from_millis(ms))),
        None => Ok(None),
    }
}

impl IntoAction for wire::Bash {
    fn action(self) -> Result<Action, Failure> {
        if self.command.len() > limits::COMMAND_BYTES {
            return Err(Failure::new(Code::TooLarge, format!("parameter \"command\" is longer than {} bytes", limits::COMMAND_BYTES))
                .hint("Write it to a file with Write and run that."));
        }
        if self.command.contains('\0') {
            return Err(bad("parameter \"command\" holds a NUL character, which no shell can read"));
        }
        let place = match (self.run_in_background, self.fresh) {
            (true, _) => action::Place::Background,
            (false, true) => action::Place::Fresh,
            (false, false) => action::Place::Session,
        };
        let stderr = match self.stderr {
            wire::Stderr::Merged => action::Stderr::Merged,
            wire::Stderr::Separate => action::Stderr::Separate,
        };
        let on_timeout = match self.on_timeout {
            wire::OnTimeout::Background => action::OnTimeout::Background,
            wire::OnTimeout::Kill => action::OnTimeout::Kill,
        };
        let named = |name: &String| SecretName::parse(name).map_err(|error| bad(error.to_string().replacen("secret", "env_secrets", 1)));
        let env_secrets = self.env_secrets.iter().flatten().map(named).collect::<Result<_, _>>()?;
        Ok(Action::Bash(action::Bash {
            command: self.command,
            timeout: wait("timeout", self.timeout)?,
            on_timeout,
            description: self.description,
            place,
            cwd: self.cwd,
            env: self.env.unwrap_or_default().into_iter().collect(),
            env_secrets,
            stdin: self.stdin.map(String::into_bytes),
            stderr,
        }))
    }
}

impl IntoAction for wire::JobOutput {
    fn action(self) -> Result<Action, Failure> {
        let stream = match self.stream {
            wire::Stream::Stdout => action::Stream::Stdout,
            wire::Stream::Stderr => action::Stream::Stderr,
        };
        // Who says for what to wait wants to wait.
        let ms = self.wait.or(self.wait_for.as_ref().map(|_| limits::BASH_WAIT.as_millis().try_into().unwrap_or(u64::MAX)));
        let wait_for = match self.wait_for.as_deref() {
            None | Some("end") => action::WaitFor::End,
            Some("output") => action::WaitFor::Output,
            Some("") => return Err(bad("parameter \"wait_for\" must be \"end\", \"output\" or a regular expression")),
            Some(pattern) => action::WaitFor::Pattern(pattern.to_owned()),
        };
        Ok(Action::JobOutput(action::JobOutput {
            id: Handle::parse(&self.id)?,
            stream,
            offset: self.offset,
            limit: self.limit,
            tail: self.tail,
            grep: self.grep,
            wait: ms.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms).min(limits::LONGEST_WAIT)),
            wait_for,
        }))
    }
}

impl IntoAction for wire::JobStop {
    fn action(self) -> Result<Action, Failure> {
        let signal = self.signal.map(|name| name.strip_prefix("SIG").map_or(name.clone(), str::to_owned));
        if let Some(name) = signal.as_deref().filter(|n| n.is_empty() || !n.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return Err(bad(format!("parameter \"signal\" must be a signal's name such as INT, not {name:?}")));
        }
        Ok(Action::JobStop(action::JobStop { id: Handle::parse(&self.id)?, signal }))
    }
}

impl IntoAction for wire::Read {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::Read(action::ReadWindow {
            file_path: path("file_path", self.file_path)?,
            offset: self.offset,
            limit: lines(self.limit)?,
            allow_large: self.allow_large,
        }))
    }
}

impl IntoAction for wire::MultiRead {
    fn action(self) -> Result<Action, Failure> {
        if self.files.is_empty() {
            return Err(bad("parameter \"files\" is empty"));
        }
        let windows = self.files.into_iter().map(|file| {
            Ok(action::ReadWindow {
                file_path: path("file_path", file.file_path)?,
                offset: file.offset,
                limit: lines(file.limit)?,
                allow_large: false,
            })
        });
        windows.collect::<Result<Vec<_>, Failure>>().map(Action::MultiRead)
    }
}

fn lines(limit: Option<u64>) -> Result<Option<u64>, Failure> {
    match limit {
        Some(0) => Err(bad("parameter \"limit\" must be at least 1")),
        limit => Ok(limit),
    }
}

/// A path that can be one: not empty, no NUL.
fn path(parameter: &str, given: String) -> Result<String, Failure> {
    if given.is_empty() {
        Err(bad(format!("parameter {parameter:?} is empty")))
    } else if given.contains('\0') {
        Err(bad(format!("parameter {parameter:?} holds a NUL character, which no path can")))
    } else {
        Ok(given)
    }
}

fn optional_path(given: Option<String>) -> Result<Option<String>, Failure> {
    given.filter(|text| !text.is_empty()).map(|text| path("path", text)).transpose()
}

impl IntoAction for wire::Write {
    fn action(self) -> Result<Action, Failure> {
        let content = if self.base64 {
            let clean: String = self.content.split_ascii_whitespace().collect();
            base64::engine::general_purpose::STANDARD
                .decode(clean)
                .map_err(|error| bad(format!("parameter \"content\" is not base64: {error}")))?
        } else {
            self.content.into_bytes()
        };
        if content.len() > limits::WRITE_BYTES {
            return Err(Failure::new(Code::TooLarge, format!("parameter \"content\" is longer than {} bytes", limits::WRITE_BYTES))
                .hint("Write it in parts with append: true."));
        }
        Ok(Action::Write(action::Write { file_path: path("file_path", self.file_path)?, content, append: self.append }))
    }
}

impl IntoAction for wire::Edit {
    fn action(self) -> Result<Action, Failure> {
        let edit = action::Replacement { old: self.old_string, new: self.new_string, all: self.replace_all };
        Ok(Action::Edit(action::Edit { file_path: path("file_path", self.file_path)?, edits: vec![edit], multi: false }))
    }
}

impl IntoAction for wire::MultiEdit {
    fn action(self) -> Result<Action, Failure> {
        if self.edits.is_empty() {
            return Err(bad("parameter \"edits\" is empty"));
        }
        let edits = self.edits.into_iter().map(|e| action::Replacement { old: e.old_string, new: e.new_string, all: e.replace_all });
        Ok(Action::Edit(action::Edit { file_path: path("file_path", self.file_path)?, edits: edits.collect(), multi: true }))
    }
}

impl IntoAction for wire::Stat {
    fn action(self) -> Result<Action, Failure> {
        if self.paths.is_empty() {
            return Err(bad("parameter \"paths\" is empty"));
        }
        self.paths.into_iter().map(|given| path("paths", given)).collect::<Result<Vec<_>, _>>().map(Action::Stat)
    }
}

impl IntoAction for wire::List {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::List(action::List { path: optional_path(self.path)?, hidden: self.hidden }))
    }
}

impl IntoAction for wire::Glob {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::Glob(action::Glob { pattern: path("pattern", self.pattern)?, path: optional_path(self.path)? }))
    }
}

impl IntoAction for wire::Grep {
    fn action(self) -> Result<Action, Failure> {
        let mode = match self.output_mode {
            wire::OutputMode::Content => action::GrepMode::Content,
            wire::OutputMode::FilesWithMatches => action::GrepMode::Files,
            wire::OutputMode::Count => action::GrepMode::Count,
        };
        Ok(Action::Grep(action::Grep {
            pattern: self.pattern,
            path: optional_path(self.path)?,
            glob: self.glob.filter(|glob| !glob.is_empty()),
            file_type: self.file_type.filter(|name| !name.is_empty()),
            mode,
            after: self.after.map(narrow),
            before: self.before.map(narrow),
            context: self.context.or(self.around).map(narrow),
            numbers: self.numbers.unwrap_or(true),
            ignore_case: self.ignore_case,
            only_matching: self.only_matching,
            head_limit: self.head_limit.unwrap_or(GREP_ENTRIES),
            offset: self.offset.unwrap_or(0),
            multiline: self.multiline,
        }))
    }
}

/// More context lines than fit are all the lines.
fn narrow(lines: u64) -> u32 {
    u32::try_from(lines).unwrap_or(u32::MAX)
}

impl IntoAction for wire::Connect {
    fn action(self) -> Result<Action, Failure> {
        let port = self.port.map(u16::try_from).transpose().ok().filter(|port| *port != Some(0));
        let port = port.ok_or_else(|| bad("parameter \"port\" must be 1 to 65535"))?;
        let password = self.password.map(|text| Secret::new(text.into_bytes()));
        let jump = self.jump.map(|name| HostAlias::parse(&name)).transpose();
        let jump = jump.map_err(|error| bad(format!("parameter \"jump\": {error}")))?;
        Ok(Action::Connect(action::Connect {
            cwd: self.cwd,
            label: self.label,
            user: self.user,
            port,
            identity_file: self.identity_file,
            jump,
            agent: if self.forward_agent { AgentForwarding::On } else { AgentForwarding::Off },
            add_keys: self.add_keys.unwrap_or_default(),
            password: password.transpose().map_err(|why| bad(format!("parameter \"password\": {why}")))?,
        }))
    }
}

impl IntoAction for wire::Disconnect {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::Disconnect(action::Disconnect { end: self.end }))
    }
}

impl IntoAction for wire::Jobs {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::Jobs)
    }
}

impl IntoAction for wire::Hosts {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::Hosts)
    }
}
