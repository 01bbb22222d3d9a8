//! What hosts, and the files of their users, do to lanes and sessions.
#![expect(clippy::disallowed_methods, reason = "a test starts touch")]

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use towline_base::Handle;
use towline_proto::frame::Tag;
use towline_proto::request::{Keeping, Output, Request, Run};

use crate::lane_line::{Host, command, kill, session, until};

/// Some hosts set TMOUT for every shell, and for good: a session waits for its next command as long as it takes.
fn reads_have_a_time_limit(own: &'static str) {
    let host = Host::new(own, "bash");
    fs::write(host.home().join(".bash_profile"), "readonly TMOUT=1; export TMOUT\n").unwrap();
    let mut line = host.open_with(&[("TMOUT", "1")]);
    let first = line.bash("echo $TMOUT $$").text();
    assert!(first.starts_with("1 "), "{first}");
    assert_eq!(line.run(&Run { session: session("other"), ..command("sleep 3") }).state, "exit 0");
    let ended = line.bash("echo $TMOUT $$");
    assert_eq!((ended.text(), ended.flags.as_str()), (first, "-"));
    line.close(&["main", "other"]);
    host.quiet();
}

/// Nothing of ours is executed where it lies: a home and places for what is temporary that allow no execution are as good as others.
fn nothing_may_be_executed(own: &'static str) {
    let mount = "for d in \"$HOME\" /tmp /var/tmp; do mount -t tmpfs -o noexec none $d || exit 1; done; exec \"$@\"";
    let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", mount, "sh"]);
    let mut line = host.open();
    line.bash("cd /usr; export A=5");
    assert_eq!(line.bash("pwd; echo $A; exit 3").text(), "/usr\n5\n");
    assert_eq!(line.run(&Run { copy: true, ..command("pwd; echo $A") }).text(), "/usr\n5\n");
    line.close(&["main"]);
    host.quiet();
}

