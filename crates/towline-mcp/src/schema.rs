//! Schemas from the wire types, with everything taken out that a client does not need: each byte is read by a model.

#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has six kinds of value, and one or two matter at a time")]

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of a wire type: `type`, `properties`, `required`, `additionalProperties`, descriptions, enums.
pub(crate) fn of<T: JsonSchema>() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match trim(schema.to_value(), Level::Schema) {
        Value::Object(mut map) => {
            map.remove("description");
            map.entry("properties").or_insert_with(|| Value::Object(Map::new()));
            map
        }
        other => Map::from_iter([("type".to_owned(), other)]),
    }
}

/// Whether a map is a schema, or names of properties with their schemas.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Schema,
    Names,
}

const NOISE: &[&str] = &["$schema", "title", "format", "minimum", "maximum", "default"];

/// Takes out the noise; an optional value's schema becomes that of the value.
fn trim(value: Value, level: Level) -> Value {
    let Value::Object(map) = value else { return value };
    if level == Level::Names {
        return map.into_iter().map(|(name, schema)| (name, trim(schema, Level::Schema))).collect();
    }
    let mut out = Map::new();
    for (key, value) in map {
        match key.as_str() {
            key if NOISE.contains(&key) => {}
            "anyOf" => out.extend(present(value)),
            "properties" => drop(out.insert(key, trim(value, Level::Names))),
            "items" => drop(out.insert(key, nested(value))),
            "additionalProperties" => drop(out.insert(key, trim(value, Level::Schema))),
            "type" => drop(out.insert(key, single(value))),
            _ => drop(out.insert(key, value)),
        }
    }
    ordered(out)
}

/// Puts `type` first and `description` after it, as a person would write it.
fn ordered(mut map: Map<String, Value>) -> Value {
    let mut out = Map::new();
    for key in ["type", "description"] {
        if let Some(value) = map.shift_remove(key) {
            out.insert(key.to_owned(), value);
        }
    }
    out.extend(map);
    Value::Object(out)
}

/// The schema of an array's items, without a type's own description.
fn nested(value: Value) -> Value {
    trim(value, Level::Schema)
}

/// `["string", "null"]` is `"string"`: what is optional is not in `required`.
fn single(value: Value) -> Value {
    match value {
        Value::Array(types) => types.into_iter().find(|t| t != "null").unwrap_or(Value::Null),
        other => other,
    }
}

/// The alternative that is not null.
fn present(value: Value) -> Map<String, Value> {
    let Value::Array(alternatives) = value else { return Map::new() };
    let found = alternatives.into_iter().find(|a| a.get("type") != Some(&Value::from("null")));
    match found.map(|schema| trim(schema, Level::Schema)) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
