//! What is remembered of each terminal on this machine: where it was last looked at and typed into.
//!
//! Holds to: one private file for each, under a lock while it is read and written, so that a restart goes on where the last towline
//! stopped and two towlines tell no change twice; a file of another terminal of the same name (or of a newer layout) says nothing.
//! Leaves out: what a screen shows; secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use towline_base::redact::Redactor;
use towline_base::{Code, Failure, HostAlias, TerminalName};

use super::place::Place;

/// Bytes of what was typed that are remembered, to know its echo.
const TYPED_BYTES: usize = 4096;
/// How long others may hold a memory together: each needs one look at tmux, some milliseconds; and how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(3);
/// The layout of the files.
const LAYOUT: u32 = 1;

/// What is remembered of a terminal.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    layout: u32,
    /// Tells the terminal from an earlier one of its name.
    made: String,
    /// Where it stood when something was sent to it, or a pattern was found in it.
    pub(crate) sent: Option<Place>,
    /// The lines that were typed then.
    pub(crate) typed: Vec<String>,
    /// Where it stood when its changes were last told.
    pub(crate) told: Option<Place>,
}

/// The memory of one terminal, held against others.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) memory: Memory,
    file: PathBuf,
    _lock: File,
}

impl Memory {
    /// Remembers what was typed.
    pub(crate) fn set_typed(&mut self, text: &str) {
        let mut end = text.len().min(TYPED_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.typed = text[..end].lines().map(str::to_owned).collect();
    }
}

/// Opens the memory of a terminal. Who has it may be waiting for tmux, in this very process: nothing is blocked meanwhile.
pub(crate) async fn hold(state_dir: &Path, host: &HostAlias, name: &TerminalName, made: &str) -> Result<Held, Failure> {
    let path = path(state_dir, host, name);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open(&path, made) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            done => return done.map_err(|error| Failure::new(Code::Local, format!("remembering the terminal {name}: {error}"))),
        }
    }
}

/// Whether a terminal of that name was known.
pub(crate) fn is_known(state_dir: &Path, host: &HostAlias, name: &TerminalName) -> bool {
    path(state_dir, host, name).exists()
}

/// Forgets a terminal.
pub(crate) fn forget(state_dir: &Path, host: &HostAlias, name: &TerminalName) {
    let file = path(state_dir, host, name);
    let _ = fs::remove_file(file.with_extension("lock"));
    let _ = fs::remove_file(file);
}

/// `HOST/NAME.json`; a host's name holds no `/` and is never `.` or `..` as a whole, since a name follows `@`.
fn path(state_dir: &Path, host: &HostAlias, name: &TerminalName) -> PathBuf {
    state_dir.join("terminals").join(format!("@{host}")).join(format!("{name}.json"))
}

fn open(file: &Path, made: &str) -> io::Result<Held> {
    if let Some(dir) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file.with_extension("lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let memory: Option<Memory> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let memory = memory.filter(|memory| memory.layout == LAYOUT && memory.made == made);
    let memory = memory.unwrap_or_else(|| Memory { layout: LAYOUT, made: made.to_owned(), ..Memory::default() });
    Ok(Held { memory, file: file.to_owned(), _lock: lock })
}

impl Held {
    /// Writes it down without secrets, and lets go of it.
    pub(crate) fn keep(mut self, redactor: &Redactor) -> Result<(), Failure> {
        let Memory { layout: _, made: _, sent, typed, told } = &mut self.memory;
        sent.iter_mut().chain(told).for_each(|place| place.redact(redactor));
        for line in typed {
            *line = redactor.text(line).into_owned();
        }
        let write = || -> io::Result<()> {
            let beside = self.file.with_extension("new");
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
            file.write_all(&serde_json::to_vec(&self.memory)?)?;
            fs::rename(beside, &self.file)
        };
        write().map_err(|error| Failure::new(Code::Local, format!("remembering a terminal: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_memory_is_of_one_terminal_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let (host, name) = (HostAlias::parse("a.b:1").expect("a host"), TerminalName::parse("job-1").expect("a name"));
        let of = async |made: &str| hold(dir.path(), &host, &name, made).await.expect("it opens");
        let mut held = of("one").await;
        held.memory.set_typed("a\nb");
        // One that waits for it keeps nobody from letting it go.
        let (kept, later) = tokio::join!(biased; async { of("one").await.memory.typed }, async { held.keep(&Redactor::default()) });
        assert_eq!((kept, later), (vec!["a".to_owned(), "b".to_owned()], Ok(())));
        assert!(of("two").await.memory.typed.is_empty());
        let file = path(dir.path(), &host, &name);
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(&file, "{\"layout\":2}").expect("it can be written");
        assert!(of("one").await.memory.typed.is_empty());
        assert!(is_known(dir.path(), &host, &name));
        forget(dir.path(), &host, &name);
        assert!(!is_known(dir.path(), &host, &name));
        let mut memory = Memory::default();
        memory.set_typed(&"é".repeat(TYPED_BYTES));
        assert!(memory.typed[0].len() <= TYPED_BYTES);
    }
}
