//! What lanes, supervisors and shells do when one of them is lost, comes twice, finds no room, or is not the first.
#![expect(clippy::disallowed_methods, reason = "the tests start processes")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use towline_base::{ExecutionId, Handle};
use towline_proto::frame::Tag;
use towline_proto::outcome::{Mark, Standing, Why};
use towline_proto::request::{Clean, Keeping, Output, Request, Run, Which};

use crate::harness::World;
use crate::lane_line::{Host, Line, command, kill, session, supervisor, until};

/// A command that begins, waits for a file, ends, and leaves one line in a ledger.
fn waiting(host: &Host, ending: &str) -> Run {
    let home = host.home().display();
    command(&format!("echo begun; echo once >>{home}/ledger; while [ ! -e {home}/go ]; do sleep 0.05; done; echo over; {ending}"))
}

fn ledger(host: &Host) -> usize {
    fs::read_to_string(host.home().join("ledger")).unwrap_or_default().lines().count()
}

/// Waits until an execution has printed something.
fn begun(host: &Host, run: &Run) {
    until("it has begun", || {
        let record = fs::read_to_string(host.root().join("x").join(run.handle.as_str())).unwrap_or_default();
        let spool = record.lines().find(|line| line.starts_with("b ")).and_then(|line| line.split(' ').nth(2)).map(str::to_owned);
        let text = spool.map(|name| fs::read_to_string(host.root().join("o").join(name)).unwrap_or_default());
        if text.is_some_and(|text| text.starts_with("begun\n")) { Ok(()) } else { Err(record) }
    });
}

fn wait(line: &mut Line<'_>, run: &Run) -> crate::lane_line::Ended {
    line.send(&Request::Wait(run.handle.clone()));
    line.end(run)
}

fn a_supervisor_is_lost(own: &'static str) {
    // Somebody asks while the command still runs: a new supervisor takes over.
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr; export A=5; f() { echo \"f$A\"; }");
    let run = waiting(&host, "(exit 3)");
    line.begin(&run);
    begun(&host, &run);
    kill(supervisor(&host, "main"), Signal::KILL);
    line.send(&Request::Wait(run.handle.clone()));
    let standing = line.frames(run.handle.as_str(), &[Tag::Standing]).pop().unwrap();
    assert_eq!(standing.payload, b"running");
    let ended = line.bash("f; pwd");
    assert_eq!((ended.text().as_str(), ended.flags.as_str()), ("f5\n/usr\n", "s"));
    fs::write(host.home().join("go"), "").unwrap();
    let ended = line.end(&run);
    assert_eq!((ended.state.as_str(), ended.text().as_str(), ledger(&host)), ("exit 3", "begun\nover\n", 1), "{ended:?}");
    fs::remove_file(host.home().join("go")).unwrap();

    // Nobody asks until it is over; once the shell ended with the command, once it did not.
    for (ending, state) in [("(exit 4)", "exit 4"), ("exit 5", "exit 5"), ("kill -9 $$", "kill 9")] {
        let run = waiting(&host, ending);
        line.begin(&run);
        begun(&host, &run);
        kill(supervisor(&host, "main"), Signal::KILL);
        fs::write(host.home().join("go"), "").unwrap();
        until("the shell has said how it ended", || {
            let record = fs::read_to_string(host.root().join("x").join(run.handle.as_str())).unwrap();
            if record.contains("\nd ") { Ok(()) } else { Err(record) }
        });
        fs::remove_file(host.home().join("go")).unwrap();
        let ended = wait(&mut line, &run);
        let expected = if own.starts_with("zsh") { ended.state.clone() } else { state.to_owned() };
        assert_eq!((ended.state, ended.out), (expected, b"begun\nover\n".to_vec()), "{ending}");
        assert_eq!(line.bash("echo on").text(), "on\n");
    }
    assert_eq!(ledger(&host), 4);

    // Its shell with it: nobody is left who could know.
    let run = waiting(&host, "true");
    line.begin(&run);
    begun(&host, &run);
    for (pid, words) in host.processes() {
        if !words.contains("read -r k n m o q w") {
            kill(pid, Signal::KILL);
        }
    }
    until("they are gone", || match host.processes().into_iter().find(|(_, words)| !words.contains("read -r k n m o q w")) {
        Some(left) => Err(format!("{left:?}")),
        None => Ok(()),
    });
    assert_eq!(wait(&mut line, &run).report.standing, Standing::Lost(Why::Supervisor));
    assert_eq!(line.bash("f").text(), "f5\n");
    line.close(&["main"]);
    host.quiet();
}

