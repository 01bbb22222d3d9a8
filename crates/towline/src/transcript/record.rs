//! Recording terminals: what each shows, as an asciicast (version 2) beside the sessions' transcripts.
//!
//! Holds to: private, bounded, rotated; written by a thread of its own, so never in the way of a terminal; one towline records a
//! terminal at a time, and another goes on when that one is gone; what was left out is said in the recording; nothing in it acts on
//! the terminal that plays it. Leaves out: what is typed and not shown.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use towline_base::redact::Redactor;
use towline_base::{clock, limits};
use towline_engine::terminals::{Piece, Recorder, What};

use super::drawn::Drawn;
use super::veil::Veil;
use super::{cast, place};

/// Bytes that may wait to be written; what comes beyond is left out and counted.
const WAITING: usize = 1024 * 1024;
/// Bytes of one terminal that are written in a second; of what comes beyond only the end is.
const EACH_SECOND: usize = 256 * 1024;
/// The end of what was too much: enough to draw a screen.
const TAIL: usize = 16 * 1024;
/// Recordings that are held open at a time: closed terminals are not told of, and a file is not held for ever.
const TAPES: usize = 2 * limits::MOST_TERMINALS;
/// How soon a recording that another towline holds is asked for again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the end of towline waits for what is still to be written.
const FLUSH: Duration = Duration::from_millis(300);

