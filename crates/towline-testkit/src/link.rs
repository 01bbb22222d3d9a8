//! One direction of one relayed connection: a queue of bytes that carry the time at which they are due.
//!
//! Holds to: order (a parcel never passes one before it, also where the delay was lowered in between), and the due time to a
//! fraction of a millisecond (a thread sleeps until it; a runtime's timer is too coarse); a byte's delay never adds to that of
//! the byte behind it. Leaves out: sockets; packets, losses and slow start.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that one direction holds at the most; then the sender has to wait. More than 100 ms at the speed of loopback needs.
const HOLD: usize = 64 << 20;

/// What is on its way.
#[derive(Debug)]
pub(crate) enum Cargo {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The sender will send no more.
    End,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cargo: VecDeque<(Instant, Cargo)>,
    held: usize,
    frozen: bool,
    closed: bool,
}

impl Queue {
    /// Puts cargo into the queue; waits while it is full. False if the connection was cut.
    pub(crate) fn put(&self, due: Instant, cargo: Cargo) -> bool {
        let mut state = self.state();
        while state.held >= HOLD && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Cargo::Bytes(bytes) = &cargo {
            state.held += bytes.len();
        }
        state.cargo.push_back((due, cargo));
        self.changed.notify_all();
        !state.closed
    }

    /// Takes the next cargo when it is due; waits for it, and while the queue is frozen. `None` if the connection was cut.
    pub(crate) fn take(&self) -> Option<Cargo> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let due = if state.frozen { None } else { state.cargo.front().map(|(due, _)| *due) };
            let now = Instant::now();
            match due {
                Some(due) if due <= now => {
                    let (_, cargo) = state.cargo.pop_front()?;
                    if let Cargo::Bytes(bytes) = &cargo {
                        state.held -= bytes.len();
                    }
                    self.changed.notify_all();
                    return Some(cargo);
                }
                Some(due) => state = self.wait_at_most(state, due - now),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Stops or lets go what is in the queue; it can be filled all the while.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.state().frozen = frozen;
        self.changed.notify_all();
    }

    /// Lets everybody who waits go away empty-handed.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_at_most<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The pace of a link in one direction: when the last byte of a parcel has left the sender.
#[derive(Debug)]
pub(crate) struct Pace {
    free: Instant,
}

impl Pace {
    /// A link that is idle.
    pub(crate) fn new(now: Instant) -> Self {
        Self { free: now }
    }

    /// Sends a parcel at `now` or after what is before it; `rate` is in bytes per second.
    pub(crate) fn send(&mut self, now: Instant, bytes: usize, rate: Option<u64>) -> Instant {
        let Some(rate) = rate else { return now };
        let nanos = (bytes as u128 * 1_000_000_000) / u128::from(rate.max(1));
        self.free = self.free.max(now) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_waits_for_what_is_before_it() {
        let t = Instant::now();
        let mut pace = Pace::new(t);
        assert_eq!(pace.send(t, 1000, None), t);
        assert_eq!(pace.send(t, 1000, Some(1000)), t + Duration::from_secs(1));
        assert_eq!(pace.send(t, 500, Some(1000)), t + Duration::from_millis(1500));
        assert_eq!(pace.send(t + Duration::from_secs(9), 100, Some(1000)), t + Duration::from_millis(9100));
    }

    #[test]
    fn a_lowered_delay_does_not_change_the_order() {
        let queue = Queue::default();
        let t = Instant::now();
        assert!(queue.put(t + Duration::from_millis(30), Cargo::Bytes(vec![1])));
        assert!(queue.put(t, Cargo::Bytes(vec![2])));
        let Some(Cargo::Bytes(first)) = queue.take() else { panic!("no bytes") };
        assert_eq!(first, [1]);
        assert!(t.elapsed() >= Duration::from_millis(30));
    }
}
