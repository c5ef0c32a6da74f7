//! Sounds and pictures as OpenL3 prepares them.
//!
//! Belongs here: what works on single samples and pixels. Does not: spectrograms
//! ([`features`](crate::features)), which all models share; the network, files.

mod picture;
mod resample;
mod windows;

pub use picture::{PictureRange, PreparedPicture, SIDE, prepare, prepare_frame};
pub use resample::resample;
pub use windows::Windows;
