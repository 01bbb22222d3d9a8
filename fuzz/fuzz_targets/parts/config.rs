//! What a settings file says and means: the files of the binary that hold no I/O.
#![allow(dead_code, reason = "some of it is for what is shown to people, and for the binary's own wiring")]

#[path = "../../../crates/towline/src/config/mean.rs"]
pub(crate) mod mean;
#[path = "../../../crates/towline/src/config/parse.rs"]
pub(crate) mod parse;
#[path = "../../../crates/towline/src/config/place.rs"]
pub(crate) mod place;
#[path = "../../../crates/towline/src/config/rules.rs"]
pub(crate) mod rules;
#[path = "../../../crates/towline/src/config/said.rs"]
pub(crate) mod said;
#[path = "../../../crates/towline/src/config/secrets.rs"]
pub(crate) mod secrets;
