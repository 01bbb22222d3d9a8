//! The audit journal: what was done on which host for whom, written before it is done, in files that show when they were changed.
//!
//! Holds to: one journal for a user's towline processes, written under a lock, one write a line; each line holds the hash of the one
//! before, also over rotated files; a line that was torn by a crash is marked and the chain goes on; what cannot be written is told to
//! the caller. Leaves out: contents of files and secrets (arguments hold digests and redacted texts), and the event stream for watching.

pub(crate) mod arguments;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use tokio::sync::Mutex;
use towline_base::{clock, limits};

pub use read::{Entry, Filter, Later, entries, verify};
pub use record::{Begin, End, Head, Kind, Mark, Record, Stood};
pub use verify::Verdict;

use record::{Found, hash};

/// Bytes behind the remembered end that are looked through for records: one line that was torn, and some.
const STRAY_BYTES: u64 = 4 * 1024 * 1024;
/// How long a head is.
const HEAD_BYTES: usize = 128;

/// What becomes of an action whose record cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Refuse,
    /// It is carried out, and its answer says so.
    GoOn,
}

/// Whether each line is forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The system writes it when it likes: a crash of the machine may lose the last seconds.
    #[default]
    Later,
    /// Before the action begins.
    EachLine,
}

/// How the journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What becomes of an action whose record cannot be written.
    pub on_failure: OnFailure,
    /// Whether each line is forced to the disk.
    pub sync: Sync,
    /// Size at which a file is closed and the next begun.
    pub file_bytes: u64,
    /// Closed files that are kept; the oldest is removed first.
    pub files: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { on_failure: OnFailure::default(), sync: Sync::default(), file_bytes: limits::AUDIT_FILE_BYTES, files: limits::AUDIT_FILES }
    }
}

/// What is written: an action, or what came of one.
#[derive(Clone, Debug)]
pub enum Line {
    /// An action.
    Begin(Begin),
    /// What came of it.
    End(End),
}

/// The journal of a state directory.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    /// How it is kept.
    pub(crate) options: Options,
    open: Mutex<Option<Open>>,
}

/// The directory of the journal.
#[must_use]
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("audit")
}

pub(crate) fn current(directory: &Path) -> PathBuf {
    directory.join("journal.jsonl")
}

pub(crate) fn closed(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("journal-{segment:06}.jsonl"))
}

impl Journal {
    /// The journal of this state directory; nothing is made before the first line.
    #[must_use]
    pub fn new(state_dir: &Path, options: Options) -> Self {
        Self { directory: directory(state_dir), options, open: Mutex::new(None) }
    }

    /// Writes a line and returns its number.
    ///
    /// # Errors
    /// If it could not be written whole; the journal is then as it was.
    pub async fn write(&self, line: &Line) -> io::Result<u64> {
        let mut slot = self.open.lock().await;
        let open = match slot.take() {
            Some(open) => open,
            None => Open::new(&self.directory)?,
        };
        let open = slot.insert(open);
        let deadline = tokio::time::Instant::now() + limits::AUDIT_LOCK_WAIT;
        while let Err(error) = rustix::fs::flock(&open.head, FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK {
                return Err(error.into());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds the journal's lock"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let done = open.append(&self.directory, self.options, line);
        let _ = rustix::fs::flock(&open.head, FlockOperation::Unlock);
        if done.is_err() {
            *slot = None;
        }
        done
    }
}

/// The open files.
#[derive(Debug)]
struct Open {
    /// Number, length and hash of the last line; also the lock.
    head: File,
    log: File,
    inode: u64,
}

/// Opens a file of the journal, never through a link.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        let text = format!("{} is not a file of the user's own that is closed to others (0600)", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(file)
}

impl Open {
    fn new(directory: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let head = open_file(&directory.join("head"))?;
        let log = open_file(&current(directory))?;
        let inode = log.metadata()?.ino();
        Ok(Self { head, log, inode })
    }

    /// Writes a line; the lock is held.
    fn append(&mut self, directory: &Path, options: Options, line: &Line) -> io::Result<u64> {
        // Another process may have closed the file and begun the next, or a hand may have taken it away.
        if std::fs::metadata(current(directory)).map(|meta| meta.ino()).ok() != Some(self.inode) {
            *self = Self { head: self.head.try_clone()?, ..Self::new(directory)? };
        }
        let mut head = self.settle()?;
        if head.length >= options.file_bytes {
            // A remembered end that was lost forgot the number: no closed file is ever overwritten.
            while closed(directory, head.segment + 1).exists() {
                head.segment += 1;
            }
            std::fs::rename(current(directory), closed(directory, head.segment + 1))?;
            if let Some(oldest) = (head.segment + 1).checked_sub(options.files).filter(|oldest| *oldest > 0) {
                let _ = std::fs::remove_file(closed(directory, oldest));
            }
            *self = Self { head: self.head.try_clone()?, ..Self::new(directory)? };
            head = Head { segment: head.segment + 1, length: 0, ..head };
            self.remember(&head)?;
        }
        let (begin, end) = match line {
            Line::Begin(begin) => (Some(begin.clone()), None),
            Line::End(end) => (None, Some(end.clone())),
        };
        let kind = if begin.is_some() { Kind::Begin } else { Kind::End };
        let next = self.put(&head, kind, |record| Record { begin, end, ..record })?;
        if options.sync == Sync::EachLine {
            self.log.sync_data()?;
        }
        Ok(next.n)
    }

