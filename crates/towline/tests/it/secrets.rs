//! What towline knows of secrets does not come out of it, and what a host says cannot act on whoever reads it; over a real sshd.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use towline_testkit::{Lab, eventually};

use crate::hostile::Server;
use crate::run::towline;

const SECRET: &str = "hunter2-very-secret-indeed";
const SOON: std::time::Duration = std::time::Duration::from_secs(30);

/// A private file with this text.
fn private(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_string_lossy().into_owned()
}

/// A settings file that names a secret and one that is too short.
fn settings(lab: &Lab) -> String {
    let (db, pin) = (private(&lab.dir().join("db"), SECRET), private(&lab.dir().join("pin"), "1234567"));
    private(&lab.dir().join("settings.toml"), &format!("[secrets]\nDB = {{ file = \"{db}\" }}\nPIN = {{ file = \"{pin}\" }}\n"))
}

fn text(answer: &Value) -> String {
    answer["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

#[test]
fn a_secret_that_is_known_does_not_come_out_whatever_prints_it() {
    let lab = Lab::start();
    let config = settings(&lab);
    let log = lab.dir().join("log");
    let home = lab.sshd.home();
    fs::write(home.join("conf"), format!("user = me\npw = {SECRET}\nend\n")).unwrap();
    fs::create_dir(home.join(SECRET)).unwrap();
    let mut server = Server::with(&lab, &["--config", &config], File::create(&log).unwrap().into());
    let mut ask = |tool: &str, mut arguments: Value| {
        arguments["host"] = json!("lab");
        server.call(tool, &arguments);
        text(&server.answers(1)[0])
    };
    for (tool, arguments, said) in [
        ("Bash", json!({"command": "cat conf"}), "pw = [redacted DB]\nend"),
        ("Bash", json!({"command": "printf hunter2-very; sleep 0.5; echo -secret-indeed"}), "[redacted DB]\n"),
        ("Bash", json!({"command": "cat conf >&2; exit 3", "stderr": "separate"}), "[redacted DB]"),
        ("Bash", json!({"command": "mkdir -p d && cd hunter2-very-secret-indeed && pwd"}), "[redacted DB]"),
        ("Bash", json!({"command": "cd; echo 1234567"}), "1234567"),
        ("Bash", json!({"command": format!("true {SECRET}"), "description": format!("say {SECRET}")}), "exit 0"),
        ("Read", json!({"file_path": "conf"}), "pw = [redacted DB]"),
        ("MultiRead", json!({"files": [{"file_path": "conf"}]}), "[redacted DB]"),
        ("Read", json!({"file_path": format!("/nowhere/{SECRET}")}), "File does not exist"),
        ("Grep", json!({"pattern": "pw", "output_mode": "content", "path": "."}), "[redacted DB]"),
        ("Glob", json!({"pattern": "hunter2*"}), ""),
        ("List", json!({"path": "."}), "[redacted DB]"),
        ("Stat", json!({"paths": [SECRET]}), "[redacted DB]"),
        ("Jobs", json!({}), ""),
        (
            "Write",
            json!({"file_path": "new", "content": "pw = [redacted DB]"}),
            "content: it holds [redacted DB], which stands for a secret",
        ),
        (
            "Edit",
            json!({"file_path": "conf", "old_string": "pw = [redacted DB]", "new_string": "pw = x"}),
            "old_string: it holds [redacted DB]",
        ),
        ("Edit", json!({"file_path": "conf", "old_string": "end", "new_string": "[redacted DB]"}), "new_string: it holds [redacted DB]"),
        ("Edit", json!({"file_path": "conf", "old_string": "user = me", "new_string": "user = you"}), "user = you"),
        ("Edit", json!({"file_path": "conf", "old_string": SECRET, "new_string": SECRET, "replace_all": true}), ""),
    ] {
        let answer = ask(tool, arguments.clone());
        assert!(answer.contains(said) && !answer.contains(SECRET), "{tool} {arguments}: {answer}");
    }
    // While it still prints: in the middle of the secret.
    let command = "printf hunter2-very; while [ ! -e go ]; do sleep 0.05; done; echo -secret-indeed; touch gone";
    let started = ask("Bash", json!({"command": command, "run_in_background": true}));
    let id = started.split("id ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>()).unwrap();
    let looked = ask("JobOutput", json!({"id": id, "offset": 0, "wait": 20_000, "wait_for": "output"}));
    assert!(looked.contains("[redacted DB]") && !looked.contains("hunter2"), "{looked}");
    fs::write(home.join("go"), "").unwrap();
    eventually(SOON, || home.join("gone").exists());
    let rest = ask("JobOutput", json!({"id": id, "offset": 12}));
    assert!(rest.contains("[redacted DB]") && !rest.contains("secret-indeed"), "{rest}");
    drop(server);

    assert_eq!(fs::read_to_string(home.join("conf")).unwrap(), format!("user = you\npw = {SECRET}\nend\n"));
    assert!(!home.join("new").exists());
    let kept = files(&lab.state_dir());
    let names = format!("{kept:?}");
    assert!(["events.jsonl", "journal.jsonl", "transcripts"].iter().all(|name| names.contains(name)), "{names}");
    for file in kept.iter().chain([&log]) {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{}", file.display());
    }
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("the secret PIN is shorter than 8 characters"), "{said}");
    let checked = towline(&lab, &["--config", &config, "config", "check"]).output().unwrap();
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("note: the secret PIN is shorter than 8 characters: it is not taken out"), "{checked}");
}

/// What would act on a terminal, or hide what is there: the clipboard, a title, a colour, another direction, tags, no width.
const ACTING: &[&str] = &[
    "\x1b]52;c;aGk=\x07",
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x1b[31m",
    "\u{9b}1m",
    "\u{202e}",
    "\u{2066}",
    "\u{e0041}",
    "\u{200b}",
    "\u{7f}",
];

#[test]
fn what_a_host_says_acts_on_no_reader_and_is_made_visible() {
    let lab = Lab::start();
    let all = ACTING.concat();
    let home = lab.sshd.home();
    fs::write(home.join("nasty"), format!("before{all}after\n")).unwrap();
    fs::write(home.join(format!("name{all}")), "").unwrap();
    let mut server = Server::with(&lab, &[], std::process::Stdio::null());
    let mut ask = |tool: &str, mut arguments: Value| {
        arguments["host"] = json!("lab");
        server.call(tool, &arguments);
        text(&server.answers(1)[0])
    };
    let clean = |what: &str, text: &str| {
        let acting = |c: char| (c.is_control() && c != '\n' && c != '\t') || ACTING[5..].iter().any(|one| one.contains(c));
        assert!(!text.contains(acting), "{what}: {text:?}");
    };
    for (tool, arguments) in [
        ("Bash", json!({"command": "cat nasty; cat nasty >&2; exit 1"})),
        ("Bash", json!({"command": "cat nasty"})),
        ("Bash", json!({"command": format!("true '{}'", ACTING[5..].concat())})),
        ("Read", json!({"file_path": "nasty"})),
        ("Grep", json!({"pattern": "before", "output_mode": "content", "path": "."})),
        ("Glob", json!({"pattern": "name*"})),
        ("List", json!({"path": "."})),
        ("Stat", json!({"paths": [format!("name{}", all)]})),
        ("Read", json!({"file_path": format!("/nowhere{all}")})),
        ("Jobs", json!({})),
    ] {
        let answer = ask(tool, arguments);
        clean(tool, &answer);
    }
    let shown = ask("Bash", json!({"command": "cat nasty"}));
    assert!(shown.contains("\\x1b]52;c;aGk=\\x07") && shown.contains("before") && shown.contains("after"), "{shown}");
    drop(server);
    for words in [&["watch", "--no-follow"][..], &["transcript", "list"], &["audit"], &["jobs", "lab"], &["clean", "lab", "--yes"]] {
        let output = towline(&lab, words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        clean(&words.join(" "), &String::from_utf8_lossy(&output.stdout));
        clean(&words.join(" "), &String::from_utf8_lossy(&output.stderr));
    }
}
