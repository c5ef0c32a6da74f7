//! Windows of sound as OpenL3 cuts them.
//!
//! Not those of the streams that are judged: the first window begins half a second before the
//! sound does, and the last one is followed by as much silence as it lacks.

use crate::time::SAMPLE_RATE;

/// Samples of a window: one second.
const WINDOW: usize = SAMPLE_RATE as usize;

/// Windows of one second.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    pcm: &'a [f32],
    /// Silence before the sound.
    lead: usize,
    hop: usize,
}

impl<'a> Windows<'a> {
    /// Windows of a sound of 48 kHz, `hop_s` seconds apart, rounded down to whole samples.
    /// The middle of the first is the sound's start, or its own start if it is not centred.
    /// `None` if there is no sound, or the hop is less than a sample.
    pub fn new(pcm: &'a [f32], is_centred: bool, hop_s: f64) -> Option<Self> {
        let hop = (hop_s * f64::from(SAMPLE_RATE)) as usize;
        let lead = if is_centred { WINDOW / 2 } else { 0 };
        (!pcm.is_empty() && hop > 0).then_some(Self { pcm, lead, hop })
    }

    /// Their number: with a hop of a second at most, all sound is in one of them.
    pub fn count(&self) -> usize {
        let len = self.lead + self.pcm.len();
        1 + len.saturating_sub(WINDOW).div_ceil(self.hop)
    }

    /// Seconds from one to the next: whole samples.
    pub fn step_s(hop_s: f64) -> f64 {
        (hop_s * f64::from(SAMPLE_RATE)).floor() / f64::from(SAMPLE_RATE)
    }

    /// Writes a window to `out`, in place of what is there. One that is shorter than a second
    /// counts as followed by silence.
    pub fn write(&self, index: usize, out: &mut Vec<f32>) {
        let start = index * self.hop;
        out.clear();
        out.resize(self.lead.saturating_sub(start), 0.0);
        let from = start.saturating_sub(self.lead).min(self.pcm.len());
        let until = (from + WINDOW - out.len()).min(self.pcm.len());
        out.extend_from_slice(&self.pcm[from..until]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_are_as_many_as_openl3_has() {
        // What OpenL3's code cuts: samples, hop in seconds, whether it is centred, windows.
        let expected = include_str!("../../../tests/data/openl3/windows.json");
        let expected: Vec<(usize, f64, bool, usize)> =
            serde_json::from_str(expected).expect("a table");
        assert_eq!(expected.len(), 100);
        for (samples, hop, is_centred, count) in expected {
            let pcm = vec![0.1; samples];
            let windows = Windows::new(&pcm, is_centred, hop).expect("windows");
            assert_eq!(windows.count(), count, "{samples} {hop} {is_centred}");
        }
        assert!(Windows::new(&[], true, 0.1).is_none());
        assert!(Windows::new(&[0.0], true, 1e-6).is_none());
    }

    proptest! {
        #[test]
        fn they_are_the_slices_of_a_sound_that_is_padded(
            samples in 1_usize..200_000, hop_ms in 1_u32..=1_000, is_centred: bool,
        ) {
            let pcm: Vec<f32> = (0..samples).map(|i| 1.0 + i as f32).collect();
            let hop = f64::from(hop_ms) / 1e3;
            let windows = Windows::new(&pcm, is_centred, hop).expect("windows");
            let lead = if is_centred { WINDOW / 2 } else { 0 };
            let padded = [&vec![0.0; lead][..], &pcm].concat();
            let mut window = Vec::new();
            for index in 0..windows.count() {
                windows.write(index, &mut window);
                let start = index * (hop * 48_000.0) as usize;
                let expected = &padded[start..(start + WINDOW).min(padded.len())];
                prop_assert_eq!(&window, expected);
            }
            prop_assert_eq!(window.last(), pcm.last());
        }
    }
}
