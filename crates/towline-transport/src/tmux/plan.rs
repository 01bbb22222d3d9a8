//! The argument lists of every tmux that is started, and how names are written there.
//!
//! Holds to: pure; a target is an id that this server gave (`%3`) or an exact name (`=name:`), since tmux matches bare names by
//! prefix; no word of a caller can end a tmux command. Leaves out: what is answered (`parse`).

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::parse::{HEADER, LISTED};
use super::{NewWindow, PaneId, Size};

/// What every invocation begins with: our server, our configuration, UTF-8 whatever the locale says.
pub(super) fn server(socket: &Path, config: &Path) -> Vec<OsString> {
    let mut list = words(&["-u", "-f"]);
    list.extend([config.into(), "-S".into(), socket.into()]);
    list
}

/// The name of a host's tmux session. tmux gives `.` and `:` a meaning of their own; `,` and `=` are in no host's name.
pub(crate) fn session_name(host: &str) -> String {
    format!("towline/{}", host.replace('.', ",").replace(':', "="))
}

/// Lists every pane of the server.
pub(super) fn list() -> Vec<OsString> {
    words(&["list-panes", "-a", "-F", LISTED])
}

/// Whether the session is there.
pub(super) fn has_session(session: &str) -> Vec<OsString> {
    words(&["has-session", "-t", &exact(session)])
}

/// Opens a window and marks it, in one go: the window bears the nonce for a name until all else is done, so that nobody sees or
/// means it half made. A window of a session that a person looks at is born as large as their terminal, so the command starts
/// only after the window has its size.
pub(super) fn open(window: &NewWindow<'_>, nonce: &str, first: First) -> Vec<OsString> {
    let session = session_name(window.host);
    let (cols, rows) = (window.size.cols.to_string(), window.size.rows.to_string());
    let pane = format!("={session}:={nonce}");
    let mut list = match first {
        First::Session => words(&["new-session", "-d", "-s", &session, "-n", nonce, "-x", &cols, "-y", &rows, "--", "sleep", "60"]),
        First::Window => words(&["new-window", "-d", "-n", nonce, "-t", &exact(&session), "--", "sleep", "60"]),
    };
    then(&mut list, &["resize-window", "-t", &pane, "-x", &cols, "-y", &rows]);
    let marks = [("@towline_host", window.host), ("@towline_kind", window.kind), ("@towline_name", window.name)];
    for (key, value) in marks.into_iter().chain([("@towline_made", nonce), ("@towline_note", window.note)]) {
        then(&mut list, &["set-option", "-p", "-t", &pane, key, value]);
    }
    then(&mut list, &["respawn-pane", "-k", "-t", &pane, "--"]);
    list.extend(window.command.iter().map(|word| escaped(word)));
    then(&mut list, &["display-message", "-p", "-t", &pane, LISTED]);
    then(&mut list, &["rename-window", "-t", &pane, window.name]);
    list
}

/// Whether a window is the first of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Session,
    Window,
}

/// Makes the server look after its children, by a child that ends at once.
///
/// A tmux that is linked with libutempter (Debian's is) takes a pane out of the list of logins when its output ends, and the
/// library sets SIGCHLD aside while its own child runs: the end of the pane's program, if it comes in that moment, is heard only
/// together with the next child's.
pub(super) fn reap() -> Vec<OsString> {
    words(&["run-shell", ":"])
}

/// What a look shows: facts, then the rows as they stand, then the same with wrapped rows joined, and once more with colours.
pub(super) fn look(pane: PaneId, back: u32, colours: bool) -> Vec<OsString> {
    let (pane, start) = (pane.to_string(), format!("-{back}"));
    let start = if back == 0 { "0" } else { &start };
    let mut list = words(&["display-message", "-p", "-t", &pane, HEADER]);
    then(&mut list, &["capture-pane", "-p", "-t", &pane, "-S", start]);
    then(&mut list, &["capture-pane", "-p", "-J", "-t", &pane, "-S", start]);
    if colours {
        then(&mut list, &["display-message", "-p", "-t", &pane, super::parse::COLOURS]);
        then(&mut list, &["capture-pane", "-p", "-e", "-J", "-t", &pane, "-S", start]);
    }
    list
}

