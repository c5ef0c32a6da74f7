//! Colours and contents of the pictures that the program writes, from clips whose
//! every pixel is known.
//!
//! What it writes is read by code that is not its own: the `image` crate, and
//! GStreamer's conversion to RGB. A model whose answer is fixed decides whether
//! anything glows.

use std::path::{Path, PathBuf};

use gstreamer::prelude::*;
use image::{Rgb, RgbImage};
use l3net::corpus::Split;
use l3net::features::Crop;
use l3net::net::{Conv1Stride, StoreAs, Variant, Weights};
use l3net::picture::Picture;
use l3net::result::Verdict;
use l3net::synth::{Renderer, SynthCorpus, SynthSettings};

use crate::common::{batch_with, only, run, streams_in};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
/// The quarters of the clip's picture, row by row. Another colour each when any two of
/// red, green and blue are exchanged.
const QUARTERS: [[u8; 3]; 4] = [[200, 30, 60], [30, 170, 80], [50, 40, 190], [230, 150, 20]];
/// Rows above the caption.
const ABOVE_CAPTION: u32 = 200;
/// A tone that lies in the middle of a bin of the spectrogram.
const TONE_HZ: f64 = 6000.0;
const TONE_BIN: u32 = 64;

/// Runs a pipeline to its end.
fn launch(description: &str) {
    gstreamer::init().expect("GStreamer starts");
    let pipeline = gstreamer::parse::launch(description).expect("a pipeline");
    let bus = pipeline.bus().expect("pipelines have one");
    pipeline
        .set_state(gstreamer::State::Playing)
        .expect("it starts");
    let ends = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = bus.timed_pop_filtered(gstreamer::ClockTime::from_seconds(60), &ends);
    pipeline
        .set_state(gstreamer::State::Null)
        .expect("it stops");
    match end.as_ref().map(|message| message.view()) {
        Some(gstreamer::MessageView::Eos(_)) => {}
        other => panic!("{description}: {other:?}"),
    }
}

/// Two seconds of the four colours and a tone.
fn clip(folder: &Path, name: &str, coding: &str) -> PathBuf {
    let still = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let quarter = 2 * (y >= HEIGHT / 2) as usize + (x >= WIDTH / 2) as usize;
        Rgb(QUARTERS[quarter])
    });
    let png = folder.join("still.png");
    still.save(&png).expect("a picture");
    let file = folder.join(name);
    launch(&format!(
        "multifilesrc location={png} num-buffers=20 caps=image/png,framerate=10/1 ! pngdec \
         ! videoconvert ! {coding} ! matroskamux name=file ! filesink location={file} \
         audiotestsrc num-buffers=20 samplesperbuffer=4800 freq={TONE_HZ} volume=0.8 \
         ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! file.",
        png = png.display(),
        file = file.display(),
    ));
    file
}

/// A model that says yes to everything, or no.
fn model(folder: &Path, corresponds: bool) -> PathBuf {
    let random = Weights::random(1, Conv1Stride::Two);
    let mut tensors: std::collections::BTreeMap<_, _> = Variant::PAPER
        .layout()
        .into_iter()
        .map(|slot| (slot.name.clone(), random.tensor(&slot.name).to_vec()))
        .collect();
    let yes = if corresponds { 1000.0 } else { -1000.0 };
    tensors.insert("fusion.fc2.bias".to_owned(), vec![-yes, yes]);
    let file = folder.join(format!("says_{corresponds}.safetensors"));
    Weights::trained(Variant::PAPER, tensors, [].into())
        .write(&file, StoreAs::F16)
        .expect("written");
    file
}

/// `l3net batch --heatmaps` on a clip, with a model that says yes or no.
fn heatmaps(folder: &Path, clip: &Path, corresponds: bool) -> (Vec<Verdict>, PathBuf) {
    cropped_heatmaps(folder, clip, corresponds, "full")
}

