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

pub mod archive;
pub mod console;
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

#[cfg(test)]
pub(crate) mod testing;
