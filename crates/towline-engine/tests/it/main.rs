//! The engine against a real sshd, over a relay in place of a network.

mod bash;
mod ends;
mod link;
mod rig;
mod rules;
mod sessions;
mod several;
mod terminals;
mod watch;
