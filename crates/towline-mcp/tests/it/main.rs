//! What an agent sees, and how the server behaves towards clients that behave and clients that do not.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands, in its helpers too")]

mod asking;
mod bad_input;
mod calls;
mod lifecycle;
mod render;
mod stand_in;
mod table;
