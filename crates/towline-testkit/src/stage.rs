//! Accounts of a test's own: an `/etc` with another user, passwords and sudoers, seen by one sshd and by what it starts.
//!
//! Holds to: files of the machine are covered within a mount namespace and never edited; the namespace ends with its processes. Leaves
//! out: machines where the tests are not root's or mounts are forbidden; [`possible`] says so, and the test says by name that it did
//! not run.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;

use crate::process::command;
use crate::shells::quote;

/// The password of the stage's account, which is made up.
pub const PASSWORD: &str = "correct-horse-battery";
/// The same as `crypt` keeps it.
const HASH: &str = "$6$towlinelab$iV8/nI0RUSUxttZEbr2hHI8EhTKxc1QRqnK9QBcOCjo6syvfIQqjCJVe/G92aFJv5dR6UTDlk3IalUC57YRlB0";
/// The stage's account.
pub const USER: &str = "stagehand";
/// Its user and group number, which no machine of ours gives out.
const NUMBER: u32 = 54_321;

/// What the account may do.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// Lines of sudoers.
    pub sudoers: String,
    /// The account's login shell; `/bin/bash` if empty.
    pub shell: String,
    /// The account's name; [`USER`] if empty.
    pub user: String,
    /// What PAM asks who logs in by keyboard-interactive.
    pub asks: Asks,
}

/// What PAM asks at a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// What the machine's own rules say: the password.
    #[default]
    Usual,
    /// The password, and then a one-time code of [`CODES`]; see [`codes_possible`].
    PasswordAndCode,
}

/// The one-time codes of the stage's account, in their order; each works once (RFC 4226, appendix D).
pub const CODES: [&str; 4] = ["755224", "287082", "359152", "969429"];
/// The key that they come from.
const CODE_KEY: &str = "3132333435363738393031323334353637383930";

impl Stage {
    /// The account's name.
    #[must_use]
    pub fn user(&self) -> &str {
        if self.user.is_empty() { USER } else { &self.user }
    }
}

/// Whether accounts of a test's own can be had here; says by name what does not run if not.
#[must_use]
#[expect(clippy::print_stderr, reason = "what does not run is said")]
pub fn possible(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    let tried = root
        && command("unshare").args(["-m", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !tried {
        eprintln!("not run: {test}: it needs root and a mount namespace of its own");
    }
    tried
}

/// Whether PAM can ask for one-time codes here, on a stage; says by name what does not run if not.
#[must_use]
#[expect(clippy::print_stderr, reason = "what does not run is said")]
pub fn codes_possible(test: &str) -> bool {
    if !possible(test) {
        return false;
    }
    let places = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].map(Path::new);
    let below = |place: &&Path| fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let there = places.iter().flat_map(below).chain(places.map(Path::to_owned)).any(|dir| dir.join("security/pam_oath.so").exists());
    if !there {
        eprintln!("not run: {test}: PAM has no module pam_oath here");
    }
    there
}

/// Writes the files of the stage below `dir`, and returns a program that covers the machine's with them and then becomes its arguments.
pub(crate) fn set(stage: &Stage, dir: &Path, home: &Path) -> io::Result<std::path::PathBuf> {
    let etc = dir.join("etc");
    for name in ["etc", "roothome"] {
        fs::create_dir_all(dir.join(name))?;
    }
    let shell = if stage.shell.is_empty() { "/bin/bash" } else { &stage.shell };
    let (user, root_home) = (stage.user(), dir.join("roothome"));
    let passwd = fs::read_to_string("/etc/passwd")?;
    let others: String = passwd.lines().filter(|line| !line.starts_with("root:")).flat_map(|line| [line, "\n"]).collect();
    let files = [
        (
            "passwd",
            0o644,
            format!("root:x:0:0:root:{}:/bin/bash\n{others}{user}:x:{NUMBER}:{NUMBER}::{}:{shell}\n", root_home.display(), home.display()),
        ),
        ("group", 0o644, format!("{}{user}:x:{NUMBER}:\n", fs::read_to_string("/etc/group")?)),
        ("shadow", 0o640, format!("root:*:19000::::::\nsshd:!:19000::::::\n{user}:{HASH}:19000::::::\n")),
        (
            "sudoers",
            0o440,
            format!(
                "Defaults env_keep += \"TOWLINE_LAB_HOST\"\nDefaults !fqdn\nDefaults secure_path=\"/usr/sbin:/usr/bin:/sbin:/bin\"\n{}\n",
                stage.sudoers
            ),
        ),
    ];
    let mut files = files.to_vec();
    if stage.asks == Asks::PasswordAndCode {
        let codes = etc.join("users.oath");
        // The module writes there which code was the last one.
        fs::write(&codes, format!("HOTP {user} - {CODE_KEY}\n"))?;
        fs::set_permissions(&codes, fs::Permissions::from_mode(0o600))?;
        let rules = format!(
            "auth requisite pam_unix.so\nauth required pam_oath.so usersfile={} window=5 digits=6\naccount required pam_unix.so\nsession required pam_permit.so\n",
            codes.display()
        );
        fs::create_dir_all(etc.join("pam.d"))?;
        files.push(("pam.d/sshd", 0o644, rules));
    }
    let mut program =
        String::from("#!/bin/sh\n# Covers files of the machine within this mount namespace.\nset -e\nmount --make-rprivate /\n");
    for (name, mode, text) in files {
        let file = etc.join(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        if Path::new("/etc").join(name).exists() {
            let _ = writeln!(program, "mount --bind {} /etc/{name}", quote(&file.to_string_lossy()));
        }
    }
    program.push_str("exec \"$@\"\n");
    // The account comes through to its home, and to nothing else.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
    chown(home, Some(NUMBER), Some(NUMBER))?;
    fs::set_permissions(home, fs::Permissions::from_mode(0o700))?;
    let file = dir.join("on_stage");
    fs::write(&file, program)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(file)
}
