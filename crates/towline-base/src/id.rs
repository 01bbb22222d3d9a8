//! Ids: an execution's 128 random bits, the short handle that an agent sees, the nonce of a line.

use std::fmt;

/// Reads the system's randomness; the only place that does.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The identity of an execution on the wire: 128 random bits, as 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionId(String);

impl ExecutionId {
    /// A new one.
    #[must_use]
    pub fn mint() -> Self {
        Self(hex(&random::<16>()))
    }

    /// The one that these bits make; for tests and the model.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(hex(&bits.to_be_bytes()))
    }

    /// Its 32 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The short name of an execution that an agent sees: six characters, unique on a host.
///
/// The alphabet has no vowels and no look-alikes, so that a handle is never a word and is read aloud easily.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(String);

const ALPHABET: &[u8; 32] = b"0123456789bcdfghjkmnpqrstvwxyz_-";
const HANDLE_LENGTH: usize = 6;

impl Handle {
    /// A new one; whether it is free on a host is decided there, by an exclusive creation.
    #[must_use]
    pub fn mint() -> Self {
        // The first 30 letters only: `_` and `-` are left out, so that a handle can begin a word.
        let bytes = random::<HANDLE_LENGTH>();
        Self(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % 30])).collect())
    }

    /// The handle that a person or an agent wrote.
    ///
    /// # Errors
    /// If it is not six characters of the alphabet.
    pub fn parse(text: &str) -> Result<Self, crate::NameError> {
        let ok = text.len() == HANDLE_LENGTH && text.bytes().all(|b| ALPHABET[..30].contains(&b));
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(crate::NameError::new("id", text, "six characters, as an answer's last line shows it"))
        }
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a line's first output must hold: 128 random bits that nobody on the host can know beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one.
    #[must_use]
    pub fn mint() -> Self {
        Self(hex(&random::<16>()))
    }

    /// Its 32 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_handle_parses() {
        for _ in 0..200 {
            let handle = Handle::mint();
            assert_eq!(Handle::parse(handle.as_str()).as_ref(), Ok(&handle));
        }
    }

    #[test]
    fn a_handle_is_never_a_path_or_an_option() {
        for word in ["", "-aaaaa", "../../", "aaaaaa", "bcdfg", "bcdfghj", "bcdfg\n", "BCDFGH"] {
            assert!(Handle::parse(word).is_err(), "{word:?}");
        }
    }
}
