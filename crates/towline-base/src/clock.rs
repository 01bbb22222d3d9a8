//! The wall clock, read in one place so that everything else takes time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970, as this machine's clock tells it; zero if the clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
