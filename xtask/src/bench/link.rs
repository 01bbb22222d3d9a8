//! What a link that fails costs: from its return to the answer, until a freeze is noticed, and the list of what was left unread.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::bed::{self, Bed, Effort, RTTS};
use super::client::{Server, ms};
use super::statistics::{median, slope};
use super::table::Figure;
use crate::lab::HOST;
use crate::run::{self, Outcome, Trouble};

/// Executions that nobody read.
const UNREAD: usize = 1000;

/// From the link's return to the answer of a call that waited, beside a whole new connection on the same link.
pub(super) fn recovery(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let mut times = Vec::new();
    let mut handshakes = Vec::new();
    for away in [300, 1500, 4000] {
        for _ in 0..effort.calls(5, 1) {
            times.push(away_for(&bed, &mut server, Duration::from_millis(away))?);
            handshakes.push(handshake(&bed)?);
        }
    }
    let (middle, worst) = (median(&times), times.iter().copied().fold(0.0, f64::max));
    let limit = 1000.0 + median(&handshakes);
    let target = format!("<= {limit:.0} ms: 1 s + handshake");
    Ok(vec![
        Figure::new("from the link's return to a waiting call's answer, median", format!("{middle:.0} ms"), &target, middle <= limit),
        Figure::new("the same, at most", format!("{worst:.0} ms"), &target, worst <= limit),
    ])
}

/// Milliseconds from the link's return to the answer of a command that ended while it was away.
fn away_for(bed: &Bed, server: &mut Server, away: Duration) -> Outcome<f64> {
    let relay = &bed.lab.kit.relay;
    let begin = Instant::now();
    let (answer, back) = std::thread::scope(|scope| {
        let cut = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            relay.refuse(true);
            relay.cut();
            std::thread::sleep(away);
            relay.refuse(false);
            Instant::now()
        });
        let answer = server.call("Bash", bed::bash("sleep 0.3; echo hi"));
        (answer, cut.join())
    });
    let (answer, back) = (answer?, back.map_err(|_| Trouble::new("the link was not cut"))?);
    if !answer.text.starts_with("hi\n") {
        return Err(Trouble(answer.text));
    }
    let answered = begin + Duration::from_secs_f64(answer.ms / 1e3);
    Ok(ms(answered.saturating_duration_since(back)))
}

/// Milliseconds of a whole connection by plain ssh.
fn handshake(bed: &Bed) -> Outcome<f64> {
    let begin = Instant::now();
    let mut ssh = bed.lab.kit.ssh();
    run::run(ssh.args(["-o", "ControlMaster=no", "-o", "ControlPath=none", "--", HOST, "true"]).stdin(std::process::Stdio::null()))?;
    Ok(ms(begin.elapsed()))
}

/// Seconds until a frozen link is noticed: while a call waits, and while none does.
pub(super) fn frozen(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let relay = &bed.lab.kit.relay;
    let before = relay.accepted();
    let noticed = std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            relay.freeze();
            let frozen = Instant::now();
            // The next connection is the sign that it was noticed.
            while relay.accepted() == before && frozen.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let noticed = frozen.elapsed();
            relay.thaw();
            noticed
        });
        let answer = server.call("Bash", bed::bash("sleep 2; echo hi"));
        answer.map(|_| watch.join())
    });
    let noticed = noticed?.map_err(|_| Trouble::new("the link was not frozen"))?.as_secs_f64();
    let mut figures =
        vec![Figure::new("a frozen link is noticed while a call waits", format!("{noticed:.1} s"), "<= 10 s", noticed <= 10.0)];
    if effort == Effort::Whole {
        server.call("Bash", bed::bash("true"))?;
        relay.freeze();
        let begin = Instant::now();
        while !server.call("Hosts", json!({}))?.text.contains("not connected") && begin.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let idle = begin.elapsed().as_secs_f64();
        relay.thaw();
        figures.push(Figure::new("a frozen link is noticed while no call waits", format!("{idle:.1} s"), "<= 30 s", idle <= 30.0));
    }
    Ok(figures)
}

/// Jobs where a thousand outcomes were left unread.
pub(super) fn unread(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let version = bed.lab.host_home().join(".local/state/towline/v1");
    let root = std::fs::read_dir(version)?.flatten().next().ok_or_else(|| Trouble::new("the host has no state"))?.path();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut index = std::fs::read_to_string(root.join("index"))?;
    index.extend((0..UNREAD).map(|number| {
        let handle = handle(number);
        format!("+ {handle} s make test number {number}\n- {handle} {} 100 exit 0 5 -\n", boot.trim())
    }));
    std::fs::write(root.join("index"), index)?;
    let mut points = Vec::new();
    let mut at_zero = 0.0;
    for rtt in RTTS {
        bed.set_rtt(rtt);
        let sample = bed.sample(&mut server, effort.calls(20, 3), || ("Jobs", json!({"host": HOST})))?;
        if rtt == 0 {
            at_zero = median(&sample.times);
        }
        points.push((f64::from(rtt), median(&sample.times)));
    }
    let listed = server.call("Jobs", json!({"host": HOST}))?.text.lines().filter(|line| line.contains("make test number")).count();
    if listed != UNREAD {
        return Err(Trouble(format!("Jobs lists {listed} of {UNREAD}")));
    }
    let trips = slope(&points);
    let what = format!("Jobs with {UNREAD} outcomes unread");
    Ok(vec![
        Figure::new(format!("{what}, round trips"), format!("{trips:.2}"), "0.95-1.05", (0.95..=1.05).contains(&trips)),
        Figure::new(format!("{what}, at 0 RTT"), format!("{at_zero:.1} ms"), "<= 20 ms", at_zero <= 20.0),
    ])
}

/// A handle that no execution of the run has.
fn handle(mut number: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz";
    let mut text = String::new();
    for _ in 0..6 {
        text.push(char::from(LETTERS[number % LETTERS.len()]));
        number /= LETTERS.len();
    }
    text
}
