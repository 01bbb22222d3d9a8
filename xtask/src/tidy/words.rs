//! The rules about words that Rust code must not hold, or only where they are somebody's job.

use super::code::code_only;
use super::{File, Findings};

/// What leaves work undone or a test unrun.
const UNFINISHED: &[&str] = &["#[ignore", "todo!", "unimplemented!", "cfg_attr(miri, ignore"];

/// Looks for what is ignored, unfinished, or allowed without a reason.
pub(super) fn check_unfinished(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| file.is("rs")) {
        findings.seen += 1;
        let code = code_only(&file.text);
        for (number, line) in code.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                findings.add(file, number, &format!("`{word}`: it stays undone and unseen"));
            }
        }
        for at in exceptions_without_reason(&code) {
            findings.add(file, code[..at].matches('\n').count(), "an exception from a lint without `reason = …`");
        }
    }
    findings
}

/// Where `allow(…)` and `expect(…)` attributes without a reason begin.
fn exceptions_without_reason(code: &str) -> Vec<usize> {
    let begins = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    let mut places: Vec<usize> = begins.iter().flat_map(|begin| code.match_indices(begin)).map(|(at, _)| at).collect();
    places.retain(|at| {
        let attribute = code[*at..].split(")]").next().unwrap_or_default();
        !attribute.contains("reason")
    });
    places.sort_unstable();
    places
}

/// Who may start processes: the transport, the lab, these tasks, and tests.
const STARTERS: &[&str] = &["crates/towline-transport/", "crates/towline-testkit/", "xtask/"];

/// Looks for processes that are started elsewhere.
pub(super) fn check_processes(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    let elsewhere = |path: &str| {
        !STARTERS.iter().any(|dir| path.starts_with(dir))
            && !path.contains("/tests/")
            && !path.ends_with("/tests.rs")
            && !path.contains("/benches/")
    };
    for file in files.iter().filter(|file| file.is("rs") && elsewhere(&file.path)) {
        findings.seen += 1;
        let code = code_only(&file.text);
        let shipped = code.split("#[cfg(test)]").next().unwrap_or(&code);
        for (number, line) in shipped.lines().enumerate() {
            if line.contains("Command::new(") || line.contains("process::Command") {
                findings.add(file, number, "a process is started outside towline-transport");
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn check(rule: fn(&[File]) -> Findings, path: &str, text: &str, wrong: usize) {
        let findings = rule(&[sample(path, text)]);
        assert_eq!(findings.wrong.len(), wrong, "{text}: {:?}", findings.wrong);
    }

    #[test]
    fn what_is_unfinished_is_found() {
        let check = |text: &str, wrong| check(check_unfinished, "crates/x/src/a.rs", text, wrong);
        check("// todo!() is a word here\nfn f() { \"#[ignore]\" }", 0);
        check("#[ignore]\nfn f() {}", 1);
        check("#[ignore = \"slow\"]\nfn f() {}", 1);
        check("fn f() { todo!() }", 1);
        check("fn f() { unimplemented!() }", 1);
        check("#[allow(dead_code)]\nfn f() {}", 1);
        check("#![expect(\n    dead_code\n)]\nfn f() {}", 1);
        check("#[expect(dead_code, reason = \"a sample (of code)\")]\nfn f() {}", 0);
    }

    #[test]
    fn a_process_started_elsewhere_is_found() {
        let text = "fn f() { std::process::Command::new(\"x\"); }";
        check(check_processes, "crates/towline-engine/src/a.rs", text, 1);
        check(check_processes, "crates/towline-transport/src/a.rs", text, 0);
        check(check_processes, "crates/towline-engine/tests/it/main.rs", text, 0);
    }
}
