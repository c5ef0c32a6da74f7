//! Samples that are no sound: NaN, infinite, or absurdly loud.
//!
//! Belongs here: the one rule for them. Everything that hears sound from outside applies it
//! once: a stream's windows (`engine`), what is prepared (`prepare`), sound files
//! (`corpus`), the sound of an overlay video (`sink`). Only floating-point sound can hold
//! such samples: a damaged file, a file read in the wrong byte order, a filter that
//! overflowed. One NaN would otherwise spread over the whole spectrogram and level.

use std::fmt;
use std::ops::AddAssign;

use crate::text::plural;

/// The loudest sample that is believed, 18 dB over full scale. Mixes that nobody limited
/// exceed full scale by some decibels; nothing that was recorded is louder than this.
pub const MAX_SAMPLE: f32 = 8.0;

/// How many samples were damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// NaN or infinite: silence was put in their place.
    pub invalid: u64,
    /// Beyond ±[`MAX_SAMPLE`]: they were clipped to it.
    pub clipped: u64,
}

impl Damage {
    /// Whether there was none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Damage {
    fn add_assign(&mut self, more: Self) {
        self.invalid += more.invalid;
        self.clipped += more.clipped;
    }
}

/// `3 samples that are NaN or infinite (made silent)`, and the same of those too loud.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.invalid > 0 || self.clipped == 0 {
            let samples = plural(self.invalid, "NaN or infinite sample");
            write!(f, "{samples} (made silent)")?;
        }
        if self.clipped > 0 {
            let and = if self.invalid > 0 { " and " } else { "" };
            let samples = plural(self.clipped, "sample");
            write!(f, "{and}{samples} beyond ±{MAX_SAMPLE} (clipped)")?;
        }
        Ok(())
    }
}

/// Makes damaged samples harmless and counts them. Allocates nothing.
pub fn clean(pcm: &mut [f32]) -> Damage {
    let mut damage = Damage::default();
    for sample in pcm {
        // Not `> MAX_SAMPLE`: NaN compares false.
        if sample.abs() <= MAX_SAMPLE {
            continue;
        }
        if sample.is_finite() {
            *sample = sample.clamp(-MAX_SAMPLE, MAX_SAMPLE);
            damage.clipped += 1;
        } else {
            *sample = 0.0;
            damage.invalid += 1;
        }
    }
    damage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_is_made_harmless_and_counted() {
        let damage = |invalid, clipped| Damage { invalid, clipped };
        for (sample, becomes, expected) in [
            (0.0, 0.0, damage(0, 0)),
            (-1.0, -1.0, damage(0, 0)),
            (7.9, 7.9, damage(0, 0)),
            (-8.0, -8.0, damage(0, 0)),
            (
                f32::MIN_POSITIVE / 4.0,
                f32::MIN_POSITIVE / 4.0,
                damage(0, 0),
            ),
            (8.1, 8.0, damage(0, 1)),
            (-1e10, -8.0, damage(0, 1)),
            (f32::MAX, 8.0, damage(0, 1)),
            (f32::NAN, 0.0, damage(1, 0)),
            (-f32::NAN, 0.0, damage(1, 0)),
            (f32::INFINITY, 0.0, damage(1, 0)),
            (f32::NEG_INFINITY, 0.0, damage(1, 0)),
        ] {
            let mut pcm = [0.25, sample, -0.25];
            assert_eq!(clean(&mut pcm), expected, "{sample}");
            assert_eq!(pcm, [0.25, becomes, -0.25], "{sample}");
        }
    }

    #[test]
    fn damage_is_described_in_words() {
        let described = |invalid, clipped| Damage { invalid, clipped }.to_string();
        assert_eq!(described(1, 0), "1 NaN or infinite sample (made silent)");
        assert_eq!(described(0, 2), "2 samples beyond ±8 (clipped)");
        assert_eq!(
            described(3, 1),
            "3 NaN or infinite samples (made silent) and 1 sample beyond ±8 (clipped)"
        );
    }
}
