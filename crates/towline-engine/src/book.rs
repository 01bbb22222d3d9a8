//! What the user's settings say of each host: how it is reached, and what holds there.
//!
//! Holds to: plain values, asked for once for each name. Leaves out: where they were written down.

use std::sync::Arc;

use towline_base::{Failure, HostAlias};
pub use towline_proto::request::Keeping;
use towline_transport::{AgentForwarding, HostAccess};

/// What is in force for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlan {
    /// The name that ssh knows it by.
    pub ssh: HostAlias,
    /// User, other than `ssh_config`'s.
    pub user: Option<String>,
    /// Port, other than `ssh_config`'s.
    pub port: Option<u16>,
    /// Key file, other than `ssh_config`'s.
    pub identity_file: Option<String>,
    /// Jump host, other than `ssh_config`'s.
    pub jump: Option<HostAlias>,
    /// Directory that the conversation's session begins in.
    pub cwd: Option<String>,
    /// Variables of every command.
    pub env: Vec<(String, String)>,
    /// Whether there is a shell.
    pub shell: HostShell,
    /// What it keeps of executions and sessions, and for how long.
    pub keeping: Keeping,
    /// The secrets that logins and sudo there may use.
    pub access: HostAccess,
    /// Whether the user's ssh agent can be used from there.
    pub agent: AgentForwarding,
}

/// Whether a host has a shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostShell {
    /// It has one.
    #[default]
    Auto,
    /// It has none, such as a network device: nothing is sent to it but what goes to a terminal.
    None,
}

impl HostPlan {
    /// A host of which nothing is said: ssh knows it by its name.
    #[must_use]
    pub fn plain(name: HostAlias) -> Self {
        Self {
            ssh: name,
            user: None,
            port: None,
            identity_file: None,
            jump: None,
            cwd: None,
            env: Vec::new(),
            shell: HostShell::Auto,
            keeping: Keeping::default(),
            access: HostAccess::default(),
            agent: AgentForwarding::Off,
        }
    }
}

type Look = dyn Fn(&HostAlias) -> Result<HostPlan, Failure> + Send + Sync;

/// Knows the plan of every host.
#[derive(Clone)]
pub struct HostBook {
    names: Arc<[HostAlias]>,
    look: Arc<Look>,
}

impl HostBook {
    /// A book with these names, asked by this function for them and for all others.
    pub fn new(names: Vec<HostAlias>, look: impl Fn(&HostAlias) -> Result<HostPlan, Failure> + Send + Sync + 'static) -> Self {
        Self { names: names.into(), look: Arc::new(look) }
    }

    /// The hosts that the settings name.
    #[must_use]
    pub fn names(&self) -> &[HostAlias] {
        &self.names
    }

    /// What is in force for a host.
    ///
    /// # Errors
    /// If the settings say things of it that do not go together.
    pub fn plan(&self, name: &HostAlias) -> Result<HostPlan, Failure> {
        (self.look)(name)
    }
}

impl Default for HostBook {
    fn default() -> Self {
        Self::new(Vec::new(), |name: &HostAlias| Ok(HostPlan::plain(name.clone())))
    }
}

impl std::fmt::Debug for HostBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBook").field("names", &self.names).finish_non_exhaustive()
    }
}
