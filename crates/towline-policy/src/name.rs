//! Under which names a host is known to rules.
//!
//! Holds to: `me@prod`, `prod:22`, `PROD.` and the names that a connection with options gets (`prod+1`) are `prod` to a rule, so
//! that another spelling does not leave it. Leaves out: other names of the same machine (an address, another alias); a rule for
//! hosts that the configuration does not name is what catches those.

/// A host's name in a rule; `*` stands for any characters, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Vec<char>);

impl HostPattern {
    /// A pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase().chars().collect())
    }

    /// Whether one of a host's plain names fits.
    #[must_use]
    pub fn fits(&self, host: &str) -> bool {
        plain(host).iter().any(|name| fits(&self.0, &name.chars().collect::<Vec<_>>()))
    }
}

/// The plain names of a host: without user, port and brackets, in small letters; and the same without a connection's number.
pub(crate) fn plain(host: &str) -> Vec<String> {
    let mut names = vec![stem(host)];
    let numbered = host.rsplit_once('+').filter(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    names.extend(numbered.map(|(name, _)| stem(name)));
    names
}

fn stem(host: &str) -> String {
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    let name = if let Some(rest) = name.strip_prefix('[') {
        rest.split(']').next().unwrap_or_default()
    } else if name.matches(':').count() == 1 {
        name.split(':').next().unwrap_or_default()
    } else {
        name
    };
    name.trim_end_matches('.').to_lowercase()
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                again = Some((p, n));
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match again {
                Some((star, from)) => {
                    (p, n) = (star, from + 1);
                    again = Some((p, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_host_are_the_host() {
        for (pattern, host, fit) in [
            ("prod", "prod", true),
            ("prod", "me@prod", true),
            ("prod", "prod:22", true),
            ("prod", "me@prod:2222", true),
            ("prod", "PROD", true),
            ("prod", "prod.", true),
            ("prod", "prod+1", true),
            ("prod", "me@prod:22+12", true),
            ("Prod", "prod", true),
            ("prod", "prod+x", false),
            ("prod", "prod+", false),
            ("prod", "prod2", false),
            ("prod", "xprod", false),
            ("c++1", "c++1", true),
            ("::1", "[::1]:22", true),
            ("::1", "::1", true),
            ("fe80::1", "me@fe80::1", true),
            ("web-*", "web-1", true),
            ("web-*", "web-", true),
            ("web-*", "me@web-1.example.com:22", true),
            ("web-?", "web-1", true),
            ("web-?", "web-12", false),
            ("*a*b", "xaxb", true),
            ("*a*b", "xabx", false),
            ("*ab", "aab", true),
            ("*", "", true),
            ("", "x", false),
            ("a**", "a", true),
        ] {
            assert_eq!(HostPattern::new(pattern).fits(host), fit, "{pattern} {host}");
        }
    }
}
