//! Bash: starting an execution, waiting for it, and what happens when the wait ends before it does.
//!
//! Holds to: an execution is ended only by a cancel and by a timeout that asked for it; whatever else ends the wait lets it go
//! on, and the answer says so. Leaves out: reading output later (`output`), and the texts.

use std::convert::Infallible;
use std::time::Duration;

use towline_base::{Code, ExecutionId, Failure, Handle, SessionName, limits};
use towline_proto::Request;
use towline_proto::outcome::{Mark, Report, Slice, Standing, Why, parse_slice};
use towline_proto::recovery::{Ends, Finish, Outcome, Trouble};
use towline_proto::request::{Output, Run};
use towline_transport::AgentForwarding;

use crate::action::{Bash, OnTimeout, Place, Stderr};
use crate::answer::{Answer, Body, Excerpt, Execution, State};
use crate::context::{Context, Progress, Reader};
use crate::events::Witness;
use crate::lent::Asked;
use crate::line::LineDriver;
use crate::live::{self, Told};
use crate::notes;
use crate::output::{self, body_of};

/// How long a cancelled or stopped execution's outcome is waited for: the grace and the kill, both on the host.
const STOP_WAIT: Duration = Duration::from_secs(12);
/// How long a reply is waited for that needs no work on the host.
const REPLY_WAIT: Duration = Duration::from_secs(20);
/// How long the last look at a command may take whose call is over: the answer is due.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// When progress is first told, and how often then: at most twice a second.
const FIRST_PROGRESS: Duration = Duration::from_millis(700);
const NEXT_PROGRESS: Duration = Duration::from_millis(600);
/// Bytes of each end that a slice fetches for a command that goes on: what a lane sends by itself.
const END_BYTES: u64 = 16 * 1024;

/// Runs a command as the call asks.
pub(crate) async fn bash(
    line: &LineDriver,
    session: &SessionName,
    asked: Asked,
    context: &Context,
    witness: &Witness,
) -> Result<Answer, Failure> {
    let bash = &asked.bash;
    check(bash)?;
    let wait = bash.timeout.unwrap_or(limits::BASH_WAIT).min(limits::LONGEST_WAIT);
    loop {
        let run = request(session, &asked, wait);
        let (handle, id) = (run.handle.clone(), run.id.clone());
        let told = Told::default();
        let finish = if matches!(bash.place, Place::Background | Place::Handed) {
            // The host may have to be reached first, which may need a person.
            line.call(Request::Run(run), REPLY_WAIT + limits::CONNECT).await
        } else {
            let looking = live::attend(line, &handle, bash.stderr == Stderr::Separate, witness, &told);
            attend(line, run, bash, wait, context, looking).await?
        };
        // Another execution of this host has that handle: the next one will be free.
        if finish == Finish::Refused("taken".to_owned()) {
            continue;
        }
        let marked = matches!(&finish, Finish::Outcome(outcome) if outcome.report.marks.contains(&Mark::Visited));
        let visited = marked && context.reader == Reader::Agent;
        let mut answer = report(line, &handle, &id, finish, bash, wait).await;
        if let Ok(Answer { body: Body::Execution(execution), notes }) = &mut answer {
            tell_rest(line, execution, witness, told);
            if visited {
                notes.extend(output::visits(line, session).await);
            }
        }
        return answer;
    }
}

/// Tells what the answer brings of the output, and goes on looking at a command that the call leaves behind.
fn tell_rest(line: &LineDriver, execution: &Execution, witness: &Witness, told: Told) {
    match execution.state {
        State::Running | State::Queued => live::leave_behind(line, &execution.id, witness, told),
        State::Exited(_) | State::Killed(_) | State::Lost(_) | State::Unknown(_) => told.rest(witness, execution),
    }
}

fn check(bash: &Bash) -> Result<(), Failure> {
    let bad = |text: String| Err(Failure::new(Code::BadInput, text));
    if bash.command.contains('\0') {
        return bad("command: it holds a NUL character, which no shell can run.".to_owned());
    }
    if bash.command.len() > limits::COMMAND_BYTES {
        return bad(format!(
            "command: {} bytes; at most {} are taken. Write a script file and run that.",
            bash.command.len(),
            limits::COMMAND_BYTES
        ));
    }
    if bash.cwd.as_deref().is_some_and(|cwd| cwd.contains('\0')) {
        return bad("cwd: it holds a NUL character.".to_owned());
    }
    for (name, value) in &bash.env {
        let plain =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.as_bytes()[0].is_ascii_digit();
        if !plain || name.starts_with("_tl_") {
            return bad(format!("env: {name:?} is not a name of an environment variable (letters, digits and _; no digit first)."));
        }
        if value.contains('\0') {
            return bad(format!("env: the value of {name} holds a NUL character."));
        }
    }
    if let Some(name) = bash.env_secrets.iter().find(|name| name.as_str().starts_with("_tl_")) {
        return bad(format!("env_secrets: {name} cannot be the name of a variable here."));
    }
    if bash.timeout == Some(Duration::ZERO) {
        return bad("timeout: it must be above 0 milliseconds.".to_owned());
    }
    Ok(())
}

