//! Checkpoints: everything that is needed to resume training exactly.
//!
//! A checkpoint is a safetensors file: the network's tensors in f32, Adam's two
//! moments, and the state of the run in the metadata. The sampler has no state but
//! the step, see [`corpus`](crate::corpus).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::TrainError;
use super::heads;
use super::run_state::RunState;
use super::standardisation::{FIRST_LAYER, PARTS, Standardisation};
use crate::lock::lock;
use crate::net::safetensors_file::{self as file, Header, StoreAs};
use crate::net::{
    FEATURE, ModelError, TensorSpec, Variant, Weights, check_variant, variant_metadata,
};
use crate::window_spec::WindowSpec;

/// The `format` of a checkpoint's metadata.
const FORMAT: &str = "l3net-checkpoint/1";
const MEAN: &str = "adam.mean";
const SQUARE: &str = "adam.square";

/// The state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Every tensor of the network; with a standardisation, the layers that take features take
    /// standardised ones.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// What the features of the run are standardised by, if they are.
    pub standardisation: Option<Standardisation>,
    /// Adam's first moments, in the order of the parameters' vector.
    pub mean: Vec<f32>,
    /// Adam's second moments.
    pub square: Vec<f32>,
    /// The variant of the network.
    pub variant: Variant,
    /// Progress and settings of the run.
    pub state: RunState,
}

/// The files of a run, beside the model that it trains.
#[derive(Clone, Debug)]
pub struct RunFiles {
    /// The model with the best validation.
    pub model: PathBuf,
    /// The latest checkpoint.
    pub last: PathBuf,
    /// The checkpoint with the best validation.
    pub best: PathBuf,
    /// The folder of TensorBoard's event files.
    pub events: PathBuf,
}

impl RunFiles {
    /// The files of `dir/name.safetensors`: `dir/name.last.checkpoint` and so on.
    pub fn beside(model: &Path) -> Self {
        let stem = model.file_stem().unwrap_or_default().to_string_lossy();
        let named = |end: &str| model.with_file_name(format!("{stem}.{end}"));
        Self {
            last: named("last.checkpoint"),
            best: named("best.checkpoint"),
            events: named("events"),
            model: model.to_owned(),
        }
    }

    /// Locks the files against other runs until the lock is dropped.
    ///
    /// # Errors
    /// If another run holds the lock, or the events folder cannot be created.
    pub fn lock(&self) -> Result<File, TrainError> {
        let made = std::fs::create_dir_all(&self.events).and_then(|()| File::open(&self.events));
        let folder = made.map_err(|cause| TrainError::Write {
            file: self.events.clone(),
            cause,
        })?;
        if !lock(&folder) {
            return Err(TrainError::Checkpoint {
                file: self.model.clone(),
                what:
                    "another l3net is training it; wait for that run, or name another file with -o"
                        .to_owned(),
            });
        }
        Ok(folder)
    }
}

