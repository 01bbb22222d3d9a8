//! What an answer's text says: state, id, output, notes.
//!
//! Holds to: pure; what is not understood is said to be so. Leaves out: whether it is true.

/// How an answer says that a command stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `exit N`.
    Exited(u8),
    /// `killed SIGNAL`.
    Killed(String),
    /// `running` or `queued`.
    GoesOn,
    /// `lost: …`.
    Lost(String),
    /// `unknown: …`.
    Unknown(String),
    /// An error: nothing was run.
    NotStarted(String),
    /// An error: the host has no such execution.
    NoRecord,
    /// An error: the call was cancelled.
    Cancelled,
    /// An error about the link, or none that a call for output can say more of.
    NotTold(String),
    /// No answer: towline was killed.
    Nothing,
    /// Words that are none of these.
    Strange(String),
}

/// An answer in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// How it says the command stands.
    pub(super) said: Said,
    /// The execution's id.
    pub(super) id: Option<String>,
    /// What stands before notes and status.
    pub(super) body: String,
    /// The notes, without their mark.
    pub(super) notes: Vec<String>,
}

/// The code in brackets at the end of an error's first line.
fn code(text: &str) -> Option<&str> {
    let end = text.rfind(']')?;
    let begin = text[..end].rfind(" [")? + 2;
    Some(&text[begin..end])
}

/// An answer of Bash.
pub(super) fn of_bash(text: &str, error: bool) -> Parts {
    if error {
        let said = match code(text) {
            Some("cancelled") => Said::Cancelled,
            _ => Said::NotStarted(text.to_owned()),
        };
        return Parts { said, id: None, body: String::new(), notes: Vec::new() };
    }
    of_status(text)
}

/// An answer of JobOutput.
pub(super) fn of_output(text: &str, error: bool) -> Parts {
    if error {
        let said = match code(text) {
            Some("unknown") => Said::NoRecord,
            _ => Said::NotTold(text.to_owned()),
        };
        return Parts { said, id: None, body: String::new(), notes: Vec::new() };
    }
    of_status(text)
}

fn of_status(text: &str) -> Parts {
    let (before, last) = text.rsplit_once('\n').map_or(("", text), |(before, last)| (before, last));
    let inner = last.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    let parts: Vec<&str> = inner.split(" \u{b7} ").collect();
    let id = parts.iter().find_map(|part| part.strip_prefix("id ")).map(str::to_owned);
    let said = match parts[0].split_once([' ', ':']) {
        _ if id.is_none() => Said::Strange(last.to_owned()),
        Some(("exit", code)) => code.parse().map_or_else(|_| Said::Strange(last.to_owned()), Said::Exited),
        Some(("killed", signal)) => Said::Killed(signal.to_owned()),
        Some(("lost", why)) => Said::Lost(why.to_owned()),
        Some(("unknown", why)) => Said::Unknown(why.to_owned()),
        None if matches!(parts[0], "running" | "queued") => Said::GoesOn,
        _ => Said::Strange(last.to_owned()),
    };
    let mut lines: Vec<&str> = before.split_inclusive('\n').collect();
    let mut notes = Vec::new();
    while let Some(note) = lines.last().and_then(|line| line.strip_prefix("[note] ")) {
        notes.insert(0, note.trim_end().to_owned());
        lines.pop();
    }
    let mut body = lines.concat();
    if !body.is_empty() && !body.ends_with('\n') {
        body.push('\n');
    }
    Parts { said, id, body, notes }
}

/// Whether the notes say that output may be missing.
pub(super) fn may_miss(notes: &[String]) -> bool {
    notes.iter().any(|note| note.contains("output may be missing"))
}

/// First byte, end and whole size of a slice, as the last line of JobOutput's answer tells them.
pub(super) fn extent(text: &str) -> Option<(usize, usize, usize)> {
    let words = text.rsplit_once("stdout ")?.1.strip_suffix(" bytes]")?;
    let (range, total) = words.split_once(" of ")?;
    let (begin, end) = range.split_once('\u{2013}')?;
    Some((begin.parse().ok()?, end.parse().ok()?, total.parse().ok()?))
}

/// Whether what an answer shows is this output, or head and tail of it.
pub(super) fn shows(body: &str, output: &str) -> bool {
    if body == output || (output.is_empty() && body.starts_with('(')) {
        return true;
    }
    let Some(at) = body.find("\n[omitted ") else { return false };
    let tail = body[at + 1..].split_once('\n').map_or("", |(_, tail)| tail);
    let head = &body[..at];
    output.starts_with(head) && output.ends_with(tail) && head.len() + tail.len() > 20_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let parts = of_bash("a\nb\n[note] one\n[note] two\n[exit 3 \u{b7} 0.01 s \u{b7} /h \u{b7} id bcdfgh]", false);
        assert_eq!(parts.said, Said::Exited(3));
        assert_eq!((parts.id.as_deref(), parts.body.as_str(), parts.notes.len()), (Some("bcdfgh"), "a\nb\n", 2));
        for (last, said) in [
            ("[running \u{b7} id bcdfgh]", Said::GoesOn),
            ("[killed KILL \u{b7} id bcdfgh]", Said::Killed("KILL".to_owned())),
            ("[unknown: no link \u{b7} id bcdfgh]", Said::Unknown(" no link".to_owned())),
            ("[exit 3]", Said::Strange("[exit 3]".to_owned())),
        ] {
            assert_eq!(of_bash(last, false).said, said);
        }
        assert_eq!(of_bash("x [cancelled]", true).said, Said::Cancelled);
        assert!(matches!(of_bash("x [refused]\nhint", true).said, Said::NotStarted(_)));
        assert_eq!(of_output("id: none [unknown]\nhint", true).said, Said::NoRecord);
    }

    #[test]
    fn output_is_compared_whole_or_by_its_ends() {
        assert!(shows("a\n", "a\n") && !shows("a\n", "a\nb\n"));
        let long: String = (0..20_000).map(|n: u32| n.to_string() + "\n").collect();
        let (head, tail) = (&long[..15_000], &long[long.len() - 15_000..]);
        assert!(shows(&format!("{head}\n[omitted 5 of 6 bytes here]\n{tail}"), &long));
        assert!(!shows(&format!("{head}\n[omitted 5 of 6 bytes here]\nx{tail}"), &long));
    }

    #[test]
    fn a_slices_extent_is_read() {
        assert_eq!(extent("x\n[exit 0 \u{b7} id b \u{b7} stdout 5\u{2013}17 of 300 bytes]"), Some((5, 17, 300)));
        assert_eq!(extent("[exit 0]"), None);
    }
}
