//! Timestamps of MPEG streams, which have 33 bits and start again after 26.5 hours.
//!
//! tsdemux counts on; mpegpsdemux (1.22) passes them as they are, and a picture's decoding
//! time may lie before the wrap and its presentation behind it.

/// 2^33 ticks of 90 kHz, in ns.
const PERIOD: i64 = 95_443_717_688_889;

/// Longest hole in ns across which a wrap is recognised. With a longer one, a recording may
/// as well have ended and another begun.
const HOLE: i64 = 10_000_000_000;

/// Counts a clock's wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wraps {
    /// How often it has wrapped, as far as is known.
    turns: i64,
}

impl Wraps {
    /// The time in ns that a timestamp stands for, next to another one of the same clock.
    pub fn unwrap(&mut self, at: i64, beside: i64) -> i64 {
        let turns = nearest(at, beside);
        let time = at.saturating_add(turns.saturating_mul(PERIOD));
        if turns != self.turns && time.abs_diff(beside) > HOLE.unsigned_abs() {
            self.turns = 0;
            return at;
        }
        self.turns = turns;
        time
    }
}

/// The time in ns that a timestamp stands for, if another one of the same buffer is known.
pub(super) fn beside(at: i64, other: i64) -> i64 {
    at.saturating_add(nearest(at, other).saturating_mul(PERIOD))
}

/// The number of wraps that brings a timestamp next to a time.
fn nearest(at: i64, time: i64) -> i64 {
    time.saturating_sub(at)
        .saturating_add(PERIOD / 2)
        .div_euclid(PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    /// The last tick before the wrap.
    const LAST: i64 = PERIOD - 11_111;

    #[test]
    fn a_clock_continues_behind_its_end() {
        let mut wraps = Wraps::default();
        // Timestamp, and what it stands for.
        let cases = [
            (LAST - SECOND, LAST - SECOND),
            (0, PERIOD),
            // A reordered frame, and one on the other side again.
            (LAST - SECOND / 5, LAST - SECOND / 5),
            (SECOND, PERIOD + SECOND),
            // Once it has wrapped, a long hole is a hole.
            (60 * SECOND, PERIOD + 60 * SECOND),
            (LAST, 2 * PERIOD - 11_111),
        ];
        let mut last = LAST - 2 * SECOND;
        for (at, time) in &cases[..5] {
            assert_eq!(wraps.unwrap(*at, last), *time, "{at}");
            last = *time;
        }
        // A day later it wraps again.
        let (at, time) = cases[5];
        assert_eq!(wraps.unwrap(at, time - SECOND), time);
        assert_eq!(wraps.unwrap(5, time), 2 * PERIOD + 5);
    }

    #[test]
    fn a_jump_is_no_wrap() {
        for (at, last) in [
            (0, 3_600 * SECOND),
            (SECOND, LAST - 60 * SECOND),
            (LAST, 3_600 * SECOND),
        ] {
            assert_eq!(Wraps::default().unwrap(at, last), at);
        }
    }

    #[test]
    fn times_of_one_buffer_lie_on_both_sides() {
        assert_eq!(beside(LAST, PERIOD + SECOND), LAST);
        assert_eq!(beside(LAST, SECOND), -11_111);
        assert_eq!(beside(3, LAST), PERIOD + 3);
        assert_eq!(beside(3, 70_000 * SECOND), PERIOD + 3);
        assert_eq!(beside(i64::MAX, 0), beside(i64::MAX, 0), "no overflow");
    }
}
