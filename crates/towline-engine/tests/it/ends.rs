//! How executions end: by a cancel, a timeout, a stop; and how they do not end.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use towline_base::{Code, Handle};
use towline_engine::action::{Bash, JobOutput, JobStop, OnTimeout, Place, Stderr, Stream, WaitFor};
use towline_engine::answer::{OutputSlice, State, Stopped};
use towline_engine::{Action, Body, Context};
use towline_testkit::eventually;

use crate::rig::{Rig, bash, context, execution};

fn look(id: &Handle) -> JobOutput {
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

async fn read(rig: &Rig, job: JobOutput) -> OutputSlice {
    let body = rig.perform(Action::JobOutput(job)).await.expect("JobOutput answers").body;
    let Body::JobOutput(slice) = body else { panic!("{body:?}") };
    slice
}

async fn stop(rig: &Rig, id: &Handle) -> Stopped {
    let body = rig.perform(Action::JobStop(JobStop { id: id.clone(), signal: None })).await.expect("JobStop answers").body;
    let Body::Stopped(stopped) = body else { panic!("{body:?}") };
    stopped
}

/// Processes on the host whose command line holds this.
fn alive(text: &str) -> usize {
    towline_testkit::process::all()
        .iter()
        .filter(|process| process.command.contains(text) && !process.command.contains("supervise"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_tree_and_leaves_earlier_jobs() {
    let rig = Rig::start();
    rig.run("sleep 7001 & true").await;
    let context = context();
    let cancel = context.cancel.clone();
    let call = Rig::call(Action::Bash(bash("setsid sleep 7002 & (sleep 7003 & sleep 7004); touch ~/went-on")));
    let engine = rig.engine.clone();
    let task = tokio::spawn(async move { engine.perform(call, context).await });
    eventually(Duration::from_secs(20), || alive("sleep 7002") == 1 && alive("sleep 7003") == 1 && alive("sleep 7004") == 1);
    cancel.cancel();
    let failure = task.await.expect("joins").expect_err("cancelled");
    assert_eq!(failure.code, Code::Cancelled);
    eventually(Duration::from_secs(20), || alive("sleep 7002") + alive("sleep 7003") + alive("sleep 7004") == 0);
    assert_eq!(alive("sleep 7001"), 1, "the job of an earlier call is not touched");
    assert_eq!(rig.run("ls ~; echo works").await.0, "works\n");
    towline_testkit::process::all().iter().filter(|p| p.command.contains("sleep 7001")).for_each(|p| towline_testkit::process::kill(p.pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_that_asked_for_it_kills_and_returns_what_was_printed() {
    let rig = Rig::start();
    let killed = Bash {
        timeout: Some(Duration::from_secs(1)),
        on_timeout: OnTimeout::Kill,
        ..bash("echo begun; trap '' TERM; sleep 7011; touch ~/no")
    };
    let answer = rig.bash(killed).await;
    assert_eq!(execution(&answer).stdout.head, b"begun\n");
    assert_eq!(execution(&answer).state, State::Killed("TERM".into()));
    assert_eq!(alive("sleep 7011"), 0);
    assert_eq!(rig.run("ls ~; echo works").await.0, "works\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_lets_the_command_go_on_and_returns_its_id() {
    let rig = Rig::start();
    rig.run("cd /usr").await;
    let command = "echo begun; cd /etc; until [ -e ~/go ]; do sleep 0.05; done; echo ended; exit 7";
    let answer = rig.bash(Bash { timeout: Some(Duration::from_millis(700)), ..bash(command) }).await;
    let id = execution(&answer).id.clone();
    assert_eq!((execution(&answer).state.clone(), execution(&answer).stdout.head.as_slice()), (State::Running, &b"begun\n"[..]));
    assert!(execution(&answer).moved_to_background.is_some());
    assert!(answer.notes.iter().any(|note| note.contains("left the session")), "{:?}", answer.notes);
    // The session goes on from its state before.
    assert_eq!(rig.run("pwd; touch ~/go").await.0, "/usr\n");
    let slice = read(&rig, JobOutput { wait: Some(Duration::from_secs(30)), ..look(&id) }).await;
    assert_eq!((slice.state, slice.bytes.as_slice()), (State::Exited(7), &b"begun\nended\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_command_is_read_waited_for_and_stopped() {
    let rig = Rig::start();
    rig.run("cd /usr; export A=1").await;
    let background = |command: &str| Bash { place: Place::Background, ..bash(command) };
    let answer = rig.bash(background("pwd; echo $A; until [ -e ~/go ]; do sleep 0.05; done; echo READY; sleep 7021")).await;
    let id = execution(&answer).id.clone();
    assert_eq!(execution(&answer).state, State::Running);
    let slice = read(&rig, JobOutput { wait: Some(Duration::from_secs(30)), wait_for: WaitFor::Pattern("^1$".into()), ..look(&id) }).await;
    assert_eq!(slice.waited.as_deref(), Some("the pattern came"));
    let waiting = async {
        let begun = Instant::now();
        let job = JobOutput { wait: Some(Duration::from_secs(30)), wait_for: WaitFor::Output, offset: Some(7), ..look(&id) };
        (read(&rig, job).await, begun.elapsed())
    };
    let ((slice, _), _) = tokio::join!(waiting, rig.run("touch ~/go"));
    assert_eq!((slice.offset, slice.bytes.as_slice()), (7, &b"READY\n"[..]));
    let slice = read(&rig, JobOutput { grep: Some("RE+ADY".into()), ..look(&id) }).await;
    assert_eq!(slice.bytes, b"READY\n");
    let stopped = stop(&rig, &id).await;
    assert!(stopped.confirmed && stopped.state == State::Killed("TERM".into()), "{stopped:?}");
    assert_eq!(alive("sleep 7021"), 0);
    assert_eq!(read(&rig, JobOutput { tail: Some(1), ..look(&id) }).await.bytes, b"READY\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_come_apart_byte_for_byte() {
    let rig = Rig::start();
    let command = r"printf 'a\0b\377\r'; printf 'e\0f\376' >&2";
    let answer = rig.bash(Bash { stderr: Stderr::Separate, ..bash(command) }).await;
    let both = execution(&answer);
    assert_eq!(both.stdout.head, b"a\0b\xff\r");
    assert_eq!(both.stderr.as_ref().map(|err| err.head.as_slice()), Some(&b"e\0f\xfe"[..]));
    let big = "head -c 6000000 /dev/zero | tr '\\0' a & head -c 6000000 /dev/zero | tr '\\0' b >&2; wait";
    let answer = rig.bash(Bash { stderr: Stderr::Separate, ..bash(big) }).await;
    let both = execution(&answer);
    assert_eq!((both.stdout.total, both.stderr.as_ref().map(|err| err.total)), (6_000_000, Some(6_000_000)));
    let last = read(&rig, JobOutput { stream: Stream::Stderr, offset: Some(5_999_990), ..look(&both.id) }).await;
    assert_eq!(last.bytes, b"bbbbbbbbbb");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_what_was_given_and_otherwise_nothing() {
    let rig = Rig::start();
    let all: Vec<u8> = (0..=255).collect();
    let answer = rig.bash(Bash { stdin: Some(all.clone()), ..bash("cat") }).await;
    assert_eq!(execution(&answer).stdout.head, all);
    assert_eq!(rig.run("cat; read x; echo \"$?\"").await.0, "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_command_and_a_large_output_come_through() {
    let rig = Rig::start();
    let command = format!("echo begun\n{}echo done", ": xxxxxxxxxx\n".repeat(90_000));
    assert_eq!(rig.run(&command).await.0, "begun\ndone\n");
    let answer = rig.bash(bash("seq 1 400000")).await;
    let out = &execution(&answer).stdout;
    assert!(out.head.starts_with(b"1\n2\n") && out.tail.ends_with(b"399999\n400000\n"));
    assert_eq!(out.total, 2_688_895);
    assert_eq!(out.head.len() as u64 + out.omitted + out.tail.len() as u64, out.total);
    let id = &execution(&answer).id;
    let slice = read(&rig, JobOutput { offset: Some(out.head.len() as u64), limit: Some(100), ..look(id) }).await;
    assert_eq!(slice.bytes.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_said_to_be() {
    let rig = Rig::start();
    let id = Handle::parse("bcdfgh").expect("a handle");
    let failure = rig.perform(Action::JobOutput(look(&id))).await.expect_err("no such execution");
    assert!(failure.code == Code::Unknown && failure.text.contains("bcdfgh"), "{failure}");
    let failure = rig.perform(Action::JobStop(JobStop { id: id.clone(), signal: None })).await.expect_err("no such execution");
    assert_eq!(failure.code, Code::Unknown, "{failure}");
    let failure =
        rig.perform(Action::JobStop(JobStop { id: id.clone(), signal: Some("-9; id".into()) })).await.expect_err("no such signal");
    assert_eq!(failure.code, Code::BadInput);
    let wait = Some(Duration::from_secs(5));
    let bad_grep = JobOutput { grep: Some("(".into()), ..look(&id) };
    let bad_pattern = JobOutput { wait_for: WaitFor::Pattern("[a".into()), wait, ..look(&id) };
    for (bad, parameter) in [(bad_grep, "grep:"), (bad_pattern, "wait_for:")] {
        let failure = rig.perform(Action::JobOutput(bad)).await.expect_err("no regular expression");
        assert!(failure.code == Code::BadInput && failure.text.starts_with(parameter), "{failure}");
    }
    // An id of one host is none of another.
    let other = Rig::start();
    let known = execution(&other.bash(bash("true")).await).id.clone();
    let failure = rig.perform(Action::JobOutput(look(&known))).await.expect_err("another host's");
    assert!(failure.code == Code::Unknown && failure.text.contains("belongs to another host"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_towline_ends_no_command_and_the_next_one_tells_of_it() {
    let rig = Rig::start();
    rig.run("true").await;
    let context_of_call = context();
    let closing = context_of_call.closing.clone();
    let call = Rig::call(Action::Bash(bash("until [ -e ~/go ]; do sleep 0.05; done; echo done; exit 3")));
    let engine = rig.engine.clone();
    let task = tokio::spawn(async move { engine.perform(call, context_of_call).await });
    let begun = rig.lab.sshd.home().join(".local/state/towline");
    eventually(Duration::from_secs(20), || alive("until") > 0 || begun.exists());
    tokio::time::sleep(Duration::from_millis(300)).await;
    closing.cancel();
    let failure = task.await.expect("joins").expect_err("given up");
    assert!(failure.text.contains("goes on"), "{failure}");
    let Rig { lab, engine } = rig;
    engine.close().await;
    drop(engine);
    std::fs::write(lab.sshd.home().join("go"), "").expect("a file");
    let rig = Rig { engine: Rig::engine(&lab), lab };
    let answer = rig.bash(Bash { place: Place::Fresh, ..bash("true") }).await;
    let note = answer.notes.iter().find(|note| note.contains("running or unread")).expect("a note");
    let id = note.split_whitespace().find_map(|word| Handle::parse(word).ok()).expect("a handle in the note");
    let slice = read(&rig, JobOutput { wait: Some(Duration::from_secs(20)), ..look(&id) }).await;
    assert_eq!((slice.state, slice.bytes.as_slice()), (State::Exited(3), &b"done\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_unread_until_its_answer_was_written_out() {
    let rig = Rig::start();
    let surroundings = Context { told: CancellationToken::new(), ..context() };
    let told = surroundings.told.clone();
    let answer = rig.engine.perform(Rig::call(Action::Bash(bash("echo on its way"))), surroundings).await.expect("an answer");
    let id = execution(&answer).id.clone();
    let listed = async || {
        let Body::Jobs(jobs) = rig.perform(Action::Jobs).await.expect("a list").body else { panic!("no list") };
        jobs.iter().any(|job| job.id == id)
    };
    // Each of these calls tells the host of what was read before it.
    for _ in 0..3 {
        rig.run("true").await;
    }
    assert!(listed().await, "nobody has read it yet");
    told.cancel();
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while listed().await {
        assert!(std::time::Instant::now() < end, "it was read");
    }
}
