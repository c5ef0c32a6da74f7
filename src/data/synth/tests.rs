use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::corpus::wav;
use crate::corpus::{Corpus, Region, Split, Tag, WINDOW_SAMPLES, rng};
use crate::picture::Picture;

fn scene(settings: &SynthSettings, seed: u64) -> Scene {
    let mut rng = rng(11, 0, seed);
    Scene::draw(&AssetLibrary::built_in(), settings, Split::Train, &mut rng).expect("built in")
}

/// Pixels outside all boxes that are not the same in both pictures.
fn strays(a: &Picture, b: &Picture, boxes: &[Region]) -> usize {
    let inside = |x: u32, y: u32| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let (x, y) = (x / a.width as f32, y / a.height as f32);
        boxes.iter().any(|region| {
            let [left, top, right, bottom] = region.bounds;
            (left..right).contains(&x) && (top..bottom).contains(&y)
        })
    };
    let pixels = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3));
    pixels
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .filter(|(i, _)| !inside(*i as u32 % a.width, *i as u32 / a.width))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_seed_is_a_scene(seed in any::<u64>(), t in 0.0..20.0_f64) {
        let settings = SynthSettings::default();
        let (a, b) = (scene(&settings, seed), scene(&settings, seed));
        prop_assert_eq!(a.frame(t, 96, 64), b.frame(t, 96, 64));
        prop_assert_eq!(a.boxes(t, 96, 64), b.boxes(t, 96, 64));
        prop_assert_eq!(a.sound(0, 4_800), b.sound(0, 4_800));
        prop_assert!(a.frame(t, 96, 64) != scene(&settings, seed ^ 1).frame(t, 96, 64));
    }

    #[test]
    fn things_are_in_their_boxes_and_nowhere_else(seed in any::<u64>(), t in 0.0..20.0_f64) {
        let settings = SynthSettings { objects: 1..=4, ..SynthSettings::default() };
        let scene = scene(&settings, seed);
        let (with, without) = (scene.frame(t, 160, 90), scene.without_objects().frame(t, 160, 90));
        let boxes = scene.boxes(t, 160, 90);
        prop_assert_eq!(strays(&with, &without, &boxes), 0);
        for region in &boxes {
            let [left, top, right, bottom] = region.bounds;
            prop_assert!(0.0 <= left && left < right && right <= 1.0);
            prop_assert!(0.0 <= top && top < bottom && bottom <= 1.0);
        }
        prop_assert_eq!(boxes.len(), scene.shows().count());
    }

    #[test]
    fn a_renderer_leaves_no_trails(seed in any::<u64>()) {
        let settings = SynthSettings { objects: 2..=4, ..SynthSettings::default() };
        let scene = scene(&settings, seed);
        let mut renderer = Renderer::new(&scene, 120, 80);
        for i in 0..5 {
            let t = f64::from(i) * 0.4;
            prop_assert_eq!(renderer.frame(t).0, scene.frame(t, 120, 80));
        }
    }

    #[test]
    fn sound_does_not_depend_on_how_it_is_read(seed in any::<u64>(), block in 1..7_000_usize) {
        let settings = SynthSettings { swap_at_s: Some(0.31), ..SynthSettings::default() };
        let scene = scene(&settings, seed);
        let whole = scene.sound(0, 24_000);
        let mut listener = scene.listen();
        let mut blocks = Vec::new();
        while blocks.len() < whole.len() {
            blocks.extend(listener.read(block.min(whole.len() - blocks.len())));
        }
        prop_assert!(whole == blocks);
        prop_assert!(whole[9_000..] == scene.sound(9_000, 15_000));
        prop_assert!(whole.iter().all(|v| v.abs() <= 1.0));
    }
}

