//! What the host tells of executions, read from its words.
//!
//! Holds to: a word that is not in the table is [`Standing::Unknown`], never a guess. Leaves out: how it is shown.

/// How an execution stands, as the host tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It ended by itself.
    Exited(u8),
    /// A signal ended it: its name without `SIG`.
    Killed(String),
    /// It runs.
    Running,
    /// It waits in its session's queue, or its session is only coming up.
    Queued,
    /// It never began: it was stopped while it was queued, or whoever was to begin it was lost.
    NeverBegan,
    /// It never began: its directory is not there.
    NoDirectory,
    /// Its outcome cannot be known any more: the host was rebooted, or nobody is left who saw the end.
    Lost(Why),
    /// The host has no record of it.
    NoRecord,
    /// Words that are not in the table.
    Unknown(String),
}

/// Why an outcome is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The host was rebooted while it ran.
    Reboot,
    /// The processes that watched it were ended.
    Supervisor,
}

/// An outcome, or how an execution stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it stands.
    pub standing: Standing,
    /// Hundredths of a second that it took, where the host has a clock.
    pub hundredths: Option<u64>,
    /// What else is to be told: see [`Mark`].
    pub marks: Vec<Mark>,
    /// The session's directory afterwards; `None` if it is not known.
    pub cwd: Option<String>,
}

/// What else is to be told with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The command ended the session's shell; a new one went on from the state before it.
    ShellReplaced,
    /// The command had left its session before.
    HandedOver,
    /// The account's login files did not come to an end and were left out.
    LoginSkipped,
    /// The session's shell had been lost; a new one was restored from what was saved on the host.
    StateRestored,
    /// A person ran commands in the session that its agent was not told of yet.
    Visited,
    /// The host had no room for all of the output.
    NoRoom,
    /// Whoever collects output was lost in the moment of the end: some of it may be missing.
    MayMiss,
}

const MARKS: &[(char, Mark)] = &[
    ('r', Mark::ShellReplaced),
    ('h', Mark::HandedOver),
    ('l', Mark::LoginSkipped),
    ('s', Mark::StateRestored),
    ('v', Mark::Visited),
    ('f', Mark::NoRoom),
    ('m', Mark::MayMiss),
];

/// Signals by number, as Linux and the BSDs agree on; others are named by their number.
const SIGNALS: &[(u8, &str)] = &[
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (8, "FPE"),
    (9, "KILL"),
    (11, "SEGV"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
];

/// Reads the letters of marks.
#[must_use]
pub fn parse_marks(letters: &str) -> Vec<Mark> {
    MARKS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, mark)| *mark).collect()
}

/// Reads the words `<state> <number> [<hundredths> <marks>]`.
#[must_use]
pub fn parse_standing(line: &str) -> (Standing, Option<u64>, Vec<Mark>) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = words.get(1).copied().unwrap_or_default();
    let standing = match (words[0], number) {
        ("exit", status) if status.bytes().all(|byte| byte.is_ascii_digit()) => {
            status.parse().map_or_else(|_| unknown(line), Standing::Exited)
        }
        ("kill", signal) => signal_name(signal).map_or_else(|| unknown(line), Standing::Killed),
        ("running", _) => Standing::Running,
        ("queued", _) => Standing::Queued,
        ("never", _) => Standing::NeverBegan,
        ("cwd", _) => Standing::NoDirectory,
        ("lost", "reboot") => Standing::Lost(Why::Reboot),
        ("lost", "supervisor") => Standing::Lost(Why::Supervisor),
        ("away", _) => Standing::NoRecord,
        _ => unknown(line),
    };
    let hundredths = words.get(2).and_then(|word| word.parse().ok());
    let letters = words.get(3).copied().unwrap_or_default();
    (standing, hundredths, parse_marks(letters))
}

/// Words that are not in the table, as far as a reader needs them.
fn unknown(line: &str) -> Standing {
    Standing::Unknown(line.chars().take(80).collect())
}

/// A signal's name, from its number or its name; `None` for what is neither.
fn signal_name(word: &str) -> Option<String> {
    if word.is_empty() || word.len() > 12 || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let name = |number: u8| SIGNALS.iter().find(|(n, _)| *n == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned());
    Some(word.parse().map_or_else(|_| word.to_owned(), name))
}

/// Reads an outcome: the line of [`parse_standing`], then the directory.
#[must_use]
pub fn parse_report(payload: &[u8]) -> Report {
    let text = String::from_utf8_lossy(payload);
    let (line, cwd) = text.split_once('\n').unwrap_or((&text, "?"));
    let (standing, hundredths, marks) = parse_standing(line);
    Report { standing, hundredths, marks, cwd: (cwd != "?" && !cwd.is_empty()).then(|| cwd.to_owned()) }
}

