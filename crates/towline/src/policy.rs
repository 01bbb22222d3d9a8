//! `towline policy explain`: what the rules say of a call, without making it.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use towline_base::{Code, Failure, visible};
use towline_engine::policy::Verdict;
use towline_mcp::{Selection, Tool};

use crate::cli::{Common, FOUND_WRONG};
use crate::printer::Printer;
use crate::setup;

/// `towline policy explain HOST TOOL …`.
pub(crate) fn explain(common: &Common, host: &str, tool: &str, arguments: &[String]) -> Result<u8, Failure> {
    let host = setup::host(host)?;
    let selection = Selection::all();
    let tool = selection.find(tool)?;
    let given = parameters(tool, arguments)?;
    let call = tool.call(given, Some(&host), None)?;
    let found = setup::engine(common, None)?.explain(&call);
    let mut text = String::new();
    let word = match found.verdict {
        Verdict::Permit if found.open.is_empty() => "permitted",
        Verdict::Permit => "permitted, if it leads where the text says",
        Verdict::Ask => "permitted after a person has confirmed it",
        Verdict::Refuse => "refused",
    };
    let _ = writeln!(text, "{} on {host}: {word}", tool.name);
    match found.decisive() {
        Some(decisive) => drop(writeln!(text, "decided by: {} ({})", decisive.why, decisive.from)),
        None => text.push_str("decided by: no rule speaks of it\n"),
    }
    for finding in &found.findings {
        let _ = writeln!(text, "  {:<6}  {} ({})", finding.verdict.word(), finding.why, finding.from);
    }
    if !found.open.is_empty() {
        let _ = writeln!(text, "before it is done, the host is asked where these lead: {}", found.open.join(", "));
    }
    let (text, _) = visible::to_text(text.as_bytes());
    Printer::prose(&text).map(|_| if found.verdict == Verdict::Refuse { FOUND_WRONG } else { 0 })
}

/// A tool's parameters from words; texts that it needs and nobody gave are empty.
fn parameters(tool: &Tool, words: &[String]) -> Result<Map<String, Value>, Failure> {
    let schema = tool.schema(towline_mcp::HostParameter::Absent);
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required: Vec<String> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let kind =
        |name: &str| properties.get(name).and_then(|schema| schema.get("type")).and_then(Value::as_str).unwrap_or("string").to_owned();
    let mut given = Map::new();
    for word in words {
        let named = word.split_once('=').filter(|(name, _)| properties.contains_key(*name));
        let (name, value) = if let Some((name, value)) = named {
            (name.to_owned(), value)
        } else {
            let first = required.iter().chain(properties.keys()).find(|name| !given.contains_key(*name));
            let first = first.ok_or_else(|| Failure::new(Code::BadInput, format!("{}: {word:?} is too much", tool.name)))?;
            (first.clone(), word.as_str())
        };
        let value = match (kind(&name).as_str(), value) {
            ("array", value) if !value.trim_start().starts_with('[') => Value::Array(vec![Value::from(value)]),
            (_, value) => Value::from(value),
        };
        given.insert(name, value);
    }
    for name in required {
        let empty = if kind(&name) == "array" { Value::Array(Vec::new()) } else { Value::from("") };
        given.entry(name).or_insert(empty);
    }
    Ok(given)
}
