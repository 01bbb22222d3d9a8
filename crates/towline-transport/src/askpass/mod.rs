//! towline as ssh's askpass: ssh starts towline's own binary to ask something, and that binary asks the towline that started ssh.
//!
//! Holds to: the way back is a private socket and a token that only this ssh was given; an answer goes to the one question that it is
//! for; a wrong answer is not given again. Leaves out: a screen; the desktop's own askpass has one.

mod child;
mod desk;
mod question;

pub use child::{answer_ssh, is_asked};
pub(crate) use desk::{Asker, Desk};
pub(crate) use question::Question;
pub use question::fingerprints;

/// Bytes of a question that are read: a host key's is about 400.
const QUESTION_BYTES: u64 = 16 * 1024;
