//! Waiting for a condition with a deadline, never for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until the condition holds.
///
/// # Panics
/// If it does not hold within that time.
#[track_caller]
pub fn eventually(within: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !condition() {
        assert!(Instant::now() < end, "the condition did not hold within {within:?}");
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until the condition holds, without blocking the thread between looks.
///
/// # Panics
/// If it does not hold within that time.
pub async fn eventually_async<F: Future<Output = bool>>(within: Duration, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < end, "the condition did not hold within {within:?}");
        tokio::time::sleep(INTERVAL).await;
    }
}
