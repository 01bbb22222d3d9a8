//! What ssh says: on standard error, of its configuration, and where it asks. Whatever a server puts into it acts on no terminal.
#![no_main]
#![allow(dead_code, reason = "files of the crate, of which the parsers are looked at")]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::{Choices, assert_plain};

#[path = "../../crates/towline-transport/src/classify.rs"]
mod classify;
#[path = "../../crates/towline-transport/src/askpass/question.rs"]
mod question;
#[path = "../../crates/towline-transport/src/resolve.rs"]
mod resolve;

use question::Question;

/// Characters of words that are shown, with what says how many more there were.
const SHOWN: usize = 2_100;

fn asked(prompt: &str, hint: &str) {
    let question = Question::read(prompt, hint);
    let told = question.to_string();
    assert!(!told.is_empty());
    match &question {
        Question::Code { words, .. } | Question::Interactive { words, .. } | Question::Pin { words } | Question::Touch { words } => {
            assert!(prompt.contains(words.as_str()));
            assert_plain(told.rsplit_once('(').map_or("", |(_, words)| words));
        }
        Question::HostKey { .. } | Question::Confirm { .. } | Question::Other { .. } => assert_plain(&told),
        Question::Password { user, host } | Question::NewPassword { user, host } => {
            assert!(prompt.contains(&format!("{user}@{host}")));
        }
        Question::Passphrase { file } => assert!(prompt.contains(file.as_str())),
    }
    if prompt.trim().starts_with('(') && prompt.contains("@") {
        assert!(!matches!(question, Question::Passphrase { .. }), "a server asks for a passphrase: {prompt:?}");
    }
    for fingerprint in question::fingerprints(prompt) {
        assert!(fingerprint.len() == 50 && prompt.contains(&fingerprint));
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    match choices.below(3) {
        0 => {
            let words = classify::shown(choices.0);
            assert_plain(&words);
            assert!(words.chars().count() <= SHOWN);
            let verdict = classify::classify(&words);
            assert_eq!(classify::classify(&words), verdict);
            let _ = (classify::tells_of_no_listener(&words), classify::tells_only_of_the_end(&words));
        }
        1 => {
            let hint = ["", "none", "confirm"][choices.below(3)];
            asked(&String::from_utf8_lossy(choices.0), hint);
        }
        _ => {
            let (Some(stdout), Some(stderr)) = (choices.text(), choices.text()) else { return };
            let resolved = resolve::Resolved::parse(stdout, stderr);
            assert!(resolved.control_path().is_none_or(|path| path.is_absolute()));
            assert!(resolved.files.iter().all(|file| stderr.contains(&*file.to_string_lossy())));
            assert!(!(resolved.asks_about_keys() && resolved.bears_changed_keys()));
            let _ = (resolved.is_proxied(), resolved.account(), resolved.address(), resolve::mentions(stderr, "compression"));
        }
    }
});
