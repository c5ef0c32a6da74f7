//! The model that comes along still knows what it was trained on.
//!
//! `models/l3net-base.md` has its figures on large held-out sets. These are floors far
//! below them, on a set that takes seconds: they catch a model that was exchanged, read
//! wrongly or fed something else than in training, not one that is a little worse.

use serde_json::Value;

use crate::common::{repo, run};

/// `l3net eval EXPERIMENT` of the shipped model on built-in scenes that no training
/// draws, the same on every machine.
fn eval(experiment: &str, data: &str, more: &[&str]) -> Value {
    let model = repo().join("models/l3net-base.safetensors");
    let model = model.to_str().expect("text");
    let mut args = vec!["eval", experiment, data, "-q", "--json", "-"];
    args.extend(["--no-untrained", "--precision", "f32", "--model", model]);
    args.extend(more);
    let done = run(args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let report: Value = serde_json::from_str(&done.out).expect("JSON");
    report["data"][0].clone()
}

#[test]
fn it_tells_what_belongs_together_from_what_does_not() {
    let found = eval("avc", "synth:objects=1-2", &["--pairs", "64"]);
    let figure = |name: &str| found["model"][name].as_f64().expect("a number");
    assert!(figure("roc_auc") > 0.85, "{found}");
    assert!(figure("accuracy") > 0.75, "{found}");
}

#[test]
fn its_heatmap_points_at_what_sounds() {
    let found = eval("localize", "synth:objects=2", &["--scenes", "32"]);
    let figure = |name: &str| found["model"][name].as_f64().expect("a number");
    // Pointing at any thing is right half of the time.
    assert!(figure("pointing") > 0.75, "{found}");
    let rejected = found["model"]["rejection_rate"]["noise"]
        .as_f64()
        .expect("a number");
    assert!(rejected > 0.75, "{found}");
}
