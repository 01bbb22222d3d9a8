//! The programs of the remote side: their texts, how they travel, and the constant command line that receives them.
//!
//! Holds to: the command line holds no `'` but its own two, no newline, no `!` and no double backslash, so that every
//! login shell passes it on unchanged; it starts nothing but `/bin/sh` and, where the host has it, bash. Leaves out: what
//! the programs say (see `sh/`, one file each).

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use towline_base::{Nonce, SessionName};

use crate::files;

/// What lanes and supervisors begin with.
pub const COMMON_PARTS: &[(&str, &str)] = &[("common", include_str!("sh/common.sh")), ("record", include_str!("sh/record.sh"))];

/// All that a lane needs beside that to say hello, and to have a session come up.
pub const OPEN_PART: (&str, &str) = ("open", include_str!("sh/open.sh"));

/// What follows for lanes and supervisors, in the order in which it is put together. A supervisor begins at `begin` and never reads
/// what stands behind it.
pub const HOST_PARTS: &[(&str, &str)] = &[
    ("pump", include_str!("sh/pump.sh")),
    ("session", include_str!("sh/session.sh")),
    ("adopt", include_str!("sh/adopt.sh")),
    ("prepare", include_str!("sh/prepare.sh")),
    ("supervise", include_str!("sh/supervise.sh")),
    ("stop", include_str!("sh/stop.sh")),
    ("begin", include_str!("sh/begin.sh")),
    ("requests", include_str!("sh/requests.sh")),
    ("output", include_str!("sh/output.sh")),
    ("send", include_str!("sh/send.sh")),
    ("lane", include_str!("sh/lane.sh")),
    ("jobs", include_str!("sh/jobs.sh")),
    ("sweep", include_str!("sh/sweep.sh")),
];

/// Where the program begins once all of it is read.
pub const MAIN_PART: (&str, &str) = ("main", include_str!("sh/main.sh"));

/// What only the request to clean needs, and brings with it: a person asks for that now and then.
pub const CLEAN_PART: (&str, &str) = ("clean", include_str!("sh/clean.sh"));

/// What only the request for facts needs, and brings with it.
pub const FACTS_PART: (&str, &str) = ("facts", include_str!("sh/facts.sh"));

/// The program that runs inside a session's shell.
pub const SHELL_PART: (&str, &str) = ("shell", include_str!("sh/shell.sh"));

/// A program as it travels: without comments, blank lines and indentation.
#[derive(Debug)]
pub struct Program {
    /// Twelve hex digits that change with every byte of it; the files on the host are named after them.
    pub key: String,
    /// What lanes and supervisors begin with.
    pub common: String,
    /// What a lane runs then.
    pub open: String,
    /// What lanes and supervisors run in the end.
    pub host: String,
    /// What a session's shell runs.
    pub shell: String,
    /// What a lane runs beside that when it is asked to clean.
    pub clean: String,
    /// What it runs when it is asked for facts.
    pub facts: String,
}

/// The programs of this version.
pub static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let common: String = COMMON_PARTS.iter().map(|(_, part)| strip(part)).collect();
    let host = HOST_PARTS.iter().chain(files::PROGRAMS).chain([&MAIN_PART]).map(|(_, part)| strip(part)).collect::<String>();
    let (open, shell) = (strip(OPEN_PART.1), strip(SHELL_PART.1));
    let mut hash = Sha256::new();
    for text in [&common, &open, &host, &shell] {
        hash.update(text);
    }
    let key = hash.finalize().iter().take(6).fold(String::new(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    });
    Program { key, common, open, host, shell, clean: strip(CLEAN_PART.1), facts: strip(FACTS_PART.1) }
});

impl Program {
    /// The bytes that follow the nonce: a line with the key, the four lengths and, if one will be asked for at once, the session that is to
    /// be ready; then the four texts.
    #[must_use]
    pub fn announcement(&self, ahead: Option<&SessionName>) -> Vec<u8> {
        let session = ahead.map_or("", SessionName::as_str);
        let texts = [&self.common, &self.open, &self.shell, &self.host];
        let [common, open, shell, host] = texts.map(String::len);
        let mut bytes = format!("{} {common} {open} {shell} {host} {session}\n", self.key).into_bytes();
        bytes.extend(texts.into_iter().flat_map(|text| text.bytes()));
        bytes
    }
}

