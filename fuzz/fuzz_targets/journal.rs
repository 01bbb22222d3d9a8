//! The check of the journal: a journal as it was written has nothing wrong in it, and a byte that was changed is told of.
#![no_main]
#![allow(dead_code, reason = "files of the crate, of which the check is looked at")]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::Choices;

#[path = "../../crates/towline-engine/src/audit/record.rs"]
mod record;
#[path = "../../crates/towline-engine/src/audit/verify.rs"]
mod verify;

use record::{Begin, End, Head, Kind, NO_HASH, Record, hash};
use verify::{Checker, Place, Verdict};

/// A journal as towline writes one, and its remembered end.
fn written(choices: &mut Choices<'_>) -> (Vec<Vec<u8>>, Head) {
    let (mut lines, mut prev) = (Vec::new(), NO_HASH.to_owned());
    for n in 1..=1 + u64::from(choices.byte() % 6) {
        let is_end = n % 2 == 0;
        let begin = (!is_end).then(|| Begin {
            client: "c".to_owned(),
            host: String::from_utf8_lossy(choices.part()).into_owned(),
            session: "s".to_owned(),
            tool: "Bash".to_owned(),
            arguments: serde_json::Value::String(String::from_utf8_lossy(choices.part()).into_owned()),
            decision: "permitted".to_owned(),
            rule: String::new(),
        });
        let end = is_end.then(|| End { of: n - 1, outcome: "exit 0".to_owned(), failed: false, took: 1 });
        let kind = if is_end { Kind::End } else { Kind::Begin };
        let record = Record { n, prev, at: n, pid: 1, uid: 1, kind, begin, end, mark: None };
        let line = serde_json::to_vec(&record).expect("a record");
        prev = hash(&line);
        lines.push(line);
    }
    let head = Head { n: lines.len() as u64, length: 0, segment: 0, hash: prev };
    (lines, head)
}

fn verified(text: &[u8], head: Option<Head>) -> Verdict {
    let mut checker = Checker::new(head);
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        checker.line(Place { file: "j".to_owned(), line: at as u64 + 1 }, line);
    }
    checker.finish()
}

fn harmed(choices: &mut Choices<'_>) {
    let (lines, head) = written(choices);
    let mut text: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    let well = verified(&text, Some(head.clone()));
    assert!(well.wrong.is_empty() && well.records == head.n, "{well:?}");
    assert_eq!(Head::parse(head.to_text().as_bytes()), Some(head.clone()));
    let at = (usize::from(choices.byte()) << 8 | usize::from(choices.byte())) % text.len();
    let before = text.clone();
    match choices.below(3) {
        0 => text[at] = choices.byte(),
        1 => text.truncate(at),
        _ => drop(text.splice(at..at, choices.part().iter().copied())),
    }
    let verdict = verified(&text, Some(head));
    assert_eq!(verdict.wrong.is_empty(), text == before, "{verdict:?}");
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    if choices.below(2) == 0 {
        return harmed(&mut choices);
    }
    let head = Head::parse(choices.part());
    let verdict = verified(choices.0, head);
    assert!(verdict.records <= choices.0.iter().filter(|byte| **byte == b'\n').count() as u64);
});
