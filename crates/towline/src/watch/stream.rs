//! The event stream as it grows: whole lines, in order, over rotation.
//!
//! Holds to: a bounded buffer; a line that is no event is left out. Leaves out: waiting.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use towline_engine::events::{self, Event};

/// Bytes that one look takes in.
const LOOK_BYTES: u64 = 1024 * 1024;
/// Longest line: an event is far below it.
const LINE_BYTES: usize = 256 * 1024;

/// A reader of the stream of one state directory.
pub(crate) struct Stream {
    state_dir: PathBuf,
    file: Option<(File, u64)>,
    rest: Vec<u8>,
}

impl Stream {
    /// Begins with the oldest event that is kept.
    pub(crate) fn open(state_dir: &Path) -> Self {
        let mut stream = Self { state_dir: state_dir.to_owned(), file: None, rest: Vec::new() };
        stream.file = open(&events::older_file(state_dir)).or_else(|| open(&events::file(state_dir)));
        stream
    }

    /// What has come since the last look; empty if there is nothing now.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Event>> {
        let mut found = self.more()?;
        if found.is_empty() && self.file.as_ref().map(|(_, inode)| *inode) != inode(&events::file(&self.state_dir)) {
            // The file was moved, or is only made now. What was written between the look and the move is read first.
            found = self.more()?;
            if found.is_empty() {
                self.file = open(&events::file(&self.state_dir));
                found = self.more()?;
            }
        }
        Ok(found)
    }

    fn more(&mut self) -> io::Result<Vec<Event>> {
        let Some((file, _)) = &mut self.file else { return Ok(Vec::new()) };
        file.take(LOOK_BYTES).read_to_end(&mut self.rest)?;
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        if self.rest.len() > LINE_BYTES {
            self.rest.clear();
        }
        Ok(whole.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

fn open(path: &Path) -> Option<(File, u64)> {
    let file = File::open(path).ok()?;
    let inode = file.metadata().ok()?.ino();
    Some((file, inode))
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn line(call: u64) -> String {
        format!("{{\"v\":1,\"kind\":\"begin\",\"call\":{call}}}\n")
    }

    fn calls(stream: &mut Stream) -> Vec<u64> {
        let mut all = Vec::new();
        loop {
            let some = stream.read().expect("read");
            if some.is_empty() {
                return all;
            }
            all.extend(some.iter().map(|event| event.call));
        }
    }

    #[test]
    fn every_event_comes_once_over_rotation() {
        let place = tempfile::tempdir().expect("a directory");
        let (now, older) = (events::file(place.path()), events::older_file(place.path()));
        let mut stream = Stream::open(place.path());
        assert!(calls(&mut stream).is_empty());
        append(&now, &line(1));
        assert_eq!(calls(&mut stream), [1]);
        let (half, rest) = (line(2)[..10].to_owned(), line(2)[10..].to_owned());
        append(&now, &half);
        assert!(calls(&mut stream).is_empty());
        append(&now, &format!("{rest}no event\n"));
        assert_eq!(calls(&mut stream), [2]);
        append(&now, &line(3));
        std::fs::rename(&now, &older).expect("moved");
        append(&now, &line(4));
        assert_eq!(calls(&mut stream), [3, 4]);
        append(&older, &line(5));
        assert_eq!(calls(&mut Stream::open(place.path())), [1, 2, 3, 5, 4]);
    }
}
