//! Which paths a glob means, and what a host can leave out before the exact decision is made.
//!
//! Holds to: ripgrep's rules for `--glob` (those of .gitignore): a pattern without a slash matches at any depth, one with a
//! slash is anchored, `!` excludes, the last matching pattern wins; `*` and `?` and `[…]` never match a slash. Leaves out: who lists.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// Alternatives of `{…}` that are told to a host; with more of them it lists everything.
const ALTERNATIVES: usize = 64;

/// One pattern.
#[derive(Clone, Debug)]
struct Rule {
    matcher: GlobMatcher,
    excludes: bool,
    directories_only: bool,
}

/// Patterns that decide together.
#[derive(Clone, Debug, Default)]
pub struct PathFilter {
    rules: Vec<Rule>,
}

/// What a host may leave out: it lists every path that the patterns allow, and maybe more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Patterns for `find -name`, one of which the last name matches; none if any name may.
    pub names: Vec<String>,
    /// The directories that every path begins with; empty for none.
    pub base: String,
    /// How many names below `base` a path has at the most, if that is known.
    pub depth: Option<usize>,
    /// Whether names and base alone, at any depth, say exactly what the patterns say.
    pub exact: bool,
}

impl PathFilter {
    /// Reads patterns.
    ///
    /// # Errors
    /// If one of them is no glob: ripgrep's words for it.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        let rules = patterns.iter().map(|pattern| rule(pattern.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether a file with this path, relative to where the search begins, is meant.
    #[must_use]
    pub fn allows(&self, path: &[u8]) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        for parent in parents {
            if self.last(parent, true).is_some_and(|rule| rule.excludes) {
                return false;
            }
        }
        match self.last(path, false) {
            Some(rule) => !rule.excludes,
            None => self.rules.iter().all(|rule| rule.excludes),
        }
    }

    fn last(&self, path: &[u8], directory: bool) -> Option<&Rule> {
        let path = Path::new(OsStr::from_bytes(path));
        self.rules.iter().rev().find(|rule| (directory || !rule.directories_only) && rule.matcher.is_match(path))
    }
}

/// Reads one pattern as a line of .gitignore is read.
fn rule(text: &str) -> Result<Rule, String> {
    let (excludes, directories_only, glob) = normal(text);
    let matcher = GlobBuilder::new(&bounded_classes(&glob))
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .build()
        .map_err(|error| format!("error parsing glob '{text}': {}", error.kind()))?
        .compile_matcher();
    Ok(Rule { matcher, excludes, directories_only })
}

