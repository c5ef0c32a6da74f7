//! What is drawn, and from where.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::corpus::shards::Clip;
use crate::corpus::shards::testing::{clip_of, info, noise, number_of, recording, write};
use crate::corpus::{Pair, Tag, rng};
use crate::features::Crop;

fn open(folder: &Path, split_by: SplitBy) -> Clips {
    let rules = ClipRules {
        split_by,
        seed: 3,
        ..ClipRules::default()
    };
    Clips::open(&[folder.to_owned()], &rules).expect("shards")
}

fn corpus(clips: &[Clip], split_by: SplitBy) -> (tempfile::TempDir, Clips) {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), clips);
    let corpus = open(dir.path(), split_by);
    (dir, corpus)
}

/// Recording, sample at which its second begins, and time of its frame, found in
/// what is heard and seen.
fn place(clips: &[Clip], example: &Example) -> (String, u64, u64) {
    let source = example.shows[0].name().to_owned();
    let noise = noise(&source);
    let heard = |at: u64| f32::from(noise(at)) / 32768.0;
    for clip in clips.iter().filter(|clip| clip.info.source == source) {
        let starts = 0..=clip.info.samples.saturating_sub(WINDOW_SAMPLES) as u64;
        let start = starts
            .map(|i| clip.info.start_sample + i)
            .find(|&at| (0..20).all(|i| heard(at + i) == example.pcm[i as usize]));
        if let Some(start) = start {
            let whole =
                (0..WINDOW_SAMPLES as u64).all(|i| heard(start + i) == example.pcm[i as usize]);
            assert!(whole, "the second has a hole");
            let frame = number_of(&example.picture);
            return (source, start, clip.info.frame_times_ns[frame]);
        }
    }
    panic!("{}: not from any clip", example.origin);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the recordings are like, the frame is shown within the second, to
    /// the nanosecond.
    #[test]
    fn the_frame_always_lies_in_the_second(
        starts in prop::collection::vec(0_u64..10_000_000, 6),
        seconds in 5.0_f64..31.0,
        first_ms in 0_u64..900,
        step_ms in 160_u64..2_000,
        by_time: bool,
        seed: u64,
    ) {
        let clips: Vec<Clip> = starts
            .iter()
            .enumerate()
            .flat_map(|(i, &start)| recording(&format!("{i}"), start, seconds, first_ms, step_ms))
            .collect();
        let split_by = if by_time { SplitBy::Time } else { SplitBy::Clip };
        let (_dir, corpus) = corpus(&clips, split_by);
        for split in Split::ALL {
            if corpus.check(split).is_err() {
                prop_assert!(by_time);
                continue;
            }
            for position in 0..10 {
                let example = corpus.draw(split, &mut rng(seed, 0, position)).expect("drawn");
                let (_, start, frame_ns) = place(&clips, &example);
                let (begin, end) = (u128::from(start), u128::from(start) + WINDOW_SAMPLES as u128);
                let frame = u128::from(frame_ns) * 48_000;
                prop_assert!(begin * 1_000_000_000 <= frame && frame < end * 1_000_000_000,
                    "frame at {frame_ns} ns, second from sample {start}");
            }
        }
    }

    /// Every place of a second that holds the frame can be drawn, up to the ends
    /// of the sound.
    #[test]
    fn starts_are_all_that_hold_the_frame(from in 0_usize..500_000, more in 0_usize..100_000, at in 0.0_f64..1.0) {
        let sound = from..from + WINDOW_SAMPLES + more;
        let shown = from + ((sound.len() - 1) as f64 * at) as usize;
        let got = starts(shown, &sound);
        let holds = |start: usize| {
            start >= sound.start && start + WINDOW_SAMPLES <= sound.end
                && start <= shown && shown < start + WINDOW_SAMPLES
        };
        prop_assert!(holds(*got.start()) && holds(*got.end()));
        prop_assert!(!holds(got.end() + 1));
        prop_assert!(got.start().checked_sub(1).is_none_or(|before| !holds(before)));
    }
}

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
fn pairs_that_do_not_correspond_are_of_two_recordings() {
    let clips: Vec<Clip> = (0..6)
        .flat_map(|i| recording(&format!("{i}"), 0, 4.0, 0, 500))
        .collect();
    let (_dir, corpus) = corpus(&clips, SplitBy::Clip);
    for position in 0..60 {
        let mut rng = rng(5, 0, position);
        let wanted = position % 2 == 0;
        let pair = Pair::draw(&corpus, Split::Train, wanted, Crop::Full, &mut rng).expect("a pair");
        let same = pair.seen.shows == pair.heard().sounds;
        assert_eq!((same, pair.heard.is_none()), (wanted, wanted));
        let again = corpus.draw(Split::Train, &mut rng).expect("drawn");
        let known = pair.seen.corresponds_to(&again);
        let other = pair.seen.shows != again.sounds;
        assert_eq!(known, other.then_some(false), "one recording: not known");
    }
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
fn split_by_time_each_camera_is_drawn_alike_often_and_each_picture_of_it() {
    // A camera of three recordings, one of them longer, beside one of a single one.
    let seconds = [("a_0", 20.0), ("a_1", 20.0), ("a_2", 80.0), ("b_0", 20.0)];
    let names = seconds.map(|(name, _)| name);
    let mut clips = Vec::new();
    for (name, seconds) in seconds {
        for mut clip in recording(name, 0, seconds, 0, 500) {
            clip.info.label = Some(name[..1].to_owned());
            clips.push(clip);
        }
    }
    let (_dir, corpus) = corpus(&clips, SplitBy::Time);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for position in 0..600 {
        let example = corpus.draw(Split::Train, &mut rng(2, 0, position));
        let origin = example.expect("drawn").origin;
        let name = names.into_iter().find(|name| origin.contains(name));
        *counts.entry(name.expect("one of them")).or_default() += 1;
    }
    // 300 of each camera, and of the first 50, 50 and 200.
    for (name, expected) in [("a_0", 50), ("a_1", 50), ("a_2", 200), ("b_0", 300)] {
        let found = counts[name];
        assert!(found.abs_diff(expected) < 60, "{name}: {found}");
    }
    clips.retain(|clip| clip.info.source != "b_0");
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), &clips);
    let one = open(dir.path(), SplitBy::Time).check(Split::Train);
    let error = one.expect_err("one camera").to_string();
    assert!(error.contains("one camera"), "{error}");
}

