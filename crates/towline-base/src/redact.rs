//! Takes the secrets that towline knows out of what somebody reads.
//!
//! Holds to: `[redacted NAME]` stands in the place of a secret, whole or cut at the edge of an excerpt; no number of a line
//! changes; all secrets are looked for in one pass. Leaves out: a secret that was written in another way (encoded, reversed): this is a
//! guard against accidents, not against somebody who wants it out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use zeroize::Zeroizing;

use crate::{Secret, limits};

/// What stands before a name in a mark.
const MARK: &str = "[redacted ";

/// Whether a secret will be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It will.
    Redacted,
    /// It is shorter than [`limits::REDACTED_BYTES`]: it stands in too many texts by chance.
    TooShort,
}

/// Which sides of an excerpt are cut: a secret may stand there only in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// There is more before it.
    pub before: bool,
    /// There is more after it.
    pub after: bool,
}

impl Cut {
    /// All of it is there.
    pub const NOWHERE: Self = Self { before: false, after: false };
}

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its bytes.
    pub range: Range<usize>,
    name: String,
}

impl Place {
    /// What stands in its place.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{MARK}{}]", self.name)
    }
}

/// The secrets that are looked for; cheap to clone, and every clone knows what one learns.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    /// Names that a mark may hold.
    names: BTreeSet<String>,
    /// A name and one line of its secret; the newest last.
    patterns: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Finds all of them; `None` where there are none.
    search: Option<AhoCorasick>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces the name of a secret whose value is not known yet: its mark is one from now on.
    pub fn announce(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).names.insert(name.to_owned());
    }

    /// Looks for a secret from now on. Of one with several lines each line is looked for by itself.
    pub fn learn(&self, name: &str, secret: &Secret) -> Learned {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.names.insert(name.to_owned());
        let lines = secret.reveal_to_the_host().split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let long: Vec<&[u8]> = lines.filter(|line| line.len() >= limits::REDACTED_BYTES).collect();
        let mut changed = false;
        for line in &long {
            if !known.patterns.iter().any(|(_, pattern)| pattern.as_slice() == *line) {
                known.patterns.push((name.to_owned(), Zeroizing::new(line.to_vec())));
                changed = true;
            }
        }
        if changed {
            let patterns = known.patterns.iter().map(|(_, pattern)| pattern.as_slice());
            known.search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns).ok();
        }
        if long.is_empty() { Learned::TooShort } else { Learned::Redacted }
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known().search.is_none()
    }

    /// The bytes without secrets.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8], cut: Cut) -> Cow<'a, [u8]> {
        let places = self.places(bytes, cut);
        if places.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for place in places {
            out.extend_from_slice(&bytes[at..place.range.start]);
            out.extend_from_slice(place.mark().as_bytes());
            at = place.range.end;
        }
        out.extend_from_slice(&bytes[at..]);
        Cow::Owned(out)
    }

    /// Where secrets stand, from the beginning on.
    #[must_use]
    pub fn places(&self, bytes: &[u8], cut: Cut) -> Vec<Place> {
        let known = self.known();
        let Some(search) = &known.search else { return Vec::new() };
        let mut places: Vec<(usize, usize, usize)> =
            search.find_iter(bytes).map(|found| (found.start(), found.end(), found.pattern().as_usize())).collect();
        if cut.before {
            let first = places.first().map_or(bytes.len(), |place| place.0);
            places.extend(known.begins_within(&bytes[..first]));
        }
        if cut.after {
            let last = places.iter().map(|place| place.1).max().unwrap_or_default();
            places.extend(known.ends_within(&bytes[last..]).map(|(start, end, pattern)| (last + start, last + end, pattern)));
        }
        places.sort_unstable();
        places.into_iter().map(|(start, end, pattern)| Place { range: start..end, name: known.patterns[pattern].0.clone() }).collect()
    }

    /// Where bytes at the end begin that are the beginning of a secret, of any length, or of one that could still become a longer one; the
    /// length of all where there are none. It is never within a whole secret, though the end of that may begin another, or itself.
    #[must_use]
    pub fn beginning_at_end(&self, bytes: &[u8]) -> usize {
        let known = self.known();
        let begins = |pattern: &Zeroizing<Vec<u8>>| {
            let most = pattern.len().saturating_sub(1).min(bytes.len());
            (1..=most).rev().find(|length| bytes.ends_with(&pattern[..*length])).map(|length| bytes.len() - length)
        };
        let at = known.patterns.iter().filter_map(|(_, pattern)| begins(pattern)).min().unwrap_or(bytes.len());
        let whole = known.search.iter().flat_map(|search| search.find_iter(bytes)).find(|found| found.start() < at && at < found.end());
        whole.map_or(at, |found| found.start())
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes(), Cut::NOWHERE) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // A secret that is no text may have been part of a character.
            Cow::Owned(bytes) => {
                Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
            }
        }
    }

    /// A mark of this redactor within a text: writing it down would put it in the place of what it stands for.
    #[must_use]
    pub fn mark_in(&self, text: &[u8]) -> Option<String> {
        let known = self.known();
        let marks = known.names.iter().map(|name| format!("{MARK}{name}]"));
        marks.into_iter().find(|mark| text.windows(mark.len()).any(|window| window == mark.as_bytes()))
    }
}

