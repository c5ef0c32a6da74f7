//! Cameras that are away, hang, or come and go.

use super::*;

#[test]
fn a_camera_that_is_away_is_opened_again_ever_more_slowly() {
    let mut acts = vec![Act::Breaks(25)];
    acts.extend([Act::Refuses; 7]);
    acts.push(Act::Jumps(u64::MAX, 0));
    let outcome = run(&acts, 150.0);
    let waits: Vec<f64> = outcome.opened.windows(2).map(|w| w[1] - w[0]).collect();
    let expected = [3.5, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
    for (wait, expected) in waits.iter().zip(expected) {
        // 2.5 s of sound before the first wait, and some polls.
        assert!((wait - expected).abs() < 0.3, "{waits:?}");
    }
    assert_eq!(waits.len(), expected.len(), "{waits:?}");
    let starts: Vec<f64> = outcome.moments.iter().map(|m| m.0).collect();
    assert!(starts.len() > 2, "{outcome:?}");
    assert_eq!(starts[..2], [0.0, 1.0]);
    // Back after 123.5 s.
    assert!((123.5..126.0).contains(&starts[2]), "{starts:?}");
    assert!(
        outcome
            .gaps
            .iter()
            .all(|gap| gap.why == GapReason::Discontinuity)
    );
    assert_eq!(outcome.end.expect("it ends").error, None);
}

/// Runs a source that may be waited for if it was never there.
fn run_waiting(kind: &SourceKind, acts: &[Act], seconds: f64, wait_for_cameras: bool) -> Outcome {
    let options = EngineOptions {
        wait_for_cameras,
        ..options(seconds)
    };
    let (outcome, ended) = run_with(kind.clone(), options, acts, answer, |_, _| Ok(()));
    ended.expect("the network does not fail");
    outcome
}

#[test]
fn a_camera_that_was_never_there_is_abandoned_unless_it_is_waited_for() {
    let outcome = run_waiting(&camera(), &[Act::Refuses], 600.0, false);
    assert_eq!(outcome.opened.len(), 3, "{outcome:?}");
    let error = outcome.end.expect("it ends").error.expect("an error");
    assert!(error.contains("no route to host"), "{error}");
}

#[test]
fn a_server_may_come_late_and_so_may_a_camera_that_is_waited_for() {
    let server = SourceKind::Uri {
        uri: "rtsp://10.0.0.5/stream".to_owned(),
        live: true,
    };
    let late = [&[Act::Refuses; 8][..], &[Act::Jumps(u64::MAX, 0)]].concat();
    for (kind, waits) in [(camera(), true), (server, false)] {
        let outcome = run_waiting(&kind, &late, 150.0, waits);
        assert!(outcome.moments.len() > 10, "{outcome:?}");
        assert_eq!(outcome.end.expect("it ends").error, None);
    }
}

#[test]
fn a_camera_that_was_there_may_stay_away_for_long() {
    let away = [
        &[Act::Breaks(25)],
        &[Act::Refuses; 8][..],
        &[Act::Jumps(u64::MAX, 0)],
    ]
    .concat();
    let outcome = run(&away, 200.0);
    assert!(outcome.moments.len() > 10, "{outcome:?}");
}

#[test]
fn the_backoff_begins_anew_once_something_has_come() {
    let acts = [
        Act::Refuses,
        Act::Refuses,
        Act::Breaks(20),
        Act::Refuses,
        Act::Jumps(u64::MAX, 0),
    ];
    let outcome = run(&acts, 20.0);
    let waits: Vec<f64> = outcome.opened.windows(2).map(|w| w[1] - w[0]).collect();
    for (wait, expected) in waits.iter().zip([1.0, 2.0, 3.0, 2.0]) {
        assert!((wait - expected).abs() < 0.3, "{waits:?}");
    }
}

#[test]
fn a_camera_that_hangs_is_opened_again_after_ten_seconds() {
    let outcome = run(&[Act::Hangs(30), Act::Jumps(u64::MAX, 0)], 30.0);
    let waits: Vec<f64> = outcome.opened.windows(2).map(|w| w[1] - w[0]).collect();
    // 3 s of sound, 10 s of nothing, 1 s of backoff.
    assert!(
        matches!(waits[..], [wait] if (14.0..14.3).contains(&wait)),
        "{waits:?}"
    );
    // It comes back off the grid of seconds: the last one is cut off by the limit.
    assert_eq!(outcome.moments.len() as u64 + lost(&outcome.gaps), 29);
}

#[test]
fn a_camera_from_which_much_comes_and_nothing_useful_is_opened_again() {
    let outcome = run(&[Act::Mumbles, Act::Jumps(u64::MAX, 0)], 50.0);
    let waits: Vec<f64> = outcome.opened.windows(2).map(|w| w[1] - w[0]).collect();
    // 30 s of that, 1 s of backoff.
    assert!(
        matches!(waits[..], [wait] if (31.0..31.5).contains(&wait)),
        "{waits:?}"
    );
    assert!(outcome.moments.len() >= 17, "{:?}", outcome.moments);
}

#[test]
fn the_time_of_day_follows_the_clock_over_an_outage() {
    let outcome = run(
        &[Act::Breaks(30), Act::Refuses, Act::Jumps(u64::MAX, 0)],
        20.0,
    );
    let day = jiff::Timestamp::from_second(SimulatedClock::UTC_S).expect("in range");
    for (start, utc) in outcome.moments {
        let since = utc.expect("it is live").duration_since(day).as_secs_f64();
        assert!(
            (since - (start + 1.0)).abs() < 0.5,
            "{since} s at {start} s"
        );
    }
}

#[test]
fn two_thousand_hours_of_a_bad_camera_are_accounted_for() {
    let mut acts = Vec::new();
    for outage in 0..102 {
        acts.push(if outage % 2 == 0 {
            Act::Breaks(34)
        } else {
            Act::Hangs(27)
        });
        acts.extend(vec![Act::Refuses; 2_400]);
    }
    acts.push(Act::Jumps(u64::MAX, 0));
    let outcome = run_until(&acts, 1e7, |outcome, cancel| {
        // The camera is well again: enough has been seen.
        if outcome.moments.len() > 400 {
            cancel.cancel();
        }
    });
    let last = outcome.moments.last().expect("moments").0;
    assert!(last > 2_000.0 * 3_600.0, "{} h", last / 3_600.0);
    // Every second up to the last moment was judged or counts as lost, but for what each return
    // of the camera leaves of a second.
    let accounted = outcome.moments.len() as u64 + lost(&outcome.gaps);
    let off = (last as u64 + 1).abs_diff(accounted);
    assert!(off <= 102, "{accounted} of {last} seconds");
    // And all of that time is told.
    let moments = outcome
        .moments
        .iter()
        .map(|moment| (moment.0, moment.0 + 1.0));
    let gaps = outcome
        .gaps
        .iter()
        .map(|gap| (gap.start.as_secs_f64(), gap.end.as_secs_f64()));
    let mut told: Vec<_> = moments.chain(gaps).collect();
    told.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(told[0].0, 0.0);
    let is_hole = |pair: &&[(f64, f64)]| (pair[1].0 - pair[0].1).abs() > 1e-6;
    assert_eq!(told.windows(2).find(is_hole), None);
    assert!(outcome.moments.windows(2).all(|w| w[0].0 < w[1].0));
    assert!(outcome.gaps.windows(2).all(|w| w[0].start < w[1].start));
}
