//! How far a live source is behind, and which pictures are not decoded so that it catches
//! up.
//!
//! Belongs here: the policy, as pure functions of times. Does not: where times come from
//! (`gate` for GStreamer, the engine for what has arrived).
//!
//! A live source is always late by the network, a jitter buffer and the decoder's delay.
//! That is no lag: lag is how much later than its least delay something arrives.

use std::time::Duration;

/// A live source that is further behind loses pictures, undecoded.
pub const LAG_LIMIT: Duration = Duration::from_secs(2);

/// It has caught up once it is no further behind than this.
const CAUGHT_UP: Duration = Duration::from_millis(500);

/// The least delay is forgotten at this rate, because a source's clock may drift from the
/// machine's: 1 ms a second, three times what bad clocks do.
const FORGET_ONE_IN: i64 = 1_000;

/// Timestamps that go back by more than this are of a clock that was set, or a file that
/// starts again: what was late before says nothing. Pictures that are out of order are
/// closer together.
const CLOCK_SET: u64 = 1_000_000_000;

/// Measures lag from pairs of times: when something is due by its timestamp, and when it
/// is there. Both in nanoseconds, from any origin.
#[derive(Clone, Debug, Default)]
pub struct LagMeter {
    /// The least delay, and when it was last updated.
    least: Option<(i64, u64)>,
    last_due: u64,
}

impl LagMeter {
    /// The lag of what was `due` and has arrived `now`.
    pub fn measure(&mut self, due: u64, now: u64) -> Duration {
        if due.saturating_add(CLOCK_SET) < std::mem::replace(&mut self.last_due, due) {
            self.least = None;
        }
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        // Files are read ahead of the clock; that must not make what is in time late.
        let delay = signed(now).saturating_sub(signed(due)).max(0);
        let least = match self.least {
            None => delay,
            Some((least, at)) => {
                let forgotten = signed(now.saturating_sub(at)) / FORGET_ONE_IN;
                delay.min(least.saturating_add(forgotten))
            }
        };
        self.least = Some((least, now));
        Duration::from_nanos(delay.saturating_sub(least).unsigned_abs())
    }
}

/// Decides which encoded pictures a decoder gets.
#[derive(Clone, Debug, Default)]
pub(super) struct LagGate {
    meter: LagMeter,
    closed: bool,
}

impl LagGate {
    /// Whether a picture is decoded. Once one is further behind than [`LAG_LIMIT`], none is
    /// until a key picture has caught up: those between depend on what was skipped.
    pub fn admits(&mut self, due: u64, now: u64, is_key: bool) -> bool {
        let lag = self.meter.measure(due, now);
        if self.closed {
            self.closed = !(is_key && lag <= CAUGHT_UP);
        } else {
            self.closed = lag > LAG_LIMIT;
        }
        !self.closed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MS;

    #[test]
    fn a_constant_delay_is_no_lag_and_what_is_added_to_it_is() {
        for delay in [0, 80, 2_500, 60_000] {
            let mut meter = LagMeter::default();
            for frame in 0..100 {
                let due = frame * 40 * MS;
                assert_eq!(meter.measure(due, due + delay * MS), Duration::ZERO);
            }
            let due = 4 * SECOND;
            let lag = meter.measure(due, due + (delay + 700) * MS);
            assert!(lag.as_millis().abs_diff(700) <= 5, "{lag:?}");
        }
    }

    #[test]
    fn clocks_that_drift_for_a_day_are_no_lag() {
        // Slow and fast, 300 ppm.
        for ppm in [-300, 0, 300] {
            let mut meter = LagMeter::default();
            for second in 0..86_400_u64 {
                let due = second * SECOND;
                let now = (due as i64 + SECOND as i64 + (due as i64 / 1_000_000) * ppm) as u64;
                let lag = meter.measure(due, now);
                assert!(lag < Duration::from_millis(1), "{ppm}: {lag:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_is_no_lag() {
        for jump in [-3_i64, -3_600, 3_600] {
            let mut gate = LagGate::default();
            for picture in 0..1_000_u64 {
                let at = 2 * 3_600 * SECOND + picture * 40 * MS;
                let set = picture >= 500 || picture == 100;
                let due = at.saturating_add_signed(if set { jump * SECOND as i64 } else { 0 });
                assert!(
                    gate.admits(due, at + 200 * MS, picture % 50 == 0),
                    "{jump} {picture}"
                );
            }
        }
    }

    #[test]
    fn a_decoder_at_half_speed_skips_pictures_and_is_never_far_behind() {
        // 25 pictures a second, one in 50 a key picture; decoding takes two picture times,
        // and pictures queue before the decoder.
        let mut gate = LagGate::default();
        let (mut free_at, mut decoded, mut worst) = (0, 0, 0);
        for picture in 0..10_000_u64 {
            let due = picture * 40 * MS;
            let now = free_at.max(due + 100 * MS);
            if gate.admits(due, now, picture % 50 == 0) {
                decoded += 1;
                free_at = now + 80 * MS;
                worst = worst.max(now - due);
            }
        }
        assert!(worst <= 2_200 * MS, "{worst}");
        assert!((4_000..=5_100).contains(&decoded), "{decoded}");
    }

    #[test]
    fn nothing_is_skipped_while_the_decoder_keeps_up() {
        let mut gate = LagGate::default();
        for picture in 0..1_000_u64 {
            let jitter = (picture * 7_919 % 150) * MS;
            let due = picture * 40 * MS;
            assert!(gate.admits(due, due + 2 * SECOND + jitter, picture % 50 == 0));
        }
    }

    proptest! {
        #[test]
        fn no_times_overflow(times in proptest::collection::vec(any::<(u64, u64, bool)>(), 0..50)) {
            let mut gate = LagGate::default();
            for (due, now, is_key) in times {
                gate.admits(due, now, is_key);
            }
        }
    }
}
