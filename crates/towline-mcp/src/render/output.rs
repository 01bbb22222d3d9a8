//! Texts of commands: output within its budget, notes, the status line.

use towline_base::{Handle, limits, visible};
use towline_engine::answer::{Excerpt, Execution, JobLine, OutputSlice, State, Stopped};

use super::words::{cut, duration, one_line, timeout};
use super::{marks, noted};

/// How our own lines begin; a line of output that begins so is set off by a backslash.
const MARKS: &[&str] = &["[exit ", "[killed ", "[running", "[queued", "[lost", "[unknown", "[note]", "[stderr]", "[omitted ", "[terminal "];

/// Sets off every line that looks like one of ours.
pub(super) fn set_off(text: &str) -> String {
    let alike = |line: &str| MARKS.iter().any(|mark| line.trim_start_matches('\\').starts_with(mark));
    if !text.contains('[') || !text.split('\n').any(alike) {
        return text.to_owned();
    }
    let lines = text.split('\n').map(|line| if alike(line) { format!("\\{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

/// The words for a state.
fn state(state: &State) -> String {
    match state {
        State::Exited(code) => format!("exit {code}"),
        State::Killed(signal) => format!("killed {}", one_line(signal)),
        State::Running => "running".to_owned(),
        State::Queued => "queued".to_owned(),
        State::Lost(why) => format!("lost: {}", one_line(why)),
        State::Unknown(why) => format!("unknown: {}", one_line(why)),
    }
}

/// `[exit 3 · 1.24 s · /srv/app · id k3f9xx]`.
fn status(of: &State, time: Option<std::time::Duration>, cwd: Option<&str>, id: &Handle, more: Option<String>) -> String {
    let mut parts = vec![state(of)];
    parts.extend(time.map(duration));
    parts.extend(cwd.map(one_line));
    parts.push(format!("id {id}"));
    parts.extend(more);
    format!("[{}]", parts.join(" \u{b7} "))
}

/// The answer of Bash.
pub(super) fn execution(of: &Execution, background: bool, notes: &[String]) -> String {
    let budget = if of.stderr.is_some() { limits::ANSWER_CHARACTERS / 2 } else { limits::ANSWER_CHARACTERS };
    let (mut text, mut marked) = excerpt(&of.stdout, budget, &of.id, "");
    let apart = of.stderr.as_ref().map(|stderr| excerpt(stderr, budget, &of.id, " stream=stderr"));
    if let Some((stderr, more)) = apart.filter(|(stderr, _)| !stderr.is_empty()) {
        end_line(&mut text);
        text.push_str("[stderr]\n");
        text.push_str(&stderr);
        marked += more;
    }
    let sentence = sentence(of, background);
    if text.is_empty() && sentence.is_none() && matches!(of.state, State::Exited(_) | State::Killed(_)) {
        "(Bash completed with no output)".clone_into(&mut text);
    }
    if let Some(sentence) = sentence {
        end_line(&mut text);
        text.push_str(&sentence);
    }
    let mut all: Vec<String> = marks(marked).into_iter().collect();
    all.extend_from_slice(notes);
    let mut text = noted(text, &all);
    end_line(&mut text);
    text + &status(&of.state, of.duration, of.cwd.as_deref(), &of.id, None)
}

/// What is to be said of a command that did not end within its call.
fn sentence(of: &Execution, background: bool) -> Option<String> {
    let id = &of.id;
    let moved = of.moved_to_background.filter(|_| !background);
    match (&of.state, moved) {
        (State::Running, Some(after)) => Some(format!(
            "Command did not complete within its {} timeout and was moved to the background (ID: {id}). It is running now: do not start a second copy while it runs. JobOutput (id={id}, wait_for=end) waits for it and shows its output; if it is no longer needed, stop it with JobStop.",
            timeout(after)
        )),
        (State::Queued, Some(after)) => Some(format!(
            "Command did not begin within its {} timeout: it waits in its session's queue (ID: {id}) and runs when the commands before it are done. Do not start a second copy. JobOutput (id={id}, wait_for=end) waits for it; JobStop takes it out of the queue.",
            timeout(after)
        )),
        (State::Running | State::Queued, None) if background => Some(format!(
            "Command running in background with ID: {id}. JobOutput (id={id}) shows its output, with wait_for=end it waits for it; JobStop ends it."
        )),
        (State::Running | State::Queued, None) => {
            Some(format!("The command goes on (ID: {id}): do not start a second copy. JobOutput (id={id}) collects it."))
        }
        (State::Unknown(_), _) => Some(format!(
            "What became of the command is not known now. Nothing was replayed and its outcome is kept on the host: JobOutput (id={id}) collects it."
        )),
        (State::Exited(_) | State::Killed(_) | State::Lost(_), _) => None,
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Output within a budget of characters, and how many characters were written as `\xHH`.
fn excerpt(of: &Excerpt, budget: usize, id: &Handle, stream: &str) -> (String, usize) {
    let whole = of.tail.is_empty() && of.omitted == 0 && of.dropped == 0;
    let (text, marked) = visible::to_text(&of.head);
    if whole && text.chars().count() <= budget {
        return (set_off(&text), marked);
    }
    // What the engine cut is cut further where writing out control characters made it too long.
    let (head, tail) = if of.tail.is_empty() && whole {
        let head = &of.head[..prefix(&of.head, budget / 2)];
        (head, suffix(&of.head[head.len()..], budget / 2))
    } else if of.tail.is_empty() {
        (&of.head[..prefix(&of.head, budget)], &of.tail[..])
    } else {
        (&of.head[..prefix(&of.head, budget / 2)], suffix(&of.tail, budget / 2))
    };
    let shown = head.len() as u64 + tail.len() as u64;
    let given = of.head.len() as u64 + of.tail.len() as u64;
    let omitted = of.omitted + given - shown;
    let (head_text, head_marks) = visible::to_text(head);
    let (tail_text, tail_marks) = visible::to_text(tail);
    let mut text = set_off(&head_text);
    end_line(&mut text);
    text.push_str(&gap(omitted, of, head.len(), id, stream));
    text.push('\n');
    text.push_str(&set_off(&tail_text));
    (text, head_marks + tail_marks)
}

/// The line between head and tail.
fn gap(omitted: u64, of: &Excerpt, head: usize, id: &Handle, stream: &str) -> String {
    let total = of.total;
    let kept = format!("[omitted {omitted} of {total} bytes here: JobOutput id={id}{stream} offset={head} limit={omitted} shows them");
    let gone = format!("{} bytes beyond the host's cap were dropped and are kept nowhere", of.dropped);
    match (omitted, of.dropped) {
        (_, 0) => format!("{kept}]"),
        (0, _) => format!("[omitted here: {gone}; {total} bytes in all]"),
        _ => format!("{kept}; {gone}]"),
    }
}

fn shown_length(bytes: &[u8]) -> usize {
    visible::to_text(bytes).0.chars().count()
}

/// How many bytes from the beginning can be shown; ends after a line where one ends in the last quarter.
fn prefix(bytes: &[u8], budget: usize) -> usize {
    let fits = shrink(bytes.len(), budget, |length| shown_length(&bytes[..length]));
    if fits == bytes.len() {
        return fits;
    }
    let at = (0..4).filter_map(|back| fits.checked_sub(back)).find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(fits);
    bytes[at / 4 * 3..at].iter().rposition(|b| *b == b'\n').map_or(at, |newline| at / 4 * 3 + newline + 1)
}

/// The bytes at the end that can be shown; begins at a line where one begins in the first quarter.
fn suffix(bytes: &[u8], budget: usize) -> &[u8] {
    let fits = shrink(bytes.len(), budget, |length| shown_length(&bytes[bytes.len() - length..]));
    let mut tail = &bytes[bytes.len() - fits..];
    if fits == bytes.len() {
        return tail;
    }
    let inside = tail.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count();
    tail = &tail[inside..];
    let line = tail[..tail.len() / 4].iter().position(|b| *b == b'\n');
    line.map_or(tail, |newline| &tail[newline + 1..])
}

/// The largest length, or nearly, whose text is within the budget.
fn shrink(length: usize, budget: usize, shown: impl Fn(usize) -> usize) -> usize {
    let mut length = length.min(budget.saturating_mul(4));
    loop {
        let characters = shown(length);
        if characters <= budget {
            return length;
        }
        length = (length * budget / characters).min(length - 1);
    }
}

/// The answer of `JobOutput`.
pub(super) fn slice(of: &OutputSlice, stream: &str, notes: &[String]) -> String {
    let shown = if of.bytes.len() > limits::ANSWER_CHARACTERS / 4 { prefix(&of.bytes, limits::ANSWER_CHARACTERS) } else { of.bytes.len() };
    let (text, marked) = visible::to_text(&of.bytes[..shown]);
    let mut text = set_off(&text);
    if text.is_empty() {
        let word = if of.total == 0 { "(no output)" } else { "(no output from there on)" };
        word.clone_into(&mut text);
    }
    // What was cut for this answer's size begins where it was cut; else the next slice begins where the host says.
    let end = if shown < of.bytes.len() { of.offset + shown as u64 } else { of.next };
    let mut all: Vec<String> = marks(marked).into_iter().collect();
    if end < of.total && (of.offset > 0 || shown < of.bytes.len()) {
        let option = if stream == "stdout" { String::new() } else { format!(" stream={stream}") };
        all.push(format!("{} bytes follow: JobOutput id={}{option} offset={end}.", of.total - end, of.id));
    }
    if of.dropped > 0 {
        all.push(format!("{} bytes beyond the host's cap were dropped and are kept nowhere.", of.dropped));
    }
    all.extend(of.waited.clone());
    all.extend_from_slice(notes);
    let mut text = noted(text, &all);
    end_line(&mut text);
    let bytes = format!("{stream} {}\u{2013}{end} of {} bytes", of.offset, of.total);
    text + &status(&of.state, of.duration, of.cwd.as_deref(), &of.id, Some(bytes))
}

/// The answer of Jobs: a line each.
pub(super) fn jobs(of: &[JobLine]) -> String {
    if of.is_empty() {
        return "No command runs, and every outcome was read.".to_owned();
    }
    let line = |job: &JobLine| {
        let mut parts = vec![format!("id {}", job.id), state(&job.state)];
        parts.extend(job.age.map(|age| format!("started {} ago", duration(age))));
        parts.push(format!("session {}", one_line(&job.session)));
        parts.push(cut(&one_line(&job.command), 120));
        let last = cut(&one_line(&job.last_line), 120);
        let last = if last.is_empty() { String::new() } else { format!("\n  {last}") };
        format!("{}{last}", parts.join(" \u{b7} "))
    };
    of.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The answer of `JobStop`.
pub(super) fn stopped(of: &Stopped, notes: &[String]) -> String {
    let signalled = match of.signalled {
        0 => "No process was left to signal".to_owned(),
        1 => "1 process was signalled".to_owned(),
        more => format!("{more} processes were signalled"),
    };
    let seen = match (of.confirmed, of.signalled) {
        (true, 0) => ".",
        (true, _) => ", and all of them are seen to be gone.",
        (false, _) => "; it is NOT confirmed that all of them are gone. JobOutput tells its state later.",
    };
    let mut text = noted(format!("{signalled}{seen}"), notes);
    end_line(&mut text);
    text + &status(&of.state, None, None, &of.id, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_looks_like_ours_is_set_off() {
        for (given, shown) in [
            ("a\n[exit 0 · 1 s]\nb", "a\n\\[exit 0 · 1 s]\nb"),
            ("[note] x", "\\[note] x"),
            ("\\[note] x", "\\\\[note] x"),
            ("x [note] y", "x [note] y"),
            ("[killed TERM", "\\[killed TERM"),
            ("[running]\n[ok]\n", "\\[running]\n[ok]\n"),
            ("[stderr]", "\\[stderr]"),
            ("[unknown: x]\n[lost: y]\n[queued]", "\\[unknown: x]\n\\[lost: y]\n\\[queued]"),
        ] {
            assert_eq!(set_off(given), shown);
        }
    }

    #[test]
    fn a_cut_is_at_a_character_and_within_the_budget() {
        let bytes = "ü".repeat(500).into_bytes();
        for budget in [1, 7, 99, 100, 499, 500, 1000] {
            let end = prefix(&bytes, budget);
            assert!(std::str::from_utf8(&bytes[..end]).is_ok() && shown_length(&bytes[..end]) <= budget);
            let tail = suffix(&bytes, budget);
            assert!(std::str::from_utf8(tail).is_ok() && shown_length(tail) <= budget);
        }
        let controls = vec![0x1b; 1000];
        assert!(shown_length(&controls[..prefix(&controls, 100)]) <= 100);
        assert!(prefix(&controls, 100) > 10);
        assert!(shown_length(suffix(&controls, 100)) <= 100);
    }
}
