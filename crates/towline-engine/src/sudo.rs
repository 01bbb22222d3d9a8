//! The talk with sudo before a lane of root comes up.
//!
//! Holds to: the password goes over the channel's standard input, after sudo's own prompt came, and once; nothing of it is in a command
//! line, an environment or a file. Leaves out: where the password comes from.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_base::{Code, Failure, Nonce, Secret, visible};
use towline_proto::program::sudo_prompt;
use towline_proto::recovery::Trouble;
use towline_transport::Channel;

/// Bytes of rc noise, lecture and prompts that are borne before a lane comes up.
const WORDS_BYTES: usize = 64 * 1024;

/// Answers sudo if it asks; returns what was read, which ends with what the lane said.
pub(crate) async fn answer(
    channel: &mut Channel,
    nonce: &Nonce,
    prompt: &Nonce,
    password: impl Future<Output = Result<Option<Secret>, Failure>>,
) -> Result<Vec<u8>, Trouble> {
    let prompt = sudo_prompt(prompt);
    let mut password = Some(password);
    let (mut words, mut chunk) = (Vec::new(), vec![0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&words);
        if text.contains(nonce.as_str()) {
            return Ok(words);
        }
        let asked = text.matches(&prompt).count();
        match (asked, password.is_some()) {
            (0, _) | (1, false) => {}
            (1, true) => {
                if let Some(password) = password.take() {
                    let secret =
                        password.await.map_err(|failure| Trouble { code: failure.code, text: failure.text, hint: failure.hint })?;
                    say(channel, secret.ok_or_else(no_password)?).await?;
                }
            }
            _ => return Err(wrong()),
        }
        match channel.output.read(&mut chunk).await {
            Ok(0) | Err(_) => return Err(ended(&words, &prompt)),
            Ok(count) => words.extend_from_slice(&chunk[..count]),
        }
        if words.len() > WORDS_BYTES {
            return Err(refused("the host talks without end in the place of sudo".to_owned(), None));
        }
    }
}

async fn say(channel: &mut Channel, secret: Secret) -> Result<(), Trouble> {
    if secret.has_lines() {
        return Err(Trouble { code: Code::SudoPassword, text: "the password for sudo has several lines".to_owned(), hint: None });
    }
    let gone = |error: std::io::Error| Trouble {
        code: Code::LinkLost,
        text: format!("the connection was lost while sudo asked: {error}"),
        hint: None,
    };
    channel.input.write_all(secret.reveal_to_the_host()).await.map_err(gone)?;
    channel.input.write_all(b"\n").await.map_err(gone)?;
    channel.input.flush().await.map_err(gone)
}

fn no_password() -> Trouble {
    Trouble {
        code: Code::SudoPassword,
        text: "sudo on the host asks for a password, and the configuration names none for it; nothing was run.".to_owned(),
        hint: None,
    }
}

fn wrong() -> Trouble {
    let text = "sudo on the host did not take the password; it was tried once, and nothing was run.".to_owned();
    Trouble {
        code: Code::SudoPassword,
        text,
        hint: Some("Do not try again: the host may lock the account. Ask the user to correct the secret.".to_owned()),
    }
}

fn refused(text: String, hint: Option<&str>) -> Trouble {
    Trouble { code: Code::SudoRefused, text, hint: hint.map(str::to_owned) }
}

/// What sudo's last words mean.
fn ended(words: &[u8], prompt: &str) -> Trouble {
    let (text, _) = visible::to_text(words);
    let text = text.replace(prompt, "");
    let text = text.trim();
    for (needle, why, hint) in KNOWN {
        if text.contains(needle) {
            return refused(format!("{why}; nothing was run. sudo said: {text}"), Some(hint));
        }
    }
    if text.contains("incorrect password attempt") || text.contains("Sorry, try again") {
        return wrong();
    }
    refused(format!("sudo ended without making this account root; nothing was run. It said: {text}"), None)
}

/// sudo's words (1.9, English: it is told so), what they mean, what to do.
const KNOWN: &[(&str, &str, &str)] = &[
    ("not in the sudoers file", "this account is not in the host's sudoers file", "Ask the host's administrator."),
    ("may not run sudo", "this account may not run sudo on this host", "Ask the host's administrator."),
    (
        "is not allowed to execute",
        "the host's sudoers does not allow this account a shell as root",
        "Ask the host's administrator; single commands may be allowed: run them with `sudo -n` in Bash.",
    ),
    (
        "must have a tty",
        "the host's sudoers demands a terminal (requiretty)",
        "Ask the host's administrator to take `requiretty` off for this account.",
    ),
    ("sudo is not there", "there is no sudo on the host", "Log in as root, if the host permits it."),
    ("no new privileges", "sudo cannot work there: the system forbids new privileges (a container?)", ""),
    ("must be owned by uid 0", "sudo is not set up there: it is not setuid root", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudos_last_words_are_told_apart() {
        // Recorded from sudo 1.9.13.
        for (words, code, expected) in [
            ("me is not in the sudoers file.\n", Code::SudoRefused, "not in the host's sudoers file"),
            (
                "Sorry, user me is not allowed to execute '/bin/sh -c x' as root on h.\n",
                Code::SudoRefused,
                "does not allow this account a shell",
            ),
            ("sudo: sorry, you must have a tty to run sudo\n", Code::SudoRefused, "requiretty"),
            ("sudo is not there\n", Code::SudoRefused, "there is no sudo"),
            ("P\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n", Code::SudoPassword, "tried once"),
            ("something new\n", Code::SudoRefused, "It said: something new"),
        ] {
            let trouble = ended(words.as_bytes(), "P");
            assert!(trouble.code == code && trouble.text.contains(expected), "{trouble:?}");
        }
    }
}
