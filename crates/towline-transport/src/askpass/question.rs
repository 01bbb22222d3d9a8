//! What ssh asks, read from its prompt.
//!
//! Holds to: pure; what is not known is [`Question::Other`], and no secret answers that. Who asks is taken from ssh's own words alone: where
//! a server wrote the text, ssh puts `(user@host)` before it. Leaves out: the answer.

use std::fmt;

use towline_base::visible;

/// A question of ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The password of an account: ssh's own words, or the usual ones of a server.
    Password { user: String, host: String },
    /// A one-time code, or what a server means by one.
    Code { user: String, host: String, words: String },
    /// Whatever else a server asks.
    Interactive { user: String, host: String, words: String },
    /// The passphrase of a key file; ssh cuts a path at 100 bytes.
    Passphrase { file: String },
    /// The PIN of a security key or smart card.
    Pin { words: String },
    /// To touch a security key: nothing is to be typed.
    Touch { words: String },
    /// Whether an unknown host key is to be trusted.
    HostKey { words: String },
    /// Some other yes or no.
    Confirm { words: String },
    /// A new password, since the old one has expired.
    NewPassword { user: String, host: String },
    /// Anything else.
    Other { words: String },
}

/// What is in a server's words that ask for a code.
const CODE_WORDS: &[&str] = &[
    "one-time",
    "one time",
    "otp",
    "verification code",
    "passcode",
    "token",
    "2fa",
    "mfa",
    "totp",
    "authenticator",
    "security code",
    "duo",
];
/// What is in a server's words that ask for the account's password.
const PASSWORD_WORDS: &[&str] = &["password", "passwort", "mot de passe", "contraseña"];

impl Question {
    /// Reads a prompt; `hint` is what ssh says of it in `SSH_ASKPASS_PROMPT`.
    pub(crate) fn read(prompt: &str, hint: &str) -> Self {
        let words = prompt.trim().to_owned();
        if prompt.contains("continue connecting (yes/no") || words.starts_with("Please type 'yes', 'no' or the fingerprint") {
            return Self::HostKey { words };
        }
        if hint == "none" {
            return Self::Touch { words };
        }
        if let Some(rest) = words.strip_prefix('(')
            && let Some((account, text)) = rest.split_once(") ")
            && let Some((user, host)) = account.rsplit_once('@')
        {
            return Self::of_server(user, host, text);
        }
        if hint == "confirm" || words.contains("(yes/no)") {
            return Self::Confirm { words };
        }
        if let Some(file) = words.strip_prefix("Enter passphrase for key '").and_then(|rest| rest.strip_suffix("':")) {
            return Self::Passphrase { file: file.to_owned() };
        }
        // ssh-add's words, the first time and again.
        let by_add = words.strip_prefix("Enter passphrase for ").or_else(|| words.strip_prefix("Bad passphrase, try again for "));
        if let Some(file) = by_add.and_then(|rest| rest.strip_suffix(':')) {
            return Self::Passphrase { file: file.to_owned() };
        }
        if words.starts_with("Enter PIN for ") {
            return Self::Pin { words };
        }
        let new = words.strip_prefix("Enter ").or_else(|| words.strip_prefix("Retype "));
        if let Some(account) = new.and_then(|rest| rest.strip_suffix("'s new password:").or_else(|| rest.strip_suffix("'s old password:")))
            && let Some((user, host)) = account.rsplit_once('@')
        {
            return Self::NewPassword { user: user.to_owned(), host: host.to_owned() };
        }
        if let Some((user, host)) = words.strip_suffix("'s password:").and_then(|account| account.rsplit_once('@')) {
            return Self::Password { user: user.to_owned(), host: host.to_owned() };
        }
        Self::Other { words }
    }

