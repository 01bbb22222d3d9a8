//! Tests of the policy as its users see it: a table of decisions, laws, and the texts.

mod decisions;
mod hosts;
mod laws;
mod said;
mod texts;
