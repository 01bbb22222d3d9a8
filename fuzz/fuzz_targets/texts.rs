//! The written form of bytes that cannot be seen, and what is taken out of every text: secrets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_base::redact::{Cut, Redactor};
use towline_base::{Secret, limits, visible};
use towline_fuzz::{Choices, assert_plain, holds};

fn seen(bytes: &[u8]) {
    let (text, marked) = visible::to_text(bytes);
    assert_plain(&text);
    assert_eq!(visible::to_text(text.as_bytes()), (text.clone(), 0));
    assert_eq!(marked == 0, text.as_bytes() == bytes);
    if !bytes.contains(&b'\\') {
        assert_eq!(visible::to_bytes(&text), bytes);
    }
    // Only two hexadecimal digits are a byte; everything else stays.
    let is_mark = |at: &[u8]| at.len() == 4 && at.starts_with(b"\\x") && at[2..].iter().all(u8::is_ascii_hexdigit);
    if !text.as_bytes().windows(4).any(is_mark) {
        assert_eq!(visible::to_bytes(&text), text.as_bytes());
    }
}

fn hidden(choices: &mut Choices<'_>) {
    let cut = Cut { before: choices.byte() % 2 == 1, after: choices.byte() % 2 == 1 };
    let redactor = Redactor::default();
    let mut secrets = Vec::new();
    for name in ["A", "B", "C"] {
        let secret = choices.part();
        // A secret of which a mark is made could stand in the mark itself.
        let fit =
            secret.len() >= limits::REDACTED_BYTES && secret.len() < 40 && !secret.iter().any(|byte| b"\r\n[] redactABC".contains(byte));
        if let Some(value) = Secret::new(secret.to_vec()).ok().filter(|_| fit) {
            redactor.learn(name, &value);
            secrets.push(secret);
        }
    }
    let text = choices.0;
    let places = redactor.places(text, cut);
    assert!(places.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{places:?}");
    assert!(places.iter().all(|place| place.range.start < place.range.end && place.range.end <= text.len()), "{places:?}");
    let shown = redactor.bytes(text, cut);
    for secret in &secrets {
        assert!(!holds(&shown, secret), "{secret:?}");
        if cut.after {
            let part = &secret[..limits::REDACTED_PART_BYTES];
            assert!(!shown.ends_with(part), "the beginning of a secret stands at the cut");
        }
        if cut.before {
            let part = &secret[secret.len() - limits::REDACTED_PART_BYTES..];
            assert!(!shown.starts_with(part), "the end of a secret stands at the cut");
        }
    }
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), shown.iter().filter(|byte| **byte == b'\n').count());
    let at = redactor.beginning_at_end(text);
    assert!(at <= text.len());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    if choices.below(2) == 0 { seen(choices.0) } else { hidden(&mut choices) }
});
