//! A ripgrep pattern as an expression for `grep -E` in the C locale.
//!
//! Holds to: every line that the pattern matches is matched by the expression, and `exact` says whether no other line is.
//! What POSIX does not have (`\b`, Unicode classes, laziness) becomes something wider. Leaves out: the decision about a line
//! that only may match; it is made with the pattern itself, where the answer is made.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

/// Largest count in `{…}` that every host takes.
const REPEAT: u32 = 255;
/// Characters beyond ASCII of one class that are written out.
const WRITTEN_OUT: usize = 64;
/// Bytes that a counted repetition may stand for; beyond, the count is left out (hosts expand it in memory).
const EXPANDED: usize = 4_000;
/// Largest expression, in bytes.
const LARGEST: usize = 16_000;
/// Bytes above ASCII, in the C locale; the class is written with ASCII bounds, which every regcomp takes.
const HIGH: &[u8] = b"[^\x01-\x7f]";
/// The mark with which some files begin; ripgrep takes it off.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// An expression for `grep -E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ere {
    /// Its bytes; empty matches every line.
    pub(super) text: Vec<u8>,
    /// Whether it matches exactly the lines that the pattern matches.
    pub(super) exact: bool,
}

/// What binds how tightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Empty,
    Anchor,
    Atom,
    Sequence,
    Choice,
}

struct Part {
    text: Vec<u8>,
    level: Level,
}

impl Part {
    fn empty() -> Self {
        Self { text: Vec::new(), level: Level::Empty }
    }

    fn new(text: impl Into<Vec<u8>>, level: Level) -> Self {
        Self { text: text.into(), level }
    }

    /// The same, bound at least as tightly as an atom.
    fn atom(self) -> Self {
        if self.level <= Level::Atom && self.level != Level::Anchor {
            return self;
        }
        Self::new([b"(", self.text.as_slice(), b")"].concat(), Level::Atom)
    }
}

/// The expression for single lines.
#[must_use]
pub(super) fn for_lines(hir: &Hir) -> Ere {
    let mut writer = Writer { exact: true };
    let part = writer.part(hir);
    if part.text.len() > LARGEST {
        return Ere { text: Vec::new(), exact: false };
    }
    Ere { text: part.text, exact: writer.exact }
}

/// An expression that some line of every text matches in which the pattern matches, even over several lines.
#[must_use]
pub(super) fn for_some_line(hir: &Hir) -> Vec<u8> {
    let parts: Vec<Hir> = match strip(hir).kind() {
        HirKind::Concat(parts) => parts.iter().flat_map(by_lines).collect(),
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Capture(_)
        | HirKind::Alternation(_) => by_lines(hir),
    };
    let mut best: (usize, Vec<u8>) = (0, Vec::new());
    for run in parts.split(spans_lines) {
        let run = Hir::concat(run.to_vec());
        let weight = run.properties().minimum_len().unwrap_or(0);
        if weight > best.0 {
            best = (weight, for_lines(&run).text);
        }
    }
    best.1
}

/// A text parted at its newlines; anything else as it is.
fn by_lines(hir: &Hir) -> Vec<Hir> {
    if let HirKind::Literal(literal) = hir.kind() {
        return literal
            .0
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| {
                let (text, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |text| (text, b"\n"));
                [Hir::literal(text), Hir::literal(end)]
            })
            .collect();
    }
    vec![hir.clone()]
}

/// Without the groups around it.
fn strip(hir: &Hir) -> &Hir {
    match hir.kind() {
        HirKind::Capture(capture) => strip(&capture.sub),
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Concat(_)
        | HirKind::Alternation(_) => hir,
    }
}

/// Whether it can match a newline.
#[must_use]
pub(super) fn spans_lines(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Class(Class::Unicode(class)) => class.ranges().iter().any(|range| range.start() <= '\n' && '\n' <= range.end()),
        HirKind::Class(Class::Bytes(class)) => class.ranges().iter().any(|range| range.start() <= b'\n' && b'\n' <= range.end()),
        HirKind::Repetition(repetition) => spans_lines(&repetition.sub),
        HirKind::Capture(capture) => spans_lines(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(spans_lines),
    }
}

