//! Glob and Grep.

mod glob;
mod grep;
mod tree;