fn request(session: &SessionName, asked: &Asked, wait: Duration) -> Run {
    let bash = &asked.bash;
    // The host's own clock is the second guard of a deadline: it holds when the link is down. The first is ours.
    let limit = match (bash.on_timeout, bash.place) {
        (OnTimeout::Kill, Place::Background | Place::Handed) => bash.timeout.map_or(0, |timeout| timeout.as_secs().max(1)),
        (OnTimeout::Kill, Place::Session | Place::Fresh) => wait.as_secs() + 2,
        (OnTimeout::Background, _) => 0,
    };
    Run {
        handle: Handle::mint(),
        id: ExecutionId::mint(),
        session: session.clone(),
        copy: matches!(bash.place, Place::Fresh | Place::Background),
        background: matches!(bash.place, Place::Background | Place::Handed),
        visitor: bash.place == Place::Handed,
        separate: bash.stderr == Stderr::Separate,
        limit,
        command: bash.command.clone(),
        stdin: bash.stdin.clone(),
        cwd: bash.cwd.clone(),
        env: bash.env.clone(),
        secrets: asked.secrets.clone(),
        agent: asked.agent == AgentForwarding::On,
    }
}

/// Waits for an execution, tells progress, lets it be looked at, and ends it if the client cancels.
async fn attend(
    line: &LineDriver,
    run: Run,
    bash: &Bash,
    wait: Duration,
    context: &Context,
    looking: impl Future<Output = Infallible>,
) -> Result<Finish, Failure> {
    let handle = run.handle.clone();
    let outcome = line.call(Request::Run(run), wait);
    let progress = tell_progress(line, &handle, context);
    tokio::pin!(outcome, progress, looking);
    let finish = tokio::select! {
        finish = &mut outcome => finish,
        never = &mut progress => match never {},
        never = &mut looking => match never {},
        () = context.cancel.cancelled() => {
            let stopped = stop_for_sure(line, handle.clone());
            let confirmed = tokio::time::timeout(STOP_WAIT, stopped).await.unwrap_or(false);
            let text = if confirmed {
                "The call was cancelled; the command and its processes were ended on the host.".to_owned()
            } else {
                format!("The call was cancelled; that the command was ended on the host is not confirmed. The request goes out when the link is up. Its id is {handle}.")
            };
            return Err(Failure::new(Code::Cancelled, text));
        }
        () = context.closing.cancelled() => {
            return Err(Failure::new(Code::Cancelled, format!("towline is closing; the command goes on on the host. Its id is {handle}.")));
        }
    };
    if finish == Finish::Late && bash.on_timeout == OnTimeout::Kill {
        let waiting = line.call(Request::Wait(handle.clone()), STOP_WAIT);
        let stopping = line.call(Request::Stop(handle.clone(), "TERM"), STOP_WAIT);
        let (finish, _) = tokio::join!(waiting, stopping);
        return Ok(finish);
    }
    Ok(finish)
}

/// Ends an execution even if the link is down now: the request goes out when it is back, also after the call was left. Tells
/// whether the host confirmed it.
fn stop_for_sure(line: &LineDriver, handle: Handle) -> impl Future<Output = bool> + use<> {
    let line = line.clone();
    let task = tokio::spawn(async move {
        for _ in 0..20 {
            match line.call(Request::Stop(handle.clone(), "TERM"), Duration::from_secs(60)).await {
                Finish::Reply { status, body, marks: _ } => return status == 0 && body.trim_ascii_end().ends_with(b" 1"),
                Finish::Outcome(_) | Finish::Refused(_) | Finish::NotSent(_) | Finish::Unknown { .. } | Finish::Late => {
                    tokio::time::sleep(limits::LONGEST_PAUSE).await;
                }
            }
        }
        false
    });
    async move { task.await.unwrap_or(false) }
}

