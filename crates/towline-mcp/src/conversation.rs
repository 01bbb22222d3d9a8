//! Whose conversation a call belongs to, and the name of the session that is its own.
//!
//! Holds to: pure; what the environment and the system say comes in as values. Leaves out: sessions that a call names
//! itself.

#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has six kinds of value, and one or two matter at a time")]

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use towline_base::SessionName;

/// The field of a call's `_meta` in which Codex tells its thread.
const CODEX_META: &str = "x-codex-turn-metadata";

/// Where a server was started: what is left to tell conversations apart by when nobody named one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The directory it was started in.
    pub cwd: String,
    /// The process that started it.
    pub parent: u32,
    /// When that process began, as the system tells it; empty where it does not.
    pub parent_start: String,
}

/// What names a conversation, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A person gave it.
    Given,
    /// Claude Code's session id.
    Claude,
    /// Codex's thread id.
    Codex,
    /// Client, directory and parent process: gone when the client is started again.
    Process,
}

/// What is known of the conversation when the server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The key that a person gave.
    pub given: Option<String>,
    /// Claude Code's session id, from the environment.
    pub claude: Option<String>,
    /// Where the server was started.
    pub origin: Origin,
}

impl Conversation {
    /// The session of the call with this `_meta` from this client.
    #[must_use]
    pub fn session(&self, meta: &Map<String, Value>, client: &str) -> (SessionName, Key) {
        if let Some(key) = &self.given {
            return (name("given", &[key]), Key::Given);
        }
        if let Some(key) = &self.claude {
            return (name("claude", &[key]), Key::Claude);
        }
        if let Some(key) = codex_thread(meta) {
            return (name("codex", &[&key]), Key::Codex);
        }
        let Origin { cwd, parent, parent_start } = &self.origin;
        (name("process", &[client, cwd, &parent.to_string(), parent_start]), Key::Process)
    }
}

/// The thread id of Codex's turn metadata, which is an object or its JSON text.
fn codex_thread(meta: &Map<String, Value>) -> Option<String> {
    let unpacked = match meta.get(CODEX_META)? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    let id = ["threadId", "thread_id"].iter().find_map(|field| unpacked.get(field).and_then(Value::as_str));
    id.filter(|id| !id.is_empty()).map(str::to_owned)
}

/// `c-` and 32 bits of a digest: short in every answer, and no two conversations of one person meet by accident.
fn name(kind: &str, parts: &[&str]) -> SessionName {
    let mut hash = Sha256::new();
    for part in std::iter::once(&kind).chain(parts) {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let text = format!("c-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
    SessionName::parse(&text).expect("a letter, a dash and eight hex digits are a session's name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meta(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn conversation(given: Option<&str>, claude: Option<&str>) -> Conversation {
        let origin = Origin { cwd: "/w".into(), parent: 7, parent_start: "99".into() };
        Conversation { given: given.map(str::to_owned), claude: claude.map(str::to_owned), origin }
    }

    #[test]
    fn the_strongest_key_wins() {
        let codex = meta(&json!({CODEX_META: {"threadId": "t1"}}));
        let none = Map::new();
        for (conversation, meta, key) in [
            (conversation(Some("a"), Some("b")), &codex, Key::Given),
            (conversation(None, Some("b")), &codex, Key::Claude),
            (conversation(None, None), &codex, Key::Codex),
            (conversation(None, None), &none, Key::Process),
        ] {
            assert_eq!(conversation.session(meta, "client").1, key);
        }
    }

    #[test]
    fn the_same_key_is_the_same_session_and_another_is_another() {
        let one = conversation(None, None).session(&meta(&json!({CODEX_META: {"threadId": "t1"}})), "x").0;
        let packed = conversation(None, None).session(&meta(&json!({CODEX_META: "{\"threadId\":\"t1\"}"})), "y").0;
        let other = conversation(None, None).session(&meta(&json!({CODEX_META: {"threadId": "t2"}})), "x").0;
        assert_eq!(one, packed);
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 10);
        assert_ne!(conversation(Some("k"), None).session(&Map::new(), "").0, conversation(None, Some("k")).session(&Map::new(), "").0);
        let clients = |client| conversation(None, None).session(&Map::new(), client).0;
        assert_ne!(clients("a"), clients("b"));
    }

    #[test]
    fn strange_metadata_is_no_key() {
        for strange in [json!(5), json!("not json"), json!({}), json!({"threadId": ""}), json!({"threadId": 5}), json!([])] {
            let found = conversation(None, None).session(&meta(&json!({CODEX_META: strange})), "x");
            assert_eq!(found.1, Key::Process);
        }
    }
}
