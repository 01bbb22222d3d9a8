//! Processes: starting them for a test, finding those that carry a mark, and ending exactly those.
//!
//! Holds to: a process is ended by its pid, and only after it was found by a mark, by descent or by its own child handle.
//! Leaves out: systems without `/proc`; there nothing is found, and [`can_look`] says so.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A command that is about to be started by a test.
#[expect(clippy::disallowed_methods, reason = "the lab starts the processes that tests need")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A process as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its arguments, joined by blanks.
    pub command: String,
}

/// Whether this system lets processes be looked at.
#[must_use]
pub fn can_look() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// Every process that is not a zombie.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(look).collect()
}

/// The process with that id, if there is one that is not a zombie.
#[must_use]
pub fn look(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; what follows its end is plain.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&line).split('\0').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    Some(Process { pid, parent, command })
}

/// Whether a process with that id is alive; a zombie is not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    look(pid).is_some()
}

/// The processes whose environment, as they were started, holds `NAME=value`.
#[must_use]
pub fn with_environment(name: &str, value: &str) -> Vec<Process> {
    let entry = format!("{name}={value}").into_bytes();
    let carries =
        |pid: u32| std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| all.split(|byte| *byte == 0).any(|e| e == entry));
    all().into_iter().filter(|process| carries(process.pid)).collect()
}

/// The processes whose arguments (or title) hold the text.
#[must_use]
pub fn with_argument(text: &str) -> Vec<Process> {
    all().into_iter().filter(|process| process.command.contains(text)).collect()
}

/// The children of a process, their children, and so on; not itself.
#[must_use]
pub fn descendants(pid: u32) -> Vec<Process> {
    let everyone = all();
    let mut found: Vec<Process> = Vec::new();
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        for process in everyone.iter().filter(|process| process.parent == parent) {
            if process.pid != pid && !found.contains(process) {
                next.push(process.pid);
                found.push(process.clone());
            }
        }
    }
    found
}

/// Sends SIGKILL to one process.
pub fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

/// Sends SIGTERM to one process.
pub fn terminate(pid: u32) {
    send(pid, Signal::TERM);
}

/// Sends SIGSTOP to one process.
pub fn stop(pid: u32) {
    send(pid, Signal::STOP);
}

/// Sends SIGCONT to one process.
pub fn go_on(pid: u32) {
    send(pid, Signal::CONT);
}

/// Kills what `find` finds until it finds nothing more, for two seconds at the most.
pub fn kill_until_gone(find: impl Fn() -> Vec<Process>) {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        let found: Vec<Process> = find().into_iter().filter(|process| process.pid != std::process::id()).collect();
        if found.is_empty() || Instant::now() > end {
            return;
        }
        for process in found {
            kill(process.pid);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(pid: u32, signal: Signal) {
    // 0 and 1 would mean "my group" and "init"; no test started those.
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
