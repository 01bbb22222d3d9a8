//! Sentences that stand as notes in an answer: what happened besides the call.

use towline_proto::outcome::Mark;

/// What an execution's marks say.
pub(crate) fn of_marks(marks: &[Mark]) -> Vec<String> {
    let text = |mark: &Mark| match mark {
        Mark::ShellReplaced => {
            "the command ended the session's shell. A new one goes on with directory, environment, functions and options as they were before this command; background jobs go on, but `wait` does not know them any more."
        }
        Mark::HandedOver => "the command had left its session before it ended; its cd and export are not seen there.",
        Mark::LoginSkipped => "the account's login files did not come to an end within 10 s; the session runs without them.",
        Mark::StateRestored => {
            "the session's shell was lost (host rebooted, or its processes were ended). A new one has the directory and environment that were saved; background jobs are gone."
        }
    };
    marks.iter().map(|mark| text(mark).to_owned()).collect()
}
