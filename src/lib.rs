//! Real-time audio-visual correspondence: does what is heard belong to what is
//! seen, and where in the picture does the sound come from?
//!
//! The modules in the order of the data:

#[cfg(feature = "gst")]
pub mod media;

pub mod window;

/// Sounds, pictures and results, optimised in every build.
pub use l3net_data::{
    atomic_file, cores, corpus, draw, event, features, hash, learn, lock, picture, pooled, qc,
    result, sync, synth, text, time, window_spec,
};

pub mod net;

pub mod openl3;

pub mod train;

pub mod adapt;

pub mod eval;

#[cfg(feature = "eval")]
pub mod report;

pub mod clips;

pub mod sink;

pub mod dataset;

#[cfg(feature = "gst")]
pub mod engine;

#[cfg(feature = "monitor")]
pub mod record;

#[cfg(feature = "gst")]
pub mod prepare;

pub mod cmd;

pub mod cache;
pub mod cancel;
pub mod clock;
pub mod exit;
pub mod file_error;
#[cfg(all(test, target_os = "linux"))]
#[cfg_attr(
    not(feature = "monitor"),
    allow(dead_code, reason = "the simulated weeks are watched by the monitor")
)]
#[path = "data/footprint.rs"]
mod footprint;
pub mod memory;
pub mod png;
pub mod priority;
mod proc;
pub mod stats;
pub mod table;
