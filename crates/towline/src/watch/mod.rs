//! `towline watch`: what the calls of every agent of this user do, as they do it.
//!
//! Holds to: it only reads the event stream, and asks no host; every towline that runs sees that somebody watches, and then asks its
//! hosts for the output of what runs. Leaves out: how events are shown (`render`, `full`).

mod full;
pub(crate) mod render;
pub(crate) mod stream;
mod style;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use towline_base::env::{self, Variable};
use towline_base::{Code, Failure, HostAlias, clock};
use towline_engine::events::{self, Event};
use towline_engine::{become_command, calls_window};

use crate::cli::{Common, Watch};
use crate::printer::Printer;
use crate::setup;
use render::Renderer;
use stream::Stream;

/// Pause between two looks at the stream.
const PAUSE: Duration = Duration::from_millis(20);

/// Shows the stream until the reader goes, or to its end with `--no-follow`.
pub(crate) fn command(common: &Common, options: &Watch) -> Result<u8, Failure> {
    let config = setup::config(common)?;
    let state_dir = &setup::state_dir(common.state_dir.clone(), &config, &env::read)?;
    let host = options.host.as_deref().map(setup::host).transpose()?;
    if let (Some(host), true) = (&host, options.tmux) {
        return in_tmux(state_dir, config.tmux().as_deref(), host);
    }
    let host = host.map(|host| host.to_string());
    let since = since(&options.since)?.map_or(0, |ago| now().saturating_sub(ago));
    let wanted = move |event: &Event| event.at >= since && host.as_ref().is_none_or(|host| *host == event.host);
    let _watching = if options.no_follow { None } else { Some(events::announce(state_dir).map_err(|error| local(&error))?) };
    let stream = Stream::open(state_dir);
    if options.full {
        return full::run(stream, &wanted);
    }
    let terminal = std::io::stdout().is_terminal();
    let shower = if options.json {
        Shower::Json
    } else {
        let columns = terminal.then(columns);
        let coloured = terminal && env::read(Variable::NoColor).is_none();
        Shower::Text(Renderer::new(columns, time_of_day), coloured)
    };
    follow(stream, shower, &wanted, !options.no_follow)
}

/// Opens the host's window of calls and attaches to it; without a terminal, prints how to.
fn in_tmux(state_dir: &Path, tmux: Option<&Path>, host: &HostAlias) -> Result<u8, Failure> {
    let own = std::env::current_exe().map_err(|error| local(&error))?;
    let words = ["--state-dir".into(), state_dir.into(), "watch".into(), host.as_str().into()];
    let command: Vec<OsString> = std::iter::once(own.into_os_string()).chain(words).collect();
    let size = ratatui::crossterm::terminal::size().ok().filter(|(columns, rows)| *columns > 1 && *rows > 1).unwrap_or((80, 24));
    let attach = setup::runtime()?.block_on(calls_window(state_dir, tmux, host, size, &command))?;
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        return Err(become_command(&attach));
    }
    Printer::text(&attach)
}

enum Shower {
    Json,
    Text(Renderer, bool),
}

impl Shower {
    fn show(&mut self, event: &Event) -> String {
        match self {
            Self::Json => serde_json::to_string(event).map(|line| line + "\n").unwrap_or_default(),
            Self::Text(renderer, coloured) => renderer.event(event).iter().map(|line| style::line(line, *coloured)).collect(),
        }
    }

    fn tick(&mut self) -> String {
        match self {
            Self::Json => String::new(),
            Self::Text(renderer, coloured) => renderer.tick(now()).iter().map(|line| style::line(line, *coloured)).collect(),
        }
    }
}

fn follow(mut stream: Stream, mut shower: Shower, wanted: &dyn Fn(&Event) -> bool, on: bool) -> Result<u8, Failure> {
    loop {
        let events = stream.read().map_err(|error| local(&error))?;
        let mut text: String = events.iter().filter(|event| wanted(event)).map(|event| shower.show(event)).collect();
        if events.is_empty() {
            text.push_str(&shower.tick());
        }
        if !text.is_empty() && !Printer::open(text.as_bytes())? {
            return Ok(0);
        }
        if events.is_empty() {
            if !on {
                return Ok(0);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn local(error: &std::io::Error) -> Failure {
    Failure::new(Code::Local, format!("the event stream cannot be read: {error}"))
}

pub(crate) fn now() -> u64 {
    u64::try_from(clock::unix().as_millis()).unwrap_or(u64::MAX)
}

fn columns() -> usize {
    ratatui::crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns).max(1))
}

/// A moment as the clock on the wall shows it.
pub(crate) fn time_of_day(at: u64) -> String {
    local_time(at).map_or_else(|| "--:--:--".to_owned(), |time| time.format("%H:%M:%S").to_string())
}

/// A moment with its day.
pub(crate) fn day_and_time(at: u64) -> String {
    local_format(at, "%Y-%m-%d %H:%M:%S")
}

/// A moment on the person's clock, in a form of chrono's.
pub(crate) fn local_format(at: u64, form: &str) -> String {
    local_time(at).map_or_else(|| at.to_string(), |time| time.format(form).to_string())
}

fn local_time(at: u64) -> Option<chrono::DateTime<chrono::Local>> {
    let time = chrono::DateTime::from_timestamp_millis(i64::try_from(at).ok()?)?;
    Some(time.with_timezone(&chrono::Local))
}

/// Milliseconds of `30s`, `10m`, `2h`, `1d`; `None` for `all`.
fn since(text: &str) -> Result<Option<u64>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    let wrong = || Failure::new(Code::BadInput, format!("--since: {text:?} is not a time like 30s, 10m, 2h or 1d, nor `all`"));
    let unit = match text.chars().last() {
        Some('s') => 1000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return if text == "0" { Ok(Some(0)) } else { Err(wrong()) },
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Some(number.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read() {
        for (text, expected) in [("30s", Some(30_000)), ("10m", Some(600_000)), ("2h", Some(7_200_000)), ("0", Some(0)), ("all", None)] {
            assert_eq!(since(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "m", "5", "x5m", "-1m", "5 m", "é"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
