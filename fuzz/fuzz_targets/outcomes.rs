//! What a host tells of executions and of itself: nothing is guessed, nothing is invented, and what was read reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::{Choices, holds};
use towline_proto::outcome::{Mark, Report, Standing, Why, parse_hello, parse_report, parse_slice};
use towline_proto::recovery::Ends;

/// The words of a standing; `None` where it was none of the table.
fn words(standing: &Standing) -> Option<String> {
    Some(match standing {
        Standing::Exited(status) => format!("exit {status}"),
        Standing::Killed(signal) => format!("kill {signal}"),
        Standing::Running => "running 0".to_owned(),
        Standing::Queued => "queued 0".to_owned(),
        Standing::NeverBegan => "never 0".to_owned(),
        Standing::NoDirectory => "cwd 0".to_owned(),
        Standing::Lost(Why::Reboot) => "lost reboot".to_owned(),
        Standing::Lost(Why::Supervisor) => "lost supervisor".to_owned(),
        Standing::NoRecord => "away 0".to_owned(),
        Standing::Unknown(_) => return None,
    })
}

fn letter(mark: Mark) -> char {
    match mark {
        Mark::ShellReplaced => 'r',
        Mark::HandedOver => 'h',
        Mark::LoginSkipped => 'l',
        Mark::StateRestored => 's',
        Mark::Visited => 'v',
        Mark::NoRoom => 'f',
        Mark::MayMiss => 'm',
    }
}

/// The line of a report, as a host writes it.
fn line(report: &Report) -> Option<String> {
    let took = report.hundredths.map_or_else(|| "?".to_owned(), |took| took.to_string());
    let marks: String = report.marks.iter().map(|mark| letter(*mark)).collect();
    Some(format!("{} {took} -{marks}", words(&report.standing)?))
}

fn check(report: &Report, told: &[u8]) {
    let first = told.split(|byte| b"\n|".contains(byte)).next().unwrap_or_default();
    match &report.standing {
        Standing::Exited(_) => {
            let status = first.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            assert!(!status.is_empty() && status.iter().all(u8::is_ascii_digit), "an exit without a number: {first:?}");
        }
        Standing::Killed(signal) => assert!(signal.len() <= 12 && signal.bytes().all(|byte| byte.is_ascii_alphanumeric())),
        Standing::Unknown(words) => assert!(words.chars().count() <= 80, "{} characters", words.chars().count()),
        Standing::Running | Standing::Queued | Standing::NeverBegan | Standing::NoDirectory | Standing::Lost(_) | Standing::NoRecord => {}
    }
}

fn report(told: &[u8]) {
    let report = parse_report(told);
    check(&report, told);
    if let Some(line) = line(&report) {
        let again = format!("{line}\n{}", report.cwd.as_deref().unwrap_or("?"));
        assert_eq!(parse_report(again.as_bytes()), report);
    }
}

fn slice(body: &[u8]) {
    let Some(slice) = parse_slice(body) else { return };
    check(&slice.report, body);
    assert!(body.ends_with(&slice.bytes));
    let Some(line) = line(&slice.report) else { return };
    let cwd = slice.report.cwd.as_deref().unwrap_or("?");
    let from = u128::from(slice.head) + u128::from(slice.dropped);
    if from <= u128::from(u64::MAX) && !cwd.contains("\n.\n") {
        let (total, head, offset, why) = (slice.total, slice.head, slice.offset, &slice.why);
        let mut again = format!("{line}|{total}|{head}|{from}|{offset}|?|{why}\n{cwd}\n.\n").into_bytes();
        again.extend(&slice.bytes);
        assert_eq!(parse_slice(&again), Some(slice));
    }
}

fn hello(told: &[u8]) {
    let hello = parse_hello(told);
    let fields = [("root", &hello.root), ("state", &hello.state), ("boot", &hello.boot), ("node", &hello.node)];
    let fields = fields.into_iter().chain([("lane", &hello.lane_shell), ("shell", &hello.session_shell)]);
    let again: String = fields.map(|(name, value)| format!("{name}={value}\n")).collect();
    assert_eq!(parse_hello(format!("{again}layout={}", hello.layout).as_bytes()), hello);
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    match choices.below(4) {
        0 => report(choices.0),
        1 => slice(choices.0),
        2 => hello(choices.0),
        _ => {
            let ends = Ends { head: Vec::new(), tail: choices.0.to_vec() };
            if let Some((_, _, bytes)) = ends.split_tail() {
                assert!(bytes.len() < choices.0.len() && holds(choices.0, bytes));
            }
        }
    }
});
