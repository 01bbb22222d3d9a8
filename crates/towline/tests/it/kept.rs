//! What a host keeps: bounded while commands print without end, and gone to the last byte when that is asked for, whoever was killed before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towline_testkit::{Lab, eventually, process};

use crate::hostile::Server;
use crate::run::{bare, towline};

const SOON: Duration = Duration::from_secs(60);

/// Every name below a directory: kind and mode, and what it holds.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if meta.is_dir() {
            all.extend(snapshot(&path));
        }
        all.insert(path, (meta.mode(), content));
    }
    all
}

/// The places beside the home that towline may take, and whether they are there.
fn other_places() -> Vec<(PathBuf, bool)> {
    let uid = rustix::process::geteuid().as_raw();
    ["/var/tmp", "/tmp"].map(|dir| PathBuf::from(format!("{dir}/towline-{uid}"))).map(|path| (path.clone(), path.exists())).to_vec()
}

fn alive(command: &str) -> usize {
    process::all().iter().filter(|process| process.command == command).count()
}

#[test]
fn clean_leaves_the_host_as_it_was_after_every_kind_of_death() {
    let lab = Lab::start();
    let home = lab.sshd.home();
    fs::create_dir_all(home.join(".local/share/mine")).unwrap();
    fs::write(home.join(".local/share/mine/file"), "kept\n").unwrap();
    fs::set_permissions(home.join(".local/share/mine/file"), fs::Permissions::from_mode(0o640)).unwrap();
    let (before, beside) = (snapshot(&home), other_places());

    // One that ends as it should; one whose client is killed in the middle; a job that nobody waits for and that left its session.
    assert!(towline(&lab, &["run", "lab", "--", "seq 100000"]).output().unwrap().status.success());
    let mut killed = bare(&lab, &["run", "lab", "--", "trap '' TERM; (setsid sleep 7301 &); sleep 7302"]);
    assert!(towline(&lab, &["run", "lab", "--detach", "--", "sleep 7303"]).output().unwrap().status.success());
    eventually(SOON, || alive("sleep 7301") + alive("sleep 7302") + alive("sleep 7303") == 3);
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    // A connection that is killed, and with it its lane; a supervisor of a session that has a job.
    let mut server = Server::with(&lab, &[], Stdio::null());
    server.call("Bash", &json!({"host": "lab", "command": "cd /usr; sleep 7304 & echo on"}));
    server.answers(1);
    drop(server);
    process::kill_until_gone(|| lab.client_processes());
    let supervisors =
        || process::with_argument(&home.to_string_lossy()).into_iter().filter(|p| p.command.contains(" supervise ")).collect();
    process::kill_until_gone(supervisors);
    assert_ne!(snapshot(&home), before);

    let cleaned = towline(&lab, &["clean", "lab", "--all", "--yes"]).output().unwrap();
    assert!(cleaned.status.success(), "{cleaned:?}");
    // The lane that did it ends behind its answer.
    eventually(SOON, || snapshot(&home) == before);
    assert_eq!(other_places(), beside);
    eventually(SOON, || lab.sshd.session_processes().is_empty());
    for number in 7301..=7304 {
        assert_eq!(alive(&format!("sleep {number}")), 0, "{number}");
    }
    // It can be used again, and what only looks leaves nothing either.
    assert!(towline(&lab, &["clean", "lab", "--dry-run"]).output().unwrap().status.success());
    eventually(SOON, || snapshot(&home) == before);
}

/// The text of an answer.
fn text(answer: &Value) -> String {
    answer["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Bytes below a directory.
fn bytes(dir: &Path) -> u64 {
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn what_prints_without_end_is_bounded_within_two_seconds_and_told() {
    const MIB: u64 = 1 << 20;
    let lab = Lab::start();
    let config = lab.dir().join("bounds.toml");
    fs::write(&config, "[defaults]\nkeep = { execution_mb = 1, output_mb = 4 }\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let mut server = Server::with(&lab, &["--config", &config.to_string_lossy()], Stdio::null());
    let mut ask = |tool: &str, arguments: Value| {
        server.call(tool, &arguments);
        text(&server.answers(1)[0])
    };
    ask("Bash", json!({"host": "lab", "command": "true"}));
    let version = lab.sshd.home().join(".local/state/towline/v1");
    let root = fs::read_dir(version).unwrap().flatten().next().unwrap().path();
    eventually(SOON, || root.join("keep").exists());
    let spools = root.join("o");
    let mut ids = Vec::new();
    // One by itself has its own bound; eight have that of the host.
    for (count, bound) in [(1, MIB), (8, 4 * MIB + 8 * MIB)] {
        let begun = Instant::now();
        while ids.len() < count {
            let said = ask("Bash", json!({"host": "lab", "command": "yes 'a line without end'", "run_in_background": true}));
            let id = said.rsplit_once("id ").map(|(_, id)| id.trim_end_matches([']', '\n']).to_owned());
            ids.push(id.unwrap_or_else(|| panic!("{said}")));
        }
        let started = begun.elapsed();
        let (mut most, mut reached) = (0, None);
        while begun.elapsed() < started + Duration::from_secs(6) {
            let now = bytes(&spools);
            most = most.max(now);
            if now >= (count as u64).min(4) * MIB / 2 {
                reached.get_or_insert(begun.elapsed());
            }
            assert!(now <= bound, "{count} jobs: {now} bytes");
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("{count} runaway jobs: half of the bound after {reached:?} ({started:?} to start them), {most} bytes at the most");
        assert!(reached.is_some());
    }
    for id in ids {
        let said = ask("JobOutput", json!({"host": "lab", "id": id, "tail": 1}));
        assert!(said.contains("a line without end") && said.contains("bytes beyond the host's cap were dropped"), "{said}");
        let said = ask("JobStop", json!({"host": "lab", "id": id}));
        assert!(said.contains("killed TERM"), "{said}");
    }
    assert!(bytes(&spools) <= 12 * MIB);
}
