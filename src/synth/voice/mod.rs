//! What the built-in things sound like.
//!
//! Belongs here: a sound of its own for each kind of thing, varied from one to
//! the next in pitch, tempo and brightness. Does not: loudness, room and
//! background noise (`soundscape`), what the things look like (`look`).
//!
//! A voice is a machine that gives one sample after the other; it starts a
//! little before the scene does, so that what was struck before still rings.
//! All voices are about equally loud: 0.1 RMS where they sound.

mod beats;
mod filters;
mod plucked;
mod recording;
mod steady;
mod struck;
mod sung;

pub use filters::{Hiss, LowPass, RATE, decay};
pub use recording::Recording;

use super::kind::Kind;
use super::rhythm::Rhythm;
use crate::corpus::Rng;

/// Something that sounds.
pub trait Voice: Send {
    /// The next samples; those of a voice follow each other without a gap.
    fn render(&mut self, out: &mut [f32]);
}

/// A voice of this kind, struck in this rhythm, that starts at `start_s`.
pub fn voice(kind: Kind, rhythm: &Rhythm, start_s: f64, rng: &mut Rng) -> Box<dyn Voice> {
    let beats = beats::Beats::new(rhythm.clone(), start_s);
    match kind {
        Kind::Drum => Box::new(struck::drum(beats, rng)),
        Kind::Ball => Box::new(struck::ball(beats, rng)),
        Kind::Bell => Box::new(struck::bell(beats, rng)),
        Kind::Clock => Box::new(struck::clock(beats, rng)),
        Kind::Guitar => Box::new(plucked::Guitar::draw(beats, rng)),
        Kind::Mouth => Box::new(sung::Mouth::draw(beats, rng)),
        Kind::Bird => Box::new(sung::Bird::draw(beats, rng)),
        Kind::Fan => Box::new(steady::Fan::draw(rng)),
        Kind::Car => Box::new(steady::Engine::draw(rng)),
        Kind::Siren => Box::new(steady::Siren::draw(rng)),
        Kind::Cloud => Box::new(steady::Rain::draw(rng)),
        Kind::Kettle => Box::new(steady::Whistle::draw(rng)),
    }
}

#[cfg(test)]
mod tests;
