//! What people are shown of the settings: `towline config check`, and the reference page.

use std::fmt::Write as _;

use towline_base::{Failure, HostAlias};
use towline_engine::policy::{Policy, Rule};

use super::Config;
use super::mean::Line;
use super::said::{Audit, File, Host, Keep, Key, Policy as Said, Programs, Project, ProjectHost, Secret};

/// What is in force: for all, or for one host.
pub(crate) fn check(config: &Config, host: Option<&HostAlias>, general: Vec<(String, String, String)>) -> Result<String, Failure> {
    let mut text = match (&config.place, config.found) {
        (Some(place), true) => format!("settings: {}\n", place.display()),
        (Some(place), false) => format!("settings: none ({} does not exist, which is fine)\n", place.display()),
        (None, _) => "settings: none (no home directory is known)\n".to_owned(),
    };
    let mut lines: Vec<Line> = general.into_iter().map(|(key, value, from)| Line { key, value, from }).collect();
    match host {
        None => {
            let _ = writeln!(text, "hosts: {}", or_none(config.meaning.names().join(", ")));
            rules(&config.rules.policy_for(None), &mut lines);
        }
        Some(host) => {
            lines.extend(config.meaning.host(host)?.lines);
            let policy = config.rules.policy_for(Some(host));
            rules(&policy, &mut lines);
            write_lines(&mut text, &lines);
            text.push_str(remarks(&policy));
            return Ok(text);
        }
    }
    write_lines(&mut text, &lines);
    Ok(text)
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn write_lines(text: &mut String, lines: &[Line]) {
    let wide = lines.iter().map(|line| line.key.chars().count()).max().unwrap_or_default();
    for Line { key, value, from } in lines {
        let _ = writeln!(text, "{key:wide$}  {value}  ({from})");
    }
}

/// What cannot be meant so.
fn remarks(policy: &Policy) -> &'static str {
    let bash = policy.tools.iter().all(|rule| rule.says.contains("Bash"))
        && policy.without.iter().all(|rule| !rule.says.contains("Bash"))
        && policy.reach.iter().all(|rule| rule.says == towline_engine::Reach::Everything);
    let places = !(policy.read.is_empty() && policy.write.is_empty() && policy.never.is_empty());
    if bash && places {
        "note: Bash is permitted there, and read, write and never do not bind it: with Bash, the boundary is the account on the host.\n"
    } else {
        ""
    }
}

