//! What has to be the same in all processes of a run, as names and values.

use l3net_data::floats;

use super::batch::Batch;
use super::run_state::RunState;
use super::settings::{Start, TrainSettings};
use crate::net::Weights;

/// Settings, data and model. `fresh` has the settings of the run by name, `sample` some
/// examples of the data.
pub(super) fn facts(
    settings: &TrainSettings,
    start: &Start,
    fresh: &RunState,
    sample: &Batch,
) -> Vec<(String, String)> {
    let stride = match start {
        Start::Scratch(stride) => *stride,
        Start::Model(weights) => weights.conv1_stride(),
        Start::Resume(checkpoint) => checkpoint.variant.conv1_stride,
    };
    let facts = [
        ("--seed", fresh.seed.to_string()),
        ("--batch", fresh.batch.to_string()),
        ("--pairs", fresh.pairing.clone()),
        ("--precision", fresh.precision.clone()),
        ("--task", fresh.task.clone()),
        ("--augment", fresh.augment.clone()),
        ("--freeze", fresh.freeze.clone()),
        ("--freeze-norm", fresh.freeze_norm.clone()),
        ("--dropout", fresh.dropout.clone()),
        ("--local-loss", fresh.local_loss.clone()),
        ("--overfit", fresh.overfit.clone()),
        ("--split", fresh.split.clone()),
        ("--split-seed", fresh.split_seed.clone()),
        ("held out", fresh.held_out.clone()),
        ("--steps", settings.steps.to_string()),
        ("--lr", settings.rate.to_string()),
        ("--warm-up", settings.warm_up.to_string()),
        ("--cool-down", settings.cool_down.to_string()),
        ("--weight-decay", settings.weight_decay.to_string()),
        ("--validate-every", settings.validate_every.to_string()),
        ("--conv1-stride", stride.get().to_string()),
        ("the sound's front end", start.spec().name.to_owned()),
        ("the data", fresh.data.join("; ")),
        ("the classes", format!("{:?}", fresh.classes)),
        ("in the data", names(sample)),
        ("the model of --init", model(start)),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The files that examples are of, without their folders, which differ by machine.
fn names(sample: &Batch) -> String {
    let words = sample.origins.iter().flat_map(|origin| origin.split(' '));
    let names: Vec<&str> = words
        .map(|word| word.rsplit('/').next().unwrap_or_default())
        .collect();
    names.join(" ")
}

fn model(start: &Start) -> String {
    let of = |weights: &Weights| {
        let all = weights.variant().layout();
        let hash = |hash, name: &str| floats::hash(hash, weights.tensor(name));
        all.iter().fold(0, |so_far, slot| hash(so_far, &slot.name))
    };
    match start {
        Start::Scratch(_) => "none".to_owned(),
        Start::Model(weights) => format!("{:016x}", of(weights)),
        // Rank 0 sends it to all.
        Start::Resume(_) => "the checkpoint".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_do_not_count() {
        let batch = |folder: &str| Batch {
            origins: vec![format!("{folder}/a.png against {folder}/b.wav at 2 s")],
            ..Batch::default()
        };
        assert_eq!(names(&batch("/data/x")), names(&batch("/mnt")));
        assert_eq!(names(&batch("/mnt")), "a.png against b.wav at 2 s");
    }
}
