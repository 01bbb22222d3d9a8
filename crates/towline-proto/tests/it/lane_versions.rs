//! A session that an older towline left, and an older towline beside this one: what they say to each other.
//!
//! Holds to: what an older one says is written down here as it said it. Leaves out: state that a newer one keeps (`lane_faults`).

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use towline_proto::frame::Tag;
use towline_proto::request::Request;

use crate::lane_line::{Host, command};

/// Says a line into a FIFO, filled as every such line is.
fn say(fifo: &Path, words: &str) {
    let mut fifo = OpenOptions::new().read(true).write(true).open(fifo).unwrap();
    fifo.write_all(format!("{words:<255}\n").as_bytes()).unwrap();
}

/// The supervisor is of an older towline: it tells an outcome in other words, and the lane looks at the record.
fn an_outcome_is_told_in_older_words(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    let run = command("echo one");
    assert_eq!(line.run(&run).text(), "one\n");
    let lane = fs::read_dir(host.root().join("l")).unwrap().next().unwrap().unwrap().path();
    say(&lane.join("e"), &format!("o {} main.1 one\\n exit 0 0 - / .", run.handle));
    let frames = line.frames(run.handle.as_str(), &[Tag::Outcome]);
    assert!(frames.iter().any(|frame| frame.tag == Tag::Out && frame.payload == b"one\n"), "{frames:?}");
    line.close(&["main"]);
    host.quiet();
}

/// The lane is of an older towline: it is told to look, and the record has all of it.
fn a_lane_is_older(own: &'static str) {
    let host = Host::new(own, "bash");
    let mut line = host.open();
    line.bash("cd /usr");
    let lane = host.root().join("l/1.1");
    fs::create_dir(&lane).unwrap();
    line.bash(&format!("mkfifo {}/e", lane.display()));
    let mut heard = OpenOptions::new().read(true).write(true).open(lane.join("e")).unwrap();
    let run = command("echo one");
    let record = format!("{} {} main -- 0 s 1.1 .\n{}\n", run.id.as_str(), run.digest(), run.command);
    fs::write(host.root().join("x").join(run.handle.as_str()), record).unwrap();
    say(&host.root().join("s/main/in"), &format!("x {}", run.handle));
    let mut words = [0; 256];
    heard.read_exact(&mut words).unwrap();
    assert_eq!(String::from_utf8_lossy(&words).trim_end(), format!("x {}", run.handle));
    line.send(&Request::Wait(run.handle.clone()));
    assert_eq!(line.end(&run).text(), "one\n");
    fs::remove_dir_all(lane).unwrap();
    line.close(&["main"]);
    host.quiet();
}

macro_rules! under {
    ($($name:ident: $own:literal;)*) => {$(
        mod $name {
            #[test]
            fn a_session_of_an_older_towline_is_understood() {
                super::an_outcome_is_told_in_older_words($own);
            }
            #[test]
            fn a_lane_of_an_older_towline_is_told_what_it_understands() {
                super::a_lane_is_older($own);
            }
        }
    )*};
}
each_shell!(under);
