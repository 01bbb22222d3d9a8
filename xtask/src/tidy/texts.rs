//! The rules about files as texts: their length, their head, and names that belong to somebody's machine.

use super::{File, Findings};
use crate::run;

/// Lines that one file may have, tests included.
const LINES: usize = 700;

/// Looks for files that nobody reads to the end.
pub(super) fn check_length(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    let kinds = ["rs", "py", "sh"];
    for file in files.iter().filter(|file| kinds.iter().any(|kind| file.is(kind))) {
        findings.seen += 1;
        let lines = file.text.lines().count();
        if lines > LINES {
            findings.add(file, LINES, &format!("{lines} lines; {LINES} is the limit"));
        }
    }
    findings
}

/// Looks for modules that do not say what they are.
pub(super) fn check_heads(files: &[File]) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| file.is("rs")) {
        findings.seen += 1;
        let head = file.text.lines().next().unwrap_or_default();
        if !head.starts_with("//! ") {
            findings.add(file, 0, "a module begins with `//! ` and what it is");
        } else if head.contains("Placeholder") {
            findings.add(file, 0, "the head still stands for another");
        }
    }
    findings
}

/// Hosts of package registries, in two halves so that this file does not name one either.
const REGISTRIES: &[(&str, &str)] = &[
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("pypi", ".org"),
    ("files.python", "hosted.org"),
    ("registry.npm", "js.org"),
    ("deb.deb", "ian.org"),
    ("archive.ub", "untu.com"),
    ("proxy.go", "lang.org"),
];

/// Looks for the checkout's own path, the person's home, and package registries.
pub(super) fn check_names(files: &[File]) -> Findings {
    let mut names: Vec<(String, &str)> =
        REGISTRIES.iter().map(|(first, second)| (format!("{first}{second}"), "names a package registry")).collect();
    names.extend(own_paths(&run::root().to_string_lossy(), run::variable("HOME").as_deref()));
    check_for(files, &names)
}

/// The paths that give this machine away; paths that could be anybody's are left out.
fn own_paths(root: &str, home: Option<&str>) -> Vec<(String, &'static str)> {
    let telling = |path: &str| path.matches('/').count() >= 2 && !path.starts_with("/tmp/");
    let paths = std::iter::once(root).chain(home);
    paths.filter(|path| telling(path)).map(|path| (path.to_owned(), "is a path of this machine")).collect()
}

fn check_for(files: &[File], names: &[(String, &str)]) -> Findings {
    let mut findings = Findings::default();
    // Cargo writes this one itself.
    for file in files.iter().filter(|file| file.name() != "Cargo.lock") {
        findings.seen += 1;
        for (number, line) in file.text.lines().enumerate() {
            for (name, is) in names.iter().filter(|(name, _)| line.contains(name.as_str())) {
                findings.add(file, number, &format!("`{name}` {is}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(check_length(&[sample("a.rs", &"\n".repeat(LINES))]).wrong.len(), 0);
        assert_eq!(check_length(&[sample("a.rs", &"\n".repeat(LINES + 1))]).wrong.len(), 1);
        assert_eq!(check_length(&[sample("a.md", &"\n".repeat(LINES + 1))]).seen, 0);
    }

    #[test]
    fn a_module_without_a_head_is_found() {
        let check = |text: &str, wrong: usize| assert_eq!(check_heads(&[sample("a.rs", text)]).wrong.len(), wrong, "{text}");
        check("//! What it is.\nfn f() {}", 0);
        check("// What it is.\nfn f() {}", 1);
        check("fn f() {}", 1);
        check("", 1);
    }

    #[test]
    fn a_name_of_a_machine_or_a_registry_is_found() {
        let names = own_paths("/srv/someone/towline", Some("/root"));
        assert_eq!(names.len(), 1);
        assert_eq!(check_for(&[sample("a.md", "see /srv/someone/towline/x")], &names).wrong.len(), 1);
        assert_eq!(check_for(&[sample("a.md", "see /root/x")], &names).wrong.len(), 0);
        let (first, second) = REGISTRIES[0];
        assert_eq!(check_names(&[sample("a.md", &format!("from {first}{second}"))]).wrong.len(), 1);
    }
}