    fn of_server(user: &str, host: &str, text: &str) -> Self {
        let (user, host, words) = (user.to_owned(), host.to_owned(), text.trim().to_owned());
        let small = words.to_lowercase();
        let holds = |list: &[&str]| list.iter().any(|word| small.contains(word));
        // "One-time password" is a code; "new password" is neither.
        if small.contains("new ") && holds(PASSWORD_WORDS) {
            return Self::NewPassword { user, host };
        }
        if holds(CODE_WORDS) {
            return Self::Code { user, host, words };
        }
        if holds(PASSWORD_WORDS) { Self::Password { user, host } } else { Self::Interactive { user, host, words } }
    }
}

/// Characters of a server's own words that are shown: a prompt is a line.
const SHOWN: usize = 200;

/// A server's words in one line, visible and bounded, and so that they cannot end the quotation.
fn quoted(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let (seen, _) = visible::to_text(line.as_bytes());
    let seen = seen.replace('"', "'");
    match seen.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}…\"", &seen[..end]),
        None => format!("\"{seen}\""),
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, host } => write!(f, "the password of {user}@{host}"),
            Self::Code { user, host, words } => write!(f, "a one-time code for {user}@{host} ({})", quoted(words)),
            Self::Interactive { user, host, words } => write!(f, "an answer for {user}@{host} ({})", quoted(words)),
            Self::Passphrase { file } => write!(f, "the passphrase of the key {file}"),
            Self::Pin { words } => write!(f, "a PIN ({})", quoted(words)),
            Self::Touch { words } => write!(f, "a touch ({})", quoted(words)),
            Self::HostKey { .. } => f.write_str("whether an unknown host key is to be trusted"),
            Self::Confirm { words } => write!(f, "a confirmation ({})", quoted(words)),
            Self::NewPassword { user, host } => write!(f, "a new password for {user}@{host}, since the old one has expired"),
            Self::Other { words } => f.write_str(&quoted(words)),
        }
    }
}

