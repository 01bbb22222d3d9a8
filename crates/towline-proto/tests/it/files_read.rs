//! Read, as the lane runs it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use towline_proto::files::Tag;
use towline_proto::files::read::{FileReply, FileRequest, Found, Reply, Request, Window, call, parse};

use crate::harness::{Host, SHELLS, Shell, World, as_nobody, hostile_names, hosts, open_directory};

const MAX: u64 = 4000;
const NONCE: &str = "00112233445566778899aabbccddeeff";

fn request(files: Vec<FileRequest>) -> Request {
    Request { nonce: NONCE.to_owned(), budget: 1 << 20, small: 10, image: 50_000, counted: 1 << 30, files }
}

fn whole(path: impl AsRef<[u8]>) -> FileRequest {
    FileRequest { path: path.as_ref().to_vec(), window: None, max: MAX }
}

fn lines(path: &str, first: u64, lines: Option<u64>) -> FileRequest {
    FileRequest { window: Some(Window { first, lines }), ..whole(path) }
}

fn read(host: &Host, cwd: &Path, request: &Request) -> Reply {
    let reply = host.call(cwd, &call(request));
    parse(NONCE, reply.status, &reply.body)
        .unwrap_or_else(|error| panic!("{}: {error:?} in {:?}", host.name(), String::from_utf8_lossy(&reply.body)))
}

fn one(host: &Host, cwd: &Path, file: FileRequest) -> FileReply {
    read(host, cwd, &request(vec![file])).files.remove(0)
}

#[test]
fn a_content_comes_back_byte_for_byte() {
    let every: Vec<u8> = (0..=255).collect();
    let contents: &[&[u8]] = &[
        b"",
        b"\n",
        b"a",
        b"a\n",
        b"a\r\nb\r\n",
        b"a\0b\n\0",
        "a\u{2028}b\n".as_bytes(),
        b"\n\n\n",
        &every,
        &[b'x'; MAX as usize],
        b"3:abc\n0 in 3\n\n0:\n",
        b"\xff\xfe",
        b"\xef\xbb\xbfbom\n",
    ];
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..contents.len()).map(|at| whole(at.to_string())).collect();
        for (at, content) in contents.iter().enumerate() {
            fs::write(directory.path().join(at.to_string()), content).unwrap();
        }
        let reply = read(&host, directory.path(), &request(files));
        assert_eq!(reply.cwd, directory.path().as_os_str().as_bytes());
        for (content, file) in contents.iter().zip(reply.files) {
            assert_eq!(file.found, Found::Whole(content.to_vec()), "{}", host.name());
        }
    }
}

#[test]
fn a_name_is_only_a_name() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<_> = hostile_names().into_iter().filter(|name| host.can_hold(name)).collect();
        for name in &names {
            fs::write(directory.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        let before = fs::read_dir(directory.path()).unwrap().count();
        let reply = read(&host, directory.path(), &request(names.iter().map(whole).collect()));
        for (name, file) in names.iter().zip(&reply.files) {
            let path = directory.path().canonicalize().unwrap().join(OsStr::from_bytes(name));
            assert_eq!(file.found, Found::Whole(name.clone()), "{} {name:?}", host.name());
            assert_eq!(file.real, path.as_os_str().as_bytes(), "{}", host.name());
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), before, "{}: something was made", host.name());
    }
}

