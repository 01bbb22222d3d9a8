//! JobOutput, Jobs and JobStop: what executions printed, which there are, and ending them.
//!
//! Holds to: a wait happens on the host and costs no polling over the line; a pattern is matched here, by one dialect of regular
//! expressions, on whole lines. Leaves out: the texts.

use std::time::Duration;

use regex::bytes::Regex;
use tokio::time::Instant;
use towline_base::{Code, Failure, Handle, SessionName, limits};
use towline_proto::Request;
use towline_proto::outcome::{Report, Slice, Standing, parse_slice, parse_standing};
use towline_proto::recovery::Finish;
use towline_proto::request::{Output, Which};

use crate::action::{JobOutput, JobStop, Stream, WaitFor};
use crate::answer::{Answer, Body, JobLine, OutputSlice, Stopped};
use crate::execution::{duration_of, failure, state_of};
use crate::line::LineDriver;
use crate::notes;

/// How long a reply may take beyond the wait that was asked for.
const REPLY_WAIT: Duration = Duration::from_secs(20);
/// How long ending an execution may take: the grace, the kill and the look afterwards.
const STOP_WAIT: Duration = Duration::from_secs(20);
/// How long an answer waits to learn what a person did.
const VISITS_WAIT: Duration = Duration::from_secs(5);
/// Bytes of one slice if the call does not say.
const SLICE_BYTES: u64 = limits::ANSWER_CHARACTERS as u64;
/// Largest slice: an answer is held in memory more than once.
const LARGEST_SLICE: u64 = 1024 * 1024;
/// Signals that JobStop takes.
const SIGNALS: &[&str] = &["TERM", "INT", "HUP", "KILL", "QUIT", "USR1", "USR2"];

/// Reads an execution's output as the call asks.
pub(crate) async fn output(line: &LineDriver, job: JobOutput) -> Result<Answer, Failure> {
    let wait = job.wait.unwrap_or_default().min(limits::LONGEST_WAIT);
    let grep = job.grep.as_deref().map(|pattern| compile("grep", pattern)).transpose()?;
    let until = match &job.wait_for {
        WaitFor::Pattern(pattern) => Some(compile("wait_for", pattern)?),
        WaitFor::End | WaitFor::Output => None,
    };
    let waited = match &until {
        Some(pattern) if !wait.is_zero() => Some(wait_for_pattern(line, &job, pattern, wait).await?),
        _ => None,
    };
    let wait = if waited.is_some() { Duration::ZERO } else { wait };
    let (answer, notes) = match grep {
        Some(pattern) => search(line, &job, &pattern, wait).await?,
        None => slice(line, &job, wait).await?,
    };
    Ok(Answer { body: Body::JobOutput(OutputSlice { waited: waited.or(answer.waited), ..answer }), notes })
}

fn compile(parameter: &str, pattern: &str) -> Result<Regex, Failure> {
    Regex::new(pattern).map_err(|error| Failure::new(Code::BadInput, format!("{parameter}: not a regular expression: {error}")))
}

/// One request for part of the output.
async fn ask(line: &LineDriver, output: Output) -> Result<Slice, Failure> {
    let handle = output.handle.clone();
    let limit = Duration::from_millis(output.wait * 10) + REPLY_WAIT;
    let (status, body) = reply_of(line.call(Request::Output(output), limit).await)?;
    if status != 0 {
        return Err(node_of(&body).map_or_else(|| no_record(&handle), |node| on_another_node(&handle, &node)));
    }
    let slice = parse_slice(&body).ok_or_else(|| Failure::new(Code::Protocol, "The host's answer about the output could not be read."))?;
    if slice.report.standing == Standing::NoRecord { Err(no_record(&handle)) } else { Ok(slice) }
}

/// The host that an execution belongs to, where a home is shared and it is not this one.
fn node_of(body: &[u8]) -> Option<String> {
    let (text, _) = towline_base::visible::to_text(body.strip_prefix(b"node ")?);
    Some(text.trim_end().chars().take(100).collect())
}

fn on_another_node(handle: &Handle, node: &str) -> Failure {
    let text = format!("id: {handle} is an execution on {node}, another host that shares this home; it is not judged or ended from here.");
    Failure::new(Code::Unknown, text).hint("Ask with the host that it was started on.")
}

fn no_record(handle: &Handle) -> Failure {
    let text = format!(
        "id: this host has no execution {handle} now: it expired, was cleaned away, belongs to another host, or was sent over a connection that was lost and has not arrived."
    );
    Failure::new(Code::Unknown, text).hint(
        "Jobs lists the executions of a host. What a lost connection still delivers can be some minutes late: ask again before it is run anew.",
    )
}

