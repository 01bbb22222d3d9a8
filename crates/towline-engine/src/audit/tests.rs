//! The journal against every kind of harm: what was torn is marked, what was changed is named exactly, several write at once.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;

fn begin(command: &str) -> Line {
    Line::Begin(Begin {
        client: "test 1".to_owned(),
        host: "lab".to_owned(),
        session: "own".to_owned(),
        tool: "Bash".to_owned(),
        arguments: serde_json::json!({ "command": command }),
        decision: "permitted".to_owned(),
        rule: String::new(),
    })
}

fn end(of: u64) -> Line {
    Line::End(End { of, outcome: "exit 0".to_owned(), failed: false, took: 1, execution: None })
}

#[tokio::test]
async fn the_end_of_what_went_on_is_told_by_whatever_told_of_it_later() {
    let state = tempfile::tempdir().expect("a directory");
    let journal = Journal::new(state.path(), Options::default());
    let stood =
        |id: &str, state: &str, over, stdout, stderr| Some(Stood { id: id.to_owned(), state: state.to_owned(), over, stdout, stderr });
    let running = |id| stood(id, "running", false, Some(0), None);
    for (host, tool, execution) in [
        ("lab", "Bash", running("one")),
        ("lab", "Bash", running("two")),
        ("lab", "Bash", stood("three", "exit 0", true, Some(5), None)),
        ("lab", "JobOutput", stood("one", "running", false, Some(3), None)),
        ("lab", "JobOutput", stood("one", "exit 3", true, None, Some(7))),
        ("lab", "JobOutput", stood("one", "exit 3", true, Some(10), None)),
        ("far", "JobOutput", stood("two", "exit 9", true, Some(1), None)),
        ("lab", "Bash", running("four")),
        ("lab", "JobStop", stood("four", "killed TERM", true, None, None)),
    ] {
        let Line::Begin(begin) = begin("x") else { unreachable!("it is one") };
        let of = journal.write(&Line::Begin(Begin { host: host.to_owned(), tool: tool.to_owned(), ..begin })).await.expect("written");
        let Line::End(end) = end(of) else { unreachable!("it is one") };
        journal.write(&Line::End(End { execution, ..end })).await.expect("written");
    }
    let filter = Filter { tool: Some("Bash".to_owned()), ..Filter::default() };
    let told: Vec<_> = entries(state.path(), &filter, 10).expect("it can be read").into_iter().map(|entry| entry.later).collect();
    let told: Vec<_> = told.into_iter().map(|later| later.map(|later| (later.state, later.bytes))).collect();
    let one = Some(("exit 3".to_owned(), Some(17)));
    assert_eq!(told, [one, None, None, Some(("killed TERM".to_owned(), Some(0)))]);
    assert_eq!(verdict(state.path()).wrong, [""; 0]);
}

async fn filled(state: &Path, actions: u64) -> Journal {
    let journal = Journal::new(state, Options::default());
    for number in 0..actions {
        let of = journal.write(&begin(&format!("echo {number}"))).await.expect("written");
        journal.write(&end(of)).await.expect("written");
    }
    journal
}

fn log(state: &Path) -> PathBuf {
    current(&directory(state))
}

fn lines(state: &Path) -> Vec<String> {
    fs::read_to_string(log(state)).expect("the journal").lines().map(str::to_owned).collect()
}

fn put(state: &Path, lines: &[String]) {
    let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    fs::write(log(state), text).expect("written");
}

fn verdict(state: &Path) -> Verdict {
    super::verify(state).expect("it can be read")
}

#[tokio::test]
async fn a_whole_journal_is_whole_and_private() {
    let state = tempfile::tempdir().expect("a directory");
    assert_eq!(verdict(state.path()), Verdict::default());
    filled(state.path(), 3).await;
    let found = verdict(state.path());
    assert_eq!((found.wrong.as_slice(), found.notes.as_slice(), found.records), (&[][..], &[][..], 6));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&directory(state.path())), mode(&log(state.path()))), (0o700, 0o600));
    let filter = Filter { tool: Some("Bash".to_owned()), ..Filter::default() };
    let entries = entries(state.path(), &filter, 2).expect("it can be read");
    assert_eq!(entries.iter().map(|entry| (entry.n, entry.end.is_some())).collect::<Vec<_>>(), [(3, true), (5, true)]);
}

