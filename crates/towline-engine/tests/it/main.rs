//! The engine against a real sshd, over a relay in place of a network.

mod bash;
mod desk;
mod ends;
mod link;
mod lost;
mod rig;
mod rules;
mod sessions;
mod several;
mod terminal_ends;
mod terminal_people;
mod terminals;
mod watch;
