//! A simulated clock for several threads, in step with the network and with who takes its
//! outputs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::cancel::CancelToken;
use crate::clock::{Clock, SimulatedClock};
use crate::stats::{RunStats, RunStream};
use crate::sync::lock;

const SECOND_NS: u64 = 1_000_000_000;
/// Real time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Stands still while any stream works, or the network or the publisher has something to
/// do; then it moves on to the first time that somebody sleeps until. So what takes no
/// simulated time takes none, however slow this machine is, and nothing piles up.
pub struct StepClock {
    begun: Instant,
    elapsed_ns: AtomicU64,
    stats: Arc<RunStats>,
    /// Nothing is handed on beyond.
    limit_ns: u64,
    /// So much may be made and not taken yet.
    slack_ns: u64,
    state: Mutex<State>,
    changed: Condvar,
    each_second: Mutex<Box<dyn FnMut(Timestamp) + Send>>,
}

struct State {
    /// Which streams have ended.
    ended: Vec<bool>,
    /// Until when they sleep.
    asleep: Vec<u64>,
    /// Until when the network is busy.
    network: Option<u64>,
    /// Up to where each stream's outputs have been taken.
    taken: Vec<u64>,
    released: bool,
}

/// Lets everybody go, and ends the run, if its thread panics: who sleeps for ever cannot be
/// cancelled, and who is not cancelled goes on without the clock.
pub struct EndIfPanicking<'a>(pub &'a StepClock, pub &'a CancelToken);

impl Drop for EndIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.cancel();
            lock(&self.0.state).released = true;
            self.0.changed.notify_all();
        }
    }
}

impl StepClock {
    /// For a run of so many streams with these counters and this limit, in which one of so
    /// many moments is judged; `each_second` is called as each second begins.
    pub fn new(
        streams: usize,
        stats: Arc<RunStats>,
        limit: Duration,
        every: u64,
        each_second: impl FnMut(Timestamp) + Send + 'static,
    ) -> Self {
        Self {
            begun: Instant::now(),
            elapsed_ns: AtomicU64::new(0),
            stats,
            limit_ns: limit.as_nanos() as u64,
            slack_ns: (every - 1) * SECOND_NS,
            state: Mutex::new(State {
                ended: vec![false; streams],
                asleep: Vec::new(),
                network: None,
                taken: vec![0; streams],
                released: false,
            }),
            changed: Condvar::new(),
            each_second: Mutex::new(Box::new(each_second)),
        }
    }

    /// Time that has passed on this clock.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst))
    }

    /// An output of a stream that reaches up to `end_ns` has been taken.
    pub fn taken(&self, stream: usize, end_ns: u64) {
        let mut state = lock(&self.state);
        let taken = &mut state.taken[stream];
        *taken = end_ns.max(*taken);
        self.move_on(&mut state);
    }

    /// The end of a stream has been taken.
    pub fn ended(&self, stream: usize) {
        let mut state = lock(&self.state);
        state.ended[stream] = true;
        self.move_on(&mut state);
    }

    /// The network computes for this long.
    pub fn compute(&self, time: Duration) {
        self.wait(
            time,
            |state, until| state.network = Some(until),
            |state, _| {
                state.network = None;
            },
        );
    }

    fn wait(
        &self,
        time: Duration,
        enter: impl Fn(&mut State, u64),
        leave: impl Fn(&mut State, u64),
    ) {
        let mut state = lock(&self.state);
        let until = self.elapsed_ns.load(Ordering::SeqCst) + time.as_nanos() as u64;
        enter(&mut state, until);
        self.move_on(&mut state);
        while self.elapsed_ns.load(Ordering::SeqCst) < until && !state.released {
            // A stream that ends tells its counters, not this clock.
            let waited = self.changed.wait_timeout(state, LOOK_EVERY);
            state = waited.expect("no panic").0;
            self.move_on(&mut state);
        }
        leave(&mut state, until);
    }

    /// Moves on if everybody waits.
    fn move_on(&self, state: &mut State) {
        let now = self.elapsed_ns.load(Ordering::SeqCst);
        let busy = state.asleep.len() < self.going_on(state);
        let until = state.asleep.iter().chain(&state.network).min();
        let Some(&until) = until.filter(|until| !busy && **until > now) else {
            return;
        };
        if state.network.is_none() && !self.all_is_taken(state) {
            return;
        }
        self.elapsed_ns.store(until, Ordering::SeqCst);
        for second in now / SECOND_NS..until / SECOND_NS {
            let at = utc(Duration::from_nanos((second + 1) * SECOND_NS));
            (lock(&self.each_second))(at);
        }
        self.changed.notify_all();
    }

    /// Streams whose threads go on, or may. In its last second a stream may have ended while
    /// its outputs wait for the network, and the network for the clock.
    fn going_on(&self, state: &State) -> usize {
        let streams = self.stats.streams();
        let goes_on = |(stream, ended): &(&RunStream, &bool)| {
            let position_ns = stream.stats.position_ns.load(Ordering::Relaxed);
            !**ended && position_ns + SECOND_NS <= self.limit_ns
        };
        streams.iter().zip(&state.ended).filter(goes_on).count()
    }

    fn all_is_taken(&self, state: &State) -> bool {
        let streams = self.stats.streams();
        streams.iter().zip(&state.taken).all(|(stream, taken)| {
            let made = stream.stats.position_ns.load(Ordering::Relaxed);
            // A moment that reaches over the limit is not handed on.
            made <= *taken + self.slack_ns || made + SECOND_NS > self.limit_ns
        })
    }
}

fn utc(elapsed: Duration) -> Timestamp {
    let begun = Timestamp::from_second(SimulatedClock::UTC_S).expect("in range");
    begun + SignedDuration::try_from(elapsed).expect("in range")
}

impl Clock for StepClock {
    fn now(&self) -> Instant {
        self.begun + self.elapsed()
    }

    fn utc(&self) -> Timestamp {
        utc(self.elapsed())
    }

    /// For the threads of streams.
    fn sleep(&self, time: Duration) {
        self.wait(
            time,
            |state, until| state.asleep.push(until),
            |state, until| {
                let place = state.asleep.iter().position(|other| *other == until);
                state.asleep.swap_remove(place.expect("it slept"));
            },
        );
    }
}
