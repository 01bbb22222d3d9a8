//! The table: a policy, an action, where its paths lead, what is decided and by which rule.

use towline_policy::Decision;

use crate::said::{action, alias, general, places};

/// `+` permitted, `?` a person is asked, `-` refused, `>` the host is asked first; then the rule that decides.
const TABLE: &[(&str, &str, &str, &str)] = &[
    // Nothing said: everything goes.
    ("", "Bash $ rm -rf /", "", "+"),
    ("", "Write w:/etc/passwd", "", "+"),
    ("", "ForwardOpen +forward", "", "+"),
    ("", "Bash +sudo +secret:x", "", "+"),
    ("", "Connect +agent +password", "", "+"),
    ("mode=all", "Bash", "", "+ mode"),
    // Read-only.
    ("mode=ro", "Read r:/etc/passwd", "", "+ mode"),
    ("mode=ro", "Grep s:/", "", "+ mode"),
    ("mode=ro", "Hosts", "", "+ mode"),
    ("mode=ro", "Connect", "", "+ mode"),
    ("mode=ro", "Connect +sudo", "", "+ mode"),
    ("mode=ro", "Bash", "", "- mode"),
    ("mode=ro", "JobStop", "", "- mode"),
    ("mode=ro", "Write w:/tmp/x", "", "- mode"),
    ("mode=ro", "Edit r:/tmp/x w:/tmp/x", "", "- mode"),
    ("mode=ro", "ForwardOpen +forward", "", "- mode"),
    ("mode=ro", "Connect +agent", "", "- mode"),
    ("mode=ro", "Connect +secret:x", "", "- mode"),
    ("mode=all mode=ro", "Bash", "", "- mode"),
    ("mode=ro forwards=allow", "ForwardOpen +forward", "", "- mode"),
    // Tools.
    ("tools=Read,Grep", "Read r:/x", "", "+ tools"),
    ("tools=Read,Grep", "Bash", "", "- tools"),
    ("tools=Read,Grep", "Hosts", "", "- tools"),
    ("tools=", "Read r:/x", "", "- tools"),
    ("tools=Read tools=Read,Bash", "Bash", "", "- tools"),
    ("without=Bash", "Bash", "", "- without"),
    ("without=Bash", "Read r:/x", "", "+"),
    ("tools=Bash without=Bash", "Bash", "", "- without"),
    ("tools=read", "Read r:/x", "", "- tools"),
    // Asking.
    ("ask=Bash", "Bash", "", "? ask"),
    ("ask=Bash", "Read r:/x", "", "+"),
    ("ask=Bash mode=ro", "Bash", "", "- mode"),
    ("ask=Bash tools=Read", "Bash", "", "- tools"),
    ("ask=Write write=/srv", "Write w:/srv/x", "", "> /srv /srv/x"),
    ("ask=Write write=/srv", "Write w:/srv/x", "/srv/x>/srv/x /srv>/srv", "? ask"),
    ("ask=Write write=/srv", "Write w:/etc/x", "", "- write"),
    // Where may be written.
    ("write=/srv/app", "Write w:/srv/app/a.txt", "/srv/app/a.txt>/srv/app/a.txt /srv/app>/srv/app", "+ write"),
    ("write=/srv/app", "Write w:/srv/app", "/srv/app>/srv/app", "+ write"),
    ("write=/srv/app", "Write w:/srv/apple", "", "- write"),
    ("write=/srv/app", "Write w:/srv/app/../etc", "", "- write"),
    ("write=/srv/app", "Write w:/srv/app/./b//c/../d", "/srv/app/./b//c/../d>/srv/app/b/d /srv/app>/srv/app", "+ write"),
    ("write=/srv/app", "Write w:/srv/app/link/x", "/srv/app/link/x>/etc/x /srv/app>/srv/app", "- write"),
    ("write=/srv/app", "Write w:/srv/app/x", "/srv/app/x>? /srv/app>/srv/app", "- write"),
    ("write=/srv/app", "Write w:/srv/app/x", "/srv/app>/srv/app", "- write"),
    ("write=/srv/app", "Write w:/srv/app/x", "/srv/app/x>/srv/app/x /srv/app>?", "- write"),
    ("write=/tmp", "Write w:/tmp/x", "/tmp/x>/private/tmp/x /tmp>/private/tmp", "+ write"),
    ("write=/tmp,/srv", "Write w:/srv/x", "/srv/x>/srv/x /tmp>/tmp /srv>/srv", "+ write"),
    ("write=/srv/app", "Write w:x.txt", "", "> /srv/app x.txt"),
    ("write=/srv/app", "Write w:x.txt", "x.txt>/srv/app/x.txt /srv/app>/srv/app", "+ write"),
    ("write=/srv/app", "Write w:x.txt", "x.txt>/home/me/x.txt /srv/app>/srv/app", "- write"),
    ("write=/srv/app", "Write w:../../../etc/passwd", "../../../etc/passwd>/etc/passwd /srv/app>/srv/app", "- write"),
    ("write=", "Write w:/srv/x", "", "- write"),
    ("write=", "Write w:x", "x>/srv/x", "- write"),
    ("write=/srv/app", "Read r:/etc/passwd", "", "+"),
    ("write=/srv write=/srv/app", "Write w:/srv/x", "/srv/x>/srv/x /srv>/srv /srv/app>/srv/app", "- write"),
    ("write=/", "Write w:/etc/x", "/etc/x>/etc/x />/", "+ write"),
    ("write=/srv/app", "Bash $ echo > /etc/x", "", "+"),
    // Where may be read.
    ("read=/var/log", "Read r:/var/log/syslog", "/var/log/syslog>/var/log/syslog /var/log>/var/log", "+ read"),
    ("read=/var/log", "Read r:/etc/passwd", "", "- read"),
    ("read=/var/log", "Grep s:/var", "", "- read"),
    ("read=/var/log", "Grep s:/var/log/a", "/var/log/a>/var/log/a /var/log>/var/log", "+ read"),
    ("read=/var/log", "List r:/var/log/l", "/var/log/l>/root /var/log>/var/log", "- read"),
    ("read=/var/log", "Read r:/var/log/a r:/etc/b", "", "- read"),
    ("read=/var/log", "Write w:/etc/x", "", "+"),
    ("read=/a write=/b", "Edit r:/b/x w:/b/x", "", "- read"),
    // Never.
    ("never=/srv/keys", "Read r:/srv/keys/a", "", "- never"),
    ("never=/srv/keys", "Write w:/srv/keys/a", "", "- never"),
    ("never=/srv/keys", "Read r:/srv/a", "", "> /srv/a /srv/keys"),
    ("never=/srv/keys", "Read r:/srv/a", "/srv/a>/srv/a /srv/keys>/srv/keys", "+"),
    ("never=/srv/keys", "Read r:/srv/a", "/srv/a>/srv/keys/a /srv/keys>/srv/keys", "- never"),
    ("never=/srv/keys", "Read r:/srv/a", "/srv/a>/data/keys/a /srv/keys>/data/keys", "- never"),
    ("never=/srv/keys", "Read r:/srv/a", "/srv/a>? /srv/keys>/srv/keys", "- never"),
    ("never=/srv/keys", "Read r:/srv/a", "/srv/a>/srv/a /srv/keys>?", "- never"),
    ("never=/srv/keys", "Grep s:/srv", "", "- never"),
    ("never=/srv/keys", "Grep s:/", "", "- never"),
    ("never=/srv/keys", "List r:/srv", "/srv>/srv /srv/keys>/srv/keys", "+"),
    ("never=/srv/keys", "Grep s:x", "x>/srv /srv/keys>/srv/keys", "- never"),
    ("never=/srv/keys write=/srv", "Write w:/srv/keys/x", "/srv/keys/x>/srv/keys/x /srv>/srv /srv/keys>/srv/keys", "- never"),
    // Wishes.
    ("sudo=refuse", "Bash +sudo", "", "- sudo"),
    ("sudo=refuse", "Bash", "", "+"),
    ("sudo=ask", "Bash +sudo", "", "? sudo"),
    ("sudo=allow", "Connect +sudo", "", "+ sudo"),
    ("sudo=ask forwards=refuse", "Bash +sudo +forward", "", "- forwards"),
    ("forwards=refuse", "ForwardOpen +forward", "", "- forwards"),
    ("forwards=ask", "ForwardOpen +forward", "", "? forwards"),
    ("agent=refuse", "Connect +agent", "", "- agent"),
    ("agent=ask", "Connect +agent", "", "? agent"),
    ("password=refuse", "Connect +password", "", "- password"),
    ("password=allow", "Connect +password", "", "+ password"),
    ("secrets=db", "Bash +secret:db", "", "+ secrets"),
    ("secrets=db", "Bash +secret:root", "", "- secrets"),
    ("secrets=", "Bash +secret:db", "", "- secrets"),
    ("secrets=db", "Bash +secret:db +secret:root", "", "- secrets"),
    ("secrets=db", "Bash", "", "+"),
    // Terminals.
    ("", "TerminalOpen $ bash", "", "+"),
    ("mode=ro", "TerminalOpen", "", "- mode"),
    ("mode=ro", "TerminalSend $ ls", "", "- mode"),
    ("mode=ro", "TerminalClose", "", "- mode"),
    ("mode=ro", "TerminalRead", "", "+ mode"),
    ("without=TerminalOpen", "TerminalOpen", "", "- without"),
    ("ask=TerminalSend", "TerminalSend $ ls", "", "? ask"),
    ("ask=TerminalSend", "TerminalRead", "", "+"),
    ("secrets=db", "TerminalSend +secret:db", "", "+ secrets"),
    ("secrets=db", "TerminalSend +secret:root", "", "- secrets"),
    ("mode=ro secrets=db", "TerminalSend +secret:db", "", "- mode"),
    (r"refuse=mkfs", "TerminalOpen $ mkfs /dev/sda", "", "- refuse"),
    (r"warn=shutdown", "TerminalSend $ shutdown now", "", "? warn"),
    ("never=/srv/keys write=/srv read=/srv", "TerminalSend $ cat /srv/keys/a", "", "+"),
    // What only people have is bound by what binds everything, and not by rules that name tools.
    ("tools=Read", "clean", "", "+"),
    ("tools=Read ask=Bash without=Write", "clean-all", "", "+"),
    ("mode=ro", "clean", "", "+ mode"),
    ("mode=ro", "clean-all", "", "- mode"),
    // Guards.
    (r"warn=rm\s+-rf", "Bash $ rm -rf build", "", "? warn"),
    (r"warn=rm\s+-rf", "Bash $ ls", "", "+"),
    (r"refuse=mkfs", "Bash $ sudo mkfs /dev/sda", "", "- refuse"),
    (r"refuse=mkfs warn=mkfs", "Bash $ mkfs", "", "- refuse"),
    (r"refuse=mkfs", "Write w:/tmp/mkfs", "", "+"),
    (r"refuse=^ls$ mode=ro", "Bash $ ls -l", "", "- mode"),
];

