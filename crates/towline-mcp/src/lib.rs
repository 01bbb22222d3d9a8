//! Placeholder head, written by the crate's author.
