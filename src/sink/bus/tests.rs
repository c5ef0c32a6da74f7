//! The policies of the bus, with sinks that are slow, fail, or hang.

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::overflow::Overflow;
use super::*;
use crate::event::{Evidence, JudgedMoment, Region};
use crate::file_error::FileError;
use crate::result::{GapReason, Heatmap, Judgement, Summary};
use crate::sink::testing::moment;
use crate::sink::{OnFailure, Policy};
use crate::time::MediaTime;

/// A test that takes longer has hung.
const TIMEOUT: Duration = Duration::from_secs(60);

fn judged(stream: &str, seq: u64) -> Event {
    let map = Heatmap {
        rows: 1,
        cols: 1,
        values: vec![1.0],
    };
    let verdict = moment(stream, seq);
    let judgement = Judgement {
        logits: verdict.logits,
        correspondence: verdict.correspondence,
        vision: map.clone(),
        audio: map,
    };
    Event::Moment(Box::new(JudgedMoment {
        verdict,
        evidence: Evidence {
            judgement,
            picture: None,
            spectrogram: None,
            covered: Region::FULL,
            features: None,
        },
    }))
}

fn ended(stream: &str) -> Event {
    Event::Ended(Summary {
        stream: stream.into(),
        moments: 1,
        mean_correspondence: None,
        gaps: 0,
        seconds: 1.0,
        wall_s: 1.0,
        model: None,
        bytes: None,
        interrupted: false,
        error: None,
    })
}

/// A short form of what a sink received.
fn short(event: &Event) -> String {
    match event {
        Event::Moment(moment) => format!("{}{}", moment.verdict.stream, moment.verdict.seq),
        Event::Gap(gap) => format!("{}-{}", gap.stream, gap.lost),
        Event::Ended(summary) => format!("{}.", summary.stream),
    }
}

/// A sink under the test's control.
struct Fake {
    policy: Policy,
    /// Everything that it receives, and `finish`.
    received: Sender<String>,
    /// It waits for a permit before each event; for ever once the sender has gone, if it
    /// `hangs`.
    go: Option<Receiver<()>>,
    hangs: bool,
    /// Which events fail, by their short form, and how.
    fails: fn(&str) -> Option<SinkError>,
}

fn disk_full(_: &str) -> SinkError {
    SinkError::io("out.png".as_ref(), "write")(std::io::ErrorKind::StorageFull.into())
}

impl Sink for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        if let Some(go) = &self.go
            && go.recv().is_err()
            && self.hangs
        {
            loop {
                std::thread::park();
            }
        }
        let event = short(event);
        let failure = (self.fails)(&event);
        let _ = self.received.send(event);
        failure.map_or(Ok(()), Err)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let _ = self.received.send("finish".to_owned());
        Ok(())
    }
}

/// A bus of one fake and one sink that is always fast.
struct Setup {
    bus: Bus,
    cancel: CancelToken,
    go: Sender<()>,
    received: Receiver<String>,
    other: Receiver<String>,
    reports: Receiver<String>,
    stats: Arc<RunStats>,
}

fn setup(policy: Policy, grace: Duration, change: impl FnOnce(&mut Fake)) -> Setup {
    let (go, goes) = unbounded();
    let (sender, received) = unbounded();
    let mut fake = Fake {
        policy,
        received: sender,
        go: None,
        hangs: false,
        fails: |_| None,
    };
    change(&mut fake);
    if fake.hangs || policy.queue < 9 {
        fake.go = Some(goes);
    }
    let (sender, other) = unbounded();
    let quick = Fake {
        policy: Policy::LOSSLESS,
        received: sender,
        go: None,
        hangs: false,
        fails: |_| None,
    };
    let (report, reports) = unbounded();
    let cancel = CancelToken::default();
    let stats = Arc::new(RunStats::default());
    let options = BusOptions {
        stats: Arc::clone(&stats),
        cancel: cancel.clone(),
        grace,
        report: Arc::new(move |line| report.send(line.to_owned()).expect("it is read")),
    };
    let bus = Bus::start(vec![Box::new(fake), Box::new(quick)], options).expect("threads");
    Setup {
        bus,
        cancel,
        go,
        received,
        other,
        reports,
        stats,
    }
}

