//! What the built-in kinds sound like.
//!
//! Belongs here: a sound for each kind of thing, varied in pitch, tempo and
//! brightness. Does not: loudness, room and background noise (`soundscape`), what
//! things look like (`look`).
//!
//! A voice is a closure that yields one sample after the other. It starts a little
//! before the scene, so that what was struck before still rings. All voices are
//! about equally loud: 0.1 RMS where they sound.

mod beats;
mod filters;
pub mod plucked;
mod recording;
pub mod steady;
pub mod struck;
pub mod sung;

pub use beats::Beats;
pub use filters::{Hiss, LowPass, RATE, decay};
pub use recording::recording;

/// Something that sounds.
pub trait Voice: Send {
    /// The next samples; they continue those before without a gap.
    fn render(&mut self, out: &mut [f32]);
}

impl<F: FnMut() -> f32 + Send> Voice for F {
    fn render(&mut self, out: &mut [f32]) {
        out.fill_with(self);
    }
}

#[cfg(test)]
mod tests;
