//! What the tools that coding agents know answer, row by row: the same words come from a host.
//!
//! Holds to: one server, one real sshd, the texts as an agent gets them. Leaves out: where towline does better on purpose, which the
//! tests of each part show (state that persists, links that are written through, errors that name lines, output beyond a preview).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use towline_testkit::Lab;

use crate::hostile::Server;

/// How an answer is to be.
#[derive(Clone, Copy)]
enum Said {
    /// This first, and below it what towline adds in brackets.
    Starts(&'static str),
    /// This somewhere.
    Has(&'static str),
    /// An error, with this text at its beginning.
    Error(&'static str),
}
use Said::{Error, Has, Starts};

/// A host with the files of the rows, and a server on it. `W` in a text stands for the working directory.
struct Native {
    _lab: Lab,
    directory: PathBuf,
    server: Server,
}

impl Native {
    fn new() -> Self {
        let lab = Lab::start();
        let directory = fs::canonicalize(lab.sshd.home()).unwrap().join("w");
        fs::create_dir(&directory).unwrap();
        let words = ["--host", "lab", "--cwd", directory.to_str().unwrap()];
        let server = Server::with(&lab, &words, Stdio::null());
        Self { _lab: lab, directory, server }
    }

    fn has(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.join(name)).unwrap()
    }

    /// The answer's text, with W for the working directory.
    fn ask(&mut self, tool: &str, arguments: &Value) -> (bool, String) {
        self.server.call(tool, arguments);
        let answer = self.server.answers(1).remove(0);
        let text = answer["content"][0]["text"].as_str().unwrap_or_default();
        (answer["isError"] == true, text.replace(self.directory.to_str().unwrap(), "W"))
    }

    #[expect(clippy::needless_pass_by_value, reason = "the rows are written where they are asked")]
    fn row(&mut self, tool: &str, arguments: Value, said: Said) {
        let (failed, text) = self.ask(tool, &arguments);
        let (right, expected, error) = match said {
            Starts(expected) => {
                let added = text.strip_prefix(expected).map(|rest| rest.strip_prefix('\n').unwrap_or(rest));
                (added.is_some_and(|rest| rest.is_empty() || rest.starts_with('[') || rest.starts_with('\n')), expected, false)
            }
            Has(expected) => (text.contains(expected), expected, false),
            Error(expected) => (text.starts_with(expected), expected, true),
        };
        assert!(right && failed == error, "{tool} {arguments}\n--- expected\n{expected}\n--- answer, error: {failed}\n{text}");
    }
}

fn lines(count: usize) -> String {
    (1..=count).fold(String::new(), |text, n| text + &format!("line {n}\n"))
}

#[test]
fn read_answers_as_the_native_one() {
    let mut native = Native::new();
    native.has("a.txt", lines(120));
    native.has("open.txt", "one\ntwo");
    native.has("empty.txt", "");
    native.has("crlf.txt", "a\r\nb\u{2028}c\r\n");
    native.has("latin.txt", b"caf\xe9\n");
    native.has("x.dat", [0, 1, 2, 3, 4, 5]);
    native.has("many.txt", lines(3000));
    native.has("large.txt", "y".repeat(1_363_149));
    native.has("wide.txt", "z".repeat(5000));
    native.has("p.png", b"\x89PNG\r\n\x1a\n....");
    native.has("src/m.rs", "x\n");
    native.row("Read", json!({"file_path": "a.txt", "offset": 8, "limit": 4}), Starts("8\tline 8\n9\tline 9\n10\tline 10\n11\tline 11"));
    native.row("Read", json!({"file_path": "a.txt", "offset": 119}), Starts("119\tline 119\n120\tline 120"));
    native.row("Read", json!({"file_path": "a.txt"}), Has("\n119\tline 119\n120\tline 120\n121\t"));
    native.row("Read", json!({"file_path": "open.txt"}), Starts("1\tone\n2\ttwo"));
    native.row(
        "Read",
        json!({"file_path": "empty.txt"}),
        Starts("<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>"),
    );
    native.row(
        "Read",
        json!({"file_path": "a.txt", "offset": 500}),
        Starts("<system-reminder>Warning: the file exists but is shorter than the provided offset (500). The file has 121 lines.</system-reminder>"),
    );
    native.row("Read", json!({"file_path": "crlf.txt"}), Starts("1\ta\n2\tb\u{2028}c\n3\t"));
    native.row("Read", json!({"file_path": "latin.txt"}), Starts("1\tcaf\\xe9\n2\t"));
    native.row("Read", json!({"file_path": "latin.txt"}), Has("Edit and Write"));
    native.row(
        "Read",
        json!({"file_path": "x.dat"}),
        Error("This tool cannot read binary files. The file appears to be a binary .dat file. "),
    );
    native.row("Read", json!({"file_path": "none"}), Error("File does not exist. Note: your current working directory is W."));
    native.row("Read", json!({"file_path": "src"}), Error("EISDIR: illegal operation on a directory, read 'W/src'"));
    native.row("Read", json!({"file_path": "many.txt"}), Has("\n2999\tline 2999\n3000\tline 3000\n3001\t"));
    native.row(
        "Read",
        json!({"file_path": "large.txt"}),
        Error("File content (1.3MB) exceeds maximum allowed size (256KB). Use offset and limit"),
    );
    native.row("Read", json!({"file_path": "large.txt", "allow_large": true}), Has("yyyy"));
    let (_, wide) = native.ask("Read", &json!({"file_path": "wide.txt"}));
    assert!(wide.starts_with(&format!("1\t{}\n[", "z".repeat(5000))), "{wide}");
    native.server.call("Read", &json!({"file_path": "p.png"}));
    let image = native.server.answers(1).remove(0);
    assert!(image["content"].as_array().unwrap().iter().any(|part| part["type"] == "image" && part["mimeType"] == "image/png"), "{image}");
}

#[test]
fn write_and_edit_answer_as_the_native_ones() {
    const UPDATED: &str = "The file W/dup.txt has been updated successfully.";
    const CHANGED: &str =
        "File has been modified since read, either by the user or by a linter. Read it again before attempting to write it.";
    let mut native = Native::new();
    native.row("Write", json!({"file_path": "w.txt", "content": "a\n"}), Has("File created successfully at: W/w.txt"));
    native.row("Write", json!({"file_path": "w.txt", "content": "b\n"}), Has("The file W/w.txt has been updated successfully."));
    native.has("never.txt", "x\n");
    native.row("Write", json!({"file_path": "never.txt", "content": "y\n"}), Has("The file W/never.txt has been updated successfully."));
    native.row("Read", json!({"file_path": "w.txt"}), Starts("1\tb\n2\t"));
    native.has("w.txt", "other\n");
    native.row("Write", json!({"file_path": "w.txt", "content": "c\n"}), Error(CHANGED));

    let edit = |old: &str, new: &str| json!({"file_path": "dup.txt", "old_string": old, "new_string": new});
    native.has("dup.txt", "foo\nbar foo\nfoo\n");
    native.row("Edit", edit("bar", "baz"), Has(UPDATED));
    native.has("dup.txt", "new\nfoo\nbaz foo\nfoo\n");
    native.row("Edit", edit("baz", "bar"), Has("the file had been modified on disk since you last read it"));
    native.row(
        "Edit",
        edit("foo", "x"),
        Error(
            "Found 3 matches of the string to replace, but replace_all is false. To replace all occurrences, set replace_all to true. To replace only one occurrence, please provide more context to uniquely identify the instance.\nString: foo\n",
        ),
    );
    native.row("Edit", edit("nope", "x"), Error("String to replace not found in file.\nString: nope"));
    native.row("Edit", edit("foo", "foo"), Error("No changes to make: old_string and new_string are exactly the same."));
    let all = json!({"file_path": "dup.txt", "old_string": "foo", "new_string": "x", "replace_all": true});
    native.row("Edit", all, Has("All occurrences were successfully replaced."));
    assert_eq!(native.content("dup.txt"), b"new\nx\nbar x\nx\n");
    let missing = json!({"file_path": "none.txt", "old_string": "a", "new_string": "b"});
    native.row("Edit", missing, Error("File does not exist. Note: your current working directory is W."));
    native.row("Edit", json!({"file_path": "made.txt", "old_string": "", "new_string": "b\n"}), Has("W/made.txt"));
    assert_eq!(native.content("made.txt"), b"b\n");
    native.has("crlf.txt", "a\r\nb\r\n");
    native.row("Edit", json!({"file_path": "crlf.txt", "old_string": "a\nb", "new_string": "c\nd"}), Has("updated successfully"));
    assert_eq!(native.content("crlf.txt"), b"c\r\nd\r\n");
    native.has("latin.txt", b"caf\xe9\n");
    native.row("Edit", json!({"file_path": "latin.txt", "old_string": "caf", "new_string": "x"}), Error(""));
    assert_eq!(native.content("latin.txt"), b"caf\xe9\n");
    symlink("w.txt", native.directory.join("link.txt")).unwrap();
    native.row("Edit", json!({"file_path": "link.txt", "old_string": "other", "new_string": "own"}), Has("W/link.txt -> W/w.txt"));
    assert_eq!(native.content("w.txt"), b"own\n");
}

#[test]
fn bash_answers_as_the_native_one() {
    let mut native = Native::new();
    native.row("Bash", json!({"command": "true"}), Has("(Bash completed with no output)"));
    native.row("Bash", json!({"command": "echo out; echo err >&2; (exit 3)"}), Has("out\nerr\n[exit 3 "));
    native.row("Bash", json!({"command": "cd /usr"}), Has("/usr"));
    native.row("Bash", json!({"command": "pwd"}), Starts("/usr"));
    native.row("Bash", json!({"command": "cat"}), Has("(Bash completed with no output)"));
    native.row(
        "Bash",
        json!({"command": "echo partial; sleep 5", "timeout": 1000}),
        Has("partial\nCommand did not complete within its 1s timeout and was moved to the background (ID: "),
    );
    native.row("Bash", json!({"command": "sleep 3", "run_in_background": true, "session": "s"}), Has("id "));
    native.row("Bash", json!({"command": "seq 30000", "fresh": true}), Has("JobOutput"));
    native.row("Bash", json!({"command": "printf '\\033[1mx\\033[0m\\n'", "fresh": true}), Has("[1mx"));
    native.row("Bash", json!({"command": "echo \"unclosed", "fresh": true}), Has("unexpected EOF while looking for matching"));
}

#[test]
fn glob_and_grep_answer_as_the_native_ones() {
    let mut native = Native::new();
    for (name, content, age) in [
        ("src/m.rs", "fn main() {\n    println!(\"needle\");\n}\n", 30),
        ("src/sub/n.rs", "// needle\n", 20),
        ("g/one.txt", "line a\nother\nline b\n\n\n\n\nline a\n", 10),
    ] {
        native.has(name, content);
        let old = UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
        fs::File::open(native.directory.join(name)).unwrap().set_modified(old).unwrap();
    }
    native.row("Glob", json!({"pattern": "**/*.rs"}), Starts("src/m.rs\nsrc/sub/n.rs"));
    native.row("Glob", json!({"pattern": "*.txt"}), Starts("g/one.txt"));
    native.row("Glob", json!({"pattern": "*.none"}), Starts("No files found"));
    native.row("Grep", json!({"pattern": "needle", "path": "src"}), Starts("Found 2 files\nsub/n.rs\nm.rs"));
    native.row("Grep", json!({"pattern": "needle", "path": "src", "head_limit": 1}), Starts("Found 1 file limit: 1\nsub/n.rs"));
    let content = |pattern: &str, path: &str| json!({"pattern": pattern, "path": path, "output_mode": "content"});
    native.row("Grep", content("println", "src"), Starts("m.rs:2:    println!(\"needle\");"));
    native.row("Grep", content("line", "g/one.txt"), Starts("1:line a\n3:line b\n8:line a"));
    let mut around = content("line b", "");
    around["path"] = json!(".");
    around["-B"] = json!(1);
    native.row("Grep", around, Starts("g/one.txt-2-other\ng/one.txt:3:line b"));
    let mut parted = content("^line a", "g/one.txt");
    parted["-A"] = json!(1);
    native.row("Grep", parted, Starts("1:line a\n2-other\n--\n8:line a"));
    let mut cut = content("line", "g/one.txt");
    cut["head_limit"] = json!(2);
    native.row("Grep", cut, Starts("1:line a\n3:line b\n\n[Showing results with pagination = limit: 2]"));
    native.row(
        "Grep",
        json!({"pattern": "needle", "path": "src", "output_mode": "count"}),
        Has("\n\nFound 2 total occurrences across 2 files."),
    );
    native.row("Grep", json!({"pattern": "absent"}), Starts("No files found"));
    native.row("Grep", content("absent", "src"), Starts("No matches found"));
    let failed = "Search failed \u{2014} ripgrep rejected the pattern, glob, or file type without searching:\nrg: ";
    native.row("Grep", json!({"pattern": "(("}), Error(failed));
    native.row("Grep", json!({"pattern": "x", "type": "nonsense"}), Error(failed));
    native.row(
        "Grep",
        json!({"pattern": "x", "path": "nodir"}),
        Error("Path does not exist: W/nodir. Note: your current working directory is W."),
    );
    let mut several = content("println.*\\n\\}", "src/m.rs");
    several["multiline"] = json!(true);
    native.row("Grep", several, Starts("2:    println!(\"needle\");\n3:}"));
}