#[test]
fn silent_seconds_are_not_drawn() {
    let silent_then_loud = |source: &str| {
        let mut info = info(source, 0, 10 * WINDOW_SAMPLES);
        info.frame_times_ns = (0..40).map(|i| i * 250_000_000).collect();
        // A tone of -60.5 dBFS, and of -59.5 in the last second.
        let level = |i: usize| {
            if i < 9 * WINDOW_SAMPLES {
                0.000_944 * std::f32::consts::SQRT_2
            } else {
                0.001_06 * std::f32::consts::SQRT_2
            }
        };
        let tone = |i: usize| (level(i) * (i as f32 * 0.1).sin() * 32768.0).round() as i16;
        let pcm: Vec<i16> = (0..info.samples).map(tone).collect();
        clip_of(info, &pcm)
    };
    let (_dir, corpus) = corpus(&["a", "b"].map(silent_then_loud), SplitBy::Clip);
    for position in 0..20 {
        let example = corpus
            .draw(Split::Train, &mut rng(0, 0, position))
            .expect("drawn");
        assert!(Level::of(&example.pcm).rms > 1e-3);
        // Only frames near the end have sound that is not silent.
        assert!(number_of(&example.picture) >= 32, "{}", example.origin);
    }
}

#[test]
fn all_silence_is_an_error_and_no_endless_search() {
    let silence = |source: &str| {
        let mut info = info(source, 0, 2 * WINDOW_SAMPLES);
        info.frame_times_ns = vec![0];
        let pcm = vec![0; info.samples];
        clip_of(info, &pcm)
    };
    let (_dir, corpus) = corpus(&["a", "b"].map(silence), SplitBy::Clip);
    let error = corpus
        .draw(Split::Train, &mut rng(0, 0, 0))
        .expect_err("silent");
    assert!(error.to_string().contains("silent"), "{error}");
}

#[test]
fn what_is_drawn_hangs_on_nothing_but_the_numbers() {
    let mut clips: Vec<Clip> = (0..6)
        .flat_map(|i| recording(&format!("{i}"), 0, 12.0, 0, 400))
        .collect();
    let (_a, first) = corpus(&clips, SplitBy::Clip);
    // Jobs side by side write clips in another order each time.
    clips.reverse();
    let (_b, second) = corpus(&clips, SplitBy::Clip);
    for position in 0..30 {
        let draw = |corpus: &Clips| {
            let example = corpus
                .draw(Split::Train, &mut rng(9, 1, position))
                .expect("drawn");
            (example.origin, example.picture, example.pcm)
        };
        assert!(draw(&first) == draw(&second));
    }
}

#[test]
fn too_few_recordings_are_told_with_the_counts() {
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
    assert!(error.contains("5 left out"), "{error}");
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
