//! Keeping a transcript of each session: the lines of the view, as a text file that a person can read, search and send.
//!
//! Holds to: private, bounded, rotated; written by the thread that writes the event stream, so never on a call's way; what cannot be
//! written is left out. Leaves out: terminals.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Mutex;

use towline_base::limits;
use towline_engine::events::{Event, Kind, Sink};

use super::place;
use crate::watch::render::{Renderer, plain};

/// Sessions of one process whose lines are put together at a time.
const OPEN: usize = 64;

type Key = (String, String);

/// A sink that keeps the transcripts of this state directory.
pub(crate) fn sink(state_dir: &Path) -> Sink {
    let directory = place::directory(state_dir);
    let open: Mutex<HashMap<Key, Renderer>> = Mutex::default();
    Sink::new(move |event| {
        let Ok(mut open) = open.lock() else { return };
        for (key, text) in lines(&mut open, event) {
            if let Err(error) = append(&place::file(&directory, &key.0, &key.1), &directory, &text) {
                tracing::debug!(%error, "a transcript could not be written");
            }
        }
    })
}

/// What an event adds, and to whose transcript: a link's to those of all its sessions.
fn lines(open: &mut HashMap<Key, Renderer>, event: &Event) -> Vec<(Key, String)> {
    if event.host.is_empty() || event.kind == Kind::Gap {
        return Vec::new();
    }
    if event.kind != Kind::Link && !event.session.is_empty() {
        let key = (event.host.clone(), event.session.clone());
        if !open.contains_key(&key) && open.len() >= OPEN {
            open.clear();
        }
        open.entry(key).or_insert_with(|| Renderer::new(None, super::stamp));
    }
    let ours = |key: &Key| key.0 == event.host && (event.kind == Kind::Link || key.1 == event.session);
    open.iter_mut()
        .filter(|(key, _)| ours(key))
        .map(|(key, renderer)| {
            let text = renderer.event(event).iter().map(|line| plain(line) + "\n").collect();
            (key.clone(), text)
        })
        .filter(|(_, text): &(Key, String)| !text.is_empty())
        .collect()
}

fn append(path: &Path, directory: &Path, text: &str) -> io::Result<()> {
    let mut file = match OpenOptions::new().append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(directory);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            place::make_room(directory);
            OpenOptions::new().append(true).create(true).mode(0o600).open(path)?
        }
        Err(error) => return Err(error),
    };
    file.write_all(text.as_bytes())?;
    if file.metadata()?.len() > limits::TRANSCRIPT_BYTES {
        fs::rename(path, place::older(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn event(kind: Kind, call: u64, session: &str, text: &str) -> Event {
        let (host, session) = ("prod".to_owned(), session.to_owned());
        Event { kind, pid: 1, call, host, session, tool: "Bash".into(), text: text.into(), at: 0, ..Event::default() }
    }

    #[test]
    fn each_session_has_its_own_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let sink = sink(directory.path());
        for one in [
            event(Kind::Begin, 1, "a", "make"),
            event(Kind::Output, 1, "a", "cc\u{1b}[2J\n"),
            event(Kind::Begin, 2, "b", "ls"),
            Event { tool: String::new(), ..event(Kind::Link, 0, "", "lost: cut") },
            Event { host: "..".into(), ..event(Kind::Begin, 3, "a", "ls") },
        ] {
            sink.tell(&one);
        }
        let place = place::directory(directory.path());
        let text = |host: &str, session: &str| fs::read_to_string(place::file(&place, host, session)).unwrap();
        assert!(text("prod", "a").contains("Bash  make\n         │ cc\\x1b[2J\n"), "{}", text("prod", "a"));
        assert!(text("prod", "a").contains("link lost: cut") && text("prod", "b").contains("link lost: cut"));
        assert!(!text("prod", "b").contains("make"));
        assert!(text("..", "a").contains("ls"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join("prod")), mode(&place.join("prod/a.txt"))), (0o700, 0o700, 0o600));
        assert_eq!(place::all(&place).len(), 3);
    }

    #[test]
    fn transcripts_are_bounded_in_size_and_number() {
        let directory = tempfile::tempdir().unwrap();
        let sink = sink(directory.path());
        let long = "x".repeat(16 * 1024) + "\n";
        let rounds = 3 * limits::TRANSCRIPT_BYTES / long.len() as u64;
        for _ in 0..rounds {
            sink.tell(&event(Kind::Output, 1, "a", &long));
        }
        let path = place::file(&place::directory(directory.path()), "prod", "a");
        let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
        assert!(size(&path) <= limits::TRANSCRIPT_BYTES && size(&place::older(&path)) <= limits::TRANSCRIPT_BYTES + 64 * 1024);
        for number in 0..limits::TRANSCRIPTS + 20 {
            sink.tell(&event(Kind::Begin, 1, &format!("s{number}"), "ls"));
        }
        assert!(place::all(&place::directory(directory.path())).len() <= limits::TRANSCRIPTS);
    }
}
