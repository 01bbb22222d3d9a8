//! A day's work with secrets through the program itself: they are looked for in everything that it keeps, while it works and afterwards.
//!
//! Holds to: the journal, the event stream, transcripts and recordings must be there, or nothing was shown. Leaves out: arguments and
//! environments of processes, where `login` looks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use towline_testkit::{Lab, LabOptions, SshdOptions, Stage, eventually, process, stage};

use crate::hostile::Server;
use crate::login::{BOTH, Lookout, passphrase};
use crate::run::{Watched, bare, towline};

const TOKEN: &str = "tok-en-that-is-lent-and-typed";
const SOON: Duration = Duration::from_secs(60);

fn private(path: &Path, text: &str, mode: u32) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_string_lossy().into_owned()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        Ok(_) | Err(_) => Vec::new(),
    };
    entries.flat_map(below).collect()
}

/// The files of a directory that hold one of these.
fn holding(directory: &Path, secrets: &[&str]) -> Vec<PathBuf> {
    let holds = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    files(directory).into_iter().filter(holds).collect()
}

fn text(answer: &Value) -> String {
    answer["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn a_day_with_secrets_leaves_none_in_journal_events_transcripts_recordings_or_log() {
    if !stage::possible("a_day_with_secrets_leaves_none_in_journal_events_transcripts_recordings_or_log") {
        return;
    }
    let config = vec!["PubkeyAuthentication no".to_owned(), "PasswordAuthentication yes".to_owned()];
    let stage = Some(Stage { sudoers: format!("{} ALL=(ALL:ALL) ALL", stage::USER), ..Stage::default() });
    let lab = Lab::with(LabOptions { sshd: SshdOptions { config, stage, ..SshdOptions::default() }, ..LabOptions::default() });
    let (password, token) = (lab.dir().join("password"), lab.dir().join("token"));
    // As programs say them: not known before they are asked for.
    let source = |file: &Path, text: &str| format!("{{ command = ['cat', '{}'] }}", private(file, text, 0o600));
    let settings = format!(
        "[secrets]\nPW = {}\nTOKEN = {}\n[hosts.lab]\npassword = 'PW'\n[hosts.lab.policy]\nsecrets = ['TOKEN']\n",
        source(&password, stage::PASSWORD),
        source(&token, TOKEN)
    );
    let settings = private(&lab.dir().join("settings.toml"), &settings, 0o600);
    let log = lab.dir().join("log");
    let mut server = Server::with(&lab, &["--config", &settings], fs::File::create(&log).unwrap().into());
    let secrets = [stage::PASSWORD, TOKEN];
    let asks = "printf 'Password: '; stty -echo; read -r x; stty echo; echo; echo \"got ${#x} $x\"; sleep 600";
    for (tool, arguments, said) in [
        ("Bash", json!({"command": "id -un"}), stage::USER),
        ("Bash", json!({"command": "id -un", "sudo": true}), "root"),
        ("Bash", json!({"command": "echo \"<$TOKEN>\"", "env_secrets": ["TOKEN"]}), "<[redacted TOKEN]>"),
        (
            "Bash",
            json!({"command": "printf %s \"$TOKEN\" >&2; exit 3", "env_secrets": ["TOKEN"], "stderr": "separate"}),
            "[redacted TOKEN]",
        ),
        ("Bash", json!({"command": format!("true {}", stage::PASSWORD)}), "exit 0"),
        ("TerminalOpen", json!({"name": "t", "command": asks}), ""),
        ("TerminalRead", json!({"name": "t", "pattern": "Password:", "timeout": 30_000}), "Password:"),
        ("TerminalSend", json!({"name": "t", "secret": "TOKEN", "wait": "got .*", "timeout": 30_000}), "[redacted TOKEN]"),
        ("TerminalClose", json!({"name": "t"}), ""),
    ] {
        let mut arguments = arguments;
        arguments["host"] = json!("lab");
        server.call(tool, &arguments);
        let answer = text(&server.answers(1)[0]);
        assert!(answer.contains(said) && !secrets.iter().any(|secret| answer.contains(secret)), "{tool} {arguments}: {answer}");
        // Also while it works: nothing is written first and cleaned up later.
        assert_eq!(holding(&lab.state_dir(), &secrets), Vec::<PathBuf>::new(), "{tool}");
    }
    drop(server);
    // On the host lies what the commands printed there; of what they did not print, `login` looks there.
    for place in [lab.state_dir(), lab.runtime_dir(), lab.client_home()] {
        assert_eq!(holding(&place, &secrets), Vec::<PathBuf>::new());
    }
    assert!(holding(lab.dir(), &secrets).iter().all(|file| *file == password || *file == token), "the log, among others");
    assert_eq!(holding(lab.dir(), &secrets).len(), 2, "the search finds what is there");
    let kept = format!("{:?}", files(&lab.state_dir()));
    assert!(["events.jsonl", "journal.jsonl", "transcripts", "t.cast"].iter().all(|name| kept.contains(name)), "{kept}");
}

/// A key with a passphrase, and a desktop's askpass that writes down what it is asked and then does this.
fn with_desktop(lab: &Lab, then: &str) -> PathBuf {
    let asked = lab.dir().join("asked");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >>'{}'\n{then}\n", asked.display());
    private(&lab.dir().join("desktop"), &script, 0o755);
    asked
}

/// Gives the key a passphrase, and tells it.
fn lock_key(lab: &Lab) -> String {
    let passphrase = passphrase();
    let mut keygen = lab.command("ssh-keygen");
    keygen.args(["-q", "-p", "-P", "", "-N", &passphrase, "-f"]).arg(lab.sshd.key());
    assert!(keygen.stdout(Stdio::null()).status().unwrap().success());
    passphrase
}

#[test]
fn the_desktops_own_askpass_answers_where_the_settings_name_no_secret() {
    let lab = Lab::start();
    let passphrase = &lock_key(&lab);
    let run = |then: &str, screen: bool| {
        let asked = with_desktop(&lab, then);
        let mut command = towline(&lab, &["run", "lab", "--", "echo in"]);
        command.env("SSH_ASKPASS", lab.dir().join("desktop")).env("TOWLINE_LOG", "trace");
        if screen {
            command.env("DISPLAY", ":99");
        }
        let output = command.output().unwrap();
        let asked_for = fs::read_to_string(&asked).unwrap_or_default();
        let _ = fs::remove_file(asked);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            asked_for,
        )
    };
    let prompt = format!("Enter passphrase for key '{}': \n", lab.sshd.key().display());
    // Without a screen nobody would see it; what it says in vain is told.
    let (code, _, stderr, asked) = run(&format!("echo {passphrase}"), false);
    assert_eq!((code, asked.as_str()), (Some(125), ""), "{stderr}");
    let (code, _, stderr, asked) = run("exit 1", true);
    assert!(code == Some(125) && asked == prompt && stderr.replace("\n  ", " ").contains("nobody could answer"), "{asked}{stderr}");
    let (code, _, stderr, asked) = run("echo not-the-one", true);
    assert!(code == Some(125) && asked == prompt, "it is asked once: {asked}{stderr}");
    assert!(
        stderr.replace("\n  ", " ").contains("and was answered from the desktop's askpass: either that was wrong")
            && !stderr.contains("not-the-one"),
        "{stderr}"
    );
    let (code, stdout, stderr, asked) = run(&format!("echo {passphrase}"), true);
    assert_eq!((code, stdout.as_str(), asked), (Some(0), "in\n", prompt), "{stderr}");
    assert!(!stderr.contains(passphrase));
    for place in [lab.state_dir(), lab.runtime_dir(), lab.client_home(), lab.sshd.home()] {
        assert_eq!(holding(&place, &[passphrase]), Vec::<PathBuf>::new());
    }
}

