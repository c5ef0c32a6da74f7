//! The weights of a model: plain numbers with their metadata, from a safetensors
//! file and to one.
//!
//! Belongs here: reading, writing and checking a model. Does not: libtorch's tensors
//! (a model can be inspected without libtorch), where the default model lies
//! (`default_model`), and pickle, which runs the code that it finds in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cameras::{self, Cameras};
use super::error::ModelError;
use super::layout::{Conv1Stride, Modality, TensorSpec, Variant};
use super::metadata::{
    IMPORTED, check_metadata, known_cameras, random_metadata, seed_of, variant_metadata,
};
use super::random;
use super::safetensors_file::{self as file, StoreAs};
use crate::hash::mix;
use crate::window_spec::WindowSpec;
use l3net_data::floats;

/// All weights of the network in f32, however the file stores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    source: PathBuf,
    metadata: BTreeMap<String, String>,
    variant: Variant,
    cameras: Cameras,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl Weights {
    /// Reads a model file and checks every name and shape.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::from_bytes(&bytes_of(path)?, path)
    }

    /// Reads a model file as the given variant of the network, whatever its
    /// metadata says. Weights trained for one variant may be useless in the other.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn read_as(path: &Path, stride: Conv1Stride) -> Result<Self, ModelError> {
        Self::parse(&bytes_of(path)?, path, Some(stride))
    }

    /// Reads a model file from memory; `source` is its name in errors.
    ///
    /// # Errors
    /// See [`ModelError`].
    pub fn from_bytes(bytes: &[u8], source: &Path) -> Result<Self, ModelError> {
        Self::parse(bytes, source, None)
    }

    fn parse(bytes: &[u8], source: &Path, stride: Option<Conv1Stride>) -> Result<Self, ModelError> {
        let header = file::Header::parse(bytes, source)?;
        let mut metadata = header.metadata.clone();
        if let Some(stride) = stride {
            metadata.insert("conv1_stride".to_owned(), stride.get().to_string());
        }
        let variant = check_metadata(&metadata, |start| header.has_any(start), source)?;
        let layout = variant.layout();
        let cameras = known_cameras(&metadata, source)?;
        let tensors = if header.is_empty() && metadata.contains_key("init") {
            random_tensors(seed_of(&metadata, source)?, &layout)
        } else {
            header.check_names(&layout, source)?;
            layout
                .iter()
                .map(|slot| Ok((slot.name.clone(), header.tensor(slot, source)?)))
                .collect::<Result<_, ModelError>>()?
        };
        Ok(Self {
            source: source.to_owned(),
            metadata,
            variant,
            cameras,
            tensors,
        })
    }

    /// Random weights, the same on every machine (He initialisation, batch norm
    /// slightly perturbed): for tests, benches, and until a model is trained.
    pub fn random(seed: u64, conv1_stride: Conv1Stride) -> Self {
        Self::random_of(Variant::l3(WindowSpec::PAPER, conv1_stride), seed)
    }

    /// As [`random`](Self::random), of another variant.
    pub fn random_of(variant: Variant, seed: u64) -> Self {
        Self {
            source: PathBuf::from(format!("random weights of seed {seed}")),
            metadata: random_metadata(seed, &variant),
            variant,
            cameras: Cameras::new(),
            tensors: random_tensors(seed, &variant.layout()),
        }
    }

    /// What training starts from: He initialisation, zero biases, batch norm as the
    /// identity.
    pub fn initial(seed: u64, conv1_stride: Conv1Stride) -> Self {
        let random = Self::random(seed, conv1_stride);
        let slots = random.variant.layout();
        let values = |slot: TensorSpec| (slot.name.clone(), random::initial_values(seed, &slot));
        Self {
            tensors: slots.into_iter().map(values).collect(),
            ..random
        }
    }

    /// The same with a fusion to start learning from, where it has none.
    #[must_use]
    pub fn with_initial_fusion(mut self, seed: u64) -> Self {
        if !self.variant.parts.fusion {
            self.variant.parts.fusion = true;
            for slot in self.variant.layout() {
                (self.tensors.entry(slot.name.clone()))
                    .or_insert_with(|| random::initial_values(seed, &slot));
            }
        }
        self
    }

    /// Weights that were trained or imported: the values of every tensor of the variant.
    /// `origin` says where they come from, for the file's metadata.
    ///
    /// # Panics
    /// If a tensor is missing or of another length: names and shapes are the
    /// program's own.
    pub fn trained(
        variant: Variant,
        tensors: BTreeMap<String, Vec<f32>>,
        origin: BTreeMap<String, String>,
    ) -> Self {
        for slot in variant.layout() {
            let len = tensors.get(&slot.name).map(Vec::len);
            assert_eq!(len, Some(slot.len()), "{}", slot.name);
        }
        let mut metadata = origin;
        metadata.extend(variant_metadata(&variant));
        Self {
            source: PathBuf::from("training"),
            metadata,
            variant,
            cameras: Cameras::new(),
            tensors,
        }
    }

    /// The same trunks with another fusion: the values of its four tensors. `learnt` says
    /// how it was learnt, for the file's metadata, beside what is known of the trunks.
    ///
    /// # Panics
    /// If a tensor is of another length: names and shapes are the program's own.
    pub fn with_fusion(
        &self,
        fusion: BTreeMap<String, Vec<f32>>,
        learnt: BTreeMap<String, String>,
        cameras: Cameras,
    ) -> Self {
        let mut model = self.clone();
        model.variant.parts.fusion = true;
        model.tensors.extend(fusion);
        for slot in model.variant.layout() {
            assert_eq!(model.tensor(&slot.name).len(), slot.len(), "{}", slot.name);
        }
        model.metadata.extend(learnt);
        model
            .metadata
            .insert(cameras::KEY.to_owned(), cameras::to_text(&cameras));
        model.cameras = cameras;
        model
    }

    /// The same, known by the file that it was written to.
    #[must_use]
    pub fn stored_at(self, file: &Path) -> Self {
        Self {
            source: file.to_owned(),
            ..self
        }
    }

    /// Identifies the trunks, whatever the fusion: features of one are none of another.
    pub fn trunk_fingerprint(&self) -> u64 {
        let variant = self.variant.fingerprint();
        let trunks = (self.tensors.iter()).filter(|(name, _)| !name.starts_with("fusion."));
        trunks.fold(variant, |state, (_, values)| floats::hash(state, values))
    }

    /// Whether both have the same trunks, so that a fusion of one fits the other.
    pub fn has_trunks_of(&self, other: &Self) -> bool {
        let mut slots = self.variant.layout().into_iter();
        self.variant.whole() == other.variant.whole()
            && slots.all(|slot| {
                slot.name.starts_with("fusion.")
                    || other.tensors.get(&slot.name) == self.tensors.get(&slot.name)
            })
    }

    /// The key of the metadata with what is known of single cameras.
    pub const CAMERAS: &str = cameras::KEY;

    /// What is known of single cameras; empty for a model that was not adapted to any.
    pub fn cameras(&self) -> &Cameras {
        &self.cameras
    }

    /// Whether the weights were trained. The results of an untrained network mean
    /// nothing; commands that use one must say so.
    pub fn is_trained(&self) -> bool {
        !self.metadata.contains_key("init")
    }

    /// A hash of all weights, the variant, and what is known of single cameras.
    pub fn fingerprint(&self) -> u64 {
        let variant = self.variant.fingerprint();
        let tensors = self.tensors.values();
        let weights = tensors.fold(variant, |state, values| floats::hash(state, values));
        match self.cameras.is_empty() {
            true => weights,
            false => (cameras::to_text(&self.cameras).bytes()).fold(weights, |state, byte| {
                mix(state ^ u64::from(byte)).wrapping_add(1)
            }),
        }
    }

    /// Identifies the model in results: the name of its file and eight digits of its
    /// fingerprint, `l3net-base@0f3a91c2`.
    pub fn identity(&self) -> String {
        let name = self.source.file_stem().unwrap_or_default().display();
        format!("{name}@{:08x}", self.fingerprint() >> 32)
    }

    /// The file that the weights come from, or a description where there is none.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Which network the weights are of.
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// The window and spectrogram that the weights were trained on.
    pub fn spec(&self) -> WindowSpec {
        self.variant.spec
    }

    /// The stride of conv1_1.
    pub fn conv1_stride(&self) -> Conv1Stride {
        self.variant.conv1_stride
    }

    /// Checks that it can tell whether picture and sound correspond: it has both trunks,
    /// and a fusion on top.
    ///
    /// # Errors
    /// Says what is missing, and how to come by it.
    pub fn check_judges(&self) -> Result<(), ModelError> {
        self.check_trunks()?;
        match self.variant.parts.fusion {
            true => Ok(()),
            false => Err(ModelError::NoFusion {
                file: self.source.clone(),
            }),
        }
    }

    /// Checks that it has both trunks, on which a fusion can be learnt.
    ///
    /// # Errors
    /// Names the one that is missing, and how to come by it.
    pub fn check_trunks(&self) -> Result<(), ModelError> {
        self.check_trunk(Modality::Vision)?;
        self.check_trunk(Modality::Audio)
    }

    /// Checks that it has one of the trunks.
    ///
    /// # Errors
    /// Says that it is missing, and how to come by it.
    pub fn check_trunk(&self, modality: Modality) -> Result<(), ModelError> {
        match self.variant.parts.has(modality) {
            true => Ok(()),
            false => Err(ModelError::NoTrunk {
                file: self.source.clone(),
                modality,
            }),
        }
    }

    /// The header's metadata: `format`, `conv1_stride`, `audio_frontend`, and how the
    /// model was trained.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The part of the metadata that says where imported weights come from.
    pub fn imported(&self) -> BTreeMap<String, String> {
        let kept = (self.metadata.iter()).filter(|(key, _)| IMPORTED.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The values of a tensor of its [`layout`](Variant::layout).
    ///
    /// # Panics
    /// If the network has no tensor of that name.
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
        // With the tensors stored, the seed is no longer an instruction; `init`
        // remains and says that the weights are untrained.
        if let Some(seed) = metadata.remove("seed") {
            metadata.insert("init_seed".to_owned(), seed);
        }
        file::write(
            path,
            &self.variant.layout(),
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

fn random_tensors(seed: u64, slots: &[TensorSpec]) -> BTreeMap<String, Vec<f32>> {
    slots
        .iter()
        .map(|slot| (slot.name.clone(), random::values(seed, slot)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::FORMAT;
    use super::*;

    #[test]
    fn a_model_records_the_spec_that_it_was_trained_on() {
        let initial = Weights::initial(1, Conv1Stride::Two);
        let tensors = initial.tensors.clone();
        for spec in WindowSpec::ALL {
            let variant = Variant::l3(*spec, Conv1Stride::One);
            let model = Weights::trained(variant, tensors.clone(), BTreeMap::new());
            assert_eq!(model.metadata()["audio_frontend"], spec.name);
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("m.safetensors");
            model.write(&path, StoreAs::F16).expect("written");
            assert_eq!(Weights::read(&path).expect("a model").spec(), *spec);
        }
    }

    #[test]
    fn an_unknown_front_end_is_refused_with_the_next_step() {
        let metadata = [
            ("format", FORMAT),
            ("audio_frontend", "mel-128"),
            ("conv1_stride", "2"),
        ];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let bytes = file::header_only(&metadata);
        let error = Weights::from_bytes(&bytes, Path::new("other.safetensors"));
        let error = error.expect_err("no such front end").to_string();
        for part in [
            "other.safetensors",
            "`audio_frontend` is \"mel-128\"",
            "expected \"log-magnitude\"",
            "another model",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
