//! The event stream: what a view reads of calls, and what it costs them.

use std::sync::Arc;
use std::time::Duration;

use towline_engine::action::{
    Bash, Connect, Edit, JobOutput, List, OnTimeout, Place, ReadWindow, Replacement, Stderr, Stream, WaitFor, Write,
};
use towline_engine::answer::State;
use towline_engine::events::{Event, Kind, announce, file};
use towline_engine::{Action, Body, Rules};
use towline_testkit::eventually_async;

use crate::rig::{Rig, bash, context, execution};

const SOON: Duration = Duration::from_secs(60);

fn events(rig: &Rig) -> Vec<Event> {
    let text = std::fs::read_to_string(file(&rig.lab.state_dir())).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// Waits until the stream holds such an event.
async fn seen(rig: &Rig, wanted: impl Fn(&Event) -> bool) -> Event {
    eventually_async(SOON, || async { events(rig).iter().any(&wanted) }).await;
    events(rig).into_iter().find(wanted).expect("it was there")
}

fn outputs(rig: &Rig) -> String {
    events(rig).into_iter().filter(|event| event.kind == Kind::Output).map(|event| event.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_told_while_the_command_runs_and_once() {
    let rig = Arc::new(Rig::start());
    let watching = announce(&rig.lab.state_dir()).expect("a mark");
    let go = rig.lab.sshd.home().join("go");
    let command = "echo first; echo wrong >&2; printf ü; until [ -e ~/go ]; do sleep 0.05; done; echo last";
    let running = {
        let rig = rig.clone();
        tokio::spawn(async move { rig.bash(Bash { stderr: Stderr::Separate, ..bash(command) }).await })
    };
    seen(&rig, |event| event.kind == Kind::Output && event.text.contains("first\n")).await;
    let wrong = seen(&rig, |event| event.kind == Kind::Output && event.text.contains("wrong\n")).await;
    assert_eq!(wrong.stream.as_deref(), Some("stderr"));
    assert!(!events(&rig).iter().any(|event| event.kind == Kind::End), "it was told only at the end");
    std::fs::write(go, "").expect("written");
    assert_eq!(execution(&running.await.expect("joins")).state, State::Exited(0));
    let end = seen(&rig, |event| event.kind == Kind::End).await;
    assert_eq!((end.exit, end.tool.as_str(), end.session.as_str()), (Some(0), "Bash", "own"));
    let out: String = events(&rig).into_iter().filter(|e| e.kind == Kind::Output && e.stream.is_none()).map(|e| e.text).collect();
    assert_eq!(out, "first\nülast\n");
    drop(watching);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_of_the_host_when_nobody_watches() {
    let rig = Rig::start();
    rig.run("true").await;
    let up = |rig: &Rig| rig.lab.relay.traffic().up;
    let command = "echo a; sleep 1.2; echo b";
    let before = up(&rig);
    rig.run(command).await;
    let alone = up(&rig) - before;
    let watching = announce(&rig.lab.state_dir()).expect("a mark");
    let before = up(&rig);
    rig.run(command).await;
    let watched = up(&rig) - before;
    drop(watching);
    assert!(watched > alone, "the view asks: {watched} and {alone} bytes");
    let before = up(&rig);
    rig.run(command).await;
    let after = up(&rig) - before;
    assert!(after < watched, "with no view nothing is asked: {after}, {watched} and {alone} bytes");
    eventually_async(SOON, || async { outputs(&rig) == "a\nb\n".repeat(3) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_bounded_counted_and_not_slowed() {
    let rig = Rig::start();
    let watching = announce(&rig.lab.state_dir()).expect("a mark");
    let size = 200_000_000_u64;
    let answer = rig.bash(bash(&format!("yes 0123456789abcdef | head -c {size}"))).await;
    assert_eq!((&execution(&answer).state, execution(&answer).stdout.total), (&State::Exited(0), size));
    seen(&rig, |event| event.kind == Kind::End).await;
    let all: Vec<Event> = events(&rig).into_iter().filter(|event| event.kind == Kind::Output).collect();
    let (shown, skipped) = all.iter().fold((0, 0), |(shown, skipped), event| (shown + event.text.len() as u64, skipped + event.skipped));
    assert_eq!(shown + skipped, size, "every byte is shown or counted");
    assert!(shown < 2_000_000, "{shown} bytes in the stream");
    drop(watching);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_left_behind_is_followed_to_its_end() {
    let rig = Rig::start();
    let watching = announce(&rig.lab.state_dir()).expect("a mark");
    let left = |place, command: &str| Bash { place, timeout: Some(Duration::from_millis(300)), ..bash(command) };
    let background = rig.bash(left(Place::Background, "echo one; until [ -e ~/go ]; do sleep 0.05; done; echo two; exit 3")).await;
    let late = rig.bash(left(Place::Session, "echo three; until [ -e ~/go ]; do sleep 0.05; done; echo four")).await;
    seen(&rig, |event| event.text.contains("one\n")).await;
    std::fs::write(rig.lab.sshd.home().join("go"), "").expect("written");
    for (answer, exit, text) in [(background, 3, "one\ntwo\n"), (late, 0, "three\nfour\n")] {
        let id = execution(&answer).id.to_string();
        let ended = seen(&rig, |event| event.kind == Kind::Ended && event.id.as_ref() == Some(&id)).await;
        assert_eq!(ended.exit, Some(exit));
        let of_it = |event: &Event| event.kind == Kind::Output && event.id.as_ref() == Some(&id);
        assert_eq!(events(&rig).into_iter().filter(of_it).map(|event| event.text).collect::<String>(), text);
    }
    drop(watching);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_command_left_behind_is_told_once_whether_somebody_watches_or_not() {
    let rig = Rig::start();
    for watched in [false, true] {
        let watching = watched.then(|| announce(&rig.lab.state_dir()).expect("a mark"));
        let background = Bash { place: Place::Background, stderr: Stderr::Separate, ..bash("echo out; echo error >&2; exit 3") };
        let id = execution(&rig.bash(background).await).id.clone();
        for stream in [Stream::Stderr, Stream::Stdout] {
            let wait = (Some(SOON), WaitFor::End);
            let asked =
                JobOutput { id: id.clone(), stream, offset: Some(0), limit: None, tail: None, grep: None, wait: wait.0, wait_for: wait.1 };
            let Body::JobOutput(slice) = rig.perform(Action::JobOutput(asked)).await.expect("it answers").body else {
                panic!("not output")
            };
            assert_eq!(slice.state, State::Exited(3));
        }
        rig.engine.told().await;
        let of_it = |event: &Event| event.kind == Kind::Ended && event.id.as_deref() == Some(id.as_str());
        let ended = seen(&rig, of_it).await;
        assert_eq!((ended.exit, ended.tool.as_str()), (Some(3), "Bash"), "{ended:?}");
        assert!(ended.text.starts_with("exit 3 ") && ended.text.ends_with(" · 4 bytes"), "{ended:?}");
        drop(watching);
        // Whatever came after it is written, and it is no second one.
        rig.run("true").await;
        rig.engine.close().await;
        assert_eq!(events(&rig).iter().filter(|event| of_it(event)).count(), 1, "watched: {watched}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_to_files_are_told_as_diffs() {
    let rig = Rig::start();
    let write = |text: &str| Action::Write(Write { file_path: "f".into(), content: text.into(), append: false });
    rig.perform(write("one\ntwo\n")).await.expect("writes");
    rig.perform(Action::Read(ReadWindow { file_path: "f".into(), offset: None, limit: None, allow_large: false })).await.expect("reads");
    let edits = vec![Replacement { old: "two".into(), new: "2\u{1b}[1m".into(), all: false }];
    rig.perform(Action::Edit(Edit { file_path: "f".into(), edits, multi: false })).await.expect("edits");
    rig.perform(write("one\n3\n")).await.expect("writes");
    seen(&rig, |event| event.kind == Kind::Diff && event.text.contains("+3")).await;
    let diffs: Vec<String> = events(&rig).into_iter().filter(|event| event.kind == Kind::Diff).map(|event| event.text).collect();
    assert_eq!(
        diffs,
        ["@@ -0,0 +1,2 @@\n+one\n+two\n", "@@ -1,2 +1,2 @@\n one\n-two\n+2\\x1b[1m\n", "@@ -1,2 +1,2 @@\n one\n-2\\x1b[1m\n+3\n"]
    );
    let ends: Vec<String> = events(&rig).into_iter().filter(|event| event.kind == Kind::End).map(|event| event.text).collect();
    assert_eq!(ends[1], "2 lines");
    assert!(ends[0].starts_with("created · 8 bytes · ") && ends[2].starts_with("1 place replaced · "), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_loss_and_return_are_told() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    assert_eq!(seen(&rig, |event| event.kind == Kind::Link).await.text, "opened");
    let running = {
        let rig = rig.clone();
        tokio::spawn(async move { rig.run("until [ -e ~/go ]; do sleep 0.05; done; echo done").await })
    };
    eventually_async(SOON, || async { events(&rig).iter().filter(|event| event.kind == Kind::Begin).count() == 2 }).await;
    rig.lab.relay.cut();
    let lost = seen(&rig, |event| event.kind == Kind::Link && event.text.starts_with("lost: ")).await;
    assert_eq!(lost.host, "lab");
    seen(&rig, |event| event.kind == Kind::Link && event.text.starts_with("back after ")).await;
    std::fs::write(rig.lab.sshd.home().join("go"), "").expect("written");
    assert_eq!(running.await.expect("joins").0, "done\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_label_are_told() {
    let rig = Rig::start();
    let label = Some("builds".to_owned());
    rig.perform(Action::Connect(Connect { label, ..Connect::default() })).await.expect("connects");
    rig.run("true").await;
    let labels = || events(&rig).into_iter().filter(|event| event.kind == Kind::Begin).map(|event| event.label).collect::<Vec<_>>();
    eventually_async(SOON, || async { labels().len() == 2 }).await;
    assert_eq!(labels(), [Some("builds".to_owned()), Some("builds".to_owned())]);
    let mut settings = Rig::settings(&rig.lab);
    settings.rules = Rules::default().read_only("--read-only");
    let careful = towline_engine::Engine::new(settings);
    let command = Bash { on_timeout: OnTimeout::Kill, ..bash("touch f") };
    careful.perform(Rig::call(Action::Bash(command)), context()).await.expect_err("is refused");
    let end = seen(&rig, |event| event.kind == Kind::End && event.failed == Some(true)).await;
    assert_eq!(end.code.as_deref(), Some("forbidden"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_told_once_what_a_person_ran_in_its_session() {
    let rig = Rig::start();
    rig.run("true").await;
    // Another machine: another state directory, another connection.
    let other = tempfile::tempdir().expect("a directory");
    let mut settings = Rig::settings(&rig.lab);
    settings.state_dir = other.path().join("state");
    let person = towline_engine::Engine::new(settings);
    for command in ["cd /usr; PERSON=here", "(exit 3)"] {
        let handed = Action::Bash(Bash { place: Place::Handed, ..bash(command) });
        let answer = person.perform(Rig::call(handed), context()).await.expect("starts");
        assert!(answer.notes.iter().all(|note| !note.contains("person")), "the person is not told of itself: {answer:?}");
    }
    let answer = rig.bash(bash("pwd; echo $PERSON")).await;
    assert_eq!(execution(&answer).stdout.head, b"/usr\nhere\n");
    let told = |answer: &towline_engine::Answer| {
        answer.notes.iter().filter(|note| note.contains("a person stepped in")).cloned().collect::<Vec<_>>()
    };
    let note = told(&answer).concat();
    assert!(note.contains("`cd /usr; PERSON=here` (exit 0), `(exit 3)` (exit 3)"), "{answer:?}");
    assert_eq!(told(&rig.bash(bash("true")).await), Vec::<String>::new());
    // Whatever the agent calls next in that session tells it, once.
    for (file, next) in [("one", Action::List(List { path: None, hidden: false })), ("two", Action::Connect(Connect::default()))] {
        let command = format!("touch ~/{file}");
        person.perform(Rig::call(Action::Bash(Bash { place: Place::Handed, ..bash(&command) })), context()).await.expect("starts");
        eventually_async(SOON, || async { rig.lab.sshd.home().join(file).exists() }).await;
        // Another session, and a person's own look, are not told and take nothing away.
        let other =
            towline_engine::Call { session: Some(towline_base::SessionName::parse("other").expect("a name")), ..Rig::call(next.clone()) };
        assert_eq!(told(&rig.engine.perform(other, context()).await.expect("answers")), Vec::<String>::new());
        let by_person = towline_engine::Context { reader: towline_engine::Reader::Person, ..context() };
        assert_eq!(told(&rig.engine.perform(Rig::call(next.clone()), by_person).await.expect("answers")), Vec::<String>::new());
        let note = told(&rig.perform(next.clone()).await.expect("answers")).concat();
        assert!(note.contains(&format!("`{command}` (")), "{next:?}: {note}");
        assert_eq!(told(&rig.perform(next).await.expect("answers")), Vec::<String>::new());
    }
    person.close().await;
}
