//! What towline holds in memory, after many calls and while a flood of output comes.

use std::path::Path;

use serde_json::json;

use super::bed::{Bed, Effort, bash, lines};
use super::table::Figure;
use crate::lab::HOST;
use crate::run::{Outcome, Trouble};

/// A thousand calls of several kinds; towline's memory after a hundred and at the end, with ssh's beside it.
pub(super) fn after_many_calls(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let text = lines(400, |n| format!("line {n} of a file"));
    let path = bed.file("file.txt", &text)?;
    let calls = effort.calls(1_000, 200);
    let mut early = 0;
    for n in 0..calls {
        let (tool, arguments) = match n % 4 {
            0 => ("Bash", bash("seq 500")),
            1 => ("Read", json!({"host": HOST, "file_path": path})),
            2 => ("Grep", json!({"host": HOST, "pattern": "line 7", "path": path, "output_mode": "content"})),
            _ => ("Bash", json!({"host": HOST, "command": "echo $$", "fresh": true})),
        };
        server.call(tool, arguments)?;
        if n + 1 == calls / 2 {
            early = kilobytes(server.pid(), "VmRSS")?;
        }
    }
    let end = kilobytes(server.pid(), "VmRSS")?;
    let ssh = bed.lab.kit.client_processes().into_iter().filter(|process| process.pid != server.pid() && process.command.contains("ssh"));
    let sizes: Vec<u64> = ssh.filter_map(|process| kilobytes(process.pid, "VmRSS").ok()).collect();
    let growth = end.saturating_sub(early);
    Ok(vec![
        Figure::new(format!("memory after {calls} calls"), megabytes(end), "<= 12 MB", end <= 12 * 1024),
        Figure::new("growth over the second half of them", megabytes(growth), "none (<= 0.5 MB)", growth <= 512),
        Figure::beside(format!("memory of the {} ssh processes", sizes.len()), megabytes(sizes.iter().sum())),
    ])
}

/// A hundred megabytes of output from one command.
pub(super) fn flood(binary: &Path, _effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let answer = server.call("Bash", bash("yes 0123456789abcdef | head -c 104857600"))?;
    let peak = kilobytes(server.pid(), "VmHWM")?;
    let told = answer.text.contains("0123456789abcdef") && answer.text.contains("JobOutput");
    Ok(vec![
        Figure::new("most memory while 100 MB of output came", megabytes(peak), "<= 30 MB", peak <= 30 * 1024),
        Figure::new("its answer, characters", answer.text.chars().count().to_string(), "head, tail, how to get the rest", told),
        Figure::beside("its time", format!("{:.0} ms", answer.ms)),
    ])
}

pub(super) fn megabytes(kilobytes: u64) -> String {
    format!("{}.{} MB", kilobytes / 1024, kilobytes % 1024 * 10 / 1024)
}

/// A line of a process's status, in units of 1,024 bytes.
pub(super) fn kilobytes(pid: u32, name: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| Trouble(format!("memory can be measured where /proc is only: {error}")))?;
    field(&status, name).ok_or_else(|| Trouble(format!("/proc/{pid}/status has no {name}")))
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_status_is_read() {
        let status = "Name:\ttowline\nVmHWM:\t   20480 kB\nVmRSS:\t    9216 kB\n";
        assert_eq!(field(status, "VmRSS"), Some(9216));
        assert_eq!(field(status, "VmSwap"), None);
        assert_eq!(megabytes(9216 + 512), "9.5 MB");
    }
}
