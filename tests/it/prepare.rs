//! `l3net prepare` through the whole program: what is in the shards, held against
//! an independent decoder (`tests/data/expected_media.json`); runs that are killed,
//! stopped and resumed; what is skipped, and what fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Done, Running, data, l3net, run, wait_for};
use l3net::corpus::shards::{StoredClip, find_shards, read_shard};
use l3net::corpus::{ClipRules, Clips, Corpus, Pair, Split, rng};
use l3net::features::Crop;
use serde_json::Value;

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

fn prepare_args(sources: &[&Path], out: &Path, more: &[&str]) -> Vec<std::ffi::OsString> {
    let mut args: Vec<std::ffi::OsString> = vec!["prepare".into()];
    args.extend(sources.iter().map(|s| s.as_os_str().to_owned()));
    args.extend(["-o".into(), out.as_os_str().to_owned()]);
    args.extend(more.iter().map(Into::into));
    args
}

fn prepare(sources: &[&Path], out: &Path, more: &[&str]) -> Done {
    run(prepare_args(sources, out, more))
}

/// All clips of a folder by source, each by time; every shard is whole.
fn clips(folder: &Path) -> BTreeMap<String, Vec<StoredClip>> {
    let mut by_source: BTreeMap<String, Vec<StoredClip>> = BTreeMap::new();
    for shard in find_shards(folder).expect("a folder") {
        for clip in read_shard(&shard).expect("a shard") {
            let source = clip.info.source.clone();
            by_source.entry(source).or_default().push(clip);
        }
    }
    for clips in by_source.values_mut() {
        clips.sort_by_key(|clip| clip.info.start_sample);
    }
    by_source
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
    entries
        .map(|e| name(e).into_string().expect("text"))
        .collect()
}

fn int(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("a number: {value}"))
}

fn ints(value: &Value) -> Vec<i64> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(int).collect()
}

fn start_ns(clip: &StoredClip) -> i64 {
    (clip.info.start_sample as i64 * 62_500 + 1) / 3
}

fn end_ns(clip: &StoredClip) -> i64 {
    start_ns(clip) + clip.info.samples as i64 * 62_500 / 3
}

/// What is wrong, all of it: one run tells about all files.
#[derive(Default)]
struct Complaints(String);

impl Complaints {
    fn check(&mut self, holds: bool, file: &str, what: impl std::fmt::Display) {
        if !holds {
            let _ = writeln!(self.0, "{file}: {what}");
        }
    }
}

