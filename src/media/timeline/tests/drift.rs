//! Sound whose clock runs a little faster or slower than its timestamps.

use std::time::{Duration, Instant};

use super::super::*;
use super::player::Recorded;
use crate::time::SamplePos;

#[test]
fn a_drifting_clock_is_no_gap_and_frames_stay_in_the_middle() {
    for origin in [Origin::File, Origin::Live] {
        for ppm in [3_000, -3_000, 20_000, -20_000] {
            for block_ms in [20, 250] {
                let right = |ms: i64| ms;
                let source = Recorded {
                    seconds: 60,
                    block_ms,
                    ppm,
                    sound: right,
                    picture: right,
                };
                let got = source.play(origin);
                let case = format!("{origin:?} {ppm} {block_ms}: {got:?}");
                assert_eq!(got.gaps, [], "{case}");
                assert!(got.moments.len() >= 59, "{case}");
                // A frame is 40 ms, a live clock is followed up to 30 ms behind.
                assert!(got.apart_ms() <= 75.0, "{case}");
            }
        }
    }
}

/// Follows a day of sound whose clock is off by so much, in blocks of so many samples.
fn follow_a_day(origin: Origin, ppm: i64, samples: i64) {
    let begun = Instant::now();
    let mut timeline = Timeline::new(origin, MediaTime::ZERO, begun);
    let mut end = None::<SamplePos>;
    for k in 0..24 * 3_600 * 48_000 / samples {
        let at = k * samples + k * samples * ppm / 1_000_000;
        let ms = at as u64 / 48;
        let arrived = begun + Duration::from_millis(ms);
        // Timestamps in whole milliseconds, as in Matroska.
        let stamp = SamplePos(ms * 48);
        let answer = timeline.sound(stamp, samples as usize, arrived);
        let Place::At(placed) = answer.place else {
            panic!("{k}: {answer:?}")
        };
        let placed = SamplePos::from_time(placed);
        let off = placed.minus(SamplePos(at as u64));
        assert!(off.abs() <= 240, "{k}: {off}");
        let step = end.map_or(0, |end| placed.minus(end));
        assert!(step.abs() <= 100, "{k}: {step}");
        end = Some(placed.plus(samples as usize));
    }
    assert_eq!(timeline.doubts(), Doubts::default());
}

#[test]
fn a_day_of_300_ppm_is_followed() {
    for origin in [Origin::File, Origin::Live] {
        for ppm in [300, -300] {
            follow_a_day(origin, ppm, 12_000);
        }
    }
}

/// Blocks of 20 ms, as of G.711 and Opus: each is off by less than a sample.
#[test]
fn a_day_of_300_ppm_in_small_blocks_is_followed() {
    for (origin, ppm) in [(Origin::File, -300), (Origin::Live, 300)] {
        follow_a_day(origin, ppm, 960);
    }
}
