//! One event, as it stands in the stream: a flat record, so that a line needs no other to be read.

use serde::{Deserialize, Serialize};
use towline_base::clock;

/// Version of the record's meaning; a reader shows what it knows of a newer one.
pub const SCHEMA: u32 = 1;

/// What an event tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call begins.
    Begin,
    /// Output of its command, as it comes.
    Output,
    /// What its change did to a file.
    Diff,
    /// It ends.
    End,
    /// A command that its call had left behind has ended.
    Ended,
    /// The link to a host changed.
    Link,
    /// Events were left out, since they came faster than they could be written.
    Gap,
    /// A word of a newer towline.
    #[default]
    #[serde(other)]
    Other,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// See [`SCHEMA`].
    pub v: u32,
    /// What it tells.
    pub kind: Kind,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The towline process.
    pub pid: u32,
    /// The host; empty for what needs none.
    pub host: String,
    /// The call's number in that process; 0 for what belongs to no call.
    #[serde(skip_serializing_if = "zero")]
    pub call: u64,
    /// The session.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The name for people that Connect gave the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Name and version of the client.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The id of the command's execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the command is for, in the agent's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The text that belongs to the kind.
    pub text: String,
    /// `stderr` where that was kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// How much was left out before the text.
    #[serde(skip_serializing_if = "zero")]
    pub skipped: u64,
    /// Milliseconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// Whether the tool failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
    /// The code of its error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The command's exit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

/// The fields with their meaning, for the reference.
pub const FIELDS: &[(&str, &str)] = &[
    ("v", "the schema's version, 1; a change that a reader must know of raises it, a new field or kind does not"),
    (
        "kind",
        "`begin`, `output`, `diff`, `end`: of a call; `ended`: a command that its call had left behind; `link`: the link to a host; `gap`: events were left out",
    ),
    ("at", "milliseconds since 1970"),
    ("pid", "the towline process that made the call"),
    ("host", "the host, as the call named it; empty for a call that needs none"),
    ("call", "the call's number in that process; all events of a call have the same `pid` and `call`"),
    ("session", "the session"),
    ("label", "the name that Connect gave the session for people"),
    ("client", "name and version of the client"),
    ("tool", "the tool"),
    ("id", "the id of the command's execution, once there is one"),
    ("description", "what the command is for, in the agent's words; with `begin`"),
    (
        "text",
        "`begin`: the command, file or pattern; `output`: output, not always cut at line ends; `diff`: a unified diff; `end`, `ended`: what came of it, in one line; `link`: `opened`, `back` or `lost`, then more words",
    ),
    ("stream", "`stderr` where that is kept apart from stdout; with `output`"),
    ("skipped", "what is left out before `text`: bytes of an `output`; lines at the end of a `diff`; events of a `gap`"),
    ("took", "milliseconds from the call's beginning to its end; with `end`"),
    ("failed", "whether the tool could not do its work; with `end`"),
    ("code", "the code of that failure"),
    ("exit", "the command's exit status, if it ended by itself; with `end`, `ended`"),
];

impl Event {
    /// An event of this moment.
    pub(crate) fn new(kind: Kind, host: &str) -> Self {
        let at = u64::try_from(clock::unix().as_millis()).unwrap_or(u64::MAX);
        Self { v: SCHEMA, kind, at, pid: std::process::id(), host: host.to_owned(), ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_table() {
        let word = || Some("x".to_owned());
        let full = Event {
            call: 1,
            session: "s".into(),
            label: word(),
            client: "c".into(),
            tool: "t".into(),
            id: word(),
            description: word(),
            stream: word(),
            skipped: 1,
            took: Some(1),
            failed: Some(false),
            code: word(),
            exit: Some(0),
            ..Event::new(Kind::End, "h")
        };
        let value = serde_json::to_value(&full).expect("JSON");
        let names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        assert_eq!(names, FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(serde_json::from_value::<Event>(value).expect("an event"), full);
    }

    #[test]
    fn a_newer_event_is_read_as_far_as_it_is_known() {
        let event: Event = serde_json::from_str(r#"{"v":2,"kind":"comet","at":5,"host":"h","tail":[1]}"#).expect("an event");
        assert_eq!((event.kind, event.at, event.host.as_str()), (Kind::Other, 5, "h"));
    }
}
