//! Takes known secrets out of everything that leaves the engine, and keeps their marks from being written into files.
//!
//! Holds to: an answer is redacted as a whole, after its pieces were put together; where it was cut, a part of a secret at the cut is
//! taken out too. Leaves out: what the files cache and the host keep: edits are computed from what is really there.

use std::borrow::Cow;
use std::sync::Arc;

use towline_base::redact::{Cut, Redactor};
use towline_base::{Code, Failure};

use crate::action::{Action, Edit, Write};
use crate::answer::{Answer, Body, Ended, Entry, Excerpt, FileContent, FileFailure, FileView, Shown, State};
use crate::context::{Context, Progress, Reader};

/// An answer or failure without secrets.
pub(crate) fn done(redactor: &Redactor, reader: Reader, done: Result<Answer, Failure>) -> Result<Answer, Failure> {
    if redactor.is_empty() {
        return done;
    }
    match done {
        Ok(answer) => Ok(Answer {
            notes: answer.notes.iter().map(|note| redactor.text(note).into_owned()).collect(),
            body: body(redactor, reader, answer.body),
        }),
        Err(found) => Err(failure(redactor, found)),
    }
}

fn failure(redactor: &Redactor, failure: Failure) -> Failure {
    let Failure { code, text, hint } = failure;
    Failure { code, text: redactor.text(&text).into_owned(), hint: hint.map(|hint| redactor.text(&hint).into_owned()) }
}

fn body(redactor: &Redactor, reader: Reader, body: Body) -> Body {
    let text = |text: &mut String| *text = redactor.text(text).into_owned();
    match body {
        Body::Execution(mut execution) => {
            state(redactor, &mut execution.state);
            execution.cwd.iter_mut().for_each(text);
            excerpt(redactor, &mut execution.stdout);
            execution.stderr.iter_mut().for_each(|stderr| excerpt(redactor, stderr));
            Body::Execution(execution)
        }
        Body::Jobs(mut jobs) => {
            for job in &mut jobs {
                state(redactor, &mut job.state);
                job.command = part(redactor, &job.command);
                job.last_line = part(redactor, &job.last_line);
            }
            Body::Jobs(jobs)
        }
        Body::JobOutput(mut slice) => {
            // What runs may print the rest of a secret in the next moment.
            let open = slice.next < slice.total || matches!(slice.state, State::Running | State::Queued | State::Unknown(_));
            let cut = match reader {
                Reader::Agent => Cut { before: slice.offset > 0, after: open },
                Reader::Person => Cut::NOWHERE,
            };
            state(redactor, &mut slice.state);
            slice.bytes = redactor.bytes(&slice.bytes, cut).into_owned();
            Body::JobOutput(slice)
        }
        Body::Stopped(mut stopped) => {
            state(redactor, &mut stopped.state);
            Body::Stopped(stopped)
        }
        Body::Files(files) => Body::Files(files.into_iter().map(|file| view(redactor, file)).collect()),
        Body::Written(mut written) => {
            text(&mut written.path);
            text(&mut written.changed);
            written.through_link.iter_mut().for_each(text);
            Body::Written(written)
        }
        Body::Stats(stats) => {
            let one =
                |(path, found): (String, Result<Entry, String>)| (redactor.text(&path).into_owned(), found.map(|e| entry(redactor, e)));
            Body::Stats(stats.into_iter().map(one).collect())
        }
        Body::Listing(mut listing) => {
            listing.entries = listing.entries.into_iter().map(|one| entry(redactor, one)).collect();
            Body::Listing(listing)
        }
        Body::Found(found) => Body::Found(redactor.text(&found).into_owned()),
        Body::Text(said) => Body::Text(redactor.text(&said).into_owned()),
        Body::Terminal(mut terminal) => {
            screen(redactor, &mut terminal.shown);
            if let Some(Ended::Cut(words)) = &mut terminal.ended {
                text(words);
            }
            Body::Terminal(terminal)
        }
        // Names of towline's own, and counts.
        other @ (Body::Kept(_) | Body::Removed(_)) => other,
    }
}

fn state(redactor: &Redactor, state: &mut State) {
    match state {
        State::Lost(why) | State::Unknown(why) => *why = redactor.text(why).into_owned(),
        State::Exited(_) | State::Killed(_) | State::Running | State::Queued => {}
    }
}

/// A text that may have been cut on both sides.
fn part(redactor: &Redactor, text: &str) -> String {
    let bytes = redactor.bytes(text.as_bytes(), Cut { before: true, after: true });
    String::from_utf8_lossy(&bytes).into_owned()
}

fn excerpt(redactor: &Redactor, excerpt: &mut Excerpt) {
    let cut = excerpt.head.len() as u64 != excerpt.total;
    excerpt.head = redactor.bytes(&excerpt.head, Cut { before: false, after: cut }).into_owned();
    excerpt.tail = redactor.bytes(&excerpt.tail, Cut { before: cut, after: false }).into_owned();
}

