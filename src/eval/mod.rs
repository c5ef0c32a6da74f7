//! The paper's experiments, on one's own data.
//!
//! Belongs here: what is drawn from a corpus for an experiment, how networks judge
//! it, and the figures that follow. Does not: the command line (`cmd::eval`),
//! tables and pages ([`crate::report`]), the network, what corpora hold.
//!
//! In the order of the data: an [`Experiment`] says what is drawn and asked;
//! [`Draws`] makes the draws that a seed fixes and has [`networks`] judge them;
//! [`avc`] asks whether picture and sound correspond, [`localize`] where the sound
//! comes from; [`metrics`](crate::learn::metrics) turns answers into figures with intervals;
//! [`learn`](crate::learn) is trained on frozen features, [`units`] ranks files by single ones
//! of them.
//!
//! A draw depends on the seed and its number alone, and answers come back in the
//! order of these numbers: no figure depends on the number of threads.

pub mod avc;
pub mod classify;
pub mod clusters;
pub mod direct;
mod draws;
mod error;
mod experiment;
pub mod extract;
mod feed;
pub mod labelled;
pub mod linear;
pub mod localize;
pub mod mfcc;
pub mod networks;
pub mod overlap;
pub mod seconds;

#[cfg(test)]
mod testing;
pub mod unit_maps;
pub mod units;

pub use draws::Judge;
pub use error::EvalError;
pub use experiment::{
    CorpusResult, Draws, Experiment, FailedCorpus, Question, Results, Unreadable, as_text,
};
