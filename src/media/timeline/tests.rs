//! Each lie that timestamps tell, and what comes of it: the timeline and the windows behind
//! it, without media.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]

use proptest::prelude::*;

use super::*;
use player::{Player, Recorded, off};

const HOUR_MS: i64 = 3_600_000;
/// Where the 33 bits of an MPEG timestamp wrap.
const WRAP_MS: i64 = 95_443_718;

mod drift;
mod player;

const FOR_EVER: i64 = i64::MAX / 2;

#[test]
fn a_single_wrong_timestamp_costs_nothing() {
    for origin in [Origin::File, Origin::Live] {
        for wrong in [
            1_500,
            7_000,
            HOUR_MS,
            30 * HOUR_MS,
            i64::MAX / 4_000_000,
            -5_000,
            -WRAP_MS,
        ] {
            for (for_ms, sound, picture) in [
                (20, wrong, 0),
                (40, 0, wrong),
                (40, wrong, wrong),
                (160, wrong, 0),
            ] {
                let got = off(origin, 10_200, for_ms, sound, picture);
                assert_eq!(
                    got.moments.len(),
                    20,
                    "{origin:?} {wrong} {for_ms}: {got:?}"
                );
                assert_eq!(got.gaps, [], "{origin:?} {wrong} {for_ms}");
                assert!(
                    got.apart_ms() <= 41.0,
                    "{origin:?} {wrong} {for_ms}: {got:?}"
                );
                let doubts = got.doubts;
                assert_eq!(doubts.jumps, 0, "{origin:?} {wrong}");
                assert!(doubts.continued + doubts.discarded > 0, "it is counted");
            }
        }
    }
}

#[test]
fn a_jump_of_both_is_one_gap_and_the_stream_goes_on() {
    for (origin, jump, gap_ms) in [
        // Recordings pause; a sender report moves a live stream by seconds.
        (Origin::File, 7_000, 7_200),
        (Origin::File, HOUR_MS / 2, HOUR_MS / 2 + 200),
        (Origin::Live, 7_000, 7_200),
        // A wrapped timestamp, a clock that was set, a file that is looped.
        (Origin::File, 2 * HOUR_MS, 300),
        (Origin::File, WRAP_MS, 300),
        (Origin::File, -5_000, 300),
        (Origin::File, -10_200, 300),
        (Origin::Live, HOUR_MS, 300),
        (Origin::Live, WRAP_MS, 300),
        (Origin::Live, -3_000, 300),
        (Origin::Live, -10_200, 300),
    ] {
        let got = off(origin, 10_200, FOR_EVER, jump, jump);
        let case = format!("{origin:?} {jump}: {got:?}");
        let [(from, to)] = got.gaps[..] else {
            panic!("{case}")
        };
        assert_eq!(from, 10_000, "{case}");
        // The picture may be the first to tell, and its last frame is some ms earlier.
        assert!((to - from).abs_diff(gap_ms as u64) <= 60, "{case}");
        // 10 before, and 9.8 s after.
        assert_eq!(got.moments.len(), 19, "{case}");
        assert!(got.moments.is_sorted(), "{case}");
        assert!(got.apart_ms() <= 41.0, "{case}");
        assert!(!got.alone, "{case}");
    }
}

#[test]
fn a_sender_that_loops_its_file_gives_one_gap_a_loop() {
    for origin in [Origin::File, Origin::Live] {
        let looped = |ms: i64| ms % 7_000;
        let source = Recorded {
            seconds: 30,
            block_ms: 20,
            ppm: 0,
            sound: looped,
            picture: looped,
        };
        let got = source.play(origin);
        assert_eq!(got.gaps.len(), 4, "{origin:?} {got:?}");
        assert!(got.moments.len() >= 24, "{origin:?} {got:?}");
        assert!(got.apart_ms() <= 41.0, "{origin:?} {got:?}");
    }
}

#[test]
fn a_jump_there_and_back_ends_where_it_began() {
    for origin in [Origin::File, Origin::Live] {
        let got = off(origin, 10_200, 8_000, 50 * HOUR_MS, 50 * HOUR_MS);
        assert!(got.gaps.len() <= 2, "{origin:?} {got:?}");
        assert!(got.moments.len() >= 17, "{origin:?} {got:?}");
        assert!(got.apart_ms() <= 41.0, "{origin:?} {got:?}");
    }
}

