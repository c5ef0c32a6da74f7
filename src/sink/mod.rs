//! Sinks: one file each, with its policy at its head.
//!
//! Belongs here: what becomes of an event once it is plain data: lines, files,
//! pictures, video, metrics, a table. Does not: tensors, decoding, deciding what to
//! judge. Nothing here prints by itself; callers pass a `Write`.
//!
//! - [`bus`] hands events to sinks, each on its own queue and thread
//! - [`jsonl`] writes JSON lines to stdout or a file
//! - [`archive`] keeps a `.jsonl` or `.parquet` that survives being killed
//! - [`heatmaps`] writes PNG pictures with the heatmap over them
//! - `overlay` makes a video with glow, score and sound (feature `gst`)
//! - `video` writes plain videos (feature `gst`)
//! - [`metrics`] counts for Prometheus
//! - [`npz`] keeps vectors for numpy
//! - [`console`] is for people
//!
//! To add a sink: one file with its `impl Sink`, one line in the list of
//! `cmd/outputs.rs`, its arguments there.

pub mod archive;
mod archive_index;
pub mod bus;
pub mod console;
mod error;
pub mod folder;
pub mod heatmaps;
pub mod jsonl;
mod lines;
pub mod metrics;
pub mod npz;
#[cfg(feature = "gst")]
pub mod overlay;
mod parquet;
pub mod png;
mod policy;
pub mod publish;
pub mod retention;
#[cfg(feature = "gst")]
pub mod video;

pub use archive_index::{ArchiveIndex, ArchivedStream};
pub use error::SinkError;
pub use policy::{Annotator, OnFailure, Policy, Sink, WhenFull};
#[cfg(feature = "gst")]
pub use policy::{WatchStream, Watcher};

#[cfg(test)]
pub(crate) mod testing;