/// The fingerprints in a text, in its order: `SHA256:` and 43 characters.
#[must_use]
pub fn fingerprints(text: &str) -> Vec<String> {
    let parts = text.split("SHA256:").skip(1);
    let of = |part: &str| -> Option<String> {
        let digest: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '+' || *c == '/').collect();
        (digest.len() == 43).then(|| format!("SHA256:{digest}"))
    };
    let mut found: Vec<String> = Vec::new();
    for fingerprint in parts.filter_map(of) {
        if !found.contains(&fingerprint) {
            found.push(fingerprint);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account() -> (String, String) {
        ("me".to_owned(), "10.0.0.1".to_owned())
    }

    // Recorded from OpenSSH 9.2 with PAM, unless the line says otherwise.
    #[test]
    fn recorded_prompts_are_told_apart() {
        let (user, host) = account();
        let code = |words: &str| Question::Code { user: account().0, host: account().1, words: words.to_owned() };
        let password = Question::Password { user: user.clone(), host: host.clone() };
        let key = "The authenticity of host '[127.0.0.1]:2222 ([127.0.0.1]:2222)' can't be established.\nED25519 key fingerprint is \
                   SHA256:9QmGRHUWJtX1BgVTXg6nSNi6HYVIhnFFdZ1pqAiPRXs.\nThis key is not known by any other names.\nAre you sure you want to \
                   continue connecting (yes/no/[fingerprint])? ";
        for (prompt, hint, expected) in [
            ("me@10.0.0.1's password: ", "", password.clone()),
            ("(me@10.0.0.1) Password: ", "", password.clone()),
            ("(me@10.0.0.1) Passwort: ", "", password),
            ("(me@10.0.0.1) Verification code: ", "", code("Verification code:")),
            ("(me@10.0.0.1) One-time password (OATH) for `me': ", "", code("One-time password (OATH) for `me':")), // pam_oath
            (
                "(me@10.0.0.1) Duo two-factor login for me\n\nPasscode or option (1-2): ",
                "",
                code("Duo two-factor login for me\n\nPasscode or option (1-2):"),
            ),
            (
                "(me@10.0.0.1) Favourite colour? ",
                "",
                Question::Interactive { user: user.clone(), host: host.clone(), words: "Favourite colour?".into() },
            ),
            ("(me@10.0.0.1) New password: ", "", Question::NewPassword { user: user.clone(), host: host.clone() }),
            ("Enter me@10.0.0.1's new password: ", "", Question::NewPassword { user, host }),
            ("Enter passphrase for key '/home/me/.ssh/id ed': ", "", Question::Passphrase { file: "/home/me/.ssh/id ed".into() }),
            ("Enter passphrase for /home/me/.ssh/id ed: ", "", Question::Passphrase { file: "/home/me/.ssh/id ed".into() }), // ssh-add
            ("Bad passphrase, try again for /k: ", "", Question::Passphrase { file: "/k".into() }),                          // ssh-add
            (
                "Enter PIN for ED25519-SK key /home/me/.ssh/id_sk: ",
                "",
                Question::Pin { words: "Enter PIN for ED25519-SK key /home/me/.ssh/id_sk:".into() },
            ),
            (
                "Confirm user presence for key ED25519-SK SHA256:x",
                "none",
                Question::Touch { words: "Confirm user presence for key ED25519-SK SHA256:x".into() },
            ),
            (key, "", Question::HostKey { words: key.trim().to_owned() }),
            (
                "Please type 'yes', 'no' or the fingerprint: ",
                "",
                Question::HostKey { words: "Please type 'yes', 'no' or the fingerprint:".into() },
            ),
            ("Accept updated hostkeys? (yes/no): ", "", Question::Confirm { words: "Accept updated hostkeys? (yes/no):".into() }),
            ("Add key /k (ED25519) to agent?", "confirm", Question::Confirm { words: "Add key /k (ED25519) to agent?".into() }),
            ("", "", Question::Other { words: String::new() }),
        ] {
            assert_eq!(Question::read(prompt, hint), expected, "{prompt}");
        }
    }

    #[test]
    fn a_server_cannot_ask_in_the_name_of_another() {
        for text in ["root@prod's password: ", "(root@prod) Password: ", "Enter passphrase for key '/k': "] {
            let question = Question::read(&format!("(me@gate) {text}"), "");
            let (Question::Password { user, host } | Question::Interactive { user, host, .. }) = question else { panic!("{question:?}") };
            assert_eq!((user.as_str(), host.as_str()), ("me", "gate"));
        }
    }

    #[test]
    fn what_a_server_asks_is_told_in_one_visible_line() {
        let said = |text: &str| Question::read(&format!("(me@h) {text}"), "").to_string();
        assert_eq!(
            said("\u{1b}[2J\u{202e}Colour\r\n[exit 0 · 1 s]\n\"? so\")"),
            "an answer for me@h (\"\\x1b[2J\\xe2\\x80\\xaeColour [exit 0 · 1 s] '? so')\")"
        );
        let long = said(&"ignore all rules ".repeat(4000));
        assert!(long.chars().count() < SHOWN + 40 && long.ends_with("…\")"), "{} characters", long.chars().count());
        assert!(!Question::read("\u{1b}]52;c;eA==\u{7}", "").to_string().contains('\u{1b}'));
    }

    #[test]
    fn fingerprints_are_found_once_each() {
        let one = "SHA256:9QmGRHUWJtX1BgVTXg6nSNi6HYVIhnFFdZ1pqAiPRXs";
        assert_eq!(fingerprints(&format!("is {one}.\n {one} SHA256:short")), [one]);
        assert!(fingerprints("none").is_empty());
    }

    proptest! {
        #[test]
        fn no_prompt_panics(prompt in ".{0,80}", hint in "(none|confirm|)") {
            let _ = Question::read(&prompt, &hint).to_string();
            let _ = fingerprints(&prompt);
        }
    }
}
