//! Sounds, pictures and results: what they are, how they are read, made, measured and
//! drawn.
//!
//! A package of its own because it works on every sample and pixel: it is compiled with
//! optimisation, and once, while the rest is edited. Neither libtorch nor GStreamer.

pub mod time;

pub mod window_spec;

pub mod picture;
mod plane;

pub mod features;

pub mod pooled;
pub mod result;

pub mod event;

pub mod qc;

pub mod draw;

pub mod corpus;

pub mod synth;

pub mod learn;

pub mod openl3;

pub mod atomic_file;
pub mod cores;
pub mod floats;
pub mod folder;
pub mod hash;
pub mod lock;
pub mod sync;
#[cfg(test)]
mod testing;
pub mod text;
