//! What the file tools answer, row by row of what agents know, with the programs run by this machine's sh.
#![expect(clippy::disallowed_methods, reason = "the programs are run without a line")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use towline_proto::files::PROGRAMS;

use super::*;
use crate::action::{Edit, List, ReadWindow, Replacement, Write};
use crate::answer::{Answer, Body, FileContent, How, Written};
use towline_base::Code;

/// A host: a directory, and an sh that runs the programs in it.
struct Lab {
    directory: tempfile::TempDir,
    state: tempfile::TempDir,
    files: Files,
    line: Local,
}

struct Local {
    cwd: PathBuf,
    /// Bytes of each round trip, both ways.
    trips: Mutex<Vec<usize>>,
    /// Runs before the next call: what somebody else does meanwhile.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    path: String,
}

impl ToolLine for Local {
    async fn call(&self, call: ToolCall) -> Result<ToolReply, Failure> {
        // Calls side by side come between each other's looks and writes.
        tokio::task::yield_now().await;
        if let Some(act) = self.meanwhile.lock().unwrap().take() {
            act();
        }
        let private = tempfile::tempdir().unwrap();
        fs::write(private.path().join("in"), &call.payload).unwrap();
        let texts: Vec<&str> = PROGRAMS.iter().map(|(_, text)| *text).collect();
        let script = format!("{}\numask 077\ntl_tool_{} \"$@\"", texts.join("\n"), call.tool);
        let status = Command::new("/bin/sh")
            .args(["-c", &script, "sh"])
            .args(call.args.iter().map(|arg| OsStr::from_bytes(arg)))
            .current_dir(&self.cwd)
            .env_clear()
            .envs([("PATH", self.path.as_str()), ("LC_ALL", "C"), ("TL_UMASK", "022"), ("TL_REQ", "7")])
            .env("TL_TMP", private.path())
            .stdin(File::open(private.path().join("in")).unwrap())
            .stdout(File::create(private.path().join("out")).unwrap())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let body = fs::read(private.path().join("out")).unwrap();
        let sent = call.payload.len() + call.args.iter().map(|arg| arg.len() + 2).sum::<usize>();
        self.trips.lock().unwrap().push(sent + body.len());
        Ok(ToolReply { status: u8::try_from(status.code().unwrap()).unwrap(), body })
    }
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let cwd = directory.path().canonicalize().unwrap();
        let line = Local { cwd, trips: Mutex::default(), meanwhile: Mutex::default(), path: "/usr/bin:/bin".to_owned() };
        Self { files: Files::new(state.path()), directory, state, line }
    }

    /// What `towline` knows after it was started again.
    fn restart(&mut self) {
        self.files = Files::new(self.state.path());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.line.cwd.join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn has(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at(name), content).unwrap();
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap()
    }

    /// Round trips since the last question, and the bytes of them.
    fn cost(&self) -> (usize, usize) {
        let trips = std::mem::take(&mut *self.line.trips.lock().unwrap());
        (trips.len(), trips.iter().sum())
    }

    fn run<T>(&self, session: &str, ask: impl AsyncFnOnce(&Files, &Local, &Scope<'_>) -> T) -> T {
        let (host, session) = (HostAlias::parse("host").unwrap(), SessionName::parse(session).unwrap());
        let scope = Scope { host: &host, session: &session, witness: &crate::events::Witness::none() };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ask(&self.files, &self.line, &scope))
    }

    fn read_window(&self, window: ReadWindow) -> Result<FileContent, String> {
        let answer = self.run("s", async |files, line, scope| files.read(line, scope, &[window]).await).unwrap();
        let Body::Files(mut files) = answer.body else { panic!() };
        files.remove(0).map(|view| view.content).map_err(|error| error.failure.text)
    }

    fn read(&self, name: &str) -> Result<FileContent, String> {
        self.read_window(window(name, None, None))
    }

    fn write_in(&self, session: &str, write: Write) -> Result<(Written, Vec<String>), Failure> {
        self.run(session, async |files, line, scope| files.write(line, scope, &write).await).map(written)
    }

    fn write(&self, name: &str, content: &str) -> Result<(Written, Vec<String>), String> {
        self.write_in("s", Write { file_path: name.to_owned(), content: content.into(), append: false }).map_err(|failure| failure.text)
    }

    fn edit(&self, name: &str, edits: &[(&str, &str, bool)]) -> Result<Written, String> {
        let multi = edits.len() > 1;
        let edits = edits.iter().map(|(old, new, all)| Replacement { old: (*old).to_owned(), new: (*new).to_owned(), all: *all }).collect();
        let edit = Edit { file_path: name.to_owned(), edits, multi };
        let answer = self.run("s", async |files, line, scope| files.edit(line, scope, &edit).await);
        answer.map(|answer| written(answer).0).map_err(|failure| failure.text)
    }
}

