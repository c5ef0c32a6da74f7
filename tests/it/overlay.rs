//! Pictures and videos for people, from a real clip.

use std::path::Path;

use crate::common::{self, batch, batch_with, data, only, streams_in};

fn png_size(path: &Path) -> (u32, u32) {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let picture = image::load(std::io::BufReader::new(file), image::ImageFormat::Png)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (picture.width(), picture.height())
}

/// The video is fed to the program again: it has to give the same seconds.
fn judge_again(video: &Path, dir: &Path) -> common::StreamRecords {
    let out = dir.join("again.jsonl");
    let done = batch(&[video], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    only(streams_in(&out))
}

#[test]
fn heatmaps_and_a_video_that_plays_come_of_a_clip() {
    let dir = tempfile::tempdir().expect("a folder");
    let (out, maps) = (dir.path().join("out.jsonl"), dir.path().join("maps"));
    let video = dir.path().join("overlay.mkv");
    let text = |p: &Path| p.to_str().expect("text").to_owned();
    let more = ["--heatmaps", &text(&maps), "--overlay", &text(&video)];
    let done = batch_with(&[&data("clips/friday.mp4")], &out, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);

    let records = only(streams_in(&out));
    assert_eq!(records.moments.len(), 6);
    for moment in &records.moments {
        let name = moment.heatmap.file.as_ref().expect("a picture is named");
        assert_eq!(*name, format!("friday.mp4/{:06}.png", moment.seq));
        assert_eq!(png_size(&maps.join(name)), (640, 480));
        let sound = moment.sound_heatmap.file.as_ref().expect("one of sound");
        let (width, height) = png_size(&maps.join(sound));
        assert!(width > 100 && height > 100, "{width} × {height}");
    }
    let files = std::fs::read_dir(maps.join("friday.mp4")).expect("a folder");
    assert_eq!(files.count(), 12, "no half pictures are left");

    let again = judge_again(&video, dir.path());
    assert_eq!(again.moments.len(), 6, "sound and picture are both whole");
    let (length, was) = (again.summaries[0].seconds, records.summaries[0].seconds);
    assert!((length - was).abs() <= 0.1, "{length} s, not {was} s");
    for (a, b) in again.moments.iter().zip(&records.moments) {
        assert_eq!((a.video.width, a.video.height), (640, 480));
        let off = a.audio.rms_dbfs - b.audio.rms_dbfs;
        assert!(off.abs() < 1.0, "the sound is {off} dB off");
    }
}

#[test]
fn each_of_several_sources_has_a_video() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let video = dir.path().join("all.mkv");
    let clips = [data("made/whole_3s_flac.mkv"), data("clips/bento.mp4")];
    let done = batch_with(
        &[&clips[0], &clips[1]],
        &out,
        &["--overlay", video.to_str().expect("text")],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!video.exists());
    let first = dir.path().join("all-whole_3s_flac.mkv.mkv");
    assert_eq!(judge_again(&first, dir.path()).moments.len(), 3);
    assert!(dir.path().join("all-bento.mp4.mkv").exists());
}

/// All sources with a video that cannot be made, in two ways, between others.
#[cfg(target_os = "linux")]
#[test]
fn a_video_that_fails_takes_nothing_from_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let clips = [
        data("made/whole_3s_flac.mkv"),
        data("clips/bento.mp4"),
        data("clips/friday.mp4"),
    ];
    let place = |clip: &str| dir.path().join(format!("all-{clip}.mkv"));
    std::os::unix::fs::symlink("/dev/full", place("bento.mp4")).expect("a link");
    std::fs::create_dir(place("friday.mp4")).expect("a folder");
    let video = dir.path().join("all.mkv");
    let clips = clips.each_ref().map(|clip| clip.as_path());
    let more = ["--overlay", video.to_str().expect("text")];
    let done = batch_with(&clips, &out, &more);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let streams = streams_in(&out);
    for (clip, moments) in [
        ("whole_3s_flac.mkv", 3),
        ("bento.mp4", 1),
        ("friday.mp4", 6),
    ] {
        let records = &streams[clip];
        assert_eq!(records.moments.len(), moments, "{clip}");
        assert_eq!(
            (records.summaries.len(), records.errors.len()),
            (1, 0),
            "{clip}"
        );
    }
    for clip in ["bento.mp4", "friday.mp4"] {
        let named = done
            .err
            .lines()
            .filter(|l| l.contains(&format!("all-{clip}.mkv")));
        assert_eq!(named.count(), 1, "{clip} in:\n{}", done.err);
    }
    let good = judge_again(&place("whole_3s_flac.mkv"), dir.path());
    assert_eq!(good.moments.len(), 3);

    // What was judged is not judged again for the sake of a video.
    let done = batch_with(&clips, &out, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("3 of 3 done already"), "{}", done.err);
}

#[test]
fn a_resumed_run_names_its_videos_as_the_first_one_did() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let video = dir.path().join("all.mkv");
    let clips = [data("made/whole_3s_flac.mkv"), data("clips/bento.mp4")];
    assert_eq!(batch(&[&clips[0]], &out).code, Some(0));
    let more = ["--overlay", video.to_str().expect("text")];
    let done = batch_with(&[&clips[0], &clips[1]], &out, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!video.exists());
    assert!(dir.path().join("all-bento.mp4.mkv").exists());
}
