//! Runs a tool program as the lane runs it: under every shell, and with the utilities of different hosts.
//!
//! Holds to: arguments, directory, payload, umask and private names as the lane gives them. Leaves out: frames and ssh.
#![allow(dead_code, reason = "each module of tests uses its own part")]
#![expect(clippy::disallowed_methods, reason = "the harness starts shells")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use towline_proto::files::{PROGRAMS, TagKind, ToolCall, ToolReply};

/// A shell that may run the programs, and how it is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    argv: &'static [&'static str],
}

/// Every shell that the programs must work in.
pub(crate) const SHELLS: &[Shell] = &[
    Shell { name: "dash", argv: &["/usr/bin/dash"] },
    Shell { name: "bash", argv: &["/usr/bin/bash"] },
    Shell { name: "busybox ash", argv: &["/usr/bin/busybox", "ash"] },
    Shell { name: "mksh", argv: &["/usr/bin/mksh"] },
    Shell { name: "zsh", argv: &["/usr/bin/zsh", "--emulate", "sh"] },
    Shell { name: "ksh93", argv: &["/usr/bin/ksh93"] },
    Shell { name: "yash", argv: &["/usr/bin/yash"] },
];

/// What a host has in its PATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// All that this machine has.
    Full,
    /// Busybox and nothing else.
    Busybox,
    /// Only what POSIX.1-2017 names.
    Posix,
}

impl World {
    pub(crate) const ALL: &'static [World] = &[World::Full, World::Busybox, World::Posix];

    /// The value of PATH.
    pub(crate) fn path(self) -> PathBuf {
        static BUSYBOX: OnceLock<PathBuf> = OnceLock::new();
        static POSIX: OnceLock<PathBuf> = OnceLock::new();
        match self {
            World::Full => PathBuf::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            World::Busybox => BUSYBOX.get_or_init(busybox).clone(),
            World::Posix => POSIX.get_or_init(posix).clone(),
        }
    }
}

/// The utilities of POSIX.1-2017 that are programs; no stat, readlink, realpath, mktemp, sync, timeout, sha256sum.
const POSIX_UTILITIES: &str = "awk basename cat chgrp chmod chown cksum cmp comm cp csplit cut date dd df diff dirname du echo ed env expand \
    expr false file find fold getconf grep head iconv id join kill link ln locale logger logname ls mkdir mkfifo mv nice nl \
    nohup od paste patch pathchk pax pr printf ps pwd rm rmdir sed sh sleep sort split strings stty tabs tail tee test time touch tput \
    tr true tsort tty uname unexpand uniq unlink wc who xargs";

fn posix() -> PathBuf {
    links(
        "posix",
        POSIX_UTILITIES.split_whitespace().filter_map(|name| {
            let found = ["/usr/bin", "/bin", "/usr/sbin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists())?;
            Some((name.to_owned(), found))
        }),
    )
}

fn busybox() -> PathBuf {
    let list = run(Command::new("/usr/bin/busybox").arg("--list"));
    links("busybox", list.lines().map(|name| (name.to_owned(), PathBuf::from("/usr/bin/busybox"))))
}

fn run(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// A directory of links that stays in the build directory from run to run.
fn links(name: &str, entries: impl Iterator<Item = (String, PathBuf)>) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("path-{name}-{}", std::process::id()));
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("path-{name}"));
    fs::create_dir_all(&directory).unwrap();
    for (name, target) in entries {
        let _ = symlink(target, directory.join(name));
    }
    if fs::rename(&directory, &last).is_err() {
        // Another run made it before; its links are the same.
        fs::remove_dir_all(&directory).unwrap();
    }
    last
}

/// A host: a shell and its PATH.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) shell: Shell,
    pub(crate) world: World,
}

/// Every shell with everything in PATH, and every world under one shell each of two kinds.
pub(crate) fn hosts() -> Vec<Host> {
    let mut hosts: Vec<Host> = SHELLS.iter().map(|shell| Host { shell: *shell, world: World::Full }).collect();
    hosts.push(Host { shell: SHELLS[2], world: World::Busybox });
    hosts.push(Host { shell: SHELLS[0], world: World::Posix });
    hosts.push(Host { shell: SHELLS[4], world: World::Posix });
    hosts
}

impl Host {
    /// One call, as the lane makes it: in a directory, with the payload as standard input.
    pub(crate) fn call(&self, cwd: &Path, call: &ToolCall) -> ToolReply {
        self.start(cwd, call, &[])
    }

    /// The same with a directory for locks that it shares with others.
    pub(crate) fn call_with_locks(&self, cwd: &Path, call: &ToolCall, locks: &Path) -> ToolReply {
        self.start(cwd, call, &["/usr/bin/env", &format!("TL_LOCKS={}", locks.display())])
    }

    /// The same under a program that starts it (`unshare …`, `strace …`): its words stand before the shell's.
    pub(crate) fn start(&self, cwd: &Path, call: &ToolCall, before: &[&str]) -> ToolReply {
        // As another user, the private directory must still be one that it can use.
        let private = if before.is_empty() { tempfile::tempdir().unwrap() } else { open_directory() };
        let script = format!("{}\numask 077\ntl_tool_{} \"$@\"", program(call.tool), call.tool);
        self.run(cwd, &script, call, before, &private)
    }

