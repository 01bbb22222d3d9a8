//! One line for people about a call and about its answer, for the event stream.

use towline_base::Failure;
use towline_policy::Effect;

use crate::action::Action;
use crate::answer::{Answer, Body, State};

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
        }
    }

    /// What it does to a host.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Bash(_) | Self::JobStop(_) => Effect::Run,
            Self::Write(_) | Self::Edit(_) => Effect::Change,
            Self::Connect(_) | Self::Disconnect(_) => Effect::Manage,
            Self::Jobs
            | Self::JobOutput(_)
            | Self::Read(_)
            | Self::MultiRead(_)
            | Self::Stat(_)
            | Self::List(_)
            | Self::Glob(_)
            | Self::Grep(_)
            | Self::Hosts => Effect::Look,
        }
    }
}

/// What a call asks, in a line.
pub(crate) fn of_action(action: &Action) -> String {
    match action {
        Action::Bash(bash) => bash.command.clone(),
        Action::Jobs | Action::Hosts => String::new(),
        Action::JobOutput(job) => job.id.to_string(),
        Action::JobStop(job) => job.id.to_string(),
        Action::Read(window) => window.file_path.clone(),
        Action::MultiRead(windows) => windows.iter().map(|window| window.file_path.as_str()).collect::<Vec<_>>().join(" "),
        Action::Write(write) => format!("{} ({} bytes)", write.file_path, write.content.len()),
        Action::Edit(edit) => format!("{} ({} edits)", edit.file_path, edit.edits.len()),
        Action::Stat(paths) => paths.join(" "),
        Action::List(list) => list.path.clone().unwrap_or_default(),
        Action::Glob(glob) => glob.pattern.clone(),
        Action::Grep(grep) => grep.pattern.clone(),
        Action::Connect(connect) => connect.label.clone().unwrap_or_default(),
        Action::Disconnect(what) => if what.end { "end" } else { "" }.to_owned(),
    }
}

/// What came of a call, in a line.
pub(crate) fn of_answer(answer: Result<&Answer, &Failure>) -> String {
    match answer {
        Err(failure) => format!("{} [{}]", failure.text, failure.code.word()),
        Ok(answer) => of_body(&answer.body),
    }
}

fn of_body(body: &Body) -> String {
    match body {
        Body::Execution(execution) => format!("{} · {} bytes · id {}", of_state(&execution.state), execution.stdout.total, execution.id),
        Body::Jobs(jobs) => format!("{} executions", jobs.len()),
        Body::JobOutput(slice) => format!("{} · {} bytes · id {}", of_state(&slice.state), slice.bytes.len(), slice.id),
        Body::Stopped(stopped) => format!("{} · id {}", of_state(&stopped.state), stopped.id),
        Body::Files(files) => format!("{} files", files.iter().filter(|file| file.is_ok()).count()),
        Body::Written(written) => format!("{} · {} bytes", written.path, written.bytes),
        Body::Stats(stats) => format!("{} paths", stats.len()),
        Body::Listing(listing) => format!("{} entries", listing.entries.len()),
        Body::Found(text) => format!("{} lines", text.lines().count()),
        Body::Text(text) => text.lines().next().unwrap_or_default().to_owned(),
    }
}

/// How an execution stands, in a few words.
fn of_state(state: &State) -> String {
    match state {
        State::Exited(status) => format!("exit {status}"),
        State::Killed(signal) => format!("killed {signal}"),
        State::Running => "running".to_owned(),
        State::Queued => "queued".to_owned(),
        State::Lost(why) => format!("lost: {why}"),
        State::Unknown(why) => format!("unknown: {why}"),
    }
}
