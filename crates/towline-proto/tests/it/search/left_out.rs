//! What a search passes over: towline's own records, the kernel's directories, and what there was no time for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use towline_proto::files::ToolReply;
use towline_proto::files::glob::GlobSearch;
use towline_proto::files::grep::{GrepMode, GrepRequest, GrepSearch};

use super::tree::path_with_git;
use crate::harness::{Host, SHELLS, World, hosts};

/// Where towline keeps its records below that home.
const OWN: &str = "st[a]te *{x}/towline";

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (path, content) in [(format!("{OWN}/v1/node/o/1"), "needle\n"), ("st[a]te *{x}/other".into(), "needle\n"), ("a".into(), "needle\n")]
    {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    home
}

fn grep(path: Option<&str>, glob: Option<&str>) -> GrepSearch {
    let (path, glob) = (path.map(str::to_owned), glob.map(str::to_owned));
    GrepSearch::new(GrepRequest { pattern: "needle".to_owned(), path, glob, head_limit: 250, ..GrepRequest::default() }).unwrap()
}

/// Every shell and world, and the ways of Grep that no world has by itself.
fn ways() -> Vec<(Host, Vec<String>)> {
    let git = (Host { shell: SHELLS[0], world: World::Full }, vec![path_with_git()]);
    hosts().into_iter().map(|host| (host, Vec::new())).chain([git]).collect()
}

#[test]
fn towlines_own_records_are_no_answer_and_are_told_where_they_are_named() {
    let home = home();
    let root = format!("TL_ROOT={}/{OWN}/v1/node", home.path().display());
    for (host, variables) in ways() {
        let words: Vec<&str> = ["/usr/bin/env", &root].into_iter().chain(variables.iter().map(String::as_str)).collect();
        let call = |cwd: &Path, call| host.start(cwd, &call, &words);
        let everywhere = grep(None, None);
        let reply = call(home.path(), everywhere.call());
        let found = everywhere.parse(reply.status, &reply.body).unwrap();
        let mut lines: Vec<&str> = found.text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["Found 2 files", "a", "st[a]te *{x}/other"], "{}", host.name());
        let all = GlobSearch::new("**/*", None).unwrap();
        let reply = call(home.path(), all.call());
        let found = all.parse(reply.status, &reply.body).unwrap();
        let mut lines: Vec<&str> = found.text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a", "st[a]te *{x}/other"], "{}", host.name());
        let named = |reply: ToolReply| assert!(reply.status != 0 && reply.body.starts_with(b"eown "), "{} {reply:?}", host.name());
        named(call(home.path(), grep(Some(OWN), None).call()));
        named(call(&home.path().join(OWN).join("v1"), grep(None, None).call()));
        named(call(&home.path().join(OWN), GlobSearch::new("v1/**", None).unwrap().call()));
    }
}

#[test]
fn a_work_trees_own_list_leaves_them_out_too() {
    let home = home();
    let git = |words: &str| {
        let host = Host { shell: SHELLS[0], world: World::Full };
        assert_eq!(host.script(home.path(), words, &[]).status, 0);
    };
    git("git init -q .");
    let host = Host { shell: SHELLS[0], world: World::Full };
    let root = format!("TL_ROOT={}/{OWN}/v1/node", home.path().display());
    let search = grep(None, None);
    let reply = host.start(home.path(), &search.call(), &["/usr/bin/env", &root, &path_with_git()]);
    let found = search.parse(reply.status, &reply.body).unwrap();
    assert!(found.text.starts_with("Found 2 files") && !found.text.contains("towline"), "{}", found.text);
}

#[test]
fn the_kernels_directories_are_left_out_where_they_are_not_asked_for() {
    for host in hosts() {
        for (cwd, base, expected) in [
            ("/", "", "/proc\n/sys\n"),
            ("/", "etc", ""),
            ("/usr", "", ""),
            ("/proc/self", "", "kcore\nkmsg\nmem\npagemap\ntrace_pipe\ntrace_pipe_raw\n"),
            ("/", "proc", "kcore\nkmsg\nmem\npagemap\ntrace_pipe\ntrace_pipe_raw\n"),
        ] {
            let text = format!("tl_f_begin; tl_s_leave '{base}'; printf %s \"$tl_leave\"");
            let reply = host.script(Path::new(cwd), &text, &[]);
            assert_eq!(String::from_utf8_lossy(&reply.body), expected, "{} {cwd} {base}", host.name());
        }
    }
}

#[test]
fn a_ripgrep_that_does_not_end_is_ended_and_what_it_found_is_the_answer() {
    let home = home();
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("rg");
    fs::write(&program, "#!/bin/sh\nprintf './a\\0001\\n'\nexec sleep 300\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", bin.path().display());
    for mode in [GrepMode::Files, GrepMode::Count] {
        let search = GrepSearch::new(GrepRequest { pattern: "needle".to_owned(), mode, ..GrepRequest::default() }).unwrap();
        let mut call = search.call();
        *call.args.iter_mut().find(|arg| arg.as_slice() == b"50").unwrap() = b"01".to_vec();
        let reply = Host { shell: SHELLS[0], world: World::Full }.start(home.path(), &call, &["/usr/bin/env", &path]);
        let found = search.parse(reply.status, &reply.body).unwrap();
        assert!(found.text.contains('a'), "{found:?}");
        assert!(found.notes.iter().any(|note| note.contains("stopped after 50 seconds")), "{found:?}");
    }
}
