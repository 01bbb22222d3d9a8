//! `towline run`: the Bash tool from the command line, followed live.
//!
//! Holds to: the command is started once, with an id; only Ctrl-C ends it. Leaves out: what answers mean (`follow`).

use std::io::Read as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use towline_base::{Code, Failure, Handle, HostAlias, SessionName, limits};
use towline_engine::action::{self, Action, JobOutput, JobStop, OnTimeout, Place, WaitFor};
use towline_engine::answer::State;
use towline_engine::{Answer, Body, Call};
use towline_mcp::Work;

use crate::cli::{Run, TOWLINE_FAILED};
use crate::follow::{self, Follower, Next};
use crate::printer::{self, Printer, Stream};
use crate::setup;

/// Bytes that one answer brings at most.
const SLICE: u64 = 1 << 20;
/// How long to wait before asking again when nothing is known.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// How long to wait before asking again when an answer came at once and brought nothing.
const BREATH: Duration = Duration::from_millis(100);
/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Exit code when standard output was closed: 128 and SIGPIPE.
const CLOSED: u8 = 141;

/// Starts the command and follows it to its end.
pub(crate) async fn command<W: Work>(work: &W, options: Run) -> Result<u8, Failure> {
    let host = setup::host(&options.host)?;
    let session = options.session.as_deref().map(SessionName::parse).transpose()?;
    let (detach, raw) = (options.detach, options.raw);
    let bash = bash(options)?;
    let deadline = bash.timeout;
    let context = setup::context();
    let interrupted = context.cancel.clone();
    let start = work.perform(setup::call(Some(&host), session.as_ref(), Action::Bash(bash)), context);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| local(&error))?;
    tokio::pin!(start);
    let answer = tokio::select! {
        answer = &mut start => answer?,
        _ = interrupt.recv() => {
            // What may have begun is ended, and only then do we go.
            interrupted.cancel();
            let _ = tokio::time::timeout(limits::SILENCE, start).await;
            return Ok(INTERRUPTED);
        }
    };
    // Notes are for conversations; standard error belongs to the command.
    let Body::Execution(execution) = answer.body else {
        return Err(Failure::new(Code::Internal, "the answer was not that of a command"));
    };
    let code =
        if detach { Printer::text(execution.id.as_str())? } else { attended(work, &host, execution.id, raw, deadline, interrupt).await? };
    work.close().await;
    Ok(code)
}

/// The command as the options say it.
fn bash(options: Run) -> Result<action::Bash, Failure> {
    let stdin = options.stdin.then(read_stdin).transpose()?;
    let timeout = match options.timeout {
        Some(seconds) => Some(
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero())
                .ok_or_else(|| Failure::new(Code::BadInput, "--timeout must be a number of seconds above 0"))?,
        ),
        None => None,
    };
    let pair = |text: &String| {
        let wrong = || Failure::new(Code::BadInput, format!("--env: {text:?} is not NAME=VALUE"));
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(wrong)
    };
    Ok(action::Bash {
        command: options.words.join(" "),
        timeout,
        on_timeout: if timeout.is_some() { OnTimeout::Kill } else { OnTimeout::Background },
        description: None,
        place: Place::Background,
        cwd: options.cwd,
        env: options.variables.iter().map(pair).collect::<Result<_, _>>()?,
        env_secrets: Vec::new(),
        stdin,
        stderr: action::Stderr::Separate,
    })
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = limits::WRITE_BYTES as u64;
    std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(|error| local(&error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(Code::TooLarge, format!("standard input is longer than {limit} bytes")));
    }
    Ok(bytes)
}

fn local(error: &std::io::Error) -> Failure {
    Failure::new(Code::Local, error.to_string())
}

/// Follows both streams until the command ends or a signal comes.
async fn attended<W: Work>(
    work: &W,
    host: &HostAlias,
    id: Handle,
    raw: bool,
    deadline: Option<Duration>,
    mut interrupt: tokio::signal::unix::Signal,
) -> Result<u8, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| local(&error))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| local(&error))?;
    let both = async {
        tokio::try_join!(
            followed(work, host, &id, action::Stream::Stdout, Printer::of(Stream::Stdout, raw)),
            followed(work, host, &id, action::Stream::Stderr, Printer::of(Stream::Stderr, raw))
        )
    };
    let goes_on = format!("the command goes on; its id is {id}");
    tokio::select! {
        ended = both => match ended {
            Ok((state, _)) => {
                work.told().await;
                Ok(code(&state, deadline))
            }
            Err(End::Failed(failure)) => Err(Failure { text: format!("{} (id {id})", failure.text), ..failure }),
            Err(End::Closed) => {
                printer::say(&goes_on);
                Ok(CLOSED)
            }
        },
        _ = interrupt.recv() => Ok(stop(work, host, id, interrupt).await),
        _ = terminate.recv() => { printer::say(&goes_on); Ok(143) }
        _ = hangup.recv() => Ok(129),
    }
}

/// The exit code; where there is none, what is known is told.
fn code(state: &State, deadline: Option<Duration>) -> u8 {
    if let (State::Killed(signal), Some(deadline)) = (state, deadline) {
        // A number alone would not tell it from a command that chose to end so.
        printer::say(&format!("the command ended by {signal}; its time limit was {} s", deadline.as_secs_f64()));
    }
    follow::exit_code(state).unwrap_or_else(|| {
        printer::say(&match state {
            State::Lost(why) => format!("there is no exit status: {why}"),
            State::Unknown(why) => format!("how the command ended is not known: {why}"),
            State::Running | State::Queued | State::Exited(_) | State::Killed(_) => "there is no exit status yet".to_owned(),
        });
        TOWLINE_FAILED
    })
}

