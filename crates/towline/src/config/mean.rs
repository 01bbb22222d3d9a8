//! What a settings file means: for each host what is in force, and from where each value comes.
//!
//! Holds to: what is said of a host stands over what is said of its group, that over the defaults, value by value; two groups that
//! say different things of one host are an error, not a guess. Leaves out: files; rules (`rules`).

use std::collections::BTreeMap;

use toml::Spanned;
use towline_base::{Failure, HostAlias};
use towline_engine::policy::HostPattern;
use towline_engine::{AgentForwarding, HostPlan, HostShell, Keeping, Rules};

use super::parse::Source;
use super::said::{File, Host, Keep, Shell};
use super::{rules, secrets};

/// A value in force, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) from: String,
}

/// What is in force for one host.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) plan: HostPlan,
    pub(crate) lines: Vec<Line>,
}

/// A file that was understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) file: File,
    pub(crate) rules: Rules,
    pub(crate) name: String,
    text: String,
    home: String,
}

const BUILT_IN: &str = "built in";
/// Days for which something can be kept: ten years, which the shells of all hosts can count in seconds.
const MOST_DAYS: u32 = 3_650;
/// Megabytes that can be kept: a terabyte, which the shells of all hosts can count in KiB.
const MOST_MB: u32 = 1024 * 1024;
/// KiB in a megabyte.
const KIB: u32 = 1024;

impl Meaning {
    /// Checks all that a file says, as far as that can be done without any host.
    pub(crate) fn of(file: File, source: Source<'_>, home: &str) -> Result<Self, Failure> {
        let rules = rules::of_file(&file, source)?;
        let meaning = Self { file, rules, name: source.name.to_owned(), text: source.text.to_owned(), home: home.to_owned() };
        secrets::sources(&meaning)?;
        for (name, host) in meaning.file.hosts.iter().flat_map(Spanned::get_ref) {
            let alias = HostAlias::parse(name).map_err(|error| source.wrong_key(&["hosts", name], &format!("hosts.{name:?}: {error}")))?;
            if let Some(hosts) = &host.hosts {
                return Err(source.wrong(hosts.span().start, "only a group has hosts"));
            }
            meaning.host(&alias)?;
        }
        for (name, group) in meaning.file.groups.iter().flat_map(Spanned::get_ref) {
            if group.hosts.is_none() {
                return Err(source
                    .wrong_key(&["groups", name], &format!("groups.{name}: it says no hosts"))
                    .hint("Say hosts = [\"web-*\", …]."));
            }
            if let Some(ssh) = &group.ssh {
                return Err(source.wrong(ssh.span().start, "a group has no name of its own for ssh: say it of each host"));
            }
        }
        if let Some(defaults) = meaning.file.defaults.as_ref().map(Spanned::as_ref) {
            for (said, key) in [(defaults.hosts.as_ref().map(Spanned::span), "hosts"), (defaults.ssh.as_ref().map(Spanned::span), "ssh")] {
                if let Some(span) = said {
                    return Err(source.wrong(span.start, &format!("defaults cannot say {key}")));
                }
            }
        }
        if let Some(host) = &meaning.file.default_host {
            HostAlias::parse(host.as_ref()).map_err(|error| source.wrong(host.span().start, &error.to_string()))?;
        }
        if let Some(tools) = &meaning.file.tools {
            towline_mcp::Selection::parse(tools.as_ref()).map_err(|failure| source.wrong(tools.span().start, &failure.text))?;
        }
        Ok(meaning)
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }

