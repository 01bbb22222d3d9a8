//! Edit: pieces of a file are replaced, if its content is the one that the edit was computed from.

use super::write::{Lost, lost};
use super::{Fields, Tag, ToolCall, ToolError, number_at, word};

/// The program.
pub const PROGRAM: &str = include_str!("../sh/splice.sh");

/// One piece of a file that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Where it begins in the old content.
    pub offset: usize,
    /// How many bytes go.
    pub delete: usize,
    /// What takes their place.
    pub insert: Vec<u8>,
}

/// Pieces of one file: in order, apart from each other, within the content.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Splices(Vec<Splice>);

impl Splices {
    /// Takes pieces that are in order and do not overlap; `None` if they are not so.
    #[must_use]
    pub fn new(pieces: Vec<Splice>) -> Option<Self> {
        let mut end = 0;
        for piece in &pieces {
            if piece.offset < end {
                return None;
            }
            end = piece.offset.checked_add(piece.delete)?;
        }
        Some(Self(pieces))
    }

    /// The pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Splice] {
        &self.0
    }

    /// The content after the change; `None` if a piece is not within it.
    #[must_use]
    pub fn apply(&self, old: &[u8]) -> Option<Vec<u8>> {
        let mut new = Vec::with_capacity(old.len());
        let mut at = 0;
        for piece in &self.0 {
            new.extend_from_slice(old.get(at..piece.offset)?);
            new.extend_from_slice(&piece.insert);
            at = piece.offset + piece.delete;
        }
        new.extend_from_slice(old.get(at..)?);
        Some(new)
    }

    /// The same change in at most `most` pieces: neighbours are joined, the nearest first, with what lies between them.
    #[must_use]
    pub fn at_most(&self, most: usize, old: &[u8]) -> Self {
        let mut gaps: Vec<usize> = self.0.windows(2).map(|pair| pair[1].offset - (pair[0].offset + pair[0].delete)).collect();
        if self.0.len() <= most.max(1) {
            return self.clone();
        }
        gaps.sort_unstable();
        let widest = gaps[self.0.len() - most.max(1) - 1];
        let mut joined: Vec<Splice> = Vec::new();
        for piece in &self.0 {
            match joined.last_mut() {
                Some(last) if piece.offset - (last.offset + last.delete) <= widest => {
                    let end = last.offset + last.delete;
                    last.insert.extend_from_slice(old.get(end..piece.offset).unwrap_or_default());
                    last.insert.extend_from_slice(&piece.insert);
                    last.delete = piece.offset + piece.delete - last.offset;
                }
                _ => joined.push(piece.clone()),
            }
        }
        Self(joined)
    }
}

/// What to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path, absolute or relative to the session's directory; without NUL.
    pub path: Vec<u8>,
    /// The content that the pieces were computed from.
    pub before: Tag,
    /// The content that they make.
    pub after: Tag,
    /// Names the private file: hex digits that nobody can guess.
    pub nonce: String,
    /// If the content is another now: at most so many bytes of it are sent.
    pub max: u64,
    /// The pieces.
    pub splices: Splices,
}

/// The call for a request.
#[must_use]
pub fn call(request: &Request) -> ToolCall {
    let text = |tag: &Tag| tag.as_str().as_bytes().to_vec();
    let mut args = vec![
        request.path.clone(),
        text(&request.before),
        text(&request.after),
        request.nonce.clone().into_bytes(),
        request.max.to_string().into_bytes(),
    ];
    let mut payload = Vec::new();
    let mut at = 0;
    for piece in request.splices.pieces() {
        for number in [piece.offset - at, piece.delete, piece.insert.len()] {
            args.push(number.to_string().into_bytes());
        }
        payload.extend_from_slice(&piece.insert);
        at = piece.offset + piece.delete;
    }
    ToolCall { tool: "splice", args, payload }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The session's directory.
    pub cwd: Vec<u8>,
    /// The path without links.
    pub real: Vec<u8>,
    /// Whether the path's last name was a link.
    pub linked: bool,
    /// The outcome.
    pub outcome: Outcome,
}

/// Whether the pieces were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They were.
    Done {
        /// Size of the file now.
        size: u64,
        /// What could not be kept.
        lost: Vec<Lost>,
    },
    /// Nothing was done: the content is another.
    Changed {
        /// The content that is there now; `None` if it is larger than was allowed for.
        current: Option<Vec<u8>>,
    },
}

/// Reads a reply.
///
/// # Errors
/// The host's word for why nothing was changed.
pub fn parse(status: u8, body: &[u8]) -> Result<Reply, ToolError> {
    let mut fields = Fields::of(status, body)?;
    let cwd = fields.next()?.to_vec();
    let real = fields.next()?.to_vec();
    let words = fields.words()?;
    let linked = word(&words, 1)? == "1";
    let size = number_at(&words, 2)?;
    let outcome = match word(&words, 0)? {
        "done" => Outcome::Done { size, lost: lost(&words[3..]) },
        "changed" if fields.is_empty() && size > 0 => Outcome::Changed { current: None },
        "changed" => {
            let length = usize::try_from(size).map_err(|_| ToolError::protocol("a size that cannot be"))?;
            Outcome::Changed { current: Some(fields.bytes(length)?.to_vec()) }
        }
        _ => return Err(ToolError::protocol("an unknown outcome")),
    };
    Ok(Reply { cwd, real, linked, outcome })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of a content of this length, from gaps and lengths.
    fn pieces(length: usize, raw: &[(usize, usize, Vec<u8>)]) -> Splices {
        let mut at = 0;
        let mut pieces = Vec::new();
        for (skip, delete, insert) in raw {
            let offset = (at + skip).min(length);
            let delete = (*delete).min(length - offset);
            pieces.push(Splice { offset, delete, insert: insert.clone() });
            at = offset + delete;
        }
        Splices::new(pieces).unwrap()
    }

    proptest! {
        #[test]
        fn joining_pieces_changes_nothing_else(
            old in proptest::collection::vec(any::<u8>(), 0..120),
            raw in proptest::collection::vec((0usize..20, 0usize..9, proptest::collection::vec(any::<u8>(), 0..6)), 0..12),
            most in 1usize..8,
        ) {
            let splices = pieces(old.len(), &raw);
            let joined = splices.at_most(most, &old);
            prop_assert!(joined.pieces().len() <= most);
            prop_assert_eq!(joined.apply(&old), splices.apply(&old));
        }
    }

    #[test]
    fn pieces_that_overlap_are_none() {
        let piece = |offset, delete| Splice { offset, delete, insert: Vec::new() };
        assert!(Splices::new(vec![piece(3, 2), piece(5, 1)]).is_some());
        assert!(Splices::new(vec![piece(3, 2), piece(4, 1)]).is_none());
        assert!(Splices::new(vec![piece(usize::MAX, 2)]).is_none());
        assert_eq!(Splices::new(vec![piece(3, 2)]).unwrap().apply(b"abcd"), None);
    }
}
