//! Lines, sessions, executions and files: what towline does, free of MCP and of the command line.
//!
//! Holds to: one door, [`Engine::perform`]: policy is asked, the event stream is told, the work is done, the event stream
//! is told again. Leaves out: texts for agents and people; processes (towline-transport starts them).

pub mod action;
pub mod answer;
pub mod context;

use towline_base::Failure;

pub use action::{Action, Call};
pub use answer::{Answer, Body};
pub use context::{Context, Progress, Settings};

/// Everything that works on hosts; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {}

impl Engine {
    /// An engine with these settings; connects to nothing yet and reads no file that is not its own.
    #[must_use]
    pub fn new(_settings: Settings) -> Self {
        Self {}
    }

    /// Carries out one call.
    ///
    /// # Errors
    /// When the tool could not do its work; a command that ends with a non-zero status is not an error.
    pub async fn perform(&self, call: Call, context: Context) -> Result<Answer, Failure> {
        let _ = (call, context);
        Err(Failure::new(towline_base::Code::Internal, "not wired yet"))
    }

    /// Lets go of every line within half a second, and ends nothing on any host.
    pub async fn close(&self) {}
}
