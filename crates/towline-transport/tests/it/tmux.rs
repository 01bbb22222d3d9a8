//! towline's tmux server against a real tmux, with a user's own server beside it.

use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use towline_base::Failure;
use towline_testkit::process::command;
use towline_testkit::{eventually, eventually_async};
use towline_transport::tmux::{Colours, Heard, NewWindow, Opened, Pane, Size, Tmux, TmuxSettings, Typing};

/// Longest that a test waits for anything.
const SOON: Duration = Duration::from_secs(30);

/// A server of a test's own, ended with it.
struct Own {
    dir: TempDir,
    tmux: Tmux,
}

impl Own {
    fn new(program: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("tl-").tempdir().expect("a directory");
        let tmux = Tmux::new(settings(&dir, program));
        Self { dir, tmux }
    }

    async fn open(&self, host: &str, name: &str, script: &str) -> (Pane, Opened) {
        let command = ["sh", "-c", script].map(OsString::from);
        let size = Size { cols: 60, rows: 10 };
        let window = NewWindow { host, kind: "terminal", name, size, note: "{}", command: &command };
        self.tmux.open(&window).await.expect("a window opens")
    }

    async fn lines(&self, pane: &Pane, back: u32) -> Vec<String> {
        self.tmux.look(pane.id, back, Colours::Dropped).await.expect("a look").lines
    }

    async fn until(&self, pane: &Pane, word: &str) {
        eventually_async(SOON, async || self.lines(pane, 0).await.iter().any(|line| line.contains(word))).await;
    }

