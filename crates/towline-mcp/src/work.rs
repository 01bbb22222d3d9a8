//! What the server needs of an engine: three functions, so that tests can script the answers.

use std::future::Future;

use towline_base::Failure;
use towline_engine::{Answer, Call, Context, Engine};

/// Whoever carries out calls.
pub trait Work: Clone + Send + Sync + 'static {
    /// Carries out one call.
    fn perform(&self, call: Call, context: Context) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Waits, within bounds, until those who watch were told all of a command that is over.
    fn told(&self) -> impl Future<Output = ()> + Send;

    /// Lets go of every line within half a second, and ends nothing on any host.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Work for Engine {
    fn perform(&self, call: Call, context: Context) -> impl Future<Output = Result<Answer, Failure>> + Send {
        Engine::perform(self, call, context)
    }

    fn told(&self) -> impl Future<Output = ()> + Send {
        Engine::told(self)
    }

    fn close(&self) -> impl Future<Output = ()> + Send {
        Engine::close(self)
    }
}
