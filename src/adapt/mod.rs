//! Learning which sound belongs to which camera, from the trunks' features alone.
//!
//! The trunks stay as they are; only the fusion is learnt, from the features of each
//! camera's own seconds. In the order of the data:
//!
//! - [`Camera`]: the features of a camera's seconds, in the order of time
//! - [`Recordings`]: gathers them as they come from the network
//! - `blocks`: which of them are learnt and which are held out
//! - `Discriminant`: a linear discriminant analysis of each modality: which camera is it?
//! - `head`: the fusion that answers as both discriminants together would
//! - `calibration`: what 0.5 means, for all cameras and for each
//! - [`Figures`]: how well held-out seconds are told apart
//! - [`learn`]: all of it, and whether it is better than what was there
//! - [`Reservoir`], [`Background`]: the same during a run, which neither waits nor grows
//!
//! Why a discriminant analysis teaches the fusion: a camera has seconds to minutes, and a
//! fusion that learns from these few rows by gradient descent separates them by whatever
//! differs. Differences within cameras say which directions of the features mean nothing.
//! On 46 clips of real film (`benches/RESULTS.md`) it tells held-out seconds apart with
//! ROC-AUC 0.974; the same fusion on standardised features with dropout, in a trial, 0.954.

mod background;
mod blocks;
mod calibration;
mod camera;
mod collector;
mod discriminant;
mod error;
mod figures;
mod head;
mod learn;
mod reservoir;
mod reservoir_file;
mod side;
#[cfg(test)]
mod testing;
mod throttle;

pub use background::{Background, BackgroundError, Outcome, Plan};
pub use camera::{Camera, MIN_SECONDS, Second};
pub use collector::Recordings;
pub use error::AdaptError;
pub use figures::{CameraFigures, Figures};
pub use learn::{Adapted, Settings, Skipped, learn, lost};
pub use reservoir::Reservoir;
pub use reservoir_file::ReservoirError;
