//! A stand-in for ssh that writes down its arguments: what the system is really given.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use towline_base::{Code, Failure, HostAlias};
use towline_testkit::eventually;
use towline_transport::{ConnectOptions, Destination, SshSettings, SshTransport, TransportError};

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

/// What somebody would write who wants ssh, or a shell on its way, to start something here.
const HOSTILE: &[&str] = &[
    "-oProxyCommand=touch canary",
    "-oPermitLocalCommand=yes",
    "-F/dev/stdin",
    "-",
    "--",
    "-J",
    ";touch canary",
    "|touch canary",
    "&touch canary&",
    "$(touch canary)",
    "`touch canary`",
    "${HOME}",
    "$HOME",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    "%h",
    "%%",
    "%d",
    "'",
    "\"",
    "\\",
    "!",
    "*",
    "?",
    "[",
    "]",
    ",",
    "=",
    "@",
    ":",
    ":22",
    "/",
    "~",
    "..",
    "\u{202e}",
    "\u{1b}]52;c;eA==\u{7}",
    "é",
    "a",
    "prod",
    "7",
];

/// Where a caller's words can come to stand.
const FIELDS: [&str; 4] = ["host", "user", "identity_file", "jump"];
/// What stands there otherwise.
const PLAIN: [&str; 4] = ["zzhost", "zzuser", "~/.ssh/zzkey", "zzjump"];

/// A destination of these words, if they may be one.
fn destination(words: [&str; 4]) -> Result<Destination, Failure> {
    let [host, user, identity_file, jump] = words;
    let options = ConnectOptions {
        user: Some(user.to_owned()),
        identity_file: Some(identity_file.to_owned()),
        jump: Some(HostAlias::parse(jump)?),
        ..ConnectOptions::default()
    };
    Destination::new(HostAlias::parse(host)?, options)
}

/// Every argument of every ssh that is started for a destination, and what else there is afterwards.
fn started_for(destination: &Destination) -> (Vec<Vec<String>>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let script = "cd \"${0%/*}\"; for w in \"$@\"; do printf '%s\\0' \"$w\"; done >>argv; printf '\\1' >>argv; case $1 in -G) exit 0 ;; esac; echo up";
    let transport = stand_in(dir.path(), script);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(runtime.block_on(transport.open(destination, "cmd", soon())).unwrap());
    let argv = std::fs::read_to_string(dir.path().join("argv")).unwrap();
    let lists = argv.split('\u{1}').filter(|list| !list.is_empty());
    let lists = lists.map(|list| list.trim_end_matches('\0').split('\0').map(str::to_owned).collect()).collect();
    let mut files: Vec<String> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    files.sort();
    (lists, files)
}

/// The list with the socket's random name and the host's port, which may be part of its name, taken out.
fn compared(mut list: Vec<String>) -> Vec<String> {
    if let Some(at) = list.iter().position(|word| word == "-S") {
        list.drain(at..at + 2);
    }
    if let Some(at) = list.iter().position(|word| word == "-p") {
        list.drain(at..at + 2);
    }
    list
}

fn is_one_argument_at_its_place_or_refused(field: usize, word: &str) {
    let mut words = PLAIN;
    words[field] = word;
    let Ok(hostile) = destination(words) else { return };
    assert!(!word.starts_with('-') && !word.contains(['\n', '\0', ' ', ';', '$', '`', '%', '\'', '"', '\\', '|', '&']), "{word:?}");
    assert!(word.len() < 5000, "{} bytes", word.len());
    let (lists, files) = started_for(&hostile);
    assert_eq!(files, ["argv", "record", "ssh", "state"], "{word:?}");
    let (plain, _) = started_for(&destination(PLAIN).unwrap());
    assert_eq!(lists.len(), plain.len());
    for (list, plain) in lists.into_iter().map(compared).zip(plain.into_iter().map(compared)) {
        assert_eq!(list.len(), plain.len(), "{word:?} became more than one argument: {list:?}");
        for (given, plain) in list.iter().zip(&plain) {
            // ssh gets a host's name without its port and brackets.
            let same = given == plain || (*plain == PLAIN[field] && (given == word || (field == 0 && word.contains(given.as_str()))));
            assert!(same && (given == plain || !given.starts_with('-')), "{}: {word:?} in {list:?}", FIELDS[field]);
        }
    }
}

#[test]
fn no_hostile_word_becomes_anything_but_one_argument_at_its_place() {
    let long = "a".repeat(64 * 1024);
    for field in 0..FIELDS.len() {
        assert!(destination([PLAIN[0]; 4].map(|_| long.as_str())).is_err());
        for word in HOSTILE.iter().copied().chain([long.as_str(), ""]) {
            is_one_argument_at_its_place_or_refused(field, word);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mixture_of_hostile_words_does_either(field in 0..FIELDS.len(), parts in prop::collection::vec(prop::sample::select(HOSTILE), 1..5)) {
        is_one_argument_at_its_place_or_refused(field, &parts.concat());
    }

    #[test]
    fn and_no_text_at_all(field in 0..FIELDS.len(), word in "\\PC{1,20}") {
        is_one_argument_at_its_place_or_refused(field, &word);
    }
}
