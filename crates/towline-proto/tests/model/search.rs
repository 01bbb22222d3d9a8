//! The search: depth first through every order of what can happen.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::world::{Action, World};

/// Steps after which a world that is left in peace must be quiet.
const PATIENCE: usize = 2000;

/// What a search found.
pub(super) struct Found {
    /// States that were visited.
    pub(super) visited: usize,
    /// States on the peaceful ways out of faults.
    pub(super) settled: usize,
    /// What must not be, with the way there.
    pub(super) violation: Option<String>,
}

struct Search {
    visited: HashSet<u64>,
    settled: HashSet<u64>,
    way: Vec<Action>,
}

/// Goes through every state that can be reached.
pub(super) fn search(world: World) -> Found {
    let work = move || {
        let mut search = Search { visited: HashSet::new(), settled: HashSet::new(), way: Vec::new() };
        let violation = search.settle(&world).and_then(|()| search.visit(&world)).err();
        Found { visited: search.visited.len(), settled: search.settled.len(), violation }
    };
    // The search goes as deep as the longest schedule.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(work).expect("a thread");
    thread.join().expect("the search ends")
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

impl Search {
    fn visit(&mut self, world: &World) -> Result<(), String> {
        if !self.visited.insert(fingerprint(world)) {
            return Ok(());
        }
        let enabled = world.enabled();
        if enabled.is_empty() {
            self.settle(world)?;
        }
        let peaceful = enabled.into_iter().map(|action| (action, false));
        let faults = world.faults().into_iter().map(|action| (action, true));
        for (action, fault) in peaceful.chain(faults).collect::<Vec<_>>() {
            let mut next = world.clone();
            self.way.push(action);
            next.apply(action).map_err(|violation| self.tell(&violation))?;
            if fault {
                self.settle(&next)?;
            }
            self.visit(&next)?;
            self.way.pop();
        }
        Ok(())
    }

    /// Left in peace from here, the world answers every call, and then every outcome can be read, twice.
    fn settle(&mut self, world: &World) -> Result<(), String> {
        let mut world = world.clone();
        let depth = self.way.len();
        let mut reading = false;
        for _ in 0..PATIENCE {
            if !reading && !self.settled.insert(fingerprint(&world)) {
                self.way.truncate(depth);
                return Ok(());
            }
            match world.enabled().first().copied() {
                Some(action) => {
                    self.way.push(action);
                    world.apply(action).map_err(|violation| self.tell(&violation))?;
                }
                None if reading => {
                    self.way.truncate(depth);
                    return Ok(());
                }
                None => {
                    reading = true;
                    world = world.with_reader();
                }
            }
        }
        Err(self.tell("left in peace, it does not come to rest"))
    }

    fn tell(&self, violation: &str) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{violation}; the way there:\n");
        for action in &self.way {
            let _ = writeln!(text, "  {action:?}");
        }
        text
    }
}
