//! The local event stream: one line of JSON when a call begins and one when it ends, for whoever watches.
//!
//! Holds to: one file per user, mode 0600 in a directory of mode 0700, appended by single writes, so that several towline
//! processes can share it; bounded by rotation; never on a call's way: what cannot be written is left out. Leaves out: the
//! audit journal, which is another thing; contents of files; secrets.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use towline_base::clock;

/// Size at which the stream is moved to `events.1.jsonl`: what a person scrolls back is minutes, not months.
const ROTATE_BYTES: u64 = 8 * 1024 * 1024;
/// Characters of a command or output that one event holds.
const TEXT_CHARACTERS: usize = 2000;

/// One event.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    /// `begin` or `end`.
    pub kind: &'a str,
    /// Milliseconds since 1970.
    pub at: u128,
    /// The towline process.
    pub pid: u32,
    /// The call's number in that process.
    pub call: u64,
    /// The host.
    pub host: &'a str,
    /// The session.
    pub session: &'a str,
    /// Name and version of the client.
    pub client: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// The command, file or pattern; at the end: what came of it, in one line.
    pub text: String,
    /// Milliseconds that it took; only at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<u128>,
    /// Whether the tool failed; only at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
}

/// Where events are written.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Events {
    /// The stream in this directory; nothing is made before the first event.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("events.jsonl"), file: Mutex::new(None) }
    }

    /// Writes one event.
    pub fn write(&self, event: &Event<'_>) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let Ok(mut file) = self.file.lock() else { return };
        if let Err(error) = self.append(&mut file, &line) {
            tracing::debug!(%error, "the event stream could not be written");
            *file = None;
        }
    }

    fn append(&self, slot: &mut Option<File>, line: &[u8]) -> std::io::Result<()> {
        let full = slot.as_ref().is_some_and(|file| file.metadata().is_ok_and(|meta| meta.len() > ROTATE_BYTES));
        if full {
            // Another process may have moved it already: only a file that is still full is moved.
            if std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() > ROTATE_BYTES) {
                std::fs::rename(&self.path, self.path.with_file_name("events.1.jsonl"))?;
            }
            *slot = None;
        }
        if slot.is_none() {
            if let Some(directory) = self.path.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            }
            *slot = Some(OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?);
        }
        match slot {
            Some(file) => file.write_all(line),
            None => Ok(()),
        }
    }
}

/// Who calls, for the events of one call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) call: u64,
    pub(crate) host: String,
    pub(crate) session: String,
    pub(crate) client: String,
    pub(crate) tool: &'static str,
}

impl Caller {
    /// The event of the call's beginning.
    pub(crate) fn begin(&self, text: &str) -> Event<'_> {
        self.event("begin", text, None)
    }

    /// The event of its end.
    pub(crate) fn end(&self, text: &str, took: Duration, failed: bool) -> Event<'_> {
        self.event("end", text, Some((took, failed)))
    }

    fn event(&self, kind: &'static str, text: &str, end: Option<(Duration, bool)>) -> Event<'_> {
        let (text, _) = towline_base::visible::to_text(text.as_bytes());
        Event {
            kind,
            at: clock::unix().as_millis(),
            pid: std::process::id(),
            call: self.call,
            host: &self.host,
            session: &self.session,
            client: &self.client,
            tool: self.tool,
            text: text.chars().take(TEXT_CHARACTERS).collect(),
            took: end.map(|(took, _)| took.as_millis()),
            failed: end.map(|(_, failed)| failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn caller() -> Caller {
        Caller { call: 1, host: "h".into(), session: "s".into(), client: "c".into(), tool: "Bash" }
    }

    #[test]
    fn an_event_is_one_line_in_a_private_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("state");
        let events = Events::new(&place);
        events.write(&caller().begin("echo a\necho \u{1b}[1m"));
        events.write(&caller().end("exit 0", Duration::from_millis(5), false));
        let text = std::fs::read_to_string(place.join("events.jsonl")).expect("the stream");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
        let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!((&last["kind"], &last["took"], &last["failed"]), (&"end".into(), &5.into(), &false.into()));
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join("events.jsonl"))), (0o700, 0o600));
    }

    #[test]
    fn the_stream_is_bounded() {
        let directory = tempfile::tempdir().expect("a directory");
        let events = Events::new(directory.path());
        let text = "x".repeat(TEXT_CHARACTERS);
        for _ in 0..(2 * ROTATE_BYTES / TEXT_CHARACTERS as u64) {
            events.write(&caller().begin(&text));
        }
        let size = |name: &str| std::fs::metadata(directory.path().join(name)).expect("there").len();
        assert!(size("events.jsonl") <= ROTATE_BYTES + 4096);
        assert!(size("events.1.jsonl") <= ROTATE_BYTES + 4096);
    }
}
