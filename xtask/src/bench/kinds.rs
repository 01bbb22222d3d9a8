//! The calls that are measured: each tool with arguments that it can be called with any number of times.

use serde_json::{Value, json};

use super::bed::{Bed, bash, id_of, lines};
use super::client::Server;
use crate::lab::HOST;
use crate::run::Outcome;

/// A kind of call.
pub(super) struct Kind {
    /// The tool.
    pub(super) tool: &'static str,
    /// The arguments of the next call.
    pub(super) arguments: Box<dyn FnMut() -> Value>,
    /// How plain ssh does about the same; `None` where it has nothing alike.
    pub(super) plain: Option<String>,
}

impl Kind {
    fn new(tool: &'static str, arguments: impl FnMut() -> Value + 'static) -> Self {
        Self { tool, arguments: Box::new(arguments), plain: None }
    }

    fn beside(mut self, plain: impl Into<String>) -> Self {
        self.plain = Some(plain.into());
        self
    }
}

/// Puts the files on the host, reads what will be edited, and returns all kinds.
pub(super) fn prepare(bed: &Bed, server: &mut Server) -> Outcome<Vec<Kind>> {
    let job = id_of(&server.call("Bash", bash("seq 100"))?)?;
    let mut kinds = vec![
        Kind::new("Bash", || bash("echo hi; echo e >&2")).beside("echo hi; echo e >&2"),
        Kind::new("JobOutput", move || json!({"host": HOST, "id": job})),
    ];
    kinds.extend(looking(bed)?);
    kinds.extend(changing(bed, server)?);
    kinds.push(Kind::new("Hosts", || json!({})));
    Ok(kinds)
}

/// What only looks.
fn looking(bed: &Bed) -> Outcome<Vec<Kind>> {
    let text = lines(120, |n| format!("line {n} of a file that somebody works on"));
    let file = bed.file("tree/read.txt", &text)?;
    for n in 0..20 {
        bed.file(&format!("tree/part{n}/mod.rs"), &format!("fn part{n}() {{}}\n"))?;
    }
    let tree = bed.lab.host_home().join("tree").to_string_lossy().into_owned();
    let several: Vec<Value> = (0..3).map(|n| json!({"file_path": format!("{tree}/part{n}/mod.rs")})).collect();
    let read = json!({"host": HOST, "file_path": file});
    let stat = json!({"host": HOST, "paths": [file]});
    let list = json!({"host": HOST, "path": tree});
    let glob = json!({"host": HOST, "pattern": "**/*.rs", "path": tree});
    let grep = json!({"host": HOST, "pattern": "part7", "path": tree, "output_mode": "content"});
    Ok(vec![
        Kind::new("Read", move || read.clone()).beside(format!("cat -n {file}")),
        Kind::new("MultiRead", move || json!({"host": HOST, "files": several})).beside(format!("cat {tree}/part[012]/mod.rs")),
        Kind::new("Stat", move || stat.clone()).beside(format!("ls -ld {file}")),
        Kind::new("List", move || list.clone()).beside(format!("ls -la {tree}")),
        Kind::new("Glob", move || glob.clone()).beside(format!("find {tree} -name '*.rs'")),
        Kind::new("Grep", move || grep.clone()).beside(format!("grep -rn part7 {tree}")),
    ])
}

/// What changes files; each call finds what the one before it left.
fn changing(bed: &Bed, server: &mut Server) -> Outcome<Vec<Kind>> {
    let edit = bed.file("edit.txt", "value = 0\n")?;
    let multi = bed.file("multi.txt", "left = 0\nright = 0\n")?;
    for path in [&edit, &multi] {
        server.call("Read", json!({"host": HOST, "file_path": path}))?;
    }
    let write = bed.lab.host_home().join("written.txt").to_string_lossy().into_owned();
    let (plain_write, plain_edit) = (format!("echo text >{write}.plain"), format!("sed 's/^value/value/' {edit} >{edit}.plain"));
    let (mut writes, mut edits, mut multis) = (0_u32, 0_u32, 0_u32);
    let writing = move || {
        writes += 1;
        json!({"host": HOST, "file_path": write, "content": format!("text {writes}\n")})
    };
    let editing = move || {
        edits += 1;
        let mut arguments = step("value", edits);
        arguments["host"] = json!(HOST);
        arguments["file_path"] = json!(edit);
        arguments
    };
    let editing_twice = move || {
        multis += 1;
        json!({"host": HOST, "file_path": multi, "edits": [step("left", multis), step("right", multis)]})
    };
    Ok(vec![
        Kind::new("Write", writing).beside(plain_write),
        Kind::new("Edit", editing).beside(plain_edit),
        Kind::new("MultiEdit", editing_twice),
    ])
}

/// One edit: the name's value goes up by one, to this number.
fn step(name: &str, to: u32) -> Value {
    json!({"old_string": format!("{name} = {}\n", to - 1), "new_string": format!("{name} = {to}\n")})
}
