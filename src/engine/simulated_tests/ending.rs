//! Runs that are cancelled or fail half-way, and frames that do.

use super::*;

#[test]
fn a_run_is_cancelled_while_its_camera_is_away() {
    let outcome = run_until(&[Act::Breaks(25), Act::Refuses], 1e7, |outcome, cancel| {
        if !outcome.gaps.is_empty() {
            cancel.cancel();
        }
    });
    assert_eq!(outcome.moments.len(), 2);
    assert_eq!(outcome.end.expect("it ends").error, None);
    let last = outcome.opened.last().expect("it was opened");
    assert!(*last < 1e6, "long before the limit: {last} s");
}

#[test]
fn a_network_that_fails_ends_the_run_with_its_error() {
    let mut answered = 0;
    let network = |batch| {
        answered += batch;
        match answered {
            0..5 => Ok(vec![(); batch]),
            _ => Err(NetError::from(tch::TchError::Torch(
                "the GPU is gone".to_owned(),
            ))),
        }
    };
    let acts = [Act::Jumps(u64::MAX, 0)];
    let (outcome, ended) = run_with(camera(), options(1e6), &acts, network, |_, _| Ok(()));
    let error = ended.expect_err("it fails").to_string();
    assert!(error.contains("the GPU is gone"), "{error}");
    assert!(outcome.moments.len() < 5);
}

#[test]
fn a_frame_that_cannot_be_converted_is_a_gap_and_the_stream_continues() {
    let outcome = run(&[Act::Torn(50, 60)], 20.0);
    let others: Vec<f64> = (0..20).filter(|&s| s != 5).map(f64::from).collect();
    assert_eq!(outcome.starts(), others);
    let expected = GapSpan {
        start: MediaTime::from_secs_f64(5.0),
        end: MediaTime::from_secs_f64(6.0),
        why: GapReason::NoVideo,
        lost: 1,
    };
    assert_eq!(outcome.gaps, [expected]);
    assert_eq!(outcome.opened.len(), 1, "it is still the same camera");
    assert_eq!(outcome.end.expect("it ends").error, None);
}

#[test]
fn what_is_passed_over_is_no_gap() {
    let options = EngineOptions {
        every: 3,
        ..options(20.0)
    };
    let acts = [Act::Torn(50, 60)];
    let (outcome, _) = run_with(camera(), options, &acts, answer, |_, _| Ok(()));
    // The frame of second 5 is torn, but nobody looks at it.
    assert_eq!(outcome.starts(), [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0]);
    assert_eq!(outcome.gaps, []);
}

/// Moments of a file that fit in between a stalled publisher and the reader: one that the
/// publisher has, two outputs, one in the network, two in the queue of the stream, and one
/// with which the stream waits for a place in it.
const FULL: u64 = 1 + 2 + 1 + 2 + 1;

/// A file in a run whose publisher, as soon as it has the first moment, stalls until
/// nothing moves any more. Then `end` says how it continues.
fn run_until_full(
    end: impl Fn(&CancelToken) -> Result<(), NetError>,
) -> (Outcome, Result<(), NetError>) {
    let options = EngineOptions {
        real_time: false,
        limit: None,
        batch: 1,
        ..options(0.0)
    };
    let mut stalled = false;
    run_with(camera(), options, &[Act::File], answer, |_, running| {
        if std::mem::replace(&mut stalled, true) {
            return Ok(());
        }
        // Ten frames a second, and up to the middle of the last.
        while running.script.read.load(Ordering::SeqCst) < 10 * (FULL - 1) + 5 {
            std::thread::yield_now();
        }
        end(running.cancel)
    })
}

#[test]
fn a_run_is_cancelled_while_everything_is_full() {
    let (outcome, ended) = run_until_full(|cancel| {
        cancel.cancel();
        Ok(())
    });
    ended.expect("no failure");
    // What was read is judged, each once and in order; no more was read than has a place.
    let starts: Vec<f64> = (0..outcome.moments.len() as u32).map(f64::from).collect();
    assert_eq!(outcome.starts(), starts);
    assert!(starts.len() as u64 + 1 >= FULL, "{outcome:?}");
    assert!(starts.len() as u64 <= FULL + 1, "{outcome:?}");
    assert_eq!(outcome.gaps, []);
    let end = outcome.end.expect("it ends");
    assert!(end.stopped, "{end:?}");
    assert_eq!((end.seconds, end.error), (starts.len() as f64, None));
}

#[test]
fn a_run_ends_if_its_publisher_fails_while_everything_is_full() {
    let (outcome, ended) = run_until_full(|_| {
        let cause = tch::TchError::Torch("the disk is full".to_owned());
        Err(NetError::from(cause))
    });
    let error = ended.expect_err("it failed").to_string();
    assert!(error.contains("the disk is full"), "{error}");
    assert_eq!(outcome.starts(), [0.0]);
}

#[test]
fn a_live_run_is_cancelled_while_its_full_queue_drops_moments() {
    let options = EngineOptions {
        limit: None,
        batch: 1,
        max_wait: EngineOptions::MAX_WAIT,
        ..options(0.0)
    };
    let mut stalled = false;
    let acts = [Act::Jumps(u64::MAX, 0)];
    let (outcome, ended) = run_with(camera(), options, &acts, answer, |_, running| {
        if !std::mem::replace(&mut stalled, true) {
            while running.script.clock.elapsed() < Duration::from_secs(60) {
                std::thread::yield_now();
            }
            running.cancel.cancel();
        }
        Ok(())
    });
    ended.expect("no failure");
    let end = outcome.end.clone().expect("it ends");
    assert_eq!(end.error, None);
    // Every whole second was judged or is in a gap.
    assert!(end.seconds >= 59.0, "{outcome:?}");
    let accounted = outcome.moments.len() as u64 + lost(&outcome.gaps);
    assert!((end.seconds as u64).abs_diff(accounted) <= 1, "{outcome:?}");
    assert!(lost(&outcome.gaps) > 50, "{outcome:?}");
    let is_overload = |gap: &GapSpan| gap.why == GapReason::Overload;
    assert!(outcome.gaps.iter().all(is_overload), "{outcome:?}");
}
