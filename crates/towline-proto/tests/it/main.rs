//! The remote programs under real shells, with the utilities of different hosts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test that cannot go on is red")]
#![allow(clippy::pedantic, clippy::type_complexity, reason = "tables of cases are read, not called")]

/// The shells under which what is on a host's side is tried, as a table for a macro that makes tests of it.
macro_rules! each_shell {
    ($tests:ident) => {
        $tests! {
            bash: "bash";
            dash: "dash";
            busybox_ash: "busybox ash";
            mksh: "mksh";
            zsh: "zsh --emulate sh";
            ksh93: "ksh93";
        }
    };
}

mod files_meta;
mod files_read;
mod files_splice;
mod files_write;
mod harness;
mod lane;
mod lane_ahead;
mod lane_endings;
mod lane_faults;
mod lane_hosts;
mod lane_line;
mod lane_losses;
mod lane_opening;
mod lane_removal;
mod lane_versions;
mod search;
