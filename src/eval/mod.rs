//! The paper's experiments, on one's own data.
//!
//! Belongs here: what is drawn from a corpus for an experiment, what the network
//! says of it, and the figures that come of that. Does not: the command line and
//! tables (`cmd::eval`), the network, what corpora hold.
//!
//! In the order of the data: [`Draws`] makes features of draws that a seed fixes
//! and has networks judge them; [`avc`] asks whether picture and sound
//! correspond, [`localize`] where the sound comes from; [`metrics`] turns answers
//! into figures with intervals; [`learn`] is what is put on top of frozen features,
//! [`units`] what single ones of them stand for.
//!
//! A draw hangs on the seed and its number alone, and answers come back in the
//! order of these numbers: no figure depends on the number of threads.

pub mod avc;
pub mod classify;
pub mod clusters;
pub mod direct;
mod draws;
mod error;
pub mod extract;
mod feed;
pub mod labelled;
pub mod learn;
pub mod linear;
pub mod localize;
pub mod metrics;
pub mod mfcc;
pub mod overlap;
pub mod seconds;
pub mod shown;
#[cfg(test)]
mod testing;
pub mod units;

pub use draws::{Draws, Judge, Unreadable, as_text};
pub use error::EvalError;
