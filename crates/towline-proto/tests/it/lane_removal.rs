//! What goes while somebody else comes: a session that ends in the moment in which another lane wants it, and all that is kept, in the
//! middle of a command.
//!
//! Holds to: the moment is made by a program of the host that waits for a file. Leaves out: what expires (`lane_faults`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use towline_proto::frame::Tag;
use towline_proto::outcome::parse_hello;
use towline_proto::request::Request;

use crate::lane_line::{Host, Line, command, session, until};

/// A host where a program does something of its own first: `$@` are its words, `$HOME` is the host's.
fn with_program(own: &'static str, name: &str, first: &str) -> Host {
    let host = Host::new(own, "bash");
    let bin = host.home().join("bin");
    fs::create_dir(&bin).unwrap();
    let file = bin.join(name);
    fs::write(&file, format!("#!/bin/sh\n{first}\nPATH=${{PATH#*:}}\nexec {name} \"$@\"\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    let path = PathBuf::from(format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
    host.with_path(&path)
}

/// A session is being removed, its oldest files first, when another lane has a command for it: that runs in a session of its own,
/// which can be ended as any other.
fn a_session_is_wanted_while_it_goes(own: &'static str) {
    let slow = "case \"$*\" in\n  \"-rf \"*/s/*)\n    if [ ! -e \"$HOME/half\" ]; then\n      rm() { /bin/rm \"$@\"; }\n      rm -f \"$2\"/g.* \"$2\"/cur\n      : >\"$HOME/half\"\n      \
                while [ ! -e \"$HOME/on\" ]; do sleep 0.05; done\n    fi ;;\nesac";
    let host = with_program(own, "rm", slow);
    let (mut line, mut other) = (host.open(), host.open());
    line.bash("cd /usr");
    let ending = line.send(&Request::End(session("main")));
    until("half of it is removed", || if host.home().join("half").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    let run = command("echo new");
    assert_eq!(other.run(&run).text(), "new\n");
    fs::write(host.home().join("on"), "").unwrap();
    line.frames(&ending, &[Tag::Reply]);
    assert_eq!(other.bash("echo again").text(), "again\n");
    other.close(&["main"]);
    line.close(&[]);
    host.quiet();
}

/// Somebody removes all that is kept, in the middle of a command: the lane ends at the next sign of life that is asked for, the next one
/// has other records, and whoever watched the command ends with it.
fn the_state_is_removed(own: &'static str) {
    let host = Host::new(own, "bash");
    let state_of = |line: &mut Line<'_>| parse_hello(&line.frames("0", &[Tag::Hello]).pop().unwrap().payload).state;
    let mut line = host.start(&[]);
    let before = state_of(&mut line);
    let mut other = host.start(&[]);
    assert!(!before.is_empty() && state_of(&mut other) == before, "{before}");
    other.close(&[]);
    let go = host.home().join("go");
    let run = command(&format!(": >{0}.begun; while [ ! -e {0} ]; do sleep 0.05; done", go.display()));
    line.begin(&run);
    until("it has begun", || if host.home().join("go.begun").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    // Whoever writes there in this very moment makes it come again.
    until("all of it is removed", || fs::remove_dir_all(host.home().join(".local")).map_err(|error| error.to_string()));
    line.send(&Request::Ping);
    until("the lane has ended", || line.child.try_wait().unwrap().map(|_| ()).ok_or_else(String::new));
    let mut next = host.start(&[]);
    let after = state_of(&mut next);
    assert!(!after.is_empty() && after != before, "{after}");
    assert_eq!(next.bash("echo new").text(), "new\n");
    next.close(&["main"]);
    fs::write(go, "").unwrap();
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_session_that_goes_leaves_nobody_behind() {
                super::a_session_is_wanted_while_it_goes($own);
            }

            #[test]
            fn records_that_are_gone_are_not_taken_for_new_ones() {
                super::the_state_is_removed($own);
            }
        }
    )*};
}

// Not busybox: it has its utilities within itself, and none can be made to wait.
under! {
    bash: "bash";
    dash: "dash";
    mksh: "mksh";
    zsh: "zsh --emulate sh";
    ksh93: "ksh93";
}
