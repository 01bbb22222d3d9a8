//! Glob and Grep.

mod glob;
mod grep;
mod left_out;
mod tree;
