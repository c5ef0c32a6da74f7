//! Loudness: ITU-R BS.1770 and EBU R128, by the `ebur128` crate.
//!
//! Belongs here: which channel counts how much, formats that change, the figures of a
//! report. Does not: the filters and gates.

use ebur128::{Channel, EbuR128, Mode};
use serde::{Deserialize, Serialize};

/// Figures of loudness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// Integrated loudness in LUFS; `None` if nothing is louder than the gate at -70 LUFS.
    pub integrated_lufs: Option<f64>,
    /// Loudness range in LU.
    pub range_lu: f64,
    /// True peak in dBTP; `None` of digital silence.
    pub true_peak_dbtp: Option<f64>,
    /// Sample peak in dB of full scale; `None` of digital silence.
    pub sample_peak_dbfs: Option<f64>,
}

/// How much a channel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelWeight {
    /// Once: in front, or nobody knows where.
    Front,
    /// 1.41 times: at the sides and behind.
    Surround,
    /// Not at all: low-frequency effects.
    Lfe,
}

/// Measures sound of any length.
#[derive(Debug)]
pub struct LoudnessMeter {
    meter: EbuR128,
    /// Peaks before the format changed.
    true_peak: f64,
    sample_peak: f64,
}

impl LoudnessMeter {
    /// For sound of these channels and so many samples in a second; `None` if it cannot be
    /// measured.
    pub fn new(channels: &[ChannelWeight], rate: u32) -> Option<Self> {
        let count = u32::try_from(channels.len()).ok()?;
        let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK | Mode::SAMPLE_PEAK;
        let mut meter = EbuR128::new(count, rate, mode).ok()?;
        meter.set_channel_map(&map(channels)).ok()?;
        Some(Self {
            meter,
            true_peak: 0.0,
            sample_peak: 0.0,
        })
    }

    /// The format of the sound changes. False if it cannot be measured.
    pub fn change(&mut self, channels: &[ChannelWeight], rate: u32) -> bool {
        (self.true_peak, self.sample_peak) = self.peaks();
        u32::try_from(channels.len())
            .is_ok_and(|count| self.meter.change_parameters(count, rate).is_ok())
            && self.meter.set_channel_map(&map(channels)).is_ok()
    }

    /// The next block, channels interleaved.
    pub fn block(&mut self, pcm: &[f32]) {
        let channels = self.meter.channels() as usize;
        let whole = pcm.len() - pcm.len() % channels.max(1);
        // Fails on half a sample only.
        let _ = self.meter.add_frames_f32(&pcm[..whole]);
    }

    /// The largest true peak and sample peak of any channel.
    fn peaks(&self) -> (f64, f64) {
        let channels = 0..self.meter.channels();
        channels.fold((self.true_peak, self.sample_peak), |(high, sample), i| {
            let true_peak = self.meter.true_peak(i).unwrap_or(0.0);
            let sample_peak = self.meter.sample_peak(i).unwrap_or(0.0);
            (high.max(true_peak), sample.max(sample_peak))
        })
    }

    /// The figures of all sound so far.
    pub fn figures(&self) -> Loudness {
        let (true_peak, sample_peak) = self.peaks();
        let loudness = self.meter.loudness_global().unwrap_or(f64::NEG_INFINITY);
        let range = self.meter.loudness_range().unwrap_or(0.0);
        Loudness {
            integrated_lufs: finite(loudness),
            range_lu: finite(range).unwrap_or(0.0),
            true_peak_dbtp: finite(20.0 * true_peak.log10()),
            sample_peak_dbfs: finite(20.0 * sample_peak.log10()),
        }
    }
}

/// Two decimals, a tenth of what can be heard or of what standards ask for.
fn finite(value: f64) -> Option<f64> {
    // Not -0.0.
    Some((value * 100.0).round() / 100.0 + 0.0).filter(|value| value.is_finite())
}

