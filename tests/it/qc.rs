//! `l3net batch --qc` against ffmpeg's own filters, on films with known faults and on real
//! ones; and what becomes of it when a run is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use l3net::qc::{AudioReport, Stretch, VideoReport};
use l3net::result::{Qc, Record};

use crate::common::{
    self, Running, StreamRecords, batch_args, batch_with, by_stream, data, ffmpeg, l3net, only,
    read, streams_in, wait_for,
};

/// A network that costs little: it does not matter here.
const CHEAP: &[&str] = &["--qc", "--crop", "center"];

/// What ffmpeg's filters say of a file. Ends are missing where a film ends with it.
#[derive(Debug, Default)]
struct Filters {
    black: Vec<(f64, Option<f64>)>,
    freeze: Vec<(f64, Option<f64>)>,
    silence: Vec<(f64, Option<f64>)>,
    /// From `ebur128`.
    integrated: Option<f64>,
    sample_peak: Option<f64>,
    true_peak: Option<f64>,
    /// From `ebur128`, and from `loudnorm`, whose meter is another.
    ranges: [Option<f64>; 2],
}

impl Filters {
    fn of(file: &Path, has_sound: bool) -> Self {
        let null = Path::new("-");
        let mut arguments = vec!["-vf", "blackdetect,freezedetect"];
        if has_sound {
            arguments.extend(["-af", "silencedetect,ebur128=peak=true+sample"]);
        }
        arguments.extend(["-f", "null"]);
        let mut filters = Self::default();
        let mut peak = "";
        for line in ffmpeg(&arguments, Some(file), null).lines() {
            filters.note(line);
            if line.contains("Sample peak:") || line.contains("True peak:") {
                peak = line.trim();
            }
            if let Some(value) = number(line, "    Peak:") {
                match peak {
                    "Sample peak:" => filters.sample_peak = Some(value),
                    _ => filters.true_peak = Some(value),
                }
            }
        }
        if has_sound {
            let arguments = ["-vn", "-af", "loudnorm=print_format=json", "-f", "null"];
            let said = ffmpeg(&arguments, Some(file), null);
            let after = said.split_once("\"input_lra\" : \"");
            let value = after.and_then(|(_, rest)| rest.split_once('"'));
            filters.ranges[1] = value.and_then(|(value, _)| value.parse().ok());
        }
        filters
    }

    fn note(&mut self, line: &str) {
        if let Some(start) = number(line, "black_start:") {
            self.black.push((start, number(line, "black_end:")));
        }
        if let Some(start) = number(line, "freeze_start:") {
            self.freeze.push((start, None));
        }
        if let (Some(end), Some(last)) = (number(line, "freeze_end:"), self.freeze.last_mut()) {
            last.1 = Some(end);
        }
        if let Some(start) = number(line, "silence_start:") {
            self.silence.push((start, None));
        }
        if let (Some(end), Some(last)) = (number(line, "silence_end:"), self.silence.last_mut()) {
            last.1 = Some(end);
        }
        // The summary; lines of single frames come before it.
        if let Some(value) = number(line, "    I:") {
            self.integrated = Some(value);
        }
        if let Some(value) = number(line, "    LRA:") {
            self.ranges[0] = Some(value);
        }
    }
}

/// The number after a name in a line.
fn number(line: &str, name: &str) -> Option<f64> {
    let rest = line.split_once(name)?.1.trim_start();
    rest.split_whitespace().next()?.parse().ok()
}

fn assert_same_stretches(found: &[Stretch], said: &[(f64, Option<f64>)], near: f64, case: &str) {
    assert_eq!(found.len(), said.len(), "{case}: {found:?}, not {said:?}");
    for (found, (start, end)) in found.iter().zip(said) {
        let case = format!("{case}: {found:?}, not {start} to {end:?}");
        assert!((found.start_s - start).abs() <= near, "{case}");
        if let Some(end) = end {
            assert!((found.end_s - end).abs() <= near, "{case}");
        }
        let length = found.end_s - found.start_s;
        assert!((found.duration_s - length).abs() < 2e-6, "{case}");
    }
}

fn assert_near(found: Option<f64>, said: Option<f64>, near: f64, case: &str) {
    match (found, said) {
        (Some(found), Some(said)) => {
            assert!((found - said).abs() <= near, "{case}: {found}, not {said}");
        }
        // Nothing over the gate, or digital silence.
        (None, Some(said)) => assert!(said <= -70.0 || said.is_infinite(), "{case}: {said}"),
        _ => assert_eq!(found, said, "{case}"),
    }
}

