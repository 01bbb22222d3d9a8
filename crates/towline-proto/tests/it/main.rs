//! The remote programs under real shells, with the utilities of different hosts.

mod files_meta;
mod files_read;
mod files_splice;
mod files_write;
mod harness;
mod search;
