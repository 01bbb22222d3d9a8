//! What is told of a command whose supervisor was lost in the moment of its beginning or its end: the truth, all of the output or the word
//! that some may be missing, and never that nothing was printed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use rustix::process::Signal;
use towline_proto::outcome::{Mark, Standing, Why};
use towline_proto::request::{Output, Request, Run};

use crate::lane_line::{Ended, Host, Line, command, kill, session, supervisor, until};

pub(crate) fn record(host: &Host, run: &Run) -> String {
    fs::read_to_string(host.root().join("x").join(run.handle.as_str())).unwrap_or_default()
}

fn wait(line: &mut Line<'_>, run: &Run) -> Ended {
    line.send(&Request::Wait(run.handle.clone()));
    line.end(run)
}

/// The supervisor stands still from the command's first moment on, hears of no end, and is then killed.
fn at_the_end(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr; export A=5");
    let many = "i=0; while [ $i -lt 400 ]; do echo \"line $i\"; i=$((i+1)); done";
    let lines: String = (0..400).map(|i| format!("line {i}\n")).collect();
    let rows = [
        ("echo text", "text\n", "exit 0"),
        ("true", "", "exit 0"),
        (many, &lines, "exit 0"),
        ("printf ' '; (exit 7)", " ", "exit 7"),
        ("echo left; exit 8", "left\n", "exit 8"),
    ];
    for copy in [false, true] {
        for (text, prints, state) in rows {
            let stop = "kill -STOP $(for f in \"$HOME\"/.local/state/towline/v1/*/s/D/cur; do read -r n p r <\"$f\"; echo $p; done)";
            let run = command("");
            let stop = stop.replace('D', &if copy { format!("@{}", run.handle.as_str()) } else { "main".to_owned() });
            let run = Run { copy, command: format!("{stop}; {text}"), ..run };
            line.begin(&run);
            until("the shell has ended the command", || {
                let record = record(&host, &run);
                let gone = record.contains("\nb ")
                    && text.ends_with("exit 8")
                    && !host.processes().iter().any(|(_, words)| words.contains("_tl_l") && copy == words.contains("/@"));
                if gone || record.contains("\nd ") { Ok(()) } else { Err(record) }
            });
            let name = if copy { format!("@{}", run.handle.as_str()) } else { "main".to_owned() };
            kill(supervisor(&host, &name), Signal::KILL);
            let ended = wait(&mut line, &run);
            assert_eq!((ended.state.as_str(), ended.text().as_str()), (state, prints), "{text}: {}", record(&host, &run));
            assert!(!ended.report.marks.contains(&Mark::MayMiss), "{text}: {ended:?}");
        }
    }
    assert_eq!(line.bash("pwd; echo $A").text(), "/usr\n5\n");
    line.close(&["main"]);
    host.quiet();
}

/// A record as a supervisor leaves it that is killed between two steps, and what is told of it.
fn half_way(own: &'static str) {
    let rows: [(&str, &str, Option<Standing>, bool); 5] = [
        ("it was begun and not given to the shell", "", Some(Standing::NeverBegan), false),
        ("nothing was taken out of the pipe yet", "d GEN exit 3 - /usr .\n", Some(Standing::Exited(3)), false),
        ("the output was being taken out", "d GEN exit 3 - /usr .\nt - - - - - .\n", Some(Standing::Exited(3)), true),
        ("half of the output was written down", "d GEN exit 3 - /usr .\nt - - - - - .\no abc", Some(Standing::Exited(3)), true),
        ("and this looks like all of it", "d GEN exit 3 - /usr .\nt - - - - - .\no abcs exit 0 - - / .\n", Some(Standing::Exited(3)), true),
    ];
    for (what, tail, standing, may_miss) in rows {
        let host = Host::new(own, "bash");
        let mut line = host.open();
        let first = command("echo $$");
        line.run(&first);
        let begun = record(&host, &first).lines().find(|line| line.starts_with("b ")).unwrap().to_owned();
        let words: Vec<&str> = begun.split(' ').collect();
        // The one that is ready for the next command.
        let (name, slot) = words[2].rsplit_once('.').unwrap();
        let spool = format!("{name}.{}", slot.parse::<u32>().unwrap() + 1);
        let may_miss = may_miss && own == "bash";
        let run = command(&format!("echo once >>{}/ledger", host.home().display()));
        let begin = begun.replace(words[2], &spool);
        let text =
            format!("{} {} main -- 0 s 1.1 .\n{}\n{begin}\n{}", run.id.as_str(), run.digest(), run.command, tail.replace("GEN", words[7]));
        let pid = supervisor(&host, "main");
        kill(pid, Signal::STOP);
        fs::write(host.root().join("x").join(run.handle.as_str()), &text).unwrap();
        let mut index = fs::OpenOptions::new().append(true).open(host.root().join("index")).unwrap();
        writeln!(index, "+ {} main {}", run.handle.as_str(), run.command).unwrap();
        kill(pid, Signal::KILL);
        let ended = wait(&mut line, &run);
        let told = record(&host, &run);
        assert_eq!(Some(ended.report.standing.clone()), standing, "{what}: {told}");
        assert_eq!((ended.text().as_str(), ended.report.marks.contains(&Mark::MayMiss)), ("", may_miss), "{what}: {told}");
        assert!(!host.home().join("ledger").exists(), "{what}");
        assert_eq!(line.bash("echo on").text(), "on\n");
        line.close(&["main"]);
        host.quiet();
    }
}

