//! Runs the commands that README.md tells a newcomer to run.
//!
//! Holds to: every `sh` block runs as it stands, in a home directory of its own, with a throw-away host for the one that the
//! text names. Leaves out: commands that are steps of the same run already; they are looked up instead of run again.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::lab::Lab;
use crate::run::{self, Outcome, Trouble};

/// The host that the README's commands name.
const HOST: &str = "my-host";

/// Lines that are run in another form, and in which.
const INSTEAD: &[(&str, &str)] = &[
    ("cargo xtask demo", "cargo xtask demo --help >/dev/null"), // a step of the same run
    ("cargo xtask test", "cargo xtask test --help >/dev/null"), // the run itself
];

/// Stands for an agent's client: starts the server that it is told to add, and asks who it is.
const CLIENT: &str = r#"#!/bin/sh
set -eu
while [ "$1" != -- ]; do shift; done
shift
hello='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"readme","version":"1"}}}'
printf '%s\n' "$hello" | "$@" | grep -q '"serverInfo"'
"#;

/// Runs every block, one after the other; the first that fails ends it.
pub(crate) fn run() -> Outcome<String> {
    let text = std::fs::read_to_string(run::root().join("README.md"))?;
    let blocks = blocks(&text);
    if blocks.is_empty() {
        return Err(Trouble::new("README.md has no `sh` block"));
    }
    let lab = Lab::start()?;
    lab.kit.add_config(&lab.kit.sshd.client_config(HOST, lab.kit.relay.port()));
    let bin = lab.kit.dir().join("bin");
    std::fs::create_dir(&bin)?;
    for name in ["claude", "codex"] {
        let program = bin.join(name);
        std::fs::write(&program, CLIENT)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    }
    let root = lab.kit.dir().join("installed");
    for block in &blocks {
        println!("{block}");
        let mut command = lab.command(Path::new("sh"));
        command.args(["-e", "-u", "-c", &replaced(block)]).current_dir(run::root());
        command.env("PATH", search_path(&root.join("bin"), &bin)?).env("CARGO_INSTALL_ROOT", &root).envs(toolchain());
        run::run(&mut command).map_err(|Trouble(text)| Trouble(format!("a command of README.md failed: {text}")))?;
    }
    Ok(format!("{} blocks of commands", blocks.len()))
}

/// The contents of the fenced blocks that are marked `sh`.
fn blocks(text: &str) -> Vec<String> {
    let fences = text.split("\n```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix("sh\n")).map(str::to_owned).collect()
}

/// A block with its replaced lines.
fn replaced(block: &str) -> String {
    let other =
        |line: &str| INSTEAD.iter().find(|(written, _)| *written == line).map_or_else(|| line.to_owned(), |(_, run)| (*run).to_owned());
    block.lines().map(other).collect::<Vec<_>>().join("\n")
}

fn search_path(installed: &Path, clients: &Path) -> Outcome<OsString> {
    let path = run::variable("PATH").unwrap_or_default();
    let dirs = [installed, clients].map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(dirs).map_err(|error| Trouble(error.to_string()))
}

/// Where the Rust toolchain is, which is usually found by way of the home directory.
fn toolchain() -> Vec<(&'static str, String)> {
    let home = run::variable("HOME").unwrap_or_default();
    let place = |name: &'static str, usual: &str| (name, run::variable(name).unwrap_or_else(|| format!("{home}/{usual}")));
    let mut places = vec![place("CARGO_HOME", ".cargo"), place("RUSTUP_HOME", ".rustup")];
    places.extend(run::variable("CARGO_TARGET_DIR").map(|dir| ("CARGO_TARGET_DIR", dir)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sh_blocks_are_commands() {
        let text = "a\n```sh\none\ntwo\n```\nb\n```text\nthree\n```\n\n```sh\ncargo xtask test\n```\n";
        assert_eq!(blocks(text), ["one\ntwo", "cargo xtask test"]);
        assert_eq!(replaced("one\ntwo"), "one\ntwo");
        assert_eq!(replaced("cargo xtask test"), "cargo xtask test --help >/dev/null");
    }

    #[test]
    fn what_is_replaced_is_in_the_readme() {
        let text = std::fs::read_to_string(run::root().join("README.md")).unwrap();
        for (line, _) in INSTEAD {
            assert!(blocks(&text).iter().any(|block| block.lines().any(|written| written == *line)), "{line}");
        }
    }
}
