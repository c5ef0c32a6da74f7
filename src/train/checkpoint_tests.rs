use super::*;
use crate::net::Conv1Stride;
use crate::train::{Calibration, Validation};

fn checkpoint() -> Checkpoint {
    let weights = Weights::initial(1, Conv1Stride::Two);
    let tensors = Variant::PAPER
        .layout()
        .iter()
        .map(|s| (s.name.clone(), weights.tensor(&s.name).to_vec()))
        .collect();
    let count = parameters(&Variant::PAPER.layout());
    Checkpoint {
        tensors,
        mean: (0..count).map(|i| i as f32 * 1e-9).collect(),
        square: vec![2e-20; count],
        standardisation: None,
        variant: Variant::PAPER,
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
    let plain = checkpoint();
    let parts = [0.5, 2.0, -0.5, 4.0].map(|value| vec![value; FEATURE]);
    let before = Checkpoint {
        standardisation: Some(Standardisation::from_parts(parts)),
        ..plain.clone()
    };
    for each in [&plain, &before] {
        each.write(&file).expect("written");
        assert_eq!(Checkpoint::read(&file).expect("read"), *each);
        // As it goes to another process.
        let values = |count| {
            assert_eq!(count, each.values().len());
            Ok::<_, TrainError>(each.values())
        };
        let received = Checkpoint::with_values(&each.header(), values);
        assert_eq!(received.expect("received"), *each);
    }
    // Layers are handed out as they are over plain features.
    let [of_plain, folded] = [plain, before.clone()].map(|c| c.into_parts().1);
    let first = |weights: &Weights| weights.tensor("fusion.fc1.weight")[0];
    assert_eq!(first(&folded), first(&of_plain) / 2.0);
    let other = folder.path().join("a.best.checkpoint");
    copy(&file, &other).expect("copied");
    copy(&file, &other).expect("copied again");
    assert_eq!(Checkpoint::read(&other).expect("read"), before);
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 2);
}

#[test]
fn the_model_of_a_checkpoint_is_calibrated_by_the_validation_of_its_step() {
    let plain = checkpoint();
    let validated_after = |step| {
        let mut after = plain.clone();
        let validation = after.state.best.take().expect("a validation");
        after.state.validations = vec![Validation { step, ..validation }];
        after.into_model()
    };
    let layer = |weights: &Weights| weights.tensor("fusion.fc2.weight").to_vec();
    let before = layer(&plain.clone().into_parts().1);
    let earlier = validated_after(5);
    assert_eq!(layer(&earlier), before);
    assert_eq!(earlier.metadata().get("calibrated"), None);
    let now = validated_after(7);
    assert_ne!(layer(&now), before);
    let metadata = now.metadata();
    assert_eq!(metadata["calibrated"], "margin * 0.5000 + 0.2500");
    assert_eq!(metadata["trained_steps"], "7");
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
