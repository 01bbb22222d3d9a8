//! Write, as the lane runs it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use towline_proto::files::write::{Complete, Done, How, Lost, Reply, Request, call, parse};
use towline_proto::files::{Tag, ToolError};

use crate::harness::{Host, as_nobody, full_disk, hostile_names, hosts, open_directory};

fn request(path: impl AsRef<[u8]>, content: &[u8]) -> Request {
    Request {
        path: path.as_ref().to_vec(),
        how: How::Any,
        content: content.to_vec(),
        nonce: "0123456789abcdef".to_owned(),
        known: Vec::new(),
        complete: Complete::All,
    }
}

fn write(host: &Host, cwd: &Path, request: &Request) -> Result<Reply, ToolError> {
    let reply = host.call(cwd, &call(request));
    parse(reply.status, &reply.body)
}

fn done(host: &Host, cwd: &Path, request: &Request) -> Done {
    match write(host, cwd, request) {
        Ok(Reply::Done(done)) => done,
        other => panic!("{}: {other:?}", host.name()),
    }
}

fn word(host: &Host, cwd: &Path, request: &Request) -> String {
    match write(host, cwd, request) {
        Err(error) => {
            assert_eq!(error.detail, cwd.as_os_str().as_bytes(), "{}", host.name());
            error.word
        }
        other => panic!("{}: {other:?}", host.name()),
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Names in a directory: no private file may be left.
fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

#[test]
fn a_content_arrives_byte_for_byte() {
    let every: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let contents: &[&[u8]] = &[b"", b"\n", b"a", b"a\r\nb\0\xff", b"#!/bin/sh\n# x\n", "\u{2028}".as_bytes(), &every];
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        for content in contents {
            for created in [true, false] {
                let done = done(&host, directory.path(), &request("f", content));
                assert_eq!((done.created, done.size, done.linked), (created, content.len() as u64, false), "{}", host.name());
                assert_eq!(done.lost, [], "{}", host.name());
                assert_eq!(fs::read(directory.path().join("f")).unwrap(), *content, "{}", host.name());
                assert_eq!(mode(&directory.path().join("f")), 0o644, "{}", host.name());
            }
            fs::remove_file(directory.path().join("f")).unwrap();
        }
        assert!(names(directory.path()).is_empty(), "{}", host.name());
    }
}

#[test]
fn a_name_is_only_a_name_and_parents_are_made() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let all: Vec<_> = hostile_names().into_iter().filter(|name| host.can_hold(name)).collect();
        for name in &all {
            for (path, created) in [(name.clone(), true), (name.clone(), false), ([&b"dir/"[..], name, b"/", name].concat(), true)] {
                let done = done(&host, directory.path(), &request(&path, name));
                let full = directory.path().canonicalize().unwrap().join(OsStr::from_bytes(&path));
                assert_eq!((done.real.as_slice(), done.created), (full.as_os_str().as_bytes(), created), "{}", host.name());
                assert_eq!(fs::read(&full).unwrap(), *name, "{} {path:?}", host.name());
                fs::write(&full, "old").unwrap();
            }
        }
        assert_eq!(names(directory.path()).len(), all.len() + 1, "{}", host.name());
        assert_eq!(mode(&directory.path().join("dir")), 0o755, "{}: the user's umask", host.name());
    }
}

#[test]
fn mode_and_owner_are_kept() {
    let root = !as_nobody().is_empty();
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        for bits in [0o644, 0o600, 0o755, 0o444 + 0o200, 0o640, 0o777, 0o4755, 0o2711, 0o1666, 0o201] {
            fs::write(&file, "old").unwrap();
            if root {
                std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
            }
            fs::set_permissions(&file, fs::Permissions::from_mode(bits)).unwrap();
            let done = done(&host, directory.path(), &request("f", b"new"));
            assert_eq!(done.lost, [], "{}", host.name());
            assert_eq!(mode(&file), bits, "{} {bits:o}", host.name());
            let meta = fs::metadata(&file).unwrap();
            assert!(!root || (meta.uid(), meta.gid()) == (1234, 4321), "{}", host.name());
            fs::remove_file(&file).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_kept_is_told() {
    for host in hosts() {
        let directory = open_directory();
        let file = directory.path().join("f");
        fs::write(&file, "old").unwrap();
        fs::hard_link(&file, directory.path().join("g")).unwrap();
        let done = done(&host, directory.path(), &request("f", b"new"));
        assert_eq!(done.lost, [Lost::Links(2)], "{}", host.name());
        assert_eq!(fs::read(directory.path().join("g")).unwrap(), b"old", "{}", host.name());
        if as_nobody().is_empty() {
            continue;
        }
        // A file of another, which everybody may write, in a directory that everybody may write.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4666)).unwrap();
        let reply = host.start(directory.path(), &call(&request("f", b"newer")), as_nobody());
        match parse(reply.status, &reply.body) {
            Ok(Reply::Done(done)) => assert_eq!(done.lost, [Lost::Owner(0), Lost::Group(0)], "{}", host.name()),
            other => panic!("{}: {other:?}", host.name()),
        }
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"newer".to_vec(), 0o666), "{}", host.name());
    }
}

