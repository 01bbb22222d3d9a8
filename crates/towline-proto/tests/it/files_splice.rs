//! Edit's splice, as the lane runs it.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use towline_proto::files::splice::{Outcome, Reply, Request, Splice, Splices, call, parse};
use towline_proto::files::{Tag, ToolError};

use crate::harness::{Host, full_disk, hostile_names, hosts};

fn request(host: &Host, path: impl AsRef<[u8]>, old: &[u8], splices: Splices) -> Request {
    Request {
        path: path.as_ref().to_vec(),
        before: Tag::of(host.tag_kind(), old),
        after: Tag::of(host.tag_kind(), &splices.apply(old).unwrap()),
        nonce: "0123456789abcdef".to_owned(),
        max: 1000,
        splices,
    }
}

fn replace(offset: usize, delete: usize, insert: &[u8]) -> Splices {
    Splices::new(vec![Splice { offset, delete, insert: insert.to_vec() }]).unwrap()
}

fn splice(host: &Host, cwd: &Path, request: &Request) -> Result<Reply, ToolError> {
    let reply = host.call(cwd, &call(request));
    parse(reply.status, &reply.body)
}

fn arbitrary_splices() -> impl Strategy<Value = (Vec<u8>, Splices)> {
    let bytes = |range| proptest::collection::vec(any::<u8>(), range);
    (bytes(0..3000), proptest::collection::vec((0usize..900, 0usize..300, bytes(0..200)), 0..6)).prop_map(|(old, raw)| {
        let mut at = 0;
        let mut pieces = Vec::new();
        for (skip, delete, insert) in raw {
            let offset = (at + skip).min(old.len());
            let delete = delete.min(old.len() - offset);
            pieces.push(Splice { offset, delete, insert });
            at = offset + delete;
        }
        (old, Splices::new(pieces).unwrap())
    })
}

#[test]
fn what_the_host_makes_is_what_the_pieces_say() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
        runner
            .run(&arbitrary_splices(), |(old, splices)| {
                fs::write(&file, &old).unwrap();
                let reply = splice(&host, directory.path(), &request(&host, "f", &old, splices.clone())).unwrap();
                let new = splices.apply(&old).unwrap();
                prop_assert_eq!(reply.outcome, Outcome::Done { size: new.len() as u64, lost: Vec::new() });
                prop_assert_eq!(fs::read(&file).unwrap(), new);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", host.name()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{}", host.name());
    }
}

#[test]
fn a_large_file_is_changed_with_few_bytes() {
    let old: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), &old).unwrap();
        let request = request(&host, "f", &old, replace(123_456, 10, b"a new line\n"));
        let call = call(&request);
        let sent: usize = call.payload.len() + call.args.iter().map(Vec::len).sum::<usize>();
        let reply = host.call(directory.path(), &call);
        assert!(sent + reply.body.len() < 1000, "{}: {sent} up, {} down", host.name(), reply.body.len());
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), request.splices.apply(&old).unwrap(), "{}", host.name());
    }
}

#[test]
fn a_changed_file_stays_and_its_content_is_sent() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        for (now, told) in
            [(&b"now \xff\0 1:x\n"[..], true), (b"", true), (b"shorter", true), (&[b'x'; 1000], true), (&[b'x'; 1001], false)]
        {
            fs::write(&file, now).unwrap();
            let reply = splice(&host, directory.path(), &request(&host, "f", b"what was read", replace(2, 3, b"new"))).unwrap();
            assert_eq!(reply.outcome, Outcome::Changed { current: told.then(|| now.to_vec()) }, "{}", host.name());
            assert_eq!(fs::read(&file).unwrap(), now, "{}", host.name());
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{}", host.name());
    }
}

#[test]
fn names_links_and_modes_are_kept() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in hostile_names().into_iter().filter(|name| host.can_hold(name)) {
            let file = root.join(std::ffi::OsStr::from_bytes(&name));
            fs::write(&file, "one two three").unwrap();
            let reply = splice(&host, &root, &request(&host, &name, b"one two three", replace(4, 3, b"2"))).unwrap();
            assert_eq!(reply.real, file.as_os_str().as_bytes(), "{}", host.name());
            assert_eq!(fs::read(&file).unwrap(), b"one 2 three", "{} {name:?}", host.name());
        }
        fs::create_dir(root.join("d")).unwrap();
        let target = root.join("d/target");
        fs::write(&target, "abc").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o750)).unwrap();
        symlink("d/target", root.join("link")).unwrap();
        let reply = splice(&host, &root, &request(&host, "link", b"abc", replace(1, 1, b""))).unwrap();
        assert!(reply.linked && reply.real == target.as_os_str().as_bytes(), "{}", host.name());
        assert!(root.join("link").is_symlink());
        assert_eq!(
            (fs::read(&target).unwrap(), fs::metadata(&target).unwrap().mode() & 0o7777),
            (b"ac".to_vec(), 0o750),
            "{}",
            host.name()
        );
    }
}

#[test]
fn what_is_no_file_to_edit_is_named() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("fifo"), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
        for (path, word) in [("", "enoent"), ("none", "enoent"), (".", "eisdir"), ("fifo", "efifo"), ("none/x", "enoent")] {
            let error = splice(&host, directory.path(), &request(&host, path, b"abc", replace(0, 0, b"x"))).unwrap_err();
            assert_eq!(
                (error.word.as_str(), error.detail.as_slice()),
                (word, directory.path().as_os_str().as_bytes()),
                "{} {path}",
                host.name()
            );
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_whole() {
    for host in hosts() {
        // The second one ends with what does not fit, so that nothing is left over for which anybody would fail again.
        for (delete, insert) in [(3, 200_000), (12, 65_000)] {
            let request = request(&host, "old", b"the old content\n", replace(4, delete, &vec![b'x'; insert]));
            let Some((reply, after)) = full_disk(&host, &call(&request)) else {
                println!("not run: a disk that is full (no mount namespace of our own)");
                return;
            };
            assert_eq!(parse(reply.status, &reply.body).expect_err("full").word, "enospc", "{}", host.name());
            assert_eq!(after, "old\nthe old content\n", "{}", host.name());
        }
    }
}

#[test]
fn of_writers_side_by_side_none_undoes_another() {
    for host in hosts().into_iter().take(3) {
        let directory = tempfile::tempdir().unwrap();
        let locks = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, "").unwrap();
        std::thread::scope(|scope| {
            for number in 0..6u8 {
                let (directory, file, locks) = (directory.path(), &file, locks.path());
                scope.spawn(move || {
                    let mut old = fs::read(file).unwrap();
                    for _ in 0..60 {
                        let mut request = request(&host, "f", &old, replace(old.len(), 0, &[b'a' + number, b'\n']));
                        request.nonce = format!("nonce{number}");
                        let reply = host.call_with_locks(directory, &call(&request), locks);
                        match parse(reply.status, &reply.body).unwrap().outcome {
                            Outcome::Done { .. } => return,
                            Outcome::Changed { current } => old = current.unwrap(),
                        }
                    }
                    panic!("{}: never came through", host.name());
                });
            }
        });
        let mut lines: Vec<_> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["a", "b", "c", "d", "e", "f"], "{}", host.name());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "{}", host.name());
        assert_eq!(fs::read_dir(locks.path()).unwrap().count(), 0, "{}", host.name());
    }
}
