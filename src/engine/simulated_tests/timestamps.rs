//! Cameras with odd timestamps, and such that are late.

use super::*;

#[test]
fn a_camera_whose_clock_jumps_ahead_gives_a_gap_and_continues() {
    let outcome = run(&[Act::Jumps(50, 7_000)], 30.0);
    let starts: Vec<f64> = outcome.moments.iter().map(|m| m.0).collect();
    assert_eq!(starts[..5], [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(starts[5], 12.0);
    assert!(starts.windows(2).all(|w| w[0] < w[1]), "{starts:?}");
    let gaps = &outcome.gaps;
    assert!(matches!(gaps[..], [gap] if gap.why == GapReason::Discontinuity && gap.lost == 7));
}

#[test]
fn a_camera_whose_clock_jumps_back_is_judged_in_order_or_not_at_all() {
    let outcome = run(&[Act::Jumps(50, -3_000)], 20.0);
    let starts: Vec<f64> = outcome.moments.iter().map(|m| m.0).collect();
    assert_eq!(starts[..5], [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert!(starts.windows(2).all(|w| w[0] < w[1]), "{starts:?}");
    assert!(starts.len() > 10, "it continues: {starts:?}");
}

#[test]
fn a_camera_whose_clock_jumps_by_hours_gives_one_gap_and_continues_by_our_clock() {
    for jump in [3_600_000, 95_443_718, -4_900] {
        let outcome = run(&[Act::Jumps(50, jump)], 30.0);
        let starts: Vec<f64> = outcome.moments.iter().map(|m| m.0).collect();
        assert_eq!(starts[..5], [0.0, 1.0, 2.0, 3.0, 4.0], "{jump}");
        assert!(starts.windows(2).all(|w| w[0] < w[1]), "{jump}: {starts:?}");
        assert!((28..=29).contains(&starts.len()), "{jump}: {starts:?}");
        let [gap] = outcome.gaps[..] else {
            panic!("{jump}: {:?}", outcome.gaps)
        };
        assert_eq!(gap.why, GapReason::Discontinuity, "{jump}");
        let length = gap.end.as_secs_f64() - gap.start.as_secs_f64();
        assert!(length < 0.5, "{jump}: {length} s");
        // It is still the same camera, opened once.
        assert_eq!(outcome.opened.len(), 1, "{jump}");
    }
}

#[test]
fn a_camera_that_stays_behind_is_opened_again_and_one_that_catches_up_is_not() {
    // Blocks late, for how many blocks; whether it is opened again, and else how many
    // moments are over two seconds late.
    let cases = [(15, 500, false, 0), (30, 50, false, 5), (30, 500, true, 0)];
    for (by, blocks, again, late) in cases {
        let acts = [Act::Late(100, 100 + blocks, by), Act::Hangs(u64::MAX)];
        let outcome = run(&acts, 60.0);
        let what = format!("{by} blocks late for {blocks}: {outcome:?}");
        assert_eq!(outcome.opened.len() > 1, again, "{what}");
        let judged = outcome.moments.len();
        if again {
            assert!(!outcome.gaps.is_empty(), "{what}");
            assert!((40..=59).contains(&judged), "{judged} moments: {what}");
        } else {
            let lost: u64 = outcome.gaps.iter().map(|gap| gap.lost).sum();
            assert_eq!((lost, judged), (late, 60 - late as usize), "{what}");
            let is_overload = |gap: &GapSpan| gap.why == GapReason::Overload;
            assert!(outcome.gaps.iter().all(is_overload), "{what}");
        }
    }
}

#[test]
fn a_camera_whose_sound_drifts_is_followed_and_the_drift_is_told() {
    // In a quarter of an hour they come 180 ms apart. Slow timestamps are early.
    for ppm in [-200, 200] {
        let outcome = run(&[Act::Drifts(ppm)], 900.0);
        assert_eq!(outcome.gaps, [], "{ppm}");
        let drift = outcome.drift.expect("it is known");
        let ms = drift.sound_early_ns / 1_000_000;
        let expected = -ppm * 9 / 10;
        assert!((ms - expected).abs() < 20, "{ppm}: {drift:?}");
        let found = drift.sound_ppm.expect("it is known");
        assert!((found - ppm as f32).abs() < 5.0, "{ppm}: {drift:?}");
        assert!(drift.picture_ppm.is_some_and(|ppm| ppm.abs() < 1.0));
    }
}

#[test]
fn a_camera_that_jumps_or_is_opened_again_has_not_drifted() {
    let jumps = [Act::Jumps(3_000, 3_600_000)];
    let reopened = [Act::Breaks(3_000), Act::Hangs(u64::MAX)];
    for acts in [&jumps[..], &reopened[..]] {
        let drift_after = |seconds| run(acts, seconds).drift.map(|of| of.sound_early_ns);
        assert_eq!(drift_after(290.0), Some(0), "{acts:?}");
        assert_eq!(drift_after(310.0), None, "{acts:?}");
        assert_eq!(drift_after(400.0), Some(0), "{acts:?}");
    }
}
