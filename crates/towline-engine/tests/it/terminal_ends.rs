//! How terminals end: the link is cut, the host holds them, nobody uses them any more, there are too many.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tempfile::TempDir;
use towline_base::{Code, limits};
use towline_engine::action::{Clean, Mode, Size, TerminalWait};
use towline_engine::answer::{Ended, TerminalsLeft, Why};
use towline_engine::terminals::{Recorder, What};
use towline_engine::{Action, Body, Engine, Settings};
use towline_testkit::{LabOptions, SshdOptions, eventually, eventually_async};
use towline_transport::tmux::{NewWindow, Tmux, TmuxSettings};

use crate::desk::{Desk, SOON, opening, pattern, reading, sending, text, view};
use crate::rig::{Rig, context};

fn held(name: &str) -> Action {
    let Action::TerminalOpen(open) = opening(name, None) else { unreachable!("it is one") };
    Action::TerminalOpen(towline_engine::action::TerminalOpen { persist: true, ..open })
}

/// A host whose tmux, screen and temporary files lie in directories of its own, and which has all programs of this machine but those.
struct Holder {
    desk: Desk,
    files: TempDir,
}

impl Holder {
    async fn without(programs: &[&str]) -> Self {
        let files = tempfile::Builder::new().prefix("tl-").tempdir().expect("a directory");
        let dir = |name: &str| {
            let path = files.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("its mode can be set");
            path
        };
        let (tmux, screen, tmp, bin) = (dir("tmux"), dir("screen"), dir("tmp"), dir("bin"));
        for directory in ["/usr/bin", "/bin"] {
            for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
                if !programs.iter().any(|program| entry.file_name() == **program) {
                    let _ = std::os::unix::fs::symlink(entry.path(), bin.join(entry.file_name()));
                }
            }
        }
        let env = [("TMUX_TMPDIR", &tmux), ("SCREENDIR", &screen), ("TMPDIR", &tmp)];
        let env = env.map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned())).to_vec();
        let sshd = SshdOptions { path: Some(bin.into_os_string()), env, ..SshdOptions::default() };
        let desk = Desk::with(LabOptions { sshd, ..LabOptions::default() });
        desk.rig.run("true").await;
        Self { desk, files }
    }

    /// What lies where tmux, screen and temporary files are.
    fn left(&self) -> Vec<String> {
        let output = towline_testkit::process::command("find")
            .args(["tmux", "screen", "tmp", "-mindepth", "1"])
            .current_dir(self.files.path())
            .output();
        String::from_utf8_lossy(&output.expect("find runs").stdout).lines().map(str::to_owned).collect()
    }

    fn holders(&self) -> Vec<String> {
        let all = towline_testkit::process::with_environment(towline_testkit::sshd::MARK, self.desk.rig.lab.sshd.mark());
        let held = |command: &String| command.contains("tmux") || command.to_lowercase().contains("screen");
        all.into_iter().map(|process| process.command).filter(held).collect()
    }
}

