//! The journal of the program itself under what really happens: killed in the middle, a disk that is full, two at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use towline_testkit::{Lab, eventually};

use crate::run::towline;

/// Calls that are made while the others are killed.
const ROUNDS: u32 = 12;
const SOON: Duration = Duration::from_secs(60);

fn journal(lab: &Lab) -> PathBuf {
    lab.state_dir().join("towline/audit/journal.jsonl")
}

fn verify(lab: &Lab) -> (Option<i32>, String) {
    let output = towline(lab, &["audit", "verify"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program itself, to be killed.
fn started(lab: &Lab, command: &str) -> Child {
    let mut program = lab.command(env!("CARGO_BIN_EXE_towline"));
    program.arg("--ssh-config").arg(lab.ssh_config()).args(["run", "lab", "--", command]).stdin(Stdio::null());
    program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn killed_at_any_moment_it_leaves_a_journal_that_is_whole_once_somebody_writes_again() {
    let lab = Lab::start();
    assert!(towline(&lab, &["run", "lab", "--", "true"]).status().unwrap().success());
    for round in 0..ROUNDS {
        let before = fs::metadata(journal(&lab)).unwrap().len();
        let mut killed = started(&lab, "true");
        // Later in each round, so that the kill meets the first line, the call, and the last line.
        let enough = u64::from(round % 4) * 150;
        eventually(SOON, || {
            fs::metadata(journal(&lab)).is_ok_and(|meta| meta.len() > before + enough) || killed.try_wait().unwrap().is_some()
        });
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    assert!(towline(&lab, &["run", "lab", "--", "true"]).status().unwrap().success());
    let (code, text) = verify(&lab);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("whole: "), "{text}");
}

#[test]
fn two_that_write_at_once_keep_one_chain_and_lose_nothing() {
    let lab = Lab::start();
    assert!(towline(&lab, &["run", "lab", "--", "true"]).status().unwrap().success());
    let both: Vec<_> = (0..2)
        .map(|who| {
            let words: Vec<String> = (0..6).map(|n| format!("echo {who} {n}")).collect();
            let commands = words.iter().map(|word| towline(&lab, &["run", "lab", "--session", &format!("s{who}"), "--", word]));
            let commands: Vec<_> = commands.collect();
            std::thread::spawn(move || commands.into_iter().all(|mut command| command.output().unwrap().status.success()))
        })
        .collect();
    for one in both {
        assert!(one.join().unwrap());
    }
    let (code, text) = verify(&lab);
    assert_eq!(code, Some(0), "{text}");
    let listed = towline(&lab, &["audit", "--tool", "Bash", "--limit", "100"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for who in 0..2 {
        for n in 0..6 {
            assert_eq!(listed.matches(&format!("    echo {who} {n}\n")).count(), 1, "{listed}");
        }
    }
}

#[test]
fn a_command_that_ended_after_its_call_is_told_with_its_outcome() {
    let lab = Lab::start();
    assert_eq!(towline(&lab, &["run", "lab", "--", "printf 12345; printf 678 >&2; exit 3"]).status().unwrap().code(), Some(3));
    assert!(towline(&lab, &["run", "lab", "--detach", "--", "sleep 600"]).status().unwrap().success());
    let listed = towline(&lab, &["audit", "--tool", "Bash"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].contains(" Bash on lab/cli [towline ") && lines[1] == "    printf 12345; printf 678 >&2; exit 3", "{listed}");
    assert!(lines[2].starts_with("    exit 3 · 8 bytes · id ") && lines[2].contains(", known after "), "{listed}");
    assert!(lines[4] == "    sleep 600" && lines[5].starts_with("    running · 0 bytes · id "), "{listed}");
    assert!(lines.len() == 6 && lines.iter().all(|line| line.chars().count() <= 80), "{listed}");
    assert_eq!(verify(&lab).0, Some(0));
}

/// A program that mounts a small file system of its own over a directory, in a mount namespace of its own, and fills it.
fn full_disk(place: &Path, directory: &Path) -> PathBuf {
    let program = place.join("on_a_full_disk");
    let text = format!(
        "#!/bin/sh\nset -e\nmount --make-rprivate /\nmount -t tmpfs -o size=16k,mode=700 tmpfs '{0}'\ncat /dev/zero > '{0}/filler' 2>/dev/null || :\nexec \"$@\"\n",
        directory.display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn on_a_full_disk_nothing_is_done_unless_the_settings_say_so() {
    if !towline_testkit::stage::possible("on_a_full_disk_nothing_is_done_unless_the_settings_say_so") {
        return;
    }
    let lab = Lab::start();
    let state = lab.dir().join("small");
    fs::create_dir(&state).unwrap();
    let wrapper = full_disk(lab.dir(), &state);
    let settings = lab.dir().join("settings.toml");
    for (text, done) in [("", false), ("[audit]\non_failure = 'go-on'\n", true)] {
        fs::write(&settings, text).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
        let touched = lab.sshd.home().join("touched");
        let mut command = lab.command("timeout");
        command.args(["--foreground", "-k", "1", "120", "unshare", "-m"]).arg(&wrapper).arg(env!("CARGO_BIN_EXE_towline"));
        command.arg("--ssh-config").arg(lab.ssh_config()).arg("--config").arg(&settings).arg("--state-dir").arg(&state);
        let output = command.args(["run", "lab", "--", "touch touched"]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).replace("\n  ", " ");
        assert_eq!(touched.exists(), done, "{text}: {said}");
        if !done {
            assert!(output.status.code() == Some(125) && said.contains("The audit journal could not be written"), "{said}");
        }
    }
}