/// A lane that ends anywhere in a request, and one that sends what another has sent: it begins once, and its outcome is told.
fn lanes_come_and_go(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("true");
    for cut in [3, 15, 60, 120, 10_000] {
        let run = command(&format!("echo once >>{}/ledger; echo {cut}", host.home().display()));
        let mut stale = host.open();
        let bytes = Request::Run(run.clone()).encode(1);
        stale.write(&bytes[..cut.min(bytes.len())]);
        stale.cut();
        let mut other = host.open();
        line.begin(&run);
        other.begin(&run);
        assert_eq!(line.end(&run).text(), format!("{cut}\n"));
        assert_eq!(other.end(&run).text(), format!("{cut}\n"));
        assert_eq!(wait(&mut other, &run).text(), format!("{cut}\n"));
        other.close(&[]);
    }
    assert_eq!(ledger(&host), 5);

    // The same id with other work, and another id with the same handle.
    let run = command("echo mine");
    assert_eq!(line.run(&run).text(), "mine\n");
    let refused = line.run(&Run { command: "echo yours".to_owned(), ..run.clone() });
    assert_eq!((refused.tag, refused.state.as_str()), (Tag::Refused, "digest"));
    let refused = line.run(&Run { id: ExecutionId::mint(), ..run });
    assert_eq!((refused.tag, refused.state.as_str()), (Tag::Refused, "taken"));

    // A lane that ended between the record and the word to the session; and one that ended within the record.
    let run = command(&format!("echo once >>{}/ledger", host.home().display()));
    let record = format!("{} {} main -- 0 s 1.1 .\n{}\n", run.id.as_str(), run.digest(), run.command);
    fs::write(host.root().join("x").join(run.handle.as_str()), &record).unwrap();
    line.send(&Request::Wait(run.handle.clone()));
    line.send(&Request::Wait(run.handle.clone()));
    line.begin(&run);
    assert_eq!((line.end(&run).state.as_str(), ledger(&host)), ("exit 0", 6));
    let run = command(&format!("echo once >>{}/ledger", host.home().display()));
    let record = format!("{} {} main -- 0 s 1.1 .\n{}", run.id.as_str(), run.digest(), &run.command[..10]);
    fs::write(host.root().join("x").join(run.handle.as_str()), &record).unwrap();
    line.send(&Request::Wait(run.handle.clone()));
    assert_eq!(line.frames(run.handle.as_str(), &[Tag::Standing]).pop().unwrap().payload, b"away");
    assert_eq!((line.run(&run).state.as_str(), ledger(&host)), ("exit 0", 7));

    // What nobody ever asked for.
    let nobody = Handle::mint();
    line.send(&Request::Wait(nobody.clone()));
    assert_eq!(line.frames(nobody.as_str(), &[Tag::Standing]).pop().unwrap().payload, b"away");
    let (status, said) = line.call(&output(&nobody));
    assert_eq!((status.as_str(), said.as_str()), ("1", "unknown\n"));
    line.close(&["main"]);
    host.quiet();
}

fn output(handle: &Handle) -> Request {
    let handle = handle.clone();
    Request::Output(Output {
        handle,
        stream: "stdout",
        offset: Some(0),
        limit: 100,
        tail: 0,
        wait: 0,
        wait_for: "end",
        pattern: String::new(),
    })
}

/// A copy that is asked for twice in one moment, by the same lane and by another, begins once, also in a session that comes up for it.
fn a_copy_is_asked_for_twice(own: &'static str) {
    let host = Host::new(own, "bash");
    let (mut line, mut other) = (host.open(), host.open());
    let names: Vec<String> = (0..4).map(|i| format!("s{i}")).collect();
    for name in names.iter().chain(&names) {
        let text = format!("echo once >>{}/ledger; echo $$", host.home().display());
        let run = Run { session: session(name), copy: true, ..command(&text) };
        for _ in 0..2 {
            line.begin(&run);
            other.begin(&run);
        }
        let (first, second) = (line.end(&run), other.end(&run));
        assert_eq!((first.state.as_str(), first.text()), ("exit 0", second.text()));
    }
    assert_eq!(ledger(&host), 8);
    other.close(&[]);
    line.close(&["s0", "s1", "s2", "s3"]);
    host.quiet();
}

