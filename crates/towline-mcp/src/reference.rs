//! The reference page of the tools, made from the table.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::tools::{self, Family, Hints};

/// The version that the server tells.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The page, as Markdown.
#[must_use]
pub fn tools() -> String {
    let mut page = String::from(HEAD);
    for tool in tools::ALL {
        let sets = if tool.coding { "all, coding" } else { "all" };
        let _ = write!(page, "\n## {}\n\n{}\n\n", tool.name, tool.description);
        let _ = writeln!(page, "Sets: {sets}, {}. {}.\n", tool.family.name(), hints(tool.hints));
        parameters(&mut page, &tool.schema(crate::HostParameter::Required), "");
    }
    page
}

fn hints(hints: Hints) -> String {
    let mut words = vec![if hints.read_only { "read-only" } else { "changes things" }];
    words.extend(hints.destructive.then_some("may destroy"));
    words.extend(hints.idempotent.then_some("idempotent"));
    words.extend(hints.open_world.then_some("open world"));
    let mut text = words.join(", ");
    text[..1].make_ascii_uppercase();
    text
}

fn parameters(page: &mut String, schema: &Map<String, Value>, prefix: &str) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
        page.push_str("No parameters.\n");
        return;
    };
    if prefix.is_empty() {
        page.push_str("| parameter | type | |\n|---|---|---|\n");
    }
    let required = |name: &str| schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|n| n == name));
    for (name, schema) in properties {
        let star = if required(name) { " *" } else { "" };
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(page, "| `{prefix}{name}`{star} | {} | {text} |", kind(schema));
        if let Some(items) = schema.get("items").and_then(Value::as_object).filter(|items| items.contains_key("properties")) {
            parameters(page, items, &format!("{prefix}{name}[]."));
        }
    }
}

fn kind(schema: &Value) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return choices.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let word = schema.get("type").and_then(Value::as_str).unwrap_or("any");
    match schema.get("items").and_then(|items| items.get("type")).and_then(Value::as_str) {
        Some(item) => format!("{word} of {item}s"),
        None => word.to_owned(),
    }
}

/// The names of the families, for the command line's help.
#[must_use]
pub fn families() -> String {
    Family::ALL.iter().map(|family| family.name()).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Tools

What an agent sees. A star marks a required parameter. With `towline mcp --host NAME` there is no `host` parameter.

## Arguments

An unknown, missing or wrong parameter is refused with an error that names it, and nothing is started. The right thing in
the wrong dress is taken: `\"5\"` and `5.0` for an integer, `\"true\"` for a flag, the JSON text of a list or an object for
it, and `null` for an optional parameter that is left out.

## Answers

Answers are plain text (and images). The last line of a `Bash` or `JobOutput` answer is its status line,
`[exit 3 · 1.24 s · /srv/app · id k3f9xx]`; in the place of `exit 3` stands `killed TERM`, `running`, `queued`,
`lost: why` or `unknown: why`. Before it come notes, each a line `[note] …`. With `stderr: \"separate\"` a line `[stderr]`
parts standard output from standard error. Output that is longer than the budget is cut in the middle, where a line
`[omitted N of M bytes here: JobOutput id=… offset=… limit=… shows them]` stands.

A line of output that begins like one of these (`[exit `, `[killed `, `[running`, `[queued`, `[lost`, `[unknown`, `[note]`,
`[stderr]`, `[omitted `, `[terminal `, after any number of backslashes) is shown with one more backslash before it.

Text is valid UTF-8. Control characters (but newline and tab), characters that turn the direction of writing, and bytes
that are not UTF-8 are written `\\xHH`, and a note says how many. `towline run` gives output byte for byte.

A command's non-zero exit is not a tool error. A tool error (`isError`) is a text with a code in brackets and, where one
is known, a hint; the texts of the native tools stand alone, word for word.
";