#[tokio::test]
async fn what_was_changed_removed_or_added_is_said_exactly() {
    type Harm = fn(&mut Vec<String>);
    let table: [(&str, Harm, &[&str]); 11] = [
        (
            "changed in the middle",
            |l| l[2] = l[2].replace("echo 1", "echo X"),
            &["journal.jsonl:4: record 3, in the line before, was changed"],
        ),
        (
            "changed before the last",
            |l| l[4] = l[4].replace("echo 2", "echo X"),
            &["journal.jsonl:6: record 5, in the line before, was changed"],
        ),
        ("changed at the end", |l| l[5] = l[5].replace("exit 0", "exit 1"), &["record 6, the last one, was changed"]),
        ("one removed", |l| drop(l.remove(2)), &["journal.jsonl:3: record 3 is missing before record 4"]),
        ("two removed", |l| drop(l.drain(1..3)), &["journal.jsonl:2: records 2 to 3 are missing before record 4"]),
        ("removed at the end", |l| l.truncate(4), &["records 5 to 6 are missing at the end"]),
        ("all removed", |l| l.clear(), &["records 1 to 6 are missing at the end"]),
        (
            "a copy put in",
            |l| l.insert(3, l[2].clone()),
            &["journal.jsonl:4: record 3 does not belong here, after record 3: it was put in, or its number was changed"],
        ),
        (
            "a forged one put in",
            |l| l.insert(3, l[3].replace("\"prev\":\"", "\"prev\":\"f")),
            &["journal.jsonl:4: this line was put in; it is not of the chain"],
        ),
        (
            "a forged one added",
            |l| l.push(l[5].replace("\"n\":6", "\"n\":7")),
            &["journal.jsonl:7: this line was added at the end; it is not of the chain"],
        ),
        (
            "no record at all",
            |l| l[1] = "hello".to_owned(),
            &["journal.jsonl:2: this is no record: it was changed or put in", "journal.jsonl:3: record 2 is missing before record 3"],
        ),
    ];
    for (what, harm, wrong) in table {
        let state = tempfile::tempdir().expect("a directory");
        filled(state.path(), 3).await;
        let mut all = lines(state.path());
        harm(&mut all);
        put(state.path(), &all);
        assert_eq!(verdict(state.path()).wrong, wrong, "{what}");
    }
}

#[tokio::test]
async fn a_chained_addition_is_not_known_to_the_remembered_end() {
    let state = tempfile::tempdir().expect("a directory");
    filled(state.path(), 1).await;
    let head = fs::read(directory(state.path()).join("head")).expect("the head");
    filled(state.path(), 1).await;
    fs::write(directory(state.path()).join("head"), head).expect("written");
    let wrong = verdict(state.path()).wrong;
    assert!(wrong.len() == 1 && wrong[0].starts_with("records 3 to 4 are not known to the remembered end"), "{wrong:?}");
    // Just what a crash between the two writes leaves: the next write settles it.
    filled(state.path(), 1).await;
    assert_eq!(verdict(state.path()).wrong, [""; 0]);
}

/// `kill -9` in the middle of a write leaves some of a line; wherever it is cut, the next write marks it and the chain goes on.
#[tokio::test]
async fn a_line_that_was_torn_anywhere_is_marked_and_the_chain_goes_on() {
    let whole = tempfile::tempdir().expect("a directory");
    let journal = filled(whole.path(), 1).await;
    let head = fs::read(directory(whole.path()).join("head")).expect("the head");
    let before = fs::metadata(log(whole.path())).expect("there").len();
    journal.write(&begin("torn")).await.expect("written");
    let bytes = fs::read(log(whole.path())).expect("the journal");
    let before = usize::try_from(before).expect("short");
    for cut in (before + 1..=bytes.len()).step_by(7).chain([bytes.len() - 1, bytes.len()]) {
        let state = tempfile::tempdir().expect("a directory");
        filled(state.path(), 1).await;
        fs::write(directory(state.path()).join("head"), &head).expect("written");
        fs::write(log(state.path()), &bytes[..cut]).expect("written");
        if cut < bytes.len() {
            let found = verdict(state.path());
            assert_eq!(found.wrong, [""; 0], "cut at {cut}");
            assert!(found.notes.iter().any(|note| note.contains("was not written to its end")), "{:?}", found.notes);
        }
        let number = Journal::new(state.path(), Options::default()).write(&begin("after")).await.expect("written");
        let found = verdict(state.path());
        assert_eq!(found.wrong, [""; 0], "cut at {cut}");
        assert_eq!(number, 4, "cut at {cut}: a mark, or the whole line, stands between");
        let torn = found.notes.iter().any(|note| note.contains("bytes of a line that was not written to its end; the chain goes on"));
        // Of a line that lacks only its newline nothing is lost.
        assert_eq!(torn, cut < bytes.len() - 1, "cut at {cut}: {:?}", found.notes);
    }
}

