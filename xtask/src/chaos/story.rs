//! What a run prints: the counts, and for each thing that is wrong the story of the command.
//!
//! Holds to: a run with one thing wrong is a failure. Leaves out: judging (`judge`).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use super::field::{Field, Story, lock};
use super::judge::{self, Circumstances};
use super::plan::Fault;
use crate::run::{Outcome, Trouble};

/// Stories that are told in full.
const TOLD: usize = 8;

/// Everything that was counted.
#[derive(Debug, Default)]
struct Counts {
    commands: usize,
    ran: usize,
    hit: usize,
    recovered: usize,
    may_miss: usize,
    faults: BTreeMap<&'static str, usize>,
    answers: BTreeMap<&'static str, usize>,
    recoveries: Vec<f64>,
    pings: Vec<f64>,
}

/// Judges every command, prints the counts and what is wrong.
pub(super) fn tell(fields: &[Field], left: &[Vec<String>], took: Duration) -> Outcome<String> {
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    for (field, left) in fields.iter().zip(left) {
        let name = format!("host {} ({})", field.number, field.shell.name());
        wrong.extend(lock(&field.violations).iter().chain(left).map(|text| format!("{name}: {text}")));
        wrong.extend(count(field, &mut counts).into_iter().map(|text| format!("{name}: {text}")));
    }
    let text = shown(&mut counts, took);
    println!("{text}");
    if wrong.is_empty() {
        let faults: usize = counts.faults.values().sum();
        return Ok(format!("{} commands, {faults} faults, nothing twice, nothing false, nothing lost", counts.commands));
    }
    for text in wrong.iter().take(TOLD * 4) {
        println!("WRONG: {text}");
    }
    Err(Trouble(format!("{} things are wrong", wrong.len())))
}

/// Counts what happened on one host; returns what is wrong there.
fn count(field: &Field, counts: &mut Counts) -> Vec<String> {
    let mut ledger: HashMap<String, usize> = HashMap::new();
    for line in field.lines("ledger") {
        *ledger.entry(line).or_default() += 1;
    }
    let faults = lock(&field.faults);
    for (_, _, what) in faults.iter() {
        let kind = Fault::KINDS.iter().find(|kind| what.starts_with(*kind)).copied().unwrap_or("?");
        *counts.faults.entry(kind).or_default() += 1;
    }
    let shells_killed: Vec<Duration> =
        faults.iter().filter(|(_, _, what)| what.starts_with(Fault::Shell.kind())).map(|(_, until, _)| *until).collect();
    let ends = lock(&field.ends).clone();
    let around = Circumstances { ledger: &ledger, shells_killed: &shells_killed, ends: &ends };
    let mut wrong = Vec::new();
    for story in lock(&field.stories).values() {
        let ran = ledger.contains_key(&story.work.token);
        let end = story.said.first().map_or(field.now(), |(at, _)| *at);
        let hit = faults.iter().any(|(from, until, _)| *from < end && *until > story.asked);
        counts.commands += 1;
        counts.ran += usize::from(ran);
        counts.hit += usize::from(hit && ran);
        counts.recovered += usize::from(hit && ran && story.settled);
        counts.may_miss += usize::from(story.may_miss);
        *counts.answers.entry(judge::kind(story)).or_default() += 1;
        let found = judge::judge(story, &around);
        if !found.is_empty() {
            let told = if wrong.len() < TOLD { of_command(field, story, &faults) } else { String::new() };
            wrong.push(format!("{}: {}{told}", story.work.token, found.join("; ")));
        }
    }
    let strangers = ledger.keys().filter(|token| !lock(&field.stories).contains_key(*token)).count();
    if strangers > 0 {
        wrong.push(format!("{strangers} lines of the ledger are no command's"));
    }
    counts.recoveries.extend(lock(&field.recoveries).iter());
    counts.pings.extend(lock(&field.pings).iter());
    wrong
}

fn seconds(time: Duration) -> String {
    format!("{:9.3}", time.as_secs_f64())
}

/// All that happened to one command.
fn of_command(field: &Field, story: &Story, faults: &[(Duration, Duration, String)]) -> String {
    let last = story.said.last().map_or(story.asked, |(at, _)| *at);
    let mut lines =
        vec![(story.asked, format!("asked by towline {}, {:?}, timeout {:?}", story.towline, story.work.place, story.work.timeout))];
    lines.extend(story.said.iter().map(|(at, said)| (*at, format!("told {said:?}"))));
    lines.extend(lock(&field.ends).get(&story.work.token).map(|at| (*at, "its end is seen on the host".to_owned())));
    let near = |from: &Duration, until: &Duration| *until + Duration::from_secs(2) >= story.asked && *from <= last;
    let before = faults.iter().filter(|(from, until, _)| near(from, until)).take(60);
    lines.extend(before.map(|(from, until, what)| (*from, format!("  {what}, until {}", seconds(*until).trim()))));
    lines.sort_by_key(|(at, _)| *at);
    let mut text = format!("\n    id {:?}: {}", story.id, story.work.command());
    for (at, line) in lines {
        let _ = write!(text, "\n    {} {line}", seconds(at));
    }
    if let (Some(root), Some(id)) = (field.root(), &story.id) {
        let record = std::fs::read(root.join("x").join(id)).unwrap_or_default();
        let _ = write!(text, "\n    record:\n{}", String::from_utf8_lossy(&record));
    }
    text
}

/// The counts as a person reads them.
fn shown(counts: &mut Counts, took: Duration) -> String {
    let mut text = format!("\n{} commands called, {} of them ran, in {:.0} s\n", counts.commands, counts.ran, took.as_secs_f64());
    let _ = writeln!(
        text,
        "{} ran while something went wrong before their first answer; the outcome of {} was recovered",
        counts.hit, counts.recovered
    );
    let _ = writeln!(text, "{} were told with the word that some of their output may be missing", counts.may_miss);
    let _ = writeln!(text, "first answers:");
    for (kind, count) in &counts.answers {
        let _ = writeln!(text, "{count:>8}  {kind}");
    }
    let _ = writeln!(text, "faults: {}", counts.faults.values().sum::<usize>());
    for (kind, count) in &counts.faults {
        let _ = writeln!(text, "{count:>8}  {kind}");
    }
    for (what, times) in [("from the link's return to a waiting call's answer", &mut counts.recoveries), ("a ping", &mut counts.pings)] {
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "{what}: median {:.0} ms, 95 of 100 within {:.0} ms, at most {:.0} ms ({} times)",
            at(50),
            at(95),
            at(100),
            times.len()
        );
    }
    text
}