    /// Makes sure that the file ends where the head says, or marks what is otherwise; returns the head to go on from.
    fn settle(&mut self) -> io::Result<Head> {
        let mut text = vec![0; HEAD_BYTES + 1];
        let read = self.head.read_at(&mut text, 0)?;
        let known = Head::parse(&text[..read]);
        let length = self.log.metadata()?.len();
        let (mut head, headless) = match known {
            Some(head) => (head, false),
            None if length == 0 && read == 0 => return Ok(Head::new()),
            None => (self.last_record(length)?, true),
        };
        if head.length == length && !headless {
            return Ok(head);
        }
        let cut = length < head.length;
        let from = head.length.min(length);
        let mut stray = Vec::new();
        self.log.seek(SeekFrom::Start(from))?;
        (&self.log).take(STRAY_BYTES).read_to_end(&mut stray)?;
        // Lines that another process wrote just before it was killed are of the chain.
        let mut at = 0;
        let chained = |head: &Head, line: &[u8]| {
            serde_json::from_slice::<Record>(line).is_ok_and(|record| record.n == head.n + 1 && record.prev == head.hash)
        };
        for line in stray.split_inclusive(|byte| *byte == b'\n').take(if cut { 0 } else { usize::MAX }) {
            let Some(text) = line.strip_suffix(b"\n").filter(|text| chained(&head, text)) else { break };
            at += line.len();
            head = Head { n: head.n + 1, length: from + at as u64, hash: hash(text), ..head };
        }
        let mut rest = &stray[at..];
        // All of a line but its newline is there: it is of the chain, too.
        if !cut && !rest.contains(&b'\n') && chained(&head, rest) {
            self.log.write_all_at(b"\n", length)?;
            head = Head { n: head.n + 1, length: length + 1, hash: hash(rest), ..head };
            rest = &[];
        }
        if rest.is_empty() && !cut && !headless {
            self.remember(&head)?;
            return Ok(head);
        }
        let found = if cut {
            Found::Cut
        } else if rest.is_empty() {
            Found::Headless
        } else if rest.contains(&b'\n') || length - from > STRAY_BYTES {
            Found::Foreign
        } else {
            Found::Torn
        };
        let mark = Mark { found, bytes: rest.len() as u64, hash: hash(rest) };
        head.length = length;
        if self.ends_within_a_line(length)? {
            self.log.write_all_at(b"\n", length)?;
            head.length += 1;
        }
        self.put(&head, Kind::Mark, |record| Record { mark: Some(mark), ..record })
    }

    fn ends_within_a_line(&self, length: u64) -> io::Result<bool> {
        let mut last = [b'\n'];
        if let Some(at) = length.checked_sub(1) {
            self.log.read_exact_at(&mut last, at)?;
        }
        Ok(last != [b'\n'])
    }

    /// The head that the file itself tells, where the remembered one is gone.
    fn last_record(&self, length: u64) -> io::Result<Head> {
        let from = length.saturating_sub(STRAY_BYTES);
        let mut bytes = vec![0; usize::try_from(length - from).unwrap_or_default()];
        self.log.read_exact_at(&mut bytes, from)?;
        let mut head = Head::new();
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let Some(text) = line.strip_suffix(b"\n") else { continue };
            if let Ok(record) = serde_json::from_slice::<Record>(text) {
                head = Head { n: record.n, length: from + at as u64, segment: 0, hash: hash(text) };
            }
        }
        Ok(head)
    }

    /// Writes one record behind a head and remembers it.
    fn put(&mut self, head: &Head, kind: Kind, fill: impl FnOnce(Record) -> Record) -> io::Result<Head> {
        let record = fill(Record {
            n: head.n + 1,
            prev: head.hash.clone(),
            at: u64::try_from(clock::unix().as_millis()).unwrap_or(u64::MAX),
            pid: std::process::id(),
            uid: rustix::process::getuid().as_raw(),
            kind,
            begin: None,
            end: None,
            mark: None,
        });
        let mut line = serde_json::to_vec(&record)?;
        let own = hash(&line);
        line.push(b'\n');
        if let Err(error) = self.log.write_all_at(&line, head.length) {
            // What was written of it is ours, and nobody else writes while the lock is held.
            let _ = self.log.set_len(head.length);
            return Err(error);
        }
        let next = Head { n: head.n + 1, length: head.length + line.len() as u64, segment: head.segment, hash: own };
        self.remember(&next)?;
        Ok(next)
    }

    fn remember(&self, head: &Head) -> io::Result<()> {
        self.head.write_all_at(head.to_text().as_bytes(), 0)
    }
}