/// A slice of an execution's output with what the host knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// How the execution stands.
    pub report: Report,
    /// Bytes of the stream so far.
    pub total: u64,
    /// Bytes that the cap dropped.
    pub dropped: u64,
    /// Bytes kept from the beginning; what was dropped lies behind them.
    pub head: u64,
    /// First byte of `bytes`.
    pub offset: u64,
    /// Why the wait ended: `none`, `end`, `output`, `pattern` or `time`.
    pub why: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Reads the body of an `output` reply; `None` if it is not one.
#[must_use]
pub fn parse_slice(body: &[u8]) -> Option<Slice> {
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let facts = std::str::from_utf8(&body[..end]).ok()?;
    let words: Vec<&str> = facts.split('|').collect();
    let [state, total, head, from, offset, took, why] = words.as_slice() else { return None };
    let number = |word: &str| word.parse::<u64>().ok();
    let rest = &body[end + 1..];
    let stop = rest.windows(3).position(|window| window == b"\n.\n")?;
    let (standing, hundredths, marks) = parse_standing(state);
    let cwd = String::from_utf8_lossy(&rest[..stop]).into_owned();
    let head = number(head)?;
    Some(Slice {
        report: Report { standing, hundredths: hundredths.or_else(|| number(took)), marks, cwd: (cwd != "?").then_some(cwd) },
        total: number(total)?,
        dropped: number(from)?.saturating_sub(head),
        head,
        offset: number(offset)?,
        why: (*why).to_owned(),
        bytes: rest[stop + 3..].to_vec(),
    })
}

/// What the host tells when a lane comes up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The state directory.
    pub root: String,
    /// What tells this state directory from one that was removed, and from another host's; empty if the host could not write it down.
    pub state: String,
    /// The boot's identity.
    pub boot: String,
    /// The host's own name and identity.
    pub node: String,
    /// The shell that runs the lane.
    pub lane_shell: String,
    /// The shell of sessions.
    pub session_shell: String,
    /// Version of the layout of the state directory.
    pub layout: u32,
}

/// Reads a hello.
#[must_use]
pub fn parse_hello(payload: &[u8]) -> Hello {
    let text = String::from_utf8_lossy(payload);
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned();
    Hello {
        root: field("root"),
        state: field("state"),
        boot: field("boot"),
        node: field("node"),
        lane_shell: field("lane"),
        session_shell: field("shell"),
        layout: field("layout").parse().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_the_table_are_read_and_others_are_unknown() {
        let check = |line: &str, expected: Standing| assert_eq!(parse_standing(line).0, expected, "{line}");
        check("exit 3 124 -", Standing::Exited(3));
        check("exit 300 1 -", Standing::Unknown("exit 300 1 -".into()));
        check("exit +3 1 -", Standing::Unknown("exit +3 1 -".into()));
        check("exit  1 -", Standing::Unknown("exit  1 -".into()));
        check(&format!("exit {}", "9".repeat(300)), Standing::Unknown(format!("exit {}", "9".repeat(75))));
        check("kill 9 1 r", Standing::Killed("KILL".into()));
        check("kill TERM 1 r", Standing::Killed("TERM".into()));
        check("kill 9? 1 r", Standing::Unknown("kill 9? 1 r".into()));
        check("kill", Standing::Unknown("kill".into()));
        check("kill 34 1 r", Standing::Killed("34".into()));
        check("running", Standing::Running);
        check("lost reboot", Standing::Lost(Why::Reboot));
        check("away", Standing::NoRecord);
        check("", Standing::Unknown(String::new()));
        check("finished", Standing::Unknown("finished".into()));
    }

    #[test]
    fn a_report_holds_the_directory_and_the_marks() {
        let report = parse_report(b"exit 0 12 r\n/srv/a\nb");
        assert_eq!(report.cwd.as_deref(), Some("/srv/a\nb"));
        assert_eq!(report.marks, vec![Mark::ShellReplaced]);
        assert_eq!(report.hundredths, Some(12));
        assert_eq!(parse_report(b"running\n?").cwd, None);
    }

    #[test]
    fn a_slice_is_read() {
        let slice = parse_slice(b"exit 0 106 h|10|4|6|0|107|none\n/usr\n.\nbegin").expect("a slice");
        assert_eq!((slice.total, slice.dropped, slice.offset, slice.bytes.as_slice()), (10, 2, 0, &b"begin"[..]));
        assert_eq!(slice.report.cwd.as_deref(), Some("/usr"));
    }

    proptest! {
        #[test]
        fn a_strangers_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_report(&bytes);
            let _ = parse_slice(&bytes);
            let _ = parse_hello(&bytes);
        }
    }
}
