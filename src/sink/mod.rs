//! The ways out, one file each, each with its own policy at its head.
//!
//! Belongs here: what becomes of a verdict once it is plain data: lines, files,
//! pictures, video, metrics, a table. Does not: tensors, decoding, deciding
//! what to judge. Nothing here prints by itself; callers pass a `Write`.
//!
//! - [`jsonl`] writes JSON lines to stdout or a file
//! - [`archive`] keeps a `.jsonl` or `.parquet` that survives being killed
//! - [`heatmaps`] writes PNG pictures with the heatmap over them
//! - `overlay` makes a video with glow, score and sound (feature `gst`)
//! - `video` writes plain videos (feature `gst`)
//! - [`metrics`] counts for Prometheus
//! - [`npz`] keeps vectors for numpy
//! - [`console`] is for people

use std::sync::Arc;

use crate::picture::Picture;
use crate::result::{Judgement, Verdict};

pub mod archive;
pub mod console;
pub mod draw;
mod error;
pub mod heatmaps;
pub mod jsonl;
pub mod metrics;
pub mod npz;
#[cfg(feature = "gst")]
pub mod overlay;
mod parquet;
mod progress;
#[cfg(feature = "gst")]
pub mod video;

pub use error::SinkError;
pub use progress::{Progress, StreamProgress};

/// A verdict with what it takes to draw it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The record that goes out.
    pub verdict: Verdict,
    /// The network's outputs with both heatmaps.
    pub judgement: Judgement,
    /// The frame that was looked at; `None` where nobody draws it.
    pub picture: Option<Arc<Picture>>,
    /// The log-spectrogram that was heard, [`draw::SPECTROGRAM_ROWS`] ×
    /// [`draw::SPECTROGRAM_COLS`] values `0.2 * ln(|X| + 1e-4)`, row by row
    /// from 0 Hz up; `None` where nobody draws it.
    pub spectrogram: Option<Vec<f32>>,
    /// The part of the picture that the vision heatmap covers.
    pub view: View,
}

/// A rectangle in a picture, 0 to 1 from its top left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl View {
    /// The whole picture.
    pub const FULL: Self = Self {
        x0: 0.0,
        y0: 0.0,
        x1: 1.0,
        y1: 1.0,
    };
}

#[cfg(test)]
pub(crate) mod testing;
