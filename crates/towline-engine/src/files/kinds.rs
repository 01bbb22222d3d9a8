//! What bytes are: a picture, text, or neither. Pure.

/// What a content is, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, in UTF-8 or not.
    Text,
    /// Text in UTF-16.
    Utf16,
    /// A picture of this type.
    Image(&'static str),
    /// Neither.
    Binary,
}

/// Bytes that are looked at.
const LOOKED_AT: usize = 8192;
/// How files begin that are no text, whatever follows.
const MAGIC: &[&[u8]] = &[
    b"\x7fELF",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"%PDF-",
    b"SQLite format 3\0",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\0asm",
    b"OggS",
    b"ID3",
    b"7z\xbc\xaf",
];

/// Tells what bytes are. A NUL here and there does not make a text binary: Read shows it as `\x00`.
pub(crate) fn kind(bytes: &[u8]) -> Kind {
    if let Some(mime) = image(bytes) {
        return Kind::Image(mime);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Kind::Utf16;
    }
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    let odd = head.iter().filter(|byte| matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127)).count();
    if MAGIC.iter().any(|magic| bytes.starts_with(magic)) || odd * 10 > head.len() { Kind::Binary } else { Kind::Text }
}

fn image(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Some("image/gif")
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        for bytes in [
            &b""[..],
            b"a\n",
            b"a\0b and more text",
            b"\x1b[1mbold\x1b[0m",
            "über \u{2028}".as_bytes(),
            b"caf\xe9 latin-1",
            b"\xef\xbb\xbfbom",
            b"a\r\n\tb\x0c",
        ] {
            assert_eq!(kind(bytes), Kind::Text, "{bytes:?}");
        }
        for bytes in [&b"\x7fELF\x02"[..], b"%PDF-1.7 text follows", &[0; 20], b"\x01\x02\x03abc"] {
            assert_eq!(kind(bytes), Kind::Binary, "{bytes:?}");
        }
        assert_eq!(kind(b"\xff\xfea\0"), Kind::Utf16);
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Kind::Image("image/jpeg"));
    }
}