/// How exactly times of picture and sound can agree. ffmpeg counts from the first packet,
/// which in Opus lies 7 ms before the sound; of MP4 and MPEG decoders cut the first samples
/// differently.
fn nearness(file: &Path) -> (f64, f64) {
    match file.extension().and_then(|e| e.to_str()) {
        Some("mkv" | "avi" | "mov") => (0.001, 0.001),
        Some("webm") => (0.008, 0.01),
        _ => (0.001, 0.05),
    }
}

fn assert_as_ffmpeg(file: &Path, qc: &Qc) {
    let case = file.display().to_string();
    let said = Filters::of(file, qc.audio.is_some());
    let VideoReport {
        blackdetect,
        freezedetect,
        unreadable_frames,
        ..
    } = qc.video.as_ref().expect("a picture");
    assert_eq!(*unreadable_frames, 0, "{case}");
    let (near, near_of_sound) = nearness(file);
    assert_same_stretches(blackdetect, &said.black, near, &format!("{case}, black"));
    assert_same_stretches(freezedetect, &said.freeze, near, &format!("{case}, frozen"));
    let Some(AudioReport {
        silencedetect,
        ebur128,
        ..
    }) = &qc.audio
    else {
        return;
    };
    assert_same_stretches(
        silencedetect,
        &said.silence,
        near_of_sound,
        &format!("{case}, silent"),
    );
    let ours = ebur128.expect("a usual format");
    let of = |what: &str| format!("{case}, {what}: {ours:?}, {said:?}");
    assert_near(ours.integrated_lufs, said.integrated, 0.15, &of("I"));
    // ffmpeg resamples everything else before it measures.
    if qc.audio.as_ref().is_some_and(|a| a.sample_rate == 48_000) {
        let near = 0.15;
        assert_near(
            ours.sample_peak_dbfs,
            said.sample_peak,
            near,
            &of("sample peak"),
        );
    }
    assert_near(ours.true_peak_dbtp, said.true_peak, 0.4, &of("true peak"));
}

/// Bits of a film: black and frozen parts of over and under 2 s, a fade, the last one frozen.
const PICTURE: &[&str] = &[
    "testsrc2=s=160x120:r=25:d=1.6",
    "color=black:s=160x120:r=25:d=2.4",
    "testsrc2=s=160x120:r=25:d=1",
    "color=black:s=160x120:r=25:d=1.6",
    "smptebars=s=160x120:r=25:d=3.2",
    "testsrc2=s=160x120:r=25:d=2,fade=out:0:50",
    "mandelbrot=s=160x120:r=25,trim=duration=1",
    "testsrc=s=160x120:r=25:d=0.04,loop=70:1",
];

/// Bits of its sound: loud, silent for over 2 s, loud, silent for less, a tone below the
/// noise, loud, quiet. Pink noise, as interpolators differ near the highest frequency.
const SOUND: &[&str] = &[
    "sine=f=440:d=2",
    "anullsrc,atrim=duration=2.6",
    "anoisesrc=d=2:a=0.5:c=pink:seed=7",
    "anullsrc,atrim=duration=1.9",
    "sine=f=997:d=3,volume=0.004",
    "sine=f=300:d=2,volume=2",
    "anoisesrc=d=1.5:a=0.05:c=pink:seed=8",
];

/// Makes the film that the others are made of, with one channel.
fn base(folder: &Path) -> PathBuf {
    let file = folder.join("base.mkv");
    let mut graph = String::new();
    for (i, part) in PICTURE.iter().enumerate() {
        graph += &format!("{part},setsar=1,format=yuv420p[v{i}];");
    }
    let format = "aformat=sample_fmts=s16:sample_rates=48000:channel_layouts=mono";
    for (i, part) in SOUND.iter().enumerate() {
        graph += &format!("{part},{format}[a{i}];");
    }
    for (letter, count, more) in [('v', PICTURE.len(), ""), ('a', SOUND.len(), ":v=0:a=1")] {
        graph.extend((0..count).map(|i| format!("[{letter}{i}]")));
        graph += &format!("concat=n={count}{more}[{letter}];");
    }
    let graph = graph.trim_end_matches(';');
    let maps = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]"];
    let codecs = ["-c:v", "ffv1", "-c:a", "pcm_s16le"];
    ffmpeg(&[&maps[..], &codecs].concat(), None, &file);
    file
}

const STEREO: &str = "pan=stereo|c0=c0|c1=0.5*c0";

