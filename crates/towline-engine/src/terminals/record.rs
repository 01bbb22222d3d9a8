//! Telling what terminals show to whoever records them.
//!
//! Holds to: a terminal is recorded from the first look of this engine on, beginning with its screen as it stands; nothing is kept here
//! and nothing waits. Leaves out: files, times, who may read them.

use std::fmt::Write as _;
use std::sync::Arc;

use towline_transport::tmux::{Look, Size};

/// Told of what terminals show, in the order in which it came. It must not wait: it is called where output is read.
#[derive(Clone)]
pub struct Recorder(Arc<dyn Fn(&Piece<'_>) + Send + Sync>);

/// One thing that a terminal shows.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The host.
    pub host: &'a str,
    /// The terminal's name there.
    pub name: &'a str,
    /// What tells it from every other of that name that was or will be.
    pub made: &'a str,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What it is.
    pub what: What<'a>,
}

/// What a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The whole screen, drawn anew: told once, when this engine begins to listen.
    Screen(&'a [u8]),
    /// Bytes that its program put out.
    Output(&'a [u8]),
    /// Its size is another now.
    Size,
}

impl Recorder {
    /// One that calls this.
    pub fn new(tell: impl Fn(&Piece<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, whose: &Whose, size: Size, what: What<'_>) {
        (self.0)(&Piece { host: &whose.host, name: &whose.name, made: &whose.made, size: (size.cols, size.rows), what });
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

/// The terminal of a pane.
#[derive(Clone, Debug)]
pub(super) struct Whose {
    pub(super) host: String,
    pub(super) name: String,
    pub(super) made: String,
}

/// What draws the screen of a look.
pub(super) fn redraw(look: &Look) -> Vec<u8> {
    let from = look.starts.partition_point(|start| *start < look.above);
    let lines = look.coloured.as_ref().unwrap_or(&look.lines);
    let mut text = String::from("\u{1b}[H\u{1b}[2J");
    let lines = lines.get(from..).unwrap_or_default();
    let filled = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    text.push_str(&lines[..filled].join("\u{1b}[0m\r\n"));
    let _ = write!(text, "\u{1b}[0m\u{1b}[{};{}H", look.cursor.1 + 1, look.cursor.0 + 1);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_drawn_with_its_colours_and_its_cursor() {
        let lines = ["above", "one", "two", ""].map(str::to_owned).to_vec();
        let look = Look {
            dead: None,
            size: Size { cols: 20, rows: 3 },
            cursor: (3, 1),
            alternate: false,
            history: 1,
            limit: 100,
            above: 1,
            starts: vec![0, 1, 2, 3],
            row: "two".into(),
            coloured: Some(["above", "\u{1b}[31mone", "two", ""].map(str::to_owned).to_vec()),
            lines,
        };
        assert_eq!(redraw(&look), b"\x1b[H\x1b[2J\x1b[31mone\x1b[0m\r\ntwo\x1b[0m\x1b[2;4H");
    }
}
