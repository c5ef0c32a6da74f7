//! The weights of a model: plain numbers with their metadata, from a
//! safetensors file and to one.
//!
//! Belongs here: which tensors there are and what may be wrong with a file.
//! Does not: tensors of libtorch (so a model can be looked at before libtorch
//! is woken), and pickle, which runs the code that it finds in the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ModelError;
use super::layout::{Slot, layout};
use super::random;
use super::safetensors_file::{self as file, StoreAs};
use crate::hash::mix;

/// The `format` of a model file's metadata.
pub const FORMAT: &str = "l3net/1";
/// The `audio_frontend` that `features` computes.
pub const AUDIO_FRONTEND: &str = "log-magnitude";
/// The seed of the default model, as long as none is trained.
///
/// Its answers mean nothing; this seed's lie above one half, so that what draws
/// them (heatmaps, overlay) has something to show.
const DEFAULT_SEED: u64 = 19;
/// Tensors are not stored but made from `seed` (see `random`).
const INIT_HE: &str = "he";

/// The trained default model, looked for beside the binary and near it.
const BASE_FILE: &str = "l3net-base.safetensors";
/// The untrained one, always there.
const EMBEDDED_FILE: &str = "l3net-random.safetensors";
static EMBEDDED: &[u8] = include_bytes!("../../models/l3net-random.safetensors");

/// Stride of conv1_1: the two variants of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conv1Stride {
    /// Heatmaps of 8 pixels a cell, 40.94 GFLOP a pair.
    One,
    /// The paper's: 16 pixels a cell, 10.29 GFLOP a pair.
    #[default]
    Two,
}

impl Conv1Stride {
    /// The stride as a number.
    pub fn get(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

impl std::str::FromStr for Conv1Stride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(format!("conv1_1 has stride 1 or 2, not {text}")),
        }
    }
}

