//! What is said where something was lost for good, or gives no answer: a session's shell, a host that was rebooted, a login shell that
//! says nothing, many cancels at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use towline_base::Code;
use towline_engine::action::{Bash, Connect, Place};
use towline_engine::answer::State;
use towline_engine::{Action, Body, Engine, Settings};
use towline_testkit::{Lab, LabOptions, Process, SshdOptions, eventually, process};

use crate::rig::{Rig, bash, context, execution};

/// What a shared machine may add to a time that is asserted.
const SLACK: Duration = Duration::from_secs(3);

/// The processes of a session: its supervisor, its shell, and whoever waits for it.
fn of_session(lab: &Lab, name: &str) -> Vec<Process> {
    let place = format!("/s/{name}");
    let home = lab.sshd.home().to_string_lossy().into_owned();
    process::all().into_iter().filter(|process| process.command.contains(&home) && process.command.contains(&place)).collect()
}

fn restored(notes: &[String]) -> Vec<&str> {
    notes.iter().map(String::as_str).filter(|note| note.contains("session's shell was lost")).collect()
}

/// Writes another boot's id wherever this one's stands in what the host keeps: so it looks after a reboot.
fn reboot(lab: &Lab) {
    process::kill_until_gone(|| lab.sshd.session_processes());
    process::kill_until_gone(|| of_session(lab, "own"));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot has an id");
    let other = boot.trim().replace(|c: char| c.is_ascii_hexdigit(), "e");
    let version = lab.sshd.home().join(".local/state/towline/v1");
    let root = fs::read_dir(version).expect("the state").flatten().next().expect("one node").path();
    let records = fs::read_dir(root.join("x")).expect("records").flatten().map(|entry| entry.path());
    for file in records.chain([root.join("s/own/cur"), root.join("index")]) {
        let text = fs::read_to_string(&file).expect("a text");
        fs::write(&file, text.replace(boot.trim(), &other)).expect("it can be written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_lost_is_restored_and_the_next_answer_says_so_once() {
    let rig = Rig::start();
    rig.run("cd /usr; export A='5 6'; f() { echo \"f$1\"; }; alias ll='echo al'; umask 027").await;
    let see = "pwd; echo $A; f 1; ll; umask";
    for rebooted in [false, true] {
        if rebooted {
            reboot(&rig.lab);
        } else {
            process::kill_until_gone(|| of_session(&rig.lab, "own"));
        }
        let answer = rig.bash(bash(see)).await;
        assert_eq!(String::from_utf8_lossy(&execution(&answer).stdout.head), "/usr\n5 6\nf1\nal\n0027\n", "{answer:?}");
        let said = restored(&answer.notes);
        assert_eq!(said.len(), 1, "{:?}", answer.notes);
        assert!(said[0].starts_with("on lab the session's shell was lost: ") && said[0].contains("gone are background jobs"), "{said:?}");
        let again = rig.bash(bash(see)).await;
        assert_eq!(restored(&again.notes).len(), 0, "{:?}", again.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_restored_stays_where_it_was_and_the_note_is_not_swallowed() {
    let rig = Rig::start();
    rig.run("cd /usr").await;
    rig.engine.close().await;
    // A towline that takes new sessions elsewhere.
    let engine = |lab: &Lab| Engine::new(Settings { cwd: Some("/etc".to_owned()), ..Rig::settings(lab) });
    process::kill_until_gone(|| of_session(&rig.lab, "own"));
    let rig = Rig { engine: engine(&rig.lab), lab: rig.lab };
    let answer = rig.bash(bash("pwd")).await;
    assert_eq!(String::from_utf8_lossy(&execution(&answer).stdout.head), "/usr\n");
    assert_eq!(restored(&answer.notes).len(), 1, "{:?}", answer.notes);
    // Connect says what it found, and passes on what its own step to a directory was told.
    process::kill_until_gone(|| of_session(&rig.lab, "own"));
    let answer = rig.perform(Action::Connect(Connect { cwd: Some("/var".to_owned()), ..Connect::default() })).await.expect("connects");
    let Body::Text(text) = &answer.body else { panic!("{answer:?}") };
    assert!(text.contains("session: own, restored after its shell was lost, ") && text.contains(", in /var"), "{text}");
    assert_eq!(restored(&answer.notes).len(), 1, "{:?}", answer.notes);
    assert_eq!(restored(&rig.bash(bash("true")).await.notes).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cancels_at_once_are_confirmed_in_time() {
    let rig = Rig::start();
    rig.run("true").await;
    let context = context();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let call = Rig::call(Action::Bash(Bash { place: Place::Fresh, ..bash("(sleep 7203 & sleep 7204)") }));
            let (engine, context) = (rig.engine.clone(), context.clone());
            tokio::spawn(async move { engine.perform(call, context).await })
        })
        .collect();
    let there = || process::all().iter().filter(|process| process.command == "sleep 7203" || process.command == "sleep 7204").count();
    eventually(Duration::from_secs(60), || there() == 128);
    let begun = Instant::now();
    context.cancel.cancel();
    for call in calls {
        let failure = call.await.expect("joins").expect_err("cancelled");
        assert_eq!(failure.code, Code::Cancelled);
        assert!(failure.text.contains("were ended"), "{failure}");
    }
    println!("64 cancels at once: the last was answered after {:?}", begun.elapsed());
    assert_eq!(there(), 0);
}

/// A login shell in whose place another program runs, whatever it is asked.
fn with_login_shell(dir: &std::path::Path, text: &str) -> LabOptions {
    let file = dir.join("shell");
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a program");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode");
    let login_shell = vec![file.to_string_lossy().into_owned()];
    LabOptions { sshd: SshdOptions { login_shell, ..SshdOptions::default() }, ..LabOptions::default() }
}

/// Says what a lane would say of itself, and then nothing.
const HELLO_AND_NOTHING: &str = r#"
set -- $(printf '%s\n' "$2" | sed -n 's/.*%s%s.*" *\([0-9a-f]\{8,\}\) \([0-9a-f]\{8,\}\);.*/\1\2/p')
printf '\n%s\n' "$1"
read -r line
t='root=/tmp/x
state=1.2.3
boot=-
node=n
clock=0
lane=bash
shell=/bin/bash
layout=1
'
printf 'h 0 %s\n%s' "${#t}" "$t"
exec sleep 600"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_is_told_by_the_deadline_and_by_its_right_name() {
    let place = tempfile::tempdir().expect("a directory");
    for (text, code) in [("exec sleep 600", Some(Code::RemoteShell)), (HELLO_AND_NOTHING, None)] {
        let rig = Rig::with(with_login_shell(place.path(), text));
        let begun = Instant::now();
        let hurried = Bash { timeout: Some(Duration::from_secs(5)), ..bash("touch ~/ran") };
        let answer = rig.perform(Action::Bash(hurried)).await;
        let took = begun.elapsed();
        println!("a silent host: answered after {took:?}: {answer:?}");
        // At the deadline of a link that is up the command is looked at once more, for two seconds at most.
        assert!(took > Duration::from_secs(4) && took < Duration::from_secs(7) + SLACK, "{took:?}");
        if let Some(code) = code {
            assert_eq!(answer.expect_err("nothing was sent").code, code);
        } else {
            let answer = answer.expect("an answer with the id");
            assert!(matches!(execution(&answer).state, State::Unknown(_)), "{answer:?}");
            assert!(answer.notes.iter().any(|note| note.contains("not sent a second time")), "{answer:?}");
        }
        assert!(!rig.lab.sshd.home().join("ran").exists());
    }
}
