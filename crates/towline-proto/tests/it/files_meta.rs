//! Stat and List, as the lane runs them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use towline_proto::files::meta::Kind;
use towline_proto::files::{list, real, stat};

use crate::harness::{Host, World, as_nobody, hostile_names, hosts, open_directory};

fn stat_of(host: &Host, cwd: &Path, paths: &[&str], before: &[&str]) -> stat::Reply {
    let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
    let reply = host.start(cwd, &stat::call(&paths), before);
    stat::parse(reply.status, &reply.body).unwrap_or_else(|error| panic!("{}: {error:?}", host.name()))
}

fn list_of(host: &Host, cwd: &Path, path: &str, hidden: bool, limit: usize) -> list::Reply {
    let reply = host.call(cwd, &list::call(path.as_bytes(), hidden, limit));
    list::parse(reply.status, &reply.body).unwrap_or_else(|error| panic!("{}: {error:?}", host.name()))
}

/// A directory with one of each kind.
fn kinds(root: &Path) {
    fs::write(root.join("file"), "12345").unwrap();
    fs::set_permissions(root.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(root.join("dir")).unwrap();
    symlink("no -> where", root.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
    std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
}

#[test]
fn kinds_sizes_and_targets_are_told() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        kinds(directory.path());
        let table = [
            ("file", Kind::File, Some(5), None),
            ("dir", Kind::Directory, None, None),
            ("link", Kind::Symlink, None, Some("no -> where")),
            ("fifo", Kind::Fifo, None, None),
            ("socket", Kind::Socket, None, None),
            ("/dev/null", Kind::Character, None, None),
            ("/", Kind::Directory, None, None),
            ("./file", Kind::File, Some(5), None),
        ];
        let reply = stat_of(&host, directory.path(), &table.map(|(path, ..)| path), &[]);
        let listed = list_of(&host, directory.path(), ".", false, 100);
        for ((path, kind, size, target), found) in table.iter().zip(&reply.paths) {
            let (name, meta) = found.as_ref().unwrap();
            assert_eq!(name, directory.path().join(path).as_os_str().as_bytes(), "{}", host.name());
            assert_eq!(meta.kind, *kind, "{} {path}", host.name());
            assert!(size.is_none() || meta.size == *size, "{} {path} {meta:?}", host.name());
            assert_eq!(meta.target.as_deref(), target.map(str::as_bytes), "{} {path}", host.name());
            assert!(!meta.mtime.is_empty() && meta.owner.contains(':'), "{} {path} {meta:?}", host.name());
            if host.world != World::Posix {
                assert!(meta.mtime.parse::<u64>().is_ok(), "{} {path} {meta:?}", host.name());
            }
            if let Some((_, listed)) = listed.entries.iter().find(|(name, _)| name == path.as_bytes()) {
                assert_eq!(listed.as_ref(), Some(meta), "{} {path}", host.name());
            }
        }
        assert_eq!(reply.paths[0].as_ref().unwrap().1.mode, "rw-r-----", "{}", host.name());
        assert_eq!((listed.total, listed.entries.len()), (5, 5), "{}", host.name());
    }
}

#[test]
fn a_name_is_only_a_name() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let mut names: Vec<_> = hostile_names().into_iter().filter(|name| host.can_hold(name)).collect();
        names.extend([b".hidden".to_vec(), b"..odd".to_vec(), b".-".to_vec(), b".[!.]*".to_vec(), b"..?*".to_vec()]);
        for name in &names {
            fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
        }
        names.sort();
        for hidden in [true, false] {
            let expected: Vec<_> = names.iter().filter(|name| hidden || !name.starts_with(b".")).collect();
            let reply = list_of(&host, &root, &root.display().to_string(), hidden, 100);
            let mut listed = reply.entries.clone();
            listed.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(listed.iter().map(|(name, _)| name).collect::<Vec<_>>(), expected, "{}", host.name());
            for (name, meta) in &listed {
                let meta = meta.as_ref().unwrap_or_else(|| panic!("{} {name:?}", host.name()));
                assert_eq!((meta.kind, meta.size), (Kind::File, Some(name.len() as u64)), "{} {name:?}", host.name());
            }
            assert_eq!((reply.cwd, reply.real), (root.as_os_str().as_bytes().to_vec(), root.as_os_str().as_bytes().to_vec()));
        }
        let reply = host.call(&root, &stat::call(&names));
        for (name, found) in names.iter().zip(stat::parse(reply.status, &reply.body).unwrap().paths) {
            let (path, meta) = found.unwrap();
            assert_eq!(path, root.join(OsStr::from_bytes(name)).as_os_str().as_bytes(), "{}", host.name());
            assert_eq!((meta.kind, meta.size), (Kind::File, Some(name.len() as u64)), "{} {name:?}", host.name());
        }
        assert_eq!(fs::read_dir(&root).unwrap().count(), names.len(), "{}: something was made", host.name());
    }
}

#[test]
fn links_of_any_name_are_links() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<_> = hostile_names().into_iter().filter(|name| host.can_hold(name)).collect();
        for name in &names {
            symlink("two\nlines", directory.path().join("zz")).unwrap_or_default();
            symlink(OsStr::from_bytes(name), directory.path().join(OsStr::from_bytes(&name[..name.len().min(250)])).with_extension("l"))
                .unwrap();
        }
        let reply = list_of(&host, directory.path(), ".", false, 100);
        assert_eq!(reply.entries.len(), names.len() + 1);
        for (name, meta) in reply.entries {
            let truth = fs::read_link(directory.path().join(OsStr::from_bytes(&name))).unwrap();
            let meta = meta.unwrap();
            assert_eq!(meta.kind, Kind::Symlink, "{} {name:?}", host.name());
            // Among many, a target is told or left out, and never wrong.
            assert!(meta.target.is_none_or(|target| target == truth.as_os_str().as_bytes()), "{} {name:?}", host.name());
            let reply = host.call(directory.path(), &stat::call(std::slice::from_ref(&name)));
            let (_, meta) = stat::parse(reply.status, &reply.body).unwrap().paths.remove(0).unwrap();
            assert_eq!(meta.target.unwrap(), truth.as_os_str().as_bytes(), "{} {name:?}", host.name());
        }
    }
}

