//! The names of keys: what an agent writes, and what tmux calls it.
//!
//! Holds to: pure; a closed set, so that no word of an agent is ever guessed to be text or key. Leaves out: pressing them.

use towline_base::{Code, Failure};

/// A key of the closed set, under tmux's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

/// Names that agents know, and tmux's.
const NAMES: &[(&str, &str)] = &[
    ("Enter", "Enter"),
    ("Return", "Enter"),
    ("Tab", "Tab"),
    ("BTab", "BTab"),
    ("Escape", "Escape"),
    ("Esc", "Escape"),
    ("Space", "Space"),
    ("Backspace", "BSpace"),
    ("BSpace", "BSpace"),
    ("Delete", "DC"),
    ("DC", "DC"),
    ("Insert", "IC"),
    ("IC", "IC"),
    ("Up", "Up"),
    ("Down", "Down"),
    ("Left", "Left"),
    ("Right", "Right"),
    ("Home", "Home"),
    ("End", "End"),
    ("PageUp", "PPage"),
    ("PgUp", "PPage"),
    ("PPage", "PPage"),
    ("PageDown", "NPage"),
    ("PgDn", "NPage"),
    ("NPage", "NPage"),
    ("F1", "F1"),
    ("F2", "F2"),
    ("F3", "F3"),
    ("F4", "F4"),
    ("F5", "F5"),
    ("F6", "F6"),
    ("F7", "F7"),
    ("F8", "F8"),
    ("F9", "F9"),
    ("F10", "F10"),
    ("F11", "F11"),
    ("F12", "F12"),
];

impl Key {
    /// The key of that name: a name of the table or a single character, with `C-`, `M-` and `S-` before it where they are held.
    ///
    /// # Errors
    /// If it is none; the hint names the nearest.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (held, name) = parted(text);
        let mut characters = name.chars();
        let single = match (characters.next(), characters.next()) {
            (Some(c), None) => !c.is_control() && (held.is_empty() || c.is_ascii()),
            _ => false,
        };
        let known = if single { Some(name) } else { NAMES.iter().find(|(known, _)| *known == name).map(|(_, tmux)| *tmux) };
        known.map(|name| Self(format!("{held}{name}"))).ok_or_else(|| unknown(text))
    }

    /// What tmux calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it types a character: such keys could spell what may not be typed.
    #[must_use]
    pub fn types(&self) -> bool {
        self.character().is_some()
    }

    /// The character that it types, if it types one.
    #[must_use]
    pub fn character(&self) -> Option<char> {
        let mut characters = self.0.chars();
        match (characters.next(), characters.next()) {
            (Some(one), None) => Some(one),
            (_, _) => (self.0 == "Space").then_some(' '),
        }
    }
}

/// The modifiers of a name and what is left; a lone `C-` or `-` is a character, not a modifier.
fn parted(text: &str) -> (&str, &str) {
    let mut at = 0;
    while text.len() > at + 2 && ["C-", "M-", "S-"].iter().any(|held| text[at..].starts_with(held)) {
        at += 2;
    }
    text.split_at(at)
}

fn unknown(text: &str) -> Failure {
    let shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
    let failure = Failure::new(Code::BadInput, format!("keys: there is no key \"{shown}\"."));
    match nearest(text) {
        Some(near) => failure.hint(format!("Perhaps {near}. Text goes into text, not into keys.")),
        None => failure
            .hint("Keys are Enter, Tab, Escape, Up, PageDown, F5, C-c, M-x and the like, or a single character. Text goes into text."),
    }
}

/// The key that somebody most likely meant: other words and case for a modifier, then the name with the fewest wrong letters.
fn nearest(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words = [
        ("control-", "C-"),
        ("ctrl-", "C-"),
        ("alt-", "M-"),
        ("meta-", "M-"),
        ("shift-", "S-"),
        ("^", "C-"),
        ("c-", "C-"),
        ("m-", "M-"),
        ("s-", "S-"),
    ];
    let mut held = String::new();
    let mut rest = lower.replace('+', "-");
    while let Some((word, short)) = words.iter().find(|(word, _)| rest.len() > word.len() && rest.starts_with(word)) {
        held.push_str(short);
        rest = rest[word.len()..].to_owned();
    }
    if rest.chars().count() == 1 && !held.is_empty() {
        return Some(format!("{held}{rest}"));
    }
    let best = NAMES.iter().map(|(name, _)| (distance(&rest, &name.to_lowercase()), *name)).min_by_key(|(far, _)| *far)?;
    (best.0 <= 2 && best.0 < rest.chars().count()).then(|| format!("{held}{}", best.1))
}

/// How many letters have to be changed, added or left out to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(20).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_name_of_the_table_or_a_character() {
        for (text, tmux) in [
            ("C-c", "C-c"),
            ("Up", "Up"),
            ("M-x", "M-x"),
            ("F5", "F5"),
            ("Enter", "Enter"),
            ("PageDown", "NPage"),
            ("C-M-Left", "C-M-Left"),
            ("S-Tab", "S-Tab"),
            ("q", "q"),
            (";", ";"),
            ("-", "-"),
            ("C-\\", "C-\\"),
            ("é", "é"),
            ("C-Space", "C-Space"),
        ] {
            assert_eq!(Key::parse(text).map(|key| key.0), Ok(tmux.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_the_nearest_is_named() {
        for (text, near) in [
            ("Ctrl-C", Some("Perhaps C-c.")),
            ("ctrl+c", Some("Perhaps C-c.")),
            ("^D", Some("Perhaps C-d.")),
            ("enter", Some("Perhaps Enter.")),
            ("Entre", Some("Perhaps Enter.")),
            ("pagedown", Some("Perhaps PageDown.")),
            ("Alt-x", Some("Perhaps M-x.")),
            ("c-up", Some("Perhaps C-Up.")),
            ("F13", Some("Perhaps F1.")),
            ("ls -l", None),
            ("", None),
            ("\u{1b}", None),
            ("C-", None),
            ("C-é", Some("Perhaps C-é.")),
        ] {
            let failure = Key::parse(text).expect_err(text);
            let hint = failure.hint.unwrap_or_default();
            match near {
                Some(near) => assert!(hint.starts_with(near), "{text}: {hint}"),
                None => assert!(hint.starts_with("Keys are"), "{text}: {hint}"),
            }
        }
    }

    #[test]
    fn keys_that_type_are_told_from_those_that_act() {
        for (text, types) in [("a", true), ("Space", true), ("C-c", false), ("Enter", false), ("Up", false)] {
            assert_eq!(Key::parse(text).map(|key| key.types()), Ok(types), "{text}");
        }
    }
}
