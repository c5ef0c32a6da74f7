//! L3-Net: do this picture and this sound correspond, and where is the source?
//!
//! Belongs here: the network, its weights and the device it runs on. Does not:
//! media, features, what is done with a judgement. Tensors stay in here (and in
//! training and evaluation): [`L3Net::judge`] takes and returns plain data.
//!
//! In the order of the data: [`Weights`] from a model file, a [`Trunk`] for each
//! modality, the [`Fusion`] with its heatmaps, and [`L3Net`], which is all of it on
//! one device.

mod cameras;
pub mod cuda;
mod default_model;
mod device;
mod embedding;
mod error;
mod fusion;
pub(crate) mod input;
mod layout;
mod metadata;
mod model;
mod plain;
mod probe;
pub(crate) mod random;
mod response;
pub(crate) mod safetensors_file;
mod seen;
pub(crate) mod threads;
mod trunk;
mod weights;

pub use cameras::{CameraRecord, Cameras, ModelRecord};
pub use default_model::{find_model, untrained_file};
pub use device::{Convolutions, Device, Precision, precision_name};
pub use embedding::{Embedding, PICTURE_WIDTH, SOUND_WIDTH};
pub use error::{ModelError, NetError};
pub use fusion::{Fusion, HeatmapKind, Outputs};
pub use layout::{Conv1Stride, FEATURE, HIDDEN, Modality, Parts, TensorSpec, TrunkKind, Variant};
pub use metadata::FORMAT;
pub(crate) use metadata::{check_variant, variant_metadata};
pub use model::{L3Net, NetInfo, NetOptions};
pub use probe::PrecisionProbe;
pub use response::Response;
pub use safetensors_file::StoreAs;
pub use trunk::{Trunk, TrunkOutput};
pub use weights::Weights;
