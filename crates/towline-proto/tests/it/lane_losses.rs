//! What a host loses while it works: whoever moves output, its room, its clock, all that was kept; and what several want in one moment.
#![expect(clippy::disallowed_methods, reason = "a test compares the clock that it set with the machine's")]

use std::fs;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towline_base::SessionName;
use towline_proto::files::{ToolCall, list};
use towline_proto::frame::Tag;
use towline_proto::outcome::Mark;
use towline_proto::request::{Keeping, Output, Request, Run, Which};

use crate::lane_endings::{begun, hand_over, pump, reader};
use crate::lane_line::{Host, Line, command, kill, session, until};

fn output(run: &Run, offset: u64, wait: u64) -> Request {
    Request::Output(Output {
        handle: run.handle.clone(),
        stream: "stdout",
        offset: Some(offset),
        limit: 100,
        tail: 0,
        wait,
        wait_for: "end",
        pattern: String::new(),
    })
}

/// Whoever moves output is ended, or what works for it: more than any pipe holds comes through all the same, each byte at its place, within
/// the bounds, and it is said that some may be missing.
fn a_pump_is_replaced(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.call(&Request::Bound(Keeping { execution_kib: 512, ..Keeping::default() }));
    let home = host.home().display().to_string();
    // Lines of eight bytes, so that each tells where it is; the second time the newest pieces are already written when it happens.
    for (first, copy, whole_family) in [(10, false, true), (400_000, false, false), (400_000, true, true), (10, true, false)] {
        let _ = fs::remove_file(host.home().join("go"));
        let numbers = |from: u32, to: u32| format!("awk 'BEGIN {{ for (i = {from}; i < {to}; i++) printf \"%07d\\n\", i }}'");
        let text =
            format!("{}; while [ ! -e {home}/go ]; do sleep 0.05; done; {}; (exit 3)", numbers(0, first), numbers(first, first + 300_000));
        let run = Run { copy, ..command(&text) };
        line.begin(&run);
        until("all of the first lines are moved", || {
            let (_, body) = line.call(&output(&run, 0, 0));
            if body.split('|').nth(1) == Some(&(first * 8).to_string()) { Ok(()) } else { Err(body) }
        });
        let (pump, spool) = pump(&host, &run);
        // What is read and not written when its reader is ended would be lost.
        let reader = reader(pump);
        let gone = if whole_family { vec![pump, reader] } else { vec![reader] };
        for pid in gone {
            kill(pid, Signal::KILL);
        }
        fs::write(host.home().join("go"), "").unwrap();
        let ended = line.end(&run);
        assert_eq!(ended.state, "exit 3", "{ended:?}");
        assert!(ended.report.marks.contains(&Mark::MayMiss), "{first} {copy}: {:?}", ended.report);
        // What a reader had in its hands when it was ended is lost, and that is what was said.
        let whole = u64::from(first + 300_000) * 8;
        let of = |body: &str| body.split('|').nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap();
        let total = of(&line.call(&output(&run, 0, 0)).1);
        assert!(total <= whole && total + 2 * 65_536 >= whole, "{first} {copy}: {total} of {whole}");
        for (offset, number) in [(0, 0), (total - 80, first + 300_000 - 10)] {
            let (facts, bytes) =
                line.call(&output(&run, offset, 0)).1.rsplit_once(".\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            assert_eq!(bytes.lines().next().unwrap(), format!("{number:07}"), "{first} {copy}: {facts}");
        }
        let kept = kept_of(&spool);
        assert!(kept <= 1024 * 1024, "{kept} bytes of {}", spool.display());
    }
    assert_eq!(line.bash("echo on").text(), "on\n");
    line.close(&["main"]);
    host.quiet();
}

/// Bytes in a spool and the pieces behind it.
fn kept_of(spool: &std::path::Path) -> u64 {
    let name = spool.file_name().unwrap().to_str().unwrap();
    let files = fs::read_dir(spool.parent().unwrap()).unwrap().flatten();
    files.filter(|file| file.file_name().to_str().unwrap().starts_with(name)).map(|file| file.metadata().unwrap().len()).sum()
}

/// The disk has room for records and not for what a call brings: that call is refused, whole, and the lane goes on.
fn what_a_call_brings_finds_no_room(own: &'static str) {
    let mount = "mount -t tmpfs -o size=900k none \"$HOME\" && exec \"$@\"";
    let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", mount, "sh"]);
    let mut line = host.open();
    line.bash("cd; echo 1 >there");
    let fill = "n=$(df -Pk . | awk 'END { print $4 - 40 }'); head -c \"${n}k\" /dev/zero >fill; wc -c <there";
    assert_eq!(line.bash(fill).text().trim(), "2");
    let ran = "echo ran >>there; cat >/dev/null";
    let text = vec![b'x'; 60_000];
    let bytes = vec![0; 300_000];
    let brought = [
        Run { stdin: Some(text.clone()), ..command(ran) },
        Run { stdin: Some(bytes.clone()), ..command(ran) },
        Run { stdin: Some(text), copy: true, ..command(ran) },
        command(&format!("{ran}{}", "\n: x".repeat(40_000))),
        Run { env: vec![("LONG".to_owned(), "v".repeat(100_000))], ..command(ran) },
    ];
    for run in brought {
        let ended = line.run(&run);
        assert_eq!((ended.tag, ended.state.as_str()), (Tag::Refused, "state"), "{ended:?}");
        assert!(!host.processes().is_empty());
    }
    let call =
        ToolCall { tool: "write", args: ["new", "any", "300000", "n", "1"].map(|word| word.as_bytes().to_vec()).to_vec(), payload: bytes };
    let (status, said) = line.call(&Request::Tool(session("main"), call));
    assert_eq!((status.as_str(), said.trim()), ("1", "enospc"));
    assert_eq!(line.bash("cat there; ls").text(), "1\nfill\nthere\n");
    line.bash("rm fill");
    let ended = line.run(&Run { stdin: Some(vec![b'y'; 60_000]), ..command("wc -c") });
    assert_eq!(ended.text().trim(), "60000");
    line.close(&["main"]);
    host.quiet();
}

/// Where not a byte can be written any more, an answer lacks its end or its status says so: none looks like a whole one that is short.
fn a_full_disk_cuts_no_answer(own: &'static str) {
    let mount = "mount -t tmpfs -o size=900k none \"$HOME\" && exec \"$@\"";
    let host = Host::new(own, "bash").under(&["unshare", "-rm", "sh", "-c", mount, "sh"]);
    let mut line = host.open();
    line.bash("cd; mkdir many; for i in $(seq 400); do : >many/a-name-that-is-rather-long-$i; done");
    let unread = command("echo unread");
    line.run(&unread);
    let jobs = |line: &mut Line<'_>| line.call(&Request::Jobs(Which::Open));
    let list = |line: &mut Line<'_>| {
        let args = ["many", "1000", "0"].map(|word| word.as_bytes().to_vec()).to_vec();
        let (status, said) = line.call(&Request::Tool(session("main"), ToolCall { tool: "list", args, payload: Vec::new() }));
        list::parse(status.parse().unwrap(), said.as_bytes()).map(|reply| reply.total)
    };
    let whole = |(status, said): &(String, String)| status == "0" && said.ends_with("|echo unread\n.\n");
    assert!(whole(&jobs(&mut line)) && list(&mut line).unwrap() == 400);
    // What is outside of the host's home has room.
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    let text = "cat /dev/zero >fill; : >D/full; while [ ! -e D/go ]; do sleep 0.05; done; rm fill; : >D/gone";
    let fill = command(&text.replace("D", &outside.path().display().to_string()));
    line.begin(&fill);
    until("nothing finds room any more", || if at("full").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    let (status, said) = jobs(&mut line);
    assert!(status != "0" || !said.ends_with(".\n") || said.contains(unread.handle.as_str()), "{status} {said}");
    assert!(list(&mut line).is_err());
    fs::write(at("go"), "").unwrap();
    until("there is room", || if at("gone").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    line.end(&fill);
    let (status, said) = jobs(&mut line);
    assert!(status == "0" && said.contains(unread.handle.as_str()) && said.ends_with(".\n"), "{status} {said}");
    assert_eq!(list(&mut line).unwrap(), 400);
    line.close(&["main"]);
    host.quiet();
}

/// All that is kept is removed while nobody is connected: what waited for a next command leaves by itself.
fn nothing_is_kept_any_more(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr");
    line.run(&Run { session: session("other"), ..command("true") });
    // One whose shell is idle while a command that left it goes on leaves after that.
    let run = command(&format!("while [ ! -e {}/go ]; do sleep 0.05; done", host.home().display()));
    begun(&mut line, &run);
    hand_over(&mut line, &run);
    assert_eq!(line.bash("pwd").text(), "/usr\n");
    line.close(&[]);
    // Whoever writes there in this very moment makes it come again.
    until("all of it is removed", || fs::remove_dir_all(host.home().join(".local")).map_err(|error| error.to_string()));
    fs::write(host.home().join("go"), "").unwrap();
    host.quiet();
}

/// Two lanes are told to begin the same in one moment: it begins once, and both are told its end.
fn the_same_is_asked_for_in_one_moment(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut lines = [host.open(), host.open()];
    let ledger = host.home().join("ledger");
    for round in 0..12 {
        let text = format!("echo once >>{}; cat; echo {round}", ledger.display());
        let stdin = (round % 3 == 1).then(|| b"in\n".to_vec());
        let name: SessionName = session(if round < 6 { "main" } else { ["a", "b", "c", "d", "e", "f"][round - 6] });
        let run = Run { copy: round % 2 == 1, session: name, stdin: stdin.clone(), ..command(&text) };
        let barrier = Barrier::new(2);
        let told: Vec<String> = std::thread::scope(|scope| {
            let ask = |line| {
                let (barrier, run) = (&barrier, &run);
                scope.spawn(move || {
                    let line: &mut Line<'_> = line;
                    barrier.wait();
                    let ended = line.run(run);
                    format!("{} {}", ended.state, ended.text())
                })
            };
            let asked: Vec<_> = lines.iter_mut().map(ask).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let expected = format!("exit 0 {}{round}\n", if stdin.is_some() { "in\n" } else { "" });
        assert_eq!(told, [expected.clone(), expected]);
    }
    assert_eq!(fs::read_to_string(ledger).unwrap().lines().count(), 12);
    let [first, second] = lines;
    first.close(&["main", "a", "b", "c", "d", "e", "f"]);
    second.close(&[]);
    host.quiet();
}

/// Many are stopped at once: each is confirmed, and soon.
fn many_are_stopped(own: &'static str, count: usize) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr");
    let runs: Vec<Run> = (0..count).map(|_| Run { copy: true, ..command("echo on; sleep 351 & sleep 352") }).collect();
    for run in &runs {
        line.begin(run);
    }
    until("all of them run", || {
        let there = host.processes().iter().filter(|(_, words)| words.starts_with("sleep 35")).count();
        if there == 2 * count { Ok(()) } else { Err(there.to_string()) }
    });
    let begun = Instant::now();
    let keys: Vec<String> = runs.iter().map(|run| line.send(&Request::Stop(run.handle.clone(), "TERM"))).collect();
    for key in keys {
        let said: Vec<u8> =
            line.frames(&key, &[Tag::Reply]).into_iter().filter(|frame| frame.tag == Tag::Body).flat_map(|frame| frame.payload).collect();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("stopped ") && said.ends_with(" 1\n"), "{said}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{own}: {count} stops at once: the last one was confirmed after {took:?}");
    for run in &runs {
        assert_eq!(line.end(run).state, "kill TERM");
    }
    line.close(&["main"]);
    host.quiet();
}

/// The host's clock is set while a command runs, back and forth, with and without a clock that only this boot has: the outcome is the true
/// one, a wait ends in time, what runs does not expire, and what goes first is what was asked for first.
fn the_clock_is_set(own: &'static str, before: &'static [&'static str]) {
    let host = Host::new(own, "bash").under(before);
    let clock = host.home().join("clock");
    let set = |offset: &str| fs::write(&clock, offset).unwrap();
    set("+0");
    let library = fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|file| file.exists());
    let library = library.expect("libfaketime is one of the programs that the tests need");
    let mut line = host.open_with(&[
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ]);
    set("-3d");
    let year = |text: &str| text.trim().parse::<i64>().unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let there = year(&line.bash("date +%s").text());
    assert!((200_000..300_000).contains(&(now - there)), "the clock is not set: {there} {now}");
    set("+0");
    let go = host.home().join("go");
    let run = command(&format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo over; (exit 3)", go.display()));
    begun(&mut line, &run);
    // A wait of a second, begun before the clock goes back.
    let begun = Instant::now();
    let key = line.send(&output(&run, 0, 100));
    std::thread::sleep(Duration::from_millis(300));
    set("-3d");
    line.frames(&key, &[Tag::Reply]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let beside: Vec<Run> = (0..4).map(|i| command(&format!("echo {i}"))).map(|run| Run { session: session("other"), ..run }).collect();
    for run in &beside {
        line.run(run);
    }
    let age = |line: &mut Line<'_>| {
        let (_, jobs) = line.call(&Request::Jobs(Which::Open));
        let row = jobs.lines().find(|row| row.starts_with(run.handle.as_str())).unwrap().to_owned();
        row.split('|').nth(3).unwrap().parse::<i64>().unwrap_or(0)
    };
    let known = fs::metadata("/proc/uptime").is_ok() && before.is_empty();
    assert!(!known || (0..6_000).contains(&age(&mut line)));
    let there = |run: &Run| host.root().join("x").join(run.handle.as_str()).exists();
    assert_eq!(line.call(&Request::Sweep(Keeping::default())).0, "0");
    assert!(beside.iter().all(there), "nothing is old");
    // The first was written by a clock that was ahead: it goes first all the same.
    let ahead = host.root().join("x").join(beside[0].handle.as_str());
    fs::File::options()
        .append(true)
        .open(ahead)
        .unwrap()
        .set_modified(std::time::SystemTime::now() + Duration::from_secs(200_000))
        .unwrap();
    assert_eq!(line.call(&Request::Sweep(Keeping { outcomes: 3, ..Keeping::default() })).0, "0");
    let kept: Vec<bool> = beside.iter().map(there).collect();
    assert_eq!(kept, [false, true, true, true], "and the one that was asked for before all of them went, too");
    // A clock that goes far ahead lets expire what is over; what runs stays.
    set("+40d");
    assert_eq!(line.call(&Request::Sweep(Keeping::default())).0, "0");
    assert!(!beside.iter().any(there) && there(&run));
    set("-3d");
    fs::write(go, "").unwrap();
    let ended = line.end(&run);
    assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 3", "begun\nover\n"));
    if known {
        assert!(ended.report.hundredths.is_some_and(|hundredths| hundredths < 12_000), "{:?}", ended.report);
    }
    assert_eq!(line.bash("echo on").text(), "on\n");
    line.close(&["main", "other"]);
    host.quiet();
}

/// A host that has no /proc.
const WITHOUT_PROC: &[&str] = &["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];

#[test]
fn a_clock_that_is_set_makes_no_outcome_wrong() {
    the_clock_is_set("bash", &[]);
    the_clock_is_set("dash", &[]);
}

#[test]
fn a_clock_that_is_set_makes_no_outcome_wrong_without_another() {
    the_clock_is_set("bash", WITHOUT_PROC);
}

#[test]
fn many_stops_at_once_are_confirmed() {
    many_are_stopped("bash", 64);
    many_are_stopped("dash", 24);
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_pump_that_is_lost_is_replaced() {
                super::a_pump_is_replaced($own);
            }

            #[test]
            fn what_a_call_brings_and_finds_no_room_is_refused() {
                super::what_a_call_brings_finds_no_room($own);
            }

            #[test]
            fn a_full_disk_cuts_no_answer() {
                super::a_full_disk_cuts_no_answer($own);
            }

            #[test]
            fn a_session_whose_state_was_removed_leaves() {
                super::nothing_is_kept_any_more($own);
            }

            #[test]
            fn what_two_lanes_ask_for_in_one_moment_begins_once() {
                super::the_same_is_asked_for_in_one_moment($own);
            }
        }
    )*};
}

each_shell!(under);
