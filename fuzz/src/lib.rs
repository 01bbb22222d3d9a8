//! What the targets share: taking a stranger's bytes apart.
//!
//! Holds to: the same bytes give the same parts, so that a find can be run again; a seed is a plain file that a person can read, but for
//! its first bytes. Leaves out: what is looked for.

/// Takes choices from the front of the bytes.
#[derive(Debug)]
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// The next byte; 0 when all are used up.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// One of so many.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// The bytes up to the next `0xff`, which stands in no UTF-8 text, or all that are left.
    pub fn part(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0xff).unwrap_or(self.0.len());
        let part = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        part
    }

    /// The same as text; `None` where it is none.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.part()).ok()
    }

    /// All parts that are left.
    pub fn parts(&mut self) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        while !self.0.is_empty() {
            parts.push(self.part());
        }
        parts
    }
}

/// The bytes in pieces whose lengths a seed chooses: how a stream may come in.
pub fn pieces(mut bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(0x9e37_79b9) | 1;
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match state >> 30 {
            0 => 1,
            1 => 1 + (state >> 16) as usize % 4,
            2 => 1 + (state >> 16) as usize % 40,
            _ => 1 + (state >> 16) as usize % 400,
        };
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Whether a part stands in a whole: a parser may cut, but not invent.
pub fn holds(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

/// Asserts that a text acts on no terminal that shows it: no control character but those that a line or a column ends with.
pub fn assert_plain(text: &str) {
    let acts = |c: char| (c.is_control() && c != '\n' && c != '\t') || towline_base::visible::is_tricky(c);
    assert!(!text.contains(acts), "{text:?}");
}
