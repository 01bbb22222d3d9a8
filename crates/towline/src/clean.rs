//! `towline clean HOST`: what is kept on a host is listed, and removed once that was agreed to.
//!
//! Holds to: nothing is removed before it was listed; on a terminal a person is asked, elsewhere `--yes` has to say it.

use std::io::{self, BufRead as _, IsTerminal as _};

use towline_base::{Code, Failure, HostAlias};
use towline_engine::action::{Action, Clean as What};
use towline_engine::answer::{Answer, Body, Kept, Removed, TerminalsLeft};
use towline_mcp::Work;

use crate::cli::{Clean, FOUND_WRONG};
use crate::printer::{self, Printer};
use crate::{setup, small};

/// Lists, asks, removes.
pub(crate) async fn command<W: Work>(work: &W, options: Clean) -> Result<u8, Failure> {
    let host = setup::host(&options.host)?;
    let done = clean(work, &host, &options).await;
    work.close().await;
    done
}

async fn clean<W: Work>(work: &W, host: &HostAlias, options: &Clean) -> Result<u8, Failure> {
    let listed = perform(work, host, What::List).await?;
    Printer::text(&small::text(&listed)?)?;
    let what = if options.all { What::Everything } else { What::Finished };
    let Body::Kept(kept) = &listed.body else { return Err(Failure::new(Code::Internal, "the list is none")) };
    if options.dry_run {
        // Looking made a place where there was none: it goes again.
        if is_empty(kept) {
            perform(work, host, What::Everything).await?;
        }
        return Ok(0);
    }
    if !options.yes && !agreed(host, kept, options.all)? {
        printer::say("nothing was removed");
        return Ok(FOUND_WRONG);
    }
    let answer = perform(work, host, what).await?;
    Printer::text(&small::text(&answer)?)?;
    let whole = matches!(&answer.body, Body::Removed(removed) if is_whole(removed));
    Ok(if whole { 0 } else { FOUND_WRONG })
}

async fn perform<W: Work>(work: &W, host: &HostAlias, what: What) -> Result<Answer, Failure> {
    work.perform(setup::call(Some(host), None, Action::Clean(what)), setup::context()).await
}

fn is_empty(kept: &Kept) -> bool {
    kept.executions == 0 && kept.sessions.is_empty() && kept.others == 0 && kept.terminals.as_ref().is_some_and(Vec::is_empty)
}

fn is_whole(removed: &Removed) -> bool {
    removed.left.is_none() && removed.unsure == 0 && removed.terminals_left == TerminalsLeft::Nothing
}

/// Asks a person; without a terminal nobody can be asked, and nothing is taken for a yes.
fn agreed(host: &HostAlias, kept: &Kept, all: bool) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(Code::BadInput, "nobody can be asked: standard input is no terminal").hint("--yes says it beforehand."));
    }
    let question = question(host, kept, all);
    printer::say(&question);
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said).map_err(|error| Failure::new(Code::Local, error.to_string()))?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}

fn question(host: &HostAlias, kept: &Kept, all: bool) -> String {
    if !all {
        return format!("Remove what was read or is old, and idle sessions, on {host}? [y/N]");
    }
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{number} {word}s")),
    };
    let terminals = kept.terminals.as_ref().map_or(0, Vec::len);
    let ends: Vec<String> = [count(kept.running, "running command"), count(terminals, "terminal")].into_iter().flatten().collect();
    match ends.as_slice() {
        [] => format!("Remove all of this on {host}? [y/N]"),
        ends => format!("End {} and remove all of this on {host}? [y/N]", ends.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_engine::answer::{HeldTerminal, Holder};

    #[test]
    fn what_will_end_is_part_of_the_question() {
        let host = HostAlias::parse("h").expect("a host");
        let held = HeldTerminal { name: towline_base::TerminalName::parse("t").expect("a name"), holder: Holder::Tmux, attached: false };
        for (running, terminals, all, begins) in [
            (0, 0, true, "Remove all of this on h?"),
            (1, 0, true, "End 1 running command and remove all of this on h?"),
            (3, 1, true, "End 3 running commands and 1 terminal and remove all"),
            (0, 2, true, "End 2 terminals and remove all"),
            (3, 2, false, "Remove what was read or is old, and idle sessions, on h?"),
        ] {
            let kept = Kept { running, terminals: Some(vec![held.clone(); terminals]), ..Kept::default() };
            assert!(question(&host, &kept, all).starts_with(begins), "{}", question(&host, &kept, all));
        }
    }
}