#[test]
fn a_links_target_is_replaced_and_not_the_link() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/target"), "old").unwrap();
        symlink("d/target", at("link")).unwrap();
        symlink("link", at("twice")).unwrap();
        symlink("d/new", at("dangling")).unwrap();
        for (path, target, created) in [("link", "d/target", false), ("twice", "d/target", false), ("dangling", "d/new", true)] {
            let done = done(&host, directory.path(), &request(path, path.as_bytes()));
            assert!(done.linked && done.created == created, "{} {path}", host.name());
            assert!(fs::symlink_metadata(at(path)).unwrap().is_symlink(), "{} {path}", host.name());
            assert_eq!(fs::read(at(target)).unwrap(), path.as_bytes(), "{}", host.name());
        }
    }
}

#[test]
fn what_may_not_be_there_is_left_alone() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("full"), "x").unwrap();
        fs::write(at("empty"), "").unwrap();
        let how = |path: &str, how: How| Request { how, ..request(path, b"new") };
        assert_eq!(word(&host, directory.path(), &how("full", How::New)), "eexist", "{}", host.name());
        assert_eq!(word(&host, directory.path(), &how("empty", How::New)), "eexist", "{}", host.name());
        assert_eq!(word(&host, directory.path(), &how("full", How::Blank)), "eexist", "{}", host.name());
        assert_eq!((fs::read(at("full")).unwrap(), fs::read(at("empty")).unwrap()), (b"x".to_vec(), Vec::new()));
        assert!(!done(&host, directory.path(), &how("empty", How::Blank)).created, "{}", host.name());
        assert!(done(&host, directory.path(), &how("a/blank", How::Blank)).created, "{}", host.name());
        assert!(done(&host, directory.path(), &how("new", How::New)).created, "{}", host.name());
        for name in ["empty", "a/blank", "new"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"new", "{} {name}", host.name());
        }
        assert_eq!(names(directory.path()).len(), 4, "{}", host.name());
    }
}

#[test]
fn a_content_that_was_not_read_is_not_overwritten() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let file = root.join("f");
        fs::write(&file, "seen").unwrap();
        let kind = host.tag_kind();
        let real = file.as_os_str().as_bytes().to_vec();
        let with = |content: &[u8]| Request {
            known: vec![(b"/other/f".to_vec(), Tag::of(kind, b"?")), (real.clone(), Tag::of(kind, content))],
            complete: Complete::SameName,
            ..request("f", b"new")
        };
        assert_eq!(word(&host, &root, &with(b"other")), "changed", "{}", host.name());
        assert_eq!((fs::read(&file).unwrap(), names(&root).len()), (b"seen".to_vec(), 1), "{}", host.name());
        assert!(!done(&host, &root, &with(b"seen")).created, "{}", host.name());
        assert_eq!((fs::read(&file).unwrap(), names(&root).len()), (b"new".to_vec(), 1), "{}", host.name());
        // Gone since: it is made anew.
        fs::remove_file(&file).unwrap();
        assert!(done(&host, &root, &with(b"seen")).created, "{}", host.name());
    }
}

#[test]
fn the_host_asks_where_the_path_may_be_another() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::write(root.join("f"), "x").unwrap();
        symlink("f", root.join("l")).unwrap();
        let with = |path: &str, complete| Request { complete, ..request(path, b"new") };
        let ask = Ok(Reply::Ask { real: root.join("f").as_os_str().as_bytes().to_vec() });
        assert_eq!(write(&host, &root, &with("l", Complete::SameName)), ask, "{}", host.name());
        assert_eq!(write(&host, &root, &with("f", Complete::More)), ask, "{}", host.name());
        assert_eq!(fs::read(root.join("f")).unwrap(), b"x");
        for (path, complete) in [("f", Complete::SameName), ("l", Complete::All), ("n", Complete::More)] {
            assert!(matches!(write(&host, &root, &with(path, complete)), Ok(Reply::Done(_))), "{}", host.name());
        }
    }
}

