//! The name of a content, computed alike here and on the host.
//!
//! Holds to: SHA-256 where the host has it; POSIX `cksum` (a CRC and the size, which tells apart what happened to change, not
//! what somebody forged) where it has nothing better; size, inode and times for what is too large to be read for it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::ToolError;

/// How a content's name can be computed on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// SHA-256.
    Sha256,
    /// The CRC and the size of POSIX `cksum`.
    Cksum,
}

impl TagKind {
    pub(crate) fn parse(word: &[u8]) -> Result<Self, ToolError> {
        match word {
            b"s" => Ok(TagKind::Sha256),
            b"c" => Ok(TagKind::Cksum),
            _ => Err(ToolError::protocol("an unknown kind of content name")),
        }
    }
}

/// The name of a content: two contents with the same name are taken for the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(String);

/// Longest tag, in bytes: size, inode and two times with nanoseconds.
const TAG_BYTES: usize = 160;

impl Tag {
    /// The tag that a host or a file of ours tells.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (kind, rest) = text.split_once(':')?;
        let good = match kind {
            "s" => rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
            "c" => rest.split_once(':').is_some_and(|(crc, size)| [crc, size].iter().all(|n| super::number(n.as_bytes()).is_some())),
            "t" => !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b" :.+-".contains(&b)),
            _ => false,
        };
        (good && text.len() <= TAG_BYTES).then(|| Self(text.to_owned()))
    }

    /// The tag of these bytes.
    #[must_use]
    pub fn of(kind: TagKind, bytes: &[u8]) -> Self {
        match kind {
            TagKind::Sha256 => {
                let mut text = String::with_capacity(66);
                text.push_str("s:");
                for byte in Sha256::digest(bytes) {
                    let _ = write!(text, "{byte:02x}");
                }
                Self(text)
            }
            TagKind::Cksum => Self(format!("c:{}:{}", cksum(bytes), bytes.len())),
        }
    }

    /// How it was computed; `None` if it is not computed from the content.
    #[must_use]
    pub fn kind(&self) -> Option<TagKind> {
        match self.0.as_bytes()[0] {
            b's' => Some(TagKind::Sha256),
            b'c' => Some(TagKind::Cksum),
            _ => None,
        }
    }

    /// Its characters: plain ASCII without newline.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The CRC of POSIX `cksum`.
fn cksum(bytes: &[u8]) -> u32 {
    let length = bytes.len().to_le_bytes();
    let significant = length.len() - length.iter().rev().take_while(|byte| **byte == 0).count();
    let step = |crc: u32, byte: &u8| (crc << 8) ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)];
    !bytes.iter().chain(&length[..significant]).fold(0, step)
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut crc = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_the_utilities() {
        // printf abc | sha256sum; printf abc | cksum; cksum </dev/null; head -c 300 /dev/zero | cksum
        assert_eq!(Tag::of(TagKind::Sha256, b"abc").as_str(), "s:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Tag::of(TagKind::Cksum, b"abc").as_str(), "c:1219131554:3");
        assert_eq!(Tag::of(TagKind::Cksum, b"").as_str(), "c:4294967295:0");
        assert_eq!(Tag::of(TagKind::Cksum, &[0; 300]).as_str(), "c:351385237:300");
    }

    #[test]
    fn only_tags_are_taken_for_tags() {
        let sha = Tag::of(TagKind::Sha256, b"");
        assert_eq!(Tag::parse(sha.as_str().as_bytes()), Some(sha));
        assert!(Tag::parse(b"t:104857600 123 2026-11-20 13:02:00.345687323 +0000 2026-11-20 13:02:00.345687323 +0000").is_some());
        for text in ["", "s:", "s:xyz", "c:1", "c::", "c:1:2\n", "t:", "t:a", "x:1", "t:$(x)"] {
            assert_eq!(Tag::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