fn cropped_heatmaps(
    folder: &Path,
    clip: &Path,
    corresponds: bool,
    crop: &str,
) -> (Vec<Verdict>, PathBuf) {
    let maps = folder.join(format!("maps_{crop}_{corresponds}"));
    let out = folder.join(format!("out_{crop}_{corresponds}.jsonl"));
    let model = model(folder, corresponds);
    let (maps_arg, model) = (text(&maps), text(&model));
    let more = ["--heatmaps", maps_arg, "--model", model, "--crop", crop];
    let done = batch_with(&[clip], &out, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    (only(streams_in(&out)).moments, maps)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn open(path: &Path) -> RgbImage {
    let picture = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(picture.color(), image::ColorType::Rgb8, "{path:?}");
    picture.into_rgb8()
}

fn off(a: Rgb<u8>, b: [u8; 3]) -> u8 {
    let off = a.0.iter().zip(b).map(|(a, b)| a.abs_diff(b));
    off.max().expect("three channels")
}

/// Every pixel above the caption has the colour of its quarter, but for those on the
/// borders, where coding smears.
fn assert_quarters(picture: &RgbImage, tolerance: u8, what: &str) {
    assert_eq!(picture.dimensions(), (WIDTH, HEIGHT), "{what}");
    for (x, y, &pixel) in picture.enumerate_pixels() {
        let near = |a: u32, border: u32| a.abs_diff(border) <= 16;
        if y >= ABOVE_CAPTION || near(x, WIDTH / 2) || near(y, HEIGHT / 2) {
            continue;
        }
        let quarter = 2 * (y > HEIGHT / 2) as usize + (x > WIDTH / 2) as usize;
        let expected = QUARTERS[quarter];
        assert!(
            off(pixel, expected) <= tolerance,
            "{what}: {pixel:?} at {x}, {y}, not {expected:?}"
        );
    }
}

/// The frames of a video as GStreamer decodes them.
fn frames(video: &Path) -> Vec<RgbImage> {
    let folder = tempfile::tempdir().expect("a folder");
    let pattern = folder.path().join("%05d.png");
    launch(&format!(
        "filesrc location={} ! decodebin name=file \
         file. ! queue ! videoconvert ! video/x-raw,format=RGB ! pngenc compression-level=1 \
         ! multifilesink location={} \
         file. ! queue ! audioconvert ! fakesink",
        video.display(),
        pattern.display()
    ));
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| open(file)).collect()
}

#[test]
fn a_frame_keeps_its_colours_from_decoder_to_picture() {
    let dir = tempfile::tempdir().expect("a folder");
    // Whatever order of bytes and whatever subsampling the decoder gives.
    for (name, coding, tolerance) in [
        ("rgb.mkv", "video/x-raw,format=RGB", 0),
        ("bgr.mkv", "video/x-raw,format=BGR", 0),
        ("i420.mkv", "video/x-raw,format=I420", 10),
        ("jpeg.mkv", "jpegenc quality=95", 10),
        (
            "vp8.mkv",
            "vp8enc deadline=1 min-quantizer=0 max-quantizer=4",
            12,
        ),
    ] {
        let folder = dir.path().join(name.replace('.', "_"));
        std::fs::create_dir(&folder).expect("made");
        let clip = clip(&folder, name, coding);
        let (moments, maps) = heatmaps(&folder, &clip, false);
        assert_eq!(moments.len(), 2, "{name}");
        for moment in &moments {
            assert_eq!(moment.correspondence, 0.0, "{name}");
            let file = moment.heatmap.file.as_deref().expect("a picture");
            assert_quarters(&open(&maps.join(file)), tolerance, name);
        }
    }
}

#[test]
fn the_glow_is_hot_at_the_peak_of_the_record_and_the_sound_shows_its_tone() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = clip(dir.path(), "clip.mkv", "video/x-raw,format=RGB");
    let (dark, dark_maps) = heatmaps(dir.path(), &clip, false);
    let (lit, lit_maps) = heatmaps(dir.path(), &clip, true);
    let file = |maps: &Path, name: &Option<String>| open(&maps.join(name.as_ref().expect("one")));

    let plain = file(&dark_maps, &dark[0].heatmap.file);
    let glowing = file(&lit_maps, &lit[0].heatmap.file);
    assert_eq!(lit[0].correspondence, 1.0);
    assert_eq!(glowing.dimensions(), (WIDTH, HEIGHT));
    let [x, y] = lit[0].heatmap.peak;
    let at = ((x * WIDTH as f32) as u32, (y * HEIGHT as f32) as u32);
    assert!(at.1 < ABOVE_CAPTION, "the peak lies under the caption");
    let ([r, g, b], under) = (glowing[at].0, plain[at].0);
    assert!(
        r > 150 && r > g && g > b,
        "not hot over {under:?}: {r} {g} {b}"
    );

    // 199 × 257 cells of 3 × 2 pixels, with axes around them.
    let plain = file(&dark_maps, &dark[0].sound_heatmap.file);
    let glowing = file(&lit_maps, &lit[0].sound_heatmap.file);
    assert_eq!(plain.dimensions(), (46 + 199 * 3 + 18, 34 + 257 * 2 + 44));
    assert_eq!(glowing.dimensions(), plain.dimensions());
    let row = |bin: u32| 34 + (256 - bin) * 2;
    for column in [0, 99, 198] {
        let x = 46 + column * 3 + 1;
        let level = |bin: u32| plain[(x, row(bin))].0;
        let [r, g, b] = level(TONE_BIN);
        assert!(r == g && g == b && r > 240, "{:?}", level(TONE_BIN));
        for other in [TONE_BIN - 20, TONE_BIN + 20, 200] {
            assert!(level(other)[0] < 90, "bin {other}: {:?}", level(other));
        }
    }
    let grey = |picture: &RgbImage| picture.pixels().all(|p| p[0] == p[1] && p[1] == p[2]);
    let plot = |picture: &RgbImage| image::imageops::crop_imm(picture, 46, 34, 597, 514).to_image();
    assert!(grey(&plot(&plain)), "a sound that belongs to nothing glows");
    assert!(!grey(&plot(&glowing)), "a sound that belongs does not glow");
}

