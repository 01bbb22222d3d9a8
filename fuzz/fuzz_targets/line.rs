//! The client's side of a line against a host that says anything at any time: every call is answered once, and nothing runs twice.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use towline_base::{Code, ExecutionId, Handle, SessionName};
use towline_fuzz::Choices;
use towline_proto::files::{read, write};
use towline_proto::outcome::parse_hello;
use towline_proto::recovery::{CallId, Effect, Event, Finish, Line, Timing, Trouble};
use towline_proto::request::{Output, Run, Which};
use towline_proto::{Frame, Request, Tag};

const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(3),
    silence: Duration::from_secs(9),
    idle_heartbeat: Duration::from_secs(30),
    idle_silence: Duration::from_secs(90),
    first_pause: Duration::from_millis(100),
    unreached_pause: Duration::from_secs(2),
    longest_pause: Duration::from_secs(20),
};
const TAGS: [Tag; 10] =
    [Tag::Hello, Tag::Body, Tag::Reply, Tag::Out, Tag::OutTail, Tag::Err, Tag::ErrTail, Tag::Outcome, Tag::Standing, Tag::Refused];
const TROUBLES: [Code; 6] = [Code::LinkLost, Code::Refused, Code::AuthRejected, Code::HostState, Code::ChannelRefused, Code::Protocol];
const HANDLES: [&str; 3] = ["bcdfgh", "bcdfgj", "bcdfgk"];

fn run(handle: Handle, background: bool) -> Request {
    Request::Run(Run {
        handle,
        id: ExecutionId::from_bits(1),
        session: SessionName::parse("s").expect("a name"),
        copy: false,
        background,
        visitor: false,
        separate: true,
        limit: 0,
        command: "true".to_owned(),
        stdin: None,
        cwd: None,
        env: Vec::new(),
        secrets: Vec::new(),
        agent: false,
    })
}

fn tool(changes: bool) -> Request {
    let path = b"/f".to_vec();
    let call = if changes {
        let content = b"x".to_vec();
        let (how, complete) = (write::How::Any, write::Complete::All);
        write::call(&write::Request { path, how, content, nonce: "0a".to_owned(), complete, known: Vec::new() })
    } else {
        let files = vec![read::FileRequest { path, window: None, max: 10 }];
        read::call(&read::Request { nonce: "0a".to_owned(), budget: 10, small: 10, image: 10, counted: 10, files })
    };
    Request::Tool(SessionName::parse("s").expect("a name"), call)
}

fn request(choices: &mut Choices<'_>) -> Request {
    let handle = Handle::parse(HANDLES[choices.below(HANDLES.len())]).expect("a handle");
    match choices.below(8) {
        0 => run(handle, false),
        1 => run(handle, true),
        2 => Request::Wait(handle),
        3 => tool(true),
        4 => tool(false),
        5 => Request::Jobs(Which::Open),
        6 => Request::Stop(handle, "TERM"),
        _ => Request::Output(Output {
            handle,
            stream: "stdout",
            offset: Some(0),
            limit: 10,
            tail: 0,
            wait: 500,
            wait_for: "end",
            pattern: String::new(),
        }),
    }
}

/// What the driver of a line keeps of it.
#[derive(Default)]
struct Watch {
    now: Duration,
    open: BTreeMap<CallId, Request>,
    /// Writes that were sent: never again.
    written: BTreeSet<CallId>,
    /// Lanes that were opened and not closed.
    lanes: BTreeSet<u64>,
}

impl Watch {
    fn take(&mut self, line: &mut Line, event: Event) {
        for effect in line.handle(self.now, event) {
            match effect {
                Effect::Open(epoch) => assert!(self.lanes.insert(epoch) && epoch == line.epoch()),
                Effect::Close(epoch) => drop(self.lanes.remove(&epoch)),
                Effect::Send(epoch, bytes) => self.sent(epoch, &bytes),
                Effect::Finish(call, finish) => {
                    let asked = self.open.remove(&call).expect("a call that waits");
                    if let Finish::Outcome(_) = finish {
                        assert!(matches!(asked, Request::Run(_) | Request::Wait(_)), "an outcome for {asked:?}");
                    }
                    if let Finish::NotSent(_) = finish {
                        assert!(!self.written.contains(&call), "a write that was sent");
                    }
                }
            }
        }
        assert!(self.lanes.len() <= 1, "{:?}", self.lanes);
    }

    fn sent(&mut self, epoch: u64, bytes: &[u8]) {
        assert!(self.lanes.contains(&epoch), "sent where no lane is");
        let head = std::str::from_utf8(&bytes[..64]).expect("a head");
        let number: CallId = head.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        if let Some(request) = self.open.get(&number) {
            if matches!(request, Request::Tool(_, call) if call.tool == "write") {
                assert!(self.written.insert(number), "a write was sent twice");
            }
        } else {
            assert!(head.contains(" ping "), "sent for nobody: {head}");
        }
    }
}

fn key(choices: &mut Choices<'_>, calls: CallId) -> String {
    let which = choices.byte();
    if which < 128 { HANDLES[usize::from(which) % HANDLES.len()].to_owned() } else { (u64::from(which) % (calls + 1)).to_string() }
}

/// A lane of now, or one of before.
fn epoch(choices: &mut Choices<'_>, line: &Line) -> u64 {
    line.epoch().saturating_sub(u64::from(choices.byte() > 240))
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let mut line = Line::new(TIMING);
    let mut watch = Watch::default();
    let mut calls = 0;
    while !choices.0.is_empty() {
        let event = match choices.below(12) {
            0 | 1 => {
                calls += 1;
                let request = request(&mut choices);
                watch.open.insert(calls, request.clone());
                let deadline = watch.now + Duration::from_secs(u64::from(choices.byte()));
                Event::Call { call: calls, request: Box::new(request), deadline }
            }
            2 => {
                let call = u64::from(choices.byte()) % (calls + 1);
                watch.open.remove(&call);
                Event::Forget(call)
            }
            3 => Event::Greeted(epoch(&mut choices, &line)),
            4 => {
                let epoch = epoch(&mut choices, &line);
                Event::Up(epoch, parse_hello(choices.part()))
            }
            5..=8 => {
                let (epoch, tag, key) = (epoch(&mut choices, &line), TAGS[choices.below(TAGS.len())], key(&mut choices, calls));
                Event::Said(epoch, Frame { tag, key, payload: choices.part().to_vec() })
            }
            9 => {
                let epoch = epoch(&mut choices, &line);
                if epoch == line.epoch() {
                    watch.lanes.remove(&epoch);
                }
                let code = TROUBLES[choices.below(TROUBLES.len())];
                Event::Down(epoch, Trouble { code, text: "gone".to_owned(), hint: None })
            }
            10 => {
                watch.now += Duration::from_millis(100 * u64::from(choices.byte()));
                Event::Tick
            }
            _ => Event::Release,
        };
        watch.take(&mut line, event);
    }
    // Left in peace, every call is answered when its time is over, and the clock is not asked for without end.
    for _ in 0..2_000 {
        let Some(next) = line.next_tick().filter(|_| !watch.open.is_empty()) else { break };
        watch.now = watch.now.max(next);
        watch.take(&mut line, Event::Tick);
    }
    assert!(watch.open.is_empty(), "never answered: {:?}", watch.open.keys());
});