    /// The hosts that the file names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.file.hosts.iter().flat_map(|hosts| hosts.as_ref().keys().cloned()).collect()
    }

    /// A path with the home directory in the place of `~/`.
    pub(crate) fn path(&self, text: &str) -> String {
        text.strip_prefix("~/").map_or_else(|| text.to_owned(), |rest| format!("{}/{rest}", self.home.trim_end_matches('/')))
    }

    /// What is in force for a host.
    pub(crate) fn host(&self, name: &HostAlias) -> Result<Resolved, Failure> {
        let layers = Layers::of(self, name.as_str());
        let mut lines = Vec::new();
        let ssh = match layers.pick("ssh", |host| host.ssh.as_ref(), &mut lines)? {
            Some((ssh, at)) => HostAlias::parse(ssh).map_err(|error| self.source().wrong(at, &error.to_string()))?,
            None => name.clone(),
        };
        // What stands in the name that a caller gave is not said twice.
        let (has_user, has_port) = (name.as_str().contains('@'), has_port(name.as_str()));
        let user = layers.pick("user", |host| host.user.as_ref(), &mut lines)?.map(|(user, _)| user.clone()).filter(|_| !has_user);
        let port = layers.pick("port", |host| host.port.as_ref(), &mut lines)?.map(|(port, _)| *port).filter(|_| !has_port);
        let identity_file = layers.pick("identity_file", |host| host.identity_file.as_ref(), &mut lines)?.map(|(file, _)| self.path(file));
        let jump = match layers.pick("jump", |host| host.jump.as_ref(), &mut lines)? {
            Some((jump, at)) => Some(HostAlias::parse(jump).map_err(|error| self.source().wrong(at, &error.to_string()))?),
            None => None,
        };
        let cwd = layers.pick("cwd", |host| host.cwd.as_ref(), &mut lines)?.map(|(cwd, _)| cwd.clone());
        let shell = match layers.pick("shell", |host| host.shell.as_ref(), &mut lines)?.map(|(shell, _)| *shell) {
            Some(Shell::None) => HostShell::None,
            Some(Shell::Auto) | None => HostShell::Auto,
        };
        let env = layers.env(&mut lines)?;
        let keeping = layers.keeping(&mut lines)?;
        let access = secrets::access(self, &layers, &mut lines)?;
        let agent = match layers.pick("forward_agent", |host| host.forward_agent.as_ref(), &mut lines)? {
            Some((true, _)) => AgentForwarding::On,
            Some((false, _)) | None => AgentForwarding::Off,
        };
        Ok(Resolved { plan: HostPlan { ssh, user, port, identity_file, jump, cwd, env, shell, keeping, access, agent }, lines })
    }
}

fn has_port(name: &str) -> bool {
    let host = name.rsplit_once('@').map_or(name, |(_, host)| host);
    host.contains("]:") || host.matches(':').count() == 1
}

