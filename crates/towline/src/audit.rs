//! `towline audit`: what was done, and whether the journal of it is whole.

use std::fmt::Write as _;

use towline_base::{Code, Failure, clock, env, visible};
use towline_engine::audit::{self, Entry, Filter};

use crate::cli::{Audit, AuditCommand, Common, FOUND_WRONG};
use crate::printer::{COLUMNS, Printer, fold, say};
use crate::setup;

/// `towline audit`.
pub(crate) fn command(common: &Common, options: &Audit) -> Result<u8, Failure> {
    let config = setup::config(common)?;
    let state = setup::state_dir(common.state_dir.clone(), &config, &env::read)?;
    let unread = |error: std::io::Error| Failure::new(Code::Local, format!("{}: {error}", audit::directory(&state).display()));
    match &options.command {
        Some(AuditCommand::Verify) => {
            let verdict = audit::verify(&state).map_err(unread)?;
            let whole = verdict.wrong.is_empty();
            print(&verified(&verdict)).map(|_| if whole { 0 } else { FOUND_WRONG })
        }
        None => {
            let since = options.since.map(|hours| millis().saturating_sub(hours.saturating_mul(3_600_000)));
            let filter = Filter {
                host: options.host.clone(),
                tool: options.tool.clone(),
                session: options.session.clone(),
                client: options.client.clone(),
                since,
                failed: options.failed,
            };
            let entries = audit::entries(&state, &filter, options.limit).map_err(unread)?;
            let line = if options.json { json } else { shown };
            if entries.is_empty() {
                let all = Filter::default();
                let any = !audit::entries(&state, &all, 1).map_err(unread)?.is_empty();
                say(if any { "the journal holds nothing of that kind" } else { "nothing was written down yet" });
                return Ok(0);
            }
            print(&entries.iter().map(line).collect::<String>())
        }
    }
}

fn millis() -> u64 {
    u64::try_from(clock::unix().as_millis()).unwrap_or(u64::MAX)
}

fn print(text: &str) -> Result<u8, Failure> {
    Printer::text(&visible::to_text(text.as_bytes()).0)
}

fn verified(verdict: &audit::Verdict) -> String {
    let mut text = String::new();
    for wrong in &verdict.wrong {
        let _ = writeln!(text, "wrong: {wrong}");
    }
    for note in &verdict.notes {
        let _ = writeln!(text, "note: {note}");
    }
    match (&verdict.last, verdict.wrong.is_empty()) {
        (None, true) => text.push_str("nothing was written yet\n"),
        (None, false) => {}
        (Some((n, hash)), whole) => {
            let word = if whole { "whole" } else { "not whole" };
            let _ = writeln!(text, "{word}: {} records\nlast: {n} {hash}", verdict.records);
        }
    }
    text
}

/// For people: when, what and where; what was asked for; what came of it.
fn shown(entry: &Entry) -> String {
    let begin = &entry.begin;
    let place = if begin.host.is_empty() { String::new() } else { format!(" on {}/{}", begin.host, begin.session) };
    let head = format!("{} {} {}{place} [{}]", entry.n, time(entry.at), begin.tool, begin.client);
    // Made visible first: what is written out is longer.
    let visible = |text: &str| visible::to_text(text.as_bytes()).0;
    let mut text = fold(&visible(&head), COLUMNS);
    let came = came(entry).replace('\n', " ");
    let what = asked(&begin.arguments);
    let what = visible(what.lines().next().unwrap_or_default());
    // An id that the outcome names stands there.
    if !what.is_empty() && !came.split(' ').any(|word| word.trim_end_matches(',') == what) {
        let _ = writeln!(text, "    {}", cut(&what, COLUMNS - 4));
    }
    let came = fold(&visible(&came), COLUMNS - 4);
    text.extend(came.lines().flat_map(|line| ["    ", line, "\n"]));
    text
}

/// What an action was about.
fn asked(arguments: &serde_json::Value) -> String {
    let keys = ["command", "file_path", "pattern", "path", "id", "paths", "files", "text", "name"];
    match keys.iter().find_map(|key| arguments.get(*key)) {
        None => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(several)) => {
            let one = |one: &serde_json::Value| one.as_str().or_else(|| one.get("file_path")?.as_str()).map(str::to_owned);
            several.iter().map(|value| one(value).unwrap_or_else(|| value.to_string())).collect::<Vec<_>>().join(" ")
        }
        // A text that was too long to be kept.
        Some(other) => {
            other.get("begins").and_then(serde_json::Value::as_str).map_or_else(|| other.to_string(), |begins| format!("{begins}…"))
        }
    }
}

/// What came of an action.
fn came(entry: &Entry) -> String {
    let Some(end) = &entry.end else {
        let refused = entry.begin.decision == "refused";
        return if refused { format!("refused ({})", entry.begin.rule) } else { "no outcome was written".to_owned() };
    };
    let confirmed = if entry.begin.decision == "confirmed" { "confirmed, " } else { "" };
    let failed = if end.failed { "failed: " } else { "" };
    match &entry.later {
        Some(later) => format!("{confirmed}{}", went_on(entry.at, end, later)),
        None => format!("{confirmed}{failed}{}, {} ms", end.outcome.trim_end_matches('.'), end.took),
    }
}

/// The end of what went on when the call was over.
fn went_on(began: u64, end: &audit::End, later: &audit::Later) -> String {
    let bytes = later.bytes.map_or_else(String::new, |bytes| format!(" · {bytes} byte{}", if bytes == 1 { "" } else { "s" }));
    let id = end.execution.as_ref().map_or_else(String::new, |stood| format!(" · id {}", stood.id));
    format!("{}{bytes}{id}, known after {} ms", later.state, later.at.saturating_sub(began))
}

/// A text of at most so many characters; that it was cut is seen.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn json(entry: &Entry) -> String {
    let line =
        serde_json::json!({"n": entry.n, "at": entry.at, "pid": entry.pid, "begin": entry.begin, "end": entry.end, "later": entry.later});
    format!("{line}\n")
}

/// A time as `2026-11-27T10:15:24Z`.
fn time(at: u64) -> String {
    let seconds = at / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years (Howard Hinnant's civil_from_days).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_is_too_long_and_that_is_seen() {
        assert_eq!((cut("abc", 3).as_str(), cut("abcd", 3).as_str(), cut("äöüß", 3).as_str()), ("abc", "ab…", "äö…"));
    }

    #[test]
    fn times_are_shown_as_people_write_them() {
        for (at, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_774_524_999, "2026-11-27T10:15:24Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(at), shown);
        }
    }
}