/// Holds the clips of one recording against what another decoder sees.
fn compare(complaints: &mut Complaints, file: &str, clips: &[StoredClip], expected: &Value) {
    let mut check = |holds, what: String| complaints.check(holds, file, what);
    let codec = expected["audio"]["codec"].as_str().unwrap_or_default();
    let lossless = codec == "flac" || codec.starts_with("pcm");
    let (time_tolerance, level_tolerance) = if lossless { (MS, 0.2) } else { (25 * MS, 0.5) };
    let shift = expected["gstreamer_says"]
        .get("frame_shift_ns")
        .map_or(0, int);
    let shown: Vec<i64> = ints(&expected["video"]["pts_ns"])
        .iter()
        .map(|ns| ns + shift)
        .collect();

    for clip in clips {
        let (start, end) = (start_ns(clip), end_ns(clip));
        check(
            (48_000..=12 * 48_000).contains(&clip.info.samples),
            format!("{} samples", clip.info.samples),
        );
        // The first picture of each quarter of a second.
        let (mut wanted, mut last) = (Vec::new(), -1);
        for &ns in &shown {
            if ns * 4 / SECOND > last {
                last = ns * 4 / SECOND;
                wanted.push(ns);
            }
        }
        wanted.retain(|ns| (start..end).contains(ns));
        let times: Vec<i64> = clip
            .info
            .frame_times_ns
            .iter()
            .map(|&ns| ns as i64)
            .collect();
        let same = times.len() == wanted.len()
            && times
                .iter()
                .zip(&wanted)
                .all(|(a, b)| (a - b).abs() <= 2 * MS);
        check(same, format!("frames at {times:?}, not {wanted:?}"));

        let [width, height] = [0, 1].map(|i| int(&expected["video"]["shown"][i]) as f64);
        let scale = 256.0 / width.min(height);
        for i in 0..times.len() {
            let picture = clip.frame(i).expect("a frame");
            let off = (f64::from(picture.width) - width * scale).abs()
                + (f64::from(picture.height) - height * scale).abs();
            check(off <= 1.0, format!("frame {i} is {picture:?}"));
        }
        for window in expected["windows"].as_array().expect("windows") {
            let at = int(&window["start_ns"]);
            if at + time_tolerance < start || at + SECOND > end + MS {
                continue;
            }
            let from = ((at - start).max(0) * 48 / MS) as usize;
            let samples = 48_000.min(clip.info.samples - from);
            let pcm = clip.sound(from, samples).expect("sound");
            let power: f64 = pcm.iter().map(|&v| f64::from(v).powi(2)).sum();
            let level = (10.0 * (power / 48_000.0).log10()).max(-120.0);
            let off = level - window["rms_dbfs"].as_f64().expect("a level");
            check(
                off.abs() <= level_tolerance || level < -80.0,
                format!("the second at {at} ns: level off by {off} dB"),
            );
        }
    }
    // Sound of a second and more is there but for less than a tenth.
    for stretch in expected["audio"]["stretches"]
        .as_array()
        .expect("stretches")
    {
        let (start, samples) = (int(&stretch["start_ns"]), int(&stretch["samples"]));
        let end = start + samples * 62_500 / 3;
        let of = |clip: &&StoredClip| {
            start_ns(clip) + time_tolerance >= start && end_ns(clip) <= end + 60 * MS
        };
        let there: usize = clips.iter().filter(of).map(|clip| clip.info.samples).sum();
        let has_picture = shown.iter().any(|ns| (start..end).contains(ns));
        let silent = expected["windows"]
            .as_array()
            .is_some_and(|w| w.iter().all(|w| w["rms_dbfs"].as_f64() < Some(-60.0)));
        if samples > 48_000 + 480 && has_picture && !silent {
            let lacks = samples - there as i64;
            check(
                (-2_400..4_800 + 2_400).contains(&lacks),
                format!("{lacks} samples of {samples} at {start} ns are missing"),
            );
        }
    }
}

/// The layout of Python's webdataset, read by Python.
#[test]
fn python_reads_shards() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("shards");
    let sources = ["clips/movie_5.mp4", "clips/friday.mp4", "clips/bento.mp4"].map(data);
    let done = prepare(&sources.each_ref().map(PathBuf::as_path), &out, &[]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/read_shards.py");
    let mut python = std::process::Command::new("python3");
    let read = python
        .arg(script)
        .arg(&out)
        .output()
        .expect("python3 is there");
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let told: BTreeMap<String, Value> = serde_json::from_slice(&read.stdout).expect("JSON");
    let clips: Vec<StoredClip> = clips(&out).into_values().flatten().collect();
    assert_eq!((told.len(), clips.len()), (3, 3));
    for clip in clips {
        let told = &told[&clip.info.key()];
        assert_eq!(
            told["info"],
            serde_json::to_value(&clip.info).expect("JSON")
        );
        assert_eq!(
            told["sound"],
            serde_json::json!([48_000, 1, 16, clip.info.samples])
        );
        let sizes = (0..clip.info.frame_times_ns.len()).map(|i| {
            let picture = clip.frame(i).expect("a picture");
            [picture.width, picture.height]
        });
        assert_eq!(
            told["pictures"],
            serde_json::json!(sizes.collect::<Vec<_>>())
        );
        assert_eq!(told["else"], serde_json::json!([]));
    }
}

