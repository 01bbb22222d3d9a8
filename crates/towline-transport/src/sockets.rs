//! Private directories of this user: where control sockets and what is said about them lie.
//!
//! Holds to: a directory is used only if it is one (no link), belongs to this user and is closed to all others; a lax one is refused,
//! never repaired, because somebody may be in it already. Leaves out: what lies there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use towline_base::Nonce;

use crate::error::TransportError;

/// Longest path of a control socket: ssh appends 17 bytes while it makes it, and 108 (Linux) or 104 (macOS) is the system's end.
const PATH_BYTES: usize = if cfg!(target_os = "linux") { 90 } else { 86 };
/// Random hexadecimal digits in a socket's name.
const NAME_DIGITS: usize = 12;
/// How the name of every socket begins.
const NAME: &str = "m-";
/// The extension of a desk's socket, where ssh's questions come.
pub(crate) const DESK: &str = "ask";
/// How old a socket without a listener is before it is taken for left behind.
const COMING_UP: Duration = Duration::from_secs(60);
/// The same for one that ssh has made, which listens in the next moment.
const UP: Duration = Duration::from_secs(2);
/// How long a listener may take to accept; a live one needs microseconds, a stopped one with a full queue never does.
const ACCEPT: Duration = Duration::from_secs(1);

/// Makes the directory (and those above it) if it is missing, and checks that it is private.
pub(crate) fn private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(dir)?;
    let meta = fs::symlink_metadata(dir)?;
    let wrong = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", dir.display())));
    if !meta.is_dir() {
        return wrong("is not a directory");
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return wrong("belongs to another user");
    }
    if meta.mode() & 0o077 != 0 {
        return wrong("is open to other users; it must have mode 700");
    }
    Ok(())
}

/// A path for a new socket, in the first directory that is private and short enough: the user's runtime directory, the state
/// directory, `/tmp/towline-UID`.
pub(crate) fn fresh(runtime: Option<&Path>, state: &Path) -> Result<PathBuf, TransportError> {
    let mut reason = io::Error::other("no directory is short enough for a socket");
    for dir in directories(runtime, state) {
        match private(&dir) {
            Ok(()) => return Ok(dir.join(format!("{NAME}{}", &Nonce::mint().as_str()[..NAME_DIGITS]))),
            Err(error) => reason = error,
        }
    }
    Err(TransportError::local("finding a private directory for a socket", reason))
}

/// The directories that are short enough for a socket, the best first; whether they are private is looked at when one is made.
pub(crate) fn directories(runtime: Option<&Path>, state: &Path) -> Vec<PathBuf> {
    let last = PathBuf::from(format!("/tmp/towline-{}", rustix::process::geteuid().as_raw()));
    let candidates = runtime.map(|dir| dir.join("towline")).into_iter().chain([state.join("run"), last]);
    candidates.filter(|dir| dir.as_os_str().len() + 1 + NAME.len() + NAME_DIGITS <= PATH_BYTES && is_plain(dir)).collect()
}

