//! What a run has come to, in numbers: kept in its checkpoints, told in its model.

use std::collections::BTreeMap;
use std::path::Path;

use super::calibration::Calibration;
use super::error::TrainError;

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunState {
    /// Steps made.
    pub step: u64,
    /// Pictures and sounds looked at, over all runs that led here.
    pub examples: u64,
    /// Pairs judged.
    pub pairs: u64,
    /// Seconds of computing.
    pub seconds: f64,
    /// The start of all chance.
    pub seed: u64,
    /// Pictures and sounds of a batch.
    pub batch: u64,
    /// How they were paired.
    pub pairing: String,
    /// f32 or bf16.
    pub precision: String,
    /// The best validation, by its loss.
    pub best: Option<Validation>,
    /// Whether a model is there that was validated, be it on other data.
    #[serde(default)]
    pub validated: bool,
    /// All validations.
    pub validations: Vec<Validation>,
    /// What it is trained on, a line each.
    pub data: Vec<String>,
    /// What else it was trained on before.
    #[serde(default)]
    pub data_before: Vec<String>,
    /// Pairs of a validation; 0 in checkpoints of old.
    #[serde(default)]
    pub validation_pairs: u64,
    /// avc, classify or both.
    pub task: String,
    /// How pictures and sounds were changed; empty in checkpoints of old.
    #[serde(default)]
    pub augment: String,
    /// What stayed as it was; empty in checkpoints of old.
    #[serde(default)]
    pub freeze: String,
    /// Part of the features that was dropped; empty in checkpoints of old.
    #[serde(default)]
    pub dropout: String,
    /// What of recordings was held out; empty if there were none.
    #[serde(default)]
    pub split: String,
    /// What chose what is held out, where nothing else did; empty in checkpoints of old.
    #[serde(default)]
    pub split_seed: String,
    /// What else was held out, as options; empty in checkpoints of old.
    #[serde(default)]
    pub held_out: String,
    /// How many pairs are learnt by heart, 0 if none; empty in checkpoints of old.
    #[serde(default)]
    pub overfit: String,
    /// The classes that are learnt, if any are.
    pub classes: Option<Vec<String>>,
    /// The model that it started from, and what that was trained on.
    pub started_from: Option<String>,
}

/// One look at the validation's pairs.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Steps made before.
    pub step: u64,
    /// Cross-entropy.
    pub loss: f64,
    /// Share judged rightly.
    pub accuracy: f64,
    /// Cross-entropy of training since the last one.
    pub train_loss: f64,
    /// Share judged rightly in training since the last one.
    pub train_accuracy: f64,
    /// Share of pictures and of sounds whose class is named rightly.
    pub classes: [f64; 2],
    /// What makes its answers as sure as they are right; loss and accuracy are with
    /// it.
    pub calibration: Option<Calibration>,
}

impl RunState {
    /// How a model was trained, for its metadata.
    pub fn account(&self) -> BTreeMap<String, String> {
        let mut account: BTreeMap<String, String> = [
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
            account.insert("validation_accuracy".to_owned(), found);
            if let Some(Calibration { scale, shift }) = best.calibration {
                let calibrated = format!("margin * {scale:.4} + {shift:.4}");
                account.insert("calibrated".to_owned(), calibrated);
            }
        }
        let unless = |usual: &str, name: &str, value: &String| {
            let told = !value.is_empty() && value != usual;
            told.then(|| (name.to_owned(), value.clone()))
        };
        account.extend(
            [
                unless("0", "trained_dropout", &self.dropout),
                unless("none", "trained_freeze", &self.freeze),
                unless("0", "trained_overfit", &self.overfit),
                unless("", "trained_split", &self.split),
                unless("", "trained_split_seed", &self.split_seed),
                unless("", "trained_held_out", &self.held_out),
            ]
            .into_iter()
            .flatten(),
        );
        if let Some(from) = &self.started_from {
            account.insert("started_from".to_owned(), from.clone());
        }
        account
    }

    /// A resumed run goes on as it began, or its result would be another's. `self`
    /// is of the checkpoint `file`, `now` of the run that would go on.
    ///
    /// # Errors
    /// Names the first option that differs, and the next step.
    pub fn check_same(&self, now: &Self, file: &Path) -> Result<(), TrainError> {
        let then = self;
        let differ = [
            ("--seed", then.seed.to_string(), now.seed.to_string()),
            ("--batch", then.batch.to_string(), now.batch.to_string()),
            ("--pairs", then.pairing.clone(), now.pairing.clone()),
            ("--task", then.task.clone(), now.task.clone()),
            ("--precision", then.precision.clone(), now.precision.clone()),
            ("--augment", then.augment.clone(), now.augment.clone()),
            ("--freeze", then.freeze.clone(), now.freeze.clone()),
            ("--dropout", then.dropout.clone(), now.dropout.clone()),
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
                    "the run began with the classes {}, not {}; start from its model with --init",
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
                        "the run began with {then}, not {now}; give it the same, or start from \
                         its model with --init"
                    ),
                });
            }
        }
        Ok(())
    }
}