#[test]
fn where_only_one_jumps_by_hours_the_other_stays_and_it_is_told() {
    for origin in [Origin::File, Origin::Live] {
        for jump in [5 * HOUR_MS, WRAP_MS, -10_000, -4_000] {
            let sound = off(origin, 10_200, FOR_EVER, jump, 0);
            assert_eq!(sound.gaps.len(), 1, "{origin:?} {jump} {sound:?}");
            assert!(sound.moments.len() >= 18, "{origin:?} {jump} {sound:?}");
            // As far apart as the gap is long: what lies in it is not known.
            assert!(sound.apart_ms() <= 341.0, "{origin:?} {jump} {sound:?}");
            assert!(sound.alone, "{origin:?} {jump}");
            let picture = off(origin, 10_200, FOR_EVER, 0, jump);
            assert_eq!(picture.gaps, [], "{origin:?} {jump}");
            assert_eq!(picture.moments.len(), 20, "{origin:?} {jump}");
            assert!(picture.apart_ms() <= 341.0, "{origin:?} {jump} {picture:?}");
            assert!(picture.alone, "{origin:?} {jump}");
        }
    }
}

#[test]
fn sound_and_picture_that_reach_a_splice_apart_go_on_together() {
    // The picture of the first part is two seconds shorter, or longer.
    for lead in [-2_000, 2_000] {
        let mut player = Player::new(Origin::File);
        let parts = [(0, 10_000, 10_000 - lead), (12_000, 24_000, 24_000)];
        for (from, sound_to, picture_to) in parts {
            let stamp = |ms: i64| (ms - from) as u64 * 1_000_000;
            for ms in (from..24_000).step_by(20) {
                if ms % 40 == 0 && ms < picture_to {
                    player.picture(stamp(ms), ms);
                }
                if ms < sound_to {
                    player.sound(stamp(ms), &[ms as f32 / 1e3; 960], ms);
                }
            }
        }
        let got = player.finish();
        let later: Vec<f64> = got
            .moments
            .iter()
            .zip(&got.apart)
            .filter(|(start, _)| **start > 11_000)
            .map(|(_, apart)| *apart)
            .collect();
        assert!(later.len() >= 9, "{lead} {got:?}");
        assert!(later.iter().all(|&apart| apart <= 41.0), "{lead} {got:?}");
        assert!(!got.alone, "{lead} {got:?}");
    }
}

#[test]
fn a_source_may_start_late_but_not_in_another_day() {
    for (origin, start, first) in [
        (Origin::File, 0, 0),
        (Origin::File, 8_000, 8_000),
        (Origin::File, 3 * HOUR_MS, 3 * HOUR_MS),
        (Origin::File, WRAP_MS, 0),
        (Origin::Live, 2_000, 2_000),
        (Origin::Live, WRAP_MS, 100),
    ] {
        let got = off(origin, 0, FOR_EVER, start, start);
        assert_eq!(
            got.moments.first(),
            Some(&(first as u64)),
            "{origin:?} {start} {got:?}"
        );
        assert!(got.moments.len() >= 19, "{origin:?} {start} {got:?}");
        assert!(got.gaps.len() <= 1, "{origin:?} {start} {got:?}");
        assert!(got.apart_ms() <= 41.0, "{origin:?} {start} {got:?}");
    }
}

#[test]
fn a_slide_show_is_not_doubted() {
    let mut file = Player::new(Origin::File);
    for ms in (0..57_000).step_by(20) {
        if ms % 7_000 == 0 {
            file.picture(ms as u64 * 1_000_000, ms);
        }
        file.sound(ms as u64 * 1_000_000, &[0.1; 960], ms);
    }
    let got = file.finish();
    assert_eq!((got.moments.len(), got.gaps.len()), (57, 0), "{got:?}");
    assert_eq!(got.doubts, Doubts::default());
}

#[test]
fn holes_of_a_file_stay_where_they_are() {
    let got = off(Origin::File, 10_200, FOR_EVER, 300, 300);
    assert_eq!(got.gaps, [(10_000, 10_500)]);
    assert_eq!(got.doubts, Doubts::default());
    // Sound that is missing now and then, for longer than it is there.
    let mut file = Player::new(Origin::File);
    for second in (0..60).step_by(3) {
        for k in 0..5 {
            file.sound((second * 1_000 + k * 20) * 1_000_000, &[0.1; 960], 0);
        }
    }
    let starts: Vec<u64> = file.placed.iter().map(|(at, _)| at.0 / 48).collect();
    let wanted = (0..60_u64)
        .step_by(3)
        .flat_map(|s| (0..5).map(move |k| s * 1_000 + k * 20));
    let wanted: Vec<u64> = wanted.collect();
    assert_eq!(starts[..], wanted[..starts.len()]);
    assert_eq!(file.finish().doubts.continued, 0);
}

