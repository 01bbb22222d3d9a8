//! `towline clean HOST`: what is kept on a host is listed, and removed once that was agreed to.
//!
//! Holds to: nothing is removed before it was listed; on a terminal a person is asked, elsewhere `--yes` has to say it.

use std::io::{self, BufRead as _, IsTerminal as _};

use towline_base::{Code, Failure, HostAlias};
use towline_engine::action::{Action, Clean as What};
use towline_engine::answer::{Answer, Body, Kept};
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
    let whole = matches!(&answer.body, Body::Removed(removed) if removed.left.is_none() && removed.unsure == 0);
    Ok(if whole { 0 } else { FOUND_WRONG })
}

async fn perform<W: Work>(work: &W, host: &HostAlias, what: What) -> Result<Answer, Failure> {
    work.perform(setup::call(Some(host), None, Action::Clean(what)), setup::context()).await
}

fn is_empty(kept: &Kept) -> bool {
    kept.executions == 0 && kept.sessions.is_empty() && kept.others == 0
}

/// Asks a person; without a terminal nobody can be asked, and nothing is taken for a yes.
fn agreed(host: &HostAlias, kept: &Kept, all: bool) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(Code::BadInput, "nobody can be asked: standard input is no terminal").hint("--yes says it beforehand."));
    }
    let question = if all && kept.running > 0 {
        format!("End {} running commands and remove all of this on {host}? [y/N]", kept.running)
    } else if all {
        format!("Remove all of this on {host}? [y/N]")
    } else {
        format!("Remove what was read or is old, and idle sessions, on {host}? [y/N]")
    };
    printer::say(&question);
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said).map_err(|error| Failure::new(Code::Local, error.to_string()))?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}
