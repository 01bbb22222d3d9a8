//! The settings file: any text is understood, or refused with its file, its line and what is wrong there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_base::{Code, Failure, HostAlias};

#[path = "parts/config.rs"]
mod config;

use config::mean::Meaning;
use config::parse::{Source, parse};

const HOSTS: [&str; 5] = ["a", "dev", "web-1", "me@web-9:22", "elsewhere+root"];

fn check(failure: &Failure, text: &str) {
    assert_eq!(failure.code, Code::Settings, "{failure}");
    let rest = failure.text.strip_prefix("f:").unwrap_or_else(|| panic!("no place: {failure}"));
    let (line, what) = rest.split_once(": ").unwrap_or_else(|| panic!("no place: {failure}"));
    let line: usize = line.parse().unwrap_or_else(|_| panic!("no line: {failure}"));
    assert!((1..=1 + text.matches('\n').count()).contains(&line), "a line that is not there: {failure}");
    assert!(!what.trim().is_empty(), "nothing is said: {failure:?}");
}

fuzz_target!(|text: &str| {
    let source = Source { name: "f", text };
    match parse(source).and_then(|file| Meaning::of(file, source, "/home/me")) {
        Ok(meaning) => {
            for host in HOSTS {
                let alias = HostAlias::parse(host).expect("a name");
                match meaning.host(&alias) {
                    Ok(resolved) => assert!(resolved.lines.iter().all(|line| line.from == "built in" || line.from.contains("f:"))),
                    Err(failure) => check(&failure, text),
                }
            }
        }
        Err(failure) => check(&failure, text),
    }
});
