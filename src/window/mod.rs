//! From blocks of sound and frames to moments.
//!
//! Belongs here: the windows and their grid ([`Windower`]), the nearest frame
//! ([`FrameBuffer`]), and the two together with every rule about what is missing
//! ([`MomentMaker`]). Does not: threads, clocks, GStreamer, pixels. Everything is
//! pure, so the tests need neither sleep nor media.

#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod moment;
mod moments;
mod pairing;
mod windower;

pub use moment::{GapSpan, Moment, MomentOrGap, Pace};
pub use moments::MomentMaker;
pub use pairing::{FRAME_MEMORY, FrameBuffer, NearestFrame, Timed};
pub use windower::{
    Discontinuity, Fit, SoundEvent, SoundWindow, TAIL_SAMPLES, Windower, first_window,
};
