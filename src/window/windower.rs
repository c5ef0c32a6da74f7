//! Contiguous windows out of blocks of any size.
//!
//! Belongs here: the policy for holes, overlaps and jumps of the sound. Does not:
//! frames. Time is positions in samples.

use std::time::Instant;

use crate::time::{Hop, SamplePos};
use crate::window_spec::WindowSpec;

/// A hole or overlap of up to 20 ms is smoothed over; a longer one ends the window.
pub const TOLERANCE_SAMPLES: usize = 960;

/// A smoothed difference of more than 5 ms is corrected at once, so that positions never
/// drift from the timestamps. A smaller one is the rounding of timestamps (1 ms in
/// Matroska), and correcting it would only damage the sound.
const SLIP_SAMPLES: usize = 240;

/// A last window that is at most 10 ms short (a resampler's tail) counts as complete.
pub const TAIL_SAMPLES: usize = 480;

/// Sound did not continue where it left off; the unfinished window is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discontinuity {
    /// Start of the discarded window.
    pub from: SamplePos,
    /// Where the next block was expected.
    pub expected: SamplePos,
    /// Where it was, and where the next window starts.
    pub got: SamplePos,
}

/// One window of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundWindow {
    /// Position of its first sample.
    pub start: SamplePos,
    /// [`WindowSpec::window_samples`] samples.
    pub pcm: Vec<f32>,
    /// When the block with its last sample arrived.
    pub arrived: Instant,
    /// The whole clip is shorter than a window; the rest is silence.
    pub padded: bool,
}

/// The output of a [`Windower`].
#[derive(Clone, Debug, PartialEq)]
pub enum SoundEvent {
    /// A complete window.
    Window(SoundWindow),
    /// The sound broke off.
    Broken(Discontinuity),
}

/// Where the first window starts if the first sample is at `at`, and how many samples of
/// silence it begins with.
pub fn first_window(at: SamplePos) -> (SamplePos, usize) {
    match usize::try_from(at.0) {
        Ok(lead) if lead <= TOLERANCE_SAMPLES => (SamplePos::ZERO, lead),
        _ => (at, 0),
    }
}

/// How a block of sound fits to what was before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is taken as it is: it follows, or nearly.
    Continues,
    /// All of it was there before: it is skipped.
    Repeats,
    /// The sound breaks off, and a window starts at `got`.
    Breaks {
        /// Where it goes on.
        got: SamplePos,
        /// Samples at the block's start that were there before. Time never goes back: they
        /// are skipped.
        repeated: usize,
    },
    /// So many samples are missing before it, few enough to be bridged.
    Lacks(usize),
    /// It is too early. Inserted silence is removed before real sound: decoders of MPEG
    /// streams stamp their first block too late.
    Overlaps {
        /// Samples that are removed of the silence before the first sound.
        silence: usize,
        /// Samples that are removed of the block.
        sound: usize,
    },
}

impl Fit {
    /// Of a block of `samples` at `at`, where `expected` is the end of the sound so far, of
    /// which the first window has `lead` samples of inserted silence.
    pub fn of(expected: SamplePos, at: SamplePos, samples: usize, lead: usize) -> Self {
        let ahead = at.minus(expected);
        let off = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
        if off <= SLIP_SAMPLES {
            return Self::Continues;
        }
        match (off <= TOLERANCE_SAMPLES, ahead > 0) {
            (true, true) => Self::Lacks(off),
            (true, false) => {
                let silence = off.min(lead);
                let sound = (off - silence).min(samples);
                Self::Overlaps { silence, sound }
            }
            (false, true) => Self::Breaks {
                got: at,
                repeated: 0,
            },
            (false, false) if off >= samples => Self::Repeats,
            (false, false) => Self::Breaks {
                got: expected,
                repeated: off,
            },
        }
    }
}

