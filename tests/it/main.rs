//! Tests of the built program and of the library's public interface, in one
//! binary: linking one costs seconds and 200 MB, whatever it holds.
//!
//! A new file of tests is a module here. A test binary of its own is only for what
//! changes the whole process, as `tests/callbacks.rs` does with its allocator.

#[cfg(feature = "gst")]
mod adapt;
#[cfg(feature = "monitor")]
mod browser;
mod cli;
#[cfg(all(feature = "gst", feature = "parquet"))]
mod clips;
#[cfg(feature = "gst")]
mod colours;
#[cfg(feature = "gst")]
mod combinations;
mod common;
#[cfg(feature = "gst")]
mod damaged;
mod dashboards;
#[cfg(feature = "gst")]
mod dot;
#[cfg(feature = "gst")]
mod embed;
#[cfg(feature = "monitor")]
mod endurance;
#[cfg(feature = "eval")]
mod eval;
#[cfg(feature = "eval")]
mod eval_labelled;
#[cfg(feature = "gst")]
mod fuzz;
mod golden;
#[cfg(feature = "gst")]
mod isolation;
#[cfg(feature = "gst")]
mod joined;
#[cfg(feature = "gst")]
mod live;
#[cfg(feature = "gst")]
mod media;
mod model_files;
#[cfg(feature = "gst")]
mod moments;
#[cfg(feature = "monitor")]
mod monitor;
#[cfg(all(feature = "gst", feature = "hdf5"))]
mod openl3;
#[cfg(feature = "gst")]
mod overlay;
#[cfg(feature = "gst")]
mod pictures;
#[cfg(feature = "gst")]
mod prepare;
#[cfg(feature = "gst")]
mod qc;
#[cfg(feature = "gst")]
mod record;
#[cfg(feature = "monitor")]
mod reload;
#[cfg(feature = "gst")]
mod resume;
#[cfg(feature = "gst")]
mod rtsp;
#[cfg(feature = "gst")]
mod shards;
mod shipped_model;
#[cfg(feature = "gst")]
mod sinks;
#[cfg(feature = "gst")]
mod skipping;
#[cfg(all(feature = "gst", feature = "parquet", feature = "store"))]
mod stores;
#[cfg(feature = "gst")]
mod synth;
mod train;
mod workers;
