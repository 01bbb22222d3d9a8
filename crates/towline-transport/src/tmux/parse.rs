//! What tmux says, read.
//!
//! Holds to: pure; where a count was announced, so many lines are taken and no text on a screen can be mistaken for tmux's own
//! words. Leaves out: what a screen means.

use super::{Dead, Look, Pane, PaneId, Size};

/// The facts of a pane, as a line of a list.
pub(super) const LISTED: &str = "#{pane_id}\t#{window_id}\t#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}\t#{pane_width}\t#{pane_height}\t#{window_activity}\t#{session_attached}\t#{@towline_host}\t#{@towline_kind}\t#{@towline_name}\t#{@towline_made}\t#{@towline_note}";
/// The facts that stand before a screen.
pub(super) const HEADER: &str = "#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}\t#{pane_width}\t#{pane_height}\t#{cursor_x}\t#{cursor_y}\t#{alternate_on}\t#{history_size}\t#{history_limit}";
/// The line that parts plain text from coloured; a screen's line before it has a known place, so it cannot be faked.
pub(super) const COLOURS: &str = "[colours]";

/// The version of `tmux -V`, as major and minor; `None` where it is not told in numbers.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().nth(1)?;
    let number = word.trim_start_matches(|c: char| !c.is_ascii_digit());
    let (major, rest) = number.split_once('.').unwrap_or((number, "0"));
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The panes that a list holds; what is not ours (a person's own windows) bears no marks and is left out.
pub(super) fn panes(text: &str) -> Vec<Pane> {
    text.lines().filter_map(pane).collect()
}

/// One line of a list.
pub(super) fn pane(line: &str) -> Option<Pane> {
    let fields: Vec<&str> = line.splitn(14, '\t').collect();
    let [id, window, dead, status, signal, cols, rows, active, attached, host, kind, name, made, note] = fields[..] else { return None };
    if name.is_empty() || made.is_empty() {
        return None;
    }
    Some(Pane {
        id: PaneId(id.strip_prefix('%')?.parse().ok()?),
        window: window.to_owned(),
        dead: dead_of(dead, status, signal),
        size: Size { cols: cols.parse().ok()?, rows: rows.parse().ok()? },
        active: active.parse().unwrap_or(0),
        watched: attached.parse().unwrap_or(0),
        host: host.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        made: made.to_owned(),
        note: note.to_owned(),
    })
}

fn dead_of(dead: &str, status: &str, signal: &str) -> Option<Dead> {
    (dead == "1").then(|| Dead { status: status.parse().ok(), signal: signal.parse().ok().filter(|signal| *signal > 0) })
}

/// What [`super::plan::look`] is answered; `None` if it is not whole.
pub(super) fn look(text: &str, back: u32) -> Option<Look> {
    let (header, rest) = text.split_once('\n')?;
    let fields: Vec<&str> = header.split('\t').collect();
    let [dead, status, signal, cols, rows, x, y, alternate, history, limit] = fields[..] else { return None };
    let size = Size { cols: cols.parse().ok()?, rows: rows.parse().ok()? };
    let history: u64 = history.parse().ok()?;
    let above = u64::from(back).min(history);
    let count = usize::try_from(above).ok()? + usize::from(size.rows);
    let mut lines = rest.split('\n');
    let rows: Vec<&str> = lines.by_ref().take(count).collect();
    if rows.len() < count {
        return None;
    }
    let (joined, starts) = join(&rows, &mut lines)?;
    let coloured = match lines.next() {
        Some(COLOURS) => Some(lines.take(joined.len()).map(|line| line.trim_end().to_owned()).collect()),
        _ => None,
    };
    Some(Look {
        dead: dead_of(dead, status, signal),
        size,
        cursor: (x.parse().ok()?, y.parse().ok()?),
        alternate: alternate == "1",
        history,
        limit: limit.parse().ok()?,
        above,
        lines: joined,
        starts,
        coloured,
        row: rows.get(usize::try_from(above + y.parse::<u64>().ok()?).ok()?).map(|row| (*row).to_owned()).unwrap_or_default(),
    })
}

/// Reads the joined lines that stand for these rows, and tells at which row each begins. tmux keeps the blanks at the end of what
/// it joins and drops them from what it does not, so a row is a beginning of what is left of its line but for blanks.
fn join<'a>(rows: &[&str], lines: &mut impl Iterator<Item = &'a str>) -> Option<(Vec<String>, Vec<u64>)> {
    let (mut joined, mut starts) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < rows.len() {
        let line = lines.next()?;
        starts.push(at as u64);
        joined.push(line.trim_end_matches(' ').to_owned());
        let mut left = line.strip_prefix(rows[at])?;
        at += 1;
        while at < rows.len() && !left.trim_start_matches(' ').is_empty() {
            let indent = rows[at].len() - rows[at].trim_start_matches(' ').len();
            let blanks = left.len() - left.trim_start_matches(' ').len();
            if !rows[at].is_empty() {
                left = left.get(blanks.checked_sub(indent)?..)?.strip_prefix(rows[at])?;
            }
            at += 1;
        }
    }
    Some((joined, starts))
}