/// Whether a newline is written in it, as text and not as one of a class.
#[must_use]
pub(super) fn names_newline(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Repetition(repetition) => names_newline(&repetition.sub),
        HirKind::Capture(capture) => names_newline(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(names_newline),
    }
}

struct Writer {
    exact: bool,
}

impl Writer {
    fn wider(&mut self, part: Part) -> Part {
        self.exact = false;
        part
    }

    fn part(&mut self, hir: &Hir) -> Part {
        match hir.kind() {
            HirKind::Empty => Part::empty(),
            HirKind::Literal(literal) => self.literal(&literal.0),
            HirKind::Class(class) => self.class(class),
            HirKind::Look(look) => self.look(*look),
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(capture) => self.part(&capture.sub),
            HirKind::Concat(parts) => self.sequence(parts),
            HirKind::Alternation(parts) => self.choice(parts),
        }
    }

    fn literal(&mut self, bytes: &[u8]) -> Part {
        if bytes.contains(&0) || bytes.contains(&b'\n') {
            return self.wider(Part::empty());
        }
        if bytes.windows(MARK.len()).any(|window| window == MARK) {
            self.exact = false;
        }
        let text: Vec<u8> = bytes.iter().flat_map(|byte| escaped(*byte)).collect();
        let level = if bytes.len() == 1 { Level::Atom } else { Level::Sequence };
        Part::new(text, level)
    }

    fn look(&mut self, look: Look) -> Part {
        // In a search by lines the text is the line.
        if matches!(look, Look::Start | Look::StartLF) {
            Part::new(*b"^(\xef\xbb\xbf)?", Level::Anchor)
        } else if matches!(look, Look::End | Look::EndLF) {
            Part::new(*b"$", Level::Anchor)
        } else {
            self.wider(Part::empty())
        }
    }

    fn sequence(&mut self, parts: &[Hir]) -> Part {
        let mut text = Vec::new();
        let mut count = 0;
        let mut last = Part::empty();
        for hir in parts {
            let part = self.part(hir);
            if part.level == Level::Empty {
                continue;
            }
            count += 1;
            let part = if part.level == Level::Choice { part.atom() } else { part };
            text.extend(&part.text);
            last = part;
        }
        match count {
            0 => Part::empty(),
            1 => last,
            _ => Part::new(text, Level::Sequence),
        }
    }

    fn choice(&mut self, parts: &[Hir]) -> Part {
        let parts: Vec<Part> = parts.iter().map(|hir| self.part(hir)).collect();
        if parts.is_empty() {
            return self.wider(Part::empty());
        }
        let optional = parts.iter().any(|part| part.level == Level::Empty);
        let texts: Vec<&[u8]> = parts.iter().filter(|part| part.level != Level::Empty).map(|part| part.text.as_slice()).collect();
        match (texts.is_empty(), optional) {
            (true, _) => Part::empty(),
            (false, false) => Part::new(texts.join(&b'|'), Level::Choice),
            (false, true) => Part::new([b"(", texts.join(&b'|').as_slice(), b")?"].concat(), Level::Sequence),
        }
    }

