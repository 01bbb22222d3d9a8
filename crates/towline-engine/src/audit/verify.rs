//! Looks a journal through, line by line, and says exactly what is wrong with it.
//!
//! Holds to: every change, cut, gap and addition that the chain or the remembered end can show is named with its place. Leaves out:
//! who did it. Whoever may write the files can write the whole chain anew: keep the last hash elsewhere to see that.

use std::collections::BTreeSet;
use std::fmt;

use super::record::{Found, Head, Kind, Mark, NO_HASH, Record, hash};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What the whole is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong.
    pub wrong: Vec<String>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// Records that were read.
    pub records: u64,
    /// Number and hash of the last of them.
    pub last: Option<(u64, String)>,
}

/// A line that could not be placed yet: the next one tells what it is.
#[derive(Debug)]
struct Suspect {
    place: Place,
    n: u64,
    /// What the line before it said that the next hash would be, and its number.
    before: (u64, String),
}

/// Reads lines in order; [`Checker::finish`] says what they are.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    verdict: Verdict,
    /// The last record of the chain.
    last: Option<(u64, String)>,
    suspect: Option<Suspect>,
    /// Bytes that are no record, and where they begin.
    strange: Option<(Place, Vec<u8>)>,
    open: BTreeSet<u64>,
    /// Whether the remembered end was passed with its own hash.
    head: Option<Head>,
    passed_head: bool,
}

impl Checker {
    /// A checker for a journal whose remembered end is this.
    #[must_use]
    pub(crate) fn new(head: Option<Head>) -> Self {
        Self { head, ..Self::default() }
    }

    /// Takes the next line, with its newline if it has one.
    pub(crate) fn line(&mut self, place: Place, bytes: &[u8]) {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let record = if line.len() < bytes.len() { serde_json::from_slice::<Record>(line).ok() } else { None };
        match record {
            Some(record) => self.record(&place, &record, hash(line)),
            None => match &mut self.strange {
                Some((_, all)) => all.extend_from_slice(bytes),
                None => self.strange = Some((place, bytes.to_vec())),
            },
        }
    }

    fn record(&mut self, place: &Place, record: &Record, own: String) {
        self.verdict.records += 1;
        let covered = record.mark.as_ref().is_some_and(|mark| self.explained(place, mark));
        if !covered {
            self.no_records(false);
        }
        self.settle(record);
        let expected = self.last.clone();
        match expected {
            None if record.n == 1 && record.prev == NO_HASH => {}
            None => self
                .verdict
                .notes
                .push(format!("the journal begins at record {}; what came before was removed when files were rotated", record.n)),
            Some((n, hash)) if record.n.checked_sub(1) == Some(n) && record.prev == hash => {}
            Some((n, _)) if record.n.saturating_sub(1) > n => {
                let cut = record.mark.as_ref().is_some_and(|mark| mark.found == Found::Cut);
                let noticed = if cut { " (towline noticed it when it wrote this line)" } else { "" };
                self.wrong(format!("{place}: {} missing before record {}{noticed}", records(n + 1, record.n - 1), record.n));
            }
            Some((n, hash)) if record.n.checked_sub(1) == Some(n) => {
                // Either the line before was changed, or this one was put in.
                self.suspect = Some(Suspect { place: place.clone(), n: record.n, before: (n, hash) });
            }
            Some((n, _)) => {
                self.wrong(format!(
                    "{place}: record {} does not belong here, after record {n}: it was put in, or its number was changed",
                    record.n
                ));
                return;
            }
        }
        match (record.kind, &record.end) {
            (Kind::Begin, _) => {
                if record.begin.as_ref().is_none_or(|begin| begin.decision != "refused") {
                    self.open.insert(record.n);
                }
            }
            (Kind::End, Some(end)) => drop(self.open.remove(&end.of)),
            (Kind::End, None) | (Kind::Mark, _) => {}
        }
        self.passed_head |= self.head.as_ref().is_some_and(|head| head.n == record.n && head.hash == own);
        self.last = Some((record.n, own));
    }

