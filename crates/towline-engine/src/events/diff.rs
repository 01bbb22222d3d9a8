//! What changed between two contents, as a unified diff that a person can take in.
//!
//! Holds to: bounded in lines, characters and time; what is left out is counted. Leaves out: colours.

use std::time::Duration;

use similar::TextDiff;
use towline_base::visible;

/// Lines of a diff that are told: three screens.
const TOLD_LINES: usize = 120;
/// Characters of one line.
const TOLD_CHARACTERS: usize = 300;
/// Lines around a change.
const CONTEXT: usize = 3;
/// Time for finding the changes: what is not found by then is told as one large change.
const PATIENCE: Duration = Duration::from_millis(100);
/// Contents above this size are not compared, and nothing holds on to them.
pub(super) const COMPARED_BYTES: usize = 512 * 1024;

/// The diff, and how many of its lines are left out.
pub(super) fn unified(old: &[u8], new: &[u8]) -> (String, u64) {
    let (old, new) = (visible::to_text(old).0, visible::to_text(new).0);
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old.as_str(), new.as_str());
    let whole = diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).to_string();
    let mut lines = whole.lines();
    let mut text = String::new();
    for line in lines.by_ref().take(TOLD_LINES) {
        let count = line.chars().count();
        text.extend(line.chars().take(TOLD_CHARACTERS));
        if count > TOLD_CHARACTERS {
            text.push('…');
        }
        text.push('\n');
    }
    (text, lines.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_stands_within_the_lines_around_it() {
        let (text, more) = unified(b"a\nb\nc\nd\ne\nf\n\x1bg\n", b"a\nb\nc\nD\ne\nf\n\x1bg\n");
        assert_eq!((text.as_str(), more), ("@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+D\n e\n f\n \\x1bg\n", 0));
        assert_eq!(unified(b"", b"new"), ("@@ -0,0 +1 @@\n+new\n".to_owned(), 0));
        assert_eq!(unified(b"same", b"same"), (String::new(), 0));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let (text, more) = unified(b"", "line\n".repeat(500).as_bytes());
        assert_eq!((text.lines().count(), more), (TOLD_LINES, 501 - TOLD_LINES as u64));
        assert!(unified(b"", "x".repeat(1000).as_bytes()).0.ends_with("x…\n"));
    }
}
