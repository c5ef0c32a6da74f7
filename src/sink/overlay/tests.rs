//! Videos that are made, and then read back as a player reads them.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use tempfile::TempDir;

use super::*;
use crate::cancel::CancelToken;
use crate::event::JudgedMoment;
use crate::picture::Picture;
use crate::sink::testing::judged;
use crate::time::SamplePos;

mod live;
mod store;

const MS: u64 = 1_000_000;

fn options() -> Options {
    Options {
        stream: "clip.mp4".into(),
        live: false,
        sound: true,
        hop: Hop::SECOND,
        cancel: CancelToken::default(),
    }
}

const PICTURES: &str = "video/x-raw,format=RGB";
const SOUND: &str = "audioresample ! audio/x-raw,format=F32LE,rate=48000,channels=1";

/// True if there is no stream of a kind: a player waits for it in vain.
fn lacks(path: &Path, caps: &str) -> bool {
    play(path, caps, 1).is_empty()
}

/// All buffers of a kind that a player gets: times in ms, and bytes.
fn play(path: &Path, caps: &str, timeout_s: u64) -> Vec<(u64, Vec<u8>)> {
    gst::init().unwrap();
    let convert = match caps.starts_with("video") {
        true => "videoconvert",
        false => "audioconvert",
    };
    let pipeline = gst::parse::launch(&format!(
        "filesrc location=\"{}\" ! decodebin ! {convert} ! {caps} ! \
         appsink name=sink sync=false",
        path.display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline.by_name("sink").unwrap();
    let sink = sink.downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut out = Vec::new();
    let timeout = gst::ClockTime::from_seconds(timeout_s);
    while let Some(sample) = sink.try_pull_sample(timeout) {
        let segment = sample.segment().unwrap().clone();
        let segment = segment.downcast::<gst::ClockTime>().unwrap();
        let buffer = sample.buffer().unwrap();
        let at = segment.to_running_time(buffer.pts().unwrap());
        let bytes = buffer.map_readable().unwrap().to_vec();
        out.push((at.map_or(0, |t| t.mseconds()), bytes));
    }
    let failed = pipeline.bus().unwrap();
    let failed = failed.pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(failed.is_none() || out.is_empty(), "{failed:?}");
    out
}

fn pictures(path: &Path) -> Vec<(u64, Vec<u8>)> {
    play(path, PICTURES, 20)
}

/// The sound as one, mono at 48 kHz, from the time of its first sample (ms).
fn sound(path: &Path) -> (u64, Vec<f32>) {
    let blocks = play(path, SOUND, 20);
    let start = blocks.first().map_or(0, |b| b.0);
    let bytes: Vec<u8> = blocks.into_iter().flat_map(|b| b.1).collect();
    let pcm = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (start, pcm.collect())
}

/// A second of frames at a rate, and of sound: a tone in every odd second.
fn second(sender: &OverlaySender, second: u64, fps: u64, width: u32, height: u32) {
    for i in 0..fps {
        let at = MediaTime(second * 1000 * MS + i * 1_000_000_000 / fps);
        let frame = Box::new(Picture::filled(width, height, [90; 3]));
        assert_eq!(sender.frame(at, frame), Delivery::Taken);
    }
    tone(sender, second);
}

fn tone(sender: &OverlaySender, second: u64) {
    let loud = if second % 2 == 1 { 0.5 } else { 0.0 };
    for block in 0..10 {
        let start = second * 48_000 + block * 4800;
        let pcm = (start..start + 4800)
            .map(|i| (i as f32 * 0.1).sin() * loud)
            .collect();
        let at = SamplePos(start).to_time();
        assert_eq!(sender.sound(at, pcm, 1), Delivery::Taken);
    }
}

fn verdict(second: u64, correspondence: f32) -> JudgedMoment {
    judged(
        "clip.mp4",
        second,
        Picture::filled(2, 2, [0; 3]),
        correspondence,
    )
}

/// Red less blue, in the middle of the glow: cell (4, 12) of 9 × 16.
fn warmth(rgb: &[u8], width: usize, height: usize) -> i32 {
    let stride = (width * 3).next_multiple_of(4);
    let at = height / 2 * stride + width * 25 / 32 * 3;
    i32::from(rgb[at]) - i32::from(rgb[at + 2])
}

fn make_and_check(name: &str) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    let overlay = Overlay::create(&path, options()).unwrap();
    let sender = overlay.sender();
    for s in 0..4 {
        second(&sender, s, 25, 640, 360);
        match s {
            0 => sender.verdict(&verdict(0, 0.95)),
            1 => sender.verdict(&verdict(1, 0.3)),
            2 => sender.gap(
                MediaTime(2000 * MS),
                MediaTime(3000 * MS),
                GapReason::NoAudio,
            ),
            _ => sender.verdict(&verdict(3, 0.9)),
        };
    }
    let report = overlay.finish().unwrap();
    assert_eq!((report.frames, report.late, report.dropped), (100, 0, 0));

    let frames = pictures(&path);
    let times: Vec<u64> = frames.iter().map(|f| f.0).collect();
    assert_eq!(times, (0..100).map(|i| i * 40).collect::<Vec<_>>());
    for (at, rgb) in &frames {
        let warmth = warmth(rgb, 640, 360);
        match at / 1000 {
            0 | 3 => assert!(warmth > 80, "no glow at {at} ms: {warmth}"),
            _ => assert!(warmth.abs() < 10, "glow at {at} ms: {warmth}"),
        }
    }
    let (start, pcm) = sound(&path);
    assert!(start < 50, "the sound starts at {start} ms");
    let length_ms = pcm.len() as u64 / 48;
    assert!(
        (3950..=4060).contains(&length_ms),
        "{length_ms} ms of sound"
    );
    let onset = pcm.iter().position(|v| v.abs() > 0.2).unwrap() as u64 / 48 + start;
    assert!(
        (985..=1025).contains(&onset),
        "the tone starts at {onset} ms"
    );
}

#[test]
fn a_matroska_shows_each_second_its_own_judgement_and_keeps_the_sound() {
    make_and_check("out.mkv");
}

#[test]
fn an_mp4_shows_each_second_its_own_judgement_and_keeps_the_sound() {
    make_and_check("out.mp4");
}

#[test]
fn times_of_a_variable_frame_rate_stay() {
    let dir = TempDir::new().unwrap();
    for name in ["out.mkv", "out.mp4"] {
        let path = dir.path().join(name);
        let without = Options {
            sound: false,
            ..options()
        };
        let overlay = Overlay::create(&path, without).unwrap();
        let times = [0, 33, 40, 500, 510, 1900, 1990, 2100];
        for at in times {
            let frame = Box::new(Picture::filled(320, 180, [at as u8; 3]));
            overlay.sender().frame(MediaTime(at * MS), frame);
        }
        overlay.sender().verdict(&verdict(0, 0.95));
        assert_eq!(overlay.finish().unwrap().frames, 8);
        let played: Vec<u64> = pictures(&path).iter().map(|f| f.0).collect();
        assert_eq!(played, times, "{name}");
        assert!(lacks(&path, SOUND));
    }
}

#[test]
fn a_stream_without_sound_ends_with_a_silent_track() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.mkv");
    let overlay = Overlay::create(&path, options()).unwrap();
    for i in 0..60 {
        let frame = Box::new(Picture::filled(320, 180, [90; 3]));
        overlay.sender().frame(MediaTime(i * 50 * MS), frame);
    }
    let (start, end) = (MediaTime(0), MediaTime(3000 * MS));
    overlay.sender().gap(start, end, GapReason::NoAudio);
    assert_eq!(overlay.finish().unwrap().frames, 60);
    assert_eq!(pictures(&path).len(), 60);
    let (_, pcm) = sound(&path);
    assert!(pcm.len() > 2 * 48_000 && pcm.iter().all(|v| v.abs() < 1e-3));
}

