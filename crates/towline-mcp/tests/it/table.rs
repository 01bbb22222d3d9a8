//! The table of tools: each tool's bytes frozen, the list within its size.

use serde_json::{Value, json};
use towline_mcp::{Selection, tools};

use crate::stand_in::{Client, Scripted, settings};

async fn listed(set: &str, host: Option<&str>) -> Value {
    let mut client = Client::start(Scripted::default(), settings(set, host));
    client.initialize("2025-11-25").await;
    client.request(json!({"id": 2, "method": "tools/list"})).await["result"].clone()
}

#[tokio::test]
async fn each_tool_is_frozen() {
    let list = listed("all", None).await;
    let all = list["tools"].as_array().unwrap();
    assert_eq!(all.len(), tools::ALL.len());
    for tool in all {
        let name = tool["name"].as_str().unwrap();
        insta::with_settings!({ snapshot_path => "../tools", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, serde_json::to_string_pretty(tool).unwrap());
        });
    }
}

#[tokio::test]
async fn the_list_is_small_and_the_same_each_time() {
    for (set, host, limit) in [("all", None, 16 * 1024), ("coding", None, 8 * 1024), ("all", Some("prod"), 16 * 1024)] {
        let text = listed(set, host).await.to_string();
        assert!(text.len() <= limit, "{set}: {} bytes", text.len());
        assert_eq!(text, listed(set, host).await.to_string());
    }
}

#[tokio::test]
async fn a_pinned_server_has_no_host_parameter_anywhere() {
    for tool in listed("all", Some("prod")).await["tools"].as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["properties"].get("host"), None, "{}", tool["name"]);
        assert!(!tool["inputSchema"]["required"].to_string().contains("\"host\""), "{}", tool["name"]);
    }
    for tool in listed("all", None).await["tools"].as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["properties"].get("host").is_some(), tool["name"] != "Hosts", "{}", tool["name"]);
    }
}

#[tokio::test]
async fn every_tool_has_what_clients_look_for() {
    for tool in listed("all", None).await["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert!(tool["title"].is_string() && tool["description"].is_string());
        let hints = tool["annotations"].as_object().unwrap();
        assert_eq!(hints.len(), 4, "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert!(hints["readOnlyHint"] == false || hints["destructiveHint"] == false, "{name}");
    }
}

#[test]
fn sets_are_named_by_words() {
    let names = |set: &str| Selection::parse(set).map(|s| s.iter().map(|t| t.name).collect::<Vec<_>>().join(" "));
    let table = [
        ("coding", "Bash JobOutput JobStop Read MultiRead Write Edit MultiEdit Glob Grep Hosts"),
        ("search", "Glob Grep"),
        ("hosts, search", "Glob Grep Hosts Connect Disconnect"),
        ("bash,Read", "Bash Read"),
        ("terminals", "TerminalOpen TerminalSend TerminalRead TerminalClose"),
        ("shell", "Bash Jobs JobOutput JobStop"),
    ];
    for (set, expected) in table {
        assert_eq!(names(set).unwrap(), expected);
    }
    assert_eq!(Selection::parse("all").unwrap().iter().count(), tools::ALL.len());
    for wrong in ["", ",", "codin", "all,x"] {
        assert!(names(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_reference_page_names_every_parameter() {
    let page = towline_mcp::reference::tools();
    for tool in tools::ALL {
        assert!(page.contains(&format!("## {}\n", tool.name)));
        for name in tool.schema(towline_mcp::HostParameter::Required)["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("| `{name}`")), "{}: {name}", tool.name);
        }
    }
    assert!(page.contains("| `files[].file_path` *"));
}