/// Several lanes want a session that is not there yet: it comes up once.
fn a_session_comes_up_once(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut lines: Vec<Line<'_>> = (0..4).map(|_| host.open()).collect();
    let runs: Vec<Run> = lines.iter().map(|_| command("echo $PPID $$")).collect();
    for (line, run) in lines.iter_mut().zip(&runs) {
        line.begin(run);
    }
    let mut said: Vec<String> = lines.iter_mut().zip(&runs).map(|(line, run)| line.end(run).text()).collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    let last = lines.pop().unwrap();
    for line in lines {
        line.close(&[]);
    }
    last.close(&["main"]);
    host.quiet();
}

/// After a reboot: what ran is lost, and said to be; directory and environment are there again, and that is said once.
fn after_a_reboot(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr; export A='5 6'; f() { echo \"f$A\"; }");
    let done = command("echo done");
    line.run(&done);
    let run = waiting(&host, "true");
    line.begin(&run);
    begun(&host, &run);
    for (pid, _) in host.processes() {
        kill(pid, Signal::KILL);
    }
    drop(line);
    host.quiet();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let other = boot.trim().replace(|c: char| c.is_ascii_hexdigit(), "e");
    let records = fs::read_dir(host.root().join("x")).unwrap().map(|entry| entry.unwrap().path());
    for file in records.chain([host.root().join("s/main/cur"), host.root().join("index")]) {
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(boot.trim(), &other)).unwrap();
    }
    let mut line = host.open();
    assert_eq!(wait(&mut line, &run).report.standing, Standing::Lost(Why::Reboot));
    assert_eq!(wait(&mut line, &done).text(), "done\n");
    let ended = line.bash("pwd; f");
    assert_eq!((ended.text().as_str(), ended.flags.as_str()), ("/usr\nf5 6\n", "s"));
    assert_eq!(line.bash("true").flags, "-");
    let (_, jobs) = line.call(&Request::Jobs(Which::Open));
    let record = fs::read_to_string(host.root().join("x").join(run.handle.as_str())).unwrap();
    let told = jobs.lines().any(|row| row.starts_with(run.handle.as_str()) && row.contains("|main|lost reboot|"));
    assert!(told, "{jobs}\n{record}");
    // A pid that is somebody else's now is not the supervisor.
    let current = format!("1 {} 1 {} p .\n", std::process::id(), boot.trim());
    kill(supervisor(&host, "main"), Signal::KILL);
    fs::write(host.root().join("s/main/cur"), current).unwrap();
    assert_eq!(line.bash("f").text(), "f5 6\n");
    line.close(&["main"]);
    host.quiet();
}

/// No room, or no right to write: refused in words, or done; never a wrong outcome.
fn a_full_disk(own: &'static str) {
    let mount = "mount -t tmpfs -o size=400k none \"$HOME\" && exec \"$@\"";
    let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", mount, "sh"]);
    let mut line = host.open();
    assert_eq!(line.bash("echo room").text(), "room\n");
    let filled = line.bash("(sleep 2; rm $HOME/fill) & cat /dev/zero >$HOME/fill 2>/dev/null; echo full");
    assert_eq!(filled.state, "exit 0");
    assert!(filled.text() == "full\n" || filled.flags.contains('f'), "{filled:?}");
    let mut refused = 0;
    until("there is room again", || {
        let ended = line.bash("echo here");
        match (ended.tag, ended.text().as_str(), ended.flags.contains('f')) {
            (Tag::Outcome, "here\n", false) => Ok(()),
            (Tag::Outcome, _, true) => Err("no room for output".to_owned()),
            (Tag::Refused, ..) => {
                assert_eq!(ended.state, "state");
                refused += 1;
                Err("refused".to_owned())
            }
            _ => panic!("{ended:?}"),
        }
    });
    let big = line.bash("cat /dev/zero | head -c 3000000; echo end; exit 7");
    assert_eq!((big.state.as_str(), big.report.marks.contains(&Mark::NoRoom)), ("exit 7", true), "{big:?}");
    line.close(&["main"]);
    host.quiet();

    let mount = "for d in \"$HOME\" /tmp /var/tmp; do mount -t tmpfs -o ro none $d || exit 1; done; exec \"$@\"";
    let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", mount, "sh"]);
    let mut line = host.start(&[]);
    let frame = line.frames("0", &[Tag::Hello, Tag::Refused]).pop().unwrap();
    assert_eq!((frame.tag, String::from_utf8(frame.payload).unwrap().as_str()), (Tag::Refused, "no private place for state"));
    until("the lane has ended", || line.child.try_wait().unwrap().map(|_| ()).ok_or_else(String::new));
    host.quiet();
}