#[test]
fn boxes_are_tight() {
    let settings = SynthSettings {
        objects: 1..=1,
        ..SynthSettings::default()
    };
    for seed in 0..20 {
        let scene = scene(&settings, seed);
        let (width, height) = (128, 128);
        let (with, without) = (
            scene.frame(0.5, width, height),
            scene.without_objects().frame(0.5, width, height),
        );
        let region = scene.boxes(0.5, width, height).remove(0);
        let [left, top, right, bottom] = region.bounds;
        // Two pixels off each side something of the thing must be missing.
        for (dx, dy, part) in [
            (4.0, 0.0, [left + 4.0 / 128.0, top, right, bottom]),
            (0.0, 4.0, [left, top + 4.0 / 128.0, right, bottom]),
            (-4.0, 0.0, [left, top, right - 4.0 / 128.0, bottom]),
            (0.0, -4.0, [left, top, right, bottom - 4.0 / 128.0]),
        ] {
            let smaller = Region {
                tag: region.tag.clone(),
                bounds: part,
            };
            let left_out = strays(&with, &without, &[smaller]);
            assert!(left_out > 0, "seed {seed}, {dx} {dy}");
        }
    }
}

#[test]
fn what_sounds_is_as_often_unseen_or_nothing_as_the_settings_say() {
    let corpus = SynthCorpus::built_in(SynthSettings {
        silent: 0.2,
        off_screen: 0.25,
        ..SynthSettings::default()
    });
    let (mut silent, mut unseen, mut seen) = (0, 0, 0);
    for seed in 0..400 {
        let scene = corpus
            .scene(Split::Train, seed)
            .expect("the built-in kinds need no file");
        match scene.sounds_at(0.0) {
            None => silent += 1,
            Some(class) if scene.shows().any(|shown| shown == class) => seen += 1,
            Some(_) => unseen += 1,
        }
        let mut shown: Vec<_> = scene.shows().collect();
        shown.sort();
        shown.dedup();
        assert_eq!(shown.len(), scene.shows().count(), "each class once");
    }
    assert!((50..110).contains(&silent), "{silent}");
    assert!((50..110).contains(&unseen), "{unseen}");
    assert!(seen > 200, "{seen}");
}

#[test]
fn a_swap_changes_the_sound_to_something_that_is_not_seen() {
    let settings = SynthSettings {
        silent: 0.0,
        off_screen: 0.0,
        noise: 0.0,
        swap_at_s: Some(1.0),
        ..SynthSettings::default()
    };
    for seed in 0..30 {
        let swapped = scene(&settings, seed);
        let (before, after) = (swapped.sounds_at(0.9), swapped.sounds_at(1.0));
        assert!(swapped.shows().any(|class| Some(class) == before));
        assert!(swapped.shows().all(|class| Some(class) != after));
        assert_eq!(swapped.soundscape().heard(2.0).count(), 2);
    }
}

#[test]
fn things_sound_in_turn_then_one_that_is_not_seen_and_again() {
    let settings = SynthSettings {
        objects: 3..=3,
        turn_s: Some(0.5),
        ..SynthSettings::default()
    };
    let scene = scene(&settings, 1);
    let shown: Vec<_> = scene.shows().map(Some).collect();
    let heard = |t_s: f64| scene.sounds_at(t_s);
    assert_eq!([heard(0.1), heard(0.6), heard(1.1)], shown[..]);
    assert!(!shown.contains(&heard(1.6)));
    assert_eq!(heard(2.1), shown[0]);
    let spans: Vec<_> = scene.soundscape().heard(2.2).collect();
    assert_eq!(spans.len(), 5);
    assert_eq!((spans[4].0, spans[4].1), (2.0, 2.2));
    // Each round sounds; what has gone is silent.
    assert_eq!(scene.sound(0, 110_000).len(), 110_000);
}

