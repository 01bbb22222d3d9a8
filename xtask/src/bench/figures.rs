//! The figures that are to be reached, each measured by itself on a host of its own.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::bed::{self, Bed, Effort, PlainSsh, RTTS, Sample, TURNS};
use super::client::{Request, Server, ms};
use super::statistics::{median, percentile, slope};
use super::table::Figure;
use crate::lab::HOST;
use crate::run::{self, Outcome, Trouble};

fn milliseconds(value: f64) -> String {
    format!("{value:.2} ms")
}

/// The cost of a small command without a network, the whole durable path on.
pub(super) fn bash(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let plain = PlainSsh::start(&bed.lab)?;
    let sample = small_commands(&bed, &mut server, effort)?;
    let ssh = plain.times(":", effort.calls(50, 5))?;
    let echo = plain.echo(effort.calls(500, 50))?;
    let (middle, late, beside) = (median(&sample.times), percentile(&sample.times, 0.95), median(&ssh));
    let mut figures = vec![
        Figure::new("Bash at 0 RTT, median", milliseconds(middle), "<= 1.5 ms", middle <= 1.5),
        Figure::new("Bash at 0 RTT, p95", milliseconds(late), "<= 3 ms", late <= 3.0),
        Figure::new("`ssh -S socket host :` at 0 RTT, median", milliseconds(beside), "far above Bash", beside >= 2.0 * middle),
        Figure::beside("floor: 150 bytes through `ssh -S socket host cat` and back, median / p95", both(&echo)),
        Figure::beside("a new file of 200 bytes on the host's disk, median / p95", both(&new_files(&bed.lab.host_home(), effort)?)),
    ];
    if let Some(times) = bash_in_memory(binary, effort)? {
        figures.push(Figure::beside("Bash at 0 RTT, the host's records in memory, median / p95", both(&times)));
    }
    Ok(figures)
}

fn small_commands(bed: &Bed, server: &mut Server, effort: Effort) -> Outcome<Sample> {
    bed.sample(server, effort.calls(500, 50), || ("Bash", bed::bash("echo hi; echo e >&2")))
}

/// The same where the host keeps its records in memory: what is left is no disk's. Nothing where this machine has no such place.
fn bash_in_memory(binary: &Path, effort: Effort) -> Outcome<Option<Vec<f64>>> {
    let Ok(memory) = tempfile::Builder::new().prefix("tl-").tempdir_in("/dev/shm") else { return Ok(None) };
    let bed = Bed::new(binary)?;
    std::os::unix::fs::symlink(memory.path(), bed.lab.host_home().join(".local"))?;
    let mut server = bed.warm()?;
    Ok(Some(small_commands(&bed, &mut server, effort)?.times))
}

/// Milliseconds that it takes to make a file such as an execution's record in this directory.
fn new_files(dir: &Path, effort: Effort) -> Outcome<Vec<f64>> {
    let mut times = Vec::new();
    for n in 0..effort.calls(200, 20) {
        let start = Instant::now();
        std::fs::write(dir.join(format!("record-{n}")), [b'x'; 200])?;
        times.push(ms(start.elapsed()));
    }
    Ok(times)
}

fn both(times: &[f64]) -> String {
    format!("{} / {}", milliseconds(median(times)), milliseconds(percentile(times, 0.95)))
}

/// Twenty files in one call.
pub(super) fn multiread(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let mut files = Vec::new();
    for n in 0..20 {
        let text = bed::lines(30, |line| format!("file {n}, line {line}"));
        files.push(json!({"file_path": bed.file(&format!("many/{n}.txt"), &text)?}));
    }
    bed.set_rtt(100);
    let sample = bed.sample(&mut server, effort.calls(30, 5), || ("MultiRead", json!({"host": HOST, "files": files})))?;
    let middle = median(&sample.times);
    Ok(vec![Figure::new("MultiRead of 20 files at 100 ms RTT", milliseconds(middle), "<= 130 ms", middle <= 130.0)])
}

