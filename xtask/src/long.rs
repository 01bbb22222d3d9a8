//! What `cargo xtask test --long` runs beyond the usual: a list of named jobs, each of which says why it could not run.

use crate::run;
use crate::steps::Verdict;

/// What a job does.
type Job = fn() -> Verdict;

/// Name and work of each job.
pub(crate) const JOBS: [(&str, Job); 4] =
    [("fuzz", fuzz), ("mutants", mutants), ("long chaos", chaos), ("benchmark", || crate::bench::smoke().into())];

/// Seconds that each fuzz target runs.
const FUZZ_SECONDS: u32 = 300;

/// Runs every fuzz target for a while.
fn fuzz() -> Verdict {
    let dir = run::root().join("fuzz");
    if !dir.is_dir() {
        return Verdict::NotRun("there is no directory fuzz".to_owned());
    }
    if !run::succeeds(run::cargo().args(["fuzz", "--version"])) {
        return Verdict::NotRun("cargo-fuzz is not installed".to_owned());
    }
    let targets = match run::capture(run::cargo().args(["fuzz", "list"])) {
        Ok(list) => list,
        Err(run::Trouble(text)) => return Verdict::Failed(text),
    };
    let mut count = 0;
    for target in targets.split_whitespace() {
        let limit = format!("-max_total_time={FUZZ_SECONDS}");
        if let Err(run::Trouble(text)) = run::run(run::cargo().args(["+nightly", "fuzz", "run", target, "--", &limit])) {
            return Verdict::Failed(text);
        }
        count += 1;
    }
    Verdict::Passed(format!("{count} targets for {FUZZ_SECONDS} s each"))
}

/// Changes the deciding crates a little at a time and looks whether a test notices.
fn mutants() -> Verdict {
    if !run::succeeds(run::cargo().args(["mutants", "--version"])) {
        return Verdict::NotRun("cargo-mutants is not installed".to_owned());
    }
    let packages = ["--package", "towline-base", "--package", "towline-policy", "--package", "towline-proto"];
    run::run(run::cargo().args(["mutants", "--no-shuffle"]).args(packages)).map(|()| String::new()).into()
}

/// Everything that can go wrong, for longer than CI can wait.
fn chaos() -> Verdict {
    crate::chaos::run(&crate::chaos::Options::long()).into()
}
