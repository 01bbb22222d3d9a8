//! The decision on an action: each rule that applies says something, and the strictest decides.
//!
//! Holds to: paths are judged twice, as texts and, where a rule speaks of directories, by where they lead on the host; what cannot be
//! told is refused. Leaves out: asking the host, asking a person.

use std::collections::BTreeMap;

use towline_base::{Code, Failure};

use crate::action::{Access, Action, Effect, Offered, Touch, Want};
use crate::path::{Directory, normal, within};
use crate::policy::{Guard, Origin, Policy, Reach, Rule, Verdict, Warned};
use crate::rules::Rules;

/// Where paths lead on the host, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// The host was not asked yet.
    Unknown,
    /// What it said of each path that it was asked for; `None` if it cannot be told.
    Known(BTreeMap<String, Option<Vec<u8>>>),
}

/// What one rule says of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its verdict.
    pub verdict: Verdict,
    /// Where it was said.
    pub from: Origin,
    /// Why, as the end of a sentence.
    pub why: String,
}

/// All that the rules say of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The strictest of the verdicts.
    pub verdict: Verdict,
    /// What each rule that applies says; the first with the strictest verdict decides.
    pub findings: Vec<Finding>,
    /// Paths that the host has to be asked for before the verdict is final.
    pub open: Vec<String>,
}

impl Explanation {
    /// The finding that decides; `None` where no rule speaks of the action.
    #[must_use]
    pub fn decisive(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.verdict == self.verdict)
    }
}

/// The proof that an action was decided upon. Only this crate makes one:
///
/// ```compile_fail
/// let permit = towline_policy::Permit { tool: "Bash", confirmed: false, rule: String::new() };
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit {
    tool: &'static str,
    confirmed: bool,
    rule: String,
}

impl Permit {
    /// The tool that it was given for.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        self.tool
    }

    /// Where the rule that decided was said; empty where none spoke.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether a person confirmed the action.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }
}

/// An action that a person has to confirm.
#[derive(Debug)]
#[must_use]
pub struct Question {
    tool: &'static str,
    /// What is to be done, and by which rule the person is asked: the beginning of a sentence.
    pub about: String,
    /// The rule.
    pub from: Origin,
    /// What can be done if nobody says yes.
    otherwise: String,
}

impl Question {
    /// The permit, once a person said yes.
    pub fn confirmed(self) -> Permit {
        Permit { tool: self.tool, confirmed: true, rule: self.from.to_string() }
    }

    /// The refusal, with what became of the question.
    #[must_use]
    pub fn unanswered(&self, what: &str) -> Refusal {
        let text = format!("{} ({}); {what}.", self.about, self.from);
        Refusal { failure: Failure::new(Code::Forbidden, text).hint(self.otherwise.as_str()), from: Some(self.from.clone()) }
    }
}

/// An action that is not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What its reader sees.
    pub failure: Failure,
    /// The rule.
    pub from: Option<Origin>,
}

/// What was decided.
#[derive(Debug)]
pub enum Decision {
    /// It may be carried out.
    Permit(Permit),
    /// A person has to confirm it.
    Ask(Question),
    /// It may not.
    Refuse(Refusal),
    /// The host has to be asked where these paths lead, and then the rules again.
    Resolve(Vec<String>),
}

const PASSWORD: &str = "a password in a tool's parameters";
const TYPED: &str = "typing a password that was in a tool's parameters";
/// A password in a call went through the model and its provider.
const BETTER_WAYS: &str = "Ask the user to run `towline auth HOST` in a terminal, to load a key into ssh-agent, or to name a secret for the host in the settings (`password`).";
const ASK_USER: &str = "Ask the user: only a person can change the rules.";

impl Rules {
    /// Decides on an action.
    #[must_use]
    pub fn decide(&self, action: &Action<'_>, places: &Places) -> Decision {
        let explanation = self.explain(action, places);
        let on = action.host.map_or_else(String::new, |host| format!(" on {host}"));
        match (explanation.verdict, explanation.decisive()) {
            (Verdict::Refuse, Some(finding)) => {
                let text = format!("{}{on} is not permitted: {} ({}).", action.tool, finding.why, finding.from);
                let failure = Failure::new(Code::Forbidden, text).hint(way_out(finding, action));
                Decision::Refuse(Refusal { failure, from: Some(finding.from.clone()) })
            }
            _ if !explanation.open.is_empty() => Decision::Resolve(explanation.open),
            (Verdict::Ask, Some(finding)) => {
                let about = format!("{}{on} has to be confirmed by a person: {}", action.tool, finding.why);
                Decision::Ask(Question { tool: action.tool, about, from: finding.from.clone(), otherwise: way_out(finding, action) })
            }
            (Verdict::Permit, _) | (Verdict::Ask | Verdict::Refuse, None) => {
                let rule = explanation.decisive().map_or_else(String::new, |finding| finding.from.to_string());
                Decision::Permit(Permit { tool: action.tool, confirmed: false, rule })
            }
        }
    }