/// The reply to a question, with its status; or why there is none.
pub(crate) fn reply_of(finish: Finish) -> Result<(u8, Vec<u8>), Failure> {
    match finish {
        Finish::Reply { status, body, marks: _ } => Ok((status, body)),
        Finish::NotSent(trouble) => Err(failure(trouble)),
        Finish::Unknown { trouble: Some(trouble), .. } => {
            let text = format!("The link to the host was lost before the answer came: {}", trouble.text);
            Err(Failure::new(Code::LinkLost, text).hint("Nothing is lost on the host. Ask again."))
        }
        Finish::Unknown { trouble: None, .. } | Finish::Late => {
            Err(Failure::new(Code::LinkLost, "The host gave no answer in time.").hint("Nothing is lost on the host. Ask again."))
        }
        Finish::Outcome(_) | Finish::Refused(_) => Err(Failure::new(Code::Protocol, "The host answered what was not asked.")),
    }
}

/// The body of a reply with status 0; anything else is a failure that tells what the host said.
pub(crate) fn body_of(finish: Finish) -> Result<Vec<u8>, Failure> {
    let (status, body) = reply_of(finish)?;
    if status == 0 {
        return Ok(body);
    }
    let (text, _) = towline_base::visible::to_text(&body);
    Err(Failure::new(Code::Protocol, format!("The host answered with status {status}: {}", text.trim_end())))
}

fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

fn request(job: &JobOutput, offset: Option<u64>, limit: u64, tail: u64, wait: Duration) -> Output {
    Output {
        handle: job.id.clone(),
        stream: stream_word(job.stream),
        offset,
        limit,
        tail,
        wait: u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX),
        wait_for: if job.wait_for == WaitFor::End { "end" } else { "output" },
        pattern: String::new(),
    }
}

async fn slice(line: &LineDriver, job: &JobOutput, wait: Duration) -> Result<(OutputSlice, Vec<String>), Failure> {
    let limit = job.limit.unwrap_or(SLICE_BYTES).min(LARGEST_SLICE);
    // A wait for output begins where the agent stands, or behind what is there now; a look begins at the beginning.
    let waits_for_more = !wait.is_zero() && job.wait_for == WaitFor::Output;
    let offset = if waits_for_more { job.offset } else { Some(job.offset.unwrap_or(0)) };
    let slice = ask(line, request(job, offset, limit, job.tail.unwrap_or(0), wait)).await?;
    let waited = waited_words(&slice.why);
    Ok(answer(job, slice.clone(), slice.offset, strip_marks(&slice.bytes), waited))
}

fn waited_words(why: &str) -> Option<String> {
    match why {
        "end" => Some("it ended".to_owned()),
        "output" => Some("there is new output".to_owned()),
        "time" => Some("the time to wait is over".to_owned()),
        _ => None,
    }
}

/// What is shown, and what is to be said of the output.
fn answer(job: &JobOutput, slice: Slice, offset: u64, bytes: Vec<u8>, waited: Option<String>) -> (OutputSlice, Vec<String>) {
    let notes = notes::of_output(&slice.report.marks);
    let shown = OutputSlice {
        id: job.id.clone(),
        state: state_of(&slice.report.standing),
        duration: duration_of(&slice.report),
        cwd: slice.report.cwd,
        offset,
        next: slice.offset + slice.bytes.len() as u64,
        bytes,
        total: slice.total,
        dropped: slice.dropped,
        waited,
    };
    (shown, notes)
}

/// Goes through the whole stream in windows and keeps the lines that match, within one answer's size.
async fn search(line: &LineDriver, job: &JobOutput, pattern: &Regex, wait: Duration) -> Result<(OutputSlice, Vec<String>), Failure> {
    let budget = usize::try_from(job.limit.unwrap_or(SLICE_BYTES).min(LARGEST_SLICE)).unwrap_or(usize::MAX);
    let mut at = job.offset.unwrap_or(0);
    let mut lines = Lines::default();
    let mut wait = wait;
    loop {
        let slice = ask(line, request(job, Some(at), LARGEST_SLICE, 0, wait)).await?;
        wait = Duration::ZERO;
        let end = slice.offset + slice.bytes.len() as u64;
        let over = slice.bytes.is_empty() || end >= slice.total.saturating_sub(slice.dropped);
        lines.take(&strip_marks(&slice.bytes), over, |text| pattern.is_match(text));
        if over || lines.kept.len() > budget {
            let mut kept: Vec<u8> = lines.kept;
            let tail = job.tail.map(|count| last_lines(&kept, count));
            kept = tail.unwrap_or(kept);
            kept.truncate(budget);
            return Ok(answer(job, slice, 0, kept, None));
        }
        at = end;
    }
}