/// Tells how far a command is, as long as this future lives; it never ends by itself.
async fn tell_progress(line: &LineDriver, handle: &Handle, context: &Context) -> Infallible {
    let Some(progress) = context.progress.clone() else { return std::future::pending().await };
    let begun = tokio::time::Instant::now();
    let mut pause = FIRST_PROGRESS;
    loop {
        tokio::time::sleep(pause).await;
        pause = NEXT_PROGRESS;
        let look = Output {
            handle: handle.clone(),
            stream: "stdout",
            offset: Some(0),
            limit: 400,
            tail: 1,
            wait: 0,
            wait_for: "end",
            pattern: String::new(),
        };
        let Ok(body) = body_of(line.call(Request::Output(look), REPLY_WAIT).await) else { continue };
        let Some(slice) = parse_slice(&body) else { continue };
        let (last_line, _) = towline_base::visible::to_text(slice.bytes.trim_ascii_end());
        progress(Progress { elapsed: begun.elapsed(), bytes: slice.total, last_line: last_line.chars().take(120).collect() });
    }
}

/// Turns the end of the wait into an answer.
async fn report(
    line: &LineDriver,
    handle: &Handle,
    id: &ExecutionId,
    finish: Finish,
    bash: &Bash,
    wait: Duration,
) -> Result<Answer, Failure> {
    match finish {
        Finish::Outcome(outcome) => finished(line, (handle, id), *outcome, bash),
        Finish::Reply { status: 0, body, marks: _ } => match parse_slice(&body) {
            Some(slice) => started(handle, &slice),
            None => Err(Failure::new(Code::Protocol, "The host's answer to the start of a background command could not be read.")),
        },
        Finish::Reply { .. } => Err(Failure::new(Code::HostState, "The host could not record the command; it was not started.")),
        Finish::Refused(word) => Err(refused(&word)),
        Finish::NotSent(trouble) => Err(failure(trouble)),
        Finish::Unknown { trouble, .. } => Ok(unknown(handle, trouble)),
        Finish::Late => went_on(line, handle, id, bash, wait).await,
    }
}

fn finished(line: &LineDriver, (handle, id): (&Handle, &ExecutionId), outcome: Outcome, bash: &Bash) -> Result<Answer, Failure> {
    let Outcome { report, out, err, rebuilt } = outcome;
    if report.standing == Standing::NoDirectory {
        let cwd = bash.cwd.as_deref().unwrap_or_default();
        return Err(Failure::new(
            Code::NotFound,
            format!("cwd: {cwd:?} is not a directory that can be entered on the host; nothing was run."),
        ));
    }
    // A copy's shell ends with its command; only a session's is replaced.
    let told: Vec<Mark> =
        report.marks.iter().copied().filter(|mark| bash.place == Place::Session || *mark != Mark::ShellReplaced).collect();
    let mut notes = notes::of_marks(line, &told);
    if rebuilt {
        notes.push("the link to the host was lost and rebuilt while this command ran; nothing was run twice.".to_owned());
    }
    let body = Execution {
        id: handle.clone(),
        state: state_of(&report.standing),
        duration: duration_of(&report),
        cwd: report.cwd,
        stdout: excerpt(&out, id),
        stderr: (bash.stderr == Stderr::Separate).then(|| excerpt(&err, id)),
        moved_to_background: None,
    };
    Ok(Answer { body: Body::Execution(body), notes })
}

fn started(handle: &Handle, slice: &Slice) -> Result<Answer, Failure> {
    if slice.report.standing == Standing::NoRecord {
        return Err(Failure::new(Code::HostState, "The host could not record the command; it was not started."));
    }
    let body = Execution {
        id: handle.clone(),
        state: State::Running,
        duration: None,
        cwd: None,
        stdout: Excerpt::default(),
        stderr: None,
        moved_to_background: Some(Duration::ZERO),
    };
    Ok(Answer { body: Body::Execution(body), notes: Vec::new() })
}

fn unknown(handle: &Handle, trouble: Option<Trouble>) -> Answer {
    let note = if trouble.as_ref().is_some_and(|trouble| trouble.code == Code::HostState) {
        "it was sent to the host and not sent a second time; its record is gone, so whether it ran to its end, what it printed and its exit status cannot be told any more. Look at what it was to change before running it again."
    } else {
        "if the command reached the host it goes on there, and its output and exit status are kept; it was not sent a second time. JobOutput with this id collects them once the link is back."
    };
    let why = trouble.map_or_else(|| "the link to the host gives no answer".to_owned(), |trouble| trouble.text);
    let body = Execution {
        id: handle.clone(),
        state: State::Unknown(why),
        duration: None,
        cwd: None,
        stdout: Excerpt::default(),
        stderr: None,
        moved_to_background: None,
    };
    let notes = vec![note.to_owned()];
    Answer { body: Body::Execution(body), notes }
}

