//! Takes secrets out of what a terminal draws, as it comes.
//!
//! Holds to: the characters are looked at, not what colours them or moves the cursor between them; the beginning of a secret is held
//! back until what follows is known. Leaves out: a secret that is drawn in another order than it is read.

use towline_base::redact::{Cut, Redactor};

/// Bytes that are held back at most: a host that draws nothing but colours behind the beginning of a secret gets no further.
const HELD: usize = 64 * 1024;

/// One terminal's; ends with [`Veil::rest`].
pub(super) struct Veil {
    redactor: Redactor,
    /// What begins like a secret, and all that was drawn since.
    held: String,
    /// Something before the next piece is left out: a secret may have begun there.
    cut: bool,
}

impl Veil {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, held: String::new(), cut: false }
    }

    /// What of the next piece may be shown now, without secrets.
    pub(super) fn take(&mut self, drawn: &str) -> String {
        if self.redactor.is_empty() && self.held.is_empty() {
            return drawn.to_owned();
        }
        self.held.push_str(drawn);
        let (text, _) = characters(&self.held);
        let from = if self.held.len() > HELD { text.len() } else { self.redactor.beginning_at_end(text.as_bytes()) };
        self.show(from, false)
    }

    /// What was held back, when nothing comes any more that could tell what it is.
    pub(super) fn rest(&mut self) -> String {
        self.show(usize::MAX, true)
    }

    /// Something is left out before the next piece.
    pub(super) fn skip(&mut self) {
        self.cut = true;
    }

    /// Shows the characters before that byte of the text, and holds back the others.
    fn show(&mut self, before: usize, after: bool) -> String {
        let (text, places) = characters(&self.held);
        let whole = before >= text.len();
        let at = if whole { self.held.len() } else { places[before] };
        let rest = self.held.split_off(at);
        let cut = Cut { before: std::mem::take(&mut self.cut), after };
        let shown = veiled(&self.redactor, &self.held, cut);
        self.held = rest;
        shown
    }
}

/// The text with a mark in the place of each secret; what draws between its characters stays behind the mark.
fn veiled(redactor: &Redactor, drawn: &str, cut: Cut) -> String {
    let (text, places) = characters(drawn);
    let found = redactor.places(text.as_bytes(), cut);
    let mut out = String::with_capacity(drawn.len());
    let mut at = 0;
    for place in found {
        let Some(begin) = places.get(place.range.start).copied().filter(|begin| *begin >= at) else { continue };
        let end = places.get(place.range.end).copied().unwrap_or(drawn.len());
        out.push_str(&drawn[at..begin]);
        out.push_str(&place.mark());
        // Of the secret itself only what moves and colours is left.
        let within = &drawn[begin..end];
        let (hidden, inner) = characters(within);
        let mut last = 0;
        for (byte, character) in hidden.char_indices() {
            out.push_str(&within[last..inner[byte]]);
            last = inner[byte] + character.len_utf8();
        }
        out.push_str(&within[last..]);
        at = end;
    }
    out.push_str(&drawn[at..]);
    out
}

/// The characters of a drawn text without what colours and moves, and for each byte of them its place in it.
fn characters(drawn: &str) -> (String, Vec<usize>) {
    let (mut text, mut places) = (String::new(), Vec::new());
    let mut rest = drawn.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        match character {
            '\u{1b}' => match rest.next() {
                Some((_, '[')) => while rest.next().is_some_and(|(_, byte)| !('@'..='~').contains(&byte)) {},
                Some((_, '(' | ')')) => drop(rest.next()),
                Some(_) | None => {}
            },
            '\r' | '\u{8}' | '\u{e}' | '\u{f}' => {}
            _ => {
                text.push(character);
                places.extend(std::iter::repeat_n(at, character.len_utf8()));
            }
        }
    }
    (text, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use towline_base::Secret;

    const SECRET: &str = "hunter2-very";

    fn veil() -> Veil {
        let redactor = Redactor::default();
        redactor.learn("PW", &Secret::new(SECRET.as_bytes().to_vec()).expect("a secret"));
        Veil::new(redactor)
    }

    #[test]
    fn a_secret_is_found_whatever_is_drawn_between_its_characters() {
        for (pieces, shown) in [
            (&["a hunter2-very b"][..], "a [redacted PW] b"),
            (&["a \u{1b}[1mhunter2\u{1b}[0m-\u{1b}[31mvery\u{1b}[0m b"], "a \u{1b}[1m[redacted PW]\u{1b}[0m\u{1b}[31m\u{1b}[0m b"),
            (&["hun\u{1b}(Bter2\r-very"], "[redacted PW]\u{1b}(B\r"),
            // As a terminal echoes what is typed.
            (&["h", "u", "n", "t", "e", "r", "2", "-", "v", "e", "r", "y", "!"], "[redacted PW]!"),
            (&["hunter2-", "\u{1b}[K", "very\r\n$ "], "[redacted PW]\u{1b}[K\r\n$ "),
            (&["hunt", "ing"], "hunting"),
            (&["hunhunter2-very"], "hun[redacted PW]"),
            (&["é", "日本", "h"], "é日本h"),
            // What is left of a secret where nothing follows.
            (&["x hunter2"], "x [redacted PW]"),
        ] {
            let mut veil = veil();
            let mut all: String = pieces.iter().map(|piece| veil.take(piece)).collect();
            all.push_str(&veil.rest());
            assert_eq!(all, shown, "{pieces:?}");
        }
        // A secret that ends as it begins, and comes to its end with a piece.
        let redactor = Redactor::default();
        redactor.learn("PW", &Secret::new(b"hunter2-h".to_vec()).expect("a secret"));
        let mut ends_as_it_begins = Veil::new(redactor);
        let all = ends_as_it_begins.take("a hunter2-h") + &ends_as_it_begins.take(" b") + &ends_as_it_begins.rest();
        assert_eq!(all, "a [redacted PW] b");
        let mut veil = veil();
        veil.skip();
        assert_eq!(veil.take("ter2-very b") + &veil.rest(), "[redacted PW] b");
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut veil = veil();
        assert_eq!(veil.take("hunter"), "");
        let colours = "\u{1b}[0m".repeat(HELD / 4);
        assert!(veil.take(&colours).starts_with("hunter\u{1b}[0m") && veil.held.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_no_secret_is_shown_as_it_came_and_a_secret_is_not(before in "[hu\u{e9}\r\n]{0,6}", after in "[a-z]{0,4}", cuts in proptest::collection::vec(0_usize..40, 0..6), coloured in any::<bool>()) {
            let secret = if coloured { SECRET.chars().flat_map(|c| ["\u{1b}[1m".to_owned(), c.to_string()]).collect() } else { SECRET.to_owned() };
            for (given, expected) in [(format!("{before}{after}"), Some(format!("{before}{after}"))), (format!("{before}{secret}{after}"), None)] {
                let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut <= given.len() && given.is_char_boundary(*cut)).chain([0, given.len()]).collect();
                cuts.sort_unstable();
                // A sequence is drawn whole.
                cuts.retain(|cut| !given[..*cut].ends_with(['\u{1b}', '[', '1']) || !coloured);
                let mut veil = veil();
                let mut all: String = cuts.windows(2).map(|pair| veil.take(&given[pair[0]..pair[1]])).collect();
                all.push_str(&veil.rest());
                match expected {
                    Some(expected) => prop_assert_eq!(all, expected),
                    None => prop_assert!(characters(&all).0.contains("[redacted PW]") && !characters(&all).0.contains("hunter2-very")),
                }
            }
        }
    }
}
