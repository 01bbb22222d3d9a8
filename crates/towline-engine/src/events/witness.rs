//! Who tells the stream of one call.
//!
//! Holds to: every text is cut before it is noted, and what was cut is counted. Leaves out: writing.

use std::sync::Arc;
use std::time::Duration;

use towline_base::{Failure, Handle};

use super::event::{Event, Kind};
use super::{Events, Note, diff};
use crate::answer::{Answer, Body, Excerpt, State};

/// Characters of a command, a description or a result.
const TEXT_CHARACTERS: usize = 2000;
/// Bytes of a command's output that are told after its end, from its beginning and from its end.
const REST_HEAD: usize = 8 * 1024;
const REST_TAIL: usize = 4 * 1024;

/// Tells the stream of one call; cheap to clone.
#[derive(Clone)]
pub(crate) struct Witness {
    events: Option<Events>,
    whose: Arc<Event>,
}

/// What is still to be told of a command's output.
pub(crate) struct Rest<'a> {
    pub(crate) excerpt: &'a Excerpt,
    /// Bytes that were told while it ran, or left out then.
    pub(crate) told: u64,
    pub(crate) stderr: bool,
}

impl Witness {
    /// One that tells nobody, for what is no call of an agent.
    pub(crate) fn none() -> Self {
        Self { events: None, whose: Arc::default() }
    }

    /// One for a call: `whose` has the fields that all its events share.
    pub(crate) fn new(events: Events, whose: Event) -> Self {
        Self { events: Some(events), whose: Arc::new(whose) }
    }

    /// Where it tells.
    pub(crate) fn events(&self) -> Option<&Events> {
        self.events.as_ref()
    }

    /// What all its events share.
    pub(crate) fn whose(&self) -> &Arc<Event> {
        &self.whose
    }

    fn event(&self, kind: Kind) -> Event {
        let Event { at, .. } = Event::new(kind, "");
        Event { kind, at, ..(*self.whose).clone() }
    }

    fn write(&self, event: Event) {
        if let Some(events) = &self.events {
            events.write(event);
        }
    }

    pub(crate) fn begin(&self, text: &str, description: Option<&str>) {
        self.write(Event { text: cut(text), description: description.map(cut), ..self.event(Kind::Begin) });
    }

    pub(crate) fn end(&self, text: &str, took: Duration, answered: Result<&Answer, &Failure>) {
        let (id, exit) = match answered.map(|answer| &answer.body) {
            Ok(Body::Execution(execution)) => (Some(execution.id.to_string()), exit(&execution.state)),
            Ok(Body::JobOutput(slice)) => (Some(slice.id.to_string()), exit(&slice.state)),
            Ok(Body::Stopped(stopped)) => (Some(stopped.id.to_string()), exit(&stopped.state)),
            Ok(_) | Err(_) => (None, None),
        };
        self.write(Event {
            text: cut(text),
            took: u64::try_from(took.as_millis()).ok(),
            failed: Some(answered.is_err()),
            code: answered.err().map(|failure| failure.code.word().to_owned()),
            id,
            exit,
            ..self.event(Kind::End)
        });
    }

    /// A command that the call had left behind has ended.
    pub(crate) fn ended(&self, id: &Handle, text: &str, state: &State) {
        self.write(Event { text: cut(text), id: Some(id.to_string()), exit: exit(state), ..self.event(Kind::Ended) });
    }