/// Whether it excludes, whether it means directories only, and the glob over the whole path.
fn normal(text: &str) -> (bool, bool, String) {
    let (excludes, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (anchored, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
    let (directories_only, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
    let mut glob = rest.to_owned();
    if !anchored && !rest.contains('/') && rest != "**" {
        glob = format!("**/{rest}");
    }
    if glob.ends_with("/**") || glob == "**" {
        glob.push_str("/*");
    }
    (excludes, directories_only, glob)
}

/// Adds the slash to each negated class, which would match it otherwise.
fn bounded_classes(glob: &str) -> String {
    let mut out = String::with_capacity(glob.len() + 4);
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '[' => {
                if let Some(negation) = chars.next_if(|c| matches!(c, '!' | '^')) {
                    out.push(negation);
                    out.extend(chars.next_if_eq(&']'));
                    out.push('/');
                } else {
                    out.extend(chars.next_if_eq(&']'));
                }
                for inside in chars.by_ref() {
                    out.push(inside);
                    if inside == ']' {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// What a host can leave out when it lists for these patterns.
#[must_use]
pub fn hints<S: AsRef<str>>(patterns: &[S]) -> Hints {
    let all = Hints { exact: patterns.is_empty(), ..Hints::default() };
    let mut shapes = Vec::new();
    let mut exact = true;
    for pattern in patterns {
        let (excludes, directories_only, glob) = normal(pattern.as_ref());
        if excludes || directories_only {
            exact = false;
            if directories_only && !excludes {
                return all;
            }
            continue;
        }
        let Some(alternatives) = expand(&glob) else { return all };
        shapes.extend(alternatives.iter().map(|alternative| Shape::of(alternative)));
    }
    let Some(first) = shapes.first() else { return all };
    let mut base = first.base.clone();
    for shape in &shapes {
        let same = base.iter().zip(&shape.base).take_while(|(a, b)| a == b).count();
        exact &= shape.exact && shape.base == first.base;
        base.truncate(same);
    }
    let depth = shapes.iter().map(|shape| shape.depth.map(|depth| depth + shape.base.len() - base.len())).collect::<Option<Vec<_>>>();
    let mut names: Vec<String> = shapes.iter().map(|shape| shape.name.clone()).collect();
    names.sort();
    names.dedup();
    if names.iter().any(|name| name == "*") {
        names.clear();
    }
    Hints { names, base: base.join("/"), depth: depth.and_then(|all| all.into_iter().max()), exact }
}

/// A glob without braces, as far as a host can use it.
struct Shape {
    base: Vec<String>,
    name: String,
    depth: Option<usize>,
    exact: bool,
}

impl Shape {
    fn of(glob: &str) -> Self {
        let parts: Vec<&str> = glob.split('/').collect();
        let (last, directories) = parts.split_last().unwrap_or((&"*", &[]));
        let literal =
            |part: &&&str| !part.is_empty() && **part != "." && **part != ".." && !part.contains(['*', '?', '[', ']', '\\', '{', '}']);
        let base: Vec<String> = directories.iter().take_while(literal).map(|part| (*part).to_owned()).collect();
        let rest = &directories[base.len()..];
        let anywhere = rest.contains(&"**") || *last == "**";
        // A class can hold a slash only as text: it never matches one, but it would split the glob here.
        let torn = parts.iter().any(|part| part.matches('[').count() != part.matches(']').count());
        let (name, known) = if torn { ("*".to_owned(), false) } else { name_pattern(last) };
        let base = if torn { Vec::new() } else { base };
        Self { base, name, depth: (!anywhere && !torn).then_some(rest.len() + 1), exact: known && rest == ["**"] && *last != "**" }
    }
}

/// A pattern for `find -name` that matches every name the glob matches, and whether it matches no other.
fn name_pattern(glob: &str) -> (String, bool) {
    let mut out = String::new();
    let mut exact = true;
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' if out.ends_with('*') && !out.ends_with("\\*") => {}
            '\\' => match chars.next() {
                Some(next) if !matches!(next, ':' | '\n') => out.extend(['\\', next]),
                _ => {
                    out.push('?');
                    exact = false;
                }
            },
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let plain = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
                if plain && !inside.starts_with('-') && !inside.ends_with('-') {
                    out.extend(['[', inside.as_str().chars().next().unwrap_or('a')]);
                    out.push_str(&inside[1..]);
                    out.push(']');
                } else {
                    // What stands here is one byte at the least; where the class ends is not sure.
                    return (format!("{}*", out.trim_end_matches('*')), false);
                }
            }
            ':' | '\n' => {
                out.push('?');
                exact = false;
            }
            other => out.push(other),
        }
    }
    (if out.is_empty() { "*".to_owned() } else { out }, exact)
}

/// The globs that a glob with braces stands for; `None` if there are too many of them.
fn expand(glob: &str) -> Option<Vec<String>> {
    let Some((before, alternatives, after)) = first_braces(glob) else {
        return Some(vec![glob.to_owned()]);
    };
    let mut all = Vec::new();
    for alternative in alternatives {
        all.extend(expand(&format!("{before}{alternative}{after}"))?);
        if all.len() > ALTERNATIVES {
            return None;
        }
    }
    Some(all)
}

/// What stands before the first braces, their alternatives, and what stands behind them.
fn first_braces(glob: &str) -> Option<(&str, Vec<&str>, &str)> {
    let bytes = glob.as_bytes();
    let (mut at, mut depth, mut open, mut cuts, mut class) = (0, 0_u32, 0, Vec::new(), false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            _ if class => {}
            b'{' => {
                if depth == 0 {
                    open = at;
                    cuts = vec![at];
                }
                depth += 1;
            }
            b',' if depth == 1 => cuts.push(at),
            b'}' if depth == 1 => {
                cuts.push(at);
                let alternatives = cuts.windows(2).map(|pair| &glob[pair[0] + 1..pair[1]]).collect();
                return Some((&glob[..open], alternatives, &glob[at + 1..]));
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_ripgrep_means_by_it() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&["*.rs"], "a.rs", true),
            (&["*.rs"], "x/y/a.rs", true),
            (&["src/*.rs"], "src/a.rs", true),
            (&["src/*.rs"], "x/src/a.rs", false),
            (&["src/*.rs"], "src/x/a.rs", false),
            (&["/*.rs"], "a.rs", true),
            (&["/*.rs"], "x/a.rs", false),
            (&["**/a.rs"], "a.rs", true),
            (&["src/**"], "src/x/y", true),
            (&["**"], "x/y", true),
            (&["src"], "src/a", false),
            (&["*.{rs,toml}"], "x/Cargo.toml", true),
            (&["a{,.bak}"], "a", true),
            (&["!*.rs"], "a.rs", false),
            (&["!*.rs"], "a.c", true),
            (&["!target"], "target/x", false),
            (&["!target/"], "target/x", false),
            (&["!target/"], "target", true),
            (&["*.rs", "!test*"], "test.rs", false),
            (&["!test*", "*.rs"], "test.rs", true),
            (&["a[!b]c"], "a/c", false),
            (&["a[!b]c"], "axc", true),
            (&["a[!]]c"], "axc", true),
            (&["a[!]]c"], "a/c", false),
            (&["\\*"], "*", true),
            (&["\\*"], "x", false),
            (&["?"], "x/.h", false),
            (&["??"], "x/.h", true),
            (&[], "anything", true),
        ];
        for (patterns, path, expected) in cases {
            let filter = PathFilter::new(patterns).unwrap();
            assert_eq!(filter.allows(path.as_bytes()), *expected, "{patterns:?} on {path}");
        }
        assert_eq!(PathFilter::new(&["["]).unwrap_err(), "error parsing glob '[': unclosed character class; missing ']'");
        assert!(PathFilter::new(&["{a"]).is_err());
    }

    #[test]
    fn a_host_is_told_what_it_can_leave_out() {
        let check = |patterns: &[&str], names: &[&str], base: &str, depth: Option<usize>, exact: bool| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(hints(patterns), Hints { names, base: base.to_owned(), depth, exact }, "{patterns:?}");
        };
        check(&["*.rs"], &["*.rs"], "", None, true);
        check(&["**/*.rs"], &["*.rs"], "", None, true);
        check(&["src/**/*.rs"], &["*.rs"], "src", None, true);
        check(&["src/*.rs"], &["*.rs"], "src", Some(1), false);
        check(&["src/*/*.rs"], &["*.rs"], "src", Some(2), false);
        check(&["*.{ts,tsx}"], &["*.ts", "*.tsx"], "", None, true);
        check(&["{a,b}/x"], &["x"], "", Some(2), false);
        check(&["p/{a,b}/**/x"], &["x"], "p", None, false);
        check(&["src/**"], &[], "src", None, true);
        check(&["**/*"], &[], "", None, true);
        check(&["[a-c]x"], &["[a-c]x"], "", None, true);
        check(&["[!a]x"], &["*"; 0], "", None, false);
        check(&["a:b"], &["a?b"], "", None, false);
        check(&["!x"], &[], "", None, false);
        check(&["*.rs", "!x"], &["*.rs"], "", None, false);
        check(&[], &[], "", None, true);
    }
}
