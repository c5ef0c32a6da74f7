use super::super::draws::Judge;
use super::super::testing::{Scenes, cell, heard, judgement, map};
use super::*;
use crate::corpus::{Region, Tag};
use crate::features::{Crop, Features};
use crate::net::NetError;
use crate::picture::Picture;
use crate::result::Heatmap;
use crate::window_spec::WindowSpec;

const GREY: [u8; 3] = [90, 90, 90];

fn judged(scenes: usize, judges: &[Judge<'_>]) -> Vec<JudgedScene> {
    let draws = Draws {
        corpus: &Scenes { spoilt: false },
        split: Split::Test,
        seed: 2,
        spec: WindowSpec::PAPER,
        crop: Crop::Full,
        loaders: 2,
    };
    let mut progress = 0;
    let (scenes_judged, unreadable) = draws
        .judge(&LocalizeExperiment { scenes }, judges, &mut || {
            progress += 1;
        })
        .expect("scenes");
    assert_eq!(unreadable, []);
    assert_eq!((scenes_judged.len(), progress), (scenes, scenes));
    scenes_judged
}

/// Points at the square whose tone is heard, and says whether it is there.
fn knowing(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
    let judge = |features: &&Features| match cell(features, |c| c == heard(features)) {
        Some((row, col)) => judgement(2.0, map(row, col)),
        None => judgement(-2.0, map(0, 0)),
    };
    Ok(batch.iter().map(judge).collect())
}

/// Points at the first square that it sees, and always says yes.
fn deaf(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
    let judge = |features: &&Features| {
        let (row, col) = cell(features, |c| c != GREY).expect("a square");
        judgement(1.0, map(row, col))
    };
    Ok(batch.iter().map(judge).collect())
}

#[test]
fn a_listening_judge_points_at_the_source_and_a_deaf_one_at_anything() {
    let scenes = judged(120, &[Box::new(knowing), Box::new(deaf)]);
    let all: Vec<&JudgedScene> = scenes.iter().collect();
    let of = |judge| Scores::of(&all, judge).expect("there are scenes");
    let (knowing, deaf) = (of(0), of(1));
    assert_eq!((knowing.pointing, knowing.on_any_object), (1.0, 1.0));
    assert_eq!(deaf.on_any_object, 1.0);
    assert!((0.3..0.7).contains(&deaf.pointing), "{}", deaf.pointing);
    // A network that uses the sound rejects a picture whose sound was swapped.
    assert_eq!(
        (
            knowing.rejection_rate.matched,
            knowing.rejection_rate.swapped
        ),
        (0.0, 1.0)
    );
    assert_eq!(
        (knowing.falls_if_swapped, deaf.falls_if_swapped),
        (1.0, 0.0)
    );
    assert!(knowing.mean.swapped < 0.2 && knowing.mean.matched > 0.8);
    assert_eq!(
        (deaf.rejection_rate.silence, deaf.rejection_rate.noise),
        (0.0, 0.0)
    );
    // The map has one cell of 16 × 16 pixels, in a box of 64 × 64.
    assert_eq!(knowing.overlap_half, 0.0);
    assert!(knowing.overlap_auc > deaf.overlap_auc);
}

#[test]
fn baselines_are_those_of_the_boxes() {
    let scenes = judged(80, &[Box::new(knowing)]);
    let all: Vec<&JudgedScene> = scenes.iter().collect();
    let baselines = Baselines::of(&all).expect("there are scenes");
    // Squares of 64 in a picture of 256, two to a scene, none in the middle.
    assert!((baselines.chance - 1.0 / 16.0).abs() < 1e-6);
    assert_eq!((baselines.any_object, baselines.centre), (Some(0.5), 0.0));
    assert_eq!(
        (baselines.whole_overlap.half, baselines.centre_overlap.half),
        (0.0, 0.0)
    );
    // A sixteenth of the picture: reached at 0 and at 0.05.
    assert!((baselines.whole_overlap.auc - 0.075).abs() < 1e-9);
    let groups = Groups::of(&all);
    let names: Vec<_> = groups.heard.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["blue", "green", "red"]);
    assert_eq!(groups.objects.len(), 1);
    assert_eq!(groups.objects[0].scenes, 80);
}

