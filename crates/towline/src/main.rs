//! The command line: says what was asked, wires the parts, decides nothing.
//!
//! Holds to: stdout only through the printer (or the MCP server); errors on stderr, for people, 80 columns wide; exit
//! codes as the help tells them. Leaves out: what the tools do (towline-engine) and what agents see (towline-mcp).

mod asking;
mod attach;
mod audit;
mod check;
mod clean;
mod cli;
mod config;
mod follow;
mod login;
mod mcp;
mod policy;
mod printer;
mod reference;
mod run;
mod setup;
mod small;
mod transcript;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use towline_base::Failure;

use crate::cli::{Cli, Command, ConfigCommand, PolicyCommand};
use crate::printer::Printer;

fn main() -> ExitCode {
    if towline_engine::askpass::is_asked() {
        return login::askpass();
    }
    let cli = Cli::parse();
    let redactor = cli.common.redactor.clone();
    setup::logging(&redactor);
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            printer::say(&redactor.text(&failure.to_string()));
            ExitCode::from(cli::TOWLINE_FAILED)
        }
    }
}

/// What needs no host is done at once; the rest within a runtime.
fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match &cli.command {
        Command::Completions { shell } => Printer::bytes(&reference::completions(*shell)),
        Command::Man { subcommand } => Printer::bytes(&reference::man(subcommand.as_deref())?),
        Command::Reference { page } => Printer::bytes(reference::page(*page).as_bytes()),
        Command::Config(ConfigCommand::Check { host }) => setup::check(&cli.common, host.as_deref()),
        Command::Policy(PolicyCommand::Explain { host, tool, arguments }) => policy::explain(&cli.common, host, tool, arguments),
        Command::Audit(options) => audit::command(&cli.common, options),
        Command::Watch(options) => watch::command(&cli.common, options),
        Command::Transcript { what } => transcript::command(&setup::state(&cli.common)?, what),
        Command::Attach { .. }
        | Command::Auth { .. }
        | Command::Trust { .. }
        | Command::Mcp(_)
        | Command::Run(_)
        | Command::Check { .. }
        | Command::Hosts
        | Command::Jobs { .. }
        | Command::Clean(_) => within_runtime(cli),
    }
}

fn within_runtime(cli: Cli) -> Result<u8, Failure> {
    let runtime = setup::runtime()?;
    let ended = runtime.block_on(async {
        let Cli { common, command } = cli;
        match command {
            Command::Mcp(options) => mcp::serve(&common, options).await,
            Command::Run(options) => Box::pin(run::command(&setup::engine(&common, None)?, options)).await,
            Command::Check { host } => check::command(&setup::engine(&common, None)?, &host).await,
            Command::Hosts => small::hosts(&setup::engine(&common, None)?).await,
            Command::Clean(options) => clean::command(&setup::engine(&common, None)?, options).await,
            Command::Auth { host } => login::auth(&setup::engine(&common, None)?, &host).await,
            Command::Trust { host, fingerprint } => login::trust(&setup::engine(&common, None)?, &host, fingerprint).await,
            Command::Jobs { host } => small::jobs(&setup::engine(&common, None)?, &host).await,
            Command::Attach { target } => {
                let state = setup::state(&common)?;
                Box::pin(attach::command(&setup::engine(&common, None)?, &state, &target)).await
            }
            Command::Config(_)
            | Command::Policy(_)
            | Command::Audit(_)
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::Reference { .. }
            | Command::Watch(_)
            | Command::Transcript { .. } => Ok(0),
        }
    });
    // A thread may still wait for standard input; the process does not wait for it.
    runtime.shutdown_background();
    ended
}
