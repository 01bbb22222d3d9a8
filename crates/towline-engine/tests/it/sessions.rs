//! Sessions: two do not see each other, copies change nothing, a new towline finds the old one's.

use std::time::Duration;

use towline_base::{Code, SessionName};
use towline_engine::action::{Bash, Connect, Disconnect, Place};
use towline_engine::answer::State;
use towline_engine::{Action, Body, Call};

use crate::rig::{Rig, bash, context, execution};

fn in_session(name: &str, command: &str) -> Call {
    Call { session: Some(SessionName::parse(name).expect("a name")), ..Rig::call(Action::Bash(bash(command))) }
}

async fn output(rig: &Rig, call: Call) -> String {
    let answer = rig.engine.perform(call, context()).await.expect("Bash answers");
    String::from_utf8_lossy(&execution(&answer).stdout.head).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_do_not_see_each_other() {
    let rig = Rig::start();
    output(&rig, in_session("one", "cd /usr; export A=1; f() { echo one; }")).await;
    output(&rig, in_session("two", "cd /etc; export A=2")).await;
    assert_eq!(output(&rig, in_session("one", "pwd; echo $A; f")).await, "/usr\n1\none\n");
    assert_eq!(output(&rig, in_session("two", "pwd; echo $A; type f >/dev/null 2>&1 || echo none")).await, "/etc\n2\nnone\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_command_sees_the_session_and_changes_nothing_in_it() {
    let rig = Rig::start();
    rig.run("cd /usr; export A=1; f() { echo \"f$1\"; }; alias ll='echo al'; set -o pipefail; umask 027").await;
    let fresh = |command: &str| Bash { place: Place::Fresh, ..bash(command) };
    let answer = rig.bash(fresh("pwd; echo $A; f 2; ll; false | true; echo $?; umask; cd /etc; A=9; exit 4")).await;
    assert_eq!(String::from_utf8_lossy(&execution(&answer).stdout.head), "/usr\n1\nf2\nal\n1\n0027\n");
    assert_eq!(execution(&answer).state, State::Exited(4));
    assert_eq!(rig.run("pwd; echo $A").await.0, "/usr\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_commands_run_side_by_side() {
    let rig = Rig::start();
    rig.run("true").await;
    // Each waits for all the others: it ends only if they run at the same time.
    let command = "d=$HOME/meet; mkdir -p $d; : >$d/$TOWLINE_EXECUTION; i=0; until [ $(ls $d | wc -l) -eq 12 ] || [ $i -gt 400 ]; do sleep 0.05; i=$((i+1)); done; ls $d | wc -l";
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let (engine, call) = (rig.engine.clone(), Rig::call(Action::Bash(Bash { place: Place::Fresh, ..bash(command) })));
            tokio::spawn(async move { engine.perform(call, context()).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.expect("joins").expect("answers");
        assert_eq!(String::from_utf8_lossy(&execution(&answer).stdout.head).trim(), "12");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_towline_asks_for_itself_is_not_told_as_left_from_before() {
    let rig = Rig::start();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (engine, call) = (rig.engine.clone(), Rig::call(Action::Bash(bash("sleep 1; echo done"))));
            tokio::spawn(async move { engine.perform(call, context()).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.expect("joins").expect("answers");
        assert_eq!(answer.notes, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_towline_finds_the_session() {
    let rig = Rig::start();
    rig.run("cd /usr; export A=1; f() { echo f; }; sleep 300 & echo $! >~/pid").await;
    let Rig { lab, engine } = rig;
    drop(engine);
    let rig = Rig { engine: Rig::engine(&lab), lab };
    assert_eq!(rig.run("pwd; echo $A; f; jobs | grep -c sleep; kill $(cat ~/pid); wait").await.0, "/usr\n1\nf\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_runs_nothing() {
    let rig = Rig::start();
    let there = rig.bash(Bash { cwd: Some("/usr".into()), ..bash("pwd") }).await;
    assert_eq!(execution(&there).stdout.head, b"/usr\n");
    let before = rig.run("pwd").await.0;
    let failure = rig.perform(Action::Bash(Bash { cwd: Some("/no/such".into()), ..bash("touch ~/ran") })).await.expect_err("fails");
    assert_eq!(failure.code, Code::NotFound);
    assert!(failure.text.contains("/no/such"), "{failure}");
    assert_eq!(rig.run("pwd; ls ~").await.0, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_a_call_are_for_that_call() {
    let rig = Rig::start();
    rig.run("export KEPT=old").await;
    let value = "a b\nc'\"$(touch ~/ran)`\\ \u{1f600}";
    let env = vec![("KEPT".to_owned(), "new".to_owned()), ("GIVEN".to_owned(), value.to_owned())];
    let answer = rig.bash(Bash { env, ..bash("printf '%s|%s' \"$KEPT\" \"$GIVEN\"") }).await;
    assert_eq!(String::from_utf8_lossy(&execution(&answer).stdout.head), format!("new|{value}"));
    assert_eq!(rig.run("echo $KEPT; echo \"[${GIVEN-unset}]\"; ls ~").await.0, "old\n[unset]\n");
    for name in ["", "1A", "A B", "A-B", "A=B", "$(x)", "_tl_x", "é"] {
        let env = vec![(name.to_owned(), "x".to_owned())];
        let failure = rig.perform(Action::Bash(Bash { env, ..bash("touch ~/ran") })).await.expect_err(name);
        assert!(failure.code == Code::BadInput && failure.text.starts_with("env:"), "{failure}");
    }
    assert_eq!(rig.run("ls ~").await.0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_tells_what_was_found_and_where_it_is() {
    let rig = Rig::start();
    let connect = |cwd: Option<&str>| Action::Connect(Connect { cwd: cwd.map(str::to_owned), ..Connect::default() });
    let text = |answer: &towline_engine::Answer| {
        let Body::Text(text) = &answer.body else { panic!("{:?}", answer.body) };
        text.clone()
    };
    let answer = rig.perform(connect(Some("/usr"))).await.expect("connects");
    assert!(text(&answer).contains("in /usr") && answer.notes.is_empty(), "{answer:?}");
    let answer = rig.perform(connect(Some("/no/such"))).await.expect("connects all the same");
    assert!(text(&answer).contains("found again") && text(&answer).contains("in /usr"), "{answer:?}");
    assert!(answer.notes.iter().any(|note| note.contains("/no/such") && note.contains("/usr")), "{answer:?}");
    rig.perform(Action::Disconnect(Disconnect { end: true })).await.expect("disconnects");
    assert_eq!(rig.run("pwd").await.0, "/usr\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_leaves_no_process() {
    let rig = Rig::start();
    output(&rig, in_session("gone", "export A=1")).await;
    let end =
        Call { session: Some(SessionName::parse("gone").expect("a name")), ..Rig::call(Action::Disconnect(Disconnect { end: true })) };
    let answer = rig.engine.perform(end, context()).await.expect("ends");
    assert!(matches!(&answer.body, Body::Text(text) if text.contains("was ended")), "{answer:?}");
    towline_testkit::eventually(Duration::from_secs(10), || {
        !towline_testkit::process::all().iter().any(|process| process.command.contains("/s/gone"))
    });
    assert_eq!(output(&rig, in_session("gone", "echo \"[${A-unset}]\"")).await, "[unset]\n");
}
