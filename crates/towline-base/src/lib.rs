//! What every part of towline shares: names, limits, error codes, ids, quoting, secrets, events.
//!
//! Holds to: pure values, no I/O but the two doors in [`env`] and [`clock`]. Leaves out: anything that
//! knows of ssh, of frames or of MCP.

pub mod clock;
pub mod env;
pub mod error;
pub mod id;
pub mod limits;
pub mod name;
pub mod redact;
pub mod secret;
pub mod visible;

pub use error::{Code, Failure};
pub use id::{ExecutionId, Handle, Nonce};
pub use name::{HostAlias, NameError, SessionName, TerminalName};
pub use secret::{Secret, SecretName, SecretSource};
