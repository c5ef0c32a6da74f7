//! `l3net synth`: its files are played back, and what stands beside them is true.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{self, DEADLINE, Running, l3net, run, wait_for};
use l3net::media::{End, Session, SessionOptions, expand};
use l3net::picture::{Picture, ToPicture};
use l3net::synth::Truth;

fn synth(dir: &Path, more: &[&str]) -> common::Done {
    let mut args = vec!["synth", "-q", "-o", dir.to_str().expect("text")];
    args.extend(more);
    run(args)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("readable").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn truth(file: &Path) -> Truth {
    let text = std::fs::read(file).expect("it is there");
    serde_json::from_slice(&text).expect("it is a truth")
}

/// All frames and all sound of a file, by the engine's own reader.
fn play(file: PathBuf) -> (Vec<Picture>, Vec<f32>) {
    gstreamer::init().expect("GStreamer starts");
    let sources = expand(&[file.to_str().expect("text").to_owned()]).expect("a file");
    let mut session =
        Session::open(&sources[0], SessionOptions::default()).expect("it can be read");
    let (mut frames, mut pcm) = (Vec::new(), Vec::new());
    let end = Instant::now() + DEADLINE;
    loop {
        let over = session.poll();
        frames.extend(session.frames.try_iter().map(|frame| {
            let picture = frame.to_picture();
            picture.expect("a format that can be converted")
        }));
        while let Some(block) = session.sound.next_block() {
            pcm.extend_from_slice(block.pcm);
        }
        match over {
            Some(End::Whole) => return (frames, pcm),
            Some(End::Failed(cause)) => panic!("{cause}"),
            None => assert!(Instant::now() < end, "it does not end"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn level(pcm: &[f32]) -> f32 {
    (pcm.iter().map(|v| v * v).sum::<f32>() / pcm.len() as f32).sqrt()
}

#[test]
fn videos_last_as_long_as_asked_and_show_what_their_json_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let size = ["--size", "320x180", "--fps", "20", "--seconds", "2.5"];
    let more = [&size[..], &["--count", "2", "--seed", "5"]].concat();
    let done = synth(dir.path(), &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(
        names(dir.path()),
        [
            "synth_5_0000.json",
            "synth_5_0000.mkv",
            "synth_5_0001.json",
            "synth_5_0001.mkv"
        ]
    );
    for index in 0..2 {
        let truth = truth(&dir.path().join(format!("synth_5_000{index}.json")));
        let (frames, pcm) = play(dir.path().join(&truth.file));
        assert_eq!((truth.seed, truth.index, truth.seconds), (5, index, 2.5));
        assert_eq!((frames.len(), truth.frames.len()), (50, 50));
        // Opus works in blocks of 20 ms.
        assert!(pcm.len().abs_diff(120_000) <= 960, "{}", pcm.len());
        assert_eq!((frames[0].width, frames[0].height), (320, 180));
        for (i, frame) in truth.frames.iter().enumerate() {
            assert!((frame.at_s - i as f64 / 20.0).abs() < 1e-9);
            assert_eq!(frame.boxes.len(), truth.shows.len());
            for found in &frame.boxes {
                assert!(truth.shows.contains(&found.class));
                let [left, top, right, bottom] = found.pixels;
                assert!(left < right && right <= 320 && top < bottom && bottom <= 180);
                let heard = truth.sounds.iter().any(|s| s.class == found.class);
                assert_eq!(found.sounds, heard);
            }
        }
    }
}

#[test]
fn a_swap_is_written_down_and_heard() {
    let dir = tempfile::tempdir().expect("a folder");
    let done = synth(
        dir.path(),
        &["--seconds", "3", "--swap-at", "1.5", "--size", "160x120"],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let truth = truth(&dir.path().join("synth_0_0000.json"));
    let [before, after] = &truth.sounds[..] else {
        panic!("{:?}", truth.sounds)
    };
    assert_eq!((before.from_s, before.to_s, before.seen), (0.0, 1.5, true));
    assert_eq!((after.from_s, after.to_s, after.seen), (1.5, 3.0, false));
    assert!(!truth.shows.contains(&after.class));
    let (_, pcm) = play(dir.path().join(&truth.file));
    assert!(level(&pcm[..72_000]) > 1e-3 && level(&pcm[72_000..]) > 1e-3);
}

#[test]
fn what_is_there_is_left_alone_unless_forced() {
    let dir = tempfile::tempdir().expect("a folder");
    let short = ["--seconds", "0.2", "--size", "64x64"];
    let video = dir.path().join("synth_0_0000.mkv");
    std::fs::write(&video, b"mine").expect("written");
    let done = synth(dir.path(), &short);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("synth_0_0000.mkv: is there already"));
    assert_eq!(std::fs::read(&video).expect("there"), b"mine");
    let done = synth(dir.path(), &[&short[..], &["--force"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(std::fs::metadata(&video).expect("there").len() > 1_000);
}

#[test]
fn stopped_it_leaves_whole_files_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let running = Running::start(l3net([
        "synth",
        "-o",
        out.to_str().expect("text"),
        "--count",
        "10000",
        "--seconds",
        "1",
    ]));
    let first = out.join("synth_0_0001.mkv");
    wait_for("two scenes", || first.is_file());
    running.signal("INT");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "not all was done: {}", done.err);
    assert!(done.err.contains("stopped"), "{}", done.err);
    let names = names(&out);
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    assert_eq!(names.len() % 2, 0, "{names:?}");
    for name in names.iter().filter(|name| name.ends_with(".mkv")) {
        assert_eq!(play(out.join(name)).0.len(), 25, "{name}");
    }
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    for (args, word) in [
        (vec!["--size", "15x20"], "640x360"),
        (vec!["--objects", "3-2"], "A-B"),
        (vec!["--swap-at", "10"], "--seconds"),
        (vec!["--sprites", "x"], "--sounds"),
        (vec!["--sounds", "x"], "--sprites"),
        (vec!["--split", "some"], "validation"),
    ] {
        let done = synth(&out, &args);
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.err);
        assert!(done.err.contains(word), "{args:?}: {}", done.err);
    }
    let nowhere = ["--sounds", "/no/such", "--photos", "/no/such"];
    let done = synth(&out, &nowhere);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("/no/such"), "{}", done.err);
    assert!(!out.exists(), "nothing is begun");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let done = synth(Path::new("/proc/nothing"), &[]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("/proc/nothing: cannot make the folder"));
}
