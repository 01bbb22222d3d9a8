//! Sentences that stand as notes in an answer: what happened besides the call.

use towline_proto::outcome::Mark;

use crate::answer::JobLine;

/// What an execution's marks say.
pub(crate) fn of_marks(marks: &[Mark]) -> Vec<String> {
    let text = |mark: &Mark| match mark {
        // What was done is asked for, and told by itself.
        Mark::Visited => None,
        Mark::ShellReplaced => Some(
            "the command ended the session's shell. A new one goes on with directory, environment, functions and options as they were before this command; background jobs go on, but `wait` does not know them any more.",
        ),
        Mark::HandedOver => Some("the command had left its session before it ended; its cd and export are not seen there."),
        Mark::LoginSkipped => Some("the account's login files did not come to an end within 10 s; the session runs without them."),
        Mark::StateRestored => Some(
            "the session's shell was lost (host rebooted, or its processes were ended). A new one has the directory and environment that were saved; background jobs are gone.",
        ),
        Mark::NoRoom => Some("the host had no room for all of the output: what could be kept is shown."),
        Mark::MayMiss => Some(
            "some of the output may be missing: the process on the host that collects it was ended in the moment when the command ended.",
        ),
    };
    marks.iter().filter_map(|mark| text(mark).map(str::to_owned)).collect()
}

/// What an execution's marks say of its output.
pub(crate) fn of_output(marks: &[Mark]) -> Vec<String> {
    let about: Vec<Mark> = marks.iter().copied().filter(|mark| matches!(mark, Mark::NoRoom | Mark::MayMiss)).collect();
    of_marks(&about)
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
    fn a_visit_names_commands_and_how_they_ended() {
        let lines = "bcdfgh|s|exit 0 5 -||cd /srv\ncdfghj|s|exit 2 5 -||make\ndfghjk|s|running||top\n";
        let note = of_visit(&parse_jobs(lines.as_bytes())).unwrap_or_default();
        assert!(note.contains("`cd /srv` (exit 0), `make` (exit 2), `top` (running)."), "{note}");
        assert_eq!(of_visit(&[]), None);
        let note = of_visit(&parse_jobs(lines.repeat(4).as_bytes())).unwrap_or_default();
        assert!(note.contains("and 4 more."), "{note}");
    }
}
