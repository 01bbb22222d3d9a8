//! Who watches: a locked file for each view, so that a view that was killed does not count.
//!
//! Holds to: looking is a few system calls; what a dead view left is removed by who finds it. Leaves out: what is done for them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The mark of a view that is open; it goes with this value, or with the process.
#[derive(Debug)]
pub struct Watching {
    path: PathBuf,
    _file: File,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("watchers")
}

/// Tells every towline of this state directory that somebody watches.
///
/// # Errors
/// If the mark cannot be made.
pub fn announce(state_dir: &Path) -> io::Result<Watching> {
    let directory = directory(state_dir);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let path = directory.join(towline_base::Handle::mint().as_str());
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Watching { path, _file: file })
}

/// Whether a view is open.
pub(super) fn any(state_dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory(state_dir)) else { return false };
    entries.flatten().any(|entry| is_held(&entry.path()))
}

fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // Its view is gone, unless it is just being made and not locked yet.
            let old = file.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 5));
            if old {
                let _ = fs::remove_file(path);
            }
            false
        }
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_seen_as_long_as_it_is_open() {
        let place = tempfile::tempdir().expect("a directory");
        assert!(!any(place.path()));
        let (one, two) = (announce(place.path()).expect("a mark"), announce(place.path()).expect("a mark"));
        assert!(any(place.path()));
        drop(one);
        assert!(any(place.path()));
        drop(two);
        assert!(!any(place.path()));
        fs::write(directory(place.path()).join("left"), "").expect("written");
        assert!(!any(place.path()), "what a dead view left is no view");
    }
}
