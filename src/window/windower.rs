//! Contiguous one-second windows out of blocks of any size.
//!
//! This file owns the policy on holes, overlaps and jumps of the sound. It knows
//! nothing of frames, and time only as positions in samples.

use std::time::Instant;

use crate::time::{Hop, SamplePos, WINDOW_SAMPLES};

/// A hole or overlap up to this long (20 ms) is smoothed over; a longer one ends
/// the window.
pub const TOLERANCE_SAMPLES: usize = 960;

/// From this much on (5 ms) a smoothed difference is made good at once, so that
/// the positions never drift from the timestamps. Below it, it is the rounding
/// of timestamps (1 ms in Matroska), and touching the sound would only hurt it.
const SLIP_SAMPLES: usize = 240;

/// A last window that lacks at most this much (10 ms, a resampler's tail)
/// counts as whole.
pub const TAIL_SAMPLES: usize = 480;

/// Sound did not continue where it left off; the unfinished window is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discontinuity {
    /// Where the discarded window began.
    pub from: SamplePos,
    /// Where the next block was expected.
    pub expected: SamplePos,
    /// Where it came, and where the next window begins.
    pub got: SamplePos,
}

/// One second of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundWindow {
    /// Position of its first sample.
    pub start: SamplePos,
    /// Its 48 000 samples.
    pub pcm: Vec<f32>,
    /// When the block with its last sample arrived.
    pub arrived: Instant,
    /// The whole clip is shorter than a second; the rest is silence.
    pub padded: bool,
}

/// What becomes of the sound.
#[derive(Clone, Debug, PartialEq)]
pub enum SoundEvent {
    /// A window is whole.
    Window(SoundWindow),
    /// The sound broke off.
    Broken(Discontinuity),
}

/// Cuts sound into windows.
///
/// The grid starts at the first sample, and anew after each discontinuity; a
/// start within the tolerance of the stream's own start is taken as that.
#[derive(Debug)]
pub struct Windower {
    hop: usize,
    /// Sound from `next_start` on, without holes.
    pcm: Vec<f32>,
    next_start: SamplePos,
    begun: bool,
    /// Silence at the start of `pcm` that stands for a start within the tolerance.
    lead: usize,
    /// A whole window or a discontinuity has been there: no padding at the end.
    past_first: bool,
    last_arrival: Option<Instant>,
}

impl Windower {
    /// A windower whose windows start `hop` after each other.
    pub fn new(hop: Hop) -> Self {
        Self {
            hop: hop.samples(),
            pcm: Vec::with_capacity(2 * WINDOW_SAMPLES),
            next_start: SamplePos::ZERO,
            begun: false,
            lead: 0,
            past_first: false,
            last_arrival: None,
        }
    }

    /// Begins anew: the next block is as the first one, wherever it lies.
    pub fn restart(&mut self) {
        self.pcm.clear();
        self.begun = false;
        self.lead = 0;
        self.last_arrival = None;
    }

    /// Where the next window starts; `None` before the first sound.
    pub fn next_start(&self) -> Option<SamplePos> {
        self.begun.then_some(self.next_start)
    }

    /// Where the sound has got to.
    pub fn end(&self) -> SamplePos {
        self.next_start.plus(self.pcm.len())
    }

    /// Takes the block `pcm`, whose first sample is at `at`, and hands what
    /// becomes of it to `out`.
    pub fn push(
        &mut self,
        at: SamplePos,
        pcm: &[f32],
        arrived: Instant,
        mut out: impl FnMut(SoundEvent),
    ) {
        if pcm.is_empty() {
            return;
        }
        self.last_arrival = Some(arrived);
        let mut pcm = pcm;
        if !self.begun {
            self.begun = true;
            if at.0 <= TOLERANCE_SAMPLES as u64 {
                self.next_start = SamplePos::ZERO;
                self.lead = usize::try_from(at.0).unwrap_or(0);
                self.pcm.resize(self.lead, 0.0);
            } else {
                self.next_start = at;
            }
        } else {
            let expected = self.end();
            let ahead = at.minus(expected);
            let off = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            if off > TOLERANCE_SAMPLES {
                // Time never goes back: what was heard already is not heard twice.
                let repeated = if ahead < 0 { off.min(pcm.len()) } else { 0 };
                pcm = &pcm[repeated..];
                if pcm.is_empty() {
                    return;
                }
                let got = if ahead < 0 { expected } else { at };
                out(SoundEvent::Broken(Discontinuity {
                    from: self.next_start,
                    expected,
                    got,
                }));
                self.pcm.clear();
                self.next_start = got;
                self.past_first = true;
            } else if off > SLIP_SAMPLES {
                if ahead > 0 {
                    self.bridge(off, pcm[0]);
                } else {
                    // Made-up silence goes before real sound: decoders of MPEG
                    // streams stamp their first block too late.
                    let silence = off.min(self.lead);
                    self.pcm.drain(..silence);
                    self.lead -= silence;
                    pcm = &pcm[(off - silence).min(pcm.len())..];
                }
            }
        }
        self.pcm.extend_from_slice(pcm);
        self.cut(arrived, &mut out);
    }