    /// Tells what a line was that did not fit to the one before it, now that the next is here.
    fn settle(&mut self, next: &Record) {
        let Some(suspect) = self.suspect.take() else { return };
        if next.n == suspect.n && next.prev == suspect.before.1 {
            self.wrong(format!("{}: this line was put in; it is not of the chain", suspect.place));
            self.last = Some(suspect.before);
        } else {
            self.changed(&suspect);
        }
    }

    fn changed(&mut self, suspect: &Suspect) {
        self.wrong(format!("{}: record {}, in the line before, was changed", suspect.place, suspect.n - 1));
    }

    /// Whether a mark tells of the bytes before it.
    fn explained(&mut self, place: &Place, mark: &Mark) -> bool {
        match mark.found {
            Found::Headless => {
                self.verdict.notes.push(format!("{place}: the remembered end was missing or unreadable when this line was written"));
            }
            Found::Cut => self.wrong(format!("{place}: the end of the journal was missing when this line was written")),
            Found::Torn | Found::Foreign => {}
        }
        let Some((from, bytes)) = &self.strange else { return mark.bytes == 0 };
        // The newline that ends torn bytes was written by towline.
        let torn = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if mark.hash != hash(torn) && mark.hash != hash(bytes) {
            return false;
        }
        let text = format!("{from}: {} bytes", mark.bytes);
        match mark.found {
            Found::Torn => self.verdict.notes.push(format!("{text} of a line that was not written to its end; the chain goes on after it")),
            Found::Foreign | Found::Cut | Found::Headless => {
                self.wrong(format!("{text} that towline did not write; it noticed them when it wrote the line after"));
            }
        }
        self.strange = None;
        true
    }

    /// Says that bytes are no records.
    fn no_records(&mut self, at_end: bool) {
        let Some((place, bytes)) = self.strange.take() else { return };
        if at_end && !bytes.contains(&b'\n') {
            self.verdict.notes.push(format!(
                "{place}: the last line was not written to its end ({} bytes); the next write marks it and goes on",
                bytes.len()
            ));
        } else {
            self.wrong(format!("{place}: this is no record: it was changed or put in"));
        }
    }

    fn wrong(&mut self, text: String) {
        self.verdict.wrong.push(text);
    }

    /// Compares the end with the remembered one, and says what the whole is.
    #[must_use]
    pub(crate) fn finish(mut self) -> Verdict {
        self.no_records(true);
        let head = self.head.take();
        let last = self.last.clone();
        let suspect = self.suspect.take();
        let (n, own) = last.clone().unwrap_or((0, NO_HASH.to_owned()));
        match (&head, &suspect) {
            (Some(head), Some(suspect)) if head.n < suspect.n => {
                self.wrong(format!("{}: this line was added at the end; it is not of the chain", suspect.place));
            }
            (_, Some(suspect)) => self.changed(suspect),
            (_, None) => {}
        }
        match head {
            None if n == 0 => {}
            None => self.wrong(
                "the remembered end (audit/head) is missing or cannot be read: what was cut off at the end cannot be seen".to_owned(),
            ),
            Some(head) if head.n > n => self.wrong(format!("{} missing at the end", records(n + 1, head.n))),
            Some(head) if head.n == n && head.hash != own => self.wrong(format!("record {n}, the last one, was changed")),
            Some(head) if head.n < n && suspect.is_none() => {
                let how = if self.passed_head || head.n == 0 { "" } else { ", and the remembered one is not among those before" };
                self.wrong(format!(
                    "{} not known to the remembered end{how}: added by another hand, or towline was killed just then (its next write settles it)",
                    records(head.n + 1, n)
                ));
            }
            Some(_) => {}
        }
        if !self.open.is_empty() {
            let first: Vec<String> = self.open.iter().take(5).map(u64::to_string).collect();
            let more = if self.open.len() > 5 { ", …" } else { "" };
            self.verdict.notes.push(format!(
                "{} without an outcome: running now, or towline ended before it (records {}{more})",
                count(self.open.len(), "action"),
                first.join(", ")
            ));
        }
        self.verdict.last = last;
        self.verdict
    }
}

fn records(from: u64, to: u64) -> String {
    if from == to { format!("record {from} is") } else { format!("records {from} to {to} are") }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