/// The wait is over and the command is not: it leaves the session, and what it printed so far is shown.
async fn went_on(line: &LineDriver, handle: &Handle, id: &ExecutionId, bash: &Bash, wait: Duration) -> Result<Answer, Failure> {
    let look = |stream, offset, tail| {
        Request::Output(Output {
            handle: handle.clone(),
            stream,
            offset: Some(offset),
            limit: END_BYTES,
            tail,
            wait: 0,
            wait_for: "end",
            pattern: String::new(),
        })
    };
    let over = async {
        if bash.place == Place::Session && bash.on_timeout == OnTimeout::Background {
            // No reply comes to it; the looks below are answered after it.
            let _ = line.call(Request::Over(handle.clone()), Duration::from_millis(1)).await;
        }
    };
    let separate = bash.stderr == Stderr::Separate;
    let err = async { if separate { Some(line.call(look("stderr", 0, 0), LAST_LOOK).await) } else { None } };
    let ((), head, tail, err) =
        tokio::join!(over, line.call(look("stdout", 0, 0), LAST_LOOK), line.call(look("stdout", 0, 1_000_000), LAST_LOOK), err);
    let slice = |finish| body_of(finish).ok().and_then(|body| parse_slice(&body));
    let Some(first) = slice(head) else {
        return Ok(unknown(handle, None));
    };
    let last = slice(tail);
    let body = Execution {
        id: handle.clone(),
        state: state_of(&first.report.standing),
        duration: duration_of(&first.report),
        cwd: first.report.cwd.clone(),
        stdout: joined(&first, last.as_ref(), id),
        stderr: err.and_then(slice).map(|slice| joined(&slice, None, id)),
        moved_to_background: Some(wait),
    };
    let mut notes = notes::of_marks(line, &first.report.marks);
    if body.state == State::Running && bash.place == Place::Session && bash.on_timeout == OnTimeout::Background {
        notes.push(
            "the command left the session, which goes on with its state from before it: a later cd or export of this command will not be seen.".to_owned(),
        );
    }
    Ok(Answer { body: Body::Execution(body), notes })
}

/// Head and tail that were fetched one by one.
fn joined(first: &Slice, last: Option<&Slice>, id: &ExecutionId) -> Excerpt {
    let head = without_mark(&first.bytes, id);
    let shown = first.bytes.len() as u64;
    // The two were looked at side by side, or one of them again over a new line: an end that is older than the beginning is none.
    let last = last.filter(|last| last.total >= first.total);
    let total = last.map_or(first.total, |last| last.total);
    if total <= shown {
        return Excerpt { head, tail: Vec::new(), omitted: 0, dropped: first.dropped, total };
    }
    let (from, tail) = last.map_or((total, &[][..]), |last| (total.saturating_sub(last.bytes.len() as u64), &last.bytes[..]));
    let overlap = usize::try_from(shown.saturating_sub(from)).unwrap_or(usize::MAX).min(tail.len());
    Excerpt {
        head,
        tail: without_mark(&tail[overlap..], id),
        omitted: from.saturating_sub(shown).saturating_sub(first.dropped),
        dropped: first.dropped,
        total,
    }
}

/// What came with an outcome, as head and tail.
fn excerpt(ends: &Ends, id: &ExecutionId) -> Excerpt {
    let head = without_mark(&ends.head, id);
    let Some((total, dropped, tail)) = ends.split_tail() else {
        let total = head.len() as u64;
        return Excerpt { head, tail: Vec::new(), omitted: 0, dropped: 0, total };
    };
    let kept = (ends.head.len() + tail.len()) as u64 + dropped;
    Excerpt { head, tail: without_mark(tail, id), omitted: total.saturating_sub(kept), dropped, total }
}

