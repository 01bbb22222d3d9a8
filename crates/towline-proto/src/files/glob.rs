//! Glob: files by name.
//!
//! Holds to: the host lists a superset in one round trip, the patterns are matched here; regular files only, hidden and
//! ignored ones too, as the native tool does; the directories of version control only if the pattern names one. Leaves out:
//! who carries the bytes.

mod filter;

use super::search::{self, End, Found, SearchError, Stamped};
use super::{ToolCall, ToolError};

pub use filter::{Hints, PathFilter, hints};

/// The program on the host.
pub const PROGRAM: &str = include_str!("../sh/glob.sh");

/// Files that one answer shows; the others are counted.
pub const SHOWN: usize = 500;

/// Directories of version control.
pub(super) const VERSION_CONTROL: [&str; 6] = [".git", ".svn", ".hg", ".bzr", ".jj", ".sl"];

/// A search for files by name, ready to be sent.
#[derive(Clone, Debug)]
pub struct GlobSearch {
    root: String,
    base: String,
    /// What an absolute pattern begins with: its paths are shown absolute.
    prefix: String,
    filter: PathFilter,
    hints: Hints,
    version_control: bool,
}

impl GlobSearch {
    /// Reads a pattern; `path` is where it is searched, the session's directory if not given.
    ///
    /// # Errors
    /// If the pattern is no glob, or one of both cannot be sent.
    pub fn new(pattern: &str, path: Option<&str>) -> Result<Self, SearchError> {
        if pattern.contains('\0') {
            return Err(SearchError::Nul("pattern"));
        }
        let path = path.unwrap_or_default();
        if path.contains('\0') {
            return Err(SearchError::Nul("path"));
        }
        // The pattern as it stands must be one, whatever becomes of its parts.
        PathFilter::new(&[pattern]).map_err(SearchError::Rejected)?;
        let (base, rest) = split_base(pattern);
        let (root, prefix, base) = match base.strip_prefix('/') {
            Some(below) => ("/".to_owned(), "/".to_owned(), below.to_owned()),
            None => (path.to_owned(), String::new(), base),
        };
        let filter = PathFilter::new(&[&rest]).map_err(SearchError::Rejected)?;
        let version_control = pattern.split('/').any(|part| VERSION_CONTROL.contains(&part));
        let hints = hints(&[&rest]);
        Ok(Self { root, base, prefix, filter, hints, version_control })
    }

    /// The directory below which files are looked for: the search reads nothing elsewhere, and follows no link below it.
    #[must_use]
    pub fn place(&self) -> String {
        let root = if self.root.is_empty() { "." } else { &self.root };
        std::iter::once(root).chain(self.begins()).collect::<Vec<_>>().join("/")
    }

    /// The directories that the pattern begins with.
    fn begins(&self) -> impl Iterator<Item = &str> {
        // The pattern's own literal beginning was taken off already; what the hints found below it is a host's matter too.
        [self.base.as_str(), self.hints.base.as_str()].into_iter().filter(|part| !part.is_empty())
    }

