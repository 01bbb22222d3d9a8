//! Glob and Grep: one round trip, answered in the words of the native tools.
//!
//! Holds to: nothing found is only said where everything was searched; what was not searched stands in the notes. Leaves out:
//! what a pattern means and what a reply holds (towline-proto).

use towline_base::{Code, Failure};
use towline_proto::files::ToolError;
use towline_proto::files::glob::GlobSearch;
use towline_proto::files::grep::{GrepRequest, GrepSearch};
use towline_proto::files::search::{Found, SearchError};

use super::words::{absolute, check_path, shown};
use super::{ToolLine, words};
use crate::action::{Glob, Grep, GrepMode};
use crate::answer::{Answer, Body};

/// Finds files by name.
///
/// # Errors
/// If the pattern is none, or the host could not search.
pub(crate) async fn glob(line: &impl ToolLine, glob: &Glob) -> Result<Answer, Failure> {
    let path = given(glob.path.as_deref())?;
    let search = GlobSearch::new(&glob.pattern, path).map_err(|error| refusal(&error))?;
    let reply = line.call(search.call()).await?;
    let found = search.parse(reply.status, &reply.body).map_err(|error| failure(&error, path.unwrap_or_default()))?;
    Ok(answer(found, path))
}

/// Finds text in files.
///
/// # Errors
/// If the pattern, a glob or the type is none, or the host could not search.
pub(crate) async fn grep(line: &impl ToolLine, grep: &Grep) -> Result<Answer, Failure> {
    let path = given(grep.path.as_deref())?;
    let search = GrepSearch::new(request(grep)).map_err(|error| refusal(&error))?;
    let reply = line.call(search.call()).await?;
    let found = search.parse(reply.status, &reply.body).map_err(|error| failure(&error, path.unwrap_or_default()))?;
    Ok(answer(found, path))
}

/// The same request in the words of the line; `context` counts on each side that has no number of its own.
fn request(grep: &Grep) -> GrepRequest {
    GrepRequest {
        pattern: grep.pattern.clone(),
        path: grep.path.clone().filter(|path| !path.is_empty()),
        glob: grep.glob.clone(),
        file_type: grep.file_type.clone().filter(|name| !name.is_empty()),
        mode: match grep.mode {
            GrepMode::Content => towline_proto::files::grep::GrepMode::Content,
            GrepMode::Files => towline_proto::files::grep::GrepMode::Files,
            GrepMode::Count => towline_proto::files::grep::GrepMode::Count,
        },
        after: grep.after.or(grep.context).unwrap_or(0),
        before: grep.before.or(grep.context).unwrap_or(0),
        numbers: grep.numbers,
        ignore_case: grep.ignore_case,
        only_matching: grep.only_matching,
        head_limit: grep.head_limit,
        offset: grep.offset,
        multiline: grep.multiline,
    }
}

/// The path to search; an empty one is none.
fn given(path: Option<&str>) -> Result<Option<&str>, Failure> {
    let path = path.filter(|path| !path.is_empty());
    path.map_or(Ok(()), |path| check_path("path", path))?;
    Ok(path)
}

/// The answer; where the path was not absolute it tells where the search was.
fn answer(found: Found, path: Option<&str>) -> Answer {
    let mut notes = found.notes;
    if !path.is_some_and(|path| path.starts_with('/')) {
        notes.push(format!("Searched in {}.", found.root));
    }
    Answer { body: Body::Found(found.text), notes }
}

/// Why a search was not started.
fn refusal(error: &SearchError) -> Failure {
    let code = match error {
        SearchError::Rejected(_) => Code::Search,
        SearchError::Nul(_) => Code::BadInput,
    };
    Failure::new(code, error.to_string()).hint("")
}

