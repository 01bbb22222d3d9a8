//! A running command's output, told to the event stream while somebody watches.
//!
//! Holds to: nothing is asked of a host unless a view is open; it is asked over the same lane, beside the call, and the command is
//! never slowed; what comes faster than a person reads is left out and counted; the end of a command that was left behind is told once,
//! also where nobody watches and a call hears of it. Leaves out: what is told at the end of a command that its call waited for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use towline_base::Handle;
use towline_proto::Request;
use towline_proto::outcome::{Slice, Standing, parse_slice};
use towline_proto::request::Output;

use crate::action::Stream;
use crate::answer::{Answer, Body, Execution, State};
use crate::events::{Events, Left, Rest, Witness};
use crate::execution::{duration_of, state_of};
use crate::line::{LineDriver, WeakLine};
use crate::output::{body_of, strip_marks};
use crate::summary;

/// How long a command runs, beyond the round trip, before it is looked at: most are over by then and cost nothing.
const FIRST_LOOK: Duration = Duration::from_millis(40);
/// Pause between two looks, in which output gathers.
const BREATH: Duration = Duration::from_millis(30);
/// How long the host waits for output before it answers that there is none.
const LOOK_WAIT: Duration = Duration::from_secs(20);
/// How long its answer may take beyond that.
const REPLY_WAIT: Duration = Duration::from_secs(20);
/// How often it is seen whether somebody watches, and pause after a look that failed.
const IDLE: Duration = Duration::from_millis(500);
/// Bytes of one look.
const LARGEST_LOOK: u64 = 16 * 1024;
const SMALLEST_LOOK: u64 = 1024;
/// Bytes that an execution may tell at once, and then in a second: more than a person reads.
const BUCKET_BYTES: u64 = 64 * 1024;
const BYTES_A_SECOND: u64 = 8 * 1024;
/// How long a process that is about to end waits for the last look at a command that is over; a look is a round trip.
const LAST_LOOK: Duration = Duration::from_secs(2);
const LAST_LOOK_PAUSE: Duration = Duration::from_millis(10);

/// How far the two streams of an execution were told.
#[derive(Debug, Default)]
pub(crate) struct Told([AtomicU64; 2]);

impl Told {
    fn of(&self, stderr: bool) -> &AtomicU64 {
        &self.0[usize::from(stderr)]
    }

    /// Tells what an answer brings beyond what was told.
    pub(crate) fn rest(&self, witness: &Witness, execution: &Execution) {
        let streams = [(Some(&execution.stdout), false), (execution.stderr.as_ref(), true)];
        for (excerpt, stderr) in streams.into_iter().filter_map(|(excerpt, stderr)| Some((excerpt?, stderr))) {
            let told = self.of(stderr).load(Ordering::Relaxed);
            witness.rest(&execution.id, &Rest { excerpt, told, stderr });
        }
    }
}

/// Looks at both streams of a command that a call waits for, until this future is dropped.
pub(crate) async fn attend(line: &LineDriver, handle: &Handle, separate: bool, witness: &Witness, told: &Told) -> Infallible {
    if witness.events().is_some() {
        tokio::time::sleep(line.trip() + FIRST_LOOK).await;
        let out = watch(line, handle, false, witness, told);
        if separate {
            tokio::join!(out, watch(line, handle, true, witness, told));
        } else {
            out.await;
        }
    }
    std::future::pending().await
}

/// Goes on looking at a command that its call leaves behind, and tells its end. It does not keep the line.
pub(crate) fn leave_behind(line: &LineDriver, handle: &Handle, witness: &Witness, told: Told) {
    let Some(events) = witness.events().cloned() else { return };
    if !events.left_behind().add(handle, witness.whose().clone()) {
        return;
    }
    let (line, handle, witness) = (line.downgrade(), handle.clone(), witness.clone());
    tokio::spawn(async move {
        let end = until_end(line, &handle, &witness, &events, &told).await;
        let left = events.left_behind().take(&witness.whose().host, &handle);
        if let Some((text, state)) = left.and_then(|left| end.or(left.end)) {
            witness.ended(&handle, &text, &state);
        }
    });
}

