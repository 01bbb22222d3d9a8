//! Grep: text in files.
//!
//! Holds to: one round trip and one contract, whether the host has ripgrep or not: a pattern is ripgrep's, what only may match
//! is decided here with the same engine, and what cannot be decided is told. Leaves out: who carries the bytes.

mod decide;
mod ere;
mod render;
mod reply;
mod types;

use regex_syntax::hir::{Hir, Look};

use super::glob::{Hints, PathFilter, hints};
use super::search::{self, End, Found, SearchError};
use super::{ToolCall, ToolError};

/// The program on the host.
pub const PROGRAM: &str = include_str!("../sh/grep.sh");
/// The part of it that works without ripgrep.
pub const PLAIN_PROGRAM: &str = include_str!("../sh/shared_grep.sh");

/// Lines that one search brings over, whatever was asked for.
pub const LINES: u64 = 10_000;
/// Bytes of a line from which on it is left out of an answer, as the native tool does.
pub const COLUMNS: usize = 500;
/// Bytes of a line that a host without ripgrep sends where the decision is made here.
const DECIDABLE: usize = 64 * 1024;
/// Bytes of a line that such a host sends where it only has to be seen whether it is too long.
const SHOWN: usize = 600;
/// Lines of context that can be asked for on either side.
const CONTEXT: u32 = 10_000;
/// Memory for a compiled pattern, in bytes: as ripgrep's own default.
const COMPILED: usize = 100 * 1024 * 1024;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the tool's own switches")]
pub struct GrepRequest {
    /// The regular expression, in ripgrep's syntax.
    pub pattern: String,
    /// File or directory; the session's directory if not given.
    pub path: Option<String>,
    /// Only files that these globs mean: several are parted by white space or commas.
    pub glob: Option<String>,
    /// Only files of this type.
    pub file_type: Option<String>,
    /// What to show.
    pub mode: GrepMode,
    /// Lines after a match.
    pub after: u32,
    /// Lines before a match.
    pub before: u32,
    /// Line numbers.
    pub numbers: bool,
    /// Upper and lower case alike.
    pub ignore_case: bool,
    /// Only the matching part.
    pub only_matching: bool,
    /// At most so many entries; 0 for no limit.
    pub head_limit: u64,
    /// Leave out so many first.
    pub offset: u64,
    /// `.` matches newlines, and patterns may span lines.
    pub multiline: bool,
}

/// What a search shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrepMode {
    /// The lines.
    Content,
    /// The files.
    #[default]
    Files,
    /// How many in each file.
    Count,
}

/// A search for text, ready to be sent.
#[derive(Clone, Debug)]
pub struct GrepSearch {
    request: GrepRequest,
    /// Whether a match can span lines; then files are searched as wholes.
    spans: bool,
    /// Whether a match can be empty or is bound to the text's ends: then ripgrep is not asked for the matching parts, as it gives
    /// whole lines for some of them.
    whole: bool,
    ere: ere::Ere,
    globs: PathFilter,
    types: PathFilter,
    hints: Hints,
}

