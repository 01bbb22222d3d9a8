//! Finds what the demo and the tests need on this machine, and installs what is missing where it may.
//!
//! Holds to: never asks, never starts a service, and where it has no right to install prints the one command that does.
//! Leaves out: a Rust toolchain (rust-toolchain.toml names it).

mod needs;
mod plan;
mod python;
pub(crate) mod tools;

use crate::run::{self, Outcome, Trouble};

use needs::Need;
pub(crate) use needs::Stage;
use plan::{Machine, Plan, Rights};

/// What is ready after the set-up.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The Python that has the MCP client library.
    pub(crate) python: std::path::PathBuf,
    /// A sentence for the summary.
    pub(crate) note: String,
}

/// Makes the machine ready for a stage.
pub(crate) fn prepare(stage: Stage) -> Outcome<Ready> {
    let machine = machine();
    let missing = needs::missing(stage);
    let installed = missing.len();
    match plan::plan(&missing, machine) {
        Plan::Nothing => {}
        Plan::Install(commands) => install(&commands)?,
        Plan::Tell(command) => {
            return Err(Trouble(format!("missing: {}\nTo install it, run this and start again:\n\n  {command}\n", names(&missing))));
        }
        Plan::Cannot => return Err(Trouble(format!("missing, and no known package manager is here: {}", names(&missing)))),
    }
    let missing = needs::missing(stage);
    if !missing.is_empty() {
        return Err(Trouble(format!("still missing after the installation: {}", names(&missing))));
    }
    let python = python::prepare()?;
    let found = needs::of(stage).count();
    let note = format!("{found} programs and the MCP client are here, {installed} of them installed now");
    println!("{note}");
    Ok(Ready { python, note })
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

fn install(commands: &[Vec<String>]) -> Outcome<()> {
    for words in commands {
        if let Some((program, arguments)) = words.split_first() {
            println!("$ {}", words.join(" "));
            run::run(run::command(program).args(arguments))?;
        }
    }
    Ok(())
}

/// Looks at the machine: which package manager it has and what we may do with it.
fn machine() -> Machine {
    let rights = if run::capture(run::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        Rights::Root
    } else if run::find("sudo").is_some() && run::succeeds(run::command("sudo").args(["-n", "true"])) {
        Rights::Sudo
    } else {
        Rights::None
    };
    Machine { apt: run::find("apt-get").is_some(), brew: run::find("brew").is_some(), rights }
}
