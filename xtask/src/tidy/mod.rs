//! Checks the boundaries that the compiler does not draw: a list of rules over the tracked files.
//!
//! Holds to: a rule says how much it looked at, and one that saw nothing fails. Leaves out: what rustc, clippy and
//! shellcheck find.

mod code;
mod deciding;
mod manifests;
mod paths;
mod programs;
mod texts;
mod words;

use std::path::PathBuf;

use crate::run::{self, Outcome, Trouble};

/// A tracked text file.
#[derive(Debug)]
struct File {
    /// Its path below the root.
    path: String,
    /// What it holds.
    text: String,
}

impl File {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether its name ends in `.KIND`, as git and cargo know it.
    fn is(&self, kind: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, extension)| extension == kind)
    }
}

/// What a rule saw and what it found wrong.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    seen: usize,
    wrong: Vec<String>,
}

impl Findings {
    /// Adds a finding at a line (counted from 0).
    fn add(&mut self, file: &File, line: usize, what: &str) {
        self.wrong.push(format!("{}:{}: {what}", file.path, line + 1));
    }
}

type Rule = fn(&[File]) -> Findings;

/// Every rule over the files, with what it is about.
const RULES: &[(&str, &str, Rule)] = &[
    ("deciding files hold no I/O, no async, no clock", "files", deciding::check),
    ("nothing is ignored, unfinished or allowed without a reason", "files", words::check_unfinished),
    ("processes are started where that is somebody's job", "files", words::check_processes),
    ("sh programs are short, explained, and evaluate nothing unseen", "programs", programs::check),
    ("no file is longer than a person reads", "files", texts::check_length),
    ("every module says what it is", "modules", texts::check_heads),
    ("no file names somebody's machine or a package registry", "files", texts::check_names),
    ("every path in the documents exists", "paths", paths::check),
];

/// Applies all rules and prints a line for each.
pub(crate) fn report() -> Outcome<()> {
    let files = read()?;
    let mut wrong = Vec::new();
    let packages = manifests::check(&manifests::read()?);
    let rest = RULES.iter().map(|(name, what, rule)| (*name, *what, rule(&files)));
    for (name, what, findings) in std::iter::once(("crates depend only on whom they may", "crates", packages)).chain(rest) {
        println!("tidy: {name}: {} {what}, {} wrong", findings.seen, findings.wrong.len());
        if findings.seen == 0 {
            wrong.push(format!("{name}: saw no {what} at all"));
        }
        wrong.extend(findings.wrong);
    }
    if wrong.is_empty() { Ok(()) } else { Err(Trouble(wrong.join("\n"))) }
}

/// The files that git tracks or would track, as paths below the root that exist.
pub(crate) fn tracked() -> Outcome<Vec<PathBuf>> {
    let root = run::root();
    // A checkout may belong to another user than the one who runs its tests.
    let trust = format!("safe.directory={}", root.display());
    let listing = run::capture(run::command("git").args(["-c", &trust, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut paths: Vec<PathBuf> = listing.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    paths.retain(|path| root.join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Reads every tracked file that is text.
fn read() -> Outcome<Vec<File>> {
    let root = run::root();
    let paths = tracked()?;
    let texts = paths.into_iter().filter_map(|path| {
        let text = String::from_utf8(std::fs::read(root.join(&path)).ok()?).ok()?;
        Some(File { path: path.to_string_lossy().into_owned(), text })
    });
    Ok(texts.collect())
}

#[cfg(test)]
fn sample(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
