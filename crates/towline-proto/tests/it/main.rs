//! The remote programs under real shells, with the utilities of different hosts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test that cannot go on is red")]
#![allow(clippy::pedantic, clippy::type_complexity, reason = "tables of cases are read, not called")]

mod files_meta;
mod files_read;
mod files_splice;
mod files_write;
mod harness;
mod lane;
mod lane_endings;
mod lane_faults;
mod lane_hosts;
mod lane_line;
mod search;
