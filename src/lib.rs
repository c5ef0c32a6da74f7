//! Real-time audio-visual correspondence: does what is heard belong to what is
//! seen, and where in the picture does the sound come from?
//!
//! The modules in the order of the data:

pub mod features;
pub mod net;

pub mod cmd;

pub mod picture;
pub mod result;
pub mod time;