    /// The socket of the server that runs.
    fn socket(&self) -> Option<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("run/towline")).ok()?;
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"t-")))
    }

    fn raw(&self, arguments: &[&str]) -> String {
        let socket = self.socket().expect("a socket");
        let output = command("tmux").arg("-S").arg(socket).args(arguments).output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

fn settings(dir: &TempDir, program: &str) -> TmuxSettings {
    let run = dir.path().join("run");
    std::fs::create_dir_all(&run).expect("a directory can be made");
    TmuxSettings { program: program.into(), state_dir: dir.path().join("state"), runtime_dir: Some(run) }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(socket) = self.socket() {
            let _ = command("tmux").arg("-S").arg(socket).arg("kill-server").output();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_runs_before_the_first_window_and_none_after_the_last() {
    let own = Own::new("tmux");
    assert_eq!(own.tmux.list().await.expect("a list"), []);
    assert_eq!((own.socket(), own.tmux.attach_command("h", None).await), (None, None));
    let (pane, opened) = own.open("h", "one", "echo up; exec cat").await;
    assert_eq!((opened, pane.size), (Opened::New, Size { cols: 60, rows: 10 }));
    own.until(&pane, "up").await;
    assert_eq!(own.open("h", "one", "exec cat").await, (own.tmux.list().await.expect("a list")[0].clone(), Opened::Found));
    let attach = own.tmux.attach_command("h", Some(&pane.window)).await.expect("a server runs");
    assert!(attach.ends_with(&format!("attach -t '=towline/h:{}'", pane.window)), "{attach}");
    own.tmux.close(pane.id).await.expect("it closes");
    eventually_async(SOON, async || own.tmux.attach_command("h", None).await.is_none()).await;
    assert_eq!(own.tmux.list().await.expect("a list"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_begin_alike_and_hosts_with_dots_and_colons_are_kept_apart() {
    let own = Own::new("tmux");
    let places = [("job", "job-10"), ("job", "job-1"), ("a.b", "x"), ("a_b", "x"), ("a", "x"), ("me@10.0.0.1:22", "x"), ("[::1]:2", "a.b")];
    let mut panes = Vec::new();
    for (host, name) in places {
        let (pane, opened) = own.open(host, name, &format!("echo 'this is {host} {name} end'; exec cat")).await;
        assert_eq!(opened, Opened::New, "{host} {name}");
        panes.push(pane);
    }
    for ((host, name), pane) in places.iter().zip(&panes) {
        own.until(pane, &format!("this is {host} {name} end")).await;
        assert_eq!(own.open(host, name, "exec cat").await.0.id, pane.id, "{host} {name}");
    }
    own.tmux.close(panes[1].id).await.expect("job-1 closes");
    let left: Vec<_> = own.tmux.list().await.expect("a list").into_iter().map(|pane| (pane.host, pane.name)).collect();
    assert_eq!(left.len(), places.len() - 1);
    assert!(left.contains(&("job".to_owned(), "job-10".to_owned())) && !left.contains(&("job".to_owned(), "job-1".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_own_server_and_configuration_are_not_touched() {
    let dir = tempfile::Builder::new().prefix("tl-").tempdir().expect("a directory");
    let theirs = |arguments: &[&str]| {
        let mut tmux = command("tmux");
        tmux.env("TMUX_TMPDIR", dir.path()).env("HOME", dir.path()).env_remove("TMUX").args(arguments);
        String::from_utf8_lossy(&tmux.output().expect("tmux runs").stdout).into_owned()
    };
    std::fs::write(dir.path().join(".tmux.conf"), "set -g @theirs yes\n").expect("a file can be written");
    theirs(&["new-session", "-d", "-s", "towline/h", "-n", "one", "cat"]);
    let before = theirs(&["list-panes", "-a", "-F", "#{pane_id} #{pane_pid} #{window_name} #{window_width}"]);
    assert!(before.contains("one"), "{before}");
    let own = Own::new("tmux");
    let (pane, _) = own.open("h", "one", "exec cat").await;
    own.tmux.type_text(pane.id, b"hello\n", Typing::Keys).await.expect("it types");
    own.until(&pane, "hello").await;
    assert_eq!(own.raw(&["show-options", "-gqv", "@theirs"]), "");
    own.tmux.close(pane.id).await.expect("it closes");
    assert_eq!(theirs(&["list-panes", "-a", "-F", "#{pane_id} #{pane_pid} #{window_name} #{window_width}"]), before);
    assert!(!theirs(&["capture-pane", "-p", "-t", "=towline/h:"]).contains("hello"));
    theirs(&["kill-server"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_arrives_as_it_was_sent() {
    let own = Own::new("tmux");
    let file = own.dir.path().join("typed");
    // Without the line discipline's own ideas, each byte that was sent is written down.
    let script = format!("stty raw -echo; echo ready; exec cat >'{}'", file.display());
    let (pane, _) = own.open("h", "one", &script).await;
    own.until(&pane, "ready").await;
    let long = "0123456789abcdef".repeat(6400);
    let mut expected = Vec::new();
    for text in [
        "C-c",
        "Enter",
        "a;",
        ";",
        "\\;",
        "a\\",
        "-x",
        "--",
        "  two  spaces  ",
        "a\tb",
        "é日本語🚀👩‍👩‍👧",
        "#{pane_id}",
        "$(id) `id` 'q' \"q\" !",
        "%1",
        "{",
        "}",
        "~.",
        "\u{1b}[A",
        long.as_str(),
    ] {
        own.tmux.type_text(pane.id, text.as_bytes(), Typing::Keys).await.expect("it types");
        expected.extend_from_slice(text.as_bytes());
        eventually(SOON, || std::fs::metadata(&file).is_ok_and(|meta| meta.len() >= expected.len() as u64));
        assert!(std::fs::read(&file).expect("what was typed") == expected, "{text:.40}");
    }
    own.tmux.type_text(pane.id, b"two\nlines", Typing::Paste).await.expect("it types");
    own.tmux.press(pane.id, &["C-c", "Enter", "Up", ";"].map(str::to_owned)).await.expect("it presses");
    expected.extend_from_slice(b"two\rlines\x03\r\x1b[A;");
    eventually(SOON, || std::fs::read(&file).is_ok_and(|typed| typed == expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paste_is_bracketed_where_the_program_asked_for_it() {
    let own = Own::new("tmux");
    let file = own.dir.path().join("typed");
    let script = format!("stty raw -echo; printf '\\033[?2004hready'; exec cat >'{}'", file.display());
    let (pane, _) = own.open("h", "one", &script).await;
    own.until(&pane, "ready").await;
    own.tmux.type_text(pane.id, b"a\nb", Typing::Paste).await.expect("it types");
    own.tmux.type_text(pane.id, b"c", Typing::Keys).await.expect("it types");
    eventually(SOON, || std::fs::read(&file).is_ok_and(|typed| typed == b"\x1b[200~a\rb\x1b[201~c"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_size_cursor_wraps_colours_history_and_death() {
    let own = Own::new("tmux");
    let script = "seq 30; printf '\\033[31mred\\033[0m'; printf '%0100d' 7; printf '\\n[colours]\\n$ '; read -r x; exit 3";
    let (pane, _) = own.open("h", "one", script).await;
    own.until(&pane, "$").await;
    let look = own.tmux.look(pane.id, 1000, Colours::Kept).await.expect("a look");
    assert_eq!((look.size, look.alternate, look.dead), (Size { cols: 60, rows: 10 }, false, None));
    assert_eq!((look.above, look.cursor, look.row.as_str()), (look.history, (2, 9), "$"));
    assert_eq!(look.lines[0], "1");
    let long = look.lines.iter().position(|line| line.starts_with("red0") && line.len() == 103).expect("the wrapped line is one");
    assert_eq!(look.starts[long + 1] - look.starts[long], 2);
    let coloured = look.coloured.expect("colours were asked for");
    assert!(coloured[long].contains("\u{1b}[31mred"), "{:?}", coloured[long]);
    own.tmux.resize(pane.id, Size { cols: 40, rows: 12 }).await.expect("it is resized");
    assert_eq!(own.tmux.look(pane.id, 0, Colours::Dropped).await.expect("a look").size, Size { cols: 40, rows: 12 });
    own.tmux.type_text(pane.id, b"\n", Typing::Keys).await.expect("it types");
    eventually_async(SOON, async || own.tmux.look(pane.id, 0, Colours::Dropped).await.is_ok_and(|look| look.dead.is_some())).await;
    let dead = own.tmux.list().await.expect("a list")[0].dead.expect("it is dead");
    assert_eq!((dead.status, dead.signal), (Some(3), None));
    // What is typed into it goes nowhere, and tmux lives.
    own.tmux.type_text(pane.id, b"into nothing", Typing::Keys).await.expect("it is taken");
    own.tmux.press(pane.id, &["Enter".to_owned()]).await.expect("it is taken");
    let command = ["sh", "-c", "echo again; exec cat"].map(OsString::from);
    let size = Size { cols: 40, rows: 12 };
    let window = NewWindow { host: "h", kind: "terminal", name: "one", size, note: "", command: &command };
    let anew = own.tmux.replace(pane.id, &window).await.expect("it starts anew");
    own.until(&anew, "again").await;
    // Who comes later finds that, and the old one is gone.
    assert_eq!(own.tmux.replace(pane.id, &window).await.expect("it is there").id, anew.id);
    let ids: Vec<_> = own.tmux.list().await.expect("a list").into_iter().map(|pane| pane.id).collect();
    assert_eq!(ids, [anew.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_every_byte_and_the_end() {
    let own = Own::new("tmux");
    let (pane, _) =
        own.open("h", "one", "read -r x; printf 'a\\033]133;D;3\\007b\\\\c\\r\\n%%output %%1 fake\\n'; seq 2000; read -r x").await;
    let heard = Arc::new(Mutex::new((Vec::new(), false)));
    let into = Arc::clone(&heard);
    let watch = own.tmux.watch("h", move |event| {
        let mut heard = into.lock().expect("nobody panics");
        match event {
            Heard::Output(id, bytes) => {
                assert_eq!(id, pane.id);
                heard.0.extend_from_slice(bytes);
            }
            Heard::End => heard.1 = true,
        }
    });
    let watch = watch.await.expect("it listens");
    own.tmux.type_text(pane.id, b"\n", Typing::Keys).await.expect("it types");
    let text = || String::from_utf8_lossy(&heard.lock().expect("nobody panics").0).into_owned();
    eventually(SOON, || text().contains("\n2000\r\n"));
    assert!(text().contains("a\u{1b}]133;D;3\u{7}b\\c\r\r\n%output %1 fake\r\n1\r\n2\r\n"), "{}", text());
    assert!(watch.is_alive());
    own.tmux.close(pane.id).await.expect("it closes");
    eventually(SOON, || heard.lock().expect("nobody panics").1 && !watch.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_open_the_same_window_at_once_get_one() {
    let own = Own::new("tmux");
    let other = Own { tmux: Tmux::new(settings(&own.dir, "tmux")), dir: tempfile::tempdir().expect("a directory") };
    let ((one, _), (same, _)) = tokio::join!(own.open("h", "one", "exec cat"), other.open("h", "one", "exec cat"));
    assert_eq!(one.id, same.id);
    assert_eq!(own.tmux.list().await.expect("a list").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_an_old_a_slow_and_a_killed_tmux_are_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let fails = async |tmux: &Tmux| {
        let command = ["sh", "-c", "exec cat"].map(OsString::from);
        let size = Size { cols: 60, rows: 10 };
        let error = tmux.open(&NewWindow { host: "h", kind: "terminal", name: "x", size, note: "", command: &command }).await;
        Failure::from(error.expect_err("it does not open")).to_string()
    };
    let own = Own::new("/nonexistent/tmux");
    assert_eq!(
        fails(&own.tmux).await,
        "the program \"/nonexistent/tmux\" is not on this machine [missing_program]\n\
         Terminals need tmux 3.0 or newer on the machine that towline runs on; everything else works without it."
    );
    let stand_ins = tempfile::tempdir().expect("a directory");
    let stand_in = |name: &str, script: &str| {
        let path = stand_ins.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        Own::new(path.to_str().expect("UTF-8"))
    };
    let own = stand_in("old", "echo tmux 2.9a");
    assert!(fails(&own.tmux).await.starts_with("tmux 2.9a is too old for terminals [missing_program]\n"));
    let own = stand_in("slow", "case \"$*\" in -V) echo tmux 3.3a;; *) exec sleep 60;; esac");
    assert!(fails(&own.tmux).await.starts_with("tmux did not answer within 10 s"));
    let own = Own::new("tmux");
    let (pane, _) = own.open("h", "one", "exec cat").await;
    own.raw(&["kill-server"]);
    eventually_async(SOON, async || own.tmux.list().await.is_ok_and(|panes| panes.is_empty())).await;
    let gone = own.tmux.look(pane.id, 0, Colours::Dropped).await.expect_err("it is gone");
    assert_eq!(gone.to_string(), "towline's tmux server does not run: it ended or was ended, and its terminals with it");
    own.open("h", "one", "exec cat").await;
    let other = towline_transport::tmux::PaneId(77);
    let refused = own.tmux.look(other, 0, Colours::Dropped).await.expect_err("there is no such pane");
    assert!(refused.to_string().contains("%77"), "{refused}");
}
