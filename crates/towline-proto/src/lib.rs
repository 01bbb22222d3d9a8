//! What goes over the line: frames, requests, replies, recovery, and the sh programs of the remote side.
//!
//! Holds to: no I/O, no clock, no async; every parser takes bytes of a stranger and never panics. Leaves out: who carries
//! the bytes (towline-transport) and who drives the state machines (towline-engine).

pub mod files;
pub mod frame;
pub mod outcome;
pub mod program;
pub mod recovery;
pub mod request;

pub use frame::{Decoder, Frame, FrameError, Tag};
pub use request::Request;
