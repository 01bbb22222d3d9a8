//! Grep: the same answer by ripgrep, by GNU grep, by busybox and by POSIX utilities, in every shell.
#![expect(clippy::disallowed_methods, reason = "the tests make repositories with git")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use towline_proto::files::grep::{GrepMode, GrepRequest, GrepSearch};
use towline_proto::files::search::Found;

use super::tree::{Dice, path_with_git, stamp, tree};
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
const ONE_IN: usize = 8;

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

fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("/usr/bin/git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .output()
        .unwrap();
    assert!(status.status.success(), "{arguments:?}: {status:?}");
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, bytes).unwrap();
}

/// A work tree with ignored files and directories, a repository in it, links, and files that git does not track.
fn repository() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    git(at, &["init", "-q"]);
    write(at, ".gitignore", "*.log\n/target/\nnode_modules\n!keep.log\n");
    write(at, "src/.gitignore", "generated.rs\n");
    for file in [
        "src/main.rs",
        "src/generated.rs",
        "src/deep/generated.rs",
        "a.log",
        "keep.log",
        "target/out.rs",
        "src/target/in.rs",
        "node_modules/x/i.js",
        "untracked.rs",
        ".hidden/conf.rs",
        "docs/-n.md",
        "docs/a b.md",
        "docs/new\nline.md",
        "docs/q'\".md",
        ".svn/entries",
        "sub/.hg/store",
    ] {
        write(at, file, "needle here\nno\n");
    }
    fs::create_dir(at.join("inner")).unwrap();
    git(&at.join("inner"), &["init", "-q"]);
    write(at, "inner/.gitignore", "secret*\n");
    write(at, "inner/secret.rs", "needle\n");
    write(at, "inner/open.rs", "needle\n");
    write(at, "inner/x.log", "needle\n");
    git(at, &["add", "src/main.rs", ".gitignore", "docs", "src/.gitignore"]);
    git(at, &["commit", "-q", "-m", "x"]);
    symlink("src/main.rs", at.join("link.rs")).unwrap();
    symlink("/dev/zero", at.join("zero.rs")).unwrap();
    assert!(Command::new("/usr/bin/mkfifo").arg(at.join("pipe.rs")).status().unwrap().success());
    root
}

#[test]
fn in_a_work_tree_what_git_ignores_is_left_out() {
    let root = repository();
    let count = GrepRequest { mode: GrepMode::Count, ..content("needle") };
    let expected = "\
.hidden/conf.rs:1
docs/-n.md:1
docs/a b.md:1
docs/new\\x0aline.md:1
docs/q'\".md:1
inner/open.rs:1
inner/x.log:1
keep.log:1
src/main.rs:1
src/target/in.rs:1
untracked.rs:1

Found 11 total occurrences across 11 files.";
    for kind in [Kind::Ripgrep, Kind::Git] {
        let found = run(kind, 0, root.path(), &count);
        assert_eq!((found.text.as_str(), found.notes.len()), (expected, 1), "{kind:?}");
        for (path, glob, file_type) in [
            (Some("src"), None, None),
            (None, Some("*.rs"), None),
            (None, Some("src/**"), None),
            (None, None, Some("rust")),
            (Some("node_modules"), None, None),
        ] {
            let asked = GrepRequest {
                path: path.map(str::to_owned),
                glob: glob.map(str::to_owned),
                file_type: file_type.map(str::to_owned),
                ..count.clone()
            };
            let by_ripgrep = run(Kind::Ripgrep, 0, root.path(), &asked);
            assert_eq!(run(kind, 0, root.path(), &asked).text, by_ripgrep.text, "{asked:?}");
        }
        let ignored = GrepRequest { path: Some("a.log".to_owned()), ..content("needle") };
        assert_eq!(run(kind, 0, root.path(), &ignored).text, "1:needle here");
    }
    for kind in [Kind::Busybox, Kind::Posix] {
        let found = run(kind, 0, root.path(), &count);
        assert!(found.text.contains("target/out.rs:1") && !found.text.contains(".svn") && !found.text.contains(".hg"));
        assert!(found.notes.iter().any(|note| note.contains(".gitignore was not honoured")), "{:?}", found.notes);
        assert!(found.text.ends_with("across 17 files."), "{}", found.text);
    }
}

