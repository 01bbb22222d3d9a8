//! After the last fault: every outcome is collected, everything is let go of, and what is left over is looked for.
//!
//! Holds to: only what a client can do is done to collect; the host's own files are read to judge, never to help. Leaves out: the verdict.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::Reply;
use super::field::{Field, lock};
use super::work::read;
use crate::lab::HOST;

/// How long an outcome may take to come once all is well.
const OUTCOME: Duration = Duration::from_secs(45);
/// How long what ends may take to be gone.
const GONE: Duration = Duration::from_secs(30);
/// Who collects side by side.
const HANDS: usize = 4;

/// Collects every outcome that was not told yet.
pub(super) fn collect(field: &Field) {
    find_ids(field);
    let open: Vec<(String, String, usize)> = lock(&field.stories)
        .values()
        .filter(|story| !story.settled)
        .filter_map(|story| Some((story.work.token.clone(), story.id.clone()?, story.towline)))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                while let Some((token, id, towline)) = open.get(next.fetch_add(1, Ordering::SeqCst)) {
                    // The second time for those whose own answer was lost on the way.
                    if !read(field, *towline, token, id, OUTCOME) {
                        read(field, *towline, token, id, Duration::from_secs(5));
                    }
                }
            });
        }
    });
}

/// Finds the ids of commands whose call was never answered: by Jobs, and for each that ran Jobs must know it.
fn find_ids(field: &Field) {
    let Reply::Answer(jobs, false) = field.towlines[0].call("Jobs", &json!({"host": HOST})).reply(OUTCOME) else {
        field.violation("Jobs does not answer".to_owned());
        return;
    };
    let ledger = field.lines("ledger");
    let mut missing = Vec::new();
    for story in lock(&field.stories).values_mut().filter(|story| story.id.is_none() && !story.settled) {
        let mark = format!("echo {} >>", story.work.token);
        let line = jobs.lines().find(|line| line.contains(&mark));
        story.id = line.and_then(|line| line.strip_prefix("id ")?.split(' ').next()).map(str::to_owned);
        if story.id.is_none() && ledger.contains(&story.work.token) {
            missing.push(story.work.token.clone());
        }
    }
    for token in missing {
        field.violation(format!("{token}: it ran, nobody was told of its outcome, and Jobs does not list it"));
    }
}

/// Ends the sessions, the towlines and the connections, and tells what is still there then.
pub(super) fn leave(field: &Field) -> Vec<String> {
    let mut left = Vec::new();
    let sessions = || field.root().map(|root| names(&root.join("s"))).unwrap_or_default();
    // Copies end by themselves when their command does.
    eventually(GONE, || sessions().iter().all(|name| !name.starts_with('@')));
    for session in sessions().into_iter().filter(|name| !name.starts_with(['@', '.'])) {
        let reply = field.towlines[0].call("Disconnect", &json!({"host": HOST, "session": session, "end": true})).reply(OUTCOME);
        if !matches!(&reply, Reply::Answer(text, false) if text.contains("was ended") || text.contains("was not there")) {
            left.push(format!("session {session} does not end: {reply:?}"));
        }
    }
    drop(field.towlines[0].call("Disconnect", &json!({"host": HOST, "end": true})).reply(OUTCOME));
    for (number, towline) in field.towlines.iter().enumerate() {
        if !towline.close() {
            left.push(format!("towline {number} does not end"));
        }
        left.extend(lock(&towline.surplus).iter().map(|line| format!("an answer too many: {line}")));
    }
    let host = || field.lab.kit.sshd.session_processes();
    eventually(GONE, || host().is_empty());
    left.extend(host().iter().map(|process| {
        let files = open_files(process.pid);
        format!("on the host: process {} of {}: {}: {files}", process.pid, process.parent, process.command)
    }));
    let masters = || field.masters();
    eventually(GONE, || masters().is_empty());
    left.extend(
        field.lab.kit.client_processes().iter().map(|process| format!("on the client: process {}: {}", process.pid, process.command)),
    );
    // A copy whose own supervisor was killed is swept away with what is old.
    let orphaned = |name: &&String| name.starts_with('@') && lock(&field.faults).iter().any(|(_, _, what)| what.contains(name.as_str()));
    // So is one that was being removed, `.PID.START`, when whoever removed it was killed.
    let half_gone = |name: &&String| {
        let pid = name.strip_prefix('.').and_then(|name| name.split('.').next()).map(|pid| format!(" {pid} of "));
        pid.is_some_and(|pid| lock(&field.faults).iter().any(|(_, _, what)| what.contains(&pid)))
    };
    left.extend(
        sessions()
            .iter()
            .filter(|name| !orphaned(name) && !half_gone(name))
            .map(|name| format!("on the host: the directory of session {name}")),
    );
    if let Some(root) = field.root() {
        left.extend(names(&root.join("a")).iter().map(|name| format!("on the host: what was given to {name}")));
        // What a host keeps at most was said by the run's settings.
        let known = ["a", "id", "index", "k", "keep", "l", "o", "s", "w", "x"];
        let strange = names(&root).into_iter().filter(|name| !known.contains(&name.as_str()) && !name.starts_with("p-"));
        left.extend(strange.map(|name| format!("on the host: {name}")));
    }
    let sockets = names(&field.lab.kit.runtime_dir().join("towline"));
    // The socket for ssh's questions of a towline that was killed lies in a directory that ends with the login.
    let killed = |name: &&String| {
        name.strip_suffix(".ask").is_some() && lock(&field.faults).iter().any(|(_, _, what)| what.starts_with("kill -9 towline"))
    };
    left.extend(sockets.iter().filter(|name| !killed(name)).map(|name| format!("on the client: socket {name}")));
    left
}

/// What a process has open, by which it can be told what it waits for.
fn open_files(pid: u32) -> String {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let target = |path: &Path| std::fs::read_link(path).map(|to| to.to_string_lossy().into_owned()).unwrap_or_default();
    let files = entries.map(|entry| format!("{} -> {}", entry.file_name().to_string_lossy(), target(&entry.path())));
    files.collect::<Vec<_>>().join(", ")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Waits for a condition; whoever asks looks for himself afterwards.
fn eventually(within: Duration, condition: impl Fn() -> bool) {
    let end = Instant::now() + within;
    while !condition() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
}