/// What a control client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// A pane put out these bytes.
    Output(PaneId, Vec<u8>),
    /// The client is attached.
    Attached,
    /// The session, or the server, is gone.
    Exit,
    /// Anything else.
    Other,
}

/// Reads one line of a control client.
pub(super) fn notice(line: &[u8]) -> Notice {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(rest) = line.strip_prefix(b"%output %") {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let id = std::str::from_utf8(&rest[..end]).ok().and_then(|id| id.parse().ok());
        return id.map_or(Notice::Other, |id| Notice::Output(PaneId(id), unescaped(rest.get(end + 1..).unwrap_or_default())));
    }
    if line.starts_with(b"%session-changed") {
        Notice::Attached
    } else if line.starts_with(b"%exit") {
        Notice::Exit
    } else {
        Notice::Other
    }
}

/// The bytes that `\ooo` stands for.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let octal = text.get(at + 1..at + 4).filter(|_| text[at] == b'\\').filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(byte.unwrap_or(text[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_version_is_read_as_each_system_writes_it() {
        for (text, expected) in [
            ("tmux 3.3a\n", Some((3, 3))),
            ("tmux 3.0", Some((3, 0))),
            ("tmux next-3.6", Some((3, 6))),
            ("tmux openbsd-7.4", Some((7, 4))),
            ("tmux 2.9a", Some((2, 9))),
            ("tmux 3", Some((3, 0))),
            ("tmux master", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn a_list_holds_only_what_is_ours() {
        let ours = "%3\t@2\t1\t255\t\t120\t40\t17\t1\ta.b\tterminal\tjob-1\tn1\t{\"x\":\"\ty\"}\n";
        let theirs = "%4\t@2\t0\t\t\t120\t40\t17\t1\t\t\t\t\t\nnonsense\n";
        let found = panes(&format!("{ours}{theirs}"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id, found[0].window.as_str(), found[0].name.as_str()), (PaneId(3), "@2", "job-1"));
        assert_eq!(found[0].dead, Some(Dead { status: Some(255), signal: None }));
        assert_eq!(found[0].note, "{\"x\":\"\ty\"}");
    }

    #[test]
    fn wrapped_rows_are_one_line() {
        let header = "0\t\t\t5\t4\t2\t3\t0\t7\t100";
        for (rows, joined, expected) in [
            (["ab", "", "c", "$"], "ab\n\nc\n$", vec![("ab", 0), ("", 1), ("c", 2), ("$", 3)]),
            (["abcde", "fg", "", "$"], "abcdefg\n\n$", vec![("abcdefg", 0), ("", 2), ("$", 3)]),
            (["a", "  b", "c", ""], "a      b\nc  \n ", vec![("a      b", 0), ("c", 2), ("", 3)]),
            (["a", "", "b", ""], "a         b\n", vec![("a         b", 0), ("", 3)]),
            (["[colours]", "", "", ""], "[colours]\n\n\n", vec![("[colours]", 0), ("", 1), ("", 2), ("", 3)]),
        ] {
            let text = format!("{header}\n{}\n{joined}\n", rows.join("\n"));
            let look = look(&text, 0).unwrap_or_else(|| panic!("{text}"));
            let found: Vec<_> = look.lines.iter().map(String::as_str).zip(look.starts.iter().copied()).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!((look.row.as_str(), look.cursor, look.coloured), (rows[3], (2, 3), None));
        }
        assert_eq!(look(&format!("{header}\na\nb\n"), 0), None);
    }

    #[test]
    fn a_notice_is_read_back_from_its_escapes() {
        let output = |bytes: &[u8]| Notice::Output(PaneId(12), bytes.to_vec());
        for (line, expected) in [
            (&b"%output %12 a\\015\\012b \\134\\033[1m\xc3\xa9"[..], output(b"a\r\nb \\\x1b[1m\xc3\xa9")),
            (b"%output %12 ", output(b"")),
            (b"%output %12 \\+12\\9", output(b"\\+12\\9")),
            (b"%output %x a", Notice::Other),
            (b"%session-changed $0 towline/h", Notice::Attached),
            (b"%exit", Notice::Exit),
            (b"%begin 1 2 3", Notice::Other),
            (b"", Notice::Other),
        ] {
            assert_eq!(notice(line), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_tmux_says_is_too_much(text in ".{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (version(&text), panes(&text), look(&text, 3), notice(&bytes));
            let header = "0\t\t\t5\t2\t2\t1\t0\t7\t100";
            let _ = look(&format!("{header}\n{text}\n{text}\n{text}"), 1);
        }
    }
}
