//! Commands that calls left behind, until their end was told.
//!
//! Holds to: an end is told once, by whoever takes the command out; bounded. Leaves out: who finds out, and how.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use towline_base::Handle;

use super::Event;
use crate::answer::State;

/// Commands that one engine goes on looking at.
const MOST: usize = 64;

/// The commands, by host and execution.
#[derive(Debug, Default)]
pub(crate) struct LeftBehind(Mutex<HashMap<(String, Handle), Left>>);

/// A command that its call left behind.
#[derive(Debug)]
pub(crate) struct Left {
    /// What all events of its call share.
    pub(crate) whose: Arc<Event>,
    /// How it ended, in words and as it is, once a call has heard of it.
    pub(crate) end: Option<(String, State)>,
}

impl LeftBehind {
    /// Puts a command in; false where there are too many.
    pub(crate) fn add(&self, id: &Handle, whose: Arc<Event>) -> bool {
        let mut all = self.lock();
        let room = all.len() < MOST;
        if room {
            all.insert((whose.host.clone(), id.clone()), Left { whose, end: None });
        }
        room
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn holds(&self, host: &str, id: &Handle) -> bool {
        self.lock().contains_key(&(host.to_owned(), id.clone()))
    }

    /// Takes a command out: whoever gets it tells its end.
    pub(crate) fn take(&self, host: &str, id: &Handle) -> Option<Left> {
        self.lock().remove(&(host.to_owned(), id.clone()))
    }

    /// Notes how a command ended; false where it is not here.
    pub(crate) fn heard(&self, host: &str, id: &Handle, end: (String, State)) -> bool {
        self.lock().get_mut(&(host.to_owned(), id.clone())).map(|left| left.end.get_or_insert(end)).is_some()
    }

    /// Takes out all whose end was heard of.
    pub(crate) fn take_heard(&self) -> Vec<(Handle, Left)> {
        self.lock().extract_if(|_, left| left.end.is_some()).map(|((_, id), left)| (id, left)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Handle), Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
