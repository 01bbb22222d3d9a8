//! Which policy is in force for a host: the host's own, its groups', the general one, and what tightens all of them.

use towline_base::HostAlias;

use crate::name::HostPattern;
use crate::policy::{Origin, Policy, Reach, Rule};

/// A policy, and the hosts that it is for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The name that means exactly this host and no other scope of its kind; `None` for a group.
    pub exact: Option<String>,
    /// The names under which its hosts go.
    pub hosts: Vec<HostPattern>,
    /// The policy.
    pub policy: Policy,
}

impl Scope {
    fn fits(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.fits(host))
    }
}

/// All rules of a towline process; empty ones permit everything.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Policies of single hosts: the nearest.
    pub hosts: Vec<Scope>,
    /// Policies of groups of hosts. A host in several has the rules of all of them.
    pub groups: Vec<Scope>,
    /// The policy of hosts that neither a host's entry nor a group names: as near as a host's own.
    pub others: Policy,
    /// The policy of all hosts: the farthest.
    pub general: Policy,
    /// Policies that can only tighten: the command line's, a project's.
    pub tighter: Vec<Scope>,
}

impl Rules {
    /// Rules of a server that may only look.
    #[must_use]
    pub fn read_only(mut self, from: &str) -> Self {
        let reach = vec![Rule { says: Reach::ReadOnly, from: Origin(from.to_owned()) }];
        self.tighter.push(Scope { exact: None, hosts: vec![HostPattern::new("*")], policy: Policy { reach, ..Policy::default() } });
        self
    }

    /// The policy in force for a host, or for what touches none.
    #[must_use]
    pub fn policy_for(&self, host: Option<&HostAlias>) -> Policy {
        // As root it is the same host; that it is root is what the action wants besides.
        let base = host.map(HostAlias::base);
        let Some(host) = base.as_ref().map(HostAlias::as_str) else {
            // What touches no host is bound by what binds all of them.
            let all = |scope: &&Scope| scope.fits("");
            return joined(self.tighter.iter().filter(all)).and(self.general.clone());
        };
        let own: Vec<&Scope> = self.hosts.iter().filter(|scope| scope.exact.as_deref() == Some(host)).collect();
        // A name that is nobody's own may mean any of those that answer to it: the rules of all of them hold.
        let own = if own.is_empty() { self.hosts.iter().filter(|scope| scope.fits(host)).collect() } else { own };
        let groups: Vec<&Scope> = self
            .groups
            .iter()
            .filter(|group| group.fits(host) || own.iter().any(|scope| scope.exact.as_deref().is_some_and(|name| group.fits(name))))
            .collect();
        let stranger = own.is_empty() && groups.is_empty();
        let near = if stranger { self.others.clone() } else { joined(own.into_iter()) };
        let user = near.over(joined(groups.into_iter())).over(self.general.clone());
        user.and(joined(self.tighter.iter().filter(|scope| scope.fits(host))))
    }
}

fn joined<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Policy {
    scopes.fold(Policy::default(), |all, scope| all.and(scope.policy.clone()))
}
