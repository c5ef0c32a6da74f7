//! The policies of the bus, with sinks that are slow, fail, or hang.

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::overflow::Overflow;
use super::*;
use crate::event::{Evidence, JudgedMoment, Region};
use crate::result::{GapReason, Heatmap, Judgement, Summary};
use crate::sink::testing::moment;
use crate::sink::{OnFailure, Policy};
use crate::time::MediaTime;
use crate::window_spec::WindowSpec;

mod failures;

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
            spec: WindowSpec::PAPER,
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
        fps: None,
        keyframes: false,
        interrupted: false,
        error: None,
    })
}

/// A short form of what a sink received.
fn short(event: &Event) -> String {
    match event {
        Event::Moment(moment) => format!("{}{}", moment.verdict.stream, moment.verdict.seq),
        Event::Gap(gap) => format!("{}-{}", gap.stream, gap.lost),
        Event::Measured(qc) => format!("{} measured", qc.stream),
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
