//! What a session read: path and name of the content, kept on this machine, so that a file that changed since is not overwritten.
//!
//! Holds to: an entry is on disk before the answer that it belongs to; one file for each host and session, append-only, 0600,
//! rewritten when it is loaded; a torn line is left out. Leaves out: contents.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use towline_base::limits;
use towline_proto::files::{Tag, TagKind};

/// A file that a session read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The path without links.
    pub(crate) real: Vec<u8>,
    /// The absolute path by which it was read.
    pub(crate) path: Vec<u8>,
    /// The content that it had.
    pub(crate) tag: Tag,
}

/// What one session read on one host.
#[derive(Debug)]
pub(crate) struct Guard {
    file: PathBuf,
    /// Which file `at` is about: another process may have rewritten it.
    inode: u64,
    /// How far the file was read.
    at: u64,
    seen: HashMap<Vec<u8>, (u64, Seen)>,
    clock: u64,
}

impl Guard {
    /// What is kept in the state directory for this host and session.
    pub(crate) fn load(state_dir: &Path, host: &str, session: &str) -> Self {
        // Neither name can hold a newline; the tag of both is a plain file name of its own.
        let name = Tag::of(TagKind::Sha256, format!("{host}\n{session}").as_bytes());
        let file = state_dir.join("read").join(&name.as_str()[2..34]);
        let mut guard = Self { file, inode: 0, at: 0, seen: HashMap::new(), clock: 0 };
        guard.refresh();
        if guard.clock > 2 * limits::GUARD_FILES as u64 {
            // A failure leaves the long file, which is as good.
            let _ = guard.rewrite();
        }
        guard
    }

    /// Takes in what another process of the same session has added.
    pub(crate) fn refresh(&mut self) {
        let Ok(mut file) = File::open(&self.file) else { return };
        let Ok(meta) = file.metadata() else { return };
        if meta.ino() != self.inode {
            (self.inode, self.at) = (meta.ino(), 0);
        }
        if meta.len() <= self.at {
            return;
        }
        let mut text = Vec::new();
        if file.seek(SeekFrom::Start(self.at)).is_err() || file.read_to_end(&mut text).is_err() {
            return;
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.at += whole as u64;
        for seen in text[..whole].split(|byte| *byte == b'\n').filter_map(parse) {
            self.take(seen);
        }
    }

    fn take(&mut self, seen: Seen) {
        self.clock += 1;
        self.seen.insert(seen.real.clone(), (self.clock, seen));
        if self.seen.len() > limits::GUARD_FILES {
            let oldest = self.seen.iter().min_by_key(|(_, (clock, _))| *clock).map(|(real, _)| real.clone());
            oldest.and_then(|real| self.seen.remove(&real));
        }
    }

    /// Remembers that a file was read (or written) with this content.
    pub(crate) fn record(&mut self, seen: Seen) {
        let known = self.seen.get(&seen.real).is_some_and(|(_, old)| *old == seen);
        if !known && let Err(error) = self.append(&seen) {
            tracing::warn!(%error, file = %self.file.display(), "what was read is not kept over a restart");
        }
        self.take(seen);
    }

    fn append(&mut self, seen: &Seen) -> io::Result<()> {
        let mut file = open(&self.file)?;
        self.refresh();
        let mut line = render(seen);
        let end = file.seek(SeekFrom::End(0))?;
        if end > 0 {
            // A line that a crash tore is ended, so that it takes no other with it.
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last[0] != b'\n' {
                line.insert(0, b'\n');
            }
        }
        file.write_all(&line)?;
        let meta = file.metadata()?;
        (self.inode, self.at) = (meta.ino(), meta.len());
        Ok(())
    }

    /// Writes the file anew, with one line for each path.
    fn rewrite(&mut self) -> io::Result<()> {
        let old = open(&self.file)?;
        // Who appends meanwhile waits, and then sees that the file is another.
        self.refresh();
        let mut entries: Vec<_> = self.seen.values().collect();
        entries.sort_by_key(|(clock, _)| *clock);
        let text: Vec<u8> = entries.iter().flat_map(|(_, seen)| render(seen)).collect();
        let fresh = self.file.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        fs::rename(&fresh, &self.file)?;
        drop(old);
        (self.inode, self.at) = (file.metadata()?.ino(), text.len() as u64);
        self.clock = self.seen.len() as u64;
        let mut order: Vec<_> = self.seen.values_mut().collect();
        order.sort_by_key(|(clock, _)| *clock);
        for (at, (clock, _)) in (1..).zip(order) {
            *clock = at;
        }
        Ok(())
    }

    /// What was read at a path without links.
    pub(crate) fn get(&self, real: &[u8]) -> Option<&Seen> {
        self.seen.get(real).map(|(_, seen)| seen)
    }

    /// Whether nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Files that a path may lead to by its last name: those that it names outright first, then the latest; and whether there
    /// are more than `most`.
    pub(crate) fn candidates(&self, path: &[u8], most: usize) -> (Vec<Seen>, bool) {
        let last = name(path);
        let mut found: Vec<_> = self.seen.values().filter(|(_, seen)| name(&seen.real) == last || name(&seen.path) == last).collect();
        found.sort_by_key(|(clock, seen)| (seen.path != path && seen.real != path, std::cmp::Reverse(*clock)));
        let more = found.len() > most;
        (found.into_iter().take(most).map(|(_, seen)| seen.clone()).collect(), more)
    }
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or_default()
}

/// Opens the file for one writer at a time; made, with its directory, if it is not there.
fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        // While it waited, another process may have put a new file there.
        if fs::metadata(path).is_ok_and(|meta| file.metadata().is_ok_and(|own| own.ino() == meta.ino())) {
            return Ok(file);
        }
    }
}

