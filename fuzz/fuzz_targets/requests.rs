//! Requests to a lane: whatever an agent says, a lane that reads them by the book finds the same words and no others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towline_base::{ExecutionId, Handle, SessionName};
use towline_fuzz::Choices;
use towline_proto::Request;
use towline_proto::files::ToolCall;
use towline_proto::request::{Output, Run};

/// A request as a lane reads it.
#[derive(Debug, PartialEq)]
struct Heard {
    number: u64,
    op: String,
    words: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.iter();
    while let Some(byte) = rest.next() {
        match (byte, if *byte == b'\\' { rest.next() } else { None }) {
            (b'\\', Some(b'\\')) => bytes.push(b'\\'),
            (b'\\', Some(b'n')) => bytes.push(b'\n'),
            (b'\\', Some(b'c')) => {}
            (b'\\', other) => panic!("an escape that is none: {other:?}"),
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

fn hear(bytes: &[u8]) -> Heard {
    let (head, rest) = bytes.split_at(64);
    let head = std::str::from_utf8(head).expect("a head of ASCII").strip_suffix('\n').expect("a line");
    let fields: Vec<&str> = head.trim_end_matches(' ').split(' ').collect();
    let [number, op, count, payload, length, kind] = fields[..] else { panic!("{head:?}") };
    let number_of = |text: &str| text.parse::<usize>().expect("a number");
    let (lines, payload_bytes) = rest.split_at(number_of(length));
    assert_eq!(payload_bytes.len(), number_of(payload));
    assert!(kind == "b" || (kind == "t" && !payload_bytes.contains(&0)), "{head}");
    let words: Vec<Vec<u8>> = lines
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let line = line.strip_suffix(b"\n").expect("a whole line");
            assert!(!line.is_empty() && !line.contains(&0));
            unescaped(line)
        })
        .collect();
    assert_eq!(words.len(), number_of(count));
    Heard { number: number.parse().expect("a number"), op: op.to_owned(), words, payload: payload_bytes.to_vec() }
}

/// What of a word can travel: NUL is refused where it enters.
fn sent(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != 0).collect()
}

fn tool(number: u64, session: SessionName, parts: &[&[u8]]) {
    let (payload, args): (&[u8], &[&[u8]]) = parts.split_last().map_or((b"", &[]), |(last, args)| (last, args));
    let call = ToolCall { tool: "stat", args: args.iter().map(|part| part.to_vec()).collect(), payload: payload.to_vec() };
    let heard = hear(&Request::Tool(session.clone(), call).encode(number));
    let mut words = vec![b"stat".to_vec(), session.as_str().as_bytes().to_vec()];
    words.extend(args.iter().map(|part| sent(part)));
    assert_eq!(heard, Heard { number, op: "tool".to_owned(), words, payload: payload.to_vec() });
}

fn run(number: u64, session: SessionName, flags: u8, texts: &[String], stdin: &[u8]) {
    let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
    let run = Run {
        handle: Handle::parse("bcdfgh").expect("a handle"),
        id: ExecutionId::from_bits(u128::from(number)),
        session,
        copy: flags & 1 != 0,
        background: flags & 2 != 0,
        visitor: flags & 4 != 0,
        separate: flags & 8 != 0,
        limit: u64::from(flags),
        command: text(0).repeat(1 + usize::from(flags & 16) * 40),
        stdin: (flags & 32 != 0).then(|| stdin.to_vec()),
        cwd: (flags & 64 != 0).then(|| text(1)),
        env: texts.iter().skip(2).map(|value| ("NAME".to_owned(), value.clone())).collect(),
        secrets: Vec::new(),
        agent: flags & 128 != 0,
    };
    let heard = hear(&Request::Run(run.clone()).encode(number));
    assert_eq!((heard.number, heard.op.as_str()), (number, "run"));
    let by_payload = heard.words[5].contains(&b'p');
    let command = if by_payload { &heard.payload } else { &heard.words[7] };
    assert_eq!(sent(command), sent(run.command.as_bytes()));
    assert_eq!(heard.words[4] == b"c", run.copy);
    if let Some(stdin) = &run.stdin {
        assert!(heard.words[5].contains(&b'i') && !by_payload && heard.payload == *stdin);
    }
    if heard.words[5].contains(&b'o') {
        assert_eq!(heard.words[8], sent(run.cwd.as_deref().unwrap_or_default().as_bytes()));
        let env: Vec<Vec<u8>> = run.env.iter().map(|(name, value)| sent(format!("{name}={value}").as_bytes())).collect();
        assert_eq!(heard.words[9..], env);
    } else {
        assert!(run.cwd.is_none() && run.env.is_empty() && !run.agent && heard.words.len() == 8);
    }
    let other = Run { command: format!("{} ", run.command), ..run.clone() };
    assert_ne!(other.digest(), run.digest());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (what, flags, number) = (choices.below(3), choices.byte(), u64::from(choices.byte()) << 16);
    let Some(session) = choices.text().and_then(|name| SessionName::parse(name).ok()) else { return };
    match what {
        0 => tool(number, session, &choices.parts()),
        1 => {
            let parts = choices.parts();
            let texts: Vec<String> = parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            run(number, session, flags, &texts, parts.first().copied().unwrap_or_default());
        }
        _ => {
            let Some(pattern) = choices.text() else { return };
            let handle = Handle::parse("bcdfgh").expect("a handle");
            let (offset, limit) = (flags.checked_sub(1).map(u64::from), u64::MAX);
            let output =
                Output { handle, stream: "stderr", offset, limit, tail: 1, wait: 2, wait_for: "pattern", pattern: pattern.to_owned() };
            let heard = hear(&Request::Output(output).encode(number));
            assert!(heard.words.len() == 8 && heard.words[7] == sent(pattern.as_bytes()) && heard.payload.is_empty());
        }
    }
});