/// Whoever is process 1 does not look after orphans: they stay zombies, which are not alive; outcomes are told as ever.
fn nobody_reaps(own: &'static str) {
    let one = "exec 3<&0; \"$@\" <&3 3<&- & exec 3<&-; exec sleep 600";
    let host = Host::new(own, "bash").under(&["unshare", "-rpf", "--mount-proc", "--kill-child", "sh", "-c", one, "sh"]);
    let mut line = host.open();
    line.bash("cd /usr; f() { echo \"f$1\"; }");
    line.bash("(sleep 0.01 &) ; (sleep 0.01 &)");
    for _ in 0..3 {
        assert_eq!(line.bash("f 1; exit 5").state, "exit 5");
    }
    assert_eq!(line.run(&Run { copy: true, ..command("f 2; pwd") }).text(), "f2\n/usr\n");
    let run = command("echo on; sleep 300 & (exec setsid sleep 301) & sleep 302");
    line.begin(&run);
    until("it prints", || {
        let (_, body) = line.call(&output(&run.handle));
        if body.ends_with("on\n") { Ok(()) } else { Err(body) }
    });
    let (_, said) = line.call(&Request::Stop(run.handle.clone(), "TERM"));
    assert!(said.starts_with("stopped ") && said.ends_with(" 1\n"), "{said}");
    assert_eq!(line.end(&run).state, "kill TERM");
    // The supervisor is lost while nothing runs, and its own zombie is not taken for it.
    let supervisor = "read -r n p r <\"$(echo \"$HOME\"/.local/state/towline/v1/*/s/main/cur)\"; echo $p";
    let before = line.bash(&format!("{supervisor}; (until [ -e ~/go ]; do sleep 0.02; done; kill -9 $p; : >~/gone) & f 3")).text();
    assert!(before.ends_with("\nf3\n"), "{before}");
    fs::write(host.home().join("go"), "").unwrap();
    until("the supervisor is killed", || if host.home().join("gone").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    until("another supervisor is there", || {
        let ended = line.bash(&format!("f 4; {supervisor}"));
        assert!(ended.text().starts_with("f4\n"), "{ended:?}");
        if ended.text().lines().nth(1) == before.lines().next() { Err(ended.text()) } else { Ok(()) }
    });
    let zombies = line.bash("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l").text();
    assert!(zombies.trim().parse::<u32>().unwrap() > 2, "{zombies}");
    line.cut();
    host.quiet();
}

/// A command that closes what it prints to, in its own shell or in another, ends as ever; a line without an end is kept whole.
fn odd_output(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    for text in
        ["echo a; exec >&- 2>&-; sleep 0.3; (exit 3)", "sh -c 'echo a; exec >&- 2>&-; sleep 0.3; exit 3'", "echo a; exec >&- 2>&-; exit 3"]
    {
        let ended = line.bash(text);
        assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 3", "a\n"), "{text}");
    }
    let run = command("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end >&2");
    let ended = line.run(&run);
    assert_eq!((ended.state.as_str(), ended.out.len()), ("exit 0", 16384));
    assert!(ended.tail.starts_with(b"10000005 0\n") && ended.tail.ends_with(b"x\nend\n"));
    line.close(&["main"]);
    host.quiet();
}

/// A home that several hosts share: what belongs to another of them is told to, and not touched; nor is the state of a newer towline.
fn other_nodes_and_layouts(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("true");
    let handle = Handle::mint();
    let other = host.root().with_file_name("other-1234");
    fs::create_dir_all(other.join("x")).unwrap();
    let record = format!("1 2 main -- 0 s 1.1 .\nsleep 5\nb main main.1.1 {} 1 1 boot 1001 p.1.1 1.1.1 .\n", std::process::id());
    fs::write(other.join("x").join(handle.as_str()), &record).unwrap();
    assert_eq!(line.call(&output(&handle)), ("1".to_owned(), "node other-1234\n".to_owned()));
    assert!(line.call(&Request::Stop(handle.clone(), "KILL")).1.starts_with("unknown 0 0"));
    assert_eq!(line.call(&Request::Sweep(Keeping { unread_days: 0, read_days: 0, ..Keeping::default() })).0, "0");
    assert_eq!(fs::read_to_string(other.join("x").join(handle.as_str())).unwrap(), record);
    line.close(&["main"]);
    host.quiet();

    fs::create_dir(host.home().join(".local/state/towline/v2")).unwrap();
    let mut line = host.start(&[]);
    let frame = line.frames("0", &[Tag::Hello, Tag::Refused]).pop().unwrap();
    let said = String::from_utf8(frame.payload).unwrap();
    assert!(frame.tag == Tag::Refused && said.starts_with("a newer towline keeps its state there: /"), "{said}");
    until("the lane has ended", || line.child.try_wait().unwrap().map(|_| ()).ok_or_else(String::new));
    host.quiet();
}

/// A session without a command for days ends; one that is used stays.
fn an_idle_session_ends(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("A=1");
    line.run(&Run { session: session("old"), ..command("A=2; (exec sleep 333) &") });
    let old = host.root().join("s/old");
    let files = ["cwd", "st.0", "st.1", "."].map(|name| old.join(name));
    // Its shell may be about to save its state.
    until("the session has ended", || {
        let touched = Command::new("touch").args(["-c", "-d", "8 days ago"]).args(&files).output().unwrap();
        assert_eq!(line.call(&Request::Sweep(Keeping::default())).0, "0");
        if old.exists() { Err(format!("{touched:?}")) } else { Ok(()) }
    });
    assert_eq!(line.bash("echo $A").text(), "1\n");
    for (pid, _) in host.processes().into_iter().filter(|(_, words)| words.starts_with("sleep 333")) {
        kill(pid, Signal::KILL);
    }
    line.close(&["main"]);
    host.quiet();
}

fn output(handle: &Handle) -> Request {
    let handle = handle.clone();
    Request::Output(Output {
        handle,
        stream: "stdout",
        offset: Some(0),
        limit: 1000,
        tail: 0,
        wait: 0,
        wait_for: "end",
        pattern: String::new(),
    })
}

/// Whether a host ends at logout what its user left running is read from its own files, the later one of two counts.
fn a_logout_ends_all(own: &'static str) {
    let rows = [
        ("KillUserProcesses=no", "", false),
        ("#KillUserProcesses=yes", "", false),
        ("KillUserProcesses=yes", "", false),
        ("KillUserProcesses=yes\nKillExcludeUsers=", "", true),
        (" KillUserProcesses = yes\nKillExcludeUsers=other", "", true),
        ("KillUserProcesses=yes\nKillExcludeUsers=\nKillOnlyUsers=other", "", false),
        ("KillUserProcesses=yes\nKillExcludeUsers=\nKillOnlyUsers=other root", "", true),
        ("KillUserProcesses=yes\nKillExcludeUsers=", "KillUserProcesses=no", false),
    ];
    for (first, later, ends) in rows {
        let set = format!(
            "mount -t tmpfs none /run && mount -t tmpfs none /etc/systemd && mkdir -p /run/systemd/system /etc/systemd/logind.conf.d || exit 1
             printf '{first}\\n' >/etc/systemd/logind.conf; printf '{later}\\n' >/etc/systemd/logind.conf.d/z.conf; exec \"$@\""
        );
        // In a namespace of its own the user is root, whom logind spares unless it is told otherwise.
        let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", &set, "sh"]);
        let mut line = host.open();
        let (_, facts) = line.call(&Request::Facts);
        assert_eq!(facts.lines().any(|fact| fact == "logout=ends"), ends, "{first:?} {later:?}: {facts}");
        line.close(&[]);
        host.quiet();
    }
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn what_a_logout_ends_is_known_before() {
                super::a_logout_ends_all($own);
            }

            #[test]
            fn a_time_limit_on_reads_ends_no_session() {
                super::reads_have_a_time_limit($own);
            }

            #[test]
            fn a_home_without_execution_is_enough() {
                super::nothing_may_be_executed($own);
            }

            #[test]
            fn zombies_are_not_alive() {
                super::nobody_reaps($own);
            }

            #[test]
            fn output_that_is_closed_or_has_no_end_of_line_is_told() {
                super::odd_output($own);
            }

            #[test]
            fn what_is_anothers_is_left_alone() {
                super::other_nodes_and_layouts($own);
            }

            #[test]
            fn a_session_that_nobody_uses_ends() {
                super::an_idle_session_ends($own);
            }
        }
    )*};
}

under! {
    bash: "bash";
    dash: "dash";
    busybox_ash: "busybox ash";
}