/// Ends the command on the host; a second Ctrl-C stops the waiting for it.
async fn stop<W: Work>(work: &W, host: &HostAlias, id: Handle, mut interrupt: tokio::signal::unix::Signal) -> u8 {
    let call = setup::call(Some(host), None, Action::JobStop(JobStop { id: id.clone(), signal: Some("INT".to_owned()) }));
    let stopped = tokio::select! {
        stopped = work.perform(call, setup::context()) => stopped,
        _ = interrupt.recv() => Err(Failure::new(Code::Cancelled, "interrupted again")),
    };
    match stopped.map(|answer| answer.body) {
        Ok(Body::Stopped(stopped)) if stopped.confirmed => {}
        Ok(_) => printer::say(&format!("it is not confirmed that the command (id {id}) ended")),
        Err(failure) => printer::say(&format!("the command (id {id}) may go on: {failure}")),
    }
    INTERRUPTED
}

/// Why following ended without the command's end.
pub(crate) enum End {
    Failed(Failure),
    Closed,
}

/// Follows one stream to the command's end.
pub(crate) async fn followed<W: Work>(
    work: &W,
    host: &HostAlias,
    id: &Handle,
    stream: action::Stream,
    mut printer: Printer,
) -> Result<State, End> {
    let mut follower = if stream == action::Stream::Stdout { Follower::default() } else { Follower::quiet() };
    loop {
        let asked = tokio::time::Instant::now();
        let step = match work.perform(question(host, id, stream, follower.offset()), setup::context()).await {
            Ok(Answer { body: Body::JobOutput(slice), .. }) => follower.answer(slice),
            Ok(_) => return Err(End::Failed(Failure::new(Code::Internal, "the answer was not that of JobOutput"))),
            Err(failure) => follower.failure(failure).map_err(End::Failed)?,
        };
        for text in &step.say {
            printer::say(text);
        }
        let empty = step.print.is_empty();
        // In a thread of its own: a reader that does not read must not keep a signal from being seen.
        let written = tokio::task::spawn_blocking(move || printer.write(&step.print).map(|()| printer)).await;
        printer = written.map_err(|error| End::Failed(Failure::new(Code::Internal, error.to_string())))?.map_err(|_| End::Closed)?;
        match step.next {
            Next::Done(state) => return printer.finish().map(|()| state).map_err(|_| End::Closed),
            Next::Pause => tokio::time::sleep(PAUSE).await,
            Next::Ask if empty && asked.elapsed() < BREATH => tokio::time::sleep(BREATH).await,
            Next::Ask => {}
        }
    }
}

fn question(host: &HostAlias, id: &Handle, stream: action::Stream, offset: u64) -> Call {
    let action = Action::JobOutput(JobOutput {
        id: id.clone(),
        stream,
        offset: Some(offset),
        limit: Some(SLICE),
        tail: None,
        grep: None,
        wait: Some(limits::BASH_WAIT),
        wait_for: WaitFor::Output,
    });
    setup::call(Some(host), None, action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use towline_engine::Context;
    use towline_engine::answer::OutputSlice;

    /// Answers `JobOutput` from a script: whole output, whether it ended, or a failure.
    #[derive(Clone)]
    struct Scripted(Arc<Mutex<Vec<Line>>>);

    type Line = Result<(&'static [u8], State), Failure>;

    impl Work for Scripted {
        async fn perform(&self, call: Call, _: Context) -> Result<Answer, Failure> {
            let Action::JobOutput(job) = call.action else { return Err(Failure::new(Code::Internal, "only JobOutput is scripted")) };
            let mut script = self.0.lock().expect("the script");
            let next = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
            let (all, state) = next?;
            let offset = job.offset.unwrap_or_default();
            let bytes = all[usize::try_from(offset).expect("small")..].to_vec();
            let (total, duration, cwd, waited) = (all.len() as u64, None, None, None);
            let next = offset + bytes.len() as u64;
            let slice = OutputSlice { id: job.id, state, duration, cwd, offset, next, bytes, total, dropped: 0, waited };
            Ok(Answer { body: Body::JobOutput(slice), notes: Vec::new() })
        }

        async fn told(&self) {}

        async fn close(&self) {}
    }

    async fn follow(script: Vec<Line>) -> (Option<State>, Vec<u8>) {
        let place = Arc::new(Mutex::new(Vec::new()));
        let printer = Printer::of(Stream::Memory(place.clone()), false);
        let (host, id) = (HostAlias::parse("h").expect("a host"), Handle::parse("k3f9xx").expect("a handle"));
        let state = followed(&Scripted(Arc::new(Mutex::new(script))), &host, &id, action::Stream::Stderr, printer).await.ok();
        let bytes = place.lock().expect("the output").clone();
        (state, bytes)
    }

    #[tokio::test]
    async fn output_comes_byte_by_byte_through_a_lost_link() {
        let lost = || Err(Failure::new(Code::LinkLost, "silent"));
        let script = vec![
            Ok((&b""[..], State::Running)),
            Ok((&b"a\0\xff"[..], State::Running)),
            lost(),
            lost(),
            Ok((&b"a\0\xff"[..], State::Unknown("down".into()))),
            Ok((&b"a\0\xff\r\nb"[..], State::Running)),
            Ok((&b"a\0\xff\r\nb"[..], State::Exited(3))),
        ];
        assert_eq!(follow(script).await, (Some(State::Exited(3)), b"a\0\xff\r\nb".to_vec()));
    }

    #[tokio::test]
    async fn a_failure_that_does_not_pass_ends_the_following() {
        assert_eq!(follow(vec![Err(Failure::new(Code::Unknown, "no such id"))]).await.0, None);
    }
}
