//! The parameters of an action as the journal keeps them: texts redacted and bounded, contents as digests, values of variables not at all.

use serde_json::{Map, Value, json};
use towline_base::{SecretName, limits};
use towline_transport::AgentForwarding;

use super::record::hash;
use crate::action::{
    Action, Asks, Bash, Clean, Connect, Disconnect, Edit, Glob, Grep, JobOutput, JobStop, List, Mode, OnTimeout, Place, ReadWindow, Size,
    TerminalOpen, TerminalRead, TerminalSend, TerminalWait, WaitFor, Write,
};

/// The parameters; `clean` takes known secrets out of a text.
pub(crate) fn of(action: &Action, clean: &dyn Fn(&str) -> String) -> Value {
    let text = |text: &str| bounded(&clean(text));
    let some = |value: &Option<String>| value.as_deref().map_or(Value::Null, text);
    let fields = match action {
        Action::Bash(bash) => of_bash(bash, &text),
        Action::Jobs | Action::Hosts | Action::SignIn => json!({}),
        Action::JobOutput(JobOutput { id, stream: _, offset, limit, tail, grep, wait: _, wait_for }) => {
            let pattern = match wait_for {
                WaitFor::Pattern(pattern) => text(pattern),
                WaitFor::End | WaitFor::Output => Value::Null,
            };
            json!({"id": id.as_str(), "offset": offset, "limit": limit, "tail": tail, "grep": some(grep), "pattern": pattern})
        }
        Action::JobStop(JobStop { id, signal }) => json!({"id": id.as_str(), "signal": signal}),
        Action::Read(window) => of_window(window, &text),
        Action::MultiRead(windows) => json!({"files": windows.iter().map(|window| of_window(window, &text)).collect::<Vec<_>>()}),
        Action::Write(Write { file_path, content, append }) => {
            json!({"file_path": text(file_path), "content": digest(content), "append": append})
        }
        Action::Edit(Edit { file_path, edits, multi: _ }) => {
            let one = |edit: &crate::action::Replacement| json!({"old": digest(edit.old.as_bytes()), "new": digest(edit.new.as_bytes()), "all": edit.all});
            json!({"file_path": text(file_path), "edits": edits.iter().map(one).collect::<Vec<_>>()})
        }
        Action::Stat(paths) => json!({"paths": paths.iter().map(|path| text(path)).collect::<Vec<_>>()}),
        Action::List(List { path, hidden }) => json!({"path": some(path), "hidden": hidden}),
        Action::Glob(Glob { pattern, path }) => json!({"pattern": text(pattern), "path": some(path)}),
        Action::Grep(Grep { pattern, path, glob, file_type, .. }) => {
            json!({"pattern": text(pattern), "path": some(path), "glob": some(glob), "type": some(file_type)})
        }
        Action::Connect(connect) => of_connect(connect, &text),
        Action::Trust(fingerprints) => json!({"fingerprints": fingerprints}),
        Action::Disconnect(Disconnect { end }) => json!({"end": end}),
        Action::Clean(what) => json!({"what": match what {
            Clean::List => "list",
            Clean::Finished => "finished",
            Clean::Everything => "everything",
        }}),
        Action::TerminalOpen(TerminalOpen { name, size: Size { cols, rows }, command, persist }) => {
            json!({"name": name.as_ref().map(ToString::to_string), "size": format!("{cols}x{rows}"), "command": some(command), "persist": persist})
        }
        Action::TerminalSend(send) => of_typing(send, &text),
        Action::TerminalRead(TerminalRead { name, mode, lines, wait, colours: _, timeout: _ }) => {
            let mode = match mode {
                Mode::Screen => "screen",
                Mode::Changes => "changes",
                Mode::Scrollback => "scrollback",
            };
            json!({"name": name.as_ref().map(ToString::to_string), "mode": mode, "lines": lines, "pattern": of_wait(wait, &text)})
        }
        Action::TerminalClose(name) => json!({"name": name.as_ref().map(ToString::to_string)}),
    };
    without_nothing(fields)
}

