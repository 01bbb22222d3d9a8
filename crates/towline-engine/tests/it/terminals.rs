//! Terminals over a real sshd and a real tmux: what is typed, shown and waited for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use towline_base::Code;
use towline_engine::action::{Mode, Size, TerminalSend, TerminalWait};
use towline_engine::answer::{Awaits, Ended, State, Why};
use towline_engine::terminals::{Recorder, What};
use towline_engine::{Action, Body, Engine};
use towline_testkit::{LabOptions, SshdOptions, Stage, stage};

use crate::desk::{Desk, kill_tmux, pattern, reading, sending, text, view};
use crate::rig::{Rig, context};

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_tells_its_commands_statuses_and_keeps_its_own_prompt() {
    let desk = Desk::connected().await;
    let opened = desk.open("", None).await;
    assert!(opened.attach.as_deref().is_some_and(|command| command.contains("attach -t '=towline/lab:@")), "{opened:?}");
    desk.until("", "prompt$").await;
    desk.send("", "true", TerminalWait::Quiet).await;
    for (command, status, shown) in [("(exit 3)", 3, ""), ("echo one; sleep 0.4; echo two", 0, "one\ntwo\n"), ("false", 1, "")] {
        let terminal = desk.send("", command, TerminalWait::Prompt).await;
        assert_eq!((terminal.why, terminal.status, terminal.awaits), (Some(Why::Prompt), Some(status), Some(Awaits::Shell)), "{command}");
        assert_eq!(text(&terminal), format!("prompt$ {command}\n{shown}prompt$"), "{command}");
    }
    // Nothing of what taught the shell is left in it or on the host.
    let terminal = desk.send("", "echo [${TOWLINE_INIT-}${HISTFILE-}]; ls -A ~ | grep -v towline", TerminalWait::Prompt).await;
    assert!(text(&terminal).contains("[]\n"), "{}", text(&terminal));
    assert!(!desk.rig.lab.sshd.home().join(".bash_history").exists());
    desk.perform(Action::TerminalClose(None)).await.expect("it closes");
    let gone = desk.perform(reading("", Mode::Screen, TerminalWait::Nothing)).await.expect_err("it is closed");
    assert_eq!(gone.code, Code::Unknown);
}

