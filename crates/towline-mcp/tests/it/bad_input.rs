//! Arguments that do not fit: the error names the parameter, nothing reaches the engine, the server lives on.

use serde_json::{Value, json};
use towline_engine::Action;
use towline_engine::action::WaitFor;
use towline_mcp::Selection;

use crate::stand_in::{Client, Scripted, settings};

/// The tool's call for these arguments, or the error's text.
fn call(tool: &str, arguments: &Value) -> Result<towline_engine::Call, String> {
    let all = Selection::all();
    let tool = all.find(tool).map_err(|failure| failure.to_string())?;
    tool.call(arguments.as_object().cloned().unwrap_or_default(), None, None).map_err(|failure| failure.to_string())
}

#[test]
fn an_error_names_the_parameter() {
    let long = "x".repeat(300);
    let table = [
        ("Bash", json!({"host": "h"}), "Bash: missing parameter \"command\" (a string) [bad_input]"),
        ("Bash", json!({"command": "x"}), "Bash: missing parameter \"host\" (a string) [bad_input]"),
        ("Bash", json!({"host": null, "command": "x"}), "Bash: parameter \"host\" must be a string, not null"),
        ("Bash", json!({"host": "h", "command": 5}), "Bash: parameter \"command\" must be a string, not 5 [bad_input]"),
        ("Bash", json!({"host": "h", "command": "x", "timeout": "soon"}), "parameter \"timeout\" must be an integer from 0, not \"soon\""),
        ("Bash", json!({"host": "h", "command": "x", "timeout": -1}), "\"timeout\" must be an integer from 0, not -1"),
        ("Bash", json!({"host": "h", "command": "x", "timeout": 1.5}), "\"timeout\" must be an integer from 0, not 1.5"),
        ("Bash", json!({"host": "h", "command": "x", "timeout": 0}), "\"timeout\" must be at least 1"),
        ("Bash", json!({"host": "h", "command": "x", "fresh": "yes"}), "\"fresh\" must be true or false, not \"yes\""),
        ("Bash", json!({"host": "h", "command": "x", "fresh": 1}), "\"fresh\" must be true or false, not 1"),
        ("Bash", json!({"host": "h", "command": "x", "stderr": "apart"}), "\"stderr\" must be one of \"merged\", \"separate\""),
        ("Bash", json!({"host": "h", "command": "x", "env": ["A=1"]}), "\"env\" must be an object, not [\"A=1\"]"),
        ("Bash", json!({"host": "h", "command": "x", "env": {"A": {}}}), "\"env.A\" must be a string, not {}"),
        (
            "Bash",
            json!({"host": "h", "command": "x", "cmd": 1}),
            "Bash: unknown parameter \"cmd\" [bad_input]\nBash takes: host, command, timeout",
        ),
        ("Bash", json!({"host": "h", "command": "a\0b"}), "\"command\" holds a NUL"),
        ("Bash", json!({"host": "-oProxyCommand=x", "command": "x"}), "host: \"-oProxyCommand=x\" cannot be used"),
        ("Bash", json!({"host": "a b", "command": "x"}), "[bad_host]"),
        ("Bash", json!({"host": "h", "command": "x", "session": "../x"}), "session: \"../x\" cannot be used"),
        ("Hosts", json!({"host": "h"}), "Hosts: unknown parameter \"host\" [bad_input]\nHosts takes: no parameters."),
        ("Jobs", json!({"host": "h", "session": "x"}), "Jobs: unknown parameter \"session\""),
        ("JobOutput", json!({"host": "h", "id": "../../"}), "JobOutput: id: \"../../\" cannot be used"),
        ("JobOutput", json!({"host": "h", "id": "k3f9xx", "offset": -1}), "\"offset\" must be an integer from 0, not -1"),
        ("JobOutput", json!({"host": "h", "id": "k3f9xx", "wait_for": ""}), "\"wait_for\" must be"),
        ("JobStop", json!({"host": "h", "id": "k3f9xx", "signal": "-9"}), "\"signal\" must be a signal's name"),
        ("JobStop", json!({"host": "h", "id": "k3f9xx", "signal": "SIG"}), "\"signal\" must be a signal's name"),
        (
            "Read",
            json!({"host": "h", "file_path": "a.pdf", "pages": "1-2"}),
            "Read: parameter \"pages\" is not supported [bad_input]\ntowline does not read PDF",
        ),
        ("Read", json!({"host": "h", "file_path": ""}), "\"file_path\" is empty"),
        ("Read", json!({"host": "h", "file_path": "a", "limit": 0}), "\"limit\" must be at least 1"),
        ("MultiRead", json!({"host": "h", "files": [{"file_path": "a"}, {"path": "b"}]}), "unknown parameter \"files[1].path\""),
        ("MultiRead", json!({"host": "h", "files": [{}]}), "missing parameter \"files[0].file_path\""),
        ("MultiRead", json!({"host": "h", "files": "a"}), "\"files\" must be a list, not \"a\""),
        ("MultiRead", json!({"host": "h", "files": []}), "\"files\" is empty"),
        ("Write", json!({"host": "h", "file_path": "a", "content": "%%", "base64": true}), "\"content\" is not base64"),
        ("Write", json!({"host": "h", "file_path": "a\0", "content": ""}), "\"file_path\" holds a NUL"),
        ("MultiEdit", json!({"host": "h", "file_path": "a", "edits": []}), "\"edits\" is empty"),
        ("Stat", json!({"host": "h", "paths": [""]}), "\"paths\" is empty"),
        (
            "Grep",
            json!({"host": "h", "pattern": "x", "output_mode": "lines"}),
            "must be one of \"content\", \"files_with_matches\", \"count\"",
        ),
        ("Grep", json!({"host": "h", "pattern": "x", "-Z": 1}), "unknown parameter \"-Z\""),
        ("Connect", json!({"host": "h", "port": 70000}), "\"port\" must be 1 to 65535"),
        ("Connect", json!({"host": "h", "port": 0}), "\"port\" must be 1 to 65535"),
        ("Connect", json!({"host": "h", "jump": "-x"}), "parameter \"jump\": "),
        ("Bash", json!({"host": "h", "command": [long]}), "not [\"xxxxxx"),
        ("TodoWrite", json!({}), "there is no tool \"TodoWrite\" [unknown]\nThe tools are: Bash, Jobs,"),
    ];
    for (tool, arguments, expected) in table {
        let error = call(tool, &arguments).expect_err(&arguments.to_string());
        assert!(error.contains(expected), "{tool} {arguments}\n  said {error}\n  not  {expected}");
        assert!(error.len() < 600, "{error}");
    }
}

