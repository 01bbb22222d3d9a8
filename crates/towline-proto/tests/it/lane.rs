//! Sessions and executions as a lane shows them, under each shell that may run our programs and each that may be a session's.

use std::fs;

use towline_base::{Secret, SecretName};
use towline_proto::frame::Tag;
use towline_proto::outcome::Standing;
use towline_proto::program::PROGRAM;
use towline_proto::request::{Output, Request, Run};

use crate::lane_line::{Host, Line, command, session, until};

/// A command, the outcome that it has, and what it prints.
struct Case {
    command: &'static str,
    state: &'static str,
    prints: &'static str,
}

const fn case(command: &'static str, state: &'static str, prints: &'static str) -> Case {
    Case { command, state, prints }
}

/// One session's commands, one after the other: each sees what those before it left.
const SESSION: &[Case] = &[
    case("cd /usr; export A=5; f() { echo \"f$1\"; }", "exit 0", ""),
    case("alias ll='echo aliased'", "exit 0", ""),
    case("pwd; echo $A; f 3; ll", "exit 0", "/usr\n5\nf3\naliased\n"),
    case("exit 5", "exit 5", ""),
    case("echo $A; pwd; ll", "exit 0", "5\n/usr\naliased\n"),
    case("kill -9 $$", "kill 9", ""),
    case("exit 137", "exit 137", ""),
    case("echo $A", "exit 0", "5\n"),
    case("set -e; false", "exit 1", ""),
    case("exec true", "exit 0", ""),
    case("return 4", "exit ?", "?"),
    case("echo \"unclosed", "exit ?", "?"),
    case("echo whole", "exit 0", "whole\n"),
    case("cat", "exit 0", ""),
    case("read x; echo \"r$?\"", "exit 0", "r1\n"),
    case("printf 'a\\0b\\377\\r'", "exit 0", "a\0b\u{fffd}\r"),
    case("printf ''", "exit 0", ""),
    case("printf -", "exit 0", "-"),
    case("printf '\\001\\177 \\t- \\\\0040 - - - .\\n\\n '", "exit 0", "\u{1}\u{7f} \t- \\0040 - - - .\n\n "),
    case("IFS=:; set -u", "exit 0", ""),
    case("echo \"[$IFS]\"", "exit 0", "[:]\n"),
    case("set +u; unset IFS", "exit 0", ""),
    case("break", "exit 0", ""),
    case("while :; do break; done; continue; echo no", "exit 0", ""),
    case("umask 027", "exit 0", ""),
    case("umask | sed 's/^0*//'", "exit 0", "27\n"),
    case("trap 'echo bye' EXIT; exit 3", "exit 3", "bye\n"),
    case("trap - EXIT; echo k", "exit 0", "k\n"),
    case("cat <<X\nhe\\re\nX", "exit 0", "he\\re\n"),
    case("kill 0; echo no", "kill 15", ""),
    case("exec 5>&1 6>/dev/null; echo five >&5; set -C", "exit 0", "five\n"),
    case("set +C; echo a; echo b >/dev/stdout; echo c >/dev/stderr; echo d", "exit 0", "a\nb\nc\nd\n"),
    case("readonly R=3; cd() { echo no; }", "exit 0", ""),
    case("echo $R; unset -f cd; cd /; false", "exit 1", "3\n"),
    case("false", "exit 1", ""),
    case("echo 1; echo 2 >&2; echo 3; echo 4 >&2", "exit 0", "1\n2\n3\n4\n"),
    case("sleep 300 & P=$!; echo hi", "exit 0", "hi\n"),
    case("kill $P; wait $P; [ $? -gt 128 ]", "exit 0", "?"),
    case("true &\nwait $! && echo waited", "exit 0", "waited\n"),
    case("i=0; while [ $i -lt 300 ]; do echo \"line $i\"; i=$((i+1)); done | tail -n 1", "exit 0", "line 299\n"),
    case("sh -c 'sleep 0.05; echo late'", "exit 0", "late\n"),
    case("grep SigIgn /proc/self/status | sed 's/.*\\(....\\)$/\\1/'", "exit 0", "0000\n"),
    case("echo \"$PWD\"; cd /dev/null/none 2>/dev/null || echo stays", "exit 0", "/\nstays\n"),
];