#[test]
fn a_window_is_cut_on_the_host() {
    let table: &[(&[u8], u64, Option<u64>, &[u8])] = &[
        (b"one\ntwo\nthree\nfour\n", 2, Some(2), b"two\nthree\n"),
        (b"one\ntwo\nthree\nfour\n", 1, Some(1), b"one\n"),
        (b"one\ntwo\nthree\nfour\n", 4, Some(9), b"four\n"),
        (b"one\ntwo\nthree\nfour\n", 5, Some(9), b""),
        (b"one\ntwo\nthree\nfour", 4, None, b"four"),
        (b"one\ntwo\nthree\nfour", 1, None, b"one\ntwo\nthree\nfour"),
        (b"o\0ne\r\ntw\xff\r\n\r\nfour", 2, Some(2), b"tw\xff\r\n\r\n"),
        ("long\u{2028}line\nnext\n".as_bytes(), 1, Some(1), "long\u{2028}line\n".as_bytes()),
    ];
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        for (content, first, count, expected) in table {
            fs::write(directory.path().join("f"), content).unwrap();
            let kind = read(&host, directory.path(), &request(vec![])).kind;
            let newlines = content.iter().filter(|b| **b == b'\n').count() as u64;
            let found = Found::Window {
                first: *first,
                newlines: Some(newlines),
                size: content.len() as u64,
                tag: Some(Tag::of(kind, content)),
                bytes: expected.to_vec(),
            };
            assert_eq!(one(&host, directory.path(), lines("f", *first, *count)).found, found, "{}", host.name());
        }
        let past = one(&host, directory.path(), lines("f", 500, Some(1))).found;
        assert!(matches!(past, Found::PastEnd { newlines: 2, tag: Some(_) }), "{} {past:?}", host.name());
        // A small file comes whole, so that it is known.
        fs::write(directory.path().join("f"), "a\nb\n").unwrap();
        assert_eq!(one(&host, directory.path(), lines("f", 2, Some(1))).found, Found::Whole(b"a\nb\n".to_vec()), "{}", host.name());
    }
}

#[test]
fn the_host_names_contents_as_it_can() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(&host, directory.path(), &request(vec![])).kind, host.tag_kind(), "{}", host.name());
    }
}

#[test]
fn twenty_lines_of_a_large_file_are_few_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let line = "0123456789 a line of a log file that grows without end\n";
    let text = line.repeat(100 * 1024 * 1024 / line.len());
    fs::write(directory.path().join("log"), &text).unwrap();
    let middle = text.len() as u64 / line.len() as u64 / 2;
    for host in hosts().into_iter().filter(|host| ["dash", "busybox ash"].contains(&host.shell.name)) {
        let request = Request { files: vec![lines("log", middle, Some(20))], ..request(vec![]) };
        let reply = host.call(directory.path(), &call(&request));
        assert!(reply.body.len() < 4096, "{}: {} bytes", host.name(), reply.body.len());
        match parse(NONCE, reply.status, &reply.body).unwrap().files.remove(0).found {
            Found::Window { bytes, newlines, tag, .. } => {
                assert_eq!(bytes, line.repeat(20).as_bytes(), "{}", host.name());
                assert_eq!(newlines, Some(text.len() as u64 / line.len() as u64));
                assert!(tag.is_some(), "{}", host.name());
            }
            other => panic!("{}: {other:?}", host.name()),
        }
        let uncounted = Request { counted: 1 << 20, ..request };
        let reply = read(&host, directory.path(), &uncounted);
        assert!(matches!(reply.files[0].found, Found::Window { newlines: None, .. }), "{}", host.name());
    }
}

#[test]
fn what_is_too_large_is_told_with_its_size() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("big"), vec![b'x'; 9000]).unwrap();
        fs::write(at("png"), [&b"\x89PNG\r\n\x1a\n"[..], &[0; 9000]].concat()).unwrap();
        fs::write(at("huge.png"), [&b"\x89PNG\r\n\x1a\n"[..], &[0; 60_000]].concat()).unwrap();
        fs::write(at("ok"), "ok").unwrap();
        let files = ["big", "png", "huge.png", "ok"].map(whole).into_iter().chain([lines("big", 1, Some(1))]).collect();
        let found: Vec<_> = read(&host, directory.path(), &request(files)).files.into_iter().map(|file| file.found).collect();
        assert_eq!(found[0], Found::TooLarge { size: 9000, window: false }, "{}", host.name());
        assert!(matches!(&found[1], Found::Whole(bytes) if bytes.len() == 9008), "{}", host.name());
        assert_eq!(found[2], Found::TooLarge { size: 60_008, window: false }, "{}", host.name());
        assert_eq!(found[3], Found::Whole(b"ok".to_vec()), "{}", host.name());
        assert!(matches!(found[4], Found::TooLarge { window: true, .. }), "{} {:?}", host.name(), found[4]);
    }
}

