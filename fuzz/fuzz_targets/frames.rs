//! The decoder of frames: how the stream was cut does not matter, noise before the nonce does not, and every bound holds.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use towline_base::{Nonce, limits};
use towline_fuzz::{Choices, pieces};
use towline_proto::{Decoder, Frame, FrameError, Tag};

static NONCE: LazyLock<Nonce> = LazyLock::new(Nonce::mint);

/// What a lane writes for each kind.
fn letter(tag: Tag) -> char {
    match tag {
        Tag::Hello => 'h',
        Tag::Body => 'b',
        Tag::Reply => 'r',
        Tag::Out => 'o',
        Tag::OutTail => 't',
        Tag::Err => 'f',
        Tag::ErrTail => 'u',
        Tag::Outcome => 'x',
        Tag::Standing => 'g',
        Tag::Refused => 'n',
    }
}

fn decode(stream: &[&[u8]]) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = Decoder::new(&NONCE);
    let mut frames = Vec::new();
    for piece in stream {
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let seed = choices.byte();
    let noise = if choices.byte() % 4 == 0 { choices.part() } else { b"" };
    let greeting = format!("\n{}\n", NONCE.as_str());
    let stream = [noise, greeting.as_bytes(), choices.0].concat();
    let whole = decode(&[&stream]);
    assert_eq!(decode(&pieces(&stream, seed)), whole);
    for frame in &whole.0 {
        assert!(frame.payload.len() <= limits::FRAME_BYTES);
        assert!((1..=32).contains(&frame.key.len()) && frame.key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    let mut again = greeting.into_bytes();
    for Frame { tag, key, payload } in &whole.0 {
        again.extend(format!("{} {key} {}\n", letter(*tag), payload.len()).into_bytes());
        again.extend(payload);
    }
    assert_eq!(decode(&pieces(&again, seed)), (whole.0, None));
});
