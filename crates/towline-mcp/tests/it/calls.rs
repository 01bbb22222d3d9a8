//! The way of a call: side by side, cancelled, with progress, broken, and at the server's end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use towline_base::limits;
use towline_mcp::{Conversation, Ending};

use crate::stand_in::{Client, DEADLINE, Scripted, settings};

async fn started(work: &Scripted) -> Client {
    let mut client = Client::plain(work);
    client.initialize("2025-11-25").await;
    client
}

#[tokio::test]
async fn calls_fly_side_by_side_within_a_bound_and_ping_is_answered_meanwhile() {
    let gate = Arc::new(Semaphore::new(0));
    let work = Scripted { gate: Some(gate.clone()), ..Scripted::default() };
    let mut client = started(&work).await;
    let calls = u32::try_from(limits::CALLS_IN_WORK).unwrap() + 20;
    for id in 100..100 + calls {
        client.bash(id, "gate").await;
    }
    let full = async {
        while work.in_work.lock().unwrap().0 < limits::CALLS_IN_WORK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, full).await.unwrap();
    assert_eq!(client.request(json!({"id": 5, "method": "ping"})).await["result"], json!({}));
    assert!(client.request(json!({"id": 6, "method": "tools/list"})).await["result"].is_object());
    // What asks no host does not stand in that queue.
    assert!(!client.call(7, "Hosts", json!({})).await.0);
    gate.add_permits(calls as usize);
    for id in 100..100 + calls {
        assert_eq!(client.answer(&json!(id)).await["result"]["isError"], false);
    }
    assert_eq!(*work.in_work.lock().unwrap(), (0, limits::CALLS_IN_WORK));
}

#[tokio::test]
async fn a_queued_call_can_be_cancelled_and_never_starts() {
    let gate = Arc::new(Semaphore::new(0));
    let work = Scripted { gate: Some(gate.clone()), ..Scripted::default() };
    let mut client = started(&work).await;
    let bound = u32::try_from(limits::CALLS_IN_WORK).unwrap();
    for id in 100..100 + bound {
        client.bash(id, "gate").await;
    }
    client.bash(7, "late").await;
    client.send(json!({"method": "notifications/cancelled", "params": {"requestId": 7}})).await;
    assert_eq!(client.request(json!({"id": 5, "method": "ping"})).await["result"], json!({}));
    gate.add_permits(bound as usize);
    for id in 100..100 + bound {
        client.answer(&json!(id)).await;
    }
    assert!(!work.events.lock().unwrap().contains(&"begin late".to_owned()));
}

#[tokio::test]
async fn a_cancelled_call_is_ended_on_the_host_and_gets_no_answer() {
    let work = Scripted::default();
    let mut client = started(&work).await;
    client.bash(2, "wait").await;
    work.until("begin wait").await;
    client.send(json!({"method": "notifications/cancelled", "params": {"requestId": 2, "reason": "x"}})).await;
    work.until("cancelled").await;
    client.call(3, "Bash", json!({"host": "h", "command": "hi"})).await;
    assert!(client.aside.is_empty(), "{:?}", client.aside);
}

#[tokio::test]
async fn cancellation_works_in_the_newer_era_too() {
    let work = Scripted::default();
    let mut client = Client::plain(&work);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "Bash", "arguments": {"host": "h", "command": "wait"}, "_meta": meta});
    client.send(json!({"id": 2, "method": "tools/call", "params": params})).await;
    work.until("begin wait").await;
    client.send(json!({"method": "notifications/cancelled", "params": {"requestId": 2}})).await;
    work.until("cancelled").await;
}

#[tokio::test]
async fn a_panic_ends_one_call() {
    let work = Scripted::default();
    let mut client = started(&work).await;
    client.bash(9, "wait").await;
    let (error, text) = client.call(2, "Bash", json!({"host": "h", "command": "panic"})).await;
    assert!(error && text.contains("[internal]"), "{text}");
    assert!(!client.call(3, "Bash", json!({"host": "h", "command": "hi"})).await.0);
}

#[tokio::test]
async fn failures_are_tool_errors_with_code_and_hint_but_native_texts_stand_alone() {
    let mut client = started(&Scripted::default()).await;
    let (error, text) = client.call(2, "Bash", json!({"host": "h", "command": "fail"})).await;
    assert!(error);
    assert_eq!(text, "nobody listens on port 22 [refused]\nIs sshd running there, and is the port right?");
    assert_eq!(client.call(3, "Bash", json!({"host": "h", "command": "native"})).await, (true, "File does not exist.".to_owned()));
}

