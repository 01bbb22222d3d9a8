//! Glob and Grep.
