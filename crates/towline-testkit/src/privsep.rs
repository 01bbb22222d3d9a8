//! The empty directory that sshd as root wants (`/run/sshd`), where the system has not made it.
//!
//! Its path is compiled into sshd, and a mount namespace would hide `/run` from the sessions; so it is made if it is missing,
//! held by a shared lock while any lab of the machine runs, and removed by the last one, also after a crash of an earlier one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

const DIR: &str = "/run/sshd";
/// Says that a lab made the directory and may remove it.
const OURS: &str = "/run/sshd/.made-by-towline-testkit";

/// A hold on the directory.
#[derive(Debug)]
pub(crate) struct PrivsepDir {
    dir: File,
}

impl PrivsepDir {
    /// Makes the directory if it is missing and holds it; `None` where sshd does not want it.
    pub(crate) fn hold() -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() || !Path::new("/run").is_dir() {
            return Ok(None);
        }
        for _ in 0..100 {
            match fs::DirBuilder::new().mode(0o755).create(DIR) {
                Ok(()) => drop(File::create(OURS)?),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let Ok(dir) = File::open(DIR) else { continue };
            flock(&dir, FlockOperation::LockShared)?;
            // Between the two calls another lab may have removed it.
            if fs::metadata(DIR).is_ok_and(|now| dir.metadata().is_ok_and(|held| held.ino() == now.ino())) {
                return Ok(Some(Self { dir }));
            }
        }
        Err(io::Error::other("/run/sshd comes and goes"))
    }
}

impl Drop for PrivsepDir {
    fn drop(&mut self) {
        let last = flock(&self.dir, FlockOperation::NonBlockingLockExclusive).is_ok();
        if last && Path::new(OURS).exists() {
            let _ = fs::remove_file(OURS);
            let _ = fs::remove_dir(DIR);
        }
    }
}