/// A line: tag, path, path without links, parted by tabs.
fn render(seen: &Seen) -> Vec<u8> {
    let mut line = seen.tag.as_str().as_bytes().to_vec();
    for path in [&seen.path, &seen.real] {
        line.push(b'\t');
        for byte in path {
            match byte {
                b'\\' => line.extend(b"\\\\"),
                b'\n' => line.extend(b"\\n"),
                b'\t' => line.extend(b"\\t"),
                _ => line.push(*byte),
            }
        }
    }
    line.push(b'\n');
    line
}

fn parse(line: &[u8]) -> Option<Seen> {
    let mut parts = line.split(|byte| *byte == b'\t');
    let tag = Tag::parse(parts.next()?)?;
    let path = unescape(parts.next()?)?;
    let real = unescape(parts.next()?)?;
    parts.next().is_none().then_some(Seen { real, path, tag })
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b't' => b'\t',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn seen(path: &[u8], content: &[u8]) -> Seen {
        Seen { real: path.to_vec(), path: path.to_vec(), tag: Tag::of(TagKind::Sha256, content) }
    }

    #[test]
    fn what_was_read_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let paths: [&[u8]; 4] = [b"/a", b"/a b\nc\t\\d", b"/\xff\x80", b"/\\n"];
        let mut guard = Guard::load(directory.path(), "host", "session");
        assert!(guard.is_empty());
        for path in paths {
            guard.record(seen(path, b"old"));
            guard.record(seen(path, path));
        }
        drop(guard);
        let guard = Guard::load(directory.path(), "host", "session");
        for path in paths {
            assert_eq!(guard.get(path), Some(&seen(path, path)), "{path:?}");
        }
        assert!(Guard::load(directory.path(), "host", "other").is_empty());
        assert!(Guard::load(directory.path(), "other", "session").is_empty());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&guard.file), mode(guard.file.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut guard = Guard::load(directory.path(), "h", "s");
        guard.record(seen(b"/a", b"1"));
        OpenOptions::new().append(true).open(&guard.file).unwrap().write_all(b"s:00ff\t/to").unwrap();
        let mut guard = Guard::load(directory.path(), "h", "s");
        guard.record(seen(b"/b", b"2"));
        let guard = Guard::load(directory.path(), "h", "s");
        assert_eq!((guard.get(b"/a"), guard.get(b"/b")), (Some(&seen(b"/a", b"1")), Some(&seen(b"/b", b"2"))));
        assert_eq!(guard.seen.len(), 2);
    }

    #[test]
    fn it_is_bounded_and_shared_with_other_processes() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = Guard::load(directory.path(), "h", "s");
        let mut two = Guard::load(directory.path(), "h", "s");
        for number in 0..limits::GUARD_FILES * 2 + 10 {
            one.record(seen(format!("/{number}").as_bytes(), b"x"));
        }
        assert_eq!(one.seen.len(), limits::GUARD_FILES);
        two.refresh();
        let last = format!("/{}", limits::GUARD_FILES * 2 + 9);
        assert_eq!(two.get(last.as_bytes()), Some(&seen(last.as_bytes(), b"x")));
        // Loading rewrites it; a process that had it open goes on with the new file.
        let three = Guard::load(directory.path(), "h", "s");
        assert_eq!(three.seen.len(), limits::GUARD_FILES);
        let lines = fs::read_to_string(&three.file).unwrap().lines().count();
        assert_eq!(lines, limits::GUARD_FILES);
        two.record(seen(b"/new", b"y"));
        assert_eq!(Guard::load(directory.path(), "h", "s").get(b"/new"), Some(&seen(b"/new", b"y")));
    }

    #[test]
    fn candidates_are_told_by_their_last_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut guard = Guard::load(directory.path(), "h", "s");
        for path in ["/a/mod.rs", "/b/mod.rs", "/c/lib.rs", "/d/mod.rs"] {
            guard.record(seen(path.as_bytes(), b"x"));
        }
        guard.record(Seen { path: b"/links/mod.rs".to_vec(), ..seen(b"/real/x", b"x") });
        let reals = |path: &str, most| {
            let (found, more) = guard.candidates(path.as_bytes(), most);
            (found.into_iter().map(|seen| String::from_utf8(seen.real).unwrap()).collect::<Vec<_>>(), more)
        };
        assert_eq!(reals("/a/mod.rs", 2), (vec!["/a/mod.rs".to_owned(), "/real/x".to_owned()], true));
        assert_eq!(reals("/links/mod.rs", 1), (vec!["/real/x".to_owned()], true));
        assert_eq!(reals("/c/lib.rs", 2), (vec!["/c/lib.rs".to_owned()], false));
        assert_eq!(reals("/none", 2), (vec![], false));
    }
}
