//! A policy: rules with their origins, field by field.
//!
//! Holds to: every field is a list of rules that all hold; what lies nearer replaces what lies farther field by field ([`Policy::over`]),
//! what tightens is added ([`Policy::and`]). Leaves out: how rules are written down.

use std::collections::BTreeSet;
use std::fmt;

use regex::Regex;

use crate::path::Directory;

/// Where a rule was said, for people: a key, a file and a line, or a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A rule and where it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// What it says.
    pub says: T,
    /// Where it was said.
    pub from: Origin,
}

/// How far actions may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Whatever the account on the host may do.
    #[default]
    Everything,
    /// Only looking: no commands, no changes, no forwards.
    ReadOnly,
}

/// What a rule says of an action; the later is the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It may be carried out.
    Permit,
    /// A person is asked.
    Ask,
    /// It may not.
    Refuse,
}

impl Verdict {
    /// The word for it in a settings file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Permit => "allow",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

/// Names of tools or secrets.
pub type Names = BTreeSet<String>;

/// What a guard makes of a command that it matches; allowing is not among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warned {
    /// A person is asked.
    Ask,
    /// It is refused.
    Refuse,
}

/// A pattern that catches accidents in the text of commands. It is no lock: there is always another way to write a command.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What it looks for, anywhere in the text.
    pub pattern: Regex,
    /// What it makes of it.
    pub then: Warned,
    /// What its reader is told; the pattern itself if nothing was said.
    pub say: Option<String>,
}

/// The rules for a host. An empty one permits everything.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How far actions may go.
    pub reach: Vec<Rule<Reach>>,
    /// Only these tools.
    pub tools: Vec<Rule<Names>>,
    /// Not these tools.
    pub without: Vec<Rule<Names>>,
    /// These tools only after a person was asked.
    pub ask: Vec<Rule<Names>>,
    /// File tools show only what lies in these directories.
    pub read: Vec<Rule<Vec<Directory>>>,
    /// File tools change only what lies in these directories.
    pub write: Vec<Rule<Vec<Directory>>>,
    /// File tools touch nothing in these directories.
    pub never: Vec<Rule<Vec<Directory>>>,
    /// Acting as root.
    pub sudo: Vec<Rule<Verdict>>,
    /// Forwards.
    pub forwards: Vec<Rule<Verdict>>,
    /// The user's ssh agent on the host.
    pub forward_agent: Vec<Rule<Verdict>>,
    /// Logging in with a password that an agent sent, or typing one into a terminal.
    pub password: Vec<Rule<Verdict>>,
    /// The secrets that commands and terminals may be given.
    pub secrets: Vec<Rule<Names>>,
    /// Patterns that catch accidents.
    pub guards: Vec<Rule<Guard>>,
}

/// Applies `$what(&mut left.field, right.field)` to each field; a field that is forgotten here does not compile.
macro_rules! each_field {
    ($left:ident, $right:ident, $what:ident, $added:ident) => {{
        let Policy { reach, tools, without, ask, read, write, never, sudo, forwards, forward_agent, password, secrets, guards } = $right;
        $what(&mut $left.reach, reach);
        $what(&mut $left.tools, tools);
        $what(&mut $left.without, without);
        $what(&mut $left.ask, ask);
        $what(&mut $left.read, read);
        $what(&mut $left.write, write);
        $added(&mut $left.never, never);
        $what(&mut $left.sudo, sudo);
        $what(&mut $left.forwards, forwards);
        $what(&mut $left.forward_agent, forward_agent);
        $what(&mut $left.password, password);
        $what(&mut $left.secrets, secrets);
        $added(&mut $left.guards, guards);
    }};
}

fn add<T>(field: &mut Vec<T>, more: Vec<T>) {
    field.extend(more);
}

fn fill<T>(field: &mut Vec<T>, more: Vec<T>) {
    if field.is_empty() {
        *field = more;
    }
}

impl Policy {
    /// These rules, and those as well: never looser than either.
    #[must_use]
    pub fn and(mut self, other: Policy) -> Policy {
        each_field!(self, other, add, add);
        self
    }

    /// These rules, and in each field that says nothing those that lie farther away. Directories that are never touched and
    /// guards add up.
    #[must_use]
    pub fn over(mut self, farther: Policy) -> Policy {
        each_field!(self, farther, fill, add);
        self
    }
}
