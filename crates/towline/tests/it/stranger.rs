//! Another user of the same machine: what they find of ours, and what they put in our way.
//!
//! Both sides are on this machine, and the directories that a test makes for itself are opened to everybody, so that towline's own modes
//! are all that stands between. Needs root, who alone can become a stranger.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempPath;
use towline_testkit::{Lab, LabOptions, SshdOptions, process, shells, stage};

use crate::run::towline;

/// The number of `nobody`: ssh wants an account with a name.
const STRANGER: u32 = 65_534;

/// Whether a test can be somebody else; says by name what does not run if not.
#[expect(clippy::print_stderr, reason = "what does not run is said")]
fn possible(test: &str) -> bool {
    let can = stage::possible(test);
    let setpriv = shells::which("setpriv").is_some();
    if can && !setpriv {
        eprintln!("not run: {test}: there is no setpriv (Debian: util-linux)");
    }
    can && setpriv
}

/// What the stranger's shell says to a command.
fn stranger(command: &str) -> String {
    let number = STRANGER.to_string();
    let mut setpriv = process::command("setpriv");
    setpriv.args(["--reuid", &number, "--regid", &number, "--clear-groups", "sh", "-c", &format!("{command} 2>&1; echo \"status $?\"")]);
    let said = setpriv.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}

fn everything_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            everything_below(&entry.path(), found);
        }
    }
}

fn open_to_all(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn another_user_reaches_no_connection_session_or_outcome() {
    if !possible("another_user_reaches_no_connection_session_or_outcome") {
        return;
    }
    let lab = Lab::start();
    let ran = towline(&lab, &["run", "lab", "--", "echo in; umask 000; (sleep 60 >/dev/null 2>&1 &)"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "in\n", "{}", String::from_utf8_lossy(&ran.stderr));
    let home = lab.sshd.home();
    for dir in [lab.dir(), &lab.state_dir(), &lab.runtime_dir(), lab.sshd.dir(), &home, &home.join(".local"), &home.join(".local/state")] {
        open_to_all(dir);
    }
    let ours = [lab.runtime_dir().join("towline"), lab.state_dir().join("towline"), home.join(".local/state/towline")];
    for dir in &ours {
        let dir = dir.display();
        assert!(stranger(&format!("ls -ld '{dir}'")).ends_with("status 0\n"), "the test shows nothing if {dir} cannot be seen");
        for attempt in [format!("ls '{dir}'"), format!("cd '{dir}'"), format!("touch '{dir}/x'"), format!("mv '{dir}' '{dir}2'")] {
            let said = stranger(&attempt);
            assert!(!said.ends_with("status 0\n"), "{attempt}: {said}");
        }
    }
    let mut all = Vec::new();
    for dir in &ours {
        everything_below(dir, &mut all);
    }
    assert!(all.len() > 20, "{all:?}");
    for dir in &ours {
        let meta = std::fs::symlink_metadata(dir).unwrap();
        assert!(meta.is_dir() && meta.mode() & 0o777 == 0o700 && meta.uid() == 0, "{} {:o}", dir.display(), meta.mode());
    }
    let socket = all.iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("m-"))).expect("a master");
    let said = stranger(&format!("ssh -F /dev/null -S '{}' -O check x", socket.display()));
    assert!(said.contains("Permission denied"), "{said}");
}

/// A host whose account has no home, and where somebody was in the usual temporary directories before.
fn visited(prepare: &str) -> (Lab, TempPath) {
    let cage = format!(
        "#!/bin/sh\nexec unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs -o mode=1777 none /var/tmp && cd /var/tmp && {prepare} && \
         mount -t tmpfs -o mode=1777 none /tmp && cd /tmp && {{ [ -z \"$BOTH\" ] || {{ {prepare}; }}; }} && cd / && unset HOME XDG_STATE_HOME && exec /bin/sh \"$@\"' sh \"$@\"\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cage).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // An open file could not be run.
    let file = file.into_temp_path();
    let sshd = SshdOptions { login_shell: vec![file.to_string_lossy().into_owned()], ..SshdOptions::default() };
    (Lab::with(LabOptions { sshd, ..LabOptions::default() }), file)
}

#[test]
fn a_directory_that_somebody_else_put_in_the_way_is_not_used() {
    if !possible("a_directory_that_somebody_else_put_in_the_way_is_not_used") {
        return;
    }
    let theirs = format!("mkdir -m 777 towline-0 && chown {STRANGER} towline-0");
    let link = format!("mkdir -m 777 theirs && chown {STRANGER} theirs && ln -s /var/tmp/theirs towline-0");
    for prepare in [theirs, link] {
        let (lab, _cage) = visited(&prepare);
        let look = "ls -dn /tmp/towline-0 | cut -c1-10; find /var/tmp -name towline; echo done";
        let ran = towline(&lab, &["run", "lab", "--", look]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "drwx------\ndone\n", "{prepare}: {}", String::from_utf8_lossy(&ran.stderr));
        let (lab, _cage) = visited(&format!("BOTH=1 && {prepare}"));
        let ran = towline(&lab, &["run", "lab", "--", "echo ran"]).output().unwrap();
        let words = String::from_utf8_lossy(&ran.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.stdout.is_empty() && words.contains("no private place for state"), "{words}");
    }
}