    /// Ends the sound. `pad` asks for the one zero-padded window of a clip that
    /// is shorter than a second (files; a live stream that is stopped has none). A
    /// last window that lacks at most `tail` samples counts as whole.
    pub fn finish(&mut self, pad: bool, tail: usize, mut out: impl FnMut(SoundEvent)) {
        let Some(arrived) = self.last_arrival else {
            return;
        };
        let short = pad && !self.past_first && !self.pcm.is_empty();
        let nearly = self.pcm.len() + tail >= WINDOW_SAMPLES;
        if short || nearly {
            self.pcm.resize(WINDOW_SAMPLES, 0.0);
            out(SoundEvent::Window(SoundWindow {
                start: self.next_start,
                pcm: std::mem::take(&mut self.pcm),
                arrived,
                padded: !nearly,
            }));
            self.next_start = self.next_start.plus(WINDOW_SAMPLES);
            self.past_first = true;
        }
    }

    fn cut(&mut self, arrived: Instant, out: &mut impl FnMut(SoundEvent)) {
        let mut used = 0;
        while self.pcm.len() - used >= WINDOW_SAMPLES {
            out(SoundEvent::Window(SoundWindow {
                start: self.next_start,
                pcm: self.pcm[used..used + WINDOW_SAMPLES].to_vec(),
                arrived,
                padded: false,
            }));
            used += self.hop;
            self.lead = 0;
            self.next_start = self.next_start.plus(self.hop);
            self.past_first = true;
        }
        self.pcm.drain(..used);
    }

