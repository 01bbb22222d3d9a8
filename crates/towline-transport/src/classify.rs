//! ssh's words on standard error, read: which kind of failure they tell.
//!
//! Holds to: pure; the words themselves are always kept for the reader (made visible, bounded); words that are not known give
//! [`Code::SshFailed`] and no guess. Leaves out: the exit status, which is 255 for all of them.

use towline_base::{Code, visible};

/// Characters of ssh's words in one error; a changed host key, the longest there is, takes about 900.
const WORDS: usize = 2000;

/// What the words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) code: Code,
    /// What to do, where more is known than the code's own hint.
    pub(crate) hint: Option<&'static str>,
}

const CLOSED_EARLY: &str = "Something took the connection and closed it before the login was done: too many connections at once (MaxStartups), a ban, or a port that is not ssh's.";
const NEGOTIATION: &str =
    "The host offers only algorithms that this ssh has switched off; allow one for this host in ssh_config if you trust it.";
const TOO_MANY_KEYS: &str = "The agent offered too many keys; set IdentityFile and IdentitiesOnly yes for this host in ssh_config.";
const KEY_MODE: &str = "ssh ignores a private key that others can read: chmod 600 the file.";
const CONFIG_MODE: &str = "ssh_config must belong to you and be writable by nobody else: chmod 600.";

/// From the most telling words to the least; the first that is found decides.
const TABLE: &[(&str, Code, Option<&str>)] = &[
    // A channel that the host does not give.
    ("Session open refused by peer", Code::ChannelRefused, None),
    ("session request failed", Code::ChannelRefused, None),
    (": open failed: ", Code::ChannelRefused, None),
    ("exec request failed on channel", Code::ChannelRefused, None),
    ("shell request failed on channel", Code::ChannelRefused, None),
    // The configuration.
    ("Bad owner or permissions on", Code::SshConfig, Some(CONFIG_MODE)),
    ("Bad configuration option", Code::SshConfig, None),
    ("bad configuration options", Code::SshConfig, None),
    ("Can't open user config file", Code::SshConfig, None),
    ("extra arguments at end of line", Code::SshConfig, None),
    ("command-line line 0:", Code::SshConfig, None),
    ("command-line: line 0:", Code::SshConfig, None),
    ("Bad stdio forwarding specification", Code::SshConfig, None),
    // A connection that was up.
    ("client_loop: send disconnect", Code::LinkLost, None),
    ("Read from remote host", Code::LinkLost, None),
    ("not responding.", Code::LinkLost, None),
    (" closed by remote host.", Code::LinkLost, None),
    ("mux_client_hello_exchange", Code::LinkLost, None),
    ("mux_client_read_packet", Code::LinkLost, None),
    // A connection that does not come up.
    ("Could not resolve hostname", Code::Resolve, None),
    ("Connection refused", Code::Refused, None),
    ("No route to host", Code::Unreachable, None),
    ("Network is unreachable", Code::Unreachable, None),
    ("Host is unreachable", Code::Unreachable, None),
    ("Host is down", Code::Unreachable, None),
    ("Network is down", Code::Unreachable, None),
    ("Connection timed out", Code::ConnectTimeout, None),
    ("Operation timed out", Code::ConnectTimeout, None),
    (" timed out", Code::ConnectTimeout, None),
    // Logging in.
    ("agent refused operation", Code::AuthPrompt, None),
    ("incorrect passphrase", Code::AuthPrompt, None),
    ("read_passphrase", Code::AuthPrompt, None),
    ("Too many authentication failures", Code::AuthRejected, Some(TOO_MANY_KEYS)),
    ("UNPROTECTED PRIVATE KEY FILE", Code::AuthRejected, Some(KEY_MODE)),
    ("No more authentication methods", Code::AuthRejected, None),
    ("Unable to negotiate", Code::SshFailed, Some(NEGOTIATION)),
    // A connection that broke on the way up.
    ("kex_exchange_identification", Code::Refused, Some(CLOSED_EARLY)),
    (": Connection reset by peer", Code::Refused, Some(CLOSED_EARLY)),
    ("ssh: connect to host", Code::Unreachable, None),
    ("Connection closed by", Code::Refused, Some(CLOSED_EARLY)),
    ("Connection reset by", Code::Refused, Some(CLOSED_EARLY)),
    ("Broken pipe", Code::LinkLost, None),
];