fn all(of: &Receiver<String>) -> Vec<String> {
    of.try_iter().collect()
}

#[test]
fn a_full_queue_that_waits_loses_nothing() {
    for when_full in [WhenFull::Wait, WhenFull::DropOldestIfLive] {
        loses_nothing(Policy {
            queue: 2,
            when_full,
            ..Policy::LOSSLESS
        });
    }
}

fn loses_nothing(policy: Policy) {
    let Setup {
        bus, go, received, ..
    } = setup(policy, TIMEOUT, |_| {});
    let published = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&published);
    let publisher = std::thread::spawn(move || {
        for seq in 0..20 {
            bus.publish(judged("a", seq), false).expect("no failure");
            count.fetch_add(1, Ordering::SeqCst);
        }
        bus.publish(ended("a"), false).expect("no failure");
        bus.finish()
    });
    // One is at the sink, two are queued, and the publisher is blocked on the next.
    for taken in 0..21 {
        assert!(published.load(Ordering::SeqCst) <= taken + 3);
        go.send(()).expect("the sink is there");
        received.recv_timeout(TIMEOUT).expect("it receives");
    }
    assert_eq!(publisher.join().expect("no panic").expect("no failure"), 0);
    assert_eq!(all(&received), ["finish"]);
}

#[test]
fn a_full_queue_that_drops_gives_a_gap_in_place_of_the_oldest_and_keeps_ends() {
    let policy = Policy {
        queue: 2,
        when_full: WhenFull::DropOldestIfLive,
        ..Policy::LOSSLESS
    };
    let Setup {
        bus,
        go,
        received,
        other,
        stats,
        ..
    } = setup(policy, TIMEOUT, |_| {});
    stats.set_live();
    bus.publish(judged("a", 0), false).expect("no failure");
    // The sink has taken the first one before the others arrive.
    while bus.lanes[0].queue.len() > 0 {
        std::thread::yield_now();
    }
    for event in [
        judged("a", 1),
        judged("b", 0),
        ended("b"),
        judged("a", 2),
        judged("a", 3),
        judged("a", 4),
    ] {
        bus.publish(event, false).expect("nobody waits");
    }
    for _ in 0..9 {
        go.send(()).expect("the sink is there");
    }
    assert_eq!(bus.finish().expect("no failure"), 0);
    assert_eq!(
        all(&received),
        ["a0", "a-2", "b-1", "b.", "a3", "a4", "finish"]
    );
    let quick = ["a0", "a1", "b0", "b.", "a2", "a3", "a4", "finish"];
    assert_eq!(all(&other), quick, "another sink loses nothing");
}

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

#[test]
fn repeats_go_to_those_who_want_them() {
    for (repeats, received) in [
        (true, vec!["a0", "a1", "finish"]),
        (false, vec!["a1", "finish"]),
    ] {
        let policy = Policy {
            repeats,
            ..Policy::LOSSLESS
        };
        let setup = setup(policy, TIMEOUT, |_| {});
        setup.bus.publish(judged("a", 0), true).expect("no failure");
        setup
            .bus
            .publish(judged("a", 1), false)
            .expect("no failure");
        setup.bus.finish().expect("no failure");
        assert_eq!(all(&setup.received), received);
    }
}

#[test]
fn what_was_dropped_covers_the_time_of_all_of_it() {
    let mut overflow = Overflow::default();
    for seq in 3..6 {
        assert!(overflow.add(&judged("a", seq)));
    }
    let [Event::Gap(gap)] = overflow.0.make_contiguous() else {
        panic!("one gap");
    };
    let second = |s: u64| MediaTime(s * 1_000_000_000);
    assert_eq!(
        (gap.start_ns, gap.end_ns, gap.lost),
        (second(3), second(6), 3)
    );
    assert_eq!(gap.why, GapReason::Overload);
}
