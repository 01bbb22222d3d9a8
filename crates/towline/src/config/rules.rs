//! From what a settings file says of rules to the rules of the engine.

use regex::RegexBuilder;
use toml::Spanned;
use towline_base::Failure;
use towline_engine::Rules;
use towline_engine::policy::{self, Directory, HostPattern, Names, Origin, Policy, Reach, Rule, Scope, Warned};
use towline_mcp::{Family, tools};

use super::parse::{Source, nearest};
use super::said::{self, File, Guard, Mode, Project, Then, Verdict};

/// Memory that one guard's compiled pattern may take: a project's file is a stranger's.
const PATTERN_BYTES: usize = 1024 * 1024;

/// The rules that a settings file says, over what is built in.
pub(crate) fn of_file(file: &File, source: Source<'_>) -> Result<Rules, Failure> {
    let mut rules = Rules { general: built_in(), ..Rules::default() };
    if let Some(general) = &file.policy {
        rules.general = of_policy(general.as_ref(), "policy", source)?.over(built_in());
    }
    if let Some(others) = &file.other_hosts {
        rules.others = of_policy(others.as_ref(), "other_hosts", source)?;
    }
    for (name, host) in file.hosts.iter().flat_map(Spanned::get_ref) {
        let names = std::iter::once(name.as_str()).chain(host.ssh.as_ref().map(|ssh| plain(ssh.as_ref())));
        let hosts = names.map(HostPattern::new).collect();
        let policy = match &host.policy {
            Some(policy) => of_policy(policy.as_ref(), &format!("hosts.{name}.policy"), source)?,
            None => Policy::default(),
        };
        rules.hosts.push(Scope { exact: Some(name.clone()), hosts, policy });
    }
    for (name, group) in file.groups.iter().flat_map(Spanned::get_ref) {
        let hosts = group.hosts.iter().flat_map(Spanned::get_ref).map(|pattern| HostPattern::new(pattern)).collect();
        let policy = match &group.policy {
            Some(policy) => of_policy(policy.as_ref(), &format!("groups.{name}.policy"), source)?,
            None => Policy::default(),
        };
        rules.groups.push(Scope { exact: None, hosts, policy });
    }
    Ok(rules)
}

/// The scopes by which a project's own file tightens.
pub(crate) fn of_project(project: &Project, source: Source<'_>) -> Result<Vec<Scope>, Failure> {
    let mut scopes = Vec::new();
    if let Some(policy) = &project.policy {
        let policy = of_policy(policy.as_ref(), "policy", source)?;
        scopes.push(Scope { exact: None, hosts: vec![HostPattern::new("*")], policy });
    }
    for (name, host) in project.hosts.iter().flat_map(Spanned::get_ref) {
        if let Some(policy) = &host.policy {
            let policy = of_policy(policy.as_ref(), &format!("hosts.{name}.policy"), source)?;
            scopes.push(Scope { exact: None, hosts: vec![HostPattern::new(name)], policy });
        }
    }
    Ok(scopes)
}

/// What holds where nobody says anything: what hands out the person's own rights is asked about or refused.
pub(crate) fn built_in() -> Policy {
    fn rule<T>(says: T) -> Vec<Rule<T>> {
        vec![Rule { says, from: Origin("built in".to_owned()) }]
    }
    Policy {
        forward_agent: rule(policy::Verdict::Ask),
        password: rule(policy::Verdict::Refuse),
        secrets: rule(Names::new()),
        ..Policy::default()
    }
}

/// A host's name for ssh without user and port.
fn plain(ssh: &str) -> &str {
    ssh.rsplit_once('@').map_or(ssh, |(_, host)| host)
}

/// Makes rules of one table, each with its place.
struct Maker<'a> {
    key: &'a str,
    source: Source<'a>,
}

