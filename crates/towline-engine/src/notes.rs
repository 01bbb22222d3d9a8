//! Sentences that stand as notes in an answer: what happened besides the call.

use towline_proto::outcome::Mark;

use crate::answer::JobLine;
use crate::line::LineDriver;

/// What an execution's marks say, on this line's host.
pub(crate) fn of_marks(line: &LineDriver, marks: &[Mark]) -> Vec<String> {
    let shell = line.hello().unwrap_or_default().session_shell;
    sentences(marks, line.host().as_str(), &shell)
}

fn sentences(marks: &[Mark], host: &str, shell: &str) -> Vec<String> {
    let restored = of_restored(host, shell);
    let text = |mark: &Mark| match mark {
        // What was done is asked for, and told by itself.
        Mark::Visited => None,
        Mark::ShellReplaced => Some(
            "the command ended the session's shell. A new one goes on with directory, environment, functions and options as they were before this command; background jobs go on, but `wait` does not know them any more.",
        ),
        Mark::HandedOver => Some("the command had left its session before it ended; its cd and export are not seen there."),
        Mark::LoginSkipped => Some("the account's login files did not come to an end within 10 s; the session runs without them."),
        Mark::StateRestored => Some(restored.as_str()),
        Mark::NoRoom => Some("the host had no room for all of the output: what could be kept is shown."),
        Mark::MayMiss => Some(
            "some of the output may be missing: the process on the host that collects it was ended in the moment when the command ended.",
        ),
    };
    marks.iter().filter_map(|mark| text(mark).map(str::to_owned)).collect()
}

/// What a shell that was lost has left, and what went with it: of a bash all is saved that a shell can tell of itself.
fn of_restored(host: &str, shell: &str) -> String {
    let (kept, gone) = if shell.rsplit('/').next() == Some("bash") {
        ("directory, environment, variables, functions, aliases, options and umask", "background jobs and open file descriptors")
    } else {
        ("directory and environment", "background jobs and open file descriptors, and perhaps functions and shell options")
    };
    format!(
        "on {host} the session's shell was lost: the host was rebooted, or its processes were ended. A new one has {kept} as they were after the last command that ended before; gone are {gone}."
    )
}

/// What an execution's marks say of its output.
pub(crate) fn of_output(marks: &[Mark]) -> Vec<String> {
    let about: Vec<Mark> = marks.iter().copied().filter(|mark| matches!(mark, Mark::NoRoom | Mark::MayMiss)).collect();
    sentences(&about, "", "")
}

/// Commands of a visit that are named; the others are counted.
const NAMED: usize = 8;

/// What a person did in the session since the agent's last command there; nothing if nothing is known.
pub(crate) fn of_visit(commands: &[JobLine]) -> Option<String> {
    if commands.is_empty() {
        return None;
    }
    let one = |job: &JobLine| {
        let command: String = job.command.chars().take(80).collect();
        let cut = if job.command.chars().count() > 80 { "…" } else { "" };
        format!("`{command}{cut}` ({})", crate::summary::of_state(&job.state))
    };
    let mut text: Vec<String> = commands.iter().take(NAMED).map(one).collect();
    if commands.len() > NAMED {
        text.push(format!("and {} more", commands.len() - NAMED));
    }
    let text = text.join(", ");
    Some(format!(
        "before this call a person stepped in and ran in this session: {text}. Directory, environment and files may have changed."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::parse_jobs;

    #[test]
    fn a_restored_session_names_its_host_and_what_is_gone() {
        let note = |shell: &str| sentences(&[Mark::Visited, Mark::StateRestored], "web-1", shell).concat();
        assert_eq!(
            note("/usr/bin/bash"),
            "on web-1 the session's shell was lost: the host was rebooted, or its processes were ended. A new one has directory, environment, variables, functions, aliases, options and umask as they were after the last command that ended before; gone are background jobs and open file descriptors."
        );
        assert!(note("/bin/sh").ends_with("gone are background jobs and open file descriptors, and perhaps functions and shell options."));
    }

    #[test]
    fn a_visit_names_commands_and_how_they_ended() {
        let lines = "bcdfgh|s|exit 0 5 -||cd /srv\ncdfghj|s|exit 2 5 -||make\ndfghjk|s|running||top\n";
        let note = of_visit(&parse_jobs(lines.as_bytes())).unwrap_or_default();
        assert!(note.contains("`cd /srv` (exit 0), `make` (exit 2), `top` (running)."), "{note}");
        assert_eq!(of_visit(&[]), None);
        let note = of_visit(&parse_jobs(lines.repeat(4).as_bytes())).unwrap_or_default();
        assert!(note.contains("and 4 more."), "{note}");
    }
}
