//! The machine by scripts: what happens at which time, and what it does about it.

use std::time::Duration;

use towline_base::{Code, ExecutionId, Handle, SessionName};
use towline_proto::Request;
use towline_proto::files::ToolCall;
use towline_proto::frame::{Frame, Tag};
use towline_proto::outcome::Hello;
use towline_proto::recovery::{Effect, Event, Finish, Line, Timing, Trouble};
use towline_proto::request::{Output, Run};

const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(3),
    silence: Duration::from_secs(9),
    idle_heartbeat: Duration::from_secs(15),
    idle_silence: Duration::from_secs(28),
    first_pause: Duration::from_millis(100),
    unreached_pause: Duration::from_millis(800),
    longest_pause: Duration::from_secs(5),
};

fn handle() -> Handle {
    Handle::parse("bcdfgh").expect("a handle")
}

fn session() -> SessionName {
    SessionName::parse("s").expect("a name")
}

fn run() -> Request {
    let (command, env) = ("true".to_owned(), Vec::new());
    let (copy, background, separate) = (false, false, false);
    let id = ExecutionId::from_bits(1);
    Request::Run(Run {
        handle: handle(),
        id,
        session: session(),
        copy,
        background,
        visitor: false,
        separate,
        limit: 0,
        command,
        stdin: None,
        cwd: None,
        env,
        secrets: Vec::new(),
        agent: false,
    })
}

fn wait() -> Request {
    Request::Wait(handle())
}

fn change() -> Request {
    Request::Tool(session(), ToolCall { tool: "write", args: Vec::new(), payload: Vec::new() })
}

fn more_output() -> Request {
    let (limit, tail, wait, wait_for) = (10, 0, 6000, "output");
    Request::Output(Output { handle: handle(), stream: "stdout", offset: Some(0), limit, tail, wait, wait_for, pattern: String::new() })
}

fn call(call: u64, request: Request, deadline: u64) -> Event {
    Event::Call { call, request: Box::new(request), deadline: Duration::from_secs(deadline) }
}

fn up(epoch: u64) -> Event {
    Event::Up(epoch, Hello::default())
}

fn said(epoch: u64, tag: Tag, key: &str, payload: &str) -> Event {
    Event::Said(epoch, Frame { tag, key: key.to_owned(), payload: payload.as_bytes().to_vec() })
}

fn down(epoch: u64, code: Code) -> Event {
    Event::Down(epoch, Trouble { code, text: String::new(), hint: None })
}

/// What an effect is, in short.
fn word(effect: &Effect) -> String {
    match effect {
        Effect::Open(epoch) => format!("open {epoch}"),
        Effect::Close(epoch) => format!("close {epoch}"),
        Effect::Send(epoch, bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let op = text.split(' ').nth(1).unwrap_or_default();
            // The time that a request for output still waits is its sixth argument.
            let wait = if op == "output" { text.lines().nth(6).unwrap_or_default() } else { "" };
            format!("send {epoch} {op}{wait}")
        }
        Effect::Finish(call, finish) => {
            let finish = match finish {
                Finish::Reply { status, marks, .. } => format!("reply {status}{}", if marks.is_empty() { "" } else { " with marks" }),
                Finish::Outcome(outcome) => {
                    format!(
                        "{:?} {:?}{}",
                        outcome.report.standing,
                        String::from_utf8_lossy(&outcome.out.head),
                        if outcome.rebuilt { " rebuilt" } else { "" }
                    )
                }
                Finish::Refused(word) => format!("refused {word}"),
                Finish::NotSent(trouble) => format!("not sent {}", trouble.code.word()),
                Finish::Unknown { .. } => "unknown".to_owned(),
                Finish::Late => "late".to_owned(),
            };
            format!("finish {call} {finish}")
        }
    }
}

/// Milliseconds, what happens then, and what the machine does; ticks come by themselves whenever it asks for them.
fn check(name: &str, script: &[(u64, Option<Event>, &[&str])]) {
    let mut line = Line::new(TIMING);
    let mut done: Vec<String> = Vec::new();
    let mut before = Duration::ZERO;
    for (at, event, expected) in script {
        let at = Duration::from_millis(*at);
        while let Some(tick) = line.next_tick().map(|tick| tick.max(before)).filter(|tick| *tick <= at) {
            done.extend(line.handle(tick, Event::Tick).iter().map(word));
            assert!(line.next_tick().is_none_or(|next| next > tick), "{name}: the tick at {tick:?} did nothing");
        }
        if let Some(event) = event {
            done.extend(line.handle(at, event.clone()).iter().map(word));
        }
        assert_eq!(done, *expected, "{name}, at {at:?}");
        done.clear();
        before = at;
    }
}

