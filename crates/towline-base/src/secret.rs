//! Secrets: a value that cannot be printed, a name that was checked, and where the value is to be found.
//!
//! Holds to: no `Display`, no `Serialize`, an empty `Debug`; the bytes are overwritten when the value goes away; one accessor, with a
//! name that a reviewer stumbles over. Leaves out: fetching one (towline-transport does, since it may have to start a program).

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::{NameError, limits};

/// Why bytes are no secret that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitSecret {
    /// There is nothing.
    Empty,
    /// It is longer than [`limits::SECRET_BYTES`].
    TooLong,
    /// It holds a NUL, which neither a prompt nor a variable can take.
    HoldsNul,
}

impl fmt::Display for UnfitSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => write!(f, "it is longer than {} bytes", limits::SECRET_BYTES),
            Self::HoldsNul => f.write_str("it holds a NUL byte"),
        }
    }
}

impl std::error::Error for UnfitSecret {}

/// A password, passphrase, one-time code or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the bytes as they are.
    ///
    /// # Errors
    /// If they are none, too many, or hold a NUL.
    pub fn new(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, UnfitSecret> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(UnfitSecret::Empty);
        }
        if bytes.len() > limits::SECRET_BYTES {
            return Err(UnfitSecret::TooLong);
        }
        if bytes.contains(&0) {
            return Err(UnfitSecret::HoldsNul);
        }
        Ok(Self(bytes))
    }

    /// Takes over what a program or a file said: one line end at its end is not part of the secret.
    ///
    /// # Errors
    /// As [`Secret::new`].
    pub fn of_output(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, UnfitSecret> {
        let mut bytes = bytes.into();
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::new(bytes)
    }

    /// The bytes, for the one place that hands them to ssh or to the host. Never for a text that somebody reads.
    #[must_use]
    pub fn reveal_to_the_host(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is more than one line: a prompt takes one only.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.0.contains(&b'\n') || self.0.contains(&b'\r')
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The name of a secret: it is also the name of the variable that a command finds it in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is not 1 to 64 of the characters `A-Za-z0-9_`, beginning with no digit.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let rule = "1 to 64 of the characters A-Z a-z 0-9 _ beginning with no digit";
        let ok = text.len() <= limits::SECRET_NAME_BYTES
            && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if ok { Ok(Self(text.to_owned())) } else { Err(NameError::new("secret", text, rule)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a secret is found; said by the person's configuration, never by an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// What this program writes to standard output. Its words are the program and its arguments; no shell reads them.
    Command(Vec<String>),
    /// A variable of towline's own environment; the programs that towline starts do not get it.
    Env(String),
    /// A file of the user's own that nobody else may read (0600).
    File(PathBuf),
    /// The desktop's or the system's keyring.
    Keyring {
        /// The service that it is kept for.
        service: String,
        /// The user that it is kept for.
        user: String,
    },
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Its arguments are not shown: somebody may have put there what does not belong there.
            Self::Command(words) => write!(f, "the command \"{}\"", words.first().map_or("", String::as_str)),
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Keyring { service, user } => write!(f, "the keyring's entry for {user} of {service}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<Vec<u8>, UnfitSecret> {
        Secret::of_output(text.as_bytes().to_vec()).map(|secret| secret.reveal_to_the_host().to_vec())
    }

    #[test]
    fn one_line_end_is_no_part_of_a_secret() {
        for (said, kept) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r"), ("ä\n", "ä")] {
            assert_eq!(secret(said), Ok(kept.as_bytes().to_vec()), "{said:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        let long = "x".repeat(limits::SECRET_BYTES + 1);
        for (said, why) in
            [("", UnfitSecret::Empty), ("\n", UnfitSecret::Empty), ("a\0b", UnfitSecret::HoldsNul), (&long, UnfitSecret::TooLong)]
        {
            assert_eq!(secret(said), Err(why));
        }
    }

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new(b"hunter2".to_vec()).expect("a secret");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret Some(Secret)");
        let source = SecretSource::Command(vec!["pass".into(), "hunter2".into()]);
        assert_eq!(source.to_string(), "the command \"pass\"");
    }

    #[test]
    fn a_secrets_name_is_a_variables_name() {
        for good in ["TOKEN", "a", "_x9", &"a".repeat(64)] {
            assert_eq!(SecretName::parse(good).map(|name| name.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "9a", "a-b", "a b", "a=b", "ä", "a\n", "$a", &"a".repeat(65)] {
            assert!(SecretName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
