//! Everything that CI checks, one named step after the other.
//!
//! Holds to: every step runs even if an earlier one failed, so that one run tells all; only a set-up that failed ends it.
//! Leaves out: what takes long (long.rs).

use crate::run::{self, Outcome, Trouble};
use crate::setup::{self, Ready, Stage};
use crate::steps::{Steps, Verdict};
use crate::{chaos, demo, docs, long, readme, shellcheck, tidy};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What CI checks on each change.
    Usual,
    /// What takes longer, too.
    Long,
}

/// Runs the set-up and all steps; `only` names some of them by a word of their names.
pub(crate) fn test(extent: Extent, only: &[String]) -> Outcome<()> {
    let mut steps = Steps::default();
    let mut ready = None;
    let stage = match extent {
        Extent::Usual => Stage::Test,
        Extent::Long => Stage::Long,
    };
    let set_up = || match setup::prepare(stage) {
        Ok(done) => Verdict::Passed(ready.insert(done).note.clone()),
        Err(Trouble(text)) => Verdict::Failed(text),
    };
    steps.run("set-up", set_up);
    let Some(ready) = ready else { return steps.finish() };
    for (name, work) in jobs() {
        if wanted(name, only) {
            steps.run(name, || work(&ready));
        }
    }
    if extent == Extent::Long {
        for (name, work) in long::JOBS {
            if wanted(name, only) {
                steps.run(name, work);
            }
        }
    }
    steps.finish()
}

fn wanted(name: &str, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|word| name.contains(word))
}

type Job = fn(&Ready) -> Verdict;

/// The steps in the order in which they fail soonest.
fn jobs() -> [(&'static str, Job); 12] {
    [
        ("format", |_| format().into()),
        ("tidy", |_| tidy::report().map(|()| String::new()).into()),
        ("shellcheck", |_| shellcheck::run().into()),
        ("deny", |_| deny()),
        ("clippy", |_| plain(run::cargo().args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
        ("tests", |_| tests()),
        ("doc tests", |_| counted(run::cargo().args(["test", "--locked", "--workspace", "--doc"]))),
        ("docs", |_| docs::run(docs::Mode::Check).map(|()| String::new()).into()),
        ("MCP client", |ready| mcp_client(ready).into()),
        ("demo", |ready| demo::with(ready).map(|()| String::new()).into()),
        ("README", |_| readme::run().into()),
        ("chaos", |_| chaos::run(&chaos::Options::short()).into()),
    ]
}

fn plain(command: &mut std::process::Command) -> Verdict {
    run::run(command).map(|()| String::new()).into()
}

/// The fuzz targets are a workspace of their own.
fn format() -> Outcome<String> {
    run::run(run::cargo().args(["fmt", "--all", "--check"]))?;
    run::run(run::cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    Ok(String::new())
}

fn deny() -> Verdict {
    if run::succeeds(run::cargo().args(["deny", "--version"])) {
        // Advisories need the network and change by the day; they are no property of a commit.
        return plain(run::cargo().args(["deny", "check", "bans", "licenses", "sources"]));
    }
    Verdict::NotRun("cargo-deny is not installed".to_owned())
}

/// The test suites: by nextest where it is, else by cargo itself.
fn tests() -> Verdict {
    if run::succeeds(run::cargo().args(["nextest", "--version"])) {
        let options = ["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--color", "never"];
        return counted(run::cargo().args(options));
    }
    counted(run::cargo().args(["test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]))
}

/// Runs a test command, shows its lines, and keeps its counts for the table.
fn counted(command: &mut std::process::Command) -> Verdict {
    let (well, lines) = match run::tee(command) {
        Ok(done) => done,
        Err(Trouble(text)) => return Verdict::Failed(text),
    };
    let note = counts(&lines);
    if well { Verdict::Passed(note) } else { Verdict::Failed(note) }
}

/// What a test runner's closing lines say.
fn counts(lines: &[String]) -> String {
    if let Some(line) = lines.iter().rev().find_map(|line| line.trim_start().strip_prefix("Summary [")) {
        return line.split_once(']').map_or(line, |(_, rest)| rest).trim().to_owned();
    }
    let (mut passed, mut failed) = (0_u64, 0_u64);
    for line in lines.iter().filter_map(|line| line.strip_prefix("test result: ")) {
        for part in line.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    format!("{passed} passed, {failed} failed")
}

/// The whole list of tools through the official client library.
fn mcp_client(ready: &Ready) -> Outcome<String> {
    let script = run::root().join("crates/towline-mcp/tests/python/client.py");
    if !script.is_file() {
        return Err(Trouble(format!("{} is not there", script.display())));
    }
    let binary = crate::binary::build(crate::binary::Profile::Debug)?;
    let lab = crate::lab::Lab::start()?;
    let mut command = lab.command(&ready.python);
    command.arg(script).env("TOWLINE_BINARY", binary).env("TOWLINE_HOST", crate::lab::HOST);
    command.env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    let (well, lines) = run::tee(&mut command)?;
    let last = lines.last().cloned().unwrap_or_default();
    if well { Ok(last) } else { Err(Trouble(last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(counts(&lines), expected);
    }

    #[test]
    fn both_runners_closing_lines_are_read() {
        check(
            "     Summary [  12.007s] 42 tests run: 41 passed, 1 failed, 0 skipped\nerror: x",
            "42 tests run: 41 passed, 1 failed, 0 skipped",
        );
        check(
            "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; finished in 0.1s",
            "4 passed, 2 failed",
        );
        check("", "0 passed, 0 failed");
    }

    #[test]
    fn a_step_is_chosen_by_a_word_of_its_name() {
        assert!(wanted("tests", &[]));
        assert!(wanted("doc tests", &["doc".to_owned()]));
        assert!(!wanted("clippy", &["doc".to_owned()]));
    }
}
