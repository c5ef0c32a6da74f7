//! Which recordings there are, and which part of the data each belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{corpus, open, place};
use super::*;
use crate::corpus::rng;
use crate::corpus::shards::Clip;
use crate::corpus::shards::testing::{recording, write};

#[test]
fn parts_of_a_recording_never_share_a_sample() {
    let clips: Vec<Clip> = (0..3)
        .flat_map(|i| recording(&format!("{i}"), i * 7_777, 21.0 + i as f64, 10, 250))
        .collect();
    let (_dir, corpus) = corpus(&clips, SplitBy::Time);
    let mut heard: BTreeMap<(String, Split), Range<u64>> = BTreeMap::new();
    for split in Split::ALL {
        for position in 0..150 {
            let example = corpus.draw(split, &mut rng(1, 0, position)).expect("drawn");
            let (source, start, _) = place(&clips, &example);
            let end = start + WINDOW_SAMPLES as u64;
            let range = heard.entry((source, split)).or_insert(start..end);
            *range = range.start.min(start)..range.end.max(end);
        }
    }
    for i in 0..3 {
        let of = |split| &heard[&(format!("{i}"), split)];
        let [train, validation, test] = Split::ALL.map(of);
        // Both ends are reached nearly, and the guard of a second lies between.
        assert!(train.end + WINDOW_SAMPLES as u64 <= validation.start);
        assert!(validation.end + WINDOW_SAMPLES as u64 <= test.start);
        assert!(train.end - train.start > 9 * WINDOW_SAMPLES as u64);
        assert!(test.end - test.start > 4 * WINDOW_SAMPLES as u64);
    }
}

#[test]
fn recordings_that_are_named_are_held_out_whole_and_no_others() {
    let clips: Vec<Clip> = (0..20)
        .flat_map(|i| recording(&format!("a{i}.mp4"), 0, 6.0, 0, 500))
        .collect();
    for split_by in [SplitBy::Clip, SplitBy::Time] {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), &clips);
        let rules = ClipRules {
            split_by,
            test: vec!["a1?.mp4".to_owned()],
            seed: 3,
        };
        let corpus = Clips::open(&[dir.path().to_owned()], &rules).expect("shards");
        let names = |split| -> BTreeSet<&str> {
            let candidates = corpus.candidates(split);
            candidates
                .map(|c| &*corpus.recordings[c.recording].name)
                .collect()
        };
        let [train, validation, test] = Split::ALL.map(names);
        let named: BTreeSet<String> = (10..20).map(|i| format!("a{i}.mp4")).collect();
        assert!(named.iter().all(|name| test.contains(&**name)));
        assert!(train.union(&validation).all(|name| !named.contains(*name)));
        if split_by == SplitBy::Clip {
            assert_eq!(test.len(), named.len());
            assert_eq!(train.len() + validation.len(), 10);
        }
    }
}

#[test]
fn whole_recordings_are_held_out() {
    let clips: Vec<Clip> = (0..20)
        .flat_map(|i| recording(&format!("{i}"), 0, 2.0, 0, 500))
        .collect();
    let (_dir, corpus) = corpus(&clips, SplitBy::Clip);
    let counts = Split::ALL.map(|split| corpus.recordings_in(split));
    assert_eq!(counts, [15, 2, 3]);
    let seen = Split::ALL.map(|split| {
        let draw = |position| corpus.draw(split, &mut rng(0, 0, position)).expect("drawn");
        (0..200).map(|p| draw(p).shows).collect::<BTreeSet<_>>()
    });
    assert_eq!(seen.each_ref().map(BTreeSet::len), counts);
    assert!(seen[0].is_disjoint(&seen[1]) && seen[0].is_disjoint(&seen[2]));
    assert!(seen[1].is_disjoint(&seen[2]));
}

#[test]
fn a_named_recording_without_a_second_is_not_drawn_from() {
    let mut clips = recording("short", 0, 0.5, 0, 100);
    clips.extend((0..3).flat_map(|i| recording(&format!("{i}"), 0, 4.0, 0, 500)));
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), &clips);
    for split_by in [SplitBy::Clip, SplitBy::Time] {
        let rules = ClipRules {
            split_by,
            test: vec!["short".to_owned(), "[12]".to_owned()],
            seed: 3,
        };
        let corpus = Clips::open(&[dir.path().to_owned()], &rules).expect("shards");
        for position in 0..50 {
            let example = corpus.draw(Split::Test, &mut rng(1, 0, position));
            assert_ne!(example.expect("drawn").shows, [Tag::clip("short")]);
        }
    }
}

