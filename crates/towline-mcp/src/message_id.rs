//! Finds the id of a message that cannot be read as a whole: too long to keep, or no JSON for want of one character.
//!
//! Holds to: the bytes may pass in any pieces; only the member `id` of the outermost object counts, whatever its content holds;
//! bounded memory. Leaves out: whether the message is one.

use rmcp::model::RequestId;
use serde_json::Value;

/// Longest name or value that is kept: an id is short, and what is longer is none.
const KEPT: usize = 256;

/// What passes by, as far as it matters.
#[derive(Debug, Default)]
pub(crate) struct IdFinder {
    depth: usize,
    within: Option<Quoted>,
    /// The last text in the outermost object, with its quotes: a member's name, until a colon follows.
    name: Vec<u8>,
    /// The value that is being collected, once its member's name was `id`.
    value: Option<Vec<u8>>,
    found: Option<RequestId>,
}

/// Within a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoted {
    Plain,
    /// The next character is escaped.
    Escaped,
}

impl IdFinder {
    /// Lets more bytes of the message pass.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.found.is_some() {
                return;
            }
            self.one(*byte);
        }
    }

    /// The id, if one has passed.
    pub(crate) fn found(self) -> Option<RequestId> {
        self.found
    }

    fn one(&mut self, byte: u8) {
        if let Some(quoted) = self.within {
            self.keep(byte);
            self.within = match (quoted, byte) {
                (Quoted::Plain, b'\\') => Some(Quoted::Escaped),
                (Quoted::Plain, b'"') => None,
                (Quoted::Plain | Quoted::Escaped, _) => Some(Quoted::Plain),
            };
            return;
        }
        match byte {
            b'"' => {
                self.within = Some(Quoted::Plain);
                self.name.clear();
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.value = None;
            }
            b'}' | b']' => {
                self.end_value();
                self.depth = self.depth.saturating_sub(1);
            }
            b',' => self.end_value(),
            b':' if self.depth == 1 => self.value = (self.name == b"\"id\"").then(Vec::new),
            _ => {
                if self.value.is_some() {
                    self.keep(byte);
                }
            }
        }
    }

    /// Keeps a byte of the value, or of what may be a name; only in the outermost object.
    fn keep(&mut self, byte: u8) {
        if self.depth != 1 {
            return;
        }
        let place = self.value.as_mut().unwrap_or(&mut self.name);
        if place.len() <= KEPT {
            place.push(byte);
        }
    }

    fn end_value(&mut self) {
        if self.depth != 1 {
            return;
        }
        let value = self.value.take().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        self.found = value.filter(|id| id.is_number() || id.is_string()).and_then(|id| serde_json::from_value(id).ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn id(text: &str) -> Value {
        let mut finder = IdFinder::default();
        for byte in text.as_bytes() {
            finder.pass(&[*byte]);
        }
        finder.found().map_or(Value::Null, |id| serde_json::to_value(id).unwrap())
    }

    #[test]
    fn only_the_messages_own_id_counts() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#, json!(7)),
            (r#"{"params":{"id":1,"x":"\ud800"},"jsonrpc":"2.0","id": "a b" }"#, json!("a b")),
            (r#"{"params":{"id":1},"x":[{"id":2}],"id" : -3}"#, json!(-3)),
            (r#"{"text":"\"id\":9","id":4}"#, json!(4)),
            (r#"{"text":"id","x":5,"id":6,"id":8}"#, json!(6)),
            (r#"{"x":"id:","y":",\"id\":1}","id":"q\"\\u0041"}"#, json!("q\"\\u0041")),
            (r#"{"id":9"#, json!(null)),
            (r#"{"id":null}"#, json!(null)),
            (r#"{"id":[1],"x":{"id":1}}"#, json!(null)),
            (r#"[{"id":1}]"#, json!(null)),
            (r#"}}},,,"id":1{"id":2,"#, json!(2)),
            ("", json!(null)),
        ] {
            assert_eq!(id(text), expected, "{text}");
        }
        assert_eq!(id(&format!(r#"{{"id":"{}"}}"#, "x".repeat(300))), json!(null));
    }

    proptest! {
        #[test]
        fn of_a_message_it_finds_what_json_finds(id_value in any::<u32>(), text in ".{0,40}", before in any::<bool>(), cut in 0_usize..200) {
            let rest = json!({"id": text, "x": [text, {"id": 1}]}).to_string();
            let message = if before {
                format!(r#"{{"id":{id_value},"params":{rest}}}"#)
            } else {
                format!(r#"{{"params":{rest},"id":{id_value}}}"#)
            };
            prop_assert_eq!(id(&message), json!(id_value));
            let bytes = message.as_bytes();
            let mut finder = IdFinder::default();
            let cut = cut.min(bytes.len());
            finder.pass(&bytes[..cut]);
            finder.pass(&bytes[cut..]);
            prop_assert_eq!(finder.found(), Some(RequestId::Number(i64::from(id_value))));
        }

        #[test]
        fn a_strangers_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'), Just(b','), Just(b'\\'), any::<u8>()], 0..200)) {
            let mut finder = IdFinder::default();
            finder.pass(&bytes);
            let _ = finder.found();
        }
    }
}
