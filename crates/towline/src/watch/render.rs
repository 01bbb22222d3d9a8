//! Events as lines that a person reads: who, what, its output as it comes, what came of it.
//!
//! Holds to: pure; every text of a host or an agent is made visible before it is a line; whose output a line is can be seen where
//! calls run side by side; what is held back is bounded. Leaves out: colours as bytes, the clock, the terminal.

use std::collections::{BTreeMap, VecDeque};

use towline_base::visible;
use towline_engine::events::{Event, Kind};
use unicode_width::UnicodeWidthChar as _;

/// Columns before what belongs to a call.
const INDENT: &str = "         ";
/// Lines of a command that are shown.
const COMMAND_LINES: usize = 12;
/// A line of output that is not over is shown after so many milliseconds: it may be a prompt.
const PARTIAL_MS: u64 = 300;
/// A call that only looks is shown with its result, in one line, unless it takes longer than this.
const PENDING_MS: u64 = 500;
/// Calls of which something is held back; beyond, the oldest is shown as it is.
const HELD: usize = 256;
/// How the client of towline's own commands is called, before its version.
pub(crate) const OWN_CLIENT: &str = "towline ";
/// Bytes of a line that is not over.
const PARTIAL_BYTES: usize = 4096;

/// What a piece of a line is; how it looks is for who shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Faint,
    Time,
    Host,
    Tool,
    Good,
    Bad,
    Added,
    Removed,
    Place,
}

/// One line, in pieces.
pub(crate) type Line = Vec<(Ink, String)>;

type Key = (u32, u64);

/// What was held back.
#[derive(Debug, Default)]
struct Held {
    /// The call's beginning; kept to name it again.
    begin: Event,
    shown: bool,
    /// A line of output that is not over, and since when.
    partial: String,
    since: u64,
    /// The line was shown before it was over.
    broken: bool,
}

/// Turns events into lines.
pub(crate) struct Renderer {
    /// Columns to fold at; `None` where lines stay whole.
    columns: Option<usize>,
    /// A moment in milliseconds, as the person's clock shows it.
    stamp: fn(u64) -> String,
    calls: BTreeMap<Key, Held>,
    order: VecDeque<Key>,
    /// Whose lines were shown last.
    last: Option<Key>,
}

impl Renderer {
    pub(crate) fn new(columns: Option<usize>, stamp: fn(u64) -> String) -> Self {
        let columns = columns.map(|columns| columns.max(40));
        Self { columns, stamp, calls: BTreeMap::new(), order: VecDeque::new(), last: None }
    }

    /// The lines of an event.
    pub(crate) fn event(&mut self, event: &Event) -> Vec<Line> {
        let mut out = Vec::new();
        let key = (event.pid, event.call);
        // How towline's own commands read what they started for a person is nobody's call.
        if event.tool == "JobOutput" && event.client.starts_with(OWN_CLIENT) && event.failed != Some(true) {
            return out;
        }
        match event.kind {
            Kind::Begin => self.begin(key, event, &mut out),
            Kind::Output => self.output(key, event, &mut out),
            Kind::Diff => self.diff(key, event, &mut out),
            Kind::End => self.end(key, event, &mut out),
            Kind::Ended => self.ended(key, event, &mut out),
            Kind::Link => self.link(event, &mut out),
            Kind::Gap => {
                let text = format!("{INDENT}… {} events are missing here: more came than could be written", event.skipped);
                self.alone(vec![(Ink::Bad, text)], &mut out);
            }
            Kind::Other => {}
        }
        out
    }

