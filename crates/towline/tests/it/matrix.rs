//! The hosts that towline is tried on, one row and one test each: the same script, through the program itself and a real sshd.
//!
//! Holds to: `docs/hosts.md` is written from these rows (`cargo xtask matrix`), and a test compares them. A row that needs what this
//! machine has not says by name that it did not run. Leaves out: logins that need a secret, which `login` tries.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use towline_testkit::{Lab, LabOptions, Server, SshdOptions, Stage, eventually, shells, sshd, stage};

/// One kind of host.
struct Row {
    /// The test's name.
    name: &'static str,
    /// What is special about the host.
    what: &'static str,
    needs: Needs,
    set: fn(&mut Setup),
    comes: Comes,
}

/// What a row needs of the machine that it is tried on.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Program(&'static str),
    /// A mount namespace of its own, and root to make one.
    Namespace,
    /// That, and a program.
    NamespaceAnd(&'static str),
    /// An sshd that punishes sources that fail (OpenSSH 9.8 and later).
    Penalties,
}

/// What comes of it.
#[derive(Clone, Copy)]
enum Comes {
    /// `towline check` is content, a megabyte comes through, and `clean --all` leaves nothing.
    Works,
    /// The same, and the check says what is done without these programs.
    Without(&'static [&'static str]),
    /// Nothing is run, and these words say why.
    Told(&'static str),
}

/// What is done to a host that is there.
type Step = Box<dyn Fn(&mut Lab)>;

/// A host that is being set up.
struct Setup {
    sshd: SshdOptions,
    client: String,
    /// What stands in the path of the client's own directories.
    place: &'static str,
    /// What is done once it is there.
    then: Vec<Step>,
    host: &'static str,
    dir: TempDir,
}

impl Setup {
    fn shell(&mut self, words: &[&str]) {
        self.sshd.login_shell = words.iter().map(|word| (*word).to_owned()).collect();
    }

    fn config(&mut self, line: &str) {
        self.sshd.config.push(line.to_owned());
    }

    fn rc(&mut self, text: &'static str) {
        self.then.push(Box::new(move |lab| std::fs::write(lab.sshd.home().join(".bashrc"), text).unwrap()));
    }

    fn locale(&mut self, name: &str) {
        self.sshd.env = ["LANG", "LC_ALL"].map(|variable| (variable.to_owned(), name.to_owned())).to_vec();
    }

    /// The Turkish locale, made for this test: the machine's own are not changed.
    fn turkish(&mut self) {
        let made = self.dir.path().join("tr_TR.UTF-8");
        let mut localedef = towline_testkit::process::command("localedef");
        localedef.args(["-i", "tr_TR", "-f", "UTF-8"]).arg(&made).stdout(Stdio::null()).stderr(Stdio::null());
        // Warnings about the definition give 1.
        assert!(localedef.status().is_ok() && made.is_dir(), "localedef makes no tr_TR.UTF-8");
        self.locale("tr_TR.UTF-8");
        self.sshd.env.push(("LOCPATH".to_owned(), self.dir.path().to_string_lossy().into_owned()));
        self.then(|lab| {
            let upper = lab.ssh().args(["lab", "printf i | sed 's/i/\\U&/'"]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&upper.stdout), "İ", "the locale is in force");
        });
    }

    /// What stands between sshd and the shell, in a mount namespace of its own.
    fn cage(&mut self, prepare: &str) {
        let file = self.dir.path().join("cage");
        let text = format!(
            "#!/bin/sh\nexec unshare -m sh -c 'mount --make-rprivate / && {prepare} && cd \"$HOME\" && exec /bin/bash \"$@\"' sh \"$@\"\n"
        );
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.shell(&[&file.to_string_lossy()]);
    }

    /// Only these programs are on the host's PATH.
    fn only(&mut self, program: impl Fn(&str) -> bool) {
        let bin = self.dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for entry in ["/usr/bin", "/bin"].iter().flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten()) {
            if program(&entry.file_name().to_string_lossy()) {
                let _ = symlink(entry.path(), bin.join(entry.file_name()));
            }
        }
        self.sshd.path = Some(bin.into());
    }

    fn only_busybox(&mut self) {
        self.only(|name| name == "busybox");
        let bin = self.dir.path().join("bin");
        let applets = towline_testkit::process::command("busybox").arg("--list").output().unwrap();
        for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|applet| *applet != "busybox") {
            symlink(bin.join("busybox"), bin.join(applet)).unwrap();
        }
        self.shell(&["busybox", "ash"]);
    }

    fn then(&mut self, what: impl Fn(&mut Lab) + 'static) {
        self.then.push(Box::new(what));
    }
}