#[test]
fn globs_and_types_mean_the_same_with_and_without_ripgrep() {
    let root = tree(7);
    let cases: &[(&str, Option<&str>)] = &[
        ("*.rs", None),
        ("*.{rs,c}", None),
        ("**/*.c", None),
        ("src/**", None),
        ("src/*.rs", None),
        ("!*.rs", None),
        ("*.rs,*.c", None),
        ("*.rs !a*", None),
        ("sub*/**", None),
        ("[ab].rs", None),
        ("-n.rs", None),
        ("a:b.rs", None),
        ("*.rs", Some("c")),
        ("", Some("rust")),
        ("src/**", Some("rust")),
        ("", Some("md")),
        ("\\*.rs", None),
        ("{src,-d}/**/*.rs", None),
        ("no/such/**", None),
        ("?", None),
        ("\\$*", None),
        ("`id`.c", None),
        ("!src", None),
    ];
    for (at, (glob, file_type)) in cases.iter().enumerate() {
        for mode in [GrepMode::Count, GrepMode::Content] {
            let glob = (!glob.is_empty()).then(|| (*glob).to_owned());
            let request = GrepRequest { glob, file_type: file_type.map(str::to_owned), mode, head_limit: 0, ..content("e") };
            let expected = run(Kind::Ripgrep, 0, root.path(), &request);
            let found = run(WITHOUT[at % 3], 0, root.path(), &request);
            assert_same(WITHOUT[at % 3], &request, 7, &found, &expected);
        }
    }
    assert!(!root.path().join("pwned").exists());
}

#[test]
fn every_shell_gives_the_native_answers() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    write(at, "m.rs", "fn main() {\n    println!(\"needle\");\n}\n");
    write(at, "sub/n.rs", "needle\n");
    write(at, "one.txt", "line a\nother\nline b\n");
    write(at, "spans.txt", "begin\nmiddle\nend\nbegin end\n");
    stamp(&at.join("m.rs"), 1_000);
    stamp(&at.join("sub/n.rs"), 2_000);
    let rust = |mode| GrepRequest { mode, glob: Some("*.rs".to_owned()), ..content("needle") };
    let file = |name: &str, pattern: &str| GrepRequest { path: Some(name.to_owned()), ..content(pattern) };
    let cases: Vec<(GrepRequest, &str)> = vec![
        (rust(GrepMode::Files), "Found 2 files\nsub/n.rs\nm.rs"),
        (GrepRequest { head_limit: 1, ..rust(GrepMode::Files) }, "Found 1 file limit: 1\nsub/n.rs"),
        (rust(GrepMode::Content), "m.rs:2:    println!(\"needle\");\nsub/n.rs:1:needle"),
        (rust(GrepMode::Count), "m.rs:1\nsub/n.rs:1\n\nFound 2 total occurrences across 2 files."),
        (GrepRequest { mode: GrepMode::Files, ..content("zzz") }, "No files found"),
        (content("zzz"), "No matches found"),
        (file("one.txt", "line"), "1:line a\n3:line b"),
        (GrepRequest { numbers: false, ..file("one.txt", "line") }, "line a\nline b"),
        (GrepRequest { glob: Some("no/such/**".to_owned()), ..file("one.txt", "line") }, "1:line a\n3:line b"),
        (GrepRequest { mode: GrepMode::Count, ..file("one.txt", "line") }, "2\n\nFound 2 total occurrences across 1 file."),
        (GrepRequest { mode: GrepMode::Files, ..file("one.txt", "line") }, "Found 1 file\none.txt"),
        (GrepRequest { head_limit: 1, ..file("one.txt", "line") }, "1:line a\n\n[Showing results with pagination = limit: 1]"),
        (GrepRequest { offset: 1, ..file("one.txt", "line") }, "3:line b\n\n[Showing results with pagination = offset: 1]"),
        (GrepRequest { before: 1, ..content("^line b") }, "one.txt-2-other\none.txt:3:line b"),
        (GrepRequest { only_matching: true, ..content("l[a-z]+ b") }, "one.txt:3:line b"),
        (GrepRequest { multiline: true, ..content(r"begin\nmiddle") }, "spans.txt:1:begin\nspans.txt:2:middle"),
        (
            GrepRequest { multiline: true, mode: GrepMode::Count, ..content(r"begin.end|begin.mid") },
            "spans.txt:2\n\nFound 2 total occurrences across 1 file.",
        ),
        (GrepRequest { multiline: true, mode: GrepMode::Files, ..content(r"middle\s+end") }, "Found 1 file\nspans.txt"),
        (GrepRequest { multiline: true, only_matching: true, ..content(r"iddle\nen") }, "spans.txt:2:iddle\nspans.txt:3:en"),
        (GrepRequest { multiline: true, before: 1, ..content(r"middle\nend") }, "spans.txt-1-begin\nspans.txt:2:middle\nspans.txt:3:end"),
    ];
    for (request, expected) in &cases {
        let search = GrepSearch::new(request.clone()).unwrap();
        for host in hosts().into_iter().filter(|host| search.call().args.iter().all(|arg| host.can_hold(arg))) {
            let reply = host.call(at, &search.call());
            let found = search.parse(reply.status, &reply.body).unwrap();
            assert_eq!(found.text, *expected, "{host:?} {request:?}");
            assert_eq!(found.root, at.canonicalize().unwrap().display().to_string());
        }
        // yash cannot hold the mark that `^` allows for, and says so.
        let shells = (0..SHELLS.len()).filter(|shell| SHELLS[*shell].name != "yash" || search.call().args.iter().all(|arg| arg.is_ascii()));
        for shell in shells {
            let found = run(Kind::Git, shell, at, request);
            assert_eq!(found.text, *expected, "without ripgrep, shell {shell}: {request:?}");
        }
    }
}

