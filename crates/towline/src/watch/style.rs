//! What the inks look like: readable on a dark and on a light ground, so only colours that the person's own scheme defines.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::render::{Ink, Line, plain};

fn style(ink: Ink) -> Style {
    let colour = |colour: AnsiColor| colour.on_default();
    match ink {
        Ink::Plain => Style::new(),
        Ink::Faint | Ink::Time => Style::new().dimmed(),
        Ink::Host => colour(AnsiColor::Cyan),
        Ink::Tool => Style::new().bold(),
        Ink::Good | Ink::Added => colour(AnsiColor::Green),
        Ink::Bad | Ink::Removed => colour(AnsiColor::Red),
        Ink::Place => colour(AnsiColor::Magenta),
    }
}

/// A line as bytes for a terminal or a pipe, with its end.
pub(super) fn line(line: &Line, coloured: bool) -> String {
    if !coloured {
        return plain(line) + "\n";
    }
    let mut text = String::new();
    for (ink, piece) in line {
        let style = style(*ink);
        let _ = write!(text, "{style}{piece}{style:#}");
    }
    text.push('\n');
    text
}

/// The same for the full screen.
pub(super) fn screen(ink: Ink, coloured: bool) -> ratatui::style::Style {
    use ratatui::style::{Color, Modifier, Style};
    let colour = |colour| if coloured { Style::new().fg(colour) } else { Style::new() };
    match ink {
        Ink::Plain => Style::new(),
        Ink::Faint | Ink::Time => Style::new().add_modifier(Modifier::DIM),
        Ink::Host => colour(Color::Cyan),
        Ink::Tool => Style::new().add_modifier(Modifier::BOLD),
        Ink::Good | Ink::Added => colour(Color::Green),
        Ink::Bad | Ink::Removed => colour(Color::Red),
        Ink::Place => colour(Color::Magenta),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_is_no_escape() {
        let one = vec![(Ink::Host, "h".to_owned()), (Ink::Bad, " x ".to_owned())];
        assert_eq!(line(&one, false), "h x\n");
        assert_eq!(line(&one, true), "\u{1b}[36mh\u{1b}[0m\u{1b}[31m x \u{1b}[0m\n");
    }
}
