//! Silence: `silencedetect`, of all channels at once.

use super::{AT_LEAST_US, Stretch};
use crate::time::MediaTime;

/// A sample is silent below this: -60 dB of full scale.
const NOISE: f32 = 0.001;

const NS_PER_S: u128 = 1_000_000_000;

/// Finds where all channels are silent.
///
/// What counts are consecutive samples: silence goes on over a hole between blocks.
#[derive(Clone, Debug)]
pub struct Silence {
    channels: usize,
    rate: u32,
    /// Silent samples in a row, of all channels.
    run: u64,
    since: Option<MediaTime>,
    /// Where the last block ended.
    end: MediaTime,
    found: Vec<Stretch>,
}

impl Silence {
    /// For sound of so many channels and samples in a second.
    pub fn new(channels: usize, rate: u32) -> Self {
        Self {
            channels: channels.max(1),
            rate: rate.max(1),
            run: 0,
            since: None,
            end: MediaTime::ZERO,
            found: Vec::new(),
        }
    }

    /// The format of the sound changes. Silence may go on.
    pub fn change(&mut self, channels: usize, rate: u32) {
        let (channels, rate) = (channels.max(1), rate.max(1));
        let scaled = u128::from(self.run) * u128::from(rate) * channels as u128
            / (u128::from(self.rate) * self.channels as u128);
        self.run = u64::try_from(scaled).unwrap_or(u64::MAX);
        (self.channels, self.rate) = (channels, rate);
    }

    /// Samples of one channel as a time in nanoseconds.
    fn ns(&self, samples: u64) -> u64 {
        let ns = u128::from(samples) * NS_PER_S / u128::from(self.rate);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// The next block, channels interleaved.
    pub fn block(&mut self, at: MediaTime, pcm: &[f32]) {
        let channels = self.channels as u64;
        let notify = u64::from(self.rate) * AT_LEAST_US / 1_000_000 * channels;
        for (i, sample) in pcm.iter().enumerate() {
            let position = i as u64 / channels;
            if -NOISE < *sample && *sample < NOISE {
                if self.since.is_none() {
                    self.run += 1;
                    if self.run >= notify {
                        let here = at.0.saturating_add(self.ns(position + 1));
                        let begun = here.saturating_sub(self.ns(notify / channels));
                        self.since = Some(MediaTime(begun));
                    }
                }
            } else {
                if let Some(start) = self.since.take() {
                    let end = MediaTime(at.0.saturating_add(self.ns(position)));
                    self.found.push(Stretch::between(start, end));
                }
                self.run = 0;
            }
        }
        let samples = pcm.len() as u64 / channels;
        self.end = MediaTime(at.0.saturating_add(self.ns(samples)));
    }

    /// Where the last block ended.
    pub fn end(&self) -> MediaTime {
        self.end
    }

    /// All of it. What lasts until the end ends there.
    pub fn finish(mut self) -> Vec<Stretch> {
        if let Some(start) = self.since {
            self.found.push(Stretch::between(start, self.end));
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 1_000;

    /// The stretches of sound that is fed in blocks of these many samples of a channel.
    fn stretches(pcm: &[f32], channels: usize, blocks: &[usize]) -> Vec<Stretch> {
        let mut detector = Silence::new(channels, RATE);
        let (mut rest, mut position) = (pcm, 0);
        let mut sizes = blocks.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |n| n.max(&1) * channels);
            let (block, after) = rest.split_at(size.min(rest.len()));
            detector.block(MediaTime(position * 1_000_000), block);
            position += (block.len() / channels) as u64;
            rest = after;
        }
        detector.finish()
    }

    fn loud_then(silent: usize, loud: usize) -> Vec<f32> {
        let parts = [(500, 0.5), (silent, 0.000_9), (loud, -0.5)];
        parts.iter().flat_map(|(n, v)| vec![*v; *n]).collect()
    }

    #[test]
    fn silence_of_two_seconds_is_told_and_less_is_not() {
        let found = stretches(&loud_then(2_000, 10), 1, &[64]);
        let ms = |ms: u64| MediaTime(ms * 1_000_000);
        assert_eq!(found, [Stretch::between(ms(500), ms(2_500))]);
        assert!(stretches(&loud_then(1_999, 10), 1, &[64]).is_empty());
    }

    #[test]
    fn silence_until_the_end_ends_there() {
        let found = stretches(&loud_then(2_600, 0), 1, &[100]);
        assert_eq!((found[0].start_s, found[0].end_s), (0.5, 3.1));
    }

    #[test]
    fn one_loud_channel_is_no_silence() {
        let pair = |left: f32, right: f32| vec![[left, right]; 3_000].into_flattened();
        assert!(stretches(&pair(0.0, 0.5), 2, &[480]).is_empty());
        assert_eq!(stretches(&pair(0.0, 0.0), 2, &[480])[0].end_s, 3.0);
    }

    #[test]
    fn samples_that_are_no_numbers_are_not_silent() {
        assert!(stretches(&vec![f32::NAN; 3_000], 1, &[480]).is_empty());
    }

    #[test]
    fn silence_goes_on_in_another_format() {
        let mut detector = Silence::new(2, RATE);
        detector.block(MediaTime::ZERO, &[0.0; 3_000]);
        detector.change(1, 2 * RATE);
        detector.block(detector.end(), &[0.0; 2_000]);
        let found = detector.finish();
        assert_eq!((found[0].start_s, found[0].end_s), (0.0, 2.5));
    }

    proptest! {
        #[test]
        fn how_sound_is_cut_into_blocks_does_not_matter(
            runs in prop::collection::vec((0.0_f32..0.002, 1_usize..3_000), 1..8),
            blocks in prop::collection::vec(1_usize..1_500, 1..6),
            channels in 1_usize..4,
        ) {
            let pcm: Vec<f32> = runs
                .iter()
                .flat_map(|(level, n)| vec![*level; n * channels])
                .collect();
            let whole = stretches(&pcm, channels, &[]);
            prop_assert_eq!(stretches(&pcm, channels, &blocks), whole);
        }

        #[test]
        fn every_silence_is_found_and_nothing_else(
            runs in prop::collection::vec(1_usize..4_000, 1..8),
        ) {
            // Silent and loud by turns.
            let levels = [0.0_f32, 0.1].into_iter().cycle();
            let (mut pcm, mut expected) = (Vec::new(), Vec::new());
            for (run, level) in runs.iter().zip(levels) {
                let start = pcm.len() as u64 * 1_000_000;
                pcm.extend(vec![level; *run]);
                if level == 0.0 && *run >= 2_000 {
                    let end = pcm.len() as u64 * 1_000_000;
                    expected.push(Stretch::between(MediaTime(start), MediaTime(end)));
                }
            }
            prop_assert_eq!(stretches(&pcm, 1, &[333]), expected);
        }
    }
}