#[test]
fn what_cannot_be_searched_is_an_error_or_a_note() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    write(at, "bin", b"needle\0needle\n");
    write(at, "-x $(y)\nz/f", "needle\n");
    assert!(Command::new("/usr/bin/mkfifo").arg(at.join("pipe")).status().unwrap().success());
    symlink("nowhere", at.join("dangling")).unwrap();
    for kind in [Kind::Ripgrep, Kind::Git, Kind::Busybox, Kind::Posix] {
        let ask = |path: &str| GrepRequest { path: Some(path.to_owned()), ..content("needle") };
        for (path, word) in [("nodir", "enoent"), ("bin/x", "enotdir"), ("pipe", "efifo"), ("dangling", "enoent"), ("/dev/null", "edevice")]
        {
            let search = GrepSearch::new(ask(path)).unwrap();
            let host = Host { shell: SHELLS[0], world: World::Full };
            let reply = match kind {
                Kind::Git => host.start(at, &search.call(), &["/usr/bin/env", &path_with_git()]),
                Kind::Ripgrep => host.call(at, &search.call()),
                Kind::Busybox => Host { world: World::Busybox, ..host }.call(at, &search.call()),
                Kind::Posix => Host { world: World::Posix, ..host }.call(at, &search.call()),
            };
            let error = search.parse(reply.status, &reply.body).unwrap_err();
            assert_eq!(
                (error.word.as_str(), error.detail.as_slice()),
                (word, at.canonicalize().unwrap().as_os_str().as_encoded_bytes()),
                "{kind:?} {path}"
            );
        }
        let binary = run(kind, 0, at, &ask("bin"));
        assert_eq!(binary.text, "No matches found");
        assert_eq!(binary.notes, ["This is a binary file (it holds NUL bytes): it was not searched."]);
        assert_eq!(run(kind, 0, at, &ask("-x $(y)\nz")).text, "f:1:needle");
        assert_eq!(run(kind, 0, at, &ask("-x $(y)\nz/f")).text, "1:needle");
        assert_eq!(run(kind, 0, at, &content("needle")).text, "-x $(y)\\x0az/f:1:needle");
    }
}