/// Two dozen commands side by side on a stock sshd.
pub(super) fn parallel(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    bed.set_rtt(50);
    let mut times = Vec::new();
    for _ in 0..effort.calls(10, 2) {
        let calls = (0..24).map(|n| ("Bash", json!({"host": HOST, "command": format!("sleep 0.3; echo {n}"), "fresh": true})));
        let answers = server.call_all(&calls.collect::<Vec<_>>())?;
        if let Some((n, answer)) = answers.iter().enumerate().find(|(n, answer)| !answer.text.starts_with(&format!("{n}\n"))) {
            return Err(Trouble(format!("command {n} answered {:?}", answer.text)));
        }
        times.push(answers.iter().map(|answer| answer.ms).fold(0.0, f64::max));
    }
    let middle = median(&times);
    Ok(vec![Figure::new("24 parallel `sleep 0.3` at 50 ms RTT", milliseconds(middle), "<= 600 ms", middle <= 600.0)])
}

/// Samples at each round-trip time, in turns, so that what else the machine does at one moment weighs on all of them; the slope of
/// the medians, and all calls together.
fn at_each_rtt(bed: &Bed, server: &mut Server, count: usize, mut request: impl FnMut() -> Request) -> Outcome<(f64, Sample)> {
    let mut samples = RTTS.map(|rtt| (rtt, Sample::default()));
    for _ in 0..TURNS {
        for (rtt, sample) in &mut samples {
            bed.set_rtt(*rtt);
            sample.add(bed.sample(server, count.div_ceil(TURNS), &mut request)?);
        }
    }
    let points: Vec<_> = samples.iter().map(|(rtt, sample)| (f64::from(*rtt), median(&sample.times))).collect();
    let mut all = Sample::default();
    for (_, sample) in samples {
        all.add(sample);
    }
    Ok((slope(&points), all))
}

fn one_round_trip(what: &str, trips: f64) -> Figure {
    Figure::new(format!("{what}, round trips"), format!("{trips:.2}"), "0.95-1.05", (0.95..=1.05).contains(&trips))
}

/// A few lines from the middle of a large file.
pub(super) fn window(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    const LINES: u32 = 2_000_000;
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let text = bed::lines(LINES, |n| format!("{n:07} {:042}", n % 97));
    let megabytes = text.len() / 1_000_000;
    let path = bed.file("large.txt", &text)?;
    drop(text);
    let request = || ("Read", json!({"host": HOST, "file_path": path, "offset": LINES / 2, "limit": 20}));
    let (trips, sample) = at_each_rtt(&bed, &mut server, effort.calls(30, 4), request)?;
    let bytes = sample.up + sample.down;
    let what = format!("20 lines of a file of {megabytes} MB");
    Ok(vec![Figure::new(format!("{what}, bytes"), bytes.to_string(), "<= 8192", bytes <= 8192), one_round_trip(&what, trips)])
}

/// One line of a file of 200 KB, after a Read; and of a file that was never read.
pub(super) fn edit(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let filler = bed::lines(4_000, |n| format!("line {n:05} with words that stay as they are"));
    let path = bed.file("file.txt", &format!("{filler}value = 0\n"))?;
    server.call("Read", json!({"host": HOST, "file_path": path}))?;
    let mut value = 0_u32;
    let change = |path: &str, value: u32| {
        let (old, new) = (format!("value = {value}\n"), format!("value = {}\n", value + 1));
        json!({"host": HOST, "file_path": path, "old_string": old, "new_string": new})
    };
    let next = || {
        value += 1;
        ("Edit", change(&path, value - 1))
    };
    let (trips, sample) = at_each_rtt(&bed, &mut server, effort.calls(30, 4), next)?;
    let bytes = sample.up + sample.down;
    let mut paths = Vec::new();
    let count = effort.calls(30, 4);
    for n in 0..(count + TURNS + 2 * TURNS) * RTTS.len() {
        paths.push(bed.file(&format!("unread/{n}.txt"), "value = 0\n")?);
    }
    let mut unread = paths.into_iter();
    let first_edit = || ("Edit", change(&unread.next().unwrap_or_default(), 0));
    let unread_trips = at_each_rtt(&bed, &mut server, count, first_edit).map(|(trips, _)| trips);
    let (seen, reached) = match unread_trips {
        Ok(trips) => (format!("{trips:.2}"), trips <= 2.05),
        Err(Trouble(text)) => (text.lines().next().unwrap_or_default().to_owned(), false),
    };
    Ok(vec![
        Figure::new("Edit of a line in 200 KB after a Read, bytes", bytes.to_string(), "<= 4096", bytes <= 4096),
        one_round_trip("Edit of a line in 200 KB after a Read", trips),
        Figure::new("Edit of a file never read, round trips", seen, "<= 2", reached),
    ])
}