fn written(answer: Answer) -> (Written, Vec<String>) {
    match answer.body {
        Body::Written(written) => (written, answer.notes),
        other => panic!("{other:?}"),
    }
}

fn window(name: &str, offset: Option<u64>, limit: Option<u64>) -> ReadWindow {
    ReadWindow { file_path: name.to_owned(), offset, limit, allow_large: false }
}

fn text(first_line: u64, bytes: impl AsRef<[u8]>, total_lines: u64, whole: bool) -> Result<FileContent, String> {
    Ok(FileContent::Text { first_line, bytes: bytes.as_ref().to_vec(), total_lines, whole, not_utf8: false })
}

fn numbered(count: usize, filler: &str) -> String {
    (1..=count).map(|number| format!("line {number}{filler}\n")).collect()
}

#[test]
fn read_shows_a_window_or_all() {
    let lab = Lab::new();
    // The same for a file that travels whole and for one that is cut on the host.
    for filler in ["", &"x".repeat(300)] {
        let all = numbered(120, filler);
        lab.has("f", &all);
        let lines: Vec<&str> = all.split_inclusive('\n').collect();
        assert_eq!(lab.read("f"), text(1, &all, 121, true));
        assert_eq!(lab.read_window(window("f", Some(8), Some(4))), text(8, lines[7..11].concat(), 121, false));
        assert_eq!(lab.read_window(window("f", Some(0), Some(1))), text(1, lines[0], 121, false));
        assert_eq!(lab.read_window(window("f", None, Some(120))), text(1, &all, 121, false));
        assert_eq!(lab.read_window(window("f", None, Some(121))), text(1, &all, 121, true));
        assert_eq!(lab.read_window(window("f", Some(120), None)), text(120, lines[119], 121, false));
        assert_eq!(lab.read_window(window("f", Some(121), None)), text(121, "", 121, false));
        assert_eq!(lab.read_window(window("f", Some(500), Some(1))), Ok(FileContent::PastEnd { offset: 500, total_lines: 121 }));
        lab.has("f", all.trim_end());
        assert_eq!(lab.read("f"), text(1, all.trim_end(), 120, true));
        assert_eq!(lab.read_window(window("f", Some(120), Some(9))), text(120, lines[119].trim_end(), 120, false));
        assert_eq!(lab.read_window(window("f", Some(121), None)), Ok(FileContent::PastEnd { offset: 121, total_lines: 120 }));
    }
    assert!(lab.cost().0 == 22, "one round trip each");
}

#[test]
fn read_is_exact_where_others_are_not() {
    let lab = Lab::new();
    let long = "y".repeat(5_000_000);
    let table: &[(&[u8], &[u8], u64)] = &[
        (b"a\r\nb\r\n", b"a\nb\n", 3),
        (b"a\rb\n", b"a\rb\n", 2),
        ("a\u{2028}b\n".as_bytes(), "a\u{2028}b\n".as_bytes(), 2),
        (b"some text and a \0 in it\n", b"some text and a \0 in it\n", 2),
        (b"\xef\xbb\xbfbom\n", b"\xef\xbb\xbfbom\n", 2),
        (b"\n\n", b"\n\n", 3),
    ];
    for (content, shown, total) in table {
        lab.has("f", content);
        assert_eq!(lab.read("f"), text(1, shown, *total, true), "{content:?}");
    }
    lab.has("f", b"caf\xe9\n");
    assert!(matches!(lab.read("f"), Ok(FileContent::Text { not_utf8: true, .. })));
    lab.has("f", "");
    assert_eq!(lab.read("f"), Ok(FileContent::Empty));
    assert_eq!(lab.read_window(window("f", Some(3), Some(1))), Ok(FileContent::Empty));
    lab.has("f", &long);
    assert!(
        lab.read("f")
            .unwrap_err()
            .starts_with("File content (4.8MB) exceeds maximum allowed size (256KB). Use offset and limit parameters")
    );
    assert!(lab.read_window(window("f", Some(1), Some(1))).unwrap_err().starts_with("The requested lines"));
    let large = ReadWindow { allow_large: true, ..window("f", None, None) };
    assert_eq!(lab.read_window(large), text(1, &long, 1, true));
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 600_000]].concat();
    lab.has("p", &png);
    assert_eq!(lab.read("p"), Ok(FileContent::Image { mime: "image/png", bytes: png }));
}