/// A call has heard how a command ended that may have been left behind. Where somebody watches, its output is being looked at, and
/// what ends that tells the end; else it is told now.
pub(crate) async fn heard(events: &Events, host: &str, of: Stream, answer: &Answer) {
    let over = |state: &State| matches!(state, State::Exited(_) | State::Killed(_) | State::Lost(_));
    let (id, end) = match &answer.body {
        // The other stream is not what its output is counted by.
        Body::JobOutput(slice) if over(&slice.state) && of == Stream::Stdout => {
            (&slice.id, (summary::of_end(&slice.state, slice.duration, slice.total), slice.state.clone()))
        }
        Body::Stopped(stopped) if over(&stopped.state) => (&stopped.id, (summary::of_state(&stopped.state), stopped.state.clone())),
        Body::JobOutput(_)
        | Body::Stopped(_)
        | Body::Execution(_)
        | Body::Jobs(_)
        | Body::Files(_)
        | Body::Written(_)
        | Body::Stats(_)
        | Body::Listing(_)
        | Body::Found(_)
        | Body::Terminal(_)
        | Body::Text(_)
        | Body::Kept(_)
        | Body::Removed(_) => return,
    };
    if events.left_behind().heard(host, id, end) && !events.watched().await {
        tell_heard(events);
    }
}

/// Waits, within bounds, until those who watch were told the rest of what was left behind and is over.
pub(crate) async fn last_look(events: &Events) {
    let end = Instant::now() + LAST_LOOK;
    while !events.left_behind().is_empty() && Instant::now() < end && events.watched().await {
        tokio::time::sleep(LAST_LOOK_PAUSE).await;
    }
    tell_heard(events);
}

/// Tells the ends that calls have heard of.
fn tell_heard(events: &Events) {
    for (id, Left { whose, end }) in events.left_behind().take_heard() {
        if let Some((text, state)) = end {
            Witness::new(events.clone(), (*whose).clone()).ended(&id, &text, &state);
        }
    }
}

/// How it ended; `None` if its end was told by another, or its line is gone.
async fn until_end(line: WeakLine, handle: &Handle, witness: &Witness, events: &Events, told: &Told) -> Option<(String, State)> {
    let mut pace = Pace::new(Instant::now());
    let host = &witness.whose().host;
    loop {
        wait_for_watcher(witness, || line.is_gone() || !events.left_behind().holds(host, handle)).await;
        if !events.left_behind().holds(host, handle) {
            return None;
        }
        let line = line.upgrade()?;
        match step(&line, handle, false, witness, told, &mut pace).await {
            Step::On => {}
            Step::Failed => tokio::time::sleep(IDLE).await,
            Step::End(slice) => {
                let state = state_of(&slice.report.standing);
                return Some((summary::of_end(&state, duration_of(&slice.report), slice.total), state));
            }
        }
    }
}

async fn watch(line: &LineDriver, handle: &Handle, stderr: bool, witness: &Witness, told: &Told) {
    let mut pace = Pace::new(Instant::now());
    loop {
        wait_for_watcher(witness, || false).await;
        match step(line, handle, stderr, witness, told, &mut pace).await {
            Step::On => {}
            Step::Failed => tokio::time::sleep(IDLE).await,
            Step::End(_) => return,
        }
    }
}

async fn wait_for_watcher(witness: &Witness, gone: impl Fn() -> bool) {
    while let Some(events) = witness.events() {
        if gone() || events.watched().await {
            return;
        }
        tokio::time::sleep(IDLE).await;
    }
}

enum Step {
    On,
    Failed,
    End(Box<Slice>),
}

/// One look: waits on the host for output, and tells it.
async fn step(line: &LineDriver, handle: &Handle, stderr: bool, witness: &Witness, told: &Told, pace: &mut Pace) -> Step {
    let limit = loop {
        match pace.room(Instant::now()) {
            room if room >= SMALLEST_LOOK => break room.min(LARGEST_LOOK),
            _ => tokio::time::sleep(BREATH).await,
        }
    };
    let Some(slice) = look(line, handle, stderr, pace.next, limit).await else { return Step::Failed };
    let seen = see(&slice, told.of(stderr).load(Ordering::Relaxed), limit);
    pace.used(seen.bytes.len() as u64);
    pace.next = seen.next;
    told.of(stderr).store(seen.end, Ordering::Relaxed);
    witness.output(handle, stderr, &strip_marks(seen.bytes), seen.skipped);
    let over = !matches!(state_of(&slice.report.standing), State::Running | State::Queued | State::Unknown(_));
    if over && seen.next >= slice.total {
        return Step::End(Box::new(slice));
    }
    tokio::time::sleep(BREATH).await;
    Step::On
}