impl Checkpoint {
    /// Writes the checkpoint atomically.
    ///
    /// # Errors
    /// If it cannot be written; an earlier checkpoint is kept then.
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        let mut slots = network_slots(&self.variant, &self.state);
        let count = parameters(&slots);
        slots.extend([vector(MEAN, count), vector(SQUARE, count)]);
        let standardisation = self.standardisation.as_ref().map(Standardisation::parts);
        if standardisation.is_some() {
            slots.extend(PARTS.map(|name| vector(name, FEATURE)));
        }
        let part = |name: &str| PARTS.iter().position(|part| *part == name);
        let values = |name: &str| match (name, standardisation.zip(part(name))) {
            (MEAN, _) => &self.mean[..],
            (SQUARE, _) => &self.square,
            (_, Some((parts, part))) => parts[part],
            (name, None) => &self.tensors[name],
        };
        let run = serde_json::to_string(&self.state).expect("numbers and text");
        let mut metadata = variant_metadata(&self.variant);
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert("run".to_owned(), run);
        file::write(path, &slots, values, &metadata, StoreAs::F32)
    }

    /// Everything but the numbers, for [`with_values`](Self::with_values) in another
    /// process.
    pub fn header(&self) -> String {
        let standardised = self.standardisation.is_some();
        let header: CheckpointHeader = (
            variant_metadata(&self.variant),
            self.state.clone(),
            standardised,
        );
        serde_json::to_string(&header).expect("numbers and text")
    }

    /// All numbers, in the order that [`with_values`](Self::with_values) takes them.
    pub fn values(&self) -> Vec<f32> {
        let mut values = Vec::new();
        for slot in network_slots(&self.variant, &self.state) {
            values.extend(&self.tensors[&slot.name]);
        }
        values.extend(&self.mean);
        values.extend(&self.square);
        if let Some(standardisation) = &self.standardisation {
            values.extend(standardisation.parts().into_iter().flatten());
        }
        values
    }

    /// The checkpoint of a [`header`](Self::header), with the numbers that `values` gives,
    /// which is told how many there are.
    ///
    /// # Errors
    /// If the header is of another version, or those of `values`.
    pub fn with_values<E: From<TrainError>>(
        header: &str,
        values: impl FnOnce(usize) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let source = Path::new("rank 0's checkpoint");
        let header: CheckpointHeader =
            serde_json::from_str(header).map_err(|error| TrainError::Checkpoint {
                file: source.to_owned(),
                what: error.to_string(),
            })?;
        let (variant, state, standardised) = header;
        let variant = check_variant(&variant, |_| true, source).map_err(TrainError::from)?;
        let slots = network_slots(&variant, &state);
        let moments = parameters(&slots);
        let network: usize = slots.iter().map(TensorSpec::len).sum();
        let parts = if standardised {
            PARTS.len() * FEATURE
        } else {
            0
        };
        let values = values(network + 2 * moments + parts)?;
        let mut rest = values.as_slice();
        let mut take = |len: usize| {
            let (part, after) = rest.split_at(len);
            rest = after;
            part.to_vec()
        };
        Ok(Self {
            tensors: (slots.iter())
                .map(|slot| (slot.name.clone(), take(slot.len())))
                .collect(),
            mean: take(moments),
            square: take(moments),
            standardisation: standardised
                .then(|| Standardisation::from_parts(PARTS.map(|_| take(FEATURE)))),
            variant,
            state,
        })
    }

    /// The fusion's first layer and the heads, as they are.
    pub fn first_layers_and_heads(&self) -> BTreeMap<String, Vec<f32>> {
        let wanted = |name: &str| name.starts_with(FIRST_LAYER) || name.starts_with(heads::PREFIX);
        let found = self.tensors.iter().filter(|(name, _)| wanted(name));
        found
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect()
    }

    /// The tensors of the heads, which no model stores, and the network's weights, all over
    /// plain features.
    pub fn into_parts(mut self) -> (BTreeMap<String, Vec<f32>>, Weights) {
        if let Some(standardisation) = &self.standardisation {
            standardisation.fold_into(&mut self.tensors);
        }
        let (heads, network) = self
            .tensors
            .into_iter()
            .partition(|(name, _)| name.starts_with(heads::PREFIX));
        (
            heads,
            Weights::trained(self.variant, network, BTreeMap::new()),
        )
    }

    /// The model of a run as it is here: calibrated if it was validated after its last step.
    pub fn into_model(self) -> Weights {
        let mut state = self.state;
        let last = state.validations.last().copied();
        state.best = last.filter(|validation| validation.step == state.step);
        model(
            self.variant,
            self.tensors,
            self.standardisation.as_ref(),
            &state,
        )
    }

    /// Whether a file is named like a checkpoint.
    pub fn names(path: &Path) -> bool {
        path.extension().is_some_and(|e| e == "checkpoint")
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If it is damaged, of another version or of another network.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let refuse = |what: String| TrainError::Checkpoint {
            file: path.to_owned(),
            what,
        };
        let bytes = std::fs::read(path).map_err(|e| refuse(format!("cannot read: {e}")))?;
        let header = Header::parse(&bytes, path)?;
        let found = header.metadata.get("format").map_or("none", String::as_str);
        if found != FORMAT {
            return Err(refuse(format!(
                "its format is {found}, not {FORMAT}; --init starts from a model, \
                 --resume continues from a checkpoint"
            )));
        }
        // Legacy checkpoints do not name theirs.
        let mut metadata = header.metadata.clone();
        (metadata.entry("audio_frontend".to_owned()))
            .or_insert_with(|| WindowSpec::PAPER.name.to_owned());
        let variant = check_variant(&metadata, |start| header.has_any(start), path)?;
        let run = header.metadata.get("run").map_or("", String::as_str);
        let state: RunState = serde_json::from_str(run)
            .map_err(|e| refuse(format!("the state of the run in it is damaged: {e}")))?;
        let mut slots = network_slots(&variant, &state);
        let count = parameters(&slots);
        slots.extend([vector(MEAN, count), vector(SQUARE, count)]);
        let is_standardised = header.has(PARTS[0]);
        if is_standardised {
            slots.extend(PARTS.map(|name| vector(name, FEATURE)));
        }
        header.check_names(&slots, path)?;
        let mut tensors = BTreeMap::new();
        for slot in &slots {
            tensors.insert(slot.name.clone(), header.tensor(slot, path)?);
        }
        let mut take = |name: &str| tensors.remove(name).unwrap_or_default();
        Ok(Self {
            mean: take(MEAN),
            square: take(SQUARE),
            standardisation: is_standardised
                .then(|| Standardisation::from_parts(PARTS.map(&mut take))),
            tensors,
            variant,
            state,
        })
    }
}

