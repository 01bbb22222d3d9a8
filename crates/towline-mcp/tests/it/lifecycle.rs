//! Both eras of the protocol by raw lines, and clients that break its rules.

use std::time::Duration;

use serde_json::{Value, json};
use towline_mcp::Ending;

use crate::stand_in::{Client, Scripted};

/// What every request of the newer era carries.
fn meta(more: &Value) -> Value {
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        meta[key] = value.clone();
    }
    meta
}

#[tokio::test]
async fn the_older_era_from_beginning_to_end() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let work = Scripted::default();
        let mut client = Client::plain(&work);
        let answer = client.initialize(version).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "towline");
        assert!(answer["result"]["instructions"].as_str().unwrap().len() < 2_000);
        assert_eq!(answer["result"]["capabilities"], json!({"tools": {}}));
        let list = client.request(json!({"id": "a", "method": "tools/list"})).await;
        assert_eq!(list["result"]["tools"].as_array().unwrap().len(), towline_mcp::tools::ALL.len());
        assert_eq!(client.request(json!({"id": 3, "method": "ping"})).await["result"], json!({}));
        let (error, text) = client.call(4, "Bash", json!({"host": "h", "command": "hi"})).await;
        assert!(!error && text.starts_with("hi\n[exit 0"), "{text}");
        assert_eq!(work.seen.lock().unwrap()[0].2, "raw 1");
        client.close_input().await;
        let (ending, took) = client.end().await;
        assert_eq!(ending, Ending::Closed);
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}

#[tokio::test]
async fn the_newer_era_from_beginning_to_end() {
    let work = Scripted::default();
    let mut client = Client::plain(&work);
    let found = client.request(json!({"id": 1, "method": "server/discover", "params": {"_meta": meta(&json!({}))}})).await;
    assert!(found["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{found}");
    assert!(found["result"]["instructions"].is_string(), "{found}");
    let list = client.request(json!({"id": 2, "method": "tools/list", "params": {"_meta": meta(&json!({}))}})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), towline_mcp::tools::ALL.len());
    assert_eq!(list["result"]["resultType"], "complete");
    let codex = meta(&json!({"x-codex-turn-metadata": {"threadId": "t-1"}}));
    let params = json!({"name": "Bash", "arguments": {"host": "h", "command": "hi"}, "_meta": codex});
    let answer = client.request(json!({"id": 3, "method": "tools/call", "params": params})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hi\n[exit 0 · 1.24 s · /srv/app · id k3f9xx]");
    assert_eq!(answer["result"]["isError"], false);
    let missing = client.request(json!({"id": 4, "method": "tools/list"})).await;
    assert!(missing["error"]["message"].as_str().unwrap().contains("_meta"), "{missing}");
    client.close_input().await;
    assert_eq!(client.end().await.0, Ending::Closed);
}

#[tokio::test]
async fn a_call_without_any_greeting_works_in_the_newer_era() {
    let work = Scripted::default();
    let mut client = Client::plain(&work);
    let params = json!({"name": "Bash", "arguments": {"host": "h", "command": "hi"}, "_meta": meta(&json!({}))});
    let answer = client.request(json!({"id": 3, "method": "tools/call", "params": params})).await;
    assert_eq!(answer["result"]["isError"], false);
}

#[tokio::test]
async fn what_comes_before_the_lifecycle_does_not_end_the_server() {
    let mut client = Client::plain(&Scripted::default());
    for early in [
        json!({"method": "notifications/initialized"}),
        json!({"method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"method": "notifications/unheard_of"}),
        json!({"method": "textDocument/didOpen", "params": {}}),
        json!({"id": 9, "result": {}}),
        json!({"id": 9, "error": {"code": 1, "message": "x"}}),
    ] {
        client.send(early).await;
    }
    assert_eq!(client.request(json!({"id": 5, "method": "ping"})).await["result"], json!({}));
    let early = client.request(json!({"id": 6, "method": "tools/list"})).await;
    assert!(early["error"].is_object(), "{early}");
    client.send(json!({"method": "notifications/initialized"})).await;
    let found = client.request(json!({"id": 7, "method": "server/discover", "params": {"_meta": meta(&json!({}))}})).await;
    assert!(found["result"].is_object());
    client.send(json!({"method": "notifications/roots/list_changed"})).await;
    assert_eq!(client.initialize("2025-06-18").await["result"]["protocolVersion"], "2025-06-18");
    assert!(client.request(json!({"id": 8, "method": "tools/list"})).await["result"].is_object());
    assert!(client.aside.is_empty(), "{:?}", client.aside);
}

#[tokio::test]
async fn lines_that_are_no_messages_are_survived() {
    let mut client = Client::plain(&Scripted::default());
    client.initialize("2025-11-25").await;
    // Not JSON at all: left out, as the other SDKs do.
    for garbage in [&b"hello\n"[..], b"{\n", b"\n", b"\r\n", b"\xff\xfe\n", b"{\"jsonrpc\":\n", &[0, 10]] {
        client.raw(garbage).await;
    }
    client.raw("[".repeat(100_000).as_bytes()).await;
    client.raw(b"\n").await;
    // Not JSON as a whole, but somebody waits for it: an error under its id.
    for (line, id) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"tools/call\",\"params\":{\"x\":\"\\ud800\"}}", json!(77)),
        ("{\"params\":{\"id\":\"k3f9\",\"x\":\"\\ud800\"},\"jsonrpc\":\"2.0\",\"id\":78}", json!(78)),
    ] {
        client.raw(format!("{line}\n").as_bytes()).await;
        let answer = client.next().await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &id), "{line}: {answer}");
    }
    // JSON but no message: an error, with the id where there is one.
    for (line, id) in [
        ("5", Value::Null),
        ("{}", Value::Null),
        ("[]", Value::Null),
        ("[1]", Value::Null),
        ("{\"id\": 7}", json!(7)),
        ("{\"id\": 8, \"method\": \"ping\"}", json!(8)),
        ("{\"jsonrpc\": \"1.0\", \"id\": \"x\", \"method\": \"ping\"}", json!("x")),
        ("[{\"jsonrpc\": \"2.0\", \"id\": 9, \"method\": \"ping\"}]", json!(9)),
    ] {
        client.raw(format!("{line}\n").as_bytes()).await;
        let answer = client.next().await;
        assert_eq!((&answer["error"]["code"], answer.get("id").unwrap_or(&Value::Null)), (&json!(-32600), &id), "{line}: {answer}");
    }
    let unknown = client.request(json!({"id": 10, "method": "no/such"})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    client.raw(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"ping\"}\r\n").await;
    assert_eq!(client.answer(&json!(12)).await["result"], json!({}));
}

