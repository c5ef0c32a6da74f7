//! Scenes with known sources, without end.
//!
//! A scene is a background with things that move in it, of which one sounds, or
//! none, or one that is not seen. Everything about it is drawn from a seed, so
//! that where things are and what sounds is known for each moment.
//!
//! Belongs here: what there is to see and to hear ([`AssetLibrary`]), drawing a
//! [`Scene`] from it, rendering its pictures ([`Renderer`]) and its sound
//! ([`Listener`]), and handing single moments to training ([`SynthCorpus`]).
//! Does not: writing files (`cmd`), feeding pipelines (`media`).
//!
//! The built-in kinds of things need no files; other classes come from folders
//! of pictures and sounds.

mod assets;
mod background;
mod corpus;
mod demo;
mod grade;
mod kind;
mod look;
mod motion;
mod render;
mod reverb;
mod rhythm;
mod scene;
mod settings;
mod soundscape;
mod texture;
mod truth;
mod voice;

pub use assets::{AssetFolders, AssetLibrary};
pub use corpus::SynthCorpus;
pub use demo::demo_scene;
pub use render::Renderer;
pub use scene::Scene;
pub use settings::SynthSettings;
pub use soundscape::{Listener, Soundscape, Source};
pub use truth::{BoxTruth, FrameTruth, Heard, Truth};

#[cfg(test)]
mod tests;