/// Leaves out what the shell does not need: full-line comments, blank lines, indentation.
///
/// The programs hold no here-document and no string over several lines that this could change.
fn strip(text: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.fold(String::with_capacity(text.len()), |mut out, line| {
        out.push_str(line);
        out.push('\n');
        out
    })
}

/// The remote command line of a lane: it prints the nonce on a line of its own, from two halves so that an echo of the command
/// cannot show it whole, and then reads the program. Nothing may be sent before the nonce was seen.
#[must_use]
pub fn command_line(nonce: &Nonce) -> String {
    let (first, second) = nonce.as_str().split_at(nonce.as_str().len() / 2);
    let take = |count: char, name: char| format!(r"{name}=\$(dd ibs=1 obs=65536 count=\${count} 2>/dev/null)");
    // A newer bash takes a count of bytes at once; the program is all ASCII, so that bytes are characters. For others it is one by one.
    let at_once = r"read -r -N \$n c && read -r -N \$m l";
    let singly = format!("{} && {}", take('n', 'c'), take('m', 'l'));
    let begin = format!(
        r#"printf \"\n%s%s\n\" {first} {second}; read -r k n m o q w && case \$BASH_VERSION in [5-9].*) {at_once} ;; *) {singly} ;; esac && eval \"\$c\" && eval \"\$l\""#
    );
    // A shell that is no bash does not take itself for one because somebody exported a variable.
    format!(
        r#"exec /bin/sh -c 'B="{begin}"; command -v bash >/dev/null 2>&1 && exec bash --norc --noprofile -c "$B" towline; unset BASH_VERSION; eval "$B"'"#
    )
}

/// The same as root, by sudo: what sudo asks comes on standard output as [`sudo_prompt`] and is answered by a line on standard input.
/// The command line holds the prompt in another form, so that no echo of it is taken for sudo's question.
#[must_use]
pub fn command_line_as_root(nonce: &Nonce, prompt: &Nonce) -> String {
    let (first, second) = prompt.as_str().split_at(prompt.as_str().len() / 2);
    let inner = r#"exec 2>/dev/null; command -v bash >/dev/null && exec bash --norc --noprofile -c \"\$1\" towline; eval \"\$1\""#;
    let plain = command_line(nonce);
    // Up to the end of the assignment it is the same.
    let assignment = plain.split_once("; command -v bash").map_or("", |(before, _)| before);
    format!(
        r#"{assignment}; exec 2>&1; command -v sudo >/dev/null || {{ echo sudo is not there; exit 127; }}; LANGUAGE=C exec sudo -k -S -H -p "{first}%%{second}" -- /bin/sh -c "{inner}" towline "$B"'"#
    )
}

/// What sudo says where it asks.
#[must_use]
pub fn sudo_prompt(prompt: &Nonce) -> String {
    let (first, second) = prompt.as_str().split_at(prompt.as_str().len() / 2);
    format!("{first}%{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_passes_every_login_shell() {
        for line in [command_line(&Nonce::mint()), command_line_as_root(&Nonce::mint(), &Nonce::mint())] {
            assert!(line.starts_with("exec /bin/sh -c '") && line.ends_with('\''), "{line}");
            assert_eq!(line.matches('\'').count(), 2);
            assert!(!line.contains(['\n', '!']));
            assert!(!line.contains(r"\\"));
            assert!(line.len() < 1000);
        }
    }

    #[test]
    fn sudos_prompt_is_not_in_the_command_line() {
        let prompt = Nonce::mint();
        assert!(!command_line_as_root(&Nonce::mint(), &prompt).contains(&sudo_prompt(&prompt)));
    }

    #[test]
    fn the_nonce_is_not_in_the_command_line() {
        let nonce = Nonce::mint();
        assert!(!command_line(&nonce).contains(nonce.as_str()));
    }

    #[test]
    fn stripping_leaves_no_comment_and_every_command() {
        assert_eq!(strip("# head\n\n  a # why\n\tb\n"), "a # why\nb\n");
        assert!(PROGRAM.host.contains("tl_lane_main"));
        let texts = [&PROGRAM.common, &PROGRAM.open, &PROGRAM.host, &PROGRAM.shell, &PROGRAM.clean, &PROGRAM.facts];
        assert!(texts.iter().all(|text| text.is_ascii()));
        let sizes = texts.map(String::len);
        assert!(sizes[..3].iter().sum::<usize>() < 100_000, "{sizes:?}");
        // What is read before the first word is little.
        assert!(sizes[0] + sizes[1] < 20_000, "{sizes:?}");
    }
}