    /// What each rule says of an action.
    #[must_use]
    pub fn explain(&self, action: &Action<'_>, places: &Places) -> Explanation {
        judge(&self.policy_for(action.host), action, places)
    }
}

/// What can be done about a refusal.
fn way_out(finding: &Finding, action: &Action<'_>) -> String {
    let person = action.wants.iter().find_map(|want| match want {
        Want::TypedPassword { person } => Some(*person),
        Want::Sudo | Want::Forward | Want::ForwardAgent | Want::Password | Want::Secret(_) => None,
    });
    match person {
        Some(person) if finding.why.starts_with(TYPED) => typed_by_others(person),
        Some(_) | None if finding.why.starts_with(PASSWORD) => BETTER_WAYS.to_owned(),
        Some(_) | None => ASK_USER.to_owned(),
    }
}

/// How a password gets into a terminal without an agent that types it.
#[must_use]
pub fn typed_by_others(person: &str) -> String {
    format!(
        "secret: NAME types one that the rules lend to this host; or ask the person to type it there: {person}. C-c leaves the question."
    )
}

/// What a policy says of an action.
pub(crate) fn judge(policy: &Policy, action: &Action<'_>, places: &Places) -> Explanation {
    let mut findings = of_tool(policy, action);
    for want in &action.wants {
        of_want(policy, *want, &mut findings);
    }
    if let Some(text) = action.text {
        of_text(&policy.guards, text, &mut findings);
    }
    let mut open = Vec::new();
    for touch in &action.touches {
        of_touch(policy, touch, places, &mut findings, &mut open);
    }
    open.sort();
    open.dedup();
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Permit);
    Explanation { verdict, findings, open }
}

fn finding<T>(rule: &Rule<T>, verdict: Verdict, why: impl Into<String>) -> Finding {
    Finding { verdict, from: rule.from.clone(), why: why.into() }
}

fn refused_if(refused: bool) -> Verdict {
    if refused { Verdict::Refuse } else { Verdict::Permit }
}

fn of_tool(policy: &Policy, action: &Action<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &policy.reach {
        findings.push(match rule.says {
            Reach::Everything => finding(rule, Verdict::Permit, "all actions are permitted"),
            Reach::ReadOnly => finding(rule, refused_if(reaches(action)), "only looking is permitted"),
        });
    }
    if action.offered == Offered::ToPeople {
        return findings;
    }
    for rule in &policy.tools {
        let (verdict, is) = if rule.says.contains(action.tool) { (Verdict::Permit, "is one") } else { (Verdict::Refuse, "is none") };
        findings.push(finding(rule, verdict, format!("it {is} of the tools that are permitted")));
    }
    for rule in policy.without.iter().filter(|rule| rule.says.contains(action.tool)) {
        findings.push(finding(rule, Verdict::Refuse, "the tool is excluded"));
    }
    for rule in policy.ask.iter().filter(|rule| rule.says.contains(action.tool)) {
        findings.push(finding(rule, Verdict::Ask, "the tool is one of those that are asked about"));
    }
    findings
}

/// Whether an action does more than look.
fn reaches(action: &Action<'_>) -> bool {
    let more = |want: &Want<'_>| match want {
        Want::Forward | Want::ForwardAgent | Want::Secret(_) => true,
        Want::Sudo | Want::Password | Want::TypedPassword { .. } => false,
    };
    matches!(action.effect, Effect::Change | Effect::Run) || action.wants.iter().any(more)
}

fn of_want(policy: &Policy, want: Want<'_>, findings: &mut Vec<Finding>) {
    let (rules, what) = match want {
        Want::Sudo => (&policy.sudo, "acting as root"),
        Want::Forward => (&policy.forwards, "opening forwards"),
        Want::ForwardAgent => (&policy.forward_agent, "forwarding the ssh agent"),
        Want::Password => (&policy.password, PASSWORD),
        Want::TypedPassword { .. } => (&policy.password, TYPED),
        Want::Secret(name) => {
            for rule in &policy.secrets {
                let verdict = refused_if(!rule.says.contains(name));
                let named = if verdict == Verdict::Permit { "is" } else { "is not" };
                findings.push(finding(rule, verdict, format!("the secret {name:?} {named} one of those that may be used here")));
            }
            return;
        }
    };
    for rule in rules {
        let is = match rule.says {
            Verdict::Permit => "is permitted",
            Verdict::Ask => "is asked about",
            Verdict::Refuse => "is not permitted",
        };
        findings.push(finding(rule, rule.says, format!("{what} {is}")));
    }
}