/// Nothing but what POSIX names, or nothing but busybox: no setsid, no bash, no GNU options.
fn with_little(own: &'static str, session: &'static str, world: World) {
    let host = Host::new(own, session).with_path(&world.path());
    let mut line = host.open();
    line.bash("cd /usr; export A=5");
    assert_eq!(line.bash("exit 6").state, "exit 6");
    assert_eq!(line.bash("echo $A; pwd").text(), "5\n/usr\n");
    assert_eq!(line.run(&Run { copy: true, ..command("echo $A; pwd") }).text(), "5\n/usr\n");
    let large =
        line.bash(&format!("echo $(({}1)); {}", "1+".repeat(5000), "cat /dev/zero | dd bs=1000 count=100 2>/dev/null | tr '\\0' x"));
    assert_eq!((large.state.as_str(), large.out.len(), large.tail.len() > 16384), ("exit 0", 16384, true));
    assert_eq!(line.run(&Run { stdin: Some(b"in\0put".to_vec()), ..command("cat") }).out, b"in\0put");
    let run = command("echo on; sleep 320 & sleep 321");
    line.begin(&run);
    until("it runs", || {
        let count = host.processes().iter().filter(|(_, words)| words.contains("sleep 32")).count();
        if count == 2 { Ok(()) } else { Err(count.to_string()) }
    });
    let (_, said) = line.call(&Request::Stop(run.handle.clone(), "TERM"));
    assert!(said.starts_with("stopped ") && said.ends_with(" 1\n"), "{said}");
    assert_eq!((line.end(&run).state.as_str(), line.bash("echo $A").text().as_str()), ("kill TERM", "5\n"));
    let (_, jobs) = line.call(&Request::Jobs(Which::Open));
    assert_eq!((jobs.lines().count(), jobs.lines().last()), (8 + 1, Some(".")), "{jobs}");
    line.close(&["main"]);
    host.quiet();
}

/// What is old, too much or unused goes; what runs does not.
fn things_expire(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let runs: Vec<Run> = (0..6).map(|i| command(&format!("echo {i}"))).collect();
    for run in &runs {
        line.run(run);
    }
    let running = waiting(&host, "true");
    line.begin(&running);
    begun(&host, &running);
    line.call(&Request::Ack(vec![runs[0].handle.clone(), runs[2].handle.clone()]));
    let mut dead = host.open();
    let lane = host.root().join("l").read_dir().unwrap().count();
    dead.child.kill().unwrap();
    until("the lane is gone", || dead.child.try_wait().unwrap().map(|_| ()).ok_or_else(String::new));
    // Two days: enough for what was read. Eight: enough for all that is over.
    for (index, days) in [(0, 2), (1, 2), (3, 8), (6, 8)] {
        let handle = if index == 6 { &running.handle } else { &runs[index].handle };
        let path = host.root().join("x").join(handle.as_str());
        assert!(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(path).status().unwrap().success());
    }
    assert_eq!(line.call(&Request::Sweep(Keeping::default())).0, "0");
    assert_eq!(host.root().join("l").read_dir().unwrap().count(), lane - 1);
    let kept: Vec<bool> = runs.iter().map(|run| host.root().join("x").join(run.handle.as_str()).exists()).collect();
    assert_eq!(kept, [false, true, true, false, true, true]);
    assert_eq!(line.call(&output(&runs[0].handle)), ("1".to_owned(), "expired\n".to_owned()));
    assert!(line.call(&output(&runs[1].handle)).1.ends_with(".\n1\n"));
    let (_, open) = line.call(&Request::Jobs(Which::Open));
    assert_eq!((open.lines().count(), open.lines().last()), (4 + 1, Some(".")), "{open}");

    // Bounds: at most three outcomes, the one that was read goes first; then at most 1 KiB of output.
    assert_eq!(line.call(&Request::Sweep(Keeping { outcomes: 3, output_kib: 1000, ..Keeping::default() })).0, "0");
    let kept: Vec<bool> = runs.iter().map(|run| host.root().join("x").join(run.handle.as_str()).exists()).collect();
    assert_eq!(kept, [false, true, false, false, true, true]);
    let large = command("head -c 5000 /dev/zero | tr '\\0' x");
    line.run(&Run { copy: true, ..large.clone() });
    assert_eq!(line.call(&Request::Sweep(Keeping { outcomes: 100, output_kib: 1, ..Keeping::default() })).0, "0");
    assert!(!host.root().join("x").join(large.handle.as_str()).exists());
    let spools = host.root().join("o").read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).max();
    assert!(spools.unwrap() <= 1024, "{spools:?}");
    fs::write(host.home().join("go"), "").unwrap();
    let ended = line.end(&running);
    assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", "begun\nover\n"));
    line.close(&["main"]);
    host.quiet();
}