#[test]
fn the_right_thing_in_the_wrong_dress_is_taken() {
    let same = [
        ("Read", json!({"file_path": "a", "offset": 5, "limit": 6}), json!({"file_path": "a", "offset": "5", "limit": 6.0, "pages": ""})),
        ("Bash", json!({"command": "x", "fresh": true}), json!({"command": "x", "fresh": "true", "stdin": null})),
        ("Bash", json!({"command": "x", "env": {"A": "1"}}), json!({"command": "x", "env": "{\"A\": \"1\"}"})),
        ("MultiRead", json!({"files": [{"file_path": "a"}]}), json!({"files": "[{\"file_path\": \"a\", \"limit\": null}]"})),
        (
            "MultiEdit",
            json!({"file_path": "f", "edits": [{"old_string": "a", "new_string": "b", "replace_all": false}]}),
            json!({"file_path": "f", "edits": [{"old_string": "a", "new_string": "b", "replace_all": "false"}]}),
        ),
        ("Grep", json!({"pattern": "x", "-A": 3, "-n": true}), json!({"pattern": "x", "-A": "3"})),
        ("JobStop", json!({"id": "k3f9xx", "signal": "INT"}), json!({"id": "k3f9xx", "signal": "SIGINT"})),
    ];
    for (tool, plain, dressed) in same {
        let with_host = |mut value: Value| {
            value["host"] = json!("h");
            value
        };
        assert_eq!(call(tool, &with_host(plain)).unwrap(), call(tool, &with_host(dressed)).unwrap());
    }
}

#[test]
fn text_that_looks_like_json_stays_text() {
    let call = call("Write", &json!({"host": "h", "file_path": "a", "content": "[1]"})).unwrap();
    let Action::Write(write) = call.action else { panic!("{call:?}") };
    assert_eq!(write.content, b"[1]");
}

#[test]
fn a_wait_is_for_the_end_for_output_or_for_a_pattern() {
    for (given, expected) in [
        (json!(null), WaitFor::End),
        (json!("end"), WaitFor::End),
        (json!("output"), WaitFor::Output),
        (json!("ready on \\d+"), WaitFor::Pattern("ready on \\d+".into())),
    ] {
        let call = call("JobOutput", &json!({"host": "h", "id": "k3f9xx", "wait_for": given})).unwrap();
        let Action::JobOutput(job) = call.action else { panic!("{call:?}") };
        assert_eq!(job.wait_for, expected);
    }
}

#[tokio::test]
async fn nothing_of_it_reaches_the_engine_and_the_server_lives_on() {
    let work = Scripted::default();
    let mut client = Client::plain(&work);
    client.initialize("2025-11-25").await;
    for (id, (tool, arguments)) in (10..).zip([
        ("Nope", json!({})),
        ("Bash", json!({})),
        ("Bash", json!({"host": "-x", "command": "a"})),
        ("Read", json!({"file_path": 5})),
    ]) {
        let (error, text) = client.call(id, tool, arguments).await;
        assert!(error, "{text}");
    }
    assert!(work.seen.lock().unwrap().is_empty());
    assert_eq!(
        client.call(20, "Bash", json!({"host": "h", "command": "hello"})).await.1,
        "hello\n[exit 0 · 1.24 s · /srv/app · id k3f9xx]"
    );
}

#[tokio::test]
async fn a_pinned_server_takes_its_own_host_and_no_other() {
    let work = Scripted::default();
    let mut client = Client::start(work.clone(), settings("all", Some("prod")));
    client.initialize("2025-11-25").await;
    assert!(!client.call(2, "Bash", json!({"command": "a"})).await.0);
    assert!(!client.call(3, "Bash", json!({"command": "a", "host": "prod"})).await.0);
    let (error, text) = client.call(4, "Bash", json!({"command": "a", "host": "other"})).await;
    assert!(error && text.contains("works on prod only"), "{text}");
    assert!(!client.call(5, "Hosts", json!({})).await.0);
    let seen = work.seen.lock().unwrap();
    let hosts: Vec<_> = seen.iter().map(|(call, ..)| call.host.as_ref().map(ToString::to_string)).collect();
    assert_eq!(hosts, [Some("prod".into()), Some("prod".into()), None]);
}
