//! What hosts, and the files of their users, do to lanes and sessions.

use std::fs;

use towline_proto::request::Run;

use crate::lane_line::{Host, command, session};

/// Some hosts set TMOUT for every shell, and for good: a session waits for its next command as long as it takes.
fn reads_have_a_time_limit(own: &'static str) {
    let host = Host::new(own, "bash");
    fs::write(host.home().join(".bash_profile"), "readonly TMOUT=1; export TMOUT\n").unwrap();
    let mut line = host.open_with(&[("TMOUT", "1")]);
    let first = line.bash("echo $TMOUT $$").text();
    assert!(first.starts_with("1 "), "{first}");
    assert_eq!(line.run(&Run { session: session("other"), ..command("sleep 3") }).state, "exit 0");
    let ended = line.bash("echo $TMOUT $$");
    assert_eq!((ended.text(), ended.flags.as_str()), (first, "-"));
    line.close(&["main", "other"]);
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_time_limit_on_reads_ends_no_session() {
                super::reads_have_a_time_limit($own);
            }
        }
    )*};
}

under! {
    bash: "bash";
    dash: "dash";
    busybox_ash: "busybox ash";
}
