//! Real media through the whole program, held against what an independent
//! decoder says of it (`tests/data/expected_media.json`, whose notes give the
//! tolerances).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::common::{StreamRecords, batch, batch_with, data, only, shared, skipped, streams_in};
use serde_json::Value;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

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

fn int(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("a number: {value}"))
}

fn is_lossless(codec: &str) -> bool {
    codec == "flac" || codec.starts_with("pcm")
}

/// Holds one file's records against what is expected of it.
fn compare(complaints: &mut Complaints, file: &str, told: &StreamRecords, expected: &Value) {
    let mut check = |holds, what: String| complaints.check(holds, file, what);

    // Where GStreamer sees a file otherwise, the data say by how much.
    let differs = &expected["gstreamer_says"];
    let moments = differs.get("moments").unwrap_or(&expected["moments"]);
    let shift = differs.get("frame_shift_ns").map_or(0, int);

    check(
        told.moments.len() as i64 == int(moments),
        format!("{} moments, not {moments}", told.moments.len()),
    );
    let fails = expected["fails"].as_str().or(expected["why_none"].as_str());
    check(
        told.errors.len() == usize::from(fails.is_some()),
        format!("expected to fail: {fails:?}; errors: {:?}", told.errors),
    );
    if let Some(why) = expected["why_none"].as_str() {
        check(
            told.gaps.len() == 1 && told.gaps[0].why.name() == why,
            format!("not one gap {why}: {:?}", told.gaps),
        );
    }
    let no_video: u64 = told
        .gaps
        .iter()
        .filter(|g| g.why.name() == "no_video")
        .map(|g| g.lost)
        .sum();
    let windows = expected["windows"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let without_frame = windows.iter().filter(|w| w["frame_inside"] == false);
    check(
        no_video == without_frame.count() as u64,
        format!("{no_video} windows without a picture"),
    );

    let codec = expected["audio"]["codec"].as_str().unwrap_or_default();
    let (start_tolerance, rms_tolerance) = if is_lossless(codec) {
        (MS, 0.2)
    } else {
        (25 * MS, 0.5)
    };
    let pts: Vec<i64> = expected["video"]["pts_ns"]
        .as_array()
        .map_or_else(Vec::new, |p| p.iter().map(|t| int(t) + shift).collect());
    let shown = &expected["video"]["shown"];

    let inside = windows.iter().filter(|w| w["frame_inside"] == true);
    for (i, (moment, window)) in told.moments.iter().zip(inside).enumerate() {
        check(moment.seq == i as u64, format!("seq {} at {i}", moment.seq));
        let (start, frame) = (moment.start_ns.0 as i64, moment.frame_ns.0 as i64);
        let off = start - int(&window["start_ns"]);
        check(
            off.abs() <= start_tolerance,
            format!("moment {i} starts {off} ns off"),
        );
        check(
            moment.end_ns.0 as i64 == start + SECOND,
            format!("moment {i} is no second long"),
        );
        // The nearest picture there is; codecs' priming moves the middle.
        let middle = start + SECOND / 2;
        let best = pts.iter().map(|p| (p - middle).abs()).min().unwrap_or(0);
        let is_one = pts.iter().any(|p| (p - frame).abs() <= 2 * MS);
        check(
            is_one && (frame - middle).abs() <= best + 2 * MS,
            format!("moment {i}: the frame at {frame} is not the nearest to {middle}"),
        );
        let rms = f64::from(moment.audio.rms_dbfs);
        let off = rms - window["rms_dbfs"].as_f64().unwrap_or(f64::NAN);
        check(
            off.abs() <= rms_tolerance,
            format!("moment {i}: level off by {off} dB"),
        );
        check(
            moment.audio.silent == (rms < -70.0),
            format!("moment {i}: silent at {rms} dB"),
        );
        check(
            moment.padded == (window["padded"] == true),
            format!("moment {i}: padded {}", moment.padded),
        );
        check(
            *shown == serde_json::json!([moment.video.width, moment.video.height]),
            format!("shown as {:?}, not {shown}", moment.video),
        );
        check(
            moment.utc.is_none(),
            format!("moment {i} of a file has a time of day"),
        );
        let p = moment.correspondence;
        check(
            (0.0..=1.0).contains(&p),
            format!("moment {i}: correspondence {p}"),
        );
    }
    whole(told, check);
}

/// What holds of the records of any finished file.
fn whole(told: &StreamRecords, mut check: impl FnMut(bool, String)) {
    let seqs: Vec<u64> = told.moments.iter().map(|m| m.seq).collect();
    check(
        seqs.iter().copied().eq(0..seqs.len() as u64),
        format!("holes in seq: {seqs:?}"),
    );
    let mut spans: Vec<(u64, u64)> = told
        .moments
        .iter()
        .map(|m| (m.start_ns.0, m.end_ns.0))
        .chain(told.gaps.iter().map(|g| (g.start_ns.0, g.end_ns.0)))
        .collect();
    spans.sort_unstable();
    for pair in spans.windows(2) {
        // Under 20 ms is smoothed over.
        let between = pair[1].0 as i64 - pair[0].1 as i64;
        check(
            between.abs() <= 20 * MS,
            format!("moments and gaps do not follow each other: {pair:?}"),
        );
    }
    check(
        told.summaries.len() == 1,
        format!("{} summaries", told.summaries.len()),
    );
    for summary in &told.summaries {
        check(
            summary.moments == told.moments.len() as u64 && summary.gaps == told.gaps.len() as u64,
            format!("the summary is of something else: {summary:?}"),
        );
        let sum: f64 = told
            .moments
            .iter()
            .map(|m| f64::from(m.correspondence))
            .sum();
        let mean = (!told.moments.is_empty()).then(|| sum / told.moments.len() as f64);
        let said = summary.mean_correspondence.map(f64::from);
        check(
            match (mean, said) {
                (Some(mean), Some(said)) => (mean - said).abs() < 1e-4,
                (mean, said) => mean.is_none() && said.is_none(),
            },
            format!("mean {said:?}, not {mean:?}"),
        );
        let last = told.moments.iter().filter(|m| !m.padded).map(|m| m.end_ns);
        let last = last.max().map_or(0.0, |t| t.as_secs_f64());
        check(
            summary.seconds >= last - 0.03,
            format!("{} s long, but judged to {last} s", summary.seconds),
        );
    }
}

#[test]
fn every_file_is_judged_as_another_decoder_sees_it() {
    let text = std::fs::read_to_string(data("expected_media.json")).expect("in the repo");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let expected = expected["files"].as_object().expect("an object");
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");

    let done = batch(&[&data("")], &out);
    assert_eq!(done.code, Some(1), "some files are broken:\n{}", done.err);
    assert_eq!(done.out, "", "results go to OUT alone");

    let streams = streams_in(&out);
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    let mut wanted = names(expected.keys().collect());
    wanted.sort();
    assert_eq!(names(streams.keys().collect()), wanted);

    let mut complaints = Complaints::default();
    for (file, expected) in expected {
        let told = &streams[file];
        compare(&mut complaints, file, told, expected);
        // People read the same on stderr, in one line.
        for error in &told.errors {
            let line = format!("l3net: {file}: {}", error.error);
            let named = done.err.lines().any(|l| l == line);
            complaints.check(named, file, format!("not on stderr: {line}"));
        }
    }
    assert!(complaints.0.is_empty(), "{}", complaints.0);
}

/// Length in seconds of each file of a manifest, from a program that is not ours.
fn lengths(manifest: &str) -> BTreeMap<String, f64> {
    let mut lines = manifest.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |name| header.iter().position(|h| *h == name).expect("a column");
    // Both stand before the columns that may have commas in quotes.
    let (file, length) = (column("file"), column("duration_s"));
    lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[file].to_owned(), cells[length].parse().expect("s")))
        .collect()
}

