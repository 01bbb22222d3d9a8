//! A transcript's text as timed pieces, and as an asciicast (version 2) that any player plays; and such a cast as timed pieces.
//!
//! The format: <https://docs.asciinema.org/manual/asciicast/v2/>. Holds to: pure; a recording of two parts has two heads and is played as one; each line that begins with a moment carries it, the lines below belong to it. Leaves out: files, waiting.

use std::borrow::Cow;

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::json;

/// The form of a moment in a transcript.
pub(super) const MOMENT: &str = "%Y-%m-%d %H:%M:%S%.3f";
const MOMENT_BYTES: usize = "2026-11-27 10:15:24.000".len();

/// Columns and rows that a player is told: long lines fold there.
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

/// Lines that came together: seconds since the transcript's first, and their text.
#[derive(Debug, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) at: f64,
    pub(super) text: Cow<'a, str>,
}

/// What a terminal is told after a recording was played on it.
pub(super) const OVER: &str = "\u{1b}[0m\u{1b}[r\u{1b}[?1049l\u{1b}[?7h\u{1b}[?25h\r\n";

/// The first line of a recording.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Head {
    /// Seconds since 1970.
    #[serde(rename = "timestamp")]
    pub(super) began: u64,
    /// What tells the terminal from others of its name.
    #[serde(rename = "towline")]
    pub(super) made: String,
}

/// What a line says, if it is the first of a recording of ours.
pub(super) fn head(line: &str) -> Option<Head> {
    serde_json::from_str(line).ok()
}

/// The events of a recording, in seconds since its first head; what is no line of one is left out.
fn events(text: &str) -> impl Iterator<Item = (f64, String, String)> {
    let (mut first, mut offset) = (None, 0.0);
    text.lines().filter_map(move |line| {
        if let Some(head) = head(line) {
            #[expect(clippy::cast_precision_loss, reason = "seconds between two parts are far below 2^52")]
            let since = head.began.saturating_sub(*first.get_or_insert(head.began)) as f64;
            offset = since;
            return None;
        }
        let (at, kind, data): (f64, String, String) = serde_json::from_str(line).ok()?;
        Some((offset + at, kind, data))
    })
}

/// What a recording draws.
pub(super) fn recorded(text: &str) -> Vec<Piece<'static>> {
    events(text).filter(|(_, kind, _)| kind == "o").map(|(at, _, data)| Piece { at, text: data.into() }).collect()
}

/// A recording of several parts as one.
pub(super) fn one(text: &str) -> String {
    let mut out = text.lines().find(|line| head(line).is_some()).unwrap_or_default().to_owned() + "\n";
    for event in events(text) {
        out.push_str(&json!(event).to_string());
        out.push('\n');
    }
    out
}

/// The pieces of a transcript; a clock that was set back makes no negative pause.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all: Vec<Piece<'_>> = Vec::new();
    let (mut first, mut last, mut from, mut at) = (None, 0.0_f64, 0, 0.0);
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(moment) = moment(line) {
            if offset > from {
                all.push(Piece { at, text: text[from..offset].into() });
            }
            from = offset;
            let since = moment.signed_duration_since(*first.get_or_insert(moment));
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a session are far below 2^52")]
            let seconds = since.num_milliseconds() as f64 / 1000.0;
            last = last.max(seconds);
            at = last;
        }
        offset += line.len();
    }
    if offset > from {
        all.push(Piece { at, text: text[from..].into() });
    }
    all
}

fn moment(line: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(line.get(..MOMENT_BYTES)?, MOMENT).ok()
}

/// The asciicast of a transcript.
pub(super) fn asciicast(text: &str, title: &str) -> String {
    let began = text.lines().find_map(moment).map_or(0, |moment| moment.and_utc().timestamp());
    let mut out = json!({"version": 2, "width": COLUMNS, "height": ROWS, "timestamp": began, "title": title}).to_string();
    out.push('\n');
    for piece in pieces(text) {
        out.push_str(&json!([piece.at, "o", piece.text.replace('\n', "\r\n")]).to_string());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "  an old end\n2026-11-27 10:00:00.000 prod a  Bash  make\n         │ cc\n2026-11-27 10:00:01.500 prod a  Read  f\n2026-11-27 09:00:00.000 prod a  Bash  later\n";

    #[test]
    fn lines_belong_to_the_moment_above_them() {
        let all = pieces(TEXT);
        let times: Vec<f64> = all.iter().map(|piece| piece.at).collect();
        assert_eq!(times, [0.0, 0.0, 1.5, 1.5]);
        assert_eq!(all.iter().map(|piece| piece.text.as_ref()).collect::<String>(), TEXT);
        assert!(all[1].text.ends_with("│ cc\n"));
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn an_asciicast_is_what_its_format_says() {
        let cast = asciicast(TEXT, "prod/a");
        let lines: Vec<serde_json::Value> = cast.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["version"], &lines[0]["width"], &lines[0]["timestamp"]), (&json!(2), &json!(120), &json!(1_795_773_600)));
        assert_eq!(lines[3], json!([1.5, "o", "2026-11-27 10:00:01.500 prod a  Read  f\r\n"]));
    }

    #[test]
    fn a_recording_of_two_parts_is_one() {
        let parts = "{\"version\":2,\"timestamp\":100,\"towline\":\"a\"}\n[0.5,\"o\",\"x\"]\n[1.0,\"r\",\"80x24\"]\n[1.5,\"o\",\"cut\n\
                     {\"version\":2,\"timestamp\":160,\"towline\":\"a\"}\n[0.25,\"o\",\"y\"]\n";
        let pieces = recorded(parts);
        assert_eq!(pieces, [Piece { at: 0.5, text: "x".into() }, Piece { at: 60.25, text: "y".into() }]);
        let whole = one(parts);
        assert_eq!(whole.lines().count(), 4);
        assert_eq!(recorded(&whole), pieces);
    }
}
