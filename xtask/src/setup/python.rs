//! The virtual environment with the MCP client library, in `.venv` below the repository's root.
//!
//! Holds to: what is in it is what requirements.txt pins; it is made again when that file changed.

use std::path::PathBuf;

use crate::run::{self, Outcome, Trouble};

/// Python 3.10 is the oldest that the library runs on.
const ABLE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";

/// Whether a virtual environment is here or could be made.
pub(super) fn can_make_a_venv() -> bool {
    is_current() || run::succeeds(run::command("python3").args(["-c", ABLE]))
}

/// Makes the environment if it is not here, and returns its Python.
pub(super) fn prepare() -> Outcome<PathBuf> {
    if !is_current() {
        println!("making .venv with the MCP client library");
        let venv = run::root().join(".venv");
        run::run(run::command("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let options = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"];
        run::run(run::command(python()).args(options).arg(requirements()))
            .map_err(|Trouble(text)| Trouble(format!("{text}\nThe MCP client library could not be installed; is the network up?")))?;
        std::fs::copy(requirements(), stamp())?;
    }
    Ok(python())
}

fn python() -> PathBuf {
    run::root().join(".venv/bin/python")
}

fn requirements() -> PathBuf {
    run::root().join("xtask/requirements.txt")
}

/// A copy of the requirements that the environment was made from.
fn stamp() -> PathBuf {
    run::root().join(".venv/requirements.txt")
}

fn is_current() -> bool {
    let wanted = std::fs::read(requirements()).ok();
    wanted.is_some() && std::fs::read(stamp()).ok() == wanted && run::succeeds(run::command(python()).args(["-c", "import mcp"]))
}