#[test]
fn the_heatmap_of_a_squeezed_picture_lies_over_the_whole_frame() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = clip(dir.path(), "clip.mkv", "video/x-raw,format=RGB");
    let (dark, dark_maps) = cropped_heatmaps(dir.path(), &clip, false, "squeeze");
    let (lit, lit_maps) = cropped_heatmaps(dir.path(), &clip, true, "squeeze");
    for moment in dark.iter().chain(&lit) {
        let map = &moment.heatmap;
        assert_eq!((map.crop, map.rows, map.cols), (Crop::Squeeze, 14, 14));
    }
    let file = |maps: &Path, of: &[Verdict]| {
        let name = of[0].heatmap.file.as_ref().expect("one");
        open(&maps.join(name))
    };
    let (plain, glowing) = (file(&dark_maps, &dark), file(&lit_maps, &lit));
    // The frame is drawn as it is.
    assert_quarters(&plain, 0, "squeezed");
    assert_eq!(glowing.dimensions(), (WIDTH, HEIGHT));
    // Its heat is where the record says, in the frame's own proportions.
    let [x, y] = lit[0].heatmap.peak;
    let at = ((x * WIDTH as f32) as u32, (y * HEIGHT as f32) as u32);
    assert!(at.1 < ABOVE_CAPTION, "the peak lies under the caption");
    let (hot, under) = (glowing[at], plain[at]);
    let warmer = hot[0].saturating_sub(under[0]);
    assert!(warmer > 100 && hot[2] < 120, "{hot:?} over {under:?}");
}

#[test]
fn an_overlay_keeps_the_colours_of_the_frames() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = clip(dir.path(), "clip.mkv", "video/x-raw,format=BGR");
    let video = dir.path().join("overlay.mkv");
    let model = model(dir.path(), false);
    let more = ["--overlay", text(&video), "--model", text(&model)];
    let done = batch_with(&[&clip], &dir.path().join("out.jsonl"), &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let frames = frames(&video);
    assert_eq!(frames.len(), 20);
    for (i, frame) in frames.iter().enumerate() {
        assert_quarters(frame, 12, &format!("frame {i}"));
        // The caption is drawn: white letters on a dark panel.
        let caption = image::imageops::crop_imm(frame, 0, 200, 160, 40).to_image();
        let is = |f: fn(u8) -> bool| caption.pixels().any(|p| p.0.iter().all(|&v| f(v)));
        assert!(is(|v| v > 180) && is(|v| v < 110), "frame {i}");
    }
}

/// The mean difference of two pictures, in shades; `order` is which channel of the
/// second is held against red, green and blue of the first.
fn mean_off(a: &RgbImage, b: &Picture, order: [usize; 3]) -> f64 {
    assert_eq!(a.dimensions(), (b.width, b.height));
    let pixels = a.pixels().zip(b.rgb.chunks_exact(3));
    let off = pixels.map(|(a, b)| {
        let off = (0..3).map(|c| f64::from(a[c].abs_diff(b[order[c]])));
        off.sum::<f64>() / 3.0
    });
    off.sum::<f64>() / f64::from(WIDTH * HEIGHT)
}

#[test]
fn the_video_of_a_synthetic_scene_is_the_scene() {
    let dir = tempfile::tempdir().expect("a folder");
    let scenes = dir.path().join("scenes");
    let mut args = vec!["synth", "-q", "-o", text(&scenes), "--count", "3"];
    args.extend(["--seconds", "0.4", "--fps", "5", "--size", "320x240"]);
    let done = run(args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let corpus = SynthCorpus::built_in(SynthSettings {
        seconds: 0.4,
        short_side: HEIGHT,
        ..SynthSettings::default()
    });
    for index in 0..3 {
        let scene = corpus.scene(Split::Train, index).expect("a scene");
        let mut renderer = Renderer::new(&scene, WIDTH, HEIGHT);
        let video = scenes.join(format!("synth_0_{index:04}.mkv"));
        let frames = frames(&video);
        assert_eq!(frames.len(), 2, "scene {index}");
        for (frame, t_s) in frames.iter().zip([0.0, 0.2]) {
            let (picture, _) = renderer.frame(t_s);
            let off = mean_off(frame, &picture, [0, 1, 2]);
            let swapped = mean_off(frame, &picture, [2, 1, 0]);
            assert!(off < 8.0, "scene {index} at {t_s}: off by {off}");
            assert!(
                off < swapped / 1.5,
                "scene {index}: {off}, {swapped} swapped"
            );
        }
    }
}
