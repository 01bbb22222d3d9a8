//! What is said of a decision: the tool, the host, the reason, and where the rule stands.

use towline_policy::{Decision, Places, Rules};

use crate::said::{action, alias, general};

fn text(rules: &Rules, words: &str) -> String {
    let host = alias("prod");
    match rules.decide(&action(words, Some(&host)), &Places::Unknown) {
        Decision::Refuse(refusal) => refusal.failure.to_string(),
        Decision::Ask(question) => question.unanswered("nobody could be asked").failure.to_string(),
        Decision::Permit(_) | Decision::Resolve(_) => "permitted".to_owned(),
    }
}

#[test]
fn a_refusal_names_tool_host_reason_and_rule() {
    let check = |rules: &Rules, words: &str, expected: &str| {
        let text = text(rules, words);
        assert_eq!(text.lines().next(), Some(expected));
        assert_eq!(text.lines().nth(1), Some("Ask the user: only a person can change the rules."));
    };
    let rules = Rules::default().read_only("--read-only");
    check(&rules, "Bash", "Bash on prod is not permitted: only looking is permitted (--read-only). [forbidden]");
    for (said, words, expected) in [
        ("tools=Read", "Bash", "Bash on prod is not permitted: it is none of the tools that are permitted (tools). [forbidden]"),
        ("without=Bash", "Bash", "Bash on prod is not permitted: the tool is excluded (without). [forbidden]"),
        (
            "write=/srv",
            "Write w:/etc/x",
            "Write on prod is not permitted: \"/etc/x\" lies in no directory that may be written (write). [forbidden]",
        ),
        (
            "never=/srv",
            "Read r:/srv/x",
            "Read on prod is not permitted: \"/srv/x\" meets a directory that may not be touched (never). [forbidden]",
        ),
        ("sudo=refuse", "Bash +sudo", "Bash on prod is not permitted: acting as root is not permitted (sudo). [forbidden]"),
        (
            "secrets=a",
            "Bash +secret:b",
            "Bash on prod is not permitted: the secret \"b\" is not one of those that may be used here (secrets). [forbidden]",
        ),
        ("refuse=mk:no-mkfs-here", "Bash $ mkfs", "Bash on prod is not permitted: no-mkfs-here (refuse). [forbidden]"),
        ("refuse=mk", "Bash $ mkfs", "Bash on prod is not permitted: the text matches the guard \"mk\" (refuse). [forbidden]"),
        // A password that is typed is not the reason here, so another way to type it is no way out.
        (
            "without=TerminalSend",
            "TerminalSend +typed",
            "TerminalSend on prod is not permitted: the tool is excluded (without). [forbidden]",
        ),
        (
            "ask=Bash",
            "Bash",
            "Bash on prod has to be confirmed by a person: the tool is one of those that are asked about (ask); nobody could be asked. [forbidden]",
        ),
    ] {
        check(&general(said), words, expected);
    }
}

#[test]
fn a_refused_password_comes_with_a_better_way() {
    for (words, reason, way) in [
        ("Connect +password", "a password in a tool's parameters", "Ask the user to run `towline auth HOST` in a terminal"),
        (
            "TerminalSend +typed",
            "typing a password that was in a tool's parameters",
            "secret: NAME types one that the rules lend to this host",
        ),
    ] {
        let text = text(&general("password=refuse"), words);
        let tool = words.split(' ').next().unwrap_or_default();
        assert!(
            text.starts_with(&format!("{tool} on prod is not permitted: {reason} is not permitted (password). [forbidden]\n{way}")),
            "{text}"
        );
    }
    assert!(text(&general("password=refuse"), "TerminalSend +typed").contains("the person to type it there: tmux attach."));
}

#[test]
fn a_confirmed_question_is_a_permit_that_says_so() {
    let host = alias("prod");
    let Decision::Ask(question) = general("ask=Bash").decide(&action("Bash", Some(&host)), &Places::Unknown) else { panic!("no question") };
    let permit = question.confirmed();
    assert!(permit.is_confirmed());
    assert_eq!(permit.tool(), "Bash");
}