/// Why a search was not carried out.
fn failure(error: &ToolError, path: &str) -> Failure {
    let detail = shown(&error.detail);
    match error.word.as_str() {
        "enoent" => {
            let full = shown(&absolute(&error.detail, path));
            Failure::new(Code::NotFound, format!("Path does not exist: {full}. Note: your current working directory is {detail}.")).hint("")
        }
        "enotdir" => Failure::new(Code::WrongKind, format!("Path is not a directory: {}.", shown(&absolute(&error.detail, path)))).hint(""),
        "toolarge" => Failure::new(
            Code::Search,
            "Search failed — the host has no ripgrep, and the files that a pattern over several lines could match in are larger than 2 MB together.",
        )
        .hint("Narrow the path or the glob, use a pattern within one line, or install ripgrep on the host."),
        "eown" => Failure::new(
            Code::Search,
            "Search failed — that is where towline keeps its own records on the host, which Glob and Grep leave out.",
        )
        .hint("Jobs and JobOutput tell of commands and their output; Bash can look at the files."),
        "eshell" => Failure::new(
            Code::RemoteShell,
            "Search failed — the host's shell cannot hold these names or patterns, which are more than ASCII.",
        )
        .hint("Let /bin/sh on the host be dash, bash, busybox, mksh, ksh93 or zsh."),
        "ere" => Failure::new(
            Code::Search,
            "Search failed — the host has no ripgrep, and its grep does not take this pattern.",
        )
        .hint("Use a simpler pattern, or install ripgrep on the host."),
        "pattern" => Failure::new(Code::Search, format!("Search failed — the pattern is too large: {detail}.")).hint(""),
        "search" => Failure::new(Code::Search, format!("Search failed — ripgrep ended in the middle of its work: {detail}")).hint(""),
        word => words::failure(words::Deed::Read, word, path, &error.detail),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use towline_proto::files::{ToolCall, ToolReply};

    /// A host that gives one recorded reply, and keeps what it was asked.
    struct Recorded {
        status: u8,
        body: Vec<u8>,
        asked: Mutex<Vec<ToolCall>>,
    }

    impl ToolLine for Recorded {
        async fn call(&self, call: ToolCall) -> Result<ToolReply, Failure> {
            self.asked.lock().unwrap().push(call);
            Ok(ToolReply { status: self.status, body: self.body.clone() })
        }
    }

    fn host(status: u8, body: &[u8]) -> Recorded {
        Recorded { status, body: body.to_vec(), asked: Mutex::new(Vec::new()) }
    }

    fn search(pattern: &str, path: Option<&str>) -> Grep {
        Grep {
            pattern: pattern.to_owned(),
            path: path.map(str::to_owned),
            glob: None,
            file_type: None,
            mode: GrepMode::Files,
            after: None,
            before: None,
            context: None,
            numbers: true,
            ignore_case: false,
            only_matching: false,
            head_limit: 250,
            offset: 0,
            multiline: false,
        }
    }

    #[tokio::test]
    async fn an_answer_is_the_native_text_and_tells_where_a_relative_search_was() {
        let body = b"1 m.rs\0\n2 sub/n.rs\0\n\n\0T rg 0 1 0 0 0\0/srv/app\0\0";
        let found = grep(&host(0, body), &search("needle", None)).await.unwrap();
        assert_eq!(found.body, Body::Found("Found 2 files\nsub/n.rs\nm.rs".to_owned()));
        assert_eq!(found.notes, ["Searched in /srv/app."]);
        let found = grep(&host(0, body), &search("needle", Some("/srv/app"))).await.unwrap();
        assert_eq!(found.notes, [""; 0]);
        let by_name = Glob { pattern: "**/*.rs".to_owned(), path: Some("app".to_owned()) };
        let found = glob(&host(0, body), &by_name).await.unwrap();
        assert_eq!(found.body, Body::Found("m.rs\nsub/n.rs".to_owned()));
        assert_eq!(found.notes, ["Searched in /srv/app."]);
    }

    #[tokio::test]
    async fn what_cannot_be_searched_is_an_error_and_never_no_matches() {
        let missing = grep(&host(1, b"enoent /w"), &search("x", Some("nodir"))).await.unwrap_err();
        assert_eq!(missing.text, "Path does not exist: /w/nodir. Note: your current working directory is /w.");
        assert_eq!((missing.code, missing.advice()), (Code::NotFound, None));
        for (word, part) in [
            ("eacces", "EACCES"),
            ("efifo", "named pipe"),
            ("toolarge", "larger than 2 MB"),
            ("ere", "does not take this pattern"),
            ("enotdir", "not a directory"),
            ("eshell", "cannot hold"),
            ("strange", "strange"),
        ] {
            let error = grep(&host(1, format!("{word} /w").as_bytes()), &search("x", Some("p"))).await.unwrap_err();
            assert!(error.text.contains(part), "{word}: {}", error.text);
        }
        assert!(grep(&host(0, b""), &search("x", None)).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_pattern_goes_nowhere() {
        let line = host(0, b"");
        let bad = grep(&line, &search("foo(", None)).await.unwrap_err();
        let head = "Search failed — ripgrep rejected the pattern, glob, or file type without searching:\nrg: ";
        assert_eq!(bad.text, format!("{head}regex parse error:\n    foo(\n       ^\nerror: unclosed group"));
        assert_eq!((bad.code, bad.advice()), (Code::Search, None));
        let typed = Grep { file_type: Some("nosuch".to_owned()), ..search("x", None) };
        assert_eq!(grep(&line, &typed).await.unwrap_err().text, format!("{head}unrecognized file type: nosuch"));
        assert_eq!(grep(&line, &search("x", Some("a\0b"))).await.unwrap_err().code, Code::BadInput);
        assert!(glob(&line, &Glob { pattern: "[".to_owned(), path: None }).await.unwrap_err().text.starts_with(head));
        assert_eq!(line.asked.lock().unwrap().len(), 0);
    }

    #[test]
    fn context_counts_where_a_side_has_no_number() {
        let grep = Grep { context: Some(3), after: Some(1), ..search("x", None) };
        let request = request(&grep);
        assert_eq!((request.before, request.after), (3, 1));
    }
}