async fn look(line: &LineDriver, handle: &Handle, stderr: bool, offset: u64, limit: u64) -> Option<Slice> {
    let request = Output {
        handle: handle.clone(),
        stream: if stderr { "stderr" } else { "stdout" },
        offset: Some(offset),
        limit,
        tail: 0,
        wait: u64::try_from(LOOK_WAIT.as_millis() / 10).unwrap_or(u64::MAX),
        wait_for: "output",
        pattern: String::new(),
    };
    let body = body_of(line.call(Request::Output(request), LOOK_WAIT + REPLY_WAIT).await).ok()?;
    parse_slice(&body).filter(|slice| slice.report.standing != Standing::NoRecord)
}

/// What of a slice is told, and where the next look begins.
#[derive(Debug, PartialEq)]
struct Seen<'a> {
    /// Bytes before these that are left out.
    skipped: u64,
    bytes: &'a [u8],
    /// Up to where all is told or counted.
    end: u64,
    /// Where the next look begins: there, or nearer to the end of a stream that is far ahead.
    next: u64,
}

/// Takes what a slice brings, after so many bytes of the stream that were told or counted.
fn see(slice: &Slice, told: u64, limit: u64) -> Seen<'_> {
    let mut bytes = whole_characters(&slice.bytes);
    let end = slice.offset.max(told) + bytes.len() as u64;
    let jumped = slice.offset > told;
    if let (true, Some(at)) = (jumped, bytes.iter().position(|byte| *byte == b'\n')) {
        // The first line is a part of one.
        bytes = &bytes[at + 1..];
    }
    let ahead = slice.total.saturating_sub(end);
    // A look into what the host dropped brings nothing.
    let next = if ahead > limit || (slice.bytes.is_empty() && ahead > 0) { slice.total - limit.min(ahead) } else { end };
    if bytes.is_empty() {
        return Seen { skipped: 0, bytes, end: told, next };
    }
    Seen { skipped: end - bytes.len() as u64 - told, bytes, end, next }
}

/// The bytes without a character at their end that is not whole yet.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let rest = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let begun = matches!(rest.first(), Some(0xc2..=0xf4)) && rest.len() < 4 && rest[1..].iter().all(|byte| byte & 0xc0 == 0x80);
    if begun && rest.len() < bytes.len() { &bytes[..bytes.len() - rest.len()] } else { bytes }
}

/// Where the next look begins, and how many bytes may be told now: some at once, then so many in a second.
#[derive(Debug)]
struct Pace {
    next: u64,
    room: u64,
    at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { next: 0, room: BUCKET_BYTES, at: now }
    }

    fn room(&mut self, now: Instant) -> u64 {
        let more = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(u64::MAX).saturating_mul(BYTES_A_SECOND) / 1000;
        if more > 0 {
            self.room = (self.room + more).min(BUCKET_BYTES);
            self.at = now;
        }
        self.room
    }

    fn used(&mut self, bytes: u64) {
        self.room = self.room.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use towline_proto::outcome::Report;

    use super::*;

    fn slice(offset: u64, bytes: &[u8], total: u64) -> Slice {
        let report = Report { standing: Standing::Running, hundredths: None, marks: Vec::new(), cwd: None };
        Slice { report, total, dropped: 0, head: total, offset, why: String::new(), bytes: bytes.to_vec() }
    }

    #[test]
    fn a_stream_is_told_as_it_comes_and_left_out_where_it_is_far_ahead() {
        let check = |slice: &Slice, told, skipped, bytes: &str, end, next| {
            assert_eq!(see(slice, told, 10), Seen { skipped, bytes: bytes.as_bytes(), end, next }, "{slice:?}");
        };
        check(&slice(0, b"ab\n", 3), 0, 0, "ab\n", 3, 3);
        check(&slice(3, b"", 3), 3, 0, "", 3, 3);
        check(&slice(3, b"c", 14), 3, 0, "c", 4, 4);
        check(&slice(0, b"0123456789", 1000), 0, 0, "0123456789", 10, 990);
        // After the jump: what is left of the line that was met is left out, too.
        check(&slice(990, b"678\n012345", 1000), 10, 984, "012345", 1000, 1000);
        // What the host dropped.
        check(&slice(20, b"", 1000), 20, 0, "", 20, 990);
        // A character that is not whole yet.
        check(&slice(0, b"a\xe2\x82", 3), 0, 0, "a", 1, 1);
    }

    #[tokio::test]
    async fn a_flood_is_told_at_a_readers_pace() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        assert_eq!(pace.room(begin), BUCKET_BYTES);
        pace.used(BUCKET_BYTES);
        assert_eq!(pace.room(begin + Duration::from_millis(500)), BYTES_A_SECOND / 2);
        assert_eq!(pace.room(begin + Duration::from_secs(3600)), BUCKET_BYTES);
    }
}
