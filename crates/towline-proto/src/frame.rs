//! Frames from the host: a header line `<tag> <key> <bytes>`, then exactly that many bytes.
//!
//! Holds to: the decoder does not care how the stream was cut; no header is longer than [`HEADER_BYTES`] and no payload longer
//! than [`limits::FRAME_BYTES`]; whatever is not a frame is an error, never skipped. Leaves out: what frames mean.

use thiserror::Error;
use towline_base::{Nonce, limits};

/// Longest header line, in bytes.
const HEADER_BYTES: usize = 64;
/// Noise that may stand before the nonce, in bytes: a login shell's startup files may be talkative, but not endless.
const NOISE_BYTES: usize = 1024 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The lane is up; facts as `name=value` lines.
    Hello,
    /// Part of a reply's body.
    Body,
    /// End of a reply; its text is the status.
    Reply,
    /// Beginning of an execution's standard output.
    Out,
    /// End of it, where it was too long to send whole; the first frame's first line tells the sizes.
    OutTail,
    /// Beginning of standard error.
    Err,
    /// End of it.
    ErrTail,
    /// An execution's outcome.
    Outcome,
    /// How an execution stands that was attached to.
    Standing,
    /// A request to run was refused.
    Refused,
}

/// Both directions of the one table of tags.
const TAGS: &[(u8, Tag)] = &[
    (b'h', Tag::Hello),
    (b'b', Tag::Body),
    (b'r', Tag::Reply),
    (b'o', Tag::Out),
    (b't', Tag::OutTail),
    (b'f', Tag::Err),
    (b'u', Tag::ErrTail),
    (b'x', Tag::Outcome),
    (b'g', Tag::Standing),
    (b'n', Tag::Refused),
];

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub tag: Tag,
    /// Which request (a number) or execution (a handle) it belongs to.
    pub key: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What came is not the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A header that is none.
    #[error("not a frame's header: {0:?}")]
    Header(String),
    /// A payload longer than allowed.
    #[error("a frame of {0} bytes, more than the {max} allowed", max = limits::FRAME_BYTES)]
    TooLong(u64),
    /// No nonce within the noise that is allowed.
    #[error("no sign of the remote program within {NOISE_BYTES} bytes; the first were: {0:?}")]
    Noise(String),
}

/// Turns a stream of bytes into frames, from the nonce on.
#[derive(Debug)]
pub struct Decoder {
    /// The line that must come first; empty once it came.
    nonce: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were already used.
    used: usize,
    /// Bytes of `buffer` in which no nonce begins, so that a host that sends byte by byte is not read over and over.
    looked: usize,
}

impl Decoder {
    /// A decoder that first looks for this nonce on a line of its own.
    #[must_use]
    pub fn new(nonce: &Nonce) -> Self {
        Self { nonce: format!("\n{}\n", nonce.as_str()).into_bytes(), buffer: Vec::new(), used: 0, looked: 0 }
    }

    /// Takes bytes, however they were cut.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.used == self.buffer.len() {
            self.buffer.clear();
            self.used = 0;
        } else if self.used > limits::FRAME_BYTES {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the nonce has come; asks the buffer, so call it after [`feed`](Self::feed).
    ///
    /// # Errors
    /// If there is more noise than allowed.
    pub fn greeted(&mut self) -> Result<bool, FrameError> {
        if self.nonce.is_empty() {
            return Ok(true);
        }
        let found = self.buffer[self.looked..].windows(self.nonce.len()).position(|window| window == self.nonce);
        if let Some(at) = found {
            self.used = self.looked + at + self.nonce.len();
            self.nonce.clear();
            return Ok(true);
        }
        self.looked = (self.buffer.len() + 1).saturating_sub(self.nonce.len());
        if self.buffer.len() > NOISE_BYTES {
            return Err(FrameError::Noise(String::from_utf8_lossy(&self.buffer[..200]).into_owned()));
        }
        Ok(false)
    }

    /// What came before the nonce did, for an error that tells it; bounded.
    #[must_use]
    pub fn noise(&self) -> String {
        String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(400)]).into_owned()
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// If what is there is no frame; the stream cannot be used any more then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.greeted()? {
            return Ok(None);
        }
        let rest = &self.buffer[self.used..];
        let Some(end) = rest.iter().take(HEADER_BYTES).position(|byte| *byte == b'\n') else {
            return if rest.len() >= HEADER_BYTES { Err(bad_header(rest)) } else { Ok(None) };
        };
        let (tag, key, length) = parse_header(&rest[..end])?;
        if rest.len() < end + 1 + length {
            return Ok(None);
        }
        let payload = rest[end + 1..end + 1 + length].to_vec();
        self.used += end + 1 + length;
        Ok(Some(Frame { tag, key, payload }))
    }
}

