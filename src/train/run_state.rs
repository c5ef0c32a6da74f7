//! Progress and settings of a run: stored in its checkpoints, summarised in its model.

use std::collections::BTreeMap;
use std::path::Path;

use super::calibration::Calibration;
use super::error::TrainError;

/// Progress and settings of a run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunState {
    /// Steps made.
    pub step: u64,
    /// Pictures and sounds used, including earlier runs that were resumed.
    pub examples: u64,
    /// Pairs used.
    pub pairs: u64,
    /// Seconds of computing.
    pub seconds: f64,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Pictures and sounds of a batch.
    pub batch: u64,
    /// How they were paired.
    pub pairing: String,
    /// f32 or bf16.
    pub precision: String,
    /// The best validation, by its loss.
    pub best: Option<Validation>,
    /// Whether a validated model exists, if only on other data.
    #[serde(default)]
    pub validated: bool,
    /// All validations.
    pub validations: Vec<Validation>,
    /// The training data, a line per corpus.
    pub data: Vec<String>,
    /// Training data of earlier runs.
    #[serde(default)]
    pub data_before: Vec<String>,
    /// Pairs of a validation; 0 in legacy checkpoints.
    #[serde(default)]
    pub validation_pairs: u64,
    /// avc, classify or both.
    pub task: String,
    /// How pictures and sounds were augmented; empty in legacy checkpoints.
    #[serde(default)]
    pub augment: String,
    /// What was frozen; empty in legacy checkpoints.
    #[serde(default)]
    pub freeze: String,
    /// Whether batch norm's statistics were frozen; empty in legacy checkpoints.
    #[serde(default)]
    pub freeze_norm: String,
    /// Examples whose features were computed once, 0 if none were; empty in legacy
    /// checkpoints.
    #[serde(default)]
    pub pool: String,
    /// Dropout rate of the features; empty in legacy checkpoints.
    #[serde(default)]
    pub dropout: String,
    /// Weight of the loss of the best place; empty in legacy checkpoints.
    #[serde(default)]
    pub local_loss: String,
    /// How recordings were split; empty without recordings.
    #[serde(default)]
    pub split: String,
    /// Seed of the random split; empty in legacy checkpoints.
    #[serde(default)]
    pub split_seed: String,
    /// What else was held out, as options; empty in legacy checkpoints.
    #[serde(default)]
    pub held_out: String,
    /// Number of pairs with `--overfit`, else 0; empty in legacy checkpoints.
    #[serde(default)]
    pub overfit: String,
    /// The classes that are learnt, if any.
    pub classes: Option<Vec<String>>,
    /// The model that it started from, and its training data.
    pub started_from: Option<String>,
    /// Where imported trunks come from, and their licence.
    #[serde(default)]
    pub imported: BTreeMap<String, String>,
}

/// The result of one validation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Steps made before it.
    pub step: u64,
    /// Cross-entropy.
    pub loss: f64,
    /// Share of pairs judged correctly.
    pub accuracy: f64,
    /// Cross-entropy of training since the previous validation.
    pub train_loss: f64,
    /// Share judged correctly in training since the previous validation.
    pub train_accuracy: f64,
    /// Share of pictures and of sounds classified correctly.
    pub classes: [f64; 2],
    /// The calibration fitted on these pairs; loss and accuracy are with it.
    pub calibration: Option<Calibration>,
}

impl RunState {
    /// How a model was trained, for its header.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata: BTreeMap<String, String> = [
            (
                "trained_on",
                [&self.data[..], &self.data_before].concat().join("; "),
            ),
            ("trained_steps", self.step.to_string()),
            ("trained_batch", self.batch.to_string()),
            ("trained_examples", self.examples.to_string()),
            ("trained_pairing", self.pairing.clone()),
            ("trained_task", self.task.clone()),
            ("trained_augment", self.augment.clone()),
            ("trained_precision", self.precision.clone()),
            ("trained_seed", self.seed.to_string()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        if let Some(best) = self.best {
            let found = format!("{:.4} (loss {:.4})", best.accuracy, best.loss);
            metadata.insert("validation_accuracy".to_owned(), found);
            if let Some(Calibration { scale, shift }) = best.calibration {
                let calibrated = format!("margin * {scale:.4} + {shift:.4}");
                metadata.insert("calibrated".to_owned(), calibrated);
            }
        }
        let unless_default = |default: &str, name: &str, value: &String| {
            let differs = !value.is_empty() && value != default;
            differs.then(|| (name.to_owned(), value.clone()))
        };
        metadata.extend(
            [
                unless_default("0", "trained_dropout", &self.dropout),
                unless_default("0", "trained_local_loss", &self.local_loss),
                unless_default("none", "trained_freeze", &self.freeze),
                unless_default("false", "trained_freeze_norm", &self.freeze_norm),
                unless_default("0", "trained_pool", &self.pool),
                unless_default("0", "trained_overfit", &self.overfit),
                unless_default("", "trained_split", &self.split),
                unless_default("", "trained_split_seed", &self.split_seed),
                unless_default("", "trained_held_out", &self.held_out),
            ]
            .into_iter()
            .flatten(),
        );
        if let Some(from) = &self.started_from {
            metadata.insert("started_from".to_owned(), from.clone());
        }
        metadata.extend(self.imported.clone());
        metadata
    }

    /// Checks that a resumed run has the settings that it was started with. `self` is the
    /// state in the checkpoint `file`, `now` that of the resumed run.
    ///
    /// # Errors
    /// Names the first option that differs, and the next step.
    pub fn check_resumable(&self, now: &Self, file: &Path) -> Result<(), TrainError> {
        let then = self;
        let differ = [
            ("--seed", then.seed.to_string(), now.seed.to_string()),
            ("--batch", then.batch.to_string(), now.batch.to_string()),
            ("--pairs", then.pairing.clone(), now.pairing.clone()),
            ("--task", then.task.clone(), now.task.clone()),
            ("--precision", then.precision.clone(), now.precision.clone()),
            ("--augment", then.augment.clone(), now.augment.clone()),
            ("--freeze", then.freeze.clone(), now.freeze.clone()),
            (
                "--freeze-norm",
                then.freeze_norm.clone(),
                now.freeze_norm.clone(),
            ),
            ("--pool", then.pool.clone(), now.pool.clone()),
            ("--dropout", then.dropout.clone(), now.dropout.clone()),
            (
                "--local-loss",
                then.local_loss.clone(),
                now.local_loss.clone(),
            ),
            ("--split", then.split.clone(), now.split.clone()),
            (
                "--split-seed",
                then.split_seed.clone(),
                now.split_seed.clone(),
            ),
            ("", then.held_out.clone(), now.held_out.clone()),
            ("--overfit", then.overfit.clone(), now.overfit.clone()),
        ];
        if then.classes != now.classes {
            let list =
                |classes: &Option<Vec<String>>| classes.clone().unwrap_or_default().join(", ");
            return Err(TrainError::Checkpoint {
                file: file.to_owned(),
                what: format!(
                    "the run was started with the classes {}, not {}; start from its model with --init",
                    list(&then.classes),
                    list(&now.classes)
                ),
            });
        }
        for (option, then, now) in differ {
            if !then.is_empty() && then != now {
                let then = format!("{option} {then}");
                let then = then.trim_start();
                return Err(TrainError::Checkpoint {
                    file: file.to_owned(),
                    what: format!(
                        "the run was started with {then}, not {now}; use the same, or start from its \
                         model with --init"
                    ),
                });
            }
        }
        Ok(())
    }
}
