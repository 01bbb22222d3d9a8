//! A transcript's text as timed pieces, and as an asciicast (version 2) that any player plays.
//!
//! Holds to: pure; each line that begins with a moment carries it, the lines below belong to it. Leaves out: files, waiting.

use chrono::NaiveDateTime;
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
    pub(super) text: &'a str,
}

/// The pieces of a transcript; a clock that was set back makes no negative pause.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all: Vec<Piece<'_>> = Vec::new();
    let (mut first, mut last, mut from, mut at) = (None, 0.0_f64, 0, 0.0);
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(moment) = moment(line) {
            if offset > from {
                all.push(Piece { at, text: &text[from..offset] });
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
        all.push(Piece { at, text: &text[from..] });
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
        assert_eq!(all.iter().map(|piece| piece.text).collect::<String>(), TEXT);
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
}