#[test]
fn read_says_in_known_words_what_it_cannot() {
    let lab = Lab::new();
    fs::create_dir(lab.at("src")).unwrap();
    lab.has("x.dat", [0u8, 1, 2, 3, 4, 5]);
    let missing = format!("File does not exist. Note: your current working directory is {}.", lab.line.cwd.display());
    assert_eq!(lab.read("none"), Err(missing));
    assert_eq!(lab.read("src"), Err(format!("EISDIR: illegal operation on a directory, read '{}'", lab.shown("src"))));
    assert!(lab.read("x.dat").unwrap_err().starts_with("This tool cannot read binary files. The file appears to be a binary .dat file. "));
    for path in ["", "a\0b"] {
        let failure = lab.run("s", async |files, line, scope| files.read(line, scope, &[window(path, None, None)]).await).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
    }
}

#[test]
fn many_files_are_read_in_one_round_trip() {
    let lab = Lab::new();
    lab.has("a", "no newline at the end");
    lab.has("b", "3:abc\n0 in 3\n0:\n");
    lab.has("big", vec![b'x'; 200_000]);
    let names = ["a", "none", "b", "big", "big", "big", "big", "big", "big", "a"];
    let windows: Vec<_> = names.iter().map(|name| window(name, None, None)).collect();
    let answer = lab.run("s", async |files, line, scope| files.read(line, scope, &windows).await).unwrap();
    let Body::Files(files) = answer.body else { panic!() };
    assert_eq!(files[0].as_ref().unwrap().path, lab.shown("a"));
    assert!(files[1].as_ref().unwrap_err().failure.text.starts_with("File does not exist."));
    assert!(matches!(&files[2].as_ref().unwrap().content, FileContent::Text { bytes, .. } if bytes == b"3:abc\n0 in 3\n0:\n"));
    assert!(files[7].is_ok());
    assert!(files[8].as_ref().unwrap_err().failure.text.starts_with("Left out: the files before it filled this answer (1MB in all)."));
    assert!(files[9].is_ok(), "a small one still has room");
    assert_eq!(lab.cost().0, 1);
}

#[test]
fn write_creates_updates_and_appends() {
    let lab = Lab::new();
    let (first, notes) = lab.write("d/w.txt", "one\n").unwrap();
    assert_eq!((first.path.clone(), first.created, first.bytes, first.how), (lab.shown("d/w.txt"), true, 4, How::Write));
    assert!(notes.is_empty() && first.through_link.is_none());
    let (second, notes) = lab.write("d/w.txt", "two\n").unwrap();
    assert!(!second.created && notes.is_empty(), "written by this session: {notes:?}");
    let append = Write { file_path: "d/w.txt".to_owned(), content: b"three\n".to_vec(), append: true };
    let (third, notes) = lab.write_in("s", append).unwrap();
    assert_eq!((third.how, third.bytes, notes), (How::Append, 10, vec![]));
    assert_eq!(lab.content("d/w.txt"), b"two\nthree\n");
    // What it appended to was known, so it may be written over; and the content is as it is now.
    assert_eq!(lab.write("d/w.txt", "four\n").unwrap().1, Vec::<String>::new());
    assert_eq!(lab.cost().0, 4);
    symlink("d/w.txt", lab.at("link")).unwrap();
    let (linked, _) = lab.write("link", "five\n").unwrap();
    assert_eq!(linked.through_link, Some(format!("{} -> {}", lab.shown("link"), lab.shown("d/w.txt"))));
    assert_eq!(lab.content("d/w.txt"), b"five\n");
}