#[test]
fn many_entries_are_cut_and_counted() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..450 {
            fs::write(directory.path().join(format!("f{number:03}")), "").unwrap();
        }
        let reply = list_of(&host, directory.path(), ".", false, 410);
        assert_eq!((reply.total, reply.entries.len()), (450, 410), "{}", host.name());
        assert!(reply.entries.iter().enumerate().all(|(at, (name, _))| *name == format!("f{at:03}").into_bytes()), "{}", host.name());
    }
}

#[test]
fn what_cannot_be_told_is_named() {
    for host in hosts() {
        let directory = open_directory();
        let at = |name: &str| directory.path().join(name);
        kinds(directory.path());
        symlink("loop", at("loop")).unwrap();
        for name in ["shut", "dark"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("x"), "").unwrap();
        }
        fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(at("dark"), fs::Permissions::from_mode(0o111)).unwrap();
        let table =
            [("", "enoent"), ("none", "enoent"), ("file/x", "enotdir"), ("shut/x", "eacces"), ("loop/x", "eloop"), ("none/x", "enoent")];
        let reply = stat_of(&host, directory.path(), &table.map(|(path, _)| path), as_nobody());
        for ((path, word), found) in table.iter().zip(&reply.paths) {
            assert_eq!(found, &Err((*word).to_owned()), "{} {path}", host.name());
        }
        let table = [
            ("", "enoent"),
            ("none", "enoent"),
            ("file", "enotdir"),
            ("link", "enoent"),
            ("fifo", "efifo"),
            ("shut", "eacces"),
            ("dark", "eacces"),
            ("loop", "eloop"),
        ];
        for (path, word) in table {
            let reply = host.start(directory.path(), &list::call(path.as_bytes(), false, 10), as_nobody());
            assert_eq!(list::parse(reply.status, &reply.body).unwrap_err().word, word, "{} {path}", host.name());
        }
        for name in ["shut", "dark"] {
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}

#[test]
fn an_empty_directory_is_empty() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        for hidden in [true, false] {
            let reply = list_of(&host, directory.path(), ".", hidden, 10);
            assert_eq!((reply.total, reply.entries), (0, Vec::new()), "{}", host.name());
        }
    }
}

#[test]
fn a_path_leads_where_its_links_say_also_where_nothing_is_yet() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("in/deep")).unwrap();
        fs::create_dir(root.join("out")).unwrap();
        fs::write(root.join("in/file"), "x").unwrap();
        symlink("../out", root.join("in/link")).unwrap();
        symlink(root.join("out/none"), root.join("in/dangling")).unwrap();
        symlink("../nowhere/at/all", root.join("in/lost")).unwrap();
        symlink("loop", root.join("in/loop")).unwrap();
        let table = [
            ("in/file", Ok("in/file")),
            ("./in//deep/../file", Ok("in/file")),
            ("in/deep", Ok("in/deep")),
            ("in/deep/", Ok("in/deep")),
            (".", Ok("")),
            ("in/new", Ok("in/new")),
            ("in/a/b/c", Ok("in/a/b/c")),
            ("in/a//b/", Ok("in/a/b")),
            ("in/link/x", Ok("out/x")),
            ("in/link/a/b", Ok("out/a/b")),
            ("in/link/../in/file", Ok("in/file")),
            ("in/dangling", Ok("out/none")),
            ("in/dangling/x", Ok("out/none/x")),
            ("in/lost", Ok("nowhere/at/all")),
            ("in/lost/x", Ok("nowhere/at/all/x")),
            ("in/new/../../out", Err("enoent")),
            ("in/new/.", Err("enoent")),
            ("in/file/x", Err("enotdir")),
            ("in/loop", Err("eloop")),
            ("", Err("enoent")),
        ];
        let relative: Vec<Vec<u8>> = table.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        let absolute: Vec<Vec<u8>> = table
            .iter()
            .map(|(path, _)| if path.is_empty() { Vec::new() } else { format!("{}/{path}", root.display()).into_bytes() })
            .collect();
        for paths in [relative, absolute] {
            let reply = host.call(&root, &real::call(&paths));
            let found = real::parse(reply.status, &reply.body).unwrap_or_else(|error| panic!("{}: {error:?}", host.name()));
            assert_eq!(found.len(), table.len(), "{}", host.name());
            for ((path, expected), found) in table.iter().zip(found) {
                let expected = expected.map_err(str::to_owned).map(|path| {
                    let full = root.join(path);
                    full.to_string_lossy().trim_end_matches('/').as_bytes().to_vec()
                });
                assert_eq!(found, expected, "{} {path}", host.name());
            }
        }
        let reply = host.call(&root, &real::call(&[b"/".to_vec(), b"/none/x".to_vec(), b"//".to_vec()]));
        let found = real::parse(reply.status, &reply.body).unwrap();
        assert_eq!(found, [Ok(b"/".to_vec()), Ok(b"/none/x".to_vec()), Ok(b"/".to_vec())], "{}", host.name());
    }
}
