//! Terminals and people: passwords, and a person who looks on or types beside the agent.

use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use towline_base::{Code, SecretName, SecretSource};
use towline_engine::action::{Mode, Size, TerminalSend, TerminalWait};
use towline_engine::answer::{Awaits, Ended, Terminal, Why};
use towline_engine::policy::{Origin, Policy, Rule, Verdict};
use towline_engine::{Access, Action, Ask, Context, Engine, LiteralPasswords, Reply, Rules, Settings, Wallet};
use towline_testkit::process::command;
use towline_testkit::{LabOptions, SshdOptions, Stage, eventually, eventually_async, stage};

use crate::desk::{Desk, SOON, pattern, sending, text, view};
use crate::rig::{Rig, context};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_typed_where_it_is_asked_for_and_seen_nowhere() {
    let secret = |text: &str| SecretName::parse(text).expect("a name");
    let source = |text: &str| SecretSource::Command(["printf", "%s", text].map(str::to_owned).to_vec());
    let sources = [(secret("LENT"), source("correct horse")), (secret("OTHER"), source("battery staple"))].into();
    let access = Access { wallet: Wallet::new(sources), ..Access::default() };
    let lent = Rule { says: ["LENT".to_owned()].into_iter().collect(), from: Origin("the test".to_owned()) };
    let rules = Rules { general: Policy { secrets: vec![lent], ..Policy::default() }, ..Rules::default() };
    let mut desk = Desk::start();
    desk.rig.engine = Engine::new(Settings { access, rules, ..Rig::settings(&desk.rig.lab) });
    let program = "echo ready; read -r x; printf 'Password: '; stty -echo; read -r x; stty echo; echo; echo got ${#x} $x; read -r x";
    desk.open("t", Some(program)).await;
    let typed = |name: &str| {
        let Action::TerminalSend(send) = sending("t", "", &[], true, pattern("got .*")) else { unreachable!("it is one") };
        Action::TerminalSend(TerminalSend { secret: Some(secret(name)), ..send })
    };
    // It would be shown.
    let refused = desk.perform(typed("LENT")).await.expect_err("nothing asks for it");
    assert_eq!((refused.code, refused.text.contains("does not ask for a password now")), (Code::Forbidden, true), "{refused}");
    let asked = desk.send("t", "", TerminalWait::Prompt).await;
    assert_eq!(asked.awaits, Some(Awaits::Password), "{}", text(&asked));
    let refused = desk.perform(typed("OTHER")).await.expect_err("it is not lent");
    assert_eq!(
        (refused.code, refused.text.contains("\"OTHER\" is not one of those that may be used here")),
        (Code::Forbidden, true),
        "{refused}"
    );
    let answer = view(desk.perform(typed("LENT")).await.expect("it is typed"));
    // Even where the program shows what it was told.
    assert!(text(&answer).contains("got 13 [redacted LENT]"), "{}", text(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_typed_by_an_agent() {
    let desk = Desk::connected().await;
    // As sudo does it: no echo, the terminal itself.
    let program = "printf '[sudo] password for jo: '; stty -echo; read -r x; stty echo; echo; echo got ${#x}";
    let terminal = desk.open("t", Some(program)).await;
    assert_eq!(terminal.awaits, Some(Awaits::Password), "{}", text(&terminal));
    let refused = desk.perform(sending("t", "hunter2", &[], true, TerminalWait::Quiet)).await.expect_err("it is refused");
    assert_eq!(refused.code, Code::Forbidden);
    assert!(refused.hint.as_deref().is_some_and(|hint| hint.contains("attach -t")), "{refused}");
    let refused = desk.perform(sending("t", "", &["h", "2"], true, TerminalWait::Quiet)).await.expect_err("keys spell it, too");
    assert_eq!(refused.code, Code::Forbidden);
    // The person types it there.
    let socket = terminal.attach.and_then(|command| command.split(' ').nth(2).map(str::to_owned)).expect("a socket");
    let typed = command("tmux").args(["-S", &socket, "send-keys", "-t", "=towline/lab:=t", "secret!", "Enter"]).status();
    assert!(typed.expect("tmux runs").success());
    desk.until("t", "got 7").await;
    assert_eq!(desk.end("t").await, Ended::Exited(0));
}

/// A desk on which passwords of agents are taken as the rule says, and a terminal that asks for one and shows it afterwards.
async fn asked_for_a_password(says: Verdict) -> (Desk, Terminal) {
    let password = vec![Rule { says, from: Origin("the test".to_owned()) }];
    let rules = Rules { general: Policy { password, ..Policy::default() }, ..Rules::default() };
    let access = Access { literal_passwords: LiteralPasswords::Taken, ..Access::default() };
    let mut desk = Desk::start();
    desk.rig.engine = Engine::new(Settings { access, rules, ..Rig::settings(&desk.rig.lab) });
    let program = "printf 'Password: '; stty -echo; read -r x; stty echo; echo; echo got $x; read -r x";
    let opened = desk.open("t", Some(program)).await;
    assert_eq!(opened.awaits, Some(Awaits::Password), "{}", text(&opened));
    (desk, opened)
}

/// Whether a word stands in any file that is kept on this machine: events, journal, what is remembered of terminals.
fn is_written_down(desk: &Desk, word: &str) -> bool {
    let found = command("grep").args(["-rqF", "--", word]).arg(desk.rig.lab.state_dir()).status().expect("grep runs");
    found.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_an_agent_may_type_is_told_to_nobody() {
    let (desk, _) = asked_for_a_password(Verdict::Permit).await;
    let answer = view(desk.perform(sending("t", "hunter2-and-more", &[], true, pattern("got .*"))).await.expect("it is typed"));
    assert!(text(&answer).contains("got [redacted a typed password]"), "{}", text(&answer));
    desk.send("t", "not-a-password", TerminalWait::Quiet).await;
    desk.rig.engine.close().await;
    assert!(is_written_down(&desk, "<a password><Enter>") && is_written_down(&desk, "not-a-password"), "the events are there");
    assert!(is_written_down(&desk, "\"password\":true"), "the journal is there");
    assert!(!is_written_down(&desk, "hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_an_agent_may_not_type_is_told_to_nobody_either() {
    let (desk, opened) = asked_for_a_password(Verdict::Refuse).await;
    let refused = desk.perform(sending("t", "hunter2-and-more", &["h", "2"], true, TerminalWait::Quiet)).await.expect_err("it is refused");
    assert_eq!(
        refused.text,
        "TerminalSend on lab is not permitted: typing a password that was in a tool's parameters is not permitted (the test)."
    );
    let person = opened.attach.expect("a person can attach");
    assert!(refused.hint.as_deref().is_some_and(|hint| hint.starts_with("secret: NAME types one") && hint.contains(&person)), "{refused}");
    assert_eq!(desk.read("t", Mode::Screen, TerminalWait::Nothing).await.awaits, Some(Awaits::Password));
    // Leaving the question is no typing.
    desk.keys("t", "", &["C-c"]).await;
    desk.rig.engine.close().await;
    assert!(is_written_down(&desk, "is not permitted") && !is_written_down(&desk, "hunter2"));
}

/// What a person answers who is asked; and a place that keeps what they were asked.
fn answered(reply: Reply) -> (towline_engine::Asker, Arc<Mutex<Vec<Ask>>>) {
    let questions: Arc<Mutex<Vec<Ask>>> = Arc::default();
    let list = questions.clone();
    let person: towline_engine::Asker = Arc::new(move |ask: Ask| {
        list.lock().expect("no panic").push(ask);
        Box::pin(std::future::ready(reply.clone()))
    });
    (person, questions)
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_agent_may_type_a_password_is_asked_of_the_person_who_does_not_see_it() {
    let (desk, opened) = asked_for_a_password(Verdict::Ask).await;
    let send = |reply: Option<Reply>| {
        let (ask, asked) = reply.map(answered).unzip();
        let call = Rig::call(sending("t", "hunter2-and-more", &[], true, pattern("got .*")));
        let answer = Box::pin(desk.rig.engine.perform(call, Context { ask, ..context() }));
        async move { (answer.await, asked.map(|asked| asked.lock().expect("no panic").clone()).unwrap_or_default()) }
    };
    for (reply, said) in [
        (None, "here nobody can be asked"),
        (Some(Reply::No), "the person said no"),
        (Some(Reply::Nobody("the question was put away".to_owned())), "the question was put away"),
    ] {
        let questions = usize::from(reply.is_some());
        let (answer, asked) = send(reply).await;
        let refused = answer.expect_err("it is refused");
        assert!(refused.code == Code::Forbidden && refused.text.contains(said), "{refused}");
        // What else can be done stands there, as where the rules refuse.
        let person = opened.attach.as_deref().expect("a person can attach");
        assert!(refused.hint.as_deref().is_some_and(|hint| hint.contains("secret: NAME") && hint.contains(person)), "{refused}");
        assert_eq!(asked.len(), questions);
        assert_eq!(desk.read("t", Mode::Screen, TerminalWait::Nothing).await.awaits, Some(Awaits::Password), "{said}: nothing was typed");
    }
    let (answer, asked) = send(Some(Reply::Yes)).await;
    let typed = view(answer.expect("it is typed"));
    assert!(text(&typed).contains("got [redacted a typed password]"), "{}", text(&typed));
    let [Ask { about, what }] = asked.as_slice() else { panic!("one question: {asked:?}") };
    assert!(about.contains("TerminalSend on lab") && about.contains("the test"), "{about}");
    assert_eq!(what, "t <a password><Enter>");
    desk.rig.engine.close().await;
    assert!(is_written_down(&desk, "\"decision\":\"confirmed\"") && !is_written_down(&desk, "hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_person_let_the_agent_type_goes_to_sudo_and_nowhere_else() {
    if !stage::possible("a_password_that_a_person_let_the_agent_type_goes_to_sudo_and_nowhere_else") {
        return;
    }
    let stage = Some(Stage { sudoers: "stagehand ALL=(ALL:ALL) ALL".to_owned(), ..Stage::default() });
    let mut desk = Desk::with(LabOptions { sshd: SshdOptions { stage, ..SshdOptions::default() }, ..LabOptions::default() });
    let password = vec![Rule { says: Verdict::Ask, from: Origin("the test".to_owned()) }];
    let rules = Rules { general: Policy { password, ..Policy::default() }, ..Rules::default() };
    let access = Access { literal_passwords: LiteralPasswords::Taken, ..Access::default() };
    desk.rig.engine = Engine::new(Settings { access, rules, ..Rig::settings(&desk.rig.lab) });
    let asked = desk.open("t", Some("sudo sh -c 'echo now-$(id -un)'; read -r x")).await;
    assert_eq!(asked.awaits, Some(Awaits::Password), "{}", text(&asked));
    for (reply, typed) in [(Reply::No, false), (Reply::Yes, true)] {
        let call = Rig::call(sending("t", stage::PASSWORD, &[], true, pattern("now-root")));
        let answer = desk.rig.engine.perform(call, Context { ask: Some(answered(reply).0), ..context() }).await;
        assert_eq!(answer.map(view).map(|seen| seen.why).ok(), typed.then_some(Some(Why::Matched)));
    }
    desk.rig.engine.close().await;
    assert!(!is_written_down(&desk, stage::PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_asks_and_the_person_answers() {
    if !stage::possible("sudo_asks_and_the_person_answers") {
        return;
    }
    let stage = Some(Stage { sudoers: "stagehand ALL=(ALL:ALL) ALL".to_owned(), ..Stage::default() });
    let desk = Desk::with(LabOptions { sshd: SshdOptions { stage, ..SshdOptions::default() }, ..LabOptions::default() });
    let asked = desk.open("t", Some("sudo sh -c 'echo now-$(id -un)'; read -r x")).await;
    assert_eq!(asked.awaits, Some(Awaits::Password), "{}", text(&asked));
    let refused = desk.perform(sending("t", stage::PASSWORD, &[], true, TerminalWait::Quiet)).await.expect_err("it is refused");
    assert_eq!(refused.code, Code::Forbidden);
    let person = Person::at(asked.attach.as_deref().expect("a person can attach"), (80, 24));
    person.sees("password for").await;
    person.types(&[stage::PASSWORD, "Enter"]);
    assert_eq!(desk.read("t", Mode::Screen, pattern("now-root")).await.why, Some(Why::Matched));
    assert!(!is_written_down(&desk, stage::PASSWORD));
}

/// A person's own terminal: a tmux of theirs, in which they run what they were told.
struct Person {
    dir: TempDir,
}

impl Person {
    fn at(attach: &str, (cols, rows): (u16, u16)) -> Self {
        let person = Self { dir: tempfile::Builder::new().prefix("tl-").tempdir().expect("a directory") };
        let (cols, rows) = (cols.to_string(), rows.to_string());
        let wait = format!("while [ ! -e '{}' ]; do sleep 0.02; done; unset TMUX; {attach}", person.dir.path().join("go").display());
        person.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &cols, "-y", &rows, "sh", "-c", &wait]);
        // Every byte that reaches the person's terminal.
        person.tmux(&["pipe-pane", "-O", &format!("cat >'{}'", person.raw().display())]);
        std::fs::write(person.dir.path().join("go"), "").expect("a file can be written");
        person
    }

    fn raw(&self) -> PathBuf {
        self.dir.path().join("raw")
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let mut tmux = command("tmux");
        tmux.env_remove("TMUX").arg("-S").arg(self.dir.path().join("socket")).args(words);
        tmux.output().expect("tmux runs")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    async fn sees(&self, word: &str) {
        eventually_async(SOON, || async { self.screen().contains(word) }).await;
    }

    fn types(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "--"], keys].concat());
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_and_the_agent_share_a_terminal_of_the_agents_size() {
    let desk = Desk::connected().await;
    let opened = desk.open("t", None).await;
    desk.until("t", "prompt$").await;
    let person = Person::at(opened.attach.as_deref().expect("a person can attach"), (60, 15));
    person.sees("prompt$").await;
    assert!(text(&desk.send("t", "stty size", TerminalWait::Prompt).await).contains("\n24 100\n"));
    person.types(&["echo from-the-$((1))-person", "Enter"]);
    person.sees("from-the-1-person").await;
    let both = desk.send("t", "echo from-the-$((2))-agent", TerminalWait::Prompt).await;
    assert_eq!(text(&both).matches("from-the-1-person").count(), 1, "{}", text(&both));
    assert!(text(&both).contains("\nfrom-the-2-agent\n"), "{}", text(&both));
    person.sees("from-the-2-agent").await;
    // Somebody who scrolls back does not keep the agent's keys from the program.
    person.types(&["C-b", "["]);
    let socket = opened.attach.as_deref().and_then(|attach| attach.split(' ').nth(2)).expect("a socket").to_owned();
    let scrolls = || command("tmux").args(["-S", &socket, "display-message", "-p", "-t", "=towline/lab:=t", "#{pane_in_mode}"]).output();
    eventually(SOON, || scrolls().is_ok_and(|output| output.stdout.starts_with(b"1")));
    assert!(text(&desk.send("t", "echo while-$((3))", TerminalWait::Prompt).await).contains("\nwhile-3\n"));
    let mut resize = sending("t", "stty size", &[], true, TerminalWait::Prompt);
    if let Action::TerminalSend(send) = &mut resize {
        send.resize = Some(Size { cols: 70, rows: 30 });
    }
    let resized = view(desk.perform(resize).await.expect("it sends"));
    assert!(text(&resized).contains("30 70"), "{}", text(&resized));
    // Another person with another size changes nothing.
    let wide = Person::at(opened.attach.as_deref().expect("a person can attach"), (150, 50));
    wide.sees("30 70").await;
    assert!(text(&desk.send("t", "clear; stty size", TerminalWait::Prompt).await).contains("30 70\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_prints_does_not_reach_the_persons_own_terminal() {
    let desk = Desk::connected().await;
    let opened = desk.open("t", Some("read -r x; printf \"$x\"; echo; echo shown; exec cat")).await;
    let person = Person::at(opened.attach.as_deref().expect("a person can attach"), (80, 24));
    person.sees("towline/lab").await;
    let hostile = [
        r"\033]52;c;aG9zdGlsZQ==\007",
        r"\033]0;hostile\007\033]2;hostile\033\\",
        r"\033khostile\033\\",
        r"\033Ptmux;\033\033]52;c;aG9zdGlsZQ==\007\033\\",
        r"\033[21t\033[22t",
        r"\033]8;;file:///hostile\033\\link\033]8;;\033\\",
        r"\033_hostile\033\\\033^hostile\033\\",
    ];
    // The echo of what is typed is text; what the program makes of it is not.
    let shown = desk.send("t", &hostile.concat(), pattern("shown$")).await;
    assert_eq!(shown.why, Some(Why::Matched), "{}", text(&shown));
    person.sees("shown").await;
    eventually(SOON, || std::fs::read(person.raw()).is_ok_and(|raw| String::from_utf8_lossy(&raw).contains("shown")));
    let raw = String::from_utf8_lossy(&std::fs::read(person.raw()).expect("what reached the terminal")).into_owned();
    for bad in
        ["\u{1b}]52", "\u{1b}]0;hostile", "\u{1b}]2;hostile", "\u{1b}khostile", "aG9zdGlsZQ==\u{7}", "\u{1b}[21t", "\u{1b}_", "\u{1b}^"]
    {
        assert!(!raw.contains(bad), "{bad:?} in {raw:?}");
    }
    assert_eq!(desk.read("t", Mode::Screen, TerminalWait::Nothing).await.name.as_str(), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_agents_send_at_once_does_not_mix() {
    let desk = Desk::start();
    let other = Rig::engine(&desk.rig.lab);
    desk.open("t", Some("stty -echo; echo ready; exec cat >typed")).await;
    desk.until("t", "ready").await;
    let send = |engine: Engine, who: char| async move {
        for number in 0..20 {
            // Text, keys and Enter of one call belong together.
            let action =
                sending("t", &format!("{who}{number}-"), &[&who.to_string(), "Space", &who.to_string()], true, TerminalWait::Nothing);
            engine.perform(Rig::call(action), context()).await.expect("it sends");
        }
    };
    tokio::join!(send(desk.rig.engine.clone(), 'a'), send(other.clone(), 'b'));
    let typed = || std::fs::read_to_string(desk.rig.lab.sshd.home().join("typed")).unwrap_or_default();
    eventually(SOON, || typed().lines().count() == 40);
    let mut lines: Vec<String> = typed().lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected: Vec<String> =
        ['a', 'b'].into_iter().flat_map(|who| (0..20).map(move |number| format!("{who}{number}-{who} {who}"))).collect();
    expected.sort();
    assert_eq!(lines, expected);
}
