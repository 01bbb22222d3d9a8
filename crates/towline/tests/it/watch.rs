//! Watching, stepping in, and what is left to read, with real processes and a real sshd.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use towline_testkit::Lab;

use crate::run::{bare, towline};

const SOON: Duration = Duration::from_secs(60);

fn output(lab: &Lab, words: &[&str]) -> String {
    let output = towline(lab, words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Types lines into a session; what came on stdout and on stderr.
fn typed(lab: &Lab, target: &str, lines: &str) -> (String, String) {
    let mut child = towline(lab, &["attach", target]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr.replace("\n  ", " "))
}

#[test]
fn a_line_is_seen_while_the_command_runs() {
    let lab = Lab::start();
    let mut view = bare(&lab, &["watch", "lab", "--since", "all"]);
    let (sender, lines) = std::sync::mpsc::channel();
    let stdout = BufReader::new(view.0.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let next = |wanted: &str| {
        let line = || lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("no line with {wanted}"));
        std::iter::repeat_with(line).find(|line| line.contains(wanted)).unwrap()
    };
    let go = lab.sshd.home().join("go");
    let command = "printf 'first\\n\\033]52;c;QQ==\\007\\n'; until [ -e go ]; do sleep 0.1; done; echo last; exit 3";
    let _running = bare(&lab, &["run", "lab", "--", command]);
    assert!(next("Bash").contains("lab cli"));
    assert_eq!(next("│ first"), "         │ first");
    assert_eq!(next("│ \\x1b"), "         │ \\x1b]52;c;QQ==\\x07");
    std::fs::write(go, "").unwrap();
    assert_eq!(next("│ last"), "         │ last");
}

#[test]
fn a_command_that_ran_while_nobody_watched_is_seen_to_have_ended() {
    let lab = Lab::start();
    assert_eq!(towline(&lab, &["run", "lab", "--", "exit 3"]).output().unwrap().status.code(), Some(3));
    for words in [&["watch", "lab", "--no-follow"][..], &["transcript", "show", "lab/cli"]] {
        let shown = output(&lab, words);
        let lines: Vec<&str> = shown.lines().collect();
        let at = |word: &str| lines.iter().position(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word} in {shown}"));
        assert!(at("→ running") < at("→ exit 3"), "{shown}");
        assert_eq!(lines.iter().filter(|line| line.contains("exit 3 ·")).count(), 1, "{shown}");
    }
}

#[test]
fn what_was_done_is_there_as_json_and_as_a_transcript() {
    let lab = Lab::start();
    output(&lab, &["run", "lab", "--detach", "--", "echo hi"]);
    let json = output(&lab, &["watch", "--json", "--no-follow"]);
    let events: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert!(kinds.contains(&"begin") && kinds.contains(&"end") && kinds.contains(&"link"), "{json}");
    assert!(events.iter().all(|event| event["v"] == 1 && event["at"].as_u64() > Some(0)), "{json}");
    assert_eq!(output(&lab, &["watch", "elsewhere", "--json", "--no-follow"]), "");
    assert!(output(&lab, &["transcript", "list"]).trim_end().ends_with("lab/cli"));
    for (words, wanted) in [
        (&["transcript", "show", "lab"][..], "lab cli  Bash  echo hi"),
        (&["transcript", "replay", "lab/cli", "--speed", "100"], "lab cli  Bash  echo hi"),
        (&["transcript", "export", "lab", "--format", "asciicast"], "\"version\":2"),
    ] {
        assert!(output(&lab, words).contains(wanted), "{words:?}");
    }
}

#[test]
fn no_transcript_is_kept_where_none_is_wanted() {
    let lab = Lab::start();
    let mut command = towline(&lab, &["run", "lab", "--", "true"]);
    assert!(command.env("TOWLINE_TRANSCRIPTS", "off").output().unwrap().status.success());
    assert_eq!(output(&lab, &["transcript", "list"]), "There are no transcripts yet.\n");
}

#[test]
fn a_person_types_into_a_session_and_leaves_it_as_it_is() {
    let lab = Lab::start();
    let (out, said) = typed(&lab, "lab/tests", "cd /usr\n\nX=5; f() { echo \"f$1\"; }\nfalse\n");
    assert_eq!(out, "");
    assert!(said.contains("exit 1") && said.contains("the session tests goes on"), "{said}");
    let (out, _) = typed(&lab, "lab", "pwd; echo $X; \\\nf 2\nprintf no-newline");
    assert_eq!(out, "/usr\n5\nf2\nno-newline");
}

#[test]
fn an_interrupt_ends_the_command_and_not_the_attachment() {
    let lab = Lab::start();
    let mut child = bare_attached(&lab);
    let mut stdin = child.0.stdin.take().unwrap();
    stdin.write_all(b"echo $$ > pid; sleep 300; echo late\n").unwrap();
    let pid_file = lab.sshd.home().join("pid");
    towline_testkit::eventually(SOON, || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n')));
    let sleeping = || towline_testkit::process::all().iter().any(|process| process.command == "sleep 300");
    towline_testkit::eventually(SOON, sleeping);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child.0), rustix::process::Signal::INT).unwrap();
    stdin.write_all(b"touch after\n").unwrap();
    drop(stdin);
    towline_testkit::eventually(SOON, || lab.sshd.home().join("after").exists());
    assert_eq!(child.code(), Some(0));
}

fn bare_attached(lab: &Lab) -> crate::run::Watched {
    let mut command = lab.command(env!("CARGO_BIN_EXE_towline"));
    command.arg("--ssh-config").arg(lab.ssh_config()).args(["attach", "lab/steps"]);
    crate::run::Watched(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}
