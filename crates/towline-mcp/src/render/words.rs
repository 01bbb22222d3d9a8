//! Small words of the texts: durations, sizes, dates, names on one line.

use std::fmt::Write as _;
use std::time::Duration;

use towline_base::visible;

/// `1.24 s`, `12.4 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `2s`, `1.5s`, `120s`: as the native tool tells a timeout.
pub(super) fn timeout(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `512 bytes`, `1.5 KB`, `3.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let tenth = |unit: u64| {
        let tenths = bytes / (unit / 10).max(1);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", tenth(1024)),
        1_048_576..1_073_741_824 => format!("{} MB", tenth(1_048_576)),
        _ => format!("{} GB", tenth(1_073_741_824)),
    }
}

/// A text on one line, with everything that cannot be seen written out.
#[must_use]
pub fn one_line(text: &str) -> String {
    visible::to_text(text.as_bytes()).0.replace('\n', "\\x0a").replace('\t', "\\x09")
}

/// The first so many characters; `…` where something was cut.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A time that is given in seconds since 1970 as `2026-11-20 12:46:05 UTC`; other texts stay.
pub(super) fn date(text: &str) -> String {
    let whole = text.split('.').next().unwrap_or_default();
    let Some(seconds) = whole.parse::<i64>().ok().filter(|s| (0..253_402_300_800).contains(s)) else { return one_line(text) };
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut out = String::new();
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest % 3600 / 60, rest % 60);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_a_person_says_them() {
        for (ms, text) in
            [(3, "0.00 s"), (1_240, "1.24 s"), (9_999, "10.00 s"), (12_400, "12.4 s"), (125_000, "2 min 5 s"), (3_720_000, "1 h 2 min")]
        {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
        for (ms, text) in [(2_000, "2s"), (1_500, "1.5s"), (120_000, "120s"), (50, "0.05s")] {
            assert_eq!(timeout(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn sizes_and_dates() {
        for (bytes, text) in
            [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1536, "1.5 KB"), (1_363_148, "1.3 MB"), (5 << 30, "5.0 GB")]
        {
            assert_eq!(size(bytes), text);
        }
        for (given, text) in [
            ("0", "1970-01-01 00:00:00 UTC"),
            ("951782400", "2000-02-29 00:00:00 UTC"),
            ("1795178765", "2026-11-20 12:46:05 UTC"),
            ("1795178765.5", "2026-11-20 12:46:05 UTC"),
            ("Nov 20 12:46", "Nov 20 12:46"),
        ] {
            assert_eq!(date(given), text);
        }
    }
}
