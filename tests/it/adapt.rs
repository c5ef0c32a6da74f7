//! `l3net adapt`: cameras are learnt from their recordings, and told apart afterwards.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{
    Done, batch_with, by_stream, data, l3net, only, repo, run, run_command, streams_in,
};

/// Three recordings of four to six seconds, and one that is too short.
const CLIPS: [&str; 4] = ["friday.mp4", "movie_5.mp4", "sample.avi", "bento.mp4"];

fn adapt(recordings: &[PathBuf], out: &Path, more: &[&str]) -> Done {
    let options = "--crop center --precision f32 --steps 120".split(' ');
    let words = ["adapt"]
        .into_iter()
        .chain(options)
        .chain(more.iter().copied());
    let words = words.chain(["-o"]).map(OsString::from);
    let paths = [out]
        .into_iter()
        .chain(recordings.iter().map(PathBuf::as_path));
    run(words.chain(paths.map(OsString::from)))
}

fn clips(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| data("clips").join(name)).collect()
}

#[track_caller]
fn assert_says(done: &Done, part: &str) {
    assert!(done.err.contains(part), "{part}: {}", done.err);
}

#[test]
fn cameras_are_learnt_and_told_apart_and_a_model_is_only_replaced_by_a_better_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let json = dir.path().join("figures.json");
    let json_arg = json.to_str().expect("text");
    let done = adapt(&clips(&CLIPS), &model, &["--json", json_arg]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_says(&done, "bento.mp4: skipped: has 1 s");
    assert_says(&done, "3 cameras in");
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
        only(streams_in(&out)).moments
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
    let again = adapt(&clips(&CLIPS), &model, &[]);
    assert_eq!(again.code, Some(1), "{}", again.err);
    assert_says(&again, "it stays");
    assert_eq!(fs::read(&model).expect("a model"), before);
    // Nor does a run that knows fewer cameras take its place.
    let fewer = adapt(&clips(&CLIPS[..2]), &model, &[]);
    assert_eq!(fewer.code, Some(1), "{}", fewer.err);
    assert_says(&fewer, "it knows sample.avi");
    let forced = adapt(&clips(&CLIPS[..2]), &model, &["--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert_ne!(fs::read(&model).expect("a model"), before);
}

#[test]
fn what_cannot_be_learnt_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let one = adapt(&clips(&["friday.mp4", "bento.mp4"]), &model, &[]);
    assert_eq!(one.code, Some(1), "{}", one.err);
    assert_says(&one, "1 of 2 cameras can be learnt");
    assert_says(&one, "bento.mp4: skipped");
    let copies = [data("clips/friday.mp4"), dir.path().join("again.mp4")];
    fs::copy(&copies[0], &copies[1]).expect("copied");
    let same = adapt(&copies, &model, &[]);
    assert_eq!(same.code, Some(1), "{}", same.err);
    assert_says(&same, "is a copy of");
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
            vec![clip, "-o", "m.safetensors", "--hop", "1.5"],
            "whole seconds from 2 to 60",
        ),
        (
            vec![clip, "-o", "m.safetensors", "--test", "0.9"],
            "0.1 to 0.5",
        ),
        (vec![clip, "-o", there], "was made from another model"),
        (
            vec![clip, "-o", "no/such.safetensors"],
            "there is no folder no",
        ),
        (
            vec![clip, "-o", "m.safetensors", "--json", "m.safetensors"],
            "name the same file",
        ),
    ] {
        let done = run(["adapt"].into_iter().chain(args));
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert_says(&done, cause);
    }
}

/// Two streams that never change, and differ plainly.
const STREAMS: [&str; 2] = [
    "hum=videotestsrc is-live=true pattern=circular ! video/x-raw,width=320,height=240,framerate=10/1 \
     ! video. audiotestsrc is-live=true wave=sine freq=300 ! audio.",
    "hiss=videotestsrc is-live=true pattern=snow ! video/x-raw,width=320,height=240,framerate=10/1 \
     ! video. audiotestsrc is-live=true wave=pink-noise ! audio.",
];

fn live_command(streams: &[&str], model: &Path, seconds: &str) -> Command {
    let model = model.to_str().expect("text");
    let options = "--crop center --hop 0.5 --adapt-after 3s --adapt-cpu 100 --adapt-steps 60";
    let words = ["live", "--adapt", model, "--seconds", seconds].into_iter();
    l3net(
        words
            .chain(options.split(' '))
            .chain(streams.iter().copied()),
    )
}

fn live(streams: &[&str], model: &Path, seconds: &str) -> Done {
    run_command(live_command(streams, model, seconds))
}