/// All that is kept is listed, and removed to the last byte; what runs ends.
fn everything_is_removed(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let other = host.open();
    line.bash("sleep 330 & echo job");
    let run = command("sleep 331");
    line.begin(&run);
    line.run(&Run { copy: true, ..command("echo beside") });
    let (_, list) = line.call(&Request::Clean(Clean::List));
    let kinds: Vec<&str> = list.lines().filter_map(|row| row.split('|').next()).collect();
    assert_eq!(kinds, ["root", "session", "lane", "lane", "executions", "running"], "{list}");
    assert!(
        list.contains("\nsession|main|busy|0|") && list.contains("\nexecutions|3|1|2|") && list.contains(run.handle.as_str()),
        "{list}"
    );
    let (status, said) = line.call(&Request::Clean(Clean::All));
    assert!(status == "0" && said.starts_with("removed|"), "{status} {said}");
    assert_eq!(line.end(&run).state, "kill TERM");
    line.close(&[]);
    drop(other);
    host.quiet();
    let left: Vec<_> = fs::read_dir(host.home()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A zombie is not alive, and a pid with another start time is somebody else.
fn life_is_told(own: &'static str) {
    let mut zombie = Command::new("/bin/true").spawn().unwrap();
    let stat = until("it is a zombie", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", zombie.id())).unwrap();
        if stat.contains(") Z ") { Ok(stat) } else { Err(stat) }
    });
    let start = |stat: &str| stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
    let me = std::process::id();
    let mine = start(&fs::read_to_string("/proc/self/stat").unwrap());
    let asks = [
        (zombie.id().to_string(), start(&stat), false),
        (zombie.id().to_string(), "?".to_owned(), false),
        (me.to_string(), mine.clone(), true),
        (me.to_string(), "?".to_owned(), true),
        (me.to_string(), "1".to_owned(), false),
        ("4999999".to_owned(), mine, false),
        (String::new(), String::new(), false),
    ];
    let text = &towline_proto::program::PROGRAM.common;
    for (pid, start, alive) in asks {
        let words: Vec<&str> = own.split(' ').collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg("-c")
            .arg(format!("{text}\ntl_alive '{pid}' '{start}'"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().flush().unwrap();
        assert_eq!(child.wait().unwrap().success(), alive, "{own}: {pid} {start}");
    }
    zombie.wait().unwrap();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn no_outcome_is_lost_with_a_supervisor() {
                super::a_supervisor_is_lost($own);
            }

            #[test]
            fn a_request_that_comes_again_begins_nothing_again() {
                super::lanes_come_and_go($own);
            }

            #[test]
            fn two_lanes_start_one_session() {
                super::a_session_comes_up_once($own);
            }

            #[test]
            fn a_copy_begins_once() {
                super::a_copy_is_asked_for_twice($own);
            }

            #[test]
            fn a_reboot_is_told_and_the_state_restored() {
                super::after_a_reboot($own);
            }

            #[test]
            fn no_room_is_told() {
                super::a_full_disk($own);
            }

            #[test]
            fn what_is_old_or_too_much_expires() {
                super::things_expire($own);
            }

            #[test]
            fn clean_leaves_nothing() {
                super::everything_is_removed($own);
            }

            #[test]
            fn the_dead_and_the_strangers_are_not_alive() {
                super::life_is_told($own);
            }
        }
    )*};
}

each_shell!(under);

#[test]
fn posix_utilities_are_enough() {
    with_little("/usr/bin/dash", "/usr/bin/dash", World::Posix);
}

#[test]
fn busybox_is_enough() {
    with_little("/usr/bin/busybox ash", "/usr/bin/busybox ash", World::Busybox);
}