/// What kind of failure ssh tells of.
pub(crate) fn classify(words: &str) -> Verdict {
    let verdict = |code| Verdict { code, hint: None };
    if words.contains("Host key verification failed") {
        let changed = ["HOST IDENTIFICATION HAS CHANGED", "REVOKED HOST KEY", "was revoked", "has changed and you have requested"];
        let known = changed.iter().any(|needle| words.contains(needle));
        return verdict(if known { Code::HostKeyChanged } else { Code::HostKeyUnknown });
    }
    if let Some((_, code, hint)) = TABLE.iter().find(|(needle, _, _)| words.contains(needle)) {
        return Verdict { code: *code, hint: *hint };
    }
    match denied_methods(words) {
        Some(methods) if methods.split(',').all(|method| matches!(method, "password" | "keyboard-interactive")) => {
            verdict(Code::AuthPrompt)
        }
        Some(_) => verdict(Code::AuthRejected),
        None => verdict(Code::SshFailed),
    }
}

/// Whether ssh could not make its control socket: then there can be no master, but there can be a connection.
pub(crate) fn tells_of_no_listener(words: &str) -> bool {
    ["unix_listener", "too long for Unix domain socket", "link mux listener", "muxserver_listen", "ControlPath too long"]
        .iter()
        .any(|needle| words.contains(needle))
}

/// Whether the words say no more than that the other side is gone: with a proxy, which then had the reason.
pub(crate) fn tells_only_of_the_end(words: &str) -> bool {
    words.lines().map(str::trim).filter(|line| !line.is_empty()).all(|line| {
        line.starts_with("kex_exchange_identification: Connection closed")
            || line.starts_with("kex_exchange_identification: read: Connection reset")
            || line.starts_with("Connection closed by UNKNOWN")
            || line.starts_with("Connection reset by UNKNOWN")
    })
}

/// The methods in `Permission denied (publickey,password).`.
fn denied_methods(words: &str) -> Option<&str> {
    let rest = &words[words.rfind("Permission denied (")? + "Permission denied (".len()..];
    Some(&rest[..rest.find(')')?])
}

