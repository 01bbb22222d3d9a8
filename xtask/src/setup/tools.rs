//! Cargo's tools for what takes longer: fuzzing, mutants. They are installed in `target/tools`.
//!
//! Holds to: each is pinned by its version and built with its own lock file; one that is there already is used as it is. Leaves out:
//! what every change needs (needs.rs).

use std::process::Command;

use crate::run::{self, Outcome, Trouble};

/// A subcommand of cargo.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    /// The toolchain that it is run with, where it is not the project's.
    toolchain: Option<&'static str>,
}

/// Runs the fuzz targets; the compiler has to be a nightly one, whose coverage the fuzzer goes by.
pub(crate) const FUZZ: Tool = Tool { name: "fuzz", version: "0.13.2", toolchain: Some("nightly") };
/// Changes the code a little and looks whether a test notices.
pub(crate) const MUTANTS: Tool = Tool { name: "mutants", version: "27.1.0", toolchain: None };

impl Tool {
    /// Makes it ready, and returns what makes its commands.
    pub(crate) fn prepare(&self) -> Outcome<impl Fn() -> Command + use<>> {
        let toolchain = self.toolchain;
        if let Some(name) = toolchain {
            install_toolchain(name)?;
        }
        if !run::succeeds(self::cargo(None).args([self.name, "--version"])) {
            println!("installing cargo-{} {}", self.name, self.version);
            let package = format!("cargo-{}@{}", self.name, self.version);
            run::run(self::cargo(None).args(["install", "--locked", "--quiet", &package, "--root"]).arg(root()))
                .map_err(|Trouble(text)| Trouble(format!("cargo-{} could not be installed: {text}", self.name)))?;
        }
        let name = self.name;
        Ok(move || {
            let mut command = self::cargo(toolchain);
            command.arg(name);
            command
        })
    }
}

fn root() -> std::path::PathBuf {
    run::root().join("target/tools")
}

/// Cargo by way of rustup, which knows other toolchains, with our own tools among its subcommands.
fn cargo(toolchain: Option<&str>) -> Command {
    let mut command = run::command("cargo");
    let path = run::variable("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", root().join("bin").display())).env_remove("CARGO");
    command.args(toolchain.map(|name| format!("+{name}")));
    command
}

fn install_toolchain(name: &str) -> Outcome<()> {
    if run::succeeds(run::command("rustup").args(["run", name, "rustc", "--version"])) {
        return Ok(());
    }
    println!("installing the {name} toolchain");
    let options = ["toolchain", "install", name, "--profile", "minimal", "--no-self-update"];
    run::run(run::command("rustup").args(options))
        .map_err(|Trouble(text)| Trouble(format!("the {name} toolchain could not be installed: {text}")))
}