    /// A piece of shell that uses the functions which all tools share: its status and what it printed.
    pub(crate) fn script(&self, cwd: &Path, text: &str, before: &[&str]) -> ToolReply {
        let call = ToolCall { tool: "shared", args: Vec::new(), payload: Vec::new() };
        self.run(cwd, &format!("{}\n{text}", program("")), &call, before, &tempfile::tempdir().unwrap())
    }

    fn run(&self, cwd: &Path, script: &str, call: &ToolCall, before: &[&str], private: &tempfile::TempDir) -> ToolReply {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let request = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let input = private.path().join("in");
        let output = private.path().join("out");
        fs::write(&input, &call.payload).unwrap();
        let stdin = if call.payload.is_empty() { File::open("/dev/null").unwrap() } else { File::open(&input).unwrap() };
        let words: Vec<&str> = before.iter().copied().chain(self.shell.argv.iter().copied()).collect();
        let status = Command::new(words[0])
            .args(&words[1..])
            .arg("-c")
            .arg(script)
            .arg("sh")
            .args(call.args.iter().map(|arg| OsStr::from_bytes(arg)))
            .current_dir(cwd)
            .env_clear()
            .env("PATH", self.world.path())
            .env("HOME", private.path())
            .env("LC_ALL", "C")
            .env("TL_UMASK", "022")
            .env("TL_TMP", private.path())
            .env("TL_REQ", request)
            .stdin(stdin)
            .stdout(File::create(&output).unwrap())
            .stderr(if std::env::var_os("TL_SHOW").is_some() { Stdio::inherit() } else { Stdio::null() })
            .status()
            .unwrap();
        let status = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
        ToolReply { status, body: fs::read(&output).unwrap() }
    }
}

/// The text of a tool, after those that every tool may use.
pub(crate) fn program(tool: &str) -> String {
    let wanted = |name: &str| name == tool || name.starts_with("shared");
    PROGRAMS.iter().filter(|(name, _)| wanted(name)).map(|(_, text)| *text).collect::<Vec<_>>().join("\n")
}

/// Names that a careless program would take for something else.
pub(crate) fn hostile_names() -> Vec<Vec<u8>> {
    let long = "n".repeat(255);
    let mut names: Vec<Vec<u8>> = [
        "plain.txt",
        "a b",
        " ",
        "'",
        "\"",
        "$(touch pwned)",
        "`touch pwned`",
        "a\nb",
        "a\n",
        "\n",
        ";touch pwned",
        "-rf",
        "-",
        "--",
        "*",
        "?",
        "[a]",
        "\\",
        "\\n",
        "~",
        "=",
        "!",
        "#",
        "%s",
        "a -> b",
        "x:y",
        "&",
        "|",
        "$HOME",
        "é",
        "🦀",
        &long,
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"\x01\x7f\xff\xfe".to_vec());
    names
}

impl Host {
    /// Whether the shell can hold these bytes: yash keeps wide characters and refuses others than ASCII in the C locale.
    pub(crate) fn can_hold(&self, bytes: &[u8]) -> bool {
        self.shell.name != "yash" || bytes.is_ascii()
    }

    /// How its utilities can name a content.
    pub(crate) fn tag_kind(&self) -> TagKind {
        if self.world == World::Posix { TagKind::Cksum } else { TagKind::Sha256 }
    }

    /// For messages of failed tests.
    pub(crate) fn name(&self) -> String {
        format!("{} with {:?}", self.shell.name, self.world)
    }
}

/// Words that start a program as a user without rights, where the tests run as root.
pub(crate) fn as_nobody() -> &'static [&'static str] {
    static ROOT: OnceLock<bool> = OnceLock::new();
    let root = *ROOT.get_or_init(|| run(Command::new("/usr/bin/id").arg("-u")).trim() == "0");
    if root { &["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &[] }
}

/// A directory that everybody may enter and write to.
pub(crate) fn open_directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

/// One call in a directory on a disk of 64 KiB that holds a file `old`; and what that directory holds afterwards: its names and
/// then the content of `old`. `None` where no mount namespace of our own can be had.
pub(crate) fn full_disk(host: &Host, call: &ToolCall) -> Option<(ToolReply, String)> {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path().join("mount");
    let log = directory.path().join("log");
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "/bin/mount -t tmpfs -o size=64k tmpfs {0} && cd {0} && echo the old content >old || exit 99\n\
         \"$@\"; status=$?; {{ /bin/ls -A; /bin/cat old; }} >{1}; exit $status",
        mount.display(),
        log.display()
    );
    let reply = host.start(&mount, call, &["/usr/bin/unshare", "-rm", "/bin/sh", "-c", &script, "sh"]);
    let after = fs::read(&log).ok()?;
    Some((reply, String::from_utf8_lossy(&after).into_owned()))
}