#[test]
fn a_shell_that_cannot_hold_the_bytes_says_so() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "é.txt", "needle é\n");
    let yash = SHELLS.iter().find(|shell| shell.name == "yash").unwrap();
    for (pattern, mode) in [("é", GrepMode::Content), ("^n", GrepMode::Count), ("needle", GrepMode::Files)] {
        let search = GrepSearch::new(GrepRequest { mode, ..content(pattern) }).unwrap();
        for world in [World::Full, World::Posix] {
            let reply = Host { shell: *yash, world }.call(root.path(), &search.call());
            assert_eq!(search.parse(reply.status, &reply.body).unwrap_err().word, "eshell", "{pattern} {world:?}");
        }
    }
}

#[test]
fn what_may_not_be_read_is_counted() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let at = root.path();
    write(at, "open", "needle\n");
    write(at, "closed", "needle\n");
    write(at, "closed dir/x", "needle\n");
    let mode = |path: &str, mode| fs::set_permissions(at.join(path), fs::Permissions::from_mode(mode)).unwrap();
    mode(".", 0o755);
    mode("closed", 0o000);
    mode("closed dir", 0o000);
    let search = GrepSearch::new(content("needle")).unwrap();
    let git = path_with_git();
    let env = ["/usr/bin/env", git.as_str()];
    for (world, before) in [
        (World::Full, as_nobody().to_vec()),
        (World::Full, [as_nobody(), &env].concat()),
        (World::Busybox, as_nobody().to_vec()),
        (World::Posix, as_nobody().to_vec()),
    ] {
        let reply = Host { shell: SHELLS[0], world }.start(at, &search.call(), &before);
        let found = search.parse(reply.status, &reply.body).unwrap();
        assert_eq!(found.text, "open:1:needle", "{world:?}");
        assert!(
            found.notes.iter().any(|note| note.starts_with("2 files or directories could not be read")),
            "{world:?}: {:?}",
            found.notes
        );
        let closed = GrepSearch::new(GrepRequest { path: Some("closed".to_owned()), ..content("needle") }).unwrap();
        let reply = Host { shell: SHELLS[0], world }.start(at, &closed.call(), &before);
        assert_eq!(closed.parse(reply.status, &reply.body).unwrap_err().word, "eacces");
    }
    mode("closed dir", 0o755);
}

#[test]
fn a_large_answer_is_cut_and_told() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    write(at, "many", "needle in a line of its own\n".repeat(30_000));
    write(at, "wide", format!("needle {}\n", "x".repeat(5_000_000)));
    for kind in [Kind::Ripgrep, Kind::Git, Kind::Busybox, Kind::Posix] {
        let all = GrepRequest { head_limit: 0, ..content("needle") };
        let found = run(kind, 0, at, &all);
        assert!(found.notes.iter().any(|note| note.contains("was cut")), "{kind:?}: {:?}", found.notes);
        let some = run(kind, 0, at, &GrepRequest { path: Some("many".to_owned()), head_limit: 3, offset: 20_000, ..content("needle") });
        // Without ripgrep one file is one piece, and its lines are all there.
        let told = some.notes.iter().any(|note| note.contains("was cut"));
        assert!(told || some.text.starts_with("20001:needle in a line of its own\n20002"), "{kind:?}: {some:?}");
        let wide = run(kind, 0, at, &GrepRequest { path: Some("wide".to_owned()), ..content(r"\bneedle\b") });
        assert_eq!(wide.text, "1:[Omitted long matching line]", "{kind:?}: {:?}", wide.notes);
        let count = run(kind, 0, at, &GrepRequest { mode: GrepMode::Count, ..content("needle") });
        assert_eq!(count.text, "many:30000\nwide:1\n\nFound 30001 total occurrences across 2 files.");
    }
    for kind in WITHOUT {
        let search = GrepSearch::new(GrepRequest { multiline: true, ..content(r"needle\s.*needle") }).unwrap();
        let reply = match kind {
            Kind::Git | Kind::Ripgrep => {
                Host { shell: SHELLS[0], world: World::Full }.start(at, &search.call(), &["/usr/bin/env", &path_with_git()])
            }
            Kind::Busybox => Host { shell: SHELLS[0], world: World::Busybox }.call(at, &search.call()),
            Kind::Posix => Host { shell: SHELLS[0], world: World::Posix }.call(at, &search.call()),
        };
        assert_eq!(search.parse(reply.status, &reply.body).unwrap_err().word, "toolarge");
    }
}