/// Types what comes on standard input, byte for byte but for a newline, which becomes the carriage return that a keyboard sends.
/// A program that asked for it is told that it is a paste.
pub(super) fn paste(pane: PaneId, buffer: &str, bracketed: bool) -> Vec<OsString> {
    let mut list = words(&["load-buffer", "-b", buffer, "-"]);
    let (pane, how) = (pane.to_string(), if bracketed { "-dp" } else { "-d" });
    // A tmux up to 3.3 dies of a paste into a pane whose program has ended, and every terminal with it.
    let paste = format!("paste-buffer {how} -b {buffer} -t {pane}");
    then(&mut list, &["if-shell", "-F", "-t", &pane, "#{pane_dead}", &format!("delete-buffer -b {buffer}"), &paste]);
    list
}

/// Presses keys by tmux's names. A person who scrolls back is taken to the end first, or the keys would drive the scrolling.
pub(super) fn keys(pane: PaneId, keys: &[String]) -> Vec<OsString> {
    let pane = pane.to_string();
    let mut list = words(&["if-shell", "-F", "-t", &pane, "#{pane_in_mode}", &format!("send-keys -t {pane} -X cancel")]);
    then(&mut list, &["send-keys", "-t", &pane, "--"]);
    list.extend(keys.iter().map(|key| escaped(key.as_ref())));
    list
}

/// One list after the other: tmux carries them out without another's in between, once it has read the text.
pub(super) fn both(mut list: Vec<OsString>, more: Vec<OsString>) -> Vec<OsString> {
    list.push(";".into());
    list.extend(more);
    list
}

/// Gives the pane's window a size.
pub(super) fn resize(pane: PaneId, size: Size) -> Vec<OsString> {
    words(&["resize-window", "-t", &pane.to_string(), "-x", &size.cols.to_string(), "-y", &size.rows.to_string()])
}

/// Ends a pane and what runs in it.
pub(super) fn kill(pane: PaneId) -> Vec<OsString> {
    words(&["kill-pane", "-t", &pane.to_string()])
}

/// Writes down something about a pane, for whoever lists it later.
pub(super) fn note(pane: PaneId, note: &str) -> Vec<OsString> {
    words(&["set-option", "-p", "-t", &pane.to_string(), "@towline_note", note])
}

/// A client without a screen that is told of every output of a session.
pub(super) fn watch(session: &str) -> Vec<OsString> {
    words(&["-C", "attach-session", "-t", &exact(session)])
}

/// The command with which a person attaches; `window` shows that one first.
pub(super) fn attach(program: &Path, socket: &Path, host: &str, window: Option<&str>) -> String {
    let window = window.unwrap_or_default();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let socket = socket.to_string_lossy();
    let socket =
        if socket.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)) { socket.into_owned() } else { quoted(&socket) };
    format!("{} -S {socket} attach -t {}", program.display(), quoted(&format!("={}:{window}", session_name(host))))
}

fn exact(session: &str) -> String {
    format!("={session}:")
}

fn then(list: &mut Vec<OsString>, more: &[&str]) {
    list.push(";".into());
    list.extend(words(more));
}

fn words(texts: &[&str]) -> Vec<OsString> {
    texts.iter().map(|word| escaped(word.as_ref())).collect()
}