fn last_lines(bytes: &[u8], count: u64) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let skip = lines.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    lines[skip..].concat()
}

/// Puts windows together into lines, and keeps those that a test wants.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    kept: Vec<u8>,
}

/// A line longer than this is looked at in parts.
const LONGEST_LINE: usize = 1024 * 1024;

impl Lines {
    fn take(&mut self, bytes: &[u8], last: bool, wanted: impl Fn(&[u8]) -> bool) {
        self.rest.extend_from_slice(bytes);
        let end = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            Some(at) if !last && self.rest.len() < LONGEST_LINE => at + 1,
            None if !last && self.rest.len() < LONGEST_LINE => 0,
            _ => self.rest.len(),
        };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        for text in whole.split_inclusive(|byte| *byte == b'\n') {
            if wanted(text.strip_suffix(b"\n").unwrap_or(text)) {
                self.kept.extend_from_slice(text);
            }
        }
    }
}

/// Waits on the host for more output, and looks here whether a line matches.
async fn wait_for_pattern(line: &LineDriver, job: &JobOutput, pattern: &Regex, wait: Duration) -> Result<String, Failure> {
    let until = Instant::now() + wait;
    let mut at = job.offset.unwrap_or(0);
    let mut lines = Lines::default();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let slice = ask(line, request(job, Some(at), LARGEST_SLICE, 0, left)).await?;
        at = slice.offset + slice.bytes.len() as u64;
        let running = matches!(slice.report.standing, Standing::Running | Standing::Queued);
        let drained = slice.bytes.is_empty();
        // A prompt has no newline: the line that is not over is looked at, too, and kept for the next look.
        lines.take(&strip_marks(&slice.bytes), !running && drained, |text| pattern.is_match(text));
        if !lines.kept.is_empty() || pattern.is_match(&lines.rest) {
            return Ok("the pattern came".to_owned());
        }
        if !running && drained {
            return Ok("it ended without the pattern".to_owned());
        }
        if left.is_zero() {
            return Ok("the time to wait is over; the pattern did not come".to_owned());
        }
    }
}

