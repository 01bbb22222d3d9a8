//! A host's key: what the host offers, what is known of it, and how a person comes to trust it.
//!
//! Holds to: ssh itself verifies, compares and writes; a key is accepted by its fingerprint and never by a mere yes; a changed or revoked
//! one is never accepted. Leaves out: asking the person.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use sha2::{Digest, Sha256};
use towline_base::Code;

use super::login::described;
use super::{SshTransport, Wish};
use crate::argv::{self, Asking, Basis};
use crate::askpass::{Desk, fingerprints};
use crate::classify::{classify, shown};
use crate::destination::Destination;
use crate::error::TransportError;
use crate::program::{self, Said};

/// What became of the wish to trust a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// It was known already, with this fingerprint where ssh told it.
    Already(Option<String>),
    /// ssh has written it into the user's known_hosts.
    Added(Vec<String>),
}

const CHANGED: &str = "This can be an attack, and there is no way to go on. Ask the host's owner; only if the change is genuine remove the old key with `ssh-keygen -R` and run `towline trust HOST`.";
const REVOKED: &str = "The key is marked as revoked in known_hosts: it must not be used any more. Ask the host's owner.";
const UNKNOWN: &str =
    "Compare the fingerprint with the one that the host's owner tells; then `towline trust HOST` in a terminal accepts it.";

impl SshTransport {
    /// Looks at the key that the host offers, and has ssh accept it if its fingerprint is among those that a person has compared.
    ///
    /// # Errors
    /// If the key is not known and not among them (the text tells its fingerprint), was changed or revoked, or if the host is not reached.
    pub async fn trust(&self, destination: &Destination, accepted: &[String], deadline: Instant) -> Result<Trusted, TransportError> {
        let resolved = Arc::new(self.resolve(destination, deadline).await?);
        let wish = self.wish(destination, "true", deadline, resolved);
        let words = self.look(&wish, Asking::Nobody, Vec::new()).await?;
        let seen = Seen::read(&words);
        let code = classify(&words).code;
        if code == Code::HostKeyChanged {
            return Err(refused_key(&wish, &seen, &words));
        }
        if code != Code::HostKeyUnknown {
            return if seen.verified { Ok(Trusted::Already(seen.fingerprint)) } else { Err(other(&wish, code, &words)) };
        }
        if !seen.fingerprint.as_ref().is_some_and(|fingerprint| accepted.contains(fingerprint)) {
            return Err(unknown_key(&wish, &seen));
        }
        let words = self.look(&wish, Asking::ByAskpass, accepted.to_vec()).await?;
        if words.contains("Permanently added") {
            return Ok(Trusted::Added(accepted.iter().filter(|fingerprint| words.contains(*fingerprint)).cloned().collect()));
        }
        let code = classify(&words).code;
        Err(if code == Code::HostKeyUnknown { unknown_key(&wish, &Seen::read(&words)) } else { other(&wish, code, &words) })
    }

    /// A refusal with the fingerprints; what ssh did not tell by itself is looked for.
    pub(super) async fn about_key(&self, wish: &Wish<'_>, error: &TransportError, asked: Option<String>, words: &str) -> TransportError {
        let mut text = format!("{words}\n{}", asked.unwrap_or_default());
        let mut seen = Seen::read(&text);
        if seen.fingerprint.is_none()
            && let Ok(more) = self.look(wish, Asking::Nobody, Vec::new()).await
        {
            text = more;
            seen = Seen::read(&text);
        }
        if error.code() == Code::HostKeyUnknown { unknown_key(wish, &seen) } else { refused_key(wish, &seen, words) }
    }

    /// What ssh says on its way to the host's key.
    async fn look(&self, wish: &Wish<'_>, asking: Asking, accepted: Vec<String>) -> Result<String, TransportError> {
        let basis = Basis { asking, ..self.basis(wish) };
        let list = argv::look_at_key(&basis, wish.left());
        let desk = self.desk(wish, accepted);
        if desk.is_none() && asking == Asking::ByAskpass {
            return Err(TransportError::ssh(Code::Local, "towline's own binary is not known, which ssh has to ask"));
        }
        let mut env = self.env().await.to_vec();
        env.extend(desk.as_ref().map_or_else(super::login::nobody, Desk::environment));
        match program::run(self.start(&list, &env), wish.deadline).await? {
            Some(Said { stderr, .. }) => Ok(String::from_utf8_lossy(&stderr).into_owned()),
            None => Err(super::login::late(wish, "looking at the host's key")),
        }
    }
}

