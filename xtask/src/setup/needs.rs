//! The table of programs that the demo and the tests need, and in which package each is.

use std::path::PathBuf;

use crate::run;

/// For what a program is needed; a later stage needs what an earlier one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The demo and the benchmark.
    Demo,
    /// The tests.
    Test,
    /// What takes longer than CI can wait.
    Long,
}

/// Something that must be here.
#[derive(Debug)]
pub(crate) struct Need {
    /// The program.
    pub(crate) name: &'static str,
    /// Debian's package.
    pub(crate) apt: &'static str,
    /// Homebrew's package; `None` where the system has the program or nobody packages it.
    pub(crate) brew: Option<&'static str>,
    stage: Stage,
}

const fn need(stage: Stage, name: &'static str, apt: &'static str, brew: Option<&'static str>) -> Need {
    Need { name, apt, brew, stage }
}

/// Needed by name. The packages of dropbear and busybox are those without a service and without libraries of the system.
const NEEDS: &[Need] = &[
    need(Stage::Demo, "ssh", "openssh-client", Some("openssh")),
    need(Stage::Demo, "ssh-keygen", "openssh-client", Some("openssh")),
    need(Stage::Demo, "sshd", "openssh-server", Some("openssh")),
    need(Stage::Demo, "sftp", "openssh-client", Some("openssh")),
    need(Stage::Demo, "tmux", "tmux", Some("tmux")),
    need(Stage::Demo, "rsync", "rsync", Some("rsync")),
    need(Stage::Demo, PYTHON, "python3-venv", Some("python")),
    need(Stage::Test, "sudo", "sudo", None),
    need(Stage::Test, "unshare", "util-linux", None),
    need(Stage::Test, "git", "git", Some("git")),
    need(Stage::Test, "bash", "bash", Some("bash")),
    need(Stage::Test, "dash", "dash", Some("dash")),
    need(Stage::Test, "busybox", "busybox-static", None),
    need(Stage::Test, "mksh", "mksh", Some("mksh")),
    need(Stage::Test, "zsh", "zsh", Some("zsh")),
    need(Stage::Test, "ksh93", "ksh93u+m", Some("ksh93")),
    need(Stage::Test, "yash", "yash", Some("yash")),
    need(Stage::Test, "fish", "fish", Some("fish")),
    need(Stage::Test, "tcsh", "tcsh", Some("tcsh-shell")),
    need(Stage::Test, "dropbear", "dropbear-bin", Some("dropbear")),
    need(Stage::Test, "locale-gen", "locales", None),
    need(Stage::Test, "rg", "ripgrep", Some("ripgrep")),
    need(Stage::Test, "shellcheck", "shellcheck", Some("shellcheck")),
    need(Stage::Test, "vi", "vim-tiny", None),
    need(Stage::Test, "less", "less", Some("less")),
    need(Stage::Test, "top", "procps", None),
    need(Stage::Test, "screen", "screen", Some("screen")),
    need(Stage::Test, "sqlite3", "sqlite3", Some("sqlite")),
    need(Stage::Test, "setsid", "util-linux", None),
    need(Stage::Test, PAM_OATH, "libpam-oath", None),
    need(Stage::Long, "c++", "g++", Some("gcc")),
    need(Stage::Test, "faketime", "faketime", Some("libfaketime")),
];

/// A module of PAM, which no path of programs finds.
const PAM_OATH: &str = "pam_oath.so";
/// Where such modules lie, with a directory for the machine's kind between in Debian.
const LIBRARIES: [&str; 4] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"];

const PYTHON: &str = "python3 with venv";

/// What a stage needs.
pub(crate) fn of(stage: Stage) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(move |need| need.stage <= stage)
}

/// What a stage needs and is not here.
pub(crate) fn missing(stage: Stage) -> Vec<&'static Need> {
    of(stage).filter(|need| !is_here(need)).collect()
}

fn is_here(need: &Need) -> bool {
    match need.name {
        PYTHON => super::python::can_make_a_venv(),
        PAM_OATH => has_module(PAM_OATH),
        program => run::find(program).is_some(),
    }
}

fn has_module(name: &str) -> bool {
    let of = |place: &&str| std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let below = LIBRARIES.iter().flat_map(of);
    below.chain(LIBRARIES.map(PathBuf::from)).any(|dir| dir.join("security").join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_need_all_that_the_demo_needs() {
        let demo: Vec<_> = of(Stage::Demo).map(|need| need.name).collect();
        let test: Vec<_> = of(Stage::Test).map(|need| need.name).collect();
        assert!(demo.iter().all(|name| test.contains(name)));
        assert!(demo.len() < test.len());
    }

    #[test]
    fn no_package_is_an_option() {
        for need in NEEDS {
            assert!(!need.apt.starts_with('-') && !need.apt.contains(char::is_whitespace), "{need:?}");
        }
    }
}
