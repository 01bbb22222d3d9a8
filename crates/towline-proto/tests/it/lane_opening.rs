//! How a lane comes up: what it makes, what it leaves where its program does not come whole, and how large replies come.
//!
//! Holds to: half a program is never kept, since every lane and supervisor of its version would run it from then on. Leaves out: a session
//! that comes up with its lane (`lane_ahead`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use towline_base::Handle;
use towline_proto::frame::Tag;
use towline_proto::outcome::parse_slice;
use towline_proto::program::PROGRAM;
use towline_proto::request::{Output, Request};

use crate::lane_line::{Host, command, session};

/// The link is cut while the program is on its way: nothing is made, and the next lane is as good as any.
fn half_a_program_is_not_kept(own: &'static str) {
    let host = Host::new(own, "bash");
    let whole = PROGRAM.announcement(Some(&session("main")));
    let texts = [&PROGRAM.common, &PROGRAM.open, &PROGRAM.shell, &PROGRAM.host].map(String::len);
    let mut at = whole.len() - texts.iter().sum::<usize>();
    let mut cuts = vec![at / 2, at];
    for length in texts {
        cuts.extend([at + length / 2, at + length - 2]);
        at += length;
    }
    for cut in cuts {
        let mut line = host.greet(&[]);
        line.write(&whole[..cut]);
        line.close(&[]);
        assert!(!host.home().join(".local").exists(), "{own}: something was made from {cut} of {} bytes", whole.len());
    }
    let mut line = host.open();
    assert_eq!(line.bash("echo whole").text(), "whole\n");
    line.close(&["main"]);
    host.quiet();
}

/// A directory and all that are below it.
fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let below = entries.filter(|path| path.is_dir()).flat_map(|path| directories(&path));
    std::iter::once(dir.to_path_buf()).chain(below).collect()
}

/// An account whose files are open to all has no directory of towline that others may enter.
fn what_is_made_is_private(own: &'static str) {
    let host = Host::new(own, "bash").under(&["sh", "-c", "umask 000; exec \"$@\"", "sh"]);
    let mut line = host.start_for(Some(&session("main")), &[]);
    line.frames("0", &[Tag::Hello]);
    assert_eq!(line.bash("umask").text().trim_start_matches('0'), "\n", "{own}: the command has the account's own");
    let made = directories(&host.home().join(".local"));
    assert!(made.len() > 10, "{made:?}");
    for path in made {
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{own}: {} has mode {mode:o}", path.display());
    }
    line.close(&["main"]);
    host.quiet();
}

/// Replies around the sizes at which a frame ends, and at which another way to send them begins; with a NUL around them, and without.
fn a_large_reply_is_whole(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let file = host.home().join("content");
    let text = |length: usize| -> Vec<u8> { b"0123456789 abcdefghij\n".iter().copied().cycle().take(length).collect() };
    for length in [1, 30_000, 32_768, 65_536, 70_000, 131_072, 200_000] {
        for nul in
            [None, Some(0), Some(1), Some(32_700), Some(65_530), Some(length - 1)].into_iter().filter(|at| at.is_none_or(|at| at < length))
        {
            let mut content = text(length);
            if let Some(at) = nul {
                content[at] = 0;
            }
            fs::write(&file, &content).unwrap();
            let run = command("cat ~/content");
            assert_eq!(line.run(&run).state, "exit 0");
            let key = line.send(&whole_output(run.handle));
            let frames = line.frames(&key, &[Tag::Reply]);
            let body: Vec<u8> = frames.iter().filter(|frame| frame.tag == Tag::Body).flat_map(|frame| frame.payload.clone()).collect();
            let slice = parse_slice(&body).unwrap();
            assert!(slice.bytes == content, "{own}: {length} bytes, NUL at {nul:?}: {} came", slice.bytes.len());
        }
    }
    line.close(&["main"]);
    host.quiet();
}

fn whole_output(handle: Handle) -> Request {
    Request::Output(Output {
        handle,
        stream: "stdout",
        offset: Some(0),
        limit: 400_000,
        tail: 0,
        wait: 0,
        wait_for: "end",
        pattern: String::new(),
    })
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn half_a_program_is_not_kept() {
                super::half_a_program_is_not_kept($own);
            }
            #[test]
            fn what_is_made_is_private() {
                super::what_is_made_is_private($own);
            }
            #[test]
            fn a_large_reply_is_whole() {
                super::a_large_reply_is_whole($own);
            }
        }
    )*};
}
each_shell!(under);
