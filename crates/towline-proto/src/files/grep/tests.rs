//! Requests, replies and texts of Grep, without a host.

use proptest::prelude::*;

use super::*;

fn request(pattern: &str) -> GrepRequest {
    GrepRequest { pattern: pattern.to_owned(), numbers: true, head_limit: 250, ..GrepRequest::default() }
}

fn rejected(request: GrepRequest) -> String {
    GrepSearch::new(request).unwrap_err().to_string()
}

const END: &[u8] = b"\n\0T rg 0 1 0 0 0\0/w\0\0";

fn answer(request: GrepRequest, listed: &[u8], end: &[u8]) -> (String, Vec<String>) {
    let found = GrepSearch::new(request).unwrap().parse(0, &[listed, end].concat()).unwrap();
    (found.text, found.notes)
}

#[test]
fn what_ripgrep_rejects_is_rejected_in_its_words() {
    let head = "Search failed — ripgrep rejected the pattern, glob, or file type without searching:\nrg: ";
    assert_eq!(rejected(request("foo(")), format!("{head}regex parse error:\n    foo(\n       ^\nerror: unclosed group"));
    assert!(rejected(request("a\\nb")).starts_with(&format!("{head}the literal \"\\n\" is not allowed in a regex")));
    assert!(rejected(request("(?=a)b")).contains("look-around"));
    let typed = GrepRequest { file_type: Some("nosuch".to_owned()), ..request("a") };
    assert_eq!(rejected(typed), format!("{head}unrecognized file type: nosuch"));
    let globbed = GrepRequest { glob: Some("[".to_owned()), ..request("a") };
    assert_eq!(rejected(globbed), format!("{head}error parsing glob '[': unclosed character class; missing ']'"));
    assert_eq!(rejected(request("a\0")), "pattern holds a NUL character.");
}

#[test]
fn answers_read_as_the_native_ones() {
    let files = b"1 ./m.rs\0\n2 ./sub/n.rs\0\n";
    assert_eq!(answer(request("x"), files, END).0, "Found 2 files\nsub/n.rs\nm.rs");
    let one = GrepRequest { head_limit: 1, ..request("x") };
    let (text, notes) = answer(one.clone(), files, END);
    assert_eq!((text.as_str(), notes), ("Found 1 file limit: 1\nsub/n.rs", vec!["2 files match in all.".to_owned()]));
    assert_eq!(answer(GrepRequest { offset: 1, ..one.clone() }, files, END).0, "Found 1 file offset: 1\nm.rs");
    assert_eq!(answer(request("x"), b"", END).0, "No files found");
    let count = GrepRequest { mode: GrepMode::Count, ..request("x") };
    let counted = b"./sub/n.rs\x001\n./m.rs\x001\n";
    assert_eq!(answer(count.clone(), counted, END).0, "m.rs:1\nsub/n.rs:1\n\nFound 2 total occurrences across 2 files.");
    assert_eq!(answer(count, b"", END).0, "No matches found");
    let by_lines = GrepRequest { mode: GrepMode::Content, ..request("x") };
    let lines = b"./g/one.txt\x002-other\n./g/one.txt\x003:x\r\n--\n./g/one.txt\x009:x\n";
    let context = GrepRequest { before: 1, ..by_lines.clone() };
    assert_eq!(answer(context, lines, END).0, "g/one.txt-2-other\ng/one.txt:3:x\n--\ng/one.txt:9:x");
    let two = GrepRequest { head_limit: 2, ..by_lines.clone() };
    assert_eq!(answer(two, b"./a\x001:x\n./a\x002:x\n./a\x003:x\n", END).0, "a:1:x\na:2:x\n\n[Showing results with pagination = limit: 2]");
    let single = b"\n\0T rg 0 1 0 1 0\0/w\0\0";
    assert_eq!(answer(by_lines.clone(), b"./a\x001:line a\n./a\x003:line b\n", single).0, "1:line a\n3:line b");
    assert_eq!(answer(GrepRequest { numbers: false, ..by_lines.clone() }, b"./a\x001:x\n", END).0, "a:x");
    assert_eq!(answer(by_lines, b"", END).0, "No matches found");
}

