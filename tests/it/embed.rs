//! `l3net embed`: what stands in the arrays, held against what `batch` says and against
//! Python.
use std::path::{Path, PathBuf};

use crate::common::{self, Arrays, Done, data, run};
use l3net::net::Weights;

const F32: &[&str] = &["--precision", "f32"];

fn embed(sources: &[&Path], out: &Path, more: &[&str]) -> Done {
    let mut args: Vec<std::ffi::OsString> = vec!["embed".into()];
    args.extend(sources.iter().map(|s| s.as_os_str().to_owned()));
    args.extend(["-o".into(), out.as_os_str().to_owned()]);
    args.extend(more.iter().map(Into::into));
    run(args)
}

/// The fusion (paper, Figure 2), from the weights alone: index 1 minus index 0.
fn margin(weights: &Weights, vision: &[f32], audio: &[f32]) -> f32 {
    let layer = |name: &str, input: &[f32]| -> Vec<f32> {
        let weight = weights.tensor(&format!("fusion.{name}.weight"));
        let bias = weights.tensor(&format!("fusion.{name}.bias"));
        let rows = weight.chunks_exact(input.len()).zip(bias);
        rows.map(|(row, bias)| bias + row.iter().zip(input).map(|(w, x)| w * x).sum::<f32>())
            .collect()
    };
    let hidden = layer("fc1", &[vision, audio].concat());
    let hidden: Vec<f32> = hidden.into_iter().map(|v| v.max(0.0)).collect();
    let logits = layer("fc2", &hidden);
    logits[1] - logits[0]
}

/// The strongest of each channel's blocks.
fn strongest(blocks: &[f32], channels: usize) -> Vec<f32> {
    let of = |channel: &[f32]| channel.iter().copied().fold(0.0, f32::max);
    blocks
        .chunks_exact(blocks.len() / channels)
        .map(of)
        .collect()
}

#[test]
fn the_features_are_those_that_batch_judges_by() {
    let dir = tempfile::tempdir().expect("a folder");
    let (out, judged) = (dir.path().join("out.npz"), dir.path().join("out.jsonl"));
    // Two sizes of pictures, in the order of the command line and not of the alphabet.
    let clips = ["clips/movie_5.mp4", "clips/friday.mp4"].map(data);
    let clips = clips.each_ref().map(PathBuf::as_path);
    let done = embed(&clips, &out, F32);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.is_empty(), "stdout is for results: {}", done.out);
    assert!(done.err.contains("11 windows of 2 sources"), "{}", done.err);
    let done = common::batch_with(&clips, &judged, F32);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let judged = common::streams_in(&judged);
    let moments = ["movie_5.mp4", "friday.mp4"].map(|name| &judged[name].moments);
    let moments: Vec<_> = moments.into_iter().flatten().collect();

    let arrays = Arrays::read(&out);
    let of = |part: fn(&l3net::result::Verdict) -> u64| -> Vec<u64> {
        moments.iter().map(|m| part(m)).collect()
    };
    let streams: Vec<&str> = moments.iter().map(|m| &*m.stream).collect();
    assert_eq!(arrays.values::<String>("stream"), streams);
    assert_eq!(arrays.values::<u64>("start_ns"), of(|m| m.start_ns.0));
    assert_eq!(arrays.values::<u64>("end_ns"), of(|m| m.end_ns.0));
    assert_eq!(arrays.values::<u64>("frame_ns"), of(|m| m.frame_ns.0));
    let weights = Weights::default_model().expect("a model");
    assert_eq!(arrays.values::<String>("model"), [weights.identity()]);
    assert_eq!(arrays.shape("model"), [] as [usize; 0]);
    assert_eq!(
        judged["friday.mp4"].summaries[0].model,
        Some(weights.identity())
    );

    let [heard, seen, by_time, by_place] =
        ["audio_512", "vision_512", "audio_6144", "vision_8192"].map(|name| arrays.matrix(name));
    assert_eq!((by_time[0].len(), by_place[0].len()), (6144, 8192));
    for (row, moment) in moments.iter().enumerate() {
        let margin = margin(&weights, &seen[row], &heard[row]);
        let expected = moment.logits[1] - moment.logits[0];
        let off = (margin - expected).abs() / expected.abs().max(1.0);
        assert!(off < 1e-3, "row {row}: {margin} for {expected}");
        // The blocks cover all of a sound's map, and these pictures without their edges.
        assert_eq!(strongest(&by_time[row], 512), heard[row]);
        let by_place = strongest(&by_place[row], 512);
        assert!(by_place.iter().zip(&seen[row]).all(|(b, s)| b <= s));
        assert!(
            by_place
                .iter()
                .zip(&seen[row])
                .filter(|(b, s)| b == s)
                .count()
                > 256
        );
    }
}

#[test]
fn what_is_asked_for_is_kept_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.npz");
    let clip = data("made/whole_3s_flac.mkv");
    let more = [
        "--only",
        "vision_512,audio_512",
        "--hop",
        "0.5",
        "--seconds",
        "2",
    ];
    let done = embed(&[&clip], &out, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let arrays = Arrays::read(&out);
    let times = ["end_ns", "frame_ns", "model", "start_ns", "stream"];
    let mut expected = [&times[..], &["audio_512", "vision_512"]].concat();
    expected.sort_unstable();
    assert_eq!(arrays.names(), expected);
    let starts: Vec<u64> = arrays.values("start_ns");
    assert_eq!(starts, [0, 500_000_000, 1_000_000_000]);
    assert_eq!(arrays.shape("audio_512"), [3, 512]);
}

#[test]
fn damaged_sources_are_named_and_the_others_are_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.npz");
    let [good, bad] = ["made/whole_3s_flac.mkv", "made/text.mp4"].map(data);
    let done = embed(&[&bad, &good], &out, &[]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("l3net: text.mp4: "), "{}", done.err);
    let arrays = Arrays::read(&out);
    assert_eq!(arrays.values::<String>("stream"), ["whole_3s_flac.mkv"; 3]);

    // A second run, and one from which nothing comes, leave it and write nothing.
    let before = std::fs::read(&out).expect("there");
    let again = embed(&[&good], &out, &[]);
    assert_eq!(again.code, Some(2), "{}", again.err);
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(std::fs::read(&out).expect("there"), before);
    let none = dir.path().join("none.npz");
    let done = embed(&[&bad], &none, &[]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("is not written"), "{}", done.err);
    assert!(!none.exists());
    for (wrong, cause) in [
        (vec!["test"], "--seconds"),
        (
            vec!["test", "--seconds", "1", "--only", "audio_511"],
            "audio_512",
        ),
    ] {
        let sources = [Path::new(wrong[0])];
        let done = embed(&sources, &none, &wrong[1..]);
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains(cause), "{}", done.err);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let [out, pipe] = ["out.npz", "pipe.mkv"].map(|name| dir.path().join(name));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo");
    let clip = data("made/whole_3s_flac.mkv");
    let mut args: Vec<std::ffi::OsString> = ["embed", "--jobs", "1", "-o"].map(Into::into).into();
    args.extend([out.clone().into(), clip.into(), pipe.clone().into()]);
    let running = common::Running::start(common::l3net(args));
    // Comes back when the program opens it, too: now the first one has been read.
    let pipe = std::fs::OpenOptions::new().write(true).open(&pipe);
    let pipe = pipe.expect("a pipe");
    running.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(pipe);
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "{}", done.err);
    let arrays = Arrays::read(&out);
    assert_eq!(arrays.values::<u64>("start_ns")[0], 0, "{}", done.err);
}
