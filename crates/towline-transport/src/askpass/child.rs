//! The side of ssh's askpass: passes the prompt to the towline that started ssh, and prints what it gets.
//!
//! Holds to: the answer goes to standard output and nowhere else; without one it ends with 1, and ssh goes on as after an empty line.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use towline_base::{env, limits};
use zeroize::Zeroizing;

/// Whether this process was started by ssh to ask something.
#[must_use]
pub fn is_asked() -> bool {
    env::read(env::Variable::AskpassSocket).is_some()
}

/// Asks, and writes the answer for ssh; false if there is none.
#[must_use]
pub fn answer_ssh(prompt: Option<OsString>, out: &mut impl Write) -> bool {
    let (Some(socket), Some(token)) = (env::read(env::Variable::AskpassSocket), env::read(env::Variable::AskpassToken)) else {
        return false;
    };
    let hint = env::read(env::Variable::AskpassPrompt).unwrap_or_default();
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    // The other side ends it sooner; this is for one that hangs.
    let _ = stream.set_read_timeout(Some(limits::CONNECT + Duration::from_secs(5)));
    let prompt = prompt.unwrap_or_default();
    let words = [token.as_encoded_bytes(), b"\n", hint.as_encoded_bytes(), b"\n", prompt.as_encoded_bytes()].concat();
    if stream.write_all(&words).is_err() || stream.shutdown(std::net::Shutdown::Write).is_err() {
        return false;
    }
    let mut answer = Zeroizing::new(Vec::with_capacity(limits::SECRET_BYTES + 2));
    let read = stream.take(limits::SECRET_BYTES as u64 + 1).read_to_end(&mut answer);
    let Some((b'+', answer)) = answer.split_first().filter(|_| read.is_ok()) else { return false };
    out.write_all(answer).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_ok()
}
