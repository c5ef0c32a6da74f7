//! Sinks that fail, leave, hang or panic.

use super::*;
use crate::file_error::FileError;

#[test]
fn what_a_failure_does_is_the_policy_of_the_sink() {
    // Policy, whether the run is live, what the sink receives, lines of report, whether the run ends.
    const EVERYTHING: &[&str] = &["a0", "a1", "a2", "a3", "a4", "finish"];
    let table: [(OnFailure, bool, &[&str], usize, bool); 5] = [
        (OnFailure::EndRun, true, &["a0", "a1"], 0, true),
        (OnFailure::Detach, true, &["a0", "a1"], 1, false),
        (OnFailure::ReportEach, true, EVERYTHING, 3, false),
        (OnFailure::ReportFirstIfLive, true, EVERYTHING, 2, false),
        (OnFailure::ReportFirstIfLive, false, &["a0", "a1"], 0, true),
    ];
    for (on_failure, live, receives, reports, ends) in table {
        let policy = Policy {
            on_failure,
            ..Policy::LOSSLESS
        };
        let setup = setup(policy, TIMEOUT, |fake| {
            fake.fails = |event| {
                ["a1", "a2", "a4"]
                    .contains(&event)
                    .then(|| disk_full(event))
            };
        });
        if live {
            setup.stats.set_live();
        }
        let mut outcome = Ok(());
        for seq in 0..5 {
            outcome = outcome.and(setup.bus.publish(judged("a", seq), false));
        }
        let closed = setup.bus.finish();
        assert_eq!(all(&setup.received), receives, "{on_failure:?}");
        assert_eq!(setup.cancel.is_cancelled(), ends, "{on_failure:?}");
        let fatal = outcome
            .err()
            .or(closed.as_ref().err().map(|_| FileError::Closed.into()));
        assert_eq!(fatal.is_some(), ends, "{on_failure:?}");
        let lines = all(&setup.reports);
        assert_eq!(lines.len(), reports, "{on_failure:?}: {lines:?}");
        assert!(
            lines.iter().all(|line| line.contains("out.png")),
            "{lines:?}"
        );
        if !ends {
            assert_eq!(closed.expect("the run continues"), reports);
            let quick = ["a0", "a1", "a2", "a3", "a4", "finish"];
            assert_eq!(all(&setup.other), quick, "{on_failure:?}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure_of_a_sink_that_may_go() {
    let policy = Policy {
        on_failure: OnFailure::Detach,
        ..Policy::LOSSLESS
    };
    let setup = setup(policy, TIMEOUT, |fake| {
        fake.fails = |_| Some(FileError::Closed.into())
    });
    setup
        .bus
        .publish(judged("a", 0), false)
        .expect("no failure");
    assert_eq!(setup.bus.finish().expect("no failure"), 0);
    assert_eq!(all(&setup.reports), [""; 0]);
}

#[test]
fn a_sink_that_has_left_is_not_waited_for() {
    let policy = Policy {
        queue: 10,
        on_failure: OnFailure::Detach,
        ..Policy::LOSSLESS
    };
    let setup = setup(policy, TIMEOUT, |fake| {
        fake.fails = |event| Some(disk_full(event))
    });
    for seq in 0..100 {
        setup
            .bus
            .publish(judged("a", seq), false)
            .expect("no failure");
    }
    assert_eq!(setup.bus.finish().expect("no failure"), 1);
    assert_eq!(all(&setup.received), ["a0"]);
}

#[test]
fn a_cancelled_run_does_not_wait_for_a_sink_that_hangs() {
    for when_full in [WhenFull::Wait, WhenFull::DropOldestIfLive] {
        let policy = Policy {
            queue: 2,
            when_full,
            ..Policy::LOSSLESS
        };
        let setup = setup(policy, Duration::from_secs(1), |fake| fake.hangs = true);
        drop(setup.go);
        setup.stats.set_live();
        setup.cancel.cancel();
        for seq in 0..9 {
            setup
                .bus
                .publish(judged("a", seq), false)
                .expect("no failure");
        }
        assert_eq!(setup.bus.finish().expect("no error"), 1);
        let lines = all(&setup.reports);
        assert!(lines[0].contains("fake did not close within"), "{lines:?}");
        let last = all(&setup.other).pop();
        assert_eq!(last.as_deref(), Some("finish"), "the others are closed");
    }
}

#[test]
fn a_sink_that_panics_ends_the_run_if_its_failure_would() {
    for (on_failure, ends) in [(OnFailure::EndRun, true), (OnFailure::Detach, false)] {
        let policy = Policy {
            on_failure,
            ..Policy::LOSSLESS
        };
        let setup = setup(policy, TIMEOUT, |fake| {
            fake.fails = |_| panic!("as a bug in a sink would");
        });
        setup.bus.publish(judged("a", 0), false).expect("not yet");
        assert_eq!(setup.bus.finish().expect("it is reported"), 1);
        assert_eq!(setup.cancel.is_cancelled(), ends);
        let lines = all(&setup.reports);
        assert_eq!(lines, ["l3net: fake broke down; please report it"]);
    }
}