macro_rules! rows {
    ($($name:ident: $what:literal, $needs:expr, $comes:expr, $set:expr;)*) => {
        const ROWS: &[Row] = &[$(Row { name: stringify!($name), what: $what, needs: $needs, set: $set, comes: $comes }),*];

        $(#[test]
        fn $name() {
            let row = ROWS.iter().find(|row| row.name == stringify!($name)).unwrap();
            judge(row);
        })*
    };
}

use Comes::{Told, Without, Works};
use Needs::{Namespace, NamespaceAnd, Nothing, Penalties, Program};

rows! {
    login_shell_bash: "login shell bash", Nothing, Works, |_| {};
    login_shell_dash: "login shell dash", Program("dash"), Works, |host| host.shell(&["dash"]);
    login_shell_zsh: "login shell zsh", Program("zsh"), Works, |host| host.shell(&["zsh"]);
    login_shell_fish: "login shell fish", Program("fish"), Works, |host| host.shell(&["fish"]);
    login_shell_tcsh: "login shell tcsh", Program("tcsh"), Works, |host| host.shell(&["tcsh"]);
    login_shell_mksh: "login shell mksh", Program("mksh"), Works, |host| host.shell(&["mksh"]);
    login_shell_busybox_ash: "login shell busybox ash", Program("busybox"), Works, |host| host.shell(&["busybox", "ash"]);
    rc_noise: ".bashrc that prints to stdout and stderr", Nothing, Works, |host| host.rc("echo welcome; printf 'no newline'; echo oops >&2\n");
    rc_slow: ".bashrc that takes 3 seconds", Nothing, Works, |host| host.rc("sleep 3\n");
    rc_exec_zsh: ".bashrc with `exec zsh`", Program("zsh"), Told("said nothing in the time"), |host| host.rc("exec zsh\n");
    rc_read: ".bashrc with `read`", Nothing, Told("said nothing in the time"), |host| host.rc("read -r answer\n");
    max_sessions_1: "`MaxSessions 1`", Nothing, Works, |host| host.sshd.max_sessions = Some(1);
    max_sessions_2: "`MaxSessions 2`", Nothing, Works, |host| host.sshd.max_sessions = Some(2);
    max_startups_low: "`MaxStartups 1`", Nothing, Works, |host| host.sshd.max_startups = Some("1".to_owned());
    no_tty: "`PermitTTY no`", Nothing, Works, |host| host.config("PermitTTY no");
    no_sftp: "no SFTP", Nothing, Works, |host| host.config("Subsystem sftp /bin/false");
    forced_command: "`ForceCommand` that runs something else", Nothing, Told("the menu"), |host| host.config("ForceCommand echo the menu");
    nologin: "login shell nologin", Nothing, Told("not available"), |host| host.shell(&["/usr/sbin/nologin"]);
    restricted_bash: "login shell rbash", Program("rbash"), Told("restricted"), |host| host.shell(&["rbash"]);
    git_shell: "login shell git-shell", Program("git-shell"), Told("unrecognized command"), |host| host.shell(&["git-shell"]);
    read_only_home: "read-only home", Namespace, Works, |host| host.cage("mount -t tmpfs -o mode=1777 none /var/tmp && mount --bind \"$HOME\" \"$HOME\" && mount -o remount,bind,ro \"$HOME\"");
    full_disk: "full disk", Namespace, Told("state not writable"), |host| host.cage("mount -t tmpfs -o size=64k none \"$HOME\" && { dd if=/dev/zero of=\"$HOME/full\" bs=1k 2>/dev/null; true; }");
    noexec: "/tmp and home mounted `noexec`", Namespace, Works, |host| host.cage("mount --bind /tmp /tmp && mount -o remount,bind,noexec /tmp");
    no_bash: "no bash", Program("dash"), Without(&["bash"]), |host| { host.only(|name| name != "bash" && name != "rbash"); host.shell(&["dash"]); };
    busybox_only: "busybox alone", Program("busybox"), Without(&["bash", "rg"]), Setup::only_busybox;
    posix_only: "what POSIX names and nothing else", Nothing, Without(&["bash", "rg"]), |host| { host.only(|name| POSIX.split_whitespace().any(|one| one == name)); host.shell(&["sh"]); };
    locale_turkish: "Turkish locale", Program("locale-gen"), Works, Setup::turkish;
    locale_utf8: "UTF-8 locale", Nothing, Works, |host| host.locale("C.UTF-8");
    locale_c: "C locale", Nothing, Works, |host| host.locale("C");
    dropbear: "Dropbear as the server", NamespaceAnd("dropbear"), Works, by_dropbear;
    penalties: "`PerSourcePenalties yes`", Penalties, Works, |host| host.config("PerSourcePenalties yes");
    other_letters_on_the_host: "user name and home with non-ASCII characters and blanks", Namespace, Works, other_letters;
    other_letters_on_this_side: "the user's own directories with non-ASCII characters", Nothing, Works, |host| host.place = "бюро-é家-";
    proxy_command: "`Include`, `Match exec` and `ProxyCommand`", Program("busybox"), Works, by_proxy_command;
    two_jump_hosts: "behind two jump hosts (`ProxyJump`)", Nothing, Works, jump_twice;
    certificate: "login by certificate", Nothing, Works, by_certificate;
    own_master_up: "`ControlMaster` of the user, up", Nothing, Works, |host| own_master(host, "ssh -F \"$1\" -fNM lab </dev/null >/dev/null 2>&1");
    own_master_down: "`ControlMaster` of the user, not up", Nothing, Works, |host| own_master(host, "true");
    own_master_stale: "`ControlMaster` of the user, its socket left behind", Program("python3"), Works, |host| own_master(host, "python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \"$2\"");
}