/// A terminal is held, survives the link's end, ends with TerminalClose and leaves nothing; one whose shell ended leaves nothing either.
/// `prints` prints the lines from `line-1` to `line-60`.
async fn a_host_holds_a_terminal(holder: &mut Holder, prints: &str) {
    let written: Arc<Mutex<Vec<u8>>> = Arc::default();
    let into = Arc::clone(&written);
    let recorder = Recorder::new(move |piece| match piece.what {
        What::Output(bytes) if piece.name == "job-1" => into.lock().expect("nobody panics").extend_from_slice(bytes),
        What::Output(_) | What::Screen(_) | What::Size => {}
    });
    holder.desk.rig.engine = Engine::new(Settings { recorder: Some(recorder), ..Rig::settings(&holder.desk.rig.lab) });
    let desk = &holder.desk;
    desk.rig.run("true").await;
    desk.perform(held("job-1")).await.expect("it opens");
    desk.perform(held("job-10")).await.expect("it opens");
    desk.send("job-10", "X=ten; echo begun-$X", pattern("begun-ten")).await;
    desk.send("job-1", &format!("X=one; {prints}; echo begun-$X"), pattern("begun-one")).await;
    // No key of what holds it is in the way, and what scrolled off is here.
    let rubout = view(desk.perform(sending("job-1", "echo x", &["C-a", "C-k"], false, TerminalWait::Quiet)).await.expect("it sends"));
    assert!(!text(&rubout).contains("echo x") || text(&rubout).ends_with("prompt$"), "{}", text(&rubout));
    let back = text(&desk.read("job-1", Mode::Scrollback, TerminalWait::Nothing).await);
    let lines = || (1..=60).map(|number| format!("line-{number}"));
    assert!(back.contains(&lines().collect::<Vec<_>>().join("\n")), "{back}");
    desk.rig.lab.sshd.end_connections();
    let again = desk.perform(sending("job-1", "echo still-$X", &[], true, pattern("still-one"))).await.expect("it is attached again");
    assert!(again.notes.iter().any(|note| note.contains("attached again")), "{:?}", again.notes);
    assert_eq!(view(again).why, Some(Why::Matched));
    // What had scrolled off before the cut is in its recording.
    let written = String::from_utf8_lossy(&written.lock().expect("nobody panics")).into_owned();
    let holds = |line: &String| written.split(line.as_str()).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(lines().filter(|line| !holds(line)).collect::<Vec<_>>(), [""; 0]);
    let closed = desk.perform(Action::TerminalClose(crate::desk::name("job-1"))).await.expect("it closes");
    let Body::Text(said) = closed.body else { panic!("not a text") };
    assert_eq!(said, "Closed the terminal job-1 on lab; what the host held of it was ended there.");
    assert_eq!(desk.send("job-10", "echo still-$X", pattern("still-ten")).await.why, Some(Why::Matched));
    // A name that was closed is a new one.
    desk.perform(held("job-1")).await.expect("it opens");
    desk.send("job-1", "echo new-${X:-one}", pattern("new-one")).await;
    for name in ["job-1", "job-10"] {
        desk.send(name, "exit", TerminalWait::Quiet).await;
        assert_eq!(desk.end(name).await, Ended::Exited(0), "{name}");
        desk.perform(Action::TerminalClose(crate::desk::name(name))).await.expect("it closes");
    }
    eventually(SOON, || holder.left().is_empty() && holder.holders().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_tmux_holds_a_terminal_and_leaves_nothing() {
    // A tmux draws no more than it has to of what comes fast: of lines that come one by one, all.
    let prints = "for n in $(seq 60); do echo line-$n; sleep 0.05; done";
    a_host_holds_a_terminal(&mut Holder::without(&["screen"]).await, prints).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_screen_holds_a_terminal_and_leaves_nothing() {
    a_host_holds_a_terminal(&mut Holder::without(&["tmux"]).await, "seq -f line-%g 60").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_can_hold_none_says_so() {
    let holder = Holder::without(&["tmux", "screen"]).await;
    let failure = holder.desk.perform(held("t")).await.expect_err("nothing holds it");
    assert_eq!(failure.text, "persist: lab has neither tmux nor screen, so nothing there can hold a terminal.");
    assert_eq!(holder.left(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_does_not_reach_the_host_says_so() {
    let holder = Holder::without(&["screen"]).await;
    let desk = &holder.desk;
    desk.perform(held("t")).await.expect("it opens");
    desk.send("t", "X=kept", TerminalWait::Quiet).await;
    desk.rig.lab.relay.refuse(true);
    desk.rig.lab.relay.cut();
    let closed = desk.perform(Action::TerminalClose(crate::desk::name("t"))).await.expect("it closes");
    let Body::Text(said) = closed.body else { panic!("not a text") };
    assert!(said.contains("is not confirmed: TerminalOpen with persist attaches to it again"), "{said}");
    desk.rig.lab.relay.refuse(false);
    desk.perform(held("t")).await.expect("it opens");
    desk.send("t", "echo still-$X", pattern("still-kept")).await;
    desk.perform(Action::TerminalClose(crate::desk::name("t"))).await.expect("it closes");
    eventually(SOON, || holder.left().is_empty() && holder.holders().is_empty());
}

/// The user's own tmux and screen on a host, which nothing of ours may touch; they end with the value.
struct Users<'a>(&'a Path);

impl<'a> Users<'a> {
    fn start(files: &'a Path) -> Self {
        let users = Self(files);
        for (program, words) in [("tmux", ["new-session", "-d", "-s", "job-1"]), ("screen", ["-d", "-m", "-S", "job-1"])] {
            let started = users.command(program).args(words).args(["sleep", "600"]).output().expect("it starts");
            assert!(started.status.success(), "{program}: {}", String::from_utf8_lossy(&started.stderr));
        }
        eventually(SOON, || users.there() == ["screen", "tmux"]);
        users
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = towline_testkit::process::command(program);
        command.env("TMUX_TMPDIR", self.0.join("tmux")).env("SCREENDIR", self.0.join("screen")).env_remove("TMUX").env_remove("STY");
        command
    }

    /// Which of the two are there.
    fn there(&self) -> Vec<&'static str> {
        let screen = self.command("screen").arg("-ls").output().expect("it runs");
        let screen = String::from_utf8_lossy(&screen.stdout).contains(".job-1\t");
        let tmux = self.command("tmux").args(["has-session", "-t", "=job-1"]).output().expect("it runs").status.success();
        [("screen", screen), ("tmux", tmux)].into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
    }
}

impl Drop for Users<'_> {
    fn drop(&mut self) {
        let _ = self.command("tmux").arg("kill-server").output();
        let _ = self.command("screen").args(["-S", "job-1", "-X", "quit"]).output();
    }
}

async fn kept(desk: &Desk) -> towline_engine::answer::Kept {
    let listed = desk.perform(Action::Clean(Clean::List)).await.expect("it lists");
    let Body::Kept(kept) = listed.body else { panic!("not a list: {:?}", listed.body) };
    kept
}

async fn clean_ends_what_a_host_holds(holder: &Holder, by: towline_engine::answer::Holder) {
    let desk = &holder.desk;
    let users = Users::start(holder.files.path());
    assert_eq!(kept(desk).await.terminals, Some(Vec::new()));
    for name in ["job-1", "job-10", "a.b"] {
        desk.perform(held(name)).await.expect("it opens");
    }
    let mut names: Vec<String> = Vec::new();
    for terminal in kept(desk).await.terminals.expect("it says") {
        assert!(terminal.holder == by && terminal.attached, "{terminal:?}");
        names.push(terminal.name.to_string());
    }
    names.sort();
    assert_eq!(names, ["a.b", "job-1", "job-10"]);
    // What is finished is removed, and a terminal is not finished while it is there.
    desk.perform(Action::Clean(Clean::Finished)).await.expect("it removes");
    assert_eq!(kept(desk).await.terminals.map(|held| held.len()), Some(3));
    // One whose window is gone is held all the same, and by nothing but its name.
    desk.rig.lab.sshd.end_connections();
    eventually_async(SOON, || async { kept(desk).await.terminals.is_some_and(|held| held.iter().all(|held| !held.attached)) }).await;
    let removed = desk.perform(Action::Clean(Clean::Everything)).await.expect("it removes");
    let Body::Removed(removed) = removed.body else { panic!("not a removal: {:?}", removed.body) };
    assert_eq!((removed.terminals, removed.terminals_left), (3, TerminalsLeft::Nothing));
    eventually(SOON, || holder.holders().is_empty());
    assert_eq!(users.there(), ["screen", "tmux"]);
    // The windows bring none of them up again.
    let read = desk.perform(reading("job-1", Mode::Screen, TerminalWait::Nothing)).await.expect("it reads");
    assert!(view(read).ended.is_some());
    assert_eq!(kept(desk).await.terminals, Some(Vec::new()));
    let ours = |path: &String| path.contains("towline") || path.starts_with("tmp/");
    eventually(SOON, || !holder.left().iter().any(ours));
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_lists_and_ends_what_a_hosts_tmux_holds_and_nothing_else() {
    clean_ends_what_a_host_holds(&Holder::without(&["screen"]).await, towline_engine::answer::Holder::Tmux).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_lists_and_ends_what_a_hosts_screen_holds_and_nothing_else() {
    clean_ends_what_a_host_holds(&Holder::without(&["tmux"]).await, towline_engine::answer::Holder::Screen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_link_is_told_with_its_reason() {
    let desk = Desk::connected().await;
    desk.open("plain", None).await;
    desk.rig.lab.sshd.end_connections();
    let end = Instant::now() + SOON;
    let mut ended = None;
    while ended.is_none() && Instant::now() < end {
        ended = desk.read("plain", Mode::Screen, TerminalWait::Nothing).await.ended;
    }
    assert!(matches!(&ended, Some(Ended::Cut(words)) if !words.is_empty()), "{ended:?}");
    let new = desk.perform(opening("plain", None)).await.expect("it opens anew");
    assert!(new.notes.iter().any(|note| note.contains("was replaced")), "{:?}", new.notes);
}

async fn listed(engine: &Engine) -> String {
    let hosts = engine.perform(towline_engine::Call { host: None, session: None, action: Action::Hosts }, context()).await;
    let Body::Text(text) = hosts.expect("it lists").body else { panic!("not a text") };
    text
}

/// A tmux by which everything was last used in 1970, as soon as that file is there.
fn forgetful_tmux(dir: &Path) -> std::path::PathBuf {
    let program = dir.join("tmux-of-old");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' list-panes '*) [ ! -e '{}' ] || {{ tmux \"$@\" | awk -F '\\t' -v OFS='\\t' '{{ $8 = 1; print }}'; exit; }};; esac\nexec tmux \"$@\"\n",
        dir.join("old").display()
    );
    std::fs::write(&program, script).expect("a file can be written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_that_nobody_uses_go_on_the_host_too() {
    let mut holder = Holder::without(&["screen"]).await;
    let dir = holder.files.path().to_owned();
    let engine = Engine::new(Settings { tmux: Some(forgetful_tmux(&dir)), ..Rig::settings(&holder.desk.rig.lab) });
    holder.desk.rig.engine = engine;
    holder.desk.rig.run("true").await;
    holder.desk.open("plain", None).await;
    holder.desk.perform(held("held")).await.expect("it opens");
    let text = listed(&holder.desk.rig.engine).await;
    assert!(text.contains("terminal held on lab") && text.contains("terminal plain on lab"), "{text}");
    std::fs::write(dir.join("old"), "").expect("a file can be written");
    let text = listed(&holder.desk.rig.engine).await;
    assert!(text.contains("terminal held on lab") && !text.contains("terminal plain"), "{text}");
    eventually(SOON, || holder.holders().is_empty() && holder.left().is_empty());
    eventually_async(SOON, || async { !listed(&holder.desk.rig.engine).await.contains("terminal held") }).await;
    let gone = holder.desk.perform(reading("plain", Mode::Screen, TerminalWait::Nothing)).await.expect_err("it is gone");
    assert_eq!(gone.text, "There is no terminal plain on lab.");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_terminals() {
    let desk = Desk::start();
    let tmux = Tmux::new(TmuxSettings::from_environment(desk.rig.lab.state_dir(), None));
    let command = ["sh", "-c", "exec cat"].map(std::ffi::OsString::from);
    let but_one = limits::MOST_TERMINALS - 1;
    for number in 0..but_one {
        let (name, size) = (format!("t{number}"), Size { cols: 80, rows: 24 });
        let window = NewWindow { host: "lab", kind: "terminal", name: &name, size, note: "{}", command: &command };
        tmux.open(&window).await.expect("a window opens");
    }
    // Of several who open the last one at once, one does.
    let (one, two, three) = tokio::join!(
        desk.perform(opening("x1", Some("exec cat"))),
        desk.perform(opening("x2", Some("exec cat"))),
        desk.perform(opening("x3", Some("exec cat")))
    );
    assert_eq!([one, two, three].iter().filter(|opened| opened.is_ok()).count(), 1);
    let full = desk.perform(opening("more", Some("exec cat"))).await.expect_err("there are too many");
    assert_eq!((full.code, full.text.as_str()), (Code::TooLarge, "There are 32 terminals already."));
    // One that is there is found all the same.
    let found = desk.perform(opening("t7", None)).await.expect("it is there");
    assert!(found.notes.iter().any(|note| note.contains("was open already")), "{:?}", found.notes);
    // All of them at once.
    let all = (0..but_one).map(|number| {
        let name = format!("t{number}");
        let desk = &desk;
        async move {
            let word = format!("word-{name}-end");
            let mut send = sending(&name, &word, &[], true, pattern(&format!("^{word}$")));
            if let Action::TerminalSend(send) = &mut send {
                // Where the machine has much else to do, each waits for all the others.
                send.timeout = Some(5 * SOON);
            }
            let seen = view(desk.perform(send).await.expect("it sends"));
            assert_eq!(seen.why, Some(Why::Matched), "{name}: {}", text(&seen));
            assert_eq!(text(&desk.read(&name, Mode::Screen, TerminalWait::Nothing).await), format!("{word}\n{word}"));
        }
    });
    all_at_once(all).await;
    desk.perform(Action::TerminalClose(crate::desk::name("t7"))).await.expect("it closes");
    desk.open("more", Some("exec cat")).await;
}

/// Waits for all of them, side by side.
async fn all_at_once(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
