//! Gives every sh program to shellcheck: each by itself, and the parts of one remote program together.
//!
//! Holds to: a finding names the file and line that a person can open. Leaves out: the rules of our own (tidy).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::run::{self, Outcome, Trouble};
use crate::tidy;

/// What can be judged only where all parts are seen: names that are set in one and used in another.
const ABOUT_SHARED_NAMES: &str = "SC2034,SC2153,SC2154";

/// Checks all programs.
pub(crate) fn run() -> Outcome<String> {
    let programs: Vec<PathBuf> = tidy::tracked()?.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "sh")).collect();
    if programs.is_empty() {
        return Err(Trouble::new("there is no sh program to check"));
    }
    let mut findings = Vec::new();
    let (parts, whole): (Vec<PathBuf>, Vec<PathBuf>) = programs.iter().cloned().partition(|path| is_part(path));
    findings.extend(judge(&["-s", "sh"], &whole)?);
    findings.extend(judge(&["-s", "sh", "-e", ABOUT_SHARED_NAMES], &parts)?);
    let mut families: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for part in parts {
        families.entry(part.parent().map(Path::to_path_buf).unwrap_or_default()).or_default().push(part);
    }
    for family in families.values() {
        findings.extend(judge_together(family)?);
    }
    if findings.is_empty() { Ok(format!("{} programs", programs.len())) } else { Err(Trouble(findings.join("\n"))) }
}

/// Whether a program is sent to a host together with its neighbours.
fn is_part(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("src/sh"))
}

/// One line for each finding in these files.
fn judge(options: &[&str], files: &[PathBuf]) -> Outcome<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let output = run::command("shellcheck").args(["-f", "gcc", "--severity=warning"]).args(options).arg("--").args(files).output()?;
    // 1 says that there are findings; more says that it could not do its work.
    if output.status.code().is_none_or(|code| code > 1) {
        return Err(Trouble(format!("shellcheck: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Judges the names that parts share, as if all stood in one file.
fn judge_together(parts: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut text = String::new();
    let mut begins = Vec::new();
    for part in parts {
        begins.push(text.lines().count());
        text.push_str(&std::fs::read_to_string(run::root().join(part))?);
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    let findings = judge(&["-s", "sh", "-i", ABOUT_SHARED_NAMES], &[file.path().to_path_buf()])?;
    let prefix = format!("{}:", file.path().display());
    Ok(findings.iter().map(|finding| placed(finding, &prefix, &begins, parts)).collect())
}

/// A finding in the joined text, as one in the part that it is in.
fn placed(finding: &str, prefix: &str, begins: &[usize], parts: &[PathBuf]) -> String {
    let place = || {
        let (line, rest) = finding.strip_prefix(prefix)?.split_once(':')?;
        let line: usize = line.parse().ok()?;
        let at = begins.iter().rposition(|begin| *begin < line)?;
        Some(format!("{}:{}:{rest}", parts[at].display(), line - begins[at]))
    };
    place().unwrap_or_else(|| finding.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_in_the_joined_text_is_placed_in_its_part() {
        let parts = ["sh/a.sh", "sh/b.sh"].map(PathBuf::from);
        let check = |finding: &str, expected: &str| assert_eq!(placed(finding, "/t/x:", &[0, 10], &parts), expected);
        check("/t/x:10:3: warning: w [SC2154]", "sh/a.sh:10:3: warning: w [SC2154]");
        check("/t/x:11:3: warning: w [SC2154]", "sh/b.sh:1:3: warning: w [SC2154]");
        check("something else", "something else");
    }
}
