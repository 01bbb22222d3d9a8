//! Each tool on a warm line at each round-trip time, beside what plain ssh takes for the same work.

use std::path::Path;

use serde_json::{Value, json};

use super::bed::{Bed, Effort, PlainSsh, RTTS, Sample, TURNS};
use super::kinds;
use super::statistics::{median, percentile, slope};
use super::table::{self, Figure};
use crate::run::Outcome;

/// What was measured of one tool.
#[derive(Clone, Debug)]
pub(super) struct Row {
    tool: &'static str,
    /// At each round-trip time.
    samples: Vec<Sample>,
    /// What plain ssh took, in milliseconds; empty where it has nothing alike.
    plain: Vec<Vec<f64>>,
}

impl Row {
    /// Round trips of one call: by how much a call takes longer when the round trip does.
    fn round_trips(&self) -> f64 {
        let points = RTTS.iter().zip(&self.samples).map(|(rtt, sample)| (f64::from(*rtt), median(&sample.times)));
        slope(&points.collect::<Vec<_>>())
    }

    fn plain_round_trips(&self) -> Option<f64> {
        let points: Vec<_> = RTTS.iter().zip(&self.plain).map(|(rtt, times)| (f64::from(*rtt), median(times))).collect();
        (points.len() == RTTS.len()).then(|| slope(&points))
    }
}

/// Measures every tool.
pub(super) fn measure(binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
    let bed = Bed::new(binary)?;
    let mut server = bed.warm()?;
    let plain = PlainSsh::start(&bed.lab)?;
    let mut kinds = kinds::prepare(&bed, &mut server)?;
    let empty = |kind: &kinds::Kind| Row {
        tool: kind.tool,
        samples: vec![Sample::default(); RTTS.len()],
        plain: if kind.plain.is_some() { vec![Vec::new(); RTTS.len()] } else { Vec::new() },
    };
    let mut rows: Vec<Row> = kinds.iter().map(empty).collect();
    // In turns, so that what else the machine does at one moment weighs on all round-trip times.
    for _ in 0..TURNS {
        for (at, rtt) in RTTS.into_iter().enumerate() {
            bed.set_rtt(rtt);
            for (kind, row) in kinds.iter_mut().zip(&mut rows) {
                row.samples[at].add(bed.sample(&mut server, effort.calls(40, 6) / TURNS, || (kind.tool, (kind.arguments)()))?);
                if let Some(command) = &kind.plain {
                    row.plain[at].extend(plain.times(command, effort.calls(12, 4) / TURNS)?);
                }
            }
        }
    }
    Ok(rows)
}

/// The rows beside what is to be reached.
pub(super) fn figures(rows: &[Row]) -> Vec<Figure> {
    let judged = rows.iter().map(|row| {
        let trips = row.round_trips();
        let (target, reached) =
            if row.tool == "Hosts" { ("0: no network", trips < 0.05) } else { ("0.95-1.05", (0.95..=1.05).contains(&trips)) };
        Figure::new(format!("{}: round trips of a call", row.tool), format!("{trips:.2}"), target, reached)
    });
    judged.collect()
}

/// The rows as aligned columns.
pub(super) fn table(rows: &[Row]) -> String {
    let mut head = vec!["tool".to_owned()];
    head.extend(RTTS.iter().map(|rtt| format!("{rtt} ms RTT")));
    head.extend(["round trips", "bytes up", "bytes down"].map(str::to_owned));
    head.extend(RTTS.iter().map(|rtt| format!("ssh -S at {rtt}")));
    head.push("its trips".to_owned());
    let lines = rows.iter().map(|row| {
        let mut cells = vec![row.tool.to_owned()];
        cells.extend(row.samples.iter().map(|sample| spread(&sample.times)));
        // Bytes do not depend on the round-trip time; those at none are without heartbeats.
        let bytes = row.samples.first().cloned().unwrap_or_default();
        cells.extend([format!("{:.2}", row.round_trips()), bytes.up.to_string(), bytes.down.to_string()]);
        cells.extend((0..RTTS.len()).map(|at| row.plain.get(at).map_or("-".to_owned(), |times| spread(times))));
        cells.push(row.plain_round_trips().map_or("-".to_owned(), |trips| format!("{trips:.2}")));
        cells
    });
    table::columns(&std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

fn spread(times: &[f64]) -> String {
    format!("{:.1}/{:.1}", median(times), percentile(times, 0.95))
}

/// The rows as JSON.
pub(super) fn as_json(rows: &[Row]) -> Value {
    let times = |times: &[f64]| json!({"median_ms": median(times), "p95_ms": percentile(times, 0.95), "calls": times.len()});
    let row = |row: &Row| {
        let samples = RTTS.iter().zip(&row.samples);
        let at: Vec<_> = samples.map(|(rtt, s)| json!({"rtt_ms": rtt, "time": times(&s.times), "up": s.up, "down": s.down})).collect();
        let plain: Vec<_> = RTTS.iter().zip(&row.plain).map(|(rtt, t)| json!({"rtt_ms": rtt, "time": times(t)})).collect();
        json!({"tool": row.tool, "round_trips": row.round_trips(), "at": at, "plain_ssh": plain, "plain_round_trips": row.plain_round_trips()})
    };
    Value::Array(rows.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tool: &'static str, times: [f64; 3]) -> Row {
        let sample = |time: f64| Sample { times: vec![time; 3], up: 120, down: 340 };
        Row { tool, samples: times.map(sample).to_vec(), plain: Vec::new() }
    }

    #[test]
    fn round_trips_are_judged_by_the_slope_and_not_by_the_time() {
        let check = |tool, times, reached| assert_eq!(figures(&[row(tool, times)])[0].reached, Some(reached), "{tool} {times:?}");
        check("Read", [30.0, 80.0, 130.0], true);
        check("Read", [1.0, 101.0, 201.0], false);
        check("Read", [1.0, 1.0, 1.0], false);
        check("Hosts", [1.0, 1.0, 1.0], true);
    }

    #[test]
    fn the_table_says_what_plain_ssh_cannot_do() {
        let expected = "tool  0 ms RTT  50 ms RTT  100 ms RTT   round trips  bytes up  bytes down  \
                        ssh -S at 0  ssh -S at 50  ssh -S at 100  its trips\n\
                        Stat  1.0/1.0   51.0/51.0  101.0/101.0  1.00         120       340         \
                        -            -             -              -\n";
        assert_eq!(table(&[row("Stat", [1.0, 51.0, 101.0])]), expected);
    }
}
