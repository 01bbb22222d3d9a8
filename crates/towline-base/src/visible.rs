//! The one written form of bytes that a reader cannot see, both ways.
//!
//! Holds to: valid UTF-8 text stays as it is but for control characters (other than newline and tab) and for bytes
//! that are no UTF-8; each of those is written `\xHH`. Leaves out: backslashes, which stay single; [`to_bytes`] is
//! asked only where a text did not match as it stands.

/// Writes bytes as text that can be read, and counts what had to be written as `\xHH`.
#[must_use]
pub fn to_text(bytes: &[u8]) -> (String, usize) {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    let mut marked = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if (c.is_control() && c != '\n' && c != '\t') || is_tricky(c) {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
                marked += 1;
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
            marked += 1;
        }
    }
    (text, marked)
}

/// Characters that change how the text around them is shown: bidirectional controls and invisible tags.
#[must_use]
pub fn is_tricky(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{e0000}'..='\u{e007f}')
}

/// Turns each `\xHH` of a text back into its byte; everything else stays.
#[must_use]
pub fn to_bytes(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 2..at + 4).filter(|_| bytes[at] == b'\\' && bytes[at + 1] == b'x');
        let byte = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(to_text(b"a\x1b[1m\n\tb\xff\r"), ("a\\x1b[1m\n\tb\\xff\\x0d".to_owned(), 3));
        assert_eq!(to_text("a\u{2028}é\u{202e}".as_bytes()), ("a\u{2028}é\\xe2\\x80\\xae".to_owned(), 1));
    }

    proptest! {
        #[test]
        fn what_was_written_out_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // A backslash in the input could itself spell an escape; the law is about all other bytes.
            let bytes: Vec<u8> = bytes.into_iter().filter(|b| *b != b'\\').collect();
            prop_assert_eq!(to_bytes(&to_text(&bytes).0), bytes);
        }
    }
}
