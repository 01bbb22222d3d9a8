//! The transport against a real sshd: every way to a channel, and every way to be refused one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod failures;
mod local;
mod masters;
mod stand_in;
mod support;
mod tmux;