/// Takes away what desks and masters that were killed left behind: sockets where nobody listens, and not the newest, whose owner may be
/// about to listen. Also those that ssh makes under another name first, which stay where it is killed in that moment.
pub(crate) async fn sweep(dirs: &[PathBuf]) {
    for dir in dirs.iter().filter(|dir| dir.is_dir() && private(dir).is_ok()) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_desk = path.extension().is_some_and(|extension| extension == DESK);
            let is_master = !is_desk && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(NAME));
            let patience = if is_desk { COMING_UP } else { UP };
            if (is_desk || is_master) && is_left_behind(&path, patience).await {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

async fn is_left_behind(socket: &Path, patience: Duration) -> bool {
    let Ok(meta) = fs::symlink_metadata(socket) else { return false };
    let old = meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > patience));
    if !old || !meta.file_type().is_socket() {
        return false;
    }
    // One that hangs is somebody's.
    let answer = tokio::time::timeout(ACCEPT, UnixStream::connect(socket)).await;
    matches!(answer, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The runtime directory that the desktop would have named: `/run/user/UID`.
pub(crate) fn usual_runtime_dir() -> Option<PathBuf> {
    let dir = PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    (dir.is_dir() && private(&dir).is_ok()).then_some(dir)
}

/// Whether a socket is this user's and lies in a private directory.
pub(crate) fn is_ours(socket: &Path) -> bool {
    let good = |meta: fs::Metadata| meta.file_type().is_socket() && meta.uid() == rustix::process::geteuid().as_raw();
    let dir = socket.parent().filter(|dir| dir.is_dir());
    dir.is_some_and(|dir| private(dir).is_ok()) && fs::symlink_metadata(socket).is_ok_and(good)
}

/// Whether somebody listens there.
pub(crate) async fn listens(socket: &Path) -> bool {
    matches!(tokio::time::timeout(ACCEPT, UnixStream::connect(socket)).await, Ok(Ok(_)))
}

/// ssh expands `${…}` in a socket's path, and there is no way to write a `$` that stays.
fn is_plain(dir: &Path) -> bool {
    dir.is_absolute() && dir.to_str().is_some_and(|text| !text.contains(['$', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_private_directory_is_used() {
        let base = tempfile::tempdir().expect("a directory");
        let at = |name: &str| base.path().join(name);
        assert!(private(&at("new/deep")).is_ok());
        assert_eq!(fs::metadata(at("new")).expect("it is there").mode() & 0o777, 0o700);
        fs::set_permissions(at("new"), fs::Permissions::from_mode(0o750)).expect("its mode can be set");
        assert!(private(&at("new")).is_err());
        symlink(at("new/deep"), at("link")).expect("a link can be made");
        assert!(private(&at("link")).is_err());
        fs::write(at("file"), "").expect("a file can be made");
        assert!(private(&at("file")).is_err());
        if !rustix::process::geteuid().is_root() {
            assert!(private(Path::new("/")).is_err());
        }
    }

    #[tokio::test]
    async fn what_killed_masters_left_is_swept_and_what_listens_is_not() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = base.path().join("towline");
        private(&dir).expect("a private directory");
        let at = |name: &str| dir.join(name);
        // A name of ssh's own while it makes one; one whose owner is gone; a file; somebody else's; one that is too new to be judged.
        let old = towline_base::clock::unix().saturating_sub(Duration::from_secs(10));
        for (name, lives) in [
            ("m-012345abcdef.AbCdEfGhIjKlMnOp", false),
            ("m-012345abcdef", false),
            ("other", false),
            ("m-fedcba543210", true),
            ("m-new", false),
        ] {
            let listener = std::os::unix::net::UnixListener::bind(at(name)).expect("a socket");
            if lives {
                std::mem::forget(listener);
            }
            if name != "m-new" {
                let times = rustix::fs::Timestamps { last_access: timespec(old), last_modification: timespec(old) };
                rustix::fs::utimensat(rustix::fs::CWD, at(name), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                    .expect("its time can be set");
            }
        }
        fs::write(at("m-file"), "").expect("a file");
        sweep(std::slice::from_ref(&dir)).await;
        let mut left: Vec<String> =
            fs::read_dir(&dir).expect("a list").flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, ["m-fedcba543210", "m-file", "m-new", "other"]);
    }

    fn timespec(at: Duration) -> rustix::fs::Timespec {
        rustix::fs::Timespec { tv_sec: i64::try_from(at.as_secs()).expect("before the end of time"), tv_nsec: 0 }
    }

    #[test]
    fn a_directory_that_another_user_made_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: a_directory_that_another_user_made_is_refused: only root can make one for another user");
            return;
        }
        let base = tempfile::tempdir().expect("a directory");
        let theirs = base.path().join("towline");
        fs::create_dir(&theirs).expect("a directory can be made");
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
        assert!(private(&theirs).is_ok());
        std::os::unix::fs::chown(&theirs, Some(54_321), None).expect("root may give it away");
        let error = private(&theirs).expect_err("refused");
        assert!(error.to_string().contains("belongs to another user"), "{error}");
        let fallback = base.path().join("state");
        assert!(fresh(Some(base.path()), &fallback).expect("a path").starts_with(&fallback), "the next one is taken");
    }

    #[test]
    fn a_socket_path_is_fresh_short_and_falls_back() {
        let base = tempfile::Builder::new().prefix("t").tempdir_in("/tmp").expect("a directory");
        let (run, state) = (base.path().join("run"), base.path().join("state"));
        let one = fresh(Some(&run), &state).expect("a path");
        assert!(one.starts_with(run.join("towline")) && one != fresh(Some(&run), &state).expect("a path"));
        fs::set_permissions(run.join("towline"), fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        assert!(fresh(Some(&run), &state).expect("a path").starts_with(state.join("run")));
        let long = base.path().join("x".repeat(80));
        assert!(fresh(Some(&long), &state).expect("a path").starts_with(state.join("run")));
        assert!(fresh(Some(Path::new("/tmp/${HOME}")), &state).expect("a path").starts_with(state.join("run")));
    }
}
