//! Which seconds of a sound are used. A second is a window of the network that hears it.

use crate::features::Level;
use crate::result::SILENCE_FLOOR_DBFS;
use crate::window_spec::WindowSpec;

/// Upper limit of [`Seconds::ByLength`].
const MAX_SECONDS: usize = 60;

/// How many seconds are cut out of a sound, equally spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seconds {
    /// Two per second of its length, at most 60, as in the paper (section 3.3): 10 of
    /// 5 s, 60 of 30 s.
    #[default]
    ByLength,
    /// This many, whatever its length.
    Fixed(u16),
}

impl Seconds {
    /// Their first samples, from the first second of a sound of `len` samples to the
    /// last.
    pub(super) fn starts(self, spec: WindowSpec, len: usize) -> impl Iterator<Item = usize> {
        let last = len.saturating_sub(spec.window_samples);
        let count = match self {
            Self::Fixed(count) => usize::from(count),
            // It is no longer than one.
            Self::ByLength if last == 0 => 1,
            Self::ByLength => (2 * len / spec.window_samples).min(MAX_SECONDS),
        };
        (0..count).map(move |i| match count {
            1 => last / 2,
            _ => last * i / (count - 1),
        })
    }

    /// First sample of the loudest, which represents the sound in
    /// [`Extraction::one_each`](super::extract::Extraction::one_each).
    pub(super) fn loudest(self, spec: WindowSpec, pcm: &[f32]) -> usize {
        let starts: Vec<usize> = self.starts(spec, pcm.len()).collect();
        let level_at = |&start: &usize| level(second_at(spec, pcm, start));
        let levels: Vec<f32> = starts.iter().map(level_at).collect();
        starts[loudest(&levels)]
    }
}

/// Level of a second in dBFS.
pub(super) fn level(second: &[f32]) -> f32 {
    Level::of(second).dbfs(SILENCE_FLOOR_DBFS)
}

/// Index of the greatest; of equals, the first.
pub(super) fn loudest(levels: &[f32]) -> usize {
    let places = (0..levels.len()).rev();
    places
        .max_by(|&a, &b| levels[a].total_cmp(&levels[b]))
        .unwrap_or(0)
}

/// The second from `start` on, or less at the end.
pub(super) fn second_at(spec: WindowSpec, pcm: &[f32], start: usize) -> &[f32] {
    &pcm[start..pcm.len().min(start + spec.window_samples)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: WindowSpec = WindowSpec::PAPER;

    #[test]
    fn seconds_are_equally_spaced_and_short_sounds_start_at_zero() {
        let starts = |len, count| Seconds::Fixed(count).starts(SPEC, len).collect::<Vec<_>>();
        assert_eq!(starts(5 * 48_000, 5), [0, 48_000, 96_000, 144_000, 192_000]);
        assert_eq!(starts(2 * 48_000, 1), [24_000]);
        assert_eq!(starts(48_000, 3), [0, 0, 0]);
        assert_eq!(starts(10, 2), [0, 0]);
        assert_eq!(starts(240_000, 10)[9], 192_000);
    }

    #[test]
    fn by_their_length_sounds_have_as_many_seconds_as_in_the_paper() {
        let count = |seconds: f64| {
            let len = (seconds * 48_000.0) as usize;
            Seconds::ByLength.starts(SPEC, len).count()
        };
        assert_eq!(count(5.0), 10);
        assert_eq!(count(30.0), 60);
        assert_eq!(count(600.0), 60);
        assert_eq!([count(0.3), count(1.0), count(1.6)], [1, 1, 3]);
    }

    #[test]
    fn the_loudest_second_represents_a_sound() {
        let mut pcm = vec![0.0; 240_000];
        pcm[60_000] = 0.5;
        pcm[70_000] = 0.5;
        let start = Seconds::Fixed(10).loudest(SPEC, &pcm);
        assert_eq!(start, 192_000 * 2 / 9, "the first that holds both");
        assert_eq!(Seconds::ByLength.loudest(SPEC, &[0.0; 10]), 0);
    }
}