#[test]
fn a_line_of_the_greatest_number_is_a_line() {
    let request = GrepRequest { mode: GrepMode::Content, after: 1, ..request("x") };
    let lines = b"./a\x0018446744073709551615:x\n./a\x001:x\n";
    assert_eq!(answer(request, lines, END).0, "a:18446744073709551615:x\na:1:x");
}

#[test]
fn what_the_host_could_not_do_is_told() {
    let content = GrepRequest { mode: GrepMode::Content, ..request(r"\bx") };
    let (text, notes) = answer(content.clone(), b"\0./a\x001:ax\n2:x\xff\n", b"\n\0T plain 0 0 1 0 3\0/w\0first\0");
    assert_eq!(text, "a:2:x\\xff");
    assert_eq!(notes.len(), 4);
    assert!(notes[0].contains("cut at 10000 lines"), "{notes:?}");
    assert!(notes[1].contains(".gitignore was not honoured"), "{notes:?}");
    assert_eq!(notes[2], "3 files or directories could not be read; the first message: first");
    assert_eq!(notes[3], "1 character that is no printable text is written as \\xHH.");
    let (_, notes) = answer(request("x"), b"1 a\0\n", b"\n\0T plain 0 1 2 0 0\0/w\0\0");
    assert!(notes[0].contains("stopped after 50 seconds"), "{notes:?}");
    let long = [b"\0./a\x001:".as_slice(), &b"y".repeat(DECIDABLE + 1), b"\n"].concat();
    let (text, notes) = answer(content, &long, b"\n\0T plain 0 1 0 0 0\0/w\0\0");
    assert_eq!(text, "No matches found");
    assert!(notes[0].contains("1 lines are too long"), "{notes:?}");
}

#[test]
fn globs_are_parted_as_the_native_tool_parts_them() {
    assert_eq!(split_globs("*.rs,*.c  a.{x,y}"), ["*.rs", "*.c", "a.{x,y}"]);
    assert_eq!(split_globs(" "), [""; 0]);
}

#[test]
fn a_host_is_asked_for_no_more_lines_than_are_shown() {
    let ask = |request: GrepRequest| GrepSearch::new(request).unwrap().lines();
    let content = GrepRequest { mode: GrepMode::Content, head_limit: 2, offset: 3, ..request("x") };
    assert_eq!(ask(content.clone()), 6);
    assert_eq!(ask(GrepRequest { head_limit: 0, ..content.clone() }), LINES);
    assert_eq!(ask(GrepRequest { glob: Some("src/*/x".to_owned()), ..content.clone() }), LINES);
    assert_eq!(ask(GrepRequest { glob: Some("src/**/*.rs".to_owned()), ..content }), 6);
}

proptest! {
    #[test]
    fn no_reply_makes_it_panic(
        bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(b'\n'), Just(b':'), Just(b'-'), Just(b'1'), Just(b'/'), any::<u8>()], 0..200),
        engine in "(rg|plain|binary|x)", words in "[0-3 ]{0,12}", pattern in "(a|a.*b|a\\nb|)", mode in 0_usize..3, multiline: bool, only_matching: bool, one: bool,
    ) {
        let mode = [GrepMode::Content, GrepMode::Files, GrepMode::Count][mode];
        let request = GrepRequest { pattern, mode, multiline, only_matching, before: 1, after: 2, numbers: true, ..GrepRequest::default() };
        if let Ok(search) = GrepSearch::new(request) {
            let _ = search.call();
            for tail in [format!("\n\0T {engine} {words}\0/\0\0"), format!("\n\0T {engine} 0 1 0 {} 0\0/\0\0", u8::from(one))] {
                let _ = search.parse(0, &[bytes.as_slice(), tail.as_bytes()].concat());
            }
            let _ = search.parse(0, &bytes);
            let _ = search.parse(1, &bytes);
        }
    }
}
