//! How soon a terminal tells what came, and whether a long history makes it slower.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Bed, Effort};
use super::client::{Server, ms};
use super::statistics::{median, percentile};
use super::table::Figure;
use super::watch::now;
use crate::lab::HOST;
use crate::run::{Outcome, Trouble};

/// A pattern's way to the answer, and looks at a terminal before and after it put out many lines.
pub(super) fn terminal(binary: &Path, effort: Effort) -> Outcome<Vec<Figure>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    server.call("TerminalOpen", json!({"host": HOST, "name": "bench"}))?;
    let mut figures = Vec::new();
    for rtt in [0, 100] {
        bed.set_rtt(rtt);
        figures.push(pattern(&mut server, rtt, effort.calls(30, 5))?);
    }
    bed.set_rtt(0);
    figures.extend(history(&mut server, effort.calls(60, 10))?);
    server.call("TerminalClose", json!({"host": HOST, "name": "bench"}))?;
    Ok(figures)
}

/// Lines that hold the moment at which they were printed, against the moment of the answer that waited for them.
fn pattern(server: &mut Server, rtt: u32, count: usize) -> Outcome<Figure> {
    let mut late = Vec::new();
    for _ in 0..count {
        let answer = server.call("TerminalSend", send("sleep 0.4; printf 'PRINTED %s\\n' $(date +%s%N)", "PRINTED [0-9]+$"))?;
        let at = now();
        let printed = answer.text.lines().find_map(|line| line.strip_prefix("PRINTED ")?.trim().parse().ok());
        let printed = printed.ok_or_else(|| Trouble(format!("the answer holds no moment: {}", answer.text)))?;
        late.push(ms(at.saturating_sub(Duration::from_nanos(printed))));
    }
    let (middle, worst) = (median(&late), percentile(&late, 0.95));
    let limit = f64::from(rtt) + 50.0;
    Ok(Figure::new(
        format!("a pattern on the host's screen to the answer at {rtt} ms RTT, p95"),
        format!("{worst:.0} ms (median {middle:.0})"),
        format!("<= {limit:.0} ms"),
        worst <= limit,
    ))
}

/// Looks at the screen with an empty history and with one that is full.
fn history(server: &mut Server, count: usize) -> Outcome<Vec<Figure>> {
    let before = looks(server, count)?;
    let filled = server.call("TerminalSend", send("seq 200000", "prompt"))?;
    let after = looks(server, count)?;
    let limit = before * 1.2 + 1.0;
    Ok(vec![
        Figure::new(
            "TerminalRead after 200,000 lines, median",
            format!("{after:.1} ms"),
            format!("<= {limit:.1} ms: {before:.1} before + 20 % + 1"),
            after <= limit,
        ),
        Figure::beside("printing them and telling the last", format!("{:.0} ms", filled.ms)),
    ])
}

fn looks(server: &mut Server, count: usize) -> Outcome<f64> {
    let times: Outcome<Vec<f64>> =
        (0..count).map(|_| Ok(server.call("TerminalRead", json!({"host": HOST, "name": "bench"}))?.ms)).collect();
    Ok(median(&times?))
}

fn send(text: &str, wait: &str) -> Value {
    json!({"host": HOST, "name": "bench", "text": text, "enter": true, "wait": wait})
}
