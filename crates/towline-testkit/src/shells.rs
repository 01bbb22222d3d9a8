//! The shells that the remote programs must give the same bytes under, as one table.

use std::path::PathBuf;

/// One shell, and how it is started as a POSIX shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Its name in messages.
    pub name: &'static str,
    /// The program and the arguments that come before `-c`.
    pub argv: &'static [&'static str],
}

impl Shell {
    /// Where the program is; `None` if PATH does not hold it.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        which(self.argv[0])
    }

    /// The argument list with the program's full path.
    ///
    /// # Panics
    /// If PATH does not hold it.
    #[must_use]
    pub fn full_argv(&self) -> Vec<String> {
        let program = self.program().unwrap_or_else(|| panic!("{} is not installed", self.name));
        let mut argv = vec![program.to_string_lossy().into_owned()];
        argv.extend(self.argv[1..].iter().map(ToString::to_string));
        argv
    }

    /// A command that runs a program text under this shell.
    #[must_use]
    pub fn command(&self, text: &str) -> std::process::Command {
        let argv = self.full_argv();
        let mut command = crate::process::command(&argv[0]);
        command.args(&argv[1..]).arg("-c").arg(text);
        command
    }
}

/// The table of shells.
#[derive(Clone, Copy, Debug)]
pub struct Shells;

const TABLE: &[Shell] = &[
    Shell { name: "dash", argv: &["dash"] },
    Shell { name: "bash", argv: &["bash"] },
    Shell { name: "busybox ash", argv: &["busybox", "ash"] },
    Shell { name: "mksh", argv: &["mksh"] },
    Shell { name: "zsh", argv: &["zsh", "--emulate", "sh"] },
    Shell { name: "ksh93", argv: &["ksh93"] },
    Shell { name: "yash", argv: &["yash"] },
];

impl Shells {
    /// Every shell that counts.
    #[must_use]
    pub fn all() -> &'static [Shell] {
        TABLE
    }

    /// Those that this machine has.
    #[must_use]
    pub fn available() -> Vec<Shell> {
        TABLE.iter().copied().filter(|shell| shell.program().is_some()).collect()
    }

    /// The names of those that this machine lacks: what a run could not judge, and has to say.
    #[must_use]
    pub fn missing() -> Vec<&'static str> {
        TABLE.iter().filter(|shell| shell.program().is_none()).map(|shell| shell.name).collect()
    }
}

/// The full path of a program, from PATH and the directories where system programs are.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the lab looks for the machine's programs")]
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(program)).find(|file| file.is_absolute() && file.is_file())
}

/// A word that a POSIX shell reads as exactly this text.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