fn progress_of(messages: &[Value]) -> Vec<(f64, String)> {
    let ours = messages.iter().filter(|m| m["method"] == "notifications/progress" && m["params"]["progressToken"] == "tok");
    ours.map(|m| (m["params"]["progress"].as_f64().unwrap(), m["params"]["message"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn progress_is_told_at_most_twice_a_second_and_first_within_one() {
    for modern in [false, true] {
        let work = Scripted::default();
        let mut client = Client::plain(&work);
        let mut meta = json!({"progressToken": "tok"});
        if modern {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        } else {
            client.initialize("2025-11-25").await;
        }
        let params = json!({"name": "Bash", "arguments": {"host": "h", "command": "chatty"}, "_meta": meta});
        let began = Instant::now();
        client.send(json!({"id": 2, "method": "tools/call", "params": params})).await;
        let first = client.next().await;
        assert_eq!(first["method"], "notifications/progress", "{first}");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        client.answer(&json!(2)).await;
        let mut told = progress_of(&[first]);
        told.extend(progress_of(&client.aside));
        let most = began.elapsed().as_millis() / 500 + 1;
        assert!(told.len() >= 3 && told.len() as u128 <= most, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
        assert!(told.iter().all(|(_, message)| message.starts_with("line ") && message.contains(" · ")), "{told:?}");
    }
}

#[tokio::test]
async fn who_did_not_ask_is_not_told() {
    let mut client = started(&Scripted::default()).await;
    client.call(2, "Bash", json!({"host": "h", "command": "chatty"})).await;
    assert!(client.aside.is_empty());
}

#[tokio::test]
async fn the_end_of_input_ends_the_server_but_not_the_command() {
    for command in ["wait", "deaf"] {
        let work = Scripted::default();
        let mut client = started(&work).await;
        client.bash(2, command).await;
        work.until(&format!("begin {command}")).await;
        client.close_input().await;
        let (ending, took) = client.end().await;
        assert_eq!(ending, Ending::Closed);
        assert!(took < Duration::from_millis(500), "{command}: {took:?}");
        let events = work.events.lock().unwrap();
        assert!(events.contains(&"closed".to_owned()) && !events.contains(&"cancelled".to_owned()), "{events:?}");
        assert_eq!(events.contains(&"closing".to_owned()), command == "wait");
    }
}

#[tokio::test]
async fn a_client_that_closed_its_input_still_gets_the_answers() {
    let work = Scripted::default();
    let mut client = started(&work).await;
    client.bash(2, "wait").await;
    work.until("begin wait").await;
    client.bash(3, "hi").await;
    client.close_input().await;
    assert!(client.answer(&json!(3)).await["result"].is_object());
    let given_up = client.answer(&json!(2)).await;
    assert!(given_up["result"]["content"][0]["text"].as_str().unwrap().starts_with("gave up [link_lost]"), "{given_up}");
}

#[tokio::test]
async fn a_request_to_stop_ends_the_server_but_not_the_command() {
    for command in ["wait", "deaf"] {
        let work = Scripted::default();
        let mut client = started(&work).await;
        client.bash(2, command).await;
        work.until(&format!("begin {command}")).await;
        client.stop.take().unwrap().send(()).unwrap();
        let (ending, took) = client.end().await;
        assert_eq!(ending, Ending::Stopped);
        assert!(took < Duration::from_millis(500), "{command}: {took:?}");
        assert!(!work.events.lock().unwrap().contains(&"cancelled".to_owned()));
    }
}

#[tokio::test]
async fn a_broken_output_ends_the_server_but_not_the_command() {
    let work = Scripted::default();
    let mut client = started(&work).await;
    client.bash(2, "wait").await;
    work.until("begin wait").await;
    let Client { write, read, server, stop, .. } = client;
    drop((write, read));
    let ending = tokio::time::timeout(DEADLINE, server).await.unwrap().unwrap();
    drop(stop);
    assert_eq!(ending, Ending::Closed);
    work.until("closing").await;
    assert!(!work.events.lock().unwrap().contains(&"cancelled".to_owned()));
}

#[tokio::test]
async fn the_conversation_names_its_own_session() {
    let work = Scripted::default();
    let mut settings = settings("all", None);
    settings.conversation = Conversation { claude: Some("abc".into()), ..Conversation::default() };
    let mut claude = Client::start(work.clone(), settings.clone());
    claude.initialize("2025-11-25").await;
    claude.bash(2, "a").await;
    claude.answer(&json!(2)).await;
    let mut again = Client::start(work.clone(), settings);
    again.initialize("2025-11-25").await;
    again.bash(2, "b").await;
    again.answer(&json!(2)).await;
    let mut codex = started(&work).await;
    for (id, thread) in [(2, "t1"), (3, "t1"), (4, "t2")] {
        let meta = json!({"x-codex-turn-metadata": {"threadId": thread}});
        let params = json!({"name": "Bash", "arguments": {"host": "h", "command": "c"}, "_meta": meta});
        codex.request(json!({"id": id, "method": "tools/call", "params": params})).await;
    }
    let seen = work.seen.lock().unwrap();
    let names: Vec<_> = seen.iter().map(|(_, session, _)| session.as_str()).collect();
    assert_eq!(names[0], names[1]);
    assert_eq!(names[2], names[3]);
    assert!(names[0] != names[2] && names[3] != names[4], "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("c-") && name.len() == 10));
}

#[tokio::test]
async fn connect_says_when_the_session_will_not_be_found_again() {
    let mut client = started(&Scripted::default()).await;
    let (_, text) = client.call(2, "Connect", json!({"host": "h"})).await;
    assert!(text.contains("[note] ") && text.contains("--session-key"), "{text}");
    let (_, text) = client.call(3, "Connect", json!({"host": "h", "session": "mine"})).await;
    assert!(!text.contains("[note] "), "{text}");
}

#[tokio::test]
async fn an_answer_is_told_when_it_was_written_and_not_when_the_client_cancelled_it() {
    let work = Scripted::default();
    let mut client = started(&work).await;
    client.bash(2, "wait").await;
    work.until("begin wait").await;
    client.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})).await;
    work.until("cancelled").await;
    client.bash(3, "hi").await;
    client.answer(&json!(3)).await;
    let told = work.told.lock().unwrap().clone();
    tokio::time::timeout(DEADLINE, told[1].cancelled()).await.expect("it was written");
    assert!(!told[0].is_cancelled(), "nobody was told of it");
}