/// From the start of the process to the list of tools, which waits for no network.
pub(super) fn start(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut times = Vec::new();
    for _ in 0..effort.calls(50, 10) {
        let begin = Instant::now();
        times.push(bed.spawn(&[])?.first_list(begin)?.1);
    }
    let (middle, late) = (median(&times), percentile(&times, 0.95));
    Ok(vec![
        Figure::new("start of the process to tools/list, median", milliseconds(middle), "<= 10 ms", middle <= 10.0),
        Figure::beside("start of the process to tools/list, p95", milliseconds(late)),
    ])
}

/// The first result where nothing is up: no master, no session.
pub(super) fn cold(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut figures = Vec::new();
    for rtt in [0, 100] {
        bed.set_rtt(rtt);
        let (mut first, mut plain) = (Vec::new(), Vec::new());
        for round in 0..effort.calls(11, 3) {
            first.push(first_result(&bed, &format!("cold-{rtt}-{round}"))?);
            let begin = Instant::now();
            let mut ssh = bed.lab.kit.ssh();
            run::run(
                ssh.args(["-o", "ControlMaster=no", "-o", "ControlPath=none", "--", HOST, "true"]).stdin(std::process::Stdio::null()),
            )?;
            plain.push(ms(begin.elapsed()));
        }
        let (first, plain) = (median(&first), median(&plain));
        let limit = plain + 1.5 * f64::from(rtt);
        let what = format!("first result from cold at {rtt} ms RTT");
        figures.push(Figure::new(what, milliseconds(first), format!("<= {limit:.0} ms: ssh + 1.5 RTT"), first <= limit));
        figures.push(Figure::beside(format!("`ssh host true` at {rtt} ms RTT"), milliseconds(plain)));
    }
    Ok(figures)
}

/// Milliseconds from the start of a server that has nothing of an earlier one to the answer of its first command.
fn first_result(bed: &Bed, name: &str) -> Outcome<f64> {
    let mut own: Vec<(OsString, OsString)> = vec![("TOWLINE_SESSION_KEY".into(), name.into())];
    for (variable, short) in [("XDG_STATE_HOME", "s"), ("XDG_RUNTIME_DIR", "r")] {
        let dir = bed.lab.kit.dir().join(name).join(short);
        std::fs::create_dir_all(&dir)?;
        own.push((variable.into(), dir.into()));
    }
    let begin = Instant::now();
    let mut server = bed.spawn(&own)?;
    server.first_list(begin)?;
    server.call("Bash", bed::bash("true"))?;
    let spent = ms(begin.elapsed());
    server.call("Disconnect", json!({"host": HOST, "end": true}))?;
    Ok(spent)
}

/// The size of the list of tools, as it is sent.
pub(super) fn list(binary: &Path, _effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let (list, _) = bed.spawn(&[])?.first_list(Instant::now())?;
    let bytes = list.to_string().len();
    let tools = list["tools"].as_array().map_or(0, Vec::len);
    Ok(vec![Figure::new(format!("tools/list, all {tools} tools, bytes"), bytes.to_string(), "<= 16384", bytes <= 16384 && tools > 0)])
}
