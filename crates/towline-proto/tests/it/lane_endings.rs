//! What is told of a command whose supervisor was lost in the moment of its beginning or its end: the truth, all of the output or the word
//! that some may be missing, and never that nothing was printed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towline_proto::outcome::{Mark, Standing, Why};
use towline_proto::request::{Output, Request, Run};

use crate::lane_line::{Ended, Host, Line, command, kill, session, supervisor, until};

pub(crate) fn record(host: &Host, run: &Run) -> String {
    fs::read_to_string(host.root().join("x").join(run.handle.as_str())).unwrap_or_default()
}

/// Starts it, and waits until it has begun.
pub(crate) fn begun(line: &mut Line<'_>, run: &Run) {
    line.begin(run);
    until("it has begun", || match record(line.host, run) {
        begun if begun.contains("\nb ") => Ok(()),
        other => Err(other),
    });
}

/// Lets it go on without its session, which takes the next command at once.
pub(crate) fn hand_over(line: &mut Line<'_>, run: &Run) {
    line.send(&Request::Over(run.handle.clone()));
    assert_eq!(line.bash("echo on").text(), "on\n");
}

/// The words with which its record says that it began.
fn begin_words(host: &Host, run: &Run) -> Vec<String> {
    let record = record(host, run);
    record.lines().find(|line| line.starts_with("b ")).unwrap_or("b").split(' ').map(ToOwned::to_owned).collect()
}

/// The pid of the pump of a running execution, once it has moved something, and where its output is kept.
pub(crate) fn pump(host: &Host, run: &Run) -> (i32, PathBuf) {
    until("it has a pump that has moved something", || {
        let words = begin_words(host, run);
        let [_, name, spool, _, _, _, _, _, pipe, ..] = words.as_slice() else { return Err(record(host, run)) };
        let spool = host.root().join("o").join(spool);
        if fs::read(&spool).unwrap_or_default().is_empty() {
            return Err("the spool is empty".to_owned());
        }
        let file = fs::read_to_string(host.root().join("s").join(name).join(format!("{pipe}.m"))).unwrap_or_default();
        file.split(' ').next().unwrap_or_default().parse::<i32>().map(|pid| (pid, spool)).map_err(|_| file)
    })
}

/// Whoever reads for this pump, once it waits for more: between two reads nobody reads.
pub(crate) fn reader(pump: i32) -> i32 {
    let mut seen = (0, 0);
    until("somebody reads for it, and waits", || {
        let mut below = children(pump).into_iter().flat_map(|pid| std::iter::once(pid).chain(children(pid)));
        let reads = |pid: &i32| {
            let input = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap_or_default();
            input.to_string_lossy().contains("/p.") && children(*pid).is_empty()
        };
        let now = below.rfind(reads).unwrap_or_default();
        seen = (now, if now == seen.0 { seen.1 + 1 } else { 0 });
        if now != 0 && seen.1 > 20 { Ok(now) } else { Err(format!("{seen:?}")) }
    })
}

fn wait(line: &mut Line<'_>, run: &Run) -> Ended {
    line.send(&Request::Wait(run.handle.clone()));
    line.end(run)
}

/// A command stops the supervisor of its session, or of its copy, D, that it runs under.
const STOP: &str = "kill -STOP $(for f in \"$HOME\"/.local/state/towline/v1/*/s/D/cur; do read -r n p r <\"$f\"; echo $p; done)";

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
            let run = command("");
            let stop = STOP.replace('D', &if copy { format!("@{}", run.handle.as_str()) } else { "main".to_owned() });
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
        // One that had to be moved by a pump on a busy host may leave its pipe to that.
        let first = until("a command whose pipe the next one gets", || {
            let first = command("echo $$");
            line.run(&first);
            let told = record(&host, &first);
            if own != "bash" || told.contains("\no ") { Ok(first) } else { Err(told) }
        });
        let begun = begin_words(&host, &first).join(" ");
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
    let (pump, _) = pump(&host, &run);
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