fn refused_key(wish: &Wish<'_>, seen: &Seen, words: &str) -> TransportError {
    let offered = seen.told();
    let known = seen.offending.as_ref().and_then(|(file, line)| known_fingerprint(Path::new(file), *line));
    let text = match (seen.revoked, known, &seen.offending) {
        (true, ..) => format!("The host key that {} offers ({offered}) is REVOKED. Nothing was sent.", seen.host(wish)),
        (false, Some(known), Some((file, line))) => format!(
            "The host key of {} HAS CHANGED. It offers {offered}; known is {known} ({file}, line {line}). Nothing was sent.",
            seen.host(wish)
        ),
        (false, ..) => {
            format!("The host key of {} HAS CHANGED: it offers {offered}. Nothing was sent. {}", seen.host(wish), shown(words.as_bytes()))
        }
    };
    let text = format!("{text}\n(ssh takes {} for {})", wish.name(), wish.resolved.address());
    TransportError::Ssh { code: Code::HostKeyChanged, text, hint: Some(if seen.revoked { REVOKED } else { CHANGED }) }
}

fn other(wish: &Wish<'_>, code: Code, words: &str) -> TransportError {
    described(wish, TransportError::ssh(code, shown(without_debug(words).as_bytes())))
}

fn unknown_key(wish: &Wish<'_>, seen: &Seen) -> TransportError {
    let text = format!(
        "The host key of {} is not known: {}. Nothing was sent.\n(ssh takes {} for {})",
        seen.host(wish),
        seen.told(),
        wish.name(),
        wish.resolved.address()
    );
    TransportError::Ssh { code: Code::HostKeyUnknown, text, hint: Some(UNKNOWN) }
}

fn without_debug(words: &str) -> String {
    words.lines().filter(|line| !line.starts_with("debug1: ") && !line.starts_with("OpenSSH_")).collect::<Vec<_>>().join("\n")
}

/// What ssh's words tell of a key. With a jump host its words come first, so what is told last counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Whose key is in question, as ssh names it.
    host: Option<String>,
    algorithm: Option<String>,
    fingerprint: Option<String>,
    /// The last host's key is the known one.
    verified: bool,
    revoked: bool,
    /// Where the key stands that is known: file and line.
    offending: Option<(String, usize)>,
}

impl Seen {
    fn read(words: &str) -> Self {
        let mut seen = Self { revoked: words.contains("REVOKED HOST KEY"), ..Self::default() };
        for line in words.lines().map(str::trim) {
            if let Some(key) = line.strip_prefix("debug1: Server host key: ") {
                let (algorithm, rest) = key.split_once(' ').unwrap_or((key, ""));
                (seen.algorithm, seen.fingerprint, seen.verified) = (Some(algorithm.to_owned()), fingerprints(rest).pop(), false);
            } else if line.starts_with("debug1: Host '") && line.contains(" is known and matches the ") {
                seen.verified = true;
            } else if let Some(rest) = line.strip_prefix("The authenticity of host '") {
                seen.host = rest.split([' ', '\'']).next().map(str::to_owned);
            } else if let Some((kind, rest)) = line.split_once(" host key is known for ") {
                seen.host = rest.split(' ').next().map(str::to_owned);
                seen.algorithm = seen.algorithm.take().or_else(|| kind.strip_prefix("No ").map(str::to_owned));
            } else if let Some(rest) = line.strip_prefix("Host key for ") {
                seen.host = rest.split(' ').next().map(str::to_owned);
            } else if let Some((kind, _)) = line.split_once(" key fingerprint is ") {
                seen.algorithm = Some(kind.to_owned());
                seen.fingerprint = fingerprints(line).pop();
            } else if let Some((kind, _)) = line.strip_prefix("The fingerprint for the ").and_then(|rest| rest.split_once(" key sent by "))
            {
                seen.algorithm = Some(kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("Offending ") {
                seen.offending = rest
                    .rsplit_once(" in ")
                    .and_then(|(_, place)| place.trim_end_matches(['\r', ' ']).rsplit_once(':'))
                    .and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?)));
            } else if seen.fingerprint.is_none() && line.starts_with("SHA256:") {
                seen.fingerprint = fingerprints(line).pop();
            }
        }
        seen
    }

    fn host(&self, wish: &Wish<'_>) -> String {
        self.host.clone().unwrap_or_else(|| wish.name().to_owned())
    }

    /// The key as a person compares it.
    fn told(&self) -> String {
        let algorithm = self.algorithm.as_deref().unwrap_or("a key");
        match &self.fingerprint {
            Some(fingerprint) => format!("{algorithm} {fingerprint}"),
            None => format!("{algorithm} whose fingerprint ssh does not tell"),
        }
    }
}