fn desks(lab: &Lab) -> Vec<PathBuf> {
    let entries = fs::read_dir(lab.runtime_dir().join("towline")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "ask")).collect()
}

#[test]
fn what_a_killed_towline_left_of_its_desk_is_swept_by_the_next_one() {
    let lab = Lab::start();
    lock_key(&lab);
    let asked = with_desktop(&lab, "sleep 600");
    let mut killed = lab.command(env!("CARGO_BIN_EXE_towline"));
    killed.arg("--ssh-config").arg(lab.ssh_config()).args(["run", "lab", "--", "true"]).stdin(Stdio::null());
    killed.env("SSH_ASKPASS", lab.dir().join("desktop")).env("DISPLAY", ":99").stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    eventually(SOON, || asked.exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = desks(&lab);
    assert_eq!(left.len(), 1, "it had no time to clear up");
    // A fresh one may be of somebody who is about to listen, and one with a listener is in use.
    let listener = std::os::unix::net::UnixListener::bind(left[0].with_file_name("m-used.ask")).unwrap();
    let used = left[0].with_file_name("m-used.ask");
    fs::write(left[0].with_file_name("m-file.ask"), "").unwrap();
    let next = || bare(&lab, &["run", "lab", "--", "true"]).code();
    assert!(next().is_some());
    assert!(left[0].exists());
    let old = |path: &Path| assert!(process::command("touch").args(["-d", "2 hours ago"]).arg(path).status().unwrap().success());
    for path in desks(&lab) {
        old(&path);
    }
    assert!(next().is_some());
    let mut now = desks(&lab);
    now.sort();
    assert_eq!(now, [left[0].with_file_name("m-file.ask"), used]);
    drop(listener);
}

#[test]
fn keys_are_loaded_into_the_agent_by_their_names_alone_and_ssh_adds_words_are_told() {
    let lab = Lab::start();
    let passphrase = &passphrase();
    let socket = lab.dir().join("agent.sock");
    let _agent = Watched(lab.command("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap());
    eventually(SOON, || socket.exists());
    let key = |name: &str, passphrase: &str| {
        let file = lab.dir().join(name);
        let mut keygen = lab.command("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f"]).arg(&file);
        assert!(keygen.status().unwrap().success());
        file.display().to_string()
    };
    let (work, locked) = (key("work key", passphrase), key("locked", "that-nobody-knows"));
    let secret = private(&lab.dir().join("passphrase"), passphrase, 0o600);
    let settings = format!(
        "[secrets]\nKEY = {{ command = ['cat', '{secret}'] }}\n[hosts.lab]\npassphrases = {{ '{work}' = 'KEY' }}\n\
         agent_keys = {{ work = '{work}', locked = '{locked}', gone = '/nowhere/key' }}\n[hosts.lab.policy]\nforward_agent = 'allow'\n"
    );
    let settings = private(&lab.dir().join("settings.toml"), &settings, 0o600);
    let mut server = Server::within(&lab, &["--config", &settings], Stdio::null(), &[("SSH_AUTH_SOCK", &socket)]);
    let mut connect = |names: &[&str]| {
        server.call("Connect", &json!({"host": "lab", "add_keys": names}));
        text(&server.answers(1)[0])
    };
    let lookout = Lookout::begin(passphrase, BOTH);
    let answer = connect(&["work", "locked", "gone"]);
    lookout.saw_nothing();
    let note =
        |name: &str| answer.lines().find(|line| line.contains(&format!("ssh-add of the key {name}: "))).unwrap_or_default().to_owned();
    assert!(note("work").contains(&format!("exit 0. Identity added: {work} (work key)")), "{answer}");
    assert!(
        note("locked").contains("exit 1. It asked for the passphrase of the key") && note("locked").contains("nobody could answer"),
        "{answer}"
    );
    assert!(note("gone").contains("exit 1. /nowhere/key: No such file or directory"), "{answer}");
    let listed = lab.command("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &socket).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.lines().count() == 1 && listed.contains("work key"), "{listed}");
    assert_eq!(holding(&lab.state_dir(), &[passphrase]), Vec::<PathBuf>::new());
    // A path, or a name that only an agent knows, is nothing; and nothing is loaded if one of several is that.
    let removed = lab.command("ssh-add").args(["-q", "-D"]).env("SSH_AUTH_SOCK", &socket).status();
    assert!(removed.unwrap().success());
    for bad in [work.as_str(), "../work", "-D", ""] {
        let refused = connect(&["work", bad]);
        assert!(refused.contains("it names gone, locked, work. Nothing was loaded"), "{bad}: {refused}");
    }
    let empty = lab.command("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &socket).output().unwrap();
    assert!(!empty.status.success());
}