#[test]
fn a_full_answer_leaves_files_out_and_says_so() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), name.repeat(40)).unwrap();
        }
        let request = Request { budget: 100, ..request(["a", "missing", "b", "c"].map(whole).to_vec()) };
        let found: Vec<_> = read(&host, directory.path(), &request).files.into_iter().map(|file| file.found).collect();
        let expected =
            [Found::Whole(b"a".repeat(40)), Found::Error("enoent".to_owned()), Found::Whole(b"b".repeat(40)), Found::LeftOut { size: 40 }];
        assert_eq!(found, expected, "{}", host.name());
    }
}

#[test]
fn what_cannot_be_read_is_named_and_never_opened() {
    for host in hosts() {
        let directory = open_directory();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("file"), "x").unwrap();
        fs::write(at("secret"), "x").unwrap();
        fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::create_dir(at("shut")).unwrap();
        fs::write(at("shut/x"), "x").unwrap();
        fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o000)).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("loop2", at("loop1")).unwrap();
        symlink("loop1", at("loop2")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("fifo", at("to_fifo")).unwrap();
        symlink("/dev/zero", at("to_zero")).unwrap();
        let long = "n".repeat(256);
        let deep = "d/".repeat(2100);
        let table = [
            ("", "enoent"),
            ("none", "enoent"),
            ("none/deep", "enoent"),
            ("dir", "eisdir"),
            (".", "eisdir"),
            ("/", "eisdir"),
            ("dir/..", "eisdir"),
            ("file/", "enotdir"),
            ("file/x", "enotdir"),
            ("file/../file", "enotdir"),
            ("secret", "eacces"),
            ("shut/x", "eacces"),
            ("shut/none", "eacces"),
            ("fifo", "efifo"),
            ("to_fifo", "efifo"),
            ("socket", "esocket"),
            ("to_zero", "edevice"),
            ("/dev/tty", "edevice"),
            ("loop1", "eloop"),
            ("loop1/x", "eloop"),
            ("dangling", "enoent"),
            ("dangling/x", "enoent"),
            (&long, "enametoolong"),
            (&deep, "enametoolong"),
        ];
        let files = table.iter().map(|(path, _)| whole(path)).chain([whole("file")]).collect();
        let reply = host.start(directory.path(), &call(&request(files)), as_nobody());
        let reply = parse(NONCE, reply.status, &reply.body).unwrap();
        for ((path, word), file) in table.iter().zip(&reply.files) {
            let path: String = path.chars().take(40).collect();
            assert_eq!(file.found, Found::Error((*word).to_owned()), "{} {path:?}", host.name());
        }
        assert_eq!(reply.files[table.len()].found, Found::Whole(b"x".to_vec()), "{}", host.name());
        fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_path_leads_through_links_and_dots_as_the_kernel_has_it() {
    for host in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        fs::create_dir_all(at("real/sub")).unwrap();
        fs::create_dir(at("other")).unwrap();
        fs::write(at("real/f -> g"), "1").unwrap();
        fs::write(at("real/x\n"), "2").unwrap();
        symlink("real/sub", at("to_sub")).unwrap();
        symlink("../real/f -> g", at("other/to_f")).unwrap();
        symlink("other/to_f", at("twice")).unwrap();
        symlink(at("real/x\n"), at("a -> b")).unwrap();
        let table = [
            ("real/f -> g", "real/f -> g", "1", false),
            ("./real//f -> g", "real/f -> g", "1", false),
            ("to_sub/../f -> g", "real/f -> g", "1", false),
            ("other/to_f", "real/f -> g", "1", true),
            ("twice", "real/f -> g", "1", true),
            ("a -> b", "real/x\n", "2", true),
            ("real/x\n", "real/x\n", "2", false),
        ];
        let reply = read(&host, &root, &request(table.iter().map(|(path, ..)| whole(path)).collect()));
        for ((path, real, content, linked), file) in table.iter().zip(reply.files) {
            let expected = FileReply {
                real: at(real).as_os_str().as_bytes().to_vec(),
                linked: *linked,
                found: Found::Whole(content.as_bytes().to_vec()),
            };
            assert_eq!(file, expected, "{} {path:?}", host.name());
        }
    }
}

