//! Those who work on a host while things go wrong there: each calls one command after the other and notes what it is told.
//!
//! Holds to: what is asked follows from the seed. Leaves out: whether what was told is true (`judge`).

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Reply;
use super::field::{Field, Story, lock};
use super::plan::{Dice, Place, Work};
use super::words::{self, Said};
use crate::lab::HOST;

/// How long after its deadline an answer may come at the most, on a machine that is busy.
const GRACE: Duration = Duration::from_secs(40);
/// How long the beginning of a background command may be waited for: the host may have to be reached first.
const BEGINNING: Duration = Duration::from_secs(80);
/// Bytes of one slice: what one answer shows.
const SLICE: usize = 30_000;

/// Calls commands over one towline until the run is over.
pub(super) fn go_on(field: &Field, towline: usize, worker: usize, mut dice: Dice) {
    let mut count = 0;
    while !field.is_over() {
        if !field.towlines[towline].lives() {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        count += 1;
        let work = Work::next(&mut dice, format!("t{}-{towline}-{worker}-{count}", field.number));
        let again = dice.percent(50);
        if let Some(id) = call(field, towline, work.clone())
            && again
        {
            read(field, towline, &work.token, &id, Duration::from_secs(dice.between(0, 12)));
        }
    }
}

/// Makes one call; returns the id if the command goes on, or what became of it is not known.
fn call(field: &Field, towline: usize, work: Work) -> Option<String> {
    let asked = field.now();
    let (token, timeout, cancel, place) = (work.token.clone(), work.timeout, work.cancel, work.place);
    let arguments = arguments(&work);
    let story = Story { work, towline, said: Vec::new(), asked, id: None, wrong: Vec::new(), settled: false, may_miss: false };
    lock(&field.stories).insert(token.clone(), story);
    let call = field.towlines[towline].call("Bash", &arguments);
    let deadline = if place == Place::Background { BEGINNING } else { timeout };
    let mut reply = call.reply(cancel.unwrap_or(deadline + GRACE));
    if cancel.is_some() && matches!(reply, Reply::Nothing) {
        call.cancel();
        // A cancelled call has no answer, unless that was on its way.
        reply = match call.reply(Duration::from_millis(500)) {
            Reply::Nothing => Reply::Answer("[cancelled by the client] [cancelled]".to_owned(), true),
            late @ (Reply::Answer(..) | Reply::Gone) => late,
        };
    }
    let now = field.now();
    let parts = match reply {
        Reply::Answer(text, error) => words::of_bash(&text, error),
        Reply::Gone => {
            field.tell(&token, |story| story.said.push((now, Said::Nothing)));
            return None;
        }
        Reply::Nothing => {
            field.violation(format!("{token}: no answer within its {deadline:?} and {GRACE:?} more"));
            return None;
        }
    };
    if matches!(parts.said, Said::Exited(_)) {
        note_recovery(field, &token, asked, now);
    }
    let goes_on = matches!(parts.said, Said::GoesOn | Said::Unknown(_));
    let id = parts.id.clone();
    field.tell(&token, |story| {
        story.may_miss |= words::may_miss(&parts.notes);
        check_output(story, &parts.said, &parts.body);
        story.settled |= is_final(&parts.said);
        story.said.push((now, parts.said));
        story.id = parts.id;
    });
    id.filter(|_| goes_on)
}

fn arguments(work: &Work) -> Value {
    let milliseconds = u64::try_from(work.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut arguments = json!({"host": HOST, "command": work.command(), "timeout": milliseconds});
    match work.place {
        Place::Own => {}
        Place::Shared(number) => arguments["session"] = json!(format!("shared{number}")),
        Place::Fresh => arguments["fresh"] = json!(true),
        Place::Background => arguments["run_in_background"] = json!(true),
    }
    arguments
}

fn is_final(said: &Said) -> bool {
    matches!(said, Said::Exited(_) | Said::Killed(_) | Said::Lost(_))
}

/// Compares what an answer of Bash shows with what was to be printed.
fn check_output(story: &mut Story, said: &Said, body: &str) {
    if matches!(said, Said::Exited(_)) && !story.may_miss && !words::shows(body, &story.work.output()) {
        story.wrong.push(format!("the call's answer shows {} bytes: {:?}", body.len(), abridged(body)));
    }
}

pub(super) fn abridged(text: &str) -> String {
    if text.len() <= 300 {
        return text.to_owned();
    }
    let (head, tail): (String, String) = (text.chars().take(120).collect(), text.chars().rev().take(120).collect());
    format!("{head} ... {}", tail.chars().rev().collect::<String>())
}

/// If the link was away while the call waited, and all else was well: how long after its return the answer came.
fn note_recovery(field: &Field, token: &str, asked: Duration, answered: Duration) {
    let Some((from, back)) = *lock(&field.measured) else { return };
    if from < asked || back > answered {
        return;
    }
    let ended = lock(&field.ends).get(token).copied().unwrap_or(asked);
    if ended < answered {
        lock(&field.recoveries).push(answered.saturating_sub(ended.max(back)).as_secs_f64() * 1e3);
    }
}

/// Reads a command's outcome and all of its output by its id; true if it is over.
pub(super) fn read(field: &Field, towline: usize, token: &str, id: &str, wait: Duration) -> bool {
    let mut output = String::new();
    let mut wait = wait;
    loop {
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let arguments = json!({"host": HOST, "id": id, "offset": output.len(), "limit": SLICE, "wait": milliseconds, "wait_for": "end"});
        let reply = field.towlines[towline].call("JobOutput", &arguments).reply(wait + Duration::from_secs(25) + GRACE);
        let now = field.now();
        let (text, error) = match reply {
            Reply::Answer(text, error) => (text, error),
            Reply::Gone => return false,
            Reply::Nothing => {
                field.violation(format!("{token}: no answer to JobOutput within {wait:?} and 65 s more"));
                return false;
            }
        };
        let parts = words::of_output(&text, error);
        let extent = words::extent(&text);
        if let Some((begin, end, _)) = extent {
            // What the slice shows ends at its bytes; a newline behind it may be the answer's own.
            let shown = if begin == end { String::new() } else { parts.body.chars().take(end - begin).collect() };
            output.push_str(&shown);
        }
        if let Some((_, end, total)) = extent
            && end < total
            && output.len() == end
        {
            wait = Duration::ZERO;
            continue;
        }
        let conclude = |story: &mut Story| {
            story.may_miss |= words::may_miss(&parts.notes);
            conclude(story, now, parts.said, &output)
        };
        return field.tell(token, conclude).unwrap_or(false);
    }
}

/// Notes an outcome that was read, and compares the output with what was to be printed.
fn conclude(story: &mut Story, now: Duration, said: Said, output: &str) -> bool {
    let expected = story.work.output();
    let right = match &said {
        Said::Exited(_) => story.may_miss || output == expected,
        Said::Killed(_) | Said::GoesOn => expected.starts_with(output),
        Said::Lost(_)
        | Said::Unknown(_)
        | Said::NotStarted(_)
        | Said::NoRecord
        | Said::Cancelled
        | Said::NotTold(_)
        | Said::Nothing
        | Said::Strange(_) => true,
    };
    if !right {
        let (have, want) = (output.len(), expected.len());
        story.wrong.push(format!("JobOutput shows {have} bytes of {want} with {said:?}: {:?}", abridged(output)));
    }
    let over = is_final(&said);
    story.settled |= over;
    story.said.push((now, said));
    over
}

/// Asks for a sign of life now and then, and notes how long that took.
pub(super) fn ping(field: &Field, towline: usize) {
    while !field.is_over() {
        std::thread::sleep(Duration::from_millis(200));
        let asked = field.now();
        match field.towlines[towline].ping().reply(GRACE) {
            Reply::Answer(..) => lock(&field.pings).push(field.now().saturating_sub(asked).as_secs_f64() * 1e3),
            Reply::Gone => {}
            Reply::Nothing => field.violation(format!("towline {towline} did not answer a ping within {GRACE:?}")),
        }
    }
}
