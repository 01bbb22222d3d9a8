//! Whose rules are in force for which host.

use towline_policy::{Places, Rules, Verdict};

use crate::said::{action, alias, general, group, host, policy};

fn rules() -> Rules {
    Rules {
        hosts: vec![
            host("prod", "mode=ro"),
            host("dev", "mode=all"),
            host("lab", "tools=Read"),
            // Another name for the machine that the alias `box` leads to.
            towline_policy::Scope { hosts: [host("safe", "").hosts, host("box", "").hosts].concat(), ..host("safe", "without=Bash") },
            towline_policy::Scope { hosts: [host("free", "").hosts, host("box", "").hosts].concat(), ..host("free", "mode=all") },
        ],
        groups: vec![group(&["web-*", "lab"], "mode=ro never=/k"), group(&["web-1"], "mode=all ask=Bash"), group(&["safe"], "ask=Grep")],
        others: policy("tools=Hosts,Read"),
        general: policy("mode=all sudo=ask never=/g"),
        tighter: vec![group(&["*"], "without=JobStop"), group(&["dev"], "ask=Write")],
    }
}

#[test]
fn the_rules_of_a_host_follow_its_names() {
    use Verdict::{Ask, Permit, Refuse};
    let check = |name: &str, words: &str, verdict: Verdict| {
        let alias = alias(name);
        let found = rules().explain(&action(words, Some(&alias)), &Places::Unknown);
        assert_eq!(found.verdict, verdict, "{name} {words}: {found:?}");
    };
    for (name, words, verdict) in [
        ("prod", "Bash", Refuse),
        ("deploy@prod", "Bash", Refuse),
        ("prod:2222", "Bash", Refuse),
        ("PROD", "Bash", Refuse),
        ("prod+1", "Bash", Refuse),
        ("prod+root", "Bash", Refuse),
        ("me@prod+1+root", "Bash", Refuse),
        ("prod", "Read r:/x", Permit),
        ("prod", "Bash +sudo", Refuse),
        ("dev", "Bash", Permit),
        ("dev", "Bash +sudo", Ask),
        ("dev", "JobStop", Refuse),
        ("dev", "Write w:/x", Ask),
        ("me@dev", "Write w:/x", Ask),
        // A host's own rules stand over its group's, field by field; `never` adds up.
        ("lab", "Bash", Refuse),
        ("lab", "Read r:/x", Permit),
        ("lab", "Read r:/k/x", Refuse),
        ("lab", "Read r:/g/x", Refuse),
        // In two groups, the rules of both hold.
        ("web-1", "Bash", Refuse),
        ("web-1", "Read r:/k/x", Refuse),
        ("web-2", "Bash", Refuse),
        ("web-2", "Read r:/x", Permit),
        // A name that two entries answer to has the rules of both; their own names do not.
        ("box", "Bash", Refuse),
        ("safe", "Bash", Refuse),
        // So do the groups of those entries.
        ("box", "Grep", Ask),
        ("safe", "Grep", Ask),
        ("free", "Grep", Permit),
        ("free", "Bash", Permit),
        ("me@free", "Bash", Permit),
        // Nobody named it.
        ("elsewhere", "Read r:/x", Permit),
        ("elsewhere", "Bash", Refuse),
        ("10.0.0.1", "Bash", Refuse),
    ] {
        check(name, words, verdict);
    }
}

#[test]
fn what_touches_no_host_is_bound_by_what_binds_all() {
    let check = |rules: &Rules, verdict: Verdict| {
        assert_eq!(rules.explain(&action("Hosts", None), &Places::Unknown).verdict, verdict);
    };
    check(&rules(), Verdict::Permit);
    check(&general("tools=Read"), Verdict::Refuse);
    check(&Rules { tighter: vec![group(&["*"], "without=Hosts")], ..Rules::default() }, Verdict::Refuse);
    check(&Rules { tighter: vec![group(&["prod"], "without=Hosts")], ..Rules::default() }, Verdict::Permit);
}
