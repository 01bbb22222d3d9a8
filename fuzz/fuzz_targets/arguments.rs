//! What an agent sends: any JSON is a call or an error that names its parameter, and nothing that ssh gets is more than a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use towline_base::{Code, HostAlias};
use towline_fuzz::Choices;
use towline_mcp::{HostParameter, tools};

/// A value that fits a schema, from what the bytes choose: by guessing words no fuzzer comes far into a tool.
fn value(schema: &Value, choices: &mut Choices<'_>, depth: u8) -> Value {
    let odd = choices.byte();
    let text = String::from_utf8_lossy(choices.part()).into_owned();
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("string");
    match kind {
        _ if odd > 250 => Value::Null,
        _ if odd > 245 => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        "integer" => Value::from(text.parse::<u64>().unwrap_or_else(|_| u64::from(odd))),
        "boolean" => Value::Bool(odd % 2 == 1),
        "array" if depth < 3 => {
            let items = schema.get("items").cloned().unwrap_or_default();
            (0..odd % 4).map(|_| value(&items, choices, depth + 1)).collect()
        }
        "object" if depth < 3 => Value::Object(object(schema, choices, depth + 1)),
        _ => match schema.get("enum").and_then(Value::as_array) {
            Some(words) if odd < 200 => words[usize::from(odd) % words.len()].clone(),
            _ => Value::String(text),
        },
    }
}

fn object(schema: &Value, choices: &mut Choices<'_>, depth: u8) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = |name: &str| schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name));
    let mut map = Map::new();
    for (name, schema) in &properties {
        if required(name) || choices.byte() % 2 == 1 {
            map.insert(name.clone(), value(schema, choices, depth));
        }
    }
    map
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let tool = tools::ALL[choices.below(tools::ALL.len())];
    let default = HostAlias::parse("dev").expect("a name");
    let given = if choices.byte() % 8 == 0 {
        let Ok(Value::Object(given)) = serde_json::from_slice(choices.0) else { return };
        given
    } else {
        object(&Value::Object(tool.schema(HostParameter::Optional)), &mut choices, 0)
    };
    match tool.call(given, None, Some(&default)) {
        Ok(call) => {
            let host = call.host.map(|host| host.as_str().to_owned()).unwrap_or_default();
            assert!(!host.starts_with('-') && !host.contains(|c: char| c.is_control() || c.is_whitespace() || "%;$`'\"\\".contains(c)));
            let session = call.session.map(|session| session.as_str().to_owned()).unwrap_or_default();
            assert!(!session.starts_with(['-', '.']) && !session.contains(|c: char| c.is_control() || c == '/'));
        }
        Err(failure) => {
            assert!(!failure.text.is_empty() && matches!(failure.code, Code::BadInput | Code::BadHost | Code::Forbidden), "{failure:?}");
        }
    }
});
