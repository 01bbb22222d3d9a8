//! Measures what a call costs: time, round trips, bytes, memory, each beside what is to be reached and beside plain ssh.
//!
//! Holds to: the shipped binary over stdio, a real sshd behind a relay that delays, and plain `ssh -S` on the same link in the
//! same run. Leaves out: judging a change by a time; that is for who reads the table.

mod bed;
mod client;
mod figures;
mod kinds;
mod link;
mod memory;
mod statistics;
mod table;
mod terminals;
mod tools;
mod watch;

use clap::Args;
use serde_json::json;

use crate::binary::{self, Profile};
use crate::run::{Outcome, Trouble};
use crate::setup::{self, Stage};

use bed::Effort;
use table::Figure;

/// What to measure and how to show it.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Only the parts whose names hold one of these words.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Fewer calls: a first impression.
    #[arg(long)]
    quick: bool,
}

type Part = fn(&std::path::Path, Effort) -> Outcome<Vec<Figure>>;

/// The parts beside the table of tools, by name.
const PARTS: &[(&str, Part)] = &[
    ("bash", figures::bash),
    ("multiread", figures::multiread),
    ("parallel", figures::parallel),
    ("window", figures::window),
    ("edit", figures::edit),
    ("start", figures::start),
    ("cold", figures::cold),
    ("memory", memory::after_many_calls),
    ("flood", memory::flood),
    ("watch", watch::view),
    ("watched flood", watch::flood),
    ("terminal", terminals::terminal),
    ("list", figures::list),
    ("recovery", link::recovery),
    ("frozen", link::frozen),
    ("unread", link::unread),
];

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    setup::prepare(Stage::Demo)?;
    let binary = binary::build(Profile::Release)?;
    let effort = if options.quick { Effort::Quick } else { Effort::Whole };
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|word| name.contains(word.as_str()));
    let (mut rows, mut figures, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
    if wanted("tools") {
        eprintln!("measuring: tools");
        match tools::measure(&binary, effort) {
            Ok(measured) => {
                figures.extend(tools::figures(&measured));
                rows = measured;
            }
            Err(Trouble(text)) => troubles.push(format!("tools: {text}")),
        }
    }
    for (name, part) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        eprintln!("measuring: {name}");
        match part(&binary, effort) {
            Ok(measured) => figures.extend(measured),
            Err(Trouble(text)) => troubles.push(format!("{name}: {text}")),
        }
    }
    if options.json {
        println!("{}", json!({"tools": tools::as_json(&rows), "figures": table::as_json(&figures), "failed": troubles}));
    } else {
        print(&rows, &figures);
    }
    if troubles.is_empty() { Ok(()) } else { Err(Trouble(troubles.join("\n"))) }
}

fn print(rows: &[tools::Row], figures: &[Figure]) {
    if !rows.is_empty() {
        println!("\nEach tool on a warm line: milliseconds as median/p95 at each round-trip time, beside plain `ssh -S`\n");
        println!("{}", tools::table(rows));
    }
    if !figures.is_empty() {
        println!("{}", table::figures(figures));
        let missed = figures.iter().filter(|figure| figure.reached == Some(false)).count();
        let judged = figures.iter().filter(|figure| figure.reached.is_some()).count();
        println!("{} of {judged} figures reached", judged - missed);
    }
}

/// Runs everything quickly, to see that the benchmark itself works.
pub(crate) fn smoke() -> Outcome<String> {
    run(&Options { quick: true, ..Options::default() }).map(|()| "it runs; the figures are above".to_owned())
}