fn of_policy(said: &said::Policy, key: &str, source: Source<'_>) -> Result<Policy, Failure> {
    let maker = Maker { key, source };
    let said::Policy { mode, tools, without, ask, read, write, never, sudo, forwards, forward_agent, password, secrets, guards } = said;
    Ok(Policy {
        reach: maker.rule("mode", mode.as_ref(), |mode, _| {
            Ok(match mode {
                Mode::All => Reach::Everything,
                Mode::ReadOnly => Reach::ReadOnly,
            })
        })?,
        tools: maker.rule("tools", tools.as_ref(), |words, at| maker.tools(words, at))?,
        without: maker.rule("without", without.as_ref(), |words, at| maker.tools(words, at))?,
        ask: maker.rule("ask", ask.as_ref(), |words, at| maker.tools(words, at))?,
        read: maker.rule("read", read.as_ref(), |words, at| maker.directories(words, at))?,
        write: maker.rule("write", write.as_ref(), |words, at| maker.directories(words, at))?,
        never: maker.rule("never", never.as_ref(), |words, at| maker.directories(words, at))?,
        sudo: maker.verdict("sudo", sudo.as_ref())?,
        forwards: maker.verdict("forwards", forwards.as_ref())?,
        forward_agent: maker.verdict("forward_agent", forward_agent.as_ref())?,
        password: maker.verdict("password", password.as_ref())?,
        secrets: maker.rule("secrets", secrets.as_ref(), |words, _| Ok(words.iter().cloned().collect::<Names>()))?,
        guards: maker.guards(guards.as_ref())?,
    })
}

impl Maker<'_> {
    fn from(&self, key: &str, at: usize) -> Origin {
        Origin(format!("{}.{key}, {}", self.key, self.source.at(at)))
    }

    fn rule<T, U>(
        &self,
        key: &str,
        said: Option<&Spanned<T>>,
        make: impl FnOnce(&T, usize) -> Result<U, Failure>,
    ) -> Result<Vec<Rule<U>>, Failure> {
        let Some(said) = said else { return Ok(Vec::new()) };
        let at = said.span().start;
        Ok(vec![Rule { says: make(said.as_ref(), at)?, from: self.from(key, at) }])
    }

    fn verdict(&self, key: &str, said: Option<&Spanned<Verdict>>) -> Result<Vec<Rule<policy::Verdict>>, Failure> {
        self.rule(key, said, |verdict, _| {
            Ok(match verdict {
                Verdict::Allow => policy::Verdict::Permit,
                Verdict::Ask => policy::Verdict::Ask,
                Verdict::Refuse => policy::Verdict::Refuse,
            })
        })
    }

    /// The tools that words name: tools, families, `coding`, `all`.
    fn tools(&self, words: &[String], at: usize) -> Result<Names, Failure> {
        let mut names = Names::new();
        for word in words {
            let is_meant =
                |tool: &&tools::Tool| word == "all" || (word == "coding" && tool.coding) || word == tool.family.name() || word == tool.name;
            let before = names.len();
            names.extend(tools::ALL.iter().filter(is_meant).map(|tool| tool.name.to_owned()));
            if names.len() == before && !tools::ALL.iter().any(|tool| is_meant(&tool)) {
                let known: Vec<&str> = tools::ALL
                    .iter()
                    .map(|tool| tool.name)
                    .chain(Family::ALL.iter().map(|family| family.name()))
                    .chain(["coding", "all"])
                    .collect();
                let meant = nearest(word, &known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                return Err(self.source.wrong(at, &format!("{word:?} is no tool, family or set{meant}")));
            }
        }
        Ok(names)
    }

    fn directories(&self, words: &[String], at: usize) -> Result<Vec<Directory>, Failure> {
        words.iter().map(|word| Directory::parse(word).map_err(|rule| self.source.wrong(at, &format!("{word:?}: {rule}")))).collect()
    }

    fn guards(&self, said: Option<&Spanned<Vec<Guard>>>) -> Result<Vec<Rule<policy::Guard>>, Failure> {
        let guards = said.into_iter().flat_map(Spanned::get_ref);
        guards
            .map(|guard| {
                let at = guard.pattern.span().start;
                let pattern = RegexBuilder::new(guard.pattern.as_ref()).size_limit(PATTERN_BYTES).build();
                let pattern = pattern.map_err(|error| {
                    self.source.wrong(at, &format!("the pattern is none: {}", error.to_string().lines().last().unwrap_or_default()))
                })?;
                let then = match guard.then {
                    Then::Ask => Warned::Ask,
                    Then::Refuse => Warned::Refuse,
                };
                Ok(Rule { says: policy::Guard { pattern, then, say: guard.say.clone() }, from: self.from("guards", at) })
            })
            .collect()
    }
}
