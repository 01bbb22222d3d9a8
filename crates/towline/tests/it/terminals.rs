//! Terminals of the real program: it is killed, and another goes on with them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};
use towline_testkit::Lab;

use crate::run::towline;

/// A running server with its client.
struct Server {
    child: Child,
    write: ChildStdin,
    read: BufReader<ChildStdout>,
    last: u64,
}

impl Server {
    fn start(lab: &Lab) -> Self {
        let mut command = lab.command(env!("CARGO_BIN_EXE_towline"));
        command.arg("--ssh-config").arg(lab.ssh_config()).args(["mcp", "--session-key", "kept"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (write, read) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, write, read, last: 0 };
        let client = json!({"name": "raw", "version": "1"});
        server.ask("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}));
        server.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    fn say(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).unwrap();
        self.write.flush().unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let mut line = String::new();
            assert!(self.read.read_line(&mut line).unwrap() > 0, "no answer to {method}");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// What an agent reads of a call.
    fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let answer = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_terminal_is_there_after_towline_was_killed() {
    let lab = Lab::start();
    std::fs::write(lab.sshd.home().join(".bash_profile"), "PS1='prompt$ '\n").unwrap();
    let mut server = Server::start(&lab);
    server.call("Bash", &json!({"host": "lab", "command": "true"}));
    server.call("TerminalOpen", &json!({"host": "lab", "name": "t", "cols": 100, "rows": 24}));
    let said =
        server.call("TerminalSend", &json!({"host": "lab", "name": "t", "text": "Y=there; echo one", "enter": true, "wait": "prompt"}));
    assert!(said.contains("\none\n"), "{said}");
    let waits = "until [ -e ~/go ]; do sleep 0.1; done; echo $((1))-unread";
    server.call("TerminalSend", &json!({"host": "lab", "name": "t", "text": waits, "enter": true, "wait": "none"}));
    server.kill();
    std::fs::write(lab.sshd.home().join("go"), "").unwrap();

    let mut server = Server::start(&lab);
    let hosts = server.call("Hosts", &json!({}));
    assert!(hosts.contains("terminal t on lab: 100x24, open\n") && hosts.contains("a person watches lab with:\n    tmux -S "), "{hosts}");
    let missed = server.call("TerminalRead", &json!({"host": "lab", "name": "t", "mode": "changes", "pattern": "1-unread\n"}));
    assert!(missed.contains("1-unread") && !missed.contains("\none\n"), "{missed}");
    let said =
        server.call("TerminalSend", &json!({"host": "lab", "name": "t", "text": "echo still-$Y", "enter": true, "wait": "^still-there"}));
    assert!(said.contains("still-there"), "{said}");
    let same = server.call("TerminalOpen", &json!({"host": "lab", "name": "t"}));
    assert!(same.contains("was open already"), "{same}");
    server.call("TerminalClose", &json!({"host": "lab", "name": "t"}));
    drop(server);
    // Its recording went on, too.
    let shown = towline(&lab, &["transcript", "show", "lab/t.cast"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("one") && shown.contains("still-there"), "{shown}");
}

/// What a command shows on a terminal of 80 columns; a line that the terminal itself wraps is one.
fn on_a_terminal(lab: &Lab, words: &[&str], until: &str) -> String {
    let dir = tempfile::Builder::new().prefix("tl-").tempdir().unwrap();
    let tmux = |words: &[&str]| {
        let mut tmux = lab.command("tmux");
        tmux.env_remove("TMUX").arg("-S").arg(dir.path().join("socket")).args(["-u", "-f", "/dev/null"]).args(words).output().unwrap()
    };
    let ssh_config = lab.ssh_config();
    let own = ["new-session", "-d", "-x", "80", "-y", "40", env!("CARGO_BIN_EXE_towline"), "--ssh-config", ssh_config.to_str().unwrap()];
    // A program that ended leaves its screen to be read.
    let started = tmux(&[&["set-option", "-g", "remain-on-exit", "on", ";"], &own[..], words].concat());
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let mut shown = String::new();
    towline_testkit::eventually(std::time::Duration::from_secs(60), || {
        shown = String::from_utf8_lossy(&tmux(&["capture-pane", "-p", "-J", "-S", "-"]).stdout).into_owned();
        shown.contains(until)
    });
    tmux(&["kill-server"]);
    shown
}

#[test]
fn a_command_that_a_person_copies_stands_on_one_line_of_its_own() {
    let lab = Lab::start();
    let mut server = Server::start(&lab);
    server.call("TerminalOpen", &json!({"host": "lab", "name": "t", "command": "exec cat"}));
    let piped = String::from_utf8(towline(&lab, &["hosts"]).output().unwrap().stdout).unwrap();
    let command = piped.lines().find(|line| line.starts_with("    tmux -S ")).unwrap_or_else(|| panic!("{piped}")).to_owned();
    assert!(command.ends_with(" attach -t '=towline/lab:'"), "{command}");
    // The lab's own ssh_config names these hosts, and no other does.
    let named = "In ssh_config: lab, direct";
    assert!(piped.contains(named), "{piped}");
    let connected = server.call("Connect", &json!({"host": "lab"}));
    for (what, text) in [
        ("hosts", on_a_terminal(&lab, &["hosts"], named)),
        ("check", on_a_terminal(&lab, &["check", "lab"], "All is well")),
        ("Connect", connected),
    ] {
        assert_eq!(text.lines().filter(|line| line.trim_end() == command).count(), 1, "{what}: {text}");
    }
    server.call("TerminalClose", &json!({"host": "lab", "name": "t"}));
}