/// Cuts sound into windows.
///
/// The grid starts at the first sample, and again after each discontinuity; a first
/// sample within the tolerance of the stream's start counts as at the start.
#[derive(Debug)]
pub struct Windower {
    /// Samples in a window.
    window: usize,
    hop: usize,
    /// Sound from `next_start` on, without holes.
    pcm: Vec<f32>,
    next_start: SamplePos,
    started: bool,
    /// Silence at the start of `pcm` in place of sound that started within the tolerance.
    lead: usize,
    /// After a complete window or a discontinuity there is no padding at the end.
    past_first: bool,
    last_arrival: Option<Instant>,
}

impl Windower {
    /// A windower whose windows start `hop` after each other.
    pub fn new(spec: WindowSpec, hop: Hop) -> Self {
        Self {
            window: spec.window_samples,
            hop: hop.samples(),
            pcm: Vec::with_capacity(2 * spec.window_samples),
            next_start: SamplePos::ZERO,
            started: false,
            lead: 0,
            past_first: false,
            last_arrival: None,
        }
    }

    /// Starts over: the next block counts as the first one, wherever it lies.
    pub fn restart(&mut self) {
        self.pcm.clear();
        self.started = false;
        self.lead = 0;
        self.last_arrival = None;
    }

    /// Where the next window starts; `None` before the first sound.
    pub fn next_start(&self) -> Option<SamplePos> {
        self.started.then_some(self.next_start)
    }

    /// End of the sound so far.
    pub fn end(&self) -> SamplePos {
        self.next_start.plus(self.pcm.len())
    }

    /// Takes the block `pcm`, whose first sample is at `at`, and passes the resulting
    /// events to `out`.
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
        if !self.started {
            self.started = true;
            (self.next_start, self.lead) = first_window(at);
            self.pcm.resize(self.lead, 0.0);
        } else {
            let expected = self.end();
            match Fit::of(expected, at, pcm.len(), self.lead) {
                Fit::Continues => {}
                Fit::Repeats => return,
                Fit::Breaks { got, repeated } => {
                    pcm = &pcm[repeated..];
                    out(SoundEvent::Broken(Discontinuity {
                        from: self.next_start,
                        expected,
                        got,
                    }));
                    self.pcm.clear();
                    self.lead = 0;
                    self.next_start = got;
                    self.past_first = true;
                }
                Fit::Lacks(samples) => self.bridge(samples, pcm[0]),
                Fit::Overlaps { silence, sound } => {
                    self.pcm.drain(..silence);
                    self.lead -= silence;
                    pcm = &pcm[sound..];
                }
            }
        }
        self.pcm.extend_from_slice(pcm);
        self.cut(arrived, &mut out);
    }

    /// Ends the sound. With `pad`, a clip shorter than a window gives one zero-padded
    /// window (files do, a stopped live stream does not). A last window that is at most
    /// `tail` samples short counts as complete.
    pub fn finish(&mut self, pad: bool, tail: usize, mut out: impl FnMut(SoundEvent)) {
        let Some(arrived) = self.last_arrival else {
            return;
        };
        let short = pad && !self.past_first && !self.pcm.is_empty();
        let complete = self.pcm.len() + tail >= self.window;
        if short || complete {
            self.pcm.resize(self.window, 0.0);
            out(SoundEvent::Window(SoundWindow {
                start: self.next_start,
                pcm: std::mem::take(&mut self.pcm),
                arrived,
                padded: !complete,
            }));
            self.next_start = self.next_start.plus(self.window);
            self.past_first = true;
        }
    }

    fn cut(&mut self, arrived: Instant, out: &mut impl FnMut(SoundEvent)) {
        let mut used = 0;
        while self.pcm.len() - used >= self.window {
            out(SoundEvent::Window(SoundWindow {
                start: self.next_start,
                pcm: self.pcm[used..used + self.window].to_vec(),
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

    /// Fills a short hole with a straight line, which avoids a click.
    fn bridge(&mut self, samples: usize, to: f32) {
        let from = self.pcm.last().copied().unwrap_or(to);
        let step = (to - from) / (samples as f32 + 1.0);
        self.pcm
            .extend((1..=samples).map(|i| from + step * i as f32));
    }
}

#[cfg(test)]
#[path = "windower_tests.rs"]
mod tests;