/// Takes out the marks (`0x1e`, 32 hex digits, `0x1e`) that separate a command's output from its background jobs'.
pub(crate) fn strip_marks(bytes: &[u8]) -> Vec<u8> {
    const MARK: usize = 34;
    let is_mark = |window: &[u8]| {
        window[0] == 0x1e && window[MARK - 1] == 0x1e && window[1..MARK - 1].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    match bytes.windows(MARK).position(is_mark) {
        Some(at) => [&bytes[..at], &bytes[at + MARK..]].concat(),
        None => bytes.to_vec(),
    }
}

/// Ends an execution.
pub(crate) async fn stop(line: &LineDriver, job: JobStop) -> Result<Answer, Failure> {
    let given = job.signal.as_deref().unwrap_or("TERM");
    let name = given.strip_prefix("SIG").unwrap_or(given);
    let Some(signal) = SIGNALS.iter().copied().find(|known| *known == name) else {
        return Err(Failure::new(Code::BadInput, format!("signal: {given:?} is not one of {}.", SIGNALS.join(", "))));
    };
    let (status, body) = reply_of(line.call(Request::Stop(job.id.clone(), signal), STOP_WAIT).await)?;
    if status != 0 {
        return Err(no_record(&job.id));
    }
    let reply = String::from_utf8_lossy(&body).into_owned();
    let words: Vec<&str> = reply.split_whitespace().collect();
    let [word, count, confirmed] = words.as_slice() else {
        return Err(Failure::new(Code::Protocol, format!("The host answered {reply:?} to the stop.")));
    };
    if *word == "unknown" {
        return Err(no_record(&job.id));
    }
    let look = ask(line, Output { wait: 300, ..request(&look_at(&job.id), Some(0), 0, 0, Duration::ZERO) }).await?;
    let body =
        Stopped { id: job.id, state: state_of(&look.report.standing), signalled: count.parse().unwrap_or(0), confirmed: *confirmed == "1" };
    Ok(Answer { body: Body::Stopped(body), notes: Vec::new() })
}

fn look_at(id: &Handle) -> JobOutput {
    JobOutput {
        id: id.clone(),
        stream: Stream::Stdout,
        offset: None,
        limit: None,
        tail: None,
        grep: None,
        wait: None,
        wait_for: WaitFor::End,
    }
}

/// Lists the executions of a host that run or were not read.
pub(crate) async fn jobs(line: &LineDriver) -> Result<Vec<JobLine>, Failure> {
    list_of(line.call(Request::Jobs(Which::Open), REPLY_WAIT).await)
}

/// The executions of a reply; one that lacks its end was cut on the host, and is no shorter list.
///
/// # Errors
/// If that is so, or the host told none.
pub(crate) fn list_of(finish: Finish) -> Result<Vec<JobLine>, Failure> {
    let (_, body) = reply_of(finish)?;
    let lines = if body == b".\n" { Some(&body[..0]) } else { body.strip_suffix(b"\n.\n") };
    let cut =
        || Failure::new(Code::HostState, "the list of executions could not be put together on the host: what it keeps there finds no room");
    Ok(parse_jobs(lines.ok_or_else(cut)?))
}

/// A note of what a person did in this session that its agent was not told yet, and that is told once.
pub(crate) async fn visits(line: &LineDriver, session: &SessionName) -> Option<String> {
    let body = body_of(line.call(Request::Visits(session.clone()), VISITS_WAIT).await).ok()?;
    notes::of_visit(&parse_jobs(&body))
}

/// Reads `handle|session|state|age|command` lines; what is none is left out.
#[must_use]
pub fn parse_jobs(body: &[u8]) -> Vec<JobLine> {
    let (text, _) = towline_base::visible::to_text(body);
    let line = |line: &str| {
        let mut words = line.splitn(5, '|');
        let (handle, session, state, age, command) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
        let (standing, hundredths, marks) = parse_standing(state);
        let report = Report { standing, hundredths: age.parse().ok().or(hundredths), marks, cwd: None };
        Some(JobLine {
            id: Handle::parse(handle).ok()?,
            state: state_of(&report.standing),
            session: session.to_owned(),
            age: duration_of(&report),
            command: command.chars().take(200).collect(),
            last_line: String::new(),
        })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_shares_the_home_is_named() {
        assert_eq!(node_of(b"unknown\n"), None);
        let handle = Handle::parse("bcdfgh").expect("a handle");
        let failure = on_another_node(&handle, &node_of(b"node login\x1b2-12ab\n").unwrap_or_default());
        assert!(failure.to_string().contains(r"bcdfgh is an execution on login\x1b2-12ab, another host"), "{failure}");
    }

    #[test]
    fn lines_do_not_care_how_they_were_cut() {
        let text = b"one\ntwo needle\nthree\nfour needle";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            lines.take(&text[..cut], false, |line| line.ends_with(b"needle"));
            lines.take(&text[cut..], true, |line| line.ends_with(b"needle"));
            assert_eq!(lines.kept, b"two needle\nfour needle", "{cut}");
        }
    }

    #[test]
    fn a_mark_is_taken_out() {
        let mark = format!("\u{1e}{:032x}\u{1e}", 5);
        assert_eq!(strip_marks(format!("a{mark}b").as_bytes()), b"ab");
        assert_eq!(strip_marks(b"\x1eshort\x1e"), b"\x1eshort\x1e");
    }

    #[test]
    fn a_job_line_is_read_whatever_its_command_holds() {
        let jobs = parse_jobs(b"bcdfgh|s1|running|120|a | b\nnonsense\n");
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].command.as_str(), jobs[0].age), ("a | b", Some(Duration::from_millis(1200))));
    }

    #[test]
    fn a_list_that_was_cut_is_an_error_and_no_shorter_list() {
        let told = |status, body: &[u8]| {
            list_of(Finish::Reply { status, body: body.to_vec(), marks: Vec::new() }).map(|jobs| jobs.len()).map_err(|failure| failure.code)
        };
        assert_eq!(told(0, b".\n"), Ok(0));
        assert_eq!(told(0, b"bcdfgh|s|running|1|a\nbcdfgk|s|exit 0 1 -|1|echo .\n.\n"), Ok(2));
        for (status, cut) in
            [(0, &b""[..]), (1, b""), (1, b"bcdfgh|s|running|1|a\n"), (0, b"bcdfgh|s|running|1|a ."), (0, b"bcdfgh|s|exit 0 1 -|1|.\n")]
        {
            assert_eq!(told(status, cut), Err(Code::HostState), "{:?}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn the_last_lines_of_few_are_all() {
        assert_eq!(last_lines(b"a\nb\nc", 2), b"b\nc");
        assert_eq!(last_lines(b"a\n", 5), b"a\n");
        assert_eq!(last_lines(b"", 5), b"");
    }
}