/// What only a bash can do.
const BASH: &[Case] = &[
    case("set -o pipefail; g() { [[ $1 == +([0-9]) ]] && echo number; }; shopt -s extglob nullglob; declare -a L=(a 'b c')", "exit 0", ""),
    case("false | true", "exit 1", ""),
    case("exit 9", "exit 9", ""),
    case("false | true", "exit 1", ""),
    case("shopt -q nullglob && g 12; echo ${#L[@]} \"${L[1]}\"; set +o pipefail", "exit 0", "number\n2 b c\n"),
    case("set -x; clear; echo x", "exit 0", "?"),
    case("set +x", "exit 0", "?"),
    case(
        "mkdir -p $HOME/v/bin; echo 'export VIRTUAL_ENV=$HOME/v PATH=$HOME/v/bin:$PATH; deactivate() { unset VIRTUAL_ENV; }' >$HOME/v/bin/activate",
        "exit 0",
        "",
    ),
    case("source $HOME/v/bin/activate", "exit 0", ""),
    case("echo ${VIRTUAL_ENV##*/}; type -t deactivate", "exit 0", "v\nfunction\n"),
    case("printf(){ echo shadow; }; printf x; unset -f printf", "exit 0", "shadow\n"),
    case("f 4", "exit 0", "f4\n"),
    case("echo back\\\\slash \"$(echo 'q\"q')\" \u{e9}", "exit 0", "back\\slash q\"q \u{e9}\n"),
];

fn check(line: &mut Line<'_>, case: &Case) {
    let ended = line.bash(case.command);
    assert_eq!(ended.tag, Tag::Outcome, "{}: {ended:?}", case.command);
    let state = if case.state.ends_with('?') { ended.state.split(' ').next().unwrap().to_owned() + " ?" } else { ended.state.clone() };
    assert_eq!(state, case.state, "{}: {ended:?}", case.command);
    if case.prints != "?" {
        assert_eq!(ended.text(), case.prints, "{}", case.command);
    }
}

fn commands(own: &'static str, user: &'static str) {
    let host = Host::new(own, user);
    let mut line = host.open();
    // zsh does not tell a death by a signal from an exit with the same number.
    let mute = own.starts_with("zsh");
    for row in SESSION {
        match (mute, row.state.split_once("kill ")) {
            (true, Some((_, signal))) => {
                let status = 128 + signal.parse::<u8>().unwrap();
                assert_eq!(line.bash(row.command).report.standing, Standing::Exited(status));
            }
            _ => check(&mut line, row),
        }
    }
    if user == "bash" {
        for row in BASH {
            check(&mut line, row);
        }
    }
    line.close(&["main"]);
    host.quiet();
}

fn calls(own: &'static str, user: &'static str) {
    let host = Host::new(own, user);
    let mut line = host.open();
    apart(&mut line);
    for_this_call_only(&mut line);
    beside(&mut line);
    little(&mut line);
    large(&mut line);
    stopped(&mut line);
    handed_over(&mut line);
    listed(&mut line);
    line.close(&["main", "other"]);
    host.quiet();
}

/// Standard error apart, byte for byte, more than any pipe holds on both at once.
fn apart(line: &mut Line<'_>) {
    let ended = line.run(&Run { separate: true, ..command("printf 'o\\0ut'; printf err >&2") });
    assert_eq!((ended.out.as_slice(), ended.err.as_slice()), (&b"o\0ut"[..], &b"err"[..]), "{ended:?}");
    let both = "( head -c 6000000 /dev/zero | tr '\\0' e >&2 ) & head -c 6000000 /dev/zero | tr '\\0' o; wait";
    let run = Run { separate: true, ..command(both) };
    assert_eq!(line.run(&run).state, "exit 0");
    for (stream, letter) in [("stdout", b'o'), ("stderr", b'e')] {
        let (_, body) = line.call(&output(&run, stream, 5_999_990, 100));
        assert!(body.starts_with("exit 0 "), "{}", &body[..60.min(body.len())]);
        assert!(body.ends_with(&format!(".\n{}", String::from_utf8(vec![letter; 10]).unwrap())), "{stream}: {}", body.len());
        assert!(body.contains("|6000000|6000000|6000000|"), "{}", &body[..60]);
    }
    let ended = line.bash("echo next");
    assert_eq!((ended.text().as_str(), ended.err.len()), ("next\n", 0));
}

