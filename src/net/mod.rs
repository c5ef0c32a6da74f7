//! L3-Net: do this picture and this second of sound belong together, and where?
//!
//! Belongs here: the network, its weights and the device it runs on. Does not:
//! media, features, what becomes of a judgement. Tensors stay in here (and in
//! training and evaluation): [`L3Net::judge`] takes and gives plain data.
//!
//! In the order of the data: [`weights`](Weights) from a model file, a
//! [`trunk`](Trunk) for each modality, the [`fusion`](Fusion) with its heatmaps,
//! and [`L3Net`], which is all of it on one device.

pub mod cuda;
mod device;
mod embedding;
mod error;
mod fusion;
pub(crate) mod input;
mod layout;
mod model;
pub(crate) mod random;
mod response;
pub(crate) mod safetensors_file;
pub(crate) mod threads;
mod trunk;
mod weights;

pub use device::{Device, Precision, cpu_gains_by_bf16, precision_name};
pub use embedding::{Embedding, PICTURE_WIDTH, SOUND_WIDTH};
pub use error::{ModelError, NetError};
pub use fusion::{Fusion, HeatmapKind, Outputs};
pub use layout::{FEATURE, Modality, Slot, layout};
pub use model::{L3Net, NetInfo, NetOptions};
pub use response::Response;
pub use safetensors_file::StoreAs;
pub use trunk::{Seen, Trunk};
pub use weights::{AUDIO_FRONTEND, Conv1Stride, FORMAT, Weights, untrained_file};
