//! Where to connect: the name that the user's ssh knows, and the few typed options that an agent may give.
//!
//! Holds to: every field was checked when the value was made, so that none can become an option, a command, a token or a pattern
//! of `ssh_config`. Leaves out: free arguments for ssh; there is no such thing.

use towline_base::{Code, Failure, HostAlias};

/// Longest path of an identity file, in bytes: `PATH_MAX` of Linux.
const PATH_BYTES: usize = 4096;
/// Longest name of a user, in bytes; more than any system allows, and room for `user@domain`.
const USER_BYTES: usize = 255;

/// What a caller may say besides the host's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectOptions {
    /// User name, other than `ssh_config`'s.
    pub user: Option<String>,
    /// Port, other than `ssh_config`'s.
    pub port: Option<u16>,
    /// Key file, other than `ssh_config`'s.
    pub identity_file: Option<String>,
    /// Jump host, other than `ssh_config`'s.
    pub jump: Option<HostAlias>,
    /// Whether the user's agent can be used from there.
    pub agent: AgentForwarding,
}

/// Whether the user's ssh agent is forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AgentForwarding {
    /// It is not, whatever `ssh_config` says.
    #[default]
    Off,
    /// It is, over a connection that carries nothing else: every session of it could use the agent.
    On,
}

/// A host and how to reach it, checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    host: HostAlias,
    /// What ssh gets after `--`.
    name: String,
    options: ConnectOptions,
}

impl Destination {
    /// The host that `ssh_config` (or DNS) knows by this name.
    ///
    /// # Errors
    /// If the port of `name:port` is none.
    pub fn plain(host: HostAlias) -> Result<Self, Failure> {
        Self::new(host, ConnectOptions::default())
    }

    /// A host with options.
    ///
    /// # Errors
    /// If an option may not be given to ssh, or says the same as the name (`user@name:port`) does.
    #[expect(clippy::needless_pass_by_value, reason = "whoever names a host has a name to give")]
    pub fn new(host: HostAlias, mut options: ConnectOptions) -> Result<Self, Failure> {
        let host = host.base();
        let (name, port) = split_port(&host)?;
        match (port, options.port) {
            (Some(_), Some(_)) => return Err(bad("port", "the host's name holds a port already; give only one of them")),
            (Some(port), None) => options.port = Some(port),
            (None, Some(0)) => return Err(bad("port", "0 is no port")),
            (None, _) => {}
        }
        if let Some(user) = &options.user {
            check_user(user)?;
            if name.contains('@') {
                return Err(bad("user", "the host's name holds a user already; give only one of them"));
            }
        }
        if let Some(file) = &options.identity_file {
            check_file(file)?;
        }
        Ok(Self { host, name, options })
    }

    /// The name as it was given.
    #[must_use]
    pub fn host(&self) -> &HostAlias {
        &self.host
    }

    /// The options, with the port that the name held.
    #[must_use]
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// What ssh gets after `--`: the name without its port.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Parts `name:port` and takes the brackets off `[address]`; ssh itself knows neither form, and a bare IPv6 address has no port.
fn split_port(host: &HostAlias) -> Result<(String, Option<u16>), Failure> {
    let text = host.as_str();
    let (user, name) = text.rsplit_once('@').map_or(("", text), |(user, name)| (&text[..=user.len()], name));
    let wrong =
        || Failure::new(Code::BadHost, format!("host: \"{text}\" ends in something that is no port; write name:port or [address]:port."));
    let (name, port) = if let Some(rest) = name.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
        (address, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
    } else if name.matches(':').count() == 1 {
        name.split_once(':').map_or((name, None), |(name, port)| (name, Some(port)))
    } else {
        (name, None)
    };
    // `[` and `]` anywhere else would be a pattern to known_hosts.
    if name.is_empty() || name.starts_with('-') || name.contains(['[', ']']) || user.contains(['[', ']', ':']) {
        return Err(wrong());
    }
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|number| *number > 0 && digits(port)).ok_or_else(wrong)?),
    };
    Ok((format!("{user}{name}"), port))
}

