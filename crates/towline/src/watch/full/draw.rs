//! The full-screen view as cells: the list, the lines, the keys.
//!
//! Holds to: what does not fit is cut in the list and folded in the lines; whatever is small stays usable. Leaves out: choosing.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Cells, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::state::{Entry, Place, State};
use crate::watch::render::{Ink, Line, fold};
use crate::watch::style;

/// Columns of the list.
const LIST: u16 = 26;
/// Below this the list is left out.
const NARROW: u16 = 50;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, coloured: bool) {
    let [body, keys] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    let list = if body.width < NARROW { 0 } else { LIST };
    let [left, right] = Layout::horizontal([Constraint::Length(list), Constraint::Min(1)]).areas(body);
    if list > 0 {
        draw_list(frame, left, state, coloured);
    }
    draw_lines(frame, right, state, coloured);
    let scrolled = if state.back > 0 { format!("  · {} lines back", state.back) } else { String::new() };
    let text = format!(" ↑↓ choose  PgUp PgDn scroll  End newest  q leave{scrolled}");
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, state: &State, coloured: bool) {
    let block = Block::new().borders(Borders::RIGHT).border_style(style::screen(Ink::Faint, coloured));
    let inner = block.inner(area);
    let list = state.list();
    let at = list.iter().position(|(place, _)| **place == state.chosen).unwrap_or(0);
    let first = (at + 1).saturating_sub(usize::from(inner.height));
    let rows: Vec<Cells<'_>> = list
        .iter()
        .skip(first)
        .take(usize::from(inner.height))
        .map(|(place, entry)| row(place, entry, **place == state.chosen, usize::from(inner.width), coloured))
        .collect();
    frame.render_widget(Paragraph::new(rows).block(block), area);
}

fn row<'a>(place: &Place, entry: &Entry, chosen: bool, width: usize, coloured: bool) -> Cells<'a> {
    let (indent, ink) = match place {
        Place::All => ("", Ink::Plain),
        Place::Host(_) => ("", Ink::Host),
        Place::Session(..) => ("  ", Ink::Plain),
        Place::Command(..) if entry.running => ("  ▶ ", Ink::Good),
        Place::Command(..) => ("  · ", Ink::Faint),
    };
    let name = towline_base::visible::to_text(entry.name.as_bytes()).0.replace(['\n', '\t'], " ");
    let text = cut(&format!("{indent}{name}"), width);
    let mut look = style::screen(ink, coloured);
    if chosen {
        look = look.add_modifier(Modifier::REVERSED);
    }
    Cells::from(Span::styled(text, look))
}

fn cut(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthChar as _;
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            out.pop();
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, state: &State, coloured: bool) {
    let Some(entry) = state.entries.get(&state.chosen) else { return };
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if entry.lines.is_empty() {
        let text = "Nothing has been done here yet. Calls appear as agents make them.";
        let mut folded = Vec::new();
        fold(vec![(Ink::Faint, text.to_owned())], Some(width), &mut folded);
        frame.render_widget(Paragraph::new(cells(&folded, coloured)), area);
        return;
    }
    // From the newest upwards, until the area is full.
    let mut shown: Vec<Line> = Vec::new();
    for line in entry.lines.iter().rev().skip(state.back) {
        let mut folded = Vec::new();
        fold(line.clone(), Some(width.max(20)), &mut folded);
        folded.extend(shown);
        shown = folded;
        if shown.len() >= height {
            break;
        }
    }
    let first = shown.len().saturating_sub(height);
    frame.render_widget(Paragraph::new(cells(&shown[first..], coloured)), area);
}

fn cells<'a>(lines: &[Line], coloured: bool) -> Vec<Cells<'a>> {
    let line =
        |line: &Line| line.iter().map(|(ink, text)| Span::styled(text.clone(), style::screen(*ink, coloured))).collect::<Cells<'_>>();
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use towline_engine::events::{Event, Kind};

    use super::super::state::Key;
    use super::*;

    fn event(kind: Kind, call: u64, session: &str, text: &str) -> Event {
        let (host, session) = ("prod".to_owned(), session.to_owned());
        Event { kind, pid: 1, call, host, session, tool: "Bash".into(), text: text.into(), at: call * 1000, ..Event::default() }
    }

    fn scene() -> State {
        let mut state = State::new(|at| format!("12:00:{:02}", at / 1000));
        state.event(&event(Kind::Begin, 1, "c-1a2b3c4d", "cargo test -p towline --all-features"));
        state.event(&event(Kind::Output, 1, "c-1a2b3c4d", "running 3 tests\ntest a ... ok\n"));
        state.event(&Event { label: Some("docs".into()), ..event(Kind::Begin, 2, "docs", "ls") });
        let end =
            Event { took: Some(3), failed: Some(false), exit: Some(0), ..event(Kind::End, 2, "docs", "exit 0 · 4 bytes · id k3f9xx") };
        state.event(&end);
        state.event(&Event { tool: String::new(), call: 0, ..event(Kind::Link, 3, "", "lost: the connection ended") });
        state
    }

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, state, true)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn everything_is_seen_at_80_columns() {
        insta::assert_snapshot!(screen(&scene(), 80, 14));
    }

    #[test]
    fn one_command_is_chosen_and_its_output_is_shown() {
        let mut state = scene();
        for _ in 0..3 {
            state.press(Key::Down);
        }
        insta::assert_snapshot!(screen(&state, 80, 10));
    }

    #[test]
    fn a_small_terminal_shows_the_lines_alone() {
        insta::assert_snapshot!(screen(&scene(), 45, 8));
        screen(&scene(), 3, 2);
        screen(&scene(), 1, 1);
    }

    #[test]
    fn a_view_without_calls_says_so() {
        insta::assert_snapshot!(screen(&State::new(|_| String::new()), 60, 4));
    }
}
