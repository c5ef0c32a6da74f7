//! Sinks, the outputs of a run: one file each, with its policy in the module docs.
//!
//! Belongs here: consumers of events: lines, files, pictures, video, metrics, a table.
//! Does not: tensors, decoding, deciding what to judge. Nothing here prints by itself;
//! callers pass a `Write`.
//!
//! - [`bus`] delivers events to sinks, each on its own queue and thread
//! - [`publish`] writes the archive first, then publishes to the bus
//! - [`jsonl`] writes JSON lines to stdout or a file
//! - [`archive`] writes a `.jsonl` or `.parquet` that survives being killed
//! - `clips` writes a table with a row a clip (feature `parquet`)
//! - [`heatmaps`] writes PNG pictures with the heatmap drawn over them; [`retention`]
//!   limits how many are kept
//! - `overlay` writes a video with glow, score and sound (feature `gst`)
//! - `video` writes plain videos (feature `gst`)
//! - [`metrics`] serves Prometheus metrics
//! - `monitor` watches live streams for events, the page, messages (feature `monitor`)
//! - [`learner`] learns which sound belongs to which stream
//! - [`npz`] writes vectors for numpy
//! - [`console`] prints a table
//!
//! To add a sink: one file with its `impl Sink`, one line in the list of
//! `cmd/outputs.rs`, its arguments there.

pub mod archive;
mod archive_index;
pub mod bus;
#[cfg(feature = "parquet")]
pub mod clips;
pub mod console;
mod error;
pub mod heatmaps;
pub mod jsonl;
pub mod learner;
mod lines;
pub mod metrics;
#[cfg(feature = "monitor")]
pub mod monitor;
pub mod npz;
#[cfg(feature = "gst")]
pub mod overlay;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
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
