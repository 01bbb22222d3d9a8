//! The throw-away host that the demo, the benchmark and the README's commands use: the test kit's lab, as towline sees it.
//!
//! Holds to: whatever way the task ends, an interrupt included, what it started ends with it. Leaves out: the lab itself
//! (towline-testkit).

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use towline_testkit::{LabOptions, SshdOptions, process};

use crate::run::{Outcome, Trouble};

/// The name under which the host is known.
pub(crate) const HOST: &str = "lab";

/// A host on loopback, a link to it, and a client's side with nothing of the person's own.
#[derive(Debug)]
pub(crate) struct Lab {
    /// The test kit's lab.
    pub(crate) kit: towline_testkit::Lab,
    ssh: PathBuf,
}

impl Lab {
    /// Starts one with a link that has no delay.
    pub(crate) fn start() -> Outcome<Self> {
        Self::with(SshdOptions::default())
    }

    /// Starts one whose host is set up in another way.
    pub(crate) fn with(sshd: SshdOptions) -> Outcome<Self> {
        end_children_on_interrupt()?;
        let kit = towline_testkit::Lab::with(LabOptions { sshd, ..LabOptions::default() });
        let ssh = kit.dir().join("ssh");
        let text = format!("#!/bin/sh\nexec ssh -F {} \"$@\"\n", towline_testkit::shells::quote(&kit.ssh_config().to_string_lossy()));
        std::fs::write(&ssh, text)?;
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o700))?;
        Ok(Self { kit, ssh })
    }

    /// The environment in which towline finds this host and nothing else.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut environment = self.kit.env();
        environment.push(("TOWLINE_SSH".into(), self.ssh.clone().into()));
        environment
    }

    /// A program on the client's side.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.kit.command(program);
        command.env("TOWLINE_SSH", &self.ssh).stdin(std::process::Stdio::null());
        command
    }

    /// The home directory on the host.
    pub(crate) fn host_home(&self) -> PathBuf {
        self.kit.sshd.home()
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether a person has asked for the end: what starts things again and again stops then.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// From now on an interrupt ends what we started instead of us: our own work then fails in its usual way and clears up.
fn end_children_on_interrupt() -> Outcome<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| outcome = watch_for_interrupts());
    outcome
}

fn watch_for_interrupts() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(guard);
    let wait = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            INTERRUPTED.store(true, Ordering::SeqCst);
            for process in process::descendants(std::process::id()) {
                process::kill(process.pid);
            }
        }
    };
    let name = "interrupts".to_owned();
    let spawned = std::thread::Builder::new().name(name).spawn(move || runtime.block_on(wait));
    spawned.map(|_| ()).map_err(|error| Trouble(error.to_string()))
}
