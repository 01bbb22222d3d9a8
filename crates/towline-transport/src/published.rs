//! What all towline processes of the user know of their shared connections: one small file per destination, under a lock.
//!
//! Holds to: a reader never sees half a file (written beside, renamed); what is written is a claim, and a socket is used only after
//! it was checked; the lock is held while a connection is made, so that one login serves all. A home that machines share is no
//! danger: the key holds the machine and its boot. Leaves out: connecting.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use towline_base::{clock, limits};

use crate::error::TransportError;
use crate::sockets;

/// How often a lock that is held is tried again.
const RETRY: Duration = Duration::from_millis(10);
/// Seconds for which a master whose starter is gone may still come up: all that ssh may take to connect, twice.
const COMING: u64 = 2 * limits::CONNECT.as_secs();
/// The layout of the files; a later one has another name and is never misread.
const LAYOUT: &str = "v1-";

/// Where the files of all destinations lie.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    dir: PathBuf,
}

/// The file of one destination.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    file: PathBuf,
}

/// The right to change a notice; ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Text {
    /// Sockets of control masters, the newest last.
    sockets: Vec<PathBuf>,
    /// Sockets of masters that are being started, and since when, in seconds since 1970: whoever starts one may be killed meanwhile,
    /// and the master still comes up.
    #[serde(default)]
    coming: BTreeMap<PathBuf, u64>,
}

impl Board {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("ssh") }
    }

    /// The notice for what `ssh -G` and the arguments say; two that say the same share it.
    pub(crate) fn notice(&self, parts: &[&[u8]]) -> Notice {
        let mut digest = Sha256::new();
        for part in machine().iter().map(Vec::as_slice).chain(parts.iter().copied()) {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let name: Vec<String> = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Notice { file: self.dir.join(format!("{LAYOUT}{}.json", name.concat())) }
    }

    /// Every notice that there is.
    pub(crate) fn all(&self) -> Vec<Notice> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let is_notice = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(LAYOUT) && file.extension().is_some_and(|extension| extension == "json")
        };
        entries.flatten().map(|entry| entry.path()).filter(is_notice).map(|file| Notice { file }).collect()
    }
}

impl Notice {
    /// Waits for the lock.
    pub(crate) async fn lock(&self, deadline: Instant) -> Result<Option<Lock>, TransportError> {
        let failed = |error| TransportError::local("locking the list of connections", error);
        let dir = self.file.parent().unwrap_or(Path::new("/"));
        sockets::private(dir).map_err(failed)?;
        let file = self.file.with_extension("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file).map_err(failed)?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Lock { _file: file })),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// The sockets that are claimed to be masters, the newest first.
    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        let Text { mut sockets, coming } = self.read();
        let up = coming.into_keys().filter(|socket| socket.exists() && !sockets.contains(socket));
        sockets.extend(up.collect::<Vec<_>>());
        sockets.reverse();
        sockets
    }

    /// The sockets of masters that are being started.
    pub(crate) fn coming(&self) -> Vec<PathBuf> {
        self.read().coming.into_keys().collect()
    }

    fn read(&self) -> Text {
        fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Tells of a socket whose master is about to be started.
    pub(crate) fn announce(&self, _lock: &Lock, socket: &Path) -> io::Result<()> {
        let mut text = self.read();
        text.coming.insert(socket.to_owned(), clock::unix().as_secs());
        self.write(text)
    }

    /// Adds a socket.
    pub(crate) fn add(&self, _lock: &Lock, socket: &Path) -> io::Result<()> {
        let mut text = self.read();
        text.coming.remove(socket);
        text.sockets.push(socket.to_owned());
        self.write(text)
    }

    /// Takes a socket off; without any, the file goes away.
    pub(crate) fn remove(&self, _lock: &Lock, socket: &Path) -> io::Result<()> {
        let mut text = self.read();
        text.coming.remove(socket);
        text.sockets.retain(|other| other != socket);
        self.write(text)
    }

    fn write(&self, mut text: Text) -> io::Result<()> {
        let now = clock::unix().as_secs();
        text.coming.retain(|socket, since| socket.exists() || now < since.saturating_add(COMING));
        if text.sockets.is_empty() && text.coming.is_empty() {
            return match fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec(&text)?;
        let beside = self.file.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        fs::rename(beside, &self.file)
    }
}

/// What tells this machine, since it was started, from every other.
fn machine() -> [Vec<u8>; 2] {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    [rustix::system::uname().nodename().to_bytes().to_vec(), boot]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_notice_is_shared_by_what_says_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let board = Board::new(dir.path());
        let (one, same, other) = (board.notice(&[b"a", b"b"]), board.notice(&[b"a", b"b"]), board.notice(&[b"ab", b""]));
        let soon = Instant::now() + Duration::from_millis(30);
        let lock = one.lock(soon).await.expect("it can be locked").expect("it is free");
        assert!(same.lock(soon).await.expect("no error").is_none());
        assert!(other.lock(soon).await.expect("no error").is_some());
        one.add(&lock, Path::new("/x/1")).expect("it can be written");
        one.add(&lock, Path::new("/x/2")).expect("it can be written");
        assert_eq!(same.sockets(), [PathBuf::from("/x/2"), "/x/1".into()]);
        assert_eq!(board.all().len(), 1);
        one.remove(&lock, Path::new("/x/2")).expect("it can be written");
        one.remove(&lock, Path::new("/x/1")).expect("it can be removed");
        one.remove(&lock, Path::new("/x/1")).expect("twice does no harm");
        assert!(same.sockets().is_empty() && board.all().is_empty());
    }

    #[test]
    fn a_spoilt_notice_says_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let notice = Notice { file: dir.path().join("x.json") };
        for text in ["", "{", "[]", "{\"sockets\":[1]}", "\u{0}"] {
            fs::write(&notice.file, text).expect("a file can be written");
            assert!(notice.sockets().is_empty(), "{text}");
        }
    }
}