impl Known {
    /// The end of a secret at the beginning of bytes that were cut there: the longest.
    fn begins_within(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, usize, usize)> {
        self.longest(|pattern, length| bytes.starts_with(&pattern[pattern.len() - length..]))
            .map(|(length, at)| (0, length, at))
            .into_iter()
    }

    /// The beginning of a secret at the end of bytes that were cut there: the longest.
    fn ends_within(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, usize, usize)> {
        self.longest(|pattern, length| bytes.ends_with(&pattern[..length]))
            .map(|(length, at)| (bytes.len() - length, bytes.len(), at))
            .into_iter()
    }

    /// The longest part, of at least [`limits::REDACTED_PART_BYTES`], that is there; and whose it is.
    fn longest(&self, is_there: impl Fn(&[u8], usize) -> bool) -> Option<(usize, usize)> {
        let part = |(at, (_, pattern)): (usize, &(String, Zeroizing<Vec<u8>>))| {
            (limits::REDACTED_PART_BYTES..pattern.len()).rev().find(|length| is_there(pattern, *length)).map(|length| (length, at))
        };
        self.patterns.iter().enumerate().filter_map(part).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        let redactor = Redactor::default();
        for (name, value) in secrets {
            redactor.learn(name, &Secret::new(value.as_bytes().to_vec()).expect("a secret"));
        }
        redactor
    }

    #[test]
    fn a_secret_is_named_in_its_place() {
        let redactor =
            redactor(&[("DB", "hunter2-very"), ("LONG", "hunter2-very-long"), ("KEY", "-----BEGIN\nabcdefgh\r\nshort\nijklmnop")]);
        for (text, shown) in [
            ("nothing", "nothing"),
            ("a hunter2-very b", "a [redacted DB] b"),
            ("hunter2-very-long", "[redacted LONG]"),
            ("hunter2-very-lo", "[redacted DB]-lo"),
            ("hunter2-veryhunter2-very", "[redacted DB][redacted DB]"),
            ("x\nabcdefgh\nijklmnop\nshort\n", "x\n[redacted KEY]\n[redacted KEY]\nshort\n"),
            ("hunter2", "hunter2"),
            ("ähunter2-veryö", "ä[redacted DB]ö"),
        ] {
            assert_eq!(redactor.text(text), shown);
            assert_eq!(text.lines().count(), shown.lines().count());
        }
    }

