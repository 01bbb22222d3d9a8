//! Laws: what tightens never loosens, whatever is said; every policy and path has a decision.

use proptest::prelude::*;
use towline_policy::{Policy, Rules, Scope, Verdict};

use crate::said::{action, alias, group, host, places, policy};

fn words() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "mode=ro",
        "mode=all",
        "tools=Bash,Read",
        "tools=Read",
        "tools=Write,Edit",
        "tools=",
        "without=Bash",
        "without=Read",
        "ask=Bash",
        "ask=Read,Write",
        "read=/srv",
        "read=/var/log,/srv/app",
        "read=",
        "write=/srv",
        "write=/srv/app,/tmp",
        "never=/srv/keys",
        "never=/",
        "sudo=allow",
        "sudo=ask",
        "sudo=refuse",
        "forwards=allow",
        "forwards=refuse",
        "agent=ask",
        "agent=refuse",
        "password=refuse",
        "password=allow",
        "secrets=db",
        "secrets=",
        "warn=rm",
        "refuse=mkfs",
    ]);
    prop::collection::vec(field, 0..6).prop_map(|fields| fields.join(" "))
}

fn actions() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Bash $ rm x",
        "Bash $ mkfs",
        "Bash +sudo",
        "Bash +secret:db",
        "Read r:/srv/app/x",
        "Read r:/etc/x",
        "Read r:x",
        "Grep s:/srv",
        "Write w:/srv/app/x",
        "Write w:/srv/keys/x",
        "Edit r:/srv/x w:/srv/x",
        "ForwardOpen +forward",
        "Connect +agent +password",
        "Hosts",
    ])
}

const TOLD: &str = "/srv/app/x>/srv/app/x /etc/x>/etc/x x>/srv/x /srv>/srv /srv/keys/x>/srv/keys/x /srv/x>/data/x /srv/app>/srv/app /tmp>/tmp /var/log>/var/log /srv/keys>/srv/keys />/";

fn verdict(rules: &Rules, words: &str, told: &str) -> Verdict {
    let alias = alias("web-1");
    rules.explain(&action(words, Some(&alias)), &places(told)).verdict
}

fn alone(general: Policy) -> Rules {
    Rules { general, ..Rules::default() }
}

proptest! {
    #[test]
    fn adding_a_policy_never_loosens(one in words(), two in words(), what in actions(), told in prop::sample::select(vec!["", TOLD])) {
        let both = verdict(&alone(policy(&one).and(policy(&two))), what, told);
        prop_assert!(both >= verdict(&alone(policy(&one)), what, told));
        prop_assert!(both >= verdict(&alone(policy(&two)), what, told));
        // And it forbids nothing that neither of them does.
        prop_assert_eq!(both, verdict(&alone(policy(&one)), what, told).max(verdict(&alone(policy(&two)), what, told)));
    }

    #[test]
    fn a_projects_file_and_a_flag_never_loosen(own in words(), groups in words(), all in words(), project in words(), what in actions()) {
        let rules = Rules {
            hosts: vec![host("web-1", &own)],
            groups: vec![group(&["web-*"], &groups)],
            general: policy(&all),
            ..Rules::default()
        };
        let before = verdict(&rules, what, TOLD);
        let scope = |patterns: &[&str]| -> Scope { group(patterns, &project) };
        let with = |scope| verdict(&Rules { tighter: vec![scope], ..rules.clone() }, what, TOLD);
        prop_assert!(with(scope(&["*"])) >= before);
        prop_assert!(with(scope(&["web-?"])) >= before);
        prop_assert_eq!(with(scope(&["db"])), before);
        prop_assert!(verdict(&rules.clone().read_only("--read-only"), what, TOLD) >= before);
    }

    #[test]
    fn what_the_host_says_makes_no_refusal_undone(all in words(), what in actions()) {
        let rules = alone(policy(&all));
        if verdict(&rules, what, "") == Verdict::Refuse {
            prop_assert_eq!(verdict(&rules, what, TOLD), Verdict::Refuse);
        }
    }

    #[test]
    fn no_path_escapes_its_directory_as_a_text(path in "[a/.]{0,12}") {
        let words = format!("Write w:/srv/app/{path}");
        let text = format!("/srv/app/{path}");
        let told = format!("{text}>/srv/app/x /srv/app>/srv/app");
        let rules = alone(policy("write=/srv/app"));
        // The standard library's own idea of the parts is the judge.
        let mut depth = Vec::new();
        for part in std::path::Path::new(&text).components().skip(1) {
            match part {
                std::path::Component::ParentDir => drop(depth.pop()),
                std::path::Component::Normal(name) => depth.push(name.to_owned()),
                std::path::Component::Prefix(_) | std::path::Component::RootDir | std::path::Component::CurDir => {}
            }
        }
        let inside = depth.len() >= 2 && depth[0] == "srv" && depth[1] == "app";
        prop_assert_eq!(verdict(&rules, &words, &told) == Verdict::Permit, inside, "{}", text);
    }

    #[test]
    fn any_text_is_a_host_pattern_and_any_name_is_judged(pattern in ".{0,12}", name in ".{0,12}") {
        let _ = towline_policy::HostPattern::new(&pattern).fits(&name);
        prop_assert!(towline_policy::HostPattern::new("*").fits(&name));
    }
}