    /// Output that came; `skipped` bytes before it are left out.
    pub(crate) fn output(&self, id: &Handle, stderr: bool, bytes: &[u8], skipped: u64) {
        if bytes.is_empty() && skipped == 0 {
            return;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        let stream = stderr.then(|| "stderr".to_owned());
        // The writer makes visible what is no text; what is no UTF-8 has to be made so before it is a string.
        let text = if text.contains('\u{fffd}') { towline_base::visible::to_text(bytes).0 } else { text };
        self.write(Event { text, skipped, stream, id: Some(id.to_string()), ..self.event(Kind::Output) });
    }

    /// What the end of a command brought of its output, as far as it was not told before.
    pub(crate) fn rest(&self, id: &Handle, rest: &Rest<'_>) {
        let Rest { excerpt: Excerpt { head, tail, total, .. }, told, stderr } = rest;
        let from = usize::try_from(*told).unwrap_or(usize::MAX).min(head.len());
        let end = if tail.is_empty() { head.len() } else { head.len().min(from + REST_HEAD) };
        let first = &head[from..end];
        let (first, tail) = if tail.is_empty() && first.len() > REST_HEAD + REST_TAIL {
            (&first[..REST_HEAD], &first[first.len() - REST_TAIL..])
        } else {
            (first, &tail[tail.len().saturating_sub(REST_TAIL)..])
        };
        self.output(id, *stderr, first, 0);
        let shown = (*told).max((from + first.len()) as u64);
        let begins = total.saturating_sub(tail.len() as u64);
        if begins >= shown {
            self.output(id, *stderr, tail, begins - shown);
        } else {
            let known = usize::try_from(shown - begins).unwrap_or(usize::MAX).min(tail.len());
            self.output(id, *stderr, &tail[known..], 0);
        }
    }

    /// What a change did to a file. Large contents are not compared.
    pub(crate) fn diff(&self, old: &Arc<[u8]>, new: &Arc<[u8]>) {
        let Some(events) = &self.events else { return };
        let event = Box::new(self.event(Kind::Diff));
        if old.len().max(new.len()) <= diff::COMPARED_BYTES {
            events.note(Note::Diff(event, old.clone(), new.clone()));
        } else {
            let text = format!("{} -> {} bytes: too large to compare here\n", old.len(), new.len());
            events.write(Event { text, ..*event });
        }
    }
}

fn exit(state: &State) -> Option<u8> {
    match state {
        State::Exited(status) => Some(*status),
        State::Killed(_) | State::Running | State::Queued | State::Lost(_) | State::Unknown(_) => None,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARACTERS) {
        Some((at, _)) => format!("{}… {} more bytes", &text[..at], text.len() - at),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of this output after so many bytes of it, as texts and what was left out before each.
    fn told(excerpt: &Excerpt, told: u64) -> Vec<(String, u64)> {
        let directory = tempfile::tempdir().expect("a directory");
        let (sender, receiver) = std::sync::mpsc::channel();
        let sender = std::sync::Mutex::new(sender);
        let sink = super::super::Sink::new(move |event| drop(sender.lock().map(|s| s.send((event.text.clone(), event.skipped)))));
        let witness = Witness::new(
            Events::new(directory.path(), Some(sink), towline_base::redact::Redactor::default()),
            Event::new(Kind::Begin, "h"),
        );
        witness.rest(&Handle::parse("bcdfgh").expect("a handle"), &Rest { excerpt, told, stderr: false });
        witness.begin("last", None);
        let mut all = Vec::new();
        loop {
            let one = receiver.recv_timeout(Duration::from_secs(30)).expect("an event");
            if one.0 == "last" {
                return all;
            }
            all.push(one);
        }
    }

    fn excerpt(head: &str, tail: &str, total: u64) -> Excerpt {
        Excerpt { head: head.into(), tail: tail.into(), total, ..Excerpt::default() }
    }

    #[test]
    fn every_byte_is_told_once_or_counted() {
        let check = |given: Excerpt, before: u64, expected: &[(&str, u64)]| {
            let expected: Vec<_> = expected.iter().map(|(text, skipped)| ((*text).to_owned(), *skipped)).collect();
            assert_eq!(told(&given, before), expected, "{given:?} after {before}");
        };
        check(excerpt("", "", 0), 0, &[]);
        check(excerpt("abc", "", 3), 0, &[("abc", 0)]);
        check(excerpt("abc", "", 3), 2, &[("c", 0)]);
        check(excerpt("abc", "", 3), 3, &[]);
        check(excerpt("abc", "xyz", 10), 0, &[("abc", 0), ("xyz", 4)]);
        check(excerpt("abc", "xyz", 10), 5, &[("xyz", 2)]);
        check(excerpt("abc", "xyz", 10), 8, &[("yz", 0)]);
        check(excerpt("abc", "xyz", 10), 10, &[]);
    }

    #[test]
    fn long_output_is_told_by_both_its_ends() {
        let text = "0123456789".repeat(4000);
        let all = told(&excerpt(&text, "", 40_000), 0);
        assert_eq!(all.iter().map(|(text, skipped)| (text.len(), *skipped)).collect::<Vec<_>>(), [(REST_HEAD, 0), (REST_TAIL, 27_712)]);
    }
}