/// What is little is kept beside the outcome, and is read from there as from anywhere.
fn little(line: &mut Line<'_>) {
    for text in ["-", " ", "\n", "\\", "a b\n", "\\0040", "- - - - .\ns kill 9 - - / .\n", &"x y\n".repeat(127), &" ".repeat(511)] {
        let run = Run { stdin: Some(text.as_bytes().to_vec()), ..command("cat") };
        let ended = line.run(&run);
        assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 0", text));
        let (_, body) = line.call(&output(&run, "stdout", 0, 1000));
        let (facts, rest) = body.split_once('\n').unwrap();
        assert!(facts.starts_with("exit 0 ") && rest.ends_with(&format!("\n.\n{text}")), "{text:?}: {body}");
    }
}

fn output(run: &Run, stream: &'static str, offset: u64, limit: u64) -> Request {
    let handle = run.handle.clone();
    Request::Output(Output { handle, stream, offset: Some(offset), limit, tail: 0, wait: 0, wait_for: "end", pattern: String::new() })
}

/// Directory, variables and standard input of one call; a missing directory runs nothing; no value shows in a process list.
fn for_this_call_only(line: &mut Line<'_>) {
    line.bash("cd /usr; V=before; unset W");
    let env = vec![("V".to_owned(), "a b\n$(touch /dev/null/none/x)'\\n".to_owned()), ("W".to_owned(), String::new())];
    let run =
        Run { cwd: Some("/etc".to_owned()), env, ..command("pwd; printf '[%s]' \"$V\" \"${W-unset}\"; sh -c 'printf \"[%s]\" \"$V\"'") };
    assert_eq!(line.run(&run).text(), "/etc\n[a b\n$(touch /dev/null/none/x)'\\n][][a b\n$(touch /dev/null/none/x)'\\n]");
    assert_eq!(line.bash("pwd; echo $V ${W-unset}").text(), "/usr\nbefore unset\n");
    let marker = line.host.home().join("ran");
    let run = Run { cwd: Some("/dev/null/none".to_owned()), ..command(&format!("touch {}", marker.display())) };
    assert_eq!(line.run(&run).report.standing, Standing::NoDirectory);
    assert!(!marker.exists());
    let input: Vec<u8> = (0..=255).collect();
    let ended = line.run(&Run { stdin: Some(input.clone()), ..command("cat; pwd") });
    assert_eq!(ended.out, [&input[..], b"/usr\n"].concat());
    assert_eq!(line.run(&Run { stdin: Some(Vec::new()), ..command("cat; echo e") }).text(), "e\n");
    let secret = "s3cret-in-no-list";
    let run = Run {
        env: vec![("KEY".to_owned(), secret.to_owned())],
        ..command("sh -c 'cat /proc/[0-9]*/cmdline 2>/dev/null' | tr '\\0' ' ' | grep -c 's3[c]ret-in'")
    };
    assert_eq!(line.run(&run).text(), "0\n");
    let hidden = "s3cret-in-no-file";
    let found = format!("find '{}' -type f -exec grep -l 's3[c]ret-in-no' {{}} + 2>/dev/null | wc -l", line.host.root().display());
    let run = Run {
        secrets: vec![(SecretName::parse("HIDDEN").unwrap(), Secret::new(hidden.as_bytes().to_vec()).unwrap())],
        ..command(&format!("printf '%s|' \"${{#HIDDEN}}\"; sh -c 'printf %s \"$HIDDEN\"' | wc -c; {found}"))
    };
    assert_eq!(line.run(&run).text().replace(' ', ""), "17|17\n0\n");
    assert_eq!(line.bash(&format!("echo \"${{HIDDEN-unset}}\"; {found}")).text().replace(' ', ""), "unset\n0\n");
    until("what a call was given is removed after its end", || match fs::read_dir(line.host.root().join("a")).unwrap().next() {
        None => Ok(()),
        Some(left) => Err(format!("{left:?}")),
    });
}

