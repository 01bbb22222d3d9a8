//! Glob and Grep: any pattern is refused or sent, any reply is read or refused, and what is shown is bounded and acts on no terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::{Choices, assert_plain};
use towline_proto::files::ToolError;
use towline_proto::files::glob::{GlobSearch, PathFilter, SHOWN, hints};
use towline_proto::files::grep::{GrepMode, GrepRequest, GrepSearch};
use towline_proto::files::search::Found;

/// Longest pattern: what a longer one costs to compile is the library's own bound.
const PATTERN: usize = 80;

const ENDS: [&[u8]; 6] = [
    b"\n\0T find 0 1 0 0 0\0/w\0\0",
    b"\n\0T rg 0 1 0 0 0\0/w\0\0",
    b"\n\0T plain 0 0 0 0 2\0/w\0grep: x\0",
    b"\n\0T plain 0 1 1 0 0\0/w\0\0",
    b"\n\0T rg 0 1 2 1 0\0/w/f\0\0",
    b"\n\0T binary 0 1 0 1 0\0/w/f\0\0",
];

fn check(found: Result<Found, ToolError>, most: usize) {
    let found = match found {
        Ok(found) => found,
        Err(error) => return assert!(!error.word.is_empty()),
    };
    assert_plain(&found.text);
    assert_plain(&found.root);
    found.notes.iter().for_each(|note| assert_plain(note));
    assert!(found.text.split('\n').count() <= most, "{} lines, {most} at the most", found.text.split('\n').count());
}

/// Whether a name fits a pattern of `find -name` in the C locale, byte by byte.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
        (Some(_), None) => false,
        (Some((b'?', rest)), Some((_, left))) => fits(rest, left),
        (Some((b'\\', rest)), Some((first, left))) => rest.split_first().is_some_and(|(c, rest)| c == first && fits(rest, left)),
        (Some((b'[', rest)), Some((first, left))) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return *first == b'[' && fits(rest, left) };
            let (class, rest) = (&rest[..end], &rest[end + 1..]);
            let mut at = 0;
            let mut within = false;
            while at < class.len() {
                if class.get(at + 1) == Some(&b'-') && at + 2 < class.len() {
                    within |= (class[at]..=class[at + 2]).contains(first);
                    at += 3;
                } else {
                    within |= class[at] == *first;
                    at += 1;
                }
            }
            within && fits(rest, left)
        }
        (Some((c, rest)), Some((first, left))) => c == first && fits(rest, left),
    }
}

/// What a host is told to leave out, no pattern means.
fn check_hints(patterns: &[&str], path: &[u8]) {
    let Ok(filter) = PathFilter::new(patterns) else { return };
    let usual = !path.is_empty() && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."));
    if !usual || !filter.allows(path) {
        return;
    }
    let hints = hints(patterns);
    let below = if hints.base.is_empty() { Some(path) } else { path.strip_prefix(format!("{}/", hints.base).as_bytes()) };
    let below = below.unwrap_or_else(|| panic!("{patterns:?} means {path:?}, which is not below {:?}", hints.base));
    let depth = below.split(|byte| *byte == b'/').count();
    assert!(hints.depth.is_none_or(|most| depth <= most), "{patterns:?} means {path:?}, which is deeper than {hints:?}");
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let listed = hints.names.is_empty() || hints.names.iter().any(|pattern| fits(pattern.as_bytes(), name));
    assert!(listed, "{patterns:?} means {path:?}, which is none of {hints:?}");
}

fn grep(choices: &mut Choices<'_>, flags: u8, pattern: &str, body: &[u8]) {
    let head_limit = u64::from(choices.byte() % 20);
    let request = GrepRequest {
        pattern: pattern.to_owned(),
        path: None,
        glob: (flags & 8 != 0).then(|| "*.{rs,c}".to_owned()),
        file_type: (flags & 16 != 0).then(|| "rust".to_owned()),
        mode: [GrepMode::Content, GrepMode::Files, GrepMode::Count][choices.below(3)],
        after: u32::from(choices.byte() % 4),
        before: u32::from(choices.byte() % 4),
        numbers: flags & 32 != 0,
        ignore_case: flags & 64 != 0,
        only_matching: flags & 128 != 0,
        head_limit,
        offset: u64::from(choices.byte() % 4),
        multiline: flags & 4 != 0,
    };
    let Ok(search) = GrepSearch::new(request) else { return };
    assert_eq!(search.call().tool, "grep");
    // The page's own line, an empty one before it, and the heading of a list of files.
    let most = if head_limit == 0 { usize::MAX } else { usize::try_from(head_limit).unwrap_or(usize::MAX) + 3 };
    check(search.parse(0, body), most);
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (what, flags) = (choices.below(8), choices.byte());
    let Some(pattern) = choices.text().filter(|text| text.len() <= PATTERN) else { return };
    if what == 0 {
        let patterns: Vec<&str> = pattern.split(' ').filter(|text| !text.is_empty()).collect();
        return check_hints(&patterns, choices.part());
    }
    let numbers = &mut Choices(&choices.0[..choices.0.len().min(5)]);
    let rest = choices.0.get(5..).unwrap_or_default();
    let end = ENDS.get(usize::from(flags) % 8).copied().unwrap_or_default();
    let body = [rest, end].concat();
    if what < 3 {
        let Ok(search) = GlobSearch::new(pattern, Some("x")) else { return };
        assert!(search.call().tool == "glob" && !search.place().is_empty());
        check(search.parse(0, &body), SHOWN + 1);
    } else {
        grep(numbers, flags, pattern, &body);
    }
});
