//! Where transcripts lie: `transcripts/HOST/SESSION.txt`, the older part beside it as `SESSION.1.txt`; terminals as `.cast`.

use std::path::{Path, PathBuf};

/// The directory of all transcripts.
pub(crate) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("transcripts")
}

/// A session's transcript. A host's name may begin with a dot, a directory's must not.
pub(super) fn file(directory: &Path, host: &str, session: &str) -> PathBuf {
    directory.join(host_directory(host)).join(format!("{session}.txt"))
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
    path.with_extension("1.txt")
}

/// Every transcript, without older parts.
pub(super) fn all(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let is_one = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let end = path.extension().unwrap_or_default();
        (end == "txt" && !name.ends_with(".1.txt")) || end == "cast"
    };
    entries(directory).iter().flat_map(|host| entries(host)).filter(is_one).collect()
}