/// A terminal of a host whose login shell is another: the user's own startup file is read, and statuses are told.
async fn a_login_shell_tells_its_statuses(shell: &str, file: &str, startup: &str) {
    let sshd = SshdOptions { login_shell: vec![format!("/usr/bin/{shell}")], ..SshdOptions::default() };
    let desk = Desk::with(LabOptions { sshd, ..LabOptions::default() });
    let startup_file = desk.rig.lab.sshd.home().join(file);
    std::fs::create_dir_all(startup_file.parent().expect("a directory")).expect("it is made");
    std::fs::write(startup_file, startup).expect("a file can be written");
    desk.rig.run("true").await;
    let opened = desk.open("t", None).await;
    assert_eq!(opened.why, Some(Why::Prompt), "{shell}: {}", text(&opened));
    for (command, status) in [("sh -c 'exit 3'", 3), ("echo $GREETING", 0), ("false", 1)] {
        let terminal = desk.send("t", command, TerminalWait::Prompt).await;
        let shown = text(&terminal);
        assert_eq!((terminal.why, terminal.status), (Some(Why::Prompt), Some(status)), "{shell}, {command}: {shown}");
        assert!(!command.contains("GREETING") || shown.contains("hello of the user"), "{shell}: {shown}");
    }
    let end = view(desk.perform(sending("t", "exit 7", &[], true, TerminalWait::Prompt)).await.expect("it sends"));
    assert_eq!((end.why, &end.ended), (Some(Why::Ended), &Some(Ended::Exited(7))), "{shell}: {}", text(&end));
    let left: Vec<_> = std::fs::read_dir(desk.rig.lab.sshd.home()).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("history")), "{shell}: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_tells_its_commands_statuses() {
    a_login_shell_tells_its_statuses("zsh", ".zshrc", "GREETING='hello of the user'\nPROMPT='%% '\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fish_tells_its_commands_statuses() {
    a_login_shell_tells_its_statuses("fish", ".config/fish/config.fish", "set GREETING 'hello of the user'\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_never_matches_the_echo_nor_older_text() {
    let desk = Desk::connected().await;
    desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    desk.send("t", "echo READY-1", TerminalWait::Prompt).await;
    // The word stands on the screen, in what is typed, and a second later in the output.
    let begun = Instant::now();
    let terminal = desk.send("t", "sleep 1; echo READY-$((1+1)); echo READY-1", pattern("READY-1$")).await;
    assert!(begun.elapsed() >= Duration::from_secs(1) && terminal.why == Some(Why::Matched), "{terminal:?}");
    desk.send("t", "sleep 1; echo A; echo B", TerminalWait::Nothing).await;
    let begun = Instant::now();
    assert_eq!(desk.read("t", Mode::Screen, pattern("^A$")).await.why, Some(Why::Matched));
    assert_eq!(desk.read("t", Mode::Screen, pattern("^B$")).await.why, Some(Why::Matched));
    assert!(begun.elapsed() < Duration::from_secs(20));
    let mut again = reading("t", Mode::Screen, pattern("^A$"));
    if let Action::TerminalRead(read) = &mut again {
        read.timeout = Some(Duration::from_millis(600));
    }
    assert_eq!(view(desk.perform(again).await.expect("it reads")).why, Some(Why::Timeout));
    // A program that repeats its input: the first is the echo, the second the output.
    desk.send("t", "cat", TerminalWait::Quiet).await;
    let terminal = desk.send("t", "hello", pattern("hello")).await;
    assert_eq!((terminal.why, text(&terminal).matches("hello").count()), (Some(Why::Matched), 2), "{}", text(&terminal));
    // A prompt's last blank counts.
    desk.keys("t", "", &["C-c"]).await;
    assert_eq!(desk.send("t", "true", pattern(r"\$ $")).await.why, Some(Why::Matched));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_once_and_go_on_after_a_restart() {
    let desk = Desk::connected().await;
    desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    let terminal = desk.send("t", "seq 3", TerminalWait::Prompt).await;
    assert_eq!(text(&terminal), "prompt$ seq 3\n1\n2\n3\nprompt$");
    assert_eq!(text(&desk.read("t", Mode::Changes, TerminalWait::Nothing).await), "");
    // Another towline of the same user goes on where this one stopped, with the terminal as it stands.
    let other = Rig::engine(&desk.rig.lab);
    let hosts =
        other.perform(towline_engine::Call { host: None, session: None, action: Action::Hosts }, context()).await.expect("it lists");
    let Body::Text(listed) = hosts.body else { panic!("not a text") };
    assert!(
        listed.contains("terminal t on lab: 100x24, open\n") && listed.contains("a person watches lab with:\n    tmux -S "),
        "{listed}"
    );
    let call = |action| async { view(other.perform(Rig::call(action), context()).await.expect("it answers")) };
    assert_eq!(text(&call(reading("t", Mode::Changes, TerminalWait::Nothing)).await), "");
    let changed = call(sending("t", "echo x", &[], true, pattern("^x$"))).await;
    assert!(text(&changed).starts_with("prompt$ echo x\nx"), "{}", text(&changed));
    // More than a screen.
    let terminal = desk.send("t", "seq 1000", TerminalWait::Prompt).await;
    assert!(text(&terminal).contains("prompt$ seq 1000\n1\n2\n") && text(&terminal).ends_with("1000\nprompt$"), "{}", text(&terminal));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_terminal_shows_is_told_to_the_recorder_from_its_screen_on() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&heard);
    let recorder = Recorder::new(move |piece| {
        let what = match piece.what {
            What::Screen(bytes) => format!("screen {}", String::from_utf8_lossy(bytes)),
            What::Output(bytes) => format!("output {}", String::from_utf8_lossy(bytes)),
            What::Size => "size".to_owned(),
        };
        let text = format!("{}/{} {}x{} {what}", piece.host, piece.name, piece.size.0, piece.size.1);
        into.lock().expect("nobody panics").push(text);
    });
    let desk = Desk::recorded(recorder);
    desk.open("t", Some("echo before; read -r x; echo after; read -r x")).await;
    desk.keys("t", "typed", &["Enter"]).await;
    desk.until("t", "after").await;
    let Action::TerminalSend(only) = sending("t", "", &[], false, TerminalWait::Nothing) else { unreachable!("it is one") };
    let resized = TerminalSend { resize: Some(Size { cols: 90, rows: 20 }), ..only };
    desk.perform(Action::TerminalSend(resized)).await.expect("it is resized");
    let heard = heard.lock().expect("nobody panics");
    assert!(heard[0].starts_with("lab/t 100x24 screen "), "{heard:?}");
    assert!(heard.iter().any(|piece| piece.contains("before")), "{heard:?}");
    assert!(heard.iter().any(|piece| piece.contains("output") && piece.contains("typed")), "{heard:?}");
    assert!(heard.iter().any(|piece| piece.contains("output") && piece.contains("after")), "{heard:?}");
    assert!(heard.contains(&"lab/t 90x20 size".to_owned()), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_screen_programs_work() {
    let desk = Desk::connected().await;
    let home = desk.rig.lab.sshd.home();
    std::fs::write(home.join("long.txt"), (0..200).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n"))
        .expect("a file can be written");
    desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    let vim = desk.send("t", "vi -u NONE new.txt", TerminalWait::Quiet).await;
    assert_eq!(vim.awaits, Some(Awaits::Editor), "{}", text(&vim));
    desk.keys("t", "ihello from vim; C-c", &["Enter"]).await;
    desk.keys("t", "  two  spaces", &["Escape"]).await;
    desk.send("t", ":wq", TerminalWait::Prompt).await;
    assert_eq!(std::fs::read_to_string(home.join("new.txt")).expect("it was written"), "hello from vim; C-c\n  two  spaces\n");
    let less = desk.send("t", "less long.txt", TerminalWait::Quiet).await;
    assert!(text(&less).contains("line 0") && less.awaits == Some(Awaits::Pager), "{less:?}");
    let found = desk.send("t", "/line 150", pattern("line 150$")).await;
    assert_eq!(found.why, Some(Why::Matched), "{}", text(&found));
    let back = view(desk.perform(sending("t", "q", &[], false, TerminalWait::Prompt)).await.expect("it sends"));
    assert_eq!((back.why, back.awaits), (Some(Why::Prompt), Some(Awaits::Shell)), "{}", text(&back));
    let top = desk.send("t", "top", pattern("load average")).await;
    assert_eq!(top.why, Some(Why::Matched));
    desk.keys("t", "q", &[]).await;
    let python = desk.send("t", "python3 -q", pattern(">>> $")).await;
    assert_eq!(python.awaits, Some(Awaits::Interpreter), "{}", text(&python));
    assert_eq!(desk.send("t", "print(6*7)", pattern("^42$")).await.why, Some(Why::Matched));
    let end = view(desk.perform(sending("t", "", &["C-d"], false, TerminalWait::Prompt)).await.expect("it sends"));
    assert_eq!(end.status, Some(0));
    // As psql: a prompt, another for the rest of a statement, and a table.
    let database = desk.send("t", "sqlite3", pattern("sqlite> $")).await;
    assert_eq!(database.awaits, Some(Awaits::Interpreter), "{}", text(&database));
    let rest = desk.send("t", "select 'rows', 6*7", pattern("\\.\\.\\.> $")).await;
    assert_eq!(rest.awaits, Some(Awaits::Interpreter), "{}", text(&rest));
    assert_eq!(desk.send("t", ";", pattern("^rows.42$")).await.why, Some(Why::Matched));
    let end = desk.send("t", ".exit 3", TerminalWait::Prompt).await;
    assert_eq!(end.status, Some(3), "{}", text(&end));
}

/// Where the programs of a `PostgreSQL` server are; they are on nobody's path.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).find(|dir| dir.join("initdb").exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_is_an_interpreter_in_each_state_of_its_input() {
    let test = "psql_is_an_interpreter_in_each_state_of_its_input";
    // A server runs as an ordinary account only.
    if !stage::possible(test) {
        return;
    }
    let Some(programs) = postgres_programs() else { return eprintln!("not run: {test}: there is no PostgreSQL server") };
    let sshd = SshdOptions { stage: Some(Stage::default()), ..SshdOptions::default() };
    let desk = Desk::with(LabOptions { sshd, ..LabOptions::default() });
    let programs = programs.display();
    // It ends by itself when its directory goes; here it is ended before.
    let server = format!(
        "{programs}/initdb -D db -A trust -N >/dev/null && {programs}/pg_ctl -D db -w -l log -o \"-c listen_addresses='' -k $PWD -F\" start >/dev/null"
    );
    let (said, state) = desk.rig.run(&server).await;
    assert_eq!(state, State::Exited(0), "{said}");
    desk.open("t", Some("PSQLRC=/dev/null PAGER=cat exec psql -h \"$HOME\" postgres")).await;
    desk.until("t", "postgres=#").await;
    let mut wrong = Vec::new();
    for (typed, prompt) in [
        ("begin;", r"postgres=\*# $"),
        ("select 'rows'", r"postgres-\*# $"),
        (", (6*", r"postgres\(\*# $"),
        ("7);", r"postgres=\*# $"),
        ("select 'open", r"postgres'\*# $"),
        ("';", r"postgres=\*# $"),
        ("select 1/0;", r"postgres=!# $"),
        ("rollback;", r"postgres=# $"),
    ] {
        let seen = desk.send("t", typed, pattern(prompt)).await;
        if (seen.why, seen.awaits) != (Some(Why::Matched), Some(Awaits::Interpreter)) {
            wrong.push((typed, seen.why, seen.awaits));
        }
    }
    assert_eq!(wrong, []);
    assert!(text(&desk.read("t", Mode::Screen, TerminalWait::Nothing).await).contains(" rows     |       42"));
    desk.send("t", r"\q", TerminalWait::Quiet).await;
    assert_eq!(desk.end("t").await, Ended::Exited(0));
    assert_eq!(desk.rig.run(&format!("{programs}/pg_ctl -D db -m immediate -w stop >/dev/null")).await.1, State::Exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_the_text_that_a_person_sees() {
    let desk = Desk::start();
    let program = "printf '\u{65e5}\u{672c}\u{8a9e} \u{1f680} \u{e9}|\\n\\033[31mred\\033[0m\\ta\\n'; printf '%0250d\\n' 7; exec cat";
    desk.open("t", Some(program)).await;
    let plain = desk.until("t", "07").await;
    let expected = format!("\u{65e5}\u{672c}\u{8a9e} \u{1f680} \u{e9}|\nred     a\n{}7", "0".repeat(249));
    assert_eq!(text(&plain), expected);
    let Action::TerminalRead(read) = reading("t", Mode::Screen, TerminalWait::Nothing) else { unreachable!("it is one") };
    let coloured =
        view(desk.perform(Action::TerminalRead(towline_engine::action::TerminalRead { colours: true, ..read })).await.expect("it reads"));
    assert!(text(&coloured).contains("\u{1b}[31mred\u{1b}["), "{:?}", text(&coloured));
    // Typed as it stands, whatever it looks like.
    for typed in ["C-c", "Enter", "-x", "a;", ";", "  two  spaces  x", "\u{e9}\u{65e5}\u{672c}\u{1f680}", "#{pane_id}", "$(id) `id`"] {
        let shown = desk.send("t", typed, TerminalWait::Quiet).await;
        assert_eq!(text(&shown).matches(typed).count(), 2, "{typed}: {}", text(&shown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_shell_has_terminals_and_is_sent_nothing() {
    // A network device: its login program is a menu, and it logs whatever it is sent.
    let dir = tempfile::tempdir().expect("a directory");
    let (menu, log) = (dir.path().join("menu"), dir.path().join("log"));
    let script = format!(
        "#!/bin/sh\nprintf 'asked [%s]\\n' \"$SSH_ORIGINAL_COMMAND\" >>'{0}'\n\
         while :; do printf 'device> '; read -r x || exit 0; printf '%s\\n' \"$x\" >>'{0}'; case $x in quit) exit 4;; *) echo \"done: $x\";; esac; done\n",
        log.display()
    );
    std::fs::write(&menu, script).expect("a file can be written");
    std::fs::set_permissions(&menu, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode can be set");
    let sshd = SshdOptions { config: vec![format!("ForceCommand {}", menu.display())], ..SshdOptions::default() };
    let desk = Desk::with(LabOptions { sshd, ..LabOptions::default() });
    let opened = desk.open("t", None).await;
    assert_eq!((text(&opened).as_str(), opened.awaits), ("device>", Some(Awaits::Interpreter)));
    let shown = desk.send("t", "show version", pattern("^done: .*")).await;
    assert!(text(&shown).contains("done: show version"));
    assert_eq!(std::fs::read_to_string(&log).expect("a log"), "asked []\nshow version\n");
    let end = desk.send("t", "quit", TerminalWait::Prompt).await;
    assert_eq!((end.why, end.ended), (Some(Why::Ended), Some(Ended::Exited(4))));
    let dead = desk.perform(sending("t", "x", &[], true, TerminalWait::Quiet)).await.expect_err("it is dead");
    assert!(dead.text.ends_with("is dead: its program ended with status 4."), "{dead}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_outlives_towline_and_two_are_used_at_once() {
    let desk = Desk::connected().await;
    desk.open("job-1", None).await;
    desk.open("job-10", None).await;
    desk.until("job-1", "prompt$").await;
    desk.until("job-10", "prompt$").await;
    let (one, ten) = tokio::join!(
        desk.send("job-1", "sleep 0.5; echo one-$((1))", pattern("^one-1$")),
        desk.send("job-10", "sleep 0.5; echo ten-$((10))", pattern("^ten-10$"))
    );
    assert!(text(&one).contains("\none-1") && !text(&one).contains("ten"), "{}", text(&one));
    assert!(text(&ten).contains("\nten-10") && !text(&ten).contains("one"), "{}", text(&ten));
    desk.send("job-1", "Y=there", TerminalWait::Prompt).await;
    desk.rig.engine.close().await;
    let later: Engine = Rig::engine(&desk.rig.lab);
    let answer = later.perform(Rig::call(sending("job-1", "echo $Y-still", &[], true, pattern("there-still"))), context()).await;
    assert_eq!(view(answer.expect("it is there")).why, Some(Why::Matched));
    let unknown = later.perform(Rig::call(reading("job", Mode::Screen, TerminalWait::Nothing)), context()).await.expect_err("no such");
    assert_eq!(unknown.hint.as_deref(), Some("There are: job-1, job-10."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_followed_and_its_end_is_found() {
    let desk = Desk::connected().await;
    desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    let terminal = desk.send("t", "seq 200000; echo the-$((1))-end", pattern("^the-1-end$")).await;
    assert_eq!(terminal.why, Some(Why::Matched));
    assert!(
        terminal.shown.omitted + terminal.shown.missing > 0 && text(&terminal).contains("200000\nthe-1-end"),
        "{:?}",
        terminal.shown.missing
    );
    let back = desk.read("t", Mode::Scrollback, TerminalWait::Nothing).await;
    assert!(text(&back).contains("199900\n") && back.shown.omitted > 40_000, "{}", back.shown.omitted);
    desk.send("t", "clear", TerminalWait::Prompt).await;
    assert_eq!(text(&desk.read("t", Mode::Screen, TerminalWait::Nothing).await), "prompt$");
    assert!(text(&desk.read("t", Mode::Scrollback, TerminalWait::Nothing).await).contains("the-1-end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_is_real_and_changes_and_unknown_keys_do_not_arise() {
    let desk = Desk::connected().await;
    desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    assert!(text(&desk.send("t", "stty size", TerminalWait::Prompt).await).contains("\n24 100\n"));
    let mut resize = sending("t", "stty size", &[], true, TerminalWait::Prompt);
    if let Action::TerminalSend(send) = &mut resize {
        send.resize = Some(Size { cols: 70, rows: 30 });
    }
    let terminal = view(desk.perform(resize).await.expect("it sends"));
    assert!(text(&terminal).contains("30 70"), "{}", text(&terminal));
    assert_eq!(terminal.size, Size { cols: 70, rows: 30 });
    let mut missing = reading("t", Mode::Screen, pattern("("));
    if let Action::TerminalRead(read) = &mut missing {
        read.colours = true;
    }
    assert_eq!(desk.perform(missing).await.expect_err("no pattern").code, Code::BadInput);
    kill_tmux(&desk.rig);
    let gone = desk.perform(reading("t", Mode::Screen, TerminalWait::Nothing)).await.expect_err("tmux was killed");
    assert!(gone.text.contains("is gone"), "{gone}");
}
