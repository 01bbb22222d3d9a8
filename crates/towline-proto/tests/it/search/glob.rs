//! Glob against a reference, in every kind of host.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use towline_base::visible;
use towline_proto::files::glob::GlobSearch;
use towline_proto::files::search::Found;

use super::tree::{stamp, tree};
use crate::harness::{Host, hosts};

fn find(host: &Host, cwd: &Path, pattern: &str, path: Option<&str>) -> Found {
    let search = GlobSearch::new(pattern, path).unwrap();
    let reply = host.call(cwd, &search.call());
    search.parse(reply.status, &reply.body).unwrap_or_else(|error| panic!("{host:?} {pattern}: {error:?}"))
}

fn shown(path: &Path) -> String {
    visible::to_text(path.as_os_str().as_bytes()).0.replace('\n', "\\x0a").replace('\t', "\\x09")
}

/// What the pattern means, by another way: every file of the tree, globset over its path, sorted by time and name.
fn reference(root: &Path, pattern: &str) -> String {
    let glob = if pattern.contains('/') { pattern.trim_start_matches('/').to_owned() } else { format!("**/{pattern}") };
    let matcher = GlobBuilder::new(&glob).literal_separator(true).empty_alternates(true).build().unwrap().compile_matcher();
    let mut files = Vec::new();
    walk(root, root, &mut files);
    files.retain(|file| matcher.is_match(file));
    files.sort_by_key(|file| {
        let time = fs::metadata(root.join(file)).unwrap().modified().unwrap();
        (time, file.components().map(|part| part.as_os_str().as_bytes().to_vec()).collect::<Vec<_>>())
    });
    if files.is_empty() { "No files found".to_owned() } else { files.iter().map(|file| shown(file)).collect::<Vec<_>>().join("\n") }
}

fn walk(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != ".git" {
            walk(root, &entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path().strip_prefix(root).unwrap().to_path_buf());
        }
    }
}

const PATTERNS: &[&str] = &[
    "**/*.rs",
    "*.rs",
    "*",
    "**",
    "**/*",
    "src/*.rs",
    "src/**/*.rs",
    "*/*.c",
    "*/*/*",
    "**/src/**",
    "*.{rs,c}",
    "{src,deep}/**/*.c",
    "**/{a,main}.rs",
    "?.rs",
    "[ab].rs",
    "[!a]*.rs",
    "\\*.rs",
    "\\[x\\].c",
    "-*",
    "*'*",
    "$(touch pwned).rs",
    "`id`.c",
    "* *",
    ".*",
    "**/.hidden.rs",
    "a:b.rs",
    "nothing-like-this",
    "no/such/dir/*.rs",
    "*.md",
    "{a b,-n}.rs",
    "a{,.rs}",
    "**/sub dir/*",
    "-d/**",
    "\\{brace\\}.rs",
    "*😀*",
    "é.c",
    "\u{1}*",
    "**/*\n*",
    "/*.rs",
    "/**/*.h",
    "[[]d[]]/*",
    "*[.]rs",
    "a.rs.d/**/x.h",
];

#[test]
fn glob_finds_what_the_reference_finds_in_every_host() {
    for seed in 0..2 {
        let root = tree(seed);
        fs::create_dir(root.path().join(".git")).unwrap();
        fs::write(root.path().join(".git/config.rs"), "x").unwrap();
        for (at, pattern) in PATTERNS.iter().enumerate() {
            // A pattern that begins with a slash is a path of the file system for Glob; the reference is relative.
            let asked = match pattern.strip_prefix('/') {
                Some(rest) => format!("{}/{rest}", root.path().display()),
                None => (*pattern).to_owned(),
            };
            let expected = reference(root.path(), pattern);
            // Every host takes its turn; all patterns by all hosts would take minutes.
            let turn = |index: usize| (at + index) % 3 == usize::try_from(seed).unwrap();
            let hosts = hosts().into_iter().enumerate().filter(|(index, host)| turn(*index) && host.can_hold(asked.as_bytes()));
            for (_, host) in hosts {
                let found = find(&host, root.path(), &asked, None);
                let prefix = format!("{}/", root.path().display());
                let text: Vec<&str> = found.text.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line)).collect();
                assert_eq!(text.join("\n"), expected, "{pattern:?} in tree {seed}, {host:?}");
            }
        }
        assert!(!root.path().join("pwned").exists());
    }
}

#[test]
fn glob_answers_for_its_path_and_tells_where_it_was() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("-in $x/real")).unwrap();
    fs::write(root.join("-in $x/real/a.rs"), "").unwrap();
    std::os::unix::fs::symlink("real", root.join("-in $x/current")).unwrap();
    fs::create_dir_all(root.join("repo/.git/hooks")).unwrap();
    fs::write(root.join("repo/.git/hooks/x"), "").unwrap();
    for host in hosts() {
        let check = |pattern: &str, path: Option<&str>, text: &str, below: &str| {
            let found = find(&host, &root, pattern, path);
            assert_eq!((found.text.as_str(), found.root), (text, format!("{}{below}", root.display())), "{host:?} {pattern}");
            assert_eq!(found.notes, [""; 0]);
        };
        check("*.rs", Some("-in $x"), "real/a.rs", "/-in $x");
        check("*.rs", Some("-in $x/real/.."), "real/a.rs", "/-in $x");
        check("*.rs", Some("-in $x/current"), "a.rs", "/-in $x/real");
        check("current/*.rs", Some("-in $x"), "current/a.rs", "/-in $x");
        check("../real/*.rs", Some("-in $x/real"), "../real/a.rs", "/-in $x/real");
        check("./real/a.rs", Some("-in $x"), "real/a.rs", "/-in $x");
        check("*", Some("repo"), "No files found", "/repo");
        check(".git/hooks/*", Some("repo"), ".git/hooks/x", "/repo");
        check("**/x", Some("repo/.git"), "hooks/x", "/repo/.git");
    }
}

#[test]
fn glob_tells_why_there_is_nothing_to_search() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    for host in hosts() {
        for (path, word) in [("nodir", "enoent"), ("file", "enotdir"), ("file/x", "enotdir"), ("-x\n$(y)", "enoent")] {
            let search = GlobSearch::new("*", Some(path)).unwrap();
            let reply = host.call(root.path(), &search.call());
            assert_eq!(search.parse(reply.status, &reply.body).unwrap_err().word, word, "{host:?} {path}");
        }
    }
}

#[test]
fn glob_orders_by_time_with_or_without_stat() {
    let root = tempfile::tempdir().unwrap();
    for (name, seconds) in [("b", 3), ("a", 1), ("d", 2), ("c\nc", 4)] {
        fs::write(root.path().join(name), "").unwrap();
        stamp(&root.path().join(name), seconds);
    }
    for host in hosts() {
        let found = find(&host, root.path(), "[abd]", None);
        assert_eq!(found.text, "a\nd\nb", "{host:?}");
    }
}

#[test]
fn glob_counts_what_it_does_not_show() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..620 {
        fs::write(root.path().join(format!("f{n}.x")), "").unwrap();
    }
    for host in hosts() {
        let found = find(&host, root.path(), "*.x", None);
        assert_eq!(found.text.lines().count(), 501, "{host:?}");
        assert!(found.text.ends_with(
            "(Results are truncated: 500 of 620 files, oldest modification first. Consider using a more specific path or pattern.)"
        ));
    }
}