    /// What was held back for too long.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Line> {
        let mut out = Vec::new();
        let keys: Vec<Key> = self.calls.keys().copied().collect();
        for key in keys {
            let Some(held) = self.calls.get(&key) else { continue };
            if !held.shown && now.saturating_sub(held.begin.at) > PENDING_MS {
                self.head(key, "", &mut out);
            } else if !held.partial.is_empty() && now.saturating_sub(held.since) > PARTIAL_MS {
                self.flush(key, &mut out);
            }
        }
        out
    }

    fn begin(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        while self.order.len() >= HELD {
            if let Some(old) = self.order.pop_front() {
                self.flush(old, out);
                self.calls.remove(&old);
            }
        }
        self.order.push_back(key);
        self.calls.insert(key, Held { begin: event.clone(), ..Held::default() });
        if event.tool == "Bash" {
            self.head(key, "", out);
        }
    }

    /// Shows a call's first line, with its result if that is there already.
    fn head(&mut self, key: Key, result: &str, out: &mut Vec<Line>) {
        let Some(held) = self.calls.get_mut(&key) else { return };
        held.shown = true;
        let event = held.begin.clone();
        let mut line = self.who(&event);
        line.push((Ink::Tool, format!("  {}", event.tool)));
        let text = visible::to_text(event.text.as_bytes()).0;
        let mut lines = text.lines();
        line.extend(lines.next().map(|first| (Ink::Plain, format!("  {first}"))));
        if let Some(description) = &event.description {
            line.push((Ink::Faint, format!("  # {}", one_line(description))));
        }
        if !result.is_empty() {
            line.push((Ink::Faint, format!("  {result}")));
        }
        self.fold(line, out);
        for more in lines.by_ref().take(COMMAND_LINES - 1) {
            self.fold(vec![(Ink::Plain, format!("{INDENT}{more}"))], out);
        }
        let left = lines.count();
        if left > 0 {
            out.push(vec![(Ink::Faint, format!("{INDENT}… {left} more lines"))]);
        }
        self.last = Some(key);
    }

    /// The time, the host and the session.
    fn who(&self, event: &Event) -> Line {
        let mut line = vec![(Ink::Time, (self.stamp)(event.at))];
        if !event.host.is_empty() {
            line.push((Ink::Host, format!(" {}", one_line(&event.host))));
        }
        let session = event.label.as_deref().unwrap_or(&event.session);
        if !session.is_empty() {
            line.push((Ink::Faint, format!(" {}", one_line(session))));
        }
        line
    }

    /// Makes sure that the lines that follow are seen to be of this call.
    fn turn_to(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        if self.calls.get(&key).is_some_and(|held| !held.shown) {
            self.head(key, "", out);
        }
        if self.last == Some(key) {
            return;
        }
        self.last = Some(key);
        let what = self.calls.get(&key).map_or("", |held| held.begin.text.as_str());
        let mut line = self.who(event);
        let text: String = one_line(what).chars().take(48).collect();
        line.push((Ink::Faint, format!("  ({} {text})", event.tool)));
        self.fold(line, out);
    }

    fn output(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        self.turn_to(key, event, out);
        if event.skipped > 0 {
            self.flush(key, out);
            out.push(vec![(Ink::Faint, format!("{INDENT}│ … {} not shown", size(event.skipped)))]);
        }
        let text = visible::to_text(event.text.as_bytes()).0;
        let text = text.replace("\\x0d\n", "\n");
        let mut pieces = text.split('\n');
        let mut piece = pieces.next();
        while let Some(now) = piece {
            piece = pieces.next();
            let over = piece.is_some();
            if let Some(held) = self.calls.get_mut(&key) {
                if held.partial.is_empty() {
                    held.since = event.at;
                }
                held.partial.push_str(now);
                if over || held.partial.len() > PARTIAL_BYTES {
                    let empty = held.partial.is_empty() && held.broken;
                    self.flush_line(key, over, !empty, out);
                }
            } else if over || !now.is_empty() {
                // Its beginning was not seen.
                self.fold(vec![(Ink::Faint, format!("{INDENT}│ ")), (Ink::Plain, now.to_owned())], out);
            }
        }
    }

    fn flush(&mut self, key: Key, out: &mut Vec<Line>) {
        if self.calls.get(&key).is_some_and(|held| !held.partial.is_empty()) {
            self.flush_line(key, false, true, out);
        }
    }

    fn flush_line(&mut self, key: Key, over: bool, show: bool, out: &mut Vec<Line>) {
        let Some(held) = self.calls.get_mut(&key) else { return };
        let text = std::mem::take(&mut held.partial);
        let gutter = if held.broken { "┆ " } else { "│ " };
        held.broken = !over;
        let event = held.begin.clone();
        if show {
            self.turn_to(key, &event, out);
            self.fold(vec![(Ink::Faint, format!("{INDENT}{gutter}")), (Ink::Plain, text)], out);
        }
    }

    fn diff(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        self.turn_to(key, event, out);
        for line in event.text.lines() {
            let ink = match line.as_bytes().first() {
                Some(b'+') => Ink::Added,
                Some(b'-') => Ink::Removed,
                Some(b'@') => Ink::Place,
                _ => Ink::Faint,
            };
            self.fold(vec![(Ink::Faint, INDENT.to_owned()), (ink, visible::to_text(line.as_bytes()).0)], out);
        }
        if event.skipped > 0 {
            out.push(vec![(Ink::Faint, format!("{INDENT}… {} more lines of the change", event.skipped))]);
        }
    }

    fn end(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        self.flush(key, out);
        let took = event.took.map_or_else(String::new, |took| format!(" · {}", duration(took)));
        let text = one_line(&event.text);
        let failed = event.failed == Some(true);
        let code = event.code.as_deref().map_or_else(String::new, |code| format!(" [{code}]"));
        let pending = self.calls.get(&key).is_some_and(|held| !held.shown);
        if pending && !failed {
            self.head(key, &format!("→ {text}{took}"), out);
        } else {
            self.turn_to(key, event, out);
            let ink = match event.exit {
                _ if failed => Ink::Bad,
                Some(0) => Ink::Good,
                Some(_) => Ink::Bad,
                None => Ink::Faint,
            };
            let mark = if failed { "✗ " } else { "→ " };
            self.fold(vec![(ink, format!("{INDENT}{mark}{text}{code}{took}"))], out);
        }
        // One that goes on may still print.
        if !(event.tool == "Bash" && event.exit.is_none() && !failed && text.starts_with("running")) {
            self.forget(key);
        }
    }

    fn ended(&mut self, key: Key, event: &Event, out: &mut Vec<Line>) {
        self.flush(key, out);
        let ink = if event.exit == Some(0) { Ink::Good } else { Ink::Bad };
        let id = event.id.as_deref().unwrap_or("?");
        let mut line = self.who(event);
        line.push((ink, format!("  background {id} → {}", one_line(&event.text))));
        self.alone(line, out);
        self.forget(key);
    }

    fn link(&mut self, event: &Event, out: &mut Vec<Line>) {
        let ink = if event.text.starts_with("lost") { Ink::Bad } else { Ink::Good };
        let mut line = self.who(event);
        line.push((ink, format!("  link {}", one_line(&event.text))));
        self.alone(line, out);
    }

    /// A line that belongs to no call.
    fn alone(&mut self, line: Line, out: &mut Vec<Line>) {
        self.last = None;
        self.fold(line, out);
    }

    fn forget(&mut self, key: Key) {
        self.calls.remove(&key);
        self.order.retain(|other| *other != key);
    }

    fn fold(&self, line: Line, out: &mut Vec<Line>) {
        fold(line, self.columns, out);
    }
}

