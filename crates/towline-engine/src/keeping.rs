//! What towline keeps on a host: telling it, and removing it.
//!
//! Holds to: what the host says is read line by line, and a line that is none is left out. Leaves out: what expires by itself (the
//! host's own program, `sweep.sh`, within the bounds of [`Keeping`]).

use std::time::Duration;

use towline_base::{Code, Failure, limits};
use towline_proto::Request;
use towline_proto::request::{Clean, Keeping};

use crate::answer::{Kept, KeptSession, Removed, SessionLife};
use crate::line::LineDriver;
use crate::output::{body_of, parse_jobs};

/// How long listing and removing may take: what ignores a signal gets its two seconds, and a slow disk its time.
const CLEAN_WAIT: Duration = Duration::from_secs(90);

/// Lists what is kept.
pub(crate) async fn list(line: &LineDriver) -> Result<Kept, Failure> {
    Ok(parse_kept(&ask(line, Clean::List).await?))
}

/// Removes outcomes that were read or are old, and ends sessions without a command for a while.
pub(crate) async fn remove_finished(line: &LineDriver, keeping: Keeping) -> Result<Removed, Failure> {
    Ok(parse_removed(&ask(line, Clean::Finished(keeping, limits::CLEAN_IDLE.as_secs())).await?))
}

/// Ends what runs and removes everything.
pub(crate) async fn remove_everything(line: &LineDriver) -> Result<Removed, Failure> {
    let removed = parse_removed(&ask(line, Clean::All).await?);
    if removed.whole.is_none() && removed.left.is_none() {
        return Err(Failure::new(Code::Protocol, "The host did not say what became of the removal."));
    }
    Ok(removed)
}

async fn ask(line: &LineDriver, what: Clean) -> Result<String, Failure> {
    let body = body_of(line.call(Request::Clean(what), CLEAN_WAIT).await)?;
    Ok(towline_base::visible::to_text(&body).0)
}

/// Reads what is kept, line by line.
#[must_use]
pub fn parse_kept(text: &str) -> Kept {
    let mut kept = Kept::default();
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0);
    let count = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0);
    for line in text.lines() {
        let (kind, rest) = line.split_once('|').unwrap_or((line, ""));
        let mut words = rest.split('|');
        match kind {
            "root" => {
                let (root, kib) = rest.rsplit_once('|').unwrap_or((rest, "0"));
                (kept.root, kept.kib) = (root.to_owned(), number(Some(kib)));
            }
            "session" => kept.sessions.extend(parse_session(rest)),
            "lane" => kept.others += usize::from(words.nth(1) == Some("live")),
            "executions" => {
                (kept.executions, kept.running, kept.unread) = (count(words.next()), count(words.next()), count(words.next()));
                kept.output_kib = number(words.next());
            }
            "running" => kept.running_jobs.extend(parse_jobs(rest.as_bytes())),
            _ => {}
        }
    }
    kept
}

fn parse_session(rest: &str) -> Option<KeptSession> {
    let mut words = rest.splitn(4, '|');
    let (name, life, idle, cwd) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let life = match life {
        "busy" => SessionLife::Busy,
        "live" => SessionLife::Idle,
        "gone" => SessionLife::Gone,
        _ => return None,
    };
    Some(KeptSession { name: name.to_owned(), life, idle: idle.parse().ok().map(Duration::from_secs), cwd: cwd.to_owned() })
}

/// Reads what was removed, line by line.
#[must_use]
pub fn parse_removed(text: &str) -> Removed {
    let mut removed = Removed::default();
    for (kind, rest) in text.lines().filter_map(|line| line.split_once('|')) {
        match kind {
            "removed" if rest.starts_with('/') => removed.whole = Some(rest.to_owned()),
            "removed" => removed.executions += 1,
            "ended" => removed.sessions.push(rest.to_owned()),
            "kept" => removed.with_jobs.push(rest.to_owned()),
            "unsure" => removed.unsure = rest.parse().unwrap_or(0),
            "left" => removed.left = Some(rest.trim().to_owned()),
            _ => {}
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_line_by_line() {
        let kept = parse_kept(
            "root|/h o/.local/state/towline/v1/n|224\nsession|main|busy|0|/srv/a|b\nsession|old|gone|?|\nlane|1.2|own\nlane|3.4|live\n\
             executions|3|1|2|12\nrunning|bcdfgh|main|running|30|sleep 331\nnonsense\nsession|x|what|0|/\n",
        );
        assert_eq!((kept.root.as_str(), kept.kib, kept.others), ("/h o/.local/state/towline/v1/n", 224, 1));
        assert_eq!((kept.executions, kept.running, kept.unread, kept.output_kib), (3, 1, 2, 12));
        assert_eq!(kept.sessions.len(), 2);
        assert_eq!((kept.sessions[0].life, kept.sessions[0].cwd.as_str()), (SessionLife::Busy, "/srv/a|b"));
        assert_eq!((kept.sessions[1].life, kept.sessions[1].idle), (SessionLife::Gone, None));
        assert_eq!(kept.running_jobs[0].command, "sleep 331");
    }

    #[test]
    fn what_was_removed_is_counted() {
        let removed = parse_removed("removed|bcdfgh\nremoved|bcdfgj\nended|a\nkept|b\n");
        assert_eq!((removed.executions, removed.whole.as_deref()), (2, None));
        assert_eq!((removed.sessions, removed.with_jobs), (vec!["a".to_owned()], vec!["b".to_owned()]));
        let removed = parse_removed("removed|/x/towline/v1/n\nunsure|1");
        assert_eq!((removed.whole.as_deref(), removed.unsure), (Some("/x/towline/v1/n"), 1));
        assert_eq!(parse_removed("left|l x ").left.as_deref(), Some("l x"));
    }
}
