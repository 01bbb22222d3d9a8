//! The table of shells, and the one function that quotes a word for all of them.

use towline_testkit::Shells;
use towline_testkit::shells::quote;

#[test]
fn a_shell_is_available_or_named_as_missing() {
    let here: Vec<_> = Shells::available().iter().map(|shell| shell.name).collect();
    let missing = Shells::missing();
    println!("shells that were not judged: {missing:?}");
    assert_eq!(here.len() + missing.len(), Shells::all().len());
    assert!(here.iter().all(|name| !missing.contains(name)));
}

#[test]
fn every_shell_runs_a_text_and_reads_a_quoted_word() {
    for shell in Shells::available() {
        let word = "a 'b' $(c) \"d\" \\e\nf";
        let output = shell.command(&format!("printf %s {}; exit 3", quote(word))).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{}", shell.name);
        assert_eq!(output.status.code(), Some(3), "{}", shell.name);
    }
}