/// Folds a line at the columns; what follows is set in.
pub(crate) fn fold(line: Line, columns: Option<usize>, out: &mut Vec<Line>) {
    let Some(columns) = columns else {
        out.push(line);
        return;
    };
    let gutter = line.first().is_some_and(|(_, text)| text.ends_with("│ ") || text.ends_with("┆ "));
    let indent = if gutter { format!("{INDENT}┆ ") } else { format!("{INDENT}  ") };
    let mut row: Vec<(Ink, char)> = Vec::new();
    let mut width = 0;
    for (ink, c) in line.iter().flat_map(|(ink, text)| text.chars().map(|c| (*ink, if c == '\t' { ' ' } else { c }))) {
        let wide = c.width().unwrap_or(0);
        if width + wide > columns {
            // Output is cut where it is; what we say ourselves, between words.
            let blank = row.iter().rposition(|(_, c)| *c == ' ').filter(|at| !gutter && row.len() - at < columns / 3);
            let rest = blank.map_or_else(Vec::new, |at| row.split_off(at + 1));
            out.push(pieces(&row));
            row = indent.chars().map(|c| (Ink::Faint, c)).chain(rest).collect();
            width = row.iter().map(|(_, c)| c.width().unwrap_or(0)).sum();
        }
        row.push((ink, c));
        width += wide;
    }
    out.push(pieces(&row));
}

/// Characters of one ink after the other, put together.
fn pieces(row: &[(Ink, char)]) -> Line {
    row.chunk_by(|(one, _), (other, _)| one == other).map(|run| (run[0].0, run.iter().map(|(_, c)| *c).collect())).collect()
}

/// A line's text without its inks.
pub(crate) fn plain(line: &Line) -> String {
    line.iter().map(|(_, text)| text.as_str()).collect::<String>().trim_end().to_owned()
}

fn one_line(text: &str) -> String {
    visible::to_text(text.as_bytes()).0.replace(['\n', '\t'], " ")
}

/// Milliseconds as a person says them.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

/// A number of bytes as a person says it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{} KB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
