//! What `ssh -G` says of a destination, read.
//!
//! Holds to: pure; an unknown line is kept and ignored. Leaves out: running it, and expanding anything: ssh has done that.

use std::collections::HashMap;
use std::path::PathBuf;

/// What ssh makes of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The whole answer: two destinations are the same if theirs are.
    pub(crate) text: String,
    first: HashMap<String, String>,
    /// The user's configuration says something of compression (the answer does not tell a default from a choice).
    pub(crate) compression_is_chosen: bool,
    /// The user's configuration limits the time of connecting.
    pub(crate) connect_timeout_is_chosen: bool,
    /// The files that ssh read, in order.
    pub(crate) files: Vec<PathBuf>,
}

impl Resolved {
    /// Reads the standard output and the (verbose) standard error of `ssh -G -v`.
    pub(crate) fn parse(stdout: &str, stderr: &str) -> Self {
        let mut first = HashMap::new();
        for line in stdout.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            first.entry(key.to_ascii_lowercase()).or_insert_with(|| value.trim().to_owned());
        }
        let files =
            stderr.lines().filter_map(|line| line.trim_end().strip_prefix("debug1: Reading configuration data ")).map(PathBuf::from);
        let mut resolved =
            Self { text: stdout.to_owned(), first, compression_is_chosen: false, connect_timeout_is_chosen: false, files: files.collect() };
        resolved.connect_timeout_is_chosen = resolved.get("connecttimeout").is_some_and(|value| value != "none" && value != "0");
        resolved
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.first.get(key).map(String::as_str)
    }

    /// Whether this ssh has an option of that (lower-case) name.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.first.contains_key(key)
    }

    /// The socket of the user's own master, with its tokens expanded; `None` if there is none to be had.
    pub(crate) fn control_path(&self) -> Option<PathBuf> {
        self.get("controlpath").filter(|path| *path != "none" && path.starts_with('/')).map(PathBuf::from)
    }

    /// Whether ssh would ask a person about a host key that it does not know.
    pub(crate) fn asks_about_keys(&self) -> bool {
        self.get("stricthostkeychecking").is_some_and(|value| value == "ask")
    }

    /// Whether ssh would go on although a host's key has changed: `StrictHostKeyChecking no` (or `off`, which `-G` calls `false`).
    pub(crate) fn bears_changed_keys(&self) -> bool {
        self.get("stricthostkeychecking").is_some_and(|value| matches!(value, "no" | "off" | "false"))
    }

    /// Whether another program stands between ssh and the host: with a master, ssh hides what it says.
    pub(crate) fn is_proxied(&self) -> bool {
        ["proxyjump", "proxycommand"].iter().any(|key| self.get(key).is_some_and(|value| value != "none" && !value.is_empty()))
    }

    /// User and host name, as ssh names them in its prompts.
    pub(crate) fn account(&self) -> (String, String) {
        (self.get("user").unwrap_or_default().to_owned(), self.get("hostname").unwrap_or_default().to_owned())
    }

    /// Who is meant, as `user@name:port`, for texts.
    pub(crate) fn address(&self) -> String {
        let part = |key| self.get(key).unwrap_or("?");
        format!("{}@{}:{}", part("user"), part("hostname"), part("port"))
    }
}

/// Whether the text of an `ssh_config` holds that option anywhere.
pub(crate) fn mentions(config: &str, option: &str) -> bool {
    config.lines().any(|line| {
        let word = line.trim_start().split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        word.trim_matches('"').eq_ignore_ascii_case(option)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // As OpenSSH 9.2 answers, cut to what matters here.
    const SAMPLE: &str = "host a\nuser me\nhostname 10.0.0.1\nport 2222\nbatchmode no\ncompression no\nstdinnull no\n\
        controlmaster false\nidentityfile ~/.ssh/a\nidentityfile ~/.ssh/b\ncontrolpath /home/me/.ssh/cm-1afc\nconnecttimeout none\n\
        proxyjump gate\n";
    const VERBOSE: &str = "OpenSSH_9.2p1\ndebug1: Reading configuration data /home/me/.ssh/config\r\n\
        debug1: /home/me/.ssh/config line 1: Applying options for a\r\ndebug1: Reading configuration data /etc/ssh/ssh_config\r\n";

    #[test]
    fn an_answer_is_read() {
        let resolved = Resolved::parse(SAMPLE, VERBOSE);
        assert_eq!(resolved.control_path(), Some("/home/me/.ssh/cm-1afc".into()));
        assert_eq!(resolved.address(), "me@10.0.0.1:2222");
        assert_eq!(resolved.files, [PathBuf::from("/home/me/.ssh/config"), "/etc/ssh/ssh_config".into()]);
        assert!(resolved.is_proxied() && resolved.knows("stdinnull") && !resolved.knows("sessiontype"));
        assert!(!resolved.connect_timeout_is_chosen);
    }

    #[test]
    fn an_answer_that_says_nothing_is_read() {
        for text in ["", "\n", "controlpath none\nproxycommand none\nconnecttimeout none", "controlpath\nx", "\u{0}\u{1} \u{2}"] {
            let resolved = Resolved::parse(text, text);
            assert_eq!((resolved.control_path(), resolved.is_proxied(), resolved.connect_timeout_is_chosen), (None, false, false));
        }
        assert!(Resolved::parse("connecttimeout 5", "").connect_timeout_is_chosen);
    }

    #[test]
    fn a_mention_is_an_option_and_not_a_word() {
        for (text, expected) in [
            ("Compression yes", true),
            ("Host x\n\tcompression=no", true),
            ("\"Compression\" no", true),
            ("# Compression yes", false),
            ("CompressionLevel 9", false),
            ("Host compression", false),
            ("", false),
        ] {
            assert_eq!(mentions(text, "compression"), expected, "{text}");
        }
    }
}