#[test]
fn silence_is_noticed_and_counts_from_when_a_word_could_be_expected() {
    check(
        "while a call waits",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (50, Some(up(1)), &["send 1 run"]),
            (9040, None, &["send 1 ping", "send 1 ping"]),
            (9050, None, &["close 1"]),
            (9150, None, &["open 3"]),
            (9200, Some(up(3)), &["send 3 run"]),
            (9300, Some(said(3, Tag::Out, "bcdfgh", "a")), &[]),
            (9300, Some(said(1, Tag::Out, "bcdfgh", "old")), &[]),
            (9400, Some(said(3, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &["finish 1 Exited(0) \"a\" rebuilt"]),
        ],
    );
    check(
        "a quiet line that is called is not dead, also where a ping is on its way",
        &[
            (0, Some(call(1, Request::Ping, 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 ping"]),
            (10, Some(said(1, Tag::Reply, "1", "0")), &["finish 1 reply 0"]),
            (15_010, None, &["send 1 ping"]),
            (15_020, Some(call(2, change(), 100)), &["send 1 tool"]),
            (18_000, None, &[]),
            (18_100, Some(said(1, Tag::Reply, "2", "0")), &["send 1 ping", "finish 2 reply 0"]),
        ],
    );
    check(
        "calls that come and go do not keep a dead line alive",
        &[
            (0, Some(call(1, Request::Ping, 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 ping"]),
            (10, Some(said(1, Tag::Reply, "1", "0")), &["finish 1 reply 0"]),
            (15_010, None, &["send 1 ping"]),
            (17_000, Some(call(2, Request::Facts, 19)), &["send 1 facts"]),
            (19_000, None, &["send 1 ping", "finish 2 late"]),
            (20_000, Some(call(3, Request::Facts, 24)), &["send 1 facts"]),
            (24_010, None, &["send 1 ping", "finish 3 late"]),
            (25_000, Some(call(4, Request::Facts, 100)), &["send 1 facts"]),
            (25_010, None, &["close 1"]),
        ],
    );
    check(
        "an idle line",
        &[
            (0, Some(call(1, Request::Ping, 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 ping"]),
            (10, Some(said(1, Tag::Reply, "1", "0")), &["finish 1 reply 0"]),
            (28_000, None, &["send 1 ping"]),
            (28_010, None, &["close 1"]),
            (60_000, None, &[]),
        ],
    );
}

#[test]
fn a_process_that_did_not_run_asks_before_it_judges() {
    let mut line = Line::new(TIMING);
    let at = Duration::from_secs;
    line.handle(at(0), call(1, run(), 1000));
    line.handle(at(0), up(1));
    let asked: Vec<String> = line.handle(at(600), Event::Tick).iter().map(word).collect();
    assert_eq!(asked, ["send 1 ping"]);
    assert_eq!(line.next_tick(), Some(at(603)));
    let dead: Vec<String> = [603, 606, 609].into_iter().flat_map(|s| line.handle(at(s), Event::Tick)).map(|effect| word(&effect)).collect();
    assert_eq!(dead, ["send 1 ping", "send 1 ping", "close 1"]);
}

#[test]
fn a_request_follows_the_program_at_once_unless_it_must_not_be_sent_twice() {
    check(
        "before the lane says hello",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(call(2, change(), 100)), &[]),
            (100, Some(Event::Greeted(1)), &["send 1 run"]),
            (110, Some(call(3, more_output(), 100)), &["send 1 output6000"]),
            (120, Some(Event::Greeted(1)), &[]),
            (200, Some(up(1)), &["send 1 tool"]),
        ],
    );
    check(
        "the lane has no place for its state, and took nothing",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(Event::Greeted(1)), &["send 1 run"]),
            (100, Some(down(1, Code::HostState)), &["close 1", "finish 1 not sent host_state"]),
        ],
    );
    check(
        "the link is lost between the two",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(Event::Greeted(1)), &["send 1 run"]),
            (100, Some(down(1, Code::LinkLost)), &["close 1"]),
            (300, None, &["open 3"]),
            (300, Some(up(3)), &["send 3 run"]),
        ],
    );
}

#[test]
fn what_is_sent_again_and_what_is_not() {
    check(
        "after a cut",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (0, Some(call(2, change(), 100)), &["send 1 tool"]),
            (0, Some(call(3, more_output(), 100)), &["send 1 output6000"]),
            (2000, Some(down(1, Code::LinkLost)), &["close 1", "finish 2 unknown"]),
            (2100, None, &["open 3"]),
            (2500, Some(up(3)), &["send 3 run", "send 3 output5750"]),
            (2600, Some(up(3)), &[]),
        ],
    );
    check(
        "a lasting trouble on the way back ends what waits, truly",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (10, Some(down(1, Code::LinkLost)), &["close 1"]),
            (500, Some(call(2, run(), 100)), &["open 3"]),
            (600, Some(down(3, Code::HostKeyChanged)), &["close 3", "finish 1 unknown", "finish 2 not sent host_key_changed"]),
        ],
    );
    check(
        "a first connection that fails says so at once",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (10, Some(down(1, Code::Refused)), &["close 1", "finish 1 not sent refused"]),
            (20, Some(call(2, run(), 100)), &["open 3"]),
            (30, Some(up(3)), &["send 3 run"]),
        ],
    );
}

#[test]
fn attempts_follow_soon_and_those_that_an_sshd_saw_are_spaced_out_later() {
    let pauses = |code: Code| {
        let mut line = Line::new(TIMING);
        let mut now = Duration::ZERO;
        line.handle(now, call(1, run(), 1000));
        line.handle(now, up(1));
        line.handle(now, down(1, Code::LinkLost));
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let next = line.next_tick().expect("an attempt is to come");
            pauses.push(next.saturating_sub(now).as_millis());
            now = next;
            line.handle(now, Event::Tick);
            let epoch = line.epoch();
            line.handle(now, down(epoch, code));
        }
        pauses
    };
    assert_eq!(pauses(Code::Refused), [100, 200, 400, 800, 800, 800, 800, 800, 800, 800, 800]);
    // One that an sshd saw is as soon followed by the next, until there were as many as it forgives.
    assert_eq!(pauses(Code::SshFailed), [100, 200, 400, 800, 800, 800, 800, 800, 800, 5000, 5000]);
}

