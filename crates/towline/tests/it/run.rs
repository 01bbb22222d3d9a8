//! `towline run` against a real sshd: bytes, exit codes, and who may end the command.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use towline_testkit::Lab;

const SOON: Duration = Duration::from_secs(20);

/// The program with this lab's configuration; it is ended if it takes too long.
pub(crate) fn towline(lab: &Lab, words: &[&str]) -> Command {
    let mut command = lab.command("timeout");
    command.args(["--foreground", "-k", "1", "60", env!("CARGO_BIN_EXE_towline"), "--ssh-config"]);
    command.arg(lab.ssh_config()).args(words).stdin(Stdio::null());
    command
}

/// The same without the guard, for tests that send it signals and watch over it themselves.
pub(crate) fn bare(lab: &Lab, words: &[&str]) -> Watched {
    let mut command = lab.command(env!("CARGO_BIN_EXE_towline"));
    command.arg("--ssh-config").arg(lab.ssh_config()).args(words).stdin(Stdio::null());
    Watched(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
}

/// A process that does not outlive the test.
pub(crate) struct Watched(pub(crate) Child);

impl Watched {
    /// Its exit code, which comes soon.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let mut status = None;
        towline_testkit::eventually(SOON, || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(lab: &Lab, options: &[&str], command: &str) -> Output {
    let mut words = vec!["run", "lab"];
    words.extend(options);
    towline(lab, &words).args(["--", command]).output().unwrap()
}

#[test]
fn output_and_exit_status_pass_through() {
    let lab = Lab::start();
    let all: Vec<u8> = (0..=255).collect();
    let octal = all.iter().map(|byte| format!("\\{byte:03o}")).collect::<Vec<_>>().concat();
    for (options, command, code, stdout, stderr) in [
        (&[][..], "echo hi", 0, b"hi\n".to_vec(), &b""[..]),
        (&[], "printf out; printf err >&2; exit 3", 3, b"out".to_vec(), b"err"),
        (&[], &format!("printf '{octal}'"), 0, all.clone(), b""),
        (&[], "cat; echo done", 0, b"done\n".to_vec(), b""),
        (&["--env", "A=a b"], "printf %s \"$A\"", 0, b"a b".to_vec(), b""),
        (&["--cwd", "/"], "pwd", 0, b"/\n".to_vec(), b""),
        (&[], "exit 255", 255, vec![], b""),
    ] {
        let output = run(&lab, options, command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), &output.stdout), (Some(code), &stdout), "{command}: {said}");
        assert_eq!(output.stderr, stderr, "{command}: {said}");
    }
}

#[test]
fn large_output_on_both_streams_comes_whole() {
    let lab = Lab::start();
    let output = run(&lab, &[], "yes out | head -c 3000000; yes err | head -c 3000000 >&2");
    assert_eq!(output.status.code(), Some(0));
    let repeated = |word: &str| word.repeat(3_000_000 / word.len()).into_bytes();
    assert!(output.stdout == repeated("out\n"), "{} bytes", output.stdout.len());
    assert!(output.stderr == repeated("err\n"), "{} bytes", output.stderr.len());
}

#[test]
fn what_stdin_holds_is_given_only_if_asked_for() {
    let lab = Lab::start();
    let file = lab.dir().join("input");
    std::fs::write(&file, b"a\0b\xff").unwrap();
    let mut command = towline(&lab, &["run", "lab", "--stdin"]);
    let output = command.args(["--", "cat"]).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(output.stdout, b"a\0b\xff");
}

#[test]
fn a_deadline_ends_the_command() {
    let lab = Lab::start();
    let output = run(&lab, &["--timeout", "0.5"], "echo begun; sleep 100; echo late");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(143), &b"begun\n"[..]));
    let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(output.stderr);
    assert!(said.contains("the command ended by TERM; its time limit was 0.5 s"), "{said}");
    let nowhere = run(&lab, &["--cwd", "/no/such"], "echo ran");
    let said = words(nowhere.stderr);
    assert_eq!((nowhere.status.code(), nowhere.stdout.as_slice()), (Some(125), &b""[..]), "{said}");
    assert!(said.contains("nothing was run") && !said.contains("cannot be known"), "{said}");
}

#[test]
fn an_interrupt_ends_the_command_and_a_closed_output_does_not() {
    let lab = Lab::start();
    let file = lab.sshd.home().join("went-on");
    let pid_file = lab.sshd.home().join("pid");

    let mut child = bare(&lab, &["run", "lab", "--", "echo $$ > pid; exec sleep 300"]);
    towline_testkit::eventually(SOON, || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n')));
    let pid: u32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child.0), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.code(), Some(130));
    towline_testkit::eventually(SOON, || !towline_testkit::process::is_alive(pid));

    let mut child = bare(&lab, &["run", "lab", "--", "while [ ! -e go ]; do echo more; sleep 0.1; done; touch went-on"]);
    drop(child.0.stdout.take());
    assert_eq!(child.code(), Some(141));
    std::fs::write(lab.sshd.home().join("go"), "").unwrap();
    towline_testkit::eventually(SOON, || file.exists());
}

#[test]
fn a_detached_command_is_named_and_listed() {
    let lab = Lab::start();
    let output = run(&lab, &["--detach"], "sleep 300");
    let id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert_eq!((output.status.code(), id.len()), (Some(0), 6));
    let jobs = towline(&lab, &["jobs", "lab"]).output().unwrap();
    let text = String::from_utf8(jobs.stdout).unwrap();
    assert!(text.contains(&format!("id {id} · running")) && text.contains("sleep 300"), "{text}");
}

#[test]
fn a_host_that_cannot_be_reached_is_told_with_code_and_hint() {
    let lab = Lab::start();
    lab.add_config("Host nowhere\n  HostName 127.0.0.1\n  Port 1\n");
    let output = towline(&lab, &["run", "nowhere", "--", "true"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(said.contains("[refused]"), "{said}");
    let output = towline(&lab, &["check", "nowhere"]).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(report.trim_end().ends_with("nowhere cannot be used: see above what to do."), "{report}");
}
