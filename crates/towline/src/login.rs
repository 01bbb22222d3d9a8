//! `towline auth`, `towline trust`, and towline as ssh's askpass: what a person does so that ssh can log in.
//!
//! Holds to: what is typed goes to ssh and not through here; a host key is accepted by its fingerprint. Leaves out: the work, which
//! is one call of the engine.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;

use towline_base::{Code, Failure};
use towline_engine::{Action, askpass};
use towline_mcp::Work;

use crate::printer::Printer;
use crate::{setup, small};

/// Passes ssh's question to the towline that started ssh.
pub(crate) fn askpass() -> ExitCode {
    let prompt = std::env::args_os().nth(1);
    if askpass::answer_ssh(prompt, &mut std::io::stdout()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `towline auth HOST`.
pub(crate) async fn auth<W: Work>(work: &W, host: &str) -> Result<u8, Failure> {
    let host = setup::host(host)?;
    let done = work.perform(setup::call(Some(&host), None, Action::SignIn), setup::context()).await;
    work.close().await;
    Printer::text(&small::text(&done?)?)
}

/// `towline trust HOST`.
pub(crate) async fn trust<W: Work>(work: &W, host: &str, fingerprints: Vec<String>) -> Result<u8, Failure> {
    let name = setup::host(host)?;
    let trust = |accepted: Vec<String>| work.perform(setup::call(Some(&name), None, Action::Trust(accepted)), setup::context());
    let asks = fingerprints.is_empty();
    let mut done = trust(fingerprints).await;
    // Each host on the way may have a key of its own to be asked for.
    let mut accepted = Vec::new();
    while let Err(failure) = &done {
        let offered = askpass::fingerprints(&failure.text);
        if !asks || failure.code != Code::HostKeyUnknown || offered.is_empty() || offered.iter().any(|one| accepted.contains(one)) {
            break;
        }
        if !ask(&failure.text)? {
            break;
        }
        accepted.extend(offered);
        done = trust(accepted.clone()).await;
    }
    work.close().await;
    Printer::text(&small::text(&done?)?)
}

/// Asks the person at the terminal, whatever standard input is.
fn ask(text: &str) -> Result<bool, Failure> {
    let no_terminal = |error: std::io::Error| {
        Failure::new(Code::HostKeyUnknown, format!("{text}\nThere is no terminal to ask at: {error}"))
            .hint("Give --fingerprint with what the host's owner told.")
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(no_terminal)?;
    write!(terminal, "{text}\nIs that the fingerprint that the host's owner told? Type yes: ").map_err(no_terminal)?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line).map_err(no_terminal)?;
    Ok(line.trim() == "yes")
}