#[test]
fn shards_hold_what_another_decoder_sees() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("shards");
    let done = prepare(&[&data("")], &out, &[]);
    assert_eq!(done.code, Some(1), "some are damaged: {}", done.err);
    assert!(done.out.is_empty(), "stdout is for results: {}", done.out);

    let expected = fs::read(data("expected_media.json")).expect("there");
    let expected: Value = serde_json::from_slice(&expected).expect("json");
    let there = clips(&out);
    let mut complaints = Complaints::default();
    let (mut compared, mut listed) = (0, BTreeSet::new());
    for (file, expected) in expected["files"].as_object().expect("files") {
        let line = done
            .err
            .lines()
            .find(|l| l.starts_with(&format!("  {file}: ")));
        listed.extend(line.map(|_| file.clone()));
        let windows = expected["windows"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let heard = |w: &Value| w["rms_dbfs"].as_f64() > Some(-59.5) && w["padded"] == false;
        if let Some(why) = expected["fails"].as_str() {
            complaints.check(line.is_some(), file, format!("{why}: not told"));
            complaints.check(!there.contains_key(file), file, why);
        } else if expected["why_none"].is_string() {
            let told = line.is_some_and(|l| l.contains("no sound") || l.contains("no picture"));
            complaints.check(told, file, format!("not told: {line:?}"));
        } else if windows.iter().all(|w| !heard(w)) {
            let told = line.is_some_and(|l| l.contains("silent") || l.contains("no second"));
            complaints.check(told, file, format!("not told: {line:?}"));
        } else {
            let clips = there.get(file).map_or(&[][..], Vec::as_slice);
            complaints.check(!clips.is_empty(), file, "not there");
            let label = file.split('/').next();
            complaints.check(
                clips.iter().all(|c| c.info.label.as_deref() == label),
                file,
                "not labelled with its folder",
            );
            compare(&mut complaints, file, clips, expected);
            compared += 1;
        }
    }
    assert!(complaints.0.is_empty(), "{}\n{}", complaints.0, done.err);
    assert!(compared >= 25, "{compared} files were compared");
    // Nothing is both in the shards and among those skipped.
    let prepared: BTreeSet<String> = there.into_keys().collect();
    assert!(prepared.is_disjoint(&listed), "{listed:?}");

    // What is there can be drawn from, right away.
    let rules = ClipRules {
        seed: 1,
        ..ClipRules::default()
    };
    let corpus = Clips::open(&[out], &rules).expect("shards");
    assert_eq!(corpus.classes().len(), 4, "{:?}", corpus.classes());
    for split in [Split::Train, Split::Validation, Split::Test] {
        corpus.check(split).expect("enough recordings");
        for position in 0..20 {
            let wanted = position % 2 == 0;
            let pair = Pair::draw(&corpus, split, wanted, Crop::Full, &mut rng(0, 0, position));
            let pair = pair.expect("a pair");
            assert_eq!(pair.heard().pcm.len(), 48_000);
            assert_eq!(pair.seen.shows == pair.heard().sounds, wanted);
        }
    }
}

fn recordings() -> Vec<PathBuf> {
    [
        "bento.mp4",
        "movie_5.mp4",
        "sample.avi",
        "friday.mp4",
        "vp8-vorbis-webvtt.webm",
    ]
    .map(|c| data("clips").join(c))
    .to_vec()
}

fn paths(recordings: &[PathBuf]) -> Vec<&Path> {
    recordings.iter().map(PathBuf::as_path).collect()
}

/// Small shards, so that a run can be stopped between them.
const SMALL: &[&str] = &["--shard-size", "0.1", "--jobs", "2"];