/// A copy sees the session's state and changes nothing in it; another session sees nothing of it.
fn beside(line: &mut Line<'_>) {
    line.bash("cd /usr; export A=5; alias ll='echo aliased'");
    let fresh = |text: &str| Run { copy: true, ..command(text) };
    let ended = line.run(&fresh("pwd; echo $A; ll; cd /; A=6; exit 3"));
    assert_eq!((ended.state.as_str(), ended.text().as_str()), ("exit 3", "/usr\n5\naliased\n"));
    assert_eq!(line.bash("pwd; echo $A").text(), "/usr\n5\n");
    let many: Vec<Run> = (0..12).map(|i| fresh(&format!("sleep 0.2; echo {i}"))).collect();
    for run in &many {
        line.begin(run);
    }
    for (i, run) in many.iter().enumerate() {
        assert_eq!(line.end(run).text(), format!("{i}\n"));
    }
    let other = Run { session: session("other"), ..command("echo \"[$A]\"; pwd") };
    assert_eq!(line.run(&other).text(), format!("[]\n{}\n", line.host.home().display()));
}

/// A megabyte of command, megabytes of output with their ends, and output that comes all at once at the end.
fn large(line: &mut Line<'_>) {
    let long = format!("echo start\n{}echo done", ": xxxxxxxxxx\n".repeat(90_000));
    assert!(long.len() > 1 << 20);
    assert_eq!(line.bash(&long).text(), "start\ndone\n");
    let run = command("seq 1 1000000");
    let ended = line.run(&run);
    assert_eq!((ended.state.as_str(), ended.out.len()), ("exit 0", 16384), "{}", ended.text());
    assert!(ended.tail.starts_with(b"6888896 0\n") && ended.tail.ends_with(b"999999\n1000000\n"));
    let (_, body) = line.call(&output(&run, "stdout", 6_888_888, 100));
    assert!(body.ends_with(".\n1000000\n"), "{body}");
    for count in [2047, 2048, 2049, 8191, 8192, 8193, 32768, 32769, 70000] {
        let ended = line.bash(&format!("head -c {count} /dev/zero | tr '\\0' x"));
        let expected = if count <= 32768 { count } else { 16384 };
        assert_eq!(ended.out.len(), expected, "{count}");
    }
    assert_eq!(line.bash("head -c 3000 /dev/zero; echo").out.len(), 3001);
}

/// A stop ends the whole tree, also what left it; the session goes on; a job of an earlier call is not touched.
fn stopped(line: &mut Line<'_>) {
    let earlier = line.bash("/bin/sleep 310 & echo $!").text();
    let earlier = earlier.trim();
    // Not the shell's own sleep, which some have.
    let tree =
        "setsid sleep 311 & (/bin/sleep 312 & /bin/sleep 313) & trap '' TERM; echo on; sh -c 'sleep 314 & wait'; while :; do :; done";
    let run = command(tree);
    line.begin(&run);
    until("the tree stands", || {
        let count = line.host.processes().iter().filter(|(_, words)| is_sleep(words)).count();
        if count == 5 { Ok(()) } else { Err(count.to_string()) }
    });
    let (status, said) = line.call(&Request::Stop(run.handle.clone(), "TERM"));
    assert_eq!((status.as_str(), said.split(' ').next().unwrap(), said.trim().ends_with(" 1")), ("0", "stopped", true), "{said}");
    let ended = line.end(&run);
    assert_eq!((ended.state.as_str(), ended.flags.contains('r')), ("kill TERM", true));
    // A subshell of mksh says what ended it.
    assert!(ended.text().starts_with("on\n"), "{}", ended.text());
    let left: Vec<String> = line.host.processes().into_iter().map(|(_, words)| words).filter(|words| is_sleep(words)).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(line.bash(&format!("kill {earlier} && echo still there")).text(), "still there\n");
    let limited = Run { limit: 1, ..command("echo begun; sleep 316") };
    let ended = line.run(&limited);
    assert_eq!(ended.state, "kill TERM");
    assert!(ended.text().starts_with("begun\n"), "{}", ended.text());
    let (_, said) = line.call(&Request::Stop(limited.handle, "TERM"));
    assert_eq!(said, "done 0 1\n");
    // One that waits for its turn is forgotten, and never begins.
    let first = command("sleep 0.5");
    let second = command(&format!("touch {}", line.host.home().join("began").display()));
    line.begin(&first);
    line.begin(&second);
    let (_, said) = line.call(&Request::Stop(second.handle.clone(), "TERM"));
    assert_eq!(said, "queued 0 1\n");
    assert_eq!(line.end(&second).report.standing, Standing::NeverBegan);
    assert_eq!(line.end(&first).state, "exit 0");
    assert_eq!(line.bash("echo on").text(), "on\n");
    assert!(!line.host.home().join("began").exists());
}