#[test]
fn write_over_what_changed_is_refused() {
    const REFUSED: &str =
        "File has been modified since read, either by the user or by a linter. Read it again before attempting to write it.";
    let mut lab = Lab::new();
    lab.has("never", "x");
    let mut sessions = 0;
    let (_, notes) = lab.write("never", "y").unwrap();
    assert_eq!(notes, ["This session had not read the file that it has overwritten."]);
    for (how, path) in
        [("read", "f"), ("window", "f"), ("many", "f"), ("write", "f"), ("edit", "f"), ("read", "./f"), ("read", "to_d/../f")]
    {
        for restarted in [false, true] {
            lab.has("f", numbered(5000, ""));
            let _ = fs::create_dir(lab.at("d"));
            let _ = symlink("d", lab.at("to_d"));
            match how {
                "read" => assert!(lab.read(path).is_ok()),
                "window" => assert!(lab.read_window(window(path, Some(2), Some(1))).is_ok()),
                "many" => {
                    let windows = [window(path, None, None), window("none", None, None)];
                    assert!(lab.run("s", async |files, line, scope| files.read(line, scope, &windows).await).is_ok());
                }
                "write" => assert!(lab.read(path).is_ok() && lab.write(path, "own\n").is_ok()),
                _ => assert!(lab.read(path).is_ok() && lab.edit(path, &[("line 77\n", "own\n", false)]).is_ok()),
            }
            if restarted {
                lab.restart();
            }
            lab.cost();
            lab.has("f", "changed by another");
            for written in ["f", path, &lab.shown("f")] {
                assert_eq!(lab.write(written, "new").unwrap_err(), REFUSED, "{how} {path} {restarted} {written}");
            }
            assert_eq!(lab.cost().0, 3, "{how}");
            assert_eq!(lab.content("f"), b"changed by another");
            // Another session has not read it: applied, with a note.
            let other = Write { file_path: "f".to_owned(), content: b"other".to_vec(), append: false };
            sessions += 1;
            assert_eq!(lab.write_in(&format!("other{sessions}"), other).unwrap().1.len(), 1);
            assert!(lab.read("f").is_ok());
            assert_eq!(lab.write("f", "new").unwrap().1, Vec::<String>::new());
        }
    }
}

#[test]
fn the_guard_knows_a_file_by_any_of_its_names() {
    let lab = Lab::new();
    lab.has("target", "x");
    symlink("target", lab.at("link")).unwrap();
    lab.read("target").unwrap();
    lab.has("target", "y");
    lab.cost();
    assert!(lab.write("link", "new").unwrap_err().starts_with("File has been modified since read"));
    assert_eq!(lab.cost().0, 2, "only a link that was not read by that name costs a second one");
    // Many files of one name.
    for number in 0..20 {
        fs::create_dir(lab.at(&number.to_string())).unwrap();
        lab.has(&format!("{number}/mod.rs"), "x");
        lab.read(&format!("{number}/mod.rs")).unwrap();
    }
    for number in 0..20 {
        lab.has(&format!("{number}/mod.rs"), "y");
        assert!(lab.write(&format!("{number}/mod.rs"), "new").unwrap_err().starts_with("File has been modified"), "{number}");
    }
}

#[test]
fn a_file_that_was_deleted_is_made_anew() {
    let lab = Lab::new();
    lab.has("f", "x");
    lab.read("f").unwrap();
    fs::remove_file(lab.at("f")).unwrap();
    let (written, notes) = lab.write("f", "new").unwrap();
    assert!(written.created && notes == ["The file had been deleted since this session read it; it was made anew."]);
}

#[test]
fn an_edit_after_a_read_is_one_small_round_trip() {
    let lab = Lab::new();
    let old = numbered(9_000, " with some text");
    assert!(old.len() > 200_000);
    lab.has("f", &old);
    lab.read("f").unwrap();
    lab.cost();
    let written = lab.edit("f", &[("line 5000 with some text\n", "one line\nand another\n", false)]).unwrap();
    let (trips, bytes) = lab.cost();
    assert!(trips == 1 && bytes < 1000, "{trips} trips, {bytes} bytes");
    assert_eq!(written.changed, "-5000\tline 5000 with some text\n+5000\tone line\n+5001\tand another\n");
    assert_eq!(written.how, How::Edit { places: 1, all: false, rebased: false });
    assert_eq!(lab.content("f"), old.replace("line 5000 with some text\n", "one line\nand another\n").as_bytes());
    // And the next one, of what the first has made.
    lab.edit("f", &[("one line", "1", false), ("and another", "2", false)]).unwrap();
    let all = lab.edit("f", &[("some", "more", true)]).unwrap();
    assert_eq!(lab.cost().0, 2);
    assert_eq!(all.how, How::Edit { places: 8_999, all: true, rebased: false });
    assert_eq!(lab.content("f"), old.replace("line 5000 with some text\n", "1\n2\n").replace("some", "more").as_bytes());
    assert_eq!(all.bytes, lab.content("f").len() as u64);
    // Of a file that was never read: two.
    lab.has("g", "a b c");
    lab.edit("g", &[("b", "B", false)]).unwrap();
    assert_eq!((lab.cost().0, lab.content("g")), (2, b"a B c".to_vec()));
}

