//! towline's own tasks: set-up, everything CI checks, generated docs, boundaries, the demo, the benchmark.
//!
//! Holds to: one command does one job and says at the end what it did, what failed and what could not run. Leaves out:
//! anything that the shipped binary needs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these tasks talk to a person or a CI log, not over a protocol")]

mod bench;
mod binary;
mod chaos;
mod demo;
mod docs;
mod gate;
mod lab;
mod long;
mod readme;
mod run;
mod setup;
mod shellcheck;
mod steps;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Outcome;

/// towline's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Finds what the demo and the tests need, and installs what is missing.
    Setup,
    /// Runs everything that CI checks.
    Test {
        /// What takes longer, too: fuzzing, mutants, chaos.
        #[arg(long)]
        long: bool,
        /// Only the steps whose name holds one of these words.
        #[arg(long, value_name = "WORD", num_args = 1..)]
        only: Vec<String>,
    },
    /// Checks the boundaries that the compiler does not draw.
    Tidy,
    /// Writes docs/reference from the binary's own tables.
    Docs {
        /// Writes nothing, and fails where the files differ.
        #[arg(long)]
        check: bool,
    },
    /// Tries towline on every kind of host, and writes docs/hosts.md.
    Matrix,
    /// Shows a whole session on a throw-away sshd on loopback.
    Demo,
    /// Runs thousands of commands while everything goes wrong that can, and judges every answer.
    Chaos(chaos::Options),
    /// Measures each tool at several round-trip times, beside plain ssh on the same link.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Setup => setup::prepare(setup::Stage::Test).map(|_| ()),
        Task::Test { long, only } => gate::test(if long { gate::Extent::Long } else { gate::Extent::Usual }, &only),
        Task::Tidy => tidy::report(),
        Task::Docs { check } => docs::run(if check { docs::Mode::Check } else { docs::Mode::Write }),
        Task::Matrix => docs::hosts(),
        Task::Demo => demo::run(),
        Task::Chaos(options) => chaos::run(&options).map(|words| println!("{words}")),
        Task::Bench(options) => bench::run(&options),
    };
    finish(result)
}

fn finish(result: Outcome<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}
