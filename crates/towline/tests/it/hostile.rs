//! Every string parameter of every tool with words that a careless program would run, over a real sshd: nothing runs.
//!
//! Holds to: where the tests have root's rights, the host's side sees the machine's files read-only, in a mount namespace of its
//! own; where it cannot have one, no word climbs out of the home directory. Leaves out: the command of Bash, which is meant to run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Map, Value, json};
use towline_mcp::{HostParameter, tools};
use towline_testkit::{Lab, LabOptions, SshdOptions};

/// Words that end in a file named `pwned`, should anybody run them.
const WORDS: &[&str] = &[
    "$(touch pwned)",
    "`touch pwned`",
    ";touch pwned;",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "x\ntouch pwned\n",
    "|touch pwned&",
    "-oProxyCommand=touch pwned",
    "--pre=touch pwned",
    "-exec touch pwned ;",
    "}; touch pwned; {",
    "a b",
    "*",
    "~",
    "%s%n\\",
    "[(",
    "🦀\u{202e}\u{7f}",
];
/// What a tool is there to run, or to type where a person would: its words may act.
const RUN_OR_TYPED: [(&str, &str); 3] = [("Bash", "command"), ("TerminalOpen", "command"), ("TerminalSend", "text")];
const CLIMBING: &str = "../../../../../../../../etc/passwd";

/// The login shell of the lab: everything but the home directory is read-only for what it starts.
const CAGE: &str = r#"#!/bin/sh
exec unshare -m sh -c 'mount --make-rprivate / && mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro / && cd "$HOME" && exec /bin/sh "$@"' sh "$@"
"#;

/// Arguments with which a tool can be called.
fn plain(tool: &str) -> Value {
    match tool {
        "Bash" | "TerminalOpen" => json!({"command": "true"}),
        "JobOutput" | "JobStop" => json!({"id": "zzzzzz"}),
        "Read" => json!({"file_path": "f"}),
        "MultiRead" => json!({"files": [{"file_path": "f"}]}),
        "Write" => json!({"file_path": "f", "content": "x"}),
        "Edit" => json!({"file_path": "f", "old_string": "none", "new_string": "y"}),
        "MultiEdit" => json!({"file_path": "f", "edits": [{"old_string": "none", "new_string": "y"}]}),
        "Stat" => json!({"paths": ["f"]}),
        "Glob" | "Grep" => json!({"pattern": "x"}),
        _ => json!({}),
    }
}

/// The same arguments with a word in the place of each text that the schema allows: where it stands, and the arguments.
fn with_word(schema: &Map<String, Value>, given: &Value, word: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut put = |at: String, value: Value| {
            let mut arguments = given.clone();
            arguments[name] = value;
            all.push((at, arguments));
        };
        match property["type"].as_str() {
            Some("string") if property.get("enum").is_none() => put(name.clone(), json!(word)),
            Some("array") if property["items"]["type"] == "string" => put(format!("{name}[]"), json!([word])),
            Some("array") => {
                let items = property["items"].as_object().expect("a schema of items");
                for (at, item) in with_word(items, &given[name][0], word) {
                    put(format!("{name}[].{at}"), json!([item]));
                }
            }
            Some("object") => {
                put(format!("{name}.*"), json!({"NAME": word}));
                put(format!("{name} key"), json!({word: "x"}));
            }
            _ => {}
        }
    }
    all
}

/// A server and its client's side.
pub(crate) struct Server {
    child: Child,
    write: ChildStdin,
    read: BufReader<ChildStdout>,
    next: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(lab: &Lab) -> Self {
        Self::with(lab, &[], Stdio::null())
    }