#[test]
fn a_search_that_takes_too_long_says_so() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a", "needle\n");
    let search = GrepSearch::new(content("needle")).unwrap();
    let mut call = search.call();
    let seconds = call.args.iter_mut().find(|arg| arg.as_slice() == b"50").unwrap();
    *seconds = b"00".to_vec();
    for world in [World::Busybox, World::Posix] {
        let reply = Host { shell: SHELLS[0], world }.call(root.path(), &call);
        let found = search.parse(reply.status, &reply.body).unwrap();
        assert!(found.notes.iter().any(|note| note.contains("stopped after 50 seconds")), "{found:?}");
    }
}

/// A pattern from a number: pieces that mean something, put together in ways that mostly parse.
fn random_pattern(dice: &mut Dice) -> String {
    const PIECES: &[&str] = &[
        "a",
        "b",
        "ab",
        ".",
        "[ab]",
        "[^a]",
        "[^ab]",
        r"\d",
        r"\w",
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        "^",
        "$",
        "(",
        ")",
        "(?:",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1,3}",
        "*?",
        "é",
        "[é-ü]",
        "[]-]",
        "[]^]",
        r"[\^]",
        r"[\[:]",
        r"\.",
        r"\{",
        "x",
        " ",
        "-",
        r"\x41",
        r"\pL",
        "(?i)",
        "[[:digit:]]",
        r"[\w-]",
        "€",
        r"[\]a]",
        "(?-u:\\xe9)",
        "\\u{feff}",
        "{0}",
        "[a-]",
    ];
    (0..1 + dice.below(6)).map(|_| dice.pick(PIECES)).collect()
}

#[test]
fn an_expression_matches_every_line_that_the_pattern_matches() {
    let root = tempfile::tempdir().unwrap();
    let mut lines: Vec<Vec<u8>> = [
        "",
        "a",
        "b",
        "ab",
        "aab b",
        "é",
        "ü é",
        "x y",
        "-",
        "]",
        "^",
        "[:",
        "a1b22",
        "€",
        "A.{",
        "aé b",
        "\u{a0}",
        "K\u{212a}",
        "\tx",
        "x\r",
        "_",
        "ab-ab",
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .collect();
    lines.extend([b"\xe9".to_vec(), b"a\xffb".to_vec(), b"\xc3".to_vec()]);
    let file = root.path().join("lines");
    fs::write(&file, lines.join(&b'\n')).unwrap();
    let mut dice = Dice::new(42);
    let (mut tried, mut exact_ones) = (0, 0);
    while tried < 400 {
        let pattern = random_pattern(&mut dice);
        let Ok(search) = GrepSearch::new(content(&pattern)) else { continue };
        let call = search.call();
        let (ere, exact) = (call.args[12].clone(), call.args[13] != b"10000");
        let Ok(regex) = regex::bytes::RegexBuilder::new(&pattern).multi_line(true).build() else { continue };
        let wanted: Vec<usize> = (1..=lines.len()).filter(|number| regex.is_match(&lines[number - 1])).collect();
        for grep in [&["/usr/bin/grep"][..], &["/usr/bin/busybox", "grep"]] {
            let output = Command::new(grep[0])
                .args(&grep[1..])
                .args(["-n", "-E", "-e"])
                .arg(OsStr::from_bytes(&ere))
                .arg(&file)
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            assert!(output.status.code().unwrap() < 2, "{grep:?} refuses {:?} for {pattern:?}", String::from_utf8_lossy(&ere));
            let numbers = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b':').next());
            let found: Vec<usize> = numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok()).collect();
            let missing: Vec<_> = wanted.iter().filter(|number| !found.contains(number)).collect();
            assert!(missing.is_empty(), "{grep:?} {pattern:?} as {:?}: lines {missing:?}", String::from_utf8_lossy(&ere));
            assert!(!exact || found == wanted, "{grep:?} {pattern:?} as {:?}: {found:?} and not {wanted:?}", String::from_utf8_lossy(&ere));
        }
        tried += 1;
        exact_ones += usize::from(exact);
    }
    assert!(exact_ones > 100 && exact_ones < 300, "{exact_ones} exact ones: the test tries one kind only");
}