#[tokio::test]
async fn parameters_that_do_not_fit_their_method_are_named_and_the_method_is_not_called_unknown() {
    let mut client = Client::plain(&Scripted::default());
    client.initialize("2025-11-25").await;
    for (id, (method, params, said)) in (10..).zip([
        ("tools/call", json!({"name": 5}), "tools/call: invalid type: integer `5`"),
        ("tools/call", json!({"arguments": {}}), "tools/call: missing field `name`"),
        ("tools/call", json!({}), "tools/call: missing field `name`"),
        ("tools/call", json!({"name": "Bash", "arguments": [1]}), "tools/call: invalid type: sequence"),
        ("tools/call", json!({"name": "Bash", "arguments": "{}"}), "tools/call: invalid type: string"),
        ("tools/call", json!({"name": "Bash", "arguments": {}, "_meta": 5}), "params do not have the form"),
        ("tools/call", Value::Null, "tools/call: params must be an object"),
        ("tools/call", json!([]), "params must be an object"),
        ("tools/call", json!("Bash"), "params must be an object"),
        ("initialize", json!({}), "initialize: params do not have the form"),
    ]) {
        let answer = client.request(json!({"id": id, "method": method, "params": params})).await;
        let error = &answer["error"];
        assert_eq!(error["code"], -32602, "{method} {params}: {answer}");
        assert!(error["message"].as_str().unwrap().starts_with(said), "{method} {params}: {answer}");
    }
    assert!(!client.call(99, "Bash", json!({"host": "h", "command": "hi"})).await.0);
}

#[tokio::test]
async fn a_line_beyond_the_bound_is_answered_under_its_id_and_skipped() {
    let mut client = Client::plain(&Scripted::default());
    client.initialize("2025-11-25").await;
    let part = vec![b'x'; 1 << 20];
    for (begin, end, id) in [
        ("", "", Value::Null),
        ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"", "\"}}", json!(7)),
        ("{\"params\":{\"id\":1,\"content\":\"\\\"id\\\":2,", "\"},\"jsonrpc\":\"2.0\",\"id\":\"last\"}", json!("last")),
    ] {
        client.raw(begin.as_bytes()).await;
        for _ in 0..=towline_base::limits::MESSAGE_BYTES >> 20 {
            client.raw(&part).await;
        }
        client.raw(format!("{end}\n").as_bytes()).await;
        let answer = client.next().await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("longer than"), "{answer}");
        assert_eq!(answer.get("id").unwrap_or(&Value::Null), &id);
    }
    assert_eq!(client.request(json!({"id": 2, "method": "ping"})).await["result"], json!({}));
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces() {
    let mut client = Client::plain(&Scripted::default());
    client.initialize("2025-11-25").await;
    for byte in b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}\n" {
        client.raw(&[*byte]).await;
    }
    client.answer(&json!(3)).await;
    client.answer(&json!(2)).await;
}