/// What is in the clips, bit by bit, by key; each is there once.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    for clip in clips(folder).into_values().flatten() {
        let mut bytes = serde_json::to_vec(&clip.info).expect("json");
        let pcm = clip.sound(0, clip.info.samples).expect("sound");
        bytes.extend(pcm.iter().flat_map(|v| v.to_le_bytes()));
        for i in 0..clip.info.frame_times_ns.len() {
            bytes.extend(clip.frame(i).expect("a frame").rgb);
        }
        let twice = content.insert(clip.info.key(), bytes);
        assert!(twice.is_none(), "{} is there twice", clip.info.key());
    }
    content
}

fn assert_same(got: &Path, unbroken: &Path) {
    let (got, unbroken) = (content(got), content(unbroken));
    assert!(got.keys().eq(unbroken.keys()), "{:?}", got.keys());
    for (key, bytes) in &got {
        assert!(*bytes == unbroken[key], "{key} is another");
    }
}

/// Starts a run and stops it by `signal` once there is a whole shard.
fn stopped(recordings: &[PathBuf], out: &Path, signal: &str) -> Done {
    let running = Running::start(l3net(prepare_args(&paths(recordings), out, SMALL)));
    wait_for("the first shard", || {
        out.is_dir() && names(out).iter().any(|n| n.ends_with(".tar"))
    });
    running.signal(signal);
    running.wait()
}

#[test]
fn a_killed_run_leaves_whole_shards_and_is_resumed() {
    let dir = tempfile::tempdir().expect("a folder");
    let recordings = recordings();
    let unbroken = dir.path().join("unbroken");
    let done = prepare(&paths(&recordings), &unbroken, SMALL);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("5 recordings prepared"), "{}", done.err);

    let out = dir.path().join("out");
    let killed = stopped(&recordings, &out, "KILL");
    assert_eq!(killed.code, None, "it was killed");
    let before = content(&out);
    assert!(!before.is_empty());
    // What it was writing, and a line of the journal that was cut off.
    fs::write(out.join("shard-000099.tar.part"), "half a shard").expect("written");
    let mut journal = fs::read(out.join("prepare.jsonl")).expect("there");
    journal.extend_from_slice(br#"{"source":"fri"#);
    fs::write(out.join("prepare.jsonl"), journal).expect("written");

    let done = prepare(&paths(&recordings), &out, SMALL);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(names(&out).iter().all(|n| !n.ends_with(".part")));
    assert_same(&out, &unbroken);

    // What is done is not opened again.
    let shards = |folder: &Path| {
        let all = find_shards(folder).expect("a folder");
        all.into_iter()
            .map(|s| fs::read(s).expect("read"))
            .collect::<Vec<_>>()
    };
    let whole = shards(&out);
    let done = prepare(&paths(&recordings), &out, SMALL);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("5 recordings done already"),
        "{}",
        done.err
    );
    assert!(shards(&out) == whole, "the shards were touched");
}

#[test]
fn ctrl_c_keeps_what_is_done_and_the_same_command_resumes() {
    let dir = tempfile::tempdir().expect("a folder");
    let recordings = recordings();
    let unbroken = dir.path().join("unbroken");
    assert_eq!(prepare(&paths(&recordings), &unbroken, &[]).code, Some(0));

    let out = dir.path().join("out");
    let done = stopped(&recordings, &out, "INT");
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "not all was done: {}", done.err);
    assert!(
        done.err.contains("the same command resumes"),
        "{}",
        done.err
    );
    assert!(names(&out).iter().all(|n| !n.ends_with(".part")));
    content(&out);

    let done = prepare(&paths(&recordings), &out, &["--quiet"]);
    assert_eq!((done.code, &*done.err), (Some(0), ""));
    assert_same(&out, &unbroken);
}

