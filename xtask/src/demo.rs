//! A whole session on a throw-away host, for a person to look at.
//!
//! Holds to: the shipped binary, a real sshd, the official MCP client library, and nothing left behind. Leaves out: what the
//! session consists of (xtask/demo/demo.py).

use std::path::Path;

use towline_testkit::SshdOptions;

use crate::binary::{self, Profile};
use crate::lab::{HOST, Lab};
use crate::run::{self, Outcome};
use crate::setup::{self, Ready, Stage};

/// Prepares the machine and shows the session.
pub(crate) fn run() -> Outcome<()> {
    with(&setup::prepare(Stage::Demo)?)
}

/// Shows the session on a machine that is ready.
pub(crate) fn with(ready: &Ready) -> Outcome<()> {
    println!("building towline");
    let binary = binary::build(Profile::Release)?;
    let lab = Lab::with(SshdOptions { path: Some(host_path(ready)?.into()), ..SshdOptions::default() })?;
    let project = lab.host_home().join("harbour");
    copy(&run::root().join("xtask/demo/project"), &project)?;
    let mut command = lab.command(&ready.python);
    command.arg(run::root().join("xtask/demo/demo.py")).arg(binary).arg(HOST).arg(project).arg(lab.kit.dir().join("pid"));
    command.env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(run::variable("NO_COLOR").map(|value| ("NO_COLOR", value)));
    run::run(&mut command)?;
    println!("The host, its sshd, its keys and its files are gone again.");
    Ok(())
}

/// The host's PATH: the usual directories, and wherever this machine's Python is, since the project's tests need one.
fn host_path(ready: &Ready) -> Outcome<String> {
    let base = run::capture(run::command(&ready.python).args(["-c", "import os, sys; print(os.path.dirname(sys._base_executable))"]))?;
    Ok(format!("/usr/local/bin:/usr/bin:/bin:{}", base.trim()))
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