    #[test]
    fn a_secret_that_an_excerpt_cuts_is_taken_out_too() {
        let redactor = redactor(&[("DB", "hunter2-very")]);
        let check = |text: &str, before: bool, after: bool, shown: &str| {
            assert_eq!(redactor.bytes(text.as_bytes(), Cut { before, after }), shown.as_bytes(), "{text}");
        };
        check("out hunter2-v", false, true, "out [redacted DB]");
        check("out hunter2-v", false, false, "out hunter2-v");
        check("r2-very out", true, false, "[redacted DB] out");
        check("r2-very out", false, false, "r2-very out");
        check("ery out hun", true, true, "ery out hun");
        check("very", true, true, "[redacted DB]");
        check("hunter2-very", true, true, "[redacted DB]");
        check("very hunter2-very hunt", true, true, "[redacted DB] [redacted DB] [redacted DB]");
    }

    #[test]
    fn a_part_beside_a_whole_secret_that_looks_like_it_is_taken_out_too() {
        let redactor = redactor(&[("A", "xxxxxxxxx")]);
        let shown = |count: usize| redactor.bytes("x".repeat(count).as_bytes(), Cut { before: false, after: true }).into_owned();
        assert_eq!(String::from_utf8_lossy(&shown(12)), "[redacted A]xxx");
        assert_eq!(String::from_utf8_lossy(&shown(13)), "[redacted A][redacted A]");
    }

    #[test]
    fn the_beginning_of_a_secret_at_the_end_is_seen() {
        let redactor = redactor(&[("DB", "hunter2-very"), ("X", "-verylong")]);
        for (text, at) in [
            ("", 0),
            ("abc", 3),
            ("a h", 2),
            ("hunter2", 0),
            ("hunter2-very", 0),
            ("a hunter2-very", 2),
            ("hunter2-veryhunter2-very", 12),
            ("hunthunt", 4),
            ("hunter2-veryx", 13),
        ] {
            assert_eq!(redactor.beginning_at_end(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn a_whole_secret_that_ends_as_it_begins_is_not_parted() {
        let redactor = redactor(&[("PW", "abc123-abc")]);
        for (text, at) in [("abc123-abc", 0), ("x abc123-abc", 2), ("abc123-abc.", 11), ("abc123-abcabc", 10), ("x abc", 2)] {
            assert_eq!(redactor.beginning_at_end(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn a_short_secret_is_not_looked_for_and_that_is_said() {
        let redactor = Redactor::default();
        let learn = |text: &str| redactor.learn("PIN", &Secret::new(text.as_bytes().to_vec()).expect("a secret"));
        assert_eq!(learn("1234567"), Learned::TooShort);
        assert!(redactor.is_empty());
        assert_eq!(redactor.text("1234567"), "1234567");
        assert_eq!(learn("12345678"), Learned::Redacted);
        assert_eq!(redactor.clone().text("12345678"), "[redacted PIN]");
    }

    #[test]
    fn only_a_mark_of_a_known_name_is_one() {
        let redactor = redactor(&[("DB", "hunter2-very")]);
        redactor.announce("LATER");
        assert_eq!(redactor.mark_in(b"a [redacted DB] b").as_deref(), Some("[redacted DB]"));
        assert_eq!(redactor.mark_in(b"[redacted LATER]").as_deref(), Some("[redacted LATER]"));
        for text in ["", "[redacted X]", "[redacted DB", "[redacted DB2]", "redacted DB"] {
            assert_eq!(redactor.mark_in(text.as_bytes()), None, "{text}");
        }
        assert!(!format!("{redactor:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_secret_is_left_wherever_it_stands(before in "[a-c]{0,9}", after in "[a-c]{0,9}", secret in "[a-c]{8,12}", other in "[a-c]{8,12}", at in 0usize..40) {
            let redactor = redactor(&[("A", &secret), ("B", &other)]);
            let text = format!("{before}{secret}{after}{other}");
            let shown = redactor.text(&text).into_owned();
            prop_assert!(!shown.contains(&secret) && !shown.contains(&other), "{}", shown);
            // Cut anywhere: what is left of a secret on either side is below the bound.
            let at = at.min(text.len());
            let head = redactor.bytes(&text.as_bytes()[..at], Cut { before: false, after: true }).into_owned();
            prop_assert!(!String::from_utf8_lossy(&head).contains(&secret));
        }
    }
}
