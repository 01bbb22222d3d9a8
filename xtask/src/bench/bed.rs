//! The test bed: a host, a link with a round-trip time, a server of towline, and plain ssh beside it on the same link.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towline_testkit::relay::Traffic;

use super::client::{Answer, Request, Server, ms};
use crate::lab::{HOST, Lab};
use crate::run::{self, Outcome, Trouble};

/// The round-trip times of the links, in milliseconds.
pub(super) const RTTS: [u32; 3] = [0, 50, 100];

/// In how many turns the round-trip times are gone through.
pub(super) const TURNS: usize = 2;

/// How many calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// A few, for a first impression.
    Quick,
    /// As many as the figures ask for.
    Whole,
}

impl Effort {
    /// The smaller number for a quick look.
    pub(super) fn calls(self, whole: usize, quick: usize) -> usize {
        match self {
            Effort::Whole => whole,
            Effort::Quick => quick,
        }
    }
}

/// What some calls of one kind cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// Milliseconds of each call.
    pub(super) times: Vec<f64>,
    /// Bytes of one call from here to the host, on the average.
    pub(super) up: u64,
    /// Bytes of one call from the host, on the average.
    pub(super) down: u64,
}

impl Sample {
    /// Joins what was measured at another moment.
    pub(super) fn add(&mut self, other: Sample) {
        let (before, more) = (count_of(&self.times), count_of(&other.times));
        let all = (before + more).max(1);
        self.up = (self.up * before + other.up * more) / all;
        self.down = (self.down * before + other.down * more) / all;
        self.times.extend(other.times);
    }
}

fn count_of(times: &[f64]) -> u64 {
    u64::try_from(times.len()).unwrap_or(u64::MAX)
}

/// A host and everything to reach it.
#[derive(Debug)]
pub(super) struct Bed {
    /// The host and the link.
    pub(super) lab: Lab,
    binary: PathBuf,
}

impl Bed {
    /// A fresh host behind a link without delay.
    pub(super) fn new(binary: &Path) -> Outcome<Self> {
        Ok(Self { lab: Lab::start()?, binary: binary.to_path_buf() })
    }

    /// Sets the link's round-trip time.
    pub(super) fn set_rtt(&self, milliseconds: u32) {
        self.lab.kit.relay.set_rtt(Duration::from_millis(u64::from(milliseconds)));
    }

    /// A server that has introduced itself.
    pub(super) fn server(&self) -> Outcome<Server> {
        Server::start(&self.binary, &self.lab.environment())
    }

    /// A server that has just been started, with these variables beside the usual ones.
    pub(super) fn spawn(&self, more: &[(OsString, OsString)]) -> Outcome<Server> {
        let mut environment = self.lab.environment();
        environment.extend_from_slice(more);
        Server::spawn(&self.binary, &environment)
    }

    /// A server whose line to the host is up.
    pub(super) fn warm(&self) -> Outcome<Server> {
        let mut server = self.server()?;
        server.call("Connect", json!({"host": HOST}))?;
        server.call("Bash", bash("true"))?;
        Ok(server)
    }

    /// Makes calls one after the other; the first two are not counted.
    pub(super) fn sample(&self, server: &mut Server, count: usize, mut request: impl FnMut() -> Request) -> Outcome<Sample> {
        for _ in 0..2 {
            let (tool, arguments) = request();
            server.call(tool, arguments)?;
        }
        let before = self.lab.kit.relay.traffic();
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let (tool, arguments) = request();
            times.push(server.call(tool, arguments)?.ms);
        }
        let (up, down) = each(before, self.lab.kit.relay.traffic(), count);
        Ok(Sample { times, up, down })
    }

    /// Writes a file below the home directory on the host, and returns its path there.
    pub(super) fn file(&self, name: &str, text: &str) -> Outcome<String> {
        let path = self.lab.host_home().join(name);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn each(before: Traffic, after: Traffic, count: usize) -> (u64, u64) {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    ((after.up - before.up) / count, (after.down - before.down) / count)
}

/// A text of so many lines.
pub(super) fn lines(count: u32, line: impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        text.push_str(&line(number));
        text.push('\n');
    }
    text
}

/// The arguments of a Bash call.
pub(super) fn bash(command: &str) -> Value {
    json!({"host": HOST, "command": command})
}