/// All weights of the network, in f32, whatever they are stored as.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    source: PathBuf,
    metadata: BTreeMap<String, String>,
    conv1_stride: Conv1Stride,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl Weights {
    /// Reads a model file; every name and shape is checked.
    ///
    /// # Errors
    /// Says what is wrong with the file, see [`ModelError`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::from_bytes(&bytes_of(path)?, path)
    }

    /// Reads a model file as the given variant of the network, whatever its
    /// metadata says. The two have the same tensors; what the weights are worth
    /// in the other one is for the caller to know.
    ///
    /// # Errors
    /// Says what is wrong with the file, see [`ModelError`].
    pub fn read_as(path: &Path, stride: Conv1Stride) -> Result<Self, ModelError> {
        Self::parse(&bytes_of(path)?, path, Some(stride))
    }

    /// Reads a model file from memory; `source` is its name in errors.
    ///
    /// # Errors
    /// Says what is wrong with the file, see [`ModelError`].
    pub fn from_bytes(bytes: &[u8], source: &Path) -> Result<Self, ModelError> {
        Self::parse(bytes, source, None)
    }

    fn parse(bytes: &[u8], source: &Path, stride: Option<Conv1Stride>) -> Result<Self, ModelError> {
        let header = file::Header::parse(bytes, source)?;
        let mut metadata = header.metadata.clone();
        if let Some(stride) = stride {
            metadata.insert("conv1_stride".to_owned(), stride.get().to_string());
        }
        let conv1_stride = check_metadata(&metadata, source)?;
        let tensors = if header.is_empty() && metadata.contains_key("init") {
            let seed = seed_of(&metadata, source)?;
            random_tensors(seed)
        } else {
            header.check_names(&layout(), source)?;
            layout()
                .iter()
                .map(|slot| Ok((slot.name.clone(), header.tensor(slot, source)?)))
                .collect::<Result<_, ModelError>>()?
        };
        Ok(Self {
            source: source.to_owned(),
            metadata,
            conv1_stride,
            tensors,
        })
    }

    /// Random weights, the same on every machine (He initialisation, batch norm
    /// mildly disturbed): for tests, for benches, and until a model is trained.
    pub fn random(seed: u64, conv1_stride: Conv1Stride) -> Self {
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("audio_frontend", AUDIO_FRONTEND.to_owned()),
            ("conv1_stride", conv1_stride.get().to_string()),
            ("init", INIT_HE.to_owned()),
            ("seed", seed.to_string()),
        ];
        Self {
            source: PathBuf::from(format!("random weights of seed {seed}")),
            metadata: metadata.map(|(k, v)| (k.to_owned(), v)).into(),
            conv1_stride,
            tensors: random_tensors(seed),
        }
    }

    /// What training starts from: He initialisation, no biases, batch norm that
    /// does nothing yet.
    pub fn initial(seed: u64, conv1_stride: Conv1Stride) -> Self {
        let tensors = layout()
            .iter()
            .map(|slot| (slot.name.clone(), random::initial_values(seed, slot)))
            .collect();
        Self {
            tensors,
            ..Self::random(seed, conv1_stride)
        }
    }

    /// Weights that were learnt, as `(name, values)` of every tensor of
    /// [`layout`]; `trained` says how, for the file's metadata.
    ///
    /// # Panics
    /// If a tensor is missing or of another length: the names and shapes are the
    /// program's own.
    pub fn learnt(
        conv1_stride: Conv1Stride,
        tensors: BTreeMap<String, Vec<f32>>,
        trained: BTreeMap<String, String>,
    ) -> Self {
        for slot in layout() {
            let len = tensors.get(&slot.name).map(Vec::len);
            assert_eq!(len, Some(slot.len()), "{}", slot.name);
        }
        let mut metadata = trained;
        for (key, value) in [
            ("format", FORMAT.to_owned()),
            ("audio_frontend", AUDIO_FRONTEND.to_owned()),
            ("conv1_stride", conv1_stride.get().to_string()),
        ] {
            metadata.insert(key.to_owned(), value);
        }
        Self {
            source: PathBuf::from("training"),
            metadata,
            conv1_stride,
            tensors,
        }
    }

    /// The model that is used where none is named: `l3net-base.safetensors`
    /// beside the binary, in `models/` beside it or up to three folders above,
    /// in `models/` of the working folder or of the sources; else the untrained
    /// one that the binary carries (see [`is_trained`](Self::is_trained)).
    ///
    /// # Errors
    /// If such a file is there and cannot be used: a model that was put in
    /// place is never passed over in silence.
    pub fn default_model() -> Result<Self, ModelError> {
        match default_places().into_iter().find(|path| path.is_file()) {
            Some(path) => Self::read(&path),
            None => Self::from_bytes(EMBEDDED, Path::new(EMBEDDED_FILE)),
        }
    }

    /// The model named, or the default one.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`default_model`](Self::default_model).
    pub fn open(path: Option<&Path>) -> Result<Self, ModelError> {
        path.map_or_else(Self::default_model, Self::read)
    }

    /// Whether the weights were learnt. What an untrained network says of sound
    /// and picture means nothing; commands that use one must say so.
    pub fn is_trained(&self) -> bool {
        !self.metadata.contains_key("init")
    }

    /// A number that other weights have another of.
    pub fn fingerprint(&self) -> u64 {
        let bits = self
            .tensors
            .values()
            .flatten()
            .map(|v| u64::from(v.to_bits()));
        let stride = u64::from(self.conv1_stride.get());
        bits.fold(stride, |state, bits| mix(state ^ bits).wrapping_add(1))
    }

    /// What tells the model from others in results: the name of its file and eight
    /// digits of its fingerprint, `l3net-base@0f3a91c2`.
    pub fn identity(&self) -> String {
        let name = self.source.file_stem().unwrap_or_default().display();
        format!("{name}@{:08x}", self.fingerprint() >> 32)
    }

    /// The file that the weights come from, or what stands for it.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Which variant of the network it is.
    pub fn conv1_stride(&self) -> Conv1Stride {
        self.conv1_stride
    }

    /// The header's metadata: `format`, `conv1_stride`, `audio_frontend`, and
    /// how the model was trained.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The values of a tensor of [`layout`].
    ///
    /// # Panics
    /// If the network has no tensor of that name: every one that it has is here.
    pub fn tensor(&self, name: &str) -> &[f32] {
        match self.tensors.get(name) {
            Some(values) => values,
            None => panic!("the network has no tensor {name}"),
        }
    }

    /// Writes all tensors to a file beside `path` and renames it, so that a
    /// reader never sees half a model.
    ///
    /// # Errors
    /// If a value does not fit into `store_as`, or the file cannot be written.
    pub fn write(&self, path: &Path, store_as: StoreAs) -> Result<(), ModelError> {
        let mut metadata = self.metadata.clone();
        // With its tensors stored, the seed is history, not an instruction; what
        // is left of `init` still says that the weights are not trained.
        if let Some(seed) = metadata.remove("seed") {
            metadata.insert("init_seed".to_owned(), seed);
        }
        file::write(
            path,
            &layout(),
            |name| self.tensor(name),
            &metadata,
            store_as,
        )
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|cause| ModelError::Read {
        file: path.to_owned(),
        cause,
    })
}

