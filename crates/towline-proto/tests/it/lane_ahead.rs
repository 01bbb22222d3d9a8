//! A session that comes up with its lane, before anything was asked for.
//!
//! Holds to: there is one supervisor, however many want the session. Leaves out: what it does then (`lane`).

use std::fs;

use towline_proto::frame::Tag;

use crate::lane_line::{Host, command, session, until};

/// How many supervisors the session had.
fn supervisors(host: &Host) -> usize {
    let entries = fs::read_dir(host.root().join("s/main")).unwrap();
    entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("g."))).count()
}

/// Nothing was asked for, and the session is there.
fn it_comes_up_by_itself(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.start_for(Some(&session("main")), &[]);
    line.frames("0", &[Tag::Hello]);
    until("it is ready", || if host.root().join("s/main/ready").exists() { Ok(()) } else { Err("not yet".to_owned()) });
    assert_eq!(line.bash("cd /usr; echo here").text(), "here\n");
    assert_eq!(line.bash("pwd").text(), "/usr\n");
    assert_eq!(supervisors(&host), 1);
    line.close(&["main"]);
    host.quiet();
}

/// Two lanes want it, and both ask in the moment in which it comes up.
fn it_is_asked_for_while_it_comes_up(own: &'static str) {
    let host = Host::new(own, "bash");
    let name = session("main");
    let (mut line, mut other) = (host.start_for(Some(&name), &[]), host.start_for(Some(&name), &[]));
    let (first, second, third) = (command("echo one"), command("sleep 0.2; echo two"), command("echo three"));
    line.begin(&first);
    other.begin(&second);
    line.begin(&third);
    assert_eq!(line.end(&first).text(), "one\n");
    assert_eq!(other.end(&second).text(), "two\n");
    assert_eq!(line.end(&third).text(), "three\n");
    assert_eq!(supervisors(&host), 1);
    other.close(&[]);
    line.close(&["main"]);
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_session_comes_up_with_its_lane() {
                super::it_comes_up_by_itself($own);
            }
            #[test]
            fn a_session_that_comes_up_is_asked_for() {
                super::it_is_asked_for_while_it_comes_up($own);
            }
        }
    )*};
}
each_shell!(under);
