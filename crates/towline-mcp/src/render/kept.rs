//! What towline keeps on a host, and what was removed of it, as lines of at most 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

use towline_base::TerminalName;
use towline_engine::answer::{HeldTerminal, Holder, Kept, KeptSession, Removed, SessionLife, TerminalsLeft};

use super::words::{cut, one_line, size};

/// Columns of a line.
const COLUMNS: usize = 80;
/// Sessions that are told one by one.
const SESSIONS: usize = 50;
/// Terminals that are told one by one.
const TERMINALS: usize = 50;

/// What is kept.
pub(super) fn list(kept: &Kept) -> String {
    let mut text = format!("{}\n{} in all\n", kept.root, size(kept.kib * 1024));
    let over = kept.executions.saturating_sub(kept.running + kept.unread);
    let _ = writeln!(
        text,
        "executions: {} running, {} unread, {over} read; {} of output",
        kept.running,
        kept.unread,
        size(kept.output_kib * 1024)
    );
    for job in &kept.running_jobs {
        let _ = writeln!(text, "{}", narrow(&format!("  {}  in {}: {}", job.id, job.session, one_line(&job.command))));
    }
    if kept.running > kept.running_jobs.len() {
        let _ = writeln!(text, "  and {} more", kept.running - kept.running_jobs.len());
    }
    let _ = writeln!(text, "sessions: {}", kept.sessions.len());
    for session in kept.sessions.iter().take(SESSIONS) {
        let _ = writeln!(text, "{}", narrow(&format!("  {}", one_line(&session_line(session)))));
    }
    if kept.sessions.len() > SESSIONS {
        let _ = writeln!(text, "  and {} more", kept.sessions.len() - SESSIONS);
    }
    text.push_str(&terminals(kept.terminals.as_deref()));
    if kept.others > 0 {
        let _ = writeln!(text, "connections of other towline processes: {}", kept.others);
    }
    text
}

/// The terminals that the host holds; nothing where there is none.
fn terminals(held: Option<&[HeldTerminal]>) -> String {
    let Some(held) = held else { return "terminals that it holds: it did not say\n".to_owned() };
    let mut text = if held.is_empty() { String::new() } else { format!("terminals that it holds: {}\n", held.len()) };
    for terminal in held.iter().take(TERMINALS) {
        let holder = match terminal.holder {
            Holder::Tmux => "tmux",
            Holder::Screen => "screen",
        };
        let attached = if terminal.attached { "attached" } else { "nobody is attached" };
        let _ = writeln!(text, "{}", narrow(&format!("  {}  in {holder}, {attached}", terminal.name)));
    }
    if held.len() > TERMINALS {
        let _ = writeln!(text, "  and {} more", held.len() - TERMINALS);
    }
    text
}

fn session_line(session: &KeptSession) -> String {
    let life = match (session.life, session.idle) {
        (SessionLife::Busy, _) => "a command runs".to_owned(),
        (SessionLife::Idle, Some(idle)) => format!("idle for {}", age(idle)),
        (SessionLife::Idle, None) => "idle".to_owned(),
        (SessionLife::Gone, _) => "its shell is gone".to_owned(),
    };
    format!("{}  {life}, in {}", session.name, session.cwd)
}

/// A time in its largest unit.
fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn narrow(line: &str) -> String {
    if line.chars().count() <= COLUMNS { line.to_owned() } else { line.chars().take(COLUMNS - 1).chain(['…']).collect() }
}

