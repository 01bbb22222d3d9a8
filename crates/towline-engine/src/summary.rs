//! One line for people about a call and about its answer, for the event stream.

use std::time::Duration;

use towline_base::{Failure, TerminalName};
use towline_policy::{Effect, Offered};
use towline_transport::AgentForwarding;

use crate::action::{Action, Asks, Clean, Connect, TerminalSend};
use crate::answer::{Answer, Body, FileContent, FileFailure, FileView, How, State, Written};

impl Action {
    /// The tool's name.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Bash(_) => "Bash",
            Self::Jobs => "Jobs",
            Self::JobOutput(_) => "JobOutput",
            Self::JobStop(_) => "JobStop",
            Self::Read(_) => "Read",
            Self::MultiRead(_) => "MultiRead",
            Self::Write(_) => "Write",
            Self::Edit(edit) => {
                if edit.multi {
                    "MultiEdit"
                } else {
                    "Edit"
                }
            }
            Self::Stat(_) => "Stat",
            Self::List(_) => "List",
            Self::Glob(_) => "Glob",
            Self::Grep(_) => "Grep",
            Self::Hosts => "Hosts",
            Self::Connect(_) => "Connect",
            Self::Disconnect(_) => "Disconnect",
            Self::Clean(_) => "Clean",
            Self::TerminalOpen(_) => "TerminalOpen",
            Self::TerminalSend(_) => "TerminalSend",
            Self::TerminalRead(_) => "TerminalRead",
            Self::TerminalClose(_) => "TerminalClose",
            Self::SignIn => "auth",
            Self::Trust(_) => "trust",
        }
    }

    /// Who has its tool.
    pub(crate) fn offered(&self) -> Offered {
        match self {
            Self::Clean(_) | Self::SignIn | Self::Trust(_) => Offered::ToPeople,
            Self::Bash(_)
            | Self::Jobs
            | Self::JobOutput(_)
            | Self::JobStop(_)
            | Self::Read(_)
            | Self::MultiRead(_)
            | Self::Write(_)
            | Self::Edit(_)
            | Self::Stat(_)
            | Self::List(_)
            | Self::Glob(_)
            | Self::Grep(_)
            | Self::Hosts
            | Self::Connect(_)
            | Self::Disconnect(_)
            | Self::TerminalOpen(_)
            | Self::TerminalSend(_)
            | Self::TerminalRead(_)
            | Self::TerminalClose(_) => Offered::ToAgents,
        }
    }

    /// What it does to a host.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Bash(_)
            | Self::JobStop(_)
            | Self::Clean(Clean::Everything)
            | Self::TerminalOpen(_)
            | Self::TerminalSend(_)
            | Self::TerminalClose(_) => Effect::Run,
            Self::Write(_) | Self::Edit(_) => Effect::Change,
            Self::Connect(_) | Self::Disconnect(_) | Self::Clean(Clean::Finished) | Self::SignIn | Self::Trust(_) => Effect::Manage,
            Self::Clean(Clean::List)
            | Self::Jobs
            | Self::JobOutput(_)
            | Self::Read(_)
            | Self::MultiRead(_)
            | Self::Stat(_)
            | Self::List(_)
            | Self::Glob(_)
            | Self::Grep(_)
            | Self::TerminalRead(_)
            | Self::Hosts => Effect::Look,
        }
    }
}

/// What a call asks, in a line.
pub(crate) fn of_action(action: &Action) -> String {
    match action {
        Action::Bash(bash) => bash.command.clone(),
        Action::Jobs | Action::Hosts | Action::SignIn => String::new(),
        Action::Trust(fingerprints) => fingerprints.join(" "),
        Action::JobOutput(job) => job.id.to_string(),
        Action::JobStop(job) => job.id.to_string(),
        Action::Read(window) => window.file_path.clone(),
        Action::MultiRead(windows) => windows.iter().map(|window| window.file_path.as_str()).collect::<Vec<_>>().join(" "),
        Action::Write(write) => format!("{} ({} bytes)", write.file_path, write.content.len()),
        Action::Edit(edit) => match edit.edits.len() {
            1 => edit.file_path.clone(),
            edits => format!("{} ({edits} edits)", edit.file_path),
        },
        Action::Stat(paths) => paths.join(" "),
        Action::List(list) => list.path.clone().unwrap_or_default(),
        Action::Glob(glob) => glob.pattern.clone(),
        Action::Grep(grep) => grep.pattern.clone(),
        Action::Connect(connect) => of_connect(connect),
        Action::Clean(what) => match what {
            Clean::List => "list",
            Clean::Finished => "finished",
            Clean::Everything => "everything",
        }
        .to_owned(),
        Action::Disconnect(what) => if what.end { "end" } else { "" }.to_owned(),
        Action::TerminalOpen(open) => named(open.name.as_ref(), open.command.as_deref().unwrap_or_default()),
        Action::TerminalSend(send) => named(send.name.as_ref(), &of_sending(send)),
        Action::TerminalRead(read) => named(read.name.as_ref(), ""),
        Action::TerminalClose(name) => named(name.as_ref(), ""),
    }
}