#[test]
fn proc_files_have_content_although_their_size_is_zero() {
    for host in hosts() {
        let reply = one(&host, Path::new("/proc/self"), whole("/proc/sys/kernel/ostype"));
        assert_eq!(reply.found, Found::Whole(b"Linux\n".to_vec()), "{}", host.name());
        let reply = one(&host, Path::new("/"), lines("/proc/cpuinfo", 1, Some(1)));
        assert!(matches!(reply.found, Found::Window { ref bytes, .. } if bytes.ends_with(b"\n")), "{} {reply:?}", host.name());
    }
}

#[test]
fn a_file_of_the_kernel_that_does_not_end_is_named_and_not_waited_for() {
    for host in hosts() {
        let begin = Instant::now();
        let paths = ["/proc/kmsg", "/proc/version", "/proc/self/mem"];
        let reply = read(&host, Path::new("/"), &request(paths.iter().map(whole).collect()));
        let found: Vec<&Found> = reply.files.iter().map(|file| &file.found).collect();
        // Only root may read the kernel's messages at all.
        let word = |found: &Found, words: &[&str]| matches!(found, Found::Error(word) if words.contains(&word.as_str()));
        assert!(word(found[0], &["eendless", "eacces"]), "{} {found:?}", host.name());
        assert!(matches!(found[1], Found::Whole(bytes) if bytes.starts_with(b"Linux")), "{} {found:?}", host.name());
        assert!(word(found[2], &["eioread", "eacces"]), "{} {found:?}", host.name());
        assert!(begin.elapsed() < Duration::from_secs(30), "{} {:?}", host.name(), begin.elapsed());
    }
}

#[test]
fn a_program_that_does_not_end_is_ended_with_and_without_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let text =
        "tl_f_within 30 sh -c 'echo begun; exit 7'; echo $?; tl_f_within 1 sleep 300; case $? in 124 | 137 | 143) echo ended ;; esac";
    let posix = |shell: &Shell| Host { shell: *shell, world: World::Posix };
    for host in hosts().into_iter().chain(SHELLS.iter().map(posix)) {
        let begin = Instant::now();
        let reply = host.script(directory.path(), text, &[]);
        assert_eq!(String::from_utf8_lossy(&reply.body), "begun\n7\nended\n", "{}", host.name());
        assert!(begin.elapsed() < Duration::from_secs(60), "{} {:?}", host.name(), begin.elapsed());
    }
}

#[test]
fn files_that_change_meanwhile_are_never_mixed_up() {
    let host = hosts()[0];
    let directory = tempfile::tempdir().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let made = |name: char, count: usize| std::iter::repeat_n(name, count).collect::<String>();
    for name in ['a', 'b', 'c'] {
        fs::write(directory.path().join(name.to_string()), made(name, 100)).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                for name in ['a', 'b', 'c'] {
                    fs::write(directory.path().join(name.to_string()), made(name, 100 + round % 7)).unwrap();
                }
            }
        });
        let replies: Vec<_> = (0..40)
            .map(|_| {
                let reply = host.call(directory.path(), &call(&request(["a", "b", "c", "a"].map(whole).to_vec())));
                parse(NONCE, reply.status, &reply.body)
            })
            .collect();
        // The writer is stopped before anything is judged, so that a red test ends.
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for reply in replies {
            for (name, file) in b"abca".iter().zip(reply.unwrap().files) {
                match file.found {
                    Found::Whole(bytes) => assert!(bytes.iter().all(|byte| byte == name), "{bytes:?}"),
                    other => assert_eq!(other, Found::Again),
                }
            }
        }
    });
}
