//! What users of OpenL3 bring and expect: its published weights, its windows of sound and
//! its preparation of pictures, its output files.
//!
//! Belongs here: facts of OpenL3 0.4.2, as its own code has them. Does not: the network
//! ([`net`](crate::net), of which OpenL3's trunks are a variant), its spectrograms
//! ([`WindowSpec`](crate::window_spec::WindowSpec)), and work on samples and pixels
//! ([`l3net_data::openl3`]).
//!
//! OpenL3 (Cramer, Wu, Salamon and Bello, ICASSP 2019) trained the paper's two trunks on
//! AudioSet and published them without the fusion.

mod align;
#[cfg(feature = "gst")]
mod decode;
mod embed;
#[cfg(feature = "hdf5")]
mod error;
#[cfg(feature = "hdf5")]
mod import;
#[cfg(feature = "hdf5")]
mod keras;
mod kind;
mod output;

pub use align::Aligner;
#[cfg(feature = "gst")]
pub use decode::{Media, TakeFrame, read_all_sound, read_media};
pub use embed::{EmbeddingSize, embed_pictures, embed_sounds};
#[cfg(feature = "hdf5")]
pub use error::ImportError;
#[cfg(feature = "hdf5")]
pub use import::{Import, import};
pub use kind::{ContentType, FileKind, InputRepr};
pub use l3net_data::openl3::{
    PictureRange, PreparedPicture, SIDE, Windows, prepare, prepare_frame, resample,
};
pub use output::output_path;
