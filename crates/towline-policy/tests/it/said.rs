//! Policies and actions in short words, so that a case is one line.

use std::collections::BTreeMap;

use regex::Regex;
use towline_base::HostAlias;
use towline_policy::{
    Access, Action, Directory, Effect, Guard, HostPattern, Names, Offered, Origin, Places, Policy, Reach, Rule, Rules, Scope, Touch,
    Verdict, Want, Warned,
};

/// A policy from words such as `mode=ro tools=Read,Grep write=/srv never=/srv/keys sudo=ask refuse=rm\s`.
pub(crate) fn policy(words: &str) -> Policy {
    let mut policy = Policy::default();
    for word in words.split_whitespace() {
        let (key, value) = word.split_once('=').expect("key=value");
        let from = Origin(key.to_owned());
        let names = || Rule { says: value.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Names>(), from: from.clone() };
        let directories = || {
            let parsed = value.split(',').filter(|w| !w.is_empty()).map(|w| Directory::parse(w).expect("a directory"));
            Rule { says: parsed.collect::<Vec<_>>(), from: from.clone() }
        };
        let verdict = || {
            let all = [Verdict::Permit, Verdict::Ask, Verdict::Refuse];
            Rule { says: all.into_iter().find(|v| v.word() == value).expect("a verdict"), from: from.clone() }
        };
        let guard = |then| {
            let (pattern, say) = value.split_once(':').map_or((value, None), |(p, s)| (p, Some(s.to_owned())));
            Rule { says: Guard { pattern: Regex::new(pattern).expect("a pattern"), then, say }, from: from.clone() }
        };
        match key {
            "mode" => {
                let says = if value == "ro" { Reach::ReadOnly } else { Reach::Everything };
                policy.reach.push(Rule { says, from: from.clone() });
            }
            "tools" => policy.tools.push(names()),
            "without" => policy.without.push(names()),
            "ask" => policy.ask.push(names()),
            "read" => policy.read.push(directories()),
            "write" => policy.write.push(directories()),
            "never" => policy.never.push(directories()),
            "sudo" => policy.sudo.push(verdict()),
            "forwards" => policy.forwards.push(verdict()),
            "agent" => policy.forward_agent.push(verdict()),
            "password" => policy.password.push(verdict()),
            "secrets" => policy.secrets.push(names()),
            "warn" => policy.guards.push(guard(Warned::Ask)),
            "refuse" => policy.guards.push(guard(Warned::Refuse)),
            other => panic!("no field {other}"),
        }
    }
    policy
}

/// A scope for one host.
pub(crate) fn host(name: &str, words: &str) -> Scope {
    Scope { exact: Some(name.to_owned()), hosts: vec![HostPattern::new(name)], policy: policy(words) }
}

/// A scope for several.
pub(crate) fn group(patterns: &[&str], words: &str) -> Scope {
    Scope { exact: None, hosts: patterns.iter().map(|p| HostPattern::new(p)).collect(), policy: policy(words) }
}

/// Rules with only a general policy.
pub(crate) fn general(words: &str) -> Rules {
    Rules { general: policy(words), ..Rules::default() }
}

pub(crate) fn alias(name: &str) -> HostAlias {
    HostAlias::parse(name).expect("a name")
}

/// An action from words: the tool, then `r:PATH`, `s:PATH`, `w:PATH`, `+sudo`, `+forward`, `+agent`, `+password`, `+secret:NAME`, and the
/// rest after `$` is a command.
pub(crate) fn action<'a>(words: &'a str, host: Option<&'a HostAlias>) -> Action<'a> {
    let (words, text) = words.split_once(" $ ").map_or((words, None), |(words, text)| (words, Some(text)));
    let mut all = words.split_whitespace();
    let (tool, effect) = match all.next().expect("a tool") {
        "Bash" => ("Bash", Effect::Run),
        "JobStop" => ("JobStop", Effect::Run),
        "Read" => ("Read", Effect::Look),
        "Grep" => ("Grep", Effect::Look),
        "List" => ("List", Effect::Look),
        "Hosts" => ("Hosts", Effect::Look),
        "Write" => ("Write", Effect::Change),
        "Edit" => ("Edit", Effect::Change),
        "Connect" => ("Connect", Effect::Manage),
        "TerminalOpen" => ("TerminalOpen", Effect::Run),
        "TerminalSend" => ("TerminalSend", Effect::Run),
        "TerminalRead" => ("TerminalRead", Effect::Look),
        "TerminalClose" => ("TerminalClose", Effect::Run),
        "clean" => ("Clean", Effect::Manage),
        "clean-all" => ("Clean", Effect::Run),
        "ForwardOpen" => ("ForwardOpen", Effect::Manage),
        other => panic!("no tool {other}"),
    };
    let offered = if tool == "Clean" { Offered::ToPeople } else { Offered::ToAgents };
    let mut action = Action { text, offered, ..Action::plain(tool, effect, host) };
    for word in all {
        let touch = |access| Touch { path: &word[2..], access };
        match word {
            "+sudo" => action.wants.push(Want::Sudo),
            "+forward" => action.wants.push(Want::Forward),
            "+agent" => action.wants.push(Want::ForwardAgent),
            "+typed" => action.wants.push(Want::TypedPassword { person: "tmux attach" }),
            "+password" => action.wants.push(Want::Password),
            word if word.starts_with("+secret:") => action.wants.push(Want::Secret(&word[8..])),
            word if word.starts_with("r:") => action.touches.push(touch(Access::Read)),
            word if word.starts_with("s:") => action.touches.push(touch(Access::Search)),
            word if word.starts_with("w:") => action.touches.push(touch(Access::Write)),
            other => panic!("no word {other}"),
        }
    }
    action
}

/// What the host says of paths: `PATH>REAL PATH>REAL …`; `PATH>?` cannot be told; nothing at all: not asked.
pub(crate) fn places(words: &str) -> Places {
    if words.is_empty() {
        return Places::Unknown;
    }
    let told = words.split_whitespace().map(|word| {
        let (path, real) = word.split_once('>').expect("path>real");
        (path.to_owned(), (real != "?").then(|| real.as_bytes().to_vec()))
    });
    Places::Known(told.collect::<BTreeMap<_, _>>())
}
