//! Names that were checked once at the edge and carry the proof in their type.

use std::fmt;

use crate::{Code, Failure, limits};

/// A name that may not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// The parameter at fault.
    pub parameter: &'static str,
    /// What was given, cut and made visible.
    pub given: String,
    /// What it must be.
    pub rule: &'static str,
}

impl NameError {
    pub(crate) fn new(parameter: &'static str, given: &str, rule: &'static str) -> Self {
        let cut: String = given.chars().take(60).flat_map(char::escape_default).collect();
        Self { parameter, given: cut, rule }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\" cannot be used; it must be {}.", self.parameter, self.given, self.rule)
    }
}

impl std::error::Error for NameError {}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let code = if error.parameter == "host" { Code::BadHost } else { Code::BadInput };
        Failure::new(code, error.to_string())
    }
}

/// The name by which the user's ssh knows a host: an alias, `user@name` or `user@name:port`.
///
/// It begins with no `-` and holds no white space, control or shell characters, so that it can be an argument of `ssh`
/// after `--` and never an option, a command or a token of ssh_config.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAlias(String);

impl HostAlias {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is empty, too long, begins with `-`, or holds anything but letters, digits and `._-@:[]+`
    /// (letters and digits of any script).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let rule =
            "an alias of ssh_config or user@name[:port]: letters, digits and . _ - @ : [ ] + with no leading - and at most 255 bytes";
        let good = |c: char| c.is_alphanumeric() || "._-@:[]+".contains(c);
        let name = text.rsplit_once('@').map_or(text, |(_, name)| name);
        let ok = !text.is_empty()
            && text.len() <= limits::HOST_NAME_BYTES
            && text.chars().all(good)
            && !text.starts_with('-')
            && !name.is_empty()
            && !name.starts_with('-')
            && text.matches('@').count() <= 1
            && !text.starts_with('@');
        if ok { Ok(Self(text.to_owned())) } else { Err(NameError::new("host", text, rule)) }
    }

    /// The name, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the same host is worked on as root, by sudo.
    #[must_use]
    pub fn as_root(&self) -> Self {
        if self.is_root() { self.clone() } else { Self(format!("{}{ROOT}", self.0)) }
    }

    /// Whether this is such a name.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() > ROOT.len() && self.0.ends_with(ROOT)
    }

    /// The host that ssh knows: without the mark of root.
    #[must_use]
    pub fn base(&self) -> Self {
        if self.is_root() { Self(self.0[..self.0.len() - ROOT.len()].to_owned()) } else { self.clone() }
    }
}

/// What stands behind a host's name where the work there is root's.
const ROOT: &str = "+root";

impl fmt::Display for HostAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a session: it is also the name of a directory on the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName(String);

impl SessionName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is not 1 to 64 of the characters `A-Za-z0-9._-`, beginning with a letter or digit.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let rule = "1 to 64 of the characters A-Z a-z 0-9 . _ - beginning with a letter or digit";
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let ok = text.len() <= limits::SESSION_NAME_BYTES
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(good);
        if ok { Ok(Self(text.to_owned())) } else { Err(NameError::new("session", text, rule)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a terminal; it also names a window and a file on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TerminalName(String);

impl TerminalName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is not 1 to 64 of the characters `A-Za-z0-9._-`, beginning with a letter or digit.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let same = SessionName::parse(text).map_err(|error| NameError { parameter: "name", ..error })?;
        Ok(Self::from(&same))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&SessionName> for TerminalName {
    /// The terminal that belongs to a session: it is the one of a conversation that names none.
    fn from(session: &SessionName) -> Self {
        Self(session.0.clone())
    }
}

impl fmt::Display for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_ssh_knows_pass() {
        for word in ["prod", "me@prod", "me@10.0.0.1:2222", "[::1]:22", "web-1.example.com", "büro", "a_b", "u.v+w@h"] {
            assert_eq!(HostAlias::parse(word).map(|h| h.as_str().to_owned()), Ok(word.to_owned()));
        }
    }

    #[test]
    fn hosts_that_could_become_something_else_are_refused() {
        for word in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a;b",
            "$(x)",
            "`x`",
            "a\nb",
            "a\tb",
            "a|b",
            "%h",
            "a%b",
            "me@-x",
            "me@",
            "@h",
            "a@b@c",
            "a/b",
            "a'b",
            "a\"b",
            "a\\b",
            "a\u{0}b",
            "a\u{202e}b",
            "a=b",
            "a*",
            "a?b",
            "#a",
            "a&b",
            "<a",
            "a,b",
        ] {
            assert!(HostAlias::parse(word).is_err(), "{word:?}");
        }
        assert!(HostAlias::parse(&"a".repeat(256)).is_err());
    }

    #[test]
    fn a_host_as_root_has_a_name_of_its_own() {
        let prod = HostAlias::parse("me@prod:22").expect("a name");
        assert_eq!(prod.as_root().as_str(), "me@prod:22+root");
        assert_eq!(prod.as_root().as_root(), prod.as_root());
        assert_eq!((prod.as_root().base(), prod.as_root().is_root(), prod.is_root()), (prod.clone(), true, false));
        assert!(!HostAlias::parse("+root").expect("a name").is_root());
    }

    #[test]
    fn a_session_name_is_a_plain_file_name() {
        assert!(SessionName::parse("tests-2.a_b").is_ok());
        for word in ["", ".", "..", "a/b", "-a", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert!(SessionName::parse(word).is_err(), "{word:?}");
        }
    }
}
