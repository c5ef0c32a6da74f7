//! When a thing is struck: the one clock that its sound and its motion share.

use rand::RngExt;

use crate::corpus::Rng;

/// How far a beat may be off its place, in periods. Below one half: beats never
/// change their order.
const MOST_LOOSE: f64 = 0.3;

/// Beats without end in both directions, evenly spaced but for a looseness.
#[derive(Clone, Debug)]
pub struct Rhythm {
    /// From beat to beat, in seconds.
    pub period_s: f64,
    offset_s: f64,
    loose: f64,
    seed: u64,
}

/// Where a moment lies between two beats.
#[derive(Clone, Copy, Debug)]
pub struct BeatPosition {
    /// The number of the beat before it.
    pub beat: i64,
    /// Seconds since that beat.
    pub since_s: f64,
    /// Seconds from that beat to the next.
    pub gap_s: f64,
}

impl Rhythm {
    /// A rhythm with its first beat anywhere.
    pub fn draw(period_s: std::ops::Range<f64>, rng: &mut Rng) -> Self {
        let period_s = rng.random_range(period_s);
        let loose = if rng.random_bool(0.5) {
            0.0
        } else {
            rng.random_range(0.0..MOST_LOOSE)
        };
        Self {
            period_s,
            offset_s: rng.random_range(0.0..period_s),
            loose,
            seed: rng.random(),
        }
    }

    /// When beat `k` comes.
    pub fn beat_s(&self, k: i64) -> f64 {
        let off = self.chance(k, 0) - 0.5;
        self.offset_s + self.period_s * (k as f64 + self.loose * off)
    }

    /// A number in `[0, 1)` that belongs to beat `k`: how hard, which note.
    pub fn chance(&self, k: i64, what: u64) -> f64 {
        let mut rng = crate::corpus::rng(self.seed, what, k as u64);
        rng.random_range(0.0..1.0)
    }

    /// The beats around a moment.
    pub fn place(&self, t_s: f64) -> BeatPosition {
        let mut beat = ((t_s - self.offset_s) / self.period_s).floor() as i64;
        if self.beat_s(beat) > t_s {
            beat -= 1;
        } else if self.beat_s(beat + 1) <= t_s {
            beat += 1;
        }
        let at = self.beat_s(beat);
        BeatPosition {
            beat,
            since_s: t_s - at,
            gap_s: self.beat_s(beat + 1) - at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_lies_between_its_beats() {
        for position in 0..50 {
            let mut rng = crate::corpus::rng(7, 0, position);
            let rhythm = Rhythm::draw(0.1..0.9, &mut rng);
            for i in -100..400 {
                let t = f64::from(i) * 0.0173;
                let place = rhythm.place(t);
                assert!(place.since_s >= 0.0 && place.since_s < place.gap_s, "{t}");
                let again = rhythm.place(rhythm.beat_s(place.beat) + 1e-9);
                assert_eq!(again.beat, place.beat);
            }
        }
    }
}
