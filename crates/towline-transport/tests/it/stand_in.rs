//! A stand-in for ssh that writes down its arguments: what the system is really given.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use towline_base::{Code, Failure};
use towline_testkit::eventually;
use towline_transport::{SshSettings, SshTransport, TransportError};

use crate::support::{host, line, soon};

fn stand_in(dir: &Path, script: &str) -> SshTransport {
    let program = dir.join("ssh");
    let record = dir.join("record");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n{script}\n", record.display());
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    SshTransport::new(SshSettings::new(program, dir.join("state")))
}

#[tokio::test]
async fn a_cold_start_is_two_starts_of_ssh() {
    let dir = tempfile::tempdir().unwrap();
    let transport = stand_in(dir.path(), "case $1 in -G) echo user me; exit 0;; esac; echo up");
    let mut channel = transport.open(&host("me@prod:22"), "cmd 'a b'", soon()).await.unwrap();
    assert_eq!(line(&mut channel).await, "up");
    let record = std::fs::read_to_string(dir.path().join("record")).unwrap();
    let lines: Vec<_> = record.lines().collect();
    assert_eq!(lines[0], "-G -v -p 22 -- me@prod");
    assert!(lines[1].starts_with("-T -a -x -M -S /") && lines[1].ends_with(" -- me@prod cmd 'a b'"), "{record}");
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn compression_is_ours_only_where_the_user_has_not_chosen() {
    for (config, expected) in [("Host x\n  Compression no\n", false), ("# Compression no\n", true)] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, config).unwrap();
        let script = format!("case $1 in -G) echo 'debug1: Reading configuration data {}' >&2; exit 0;; esac; echo up", file.display());
        stand_in(dir.path(), &script).open(&host("prod"), "x", soon()).await.unwrap();
        let record = std::fs::read_to_string(dir.path().join("record")).unwrap();
        assert_eq!(record.contains("Compression=yes"), expected, "{config}");
    }
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let transport = SshTransport::new(SshSettings::new("/nonexistent/ssh", dir.path().join("state")));
    let error = transport.open(&host("prod"), "x", soon()).await.unwrap_err();
    assert!(matches!(&error, TransportError::NoProgram { .. }));
    let failure = Failure::from(error);
    assert_eq!(failure.code, Code::MissingProgram);
    assert_eq!(failure.text, "the program \"/nonexistent/ssh\" is not on this machine");
}

#[tokio::test]
async fn a_configuration_that_hangs_ends_at_the_deadline_and_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let transport = stand_in(dir.path(), &format!("echo $$ >'{}'; exec sleep 600", dir.path().join("pid").display()));
    let begin = Instant::now();
    let error = transport.open(&host("prod"), "x", begin + Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.code(), Code::ConnectTimeout, "{error}");
    assert!(begin.elapsed() < Duration::from_secs(2));
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap().trim().parse().unwrap();
    eventually(Duration::from_secs(2), || !towline_testkit::process::is_alive(pid));
}

#[tokio::test]
async fn a_state_directory_that_is_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let transport = stand_in(dir.path(), "case $1 in -G) exit 0;; esac; echo up");
    let state = dir.path().join("state/ssh");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let failure = Failure::from(transport.open(&host("prod"), "x", soon()).await.unwrap_err());
    assert_eq!(failure.code, Code::Local);
    assert!(failure.text.contains("open to other users"), "{failure}");
}