fn decided(rules: &str, words: &str, told: &str) -> String {
    let host = alias("prod");
    let rules = general(rules);
    let (action, places) = (action(words, Some(&host)), places(told));
    let by = rules.explain(&action, &places);
    let by = by.decisive().map_or_else(String::new, |finding| format!(" {}", finding.from));
    match rules.decide(&action, &places) {
        Decision::Permit(permit) => {
            assert!(!permit.is_confirmed() && permit.tool() == action.tool);
            assert_eq!(permit.rule(), by.trim_start(), "the journal says by which rule");
            format!("+{by}")
        }
        Decision::Ask(question) => {
            let from = question.from.to_string();
            let permit = question.confirmed();
            assert!(permit.is_confirmed() && permit.tool() == action.tool && permit.rule() == from);
            format!("? {from}")
        }
        Decision::Refuse(refusal) => format!("- {}", refusal.from.expect("a rule")),
        Decision::Resolve(paths) => format!("> {}", paths.join(" ")),
    }
}

#[test]
fn each_decision_is_the_one_in_the_table() {
    assert!(TABLE.len() >= 60, "{}", TABLE.len());
    let wrong: Vec<String> = TABLE
        .iter()
        .map(|(rules, words, told, expected)| (decided(rules, words, told), format!("[{rules}] {words} [{told}]"), expected))
        .filter(|(found, _, expected)| found != *expected)
        .map(|(found, case, expected)| format!("{case}: {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