/// The utilities of POSIX.1-2017 that are programs; no stat, readlink, realpath, mktemp, setsid, seq, sha256sum.
const POSIX: &str = "awk basename cat chgrp chmod chown cksum cmp comm cp csplit cut date dd df diff dirname du echo ed env expand expr \
    false file find fold getconf grep head iconv id join kill link ln locale logger logname ls mkdir mkfifo mv nice nl nohup od paste \
    patch pathchk pax pr printf ps pwd rm rmdir sed sh sleep sort split strings stty tabs tail tee test time touch tput tr true tsort tty \
    uname unexpand uniq unlink wc who xargs";

/// What other tests try, with a secret: what is special, what comes of it, and the test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("password by PAM, and keyboard-interactive", "works", "a_password_goes_to_pam_and_nowhere_else"),
    (
        "password and then a one-time code by PAM (pam_oath)",
        "works",
        "a_one_time_code_follows_the_password_and_is_fetched_anew_for_each_login",
    ),
    ("key with a passphrase", "works", "a_keys_passphrase_comes_from_the_secret_that_the_configuration_names"),
    ("root by sudo", "works", "root_works_by_sudo_with_files_and_commands_and_the_password_is_nowhere"),
    ("password that is wrong", "told; tried once", "a_wrong_password_is_tried_once_and_none_is_sent_where_nobody_can_answer"),
    (
        "host key that is not known, or has changed",
        "told, with fingerprints",
        "an_unknown_key_is_accepted_by_its_fingerprint_and_a_changed_one_never",
    ),
];

fn by_dropbear(host: &mut Setup) {
    host.sshd.server = Server::Dropbear;
    host.sshd.stage = Some(Stage::default());
    host.then(|lab| assert!(lab.sshd.log().contains("Not backgrounding"), "it is Dropbear: {}", lab.sshd.log()));
}

