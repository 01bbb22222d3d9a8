//! What the lines of the view look like, as texts.

use unicode_width::UnicodeWidthStr as _;

use super::*;

fn stamp(at: u64) -> String {
    format!("12:00:{:02}", at / 1000)
}

fn event(kind: Kind, call: u64, text: &str) -> Event {
    Event {
        v: 1,
        kind,
        at: call * 1000,
        pid: 7,
        host: "prod".into(),
        call,
        session: "c-1a2b3c4d".into(),
        tool: "Bash".into(),
        text: text.into(),
        ..Event::default()
    }
}

fn look(kind: Kind, call: u64, tool: &str, text: &str) -> Event {
    Event { tool: tool.into(), ..event(kind, call, text) }
}

fn end(call: u64, text: &str, exit: Option<u8>) -> Event {
    Event { took: Some(1234), failed: Some(false), exit, ..event(Kind::End, call, text) }
}

fn shown(columns: Option<usize>, events: &[Event]) -> String {
    let mut renderer = Renderer::new(columns, stamp);
    let lines: Vec<String> = events.iter().flat_map(|event| renderer.event(event)).map(|line| plain(&line)).collect();
    lines.join("\n")
}

#[test]
fn a_command_is_shown_with_its_output_and_its_end() {
    let events = [
        Event { description: Some("Run the tests".into()), ..event(Kind::Begin, 1, "cd app\ncargo test") },
        event(Kind::Output, 1, "one\ntw"),
        event(Kind::Output, 1, "o\r\n\u{1b}]52;c;AAAA\u{7}three"),
        Event { skipped: 12_345_678, ..event(Kind::Output, 1, "last\n") },
        end(1, "exit 101 · 12345700 bytes · id k3f9xx", Some(101)),
    ];
    insta::assert_snapshot!(shown(Some(80), &events), @r"
    12:00:01 prod c-1a2b3c4d  Bash  cd app  # Run the tests
             cargo test
             │ one
             │ two
             │ \x1b]52;c;AAAA\x07three
             │ … 12.3 MB not shown
             ┆ last
             → exit 101 · 12345700 bytes · id k3f9xx · 1.2 s
    ");
}

