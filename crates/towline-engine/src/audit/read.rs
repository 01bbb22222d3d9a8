//! Reading the journal: for people who look, and for the check of the chain.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::record::{Begin, End, Head, Record, Stood};
use super::verify::{Checker, Place, Verdict};
use super::{closed, current, directory};

/// An action as the journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Number of its first line.
    pub n: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The process that carried it out.
    pub pid: u32,
    /// Who, where, what, and the decision.
    pub begin: Begin,
    /// What came of it, if that was written.
    pub end: Option<End>,
    /// How the execution that went on when it ended came to its end, if a later action told that.
    pub later: Option<Later>,
}

/// The end of an execution, as later actions told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Later {
    /// How it ended, in a few words.
    pub state: String,
    /// Bytes of output that were told of; `None` if none were.
    pub bytes: Option<u64>,
    /// When that was known, in milliseconds since 1970.
    pub at: u64,
}

/// What later lines tell of one execution.
#[derive(Default)]
struct Told {
    stdout: Option<u64>,
    stderr: Option<u64>,
    end: Option<(String, u64)>,
}

impl Told {
    fn hear(&mut self, stood: &Stood, at: u64) {
        // Its last word on each is the one that holds.
        self.stdout = stood.stdout.or(self.stdout);
        self.stderr = stood.stderr.or(self.stderr);
        if stood.over && self.end.is_none() {
            self.end = Some((stood.state.clone(), at));
        }
    }

    fn later(&self) -> Option<Later> {
        let (state, at) = self.end.clone()?;
        let bytes = [self.stdout, self.stderr].into_iter().flatten().reduce(u64::saturating_add);
        Some(Later { state, bytes, at })
    }
}

/// Which actions are wanted; what is not said fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// On this host.
    pub host: Option<String>,
    /// By this tool.
    pub tool: Option<String>,
    /// In this session.
    pub session: Option<String>,
    /// For a client whose name begins so.
    pub client: Option<String>,
    /// Since this time, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only those that failed or were refused.
    pub failed: bool,
}

impl Filter {
    fn fits(&self, entry: &Entry) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let begin = &entry.begin;
        same(&self.host, &begin.host)
            && same(&self.tool, &begin.tool)
            && same(&self.session, &begin.session)
            && self.client.as_deref().is_none_or(|client| begin.client.starts_with(client))
            && self.since.is_none_or(|since| entry.at >= since)
            && (!self.failed || begin.decision == "refused" || entry.end.as_ref().is_some_and(|end| end.failed))
    }
}

/// The files of a journal, the oldest first, as they stood at one moment.
struct Snapshot {
    head: Option<Head>,
    /// Name, file, and how many of its bytes belong to the snapshot.
    files: Vec<(String, File, u64)>,
}

/// Opens all files while nobody writes; they are read afterwards, up to where they were.
fn snapshot(state_dir: &Path) -> io::Result<Snapshot> {
    let directory = directory(state_dir);
    let lock = match File::open(directory.join("head")) {
        Ok(head) => Some(head),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(lock) = &lock {
        rustix::fs::flock(lock, FlockOperation::LockShared)?;
    }
    let mut text = Vec::new();
    if let Some(lock) = &lock {
        lock.take(1024).read_to_end(&mut text)?;
    }
    let mut names: Vec<_> = match std::fs::read_dir(&directory) {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    names.retain(|name| {
        let number = name.strip_prefix("journal-").and_then(|rest| rest.strip_suffix(".jsonl")).and_then(|number| number.parse().ok());
        number.is_some_and(|number| closed(&directory, number).ends_with(name))
    });
    names.sort();
    if current(&directory).exists() {
        names.push("journal.jsonl".to_owned());
    }
    let open = |name: String| {
        let file = File::open(directory.join(&name))?;
        let length = file.metadata()?.len();
        Ok((name, file, length))
    };
    let files = names.into_iter().map(open).collect::<io::Result<Vec<_>>>();
    if let Some(lock) = &lock {
        rustix::fs::flock(lock, FlockOperation::Unlock)?;
    }
    Ok(Snapshot { head: Head::parse(&text), files: files? })
}

/// Calls a function with each line of each file.
fn each_line(files: Vec<(String, File, u64)>, mut take: impl FnMut(Place, &[u8])) -> io::Result<()> {
    for (name, file, length) in files {
        let mut reader = BufReader::new(file.take(length));
        let mut line = Vec::new();
        let mut number = 0;
        while reader.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            take(Place { file: name.clone(), line: number }, &line);
            line.clear();
        }
    }
    Ok(())
}

/// Looks the whole journal through.
///
/// # Errors
/// If it cannot be read.
pub fn verify(state_dir: &Path) -> io::Result<Verdict> {
    let Snapshot { head, files } = snapshot(state_dir)?;
    let mut checker = Checker::new(head);
    each_line(files, |place, line| checker.line(place, line))?;
    Ok(checker.finish())
}

/// The last so many actions that fit, in their order.
///
/// # Errors
/// If the journal cannot be read.
pub fn entries(state_dir: &Path, filter: &Filter, most: usize) -> io::Result<Vec<Entry>> {
    let mut found: BTreeMap<u64, Entry> = BTreeMap::new();
    let mut executions: BTreeMap<(String, String), Told> = BTreeMap::new();
    each_line(snapshot(state_dir)?.files, |_, line| {
        let Ok(Record { n, at, pid, begin, end, .. }) = serde_json::from_slice::<Record>(line) else { return };
        if let Some(begin) = begin {
            found.insert(n, Entry { n, at, pid, begin, end: None, later: None });
        } else if let Some((entry, end)) = end.and_then(|end| Some((found.get_mut(&end.of)?, end))) {
            if let Some(stood) = &end.execution {
                executions.entry((entry.begin.host.clone(), stood.id.clone())).or_default().hear(stood, at);
            }
            entry.end = Some(end);
        }
    })?;
    let mut entries: Vec<Entry> = found.into_values().filter(|entry| filter.fits(entry)).collect();
    entries.drain(..entries.len().saturating_sub(most));
    for entry in entries.iter_mut().filter(|entry| entry.begin.tool == "Bash") {
        let went_on = entry.end.as_ref().and_then(|end| end.execution.as_ref()).filter(|stood| !stood.over);
        let told = went_on.and_then(|stood| executions.get(&(entry.begin.host.clone(), stood.id.clone())));
        entry.later = told.and_then(Told::later);
    }
    Ok(entries)
}