/// What is said of one host, the nearest first.
pub(crate) struct Layers<'a> {
    source: Source<'a>,
    /// What is said of the host itself.
    own: Option<(String, &'a Host)>,
    groups: Vec<(String, &'a Host)>,
    defaults: Option<(String, &'a Host)>,
}

impl<'a> Layers<'a> {
    fn of(meaning: &'a Meaning, name: &str) -> Self {
        let file = &meaning.file;
        let own = file.hosts.as_ref().and_then(|hosts| hosts.as_ref().get(name)).map(|host| (format!("hosts.{name}"), host));
        let fits = |host: &Host| host.hosts.iter().flat_map(Spanned::get_ref).any(|pattern| HostPattern::new(pattern).fits(name));
        let groups = file.groups.iter().flat_map(Spanned::get_ref).filter(|(_, host)| fits(host));
        let groups = groups.map(|(name, host)| (format!("groups.{name}"), host)).collect();
        let defaults = file.defaults.as_ref().map(|host| ("defaults".to_owned(), host.as_ref()));
        Self { source: meaning.source(), own, groups, defaults }
    }

    /// The value in force: the nearest.
    pub(crate) fn pick<T: PartialEq + std::fmt::Debug>(
        &self,
        key: &str,
        field: impl Fn(&'a Host) -> Option<&'a Spanned<T>>,
        lines: &mut Vec<Line>,
    ) -> Result<Option<(&'a T, usize)>, Failure> {
        let said = |layers: &[(String, &'a Host)]| -> Vec<(String, &'a Spanned<T>)> {
            layers.iter().filter_map(|(name, host)| Some((format!("{name}.{key}"), field(host)?))).collect()
        };
        let levels = [self.own.iter().cloned().collect::<Vec<_>>(), self.groups.clone(), self.defaults.iter().cloned().collect()];
        for level in levels {
            let found = said(&level);
            let Some((name, value)) = found.first().map(|(name, value)| (name.clone(), *value)) else { continue };
            if let Some((other, _)) = found.iter().find(|(_, other)| other.as_ref() != value.as_ref()) {
                let text = format!("{name} and {other} ({}) say different things of one host", self.source.at(found[1].1.span().start));
                return Err(self.source.wrong(value.span().start, &text).hint("Say it of the host itself."));
            }
            let at = value.span().start;
            lines.push(Line {
                key: key.to_owned(),
                value: format!("{:?}", value.as_ref()),
                from: format!("{name}, {}", self.source.at(at)),
            });
            return Ok(Some((value.as_ref(), at)));
        }
        lines.push(Line { key: key.to_owned(), value: "not said".to_owned(), from: BUILT_IN.to_owned() });
        Ok(None)
    }

    /// What is kept on the host, bound by bound.
    fn keeping(&self, lines: &mut Vec<Line>) -> Result<Keeping, Failure> {
        let mut bound = |key: &str, field: fn(&Keep) -> Option<&Spanned<u32>>, range: (u32, u32), usual: u32| {
            let of_host = |host: &'a Host| host.keep.as_ref().and_then(|keep| field(keep.as_ref()));
            let Some((said, at)) = self.pick(&format!("keep.{key}"), of_host, lines)? else {
                if let Some(line) = lines.last_mut() {
                    line.value = usual.to_string();
                }
                return Ok(usual);
            };
            let (least, most) = range;
            if (least..=most).contains(said) {
                Ok(*said)
            } else {
                Err(self.source.wrong(at, &format!("{key}: it must be from {least} to {most}")))
            }
        };
        let Keeping { read_days, unread_days, outcomes, output_kib, execution_kib, idle_days } = Keeping::default();
        Ok(Keeping {
            read_days: bound("read_days", |keep| keep.read_days.as_ref(), (0, MOST_DAYS), read_days)?,
            unread_days: bound("unread_days", |keep| keep.unread_days.as_ref(), (1, MOST_DAYS), unread_days)?,
            outcomes: bound("outcomes", |keep| keep.outcomes.as_ref(), (1, 100_000), outcomes)?,
            output_kib: KIB * bound("output_mb", |keep| keep.output_mb.as_ref(), (1, MOST_MB), output_kib / KIB)?,
            execution_kib: KIB * bound("execution_mb", |keep| keep.execution_mb.as_ref(), (1, MOST_MB), execution_kib / KIB)?,
            idle_days: bound("idle_days", |keep| keep.idle_days.as_ref(), (1, MOST_DAYS), idle_days)?,
        })
    }

    /// Variables are in force one by one.
    fn env(&self, lines: &mut Vec<Line>) -> Result<Vec<(String, String)>, Failure> {
        let mut all: BTreeMap<&str, (&str, String)> = BTreeMap::new();
        let mut of_groups: BTreeMap<&str, &str> = BTreeMap::new();
        let layers = self.defaults.iter().chain(&self.groups).chain(&self.own);
        for (layer, host) in layers {
            let Some(env) = &host.env else { continue };
            let at = env.span().start;
            for (name, value) in env.as_ref() {
                let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(|c: char| c.is_ascii_digit());
                if !good || name.is_empty() || value.contains('\0') {
                    return Err(self.source.wrong(at, &format!("env: {name:?} is no name of a variable, or its value holds a NUL")));
                }
                if layer.starts_with("groups.") && of_groups.insert(name, value).is_some_and(|other| other != value) {
                    let text = format!("two groups say different things of the variable {name} for one host");
                    return Err(self.source.wrong(at, &text).hint("Say it of the host itself."));
                }
                all.insert(name, (value, format!("{layer}.env, {}", self.source.at(at))));
            }
        }
        for (name, (value, from)) in &all {
            lines.push(Line { key: format!("env.{name}"), value: format!("{value:?}"), from: from.clone() });
        }
        Ok(all.into_iter().map(|(name, (value, _))| (name.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    const TEXT: &str = "\
[defaults]
cwd = '/all'
env = { A = '1', B = '1' }
keep = { execution_mb = 8 }
[groups.web]
hosts = ['web-*', 'dev']
user = 'deploy'
env = { B = '2' }
[groups.odd]
hosts = ['web-9']
user = 'other'
[hosts.dev]
ssh = 'dev.example.com'
cwd = '/dev'
port = 2222
keep = { idle_days = 3 }
[hosts.switch]
shell = 'none'
";

    fn meaning(text: &str) -> Result<Meaning, Failure> {
        let source = Source { name: "c", text };
        Meaning::of(parse(source)?, source, "/home/me")
    }

    fn found(name: &str) -> String {
        let alias = HostAlias::parse(name).expect("a name");
        match meaning(TEXT).and_then(|meaning| meaning.host(&alias)) {
            Err(failure) => failure.text,
            Ok(resolved) => {
                let said = resolved.lines.iter().filter(|line| line.from != BUILT_IN);
                said.map(|line| format!("{}={} ({})", line.key, line.value, line.from)).collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn the_nearest_value_is_in_force_and_says_where_it_stands() {
        let all = "env.A=\"1\" (defaults.env, c:3)";
        let kept = "keep.execution_mb=8 (defaults.keep.execution_mb, c:4)";
        for (name, expected) in [
            ("elsewhere", format!("cwd=\"/all\" (defaults.cwd, c:2); {all}; env.B=\"1\" (defaults.env, c:3); {kept}")),
            (
                "web-1",
                format!(
                    "user=\"deploy\" (groups.web.user, c:7); cwd=\"/all\" (defaults.cwd, c:2); {all}; env.B=\"2\" (groups.web.env, c:8); {kept}"
                ),
            ),
            (
                "dev",
                format!(
                    "ssh=\"dev.example.com\" (hosts.dev.ssh, c:13); user=\"deploy\" (groups.web.user, c:7); port=2222 (hosts.dev.port, c:15); cwd=\"/dev\" (hosts.dev.cwd, c:14); {all}; env.B=\"2\" (groups.web.env, c:8); {kept}; keep.idle_days=3 (hosts.dev.keep.idle_days, c:16)"
                ),
            ),
            ("web-9", "c:11: groups.odd.user and groups.web.user (c:7) say different things of one host".to_owned()),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
    }

    #[test]
    fn a_plan_is_what_the_engine_needs() {
        let plan = |name: &str| meaning(TEXT).unwrap().host(&HostAlias::parse(name).unwrap()).unwrap().plan;
        let dev = plan("dev");
        assert_eq!((dev.ssh.as_str(), dev.user.as_deref(), dev.port), ("dev.example.com", Some("deploy"), Some(2222)));
        assert_eq!(plan("switch").shell, HostShell::None);
        assert_eq!((dev.keeping.idle_days, dev.keeping.execution_kib, dev.keeping.outcomes), (3, 8 * 1024, 2_000));
        assert_eq!(plan("switch").keeping.idle_days, Keeping::default().idle_days);
        // A user or port in the name that was given stands.
        let named = plan("me@web-1:22");
        assert_eq!((named.ssh.as_str(), named.user, named.port), ("me@web-1:22", None, None));
    }

    #[test]
    fn what_cannot_mean_anything_is_refused_with_its_place() {
        for (text, said) in [
            ("\n[hosts.'a b']\n", "c:2: hosts.\"a b\": host: \"a b\" cannot be used"),
            ("[hosts.a]\nhosts = ['b']", "c:2: only a group has hosts"),
            ("\n[groups.a]\nuser = 'x'", "c:2: groups.a: it says no hosts"),
            ("[groups.a]\nhosts = ['x']\nssh = 'y'", "c:3: a group has no name of its own"),
            ("[defaults]\nssh = 'y'", "c:2: defaults cannot say ssh"),
            ("default_host = '-x'", "c:1: default_host: host: \"-x\" cannot be used"),
            ("tools = 'codnig'", "c:1: --tools: \"codnig\" is no set"),
            ("[hosts.a]\nssh = '-oProxyCommand=x'", "c:2: hosts.a.ssh: host: "),
            ("[hosts.a]\njump = 'a;b'", "c:2: hosts.a.jump: host: "),
            ("[secrets]\n'a-b' = { env = 'X' }", "c:2: secrets: "),
            ("[secrets.PW]\nenv = 'X'\nfile = '/x'", "c:1: secrets.PW: say one of command, env, file and keyring"),
            ("[secrets.PW]\n", "c:1: secrets.PW: say one of command, env, file and keyring"),
            ("[secrets.PW]\ncommand = []", "c:1: secrets.PW: the command has no words"),
            (
                "[secrets.PW]\nenv = 'X'\n[hosts.a]\npassword = 'PV'",
                "c:4: hosts.a.password: there is no secret \"PV\"; did you mean \"PW\"?",
            ),
            ("[hosts.a]\npassphrases = { '~/k' = 'hunter2 x' }", "c:2: hosts.a.passphrases: there is no secret \"hunter2 x\""),
            ("[hosts.a]\nkeep = { idle_days = 0 }", "c:2: idle_days: it must be from 1 to 3650"),
            ("[defaults.keep]\noutput_mb = 4000000\n[hosts.a]", "c:2: output_mb: it must be from 1 to 1048576"),
            ("[hosts.a]\nenv = { 'a-b' = 'x' }", "c:2: env: \"a-b\" is no name"),
            ("[policy]\nwrite = ['srv']", "c:2: policy.write: \"srv\": it must be an absolute path"),
            ("[policy]\nnever = ['/a/../b']", "c:2: policy.never: \"/a/../b\": it must hold no"),
            ("[policy]\ntools = ['Raed']", "c:2: policy.tools: \"Raed\" is no tool, family or set; did you mean \"Read\"?"),
            ("[[policy.guards]]\npattern = '('\nthen = 'ask'", "c:2: the pattern is none"),
        ] {
            let failure = meaning(text).map(|_| ()).expect_err(text);
            assert!(failure.text.starts_with(said), "{text}: {}", failure.text);
        }
        assert!(meaning(include_str!("example.toml")).is_ok());
    }
}
