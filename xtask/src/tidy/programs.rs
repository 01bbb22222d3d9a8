//! The rules about the sh programs that run on hosts: short, explained, and evaluating nothing that nobody looked at.

use super::{File, Findings};

/// Lines of code that one program may have, comments not counted: what a person reads at once.
const LINES: usize = 300;

/// Programs that use `eval`, on how many lines, and why each of them may.
const MAY_EVALUATE: &[(&str, usize, &str)] = &[
    (
        "crates/towline-proto/src/sh/shell.sh",
        4,
        "once the command that an agent asked to run; else variables whose names were checked to be names, values never",
    ),
    ("crates/towline-proto/src/sh/common.sh", 1, "two functions of towline's own that only bash can read"),
    ("crates/towline-proto/src/sh/lane.sh", 1, "functions of towline's own that come with the one request that needs them"),
    ("crates/towline-proto/src/sh/open.sh", 1, "the rest of towline's own program, which comes behind this part of it"),
    ("crates/towline-proto/src/sh/session.sh", 1, "a session's shell loads towline's own program from a file"),
];

/// Looks at every sh program of the crates.
pub(super) fn check(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| file.path.contains("/src/sh/") && file.is("sh")) {
        findings.seen += 1;
        let lines: Vec<&str> = file.text.lines().collect();
        let code = lines.iter().map(|line| line.trim_start()).filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        if code > LINES {
            findings.add(file, 0, &format!("{code} lines of code; {LINES} is the limit"));
        }
        if !has_head(&lines) {
            findings.add(file, 0, "it must begin with a comment that says what it is");
        }
        judge_eval(file, &lines, &mut findings);
    }
    findings
}

/// Whether a comment of words stands before the first line of code; a `#!` line or a directive alone is none.
fn has_head(lines: &[&str]) -> bool {
    let comments = lines.iter().take_while(|line| line.starts_with('#'));
    comments.filter(|line| !line.starts_with("#!") && !line.starts_with("# shellcheck")).any(|line| line.len() > 20)
}

fn judge_eval(file: &File, lines: &[&str], findings: &mut Findings) {
    let uses: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| evaluates(line)).map(|(number, _)| number).collect();
    let allowed = MAY_EVALUATE.iter().find(|(path, _, _)| *path == file.path).map_or(0, |(_, count, _)| *count);
    if uses.len() != allowed {
        let where_from = "the list in xtask/src/tidy/programs.rs";
        findings.add(file, uses.first().copied().unwrap_or(0), &format!("`eval` on {} lines; {where_from} has {allowed}", uses.len()));
    }
}

/// Whether a line of sh has the word `eval` outside a comment.
fn evaluates(line: &str) -> bool {
    let code = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or(line) };
    code.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.$/".contains(c))).any(|word| word == "eval")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn check_one(text: &str, wrong: usize) {
        let findings = check(&[sample("crates/x/src/sh/a.sh", text)]);
        assert_eq!((findings.seen, findings.wrong.len()), (1, wrong), "{:?}", findings.wrong);
    }

    #[test]
    fn a_program_that_breaks_a_rule_is_found() {
        let head = "# Reads a file in a window of lines.\n";
        check_one(head, 0);
        check_one("# shellcheck shell=sh\ntl_x() { :; }\n", 1);
        check_one("tl_x() { :; }\n", 1);
        check_one(&format!("{head}eval \"$x\"\n"), 1);
        check_one(&format!("{head}tl_x() {{ (eval \"$x\"); }}\n"), 1);
        check_one(&format!("{head}# no eval here\ntl_eval=1 # eval\n"), 0);
        check_one(&format!("{head}{}", ":\n".repeat(LINES)), 0);
        check_one(&format!("{head}{}", ":\n".repeat(LINES + 1)), 1);
    }

    #[test]
    fn a_list_that_allows_more_than_there_is_is_found() {
        let (path, count, _) = MAY_EVALUATE[0];
        let text = |lines: usize| format!("# Reads a file in a window of lines.\n{}", "eval x\n".repeat(lines));
        assert_eq!(check(&[sample(path, &text(count))]).wrong.len(), 0);
        assert_eq!(check(&[sample(path, &text(count - 1))]).wrong.len(), 1);
    }
}