/// ssh's words as a reader sees them: visible, without frames of `@`, bounded, with the end kept.
pub(crate) fn shown(stderr: &[u8]) -> String {
    let lines: Vec<&[u8]> = stderr.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let telling = |line: &&&[u8]| !line.is_empty() && !line.iter().all(|byte| *byte == b'@');
    let (text, _) = visible::to_text(&lines.iter().filter(telling).copied().collect::<Vec<_>>().join(&b'\n'));
    let count = text.chars().count();
    if count <= WORDS {
        return text;
    }
    let tail: String = text.chars().skip(count - WORDS).collect();
    format!("[{} characters before this]\n{tail}", count - WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Recorded from OpenSSH 9.2 unless the line says otherwise.
    const SAMPLES: &[(&str, Code)] = &[
        ("ssh: Could not resolve hostname nosuch.invalid: Name or service not known\r\n", Code::Resolve),
        ("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n", Code::Refused),
        ("ssh: connect to host 10.9.9.9 port 22: No route to host\r\n", Code::Unreachable),
        ("ssh: connect to host 10.9.9.9 port 22: Network is unreachable\r\n", Code::Unreachable),
        ("ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n", Code::ConnectTimeout),
        ("ssh: connect to host 10.9.9.9 port 22: Operation timed out\r\n", Code::ConnectTimeout), // macOS
        ("Connection timed out during banner exchange\r\nConnection to 240.0.0.1 port 22 timed out\r\n", Code::ConnectTimeout),
        ("Host key verification failed.\r\n", Code::HostKeyUnknown),
        (
            "No ED25519 host key is known for [127.0.0.1]:2299 and you have requested strict checking.\r\nHost key verification failed.\r\n",
            Code::HostKeyUnknown,
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key for [127.0.0.1]:2299 has changed and you have \
             requested strict checking.\r\nHost key verification failed.\r\n",
            Code::HostKeyChanged,
        ),
        (
            "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nED25519 host key for [127.0.0.1]:2299 was revoked and you have \
             requested strict checking.\r\nHost key verification failed.\r\n",
            Code::HostKeyChanged,
        ),
        // The user's configuration lets it go on; what failed then is the login.
        ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nme@h: Permission denied (publickey).\r\n", Code::AuthRejected),
        ("nosuchuser@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).\r\n", Code::AuthRejected),
        ("me@127.0.0.1: Permission denied (password,keyboard-interactive).\r\n", Code::AuthPrompt),
        (
            "sign_and_send_pubkey: signing failed for ED25519 \"k\" from agent: agent refused operation\r\nme@h: Permission denied \
             (publickey).\r\n",
            Code::AuthPrompt,
        ),
        (
            "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\r\nDisconnected from 127.0.0.1 port 22\r\n",
            Code::AuthRejected,
        ),
        (
            "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\r\nPermissions 0644 for '/k' are too open.\r\nLoad key \"/k\": bad \
             permissions\r\nroot@127.0.0.1: Permission denied (publickey).\r\n",
            Code::AuthRejected,
        ),
        ("bad1: line 1: Bad configuration option: hots\r\nbad1: terminating, 1 bad configuration options\r\n", Code::SshConfig),
        ("bad2 line 1: Bad port 'x'.\r\nbad2: terminating, 1 bad configuration options\r\n", Code::SshConfig),
        ("Can't open user config file nofile: No such file or directory\r\n", Code::SshConfig),
        ("Bad owner or permissions on /home/me/.ssh/config\r\n", Code::SshConfig),
        (
            "mux_client_request_session: session request failed: Session open refused by peer\r\nkex_exchange_identification: Connection \
             closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n",
            Code::ChannelRefused,
        ),
        ("channel 0: open failed: administratively prohibited: open failed\r\n", Code::ChannelRefused),
        ("kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 127.0.0.1 port 2301\r\n", Code::Refused),
        ("kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n", Code::Refused),
        ("ssh: connect to host 127.0.0.1 port 2301: Connection reset by peer\r\n", Code::Refused),
        ("ssh: connect to host h port 22: Can't assign requested address\r\n", Code::Unreachable), // macOS
        // By way of a jump host, which tells the reason first.
        (
            "ssh: Could not resolve hostname gate: Name or service not known\r\nkex_exchange_identification: Connection closed by remote \
             host\r\nConnection closed by UNKNOWN port 65535\r\n",
            Code::Resolve,
        ),
        ("Connection to 127.0.0.1 closed by remote host.\r\n", Code::LinkLost),
        ("Timeout, server 127.0.0.1 not responding.\r\n", Code::LinkLost),
        ("client_loop: send disconnect: Broken pipe\r\n", Code::LinkLost),
        ("Read from remote host h: Connection timed out\r\nclient_loop: send disconnect: Broken pipe\r\n", Code::LinkLost),
        ("Connection closed by 127.0.0.1 port 22\r\n", Code::Refused),
        ("Connection reset by 127.0.0.1 port 45805\r\n", Code::Refused),
        ("Unable to negotiate with 127.0.0.1 port 22: no matching key exchange method found. Their offer: x\r\n", Code::SshFailed),
        ("", Code::SshFailed),
        ("ssh: something that nobody has seen yet\r\n", Code::SshFailed),
    ];

    #[test]
    fn recorded_words_are_told_apart() {
        for (words, code) in SAMPLES {
            assert_eq!(classify(words).code, *code, "{words}");
        }
    }

    #[test]
    fn a_hint_of_its_own_stands_where_more_is_known() {
        let hint = |words| classify(words).hint;
        assert_eq!(hint("kex_exchange_identification: Connection closed by remote host"), Some(CLOSED_EARLY));
        assert_eq!(hint("Bad owner or permissions on /x"), Some(CONFIG_MODE));
        assert_eq!(hint("ssh: connect to host h port 1: Connection refused"), None);
    }

    #[test]
    fn words_are_shown_without_frames_and_bounded() {
        assert_eq!(shown(b"@@@@@\r\n@ a @\r\n\r\nb \x1b[31m\xff\r\n"), "@ a @\nb \\x1b[31m\\xff");
        let long = shown(&b"x".repeat(5000));
        assert!(long.starts_with("[3000 characters before this]\nxx"));
    }

    #[test]
    fn the_mere_end_of_a_proxy_is_known() {
        let end = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n";
        assert!(tells_only_of_the_end(end) && tells_only_of_the_end(""));
        assert!(!tells_only_of_the_end(&format!("ssh: connect to host gate port 22: Connection refused\r\n{end}")));
        assert!(tells_of_no_listener("unix_listener: cannot bind to path /nonexistent/x.ifDE: No such file or directory\r\n"));
    }

    proptest! {
        #[test]
        fn no_words_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..200) {
            let text = shown(&bytes);
            classify(&text);
            let sample = SAMPLES[cut % SAMPLES.len()].0;
            classify(sample.get(..cut.min(sample.len())).unwrap_or_default());
        }
    }
}
