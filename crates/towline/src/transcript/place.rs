//! Where transcripts lie: `transcripts/HOST/SESSION.txt`, the older part beside it as `SESSION.1.txt`; terminals as `NAME.cast`.

use std::fs;
use std::path::{Path, PathBuf};

use towline_base::limits;

/// The directory of all transcripts.
pub(crate) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("transcripts")
}

/// A session's transcript. A host's name may begin with a dot, a directory's must not.
pub(super) fn file(directory: &Path, host: &str, session: &str) -> PathBuf {
    directory.join(host_directory(host)).join(format!("{session}.txt"))
}

/// A terminal's recording.
pub(super) fn recording(directory: &Path, host: &str, name: &str) -> PathBuf {
    directory.join(host_directory(host)).join(format!("{name}.cast"))
}

fn host_directory(host: &str) -> String {
    host.strip_prefix('.').map_or_else(|| host.to_owned(), |rest| format!("%2e{rest}"))
}

/// The host of a directory's name.
pub(super) fn host_of(directory: &str) -> String {
    directory.strip_prefix("%2e").map_or_else(|| directory.to_owned(), |rest| format!(".{rest}"))
}

/// The older part of a transcript.
pub(super) fn older(path: &Path) -> PathBuf {
    path.with_extension(if is_recording(path) { "1.cast" } else { "1.txt" })
}

/// Whether it is a terminal's recording.
pub(super) fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "cast")
}

/// Every transcript, without older parts.
pub(super) fn all(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let is_one = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        [".txt", ".cast"].iter().any(|end| name.strip_suffix(end).is_some_and(|name| !name.ends_with(".1")))
    };
    entries(directory).iter().flat_map(|host| entries(host)).filter(is_one).collect()
}

/// Removes the transcripts that were quiet for longest, beyond the number that is kept.
pub(super) fn make_room(directory: &Path) {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> =
        all(directory).into_iter().filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path))).collect();
    found.sort();
    let beyond = (found.len() + 1).saturating_sub(limits::TRANSCRIPTS);
    for (_, path) in found.into_iter().take(beyond) {
        let _ = fs::remove_file(older(&path));
        let _ = fs::remove_file(path);
    }
}