    /// Fills a short hole with a straight line, which does not click.
    fn bridge(&mut self, samples: usize, to: f32) {
        let from = self.pcm.last().copied().unwrap_or(to);
        let step = (to - from) / (samples as f32 + 1.0);
        self.pcm
            .extend((1..=samples).map(|i| from + step * i as f32));
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The number of each sample as its value, so that a slip of one shows.
    fn clip(samples: usize) -> Vec<f32> {
        (0..samples).map(|i| i as f32).collect()
    }

    fn run(windower: &mut Windower, blocks: &[(u64, &[f32])], finish: bool) -> Vec<SoundEvent> {
        let now = Instant::now();
        let mut events = Vec::new();
        for (at, pcm) in blocks {
            windower.push(SamplePos(*at), pcm, now, |e| events.push(e));
        }
        if finish {
            windower.finish(true, TAIL_SAMPLES, |e| events.push(e));
        }
        events
    }

    fn windows(events: &[SoundEvent]) -> Vec<(u64, bool)> {
        events
            .iter()
            .filter_map(|e| match e {
                SoundEvent::Window(w) => Some((w.start.0, w.padded)),
                SoundEvent::Broken(_) => None,
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the block sizes and the hop, the windows are those of the
        /// whole clip, sample for sample.
        #[test]
        fn windows_do_not_depend_on_blocks(
            samples in 1_usize..250_000,
            hop_s in 0.1_f64..=1.0,
            sizes in prop::collection::vec(1_usize..20_000, 1..40),
        ) {
            let pcm = clip(samples);
            let hop = Hop::from_secs(hop_s).unwrap();
            let mut windower = Windower::new(hop);
            let mut blocks = Vec::new();
            let (mut at, mut k) = (0, 0);
            while at < samples {
                let n = sizes[k % sizes.len()].min(samples - at);
                blocks.push((at as u64, &pcm[at..at + n]));
                at += n;
                k += 1;
            }
            let events = run(&mut windower, &blocks, true);

            let mut want = Vec::new();
            let mut start = 0;
            while start + WINDOW_SAMPLES <= samples + TAIL_SAMPLES {
                want.push(start);
                start += hop.samples();
            }
            let short = want.is_empty();
            if short { want.push(0); }
            prop_assert_eq!(events.len(), want.len());
            for (event, start) in events.iter().zip(want) {
                let SoundEvent::Window(w) = event else { panic!("a hole in whole sound") };
                prop_assert_eq!(w.start, SamplePos(start as u64));
                prop_assert_eq!(w.padded, short);
                prop_assert_eq!(w.pcm.len(), WINDOW_SAMPLES);
                for (i, &v) in w.pcm.iter().enumerate() {
                    let want = pcm.get(start + i).copied().unwrap_or(0.0);
                    prop_assert_eq!(v, want);
                }
            }
        }

        /// Timestamps that a container rounds to milliseconds change nothing.
        #[test]
        fn rounded_timestamps_are_no_holes(size in 100_usize..5_000, seconds in 1_usize..5) {
            let pcm = clip(seconds * WINDOW_SAMPLES);
            let blocks: Vec<_> = pcm.chunks(size).enumerate()
                .map(|(i, c)| (((i * size) as u64 + 24) / 48 * 48, c)).collect();
            let events = run(&mut Windower::new(Hop::SECOND), &blocks, true);
            prop_assert_eq!(events.len(), seconds);
            for (k, e) in events.iter().enumerate() {
                let SoundEvent::Window(w) = e else { panic!("a hole") };
                prop_assert_eq!(w.pcm[0], (k * WINDOW_SAMPLES) as f32);
            }
        }

        /// A clock that runs off by a few hundred ppm never breaks the sound and
        /// never moves the windows from the timestamps by more than the slip.
        #[test]
        fn a_drifting_clock_is_followed(ppm in -300_i64..300) {
            let block = vec![0.0; 480];
            let mut windower = Windower::new(Hop::SECOND);
            let now = Instant::now();
            let mut broken = 0;
            for k in 0..60_000_i64 {
                let at = k * 480 + k * 480 * ppm / 1_000_000;
                windower.push(SamplePos(at as u64), &block, now, |e| {
                    broken += u32::from(matches!(e, SoundEvent::Broken(_)));
                });
                prop_assert!((windower.end().0 as i64 - at - 480).abs() <= SLIP_SAMPLES as i64);
            }
            prop_assert_eq!(broken, 0);
        }
    }

    #[test]
    fn a_hole_of_more_than_20_ms_ends_the_window() {
        let (a, b) = (clip(60_000), clip(48_000));
        let blocks: &[(u64, &[f32])] = &[(0, &a), (60_961, &b)];
        let events = run(&mut Windower::new(Hop::SECOND), blocks, true);
        assert_eq!(windows(&events), [(0, false), (60_961, false)]);
        assert_eq!(
            events[1],
            SoundEvent::Broken(Discontinuity {
                from: SamplePos(48_000),
                expected: SamplePos(60_000),
                got: SamplePos(60_961),
            })
        );
    }

    #[test]
    fn a_hole_of_20_ms_is_bridged() {
        let (a, b) = (vec![0.0; 60_000], vec![1.0; 48_000]);
        let blocks: &[(u64, &[f32])] = &[(0, &a), (60_960, &b)];
        let events = run(&mut Windower::new(Hop::SECOND), blocks, true);
        assert_eq!(windows(&events), [(0, false), (48_000, false)]);
        let SoundEvent::Window(w) = &events[1] else {
            panic!()
        };
        assert!((w.pcm[12_000 + 480] - 0.5).abs() < 0.01, "a straight line");
    }

    #[test]
    fn sound_that_jumps_back_is_not_heard_twice() {
        let pcm = clip(100_000);
        let blocks: &[(u64, &[f32])] = &[
            (0, &pcm[..50_000]),
            (0, &pcm[..50_000]),
            (50_000, &pcm[50_000..]),
        ];
        let events = run(&mut Windower::new(Hop::SECOND), blocks, true);
        assert_eq!(windows(&events), [(0, false), (48_000, false)]);
    }

    #[test]
    fn a_first_block_that_is_stamped_too_late_costs_no_sound() {
        let pcm = clip(48_000);
        let blocks: &[(u64, &[f32])] = &[(480, &pcm[..1_152]), (1_152, &pcm[1_152..])];
        let events = run(&mut Windower::new(Hop::SECOND), blocks, false);
        let [SoundEvent::Window(w)] = &events[..] else {
            panic!("{}", events.len())
        };
        assert_eq!(w.pcm, pcm);
    }

    #[test]
    fn a_late_start_moves_the_grid() {
        let pcm = clip(48_000);
        let events = run(&mut Windower::new(Hop::SECOND), &[(24_000, &pcm)], true);
        assert_eq!(windows(&events), [(24_000, false)]);
    }

    #[test]
    fn a_short_clip_is_padded_once_and_a_rest_is_not() {
        let pcm = clip(48_000 + 47_519);
        let events = run(&mut Windower::new(Hop::SECOND), &[(0, &pcm[..10])], true);
        assert_eq!(windows(&events), [(0, true)]);
        let events = run(&mut Windower::new(Hop::SECOND), &[(0, &pcm)], true);
        assert_eq!(windows(&events), [(0, false)]);
    }

    #[test]
    fn no_sound_gives_nothing() {
        assert!(run(&mut Windower::new(Hop::SECOND), &[], true).is_empty());
        assert!(run(&mut Windower::new(Hop::SECOND), &[(0, &[])], true).is_empty());
    }
}