fn check_user(user: &str) -> Result<(), Failure> {
    let good = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    let ok = !user.is_empty() && user.len() <= USER_BYTES && !user.starts_with(['-', '@']) && user.chars().all(good);
    if ok { Ok(()) } else { Err(bad("user", "it must be letters, digits and . _ - + @, with no leading -")) }
}

fn check_file(file: &str) -> Result<(), Failure> {
    let good = |c: char| c.is_alphanumeric() || "/._-+@,:=~".contains(c);
    let ok = !file.is_empty() && file.len() <= PATH_BYTES && !file.starts_with('-') && file.chars().all(good);
    let rule = "it must be a path of letters, digits and / . _ - + @ , : = ~, with no leading - and at most 4096 bytes";
    if ok { Ok(()) } else { Err(bad("identity_file", rule)) }
}

fn bad(parameter: &str, rule: &str) -> Failure {
    Failure::new(Code::BadInput, format!("{parameter}: {rule}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(String, Option<u16>), Code> {
        let host = HostAlias::parse(text).map_err(|_| Code::BadHost)?;
        let destination = Destination::plain(host).map_err(|failure| failure.code)?;
        Ok((destination.name().to_owned(), destination.options().port))
    }

    #[test]
    fn a_name_is_parted_from_its_port_and_otherwise_unchanged() {
        for (text, name, port) in [
            ("prod", "prod", None),
            ("me@prod", "me@prod", None),
            ("me@10.0.0.1:2222", "me@10.0.0.1", Some(2222)),
            ("prod:22", "prod", Some(22)),
            ("[::1]:22", "::1", Some(22)),
            ("[::1]", "::1", None),
            ("me@[fe80::1]:7", "me@fe80::1", Some(7)),
            ("::1", "::1", None),
            ("fe80::1:2", "fe80::1:2", None),
            ("büro", "büro", None),
        ] {
            assert_eq!(parts(text), Ok((name.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_port_is_refused() {
        for text in ["a:", "a:b", "a:0", "a:65536", "a:+1", ":22", "[::1", "[::1]22", "[::1]:", "[]:1", "a]", "a[b]", "[-x]:1", "u:p@h"] {
            assert_eq!(parts(text), Err(Code::BadHost), "{text}");
        }
    }

    #[test]
    fn options_are_an_allow_list() {
        let host = || HostAlias::parse("prod").expect("a good name");
        let check = |options: ConnectOptions| Destination::new(host(), options).map(|_| ()).map_err(|failure| failure.code);
        let user = |text: &str| check(ConnectOptions { user: Some(text.into()), ..ConnectOptions::default() });
        let file = |text: &str| check(ConnectOptions { identity_file: Some(text.into()), ..ConnectOptions::default() });
        for good in ["root", "a.b-c_d", "jo@corp.example", "josé"] {
            assert_eq!(user(good), Ok(()), "{good}");
        }
        for bad in ["", "-x", "@x", "a b", "a%h", "a$b", "a`b", "a\nb", "a;b", "a\u{202e}", &"a".repeat(256)] {
            assert_eq!(user(bad), Err(Code::BadInput), "{bad:?}");
        }
        for good in ["~/.ssh/id_ed25519", "/k/a+b,c=d:e@f", "keys/x"] {
            assert_eq!(file(good), Ok(()), "{good}");
        }
        for bad in ["", "-F", "a b", "%d/x", "${HOME}/x", "a\tb", "a'b", "a\"b", "a\\b", "a*", &"a".repeat(4097)] {
            assert_eq!(file(bad), Err(Code::BadInput), "{bad:?}");
        }
        assert_eq!(check(ConnectOptions { port: Some(0), ..ConnectOptions::default() }), Err(Code::BadInput));
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let make = |host: &str, options| Destination::new(HostAlias::parse(host).expect("a good name"), options).is_err();
        assert!(make("h:1", ConnectOptions { port: Some(2), ..ConnectOptions::default() }));
        assert!(make("a@h", ConnectOptions { user: Some("b".into()), ..ConnectOptions::default() }));
    }
}