impl GrepSearch {
    /// Reads a request.
    ///
    /// # Errors
    /// If the pattern, a glob or the type is none, or something cannot be sent.
    pub fn new(mut request: GrepRequest) -> Result<Self, SearchError> {
        let fields = [("path", &request.path), ("glob", &request.glob), ("type", &request.file_type)];
        for (name, field) in fields {
            if field.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(SearchError::Nul(name));
            }
        }
        if request.pattern.contains('\0') {
            return Err(SearchError::Nul("pattern"));
        }
        request.after = request.after.min(CONTEXT);
        request.before = request.before.min(CONTEXT);
        let hir = parse_pattern(&request).map_err(SearchError::Rejected)?;
        let looks = hir.properties().look_set();
        let whole = hir.properties().minimum_len().unwrap_or(0) == 0 || looks.contains(Look::Start) || looks.contains(Look::End);
        let spans = request.multiline && ere::spans_lines(&hir);
        if !request.multiline && ere::names_newline(&hir) {
            return Err(SearchError::Rejected(NEWLINE.to_owned()));
        }
        let ere = if spans { ere::Ere { text: ere::for_some_line(&hir), exact: false } } else { ere::for_lines(&hir) };
        let patterns = request.glob.as_deref().map(split_globs).unwrap_or_default();
        let globs = PathFilter::new(&patterns).map_err(SearchError::Rejected)?;
        let of_type = match &request.file_type {
            Some(name) => types::globs(name).ok_or_else(|| SearchError::Rejected(format!("unrecognized file type: {name}")))?,
            None => Vec::new(),
        };
        let types = PathFilter::new(&of_type).map_err(SearchError::Rejected)?;
        let hints = join_hints(hints(&patterns), hints(&of_type), of_type.is_empty());
        Ok(Self { request, spans, whole, ere, globs, types, hints })
    }

    /// The request.
    #[must_use]
    pub fn call(&self) -> ToolCall {
        let request = &self.request;
        let want = match request.mode {
            GrepMode::Content => "lines",
            GrepMode::Files => "files",
            GrepMode::Count => "count",
        };
        let mut flags = String::new();
        for (letter, set) in [('i', request.ignore_case), ('m', self.spans), ('o', self.parts_by_ripgrep())] {
            if set {
                flags.push(letter);
            }
        }
        let trim = if self.ere.exact && !self.only_matching() { SHOWN } else { DECIDABLE };
        let mut args: Vec<Vec<u8>> = vec![
            want.into(),
            request.path.clone().unwrap_or_default().into(),
            self.hints.base.clone().into(),
            request.pattern.clone().into(),
            flags.into(),
            request.after.to_string().into(),
            request.before.to_string().into(),
            self.lines().to_string().into(),
            (search::FILES + 1).to_string().into(),
            if self.parts_here() { DECIDABLE } else { SHOWN }.to_string().into(),
            self.plain().into(),
            self.ere.text.clone(),
            self.found().to_string().into(),
            trim.to_string().into(),
            search::SECONDS.to_string().into(),
        ];
        args.extend(self.hints.names.iter().map(|name| name.clone().into_bytes()));
        ToolCall { tool: "grep", args: search::with_length(args), payload: Vec::new() }
    }

    /// What a host without ripgrep is asked for.
    fn plain(&self) -> &'static str {
        match (self.request.mode, self.spans, self.ere.exact) {
            (GrepMode::Content | GrepMode::Count, true, _) => "text",
            (GrepMode::Files, true, _) => "files text",
            (GrepMode::Content, false, _) | (GrepMode::Count, false, false) => "lines",
            (GrepMode::Count, false, true) => "count",
            (GrepMode::Files, false, true) => "files",
            (GrepMode::Files, false, false) => "files lines",
        }
    }

    fn only_matching(&self) -> bool {
        self.request.only_matching && self.request.mode == GrepMode::Content
    }

    /// Whether ripgrep is asked for the matching parts.
    fn parts_by_ripgrep(&self) -> bool {
        self.only_matching() && (self.spans || !self.whole)
    }

    /// Whether the matching parts are found here, even in what ripgrep sent.
    fn parts_here(&self) -> bool {
        self.only_matching() && !self.parts_by_ripgrep()
    }

    /// How many lines of answer are enough; [`LINES`] where it cannot be told before.
    fn lines(&self) -> u64 {
        let wanted = self.request.offset.saturating_add(self.request.head_limit).saturating_add(1);
        if self.request.head_limit == 0 || !self.hints.exact || self.parts_here() { LINES } else { wanted.min(LINES) }
    }

    /// The same for a host without ripgrep, whose lines may turn out not to match.
    fn found(&self) -> u64 {
        if self.ere.exact { self.lines() } else { LINES }
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// If the host could not search, or the reply is none.
    pub fn parse(&self, status: u8, body: &[u8]) -> Result<Found, ToolError> {
        if status != 0 {
            return Err(ToolError::parse(body));
        }
        let (listed, end) = End::split(body)?;
        if end.status > 2 {
            return Err(ToolError { word: "search".to_owned(), detail: end.error });
        }
        let reply = decide::decide(self, listed, &end)?;
        Ok(render::render(self, reply, &end))
    }

    /// Whether a path of the reply is one that was asked for.
    fn allows(&self, path: &[u8], one: bool) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        one || (self.globs.allows(path) && self.types.allows(name))
    }
}

/// ripgrep's words for a newline in a pattern that cannot match one.
const NEWLINE: &str = "the literal \"\\n\" is not allowed in a regex\n\nConsider enabling multiline mode with the --multiline flag (or -U for short).\nWhen multiline mode is enabled, new line characters can be matched.";

/// What the pattern means, or ripgrep's words for what is wrong with it.
fn parse_pattern(request: &GrepRequest) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .multi_line(true)
        .case_insensitive(request.ignore_case)
        .dot_matches_new_line(request.multiline)
        .build()
        .parse(&request.pattern)
        .map_err(|error| error.to_string())
}

/// The pattern, ready to decide.
fn compile(request: &GrepRequest) -> Result<regex::bytes::Regex, ToolError> {
    regex::bytes::RegexBuilder::new(&request.pattern)
        .multi_line(true)
        .case_insensitive(request.ignore_case)
        .dot_matches_new_line(request.multiline)
        .size_limit(COMPILED)
        .build()
        .map_err(|error| ToolError { word: "pattern".to_owned(), detail: error.to_string().into_bytes() })
}

/// Parts the `glob` parameter as the native tool does: at white space, and at commas outside of braces.
fn split_globs(text: &str) -> Vec<&str> {
    let words = text.split_whitespace();
    words.flat_map(|word| if word.contains('{') { vec![word] } else { word.split(',').collect() }).filter(|word| !word.is_empty()).collect()
}

/// What globs and type together let a host leave out.
fn join_hints(of_globs: Hints, of_type: Hints, no_type: bool) -> Hints {
    if no_type {
        return of_globs;
    }
    if of_globs.names.is_empty() {
        return Hints { base: of_globs.base, exact: of_globs.exact && of_type.exact, ..of_type };
    }
    Hints { exact: false, ..of_globs }
}

#[cfg(test)]
mod tests;