#[test]
fn an_edit_of_a_changed_file_fits_or_is_refused() {
    let lab = Lab::new();
    lab.has("f", "alpha\nbeta\n");
    lab.read("f").unwrap();
    lab.has("f", "new line\nalpha\nbeta\n");
    lab.cost();
    let written = lab.edit("f", &[("beta", "BETA", false)]).unwrap();
    assert_eq!(written.how, How::Edit { places: 1, all: false, rebased: true });
    assert_eq!((lab.content("f"), lab.cost().0), (b"new line\nalpha\nBETA\n".to_vec(), 2));
    assert_eq!(written.changed, "-3\tbeta\n+3\tBETA\n");
    lab.has("f", "beta beta\n");
    assert!(lab.edit("f", &[("BETA", "x", false)]).unwrap_err().starts_with("String to replace not found in file.\nString: BETA"));
    lab.read("f").unwrap();
    lab.has("f", "beta\nbeta\n");
    assert!(lab.edit("f", &[("beta beta", "x", false)]).is_err());
    lab.has("f", "gamma\n");
    lab.read("f").unwrap();
    lab.has("f", "gamma gamma\n");
    assert!(lab.edit("f", &[("gamma", "x", false)]).unwrap_err().starts_with("Found 2 matches"));
    assert_eq!(lab.content("f"), b"gamma gamma\n");
    // An error is about what is there, not about what was.
    lab.has("f", "delta\n");
    assert!(lab.edit("f", &[("delta", "x", false)]).is_ok());
    assert_eq!(lab.content("f"), b"x\n");
    // Between the fetch and the splice.
    lab.has("g", "one two\n");
    let path = lab.at("g");
    let other = lab.at("g");
    *lab.line.meanwhile.lock().unwrap() = Some(Box::new(move || fs::write(path, "one\n").unwrap()));
    assert!(lab.edit("g", &[("two", "2", false)]).is_err());
    lab.read("g").unwrap();
    *lab.line.meanwhile.lock().unwrap() = Some(Box::new(move || fs::write(other, "zero one\n").unwrap()));
    assert_eq!(lab.edit("g", &[("one", "1", false)]).unwrap().how, How::Edit { places: 1, all: false, rebased: true });
    assert_eq!(lab.content("g"), b"zero 1\n");
}

#[test]
fn edit_says_in_known_words_what_it_cannot() {
    let lab = Lab::new();
    lab.has("f", "foo\nbar foo\n\nfoo\n");
    lab.has("latin", b"caf\xe9\n");
    fs::create_dir(lab.at("d")).unwrap();
    let missing = format!("File does not exist. Note: your current working directory is {}.", lab.line.cwd.display());
    let table: &[(&str, &[(&str, &str, bool)], &str)] = &[
        (
            "f",
            &[("foo", "x", false)],
            "Found 3 matches of the string to replace, but replace_all is false. To replace all occurrences, set replace_all to true. To replace only one occurrence, please provide more context to uniquely identify the instance.\nString: foo\nThe matches begin in lines 1, 2, 4.",
        ),
        ("f", &[("nope", "x", false)], "String to replace not found in file.\nString: nope"),
        ("f", &[("foo", "foo", false)], "No changes to make: old_string and new_string are exactly the same."),
        ("none", &[("foo", "foo", false)], "No changes to make: old_string and new_string are exactly the same."),
        ("none", &[("a", "b", false)], &missing),
        ("d", &[("a", "b", false)], &format!("EISDIR: illegal operation on a directory, read '{}'", lab.shown("d"))),
        ("f", &[("", "b", false)], "Cannot create new file - file already exists."),
        (
            "f",
            &[("bar", "x", false), ("bar", "y", false)],
            "Edit 2 of 2, and nothing was written: String to replace not found in file.\nString: bar",
        ),
        ("f", &[("bar", "x", false), ("x", "bar", false)], "No changes to make: the edits leave the file as it is."),
        (
            "f",
            &[("bar", "x", false), ("", "y", false)],
            "Edit 2 of 2, and nothing was written: old_string is empty: there is nothing to replace.",
        ),
    ];
    for (name, edits, expected) in table {
        assert_eq!(lab.edit(name, edits).unwrap_err(), *expected);
    }
    assert!(lab.edit("latin", &[("caf", "x", false)]).unwrap_err().contains("is not valid UTF-8"));
    assert_eq!((lab.content("f"), lab.content("latin")), (b"foo\nbar foo\n\nfoo\n".to_vec(), b"caf\xe9\n".to_vec()));
}

