//! What towline's tests stand on: a real sshd in a temporary directory, a relay in place of a network, a hermetic environment.
//!
//! Holds to: loopback only; nothing of the machine's users is read or changed; everything that was started ends with the
//! value that started it; a failure to set up is a panic with words. Leaves out: any knowledge of towline itself.

mod dropbear;
pub mod lab;
mod link;
mod privsep;
pub mod process;
pub mod relay;
pub mod shells;
pub mod sshd;
pub mod stage;
pub mod wait;

pub use lab::{Lab, LabOptions};
pub use process::Process;
pub use relay::{Relay, RelayOptions};
pub use shells::{Shell, Shells};
pub use sshd::{Server, Sshd, SshdOptions};
pub use stage::Stage;
pub use wait::{eventually, eventually_async};