#[test]
fn a_clip_of_n_whole_seconds_gives_n_moments() {
    let Some(clips) = shared("data/clips") else {
        return skipped(
            "a_clip_of_n_whole_seconds_gives_n_moments",
            "no ../shared/data/clips here",
        );
    };
    let manifest = std::fs::read_to_string(clips.join("manifest.csv")).expect("a manifest");
    let mut lengths = lengths(&manifest);
    // Its manifest's length is that of the subtitles.
    lengths.insert("nasa_13013.mp4".to_owned(), 13.06);
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    // The 5 minutes are for benches.
    let sources: Vec<_> = lengths
        .iter()
        .filter(|(_, s)| **s < 60.0)
        .map(|(file, _)| clips.join(file))
        .collect();
    let sources: Vec<_> = sources.iter().map(std::path::PathBuf::as_path).collect();
    assert!(sources.len() > 10);
    // The moments are counted; in the middle of the picture each is cheaper.
    let done = batch_with(&sources, &out, &["--crop", "center"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let mut complaints = Complaints::default();
    let streams = streams_in(&out);
    assert_eq!(streams.len(), sources.len());
    for (file, told) in streams {
        whole(&told, |holds, what| complaints.check(holds, &file, what));
        let lost: u64 = told.gaps.iter().map(|g| g.lost).sum();
        let (got, length) = (told.moments.len() as u64 + lost, lengths[&file]);
        // The length is that of the longer of sound and picture: where the sound
        // is a little shorter, its last part is told as a gap.
        let n = length.floor() as u64;
        complaints.check(
            got == n || (length.fract() < 0.05 && got + 1 == n),
            &file,
            format!(
                "{length} s give {} moments, {lost} lost",
                told.moments.len()
            ),
        );
    }
    assert!(complaints.0.is_empty(), "{}", complaints.0);
}

#[test]
fn odd_files_end_well_or_with_a_reason() {
    let Some(odd) = shared("data/odd") else {
        return skipped(
            "odd_files_end_well_or_with_a_reason",
            "no ../shared/data/odd here",
        );
    };
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    // Some of them are minutes long; the first seconds are odd enough.
    let done = batch_with(&[&odd], &out, &["--seconds", "10"]);
    assert_eq!(done.code, Some(1), "some files are broken:\n{}", done.err);
    let files = std::fs::read_dir(&odd).expect("a folder").flatten();
    let media = files.filter(|f| f.path().extension().is_some_and(|e| e != "csv"));
    let streams = streams_in(&out);
    assert_eq!(streams.len(), media.count());
    let mut complaints = Complaints::default();
    for (file, told) in streams {
        whole(&told, |holds, what| complaints.check(holds, &file, what));
        complaints.check(
            !(told.moments.is_empty() && told.errors.is_empty()),
            &file,
            "neither a moment nor a reason",
        );
        for error in &told.errors {
            let one_line = !error.error.is_empty() && !error.error.contains('\n');
            complaints.check(one_line, &file, format!("{:?}", error.error));
        }
    }
    assert!(complaints.0.is_empty(), "{}", complaints.0);
}

#[test]
fn tracks_are_chosen_by_number() {
    let dir = tempfile::tempdir().expect("a folder");
    let film = data("made/two_sounds.mkv");
    for (number, level) in [("1", -6.02), ("2", -0.92)] {
        let out = dir.path().join(format!("{number}.jsonl"));
        let done = batch_with(&[&film], &out, &["--audio-track", number]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(
            !done.err.contains("tracks"),
            "it was asked for: {}",
            done.err
        );
        let told = only(streams_in(&out));
        let off = told.moments[0].audio.rms_dbfs - level;
        assert!(
            off.abs() < 0.2,
            "track {number}: {:?}",
            told.moments[0].audio
        );
    }
    let out = dir.path().join("3.jsonl");
    let done = batch_with(&[&film], &out, &["--audio-track", "3"]);
    assert_eq!(done.code, Some(1));
    let told = only(streams_in(&out));
    assert_eq!(
        told.errors[0].error,
        "no audio track 3: there are 2, counted from 1"
    );
}

#[test]
fn several_tracks_are_told_once_with_what_was_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    let cases = [
        (
            "two_sounds.mkv",
            "2 audio tracks: taken is 1, flagged default",
        ),
        (
            "second_default.mp4",
            "2 audio tracks: taken is 2, flagged default",
        ),
        (
            "four_microphones.mov",
            "4 audio tracks: taken is 2, 3, mixed",
        ),
        (
            "silent_first.mkv",
            "2 audio tracks: taken is 2, the first that is heard",
        ),
        (
            "commentary_first.mkv",
            "2 audio tracks: taken is 2, the first that is heard and no commentary",
        ),
        (
            "commentary_flag.matroska",
            "2 audio tracks: taken is 2, the first that is heard and no commentary",
        ),
        (
            "cover_first.mkv",
            "2 video tracks: taken is 2, flagged default",
        ),
    ];
    for (file, word) in cases {
        let out = dir.path().join(file).with_extension("jsonl");
        let done = batch(&[&data("made").join(file)], &out);
        let line = format!("{file}: {word}");
        assert_eq!(done.err.matches(&line).count(), 1, "{line}: {}", done.err);
    }
}
