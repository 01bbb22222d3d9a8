//! Settings, rules and the journal through the program itself: what is in force, which rule decides, what is refused, what was done.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use towline_testkit::Lab;

use crate::hostile::Server;
use crate::process::towline;
use crate::run::towline as at_lab;

const SETTINGS: &str = r#"default_host = "dev"
tools = "coding"

[defaults]
cwd = "/srv"
keep = { idle_days = 2 }

[groups.web]
hosts = ["web-*"]
user = "deploy"

[hosts.dev]
ssh = "dev.example.com"
env = { TZ = "UTC" }

[hosts.prod.policy]
mode = "read-only"
never = ["/srv/keys"]

[policy]
ask = ["Bash"]
guards = [{ pattern = 'rm\s+-rf\s+/', then = "refuse", say = "not the whole machine" }]
"#;

/// Writes a settings file where the program looks for it, or at another place of its home.
fn settings(home: &Path, text: &str) {
    let file = home.join(".config/towline/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Exit code, stdout and stderr, with the home directory written as `~`.
fn run(home: &TempDir, words: &[&str]) -> (i32, String, String) {
    let output = towline(home).current_dir(home.path()).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*home.path().to_string_lossy(), "~");
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_in_force_is_printed_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), SETTINGS);
    let (code, text, stderr) = run(&home, &["config", "check", "prod"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!(text, @r#"
    settings: ~/.config/towline/config.toml
    state_dir             ~/.local/state/towline  (built in)
    programs.ssh          ssh  (built in)
    programs.tmux         tmux  (built in)
    default_host          dev  (the settings)
    ssh                   not said  (built in)
    user                  not said  (built in)
    port                  not said  (built in)
    identity_file         not said  (built in)
    jump                  not said  (built in)
    cwd                   "/srv"  (defaults.cwd, ~/.config/towline/config.toml:5)
    shell                 not said  (built in)
    keep.read_days        1  (built in)
    keep.unread_days      7  (built in)
    keep.outcomes         2000  (built in)
    keep.output_mb        512  (built in)
    keep.execution_mb     32  (built in)
    keep.idle_days        2  (defaults.keep.idle_days, ~/.config/towline/config.toml:6)
    password              not said  (built in)
    passphrases           not said  (built in)
    one_time_code         not said  (built in)
    sudo_password         not said  (built in)
    agent_keys            not said  (built in)
    forward_agent         not said  (built in)
    policy.mode           read-only  (hosts.prod.policy.mode, ~/.config/towline/config.toml:17)
    policy.ask            Bash  (policy.ask, ~/.config/towline/config.toml:21)
    policy.secrets        none  (built in)
    policy.never          /srv/keys  (hosts.prod.policy.never, ~/.config/towline/config.toml:18)
    policy.forward_agent  ask  (built in)
    policy.password       refuse  (built in)
    policy.guards         "rm\\s+-rf\\s+/"  (policy.guards, ~/.config/towline/config.toml:22)
    "#);
    let (code, text, _) = run(&home, &["config", "check"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(text, @r#"
    settings: ~/.config/towline/config.toml
    hosts: dev, prod
    state_dir             ~/.local/state/towline  (built in)
    programs.ssh          ssh  (built in)
    programs.tmux         tmux  (built in)
    default_host          dev  (the settings)
    policy.ask            Bash  (policy.ask, ~/.config/towline/config.toml:21)
    policy.secrets        none  (built in)
    policy.forward_agent  ask  (built in)
    policy.password       refuse  (built in)
    policy.guards         "rm\\s+-rf\\s+/"  (policy.guards, ~/.config/towline/config.toml:22)
    "#);
}

#[test]
fn a_mistake_is_named_with_its_line_and_the_near_key() {
    let home = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("[hosts.a]\nusr = \"x\"", "towline: ~/.config/towline/config.toml:2: there is no key \"usr\" here; did you mean \"user\"?"),
        ("[policy]\ntools = [\"Raed\"]", "\"Raed\" is no tool, family or set; did you mean \"Read\"?"),
        ("default_host = \"-x\"", "config.toml:1: default_host: host: "),
    ] {
        settings(home.path(), text);
        for words in [&["config", "check"][..], &["hosts"], &["audit"]] {
            let (code, stdout, stderr) = run(&home, words);
            assert_eq!((code, stdout.as_str()), (125, ""), "{text}: {stderr}");
            let joined = stderr.replace("\n  ", " ");
            assert!(joined.contains(said), "{text}: {stderr}");
        }
    }
    settings(home.path(), "");
    fs::set_permissions(home.path().join(".config/towline/config.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    let (code, _, stderr) = run(&home, &["hosts"]);
    assert!(code == 125 && stderr.contains("others may write it"), "{stderr}");
}

#[test]
fn the_rule_that_decides_is_explained() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), SETTINGS);
    let project = "[policy]\nwithout = [\"Write\"]\n";
    fs::write(home.path().join(".towline.toml"), project).unwrap();
    for (words, code, first) in [
        (&["prod", "Bash", "ls"][..], 1, "Bash on prod: refused"),
        (&["dev", "Bash", "ls"], 0, "Bash on dev: permitted after a person has confirmed it"),
        (&["dev", "Bash", "rm -rf /"], 1, "Bash on dev: refused"),
        (&["dev", "Read", "/etc/passwd"], 0, "Read on dev: permitted"),
        (&["prod", "Read", "/srv/x"], 0, "Read on prod: permitted, if it leads where the text says"),
        (&["prod", "Read", "/srv/keys/a"], 1, "Read on prod: refused"),
        (&["dev", "Write", "/tmp/x"], 1, "Write on dev: refused"),
        (&["dev", "Connect", "forward_agent=true"], 0, "Connect on dev: permitted after a person has confirmed it"),
        (&["dev", "Connect", "password=hunter2"], 1, "Connect on dev: refused"),
    ] {
        let (exit, text, stderr) = run(&home, &[&["policy", "explain"], words].concat());
        assert_eq!((exit, text.lines().next()), (code, Some(first)), "{words:?}: {text}{stderr}");
    }
    let (_, text, _) = run(&home, &["policy", "explain", "prod", "Bash", "rm -rf /"]);
    insta::assert_snapshot!(text, @r#"
    Bash on prod: refused
    decided by: only looking is permitted (hosts.prod.policy.mode, ~/.config/towline/config.toml:17)
      refuse  only looking is permitted (hosts.prod.policy.mode, ~/.config/towline/config.toml:17)
      ask     the tool is one of those that are asked about (policy.ask, ~/.config/towline/config.toml:21)
      refuse  not the whole machine (policy.guards, ~/.config/towline/config.toml:22)
    "#);
}

#[test]
fn what_a_rule_refuses_is_not_done_and_the_journal_tells_it() {
    let lab = Lab::start();
    let file = lab.dir().join("settings.toml");
    let text = "[hosts.lab.policy]\nguards = [{ pattern = 'forbidden', then = 'refuse', say = 'that word is not for here' }]\n";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_string_lossy().into_owned();
    let run = |words: &[&str]| {
        let output = at_lab(&lab, &[&["--config", &file], words].concat()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    };
    let touched = lab.sshd.home().join("touched");
    let (code, stdout, stderr) = run(&["run", "lab", "--", "touch touched # forbidden"]);
    assert_eq!((code, stdout.as_str()), (125, ""));
    let joined = stderr.replace("\n  ", " ");
    assert!(joined.contains("Bash on lab is not permitted: that word is not for here (hosts.lab.policy.guards, "), "{stderr}");
    assert!(!touched.exists());
    assert_eq!(run(&["run", "lab", "--", "touch touched"]).0, 0);
    assert!(touched.exists());
    let (code, text, _) = run(&["audit", "--tool", "Bash"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(code == 0 && lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    assert!(lines[0].contains(" Bash on lab/cli [towline "), "{text}");
    assert!(text.contains("\n    touch touched # forbidden\n    refused (hosts.lab.policy.guards,"), "{text}");
    assert!(lines.contains(&"    touch touched"), "{text}");
    assert_eq!(text.matches("refused").count(), 1, "{text}");
    let (code, text, _) = run(&["audit", "verify"]);
    assert!(code == 0 && text.contains("whole: "), "{text}");
    // What was changed afterwards is seen.
    let journal = lab.state_dir().join("towline/audit/journal.jsonl");
    let changed = fs::read_to_string(&journal).unwrap().replacen("forbidden", "permitted", 1);
    fs::write(&journal, changed).unwrap();
    let (code, text, _) = run(&["audit", "verify"]);
    assert!(code == 1 && text.contains("was changed"), "{text}");
}

#[test]
fn what_has_to_be_confirmed_is_not_done_where_there_is_no_terminal() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), "[policy]\nask = [\"Bash\"]\n");
    // A session of its own has no terminal, also where the tests have one.
    let mut command = towline_testkit::process::command("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_towline"), "run", "nowhere.invalid", "--", "true"]);
    let output = command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).replace("\n  ", " ");
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("has to be confirmed by a person") && said.contains("there is no terminal to ask at"), "{said}");
}

#[test]
fn a_person_is_never_kept_from_their_own_commands_by_rules_that_name_tools() {
    let home = tempfile::tempdir().unwrap();
    settings(home.path(), "[policy]\ntools = [\"Read\"]\n");
    let (code, _, stderr) = run(&home, &["clean", "nowhere.invalid"]);
    assert!(code == 125 && !stderr.contains("not permitted"), "{stderr}");
    let (code, _, stderr) = run(&home, &["run", "nowhere.invalid", "--", "true"]);
    let joined = stderr.replace("\n  ", " ");
    assert!(code == 125 && joined.contains("it is none of the tools that are permitted"), "{stderr}");
}

#[test]
fn a_login_uses_the_secret_that_the_settings_name_for_the_host_under_its_own_name() {
    let lab = Lab::start();
    let key = lab.sshd.key();
    let changed = lab.command("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "open-sesame-please", "-f"]).arg(&key).status().unwrap();
    assert!(changed.success());
    let private = |name: &str, text: &str| {
        let file = lab.dir().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file.to_string_lossy().into_owned()
    };
    let secret = private("key-pw", "open-sesame-please\n");
    let user = lab.ssh().args(["-G", "lab"]).output().unwrap();
    let user = String::from_utf8_lossy(&user.stdout).lines().find_map(|line| line.strip_prefix("user ").map(str::to_owned)).unwrap();
    let text = format!(
        "[secrets]\nKEY = {{ file = \"{secret}\" }}\n[hosts.bare]\nssh = \"lab\"\n[hosts.work]\nssh = \"lab\"\nuser = \"{user}\"\npassphrases = {{ \"{}\" = \"KEY\" }}\n",
        key.display()
    );
    let config = private("settings.toml", &text);
    let run = |host: &str| {
        let output = at_lab(&lab, &["--config", &config, "run", host, "--", "echo in; echo open-sesame-please"]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\n  ", " ");
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, stderr) = run("bare");
    assert!(code == 125 && stderr.contains("the passphrase of the key"), "{stderr}");
    assert_eq!(run("work"), (0, "in\n[redacted KEY]\n".to_owned(), String::new()));
}

#[test]
fn root_the_forwarded_agent_and_a_password_in_a_call_are_judged_before_anything_is_started() {
    let lab = Lab::start();
    let config = lab.dir().join("settings.toml");
    fs::write(&config, "[policy]\nsudo = \"refuse\"\nforward_agent = \"refuse\"\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let mut server = Server::with(&lab, &["--config", &config.to_string_lossy()], std::process::Stdio::null());
    for (tool, arguments, said) in [
        (
            "Bash",
            json!({"command": "id", "sudo": true}),
            "Bash on lab+root is not permitted: acting as root is not permitted (policy.sudo, ",
        ),
        ("Read", json!({"file_path": "/etc/shadow", "host": "lab+root"}), "Read on lab+root is not permitted: acting as root"),
        ("Connect", json!({"sudo": true}), "Connect on lab+root is not permitted: acting as root"),
        ("Connect", json!({"forward_agent": true}), "Connect on lab is not permitted: forwarding the ssh agent is not permitted"),
        ("Connect", json!({"password": "hunter2-hunter2"}), "a password in a tool's parameters is not permitted (built in)"),
        ("Connect", json!({"password": "hunter2-hunter2"}), "towline auth HOST"),
        ("Bash", json!({"command": "echo fine"}), "fine"),
    ] {
        let mut arguments = arguments;
        if arguments.get("host").is_none() {
            arguments["host"] = json!("lab");
        }
        server.call(tool, &arguments);
        let answer = server.answers(1)[0]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(answer.contains(said) && !answer.contains("hunter2"), "{tool} {arguments}: {answer}");
    }
    drop(server);
    let journal = fs::read_to_string(lab.state_dir().join("towline/audit/journal.jsonl")).unwrap();
    assert!(journal.contains("\"password\":true") && !journal.contains("hunter2"), "{journal}");
}
