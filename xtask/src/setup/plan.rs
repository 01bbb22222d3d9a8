//! Decides how missing programs come to a machine: pure, no I/O.

use super::needs::Need;

/// What the set-up may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// It runs as root.
    Root,
    /// sudo asks for no password.
    Sudo,
    /// Nothing.
    None,
}

/// The machine, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// It has apt-get.
    pub(crate) apt: bool,
    /// It has Homebrew.
    pub(crate) brew: bool,
    /// What we may do.
    pub(crate) rights: Rights,
}

/// What to do about missing programs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All is here.
    Nothing,
    /// Run these.
    Install(Vec<Vec<String>>),
    /// Tell the person to run this.
    Tell(String),
    /// There is no way that we know.
    Cannot,
}

/// The program that installs Debian packages and starts no service; a path below the repository's root.
const DEBIAN: &str = "xtask/src/setup/debian.sh";

/// How these needs are met on this machine.
pub(crate) fn plan(missing: &[&Need], machine: Machine) -> Plan {
    if missing.is_empty() {
        return Plan::Nothing;
    }
    if machine.apt {
        let packages = unique(missing.iter().map(|need| need.apt));
        let script = ["sh", DEBIAN].into_iter();
        return match machine.rights {
            Rights::Root => Plan::Install(vec![words(script.chain(packages))]),
            Rights::Sudo => Plan::Install(vec![words(["sudo", "-n"].into_iter().chain(script).chain(packages))]),
            Rights::None => Plan::Tell(words(["sudo"].into_iter().chain(script).chain(packages)).join(" ")),
        };
    }
    // Homebrew refuses root, and needs no rights of its own.
    let packages = unique(missing.iter().filter_map(|need| need.brew));
    if machine.brew && !packages.is_empty() {
        return Plan::Install(vec![words(["brew", "install"].into_iter().chain(packages))]);
    }
    Plan::Cannot
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(str::to_owned).collect()
}

fn unique<'a>(packages: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut packages: Vec<_> = packages.collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::super::needs::{self, Stage};
    use super::*;

    fn check(apt: bool, brew: bool, rights: Rights, names: &[&str], expected: &str) {
        let missing: Vec<_> = needs::of(Stage::Test).filter(|need| names.contains(&need.name)).collect();
        assert_eq!(missing.len(), names.len());
        let seen = match plan(&missing, Machine { apt, brew, rights }) {
            Plan::Nothing => "nothing".to_owned(),
            Plan::Install(commands) => format!("run {}", commands.concat().join(" ")),
            Plan::Tell(command) => format!("tell {command}"),
            Plan::Cannot => "cannot".to_owned(),
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_machine_gets_its_own_way() {
        let two = ["ssh", "ssh-keygen", "tmux"];
        check(true, true, Rights::None, &[], "nothing");
        check(true, false, Rights::Root, &two, "run sh xtask/src/setup/debian.sh openssh-client tmux");
        check(true, true, Rights::Sudo, &two, "run sudo -n sh xtask/src/setup/debian.sh openssh-client tmux");
        check(true, true, Rights::None, &two, "tell sudo sh xtask/src/setup/debian.sh openssh-client tmux");
        check(false, true, Rights::None, &two, "run brew install openssh tmux");
        check(false, true, Rights::None, &["busybox"], "cannot");
        check(false, false, Rights::Root, &two, "cannot");
    }
}
