//! The full-screen view: hosts, sessions and running commands on one side, what the chosen one does on the other.
//!
//! Holds to: the terminal is given back as it was, whatever happens; only keys of the view are read, nothing is typed anywhere.
//! Leaves out: what is shown (`state`) and how (`draw`).

mod draw;
mod state;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers};
use towline_base::env::{self, Variable};
use towline_base::{Code, Failure};
use towline_engine::events::Event;

use super::stream::Stream;
use super::{local, now, time_of_day};
use state::{Key, State};

/// How long keys are waited for before the stream is looked at again.
const PAUSE: Duration = Duration::from_millis(30);
/// How often the screen is drawn where nothing came: what is told of the time stays true.
const REDRAW: Duration = Duration::from_millis(500);

/// Shows the view until it is left.
pub(super) fn run(mut stream: Stream, wanted: &dyn Fn(&Event) -> bool) -> Result<u8, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new(Code::BadInput, "--full needs a terminal").hint("Without it the view is plain text, for a pipe too."));
    }
    let coloured = env::read(Variable::NoColor).is_none();
    let mut state = State::new(time_of_day);
    let mut terminal = ratatui::try_init().map_err(|error| local(&error))?;
    let mut drawn = None;
    let ended = loop {
        match turn(&mut stream, &mut state, (&mut terminal, &mut drawn), wanted, coloured) {
            Ok(true) => {}
            Ok(false) => break Ok(0),
            Err(error) => break Err(local(&error)),
        }
    };
    ratatui::restore();
    ended
}

fn turn(
    stream: &mut Stream,
    state: &mut State,
    (terminal, drawn): (&mut ratatui::DefaultTerminal, &mut Option<Instant>),
    wanted: &dyn Fn(&Event) -> bool,
    coloured: bool,
) -> std::io::Result<bool> {
    let mut events = stream.read()?;
    while !events.is_empty() {
        for event in events.iter().filter(|event| wanted(event)) {
            state.event(event);
            *drawn = None;
        }
        events = stream.read()?;
    }
    if drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
        state.tick(now());
        terminal.draw(|frame| draw::draw(frame, state, coloured))?;
        *drawn = Some(Instant::now());
    }
    if !event::poll(PAUSE)? {
        return Ok(true);
    }
    // A key, or another size.
    *drawn = None;
    if let Input::Key(pressed) = event::read()?
        && pressed.kind == KeyEventKind::Press
        && let Some(key) = key(pressed.code, pressed.modifiers)
    {
        return Ok(state.press(key));
    }
    Ok(true)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a terminal has many keys, and the view knows a few")]
fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    Some(match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Key::Leave,
        KeyCode::Char('q') | KeyCode::Esc => Key::Leave,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp | KeyCode::Char('b') => Key::Back,
        KeyCode::PageDown | KeyCode::Char(' ') => Key::On,
        KeyCode::End | KeyCode::Char('G') => Key::Newest,
        _ => return None,
    })
}