/// Takes out the mark that the supervisor puts behind a command's own output when a background job holds its pipe.
pub(crate) fn without_mark(bytes: &[u8], id: &ExecutionId) -> Vec<u8> {
    let mark = format!("\u{1e}{}\u{1e}", id.as_str()).into_bytes();
    match bytes.windows(mark.len()).position(|window| window == mark) {
        Some(at) => [&bytes[..at], &bytes[at + mark.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// The engine's word for how an execution stands.
pub(crate) fn state_of(standing: &Standing) -> State {
    match standing {
        Standing::Exited(status) => State::Exited(*status),
        Standing::Killed(signal) => State::Killed(signal.clone()),
        Standing::Running => State::Running,
        Standing::Queued => State::Queued,
        Standing::NeverBegan => {
            State::Lost("it never began: it was stopped while it was queued, or whoever was to begin it was ended".to_owned())
        }
        Standing::NoDirectory => State::Lost("its directory was not there, and nothing was run".to_owned()),
        Standing::Lost(Why::Reboot) => State::Lost("the host was rebooted while it ran".to_owned()),
        Standing::Lost(Why::Supervisor) => State::Lost("the host's processes that watched it were ended".to_owned()),
        Standing::NoRecord => State::Unknown("the host has no record of it".to_owned()),
        Standing::Unknown(words) => State::Unknown(format!("the host says {words:?}")),
    }
}

/// How long an execution took, or takes so far.
pub(crate) fn duration_of(report: &Report) -> Option<Duration> {
    report.hundredths.map(|hundredths| Duration::from_millis(hundredths.saturating_mul(10)))
}

/// A refusal of the host to run a command.
pub(crate) fn refused(word: &str) -> Failure {
    match word {
        "digest" => Failure::new(Code::Internal, "The host has another command under the same id; nothing was run."),
        "session" => Failure::new(Code::HostState, "The session's shell did not come up on the host; nothing was run.")
            .hint("A login file of the account may wait for input or end the shell. `towline check HOST` shows more."),
        _ => {
            let (word, _) = towline_base::visible::to_text(word.as_bytes());
            Failure::new(Code::HostState, format!("The host could not record the command ({word}); nothing was run."))
        }
    }
}

/// A trouble of the line over which nothing was sent, as a failure.
pub(crate) fn failure(trouble: Trouble) -> Failure {
    let failure = Failure::new(trouble.code, trouble.text);
    match trouble.hint {
        Some(hint) => failure.hint(hint),
        None if trouble.code == Code::LinkLost => failure.hint("Nothing was sent to the host; call again."),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_taken_out_and_nothing_else() {
        let id = ExecutionId::from_bits(7);
        let mark = format!("\u{1e}{}\u{1e}", id.as_str());
        let check = |bytes: &str, expected: &str| assert_eq!(without_mark(bytes.as_bytes(), &id), expected.as_bytes());
        check("hi\n", "hi\n");
        check(&format!("hi\n{mark}"), "hi\n");
        check(&format!("hi\n{mark}later\n"), "hi\nlater\n");
        check("\u{1e}0000\u{1e}", "\u{1e}0000\u{1e}");
    }

    #[test]
    fn an_excerpt_counts_every_byte() {
        let id = ExecutionId::from_bits(7);
        let ends = Ends { head: vec![b'a'; 10], tail: b"100 30\nbbbbb".to_vec() };
        let excerpt = excerpt(&ends, &id);
        assert_eq!((excerpt.head.len(), excerpt.tail.len(), excerpt.omitted, excerpt.dropped, excerpt.total), (10, 5, 55, 30, 100));
    }

    #[test]
    fn ends_that_overlap_are_joined_once() {
        let id = ExecutionId::from_bits(7);
        let report = Report { standing: Standing::Running, hundredths: None, marks: Vec::new(), cwd: None };
        let slice = |offset: u64, bytes: &[u8]| Slice {
            report: report.clone(),
            total: 10,
            dropped: 0,
            head: 10,
            offset,
            why: String::new(),
            bytes: bytes.to_vec(),
        };
        let joined = joined(&slice(0, b"012345"), Some(&slice(4, b"456789")), &id);
        assert_eq!((joined.head.as_slice(), joined.tail.as_slice(), joined.omitted), (&b"012345"[..], &b"6789"[..], 0));
    }

    #[test]
    fn an_end_from_before_the_beginning_hides_nothing() {
        let id = ExecutionId::from_bits(7);
        let report = Report { standing: Standing::Exited(3), hundredths: None, marks: Vec::new(), cwd: None };
        let slice = |total: u64, bytes: &[u8]| Slice {
            report: report.clone(),
            total,
            dropped: 0,
            head: total,
            offset: 0,
            why: String::new(),
            bytes: bytes.to_vec(),
        };
        let early = joined(&slice(1000, b"0123456789"), Some(&slice(3, b"012")), &id);
        assert_eq!((early.tail.len(), early.omitted, early.total), (0, 990, 1000));
        let late = joined(&slice(3, b"012"), Some(&slice(1000, b"9876543210")), &id);
        assert_eq!((late.tail.len(), late.omitted, late.total), (10, 987, 1000));
    }
}
