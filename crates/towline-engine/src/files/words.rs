//! Errors of files in the words that agents know, and paths as they are shown.

use towline_base::{Code, Failure, limits, visible};
use towline_proto::files::ToolError;
use towline_proto::files::write::Lost;

/// What was to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Listing it.
    List,
}

/// The absolute form of a path that was given, without what the kernel passes over (`.` and double slashes).
pub(crate) fn absolute(cwd: &[u8], given: &str) -> Vec<u8> {
    let mut full = if given.starts_with('/') { Vec::new() } else { cwd.to_vec() };
    for part in given.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if full.last() != Some(&b'/') {
            full.push(b'/');
        }
        full.extend_from_slice(part.as_bytes());
    }
    if full.is_empty() { b"/".to_vec() } else { full }
}

/// Bytes of a path as text.
pub(crate) fn shown(path: &[u8]) -> String {
    visible::to_text(path).0
}

/// Refuses a path that cannot be one.
pub(crate) fn check_path(parameter: &str, path: &str) -> Result<(), Failure> {
    if path.contains('\0') {
        return Err(Failure::new(Code::BadInput, format!("{parameter}: a path cannot hold a NUL byte.")));
    }
    if path.is_empty() {
        return Err(Failure::new(Code::BadInput, format!("{parameter}: the path is empty.")));
    }
    Ok(())
}

/// The failure for a host's word about one path.
pub(crate) fn failure(deed: Deed, word: &str, given: &str, cwd: &[u8]) -> Failure {
    let path = shown(&absolute(cwd, given));
    let call = match deed {
        Deed::Read => "read",
        Deed::Write => "open",
        Deed::List => "scandir",
    };
    let (code, text) = match word {
        "enoent" if deed == Deed::List => {
            (Code::NotFound, format!("Directory does not exist. Note: your current working directory is {}.", shown(cwd)))
        }
        "enoent" => (Code::NotFound, format!("File does not exist. Note: your current working directory is {}.", shown(cwd))),
        "eisdir" => (Code::WrongKind, format!("EISDIR: illegal operation on a directory, {call} '{path}'")),
        "enotdir" => (Code::WrongKind, format!("ENOTDIR: not a directory, {call} '{path}'")),
        "eacces" => (Code::Permission, format!("EACCES: permission denied, {call} '{path}'")),
        "erofs" => (Code::Permission, format!("EROFS: read-only file system, {call} '{path}'")),
        "eloop" => (Code::WrongKind, format!("ELOOP: too many symbolic links encountered, {call} '{path}'")),
        "enametoolong" => (Code::BadInput, format!("ENAMETOOLONG: name too long, {call} '{path}'")),
        "enospc" => (Code::NoSpace, format!("ENOSPC: no space left on device, write '{path}'. The file is as it was.")),
        "edquot" => (Code::NoSpace, format!("EDQUOT: disk quota exceeded, write '{path}'. The file is as it was.")),
        "efbig" => (Code::TooLarge, format!("EFBIG: file too large, write '{path}'. The file is as it was.")),
        "eexist" => (Code::BadInput, "Cannot create new file - file already exists.".to_owned()),
        "changed" => (
            Code::Changed,
            "File has been modified since read, either by the user or by a linter. Read it again before attempting to write it.".to_owned(),
        ),
        "efifo" => (Code::WrongKind, format!("'{path}' is a named pipe and no regular file.")),
        "esocket" => (Code::WrongKind, format!("'{path}' is a socket and no regular file.")),
        "edevice" => (Code::WrongKind, format!("'{path}' is a device and no regular file.")),
        "eendless" => (
            Code::WrongKind,
            format!(
                "'{path}' is a file of the kernel that does not end. Read a part of it in Bash, for example with `timeout 2 head -c 20000 FILE`."
            ),
        ),
        "eioread" => (Code::HostState, format!("EIO: i/o error, read '{path}'")),
        "eio" => {
            (Code::HostState, format!("EIO: the host's utilities failed on '{path}' (or there is no room in the state directory), {call}"))
        }
        _ => (Code::Protocol, format!("The host answered \"{}\" for '{path}'.", shown(word.as_bytes()))),
    };
    let failure = Failure::new(code, text);
    if word == "eio" { failure } else { failure.hint("") }
}

