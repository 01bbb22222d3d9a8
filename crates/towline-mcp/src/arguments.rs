//! Checks a call's arguments against its tool's schema before they become types, so that each error names its parameter.
//!
//! Holds to: unknown, missing and wrong parameters are errors; where a client sent the right thing in the wrong dress it
//! is taken: `"5"` and `5.0` for an integer, `"true"` for a flag, the JSON text of a list or object for it, `null` for
//! what is optional. Leaves out: everything that a schema does not say.

#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has six kinds of value, and one or two matter at a time")]

use serde_json::{Map, Value};
use towline_base::{Code, Failure};

/// The arguments as the schema wants them.
pub(crate) fn check(tool: &str, schema: &Map<String, Value>, given: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    object(tool, schema, given, "")
}

fn object(tool: &str, schema: &Map<String, Value>, given: Map<String, Value>, path: &str) -> Result<Map<String, Value>, Failure> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required = |name: &str| schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|n| n == name));
    let others = schema.get("additionalProperties").and_then(Value::as_object);
    let mut out = Map::new();
    for (name, value) in given {
        let at = join(path, &name);
        match (properties.get(&name).and_then(Value::as_object), others) {
            (Some(_), _) if value.is_null() && !required(&name) => {}
            (Some(schema), _) | (None, Some(schema)) => drop(out.insert(name, one(tool, schema, value, &at)?)),
            (None, None) => {
                let names: Vec<_> = properties.keys().map(String::as_str).collect();
                let takes = if names.is_empty() { "no parameters".to_owned() } else { names.join(", ") };
                return Err(bad(format!("{tool}: unknown parameter {at:?}"), format!("{tool} takes: {takes}.")));
            }
        }
    }
    for (name, schema) in properties {
        if required(name) && !out.contains_key(name) {
            let kind = describe(schema);
            return Err(bad(format!("{tool}: missing parameter {:?} ({kind})", join(path, name)), String::new()));
        }
    }
    Ok(out)
}

fn one(tool: &str, schema: &Map<String, Value>, value: Value, path: &str) -> Result<Value, Failure> {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("string");
    let wrong = |value: &Value| {
        let text = format!("{tool}: parameter {path:?} must be {}, not {}", describe(&Value::Object(schema.clone())), given(value));
        Err(bad(text, String::new()))
    };
    match kind {
        "integer" => match integer(&value) {
            Some(number) => Ok(Value::from(number)),
            None => wrong(&value),
        },
        "boolean" => match &value {
            Value::Bool(_) => Ok(value),
            Value::String(word) if word == "true" || word == "false" => Ok(Value::Bool(word == "true")),
            _ => wrong(&value),
        },
        "array" => match unpacked(&value) {
            Value::Array(items) => {
                let item = schema.get("items").and_then(Value::as_object).cloned().unwrap_or_default();
                let checked = items.into_iter().enumerate().map(|(n, value)| one(tool, &item, value, &format!("{path}[{n}]")));
                checked.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            _ => wrong(&value),
        },
        "object" => match unpacked(&value) {
            Value::Object(map) => object(tool, schema, map, path).map(Value::Object),
            _ => wrong(&value),
        },
        _ => match (&value, schema.get("enum").and_then(Value::as_array)) {
            (Value::String(_), None) => Ok(value),
            (Value::String(_), Some(choices)) if choices.contains(&value) => Ok(value),
            _ => wrong(&value),
        },
    }
}

/// A whole number that is not negative, also as decimal text or with an empty fraction.
fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number below 2^53")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

/// A list or object that was sent as its own JSON text.
fn unpacked(value: &Value) -> Value {
    let packed = value.as_str().filter(|text| text.trim_start().starts_with(['[', '{']));
    packed.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}

fn describe(schema: &Value) -> String {
    let choices = schema.get("enum").and_then(Value::as_array);
    if let Some(choices) = choices {
        let words: Vec<_> = choices.iter().filter_map(Value::as_str).map(|word| format!("\"{word}\"")).collect();
        return format!("one of {}", words.join(", "));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => "an integer from 0",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "an object",
        _ => "a string",
    }
    .to_owned()
}

fn given(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn bad(text: String, hint: String) -> Failure {
    let failure = Failure::new(Code::BadInput, text);
    if hint.is_empty() { failure } else { failure.hint(hint) }
}
