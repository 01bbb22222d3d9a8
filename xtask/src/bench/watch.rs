//! What an open view costs the calls, and how soon a line on the host is a line in the view.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::bed::{self, Bed, Effort};
use super::client::ms;
use super::memory::{kilobytes, megabytes};
use super::statistics::{median, percentile};
use super::table::Figure;
use crate::run::{Outcome, Trouble};

/// A view that is open, as a program reads it.
struct View {
    child: Child,
    /// Each event with the moment of its arrival.
    events: Receiver<(Duration, Value)>,
}

impl View {
    fn open(bed: &Bed, binary: &Path) -> Outcome<Self> {
        let mut command = bed.lab.command(binary);
        let mut child = command.args(["watch", "--json", "--since", "0"]).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Trouble::new("the view has no stdout"))?;
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_default();
                if sender.send((now(), value)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, events })
    }

    fn next(&self) -> Outcome<(Duration, Value)> {
        self.events.recv_timeout(Duration::from_secs(60)).map_err(|_| Trouble::new("the view shows nothing"))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the host is this machine: its clock and ours are one")]
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Calls with the view closed and open, and the way of a line.
pub(super) fn view(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let mut figures = Vec::new();
    for rtt in [0, 100] {
        bed.set_rtt(rtt);
        let calls = effort.calls(if rtt == 0 { 200 } else { 30 }, 5);
        let mut times = [Vec::new(), Vec::new()];
        // By turns, so that a change of the machine's load falls on both.
        for _ in 0..4 {
            times[0].extend(bed.sample(&mut server, calls / 4 + 1, || ("Bash", bed::bash("echo hi")))?.times);
            let view = View::open(&bed, binary)?;
            times[1].extend(bed.sample(&mut server, calls / 4 + 1, || ("Bash", bed::bash("echo hi")))?.times);
            drop(view);
        }
        let [closed, open] = times.map(|times| median(&times));
        let limit = closed * 1.1 + 0.3;
        figures.push(Figure::new(
            format!("Bash at {rtt} ms RTT with a view open, median"),
            format!("{open:.2} ms"),
            format!("<= {limit:.2} ms: {closed:.2} closed + 10 % + 0.3"),
            open <= limit,
        ));
        figures.push(latency(&bed, binary, &mut server, rtt, effort)?);
    }
    Ok(figures)
}

/// Lines that hold the moment at which they were printed, against the moment at which the view shows them.
fn latency(bed: &Bed, binary: &Path, server: &mut super::client::Server, rtt: u32, effort: Effort) -> Outcome<Figure> {
    let view = View::open(bed, binary)?;
    let count = effort.calls(30, 5);
    let command = format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); date +%s%N; sleep 0.237; done");
    server.call("Bash", bed::bash(&command))?;
    let mut late = Vec::new();
    while late.len() < count {
        let (at, event) = view.next()?;
        if event["kind"] != "output" {
            continue;
        }
        for line in event["text"].as_str().unwrap_or_default().lines() {
            if let Ok(printed) = line.parse() {
                late.push(ms(at.saturating_sub(Duration::from_nanos(printed))));
            }
        }
    }
    let (middle, worst) = (median(&late), percentile(&late, 0.95));
    let limit = f64::from(rtt) + 100.0;
    let shown = format!("{worst:.0} ms (median {middle:.0})");
    Ok(Figure::new(
        format!("a line on the host to a line in the view at {rtt} ms RTT, p95"),
        shown,
        format!("<= {limit:.0} ms"),
        worst <= limit,
    ))
}

/// A command that prints 5 MB ten times a second, faster than anybody reads, with the view closed and open.
pub(super) fn flood(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let rounds = effort.calls(60, 12);
    let command = format!("i=0; while [ $i -lt {rounds} ]; do i=$((i+1)); yes 0123456789abcdef | head -c 5000000; sleep 0.1; done");
    let closed = server.call("Bash", bed::bash(&command))?.ms;
    let view = View::open(&bed, binary)?;
    let open = server.call("Bash", bed::bash(&command))?.ms;
    let (mut shown, mut skipped) = (0, 0);
    loop {
        let (_, event) = view.next()?;
        shown += event["text"].as_str().filter(|_| event["kind"] == "output").map_or(0, str::len);
        skipped += event["skipped"].as_u64().unwrap_or(0);
        if event["kind"] == "end" {
            break;
        }
    }
    let memory = kilobytes(view.child.id(), "VmHWM")?;
    let limit = closed * 1.1 + 50.0;
    Ok(vec![
        Figure::new(
            format!("a command that prints {} MB at up to 50 MB/s, a view open", rounds * 5),
            format!("{open:.0} ms"),
            format!("<= {limit:.0} ms: {closed:.0} closed + 10 % + 50"),
            open <= limit,
        ),
        Figure::new("most memory of the view", megabytes(memory), "<= 16 MB", memory <= 16 * 1024),
        Figure::new("bytes shown and bytes left out", format!("{shown} + {skipped}"), "what is left out is told", skipped > 0),
    ])
}
