//! Asking the person, in both eras of the protocol, and every way in which it does not become a yes.

use serde_json::{Value, json};

use crate::stand_in::{Client, Scripted};

#[tokio::test]
async fn with_a_default_host_no_call_needs_to_name_one() {
    let work = Scripted::default();
    let settings = crate::stand_in::settings("coding", None);
    let default_host = towline_base::HostAlias::parse("dev").ok();
    let mut client = Client::start(work.clone(), towline_mcp::Settings { default_host, ..settings });
    client.initialize("2025-11-25").await;
    let list = client.request(json!({"id": 2, "method": "tools/list"})).await;
    let schema = &list["result"]["tools"][0]["inputSchema"];
    assert_eq!((schema["required"].clone(), schema["properties"]["host"]["type"].clone()), (json!(["command"]), json!("string")));
    for (arguments, host) in [(json!({"command": "hi"}), "dev"), (json!({"command": "hi", "host": "other"}), "other")] {
        client.call(3, "Bash", arguments).await;
        let seen = work.seen.lock().unwrap().last().map(|seen| seen.0.host.as_ref().unwrap().to_string());
        assert_eq!(seen.as_deref(), Some(host));
    }
    client.call(4, "Hosts", json!({})).await;
    assert_eq!(work.seen.lock().unwrap().last().unwrap().0.host, None);
}

/// The question that comes while a call is in work, answered with this result.
async fn answered(client: &mut Client, result: Value) -> (Value, String) {
    client.bash(7, "ask").await;
    let question = loop {
        let message = client.next().await;
        if message["method"] == "elicitation/create" {
            break message;
        }
    };
    client.send(json!({"id": question["id"], "result": result})).await;
    let answer = client.answer(&json!(7)).await;
    (question["params"].clone(), answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned())
}

async fn older(capabilities: Value) -> Client {
    let mut client = Client::plain(&Scripted::default());
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "raw", "version": "1"}});
    client.request(json!({"id": 1, "method": "initialize", "params": params})).await;
    client.send(json!({"method": "notifications/initialized"})).await;
    client
}

#[tokio::test]
async fn only_a_form_that_was_accepted_with_its_field_set_is_a_yes() {
    for (result, reply) in [
        (json!({"action": "accept", "content": {"confirm": true}}), "Yes"),
        (json!({"action": "accept", "content": {"confirm": false}}), "No"),
        (json!({"action": "accept", "content": {"confirm": "true"}}), "No"),
        (json!({"action": "accept", "content": {}}), "No"),
        (json!({"action": "accept"}), "No"),
        (json!({"action": "decline"}), "No"),
        (json!({"action": "decline", "content": {"confirm": true}}), "No"),
        (json!({"action": "cancel"}), "Nobody(\"the question was put away\")"),
    ] {
        let mut client = older(json!({"elicitation": {}})).await;
        let (question, text) = answered(&mut client, result.clone()).await;
        assert!(text.starts_with(reply), "{result}: {text}");
        let message = question["message"].as_str().unwrap();
        assert_eq!(message, "towline: Bash on h has to be confirmed (a rule).\n\nrm \\x1b[2J x");
        assert_eq!(question["requestedSchema"]["required"], json!(["confirm"]));
        assert_eq!(question["requestedSchema"]["properties"]["confirm"]["type"], "boolean");
        assert!(!question.to_string().contains("password"));
    }
}

#[tokio::test]
async fn a_client_that_cannot_ask_is_not_asked() {
    for capabilities in [json!({}), json!({"elicitation": {"url": {}}})] {
        let mut client = older(capabilities).await;
        let (error, text) = client.call(7, "Bash", json!({"host": "h", "command": "ask"})).await;
        assert!(!error && text.starts_with("nobody can be asked"), "{text}");
        assert!(client.aside.is_empty(), "{:?}", client.aside);
    }
    let mut client = older(json!({"elicitation": {"form": {}}})).await;
    let (_, text) = answered(&mut client, json!({"action": "accept", "content": {"confirm": true}})).await;
    assert!(text.starts_with("Yes"), "{text}");
}

/// A call of the newer era.
async fn newer(client: &mut Client, id: u32, command: &str, more: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    });
    let mut params = json!({"name": "Bash", "arguments": {"host": "h", "command": command}, "_meta": meta});
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    client.request(json!({"id": id, "method": "tools/call", "params": params})).await["result"].clone()
}

#[tokio::test]
async fn in_the_newer_era_the_question_comes_first_and_its_reply_counts_once_for_that_call() {
    let mut client = Client::plain(&Scripted::default());
    let yes = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let first = newer(&mut client, 1, "ask", json!({})).await;
    assert_eq!(first["resultType"], "input_required", "{first}");
    assert_eq!(first["inputRequests"]["confirm"]["method"], "elicitation/create");
    let state = first["requestState"].clone();
    // Another call under that state is asked about for itself, and the state is used up.
    let other = newer(&mut client, 2, "ask again", json!({"requestState": state, "inputResponses": yes})).await;
    assert_eq!(other["resultType"], "input_required", "{other}");
    let late = newer(&mut client, 3, "ask", json!({"requestState": state, "inputResponses": yes})).await;
    assert_eq!(late["resultType"], "input_required", "{late}");
    let state = late["requestState"].clone();
    let done = newer(&mut client, 4, "ask", json!({"requestState": state, "inputResponses": yes})).await;
    assert!(done["content"][0]["text"].as_str().unwrap().starts_with("Yes"), "{done}");
    let again = newer(&mut client, 5, "ask", json!({"requestState": state, "inputResponses": yes})).await;
    assert_eq!(again["resultType"], "input_required", "{again}");
    // A reply without a question that was asked is none.
    let unasked = newer(&mut client, 6, "ask", json!({"inputResponses": yes})).await;
    assert_eq!(unasked["resultType"], "input_required", "{unasked}");
    let no = json!({"confirm": {"action": "decline"}});
    let declined = newer(&mut client, 7, "ask", json!({"requestState": unasked["requestState"], "inputResponses": no})).await;
    assert!(declined["content"][0]["text"].as_str().unwrap().starts_with("No"), "{declined}");
}