/// Something to be written.
struct Job {
    whose: Whose,
    at: Duration,
    what: Owned,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Whose {
    host: String,
    name: String,
    made: String,
    size: (u16, u16),
}

enum Owned {
    Screen(Vec<u8>),
    Output(Vec<u8>),
    Size,
    /// So many bytes were left out.
    Lost(usize),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

/// The thread that writes; ends with this value, after what waits.
struct Writer {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

/// A recorder that keeps the recordings of this state directory, without the secrets that are known.
pub(crate) fn recorder(state_dir: &Path, redactor: Redactor) -> Option<Recorder> {
    let writer = Writer::start(place::directory(state_dir), redactor).ok()?;
    Some(Recorder::new(move |piece| writer.take(piece)))
}

impl Writer {
    fn start(directory: PathBuf, redactor: Redactor) -> io::Result<Self> {
        let queue: Arc<(Mutex<Queue>, Condvar)> = Arc::default();
        let from = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("recordings".to_owned()).spawn(move || write(&directory, &redactor, &from))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    fn take(&self, piece: &Piece<'_>) {
        let whose = Whose { host: piece.host.to_owned(), name: piece.name.to_owned(), made: piece.made.to_owned(), size: piece.size };
        let (queue, woken) = &*self.queue;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match piece.what {
            What::Screen(bytes) | What::Output(bytes) => bytes.len(),
            What::Size => 0,
        };
        let what = if queue.bytes + bytes > WAITING {
            if let Some(Job { whose: last, what: Owned::Lost(lost), .. }) = queue.jobs.back_mut()
                && *last == whose
            {
                *lost += bytes;
                return;
            }
            Owned::Lost(bytes)
        } else {
            queue.bytes += bytes;
            match piece.what {
                What::Screen(bytes) => Owned::Screen(bytes.to_vec()),
                What::Output(bytes) => Owned::Output(bytes.to_vec()),
                What::Size => Owned::Size,
            }
        };
        queue.jobs.push_back(Job { whose, at: clock::unix(), what });
        woken.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let (queue, woken) = &*self.queue;
        queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        woken.notify_one();
        let Some(thread) = self.thread.take() else { return };
        let end = Instant::now() + FLUSH;
        while !thread.is_finished() {
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = thread.join();
    }
}

/// The thread: writes what comes until there is nothing more to come.
fn write(directory: &Path, redactor: &Redactor, queue: &(Mutex<Queue>, Condvar)) {
    let mut open: HashMap<(String, String), Tape> = HashMap::new();
    loop {
        let (jobs, closed) = next(queue);
        for job in jobs {
            if open.len() >= TAPES {
                shed(&mut open, &job.whose);
            }
            let tape = open.entry((job.whose.host.clone(), job.whose.name.clone())).or_default();
            if let Err(error) = tape.take(directory, redactor, &job) {
                tracing::debug!(%error, "a recording could not be written");
                *tape = Tape::Waits(Instant::now() + AGAIN);
            }
        }
        let now = clock::unix();
        for tape in open.values_mut() {
            if let Tape::Ours(recording) = tape
                && (closed || recording.is_overdue(now))
                && recording.pause(now).is_err()
            {
                *tape = Tape::Waits(Instant::now() + AGAIN);
            }
        }
        if closed {
            return;
        }
    }
}

/// Lets go of all recordings but one; those that go on are opened again.
fn shed(open: &mut HashMap<(String, String), Tape>, but: &Whose) {
    let now = clock::unix();
    open.retain(|(host, name), tape| {
        if *host == but.host && *name == but.name {
            return true;
        }
        if let Tape::Ours(recording) = tape
            && let Err(error) = recording.pause(now)
        {
            tracing::debug!(%error, "the end of a recording could not be written");
        }
        false
    });
}

/// What waits, or nothing after a moment; and whether no more will come.
fn next((queue, woken): &(Mutex<Queue>, Condvar)) -> (VecDeque<Job>, bool) {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
    let (mut queue, _) = woken.wait_timeout_while(queue, Duration::from_secs(1), idle).unwrap_or_else(PoisonError::into_inner);
    queue.bytes = 0;
    (std::mem::take(&mut queue.jobs), queue.closed)
}

/// The recording of one terminal, as this towline sees it.
enum Tape {
    /// Another towline writes it, or it cannot be written: asked again then.
    Waits(Instant),
    Ours(Box<Recording>),
}

impl Default for Tape {
    fn default() -> Self {
        Self::Waits(Instant::now())
    }
}

impl Tape {
    fn take(&mut self, directory: &Path, redactor: &Redactor, job: &Job) -> io::Result<()> {
        if let Self::Ours(recording) = self
            && recording.whose.made != job.whose.made
        {
            *self = Self::default();
        }
        if let Self::Waits(until) = self {
            if Instant::now() < *until {
                return Ok(());
            }
            *self = match Recording::open(directory, redactor, &job.whose, job.at)? {
                Some(recording) => Self::Ours(Box::new(recording)),
                None => Self::Waits(Instant::now() + AGAIN),
            };
        }
        match self {
            Self::Ours(recording) => recording.take(job),
            Self::Waits(_) => Ok(()),
        }
    }
}

/// A recording that is written here.
struct Recording {
    file: File,
    path: PathBuf,
    whose: Whose,
    /// What its times count from, in whole seconds since 1970.
    began: Duration,
    drawn: Drawn,
    veil: Veil,
    /// When this second began, and the bytes written in it.
    second: (Duration, usize),
    /// Bytes that were too much in this second, and the last of them.
    beyond: (usize, VecDeque<u8>),
    lost: usize,
}

impl Recording {
    /// The recording of this terminal, begun or gone on with; `None` if another writes it.
    fn open(directory: &Path, redactor: &Redactor, whose: &Whose, at: Duration) -> io::Result<Option<Self>> {
        let path = place::recording(directory, &whose.host, &whose.name);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(directory))?;
        if !path.exists() {
            place::make_room(directory);
        }
        let Some(mut file) = locked(&path)? else { return Ok(None) };
        let mut head = String::new();
        BufReader::new(&file).read_line(&mut head)?;
        let (began, goes_on) = match cast::head(&head) {
            Some(head) if head.made == whose.made => (Duration::from_secs(head.began), true),
            None if head.is_empty() => (Duration::from_secs(at.as_secs()), false),
            // An earlier terminal of that name, or no recording.
            Some(_) | None => {
                fs::rename(&path, place::older(&path))?;
                let Some(new) = locked(&path)? else { return Ok(None) };
                file = new;
                (Duration::from_secs(at.as_secs()), false)
            }
        };
        let (drawn, veil, beyond) = (Drawn::default(), Veil::new(redactor.clone()), (0, VecDeque::new()));
        let mut recording = Self { file, path, whose: whose.clone(), began, drawn, veil, second: (at, 0), beyond, lost: 0 };
        if goes_on {
            recording.event(at, "m", "recording goes on")?;
            recording.event(at, "r", &format!("{}x{}", whose.size.0, whose.size.1))?;
        } else {
            recording.begin()?;
        }
        Ok(Some(recording))
    }

    fn begin(&mut self) -> io::Result<()> {
        let Whose { host, name, made, size: (width, height) } = &self.whose;
        let title = format!("{host}/{name}");
        let head =
            json!({"version": 2, "width": width, "height": height, "timestamp": self.began.as_secs(), "title": title, "towline": made});
        writeln!(self.file, "{head}")
    }

    fn take(&mut self, job: &Job) -> io::Result<()> {
        self.whose.size = job.whose.size;
        if self.is_overdue(job.at) {
            self.turn(job.at)?;
        }
        match &job.what {
            Owned::Size => self.event(job.at, "r", &format!("{}x{}", self.whose.size.0, self.whose.size.1)),
            Owned::Lost(bytes) => {
                self.lost += bytes;
                Ok(())
            }
            // Once something was too much, what comes after it waits with it: nothing is written before what came earlier.
            Owned::Screen(bytes) | Owned::Output(bytes) if self.beyond.0 == 0 && self.second.1 + bytes.len() <= EACH_SECOND => {
                self.second.1 += bytes.len();
                self.output(job.at, bytes)
            }
            Owned::Screen(bytes) | Owned::Output(bytes) => {
                self.beyond.0 += bytes.len();
                self.beyond.1.extend(bytes);
                let old = self.beyond.1.len().saturating_sub(TAIL);
                self.beyond.1.drain(..old);
                Ok(())
            }
        }
    }

    /// Whether another second has begun; a clock that was set back begins one, too.
    fn is_overdue(&self, now: Duration) -> bool {
        now.checked_sub(self.second.0).is_none_or(|since| since >= Duration::from_secs(1))
    }

    /// Begins another second: tells what was left out of the last one, and the end of that.
    fn turn(&mut self, now: Duration) -> io::Result<()> {
        let (bytes, tail) = std::mem::take(&mut self.beyond);
        let lost = std::mem::take(&mut self.lost) + bytes - tail.len();
        self.second = (now, tail.len());
        if lost > 0 {
            self.show(now, Veil::rest)?;
            self.veil.skip();
            self.event(now, "m", &format!("{lost} bytes left out"))?;
        }
        if !tail.is_empty() {
            self.output(now, &Vec::from(tail))?;
        }
        if self.file.metadata()?.len() > limits::TRANSCRIPT_BYTES {
            fs::rename(&self.path, place::older(&self.path))?;
            if let Some(file) = locked(&self.path)? {
                self.file = file;
                self.began = Duration::from_secs(now.as_secs());
                self.begin()?;
            }
        }
        Ok(())
    }

    /// Nothing more comes for now: what is held back of it is no secret, or the end of the recording.
    fn pause(&mut self, now: Duration) -> io::Result<()> {
        self.turn(now)?;
        self.show(now, Veil::rest)
    }

    fn output(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        let text = self.drawn.take(bytes);
        self.show(at, |veil| veil.take(&text))
    }

    fn show(&mut self, at: Duration, what: impl FnOnce(&mut Veil) -> String) -> io::Result<()> {
        match what(&mut self.veil) {
            text if text.is_empty() => Ok(()),
            text => self.event(at, "o", &text),
        }
    }

    fn event(&mut self, at: Duration, kind: &str, data: &str) -> io::Result<()> {
        let seconds = at.saturating_sub(self.began).as_secs_f64();
        self.file.write_all(format!("{}\n", json!([seconds, kind, data])).as_bytes())
    }
}

/// The file of a recording, held; `None` if another towline holds it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // Whoever held it may have moved it aside meanwhile.
    let (held, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((held.ino() == there.ino() && held.dev() == there.dev()).then_some(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WHOSE: (&str, &str) = ("prod", "main");

    fn tell(writer: &Writer, made: &str, what: What<'_>) {
        writer.take(&Piece { host: WHOSE.0, name: WHOSE.1, made, size: (80, 24), what });
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(path).expect("a recording");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What is drawn, without times.
    fn events(path: &Path) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        lines(path)[1..].iter().map(|line| (text(&line[1]), text(&line[2]))).collect()
    }

    fn event(kind: &str, data: &str) -> (String, String) {
        (kind.to_owned(), data.to_owned())
    }

    #[test]
    fn a_terminal_is_recorded_privately_and_another_of_its_name_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        tell(&writer, "a", What::Screen(b"$ "));
        tell(&writer, "a", What::Output(b"ls\x1b]52;c;aGk=\x07\r\n"));
        tell(&writer, "a", What::Size);
        drop(writer);
        assert_eq!(lines(&path)[0]["title"], "prod/main");
        assert_eq!((&lines(&path)[0]["version"], &lines(&path)[0]["width"]), (&json!(2), &json!(80)));
        assert_eq!(events(&path), [event("o", "$ "), event("o", "ls\r\n"), event("r", "80x24")]);
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().expect("a directory")).expect("it is there").permissions().mode() & 0o777, 0o700);
        // Another towline goes on with it, and then a new terminal begins.
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        tell(&writer, "a", What::Output(b"more"));
        drop(writer);
        assert_eq!(events(&path)[3..], [event("m", "recording goes on"), event("r", "80x24"), event("o", "more")]);
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        tell(&writer, "b", What::Output(b"new"));
        drop(writer);
        assert_eq!(events(&path), [event("o", "new")]);
        assert_eq!(events(&place::older(&path)).len(), 6);
    }

