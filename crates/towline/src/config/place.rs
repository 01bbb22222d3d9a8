//! Where a key stands in a settings file, and which key stands at a place: so that an error names both.
//!
//! Holds to: a text that is no TOML has places too, as far as it is read. Leaves out: what keys mean.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key that stands at a place, or whose value does, with those that it lies in: `hosts.dev.port`.
pub(crate) fn key_at(text: &str, offset: usize) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut path = Vec::new();
    within(table.get_ref(), offset, &mut path).then(|| path.join("."))
}

/// Where the key with that path stands.
pub(crate) fn place_of(text: &str, path: &[&str]) -> Option<usize> {
    let (table, _) = DeTable::parse_recoverable(text);
    let (last, parents) = path.split_last()?;
    let mut table = table.get_ref();
    for parent in parents {
        table = table.iter().find(|(key, _)| key.get_ref() == parent)?.1.get_ref().as_table()?;
    }
    table.keys().find(|key| key.get_ref() == last).map(|key| key.span().start)
}

/// Whether the place is in the table; if so, the path leads there.
fn within(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) -> bool {
    for (key, value) in table {
        path.push(written(key.get_ref()));
        if in_value(value, offset, path) || key.span().contains(&offset) || value.span().contains(&offset) {
            return true;
        }
        path.pop();
    }
    false
}

/// A key as a file has it: in quotes if it could not stand without.
fn written(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { key.to_owned() } else { format!("{key:?}") }
}

fn in_value(value: &Spanned<DeValue<'_>>, offset: usize, path: &mut Vec<String>) -> bool {
    match value.get_ref() {
        DeValue::Table(table) => within(table, offset, path),
        DeValue::Array(items) => items.iter().any(|item| in_value(item, offset, path)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
tools = 'all'
[hosts.dev]
port = 1
keep = { idle_days = 2, outcomes = 3 }
env.A = 'x'
[[policy.guards]]
pattern = 'a'
[[policy.guards]]
pattern = 'b'
then = 'ask'
";

    #[test]
    fn a_place_has_its_key() {
        for (mark, key) in [
            ("tools", "tools"),
            ("'all'", "tools"),
            ("1\n", "hosts.dev.port"),
            ("2, ", "hosts.dev.keep.idle_days"),
            ("outcomes", "hosts.dev.keep.outcomes"),
            ("{ idle", "hosts.dev.keep"),
            ("'x'", "hosts.dev.env.A"),
            ("'b'", "policy.guards.pattern"),
            ("'ask'", "policy.guards.then"),
        ] {
            assert_eq!(key_at(TEXT, TEXT.find(mark).expect("a mark")).as_deref(), Some(key), "{mark}");
        }
        assert_eq!(key_at("['a b']\n'c.d' = 1", 8).as_deref(), Some("\"a b\".\"c.d\""));
        assert_eq!(key_at("a = 1\nb = = 2\n", 4).as_deref(), Some("a"));
        assert_eq!(key_at("", 0), None);
    }

    #[test]
    fn a_key_has_its_place() {
        for (path, mark) in [(&["hosts", "dev"][..], "dev]"), (&["hosts", "dev", "keep"], "keep"), (&["tools"], "tools")] {
            assert_eq!(place_of(TEXT, path), TEXT.find(mark), "{path:?}");
        }
        assert_eq!(place_of(TEXT, &["hosts", "none"]), None);
        assert_eq!(place_of(TEXT, &["tools", "x"]), None);
    }
}
