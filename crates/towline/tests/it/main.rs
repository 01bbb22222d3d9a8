//! The program as it is started: its words, its exit codes, and `towline mcp` as a process among processes.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands, in its helpers too")]

mod flows;
mod hostile;
mod journal;
mod kept;
mod login;
mod matrix;
mod native;
mod process;
pub(crate) mod run;
mod secrets;
mod server;
mod settings;
mod stranger;
mod terminals;
mod watch;
mod words;