fn of_bash(bash: &Bash, text: &dyn Fn(&str) -> Value) -> Value {
    let Bash { command, timeout: _, on_timeout, description, place, cwd, env, env_secrets, stdin, stderr: _ } = bash;
    let where_to = match place {
        Place::Session => None,
        Place::Fresh => Some("fresh"),
        Place::Background => Some("background"),
        Place::Handed => Some("handed"),
    };
    json!({
        "command": text(command),
        "description": description.as_deref().map(text),
        "cwd": cwd.as_deref().map(text),
        // A value may be anything that nobody wants to find in a journal.
        "env": if env.is_empty() { Value::Null } else { env.iter().map(|(name, _)| text(name)).collect() },
        "env_secrets": if env_secrets.is_empty() { Value::Null } else { env_secrets.iter().map(|name| text(name.as_str())).collect() },
        "stdin": stdin.as_deref().map(digest),
        "place": where_to,
        "kill": (*on_timeout == OnTimeout::Kill).then_some(true),
    })
}

fn of_connect(connect: &Connect, text: &dyn Fn(&str) -> Value) -> Value {
    let Connect { cwd, label, user, port, identity_file, jump, agent, add_keys, password } = connect;
    json!({
        "cwd": cwd.as_deref().map(text),
        "label": label.as_deref().map(text),
        "user": user.as_deref().map(text),
        "port": port,
        "identity_file": identity_file.as_deref().map(text),
        "jump": jump.as_ref().map(ToString::to_string),
        "forward_agent": *agent == AgentForwarding::On,
        "add_keys": if add_keys.is_empty() { Value::Null } else { add_keys.iter().map(|name| text(name)).collect() },
        // That there was one, and nothing of it: not even its length.
        "password": password.is_some(),
    })
}

fn of_typing(send: &TerminalSend, text: &dyn Fn(&str) -> Value) -> Value {
    let TerminalSend { name, text: typed, keys, secret, enter, resize, wait, timeout: _, asks } = send;
    let (typed, keys, password) = match asks {
        Asks::Nothing => (typed.as_deref(), keys.as_slice(), false),
        // That there was one, and nothing of it.
        Asks::Password { .. } => (None, &[][..], true),
    };
    json!({
        "name": name.as_ref().map(ToString::to_string),
        "text": typed.map(text),
        "keys": if keys.is_empty() { Value::Null } else { keys.iter().map(|key| text(key.as_str())).collect() },
        "password": password,
        "secret": secret.as_ref().map(SecretName::as_str),
        "enter": enter,
        "resize": resize.as_ref().map(|Size { cols, rows }| format!("{cols}x{rows}")),
        "pattern": of_wait(wait, text),
    })
}

fn of_wait(wait: &TerminalWait, text: &dyn Fn(&str) -> Value) -> Value {
    match wait {
        TerminalWait::Pattern(pattern) => text(pattern),
        TerminalWait::Nothing | TerminalWait::Quiet | TerminalWait::Prompt => Value::Null,
    }
}

fn of_window(window: &ReadWindow, text: &dyn Fn(&str) -> Value) -> Value {
    without_nothing(json!({"file_path": text(&window.file_path), "offset": window.offset, "limit": window.limit}))
}

/// A text up to its bound; beyond it, with the digest of the whole.
fn bounded(text: &str) -> Value {
    match text.char_indices().nth(limits::AUDIT_TEXT_CHARACTERS) {
        None => Value::from(text),
        Some((at, _)) => json!({"begins": &text[..at], "whole": digest(text.as_bytes())}),
    }
}

/// What stands for a content.
fn digest(content: &[u8]) -> Value {
    json!({"bytes": content.len(), "sha256": hash(content)})
}

/// Leaves out what was not said.
fn without_nothing(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null() && *value != Value::Bool(false)).collect::<Map<_, _>>())
}
