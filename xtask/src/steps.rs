//! Named steps with a time and an outcome each, and the table that is printed after them.
//!
//! Holds to: a step that could not run is named and never counted as passed. Leaves out: what the steps do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::run::{Outcome, Trouble};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It did its work; what is worth a word (may be empty).
    Passed(String),
    /// It could not be run here, and why; the gate stays open.
    NotRun(String),
    /// It failed, or it is required and could not be run.
    Failed(String),
}

impl From<Outcome<String>> for Verdict {
    fn from(outcome: Outcome<String>) -> Self {
        match outcome {
            Ok(note) => Verdict::Passed(note),
            Err(Trouble(text)) => Verdict::Failed(text),
        }
    }
}

/// A step that has ended.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    verdict: Verdict,
    took: Duration,
}

/// The steps of one run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

impl Steps {
    /// Runs one step, and says so before and after.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Verdict) -> &Verdict {
        println!("\n== {name}");
        let begin = Instant::now();
        let verdict = work();
        let took = begin.elapsed();
        match &verdict {
            Verdict::Passed(_) => println!("== {name}: passed in {}", seconds(took)),
            Verdict::NotRun(why) => println!("== {name}: not run: {why}"),
            Verdict::Failed(why) => println!("{why}\n== {name}: FAILED after {}", seconds(took)),
        }
        self.done.push(Step { name: name.to_owned(), verdict, took });
        &self.done[self.done.len() - 1].verdict
    }

    /// Prints the table; the last line holds the two counts.
    pub(crate) fn finish(&self) -> Outcome<()> {
        print!("\n{}", table(&self.done));
        let failed: Vec<&str> =
            self.done.iter().filter(|step| matches!(step.verdict, Verdict::Failed(_))).map(|step| step.name.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { Err(Trouble(format!("failed: {}", failed.join(", ")))) }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn table(steps: &[Step]) -> String {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let (mut passed, mut failed) = (0, 0);
    for step in steps {
        let (word, note) = match &step.verdict {
            Verdict::Passed(note) => {
                passed += 1;
                ("passed", note)
            }
            Verdict::NotRun(why) => ("not run", why),
            Verdict::Failed(why) => {
                failed += 1;
                ("FAILED", why)
            }
        };
        let line = format!("{:width$}  {word:7}  {:>8}  {}", step.name, seconds(step.took), note.lines().next().unwrap_or(""));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "{passed} passed, {failed} failed");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, verdict: Verdict) -> Step {
        Step { name: name.to_owned(), verdict, took: Duration::from_millis(1_240) }
    }

    #[test]
    fn the_table_counts_only_what_ran() {
        let steps = [
            step("format", Verdict::Passed(String::new())),
            step("deny", Verdict::NotRun("cargo-deny is not installed".to_owned())),
            step("clippy", Verdict::Failed("it ended with 1\nmore".to_owned())),
        ];
        let expected = "format  passed      1.2 s\n\
                        deny    not run     1.2 s  cargo-deny is not installed\n\
                        clippy  FAILED      1.2 s  it ended with 1\n\
                        1 passed, 1 failed\n";
        assert_eq!(table(&steps), expected);
    }

    #[test]
    fn one_failed_step_fails_the_run() {
        let mut steps = Steps::default();
        steps.run("good", || Verdict::Passed(String::new()));
        assert_eq!(steps.finish(), Ok(()));
        steps.run("bad", || Verdict::Failed("no".to_owned()));
        assert_eq!(steps.finish(), Err(Trouble("failed: bad".to_owned())));
    }
}
