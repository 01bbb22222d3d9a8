//! The one module that writes for people and scripts: stdout for what was asked, stderr for everything else.

use std::io::{self, IsTerminal as _, Write as _};

use towline_base::{Code, Failure, visible};

/// Columns of a message on stderr.
pub(crate) const COLUMNS: usize = 80;
/// What a line begins with that a person copies: it stays one line, however long it is.
const TO_COPY: &str = "    ";

/// Where output goes.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// A place that a test looks at.
    #[cfg(test)]
    Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>),
}

impl Stream {
    fn is_terminal(&self) -> bool {
        match self {
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
            #[cfg(test)]
            Stream::Memory(_) => false,
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(bytes),
            #[cfg(test)]
            Stream::Memory(place) => place.lock().map_err(|_| io::ErrorKind::Other)?.write_all(bytes),
        }
    }
}

/// Writes a command's output to a stream: byte by byte, or in visible form where a terminal reads it.
#[derive(Debug)]
pub(crate) struct Printer {
    stream: Stream,
    /// The beginning of a character whose rest has not come yet; `None` where bytes pass as they are.
    visible: Option<Vec<u8>>,
}

impl Printer {
    /// A printer for a command's output.
    pub(crate) fn of(stream: Stream, raw: bool) -> Self {
        let visible = (stream.is_terminal() && !raw).then(Vec::new);
        Self { stream, visible }
    }

    /// Writes what came.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.visible {
            None => self.stream.write(bytes),
            Some(rest) => self.stream.write(seen(rest, bytes).as_bytes()),
        }
    }

    /// Writes what was held back: the output ended in the middle of a character.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.visible.take() {
            Some(rest) if !rest.is_empty() => self.stream.write(visible::to_text(&rest).0.as_bytes()),
            _ => Ok(()),
        }
    }

    /// Writes bytes that were asked for to stdout; a reader that is gone is no failure.
    pub(crate) fn bytes(bytes: &[u8]) -> Result<u8, Failure> {
        match Stream::Stdout.write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Code::Local, format!("standard output cannot be written: {error}")))
            }
            _ => Ok(0),
        }
    }

    /// Writes bytes to stdout; false if nobody reads them any more.
    pub(crate) fn open(bytes: &[u8]) -> Result<bool, Failure> {
        match Stream::Stdout.write(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(Code::Local, format!("standard output cannot be written: {error}"))),
        }
    }

    /// Writes a text that was asked for to stdout, as lines.
    pub(crate) fn text(text: &str) -> Result<u8, Failure> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        Self::bytes(format!("{text}{end}").as_bytes())
    }

    /// The same for a text that only people read on a terminal: there it is folded, and elsewhere each of its lines stays one.
    pub(crate) fn prose(text: &str) -> Result<u8, Failure> {
        if !io::stdout().is_terminal() {
            return Self::text(text);
        }
        Self::text(&folded(text))
    }
}

/// The visible form of what came, holding back an unfinished character at its end.
fn seen(rest: &mut Vec<u8>, bytes: &[u8]) -> String {
    rest.extend_from_slice(bytes);
    let held = match std::str::from_utf8(rest) {
        Ok(_) => 0,
        Err(_) => rest.utf8_chunks().last().map(|chunk| chunk.invalid()).filter(|tail| unfinished(tail)).map_or(0, <[u8]>::len),
    };
    let tail = rest.split_off(rest.len() - held);
    let text = visible::to_text(rest).0;
    *rest = tail;
    text
}

/// Whether bytes are the beginning of a character that may still be completed.
fn unfinished(bytes: &[u8]) -> bool {
    let wanted = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 0,
    };
    bytes.len() < wanted
}

/// Says something on stderr, folded at 80 columns; what cannot be seen is written out.
pub(crate) fn say(text: &str) {
    let (text, _) = visible::to_text(text.as_bytes());
    let _ = Stream::Stderr.write(fold(&format!("towline: {text}"), COLUMNS).as_bytes());
}

/// Writes diagnostics to stderr; what cannot be seen is written out.
pub(crate) fn log(bytes: &[u8]) -> io::Result<()> {
    Stream::Stderr.write(visible::to_text(bytes).0.as_bytes())
}

/// Folds each line by itself, and keeps what it is set in by.
fn folded(text: &str) -> String {
    let one = |line: &str| {
        if line.starts_with(TO_COPY) {
            return format!("{line}\n");
        }
        let rest = line.trim_start_matches(' ');
        let (lead, _) = line.split_at(line.len() - rest.len());
        format!("{lead}{}", fold(rest, COLUMNS.saturating_sub(lead.len())))
    };
    text.trim_end_matches('\n').split('\n').map(one).collect()
}

/// Folds lines at blanks, but for those that are to be copied; lines after the first are set in.
pub(crate) fn fold(text: &str, columns: usize) -> String {
    let mut out = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if line.starts_with(TO_COPY) {
            out.extend([line, "\n"]);
            continue;
        }
        let mut width = 0;
        let indent = if number == 0 { "" } else { "  " };
        out.push_str(indent);
        width += indent.len();
        for word in line.split(' ') {
            let length = word.chars().count();
            if width > 2 && width + 1 + length > columns {
                out.push_str("\n  ");
                width = 2;
            } else if width > indent.len() {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_two_pieces_is_shown_whole() {
        let text = "aü€\u{1f600}b\u{1b}";
        for cut in 0..=text.len() {
            let mut rest = Vec::new();
            let (one, two) = text.as_bytes().split_at(cut);
            let shown = seen(&mut rest, one) + &seen(&mut rest, two);
            assert_eq!((shown.as_str(), rest.len()), ("aü€\u{1f600}b\\x1b", 0), "cut at {cut}");
        }
        let mut rest = Vec::new();
        assert_eq!(seen(&mut rest, b"\xff\xc3"), "\\xff");
        assert_eq!(seen(&mut rest, b"x"), "\\xc3x");
    }

    #[test]
    fn messages_fit_a_terminal() {
        let text = fold(&format!("towline: {} [x]\nhint {}", "word ".repeat(40).trim(), "y".repeat(100)), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{text}");
        assert_eq!(fold("a b\nc", 80), "a b\n  c\n");
        let columns = format!("key    value\n  ask  {}\n\nend\n", "word ".repeat(20).trim());
        let shown = folded(&columns);
        assert!(shown.starts_with("key    value\n  ask  word") && shown.ends_with("\n\nend\n"), "{shown}");
        assert!(shown.lines().count() == 5 && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn a_command_to_copy_stays_one_line() {
        let command = format!("    tmux -S /{}/t attach -t '=towline/prod:'", "d".repeat(80));
        let text = format!("{}with:\n{command}\nend", "word ".repeat(20));
        for shown in [fold(&text, COLUMNS), folded(&text)] {
            let (alone, others): (Vec<&str>, Vec<&str>) = shown.lines().partition(|line| *line == command);
            assert!(alone.len() == 1 && others.len() == 3 && others.iter().all(|line| line.len() <= COLUMNS), "{shown}");
        }
    }
}