/// The process that moves the output is ended while the command runs: the rest is moved by another, and what may be lost is said.
fn a_pump_is_lost(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let home = host.home().display().to_string();
    let run = command(&format!("echo begun; while [ ! -e {home}/go ]; do sleep 0.05; done; echo over"));
    line.begin(&run);
    let pump = until("it has a pump that has moved something", || {
        let record = record(&host, &run);
        let words: Vec<&str> = record.lines().find(|line| line.starts_with("b ")).unwrap_or("b").split(' ').collect();
        let [_, _, spool, _, _, _, _, _, pipe, ..] = words.as_slice() else { return Err(record) };
        if fs::read(host.root().join("o").join(spool)).unwrap_or_default().is_empty() {
            return Err("the spool is empty".to_owned());
        }
        let file = fs::read_to_string(host.root().join("s/main").join(format!("{pipe}.m"))).unwrap_or_default();
        file.split(' ').next().unwrap_or_default().parse::<i32>().map_err(|_| file)
    });
    let family: Vec<i32> = std::iter::once(pump).chain(children(pump)).collect();
    for pid in family.iter().copied().chain(family.iter().flat_map(|pid| children(*pid))) {
        kill(pid, Signal::KILL);
    }
    fs::write(host.home().join("go"), "").unwrap();
    let ended = line.end(&run);
    assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", "begun\nover\n"));
    assert!(ended.report.marks.contains(&Mark::MayMiss), "{ended:?}");
    assert_eq!(line.bash("echo on").text(), "on\n");
    line.close(&["main"]);
    host.quiet();
}

pub(crate) fn children(parent: i32) -> Vec<i32> {
    let stat = |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let of = |stat: &str| stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| pid.parse::<i32>().is_ok() && of(&stat(pid)) == Some(parent)).filter_map(|pid| pid.parse().ok()).collect()
}

