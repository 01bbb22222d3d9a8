//! Rules, of the user's file and a project's: a project's file only tightens, and every decision agrees with what is explained of it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use towline_base::HostAlias;
use towline_engine::Rules;
use towline_engine::policy::{Access, Action, Decision, Effect, Places, Touch, Verdict, Want};
use towline_fuzz::Choices;

#[path = "parts/config.rs"]
mod config;

use config::parse::{Source, parse};
use config::{mean::Meaning, rules};

const HOSTS: [&str; 4] = ["prod", "dev", "web-1", "prod:22"];

/// Actions of every kind, on a path that a rule may speak of.
fn actions<'a>(host: &'a HostAlias, path: &'a str, command: &'a str) -> Vec<Action<'a>> {
    let plain = |tool, effect| Action::plain(tool, effect, Some(host));
    let touch = |access| vec![Touch { path, access }];
    vec![
        Action { text: Some(command), wants: vec![Want::Sudo, Want::Secret("DB")], ..plain("Bash", Effect::Run) },
        Action { text: Some(command), ..plain("Bash", Effect::Run) },
        Action { touches: touch(Access::Read), ..plain("Read", Effect::Look) },
        Action { touches: touch(Access::Search), ..plain("Grep", Effect::Look) },
        Action { touches: touch(Access::Write), ..plain("Write", Effect::Change) },
        Action { wants: vec![Want::ForwardAgent, Want::Password], ..plain("Connect", Effect::Manage) },
        Action { wants: vec![Want::TypedPassword { person: "tmux attach" }], ..plain("TerminalSend", Effect::Run) },
        Action { host: None, ..plain("Hosts", Effect::Look) },
    ]
}

/// What the host says of everything that it is asked for: that each path leads to itself, or that it cannot tell.
fn told(open: &[String], knows: bool) -> Places {
    let place = |path: &String| (path.clone(), knows.then(|| path.clone().into_bytes()));
    Places::Known(open.iter().map(place).collect::<BTreeMap<_, _>>())
}

fn check(rules: &Rules, action: &Action<'_>, places: &Places) -> Verdict {
    let explained = rules.explain(action, places);
    let decision = rules.decide(action, places);
    match (&decision, explained.verdict) {
        (Decision::Refuse(refusal), Verdict::Refuse) => {
            assert_eq!(refusal.from.as_ref(), explained.decisive().map(|finding| &finding.from));
        }
        (Decision::Ask(_), Verdict::Ask) | (Decision::Permit(_), Verdict::Permit) => assert!(explained.open.is_empty()),
        (Decision::Resolve(paths), Verdict::Permit | Verdict::Ask) => {
            assert!(!paths.is_empty() && *places == Places::Unknown);
            // What cannot be told is refused, and what can be told is decided.
            let unknown = check(rules, action, &told(paths, false));
            assert_eq!(unknown, Verdict::Refuse);
            return check(rules, action, &told(paths, true));
        }
        (_, verdict) => panic!("{decision:?} where {verdict:?} was explained"),
    }
    explained.verdict
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let host = HostAlias::parse(HOSTS[choices.below(HOSTS.len())]).expect("a name");
    let (Some(path), Some(command), Some(project), Some(text)) = (choices.text(), choices.text(), choices.text(), choices.text()) else {
        return;
    };
    let source = Source { name: "f", text };
    let Ok(rules) = parse(source).and_then(|file| Meaning::of(file, source, "/home/me")).map(|meaning| meaning.rules) else { return };
    let source = Source { name: "p", text: project };
    let Ok(scopes) = parse(source).and_then(|project| rules::of_project(&project, source)) else { return };
    let with_project = Rules { tighter: scopes, ..rules.clone() };
    for action in actions(&host, path, command) {
        let before = check(&rules, &action, &Places::Unknown);
        let after = check(&with_project, &action, &Places::Unknown);
        assert!(after >= before, "a project's file loosened {before:?} to {after:?}: {action:?}");
        let looking = check(&rules.clone().read_only("--read-only"), &action, &Places::Unknown);
        assert!(looking >= before, "--read-only loosened {before:?} to {looking:?}: {action:?}");
        if matches!(action.effect, Effect::Change | Effect::Run) {
            assert_eq!(looking, Verdict::Refuse);
        }
    }
});
