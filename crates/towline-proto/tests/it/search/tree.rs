//! Trees of files to search, made from a number, and the ways of a host to search them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// Numbers that look random and are the same on each run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Names that a shell, a glob or a list could trip over.
pub(super) const NAMES: &[&str] = &[
    "a.rs",
    "b.rs",
    "main.rs",
    "lib.c",
    "x.h",
    "README.md",
    "a b.rs",
    "-n.rs",
    "q'u\"o.c",
    "$(touch pwned).rs",
    "`id`.c",
    "new\nline.rs",
    "emoji😀.rs",
    "é.c",
    "*.rs",
    "[x].c",
    "back\\slash.c",
    ".hidden.rs",
    "no_extension",
    "a:b.rs",
    "semi;colon.c",
    "tab\there.c",
    "\u{1}one.c",
    "\u{2}two.c",
    "{brace}.rs",
    "~",
    "#hash.rs",
    "!bang.c",
];

const DIRECTORIES: &[&str] = &["src", "sub dir", ".dot", "-d", "deep", "new\ndir", "a.rs.d", "[d]"];

/// Lines that hold what the patterns of the tests look for.
const LINES: &[&[u8]] = &[
    b"needle",
    b"fn main() {",
    b"let needle = 1;",
    b"Needle NEEDLE",
    b"",
    b"}",
    b"    // foo bar  baz",
    b"foo.bar(1)",
    b"na\xc3\xafve \xc3\x89t\xc3\xa9",
    b"caf\xe9 latin needle",
    b"\ttabbed needle",
    b"0123 456",
    b"a-b_c",
    b"x = \"quoted\"",
    b"foo\r",
    b"needle\r",
    b"\xe2\x82\xac 100",
    b"-- dashes",
    b"1:2:3",
    b"5-6-7",
    b"end of foo",
    b"K \xe2\x84\xaa",
    b"$HOME ^caret [x] (y) {z} a|b \\ . * + ?",
    b"aab abab",
];

/// Seconds since 1970 of the oldest file; each later one is a second younger.
const EPOCH: u64 = 1_700_000_000;

/// Makes a tree in a fresh directory.
pub(super) fn tree(seed: u64) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(seed);
    let mut directories = vec![root.path().to_path_buf()];
    for _ in 0..8 {
        let parent = directories[dice.below(directories.len())].clone();
        let directory = parent.join(dice.pick(DIRECTORIES));
        fs::create_dir_all(&directory).unwrap();
        directories.push(directory);
    }
    let mut count = 0;
    for _ in 0..50 {
        let path = directories[dice.below(directories.len())].join(dice.pick(NAMES));
        if path.exists() {
            continue;
        }
        fs::write(&path, content(&mut dice)).unwrap();
        stamp(&path, EPOCH + (count * 7919) % 5000);
        count += 1;
    }
    let long = root.path().join("n".repeat(252) + ".rs");
    fs::write(&long, "needle\n").unwrap();
    stamp(&long, EPOCH + 6000);
    symlink("a.rs", root.path().join("link.rs")).unwrap();
    symlink("src", root.path().join("linked")).unwrap();
    symlink("nowhere", root.path().join("dangling.rs")).unwrap();
    root
}

fn content(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    if dice.below(8) == 0 {
        bytes.extend(b"\xef\xbb\xbfneedle in a marked file\n");
    }
    for _ in 0..dice.below(14) {
        bytes.extend(dice.pick(LINES));
        bytes.push(b'\n');
    }
    match dice.below(8) {
        0 => bytes.extend(b"needle without end"),
        1 => bytes.extend(b"binary \0 needle\n"),
        2 => bytes.extend([b"needle ".as_slice(), &b"long ".repeat(150), b"\n"].concat()),
        _ => {}
    }
    bytes
}

/// Sets when a file was changed.
pub(super) fn stamp(path: &Path, seconds: u64) {
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A PATH with git and GNU utilities, and without ripgrep.
pub(super) fn path_with_git() -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("path-git");
    fs::create_dir_all(&directory).unwrap();
    for name in "awk cat dd find git grep head ls sh sleep sort stat tr true wc xargs printf env".split(' ') {
        let target = ["/usr/bin", "/bin"].iter().map(|place| Path::new(place).join(name)).find(|path| path.exists()).unwrap();
        // Another test of the same run may have made it.
        let _ = symlink(target, directory.join(name));
    }
    format!("PATH={}", directory.display())
}
