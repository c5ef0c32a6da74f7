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
use crate::lock::lock;
use crate::net::safetensors_file::{self as file, Header, StoreAs};
use crate::net::{Conv1Stride, ModelError, TensorSpec, Weights, layout};
use crate::window_spec::WindowSpec;

/// The `format` of a checkpoint's metadata.
const FORMAT: &str = "l3net-checkpoint/1";
const MEAN: &str = "adam.mean";
const SQUARE: &str = "adam.square";

/// The state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Every tensor of the network.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// Adam's first moments, in the order of the parameters' vector.
    pub mean: Vec<f32>,
    /// Adam's second moments.
    pub square: Vec<f32>,
    /// The window and spectrogram that the network is trained on.
    pub spec: WindowSpec,
    /// The variant of the network.
    pub conv1_stride: Conv1Stride,
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
        let mut slots = network_slots(&self.state);
        let count = parameters(&slots);
        slots.extend([moments(MEAN, count), moments(SQUARE, count)]);
        let values = |name: &str| match name {
            MEAN => &self.mean[..],
            SQUARE => &self.square,
            name => &self.tensors[name],
        };
        let run = serde_json::to_string(&self.state).expect("numbers and text");
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("audio_frontend", self.spec.name.to_owned()),
            ("conv1_stride", self.conv1_stride.get().to_string()),
            ("run", run),
        ];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v)).into();
        file::write(path, &slots, values, &metadata, StoreAs::F32)
    }

    /// The tensors of the heads, which no model stores, and the network's weights.
    pub fn into_parts(self) -> (BTreeMap<String, Vec<f32>>, Weights) {
        let (heads, network) = self
            .tensors
            .into_iter()
            .partition(|(name, _)| name.starts_with(heads::PREFIX));
        (
            heads,
            Weights::trained(self.spec, self.conv1_stride, network, BTreeMap::new()),
        )
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
        let frontend = header.metadata.get("audio_frontend").map(String::as_str);
        let frontend = frontend.unwrap_or(WindowSpec::PAPER.name);
        let spec = WindowSpec::by_name(frontend).ok_or_else(|| {
            refuse(format!(
                "its audio_frontend is {frontend}, which this version cannot compute; resume it \
                 with the version that made it"
            ))
        })?;
        let stride = header.metadata.get("conv1_stride");
        let conv1_stride = stride
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| refuse("it does not say its conv1_stride".to_owned()))?;
        let run = header.metadata.get("run").map_or("", String::as_str);
        let state: RunState = serde_json::from_str(run)
            .map_err(|e| refuse(format!("the state of the run in it is damaged: {e}")))?;
        let mut slots = network_slots(&state);
        let count = parameters(&slots);
        slots.extend([moments(MEAN, count), moments(SQUARE, count)]);
        header.check_names(&slots, path)?;
        let mut tensors = BTreeMap::new();
        for slot in &slots {
            tensors.insert(slot.name.clone(), header.tensor(slot, path)?);
        }
        let mut take = |name: &str| tensors.remove(name).unwrap_or_default();
        Ok(Self {
            mean: take(MEAN),
            square: take(SQUARE),
            tensors,
            spec,
            conv1_stride,
            state,
        })
    }
}

/// The tensors of the network and of its heads, if it has any.
fn network_slots(state: &RunState) -> Vec<TensorSpec> {
    let classes = state.classes.as_ref().map(Vec::len);
    let heads = classes.map(heads::slots).unwrap_or_default();
    layout().into_iter().chain(heads).collect()
}

fn parameters(slots: &[TensorSpec]) -> usize {
    let parameters = slots.iter().filter(|s| s.is_parameter());
    parameters.map(TensorSpec::len).sum()
}

/// One of Adam's moments: one value per parameter.
fn moments(name: &str, count: usize) -> TensorSpec {
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
mod tests {
    use super::*;
    use crate::train::{Calibration, Validation};

    fn checkpoint() -> Checkpoint {
        let weights = Weights::initial(1, Conv1Stride::Two);
        let tensors = layout()
            .iter()
            .map(|s| (s.name.clone(), weights.tensor(&s.name).to_vec()))
            .collect();
        let count = parameters(&layout());
        Checkpoint {
            tensors,
            mean: (0..count).map(|i| i as f32 * 1e-9).collect(),
            square: vec![2e-20; count],
            spec: WindowSpec::PAPER,
            conv1_stride: Conv1Stride::Two,
            state: RunState {
                step: 7,
                best: Some(Validation {
                    calibration: Some(Calibration {
                        scale: 0.5,
                        shift: 0.25,
                    }),
                    step: 5,
                    loss: 0.5,
                    accuracy: 0.75,
                    train_loss: 0.25,
                    train_accuracy: 1.0,
                    classes: [0.0, 1.0],
                }),
                ..RunState::default()
            },
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.last.checkpoint");
        let before = checkpoint();
        before.write(&file).expect("written");
        assert_eq!(Checkpoint::read(&file).expect("read"), before);
        let other = folder.path().join("a.best.checkpoint");
        copy(&file, &other).expect("copied");
        copy(&file, &other).expect("copied again");
        assert_eq!(Checkpoint::read(&other).expect("read"), before);
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 2);
    }

    #[test]
    fn models_and_truncated_checkpoints_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("m.safetensors");
        let weights = Weights::initial(1, Conv1Stride::Two);
        weights.write(&model, StoreAs::F16).expect("written");
        let error = Checkpoint::read(&model).expect_err("a model").to_string();
        assert!(
            error.contains("l3net/1") && error.contains("--init"),
            "{error}"
        );
        let file = folder.path().join("a.last.checkpoint");
        checkpoint().write(&file).expect("written");
        let bytes = std::fs::read(&file).expect("read");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("cut off");
        let error = Checkpoint::read(&file).expect_err("half").to_string();
        assert!(error.contains("truncated"), "{error}");
    }
}
