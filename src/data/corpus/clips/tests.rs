//! What is drawn, and from where within a recording.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::corpus::shards::Clip;
use crate::corpus::shards::testing::{clip_of, info, noise, number_of, recording, write};
use crate::corpus::{Pair, rng};
use crate::features::Crop;

pub(super) fn open(folder: &Path, split_by: SplitBy) -> Clips {
    let rules = ClipRules {
        split_by,
        seed: 3,
        ..ClipRules::default()
    };
    Clips::open(&[folder.to_owned()], &rules).expect("shards")
}

pub(super) fn corpus(clips: &[Clip], split_by: SplitBy) -> (tempfile::TempDir, Clips) {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), clips);
    let corpus = open(dir.path(), split_by);
    (dir, corpus)
}

/// Recording, sample at which its second begins, and time of its frame, found in
/// what is heard and seen.
pub(super) fn place(clips: &[Clip], example: &Example) -> (String, u64, u64) {
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

fn split_by(time: bool) -> SplitBy {
    if time { SplitBy::Time } else { SplitBy::Clip }
}

fn the_frame_lies_in_the_second(
    starts: &[u64],
    seconds: f64,
    [first_ms, step_ms]: [u64; 2],
    split_by: SplitBy,
    seed: u64,
) -> Result<(), TestCaseError> {
    let clips: Vec<Clip> = starts
        .iter()
        .enumerate()
        .flat_map(|(i, &start)| recording(&format!("{i}"), start, seconds, first_ms, step_ms))
        .collect();
    let (_dir, corpus) = corpus(&clips, split_by);
    for split in Split::ALL {
        if corpus.check(split).is_err() {
            prop_assert!(split_by == SplitBy::Time);
            continue;
        }
        for position in 0..10 {
            let example = corpus
                .draw(split, &mut rng(seed, 0, position))
                .expect("drawn");
            let (_, start, frame_ns) = place(&clips, &example);
            let (begin, end) = (
                u128::from(start),
                u128::from(start) + WINDOW_SAMPLES as u128,
            );
            let frame = u128::from(frame_ns) * 48_000;
            prop_assert!(
                begin * 1_000_000_000 <= frame && frame < end * 1_000_000_000,
                "frame at {frame_ns} ns, second from sample {start}"
            );
        }
    }
    Ok(())
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
        the_frame_lies_in_the_second(&starts, seconds, [first_ms, step_ms], split_by(by_time), seed)?;
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

/// An input that the property above once failed on.
#[test]
fn the_frame_lies_in_the_second_of_recordings_with_few_frames() {
    let starts = [0, 0, 7_248_328, 6_286_334, 2_284_719, 6_903_512];
    let seconds = 30.465_911_245_951_986;
    let seed = 17_868_742_689_366_070_215;
    the_frame_lies_in_the_second(&starts, seconds, [0, 1_117], SplitBy::Time, seed)
        .expect("it does");
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
fn what_is_drawn_depends_on_nothing_but_the_numbers() {
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