#[test]
fn who_asks_in_the_middle_of_a_telling_waits_for_the_next() {
    check(
        "in the middle",
        &[
            (0, Some(call(1, run(), 1)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (900, Some(said(1, Tag::Out, "bcdfgh", "a")), &[]),
            (1000, None, &["finish 1 late"]),
            (1000, Some(call(2, wait(), 100)), &["send 1 wait"]),
            (1010, Some(said(1, Tag::Out, "bcdfgh", "b")), &[]),
            (1020, Some(said(1, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &[]),
            (1030, Some(said(1, Tag::Out, "bcdfgh", "ab")), &[]),
            (1040, Some(said(1, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &["finish 2 Exited(0) \"ab\""]),
        ],
    );
    check(
        "before it begins",
        &[
            (0, Some(call(1, run(), 1)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (1000, None, &["finish 1 late"]),
            (1000, Some(call(2, wait(), 100)), &["send 1 wait"]),
            (1030, Some(said(1, Tag::Out, "bcdfgh", "ab")), &[]),
            (1040, Some(said(1, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &["finish 2 Exited(0) \"ab\""]),
        ],
    );
    check(
        "a new lane has not begun to tell",
        &[
            (0, Some(call(1, run(), 100)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (900, Some(said(1, Tag::Out, "bcdfgh", "a")), &[]),
            (1000, Some(down(1, Code::LinkLost)), &["close 1"]),
            (1200, Some(up(3)), &["open 3", "send 3 run"]),
            (1300, Some(said(3, Tag::Out, "bcdfgh", "ab")), &[]),
            (1400, Some(said(3, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &["finish 1 Exited(0) \"ab\" rebuilt"]),
        ],
    );
}

#[test]
fn a_deadline_is_kept_whatever_the_lane_does() {
    check(
        "while the link is down",
        &[
            (0, Some(call(1, run(), 5)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (1000, Some(down(1, Code::LinkLost)), &["close 1"]),
            (1200, Some(down(3, Code::Unreachable)), &["open 3", "close 3"]),
            (1500, None, &["open 5"]),
            (4999, None, &[]),
            (5000, None, &["finish 1 unknown"]),
        ],
    );
    check(
        "while it connects",
        &[(0, Some(call(1, run(), 5)), &["open 1"]), (4999, None, &[]), (5000, None, &["finish 1 not sent connect_timeout"])],
    );
    check(
        "a call that is forgotten is not answered",
        &[
            (0, Some(call(1, run(), 5)), &["open 1"]),
            (0, Some(up(1)), &["send 1 run"]),
            (10, Some(Event::Forget(1)), &[]),
            (20, Some(said(1, Tag::Outcome, "bcdfgh", "exit 0 1 -\n/")), &[]),
            (30, Some(Event::Release), &["close 1"]),
        ],
    );
}

#[test]
fn a_command_is_not_sent_again_to_a_host_with_other_records() {
    let with = |epoch, state: &str| Event::Up(epoch, Hello { state: state.to_owned(), ..Hello::default() });
    for (state, answer) in [("a", &["send 3 run"][..]), ("", &["send 3 run"]), ("b", &["finish 1 unknown"])] {
        check(
            state,
            &[
                (0, Some(call(1, run(), 60)), &["open 1"]),
                (1, Some(with(1, "a")), &["send 1 run"]),
                (2, Some(down(1, Code::LinkLost)), &["close 1"]),
                (200, None, &["open 3"]),
                // Greeted is not enough: only the hello says whose records these are.
                (201, Some(Event::Greeted(3)), &[]),
                (202, Some(with(3, state)), answer),
            ],
        );
    }
}

#[test]
fn a_deadline_tells_how_far_the_connection_came() {
    for (come, told) in [(None, "connect_timeout"), (Some(Event::Reached(1)), "remote_shell"), (Some(Event::Reached(7)), "connect_timeout")]
    {
        let mut line = Line::new(TIMING);
        let at = Duration::from_secs;
        line.handle(at(0), call(1, run(), 5));
        if let Some(come) = come {
            assert!(line.handle(at(1), come).is_empty());
        }
        let ended: Vec<String> = line.handle(at(5), Event::Tick).iter().map(word).collect();
        assert_eq!(ended, [format!("finish 1 not sent {told}")]);
    }
}