/// A session is to end while a command that it handed over goes on: that has its outcome, and no other session in this place is told it.
fn a_session_ends_beside_what_it_handed_over(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    for used_again in [true, false] {
        line.bash("cd /usr");
        let go = host.home().join(if used_again { "go" } else { "on" });
        let run = command(&format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo over; cd /etc; (exit 7)", go.display()));
        line.begin(&run);
        until("it has begun", || if record(&host, &run).contains("\nb ") { Ok(()) } else { Err(record(&host, &run)) });
        line.send(&Request::Over(run.handle.clone()));
        assert_eq!(line.bash("pwd").text(), "/usr\n");
        assert_eq!(line.call(&Request::End(session("main"))).1, "busy\n");
        let beside = command(&format!("while [ ! -e {}.too ]; do sleep 0.05; done; echo mine", go.display()));
        if used_again {
            line.begin(&beside);
        }
        fs::write(&go, "").unwrap();
        let ended = line.end(&run);
        assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 7", "begun\nover\n"));
        if used_again {
            fs::write(go.with_extension("too"), "").unwrap();
            let ended = line.end(&beside);
            assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", "mine\n"));
            assert_eq!(line.bash("pwd").text(), "/usr\n");
            assert_eq!(line.call(&Request::End(session("main"))).1, "ended\n");
        } else {
            let place = host.root().join("s/main");
            until("the session is gone", || if place.exists() { Err(format!("{place:?}")) } else { Ok(()) });
        }
    }
    line.close(&[]);
    host.quiet();
}

/// Whoever waited for a shell may speak when its session is over and another one is in its place, which counts its shells from the same
/// number: that one's command goes on.
fn words_about_an_earlier_shell_are_not_believed(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    for handed_over in [false, true] {
        let go = host.home().join(if handed_over { "go" } else { "on" });
        let run = command(&format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo over", go.display()));
        line.begin(&run);
        until("it has begun", || if record(&host, &run).contains("\nb ") { Ok(()) } else { Err(record(&host, &run)) });
        let begun = record(&host, &run);
        let generation = begun.lines().find_map(|line| line.strip_prefix("b ")?.split(' ').nth(6)).unwrap();
        if handed_over {
            line.send(&Request::Over(run.handle.clone()));
            assert_eq!(line.bash("echo on").text(), "on\n");
        }
        let mut session = OpenOptions::new().read(true).write(true).open(host.root().join("s/main/in")).unwrap();
        for word in ["z", "w"] {
            session.write_all(format!("{:<255}\n", format!("{word} {generation} 9 signal")).as_bytes()).unwrap();
        }
        if handed_over {
            assert_eq!(line.bash("echo still").text(), "still\n");
        }
        fs::write(&go, "").unwrap();
        let ended = line.end(&run);
        assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", "begun\nover\n"));
    }
    line.close(&["main"]);
    host.quiet();
}

/// A command is lost with its shell and with whoever waited for that, while its supervisor lives: that is told, and the session goes on.
fn nobody_is_left_who_knows(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr");
    for handed_over in [true, false] {
        let run = command("echo begun; sleep 600");
        line.begin(&run);
        until("it has begun", || if record(&host, &run).contains("\nb ") { Ok(()) } else { Err(record(&host, &run)) });
        if handed_over {
            line.send(&Request::Over(run.handle.clone()));
            assert_eq!(line.bash("echo on").text(), "on\n");
        }
        let begun = record(&host, &run);
        let generation = begun.lines().find(|line| line.starts_with("b ")).and_then(|line| line.split(' ').nth(7)).unwrap();
        let who = fs::read_to_string(host.root().join("s/main").join(format!("u.{generation}"))).unwrap();
        let pids: Vec<i32> = who.split(' ').step_by(2).take(2).map(|word| word.parse().unwrap()).collect();
        let started = until("it waits", || match children(pids[0]) {
            none if none.is_empty() => Err(format!("{} has no child", pids[0])),
            some => Ok(some),
        });
        // Whoever waited goes first: it would tell.
        for pid in [pids[1], pids[0]].into_iter().chain(started) {
            kill(pid, Signal::KILL);
        }
        let ended = line.end(&run);
        assert_eq!(ended.report.standing, Standing::Lost(Why::Supervisor), "{handed_over} {ended:?}: {}", record(&host, &run));
        assert_eq!(line.bash("pwd").text(), "/usr\n");
    }
    line.close(&["main"]);
    host.quiet();
}

/// What is left as running by a session that is gone is not taken for a command of the one that has its place.
fn another_session_answers_for_none_of_it(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let run = command("true");
    line.run(&run);
    let text = record(&host, &run);
    let begun = text.lines().find(|line| line.starts_with("b ")).unwrap();
    // The same generation of another shell, which is dead.
    let words: Vec<&str> = begun.split(' ').collect();
    let left = command("echo left");
    let dead = format!("{} {} main -- 0 s 1.1 .\n{}\n{}\n", left.id.as_str(), left.digest(), left.command, begun.replace(words[4], "1"));
    fs::write(host.root().join("x").join(left.handle.as_str()), dead).unwrap();
    let go = host.home().join("go");
    let now = command(&format!("while [ ! -e {} ]; do sleep 0.05; done; echo mine", go.display()));
    line.begin(&now);
    assert_eq!(wait(&mut line, &left).report.standing, Standing::Lost(Why::Supervisor));
    fs::write(go, "").unwrap();
    let ended = line.end(&now);
    assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", "mine\n"));
    line.close(&["main"]);
    host.quiet();
}

/// A session that comes up in the place of one that ended counts from one again: the outcomes of both have the output that is theirs.
fn a_name_that_is_used_again_mixes_nothing(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    // What is kept in the record, what is moved by a pump, and nothing at all.
    let long = |word: &str| format!("{word}\n").repeat(400);
    let commands = |word: &str| {
        [format!("echo {word}"), format!("sh -c 'sleep 0.2; i=0; while [ $i -lt 400 ]; do echo {word}; i=$((i+1)); done'"), ":".to_owned()]
    };
    let mut all = Vec::new();
    for (word, turned) in [("first", false), ("second", true), ("third", false)] {
        let expected = [format!("{word}\n"), long(word), String::new()];
        let mut rows: Vec<_> = commands(word).into_iter().zip(expected).collect();
        if turned {
            rows.reverse();
        }
        for (text, prints) in rows {
            let run = command(&text);
            assert_eq!(line.run(&run).text(), prints, "{text}");
            all.push((run, prints));
        }
        assert_eq!(line.call(&Request::End(session("main"))).1, "ended\n");
    }
    for (run, prints) in all {
        let output = Output {
            handle: run.handle.clone(),
            stream: "stdout",
            offset: Some(0),
            limit: 100_000,
            tail: 0,
            wait: 0,
            wait_for: "end",
            pattern: String::new(),
        };
        let (_, body) = line.call(&Request::Output(output));
        assert!(body.ends_with(&format!("\n.\n{prints}")), "{}: {body}", run.command);
    }
    line.close(&[]);
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_supervisor_is_lost_at_the_end() {
                super::at_the_end($own);
            }

            #[test]
            fn a_supervisor_is_lost_half_way() {
                super::half_way($own);
            }

            #[test]
            fn a_session_ends_beside_what_it_handed_over() {
                super::a_session_ends_beside_what_it_handed_over($own);
            }

            #[test]
            fn words_about_an_earlier_shell_are_not_believed() {
                super::words_about_an_earlier_shell_are_not_believed($own);
            }

            #[test]
            fn nobody_is_left_who_knows() {
                super::nobody_is_left_who_knows($own);
            }

            #[test]
            fn another_session_answers_for_none_of_it() {
                super::another_session_answers_for_none_of_it($own);
            }

            #[test]
            fn a_name_that_is_used_again_mixes_nothing() {
                super::a_name_that_is_used_again_mixes_nothing($own);
            }

            #[test]
            fn a_pump_is_lost() {
                super::a_pump_is_lost($own);
            }
        }
    )*};
}

each_shell!(under);
