//! The lab: a real login, private homes, nothing left behind.

use std::path::Path;
use std::time::Duration;

use towline_testkit::{Lab, LabOptions, Sshd, SshdOptions, eventually, eventually_async, process};

fn run(lab: &Lab, host: &str, remote: &str) -> (Option<i32>, String) {
    let output = lab.ssh().args(["-T", "--", host, remote]).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

#[test]
fn both_aliases_reach_the_host_with_its_own_home() {
    let lab = Lab::start();
    let home = lab.sshd.home();
    std::fs::write(home.join(".bashrc"), "RC=read").unwrap();
    for host in ["lab", "direct"] {
        let (status, text) = run(&lab, host, "echo \"$HOME $PWD ${XDG_STATE_HOME-unset} ${SSH_AUTH_SOCK-unset} 'x' $RC\"; exit 7");
        assert_eq!(text, format!("{0} {0} unset unset 'x' read\n", home.display()));
        assert_eq!(status, Some(7));
    }
    assert!(lab.relay.traffic().up > 1000);
    assert_eq!(lab.relay.accepted(), 1);
}

#[test]
fn a_login_shell_path_and_variables_can_be_given() {
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(towline_testkit::shells::which("busybox").unwrap(), bin.path().join("uname")).unwrap();
    let sshd = SshdOptions {
        login_shell: vec!["/usr/bin/fish".into()],
        path: Some(bin.path().into()),
        env: vec![("EXTRA".into(), "it's".into())],
        ..SshdOptions::default()
    };
    let lab = Lab::with(LabOptions { sshd, ..LabOptions::default() });
    let (status, text) = run(&lab, "lab", "set x $EXTRA; echo $x; command -v ls; uname; exec /bin/sh -c 'exit 4'");
    assert_eq!((status, text.as_str()), (Some(4), "it's\nLinux\n"));
}

#[test]
fn what_a_session_left_behind_ends_with_the_lab() {
    let lab = Lab::start();
    let (status, pid) = run(&lab, "lab", "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!");
    assert_eq!(status, Some(0));
    let pid: u32 = pid.trim().parse().unwrap();
    eventually(Duration::from_secs(2), || lab.sshd.session_processes().iter().any(|p| p.command == "sleep 300"));
    let found = lab.sshd.session_processes();
    assert!(found.iter().any(|process| process.pid >= pid), "{found:?}");
    let (home, dir) = (lab.sshd.home(), lab.dir().to_owned());
    drop(lab);
    assert!(found.iter().all(|process| !process::is_alive(process.pid)));
    assert!(!home.exists() && !dir.exists());
}

#[test]
fn a_control_master_is_found_and_ends_with_the_lab() {
    let lab = Lab::start();
    let socket = lab.runtime_dir().join("m");
    let status = lab.ssh().args(["-fNM", "-S"]).arg(&socket).args(["--", "lab"]).status().unwrap();
    assert!(status.success());
    let masters = lab.client_processes();
    assert_eq!(masters.len(), 1, "{masters:?}");
    drop(lab);
    assert!(!process::is_alive(masters[0].pid));
}

#[test]
fn a_host_can_go_away_and_come_back() {
    let mut lab = Lab::start();
    assert_eq!(run(&lab, "lab", "echo 1"), (Some(0), "1\n".into()));
    lab.sshd.stop();
    assert_eq!(run(&lab, "lab", "echo 2").0, Some(255));
    lab.sshd.restart().unwrap();
    assert_eq!(run(&lab, "lab", "echo 3"), (Some(0), "3\n".into()));
    lab.sshd.change_host_key().unwrap();
    lab.sshd.restart().unwrap();
    let (status, text) = run(&lab, "lab", "echo 4");
    assert_eq!(status, Some(255));
    assert!(text.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{text}");
}

#[test]
fn several_hosts_run_side_by_side_and_sessions_are_limited() {
    let one = Sshd::start(SshdOptions { max_sessions: Some(1), ..SshdOptions::default() });
    let two = Sshd::start(SshdOptions::default());
    assert_ne!(one.port(), two.port());
    assert!(Path::new(&one.dir().join("sshd_config")).exists());
    drop(one);
    assert!(two.log().contains("Server listening"));
}

#[test]
#[should_panic(expected = "did not hold")]
fn a_condition_that_never_holds_is_told() {
    eventually(Duration::from_millis(20), || false);
}

#[tokio::test]
async fn a_condition_can_be_awaited() {
    let mut left = 3;
    eventually_async(Duration::from_secs(1), || {
        left -= 1;
        let done = left == 0;
        async move { done }
    })
    .await;
}
