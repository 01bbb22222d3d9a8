//! What `cargo xtask test --long` runs beyond the usual: a list of named jobs, each of which says why it could not run.

use std::process::Command;

use crate::run::{self, Outcome, Trouble};
use crate::setup::tools;
use crate::steps::Verdict;

/// What a job does.
type Job = fn() -> Verdict;

/// Name and work of each job.
pub(crate) const JOBS: [(&str, Job); 4] =
    [("fuzz", fuzz), ("mutants", mutants), ("long chaos", chaos), ("benchmark", || crate::bench::smoke().into())];

/// Seconds that each fuzz target runs: all of them together take half an hour.
const FUZZ_SECONDS: u32 = 120;
/// Longest input that the fuzzer makes; what matters in a parser happens within it.
const FUZZ_BYTES: u32 = 4096;

/// Runs every fuzz target for a while, from its seeds on.
fn fuzz() -> Verdict {
    let fuzz = match tools::FUZZ.prepare() {
        Ok(fuzz) => fuzz,
        Err(Trouble(text)) => return Verdict::NotRun(text),
    };
    fuzz_with(&fuzz).into()
}

fn fuzz_with(fuzz: &dyn Fn() -> Command) -> Outcome<String> {
    let targets = run::capture(fuzz().arg("list"))?;
    let targets: Vec<&str> = targets.split_whitespace().collect();
    if targets.is_empty() {
        return Err(Trouble::new("there is no fuzz target"));
    }
    // No code of ours is unsafe: what an address sanitizer finds cannot be there, and it halves the speed.
    let build = ["--sanitizer", "none"];
    run::run(fuzz().arg("build").args(build))?;
    for target in &targets {
        let path = |kind: &str| run::root().join("fuzz").join(kind).join(target);
        std::fs::create_dir_all(path("corpus"))?;
        let mut command = fuzz();
        command.arg("run").args(build).arg(target).arg(path("corpus")).arg(path("seeds")).arg("--");
        command.args([format!("-max_total_time={FUZZ_SECONDS}"), format!("-max_len={FUZZ_BYTES}"), "-timeout=25".to_owned()]);
        let words = path("dictionaries").with_extension("dict");
        if words.is_file() {
            command.arg(format!("-dict={}", words.display()));
        }
        run::run(&mut command)?;
    }
    Ok(format!("{} targets for {FUZZ_SECONDS} s each", targets.len()))
}

/// The crates and files that decide what may be done, what is hidden and what is sent again: no change in them may go unnoticed.
const WATCHED: &[&str] = &["crates/towline-policy/src/*.rs"];
/// How cargo-mutants ends where every mutant was noticed, some only because a test did not come to an end.
const LOOPED: i32 = 3;

/// Changes the deciding files a little at a time and looks whether a test notices.
fn mutants() -> Verdict {
    let mutants = match tools::MUTANTS.prepare() {
        Ok(mutants) => mutants,
        Err(Trouble(text)) => return Verdict::NotRun(text),
    };
    let mut command = mutants();
    command.args(["--no-shuffle", "--jobs", "1", "--output"]).arg(run::root().join("target"));
    command.args(WATCHED.iter().flat_map(|file| ["--file", file]));
    match command.status() {
        Ok(status) if status.success() => Verdict::Passed("no change went unnoticed".to_owned()),
        Ok(status) if status.code() == Some(LOOPED) => Verdict::Passed("no change went unnoticed, some by a test without end".to_owned()),
        Ok(status) => Verdict::Failed(format!("cargo mutants ended with {status}: target/mutants.out/missed.txt says what went unnoticed")),
        Err(error) => Verdict::Failed(error.to_string()),
    }
}

/// Everything that can go wrong, for longer than CI can wait.
fn chaos() -> Verdict {
    crate::chaos::run(&crate::chaos::Options::long()).into()
}
