//! From blocks of sound and frames to moments.
//!
//! Belongs here: the one-second windows and their grid ([`Windower`]), the
//! nearest frame ([`Pairer`]), and the two together with every rule about what
//! is missing ([`MomentMaker`]). Does not: threads, clocks, GStreamer, pixels.
//! Everything is pure, so the tests need neither sleep nor media.

#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod moments;
mod pairing;
mod windower;

pub use moments::{GapSpan, Made, Moment, MomentMaker, Pace};
pub use pairing::{Pairer, Pairing, Timed};
pub use windower::{Discontinuity, SoundEvent, SoundWindow, TAIL_SAMPLES, Windower};
