//! The thread that writes the stream: the only one of its process that touches the file.
//!
//! Holds to: lines are whole and appended by one write each, so that several processes share the file; whoever finds it full moves
//! it, under a lock. What cannot be written is left out. Leaves out: what is noted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use rustix::fs::{FlockOperation, flock};
use towline_base::redact::{Cut, Redactor};
use towline_base::visible;

use super::event::{Event, Kind};
use super::{Note, Sink, diff, file, older_file};

/// Size at which the stream is moved aside: what a person scrolls back is hours, not months.
const ROTATE_BYTES: u64 = 8 * 1024 * 1024;

/// Both sides of an event's text may be cut.
const EDGES: Cut = Cut { before: true, after: true };

pub(super) struct Writer {
    state_dir: PathBuf,
    sink: Option<Sink>,
    left_out: Arc<AtomicU64>,
    redactor: Redactor,
    file: Option<File>,
}

impl Writer {
    pub(super) fn new(state_dir: &Path, sink: Option<Sink>, left_out: Arc<AtomicU64>, redactor: Redactor) -> Self {
        Self { state_dir: state_dir.to_owned(), sink, left_out, redactor, file: None }
    }

    /// Writes what is noted until nobody can note anything any more.
    pub(super) fn run(mut self, inbox: &Receiver<Note>) {
        while let Ok(note) = inbox.recv() {
            let left_out = self.left_out.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                self.write(Event { skipped: left_out, ..Event::new(Kind::Gap, "") });
            }
            match note {
                Note::Event(event) => self.write(*event),
                Note::Diff(mut event, old, new) => {
                    (event.text, event.skipped) = diff::unified(&old, &new);
                    if !event.text.is_empty() {
                        self.write(*event);
                    }
                }
                Note::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&mut self, mut event: Event) {
        // Output comes in pieces, and other texts were cut: a part of a secret at an edge is taken out too.
        let clean = |text: &str| String::from_utf8_lossy(&self.redactor.bytes(text.as_bytes(), EDGES)).into_owned();
        event.text = visible::to_text(clean(&event.text).as_bytes()).0;
        event.description = event.description.as_deref().map(clean);
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        if let Err(error) = self.append(&line) {
            tracing::debug!(%error, "the event stream could not be written");
            self.file = None;
        }
        if let Some(sink) = &self.sink {
            sink.tell(&event);
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.file.as_ref().is_some_and(|file| file.metadata().is_ok_and(|meta| meta.len() > ROTATE_BYTES)) {
            self.move_aside()?;
            self.file = None;
        }
        if self.file.is_none() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.state_dir)?;
            self.file = Some(private().append(true).open(file(&self.state_dir))?);
        }
        match &mut self.file {
            Some(file) => file.write_all(line),
            None => Ok(()),
        }
    }

    /// Moves the full file; another process may have done so already, and then its new one stays.
    fn move_aside(&self) -> io::Result<()> {
        let lock = private().write(true).open(self.state_dir.join("events.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        if std::fs::metadata(file(&self.state_dir)).is_ok_and(|meta| meta.len() > ROTATE_BYTES) {
            std::fs::rename(file(&self.state_dir), older_file(&self.state_dir))?;
        }
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_bounded_and_two_that_write_it_lose_nothing_of_each_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = "x".repeat(16 * 1024);
        let write = |writer: &mut Writer, pid| writer.write(Event { text: text.clone(), pid, ..Event::new(Kind::Output, "h") });
        let mut writers = [1, 2].map(|pid| (Writer::new(directory.path(), None, Arc::default(), Redactor::default()), pid));
        let count = 3 * ROTATE_BYTES / 2 / text.len() as u64;
        for _ in 0..count / 2 {
            for (writer, pid) in &mut writers {
                write(writer, *pid);
            }
        }
        let lines = |path: PathBuf| {
            let text = std::fs::read_to_string(path).expect("there");
            assert!((text.len() as u64) < ROTATE_BYTES + 64 * 1024);
            text.lines().map(|line| serde_json::from_str::<Event>(line).expect("a whole line").pid).collect::<Vec<_>>()
        };
        let all = [lines(older_file(directory.path())), lines(file(directory.path()))].concat();
        for pid in [1, 2] {
            assert_eq!(all.iter().filter(|one| **one == pid).count() as u64, count / 2);
        }
    }
}