#[test]
fn calls_side_by_side_are_told_apart() {
    let events = [
        event(Kind::Begin, 1, "make -j8"),
        event(Kind::Begin, 2, "tail -f log"),
        event(Kind::Output, 1, "cc a.c\n"),
        event(Kind::Output, 1, "cc b.c\n"),
        event(Kind::Output, 2, "GET /\n"),
        end(1, "exit 0 · 14 bytes · id bcdfgh", Some(0)),
    ];
    insta::assert_snapshot!(shown(Some(80), &events), @r"
    12:00:01 prod c-1a2b3c4d  Bash  make -j8
    12:00:02 prod c-1a2b3c4d  Bash  tail -f log
    12:00:01 prod c-1a2b3c4d  (Bash make -j8)
             │ cc a.c
             │ cc b.c
    12:00:02 prod c-1a2b3c4d  (Bash tail -f log)
             │ GET /
    12:00:01 prod c-1a2b3c4d  (Bash make -j8)
             → exit 0 · 14 bytes · id bcdfgh · 1.2 s
    ");
}

#[test]
fn what_a_person_types_is_shown_and_not_how_its_output_is_read() {
    let own = |event: Event| Event { client: "towline 1.2.3".into(), ..event };
    let events = [
        own(Event { description: Some("typed by a person".into()), ..event(Kind::Begin, 1, "make") }),
        own(look(Kind::Begin, 2, "JobOutput", "bcdfgh")),
        event(Kind::Output, 1, "done\n"),
        own(Event { tool: "JobOutput".into(), ..end(2, "exit 0 · 5 bytes · id bcdfgh", None) }),
        look(Kind::Begin, 3, "Hosts", ""),
        Event { tool: "Hosts".into(), ..end(3, "prod: connected", None) },
    ];
    insta::assert_snapshot!(shown(Some(80), &events), @r"
    12:00:01 prod c-1a2b3c4d  Bash  make  # typed by a person
             │ done
    12:00:03 prod c-1a2b3c4d  Hosts  → prod: connected · 1.2 s
    ");
}

#[test]
fn a_call_that_looks_is_one_line_and_a_change_shows_its_diff() {
    let events = [
        look(Kind::Begin, 1, "Read", "/srv/app/main.rs"),
        Event { tool: "Read".into(), ..end(1, "120 lines", None) },
        Event { label: Some("builds".into()), ..look(Kind::Begin, 2, "Edit", "/srv/app/main.rs (2 edits)") },
        Event { skipped: 3, ..look(Kind::Diff, 2, "Edit", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n") },
        Event { tool: "Edit".into(), ..end(2, "1 place replaced · 20 bytes · /srv/app/main.rs", None) },
        look(Kind::Begin, 3, "Write", "/etc/passwd (3 bytes)"),
        Event { tool: "Write".into(), failed: Some(true), code: Some("forbidden".into()), ..end(3, "Not permitted.", None) },
        Event { call: 0, ..look(Kind::Link, 4, "", "lost: the connection ended") },
        Event { skipped: 9, ..look(Kind::Gap, 0, "", "") },
        Event { id: Some("k3f9xx".into()), ..look(Kind::Ended, 5, "Bash", "exit 0 · 3.0 s · 9 bytes") },
    ];
    insta::assert_snapshot!(shown(Some(80), &events), @r"
    12:00:01 prod c-1a2b3c4d  Read  /srv/app/main.rs  → 120 lines · 1.2 s
    12:00:02 prod builds  Edit  /srv/app/main.rs (2 edits)
             @@ -1,2 +1,2 @@
              a
             -b
             +c
             … 3 more lines of the change
             → 1 place replaced · 20 bytes · /srv/app/main.rs · 1.2 s
    12:00:03 prod c-1a2b3c4d  Write  /etc/passwd (3 bytes)
             ✗ Not permitted. [forbidden] · 1.2 s
    12:00:04 prod c-1a2b3c4d  link lost: the connection ended
             … 9 events are missing here: more came than could be written
    12:00:05 prod c-1a2b3c4d  background k3f9xx → exit 0 · 3.0 s · 9 bytes
    ");
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_is_lost_by_folding() {
    let wide = "0123456789 日本語 ".repeat(20);
    let events = [event(Kind::Begin, 1, &wide), event(Kind::Output, 1, &format!("{wide}\n")), end(1, &wide, Some(0))];
    for columns in [40, 80, 200] {
        let text = shown(Some(columns), &events);
        assert!(text.lines().all(|line| line.width() <= columns), "{text}");
    }
    assert!(shown(None, &events).lines().any(|line| line.ends_with(wide.trim_end())));
}

#[test]
fn what_waits_is_shown_in_time() {
    let mut renderer = Renderer::new(Some(80), stamp);
    let texts = |lines: Vec<Line>| lines.iter().map(plain).collect::<Vec<_>>();
    assert_eq!(texts(renderer.event(&look(Kind::Begin, 1, "Grep", "x"))), Vec::<String>::new());
    assert_eq!(texts(renderer.tick(1400)), Vec::<String>::new());
    assert_eq!(texts(renderer.tick(1501)), ["12:00:01 prod c-1a2b3c4d  Grep  x"]);
    renderer.event(&event(Kind::Begin, 2, "read -p name"));
    assert_eq!(texts(renderer.event(&event(Kind::Output, 2, "name? "))), Vec::<String>::new());
    assert_eq!(texts(renderer.tick(2301)), ["         │ name?"]);
    assert_eq!(texts(renderer.event(&event(Kind::Output, 2, "Ann\n"))), ["         ┆ Ann"]);
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut renderer = Renderer::new(Some(80), stamp);
    for call in 0..10 * HELD as u64 {
        renderer.event(&event(Kind::Begin, call, "sleep"));
        renderer.event(&event(Kind::Output, call, &"x".repeat(PARTIAL_BYTES / 2)));
    }
    assert!(renderer.calls.len() <= HELD && renderer.order.len() <= HELD);
}
