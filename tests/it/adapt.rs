//! `l3net adapt`: cameras are learnt from their recordings, and told apart afterwards.

use std::fs;
use std::path::Path;

use crate::common::{batch_with, data, repo, run, streams_in};

/// Three recordings of four to six seconds, and one that is too short.
const CLIPS: [&str; 4] = ["friday.mp4", "movie_5.mp4", "sample.avi", "bento.mp4"];

fn adapt(clips: &[&str], out: &Path, more: &[&str]) -> crate::common::Done {
    let clips = clips
        .iter()
        .map(|clip| data("clips").join(clip).into_os_string());
    let rest = [
        "--crop",
        "center",
        "--precision",
        "f32",
        "--steps",
        "300",
        "-o",
    ];
    let rest = rest
        .iter()
        .map(Into::into)
        .chain([out.as_os_str().to_owned()]);
    let more = more.iter().map(Into::into);
    run(["adapt".into()]
        .into_iter()
        .chain(clips)
        .chain(rest)
        .chain(more))
}

#[test]
fn cameras_are_learnt_and_told_apart_and_a_model_is_only_replaced_by_a_better_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let json = dir.path().join("figures.json");
    let json_arg = json.to_str().expect("text");
    let done = adapt(&CLIPS, &model, &["--json", json_arg]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("bento.mp4: left out: has 1 s"),
        "{}",
        done.err
    );
    assert!(done.err.contains("3 cameras in"), "{}", done.err);
    let figures: serde_json::Value =
        serde_json::from_slice(&fs::read(&json).expect("figures")).expect("JSON");
    let accuracy = |of: &str| figures[of]["accuracy"].as_f64().expect("an accuracy");
    // These three differ plainly; the model before is near chance.
    assert!(accuracy("held_out") > 0.85, "{figures}");
    assert!(accuracy("held_out") > accuracy("before"), "{figures}");

    // The whole program judges by it: own sounds are far over others'.
    let friday = data("clips").join("friday.mp4");
    let with_model = |out: &str| {
        let out = dir.path().join(out);
        let model = model.to_str().expect("text");
        let args = ["--model", model, "--crop", "center", "--precision", "f32"];
        let done = batch_with(&[&friday], &out, &args);
        assert_eq!(done.code, Some(0), "{}", done.err);
        crate::common::only(streams_in(&out)).moments
    };
    let moments = with_model("learnt.jsonl");
    let mean = |of: &dyn Fn(&l3net::result::Verdict) -> f32| {
        moments.iter().map(of).sum::<f32>() / moments.len() as f32
    };
    assert!(mean(&|m| m.correspondence) > 0.7, "{moments:?}");
    assert!(
        mean(&|m| m.z_score.expect("a known camera")) > 1.0,
        "{moments:?}"
    );
    // As for every moment, the score is that of the logits.
    for moment in &moments {
        let [no, yes] = moment.logits;
        let score = 1.0 / (1.0 + (no - yes).exp());
        assert!((moment.correspondence - score).abs() < 1e-5, "{moment:?}");
    }

    // What is there has learnt all of these seconds and cannot be bettered.
    let before = fs::read(&model).expect("a model");
    let again = adapt(&CLIPS, &model, &[]);
    assert_eq!(again.code, Some(1), "{}", again.err);
    assert!(again.err.contains("it stays"), "{}", again.err);
    assert_eq!(fs::read(&model).expect("a model"), before);
    // Nor does a run that knows fewer cameras take its place.
    let fewer = adapt(&CLIPS[..2], &model, &[]);
    assert_eq!(fewer.code, Some(1), "{}", fewer.err);
    assert!(fewer.err.contains("it knows sample.avi"), "{}", fewer.err);
    let forced = adapt(&CLIPS[..2], &model, &["--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert_ne!(fs::read(&model).expect("a model"), before);
}

#[test]
fn what_cannot_be_learnt_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let one = adapt(&["friday.mp4", "bento.mp4"], &model, &[]);
    assert_eq!(one.code, Some(1), "{}", one.err);
    assert!(
        one.err.contains("1 of 2 cameras can be learnt"),
        "{}",
        one.err
    );
    assert!(one.err.contains("bento.mp4: left out"), "{}", one.err);
    let copies = [data("clips/friday.mp4"), dir.path().join("again.mp4")];
    fs::copy(&copies[0], &copies[1]).expect("copied");
    let same = run([
        "adapt".as_ref(),
        copies[0].as_os_str(),
        copies[1].as_os_str(),
        "--crop".as_ref(),
        "center".as_ref(),
        "-o".as_ref(),
        model.as_os_str(),
    ]);
    assert_eq!(same.code, Some(1), "{}", same.err);
    assert!(same.err.contains("is a copy of"), "{}", same.err);
    assert!(!model.exists());
}

#[test]
fn wrong_usage_is_refused_before_anything_is_decoded() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = data("clips/friday.mp4");
    let clip = clip.to_str().expect("text");
    let folder = dir.path().to_str().expect("text");
    let there = dir.path().join("random.safetensors");
    fs::copy(repo().join("models/l3net-random.safetensors"), &there).expect("copied");
    let there = there.to_str().expect("text");
    for (args, cause) in [
        (vec![clip, "-o", folder], "is a folder"),
        (vec![clip, "-o", "m.onnx"], "must end in .safetensors"),
        (
            vec!["rtsp://127.0.0.1/a", "-o", "m.safetensors"],
            "--seconds",
        ),
        (
            vec![clip, "-o", "m.safetensors", "--test", "0.9"],
            "0.1 to 0.5",
        ),
        (vec![clip, "-o", there], "was made from another model"),
    ] {
        let done = run(["adapt"].into_iter().chain(args));
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains(cause), "{cause}: {}", done.err);
    }
}