/// The lines of a terminal, in which rows that belong together are one. Colours within a secret go with it.
fn screen(redactor: &Redactor, shown: &mut Shown) {
    let mut before = shown.omitted + shown.missing > 0;
    for line in &mut shown.lines {
        let cut = Cut { before, after: false };
        before = false;
        let found = [Cow::Borrowed(line.as_str()), without_colours(line)].iter().find_map(|text| {
            let clean = redactor.bytes(text.as_bytes(), cut);
            matches!(clean, Cow::Owned(_)).then(|| String::from_utf8_lossy(&clean).into_owned())
        });
        if let Some(clean) = found {
            *line = clean;
        }
    }
}

/// A line without the escape sequences of colours, which are all that tmux writes.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\x1b') {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &part[end + 1..]));
    }
    Cow::Owned(plain)
}

fn view(redactor: &Redactor, file: Result<FileView, FileFailure>) -> Result<FileView, FileFailure> {
    match file {
        Ok(FileView { path, content }) => {
            let content = match content {
                FileContent::Text { first_line, bytes, total_lines, whole, not_utf8 } => {
                    let bytes = redactor.bytes(&bytes, Cut::NOWHERE).into_owned();
                    FileContent::Text { first_line, bytes, total_lines, whole, not_utf8 }
                }
                other @ (FileContent::Empty | FileContent::PastEnd { .. } | FileContent::Image { .. }) => other,
            };
            Ok(FileView { path: redactor.text(&path).into_owned(), content })
        }
        Err(FileFailure { path, failure: found }) => {
            Err(FileFailure { path: redactor.text(&path).into_owned(), failure: failure(redactor, found) })
        }
    }
}

fn entry(redactor: &Redactor, mut entry: Entry) -> Entry {
    entry.name = redactor.text(&entry.name).into_owned();
    entry.target = entry.target.map(|target| redactor.text(&target).into_owned());
    entry
}

/// The same context, whose progress is told without secrets.
pub(crate) fn context(redactor: &Redactor, context: Context) -> Context {
    let Some(tell) = context.progress.clone() else { return context };
    let redactor = redactor.clone();
    let progress = move |progress: Progress| tell(Progress { last_line: part(&redactor, &progress.last_line), ..progress });
    Context { progress: Some(Arc::new(progress)), ..context }
}

