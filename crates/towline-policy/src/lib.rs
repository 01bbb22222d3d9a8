//! What an action may do: pure decisions about actions and hosts.
//!
//! Holds to: no I/O, no clock; whoever carries an action out needs a [`Permit`], and only this crate makes one; of several rules the
//! strictest decides. Leaves out: the meaning of shell text. Where Bash is allowed, the boundary is the account on the host; a
//! [`Guard`] can make a command be asked about or refused, never allow one.

mod action;
mod decide;
mod name;
mod path;
mod policy;
mod rules;

pub use action::{Access, Action, Effect, Offered, Touch, Want};
pub use decide::{Decision, Explanation, Finding, Permit, Places, Question, Refusal, typed_by_others};
pub use name::HostPattern;
pub use path::Directory;
pub use policy::{Guard, Names, Origin, Policy, Reach, Rule, Verdict, Warned};
pub use rules::{Rules, Scope};
