//! The rules about which crate may depend on which: the boundaries that the workspace's crates stand for.

use std::collections::BTreeMap;

use super::Findings;
use crate::run::{self, Outcome, Trouble};

/// A crate of the workspace and what it depends on.
#[derive(Debug)]
pub(super) struct Package {
    name: String,
    /// Dependencies of the crate itself, each by its name.
    normal: Vec<String>,
    /// Dependencies of its tests.
    dev: Vec<String>,
}

/// Which of our own crates a crate may use. The order is the layering: nobody names a crate that stands below itself here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("towline-base", &[]),
    ("towline-policy", &["towline-base"]),
    ("towline-proto", &["towline-base"]),
    ("towline-transport", &["towline-base"]),
    ("towline-engine", &["towline-base", "towline-policy", "towline-proto", "towline-transport"]),
    ("towline-mcp", &["towline-base", "towline-engine"]),
    ("towline", &["towline-base", "towline-engine", "towline-mcp"]),
    ("towline-testkit", &[]),
    ("xtask", &["towline-testkit"]),
];

/// Libraries that only some crates may use: a boundary, not a taste.
const ONLY: &[(&str, &[&str])] = &[
    ("rmcp", &["towline-mcp"]),
    ("clap", &["towline", "xtask"]),
    ("tokio", &["towline-transport", "towline-engine", "towline-mcp", "towline", "towline-testkit", "xtask"]),
    ("tempfile", &["towline-testkit", "xtask"]),
];

/// The crate that tests use and nothing that is shipped.
const LAB: &str = "towline-testkit";

/// Asks cargo for the workspace's crates.
pub(super) fn read() -> Outcome<Vec<Package>> {
    let text = run::capture(run::cargo().args(["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
    parse(&text).ok_or_else(|| Trouble::new("cargo metadata is not what we know"))
}

fn parse(text: &str) -> Option<Vec<Package>> {
    let metadata: serde_json::Value = serde_json::from_str(text).ok()?;
    let packages = metadata["packages"].as_array()?.iter().map(|package| {
        let mut by_kind: BTreeMap<bool, Vec<String>> = BTreeMap::new();
        for dependency in package["dependencies"].as_array()? {
            let is_dev = dependency["kind"].as_str() == Some("dev");
            by_kind.entry(is_dev).or_default().push(dependency["name"].as_str()?.to_owned());
        }
        let name = package["name"].as_str()?.to_owned();
        Some(Package { name, normal: by_kind.remove(&false).unwrap_or_default(), dev: by_kind.remove(&true).unwrap_or_default() })
    });
    packages.collect()
}

/// Applies the rules.
pub(super) fn check(packages: &[Package]) -> Findings {
    let mut findings = Findings { seen: packages.len(), wrong: Vec::new() };
    for package in packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            findings.wrong.push(format!("{name}: the table of crates in xtask/src/tidy/manifests.rs does not know it"));
            continue;
        };
        for used in &package.normal {
            let ours = MAY_USE.iter().any(|(known, _)| known == used);
            if ours && !allowed.contains(&used.as_str()) {
                findings.wrong.push(format!("{name} must not use {used}"));
            }
            let reserved = ONLY.iter().find(|(library, _)| library == used);
            if reserved.is_some_and(|(_, users)| !users.contains(&name)) {
                findings.wrong.push(format!("{name} must not use {used}"));
            }
        }
        for used in package.dev.iter().filter(|used| *used == "rmcp" && name != "towline-mcp") {
            findings.wrong.push(format!("{name}'s tests must not use {used}"));
        }
        if name != "xtask" && package.normal.iter().any(|used| used == LAB) {
            findings.wrong.push(format!("{name} may use {LAB} in its tests only"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, normal: &[&str], dev: &[&str], expected: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let package = Package { name: name.to_owned(), normal: owned(normal), dev: owned(dev) };
        assert_eq!(check(&[package]).wrong, expected);
    }

    #[test]
    fn each_boundary_can_be_crossed_and_is_then_found() {
        check_one("towline-engine", &["towline-base", "tokio"], &["towline-testkit"], &[]);
        check_one("towline-engine", &["rmcp"], &[], &["towline-engine must not use rmcp"]);
        check_one("towline-engine", &["clap"], &[], &["towline-engine must not use clap"]);
        check_one("towline-engine", &["towline-mcp"], &[], &["towline-engine must not use towline-mcp"]);
        check_one("towline-proto", &["tokio"], &[], &["towline-proto must not use tokio"]);
        check_one("towline-policy", &["towline-proto"], &[], &["towline-policy must not use towline-proto"]);
        check_one("towline-mcp", &["towline-transport"], &[], &["towline-mcp must not use towline-transport"]);
        check_one("towline", &[], &["rmcp"], &["towline's tests must not use rmcp"]);
        let lab = ["towline-transport must not use towline-testkit", "towline-transport may use towline-testkit in its tests only"];
        check_one("towline-transport", &["towline-testkit"], &[], &lab);
        check_one("towline-new", &[], &[], &["towline-new: the table of crates in xtask/src/tidy/manifests.rs does not know it"]);
    }

    #[test]
    fn cargos_answer_is_read() {
        let text = r#"{"packages":[{"name":"a","dependencies":[{"name":"b","kind":null},{"name":"c","kind":"dev"}]}]}"#;
        let packages = parse(text).unwrap();
        assert_eq!((packages[0].normal.as_slice(), packages[0].dev.as_slice()), (&["b".to_owned()][..], &["c".to_owned()][..]));
        assert!(parse("{}").is_none());
    }
}