#[test]
fn splits_never_share_a_scene() {
    let corpus = SynthCorpus::built_in(SynthSettings::default());
    let draw = |split| {
        let example = corpus.draw(split, &mut rng(3, 0, 5)).expect("built in");
        assert_eq!(example.pcm.len(), WINDOW_SAMPLES);
        example
    };
    let (train, test) = (draw(Split::Train), draw(Split::Test));
    assert_ne!(train.picture, test.picture);
    assert_ne!(train.pcm, test.pcm);
    assert_eq!(train.picture, draw(Split::Train).picture);
    assert_eq!(train.pcm, draw(Split::Train).pcm);
}

/// Folders of two classes: what is held out cannot be decoded, so drawing it
/// fails.
fn folders(root: &Path) -> AssetFolders {
    let write = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
        std::fs::write(path, bytes).expect("written");
    };
    let encoded = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8, y as u8, 99]));
        picture.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    };
    let jpeg = encoded(image::ImageFormat::Jpeg);
    let saw = (0..48_000).map(|i| (i * 700 % 20_000) as f32 / 32_768.0 - 0.3);
    let wav = wav(48_000, saw);
    for class in ["cat", "dog"] {
        for i in 0..4 {
            write(&format!("photos/{class}/p{i}-a.jpg"), &jpeg);
            write(&format!("sounds/{class}/s{i}-a.wav"), &wav);
        }
        write(&format!("photos/{class}/held_out.jpg"), b"no picture");
        write(&format!("sounds/{class}/held_out.wav"), b"no sound");
    }
    for i in 0..4 {
        write(&format!("photos/silent_stone/p{i}-a.jpg"), &jpeg);
    }
    AssetFolders {
        sounds: vec![root.join("sounds")],
        photos: vec![root.join("photos")],
        rules: crate::corpus::SplitRules {
            test: vec!["held_out*".to_owned()],
            ..Default::default()
        },
        ..AssetFolders::default()
    }
}

#[test]
fn held_out_files_are_drawn_in_the_test_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let assets = AssetLibrary::from_folders(&folders(root.path())).expect("two classes");
    let corpus = SynthCorpus::new(assets, SynthSettings::default());
    for position in 0..100 {
        for split in [Split::Train, Split::Validation] {
            let drawn = corpus.draw(split, &mut rng(1, 0, position));
            drawn.expect("only good files");
        }
    }
    let mut named = Vec::new();
    for position in 0..40 {
        let drawn = corpus.draw(Split::Test, &mut rng(1, 0, position));
        named.extend(drawn.err().map(|error| error.to_string()));
    }
    assert!(named.iter().all(|e| e.contains("held_out")), "{named:?}");
    assert!(named.iter().any(|e| e.contains("held_out.jpg")));
}

#[test]
fn classes_without_a_sound_are_shown_and_never_heard() {
    let root = tempfile::tempdir().expect("a folder");
    let assets = AssetLibrary::from_folders(&folders(root.path())).expect("two classes");
    let corpus = SynthCorpus::new(assets, SynthSettings::default());
    let stone = Tag::class("silent_stone");
    let mut shown = 0;
    for position in 0..60 {
        let drawn = corpus.draw(Split::Train, &mut rng(2, 0, position));
        let example = drawn.expect("good files");
        assert!(!example.sounds.contains(&stone));
        shown += usize::from(example.shows.contains(&stone));
    }
    assert!(shown > 5, "{shown}");
}

#[test]
fn folders_that_do_not_match_are_refused_with_the_next_step() {
    let root = tempfile::tempdir().expect("a folder");
    let mut folders = folders(root.path());
    let photos = root.path().join("photos");
    std::fs::rename(photos.join("cat"), photos.join("Katze")).expect("renamed");
    let error = AssetLibrary::from_folders(&folders)
        .err()
        .expect("one class");
    assert!(error.to_string().contains("name the folders"), "{error}");
    folders.sounds = vec![root.path().join("nowhere")];
    let error = AssetLibrary::from_folders(&folders)
        .err()
        .expect("no folder");
    assert!(error.to_string().contains("nowhere"), "{error}");
}
