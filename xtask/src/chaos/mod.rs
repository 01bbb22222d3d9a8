//! Thousands of commands while everything goes wrong that can: is each run once, told truly, and told at all?
//!
//! Holds to: the real binary over MCP stdio, a real sshd, a relay in place of a network; a seed from which commands and faults follow;
//! whatever was found wrong is told with the seed and the story of the command. Leaves out: what a fix would be.

mod client;
mod field;
mod harm;
mod judge;
mod plan;
mod settle;
mod story;
mod words;
mod work;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use crate::binary::{self, Profile};
use crate::lab;
use crate::run::{Outcome, Trouble};
use crate::setup::{self, Stage};
use field::{Field, Shell, lock};
use plan::Dice;

/// How long, how much, and which plan.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Commands and faults follow from it; a run prints it.
    #[arg(long)]
    seed: Option<u64>,
    /// How long things go wrong.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// No more than so many faults on each host.
    #[arg(long)]
    faults: Option<usize>,
    /// Hosts side by side; their sessions' shells are bash, dash and busybox ash by turns.
    #[arg(long, default_value_t = 3)]
    hosts: usize,
    /// Commands that are called side by side over each towline; a host has two towlines.
    #[arg(long, default_value_t = 3)]
    side_by_side: usize,
    /// Where the hosts' homes are copied to if something was found wrong.
    #[arg(long)]
    keep: Option<PathBuf>,
}

impl Options {
    /// What each change has to stand: a few minutes, and the same plan each time. The shells are bash, dash and busybox ash.
    pub(crate) fn short() -> Self {
        Self { seed: Some(1), minutes: 3.0, faults: None, hosts: 3, side_by_side: 2, keep: None }
    }

    /// What runs where there is time: another plan each time.
    pub(crate) fn long() -> Self {
        Self { seed: None, minutes: 30.0, faults: None, hosts: 6, side_by_side: 2, keep: None }
    }
}

/// Runs, judges, and prints the counts.
pub(crate) fn run(options: &Options) -> Outcome<String> {
    let ready = setup::prepare(Stage::Test)?;
    if !ready.note.is_empty() {
        println!("{}", ready.note);
    }
    // A copy: whoever builds beside a long run does not change what is tried.
    let place = tempfile::Builder::new().prefix("tl-").tempdir()?;
    let binary = place.path().join("towline");
    std::fs::copy(binary::build(Profile::Debug)?, &binary)?;
    let seed = options.seed.unwrap_or_else(fresh_seed);
    println!("seed {seed}: {} hosts, {} minutes", options.hosts, options.minutes);
    let begun = Instant::now();
    let mut fields = Vec::new();
    for number in 0..options.hosts.max(1) {
        fields.push(Field::start(number, Shell::ALL[number % Shell::ALL.len()], &binary, begun)?);
    }
    let time = Duration::from_secs_f64((options.minutes * 60.0).clamp(1.0, 86_400.0));
    std::thread::scope(|scope| {
        for field in &fields {
            scope.spawn(|| go_wrong(field, seed, options));
        }
        wait(&fields, begun, time);
        for field in &fields {
            field.over.store(true, Ordering::SeqCst);
        }
    });
    if lab::interrupted() {
        return Err(Trouble("interrupted: nothing was judged".to_owned()));
    }
    println!("all is well again after {:.0} s: collecting", begun.elapsed().as_secs_f64());
    let left: Vec<Vec<String>> = std::thread::scope(|scope| {
        let hands: Vec<_> = fields
            .iter()
            .map(|field| {
                scope.spawn(|| {
                    settle::collect(field);
                    settle::leave(field)
                })
            })
            .collect();
        hands.into_iter().map(|hand| hand.join().unwrap_or_default()).collect()
    });
    let verdict = story::tell(&fields, &left, begun.elapsed());
    if let (Err(_), Some(keep)) = (&verdict, &options.keep) {
        for field in &fields {
            field.copy_home(keep)?;
        }
    }
    verdict.map_err(|Trouble(text)| {
        Trouble(format!(
            "{text}\nThe same plan again: cargo xtask chaos --seed {seed} --minutes {} --hosts {}",
            options.minutes, options.hosts
        ))
    })
}

/// Works and does harm on one host until it is over.
fn go_wrong(field: &Field, seed: u64, options: &Options) {
    let purpose =
        |kind: u64, number: usize| (u64::try_from(field.number).unwrap_or(0) << 32) | (kind << 16) | u64::try_from(number).unwrap_or(0);
    std::thread::scope(|scope| {
        for towline in 0..field.towlines.len() {
            for worker in 0..options.side_by_side {
                let dice = Dice::new(seed, purpose(1, towline * 100 + worker));
                scope.spawn(move || work::go_on(field, towline, worker, dice));
            }
            scope.spawn(move || work::ping(field, towline));
        }
        scope.spawn(|| field.watch_ends());
        scope.spawn(|| harm::go_on(field, Dice::new(seed, purpose(2, 0)), options.faults.unwrap_or(usize::MAX)));
    });
    // A towline that was being started when the run ended.
    harm::heal(field);
}

/// Waits for the run's end, and says now and then how far it is.
fn wait(fields: &[Field], begun: Instant, time: Duration) {
    let mut told = Instant::now();
    while begun.elapsed() < time && !lab::interrupted() {
        std::thread::sleep(Duration::from_millis(100));
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let faults: usize = fields.iter().map(|field| lock(&field.faults).len()).sum();
            let commands: usize = fields.iter().map(|field| lock(&field.stories).len()).sum();
            println!("  {:.0} s: {commands} commands, {faults} faults", begun.elapsed().as_secs_f64());
        }
    }
}

/// A seed that no run before had.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 32
}
