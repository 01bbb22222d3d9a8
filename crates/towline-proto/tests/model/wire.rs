//! The bytes that the machine sends, read back into what the model's host understands.

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) request: Request,
}

/// What is asked; executions by the number that ends their handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Ping,
    Run { exec: u8, id: u8 },
    Wait(u8),
    Output(u8),
    Stop(u8),
    Tool(u8),
}

/// All requests in the bytes of one sending.
pub(super) fn read(bytes: &[u8]) -> Vec<Asked> {
    let mut lines = std::str::from_utf8(bytes).expect("the model's requests are text").lines();
    let mut found = Vec::new();
    while let Some(header) = lines.next() {
        let words: Vec<&str> = header.split_whitespace().collect();
        let [number, op, count, "0", _, _] = words.as_slice() else { panic!("not a header: {header:?}") };
        let count: usize = count.parse().expect("a count");
        let arguments: Vec<&str> = lines.by_ref().take(count).collect();
        let last = |word: &str| word.bytes().last().expect("a digit") - b'0';
        let exec = || last(arguments[0]);
        let request = match *op {
            "ping" => Request::Ping,
            "run" => Request::Run { exec: exec(), id: last(arguments[1]) },
            "wait" => Request::Wait(exec()),
            "output" => Request::Output(exec()),
            "stop" => Request::Stop(exec()),
            "tool" => Request::Tool(last(arguments[2])),
            other => panic!("the model knows no {other}"),
        };
        found.push(Asked { number: number.parse().expect("a number"), request });
    }
    found
}