    fn repetition(&mut self, repetition: &Repetition) -> Part {
        let (min, max) = (repetition.min, repetition.max);
        if max == Some(0) {
            return Part::empty();
        }
        if any_character(&repetition.sub) && max.is_none() {
            return self.wider(match min {
                0 => Part::new(*b".*", Level::Sequence),
                1 => Part::new(*b".+", Level::Sequence),
                _ => Part::new(format!(".{{{},}}", min.min(REPEAT)), Level::Sequence),
            });
        }
        let sub = self.part(&repetition.sub);
        match sub.level {
            Level::Empty => return Part::empty(),
            // What only looks need not be looked at again; not at all is wider.
            Level::Anchor if min > 0 => return sub,
            Level::Anchor => return self.wider(Part::empty()),
            Level::Atom | Level::Sequence | Level::Choice => {}
        }
        let copies = max.unwrap_or(min).max(1) as usize;
        let countable = copies <= REPEAT as usize && sub.text.len().saturating_mul(copies) <= EXPANDED;
        let text = sub.atom().text;
        let count: Vec<u8> = match (min, max) {
            (0, None) => b"*".to_vec(),
            (1, None) => b"+".to_vec(),
            (0, Some(1)) => b"?".to_vec(),
            (1, Some(1)) => Vec::new(),
            (min, max) if countable => {
                let upper = max.map_or_else(String::new, |max| max.to_string());
                if max == Some(min) { format!("{{{min}}}") } else { format!("{{{min},{upper}}}") }.into_bytes()
            }
            (0, _) => {
                self.exact = false;
                b"*".to_vec()
            }
            _ => {
                self.exact = false;
                b"+".to_vec()
            }
        };
        if count.is_empty() { Part::new(text, Level::Atom) } else { Part::new([text, count].concat(), Level::Sequence) }
    }

    fn class(&mut self, class: &Class) -> Part {
        match class {
            Class::Unicode(class) => self.characters(class),
            Class::Bytes(class) => {
                let mut set = [false; 256];
                for range in class.ranges() {
                    set[usize::from(range.start())..=usize::from(range.end())].fill(true);
                }
                let mut choices = brackets(&set);
                if set[128..].iter().any(|in_it| *in_it) {
                    self.exact &= set[128..].iter().all(|in_it| *in_it);
                    choices.push(HIGH.to_vec());
                }
                self.one_of(&choices)
            }
        }
    }

    fn characters(&mut self, class: &ClassUnicode) -> Part {
        let mut set = [false; 256];
        let mut beyond = Vec::new();
        let mut written = true;
        for range in class.ranges() {
            for code in u32::from(range.start())..=u32::from(range.end()).min(127) {
                set[code as usize] = true;
            }
            for code in u32::from(range.start()).max(128)..=u32::from(range.end()) {
                beyond.extend(char::from_u32(code));
                if beyond.len() > WRITTEN_OUT {
                    written = false;
                    break;
                }
            }
        }
        let mut choices = brackets(&set);
        if written && !beyond.contains(&'\u{feff}') {
            choices.extend(beyond.iter().map(|c| c.to_string().into_bytes()));
        } else {
            self.exact = false;
            choices.push([HIGH, b"{2,4}"].concat());
        }
        self.one_of(&choices)
    }

    fn one_of(&mut self, choices: &[Vec<u8>]) -> Part {
        match choices {
            // Nothing can match; nothing here is worth the risk of saying so in every dialect.
            [] => self.wider(Part::empty()),
            [one] if one.starts_with(b"[") && one.ends_with(b"]") => Part::new(one.clone(), Level::Atom),
            [one] if one.len() <= 2 && one.is_ascii() => Part::new(one.clone(), Level::Atom),
            many => Part::new([b"(", many.join(&b'|').as_slice(), b")"].concat(), Level::Atom),
        }
    }
}

/// Whether it is a class of all, or nearly all, characters.
fn any_character(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().last().is_some_and(|range| range.end() == char::MAX) && class.ranges().len() <= 2
        }
        HirKind::Class(Class::Bytes(class)) => class.ranges().last().is_some_and(|range| range.end() == 255) && class.ranges().len() <= 2,
        HirKind::Capture(capture) => any_character(&capture.sub),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Concat(_) | HirKind::Alternation(_) => {
            false
        }
    }
}

/// A byte as itself, in every dialect.
fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        b'.' | b'*' | b'+' | b'?' | b'(' | b')' | b'|' | b'$' | b'{' | b'[' => vec![b'[', byte, b']'],
        b'^' | b'\\' => vec![b'\\', byte],
        other => vec![other],
    }
}

