//! Starting the program in a place of its own.

use std::process::{Command, Output};

use tempfile::TempDir;

/// The program with an empty environment and a state directory that goes away.
#[expect(clippy::disallowed_methods, reason = "a test starts the program that it tests")]
pub(crate) fn towline(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
    command
}

/// Runs it to its end: exit code, stdout, stderr.
pub(crate) fn run(words: &[&str]) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = towline(&home).args(words).output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}
