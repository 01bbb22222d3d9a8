//! What an action may do: pure decisions about actions and hosts.
//!
//! Holds to: no I/O, no clock; whoever carries an action out needs a [`Permit`], and only [`decide`] makes one. Leaves out:
//! the text of commands: a policy that calls some shell text safe has been broken wherever it was tried. Where Bash is
//! allowed, the boundary is the account on the host.

use towline_base::{Code, Failure, HostAlias};

/// What an action does to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Look,
    /// It changes files.
    Change,
    /// It runs, or ends, what an agent asked for.
    Run,
    /// It manages towline's own connections and sessions.
    Manage,
}

/// An action as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// The tool's name.
    pub tool: &'static str,
    /// What it does.
    pub effect: Effect,
    /// Where; `None` where no host is touched.
    pub host: Option<&'a HostAlias>,
}

/// The rules of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What may be done to hosts.
    pub reach: Reach,
}

/// How far the actions of a server may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Whatever the account on the host may do.
    #[default]
    Everything,
    /// Only looking: no commands, no changes.
    ReadOnly,
}

/// The proof that an action was decided upon. Only [`decide`] makes one:
///
/// ```compile_fail
/// let permit = towline_policy::Permit { tool: "Bash" };
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit {
    tool: &'static str,
}

impl Permit {
    /// The tool that it was given for.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        self.tool
    }
}

/// Decides on an action.
///
/// # Errors
/// With [`Code::Forbidden`] and the rule that forbids it.
pub fn decide(rules: Rules, action: &Action<'_>) -> Result<Permit, Failure> {
    match (rules.reach, action.effect) {
        (Reach::ReadOnly, Effect::Change | Effect::Run) => {
            let on = action.host.map_or_else(String::new, |host| format!(" on {host}"));
            let text = format!("{}{on} is not permitted: this server was started with --read-only.", action.tool);
            Err(Failure::new(Code::Forbidden, text).hint("Ask the user; only a person can start towline without it."))
        }
        (Reach::Everything, _) | (Reach::ReadOnly, Effect::Look | Effect::Manage) => Ok(Permit { tool: action.tool }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_forbids_commands_and_changes_and_nothing_else() {
        let check = |reach, effect, permitted: bool| {
            let decision = decide(Rules { reach }, &Action { tool: "X", effect, host: None });
            assert_eq!(decision.is_ok(), permitted, "{reach:?} {effect:?}");
        };
        for effect in [Effect::Look, Effect::Change, Effect::Run, Effect::Manage] {
            check(Reach::Everything, effect, true);
        }
        check(Reach::ReadOnly, Effect::Look, true);
        check(Reach::ReadOnly, Effect::Manage, true);
        check(Reach::ReadOnly, Effect::Change, false);
        check(Reach::ReadOnly, Effect::Run, false);
    }

    #[test]
    fn a_refusal_names_the_tool_the_host_and_the_rule() {
        let host = HostAlias::parse("prod").expect("a name");
        let refusal = decide(Rules { reach: Reach::ReadOnly }, &Action { tool: "Bash", effect: Effect::Run, host: Some(&host) })
            .expect_err("refused");
        assert_eq!(refusal.code, Code::Forbidden);
        assert!(refusal.text.contains("Bash on prod") && refusal.text.contains("--read-only"), "{refusal}");
    }
}
