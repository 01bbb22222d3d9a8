//! The local event stream: what calls do, line by line as JSON, for whoever watches.
//!
//! Holds to: never on a call's way: a call puts a note into a bounded queue, one thread of the process writes, and what finds no
//! room is left out and counted. One file per user, private, bounded by rotation, shared by all towline processes. Leaves
//! out: the audit journal, which is another thing; how events are shown.

mod diff;
mod event;
mod left;
mod watchers;
mod witness;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use towline_base::redact::Redactor;

pub use event::{Event, FIELDS, Kind, SCHEMA};
pub(crate) use left::{Left, LeftBehind};
pub use watchers::{Watching, announce};
pub(crate) use witness::{Rest, Witness};

/// Notes that wait for the thread that writes: a burst of parallel calls fits.
const WAITING: usize = 256;
/// How long closing waits for what was noted.
const FLUSH_WAIT: Duration = Duration::from_millis(200);

/// Told of each event after it was written, in the thread that writes: who keeps transcripts.
#[derive(Clone)]
pub struct Sink(Arc<dyn Fn(&Event) + Send + Sync>);

impl Sink {
    /// One that calls this.
    pub fn new(tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells it.
    pub fn tell(&self, event: &Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

/// Where the stream of this state directory is.
#[must_use]
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("events.jsonl")
}

/// Where its older part is; it may not be there.
#[must_use]
pub fn older_file(state_dir: &Path) -> PathBuf {
    state_dir.join("events.1.jsonl")
}

/// What the thread that writes is told.
enum Note {
    Event(Box<Event>),
    /// An event whose text is what changed between two contents.
    Diff(Box<Event>, Arc<[u8]>, Arc<[u8]>),
    Flush(SyncSender<()>),
}

/// Where events go; cheap to clone.
#[derive(Clone)]
pub(crate) struct Events(Arc<Inner>);

struct Inner {
    state_dir: PathBuf,
    sink: Option<Sink>,
    redactor: Redactor,
    queue: OnceLock<Option<SyncSender<Note>>>,
    left_out: Arc<AtomicU64>,
    calls: AtomicU64,
    left_behind: LeftBehind,
}

impl Events {
    /// The stream in this directory; nothing is made before the first event.
    pub(crate) fn new(state_dir: &Path, sink: Option<Sink>, redactor: Redactor) -> Self {
        Self(Arc::new(Inner {
            state_dir: state_dir.to_owned(),
            sink,
            redactor,
            queue: OnceLock::new(),
            left_out: Arc::default(),
            calls: AtomicU64::new(1),
            left_behind: LeftBehind::default(),
        }))
    }

    /// The next call's number in this process.
    pub(crate) fn next_call(&self) -> u64 {
        self.0.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Commands whose end is still to be told.
    pub(crate) fn left_behind(&self) -> &LeftBehind {
        &self.0.left_behind
    }

    /// Whether somebody watches now.
    pub(crate) async fn watched(&self) -> bool {
        let state_dir = self.0.state_dir.clone();
        tokio::task::spawn_blocking(move || watchers::any(&state_dir)).await.unwrap_or(false)
    }

    /// Notes an event.
    pub(crate) fn write(&self, event: Event) {
        self.note(Note::Event(Box::new(event)));
    }

    fn note(&self, note: Note) {
        let queue = self.0.queue.get_or_init(|| {
            let (sender, inbox) = sync_channel(WAITING);
            let writer = writer::Writer::new(&self.0.state_dir, self.0.sink.clone(), self.0.left_out.clone(), self.0.redactor.clone());
            let thread = std::thread::Builder::new().name("events".to_owned()).spawn(move || writer.run(&inbox));
            thread.inspect_err(|error| tracing::debug!(%error, "the event stream has no thread")).ok().map(|_| sender)
        });
        if let Some(Err(TrySendError::Full(_))) = queue.as_ref().map(|queue| queue.try_send(note)) {
            self.0.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment until what was noted is written: the process may be about to end.
    pub(crate) async fn flush(&self) {
        let Some(Some(queue)) = self.0.queue.get().cloned() else { return };
        let wait = move || {
            let (sender, done) = sync_channel(1);
            if queue.try_send(Note::Flush(sender)).is_ok() {
                let _ = done.recv_timeout(FLUSH_WAIT);
            }
        };
        let _ = tokio::task::spawn_blocking(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(text: &str) -> Event {
        Event { text: text.to_owned(), ..Event::new(Kind::Begin, "h") }
    }

    #[tokio::test]
    async fn an_event_is_one_line_in_a_private_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("state");
        let events = Events::new(&place, None, Redactor::default());
        events.write(begin("echo a\necho \u{1b}[1m"));
        events.write(Event { took: Some(5), failed: Some(false), ..Event::new(Kind::End, "h") });
        events.flush().await;
        let text = std::fs::read_to_string(file(&place)).expect("the stream");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
        let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!((&last["kind"], &last["took"], &last["failed"], &last["v"]), (&"end".into(), &5.into(), &false.into(), &SCHEMA.into()));
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&file(&place))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn what_finds_no_room_is_left_out_and_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let (gate, shut) = std::sync::mpsc::channel::<()>();
        let shut = std::sync::Mutex::new(shut);
        let sink = Sink::new(move |_| drop(shut.lock().map(|shut| shut.recv())));
        let events = Events::new(directory.path(), Some(sink), Redactor::default());
        let began = std::time::Instant::now();
        for number in 0..3 * WAITING {
            events.write(begin(&number.to_string()));
        }
        assert!(began.elapsed() < Duration::from_secs(5), "a call waited for the writer");
        drop(gate);
        let gap = |text: &str| text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()).find(|e| e.kind == Kind::Gap);
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        let found = loop {
            events.flush().await;
            events.write(begin("later"));
            let text = std::fs::read_to_string(file(directory.path())).unwrap_or_default();
            match gap(&text) {
                Some(found) => break found,
                None => assert!(std::time::Instant::now() < deadline, "the gap is not told"),
            }
        };
        assert!(found.skipped > 0, "{found:?}");
    }
}