fn map(channels: &[ChannelWeight]) -> Vec<Channel> {
    let channel = |weight: &ChannelWeight| match weight {
        ChannelWeight::Front => Channel::Left,
        ChannelWeight::Surround => Channel::LeftSurround,
        ChannelWeight::Lfe => Channel::Unused,
    };
    channels.iter().map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelWeight::{Front, Lfe, Surround};
    use proptest::prelude::*;

    const RATE: u32 = 48_000;

    /// A tone of 997 Hz in each channel at its level.
    fn tone(seconds: usize, levels: &[f32]) -> Vec<f32> {
        let value = |i: usize| (std::f32::consts::TAU * 997.0 * i as f32 / RATE as f32).sin();
        (0..seconds * RATE as usize)
            .flat_map(|i| levels.iter().map(move |level| level * value(i)))
            .collect()
    }

    fn measured(channels: &[ChannelWeight], pcm: &[f32]) -> Loudness {
        let mut meter = LoudnessMeter::new(channels, RATE).expect("a usual format");
        pcm.chunks(4_800 * channels.len())
            .for_each(|block| meter.block(block));
        meter.figures()
    }

    fn assert_near(value: Option<f64>, expected: f64) {
        let value = value.expect("not silent");
        assert!((value - expected).abs() < 0.05, "{value}, not {expected}");
    }

    #[test]
    fn a_tone_is_as_loud_as_the_standard_says() {
        // BS.1770: a full-scale sine of 997 Hz in one front channel reads -3.01 LKFS.
        let one = measured(&[Front, Front], &tone(5, &[1.0, 0.0]));
        assert_near(one.integrated_lufs, -3.01);
        assert_near(one.sample_peak_dbfs, 0.0);
        assert_near(one.true_peak_dbtp, 0.0);
        assert_eq!(one.range_lu, 0.0);
        // EBU Tech 3341, case 1: stereo at -23 dBFS reads -23 LUFS.
        let level = 10_f32.powf(-23.0 / 20.0);
        let stereo = measured(&[Front, Front], &tone(5, &[level, level]));
        assert_near(stereo.integrated_lufs, -23.0);
    }

    #[test]
    fn mono_counts_once() {
        let level = 10_f32.powf(-23.0 / 20.0);
        assert_near(
            measured(&[Front], &tone(5, &[level])).integrated_lufs,
            -26.01,
        );
    }

    #[test]
    fn surround_counts_more_and_effects_do_not() {
        let of = |weight| measured(&[weight], &tone(5, &[0.1])).integrated_lufs;
        assert_near(of(Front), -23.01);
        assert_near(of(Surround), -21.52);
        assert_eq!(of(Lfe), None);
    }

    #[test]
    fn silence_has_no_loudness() {
        let silence = measured(&[Front], &tone(5, &[0.0]));
        let none = Loudness {
            integrated_lufs: None,
            range_lu: 0.0,
            true_peak_dbtp: None,
            sample_peak_dbfs: None,
        };
        assert_eq!(silence, none);
        assert_eq!(LoudnessMeter::new(&[], RATE).map(|m| m.figures()), None);
    }

    #[test]
    fn peaks_outlast_a_change_of_format() {
        let mut meter = LoudnessMeter::new(&[Front, Front], RATE).expect("a usual format");
        meter.block(&tone(3, &[0.5, 0.25]));
        assert!(meter.change(&[Front], 44_100));
        meter.block(&tone(3, &[0.1]));
        assert_near(meter.figures().sample_peak_dbfs, -6.02);
        assert!(meter.figures().integrated_lufs.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn how_sound_is_cut_into_blocks_does_not_matter(
            levels in prop::collection::vec(0.0_f32..1.0, 1..4),
            blocks in prop::collection::vec(1_usize..9_000, 1..6),
        ) {
            let pcm = tone(4, &levels);
            let channels = vec![Front; levels.len()];
            let mut meter = LoudnessMeter::new(&channels, RATE).expect("a usual format");
            let (mut rest, mut sizes) = (&pcm[..], blocks.iter().cycle());
            while !rest.is_empty() {
                let size = sizes.next().expect("a cycle") * levels.len();
                let (block, after) = rest.split_at(size.min(rest.len()));
                meter.block(block);
                rest = after;
            }
            prop_assert_eq!(meter.figures(), measured(&channels, &pcm));
        }
    }
}