fn films(folder: &Path) -> Vec<PathBuf> {
    let surround = "pan=5.1|FL=c0|FR=0.7*c0|FC=0.5*c0|LFE=c0|BL=0.3*c0|BR=0.6*c0";
    let seven_one =
        "pan=7.1|FL=c0|FR=0.7*c0|FC=0.5*c0|LFE=c0|BL=0.3*c0|BR=0.6*c0|SL=0.4*c0|SR=0.2*c0";
    let base = base(folder);
    [
        (
            "stereo.mp4",
            STEREO,
            "libx264 -pix_fmt yuv420p -c:a aac -b:a 192k",
        ),
        ("mono.mkv", "anull", "ffv1 -pix_fmt yuv420p -c:a flac"),
        ("deep.mkv", surround, "ffv1 -pix_fmt yuv422p10le -c:a flac"),
        (
            "rgb.mkv",
            STEREO,
            "ffv1 -pix_fmt bgr0 -c:a pcm_f32le -ar 44100",
        ),
        (
            "full.avi",
            STEREO,
            "mjpeg -q:v 2 -pix_fmt yuvj422p -c:a pcm_s16le -ar 22050",
        ),
        (
            "packed.mov",
            STEREO,
            "rawvideo -pix_fmt uyvy422 -c:a pcm_s24le",
        ),
        ("many.avi", seven_one, "ffv1 -pix_fmt gray -c:a pcm_s16le"),
        ("webm.webm", STEREO, "libvpx -b:v 1M -c:a libopus"),
    ]
    .map(|(name, channels, codecs)| {
        let file = folder.join(name);
        let mut arguments = vec!["-af", channels, "-c:v"];
        arguments.extend(codecs.split_whitespace());
        ffmpeg(&arguments, Some(&base), &file);
        file
    })
    .to_vec()
}

fn the_one(records: &StreamRecords) -> &Qc {
    assert_eq!(records.measured.len(), 1, "{:?}", records.measured);
    &records.measured[0]
}

fn paths(files: &[PathBuf]) -> Vec<&Path> {
    files.iter().map(PathBuf::as_path).collect()
}

#[test]
fn films_with_faults_are_measured_as_ffmpeg_measures_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let films = films(dir.path());
    let out = dir.path().join("out.jsonl");
    let done = batch_with(&paths(&films), &out, CHEAP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let streams = streams_in(&out);
    for film in &films {
        let name = film.file_name().and_then(|n| n.to_str()).expect("text");
        let qc = the_one(&streams[name]);
        assert_as_ffmpeg(film, qc);
        // The faults that were made are there, whatever ffmpeg says.
        let video = qc.video.as_ref().expect("a picture");
        let audio = qc.audio.as_ref().expect("sound");
        let [black] = video.blackdetect[..] else {
            panic!("{name}: {video:?}")
        };
        assert!((black.start_s - 1.6).abs() < 0.05, "{name}: {black:?}");
        assert!((black.duration_s - 2.4).abs() < 0.05, "{name}: {black:?}");
        assert!(video.freezedetect.len() >= 3, "{name}: {video:?}");
        assert_eq!(audio.silencedetect.len(), 2, "{name}: {audio:?}");
        assert_eq!(qc.bytes, fs::metadata(film).ok().map(|m| m.len()), "{name}");
    }
    let channels = |name: &str| {
        let audio = the_one(&streams[name]).audio.as_ref().expect("sound");
        (audio.channels, audio.sample_rate)
    };
    assert_eq!(channels("mono.mkv"), (1, 48_000));
    assert_eq!(channels("deep.mkv"), (6, 48_000));
    assert_eq!(channels("rgb.mkv"), (2, 44_100));
    assert_eq!(channels("many.avi"), (8, 48_000));
}

#[test]
fn real_clips_are_measured_as_ffmpeg_measures_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = [
        "bento.mp4",
        "friday.mp4",
        "movie_5.mp4",
        "sample.avi",
        "grid_sbwe5n.mpg",
    ];
    let clips = clips.map(|name| data("clips").join(name));
    let made = [
        "still.mkv",
        "surround_5_1.mkv",
        "stereo_opposite.mkv",
        "rate_192k.mkv",
    ];
    let made = made.map(|name| data("made").join(name));
    let files: Vec<PathBuf> = clips.into_iter().chain(made).collect();
    let out = dir.path().join("out.jsonl");
    let done = batch_with(&paths(&files), &out, CHEAP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let streams = streams_in(&out);
    for file in &files {
        let name = file.file_name().and_then(|n| n.to_str()).expect("text");
        assert_as_ffmpeg(file, the_one(&streams[name]));
    }
}

#[test]
fn the_range_of_loudness_is_that_of_ffmpeg() {
    let dir = tempfile::tempdir().expect("a folder");
    let (film, out) = (dir.path().join("range.mkv"), dir.path().join("out.jsonl"));
    // A film is short for this, so it has two levels only.
    let graph = "testsrc2=s=64x48:r=5:d=40,format=yuv420p[v];\
        sine=f=997:d=20,volume=0.8[loud];sine=f=997:d=20,volume=0.2[quiet];\
        [loud][quiet]concat=n=2:v=0:a=1,aformat=sample_rates=48000[a]";
    let maps = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]"];
    let codecs = ["-c:v", "ffv1", "-c:a", "pcm_s16le"];
    ffmpeg(&[&maps[..], &codecs].concat(), None, &film);
    let done = batch_with(&[&film], &out, CHEAP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let records = only(streams_in(&out));
    let audio = the_one(&records).audio.as_ref().expect("sound");
    let ours = audio.ebur128.expect("a usual format").range_lu;
    for said in Filters::of(&film, true).ranges {
        assert_near(Some(ours), said, 0.2, "LRA");
    }
    assert!((ours - 12.04).abs() < 0.2, "{ours}");
}

