//! The one table of error codes, and the error that a person or an agent reads.
//!
//! Holds to: a code to branch on, a text to read, a hint to act on. Leaves out: where an error came from;
//! each crate has its own enum for that and turns it into a [`Failure`] at its edge.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $hint:literal;)+) => {
        /// A code that names a kind of failure; its word is stable and documented.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code, in the order of the table; the generated docs are read from it.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The word that stands for the code in messages.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Code::$variant => $word,)+ }
            }

            /// What usually helps; empty where nothing general can be said.
            #[must_use]
            pub fn hint(self) -> &'static str {
                match self { $(Code::$variant => $hint,)+ }
            }

            /// What the code means, for the reference.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// A parameter is missing, unknown, of the wrong type or out of range.
    BadInput = "bad_input", "";
    /// The host's name may not be given to ssh (empty, leading `-`, white space, control characters).
    BadHost = "bad_host", "Use an alias of ssh_config, or user@name[:port].";
    /// No such tool, session, execution or file-independent thing.
    Unknown = "unknown", "";
    /// The host name could not be resolved.
    Resolve = "resolve", "Check the name, the HostName in ssh_config, or the network's DNS.";
    /// The connection was refused.
    Refused = "refused", "Is sshd running there, and is the port right?";
    /// The host cannot be reached (no route, network down).
    Unreachable = "unreachable", "Check the network, a VPN, or ProxyJump in ssh_config.";
    /// ssh did not finish connecting within the limit.
    ConnectTimeout = "connect_timeout", "The host may be down, or a firewall drops the packets.";
    /// The host offered a key that known_hosts does not hold.
    HostKeyUnknown = "host_key_unknown", "Compare the fingerprint with the one that the host's owner tells; then `towline trust HOST` in a terminal accepts it.";
    /// The host's key is not the one in known_hosts, or it is revoked. Nothing was sent.
    HostKeyChanged = "host_key_changed", "This can be an attack. Ask the host's owner; only if the change is genuine remove the old key with `ssh-keygen -R HOST`.";
    /// The host accepted none of the offered ways of logging in.
    AuthRejected = "auth_rejected", "Check the user, the key or the agent: `ssh HOST true` in a terminal must work without a question.";
    /// ssh wanted to ask a person something and nobody could answer.
    AuthPrompt = "auth_prompt", "Load the key into ssh-agent, or open the connection once in a terminal: `towline auth HOST`.";
    /// A secret that the configuration names could not be fetched.
    SecretMissing = "secret_missing", "Run its command, or look at its file or keyring entry, as the user who runs towline.";
    /// sudo on the host did not make this account root.
    SudoRefused = "sudo_refused", "Run `sudo -v` on the host in a terminal to see what it says there.";
    /// sudo asked for a password, and there is none, or it is wrong.
    SudoPassword = "sudo_password", "Ask the user to name the password for sudo in the configuration, or to permit this account NOPASSWD.";
    /// ssh's own configuration is wrong.
    SshConfig = "ssh_config", "Run `ssh -G HOST` to see what ssh makes of it.";
    /// The program ssh (or another that is needed) is not on this machine.
    MissingProgram = "missing_program", "Install OpenSSH's client.";
    /// The host's sshd refused another channel or session.
    ChannelRefused = "channel_refused", "";
    /// The link to the host is down or silent.
    LinkLost = "link_lost", "The command's outcome is kept on the host: JobOutput with its id collects it.";
    /// ssh ended and its words are not known to towline.
    SshFailed = "ssh_failed", "Run the same `ssh HOST true` in a terminal to see more.";
    /// The login shell on the host did not start the remote program.
    RemoteShell = "remote_shell", "Does `ssh HOST 'exec /bin/sh -c true'` work? A startup file of the account may end the shell or read its input.";
    /// What came from the host is not the protocol.
    Protocol = "protocol", "";
    /// The state directory on the host cannot be used.
    HostState = "host_state", "Check that the home directory on the host is writable and not full.";
    /// A file or directory does not exist.
    NotFound = "not_found", "";
    /// A path is of another kind than the tool works on.
    WrongKind = "wrong_kind", "";
    /// The host's system refuses the access.
    Permission = "permission", "";
    /// No space, quota or inodes left on the host.
    NoSpace = "no_space", "";
    /// The file is not what this session read.
    Changed = "changed", "Read it again first.";
    /// The text to replace is not there, or not unique, or would change nothing.
    NoMatch = "no_match", "";
    /// Larger than what is read or sent in one answer.
    TooLarge = "too_large", "";
    /// Not text that can be edited safely.
    NotText = "not_text", "";
    /// A search could not be carried out.
    Search = "search", "";
    /// Policy does not permit the action.
    Forbidden = "forbidden", "";
    /// The audit journal could not be written, so nothing was done.
    Audit = "audit", "Make room, or mend the state directory; `towline audit verify` says what is wrong with the journal.";
    /// A settings file is wrong, or not the user's own.
    Settings = "settings", "`towline config check` says what is in force; the reference page on settings names the keys.";
    /// The call was cancelled.
    Cancelled = "cancelled", "";
    /// Something failed on this machine.
    Local = "local", "";
    /// towline itself is wrong here.
    Internal = "internal", "Please report it with the text.";
}

/// An error as its readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// What happened, in words; names the parameter or thing at fault.
    pub text: String,
    /// What to do; the code's own hint if `None`.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with the code's own hint.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), hint: None }
    }

    /// The same with a hint of its own; an empty one says that nothing is known to help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint to show: its own, or the code's; `None` if there is nothing to say.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        let hint = self.hint.as_deref().unwrap_or_else(|| self.code.hint());
        (!hint.is_empty()).then_some(hint)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        write!(f, " [{}]", self.code.word())?;
        match self.advice() {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_plain() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn a_failure_shows_its_text_its_code_and_its_hint() {
        let failure = Failure::new(Code::Refused, "nobody listens on port 22");
        assert_eq!(failure.to_string(), "nobody listens on port 22 [refused]\nIs sshd running there, and is the port right?");
        assert_eq!(Failure::new(Code::BadInput, "x").advice(), None);
        assert_eq!(Failure::new(Code::Refused, "x").hint("").advice(), None);
    }
}
