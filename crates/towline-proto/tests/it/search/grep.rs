//! Grep: the same answer by ripgrep, by GNU grep, by busybox and by POSIX utilities, in every shell.
#![expect(clippy::disallowed_methods, reason = "the tests make repositories with git")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use towline_proto::files::grep::{GrepMode, GrepRequest, GrepSearch};
use towline_proto::files::search::Found;

use super::tree::{path_with_git, stamp, tree};
use crate::harness::{Host, SHELLS, World, as_nobody, hosts};

/// How a host searches.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// By ripgrep.
    Ripgrep,
    /// By git and GNU grep.
    Git,
    /// By busybox.
    Busybox,
    /// By what POSIX names.
    Posix,
}

const WITHOUT: [Kind; 3] = [Kind::Git, Kind::Busybox, Kind::Posix];

fn run(kind: Kind, shell: usize, cwd: &Path, request: &GrepRequest) -> Found {
    let search = GrepSearch::new(request.clone()).unwrap();
    let call = search.call();
    let host = |world| Host { shell: SHELLS[shell], world };
    let reply = match kind {
        Kind::Ripgrep => host(World::Full).call(cwd, &call),
        Kind::Git => host(World::Full).start(cwd, &call, &["/usr/bin/env", &path_with_git()]),
        Kind::Busybox => host(World::Busybox).call(cwd, &call),
        Kind::Posix => host(World::Posix).call(cwd, &call),
    };
    search.parse(reply.status, &reply.body).unwrap_or_else(|error| panic!("{kind:?} {request:?}: {error:?}"))
}

fn content(pattern: &str) -> GrepRequest {
    GrepRequest { pattern: pattern.to_owned(), mode: GrepMode::Content, numbers: true, head_limit: 250, ..GrepRequest::default() }
}

const PATTERNS: &[&str] = &[
    "needle",
    "^needle$",
    "Needle",
    r"\bfoo\b",
    r"foo\.bar",
    "fo+",
    "[0-9]{3}",
    r"\d+ \d+",
    r"^\s*//",
    r"\w+-\w+",
    "a|b",
    "(ab)+",
    "(?:foo|bar) +b",
    "x*",
    "",
    "^$",
    "$",
    "^",
    "é",
    "É",
    "naïve",
    ".",
    "caf.",
    "f.*r",
    "^.{5}$",
    "[^a-z]$",
    "K",
    "€",
    r"\$HOME",
    r"\^caret",
    r"\[x\] \(y\) \{z\}",
    r"a\|b",
    r"\\",
    r"\* \+ \?",
    "--",
    "-",
    ":",
    "^-- ",
    r"[]x\[]",
    "[^]x]y",
    r"[\^-]",
    r"needle\r",
    "end",
    "(?i)needle",
    "(?-u:caf\\xe9)",
    r"\p{L}+té",
    "aab??",
    "a{2,}b",
    "(a|)b",
    "(?:)",
    r"\x41|\x{20AC}",
    "no match at all here",
    r"\Aneedle",
    r"needle\z",
    "[[:alpha:]]{4}",
    r"[\d\-]+:",
    "b$|^f",
];

/// Every way to ask for a pattern.
fn requests(pattern: &str) -> Vec<GrepRequest> {
    let base = GrepRequest { head_limit: 0, ..content(pattern) };
    let mut requests = vec![
        GrepRequest { mode: GrepMode::Files, ..base.clone() },
        GrepRequest { mode: GrepMode::Count, ..base.clone() },
        base.clone(),
        GrepRequest { ignore_case: true, ..base.clone() },
        GrepRequest { only_matching: true, ..base.clone() },
        GrepRequest { before: 1, after: 2, ..base.clone() },
        GrepRequest { numbers: false, head_limit: 5, offset: 3, ..base.clone() },
    ];
    // ripgrep 13 forgets what stands before the place where it goes on searching: its own answers are wrong for these.
    if !pattern.contains(['^', 'b', 'A', '|']) {
        requests.push(GrepRequest { multiline: true, ..base.clone() });
        requests.push(GrepRequest { multiline: true, mode: GrepMode::Count, ..base });
    }
    requests
}

/// Compares one in so many of all requests; a full comparison takes minutes.
const ONE_IN: usize = 1;

#[test]
fn without_ripgrep_the_answer_is_the_same() {
    for seed in 0..2 {
        let root = tree(seed);
        for (at, pattern) in PATTERNS.iter().enumerate() {
            for (number, request) in requests(pattern).into_iter().enumerate() {
                if !(at + number + usize::try_from(seed).unwrap() * 2).is_multiple_of(ONE_IN) {
                    continue;
                }
                let expected = run(Kind::Ripgrep, 0, root.path(), &request);
                let kind = WITHOUT[(at + number) % 3];
                let found = run(kind, if at % 2 == 0 { 0 } else { 2 }, root.path(), &request);
                assert_same(kind, &request, seed, &found, &expected);
            }
        }
    }
}

fn assert_same(kind: Kind, request: &GrepRequest, seed: u64, found: &Found, expected: &Found) {
    // A host without stat says so where it knows no order.
    if found.notes.iter().any(|note| note.contains("no modification times")) {
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert!(sorted(&found.text) == sorted(&expected.text), "{kind:?} {request:?} in tree {seed}");
        return;
    }
    // Where a path holds a newline ripgrep's lines end early, and that is told.
    if expected.notes.iter().any(|note| note.contains("was cut")) {
        assert_eq!(found.text.lines().next(), expected.text.lines().next(), "{kind:?} {request:?} in tree {seed}");
        return;
    }
    if found.text != expected.text {
        let mut pairs = found.text.lines().zip(expected.text.lines());
        let first = pairs.find(|(a, b)| a != b);
        let counts = (found.text.lines().count(), expected.text.lines().count());
        panic!("{kind:?} {request:?} in tree {seed}: {first:?}, {counts:?} lines");
    }
    // ripgrep alone sees lines of a binary file before it sees that it is one.
    let notes: Vec<_> = expected.notes.iter().filter(|note| !note.contains("NUL bytes")).cloned().collect();
    assert_eq!(found.notes, notes, "{kind:?} {request:?} in tree {seed}");
}