#[tokio::test]
async fn a_journal_that_was_cut_taken_away_or_added_to_says_so_after_the_next_write() {
    type Harm = fn(&Path);
    let table: [(&str, Harm, &str); 5] = [
        (
            "cut",
            |state| put(state, &lines(state)[..2]),
            "records 3 to 6 are missing before record 7 (towline noticed it when it wrote this line)",
        ),
        (
            "cut within a line",
            |state| {
                let text = fs::read(log(state)).expect("the journal");
                fs::write(log(state), &text[..text.len() - 20]).expect("written");
            },
            "record 6 is missing before record 7",
        ),
        (
            "taken away",
            |state| fs::remove_file(log(state)).expect("removed"),
            "the end of the journal was missing when this line was written",
        ),
        (
            "added to",
            |state| {
                let mut text = fs::read(log(state)).expect("the journal");
                text.extend(b"strange\nlines\n");
                fs::write(log(state), text).expect("written");
            },
            "14 bytes that towline did not write",
        ),
        ("headless", |state| fs::remove_file(directory(state).join("head")).expect("removed"), ""),
    ];
    for (what, harm, said) in table {
        let state = tempfile::tempdir().expect("a directory");
        let journal = filled(state.path(), 3).await;
        drop(journal);
        harm(state.path());
        Journal::new(state.path(), Options::default()).write(&begin("after")).await.expect("written");
        let found = verdict(state.path());
        if said.is_empty() {
            assert_eq!(found.wrong, [""; 0], "{what}");
            assert!(found.notes.iter().any(|note| note.contains("remembered end was missing")), "{what}: {:?}", found.notes);
        } else {
            assert!(found.wrong.iter().any(|wrong| wrong.contains(said)), "{what}: {:?}", found.wrong);
        }
    }
}

#[tokio::test]
async fn rotated_files_keep_the_chain_and_a_missing_one_is_seen() {
    let state = tempfile::tempdir().expect("a directory");
    let options = Options { file_bytes: 1000, files: 4, ..Options::default() };
    let journal = Journal::new(state.path(), options);
    for _ in 0..40 {
        journal.write(&begin("x")).await.expect("written");
    }
    let closed: Vec<String> = fs::read_dir(directory(state.path()))
        .expect("there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("journal-"))
        .collect();
    assert_eq!(closed.len(), 4, "{closed:?}");
    let found = verdict(state.path());
    assert_eq!(found.wrong, [""; 0]);
    assert!(found.notes.iter().any(|note| note.contains("the journal begins at record")), "{:?}", found.notes);
    let mut closed = closed;
    closed.sort();
    fs::remove_file(directory(state.path()).join(&closed[2])).expect("removed");
    let wrong = verdict(state.path()).wrong;
    assert!(wrong.len() == 1 && wrong[0].contains("are missing before record"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_write_at_once() {
    let state = tempfile::tempdir().expect("a directory");
    let options = Options { file_bytes: 20_000, files: 1_000, ..Options::default() };
    // Two journals of one directory are to each other what two processes are: each has its own open files.
    let journals = [Arc::new(Journal::new(state.path(), options)), Arc::new(Journal::new(state.path(), options))];
    let mut tasks = Vec::new();
    for worker in 0..8 {
        let journal = journals[worker % 2].clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..50 {
                let of = journal.write(&begin(&format!("{worker} {number}"))).await.expect("written");
                journal.write(&end(of)).await.expect("written");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let found = verdict(state.path());
    assert_eq!((found.wrong.as_slice(), found.records), (&[][..], 800));
    assert_eq!(entries(state.path(), &Filter::default(), 1_000).expect("read").iter().filter(|entry| entry.end.is_some()).count(), 400);
}

#[tokio::test]
async fn a_file_of_another_kind_is_not_written() {
    let state = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(directory(state.path())).expect("made");
    let elsewhere = state.path().join("elsewhere");
    fs::write(&elsewhere, "").expect("written");
    symlink(&elsewhere, log(state.path())).expect("linked");
    assert!(Journal::new(state.path(), Options::default()).write(&begin("x")).await.is_err());
    fs::remove_file(log(state.path())).expect("removed");
    fs::write(log(state.path()), "").expect("written");
    fs::set_permissions(log(state.path()), fs::Permissions::from_mode(0o644)).expect("set");
    let error = Journal::new(state.path(), Options::default()).write(&begin("x")).await.expect_err("others may read it");
    assert!(error.to_string().contains("0600"), "{error}");
    assert_eq!(fs::read(&elsewhere).expect("there"), b"");
}

#[tokio::test]
async fn a_record_of_the_greatest_number_is_read() {
    let state = tempfile::tempdir().expect("a directory");
    filled(state.path(), 1).await;
    let line = lines(state.path())[0].replace("\"n\":1,", &format!("\"n\":{},", u64::MAX));
    fs::write(log(state.path()), format!("{line}\n{line}\n")).expect("written");
    let wrong = verdict(state.path()).wrong;
    assert!(wrong.iter().any(|text| text.contains("does not belong here")), "{wrong:?}");
}
