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

/// Characters that change how the text around them is shown, or hold text that nobody sees: bidirectional controls, invisible
/// tags and selectors, spaces and fillers without width. The joiners U+200C and U+200D, the selectors U+FE00 to U+FE0F and the byte order
/// mark stay: scripts, emoji and the beginnings of files need them.
#[must_use]
pub fn is_tricky(c: char) -> bool {
    matches!(c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
        | '\u{e0000}'..='\u{e0fff}'
        | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}'
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Turns each `\xHH` of a text back into its byte; everything else stays.
#[must_use]
pub fn to_bytes(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 2..at + 4).filter(|_| bytes[at] == b'\\' && bytes[at + 1] == b'x');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
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

    #[test]
    fn what_acts_on_a_terminal_or_hides_text_is_written_out() {
        let hidden = [
            "\u{1b}]52;c;aGk=\u{7}",
            "\u{9b}2J",
            "\u{90}q",
            "\u{202e}",
            "\u{202a}",
            "\u{2066}",
            "\u{2069}",
            "\u{200f}",
            "\u{e0041}",
            "\u{e0001}",
            "\u{e007f}",
            "\u{e0100}",
            "\u{e01ef}",
            "\u{200b}",
            "\u{2060}",
            "\u{2064}",
            "\u{206f}",
            "\u{180e}",
            "\u{3164}",
            "\u{7f}",
            "\u{8}",
            "\u{0}",
        ];
        for text in hidden {
            let (shown, marked) = to_text(text.as_bytes());
            assert!(marked > 0 && shown.starts_with("\\x") && shown.is_ascii(), "{text:?}: {shown}");
            assert_eq!(to_bytes(&shown), text.as_bytes());
        }
        for text in ["a\u{200d}b", "\u{2764}\u{fe0f}", "\u{feff}x", "ä", "\u{2028}", "漢字", "עברית", "\u{a0}"] {
            assert_eq!(to_text(text.as_bytes()), (text.to_owned(), 0));
        }
    }

    #[test]
    fn only_two_hexadecimal_digits_are_a_byte() {
        for text in ["\\x+f", "\\x-1", "\\x 1", "\\xg1", "\\x1", "\\", "\\x"] {
            assert_eq!(to_bytes(text), text.as_bytes());
        }
        assert_eq!(to_bytes("\\x0f\\xFf"), b"\x0f\xff");
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
