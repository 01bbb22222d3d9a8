//! Writes docs/reference from the binary's own tables, or says where the files differ from them.
//!
//! Holds to: what stands there is what `towline reference NAME` prints, below one line that says where it comes from.

use std::path::{Path, PathBuf};

use crate::binary::{self, Profile};
use crate::run::{self, Outcome, Trouble};

/// What to do with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write them.
    Write,
    /// Compare them.
    Check,
}

/// What the binary calls a table, and the file that shows it.
const PAGES: &[(&str, &str)] = &[
    ("tools", "tools.md"),
    ("cli", "cli.md"),
    ("errors", "errors.md"),
    ("env", "environment.md"),
    ("limits", "limits.md"),
    ("events", "events.md"),
    ("config", "config.md"),
];

/// Writes or checks all pages.
pub(crate) fn run(mode: Mode) -> Outcome<()> {
    let binary = binary::build(Profile::Debug)?;
    let dir = run::root().join("docs/reference");
    let mut pages = Vec::new();
    for (name, file) in PAGES {
        pages.push((dir.join(file), page(&binary, name)?));
    }
    match mode {
        Mode::Write => {
            std::fs::create_dir_all(&dir)?;
            for (path, text) in &pages {
                std::fs::write(path, text)?;
            }
            println!("wrote {} pages in docs/reference", pages.len());
            Ok(())
        }
        Mode::Check => check(&dir, &pages),
    }
}

/// Tries every row of the table of hosts; the test that compares docs/hosts.md with it writes the page.
pub(crate) fn hosts() -> Outcome<()> {
    let tests = ["test", "--locked", "--workspace", "--test", "it", "--", "matrix::", "--nocapture"];
    run::run(run::cargo().args(tests).env("TOWLINE_WRITE_HOSTS", "1"))
}

fn page(binary: &Path, name: &str) -> Outcome<String> {
    let text = run::capture(run::command(binary).args(["reference", name]))?;
    if text.trim().is_empty() {
        return Err(Trouble(format!("`towline reference {name}` printed nothing")));
    }
    Ok(format!("<!-- Written by `cargo xtask docs` from the binary's own tables; do not edit. -->\n\n{}\n", text.trim_end()))
}

fn check(dir: &Path, pages: &[(PathBuf, String)]) -> Outcome<()> {
    let mut wrong: Vec<String> = pages.iter().filter_map(|(path, text)| difference(path, text)).collect();
    let known: Vec<_> = pages.iter().map(|(path, _)| path.clone()).collect();
    let here = std::fs::read_dir(dir).map_err(|error| Trouble(format!("docs/reference: {error}")))?;
    let strays = here.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| !known.contains(path));
    wrong.extend(strays.map(|path| format!("{}: no table of the binary stands behind it", path.display())));
    if wrong.is_empty() {
        println!("{} pages in docs/reference are what the binary says", pages.len());
        return Ok(());
    }
    Err(Trouble(format!("{}\n`cargo xtask docs` writes them", wrong.join("\n"))))
}

/// Where a file departs from what it should be.
fn difference(path: &Path, wanted: &str) -> Option<String> {
    let name = path.display();
    let Ok(found) = std::fs::read_to_string(path) else { return Some(format!("{name}: missing")) };
    if found == wanted {
        return None;
    }
    let line = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    Some(format!("{name}:{}: is    {}\n{name}:{0}: should be {}", line + 1, at(&found), at(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_a_missing_page_and_a_stray_one_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let page = |name: &str| (dir.path().join(name), "one\ntwo\n".to_owned());
        std::fs::write(dir.path().join("a.md"), "one\ntwo\n").unwrap();
        assert_eq!(check(dir.path(), &[page("a.md")]), Ok(()));
        std::fs::write(dir.path().join("a.md"), "one\n2\n").unwrap();
        std::fs::write(dir.path().join("stray.md"), "").unwrap();
        let Trouble(text) = check(dir.path(), &[page("a.md"), page("b.md")]).unwrap_err();
        assert!(text.contains("a.md:2: is    2"), "{text}");
        assert!(text.contains("b.md: missing") && text.contains("stray.md: no table"), "{text}");
    }
}
