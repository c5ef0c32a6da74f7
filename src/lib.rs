//! Real-time audio-visual correspondence: does what is heard belong to what is
//! seen, and where in the picture does the sound come from?
//!
//! The modules in the order of the data:

#[cfg(feature = "gst")]
pub mod media;

pub mod window;

pub mod features;

pub mod net;

pub mod corpus;

pub mod synth;

pub mod train;

pub mod eval;

pub mod report;

pub mod draw;

pub mod sink;

#[cfg(feature = "gst")]
pub mod engine;

#[cfg(feature = "gst")]
pub mod prepare;

pub mod cmd;

pub mod atomic_file;
pub mod cache;
pub mod cancel;
pub mod clock;
pub mod cores;
pub mod event;
pub mod exit;
pub mod hash;
pub mod lock;
pub mod picture;
pub mod result;
pub mod stats;
pub mod text;
pub mod time;
pub mod window_spec;