/// How a host is connected to: what somebody has to see who is asked whether it may be done.
fn of_connect(connect: &Connect) -> String {
    let Connect { cwd: _, label, user, port, identity_file, jump, agent, add_keys, password } = connect;
    let of = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
    let keys = (!add_keys.is_empty()).then(|| add_keys.join(", "));
    let parts = [
        label.clone(),
        of("user", user.clone()),
        of("port", port.map(|port| port.to_string())),
        of("identity_file", identity_file.clone()),
        of("jump", jump.as_ref().map(ToString::to_string)),
        (*agent == AgentForwarding::On).then(|| "forward_agent".to_owned()),
        of("add_keys", keys),
        password.as_ref().map(|_| "password".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// A terminal's name, if it was given, and what is done there.
fn named(name: Option<&TerminalName>, what: &str) -> String {
    name.map_or_else(|| what.to_owned(), |name| format!("{name} {what}").trim_end().to_owned())
}

/// What is typed, with the keys in brackets as a person would note them; of a password nothing, not even its length.
fn of_sending(send: &TerminalSend) -> String {
    let (mut text, keys) = match send.asks {
        Asks::Nothing => (send.text.clone().unwrap_or_default(), send.keys.as_slice()),
        Asks::Password { .. } => ("<a password>".to_owned(), &[][..]),
    };
    text.extend(send.secret.iter().flat_map(|name| ["<secret ", name.as_str(), ">"]));
    for key in keys.iter().map(crate::action::Key::as_str).chain(send.enter.then_some("Enter")) {
        text.extend(["<", key, ">"]);
    }
    text
}

/// What came of a call, in a line.
pub(crate) fn of_answer(answer: Result<&Answer, &Failure>) -> String {
    match answer {
        Err(failure) => failure.text.clone(),
        Ok(answer) => of_body(&answer.body),
    }
}

fn of_body(body: &Body) -> String {
    match body {
        Body::Execution(execution) => {
            let total = execution.stdout.total + execution.stderr.as_ref().map_or(0, |stderr| stderr.total);
            format!("{} · id {}", of_end(&execution.state, None, total), execution.id)
        }
        Body::Jobs(jobs) => count(jobs.len() as u64, "execution"),
        Body::JobOutput(slice) => {
            format!("{} · {} · id {}", of_state(&slice.state), count(slice.bytes.len() as u64, "byte"), slice.id)
        }
        Body::Stopped(stopped) => {
            let sure = if stopped.confirmed { "" } else { " · not confirmed" };
            format!("{}{sure} · id {}", of_state(&stopped.state), stopped.id)
        }
        Body::Files(files) => of_files(files),
        Body::Written(written) => of_written(written),
        Body::Stats(stats) => count(stats.len() as u64, "path"),
        Body::Listing(listing) => {
            let number = listing.entries.len() as u64 + listing.omitted;
            format!("{number} {} · {}", if number == 1 { "entry" } else { "entries" }, listing.path)
        }
        Body::Found(text) => of_found(text),
        Body::Terminal(terminal) => format!("{} · {}", terminal.name, count(terminal.shown.lines.len() as u64, "line")),
        Body::Text(text) => text.lines().next().unwrap_or_default().to_owned(),
        Body::Kept(kept) => {
            let terminals = kept.terminals.as_ref().filter(|held| !held.is_empty());
            let terminals = terminals.map_or_else(String::new, |held| format!(", {}", count(held.len() as u64, "terminal")));
            format!("{} executions, {} sessions, {} KiB{terminals}", kept.executions, kept.sessions.len(), kept.kib)
        }
        Body::Removed(removed) => match &removed.whole {
            Some(root) => format!("{root} was removed"),
            None => format!("{} outcomes and {} sessions were removed", removed.executions, removed.sessions.len()),
        },
    }
}

/// A number with its word.
fn count(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}

fn of_files(files: &[Result<FileView, FileFailure>]) -> String {
    let one = |file: &Result<FileView, FileFailure>| match file {
        Err(failure) => failure.failure.text.clone(),
        Ok(FileView { content, .. }) => match content {
            FileContent::Text { bytes, total_lines, whole, .. } => {
                let lines = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
                let of = if *whole { String::new() } else { format!(" of {total_lines}") };
                format!("{}{of}", count(lines, "line"))
            }
            FileContent::Empty => "empty".to_owned(),
            FileContent::PastEnd { total_lines, .. } => format!("past the end ({})", count(*total_lines, "line")),
            FileContent::Image { mime, bytes } => format!("{mime} · {}", count(bytes.len() as u64, "byte")),
        },
    };
    match files {
        [file] => one(file),
        files => {
            let good = files.iter().filter(|file| file.is_ok()).count();
            let bad = if good == files.len() { String::new() } else { format!(", {} not", files.len() - good) };
            format!("{} read{bad}", count(good as u64, "file"))
        }
    }
}

fn of_written(written: &Written) -> String {
    let how = match &written.how {
        _ if written.created => "created".to_owned(),
        How::Write => "overwritten".to_owned(),
        How::Append => "appended".to_owned(),
        How::Edit { places, .. } => format!("{} replaced", count(*places, "place")),
    };
    format!("{how} · {} · {}", count(written.bytes, "byte"), written.path)
}

fn of_found(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("Found ") || first.starts_with("No ") { first.to_owned() } else { count(text.lines().count() as u64, "line") }
}

/// How an execution ended, or stands: with its time, where the line does not tell it elsewhere, and its output.
pub(crate) fn of_end(state: &State, took: Option<Duration>, total: u64) -> String {
    let took = took.map_or_else(String::new, |took| format!(" · {:.1} s", took.as_secs_f64()));
    format!("{}{took} · {}", of_state(state), count(total, "byte"))
}

/// How an execution stands, in a few words.
pub(crate) fn of_state(state: &State) -> String {
    match state {
        State::Exited(status) => format!("exit {status}"),
        State::Killed(signal) => format!("killed {signal}"),
        State::Running => "running".to_owned(),
        State::Queued => "queued".to_owned(),
        State::Lost(why) => format!("lost: {why}"),
        State::Unknown(why) => format!("unknown: {why}"),
    }
}