#[test]
fn a_stream_without_picture_becomes_a_file_with_sound_only() {
    let dir = TempDir::new().unwrap();
    for (name, seconds) in [("short.mkv", 2), ("long.mp4", 12)] {
        let path = dir.path().join(name);
        let overlay = Overlay::create(&path, options()).unwrap();
        (0..seconds).for_each(|s| tone(&overlay.sender(), s));
        let report = overlay.finish().unwrap();
        assert_eq!((report.frames, report.written), (0, true));
        let length_ms = sound(&path).1.len() as u64 / 48;
        assert!(
            length_ms.abs_diff(seconds * 1000) < 60,
            "{name}: {length_ms} ms"
        );
        assert!(lacks(&path, PICTURES));
    }
}

#[test]
fn a_stream_without_anything_leaves_no_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.mkv");
    let overlay = Overlay::create(&path, options()).unwrap();
    assert_eq!(overlay.finish().unwrap(), Report::default());
    assert!(!path.exists());
}

#[test]
fn sizes_may_be_odd_tiny_and_change() {
    let dir = TempDir::new().unwrap();
    for (i, sizes) in [
        [(2, 2), (2, 2)],
        [(351, 287), (640, 480)],
        [(90, 400), (1, 1)],
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.path().join(format!("{i}.mp4"));
        let overlay = Overlay::create(&path, options()).unwrap();
        for (s, (width, height)) in (0..).zip(sizes) {
            second(&overlay.sender(), s, 10, width, height);
            overlay.sender().verdict(&verdict(s, 0.9));
        }
        assert_eq!(overlay.finish().unwrap().frames, 20);
        assert_eq!(pictures(&path).len(), 20, "{sizes:?}");
    }
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("folder.mkv")).unwrap();
    let cases = [
        ("out.avi", "should end in .mkv or .mp4"),
        ("folder.mkv", "name a file in it"),
        ("no/such/out.mkv", "make the folder first"),
    ];
    for (name, step) in cases {
        let said = Overlay::create(&dir.path().join(name), options())
            .err()
            .unwrap();
        let said = said.to_string();
        assert!(said.contains(name) && said.contains(step), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_video_and_is_named() {
    let dir = TempDir::new().unwrap();
    for name in ["full.mkv", "full.mp4"] {
        let path = dir.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let overlay = Overlay::create(&path, options()).unwrap();
        let sender = overlay.sender();
        let mut delivery = Delivery::Taken;
        for i in 0..20_000 {
            let frame = Box::new(Picture::filled(320, 180, [(i % 251) as u8; 3]));
            let at = MediaTime(i * 40 * MS);
            delivery = sender.frame(at, frame);
            sender.gap(at, MediaTime(at.0 + 40 * MS), GapReason::NoAudio);
            if delivery == Delivery::Gone {
                break;
            }
        }
        assert_eq!(delivery, Delivery::Gone);
        let said = overlay.finish().unwrap_err().to_string();
        assert!(
            said.contains(name) && said.contains("free some space"),
            "{said}"
        );
        assert!(!said.contains('\n'), "{said}");
    }
}