/// What a command left behind goes on printing when its shell and its supervisor are gone: whoever moves that is ended, and what it left
/// reading goes with it. Two that read would mix what they read.
fn what_a_lost_pump_left_reading_is_ended(own: &'static str) {
    for linked in [false, true] {
        let host = Host::new(own, "bash");
        let home = host.home().display().to_string();
        symlink(".", host.home().join("link")).unwrap();
        let state = format!("{home}/link/.local/state");
        let elsewhere = [("XDG_STATE_HOME", state.as_str())];
        let mut line = host.open_with(if linked { &elsewhere[..] } else { &[] });
        line.bash("cd /usr");
        let left = format!("(while [ ! -e {home}/go ]; do sleep 0.05; done; echo over) &");
        let run = command(&format!("{}; echo begun; {left} exit 7", STOP.replace('D', "main")));
        begun(&mut line, &run);
        let shell = begin_words(&host, &run)[3].clone();
        let gone = |pid: &str| if Path::new("/proc").join(pid).exists() { Err(format!("{pid} is there")) } else { Ok(()) };
        until("the shell is gone", || gone(&shell));
        kill(supervisor(&host, "main"), Signal::KILL);
        let (pump, _) = pump(&host, &run);
        let reader = reader(pump);
        kill(pump, Signal::KILL);
        until("what the pump left is gone", || gone(&reader.to_string()));
        fs::write(host.home().join("go"), "").unwrap();
        let ended = wait(&mut line, &run);
        assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 7", "begun\nover\n"), "{}", record(&host, &run));
        assert!(ended.report.marks.contains(&Mark::MayMiss), "{ended:?}");
        assert_eq!(line.bash("pwd").text(), "/usr\n");
        line.close(&["main"]);
        host.quiet();
    }
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
        begun(&mut line, &run);
        hand_over(&mut line, &run);
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
        begun(&mut line, &run);
        let generation = &begin_words(&host, &run)[7];
        if handed_over {
            hand_over(&mut line, &run);
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

/// Whoever counts the time of login files may speak when its session is over and another one is in its place: that one's login files have
/// their own time.
fn a_word_about_earlier_login_files_is_not_believed(own: &'static str) {
    loop {
        let host = Host::new(own, "bash");
        let slow = "echo >>~/logins; while [ ! -e ~/go ]; do sleep 0.05; done; FROM=login\n";
        fs::write(host.home().join(".bash_profile"), slow).unwrap();
        let mut line = host.open();
        let (run, since) = (command("echo $FROM"), Instant::now());
        line.begin(&run);
        let logins = host.home().join("logins");
        until("the login files are read", || if logins.exists() { Ok(()) } else { Err("not yet".to_owned()) });
        let mut session = OpenOptions::new().read(true).write(true).open(host.root().join("s/main/in")).unwrap();
        for word in ["y 1001", "y 1001.1"] {
            session.write_all(format!("{word:<255}\n").as_bytes()).unwrap();
        }
        fs::write(host.home().join("go"), "").unwrap();
        let ended = line.end(&run);
        let took = since.elapsed();
        line.close(&["main"]);
        host.quiet();
        // Ten seconds is what they have.
        if took < Duration::from_secs(9) {
            assert_eq!((ended.text().as_str(), ended.flags.as_str()), ("login\n", "-"), "{ended:?}");
            return;
        }
    }
}

/// A command is lost with its shell and with whoever waited for that, while its supervisor lives: that is told, and the session goes on.
fn nobody_is_left_who_knows(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr");
    for handed_over in [true, false] {
        let run = command("echo begun; sleep 600");
        begun(&mut line, &run);
        if handed_over {
            hand_over(&mut line, &run);
        }
        let generation = &begin_words(&host, &run)[7];
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
            fn what_a_lost_pump_left_reading_is_ended() {
                super::what_a_lost_pump_left_reading_is_ended($own);
            }

            #[test]
            fn a_word_about_earlier_login_files_is_not_believed() {
                super::a_word_about_earlier_login_files_is_not_believed($own);
            }

            #[test]
            fn a_pump_is_lost() {
                super::a_pump_is_lost($own);
            }
        }
    )*};
}

each_shell!(under);