fn bad_header(bytes: &[u8]) -> FrameError {
    FrameError::Header(String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_BYTES)]).into_owned())
}

fn parse_header(line: &[u8]) -> Result<(Tag, String, usize), FrameError> {
    let parsed = std::str::from_utf8(line).ok().and_then(|text| {
        let mut words = text.split(' ');
        let (tag, key, length) = (words.next()?, words.next()?, words.next()?);
        let tag = TAGS.iter().find(|(letter, _)| tag.as_bytes() == [*letter])?.1;
        let plain = !key.is_empty() && key.len() <= 32 && key.bytes().all(|b| b.is_ascii_alphanumeric());
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse::<u64>().ok().filter(|_| digits && plain && words.next().is_none())?;
        Some((tag, key.to_owned(), length))
    });
    let (tag, key, length) = parsed.ok_or_else(|| bad_header(line))?;
    match usize::try_from(length) {
        Ok(length) if length <= limits::FRAME_BYTES => Ok((tag, key, length)),
        _ => Err(FrameError::TooLong(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nonce() -> Nonce {
        Nonce::mint()
    }

    fn all(decoder: &mut Decoder) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn noise_before_the_nonce_is_passed_over() {
        let nonce = nonce();
        let mut decoder = Decoder::new(&nonce);
        decoder.feed(b"Welcome!\nr 1 1\n0");
        assert_eq!(decoder.next_frame(), Ok(None));
        decoder.feed(format!("\n{}\nr 7 1\n0", nonce.as_str()).as_bytes());
        assert_eq!(all(&mut decoder), Ok(vec![Frame { tag: Tag::Reply, key: "7".into(), payload: b"0".to_vec() }]));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bad in [
            "x\n",
            "z 1 1\n0",
            "r 1 -1\n",
            "r 1 1 1\n",
            "r ../x 1\n0",
            "r 1 +1\n0",
            "r  1 1\n",
            "r 1 99999999999999999999\n",
            "r 1 70000\n",
            &"a".repeat(70),
        ] {
            let nonce = nonce();
            let mut decoder = Decoder::new(&nonce);
            decoder.feed(format!("\n{}\n{bad}", nonce.as_str()).as_bytes());
            assert!(all(&mut decoder).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_nonce_is_found_wherever_the_noise_is_cut() {
        let nonce = nonce();
        let noise = "\n\nMOTD\n";
        let stream = format!("{noise}{}\n\n{}\nr 7 1\n0", &nonce.as_str()[..20], nonce.as_str()).into_bytes();
        for cut in 0..stream.len() {
            let mut decoder = Decoder::new(&nonce);
            let mut frames = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                decoder.feed(piece);
                frames.extend(all(&mut decoder).expect("frames"));
            }
            assert_eq!(frames.len(), 1, "{cut}");
        }
    }

    #[test]
    fn noise_that_comes_byte_by_byte_is_looked_at_once() {
        let mut decoder = Decoder::new(&nonce());
        for _ in 0..NOISE_BYTES {
            decoder.feed(b"y");
            assert_eq!(decoder.greeted(), Ok(false));
        }
        decoder.feed(b"y");
        assert!(decoder.greeted().is_err());
    }

    #[test]
    fn endless_noise_is_an_error() {
        let mut decoder = Decoder::new(&nonce());
        decoder.feed(&vec![b'y'; NOISE_BYTES + 1]);
        assert!(matches!(decoder.greeted(), Err(FrameError::Noise(_))));
    }

    proptest! {
        #[test]
        fn chunking_never_matters(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8), cuts in proptest::collection::vec(1_usize..50, 1..40)) {
            let nonce = nonce();
            let mut stream = format!("noise\n{}\n", nonce.as_str()).into_bytes();
            let mut expected = Vec::new();
            for (index, payload) in payloads.into_iter().enumerate() {
                stream.extend(format!("b {index} {}\n", payload.len()).bytes());
                stream.extend(&payload);
                expected.push(Frame { tag: Tag::Body, key: index.to_string(), payload });
            }
            let mut decoder = Decoder::new(&nonce);
            let mut frames = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
                decoder.feed(now);
                frames.extend(all(&mut decoder).expect("frames"));
                rest = later;
            }
            prop_assert_eq!(frames, expected);
        }

        #[test]
        fn a_strangers_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let nonce = nonce();
            let mut decoder = Decoder::new(&nonce);
            decoder.feed(format!("\n{}\n", nonce.as_str()).as_bytes());
            decoder.feed(&bytes);
            let _ = all(&mut decoder);
        }
    }
}
