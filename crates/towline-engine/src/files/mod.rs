//! The file tools: what an agent's Read, Write, Edit, Stat, List, Glob and Grep do.
//!
//! Holds to: one round trip for each call that needs no second look; what a session read is remembered before it is answered;
//! the texts of errors are those that agents know. Leaves out: the line, the programs on the host, how an answer is shown.

mod cache;
mod changes;
mod edit;
mod guard;
mod kinds;
mod plan;
mod read;
pub(crate) mod search;
mod stat_list;
#[cfg(test)]
#[allow(clippy::pedantic, clippy::wildcard_enum_match_arm, clippy::type_complexity, reason = "tables of cases are read, not called")]
mod tests;
mod turns;
mod words;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towline_base::{Failure, HostAlias, Nonce, SessionName};
use towline_proto::files::{Tag, ToolCall, ToolReply};

use crate::events::Witness;
use cache::{Cache, Content};
use guard::{Guard, Seen};
use turns::{Turn, Turns};

/// One round trip to a tool program on the host, in a session's directory.
pub(crate) trait ToolLine: Sync {
    /// Calls a program.
    fn call(&self, call: ToolCall) -> impl Future<Output = Result<ToolReply, Failure>> + Send;
}

/// Where a file tool works.
pub(crate) struct Scope<'a> {
    /// The host.
    pub(crate) host: &'a HostAlias,
    /// The session: its directory is where relative paths begin, and it is who read what.
    pub(crate) session: &'a SessionName,
    /// Who tells what a change did.
    pub(crate) witness: &'a Witness,
}

/// What is known of files on all hosts.
pub(crate) struct Files {
    state_dir: PathBuf,
    known: Mutex<Known>,
    turns: Turns,
}

type Key = (HostAlias, SessionName);

#[derive(Default)]
struct Known {
    contents: Cache,
    read: HashMap<Key, Guard>,
    /// Where each session stood when it was last heard of: a guess for relative paths, which the host checks.
    stands: HashMap<Key, Vec<u8>>,
}

impl Files {
    /// Keeps what sessions read in this directory.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), known: Mutex::default(), turns: Turns::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A call that panicked left whole values behind: each change is one insertion.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_guard<T>(&self, scope: &Scope<'_>, ask: impl FnOnce(&mut Guard) -> T) -> T {
        let mut known = self.lock();
        let load = || Guard::load(&self.state_dir, scope.host.as_str(), scope.session.as_str());
        let guard = known.read.entry(key(scope)).or_insert_with(load);
        guard.refresh();
        ask(guard)
    }

    /// Remembers that this session read a file.
    fn record(&self, scope: &Scope<'_>, seen: Seen) {
        self.with_guard(scope, |guard| guard.record(seen));
    }

    /// What this session read at a path without links.
    fn seen(&self, scope: &Scope<'_>, real: &[u8]) -> Option<Seen> {
        self.with_guard(scope, |guard| guard.get(real).cloned())
    }

    /// Keeps a whole content.
    fn keep(&self, scope: &Scope<'_>, real: &[u8], path: &[u8], tag: Tag, content: Arc<[u8]>) {
        self.lock().contents.put(scope.host, real, path, tag, content);
    }

    /// Lets go of a content that is not known any more.
    fn forget(&self, scope: &Scope<'_>, real: &[u8]) {
        self.lock().contents.forget(scope.host, real);
    }

    /// The content that the path most probably leads to.
    fn cached(&self, scope: &Scope<'_>, given: &str) -> Option<Content> {
        let path = words::absolute(&self.cwd(scope), given);
        self.lock().contents.get(scope.host, &path)
    }

    /// Waits until this call may change the file that the path most probably leads to.
    async fn turn(&self, scope: &Scope<'_>, given: &str) -> Turn {
        let path = words::absolute(&self.cwd(scope), given);
        let known = self.lock().contents.get(scope.host, &path).map(|content| content.real);
        self.turns.take(scope.host, known.unwrap_or(path)).await
    }

    /// Remembers where a session stands.
    fn stand(&self, scope: &Scope<'_>, cwd: &[u8]) {
        let mut known = self.lock();
        if known.stands.get(&key(scope)).is_none_or(|old| old != cwd) {
            known.stands.insert(key(scope), cwd.to_vec());
        }
    }

    /// Where a session stood; empty if it was not heard of.
    fn cwd(&self, scope: &Scope<'_>) -> Vec<u8> {
        self.lock().stands.get(&key(scope)).cloned().unwrap_or_default()
    }
}

fn key(scope: &Scope<'_>) -> Key {
    (scope.host.clone(), scope.session.clone())
}

/// What nobody on the host can guess: names a private file, parts contents.
fn nonce() -> String {
    Nonce::mint().as_str().to_owned()
}