/// The id in the last line of an answer of Bash.
pub(super) fn id_of(answer: &Answer) -> Outcome<String> {
    let last = answer.text.trim_end().lines().last().unwrap_or_default();
    let id = last.split("id ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
    id.filter(|id| !id.is_empty()).ok_or_else(|| Trouble(format!("no id in {last:?}")))
}

/// Plain ssh with a control master of its own on the same link.
#[derive(Debug)]
pub(super) struct PlainSsh<'a> {
    lab: &'a Lab,
    socket: PathBuf,
    master: Child,
}

impl<'a> PlainSsh<'a> {
    /// Starts the master and waits until it answers.
    pub(super) fn start(lab: &'a Lab) -> Outcome<Self> {
        let socket = lab.kit.dir().join("plain");
        let mut command = lab.kit.ssh();
        command.args(["-N", "-o", "ControlMaster=yes", "-o", "BatchMode=yes", "-S"]).arg(&socket).args(["--", HOST]);
        let master = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let plain = Self { lab, socket, master };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !run::succeeds(plain.control("check").stdin(Stdio::null())) {
            if Instant::now() > deadline {
                return Err(Trouble::new("the master of plain ssh does not come up"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(plain)
    }

    /// Runs a command so many times and returns the milliseconds of each.
    pub(super) fn times(&self, command: &str, count: usize) -> Outcome<Vec<f64>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            let mut ssh = self.lab.kit.ssh();
            ssh.arg("-S").arg(&self.socket).args(["--", HOST, command]).stdin(Stdio::null());
            if !run::succeeds(&mut ssh) {
                return Err(Trouble(format!("plain ssh could not run {command:?}")));
            }
            times.push(ms(begin.elapsed()));
        }
        Ok(times)
    }

    /// What no program on the host can be faster than: milliseconds of a line of 150 bytes that `cat` sends back over one channel.
    pub(super) fn echo(&self, count: usize) -> Outcome<Vec<f64>> {
        let mut ssh = self.lab.kit.ssh();
        ssh.arg("-S").arg(&self.socket).args(["--", HOST, "cat"]);
        let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let times = echoes(&mut child, count);
        drop(child.stdin.take());
        let _ = child.kill();
        let _ = child.wait();
        times
    }

    fn control(&self, word: &str) -> std::process::Command {
        let mut ssh = self.lab.kit.ssh();
        ssh.arg("-S").arg(&self.socket).args(["-O", word, "--", HOST]);
        ssh
    }
}

fn echoes(child: &mut Child, count: usize) -> Outcome<Vec<f64>> {
    let (Some(input), Some(output)) = (child.stdin.as_mut(), child.stdout.as_mut()) else {
        return Err(Trouble::new("ssh has no pipes"));
    };
    let mut output = BufReader::new(output);
    let line = format!("{:149}\n", "echo");
    let mut times = Vec::with_capacity(count);
    let mut back = String::new();
    // The first one waits for the channel to come up.
    for _ in 0..=count {
        let begin = Instant::now();
        input.write_all(line.as_bytes())?;
        back.clear();
        output.read_line(&mut back)?;
        times.push(ms(begin.elapsed()));
        if back != line {
            return Err(Trouble::new("`cat` sent something else back"));
        }
    }
    times.remove(0);
    Ok(times)
}

impl Drop for PlainSsh<'_> {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_in_the_last_line() {
        let answer = |text: &str| Answer { text: text.to_owned(), ms: 0.0 };
        assert_eq!(id_of(&answer("id x\n[exit 0 \u{b7} 1 ms \u{b7} /srv \u{b7} id k3f9xx]")), Ok("k3f9xx".to_owned()));
        assert!(id_of(&answer("[exit 0]")).is_err());
    }

    #[test]
    fn plain_ssh_takes_two_round_trips_and_leaves_nothing() {
        let bed = Bed::new(Path::new("/nonexistent")).unwrap();
        let plain = PlainSsh::start(&bed.lab).unwrap();
        bed.set_rtt(100);
        let before = bed.lab.kit.relay.traffic();
        let times = plain.times(":", 2).unwrap();
        assert!(times.iter().all(|time| *time >= 200.0), "{times:?}");
        let (up, down) = each(before, bed.lab.kit.relay.traffic(), 2);
        assert!(up > 0 && down > 0);
        let mark = bed.lab.kit.dir().to_path_buf();
        drop(plain);
        drop(bed);
        assert_eq!(towline_testkit::process::with_argument(&mark.to_string_lossy()), []);
        assert!(!mark.exists());
    }
}