/// A pseudo-random number below `n`, the same for the same `k`.
fn random(k: i64, n: i64) -> i64 {
    let mixed = (k as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as i64 % n
}

#[test]
fn jitter_of_a_live_source_is_no_gap() {
    // Packets that are up to 150 ms late, each on its own.
    for block_ms in [20, 100, 250] {
        let late = |ms: i64| ms + random(ms, 150);
        let source = Recorded {
            seconds: 60,
            block_ms,
            ppm: 0,
            sound: late,
            picture: late,
        };
        let got = source.play(Origin::Live);
        assert_eq!(
            (got.moments.len(), got.gaps.len()),
            (60, 0),
            "{block_ms} {got:?}"
        );
        assert!(got.apart_ms() <= 230.0, "{block_ms} {got:?}");
    }
    // A sender that sends in bursts: half a second early, then half a second late.
    for period in [400, 1_000, 2_000] {
        let bursts = |ms: i64| ms + 500 + (ms % period) * 1_000 / period - 500;
        let source = Recorded {
            seconds: 60,
            block_ms: 20,
            ppm: 0,
            sound: bursts,
            picture: bursts,
        };
        let got = source.play(Origin::Live);
        let found = (got.moments.len(), got.gaps.len());
        assert_eq!(found, (60, 0), "{period} {got:?}");
        // From the first second on.
        assert!(got.apart_ms() <= 65.0, "{period} {got:?}");
    }
}

#[test]
fn live_timestamps_that_disagree_for_long_are_one_gap() {
    // Where they are earlier nothing is missing: sound is cut.
    for (by, gaps, jumps) in [
        (30, 0, 0),
        (60, 1, 1),
        (100, 1, 1),
        (300, 1, 1),
        (900, 1, 1),
        (-30, 0, 0),
        (-100, 0, 1),
        (-900, 0, 1),
    ] {
        let got = off(Origin::Live, 10_200, FOR_EVER, by, by);
        assert_eq!(got.gaps.len(), gaps, "{by} {got:?}");
        assert_eq!(got.doubts.jumps, jumps, "{by} {got:?}");
        assert!(got.moments.len() >= 18, "{by} {got:?}");
    }
}

#[test]
fn a_hole_where_blocks_were_dropped_is_one_at_once() {
    let mut live = Player::new(Origin::Live);
    for ms in (0..5_000)
        .step_by(20)
        .filter(|ms| !(2_500..2_800).contains(ms))
    {
        if ms == 2_800 {
            live.timeline.sound_was_lost();
        }
        live.sound(ms as u64 * 1_000_000, &[0.1; 960], ms);
    }
    let placed = |at: u64| live.placed.iter().any(|(p, _)| *p == SamplePos(at * 48));
    assert!(
        placed(2_480) && !placed(2_500) && placed(2_800),
        "{:?}",
        live.placed
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever comes, nothing panics, moments stay in order, and once the timestamps are
    /// right again the stream continues.
    #[test]
    fn no_timestamps_end_a_stream(
        live in any::<bool>(),
        lies in prop::collection::vec(
            (any::<bool>(), prop_oneof![
                any::<u64>(),
                0..4_000_000_000_u64,
                Just(u64::MAX),
                Just(0),
            ], 1_usize..6_000), 1..60),
    ) {
        let mut player = Player::new(if live { Origin::Live } else { Origin::File });
        let mut now = 0;
        for (is_sound, at, samples) in lies {
            now += 50;
            match is_sound {
                true => player.sound(at, &vec![0.1; samples], now),
                false => player.picture(at, now),
            }
        }
        let begun = now;
        for ms in (0..12_000).step_by(20) {
            now = begun + ms;
            if ms % 40 == 0 {
                player.picture(ms as u64 * 1_000_000, now);
            }
            player.sound(ms as u64 * 1_000_000, &[0.1; 960], now);
        }
        let got = player.finish();
        prop_assert!(got.moments.is_sorted(), "{got:?}");
        prop_assert!(got.moments.len() >= 5, "{got:?}");
        prop_assert!(got.gaps.len() <= 80, "{} gaps", got.gaps.len());
    }
}