/// The fingerprint of the key on that line of a known_hosts file.
fn known_fingerprint(file: &Path, line: usize) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    fingerprint_of_line(text.lines().nth(line.checked_sub(1)?)?)
}

/// `[@marker] names algorithm base64 [comment]`
fn fingerprint_of_line(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.starts_with('@')).collect();
    let (algorithm, key) = (words.get(1)?, words.get(2)?);
    let blob = base64::engine::general_purpose::STANDARD.decode(key).ok()?;
    let digest = base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(blob));
    Some(format!("{algorithm} SHA256:{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "SHA256:9QmGRHUWJtX1BgVTXg6nSNi6HYVIhnFFdZ1pqAiPRXs";
    const TWO: &str = "SHA256:aQmGRHUWJtX1BgVTXg6nSNi6HYVIhnFFdZ1pqAiPRXs";

    #[test]
    fn the_last_key_on_the_way_is_the_one_in_question() {
        let words = format!(
            "debug1: Server host key: ssh-ed25519 {ONE}\r\ndebug1: Host '[127.0.0.1]:1' is known and matches the ED25519 host key.\r\n\
             debug1: Server host key: ssh-ed25519 {TWO}\r\nNo ED25519 host key is known for [127.0.0.1]:2 and you have requested strict \
             checking.\r\nHost key verification failed.\r\n"
        );
        let seen = Seen::read(&words);
        assert_eq!((seen.host.as_deref(), seen.fingerprint.as_deref(), seen.verified), (Some("[127.0.0.1]:2"), Some(TWO), false));
    }

    #[test]
    fn a_question_and_a_change_are_read() {
        let asked = format!("The authenticity of host '[h]:2 ([1.2.3.4]:2)' can't be established.\nED25519 key fingerprint is {ONE}.\n");
        let seen = Seen::read(&asked);
        assert_eq!(
            (seen.host.as_deref(), seen.algorithm.as_deref(), seen.fingerprint.as_deref()),
            (Some("[h]:2"), Some("ED25519"), Some(ONE))
        );
        let changed = format!(
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nThe fingerprint for the ED25519 key sent by the remote host is\r\n{TWO}.\r\n\
             Offending ED25519 key in /home/me/.ssh/known hosts:17\r\nHost key for [h]:2 has changed and you have requested strict checking.\r\n"
        );
        let seen = Seen::read(&changed);
        assert_eq!(seen.offending, Some(("/home/me/.ssh/known hosts".to_owned(), 17)));
        assert_eq!(seen.told(), format!("ED25519 {TWO}"));
        assert_eq!((seen.host.as_deref(), seen.fingerprint.as_deref()), (Some("[h]:2"), Some(TWO)));
    }

    #[test]
    fn a_line_of_known_hosts_has_a_fingerprint() {
        // Made by ssh-keygen.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUIXTnVHQ5KmvhEMCsRjMMLMJSz2hWbS3YrqfnJrXPm";
        for line in [format!("[h]:2 {key} c"), format!("@revoked |1|a=|b= {key}")] {
            let fingerprint = fingerprint_of_line(&line).expect("a key");
            assert!(fingerprint.starts_with("ssh-ed25519 SHA256:") && fingerprints(&fingerprint).len() == 1, "{fingerprint}");
        }
        for line in ["", "h", "h ssh-ed25519", "h ssh-ed25519 !!", "@revoked"] {
            assert_eq!(fingerprint_of_line(line), None, "{line}");
        }
    }
}