/// What was removed.
pub(super) fn removed(removed: &Removed) -> String {
    let mut text = String::new();
    if let Some(root) = &removed.whole {
        let _ = writeln!(text, "removed: all of\n{root}");
    } else if removed.left.is_none() {
        let _ = writeln!(text, "removed: {} outcomes; sessions ended: {}", removed.executions, removed.sessions.len());
    }
    for name in &removed.with_jobs {
        let _ = writeln!(text, "{}", narrow(&format!("session {name} stays: a job of it runs in the background")));
    }
    if let Some(left) = &removed.left {
        let _ = writeln!(text, "not all could be removed; there still is: {}", cut(left, 200));
    }
    if removed.unsure > 0 {
        let _ = writeln!(text, "not confirmed: that all processes of {} executions have ended", removed.unsure);
    }
    if removed.terminals > 0 {
        let _ = writeln!(text, "terminals ended: {}", removed.terminals);
    }
    match &removed.terminals_left {
        TerminalsLeft::Nothing => {}
        TerminalsLeft::Unknown => text.push_str("not confirmed: that the host holds no terminal any more\n"),
        TerminalsLeft::Still(names) => {
            let names: Vec<&str> = names.iter().map(TerminalName::as_str).collect();
            let _ = writeln!(text, "terminals that still are there: {}", cut(&names.join(" "), 200));
        }
    }
    if removed.connections > 0 {
        let _ = writeln!(text, "connections ended: {}", removed.connections);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_engine::answer::{JobLine, State};

    #[test]
    fn what_is_kept_fits_a_terminal() {
        let session = |name: &str, life, idle: Option<u64>| KeptSession {
            name: name.to_owned(),
            life,
            idle: idle.map(Duration::from_secs),
            cwd: "/srv/app".to_owned(),
        };
        let job = JobLine {
            id: towline_base::Handle::parse("bcdfgh").expect("a handle"),
            state: State::Running,
            session: "main".to_owned(),
            age: None,
            command: "x".repeat(200),
            last_line: String::new(),
        };
        let kept = Kept {
            root: "/home/me/.local/state/towline/v1/node-1".to_owned(),
            kib: 2048,
            sessions: vec![
                session("main", SessionLife::Busy, Some(0)),
                session("b", SessionLife::Idle, Some(8000)),
                session("c", SessionLife::Gone, None),
            ],
            others: 1,
            executions: 9,
            running: 2,
            unread: 3,
            output_kib: 1000,
            running_jobs: vec![job],
            terminals: Some(vec![
                HeldTerminal { name: TerminalName::parse("db").expect("a name"), holder: Holder::Tmux, attached: false },
                HeldTerminal { name: TerminalName::parse("x").expect("a name"), holder: Holder::Screen, attached: true },
            ]),
        };
        let text = list(&kept);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("executions: 2 running, 3 unread, 4 read; "), "{text}");
        assert!(
            text.contains("\n  and 1 more\nsessions: 3\n  main  a command runs, in /srv/app\n  b  idle for 2 h, in /srv/app\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "  c  its shell is gone, in /srv/app\nterminals that it holds: 2\n  db  in tmux, nobody is attached\n  x  in screen, \
                 attached\nconnections of other towline processes: 1\n"
            ),
            "{text}"
        );
        let none = list(&Kept { terminals: Some(Vec::new()), ..Kept::default() });
        assert!(none.ends_with("sessions: 0\n"), "{none}");
        assert!(list(&Kept::default()).ends_with("sessions: 0\nterminals that it holds: it did not say\n"));
    }

    #[test]
    fn what_was_removed_is_told() {
        let whole = Removed { whole: Some("/x".to_owned()), connections: 1, unsure: 1, ..Removed::default() };
        assert_eq!(
            removed(&whole),
            "removed: all of\n/x\nnot confirmed: that all processes of 1 executions have ended\nconnections ended: 1\n"
        );
        let still = TerminalsLeft::Still(vec![TerminalName::parse("x").expect("a name")]);
        for (terminals, terminals_left, said) in [
            (2, TerminalsLeft::Nothing, "terminals ended: 2\n"),
            (0, TerminalsLeft::Unknown, "not confirmed: that the host holds no terminal any more\n"),
            (1, still, "terminals ended: 1\nterminals that still are there: x\n"),
        ] {
            let whole = Removed { whole: Some("/x".to_owned()), terminals, terminals_left, ..Removed::default() };
            assert_eq!(removed(&whole), format!("removed: all of\n/x\n{said}"));
        }
        let some = Removed { executions: 4, sessions: vec!["a".to_owned()], with_jobs: vec!["b".to_owned()], ..Removed::default() };
        assert_eq!(removed(&some), "removed: 4 outcomes; sessions ended: 1\nsession b stays: a job of it runs in the background\n");
    }
}
