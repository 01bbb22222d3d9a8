//! An action as a policy sees it: the tool, what it does to a host, the paths that it touches, what it wants besides.

use towline_base::HostAlias;

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

/// Who has the tool of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Agents, and people.
    ToAgents,
    /// People alone, at the command line: rules that name tools do not speak of it.
    ToPeople,
}

/// An action as a policy sees it.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// The tool's name.
    pub tool: &'static str,
    /// Who has it.
    pub offered: Offered,
    /// What it does.
    pub effect: Effect,
    /// Where; `None` where no host is touched.
    pub host: Option<&'a HostAlias>,
    /// The paths that it names.
    pub touches: Vec<Touch<'a>>,
    /// What it wants besides.
    pub wants: Vec<Want<'a>>,
    /// Text that a shell or terminal gets, for guards.
    pub text: Option<&'a str>,
}

impl<'a> Action<'a> {
    /// An action that names no path and wants nothing besides.
    #[must_use]
    pub fn plain(tool: &'static str, effect: Effect, host: Option<&'a HostAlias>) -> Self {
        Self { tool, offered: Offered::ToAgents, effect, host, touches: Vec::new(), wants: Vec::new(), text: None }
    }
}

/// A path that an action names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch<'a> {
    /// The path as it was given: absolute, or relative to a session's directory.
    pub path: &'a str,
    /// How it is touched.
    pub access: Access,
}

/// How a path is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// What is there is shown.
    Read,
    /// It and all below it is looked through.
    Search,
    /// What is there is changed.
    Write,
}

/// What an action wants besides the account's own rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// To act as root.
    Sudo,
    /// To open a forward.
    Forward,
    /// The user's ssh agent on the host.
    ForwardAgent,
    /// To log in with a password that an agent sent.
    Password,
    /// To type a text where a terminal asks for a password: the text that an agent sent is one, then.
    TypedPassword {
        /// The command with which a person gets to that terminal.
        person: &'a str,
    },
    /// A secret of the user's, by its name, for a command or terminal.
    Secret(&'a str),
}
