//! The rule about the documents: each path that README.md and ARCHITECTURE.md name is there.

use super::{File, Findings};

/// The documents that are judged.
const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Looks up every path of the documents.
pub(super) fn check(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for document in files.iter().filter(|file| DOCUMENTS.contains(&file.path.as_str())) {
        for (number, line) in document.text.lines().enumerate() {
            for path in in_code(line).chain(in_links(line)).filter(|word| is_path(word, files)) {
                findings.seen += 1;
                if !exists(path, files) {
                    findings.add(document, number, &format!("there is no {path}"));
                }
            }
        }
    }
    findings
}

/// Words between backticks.
fn in_code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of links that are no addresses.
fn in_links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.contains("://") && !target.is_empty())
}

/// Whether a word is meant as a path of this repository: it begins in one of its directories, or is one of its documents.
fn is_path(word: &str, files: &[File]) -> bool {
    let Some((first, _)) = word.split_once('/') else {
        return word.rsplit_once('.').is_some_and(|(_, extension)| ["md", "toml"].contains(&extension));
    };
    let ours = files.iter().any(|file| file.path.split_once('/').is_some_and(|(dir, _)| dir == first));
    ours && !word.contains(char::is_whitespace)
}

/// Whether a file has the path, or lies below it; `*` stands for a part of a name.
fn exists(path: &str, files: &[File]) -> bool {
    let wanted: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    files.iter().any(|file| {
        let parts: Vec<&str> = file.path.split('/').collect();
        parts.len() >= wanted.len() && wanted.iter().zip(&parts).all(|(pattern, part)| fits(pattern, part))
    })
}

fn fits(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => part.len() >= begin.len() + end.len() && part.starts_with(begin) && part.ends_with(end),
        None => pattern == part,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn check_one(line: &str, seen: usize, wrong: usize) {
        let files = [sample("README.md", line), sample("crates/towline/src/main.rs", ""), sample("LICENSE-MIT", "")];
        let findings = check(&files);
        assert_eq!((findings.seen, findings.wrong.len()), (seen, wrong), "{line}: {:?}", findings.wrong);
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        check_one("see `crates/towline/src/main.rs` and `crates/towline/`", 2, 0);
        check_one("see `crates/*/src` and `crates/towline/src/*.rs`", 2, 0);
        check_one("see `crates/towline/src/gone.rs`", 1, 1);
        check_one("see `crates/*/tests`", 1, 1);
        check_one("see `NOTICE.md` and [the text](docs.md#part)", 2, 2);
        check_one("run `cargo xtask demo` or look at `/etc/ssh` and [a page](https://example.org/x.md)", 0, 0);
    }
}
