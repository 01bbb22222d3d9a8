//! Every interleaving of bounded schedules: the real machine of a line against a small host, over a network that loses.
//!
//! Holds to: from each state everything that can happen next is tried; a state is visited once; after every fault it is also
//! tried whether the world, left in peace, answers every call and leaves every outcome readable. Broken variants of the machine and of the
//! host must be found out. Leaves out: what the bytes of the protocol look like to real shells (other tests), and real time.

mod host;
mod line;
mod mutation;
mod search;
mod wire;
mod world;

use std::time::Instant;

use mutation::Mutation;
use search::{Found, search};
use world::{Fault, Want, World};

/// A schedule's bounds: who wants what, what can go wrong, and how often.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    wants: &'static [&'static [Want]],
    faults: &'static [Fault],
    budget: u8,
}

const NETWORK: &[Fault] = &[Fault::Cut, Fault::NoConnection, Fault::Silence];
const CLIENT: &[Fault] = &[Fault::Cut, Fault::TowlineKilled];
const HOST: &[Fault] = &[Fault::Cut, Fault::ShellKilled, Fault::SupervisorKilled, Fault::LaneKilled];
const TIME: &[Fault] = &[Fault::Cut, Fault::Silence, Fault::Deadline];

const ONE: Scenario = Scenario { name: "one command, bad network", wants: &[&[Want::Run(0, 100)]], faults: NETWORK, budget: 3 };
const QUEUE: Scenario = Scenario {
    name: "two commands of one session",
    wants: &[&[Want::Run(0, 100), Want::Run(1, 100)]],
    faults: &[Fault::Cut, Fault::ShellKilled],
    budget: 1,
};
const RESTART: Scenario = Scenario { name: "towline killed", wants: &[&[Want::Run(0, 100)]], faults: CLIENT, budget: 2 };
const KILLED: Scenario = Scenario { name: "the host's processes killed", wants: &[&[Want::Run(0, 100)]], faults: HOST, budget: 2 };
const SLOW: Scenario = Scenario {
    name: "a host slower than the next connection",
    wants: &[&[Want::Run(0, 100)]],
    faults: &[Fault::Cut, Fault::SlowHost, Fault::SupervisorKilled, Fault::ShellKilled],
    budget: 3,
};
const TWO: Scenario = Scenario {
    name: "the same id from two towlines",
    wants: &[&[Want::Run(0, 100)], &[Want::Run(0, 100)]],
    faults: &[Fault::Cut],
    budget: 1,
};
const DEADLINE: Scenario =
    Scenario { name: "the deadline, then collected", wants: &[&[Want::Run(0, 4), Want::Collect(0)]], faults: TIME, budget: 2 };
const ALSO: Scenario =
    Scenario { name: "two who wait on one line", wants: &[&[Want::Run(0, 100), Want::Also(0)]], faults: NETWORK, budget: 1 };
const CANCEL: Scenario = Scenario { name: "cancelled", wants: &[&[Want::Run(0, 100), Want::Cancel(0)]], faults: NETWORK, budget: 2 };
const BACKGROUND: Scenario =
    Scenario { name: "in the background, then awaited", wants: &[&[Want::Background(0), Want::Wait(0)]], faults: NETWORK, budget: 1 };
const CHANGE: Scenario =
    Scenario { name: "a change beside a command", wants: &[&[Want::Change(0), Want::Run(0, 100)]], faults: NETWORK, budget: 1 };

#[test]
fn no_schedule_loses_repeats_or_belies_a_command() {
    let begun = Instant::now();
    let mut states = 0;
    for scenario in [ONE, QUEUE, RESTART, KILLED, SLOW, TWO, DEADLINE, ALSO, CANCEL, BACKGROUND, CHANGE] {
        let Found { visited, settled, violation } = scenario.search(None);
        println!("{visited:>9} states, {settled:>8} in peace: {} ({:.1?})", scenario.name, begun.elapsed());
        if let Some(violation) = violation {
            panic!("{}: {violation}", scenario.name);
        }
        states += visited;
    }
    println!("{states} states in {:.1?}", begun.elapsed());
}

/// Each way to break the machine or the host, and a scenario whose search must notice it.
const BROKEN: &[(Mutation, Scenario)] = &[
    (Mutation::ClaimsAreNotExclusive, ONE),
    (Mutation::OutcomesSentSideBySide, ALSO),
    (Mutation::OnlyTheAskerIsWoken, ONE),
    (Mutation::OutcomeIsReadOnce, ONE),
    (Mutation::AttachedAfterTheLook, ONE),
    (Mutation::AttachedBeforeItIsThere, RESTART),
    (Mutation::LostIsGuessed, SLOW),
    (Mutation::AnySupervisorIsItsOwn, SLOW),
    (Mutation::NewIdOnEachSending, ONE),
    (Mutation::OldLanesAreHeard, ONE),
    (Mutation::EveryAnswerTwice, ONE),
    (Mutation::NothingIsSentAgain, ONE),
    (Mutation::EverythingIsSentAgain, CHANGE),
];

#[test]
fn every_broken_variant_is_found_out() {
    for (mutation, scenario) in BROKEN {
        let Found { visited, violation, .. } = scenario.search(Some(*mutation));
        let violation = violation.unwrap_or_else(|| panic!("{mutation:?} went unnoticed in {visited} states"));
        println!("{mutation:?}, after {visited} states: {}", violation.lines().next().unwrap_or_default());
    }
}

impl Scenario {
    fn search(&self, mutation: Option<Mutation>) -> Found {
        search(World::new(self.wants, self.faults, self.budget, mutation))
    }
}