    #[test]
    fn one_writes_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it is made");
        let held = locked(&path).expect("it can be opened").expect("it is free");
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        tell(&writer, "a", What::Output(b"x"));
        drop(writer);
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "");
        drop(held);
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        tell(&writer, "a", What::Output(b"y"));
        drop(writer);
        assert_eq!(events(&path), [event("o", "y")]);
    }

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        let writer = Writer::start(directory.path().to_owned(), Redactor::default()).expect("a thread");
        let line = b"0123456789abcde\n".repeat(4096);
        for _ in 0..100 {
            tell(&writer, "a", What::Output(&line));
        }
        tell(&writer, "a", What::Output(b"the end"));
        drop(writer);
        let all = events(&path);
        let drawn: usize = all.iter().filter(|(kind, _)| kind == "o").map(|(_, text)| text.len()).sum();
        let left_out: usize = all.iter().filter_map(|(_, text)| text.strip_suffix(" bytes left out")?.parse::<usize>().ok()).sum();
        assert_eq!(drawn + left_out, 100 * line.len() + "the end".len());
        assert!(drawn <= 3 * (EACH_SECOND + TAIL), "{drawn}");
        assert!(left_out > 0);
    }

    #[test]
    fn a_secret_is_not_recorded_however_it_is_drawn() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        let redactor = Redactor::default();
        redactor.learn("PW", &towline_base::Secret::new(b"hunter2-very".to_vec()).expect("a secret"));
        let writer = Writer::start(directory.path().to_owned(), redactor).expect("a thread");
        tell(&writer, "a", What::Screen(b"\x1b[1mhunter2\x1b[0m-\x1b[31mvery\x1b[0m\r\n"));
        for byte in b"echo hunter2-very\r\n$ hu" {
            tell(&writer, "a", What::Output(&[*byte]));
        }
        drop(writer);
        let drawn: String = events(&path).into_iter().map(|(_, text)| text).collect();
        assert_eq!(drawn, "\x1b[1m[redacted PW]\x1b[0m\x1b[31m\x1b[0m\r\necho [redacted PW]\r\n$ hu");
    }

    #[test]
    fn what_is_too_much_keeps_its_place() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        let whose = Whose { host: WHOSE.0.into(), name: WHOSE.1.into(), made: "a".into(), size: (80, 24) };
        let at = Duration::from_secs(1000);
        let mut recording = Recording::open(directory.path(), &Redactor::default(), &whose, at).expect("it opens").expect("it is ours");
        for what in [vec![b'1'; EACH_SECOND - 10], vec![b'2'; 100], vec![b'3'; 5]] {
            recording.take(&Job { whose: whose.clone(), at, what: Owned::Output(what) }).expect("it is written");
        }
        recording.turn(at).expect("it is written");
        let drawn: String = events(&path).into_iter().map(|(_, text)| text).collect();
        assert!(drawn.ends_with(&format!("{}33333", "2".repeat(100))), "{}", &drawn[drawn.len() - 120..]);
    }

    #[test]
    fn the_files_of_many_terminals_are_not_all_held() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut open = HashMap::new();
        let whose = |n: usize| Whose { host: WHOSE.0.into(), name: format!("t{n}"), made: "a".into(), size: (80, 24) };
        for n in 0..TAPES {
            let recording =
                Recording::open(directory.path(), &Redactor::default(), &whose(n), clock::unix()).expect("it opens").expect("it is ours");
            open.insert((WHOSE.0.to_owned(), format!("t{n}")), Tape::Ours(Box::new(recording)));
        }
        shed(&mut open, &whose(3));
        assert_eq!(open.keys().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["t3"]);
        assert!(locked(&place::recording(directory.path(), WHOSE.0, "t4")).expect("it opens").is_some());
    }

    #[test]
    fn a_long_recording_is_moved_aside() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = place::recording(directory.path(), WHOSE.0, WHOSE.1);
        let whose = Whose { host: WHOSE.0.into(), name: WHOSE.1.into(), made: "a".into(), size: (80, 24) };
        let mut recording = Recording::open(directory.path(), &Redactor::default(), &whose, Duration::from_secs(1000))
            .expect("it opens")
            .expect("it is ours");
        let each = u64::try_from(EACH_SECOND).expect("small");
        for second in 0..=limits::TRANSCRIPT_BYTES / each + 1 {
            let what = Owned::Output(vec![b'x'; EACH_SECOND]);
            recording.take(&Job { whose: whose.clone(), at: Duration::from_secs(1001 + second), what }).expect("it is written");
        }
        assert!(place::older(&path).exists());
        assert_eq!(lines(&path)[0]["version"], 2);
        assert!(fs::metadata(&path).expect("it is there").len() < limits::TRANSCRIPT_BYTES);
    }
}
