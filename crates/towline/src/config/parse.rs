//! From a settings file's text to what it says, with errors that name file, line, key and the key that was probably meant.

use serde::de::DeserializeOwned;
use towline_base::{Code, Failure};

use super::place;

/// A text and the name under which it is spoken of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// `FILE:LINE` of a place in the text.
    pub(crate) fn at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or_default();
        format!("{}:{}", self.name, 1 + before.matches('\n').count())
    }

    /// What is wrong at a place, and with which key, unless it is told already.
    pub(crate) fn wrong(&self, offset: usize, what: &str) -> Failure {
        let names = |key: &str| what.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).any(|word| word == key);
        let told = |key: &String| what.contains(key) || names(key.rsplit('.').next().unwrap_or_default());
        let key = place::key_at(self.text, offset).filter(|key| !told(key));
        let key = key.map_or_else(String::new, |key| format!("{key}: "));
        Failure::new(Code::Settings, format!("{}: {key}{what}", self.at(offset)))
    }

    /// What is wrong with the key of that path.
    pub(crate) fn wrong_key(&self, path: &[&str], what: &str) -> Failure {
        self.wrong(place::place_of(self.text, path).unwrap_or_default(), what)
    }
}

/// Reads a file's text.
pub(crate) fn parse<T: DeserializeOwned>(source: Source<'_>) -> Result<T, Failure> {
    toml::from_str(source.text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let offset = span.start;
        let (mut what, hint) = said(error.message());
        if what == "duplicate key" {
            what = format!("duplicate key {:?}", source.text.get(span).unwrap_or_default());
        }
        let failure = source.wrong(offset, &what);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// The parser's message in our words: an unknown key names the near one.
fn said(message: &str) -> (String, Option<String>) {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (message.strip_prefix("unknown field `"), words.split_first()) {
        (Some(_), Some((unknown, known))) => {
            let near = nearest(unknown, known);
            let meant = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            (format!("there is no key {unknown:?} here{meant}"), Some(format!("The keys are: {}.", known.join(", "))))
        }
        (None | Some(_), _) => (message.trim().replace('\n', ", "), None),
    }
}

/// The known word that is nearest, if one is near.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (strsim::damerau_levenshtein(unknown, word), *word)).min()?;
    (near.0 <= 2.max(unknown.chars().count() / 3)).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::super::said::{File, Project};
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        match parse::<File>(Source { name: "config.toml", text }) {
            Ok(_) => "read".to_owned(),
            Err(failure) => failure.text,
        }
    }

    #[test]
    fn an_error_names_file_line_key_and_the_near_key() {
        for (text, said) in [
            ("", "read"),
            ("[hosts.a]\nuser = \"x\"\n[groups.b]\nhosts = [\"a\"]", "read"),
            ("[hosts.a]\nusr = \"x\"", "config.toml:2: there is no key \"usr\" here; did you mean \"user\"?"),
            ("defualt_host = \"x\"", "config.toml:1: there is no key \"defualt_host\" here; did you mean \"default_host\"?"),
            ("\n\n[policy]\nmoode = \"all\"", "config.toml:4: there is no key \"moode\" here; did you mean \"mode\"?"),
            ("[hosts.a.policy]\nzzzzzzzz = 1", "config.toml:2: there is no key \"zzzzzzzz\" here"),
            ("[hosts.a]\nport = 70000", "config.toml:2: hosts.a.port: invalid value: integer `70000`, expected u16"),
            ("[hosts.a]\nport = \"22\"", "config.toml:2: hosts.a.port: invalid type: string \"22\", expected u16"),
            ("[policy]\nmode = \"readonly\"", "config.toml:2: policy.mode: unknown variant `readonly`, expected `all` or `read-only`"),
            (
                "[[policy.guards]]\npattern = 'x'\nthen = \"allow\"",
                "config.toml:3: policy.guards.then: unknown variant `allow`, expected `ask` or `refuse`",
            ),
            ("[policy]\nguards = [{ then = \"ask\" }]", "config.toml:2: policy.guards: missing field `pattern`"),
            ("[hosts.a]\nuser = \"x\"\nuser = \"y\"", "config.toml:3: duplicate key \"user\""),
        ] {
            assert_eq!(error(text), said, "{text}");
        }
    }

    #[test]
    fn a_project_may_say_rules_and_nothing_else() {
        let read = |text| parse::<Project>(Source { name: ".towline.toml", text }).map(|_| ()).map_err(|failure| failure.text);
        assert_eq!(read("[policy]\nmode = \"read-only\"\n[hosts.prod.policy]\nwithout = [\"Bash\"]"), Ok(()));
        for text in [
            "[hosts.prod]\nuser = \"root\"",
            "[programs]\nssh = \"./evil\"",
            "state_dir = \"x\"",
            "[defaults]\ncwd = \"/\"",
            "[audit]\nsync = true",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_its_place(text in ".{0,200}") {
            if let Err(failure) = parse::<File>(Source { name: "f", text: &text }) {
                prop_assert!(failure.text.starts_with("f:"), "{}", failure.text);
            }
        }
    }

    /// A loop over changed files, with a seed, so that it runs on every toolchain: no panic, and a place in every error.
    #[test]
    fn changed_files_are_read_or_refused() {
        let seed = include_str!("example.toml");
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below.max(1) as u64).unwrap_or_default()
        };
        let pieces = ["[", "]", "\"", "=", "\n", "policy", "hosts.", "{", "}", "'", "\\", "\u{0}", "ü", "#", "1e999", "read-only", ","];
        let mut refused = 0;
        for _ in 0..3_000 {
            let mut text: Vec<char> = seed.chars().collect();
            for _ in 0..=random(4) {
                let at = random(text.len());
                match random(3) {
                    0 => drop(text.splice(at..(at + random(20)).min(text.len()), [])),
                    1 => drop(text.splice(at..at, pieces[random(pieces.len())].chars())),
                    _ => text[at] = char::from(u8::try_from(random(128)).unwrap_or(b' ')),
                }
            }
            let text: String = text.into_iter().collect();
            let source = Source { name: "f", text: &text };
            match parse::<File>(source).and_then(|file| super::super::mean::Meaning::of(file, source, "/home/me").map(|_| ())) {
                Ok(()) => {}
                Err(failure) => {
                    refused += 1;
                    assert!(failure.text.starts_with("f:"), "{text}: {}", failure.text);
                }
            }
            if let Err(failure) = parse::<Project>(source).and_then(|project| super::super::rules::of_project(&project, source)) {
                assert!(failure.text.starts_with("f:"), "{text}: {}", failure.text);
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