#[test]
fn too_few_recordings_are_an_error_with_the_counts() {
    let clips: Vec<Clip> = (0..5)
        .flat_map(|i| recording(&format!("{i}"), 0, 2.0, 0, 500))
        .collect();
    let (dir, by_clip) = corpus(&clips, SplitBy::Clip);
    assert!(by_clip.check(Split::Train).is_ok());
    let error = by_clip.check(Split::Test).expect_err("too few").to_string();
    assert!(
        error.contains("0 recordings to test") && error.contains("5 recordings, 10 s"),
        "{error}"
    );
    let by_time = open(dir.path(), SplitBy::Time);
    assert_eq!((by_time.recordings(), by_time.skipped()), (5, 5));
    let error = by_time
        .check(Split::Train)
        .expect_err("too short")
        .to_string();
    assert!(error.contains("5 skipped"), "{error}");
    let error = by_time
        .draw(Split::Train, &mut rng(0, 0, 0))
        .expect_err("none");
    assert!(
        error.to_string().contains("0 recordings to train"),
        "{error}"
    );
}

#[test]
fn copies_are_one_recording_and_namesakes_are_two() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut clips = recording("a/0001.mp4", 0, 3.0, 0, 500);
    // The same file under another name, and another file of the same name.
    let mut copy = clips[0].clone();
    copy.info.source = "b/copy.mp4".to_owned();
    let mut namesake = recording("x", 0, 3.0, 0, 500).remove(0);
    namesake.info.source = "a/0001.mp4".to_owned();
    clips.extend([copy, namesake]);
    write(dir.path(), &clips);
    let corpus = open(dir.path(), SplitBy::Clip);
    assert_eq!(corpus.recordings(), 2);
    let tags: BTreeSet<Vec<Tag>> = (0..50)
        .map(|p| {
            corpus
                .draw(Split::Train, &mut rng(0, 0, p))
                .expect("drawn")
                .shows
        })
        .collect();
    assert_eq!(tags.len(), 2, "{tags:?}");
}

#[test]
fn a_folder_without_shards_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let empty = Clips::open(&[dir.path().to_owned()], &ClipRules::default());
    let error = empty.err().expect("no shard").to_string();
    assert!(error.contains("l3net prepare"), "{error}");
}

#[test]
fn recordings_of_a_class_are_learnt_as_one_and_do_not_correspond() {
    let mut clips: Vec<Clip> = (0..3)
        .flat_map(|i| recording(&format!("{i}"), 0, 10.0, 0, 500))
        .collect();
    clips[0].info.label = Some("dog".to_owned());
    clips[1].info.label = Some("dog".to_owned());
    let (dir, by_clip) = corpus(&clips, SplitBy::Clip);
    assert_eq!(by_clip.classes(), ["dog"]);
    let draws = |corpus: &Clips| -> Vec<Example> {
        let draw = |p| corpus.draw(Split::Train, &mut rng(0, 0, p)).expect("drawn");
        (0..40).map(draw).collect()
    };
    let names = |drawn: &[Example]| -> BTreeSet<(String, Option<String>)> {
        let name = |e: &Example| {
            let label = e.label.as_deref().map(str::to_owned);
            (e.shows[0].name().to_owned(), label)
        };
        drawn.iter().map(name).collect()
    };
    let dog = || Some("dog".to_owned());
    let (a, b) = (("0".to_owned(), dog()), ("1".to_owned(), dog()));
    let alone = ("2".to_owned(), None);
    let drawn = draws(&by_clip);
    assert_eq!(names(&drawn), [a.clone(), b.clone(), alone.clone()].into());
    let of = |name: &str| drawn.iter().find(|e| e.shows[0].name() == name);
    let (a, b) = (of("0").expect("drawn"), of("1").expect("drawn"));
    assert_eq!(a.corresponds_to(b), Some(false));
    // By time the folder is a camera: whether its recordings go together is not
    // known.
    let drawn = draws(&open(dir.path(), SplitBy::Time));
    assert_eq!(names(&drawn), [("dog".to_owned(), dog()), alone].into());
}