#[test]
fn changes_of_one_file_side_by_side_are_made_one_after_the_other() {
    let lab = Lab::new();
    lab.has("f", (0..10).map(|n| format!("line {n}\n")).collect::<String>());
    lab.read("f").unwrap();
    let change = |n: usize| Edit {
        file_path: "f".to_owned(),
        edits: vec![Replacement { old: format!("line {n}\n"), new: format!("LINE {n}\n"), all: false }],
        multi: false,
    };
    let edits: Vec<Edit> = (0..8).map(change).collect();
    lab.cost();
    let answers: Vec<_> = lab.run("s", async |files, line, scope| {
        let one = |n: usize| files.edit(line, scope, &edits[n]);
        <[_; 8]>::from(tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7))).into_iter().collect()
    });
    for answer in answers {
        answer.unwrap();
    }
    let expected: String = (0..10).map(|n| format!("{} {n}\n", if n < 8 { "LINE" } else { "line" })).collect();
    assert_eq!(String::from_utf8(lab.content("f")).unwrap(), expected);
    assert_eq!(lab.cost().0, 8, "none needed a second look");
}

#[test]
fn an_empty_old_string_makes_a_file() {
    let lab = Lab::new();
    let made = lab.edit("d/new", &[("", "a\nb\n", false)]).unwrap();
    assert!(made.created && lab.content("d/new") == b"a\nb\n");
    assert_eq!(lab.cost().0, 1);
    lab.has("empty", "");
    assert!(!lab.edit("empty", &[("", "one", false), ("one", "two", false)]).unwrap().created);
    assert_eq!(lab.content("empty"), b"two");
    lab.edit("empty", &[("two", "three", false)]).unwrap();
    assert_eq!(lab.cost().0, 2, "what was made is known");
}

#[test]
fn stat_and_list_tell_what_is_there() {
    let lab = Lab::new();
    fs::create_dir(lab.at("d")).unwrap();
    lab.has("f", "12345");
    lab.has(".hidden", "");
    symlink("nowhere", lab.at("l")).unwrap();
    let paths = ["f", "none", "l", "f/x"].map(str::to_owned);
    let answer = lab.run("s", async |files, line, scope| files.stat(line, scope, &paths).await).unwrap();
    let Body::Stats(stats) = answer.body else { panic!() };
    let file = stats[0].1.as_ref().unwrap();
    assert_eq!((file.name.clone(), file.kind, file.size), (lab.shown("f"), "file", Some(5)));
    assert_eq!(stats[1].1, Err("does not exist".to_owned()));
    assert_eq!(stats[2].1.as_ref().unwrap().target.as_deref(), Some("nowhere"));
    assert_eq!(stats[3].1, Err("a part of the path is not a directory".to_owned()));
    for (hidden, expected) in [(false, &["d", "f", "l"][..]), (true, &[".hidden", "d", "f", "l"])] {
        let list = List { path: None, hidden };
        let answer = lab.run("s", async |files, line, scope| files.list(line, scope, &list).await).unwrap();
        let Body::Listing(listing) = answer.body else { panic!() };
        assert_eq!(listing.path, lab.line.cwd.display().to_string());
        assert_eq!(listing.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(listing.omitted, 0);
    }
    let list = List { path: Some("none".to_owned()), hidden: false };
    let failure = lab.run("s", async |files, line, scope| files.list(line, scope, &list).await).unwrap_err();
    assert_eq!(failure.text, format!("Directory does not exist. Note: your current working directory is {}.", lab.line.cwd.display()));
    assert!(lab.directory.path().exists());
}

#[test]
fn all_of_it_works_where_only_cksum_names_contents() {
    let mut lab = Lab::new();
    let tools = tempfile::tempdir().unwrap();
    for name in "cat chgrp chmod chown cksum dd head kill ln ls mkdir mv od rm sleep tail tr wc".split(' ') {
        symlink(format!("/usr/bin/{name}"), tools.path().join(name)).unwrap();
    }
    lab.line.path = tools.path().display().to_string();
    lab.write("f", "one two three\n").unwrap();
    lab.edit("f", &[("two", "2", false)]).unwrap();
    lab.restart();
    assert_eq!(lab.write("f", "four\n").unwrap().1, Vec::<String>::new());
    lab.has("f", "five\n");
    assert!(lab.write("f", "six\n").unwrap_err().starts_with("File has been modified since read"));
}