    /// The request.
    #[must_use]
    pub fn call(&self) -> ToolCall {
        let base = self.begins().collect::<Vec<_>>();
        let depth = self.hints.depth.map_or(0, |depth| depth);
        let mut args: Vec<Vec<u8>> = vec![
            self.root.clone().into_bytes(),
            base.join("/").into_bytes(),
            depth.to_string().into_bytes(),
            u8::from(self.version_control).to_string().into_bytes(),
            (search::FILES + 1).to_string().into_bytes(),
            search::SECONDS.to_string().into_bytes(),
        ];
        args.extend(self.hints.names.iter().map(|name| name.clone().into_bytes()));
        ToolCall { tool: "glob", args: search::with_length(args), payload: Vec::new() }
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// If the host could not search, or the reply is none.
    pub fn parse(&self, status: u8, body: &[u8]) -> Result<Found, ToolError> {
        if status != 0 {
            return Err(ToolError::parse(body));
        }
        let (listed, end) = End::split(body)?;
        let (files, _) = search::stamps(listed)?;
        let cut = files.len() > search::FILES || listed.len() >= search::REPLY;
        let seen = files.len();
        let below = |path: &[u8]| -> Vec<u8> {
            let base = self.hints.base.as_bytes();
            if base.is_empty() { path.to_vec() } else { [base, b"/", path].concat() }
        };
        let mut files: Vec<Stamped> = files
            .into_iter()
            .map(|file| Stamped { path: below(&file.path), stamp: file.stamp })
            .filter(|file| self.filter.allows(&file.path))
            .collect();
        let ordered = search::newest_first(&mut files);
        if ordered {
            oldest_first(&mut files);
        }
        let mut notes = Vec::new();
        let total = files.len();
        let mut marked = 0;
        let mut lines: Vec<String> = Vec::new();
        for file in files.iter().take(SHOWN) {
            let (text, count) = search::path_text(&self.shown(&file.path));
            marked += count;
            lines.push(text);
        }
        if total > SHOWN {
            lines.push(format!(
                "(Results are truncated: {SHOWN} of {total} files, oldest modification first. Consider using a more specific path or pattern.)"
            ));
        }
        let text = if lines.is_empty() { "No files found".to_owned() } else { lines.join("\n") };
        if cut {
            notes.push(format!(
                "The search stopped after {seen} files that could match; there may be more. Use a more specific path or pattern."
            ));
        }
        notes.extend(end.too_long());
        notes.extend(end.left_out(&[self.base.as_str(), self.hints.base.as_str()].concat()));
        if !ordered {
            notes.push(search::NO_TIMES.to_owned());
        }
        notes.extend(end.unreadable());
        notes.extend(search::marked_note(marked));
        Ok(Found { text, notes, root: search::path_text(&end.root).0 })
    }

    /// The path as an answer shows it: with what the pattern began with.
    fn shown(&self, path: &[u8]) -> Vec<u8> {
        let mut shown = self.prefix.clone().into_bytes();
        if !self.base.is_empty() {
            shown.extend(self.base.as_bytes());
            shown.push(b'/');
        }
        shown.extend(path);
        shown
    }
}

/// Turns the order of times round; equal times stay in the order of names.
fn oldest_first(files: &mut [Stamped]) {
    files.reverse();
    let mut at = 0;
    while at < files.len() {
        let same = files[at..].iter().take_while(|file| file.stamp == files[at].stamp).count();
        files[at..at + same].reverse();
        at += same;
    }
}

/// Parts a pattern into the directories that it begins with and the rest, which keeps its anchor.
fn split_base(pattern: &str) -> (String, String) {
    if pattern.starts_with('!') {
        return (String::new(), pattern.to_owned());
    }
    let mut base = Vec::new();
    let mut rest = pattern;
    while let Some((part, after)) = rest.split_once('/') {
        if part.contains(['*', '?', '[', ']', '\\', '{', '}']) || after.is_empty() {
            break;
        }
        if part != "." && (!part.is_empty() || base.is_empty()) {
            base.push(part);
        }
        rest = after;
    }
    if rest.len() == pattern.len() {
        return (String::new(), pattern.to_owned());
    }
    let absolute = base.first().is_some_and(|part| part.is_empty());
    let base = if absolute { format!("/{}", base[1..].join("/")) } else { base.join("/") };
    (base, format!("/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_is_parted_where_its_globs_begin() {
        let cases = [
            ("*.rs", "", "*.rs"),
            ("src/**/*.rs", "src", "/**/*.rs"),
            ("./a/b/c", "a/b", "/c"),
            ("../x/*.c", "../x", "/*.c"),
            ("/etc/*.conf", "/etc", "/*.conf"),
            ("/*.conf", "/", "/*.conf"),
            ("a//b", "a", "/b"),
            ("{a,b}/c", "", "{a,b}/c"),
            ("src/", "", "src/"),
            ("!x/y", "", "!x/y"),
        ];
        for (pattern, base, rest) in cases {
            assert_eq!(split_base(pattern), (base.to_owned(), rest.to_owned()), "{pattern}");
        }
    }

    #[test]
    fn an_answer_tells_what_was_found_in_the_order_of_time() {
        let search = GlobSearch::new("src/*.rs", None).unwrap();
        let body = b"3 new.rs\0\n1 old.rs\0\n1 older\nname.rs\0\n2 sub/no.rs\0\n\n\0T find 0 1 0 0 0\0/w\0\0";
        let found = search.parse(0, body).unwrap();
        assert_eq!(found.text, "src/old.rs\nsrc/older\\x0aname.rs\nsrc/new.rs");
        assert_eq!(found.root, "/w");
        assert_eq!(found.notes, ["1 character that is no printable text is written as \\xHH."]);
        assert_eq!(search.parse(0, b"\n\0T find 0 1 0 0 0\0/w\0\0").unwrap().text, "No files found");
        assert_eq!(search.parse(1, b"enoent /w").unwrap_err().word, "enoent");
    }

    #[test]
    fn a_cut_is_told_with_the_exact_count() {
        let search = GlobSearch::new("*", None).unwrap();
        let mut body = Vec::new();
        for n in 0..SHOWN + 7 {
            body.extend(format!("{n} f{n}\0\n").into_bytes());
        }
        body.extend(b"\n\0T find 0 1 0 0 2\0/w\0find: x\0");
        let found = search.parse(0, &body).unwrap();
        assert!(found.text.ends_with(
            "f499\n(Results are truncated: 500 of 507 files, oldest modification first. Consider using a more specific path or pattern.)"
        ));
        assert_eq!(found.notes, ["2 files or directories could not be read; the first message: find: x"]);
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(status in 0_u8..3, body in proptest::collection::vec(any::<u8>(), 0..200), tail in "[0-9 ~.\\-]{0,12}") {
            let search = GlobSearch::new("**/*.{rs,c}", Some("x")).unwrap();
            let _ = search.parse(status, &body);
            let mut whole = body;
            whole.extend(tail.as_bytes());
            whole.extend(b" a\0\n\n\0T find 0 1 0 0 0\0/w\0\0");
            let _ = search.parse(status, &whole);
        }

        #[test]
        fn no_pattern_makes_it_panic(pattern in "[a-z*?\\[\\]{},!/\\\\.: é-]{0,20}") {
            if let Ok(search) = GlobSearch::new(&pattern, None) {
                let _ = search.call();
            }
        }
    }
}
