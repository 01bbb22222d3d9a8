//! What of a terminal's output is kept: it only draws, no secret is in it, and it does not matter how it came.
#![no_main]
#![allow(dead_code, reason = "files of the binary, of which the parts without I/O are looked at")]

use libfuzzer_sys::fuzz_target;
use towline_base::Secret;
use towline_base::redact::Redactor;
use towline_fuzz::{Choices, assert_plain, pieces};

#[path = "../../crates/towline/src/transcript/cast.rs"]
mod cast;
#[path = "../../crates/towline/src/transcript/drawn.rs"]
mod drawn;
#[path = "../../crates/towline/src/transcript/veil.rs"]
mod veil;

use drawn::Drawn;
use veil::Veil;

const SECRETS: [&str; 3] = ["hunter2-very", "hunter2-very-long", "aaaabaaaab"];

fn drawn(bytes: &[u8], seed: u8) {
    let whole = Drawn::default().take(bytes);
    let mut cut = Drawn::default();
    let parts: String = pieces(bytes, seed).into_iter().map(|piece| cut.take(piece)).collect();
    assert_eq!(parts, whole);
    // A reset is drawn as what it clears, in a shorter form than is kept of others.
    let long = whole.replace("\u{1b}[r\u{1b}[H", "\u{1b}[0r\u{1b}[0H");
    assert_eq!(Drawn::default().take(whole.as_bytes()), long, "what draws is not kept as it is");
    for string in ["\u{1b}]", "\u{1b}P", "\u{1b}_", "\u{1b}^", "\u{1b}X", "\u{7}", "\u{9b}", "\u{90}", "\u{9d}"] {
        assert!(!whole.contains(string), "{whole:?}");
    }
    assert_plain(&Drawn::bare().take(bytes));
}

/// The characters of a drawn text, without what colours and moves.
fn characters(drawn: &str) -> String {
    let mut text = String::new();
    let mut rest = drawn.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                Some('[') => drop(rest.find(|c| ('@'..='~').contains(c))),
                Some('(' | ')') => drop(rest.next()),
                _ => {}
            },
            '\r' | '\u{8}' | '\u{e}' | '\u{f}' => {}
            c => text.push(c),
        }
    }
    text
}

fn veiled(bytes: &[u8], seed: u8) {
    let redactor = Redactor::default();
    for (name, secret) in ["A", "B", "C"].into_iter().zip(SECRETS) {
        redactor.learn(name, &Secret::new(secret.as_bytes().to_vec()).expect("a secret"));
    }
    let show = |pieces: &[&[u8]]| {
        let (mut drawn, mut veil) = (Drawn::default(), Veil::new(redactor.clone()));
        let mut shown: String = pieces.iter().map(|piece| veil.take(&drawn.take(piece))).collect();
        shown.push_str(&veil.rest());
        shown
    };
    let whole = characters(&show(&[bytes]));
    assert!(!SECRETS.iter().any(|secret| whole.contains(secret)), "{whole:?}");
    assert_eq!(characters(&show(&pieces(bytes, seed))), whole, "how it came matters");
    let (mut drawn, mut veil) = (Drawn::default(), Veil::new(Redactor::default()));
    let unveiled: String = pieces(bytes, seed).into_iter().map(|piece| veil.take(&drawn.take(piece))).collect();
    assert_eq!(unveiled, Drawn::default().take(bytes));
}

fn recorded(text: &str) {
    let all: String = cast::pieces(text).iter().map(|piece| piece.text.as_ref()).collect();
    assert_eq!(all, text);
    assert!(cast::pieces(text).windows(2).all(|pair| pair[0].at <= pair[1].at));
    let lines = cast::asciicast(text, "title");
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let whole = cast::one(text);
    let drawn = |text: &str| cast::recorded(text).into_iter().map(|piece| piece.text.into_owned()).collect::<Vec<_>>();
    assert_eq!(drawn(&whole), drawn(text));
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (what, seed) = (choices.below(3), choices.byte());
    match what {
        0 => drawn(choices.0, seed),
        1 => veiled(choices.0, seed),
        _ => recorded(&String::from_utf8_lossy(choices.0)),
    }
});
