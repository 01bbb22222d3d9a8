//! A whole lab: a host (sshd), a network (relay) and a client's side (home, `ssh_config`, environment), all of it in temporary
//! directories.
//!
//! Holds to: a child process that gets [`Lab::env`] and `-F` [`Lab::ssh_config`] sees nothing of the machine's user, and what it
//! leaves running (a control master) ends with the lab. Leaves out: what the child does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{self, Process, command};
use crate::{Relay, RelayOptions, Sshd, SshdOptions};

/// The variable that every process on the client's side carries; its value is [`Lab::mark`].
pub const MARK: &str = "TOWLINE_LAB_CLIENT";

/// How a lab is set up.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// The host.
    pub sshd: SshdOptions,
    /// The network.
    pub relay: RelayOptions,
    /// More lines at the head of `ssh_config`, outside any `Host` block.
    pub client_config: String,
    /// What stands in the path of every directory on the client's side; nothing special if empty.
    pub client_place: String,
}

/// A host, a network and a client's side.
#[derive(Debug)]
pub struct Lab {
    /// The host.
    pub sshd: Sshd,
    /// The network; the alias `lab` goes through it.
    pub relay: Relay,
    dir: TempDir,
}

impl Lab {
    /// A lab with a plain host and a network without delay.
    #[must_use]
    pub fn start() -> Self {
        Self::with(LabOptions::default())
    }

    /// A lab.
    ///
    /// # Panics
    /// If it cannot be set up.
    #[must_use]
    pub fn with(options: LabOptions) -> Self {
        let sshd = Sshd::start(options.sshd);
        let relay = Relay::start(sshd.port(), options.relay);
        sshd.write_known_hosts(&[sshd.port(), relay.port()]).expect("known_hosts can be written");
        let dir =
            tempfile::Builder::new().prefix(&format!("tl-{}", options.client_place)).tempdir().expect("there is a temporary directory");
        for name in ["", "home", "state", "run", "config"] {
            let path = dir.path().join(name);
            fs::create_dir_all(&path).expect("a directory can be made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
        }
        let lab = Self { sshd, relay, dir };
        let hosts = lab.sshd.client_config("lab", lab.relay.port()) + &lab.sshd.client_config("direct", lab.sshd.port());
        lab.write_config(&format!("{}\n{hosts}", options.client_config));
        lab
    }

    /// The client's `ssh_config`: the alias `lab` goes through the relay, `direct` straight to the sshd.
    #[must_use]
    pub fn ssh_config(&self) -> PathBuf {
        self.dir.path().join("ssh_config")
    }

    /// Adds lines to `ssh_config`, such as a `Host` block of the test's own.
    pub fn add_config(&self, text: &str) {
        let old = fs::read_to_string(self.ssh_config()).unwrap_or_default();
        self.write_config(&format!("{old}\n{text}\n"));
    }

    /// The client's home directory.
    #[must_use]
    pub fn client_home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The client's `XDG_STATE_HOME`.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The client's `XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn runtime_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// The directory of the client's side.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The value of [`MARK`] that the client's processes carry.
    #[must_use]
    pub fn mark(&self) -> String {
        self.dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The whole environment for a process on the client's side; to be used after `env_clear`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the lab passes on what names no person")]
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let kept = ["PATH", "USER", "LOGNAME", "TMPDIR", "LLVM_PROFILE_FILE"];
        let mut env: Vec<(OsString, OsString)> =
            kept.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect();
        let mut set = |name: &str, value: &OsStr| env.push((name.into(), value.into()));
        set("HOME", self.client_home().as_os_str());
        set("XDG_STATE_HOME", self.state_dir().as_os_str());
        set("XDG_RUNTIME_DIR", self.runtime_dir().as_os_str());
        set("XDG_CONFIG_HOME", self.dir.path().join("config").as_os_str());
        set("LANG", OsStr::new("C.UTF-8"));
        set(MARK, OsStr::new(&self.mark()));
        env
    }

    /// A program that is about to be started on the client's side.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(program);
        command.env_clear().envs(self.env()).current_dir(self.client_home());
        command
    }

    /// The system's ssh with this lab's configuration.
    #[must_use]
    pub fn ssh(&self) -> Command {
        let mut ssh = self.command("ssh");
        ssh.arg("-F").arg(self.ssh_config());
        ssh
    }

    /// The processes of the client's side that are alive: those with the mark, and those that name its directory (a control
    /// master overwrites its environment with its title).
    #[must_use]
    pub fn client_processes(&self) -> Vec<Process> {
        let mut found = process::with_environment(MARK, &self.mark());
        found.extend(process::with_argument(&self.dir.path().to_string_lossy()).into_iter().filter(|p| p.command.contains("ssh")));
        found.sort_by_key(|process| process.pid);
        found.dedup();
        found
    }

    fn write_config(&self, text: &str) {
        fs::write(self.ssh_config(), text).expect("ssh_config can be written");
        fs::set_permissions(self.ssh_config(), fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        process::kill_until_gone(|| self.client_processes());
    }
}