#[test]
fn live_streams_are_learnt_meanwhile_and_no_moment_is_lost_by_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let done = live(&STREAMS, &model, "20");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_says(
        &done,
        "learns meanwhile which sound belongs to which of 2 streams",
    );
    assert_says(&done, "learnt 2 streams");
    let streams = by_stream(done.records());
    assert_eq!(
        streams.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["hiss", "hum"]
    );
    for (name, stream) in &streams {
        // Each window once, judged or told as lost on a machine that is busy.
        let lost: u64 = stream.gaps.iter().map(|gap| gap.lost).sum();
        let last = stream.moments.last().expect("moments").seq;
        assert_eq!(
            stream.moments.len() as u64 + lost,
            last + 1,
            "{name}: {stream:?}"
        );
        let in_order = stream.moments.windows(2).all(|m| m[0].seq < m[1].seq);
        assert!(in_order, "{name}: {stream:?}");
        let known = |m: &l3net::result::Verdict| m.z_score.is_some();
        assert!(!known(&stream.moments[0]), "{name}: not learnt yet");
        let learnt = stream
            .moments
            .iter()
            .position(known)
            .expect("learnt at last");
        assert!(stream.moments[learnt..].iter().all(known), "{name}");
    }

    // The next run begins with what was learnt, and with what was heard.
    let kept = dir.path().join("cameras.features");
    let size = fs::metadata(&kept).expect("kept").len();
    let again = live(&STREAMS, &model, "2");
    assert_eq!(again.code, Some(0), "{}", again.err);
    for stream in by_stream(again.records()).into_values() {
        assert!(stream.moments[0].z_score.is_some(), "{stream:?}");
        assert!(stream.moments[0].correspondence > 0.5, "{stream:?}");
    }
    assert!(fs::metadata(&kept).expect("kept").len() > size);

    // A model and what was kept for it go together.
    fs::write(&kept, "nonsense").expect("written");
    let damaged = live(&STREAMS, &model, "2");
    assert_eq!(damaged.code, Some(2), "{}", damaged.err);
    assert_says(&damaged, "delete it to begin anew");
    fs::remove_file(&kept).expect("removed");
    let others = live(&[STREAMS[0], "test"], &model, "2");
    assert_eq!(others.code, Some(2), "{}", others.err);
    assert_says(&others, "knows hiss");
}

#[test]
fn a_mute_stream_is_named_and_without_room_the_present_model_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let mute = STREAMS[0]
        .replace("hum=", "mute=")
        .replace("wave=sine", "wave=silence");
    // Long enough for a machine that judges three moments a second.
    let done = live(&[STREAMS[0], STREAMS[1], &mute], &model, "30");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_says(&done, "mute: skipped: nothing is heard");
    assert_says(&done, "learnt 2 streams");

    // A limit to the size of files stands for the full disk: 1 MiB instead of 38.
    let other = dir.path().join("other.safetensors");
    let inner = live_command(&STREAMS, &other, "20");
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "bash"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let done = run_command(limited);
    assert_says(&done, "other.safetensors: the present model stays");
    assert_says(&done, "cannot write");
    assert!(!other.exists());
    let streams = by_stream(done.records());
    for (name, stream) in &streams {
        let last = stream.moments.last().expect("moments");
        assert!(
            last.seq >= 20 && last.z_score.is_none(),
            "{name}: {stream:?}"
        );
    }
}

#[test]
fn live_refuses_to_learn_what_cannot_be_learnt() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("cameras.safetensors");
    let twice = live(&["a=test", "a=test", "b=test"], &model, "2");
    assert_eq!(twice.code, Some(2), "{}", twice.err);
    assert_says(&twice, "two sources are of the camera a");
    let one = live(&["test"], &model, "2");
    assert_eq!(one.code, Some(2), "{}", one.err);
    assert_says(&one, "--adapt takes two streams");
    let features = model.with_extension("features");
    let both = ["--json", features.to_str().expect("text")];
    let clash = live(&[STREAMS[0], STREAMS[1], both[0], both[1]], &model, "2");
    assert_eq!(clash.code, Some(2), "{}", clash.err);
    assert_says(&clash, "is what --adapt has heard");
    let nowhere = live(&STREAMS, &dir.path().join("no/such.safetensors"), "2");
    assert_eq!(nowhere.code, Some(2), "{}", nowhere.err);
    assert_says(&nowhere, "there is no folder");
    // While one run learns a model, no other does, nor does `adapt` write it.
    let held = fs::File::create(model.with_extension("lock")).expect("a lock");
    held.try_lock().expect("locked");
    for done in [
        live(&STREAMS, &model, "2"),
        adapt(&clips(&CLIPS[..2]), &model, &["--force"]),
    ] {
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert_says(&done, "another l3net is learning it");
    }
}
