//! Paths as texts: what they say, not where links lead; that is asked of the host.

use std::fmt;

/// A directory that a rule names: absolute, without `.`, `..` and double slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Directory(String);

impl Directory {
    /// Checks a directory's path.
    ///
    /// # Errors
    /// With the rule, if it is not absolute, holds `..` or a NUL.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.split('/').any(|part| part == "..") || text.contains('\0') {
            return Err("it must hold no `..` and no NUL");
        }
        normal(text).map(Self).ok_or("it must be an absolute path")
    }

    /// Its path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The absolute path that a text says, with `.` and `..` taken away as text; `None` for a relative one.
pub(crate) fn normal(text: &str) -> Option<String> {
    if !text.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// Whether a normal path is a directory or lies below it.
pub(crate) fn within(path: &[u8], directory: &[u8]) -> bool {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_its_names_say() {
        for (text, said) in [
            ("/", Some("/")),
            ("//a//b/", Some("/a/b")),
            ("/a/./b", Some("/a/b")),
            ("/a/../b", Some("/b")),
            ("/../../b", Some("/b")),
            ("/a/b/../..", Some("/")),
            ("/a/..b/...", Some("/a/..b/...")),
            ("a/b", None),
            ("", None),
            ("~/x", None),
        ] {
            assert_eq!(normal(text).as_deref(), said, "{text}");
        }
    }

    #[test]
    fn below_is_a_matter_of_whole_names() {
        for (path, directory, inside) in [
            ("/a", "/a", true),
            ("/a/b", "/a", true),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
            ("/", "/", true),
            ("/x", "/", true),
            ("/A", "/a", false),
        ] {
            assert_eq!(within(path.as_bytes(), directory.as_bytes()), inside, "{path} in {directory}");
        }
    }

    #[test]
    fn a_rule_names_a_plain_absolute_directory() {
        assert_eq!(Directory::parse("/srv//app/").map(|d| d.to_string()), Ok("/srv/app".to_owned()));
        for text in ["srv", "", "~", "/a/../b", "/..", "/a\0"] {
            assert!(Directory::parse(text).is_err(), "{text:?}");
        }
    }
}