    /// With more words on its command line, and its log somewhere.
    pub(crate) fn with(lab: &Lab, words: &[&str], log: Stdio) -> Self {
        Self::within(lab, words, log, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn within(lab: &Lab, words: &[&str], log: Stdio, env: &[(&str, &Path)]) -> Self {
        let mut command = lab.command("timeout");
        command.envs(env.iter().copied());
        command.args(["--foreground", "-k", "1", "300", env!("CARGO_BIN_EXE_towline"), "--ssh-config"]).arg(lab.ssh_config()).arg("mcp");
        command.args(words).env("TOWLINE_LOG", "trace");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (write, read) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, write, read, next: 1 };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        server.send("initialize", &params);
        server.answers(1);
        server
    }

    fn send(&mut self, method: &str, params: &Value) {
        let message = json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params});
        self.next += 1;
        self.write.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) {
        self.send("tools/call", &json!({"name": tool, "arguments": arguments}));
    }

    /// So many answers; each is one, and no error of the protocol.
    pub(crate) fn answers(&mut self, count: usize) -> Vec<Value> {
        let mut line = || {
            let mut text = String::new();
            assert!(self.read.read_line(&mut text).unwrap() > 0, "the server ended");
            let message: Value = serde_json::from_str(&text).unwrap();
            assert!(message["result"].is_object(), "{message}");
            message["result"].clone()
        };
        (0..count).map(|_| line()).collect()
    }
}

/// Whether the words may climb out of the home directory, and the login shell with which they may.
fn cage(directory: &Path) -> (bool, Vec<String>) {
    if !rustix::process::geteuid().is_root() {
        return (true, Vec::new());
    }
    let file = directory.join("cage");
    std::fs::write(&file, CAGE).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test looks whether this machine gives it a namespace")]
    let mut probe = std::process::Command::new(&file);
    let probe = probe.env("HOME", directory).args(["-c", "! : >/etc/towline-cage && : >inside"]).stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) { (true, vec![file.to_string_lossy().into_owned()]) } else { (false, Vec::new()) }
}

fn pwned(directory: &Path) -> bool {
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name() == "pwned" || (entry.file_type().is_ok_and(|kind| kind.is_dir()) && pwned(&entry.path())))
}

#[test]
fn no_word_of_any_parameter_of_any_tool_is_run() {
    let place = tempfile::tempdir().unwrap();
    let (climbs, login_shell) = cage(place.path());
    let lab = Lab::with(LabOptions { sshd: SshdOptions { login_shell, ..SshdOptions::default() }, ..LabOptions::default() });
    std::fs::write(lab.sshd.home().join("f"), "text\n").unwrap();
    let words: Vec<&str> = WORDS.iter().copied().chain(climbs.then_some(CLIMBING)).collect();
    let accounts = std::fs::read("/etc/passwd").unwrap();
    let mut server = Server::start(&lab);
    let mut tried = 0;
    for tool in tools::ALL {
        let schema = tool.schema(HostParameter::Required);
        let mut given = plain(tool.name);
        if schema["properties"].get("host").is_some() {
            given["host"] = json!("lab");
        }
        for word in &words {
            let calls = with_word(&schema, &given, word);
            let calls: Vec<_> = calls.into_iter().filter(|(at, _)| !RUN_OR_TYPED.contains(&(tool.name, at.as_str()))).collect();
            for (_, arguments) in &calls {
                server.call(tool.name, arguments);
            }
            server.answers(calls.len());
            tried += calls.len();
            for directory in [lab.sshd.home(), lab.dir().to_path_buf(), place.path().to_path_buf()] {
                assert!(!pwned(&directory), "{} runs {word:?}", tool.name);
            }
        }
    }
    assert!(tried > words.len() * 40, "{tried} calls are not all parameters");
    assert_eq!(std::fs::read("/etc/passwd").unwrap(), accounts);
    server.call("Bash", &json!({"host": "lab", "command": "echo alive; echo \"$(touch pwned)\""}));
    assert!(server.answers(1)[0]["content"][0]["text"].as_str().unwrap().starts_with("alive\n"));
    assert!(pwned(&lab.sshd.home()), "what is run is seen");
}