fn of_text(guards: &[Rule<Guard>], text: &str, findings: &mut Vec<Finding>) {
    for rule in guards.iter().filter(|rule| rule.says.pattern.is_match(text)) {
        let verdict = match rule.says.then {
            Warned::Ask => Verdict::Ask,
            Warned::Refuse => Verdict::Refuse,
        };
        let why = match &rule.says.say {
            Some(say) => say.clone(),
            None => format!("the text matches the guard {:?}", rule.says.pattern.as_str()),
        };
        findings.push(finding(rule, verdict, why));
    }
}

fn of_touch(policy: &Policy, touch: &Touch<'_>, places: &Places, findings: &mut Vec<Finding>, open: &mut Vec<String>) {
    let (only, done) = match touch.access {
        Access::Read | Access::Search => (&policy.read, "read"),
        Access::Write => (&policy.write, "written"),
    };
    for rule in only {
        let (verdict, why) = match stands(touch.path, &rule.says, places, within) {
            Stands::Yes => (Verdict::Permit, format!("{} lies in a directory that may be {done}", shown(touch))),
            Stands::No(how) => (Verdict::Refuse, format!("{} {how} no directory that may be {done}", shown(touch))),
            Stands::Nowhere => (Verdict::Refuse, format!("where {} leads on the host cannot be told", shown(touch))),
            Stands::Open => {
                ask_for(touch, &rule.says, open);
                (Verdict::Permit, format!("as a text, {} lies in a directory that may be {done}", shown(touch)))
            }
        };
        findings.push(finding(rule, verdict, why));
    }
    for rule in &policy.never {
        let meets = |path: &[u8], directory: &[u8]| within(path, directory) || (touch.access == Access::Search && within(directory, path));
        let (verdict, why) = match any_stands(touch.path, &rule.says, places, meets) {
            Stands::Yes => (Verdict::Refuse, format!("{} meets a directory that may not be touched", shown(touch))),
            Stands::Nowhere => (Verdict::Refuse, format!("where {} leads on the host cannot be told", shown(touch))),
            Stands::No(_) => continue,
            Stands::Open => {
                ask_for(touch, &rule.says, open);
                continue;
            }
        };
        findings.push(finding(rule, verdict, why));
    }
}

fn ask_for(touch: &Touch<'_>, directories: &[Directory], open: &mut Vec<String>) {
    open.push(touch.path.to_owned());
    open.extend(directories.iter().map(|directory| directory.as_str().to_owned()));
}

/// The path as a reader sees it.
fn shown(touch: &Touch<'_>) -> String {
    format!("{:?}", touch.path)
}

/// How a path stands to directories.
enum Stands {
    Yes,
    /// It does not, as a text or by where it leads.
    No(&'static str),
    /// It leads nowhere that could be told.
    Nowhere,
    /// The host has to be asked.
    Open,
}

/// Whether a path meets one of the directories both as a text and by where it leads: the way to permit.
fn stands(path: &str, directories: &[Directory], places: &Places, meets: impl Fn(&[u8], &[u8]) -> bool) -> Stands {
    let text = normal(path);
    // A relative path says nothing by itself.
    if text.is_some_and(|text| !directories.iter().any(|directory| meets(text.as_bytes(), directory.as_str().as_bytes()))) {
        return Stands::No("lies in");
    }
    match places {
        Places::Unknown => Stands::Open,
        Places::Known(known) => match known.get(path) {
            Some(Some(real)) => {
                let inside = |directory: &Directory| known.get(directory.as_str()).and_then(Option::as_ref).is_some_and(|d| meets(real, d));
                if directories.iter().any(inside) { Stands::Yes } else { Stands::No("leads to") }
            }
            Some(None) | None => Stands::Nowhere,
        },
    }
}

/// Whether a path meets one of the directories as a text or by where it leads: the way to refuse.
fn any_stands(path: &str, directories: &[Directory], places: &Places, meets: impl Fn(&[u8], &[u8]) -> bool) -> Stands {
    if normal(path).is_some_and(|text| directories.iter().any(|directory| meets(text.as_bytes(), directory.as_str().as_bytes()))) {
        return Stands::Yes;
    }
    match places {
        Places::Unknown => Stands::Open,
        Places::Known(known) => match known.get(path) {
            Some(Some(real)) => {
                // A directory of the rule that cannot be told may be anywhere.
                let hit = |directory: &Directory| known.get(directory.as_str()).and_then(Option::as_ref).is_none_or(|d| meets(real, d));
                if directories.iter().any(hit) { Stands::Yes } else { Stands::No("") }
            }
            Some(None) | None => Stands::Nowhere,
        },
    }
}
