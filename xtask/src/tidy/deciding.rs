//! The rule about files that decide: they take what they need as arguments and do nothing themselves.

use super::code::code_only;
use super::{File, Findings};

/// Names of files that decide.
const DECIDING: &[&str] = &["state.rs", "plan.rs", "parse.rs", "render.rs", "argv.rs", "classify.rs", "decide.rs"];

/// What does not belong there, and what it is.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "reads files"),
    ("std::net", "opens sockets"),
    ("std::io", "does I/O"),
    ("std::process", "starts processes"),
    ("std::thread", "starts threads"),
    ("std::env", "reads the environment"),
    ("std::os", "reaches the system"),
    ("tokio", "is asynchronous"),
    ("rustix", "reaches the system"),
    ("async ", "is asynchronous"),
    (".await", "is asynchronous"),
    ("::now(", "reads the clock"),
    ("clock::", "reads the clock"),
    ("env::read", "reads the environment"),
    ("getrandom", "takes randomness"),
    ("::mint(", "takes randomness"),
    ("println!", "prints"),
    ("print!", "prints"),
];

/// Looks for I/O, async and the clock in every deciding file.
pub(super) fn check(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| DECIDING.contains(&file.name()) && file.path.contains("/src/")) {
        findings.seen += 1;
        let code = code_only(&file.text);
        // A test module at the end may use what it likes.
        let deciding = code.split("#[cfg(test)]\nmod ").next().unwrap_or(&code);
        for (number, line) in deciding.lines().enumerate() {
            for (word, does) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
                findings.add(file, number, &format!("`{}`: a deciding file {does}", word.trim()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn check_one(text: &str, wrong: usize) {
        let findings = check(&[sample("crates/x/src/lane/state.rs", text)]);
        assert_eq!((findings.seen, findings.wrong.len()), (1, wrong), "{text}: {:?}", findings.wrong);
    }

    #[test]
    fn a_deciding_file_that_does_something_is_found() {
        check_one("//! Reads no std::fs.\nfn next(now: Duration) -> Effect { Effect::Wait }", 0);
        check_one("use std::fs;", 1);
        check_one("pub async fn next() {}", 1);
        check_one("fn f() { let t = Instant::now(); }", 1);
        check_one("fn f() { x().await }", 1);
        check_one("fn f() { \"std::fs\" }\n#[cfg(test)]\nmod tests { use std::fs; }", 0);
    }

    #[test]
    fn other_files_are_not_judged() {
        assert_eq!(check(&[sample("crates/x/src/drive.rs", "use std::fs;")]), Findings::default());
    }
}