#[test]
fn an_append_is_made_in_place() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let file = root.join("f");
        let append = |content: &[u8]| Request { how: How::Append, ..request("f", content) };
        assert!(done(&host, &root, &append(b"one")).created, "{}", host.name());
        let inode = fs::metadata(&file).unwrap().ino();
        let second = done(&host, &root, &append(b"\xff\0\n"));
        assert_eq!((second.created, second.size, second.tag), (false, 6, None), "{}", host.name());
        assert_eq!(fs::read(&file).unwrap(), b"one\xff\0\n", "{}", host.name());
        assert_eq!(fs::metadata(&file).unwrap().ino(), inode, "{}", host.name());
        // Of a content that was read, the new one's name is told; of another, not.
        let known = |content: &[u8]| Request {
            known: vec![(file.as_os_str().as_bytes().to_vec(), Tag::of(host.tag_kind(), content))],
            ..append(b"x")
        };
        assert_eq!(
            done(&host, &root, &known(b"one\xff\0\n")).tag.unwrap_or_else(|| panic!("{}", host.name())),
            Tag::of(host.tag_kind(), b"one\xff\0\nx")
        );
        assert_eq!(done(&host, &root, &known(b"other")).tag, None, "{}", host.name());
        assert_eq!(fs::read(&file).unwrap(), b"one\xff\0\nxx", "{}", host.name());
    }
}

#[test]
fn what_cannot_be_written_is_named_and_nothing_is_left() {
    for host in hosts() {
        let directory = open_directory();
        let at = |name: &str| directory.path().join(name);
        for name in ["dir", "shut", "readonly"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["file", "protected", "readonly/f", "shut/f"] {
            fs::write(at(name), "old").unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o666)).unwrap();
        }
        fs::set_permissions(at("protected"), fs::Permissions::from_mode(0o444)).unwrap();
        fs::set_permissions(at("readonly"), fs::Permissions::from_mode(0o555)).unwrap();
        fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o000)).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
        symlink("loop", at("loop")).unwrap();
        let long = "n".repeat(256);
        let table = [
            ("", "enoent"),
            ("dir", "eisdir"),
            (".", "eisdir"),
            ("new/", "enotdir"),
            ("file/", "enotdir"),
            ("file/x", "enotdir"),
            ("protected", "eacces"),
            ("readonly/f", "eacces"),
            ("readonly/new", "eacces"),
            ("readonly/new/deep", "eacces"),
            ("shut/f", "eacces"),
            ("fifo", "efifo"),
            ("loop", "eloop"),
            ("/dev/null", "edevice"),
            ("/proc/sys/kernel/x", "eacces"),
            (&long, "enametoolong"),
        ];
        for (path, expected) in table {
            let reply = host.start(directory.path(), &call(&request(path, b"new")), as_nobody());
            let error = parse(reply.status, &reply.body).expect_err(path);
            assert_eq!(error.word, expected, "{} {path:?}", host.name());
        }
        fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["file", "protected", "readonly/f", "shut/f"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"old", "{} {name}", host.name());
        }
        for (name, count) in [("", 7), ("dir", 0), ("shut", 1), ("readonly", 1)] {
            assert_eq!(names(&at(name)).len(), count, "{} {name}: {:?}", host.name(), names(&at(name)));
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_whole() {
    for host in hosts() {
        let large = vec![b'x'; 200_000];
        // The smaller one fails in the last block, so that nothing is left over for which anybody would fail again.
        for (how, name, size) in
            [(How::Any, "old", 200_000), (How::Any, "new", 65_000), (How::New, "new", 200_000), (How::Any, "old", 65_000)]
        {
            let Some((reply, after)) = full_disk(&host, &call(&Request { how, ..request(name, &large[..size]) })) else {
                println!("not run: a disk that is full (no mount namespace of our own)");
                return;
            };
            assert_eq!(parse(reply.status, &reply.body).expect_err("full").word, "enospc", "{}", host.name());
            assert_eq!(after, "old\nthe old content\n", "{}", host.name());
        }
        // An append says how much of it is there; what was there is untouched.
        let (reply, after) = full_disk(&host, &call(&Request { how: How::Append, ..request("old", &large) })).unwrap();
        let error = parse(reply.status, &reply.body).expect_err("full");
        let detail = String::from_utf8(error.detail).unwrap();
        assert_eq!(error.word, "partial", "{}", host.name());
        let added: usize = detail.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(after.len(), "old\nthe old content\n".len() + added, "{} {detail}", host.name());
        assert!(after.starts_with("old\nthe old content\nxxx"), "{}", host.name());
    }
}

#[test]
fn only_one_of_many_writers_of_a_new_file_makes_it() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|number: u8| {
                    let directory = directory.path();
                    scope.spawn(move || {
                        let request = Request { how: How::New, nonce: format!("nonce{number}"), ..request("f", &[b'0' + number]) };
                        (number, write(&host, directory, &request))
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let won: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(number, _)| *number).collect();
        assert_eq!(won.len(), 1, "{}: {outcomes:?}", host.name());
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), [b'0' + won[0]], "{}", host.name());
        assert_eq!(names(directory.path()).len(), 1, "{}", host.name());
    }
}