fn other_letters(host: &mut Setup) {
    host.sshd = SshdOptions { home: "ho\u{308}me of 家".to_owned(), ..SshdOptions::default() };
    host.sshd.stage = Some(Stage { user: "jörg".to_owned(), ..Stage::default() });
    host.then(|lab| {
        let config = lab.sshd.client_config("127.0.0.1", lab.sshd.port()).replace("  User jörg\n", "");
        lab.add_config(&config);
        for name in ["lab", "jörg@127.0.0.1"] {
            let ran = towline(lab, &["run", name, "--", "id -un; pwd"]);
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("jörg\n{}\n", lab.sshd.home().display()), "{name}: {said}");
        }
    });
}

/// The way leads through a command alone: the port that ssh knows is closed.
fn by_proxy_command(host: &mut Setup) {
    host.host = "far";
    host.then(|lab| {
        let (port, more) = (lab.sshd.port(), lab.dir().join("more"));
        std::fs::write(&more, format!("Match originalhost far exec \"true %h\"\n  ProxyCommand busybox nc 127.0.0.1 {port}\n")).unwrap();
        std::fs::set_permissions(&more, std::fs::Permissions::from_mode(0o600)).unwrap();
        let closed = lab.sshd.client_config("far", port).replace(&format!("Port {port}"), "Port 1");
        lab.add_config(&format!("{closed}  HostKeyAlias [127.0.0.1]:{port}\nMatch all\n  Include {}\n", more.display()));
    });
}

fn jump_twice(host: &mut Setup) {
    host.host = "far";
    host.then(|lab| {
        let block = |alias: &str, by: &str| lab.sshd.client_config(alias, lab.sshd.port()) + by;
        lab.add_config(&[block("gate1", ""), block("gate2", "  ProxyJump gate1\n"), block("far", "  ProxyJump gate2\n")].concat());
    });
}