fn is_sleep(words: &str) -> bool {
    words.starts_with("sleep 31") || words.starts_with("/bin/sleep 31")
}

/// A command that leaves its session goes on; the session has its state before it; the outcome says so.
fn handed_over(line: &mut Line<'_>) {
    line.bash("cd /usr; export B=1");
    let go = line.host.home().join("go");
    let run = command(&format!("echo begin; while [ ! -e {} ]; do sleep 0.05; done; echo end; cd /etc; B=2", go.display()));
    line.begin(&run);
    until("it has begun", || {
        let (_, body) = line.call(&output(&run, "stdout", 0, 100));
        if body.ends_with("begin\n") { Ok(()) } else { Err(body) }
    });
    line.send(&Request::Over(run.handle.clone()));
    assert_eq!(line.bash("pwd; echo $B").text(), "/usr\n1\n");
    fs::write(&go, "").unwrap();
    let ended = line.end(&run);
    assert_eq!((ended.state.as_str(), ended.text().as_str(), ended.flags.as_str()), ("exit 0", "begin\nend\n", "h"));
    assert_eq!(line.bash("pwd; echo $B").text(), "/usr\n1\n");
    let (_, facts) = line.call(&Request::Session(session("main")));
    assert_eq!(facts, "old\n/usr\n");
}

/// The list tells what is unread, and no command can break its lines.
fn listed(line: &mut Line<'_>) {
    use towline_proto::request::Which;
    let run = command("echo 'a|b'; false \\\nsecond line");
    line.run(&run);
    let (status, before) = line.call(&Request::Jobs(Which::Open));
    let mine = before.lines().find(|row| row.starts_with(run.handle.as_str()));
    let mine = mine.unwrap_or_else(|| panic!("{} is not in {status} {before}", run.handle.as_str()));
    assert!(mine.contains("|main|exit 1 ") && mine.ends_with("|echo 'a|b'; false \\"), "{mine}");
    assert_eq!(line.call(&Request::Ack(vec![run.handle.clone()])).0, "0");
    let (_, after) = line.call(&Request::Jobs(Which::Open));
    assert!(!after.contains(run.handle.as_str()), "{after}");
    let (_, all) = line.call(&Request::Jobs(Which::All));
    assert!(all.contains(run.handle.as_str()), "{all}");
}

#[test]
fn no_two_functions_of_the_program_have_the_same_name() {
    let mut names: Vec<&str> = PROGRAM
        .host
        .lines()
        .chain(PROGRAM.common.lines())
        .chain(PROGRAM.open.lines())
        .chain(PROGRAM.clean.lines())
        .chain(PROGRAM.facts.lines())
        .filter_map(|line| line.split_once("() {").map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    assert!(names.len() > 100, "{names:?}");
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Every exit status there is: of the shell itself, and of a program that it starts.
fn statuses(own: &'static str, user: &'static str) {
    let host = Host::new(own, user);
    let mut line = host.open();
    for status in 0..=255_u8 {
        let ends = if status % 2 == 0 { format!("exit {status}") } else { format!("sh -c 'exit {status}'") };
        let ended = line.bash(&format!("echo {status}; {ends}"));
        assert_eq!((ended.text(), ended.report.standing), (format!("{status}\n"), Standing::Exited(status)), "{ends}");
    }
    line.close(&["main"]);
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal, $session:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_session_keeps_its_state_whatever_a_command_does() {
                super::commands($own, $session);
            }

            #[test]
            fn calls_have_the_output_and_the_end_that_they_have() {
                super::calls($own, $session);
            }

            #[test]
            fn every_exit_status_is_told_as_it_is() {
                super::statuses($own, $session);
            }
        }
    )*};
}

under! {
    bash: "bash", "bash";
    dash: "dash", "bash";
    busybox_ash: "busybox ash", "bash";
    mksh: "mksh", "bash";
    zsh: "zsh --emulate sh", "bash";
    ksh93: "ksh93", "bash";
    bash_with_dash_sessions: "bash", "dash";
    dash_with_dash_sessions: "dash", "dash";
    ash_with_ash_sessions: "busybox ash", "busybox ash";
    bash_with_mksh_sessions: "bash", "mksh";
    bash_with_ksh93_sessions: "bash", "ksh93";
}