/// The bracket expression of a set's ASCII bytes, without newline and NUL; none if it is empty.
fn brackets(set: &[bool; 256]) -> Vec<Vec<u8>> {
    let has = |byte: u8| set[usize::from(byte)] && byte != 0 && byte != b'\n';
    let special = |byte: u8| matches!(byte, b']' | b'[' | b'^' | b'-');
    let members: Vec<u8> = (1..=127).filter(|byte| has(*byte)).collect();
    match members.as_slice() {
        [] => return Vec::new(),
        [one] => return vec![escaped(*one)],
        _ => {}
    }
    let mut inside = Vec::new();
    if has(b']') {
        inside.push(b']');
    }
    let mut at = 1;
    while at <= 127_u8 {
        let end = (at..=127).take_while(|byte| has(*byte) && !special(*byte)).last();
        let Some(end) = end else {
            at += 1;
            continue;
        };
        match end - at {
            0 => inside.push(at),
            1 => inside.extend([at, end]),
            _ => inside.extend([at, b'-', end]),
        }
        at = end + 1;
    }
    let lone = inside.is_empty();
    if has(b'[') {
        inside.push(b'[');
    }
    match (has(b'^'), has(b'-')) {
        // `^` may not be first, `-` must be first or last.
        (true, true) if lone && !has(b'[') => inside.extend(*b"-^"),
        (caret, dash) => {
            if caret {
                inside.push(b'^');
            }
            if dash {
                inside.push(b'-');
            }
        }
    }
    vec![[b"[", inside.as_slice(), b"]"].concat()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hir(pattern: &str) -> Hir {
        regex_syntax::ParserBuilder::new().utf8(false).multi_line(true).build().parse(pattern).unwrap()
    }

    #[test]
    fn patterns_become_expressions() {
        let cases: &[(&str, &str, bool)] = &[
            ("abc", "abc", true),
            ("a.c", "a([\u{1}-\t\u{b}-,.-Z\\_-\u{7f}][^-]|x)c", false),
            ("foo|bar", "foo|bar", true),
            ("(foo|bar)+x", "(foo|bar)+x", true),
            ("a*b+c?", "a*b+c?", true),
            ("a{2,3}", "a{2,3}", true),
            ("a{300}", "a+", false),
            (r"\bfoo\b", "foo", false),
            (r"\.\*\(\)\[\]\{\}\^\$\\\|", r"[.][*][(][)][[]][{]}\^[$]\\[|]", true),
            ("[a-c]x", "[a-c]x", true),
            ("[]a]", "[]a]", true),
            (r"[\^\-]", "[-^]", true),
            (r"[\^\-\[\]a]", "[]a[^-]", true),
            ("(a|)b", "(a)?b", true),
            ("é", "é", true),
            ("x.*y", "x.*y", false),
            ("(?i)ab", "[Aa][Bb]", true),
            ("", "", true),
            ("a$", "a$", true),
        ];
        for (pattern, text, exact) in cases {
            let ere = for_lines(&hir(pattern));
            assert_eq!(ere.exact, *exact, "{pattern}");
            if *pattern != "a.c" {
                assert_eq!(String::from_utf8_lossy(&ere.text), *text, "{pattern}");
            }
        }
    }

    #[test]
    fn a_pattern_over_lines_names_a_line_that_must_be_there() {
        let multi = |pattern: &str| {
            let hir =
                regex_syntax::ParserBuilder::new().utf8(false).multi_line(true).dot_matches_new_line(true).build().parse(pattern).unwrap();
            String::from_utf8(for_some_line(&hir)).unwrap()
        };
        assert_eq!(multi(r"struct Foo \{.*?field"), "struct Foo [{]");
        assert_eq!(multi(r"a\nlonger"), "longer");
        assert_eq!(multi(r"a\s+longer"), "longer");
        assert_eq!(multi(r"(x|\n)"), "");
        assert!(spans_lines(&hir(r"a\sb")) && !spans_lines(&hir("a.b")));
    }
}
