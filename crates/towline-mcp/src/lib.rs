//! The tools as an agent sees them: names, schemas, texts, and the stdio server that offers them.
//!
//! Holds to: one table of tools; plain text for everything that an agent reads; nothing but JSON-RPC on stdout; the list
//! of tools never waits for a host. Leaves out: how a call is carried out (towline-engine) and the command line (towline).
//! This crate is the only user of rmcp.

mod arguments;
mod ask;
mod conversation;
mod convert;
mod instructions;
mod lines;
mod message_id;
mod progress;
mod receipts;
pub mod reference;
pub mod render;
mod schema;
mod server;
pub mod tools;
mod wire;
mod work;

pub use conversation::{Conversation, Key, Origin};
pub use server::{Ending, Server, Settings, serve, serve_stdio};
pub use tools::{Family, HostParameter, Selection, Tool};
pub use work::Work;