fn example(sounds: &[&str], things: &[(&str, Bounds)]) -> Example {
    Example {
        picture: Picture::filled(32, 32, GREY),
        pcm: vec![0.0; 48_000],
        shows: things.iter().map(|(name, _)| Tag::class(name)).collect(),
        sounds: sounds.iter().map(|name| Tag::class(name)).collect(),
        regions: things
            .iter()
            .map(|&(name, bounds)| Region {
                tag: Tag::class(name),
                bounds,
            })
            .collect(),
        label: None,
        origin: "a test".to_owned(),
    }
}

#[test]
fn only_scenes_with_one_thing_heard_among_several_seen_count() {
    let (a, b) = ([0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]);
    let counts =
        |sounds: &[&str], things: &[(&str, Bounds)]| Facts::of(&example(sounds, things)).is_some();
    assert!(counts(&["dog"], &[("dog", a), ("cat", b)]));
    assert!(counts(&["dog"], &[("cat", a), ("dog", b), ("cat", a)]));
    assert!(!counts(&["dog"], &[("dog", a)]), "alone");
    assert!(
        !counts(&["dog"], &[("dog", a), ("dog", b)]),
        "which of them?"
    );
    assert!(!counts(&["dog"], &[("cat", a), ("cow", b)]), "off-screen");
    assert!(!counts(&["dog", "cat"], &[("dog", a), ("cat", b)]), "both");
    assert!(!counts(&[], &[("dog", a), ("cat", b)]), "silence");
    let behind = [0.0, 0.0, 1.0, 1.0];
    assert!(
        !counts(&["dog"], &[("dog", a), ("sea", behind)]),
        "in front of something"
    );
    let outside = [1.2, 0.0, 1.4, 0.4];
    assert!(
        !counts(&["dog"], &[("dog", outside), ("cat", b)]),
        "outside"
    );
}

fn facts() -> Facts {
    let all = [0.0, 0.0, 1.0, 1.0];
    Facts {
        heard: "dog".to_owned(),
        target: Boxed {
            boxes: vec![all],
            votes: 1,
        },
        objects: vec![all],
    }
}

#[test]
fn a_map_that_is_nowhere_above_zero_points_nowhere() {
    let flat = Heatmap {
        rows: 2,
        cols: 2,
        values: vec![0.0; 4],
    };
    let given = vec![judgement(1.0, flat); 4];
    let answer = Answer::of(&facts(), &Viewport::whole(32, 32), &given).expect("an answer");
    assert_eq!((answer.peak, answer.overlap), (None, 0.0));
    let scene = JudgedScene {
        facts: facts(),
        answers: vec![answer],
    };
    assert_eq!(Scores::of(&[&scene], 0).expect("a scene").pointing, 0.0);
}

#[test]
fn peaks_of_a_center_crop_are_places_of_the_picture() {
    // The middle 224 of 256: the first cell's middle is 16 + 8 pixels in.
    let view = Viewport {
        left: 16.0 / 256.0,
        top: 16.0 / 256.0,
        width: 224.0 / 256.0,
        height: 224.0 / 256.0,
        pixels: [224, 224],
    };
    let map = Heatmap {
        rows: 14,
        cols: 14,
        values: (0..196).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect(),
    };
    let given = vec![judgement(0.0, map); 4];
    let answer = Answer::of(&facts(), &view, &given).expect("an answer");
    let [x, y] = answer.peak.expect("a peak");
    assert!((x - 24.0 / 256.0).abs() < 1e-6 && (y - x).abs() < 1e-6);
}

#[test]
fn a_corpus_without_boxes_is_refused_with_what_is_missing() {
    struct Bare;
    impl Corpus for Bare {
        fn describe(&self) -> String {
            "pictures without boxes".to_owned()
        }
        fn draw(&self, _: Split, _: &mut Rng) -> Result<Example, CorpusError> {
            Ok(Example {
                regions: Vec::new(),
                ..example(&["dog"], &[("dog", [0.0; 4])])
            })
        }
        fn check(&self, _: Split) -> Result<(), CorpusError> {
            Ok(())
        }
    }
    let draws = Draws {
        corpus: &Bare,
        split: Split::Test,
        seed: 0,
        spec: WindowSpec::PAPER,
        crop: Crop::Full,
        loaders: 1,
    };
    let error = scene(&draws, 0, &mut crate::corpus::rng(0, 0, 0));
    let error = error.expect_err("no boxes").to_string();
    assert!(error.contains("pictures without boxes"), "{error}");
}