/// A word as tmux takes it: one that ends in `;` would end the command.
fn escaped(word: &OsStr) -> OsString {
    match word.to_str().and_then(|text| text.strip_suffix(';')) {
        Some(start) => format!("{start}\\;").into(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: &[OsString]) -> String {
        list.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn no_two_hosts_share_a_session() {
        for (host, expected) in [
            ("prod", "towline/prod"),
            ("me@10.0.0.1:22", "towline/me@10,0,0,1=22"),
            ("[::1]", "towline/[==1]"),
            ("a_b", "towline/a_b"),
            ("a.b", "towline/a,b"),
            ("büro", "towline/büro"),
        ] {
            assert_eq!(session_name(host), expected);
        }
    }

    #[test]
    fn no_word_ends_a_command() {
        for (word, expected) in [(";", "\\;"), ("a;", "a\\;"), ("a\\;", "a\\\\;"), ("a;b", "a;b"), ("", ""), ("-x", "-x")] {
            assert_eq!(escaped(word.as_ref()), expected, "{word}");
        }
    }

    #[test]
    fn whole_lists() {
        let command = ["ssh", "--", "h", "a;"].map(OsString::from);
        let window =
            NewWindow { host: "a.b", kind: "terminal", name: "job-1", size: Size { cols: 120, rows: 40 }, note: "{}", command: &command };
        let pane = PaneId(3);
        insta::assert_snapshot!(text(&open(&window, "n1", First::Window)).replace(LISTED, "LISTED"), @r"new-window -d -n n1 -t =towline/a,b: -- sleep 60 ; resize-window -t =towline/a,b:=n1 -x 120 -y 40 ; set-option -p -t =towline/a,b:=n1 @towline_host a.b ; set-option -p -t =towline/a,b:=n1 @towline_kind terminal ; set-option -p -t =towline/a,b:=n1 @towline_name job-1 ; set-option -p -t =towline/a,b:=n1 @towline_made n1 ; set-option -p -t =towline/a,b:=n1 @towline_note {} ; respawn-pane -k -t =towline/a,b:=n1 -- ssh -- h a\; ; display-message -p -t =towline/a,b:=n1 LISTED ; rename-window -t =towline/a,b:=n1 job-1");
        insta::assert_snapshot!(text(&open(&window, "n1", First::Session)).replace(LISTED, "LISTED"), @r"new-session -d -s towline/a,b -n n1 -x 120 -y 40 -- sleep 60 ; resize-window -t =towline/a,b:=n1 -x 120 -y 40 ; set-option -p -t =towline/a,b:=n1 @towline_host a.b ; set-option -p -t =towline/a,b:=n1 @towline_kind terminal ; set-option -p -t =towline/a,b:=n1 @towline_name job-1 ; set-option -p -t =towline/a,b:=n1 @towline_made n1 ; set-option -p -t =towline/a,b:=n1 @towline_note {} ; respawn-pane -k -t =towline/a,b:=n1 -- ssh -- h a\; ; display-message -p -t =towline/a,b:=n1 LISTED ; rename-window -t =towline/a,b:=n1 job-1");
        insta::assert_snapshot!(text(&look(pane, 5, true)).replace(HEADER, "HEADER"), @"display-message -p -t %3 HEADER ; capture-pane -p -t %3 -S -5 ; capture-pane -p -J -t %3 -S -5 ; display-message -p -t %3 [colours] ; capture-pane -p -e -J -t %3 -S -5");
        insta::assert_snapshot!(text(&paste(pane, "b", true)), @"load-buffer -b b - ; if-shell -F -t %3 #{pane_dead} delete-buffer -b b paste-buffer -dp -b b -t %3");
        insta::assert_snapshot!(text(&keys(pane, &["C-c".into(), ";".into()])), @r"if-shell -F -t %3 #{pane_in_mode} send-keys -t %3 -X cancel ; send-keys -t %3 -- C-c \;");
        insta::assert_snapshot!(text(&both(paste(pane, "b", false), keys(pane, &["Enter".into()]))), @"load-buffer -b b - ; if-shell -F -t %3 #{pane_dead} delete-buffer -b b paste-buffer -d -b b -t %3 ; if-shell -F -t %3 #{pane_in_mode} send-keys -t %3 -X cancel ; send-keys -t %3 -- Enter");
        insta::assert_snapshot!(text(&watch("towline/h")), @"-C attach-session -t =towline/h:");
        insta::assert_snapshot!(attach(Path::new("tmux"), Path::new("/r/t"), "h", Some("@3")), @"tmux -S /r/t attach -t '=towline/h:@3'");
        insta::assert_snapshot!(attach(Path::new("tmux"), Path::new("/r x/t"), "h", None), @"tmux -S '/r x/t' attach -t '=towline/h:'");
    }
}