#[test]
fn what_is_not_there_is_not_measured_and_told_as_null() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let files = [
        "odd/sample_audio_only.mp4",
        "odd/video_rotation_90.mp4",
        "made/text.mp4",
    ]
    .map(data);
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    for _ in 0..2 {
        // They fail, and are tried again.
        let done = batch_with(&files, &out, CHEAP);
        assert_eq!(done.code, Some(1), "{}", done.err);
    }
    let streams = streams_in(&out);
    let sound = the_one(&streams["sample_audio_only.mp4"]);
    assert!(sound.video.is_none() && sound.audio.is_some(), "{sound:?}");
    let picture = the_one(&streams["video_rotation_90.mp4"]);
    assert!(
        picture.video.is_some() && picture.audio.is_none(),
        "{picture:?}"
    );
    assert!(streams["text.mp4"].measured.is_empty());
}

#[test]
fn a_part_of_a_file_is_not_measured() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let clip = data("clips/bento.mp4");
    let done = batch_with(&[&clip], &out, &["--qc", "--seconds", "1"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(!out.exists());
}

/// So many moments that a run can be stopped between them.
const SLOW: &[&str] = &[
    "--qc",
    "--hop",
    "0.1",
    "--crop",
    "center",
    "--jobs",
    "2",
    "--threads",
    "1",
];

/// What was measured, by stream: once each.
fn measured(records: Vec<Record>) -> BTreeMap<String, Qc> {
    let mut all = BTreeMap::new();
    for record in records {
        if let Record::Qc(qc) = record {
            let twice = all.insert(qc.stream.to_string(), qc);
            assert!(twice.is_none(), "{twice:?} is there twice");
        }
    }
    all
}

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |b| b.iter().filter(|b| **b == b'\n').count())
}

#[test]
fn a_killed_run_is_resumed_and_each_file_is_measured_once_and_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = ["friday.mp4", "movie_5.mp4", "sample.avi", "bento.mp4"];
    let clips = clips.map(|name| data("clips").join(name)).to_vec();
    let unbroken = dir.path().join("unbroken.jsonl");
    let done = batch_with(&paths(&clips), &unbroken, SLOW);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let unbroken = measured(read(&unbroken));
    assert_eq!(unbroken.len(), clips.len());

    for (out, journal, beside) in [
        ("out.jsonl", "out.jsonl", "out.jsonl"),
        ("out.parquet", "out.parquet.part.jsonl", "out.qc.jsonl"),
    ] {
        let [out, journal, beside] = [out, journal, beside].map(|name| dir.path().join(name));
        for moments in [9, 45] {
            let running = Running::start(l3net(batch_args(&paths(&clips), &out, SLOW)));
            wait_for("some moments", || lines(&journal) >= moments);
            running.signal("KILL");
            assert_eq!(running.wait().code, None, "it was killed");
        }
        let before = measured(read(&beside)).len();
        assert!(before < clips.len(), "killed too late");
        let done = batch_with(&paths(&clips), &out, SLOW);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert_eq!(measured(read(&beside)), unbroken, "{}", out.display());

        // What is done is not touched again.
        let whole = [&out, &beside].map(|path| fs::read(path).expect("there"));
        let done = batch_with(&paths(&clips), &out, SLOW);
        assert!(done.err.contains("4 of 4 done already"), "{}", done.err);
        assert_eq!(
            [&out, &beside].map(|path| fs::read(path).expect("there")),
            whole
        );
    }
}

#[test]
fn files_that_were_finished_without_it_are_measured_and_not_judged_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = data("clips/movie_5.mp4");
    let out = dir.path().join("out.jsonl");
    assert_eq!(batch_with(&[&clip], &out, &CHEAP[1..]).code, Some(0));
    let before = fs::read_to_string(&out).expect("results");
    let done = batch_with(&[&clip], &out, CHEAP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let after = fs::read_to_string(&out).expect("results");
    let added = after.strip_prefix(&before).expect("nothing is changed");
    let added = only(by_stream(common::parse(added)));
    assert!(
        added.moments.is_empty() && added.summaries.is_empty(),
        "{added:?}"
    );
    the_one(&added);
    let done = batch_with(&[&clip], &out, CHEAP);
    assert!(done.err.contains("1 of 1 done already"), "{}", done.err);
}
