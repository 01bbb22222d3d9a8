//! The rules about the sh programs that run on hosts: short, explained, and evaluating nothing that nobody looked at.

use super::{File, Findings};

/// Lines that one program may have: what a person reads at once.
const LINES: usize = 300;

/// Programs that may use `eval`, how often, and why.
const MAY_EVALUATE: &[(&str, usize, &str)] = &[];

/// Looks at every sh program of the crates.
pub(super) fn check(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| file.path.contains("/src/sh/") && file.is("sh")) {
        findings.seen += 1;
        let lines: Vec<&str> = file.text.lines().collect();
        if lines.len() > LINES {
            findings.add(file, LINES, &format!("{} lines; {LINES} is the limit", lines.len()));
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
    if uses.len() > allowed {
        for number in uses {
            findings.add(file, number, &format!("`eval`: {allowed} are on the list in xtask/src/tidy/programs.rs"));
        }
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
        check_one(&format!("{head}{}", ":\n".repeat(LINES)), 1);
    }
}
