//! The terminals' wire types as actions.

use std::time::Duration;

use towline_base::{Code, Failure, SecretName, TerminalName, limits};
use towline_engine::action::{self, Action, Key, Size, TerminalWait};

use super::{IntoAction, bad, wait};
use crate::wire;

/// What a terminal is that nobody gave a size.
const USUAL: Size = Size { cols: 120, rows: 40 };

/// Longest command of a terminal, in bytes: it is one argument of ssh and of tmux, which takes 16 KB in all.
const COMMAND_BYTES: usize = 8192;

fn name(given: Option<String>) -> Result<Option<TerminalName>, Failure> {
    given.filter(|name| !name.is_empty()).map(|name| TerminalName::parse(&name)).transpose().map_err(Failure::from)
}

/// A size within the bounds; a smaller one than these no program can draw on.
fn size(cols: u64, rows: u64) -> Result<Size, Failure> {
    let fits = |given: u64, least: u16, most: u16| u16::try_from(given).ok().filter(|given| (least..=most).contains(given));
    match (fits(cols, 10, limits::TERMINAL_COLUMNS), fits(rows, 2, limits::TERMINAL_ROWS)) {
        (Some(cols), Some(rows)) => Ok(Size { cols, rows }),
        _ => Err(bad(format!(
            "a terminal has 10 to {} columns and 2 to {} rows, not {cols}x{rows}",
            limits::TERMINAL_COLUMNS,
            limits::TERMINAL_ROWS
        ))),
    }
}

fn resized(text: &str) -> Result<Size, Failure> {
    let numbers = text.split_once('x').and_then(|(cols, rows)| Some((cols.trim().parse().ok()?, rows.trim().parse().ok()?)));
    let (cols, rows) = numbers.ok_or_else(|| bad(format!("parameter \"resize\" must be COLSxROWS such as 100x30, not {text:?}")))?;
    size(cols, rows)
}

fn waits(given: Option<&str>, usual: TerminalWait) -> TerminalWait {
    match given {
        None | Some("") => usual,
        Some("none") => TerminalWait::Nothing,
        Some("quiet") => TerminalWait::Quiet,
        Some("prompt") => TerminalWait::Prompt,
        Some(pattern) => TerminalWait::Pattern(pattern.to_owned()),
    }
}

fn timeout(ms: Option<u64>) -> Result<Option<Duration>, Failure> {
    wait("timeout", ms)
}

impl IntoAction for wire::TerminalOpen {
    fn action(self) -> Result<Action, Failure> {
        let command = self.command.filter(|command| !command.is_empty());
        if command.as_deref().is_some_and(|command| command.contains('\0') || command.len() > COMMAND_BYTES) {
            return Err(bad("parameter \"command\" holds a NUL character or is longer than 8192 bytes"));
        }
        if command.is_some() && self.persist {
            return Err(bad("parameter \"command\" does not go with persist; open the shell and type the command"));
        }
        let size = size(self.cols.unwrap_or(USUAL.cols.into()), self.rows.unwrap_or(USUAL.rows.into()))?;
        Ok(Action::TerminalOpen(action::TerminalOpen { name: name(self.name)?, size, command, persist: self.persist }))
    }
}

impl IntoAction for wire::TerminalSend {
    fn action(self) -> Result<Action, Failure> {
        let text = self.text.filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.len() > limits::TYPED_BYTES) {
            let text = format!("parameter \"text\" is longer than {} bytes", limits::TYPED_BYTES);
            return Err(Failure::new(Code::TooLarge, text).hint("Write it to a file on the host with Write."));
        }
        let keys = self.keys.unwrap_or_default().iter().map(|key| Key::parse(key)).collect::<Result<Vec<_>, _>>()?;
        let secret = self.secret.as_deref().map(SecretName::parse).transpose().map_err(|error| bad(error.to_string()))?;
        if secret.is_some() && (text.is_some() || !keys.is_empty() || self.enter) {
            return Err(bad("parameter \"secret\" goes without text, keys and enter: it is typed with Enter, alone"));
        }
        if text.is_none() && keys.is_empty() && secret.is_none() && !self.enter && self.resize.is_none() {
            return Err(bad("nothing to send: give text, keys, secret, enter or resize"));
        }
        Ok(Action::TerminalSend(action::TerminalSend {
            name: name(self.name)?,
            text,
            keys,
            enter: self.enter || secret.is_some(),
            secret,
            resize: self.resize.as_deref().map(resized).transpose()?,
            wait: waits(self.wait.as_deref(), TerminalWait::Quiet),
            timeout: timeout(self.timeout)?,
            asks: action::Asks::Nothing,
        }))
    }
}

impl IntoAction for wire::TerminalRead {
    fn action(self) -> Result<Action, Failure> {
        let mode = match self.mode {
            wire::Mode::Screen => action::Mode::Screen,
            wire::Mode::Changes => action::Mode::Changes,
            wire::Mode::Scrollback => action::Mode::Scrollback,
        };
        if self.colors && mode == action::Mode::Changes {
            return Err(bad("parameter \"colors\" goes with the modes screen and scrollback"));
        }
        let pattern = self.pattern.filter(|pattern| !pattern.is_empty()).map(TerminalWait::Pattern);
        Ok(Action::TerminalRead(action::TerminalRead {
            name: name(self.name)?,
            mode,
            lines: self.lines.map(|lines| u32::try_from(lines).unwrap_or(u32::MAX)).filter(|lines| *lines > 0),
            wait: pattern.unwrap_or_else(|| waits(self.wait.as_deref(), TerminalWait::Nothing)),
            colours: self.colors,
            timeout: timeout(self.timeout)?,
        }))
    }
}

impl IntoAction for wire::TerminalClose {
    fn action(self) -> Result<Action, Failure> {
        Ok(Action::TerminalClose(name(self.name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_waits_are_words() {
        assert_eq!(resized("100x30"), Ok(Size { cols: 100, rows: 30 }));
        for wrong in ["", "100", "x", "100x", "9x30", "100x1", "501x30", "-1x30", "100x30x2"] {
            assert!(resized(wrong).is_err(), "{wrong}");
        }
        for (word, expected) in [
            (None, TerminalWait::Quiet),
            (Some("none"), TerminalWait::Nothing),
            (Some("prompt"), TerminalWait::Prompt),
            (Some("ok$"), TerminalWait::Pattern("ok$".to_owned())),
        ] {
            assert_eq!(waits(word, TerminalWait::Quiet), expected);
        }
    }
}