fn random_tensors(seed: u64) -> BTreeMap<String, Vec<f32>> {
    layout()
        .iter()
        .map(|slot: &Slot| (slot.name.clone(), random::values(seed, slot)))
        .collect()
}

/// What is wrong with an entry of the metadata.
fn refuse(
    metadata: &BTreeMap<String, String>,
    source: &Path,
    key: &'static str,
    expected: &'static str,
    next: &'static str,
) -> ModelError {
    ModelError::Metadata {
        file: source.to_owned(),
        key,
        found: metadata
            .get(key)
            .map_or("missing".to_owned(), |v| format!("\"{v}\"")),
        expected,
        next,
    }
}

fn check_metadata(
    metadata: &BTreeMap<String, String>,
    source: &Path,
) -> Result<Conv1Stride, ModelError> {
    let refuse = |key, expected, next| refuse(metadata, source, key, expected, next);
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        return Err(refuse("format", "\"l3net/1\"", "this is no model of l3net"));
    }
    if metadata.get("audio_frontend").map(String::as_str) != Some(AUDIO_FRONTEND) {
        return Err(refuse(
            "audio_frontend",
            "\"log-magnitude\"",
            "the model was trained on features that this version does not compute",
        ));
    }
    metadata
        .get("conv1_stride")
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| {
            refuse(
                "conv1_stride",
                "\"1\" or \"2\"",
                "l3net model convert --conv1-stride sets it",
            )
        })
}

fn seed_of(metadata: &BTreeMap<String, String>, source: &Path) -> Result<u64, ModelError> {
    let next = "a model without tensors says how to make them";
    let refuse = |key, expected| refuse(metadata, source, key, expected, next);
    if metadata.get("init").map(String::as_str) != Some(INIT_HE) {
        return Err(refuse("init", "\"he\""));
    }
    let seed = metadata.get("seed").and_then(|v| v.parse().ok());
    seed.ok_or_else(|| refuse("seed", "a whole number"))
}

fn default_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let exe = std::env::current_exe().and_then(|p| p.canonicalize()).ok();
    if let Some(exe) = &exe {
        places.extend(exe.parent().map(|dir| dir.join(BASE_FILE)));
        // target/debug/deps/test is four folders below the sources.
        let above = exe.ancestors().skip(1).take(4);
        places.extend(above.map(|dir| dir.join("models").join(BASE_FILE)));
    }
    places.push(Path::new("models").join(BASE_FILE));
    places.push(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("models")
            .join(BASE_FILE),
    );
    places
}

/// A header without tensors that [`Weights::read`] expands: the file that stands
/// for the default model until one is trained.
pub fn untrained_file() -> Vec<u8> {
    let weights = [
        ("format", FORMAT.to_owned()),
        ("audio_frontend", AUDIO_FRONTEND.to_owned()),
        ("conv1_stride", Conv1Stride::Two.get().to_string()),
        ("init", INIT_HE.to_owned()),
        ("seed", DEFAULT_SEED.to_string()),
    ];
    file::header_only(&weights.map(|(k, v)| (k.to_owned(), v)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_model_is_the_untrained_one() {
        assert_eq!(EMBEDDED, untrained_file());
        let weights = Weights::from_bytes(EMBEDDED, Path::new(EMBEDDED_FILE)).expect("a model");
        assert!(!weights.is_trained());
        assert_eq!(
            weights.tensors,
            Weights::random(DEFAULT_SEED, Conv1Stride::Two).tensors
        );
    }
}