/// The failure for a whole reply.
pub(crate) fn reply_failure(deed: Deed, error: &ToolError, given: &str) -> Failure {
    match error.word.as_str() {
        "protocol" => Failure::new(Code::Protocol, format!("The host's answer cannot be read: {}.", shown(&error.detail))),
        "partial" => {
            let detail = shown(&error.detail);
            let added = detail.split(' ').next().unwrap_or_default();
            let text = format!(
                "Only the first {added} bytes of the content were added to '{given}': the disk is full or failed. What was in the file before is untouched."
            );
            Failure::new(Code::NoSpace, text)
        }
        word => failure(deed, word, given, &error.detail),
    }
}

/// Bytes as a person counts them, as the native tools write it: `1.3MB`.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let scaled = |unit: u64| format!("{:.1}", bytes as f64 / unit as f64).trim_end_matches(".0").to_owned();
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{}KB", scaled(1024)),
        0x10_0000..0x4000_0000 => format!("{}MB", scaled(0x10_0000)),
        _ => format!("{}GB", scaled(0x4000_0000)),
    }
}

/// The failure for a file that is too large to be shown.
pub(crate) fn too_large(bytes: u64, window: bool, allowed: u64) -> Failure {
    let allowed = size(allowed);
    let text = if window {
        format!(
            "The requested lines (more than {allowed}) exceed the maximum allowed size ({allowed}). Ask for fewer lines, or search for specific \
             content instead."
        )
    } else {
        format!(
            "File content ({}) exceeds maximum allowed size ({allowed}). Use offset and limit parameters to read specific portions of the file, or \
             search for specific content instead of reading the whole file.",
            size(bytes)
        )
    };
    Failure::new(Code::TooLarge, text).hint("")
}

/// The failure for a file that another program writes all the time.
pub(crate) fn unsteady() -> Failure {
    Failure::new(Code::Changed, "The file changes all the time; it could not be seen whole, and nothing was changed.").hint("")
}

/// The failure for a file that is too large to be edited.
pub(crate) fn too_large_to_edit(bytes: Option<u64>) -> Failure {
    let what = bytes.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
    let text = format!(
        "File content{what} exceeds the maximum size for Edit ({}). Change it with a command such as sed or perl.",
        size(limits::WRITE_BYTES as u64)
    );
    Failure::new(Code::TooLarge, text).hint("")
}

/// What a replaced file lost, in words.
pub(crate) fn lost(all: &[Lost]) -> Vec<String> {
    let sentence = |lost: &Lost| match lost {
        Lost::Owner(id) => format!("The file belonged to user {id}; it could not be given back to them and belongs to you now."),
        Lost::Group(id) => format!("The file belonged to group {id}; that could not be kept."),
        Lost::Mode(mode) => format!("The file's mode {mode} could not be kept."),
        Lost::Links(count) => format!("The file had {count} hard links; the other names keep the old content."),
        Lost::Acl => "The file had an access control list; it was not kept.".to_owned(),
    };
    all.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_absolute_and_plain() {
        for (cwd, given, expected) in [
            ("/w", "a.txt", "/w/a.txt"),
            ("/w", "./a//b/./c", "/w/a/b/c"),
            ("/", "a", "/a"),
            ("/w", "/a//b", "/a/b"),
            ("/w", "../a", "/w/../a"),
            ("/w", ".", "/w"),
            ("/w", "/", "/"),
            ("/w", "//", "/"),
        ] {
            assert_eq!(shown(&absolute(cwd.as_bytes(), given)), expected, "{cwd} {given}");
        }
    }

    #[test]
    fn sizes_are_written_as_natively() {
        for (bytes, text) in [(1, "1 bytes"), (1024, "1KB"), (262_144, "256KB"), (1_363_149, "1.3MB"), (5 << 30, "5GB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
