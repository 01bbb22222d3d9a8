//! Asking the person who runs a command of towline, at their terminal, whatever standard input is.
//!
//! Holds to: only a typed `yes` is one; where there is no terminal nobody is asked. Leaves out: what has to be confirmed.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::Arc;

use towline_base::visible;
use towline_engine::{Ask, Asker, Reply};

/// Asks at the terminal.
pub(crate) fn at_the_terminal() -> Asker {
    Arc::new(|ask| {
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || put(&ask)).await;
            match asked {
                Ok(Ok(line)) => reply(&line),
                Ok(Err(error)) => Reply::Nobody(format!("there is no terminal to ask at: {error}")),
                Err(error) => Reply::Nobody(error.to_string()),
            }
        })
    })
}

/// Puts the question, and reads a line.
fn put(ask: &Ask) -> io::Result<String> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question(ask).as_bytes())?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(line)
}

fn question(ask: &Ask) -> String {
    let (text, _) = visible::to_text(format!("{}.\n\n{}\n", ask.about, ask.what).as_bytes());
    format!("towline: {text}\nType yes to do it: ")
}

fn reply(line: &str) -> Reply {
    if line.trim() == "yes" { Reply::Yes } else { Reply::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_typed_yes_is_one() {
        for (line, expected) in [
            ("yes\n", Reply::Yes),
            (" yes \r\n", Reply::Yes),
            ("y\n", Reply::No),
            ("\n", Reply::No),
            ("", Reply::No),
            ("yes no\n", Reply::No),
        ] {
            assert_eq!(reply(line), expected, "{line:?}");
        }
    }

    #[test]
    fn the_question_shows_what_is_to_be_done_and_acts_on_no_terminal() {
        let ask = Ask {
            about: "Bash on h has to be confirmed by a person: it is asked about (policy.ask)".to_owned(),
            what: "ls \x1b[2J".to_owned(),
        };
        assert_eq!(
            question(&ask),
            "towline: Bash on h has to be confirmed by a person: it is asked about (policy.ask).\n\nls \\x1b[2J\n\nType yes to do it: "
        );
    }
}
