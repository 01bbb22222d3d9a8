//! The one door through which xtask starts programs and reads its environment.
//!
//! Holds to: no program gets our stdin, every failure names the command that failed. Leaves out: what the programs are for.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task could not do its work, in words for the person who started it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trouble(pub(crate) String);

/// What a task returns.
pub(crate) type Outcome<T> = Result<T, Trouble>;

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The repository's root directory.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A variable of the environment that xtask was started in; empty counts as not set.
#[expect(clippy::disallowed_methods, reason = "xtask is no part of towline; its own environment is read here only")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A command that begins in the repository's root and has no stdin.
#[expect(clippy::disallowed_methods, reason = "xtask is no part of towline; it starts programs here only")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Cargo, the one that started us.
pub(crate) fn cargo() -> Command {
    command(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()))
}

/// Where a program is: in PATH or in one of the directories where servers are kept.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];
    std::env::split_paths(&path).chain(usual.iter().map(PathBuf::from)).map(|dir| dir.join(program)).find(|file| is_program(file))
}

/// Whether a file may be executed by somebody.
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a command whose output goes to ours.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(|error| Trouble(format!("{}: {error}", shown(command))))?;
    if status.success() { Ok(()) } else { Err(Trouble(format!("{} ended with {status}", shown(command)))) }
}

/// Runs a command and returns what it printed; its stderr is part of the trouble if it fails.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| Trouble(format!("{}: {error}", shown(command))))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Trouble(format!("{} ended with {}\n{}", shown(command), output.status, words.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command can be run and says yes; prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command, passes its lines on to our stdout as they come, and returns them all.
pub(crate) fn tee(command: &mut Command) -> Outcome<(bool, Vec<String>)> {
    let (reader, writer) = std::io::pipe()?;
    let name = shown(command);
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().map_err(|error| Trouble(format!("{name}: {error}")))?;
    // The command holds copies of the pipe's end; the lines would never end while it does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let lines = pass_on(reader);
    let status = child.wait()?;
    Ok((status.success(), lines))
}

fn pass_on(reader: impl Read) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
        println!("{line}");
        lines.push(line);
        bytes.clear();
    }
    lines
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_words() {
        let trouble = capture(command("sh").args(["-c", "echo sorry >&2; exit 3"])).unwrap_err();
        assert!(trouble.0.contains("exit 3") && trouble.0.contains("sorry"), "{trouble}");
    }

    #[test]
    fn tee_returns_both_streams_and_the_verdict() {
        let (well, lines) = tee(command("sh").args(["-c", "echo one; echo two >&2; exit 1"])).unwrap();
        assert!(!well);
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_program_is_found_and_a_missing_one_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-of-towline"), None);
    }
}