/// The model of a network's tensors, over plain features and with the calibration of the
/// state's best validation.
pub(super) fn model(
    variant: Variant,
    mut tensors: BTreeMap<String, Vec<f32>>,
    standardisation: Option<&Standardisation>,
    state: &RunState,
) -> Weights {
    if let Some(standardisation) = standardisation {
        standardisation.fold_into(&mut tensors);
    }
    if let Some(calibration) = state.best.and_then(|best| best.calibration) {
        calibration.fold_into(&mut tensors);
    }
    tensors.retain(|name, _| !name.starts_with(heads::PREFIX));
    Weights::trained(variant, tensors, state.metadata())
}

/// A checkpoint without its numbers: the variant, the state, whether it is standardised.
type CheckpointHeader = (BTreeMap<String, String>, RunState, bool);

/// The tensors of the network and of its heads, if it has any.
fn network_slots(variant: &Variant, state: &RunState) -> Vec<TensorSpec> {
    let classes = state.classes.as_ref().map(Vec::len);
    let heads = classes.map(heads::slots).unwrap_or_default();
    variant.layout().into_iter().chain(heads).collect()
}

fn parameters(slots: &[TensorSpec]) -> usize {
    let parameters = slots.iter().filter(|s| s.is_parameter());
    parameters.map(TensorSpec::len).sum()
}

/// A vector that is no tensor of the network: one of Adam's moments, with a value per
/// parameter, or a part of the standardisation.
fn vector(name: &str, count: usize) -> TensorSpec {
    TensorSpec {
        name: name.to_owned(),
        shape: vec![count],
    }
}

/// Atomically makes `copy` the same file as `path`.
///
/// # Errors
/// The error of the system.
pub fn copy(path: &Path, copy: &Path) -> std::io::Result<()> {
    let mut part = copy.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    std::fs::remove_file(&part).ok(); // left by a killed run
    // A hard link takes no space; a file system without them gets a copy. Resolved first:
    // a link to a symlink would follow what is written there later.
    let path = &path.canonicalize()?;
    std::fs::hard_link(path, &part).or_else(|_| std::fs::copy(path, &part).map(drop))?;
    std::fs::rename(&part, copy)?;
    // If both were the same file already, rename did nothing.
    std::fs::remove_file(&part).ok();
    Ok(())
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
