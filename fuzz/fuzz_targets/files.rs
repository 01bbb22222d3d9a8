//! The replies of the file tools: a reply is read or refused, and nothing stands in what was read that the host did not send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::{Choices, holds};
use towline_proto::files::splice::{self, Splice, Splices};
use towline_proto::files::{Tag, TagKind, ToolError, list, read, real, stat, write};

/// What parts the contents of a reply to a Read.
const NONCE: &str = "0a0b";

/// The parts as fields, each with its length: so deep no fuzzer would come by guessing lengths.
fn fields(parts: &[&[u8]], tail: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("{}:", part.len()).into_bytes());
        body.extend(*part);
        body.push(b'\n');
    }
    body.extend(tail);
    body
}

/// Looks at what was read, or at why it was not.
fn check<T>(reply: Result<T, ToolError>, look: impl FnOnce(T)) {
    match reply {
        Ok(reply) => look(reply),
        Err(ToolError { word, detail: _ }) => {
            assert!((1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }
}

fn check_read(reply: &read::Reply, body: &[u8]) {
    let mut bytes_in_all = 0;
    for file in &reply.files {
        assert!(holds(body, &file.real));
        let (read::Found::Whole(bytes) | read::Found::Window { bytes, .. }) = &file.found else { continue };
        assert!(holds(body, bytes));
        bytes_in_all += bytes.len();
    }
    assert!(bytes_in_all <= body.len());
}

/// Where paths lead, there and back.
fn check_real(parts: &[&[u8]]) {
    let mut sent: Vec<&[u8]> = vec![b"/cwd"];
    let mut expected = Vec::new();
    for part in parts {
        if part.starts_with(b"/") {
            sent.extend([&b"ok"[..], *part]);
            expected.push(Ok(part.to_vec()));
        } else {
            sent.push(b"err enoent");
            expected.push(Err("enoent".to_owned()));
        }
    }
    assert_eq!(real::parse(0, &fields(&sent, b"")), Ok(expected));
}

/// Pieces of a content: joined to fewer they make the same content, and nothing outside of it is touched.
fn check_pieces(choices: &mut Choices<'_>) {
    let old = choices.part();
    let most = 1 + choices.below(9);
    let mut pieces = Vec::new();
    while !choices.0.is_empty() {
        let (offset, delete) = (usize::from(choices.byte()), usize::from(choices.byte()));
        pieces.push(Splice { offset, delete, insert: choices.part().to_vec() });
    }
    let count = pieces.len();
    let Some(splices) = Splices::new(pieces) else { return };
    let Some(new) = splices.apply(old) else { return };
    let joined = splices.at_most(most, old);
    assert!(joined.pieces().len() <= most.max(1) && joined.pieces().len() <= count);
    assert_eq!(joined.apply(old), Some(new));
    let tag = Tag::of(TagKind::Cksum, old);
    let request =
        splice::Request { path: b"/f".to_vec(), before: tag.clone(), after: tag, nonce: "0a".to_owned(), max: 1, splices: joined };
    let call = splice::call(&request);
    assert_eq!(call.args.len(), 5 + 3 * request.splices.pieces().len());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (what, form) = (choices.below(9), choices.byte());
    if what == 7 {
        return check_pieces(&mut choices);
    }
    if what == 8 {
        return check_real(&choices.parts());
    }
    let status = u8::from(form % 8 == 7);
    let body = match form % 4 {
        // The last part stands without a length: contents do.
        0 => {
            let mut parts = choices.parts();
            let tail = parts.pop().unwrap_or_default();
            fields(&parts, tail)
        }
        1 => fields(&choices.parts(), b""),
        _ => choices.0.to_vec(),
    };
    match what {
        0 => check(read::parse(NONCE, status, &body), |reply| check_read(&reply, &body)),
        1 => check(write::parse(status, &body), |_| {}),
        2 => check(splice::parse(status, &body), |reply| match reply.outcome {
            splice::Outcome::Changed { current: Some(current) } => assert!(holds(&body, &current)),
            splice::Outcome::Changed { current: None } | splice::Outcome::Done { .. } => {}
        }),
        3 => check(stat::parse(status, &body), |reply| assert!(reply.paths.iter().flatten().all(|(name, _)| holds(&body, name)))),
        4 => check(list::parse(status, &body), |reply| assert!(reply.entries.iter().all(|(name, _)| holds(&body, name)))),
        5 => check(real::parse(status, &body), |paths| assert!(paths.iter().flatten().all(|path| path.starts_with(b"/")))),
        _ => {
            if let Some(tag) = Tag::parse(&body) {
                assert_eq!(tag.as_str().as_bytes(), body);
                assert!(body.iter().all(|byte| (b' '..=b'~').contains(byte)));
            }
            check::<()>(Err(ToolError::parse(&body)), |()| {});
        }
    }
});
