//! The remote programs under real shells, with the utilities of different hosts.

mod files;
mod harness;
mod search;