#[test]
fn classes_are_labels_and_copies_are_skipped() {
    let dir = tempfile::tempdir().expect("a folder");
    let from = dir.path().join("films");
    for (file, name) in [
        ("clips/bento.mp4", "dogs/bento.mp4"),
        ("clips/movie_5.mp4", "clocks/one.mp4"),
        ("clips/movie_5.mp4", "clocks/deep/copy.mp4"),
        ("clips/sample.avi", "loose.avi"),
        ("made/text.mp4", "dogs/text.mp4"),
    ] {
        let to = from.join(name);
        fs::create_dir_all(to.parent().expect("has one")).expect("made");
        fs::copy(data(file), to).expect("copied");
    }
    let out = dir.path().join("out");
    let done = prepare(&[&from, &dir.path().join("nothing.mp4")], &out, &[]);
    assert_eq!(done.code, Some(1));
    for part in [
        "1 recording skipped",
        "  clocks/one.mp4: a copy of clocks/deep/copy.mp4",
        "2 recordings failed",
        "  dogs/text.mp4: not a media file",
        "nothing.mp4: no such file",
    ] {
        assert!(done.err.contains(part), "no {part} in:\n{}", done.err);
    }
    let labels: BTreeMap<String, Option<String>> = clips(&out)
        .into_iter()
        .map(|(source, clips)| (source, clips[0].info.label.clone()))
        .collect();
    let label = |name: &str| labels[name].as_deref();
    assert_eq!(labels.len(), 3);
    assert_eq!(label("dogs/bento.mp4"), Some("dogs"));
    assert_eq!(label("clocks/deep/copy.mp4"), Some("clocks"));
    assert_eq!(label("loose.avi"), None);
}

#[test]
fn a_recording_that_fails_leaves_no_short_piece() {
    // A later run may come further, and finds its place taken.
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let description = Path::new(
        "videotestsrc ! video/x-raw,width=64,height=64,framerate=10/1 ! video. \
         audiotestsrc samplesperbuffer=4800 ! audio/x-raw,rate=48000 \
         ! identity error-after=31 ! audio.",
    );
    let done = prepare(&[description], &out, &[]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("1 recording failed"), "{}", done.err);
    assert!(clips(&out).is_empty(), "{}", done.err);
}

#[test]
fn a_recording_that_has_changed_is_not_mixed_with_what_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let film = dir.path().join("film.mkv");
    fs::copy(data("made/whole_3s_flac.mkv"), &film).expect("copied");
    assert_eq!(prepare(&[&film], &out, &[]).code, Some(0));
    let other_rate = prepare(&[&film], &out, &["--fps", "2"]);
    assert_eq!(other_rate.code, Some(1));
    assert!(
        other_rate.err.contains("prepared with --fps 4"),
        "{}",
        other_rate.err
    );

    let before = content(&out);
    fs::copy(data("made/two_sounds.mkv"), &film).expect("copied");
    let changed = prepare(&[&film], &out, &[]);
    assert_eq!(changed.code, Some(1));
    assert!(
        changed.err.contains("film.mkv: has changed"),
        "{}",
        changed.err
    );
    assert!(content(&out) == before);
}

#[test]
fn what_has_no_end_and_folders_of_others_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let camera = prepare(&[Path::new("camera")], &out, &[]);
    assert_eq!(camera.code, Some(2), "{}", camera.err);
    assert!(camera.err.contains("has no end"), "{}", camera.err);
    let rate = prepare(&[&data("clips")], &out, &["--fps", "0"]);
    assert_eq!(rate.code, Some(2));
    assert!(!out.exists(), "wrong usage touches nothing");

    fs::create_dir(&out).expect("made");
    fs::write(out.join("photos.tar"), [0_u8; 1024]).expect("written");
    let foreign = prepare(&[&data("clips")], &out, &[]);
    assert_eq!(foreign.code, Some(1));
    assert!(foreign.err.contains("photos.tar"), "{}", foreign.err);
    let file = dir.path().join("file");
    fs::write(&file, "x").expect("written");
    let no_folder = prepare(&[&data("clips")], &file.join("out"), &[]);
    assert_eq!(no_folder.code, Some(1));
    assert!(
        no_folder.err.contains("cannot be made"),
        "{}",
        no_folder.err
    );
}
