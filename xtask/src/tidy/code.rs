//! The code of a Rust file without its comments and the contents of its literals.
//!
//! Holds to: as many lines as the file has, so that a finding names the right one. Leaves out: a real parser; it knows
//! comments, strings (raw ones too), characters and lifetimes, and that is enough to look for words.

/// The text with comments and the contents of string and character literals turned into spaces.
pub(super) fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let (kept, blanked) = token(rest, first, code.chars().next_back());
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..kept + blanked].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blanked..];
    }
    code
}

/// How many bytes to keep and how many to blank after them.
fn token(rest: &str, first: char, before: Option<char>) -> (usize, usize) {
    if rest.starts_with("//") {
        return (0, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (0, block_comment(rest));
    }
    if first == '"' {
        return (1, until_quote(&rest[1..]));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some((prefix, hashes)) = raw_string(rest) {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = rest[prefix..].find(&end).map_or(rest.len() - prefix, |at| at + end.len());
        return (prefix, length);
    }
    if first == '\''
        && let Some(length) = character(rest)
    {
        return (1, length - 1);
    }
    (first.len_utf8(), 0)
}

/// The length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length up to and with the closing quote of a string.
fn until_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r##"` and the like, and the number of its `#`.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let quoted = after.trim_start_matches('#');
    let hashes = after.len() - quoted.len();
    quoted.starts_with('"').then(|| (rest.len() - quoted.len() + 1, hashes))
}

/// The length of a character literal with its quotes; `None` if it is a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = &rest[1..];
    if inner.starts_with('\\') {
        let escape = inner.char_indices().nth(2).map(|(at, _)| at)?;
        return inner[escape..].find('\'').map(|at| 1 + escape + at + 1).or(Some(rest.len()));
    }
    let (end, c) = inner.char_indices().nth(1)?;
    (c == '\'').then_some(1 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::code_only;

    fn check(text: &str, expected: &str) {
        assert_eq!(code_only(text).split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        assert_eq!(code_only(text).lines().count(), text.lines().count(), "{text}");
    }

    #[test]
    fn only_code_stays() {
        check("a // todo\nb", "a b");
        check("//! head\nfn x() {}", "fn x() {}");
        check("a /* one /* two */\n three */ b", "a b");
        check("f(\"std::fs \\\" x\") + 1", "f(\" ) + 1");
        check("f(r#\"std::fs \" x\"#) + 1", "f(r#\" ) + 1");
        check("br\"x\" bar\"y\" r", "br\" bar\" r");
        check("fn f<'a>(x: &'a str) { '\"'; 'b'; '\\''; '\\u{1f}'; y }", "fn f<'a>(x: &'a str) { ' ; ' ; ' ; ' ; y }");
        check("\"é\" 'é' é", "\" ' é");
        check("\"open", "\"");
        check("/* open\nx", "");
    }
}
