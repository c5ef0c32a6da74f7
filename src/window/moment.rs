//! A moment, and what is reported where there is none.

use std::time::Instant;

use crate::result::GapReason;
use crate::time::MediaTime;

/// How a source runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At the pace of its reader: everything is judged, short clips are padded.
    File,
    /// In real time: what is late is reported as a gap.
    Live,
}

/// A window of sound and the frame that was shown in its middle.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment<F> {
    /// Counts the stream's moments from 0.
    pub seq: u64,
    /// Start of the window.
    pub start: MediaTime,
    /// End of the window.
    pub end: MediaTime,
    /// [`window_samples`](crate::window_spec::WindowSpec::window_samples) samples, mono.
    pub pcm: Vec<f32>,
    /// The frame nearest to the middle.
    pub frame: F,
    /// When the last sound of the window arrived.
    pub arrived: Instant,
    /// The clip is shorter than a window.
    pub padded: bool,
}

/// A part of the stream without moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapSpan {
    /// Where it starts.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
    /// Why there are no moments.
    pub why: GapReason,
    /// Moments that there would have been.
    pub lost: u64,
}

/// The output of a [`MomentMaker`](super::MomentMaker), in the order of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum MomentOrGap<F> {
    /// To be judged.
    Moment(Moment<F>),
    /// To be reported.
    Gap(GapSpan),
}
