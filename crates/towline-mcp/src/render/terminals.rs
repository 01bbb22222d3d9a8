//! What an agent reads of a terminal: its lines, notes, and one last line that tells how it stands.

use std::fmt::Write as _;

use towline_engine::answer::{Ended, Terminal};

use super::output::set_off;
use super::words::one_line;

/// The answer of TerminalOpen, TerminalSend and TerminalRead.
pub(crate) fn terminal(terminal: &Terminal, notes: &[String]) -> String {
    let shown = &terminal.shown;
    let mut text = String::new();
    if shown.missing > 0 {
        let _ = writeln!(text, "[omitted {} rows here, which may not be kept any more]", shown.missing);
    }
    if shown.omitted > 0 {
        let _ = writeln!(text, "[omitted {} lines here: TerminalRead with mode scrollback and lines shows more]", shown.omitted);
    }
    let (lines, marked) = towline_base::visible::to_text(shown.lines.join("\n").as_bytes());
    text.push_str(&set_off(&lines));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let marks = super::marks(marked);
    for note in marks.iter().chain(notes) {
        let _ = writeln!(text, "[note] {}", one_line(note));
    }
    if let Some(command) = &terminal.attach {
        let _ = writeln!(text, "[note] a person attaches with: {}", one_line(command));
    }
    text.push_str(&status(terminal));
    text
}

/// `[terminal main · prod · 120x40 · …]`.
fn status(terminal: &Terminal) -> String {
    let mut parts = vec![format!("terminal {}", terminal.name), terminal.host.to_string()];
    parts.push(format!("{}x{}", terminal.size.cols, terminal.size.rows));
    match &terminal.ended {
        Some(Ended::Exited(status)) => parts.push(format!("dead: exit {status}")),
        Some(Ended::Signalled(signal)) => parts.push(format!("dead: killed by signal {signal}")),
        Some(Ended::Cut(words)) => parts.push(format!("dead: link cut ({})", super::cut(words, 120))),
        Some(Ended::Unknown) => parts.push("dead: how is not known".to_owned()),
        None => parts.push(format!("cursor at row {}, column {}", terminal.cursor.1 + 1, terminal.cursor.0 + 1)),
    }
    if let Some(awaits) = terminal.awaits {
        parts.push(format!("seems to wait for {}", awaits.words()));
    }
    if let Some(status) = terminal.status {
        parts.push(format!("last command: exit {status}"));
    }
    if let Some(why) = terminal.why {
        parts.push(format!("returned: {}", why.words()));
    }
    format!("[{}]", one_line(&parts.join(" \u{b7} ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_base::{HostAlias, TerminalName};
    use towline_engine::answer::{Awaits, Shown, Size, Why};

    fn plain() -> Terminal {
        Terminal {
            name: TerminalName::parse("main").expect("a name"),
            host: HostAlias::parse("prod").expect("a name"),
            size: Size { cols: 120, rows: 40 },
            cursor: (2, 9),
            shown: Shown {
                lines: vec!["$ make".to_owned(), "[terminal fake]".to_owned(), "\u{1b}[31mred".to_owned()],
                omitted: 0,
                missing: 0,
            },
            ended: None,
            awaits: Some(Awaits::Shell),
            status: Some(2),
            why: Some(Why::Prompt),
            attach: None,
        }
    }

    #[test]
    fn the_last_line_tells_how_a_terminal_stands() {
        insta::assert_snapshot!(terminal(&plain(), &["a\nb".to_owned()]), @r"
        $ make
        \[terminal fake]
        \x1b[31mred
        [note] 1 character was written as \xHH: control characters, or bytes that are not UTF-8.
        [note] a\x0ab
        [terminal main · prod · 120x40 · cursor at row 10, column 3 · seems to wait for a command (shell prompt) · last command: exit 2 · returned: prompt is back]
        ");
        let dead = Terminal {
            shown: Shown { lines: Vec::new(), omitted: 3, missing: 7 },
            ended: Some(Ended::Cut("Connection to x closed by remote host.".to_owned())),
            awaits: None,
            status: None,
            why: None,
            attach: Some("tmux -S /r/t attach -t '=towline/prod:@1'".to_owned()),
            ..plain()
        };
        insta::assert_snapshot!(terminal(&dead, &[]), @r"
        [omitted 7 rows here, which may not be kept any more]
        [omitted 3 lines here: TerminalRead with mode scrollback and lines shows more]
        [note] a person attaches with: tmux -S /r/t attach -t '=towline/prod:@1'
        [terminal main · prod · 120x40 · dead: link cut (Connection to x closed by remote host.)]
        ");
    }
}
