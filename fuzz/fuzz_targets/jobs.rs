//! What a host tells of executions and of what it keeps, line by line: a line that is none is left out, and nothing acts on a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_engine::replies::{parse_jobs, parse_kept, parse_removed};
use towline_fuzz::{Choices, assert_plain};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let what = choices.below(3);
    let (text, _) = towline_base::visible::to_text(choices.0);
    let lines = text.lines().count();
    match what {
        0 => {
            let jobs = parse_jobs(choices.0);
            assert!(jobs.len() <= lines);
            for job in jobs {
                assert_plain(&job.command);
                assert_plain(&job.session);
                assert!(job.command.chars().count() <= 200);
            }
        }
        1 => {
            let kept = parse_kept(&text);
            assert!(kept.sessions.len() + kept.running_jobs.len() + kept.others <= lines);
        }
        _ => {
            let removed = parse_removed(&text);
            assert!(removed.sessions.len() + removed.with_jobs.len() + removed.executions <= lines);
        }
    }
});