/// Refuses to write a mark into a file: it would stand there in the place of the secret.
pub(crate) fn refuse_marks(redactor: &Redactor, action: &Action) -> Result<(), Failure> {
    let found = match action {
        Action::Write(Write { content, .. }) => redactor.mark_in(content).map(|mark| ("content", mark)),
        Action::Edit(Edit { edits, .. }) => edits.iter().find_map(|edit| {
            let old = redactor.mark_in(edit.old.as_bytes()).map(|mark| ("old_string", mark));
            old.or_else(|| redactor.mark_in(edit.new.as_bytes()).map(|mark| ("new_string", mark)))
        }),
        Action::Bash(_)
        | Action::Jobs
        | Action::JobOutput(_)
        | Action::JobStop(_)
        | Action::Read(_)
        | Action::MultiRead(_)
        | Action::Stat(_)
        | Action::List(_)
        | Action::Glob(_)
        | Action::Grep(_)
        | Action::Hosts
        | Action::Connect(_)
        | Action::Disconnect(_)
        | Action::Clean(_)
        | Action::SignIn
        | Action::Trust(_)
        | Action::TerminalOpen(_)
        | Action::TerminalSend(_)
        | Action::TerminalRead(_)
        | Action::TerminalClose(_) => None,
    };
    let Some((parameter, mark)) = found else { return Ok(()) };
    let text = format!("{parameter}: it holds {mark}, which stands for a secret and is not what the file holds; nothing was written.");
    Err(Failure::new(Code::BadInput, text).hint("Edit only the text around it; what stands in its place stays as it is."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Replacement;
    use towline_base::Secret;

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        redactor.learn("DB", &Secret::new(b"hunter2-very".to_vec()).expect("a secret"));
        redactor
    }

    #[test]
    fn no_part_of_an_answer_keeps_a_secret() {
        let id = towline_base::Handle::parse("k3f9xx").expect("an id");
        let secret = || "a hunter2-very b".to_owned();
        let excerpt = Excerpt { head: b"x hunter2-very hunter2-".to_vec(), tail: b"-very y".to_vec(), omitted: 10, dropped: 0, total: 40 };
        let entry = Entry {
            name: secret(),
            kind: "file",
            target: Some(secret()),
            size: None,
            mode: String::new(),
            owner: String::new(),
            mtime: String::new(),
        };
        let execution = crate::answer::Execution {
            id: id.clone(),
            state: State::Lost(secret()),
            duration: None,
            cwd: Some(secret()),
            stdout: excerpt.clone(),
            stderr: Some(excerpt),
            moved_to_background: None,
        };
        let slice = crate::answer::OutputSlice {
            id: id.clone(),
            state: State::Running,
            duration: None,
            cwd: None,
            offset: 5,
            bytes: b"very x hunter2".to_vec(),
            next: 20,
            total: 30,
            dropped: 0,
            waited: None,
        };
        let job = crate::answer::JobLine {
            id,
            state: State::Unknown(secret()),
            session: "s".to_owned(),
            age: None,
            command: "mysql -phunter2-v".to_owned(),
            last_line: secret(),
        };
        let content = FileContent::Text { first_line: 1, bytes: secret().into_bytes(), total_lines: 1, whole: true, not_utf8: false };
        let bad = FileFailure { path: secret(), failure: Failure::new(Code::NotFound, secret()).hint(secret()) };
        let written = crate::answer::Written {
            path: secret(),
            created: false,
            bytes: 1,
            how: crate::answer::How::Write,
            changed: secret(),
            through_link: Some(secret()),
        };
        for body in [
            Body::Execution(execution),
            Body::JobOutput(slice),
            Body::Jobs(vec![job]),
            Body::Files(vec![Ok(FileView { path: secret(), content }), Err(bad)]),
            Body::Written(written),
            Body::Stats(vec![(secret(), Ok(entry.clone()))]),
            Body::Listing(crate::answer::Listing { path: "/".to_owned(), entries: vec![entry], omitted: 0 }),
            Body::Found(secret()),
            Body::Text(secret()),
        ] {
            let answer = done(&redactor(), Reader::Agent, Ok(Answer { body, notes: vec![secret()] })).expect("an answer");
            let all = format!("{answer:?}");
            let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
            for piece in ["hunter2", "very"] {
                assert!(!all.contains(piece) && !all.contains(&bytes(piece)), "{piece}: {all}");
            }
        }
        let failed = done(&redactor(), Reader::Agent, Err(Failure::new(Code::Local, secret()).hint(secret()))).expect_err("a failure");
        assert_eq!(failed.to_string(), "a [redacted DB] b [local]\na [redacted DB] b");
    }

    #[test]
    fn a_secret_that_is_printed_in_two_pieces_shows_in_neither_and_a_person_gets_every_other_byte() {
        let id = towline_base::Handle::parse("k3f9xx").expect("an id");
        let slice = |offset: u64, text: &str, total: u64, state: State| crate::answer::OutputSlice {
            id: id.clone(),
            state,
            duration: None,
            cwd: None,
            offset,
            bytes: text.as_bytes().to_vec(),
            next: offset + text.len() as u64,
            total,
            dropped: 0,
            waited: None,
        };
        for (reader, piece, shown) in [
            (Reader::Agent, slice(0, "a hunter2-", 10, State::Running), "a [redacted DB]"),
            (Reader::Agent, slice(10, "very b", 16, State::Running), "[redacted DB] b"),
            (Reader::Agent, slice(0, "a hunter2-", 10, State::Exited(0)), "a hunter2-"),
            (Reader::Agent, slice(0, "a hunter2-", 16, State::Exited(0)), "a [redacted DB]"),
            (Reader::Person, slice(10, "very hunter2-very hunter2", 35, State::Running), "very [redacted DB] hunter2"),
        ] {
            let answer = done(&redactor(), reader, Ok(Answer { body: Body::JobOutput(piece), notes: Vec::new() })).expect("an answer");
            let Body::JobOutput(slice) = answer.body else { panic!("another answer") };
            assert_eq!(String::from_utf8_lossy(&slice.bytes), shown);
        }
    }

    #[test]
    fn a_terminal_shows_no_secret_in_colours_or_at_its_upper_edge() {
        for (line, missing, expected) in [
            ("pw: hunter2-very$", 0, "pw: [redacted DB]$"),
            ("\x1b[1mhunter2\x1b[0m-\x1b[31mvery\x1b[0m", 0, "[redacted DB]"),
            ("\x1b[1mbold\x1b[0m", 0, "\x1b[1mbold\x1b[0m"),
            ("2-very b", 1, "[redacted DB] b"),
            ("2-very b", 0, "2-very b"),
        ] {
            let mut shown = Shown { lines: vec![line.to_owned()], omitted: 0, missing };
            screen(&redactor(), &mut shown);
            assert_eq!(shown.lines, [expected]);
        }
    }

    #[test]
    fn a_mark_is_not_written_into_a_file() {
        let write = |content: &str| Action::Write(Write { file_path: "/x".to_owned(), content: content.into(), append: false });
        let edit = |old: &str, new: &str| {
            let edits = vec![Replacement { old: old.to_owned(), new: new.to_owned(), all: false }];
            Action::Edit(Edit { file_path: "/x".to_owned(), edits, multi: false })
        };
        let said = |action: &Action| refuse_marks(&redactor(), action).map_err(|failure| failure.text.split(',').next().map(str::to_owned));
        assert_eq!(said(&write("pw = [redacted DB]\n")), Err(Some("content: it holds [redacted DB]".to_owned())));
        assert_eq!(said(&edit("pw = [redacted DB]", "x")), Err(Some("old_string: it holds [redacted DB]".to_owned())));
        assert_eq!(said(&edit("x", "[redacted DB]")), Err(Some("new_string: it holds [redacted DB]".to_owned())));
        assert_eq!(said(&write("[redacted OTHER]")), Ok(()));
    }
}