/// A line for each rule in force.
fn rules(policy: &Policy, lines: &mut Vec<Line>) {
    fn add<T>(lines: &mut Vec<Line>, key: &str, rules: &[Rule<T>], show: impl Fn(&T) -> String) {
        for rule in rules {
            lines.push(Line { key: format!("policy.{key}"), value: show(&rule.says), from: rule.from.to_string() });
        }
    }
    let names = |names: &towline_engine::policy::Names| or_none(names.iter().cloned().collect::<Vec<_>>().join(" "));
    let places =
        |places: &Vec<towline_engine::policy::Directory>| or_none(places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let Policy { reach, tools, without, ask, read, write, never, sudo, forwards, forward_agent, password, secrets, guards } = policy;
    add(lines, "mode", reach, |reach| match reach {
        towline_engine::Reach::Everything => "all".to_owned(),
        towline_engine::Reach::ReadOnly => "read-only".to_owned(),
    });
    for (key, rules) in [("tools", tools), ("without", without), ("ask", ask), ("secrets", secrets)] {
        add(lines, key, rules, names);
    }
    for (key, rules) in [("read", read), ("write", write), ("never", never)] {
        add(lines, key, rules, places);
    }
    for (key, rules) in [("sudo", sudo), ("forwards", forwards), ("forward_agent", forward_agent), ("password", password)] {
        add(lines, key, rules, |verdict| verdict.word().to_owned());
    }
    add(lines, "guards", guards, |guard| format!("{:?}", guard.pattern.as_str()));
}

/// The reference page.
pub(crate) fn reference() -> String {
    let mut page = String::from(HEAD);
    for (title, keys) in [
        ("The file", File::KEYS),
        ("`programs`", Programs::KEYS),
        ("A secret: `secrets.NAME`", Secret::KEYS),
        ("A host: `hosts.NAME`, `groups.NAME`, `defaults`", Host::KEYS),
        ("What is kept on a host: `keep` of a host, a group or `defaults`", Keep::KEYS),
        ("Rules: `policy`, `other_hosts`, `hosts.NAME.policy`, `groups.NAME.policy`", Said::KEYS),
        ("`audit`", Audit::KEYS),
        ("A project's own file", Project::KEYS),
        ("A project's own file: `hosts.NAME`", ProjectHost::KEYS),
    ] {
        table(&mut page, title, keys);
    }
    page.push_str(RULES);
    page
}

fn table(page: &mut String, title: &str, keys: &[Key]) {
    let _ = write!(page, "\n## {title}\n\n| key | meaning | example |\n|---|---|---|\n");
    for key in keys {
        let _ = writeln!(page, "| `{}` | {} | `{}` |", key.name, key.meaning.trim(), key.example.replace('|', "\\|"));
    }
}

const HEAD: &str = "\
# Settings

The file is `~/.config/towline/config.toml` (by the XDG rules), or the one that `--config` or `TOWLINE_CONFIG` names. None is needed: ssh's
own aliases work as they are. It is TOML, and strict: an unknown key is an error that names the near one. It has to belong to the
user, and nobody else may write it. `towline config check [HOST]` prints what is in force and from where each value comes.

A value on the command line stands over one in the environment, that over one in the file. Of a host, what `hosts.NAME` says stands over what
its group says, that over `defaults`, value by value. Two groups that say different things of one host are an error.
";

const RULES: &str = "
## What rules are, and are not

Each call is judged before anything is done: by every rule in force for its host, and the strictest decides. `towline policy explain HOST TOOL …`
says which. What is said nearer replaces what lies farther, key by key, but `never` and `guards` add up. `towline mcp --read-only` and a
project's `.towline.toml`, in the directory that the client starts towline in, can only tighten. If `ask` or a guard wants
a confirmation, the person is asked through the client; where the client cannot ask, it is refused.

- Where Bash or a terminal is permitted, the boundary is the account on the host, not these rules: towline does not judge what a command means. Give
  the agent an account of its own on the host, with no more rights than it should have. A guard catches accidents; it is no lock, and
  there is always another way to write a command.
- `read`, `write` and `never` bind the file and search tools. A path is judged as a text, with `.` and `..` taken away, and by where it leads on the host
  with all links followed, which costs one round trip. Between that look and the work somebody else on the host could put a link in
  the way. `never` refuses a search of a directory above it, too.
- Rules go by names: `me@prod`, `prod:22` and `PROD` are `prod`. Another alias or an address of the same machine is another name; `other_hosts`
  says what holds for names that the file does not know.
- `sudo` is about everything that is done as root (`sudo: true`, the host `NAME+root`); the other rules of `NAME` hold there, too.
- A built-in rule asks before the ssh agent is forwarded, refuses a password in a tool's parameters (`password` of Connect, and what an agent types where a terminal asks for a password), and gives out no secret that `secrets` does not name.

## Secrets

`password`, `passphrases`, `one_time_code` and `sudo_password` of a host name secrets; they are for the account that the settings mean, and not for a user
that a call names. A secret that towline knows is taken out of answers, events, transcripts, recordings, the journal, logs and errors:
`[redacted NAME]` stands in its place, and a Write or Edit that holds such a mark is refused. Those of files and variables are known from the start, those
of commands and the keyring once they were fetched. It is looked for as it is: not when a command encodes it, and not when it is shorter than 8
characters, which `towline config check` says.
";
