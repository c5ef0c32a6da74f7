//! How loud a stretch of sound is.
//!
//! A constant offset is no sound, but it has power: an offset of 0.02 measures -34 dBFS and
//! would hide that a microphone is mute. So the level is that of the sound without its mean
//! (the standard deviation). Taking the mean off leaves tones as loud as they are, to
//! 0.01 dB from 20 Hz up over a second; a high-pass would have to settle in every window
//! first.

/// Level and offset of a stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square without the offset; 1 is full scale.
    pub rms: f64,
    /// The mean of the samples.
    pub offset: f64,
}

impl Level {
    /// Of samples in `[-1, 1]`.
    ///
    /// Digital silence before or after the sound is padding and has no part in the
    /// offset, unless it is more than half: the step to it would be loud.
    pub fn of(pcm: &[f32]) -> Self {
        let sound = without_padding(pcm);
        let level = sums(sound.iter().map(|&v| f64::from(v))).level();
        let share = sound.len() as f64 / pcm.len().max(1) as f64;
        Self {
            rms: level.rms * share.sqrt(),
            ..level
        }
    }

    /// Of 16-bit samples.
    pub fn of_i16(pcm: &[i16]) -> Self {
        LevelSums::of_i16(pcm).level()
    }

    /// Decibels relative to full scale (a square wave of ±1), not under `floor`.
    pub fn dbfs(self, floor: f32) -> f32 {
        (20.0 * self.rms.log10()).max(f64::from(floor)) as f32
    }
}

/// What levels are computed from; those of consecutive stretches add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LevelSums {
    samples: f64,
    sum: f64,
    squares: f64,
}

impl LevelSums {
    /// Of 16-bit samples.
    pub fn of_i16(pcm: &[i16]) -> Self {
        sums(pcm.iter().map(|&v| f64::from(v) / 32768.0))
    }

    /// The level of all of it; that of no samples is 0.
    pub fn level(self) -> Level {
        let samples = self.samples.max(1.0);
        let offset = self.sum / samples;
        // Rounding may leave a little less than nothing.
        let power = (self.squares / samples - offset * offset).max(0.0);
        Level {
            rms: power.sqrt(),
            offset,
        }
    }
}

impl std::iter::Sum for LevelSums {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |a, b| Self {
            samples: a.samples + b.samples,
            sum: a.sum + b.sum,
            squares: a.squares + b.squares,
        })
    }
}

fn without_padding(pcm: &[f32]) -> &[f32] {
    let is_sound = |v: &f32| *v != 0.0;
    let first = pcm.iter().position(is_sound).unwrap_or(0);
    let end = pcm.iter().rposition(is_sound).map_or(0, |last| last + 1);
    let sound = &pcm[first.min(end)..end];
    if sound.len() < pcm.len() / 2 {
        return pcm;
    }
    sound
}

fn sums(pcm: impl ExactSizeIterator<Item = f64>) -> LevelSums {
    let samples = pcm.len() as f64;
    let (sum, squares) = pcm.fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
    LevelSums {
        samples,
        sum,
        squares,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, amplitude: f64, offset: f64) -> Vec<f32> {
        let at = |i: u32| std::f64::consts::TAU * hz * f64::from(i) / 48_000.0 + 0.3;
        (0..48_000)
            .map(|i| (amplitude * at(i).sin() + offset) as f32)
            .collect()
    }

    #[test]
    fn tones_are_as_loud_with_an_offset_as_without() {
        for hz in [20.0, 27.7, 50.0, 440.0, 15_000.0] {
            for offset in [0.0, 0.001, -0.02, 0.5, 3.0] {
                let level = Level::of(&tone(hz, 0.1, offset));
                let off = level.dbfs(-120.0) - 20.0 * (0.1_f32 / 2.0_f32.sqrt()).log10();
                assert!(off.abs() < 0.05, "{hz} Hz, {offset}: {off} dB");
                assert!((level.offset - offset).abs() < 0.001, "{level:?}");
            }
        }
    }

    #[test]
    fn a_constant_has_an_offset_and_no_level() {
        for offset in [0.02, -0.5, 1.0, 8.0] {
            let level = Level::of(&vec![offset; 48_000]);
            assert!((level.offset - f64::from(offset)).abs() < 1e-9);
            assert!(level.dbfs(-120.0) < -119.0, "{offset}: {level:?}");
        }
        assert_eq!(Level::of(&[]).dbfs(-120.0), -120.0);
        assert_eq!(Level::of(&[0.0; 480]).dbfs(-120.0), -120.0);
    }

    #[test]
    fn padding_makes_no_sound_of_an_offset() {
        let mut pcm = vec![0.25; 48_000];
        pcm[..1_000].fill(0.0);
        pcm[30_000..].fill(0.0);
        let level = Level::of(&pcm);
        assert!(level.dbfs(-120.0) < -119.0, "{level:?}");
        assert!((level.offset - 0.25).abs() < 1e-9);
        // A tone keeps its energy; a click is no offset.
        let mut half = tone(440.0, 0.1, 0.0);
        half[24_500..].fill(0.0);
        let off = Level::of(&half).dbfs(-120.0) - Level::of(&half[..24_500]).dbfs(-120.0);
        assert!(
            (off - 10.0 * (24_500.0_f32 / 48_000.0).log10()).abs() < 0.01,
            "{off}"
        );
        let mut click = vec![0.0; 48_000];
        click[300..310].fill(0.5);
        let level = Level::of(&click).dbfs(-120.0);
        assert!(
            (level - 10.0 * (2.5_f32 / 48_000.0).log10()).abs() < 0.1,
            "{level}"
        );
    }

    #[test]
    fn levels_of_parts_add_up() {
        let pcm: Vec<i16> = (0..4_800).map(|i| (i * 37 % 2_001) as i16 - 700).collect();
        let parts: LevelSums = pcm.chunks(480).map(LevelSums::of_i16).sum();
        let (whole, parts) = (Level::of_i16(&pcm), parts.level());
        assert!((whole.rms - parts.rms).abs() < 1e-12);
        assert!((whole.offset - parts.offset).abs() < 1e-12);
    }
}
