//! A pattern for a host without ripgrep: what the pattern matches, the expression for `grep -E` matches too, judged by the C library.
#![no_main]

use std::ffi::CString;
use std::mem::MaybeUninit;

use libfuzzer_sys::fuzz_target;
use towline_fuzz::Choices;

#[path = "../../crates/towline-proto/src/files/grep/ere.rs"]
#[allow(dead_code, reason = "a file of the crate, of which one function is looked at")]
mod ere;

/// Whether the C library finds an expression in a line; `None` where it takes none.
fn posix(expression: &[u8], line: &[u8]) -> Option<bool> {
    let (expression, line) = (CString::new(expression).ok()?, CString::new(line).ok()?);
    let mut compiled = MaybeUninit::<libc::regex_t>::uninit();
    // SAFETY: both texts end with a NUL and live until the calls are over; the expression is freed once, if it was compiled.
    unsafe {
        if libc::regcomp(compiled.as_mut_ptr(), expression.as_ptr(), libc::REG_EXTENDED | libc::REG_NOSUB) != 0 {
            return None;
        }
        let found = libc::regexec(compiled.as_ptr(), line.as_ptr(), 0, std::ptr::null_mut(), 0) == 0;
        libc::regfree(compiled.as_mut_ptr());
        Some(found)
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let ignore_case = choices.byte() % 2 == 1;
    let Some(pattern) = choices.text().filter(|text| text.len() <= 60) else { return };
    let line = choices.part();
    if line.len() > 200 || line.contains(&b'\n') || line.contains(&0) {
        return;
    }
    // As the search itself reads it.
    let parser = &mut regex_syntax::ParserBuilder::new();
    let Ok(hir) = parser.utf8(false).multi_line(true).case_insensitive(ignore_case).build().parse(pattern) else { return };
    if ere::names_newline(&hir) {
        return;
    }
    let mut builder = regex::bytes::RegexBuilder::new(pattern);
    let Ok(regex) = builder.multi_line(true).case_insensitive(ignore_case).size_limit(1 << 20).build() else { return };
    let expression = ere::for_lines(&hir);
    let here = regex.is_match(line);
    let there = expression.text.is_empty()
        || posix(&expression.text, line).unwrap_or_else(|| panic!("no expression: {:?}", shown(&expression.text)));
    assert!(there || !here, "{pattern:?} matches {:?} and {:?} does not", shown(line), shown(&expression.text));
    if expression.exact && !expression.text.is_empty() {
        assert_eq!(there, here, "{pattern:?} is said to be exactly {:?}, on {:?}", shown(&expression.text), shown(line));
    }
});

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