fn by_certificate(host: &mut Setup) {
    host.then(|lab| {
        let dir = lab.sshd.dir().to_owned();
        let run = |words: &[&str]| {
            let mut command = lab.command("ssh-keygen");
            assert!(command.args(words).current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        };
        run(&["-q", "-t", "ed25519", "-N", "", "-f", "ca"]);
        run(&["-q", "-s", "ca", "-I", "lab", "-n", lab.sshd.user(), "user_key.pub"]);
        let config = std::fs::read_to_string(dir.join("sshd_config")).unwrap();
        let only = format!("AuthorizedKeysFile none\nTrustedUserCAKeys {}\n", dir.join("ca.pub").display());
        std::fs::write(dir.join("sshd_config"), only + &config).unwrap();
        lab.sshd.restart().unwrap();
    });
}

/// A control path of the user's own, after this command was run with the configuration and the path.
fn own_master(host: &mut Setup, command: &'static str) {
    host.then(move |lab| {
        let socket = lab.dir().join("own");
        lab.add_config(&format!("Host lab\n  ControlPath {}\n", socket.display()));
        let done = lab.command("sh").args(["-c", command, "sh"]).arg(lab.ssh_config()).arg(&socket).status().unwrap();
        assert!(done.success());
    });
}

/// towline itself, which is ended if it takes far too long.
fn towline(lab: &Lab, words: &[&str]) -> Output {
    let mut command: Command = lab.command("timeout");
    command.args(["--foreground", "-k", "1", "240", env!("CARGO_BIN_EXE_towline"), "--ssh-config"]);
    command.arg(lab.ssh_config()).args(words).stdin(Stdio::null()).output().unwrap()
}

#[expect(clippy::print_stderr, reason = "what does not run is said")]
fn judge(row: &Row) {
    let name = row.name;
    match row.needs {
        Program(program) | NamespaceAnd(program) if shells::which(program).is_none() => {
            return eprintln!("not run: {name}: there is no {program}");
        }
        Namespace | NamespaceAnd(_) if !stage::possible(name) => return,
        Penalties if !sshd::penalties_are_known() => return eprintln!("not run: {name}: this sshd is older than OpenSSH 9.8"),
        Nothing | Program(_) | Namespace | NamespaceAnd(_) | Penalties => {}
    }
    let dir = tempfile::tempdir().unwrap();
    let mut setup = Setup { sshd: SshdOptions::default(), client: String::new(), place: "", then: Vec::new(), host: "lab", dir };
    (row.set)(&mut setup);
    let mut lab = Lab::with(LabOptions {
        sshd: setup.sshd,
        client_config: setup.client,
        client_place: setup.place.to_owned(),
        ..LabOptions::default()
    });
    setup.then.iter().for_each(|what| what(&mut lab));
    match row.comes {
        Works => works(&lab, setup.host, &[]),
        Without(programs) => works(&lab, setup.host, programs),
        Told(words) => {
            let ran = towline(&lab, &["run", setup.host, "--", "touch ran"]);
            let said = String::from_utf8_lossy(&ran.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!((ran.status.code(), said.contains(words)), (Some(125), true), "{name}: {said}");
            assert!(!lab.sshd.home().join("ran").exists());
        }
    }
}

fn works(lab: &Lab, host: &str, without: &[&str]) {
    let told = |done: &Output| format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let check = towline(lab, &["check", host]);
    let said = told(&check);
    assert!(check.status.code() == Some(0) && !said.contains("WRONG"), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("All is well: ") && last.ends_with(&format!(" checks, every tool works on {host}.")), "{said}");
    for name in without {
        // What is missing, and what is done without it.
        let lines: Vec<_> = said.lines().filter_map(|line| line.strip_prefix(&format!("the host has no {name}: "))).collect();
        assert!(matches!(lines.as_slice(), [instead] if !instead.is_empty()), "{name}: {said}");
    }
    let big = towline(lab, &["run", host, "--", "head -c 1000000 /dev/zero | tr '\\0' x"]);
    let got = (big.status.code(), big.stdout.len(), big.stdout.iter().all(|byte| *byte == b'x'));
    assert_eq!(got, (Some(0), 1_000_000, true), "{}", String::from_utf8_lossy(&big.stderr));
    let clean = towline(lab, &["clean", host, "--all", "--yes"]);
    assert!(clean.status.success(), "{}", told(&clean));
    eventually(std::time::Duration::from_secs(30), || !lab.sshd.home().join(".local/state/towline").exists());
}

/// The page that the rows are.
fn page() -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask matrix` from the rows of crates/towline/tests/it/matrix.rs; do not edit. -->\n\n# Hosts\n\n\
         What towline is tried on, with every change, through a real sshd on loopback. *Works* means: `towline check` finds nothing wrong (every\n\
         tool, on that host), a megabyte of output comes through whole, and `towline clean --all` leaves nothing behind. *Told* means: nothing is\n\
         run, and the words say why.\n\n| host | what comes of it | test |\n|---|---|---|\n",
    );
    for row in ROWS {
        let comes = match row.comes {
            Works => "works".to_owned(),
            Without(programs) => format!("works; the check says what is done without {}", programs.join(" and ")),
            Told(words) => format!("told: \"{words}\""),
        };
        let needs = match row.needs {
            Nothing | Program(_) => "",
            Namespace | NamespaceAnd(_) => " (tried as root only)",
            Penalties => " (tried where sshd is OpenSSH 9.8 or later)",
        };
        let _ = writeln!(text, "| {} | {comes}{needs} | `matrix::{}` |", row.what, row.name);
    }
    for (what, comes, test) in ELSEWHERE {
        let _ = writeln!(text, "| {what} | {comes} | `login::{test}` |");
    }
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "cargo xtask matrix tells this test to write")]
fn the_page_of_hosts_tells_every_row() {
    let login = include_str!("login.rs");
    for (_, _, test) in ELSEWHERE {
        assert!(login.contains(&format!("async fn {test}(")), "{test}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hosts.md");
    if std::env::var_os("TOWLINE_WRITE_HOSTS").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == page(), "docs/hosts.md differs from the rows; `cargo xtask matrix` writes it");
}
