//! Time as a parameter, so that hours of a stream can be tested in milliseconds.
//!
//! Belongs here: the monotonic and the wall clock, and waiting by them. Does not:
//! stream time ([`crate::time`]).

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The clocks that a run goes by.
pub trait Clock: Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;

    /// The time of day.
    fn utc(&self) -> Timestamp;

    /// Blocks the calling thread for this long.
    fn sleep(&self, time: Duration);
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn utc(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A clock that stands still except where somebody sleeps: sleeping costs nothing and
/// moves it on. For one sleeping thread at a time; several would add up.
#[cfg(all(test, feature = "gst"))]
pub(crate) struct SimulatedClock {
    begun: Instant,
    elapsed_ns: std::sync::atomic::AtomicU64,
}

#[cfg(all(test, feature = "gst"))]
impl SimulatedClock {
    /// The wall clock at the start: 2026-01-01T00:00:00Z.
    pub const UTC_S: i64 = 1_767_225_600;

    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            elapsed_ns: Default::default(),
        }
    }

    /// Time that has passed on this clock.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(all(test, feature = "gst"))]
impl Clock for SimulatedClock {
    fn now(&self) -> Instant {
        self.begun + self.elapsed()
    }

    fn utc(&self) -> Timestamp {
        let begun = Timestamp::from_second(Self::UTC_S).expect("in range");
        begun + jiff::SignedDuration::try_from(self.elapsed()).expect("in range")
    }

    fn sleep(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).expect("no test sleeps for centuries");
        self.elapsed_ns
            .fetch_add(ns, std::sync::atomic::Ordering::SeqCst);
    }
}
