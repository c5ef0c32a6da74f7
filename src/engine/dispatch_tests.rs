use proptest::prelude::*;

use super::*;
use crate::time::MediaTime;

const LIMITS: QueueLimits = QueueLimits { file: 9, live: 2 };

#[derive(Debug, PartialEq)]
struct Second(u64);

impl Droppable for Second {
    fn span(&self) -> GapSpan {
        GapSpan {
            start: MediaTime(self.0),
            end: MediaTime(self.0 + 1),
            why: GapReason::Overload,
            lost: 1,
        }
    }
}

fn seconds(batch: &[(usize, Item<Second>)]) -> Vec<(usize, u64)> {
    batch
        .iter()
        .filter_map(|(stream, item)| match item {
            Item::Job(Second(s)) => Some((*stream, *s)),
            _ => None,
        })
        .collect()
}

#[test]
fn streams_take_turns() {
    let dispatcher = Dispatcher::of(3, LIMITS);
    for s in 0..4 {
        dispatcher.submit(0, Second(s), Pace::File);
    }
    dispatcher.submit(2, Second(7), Pace::File);
    let batch = dispatcher.next_batch(3).expect("work");
    assert_eq!(seconds(&batch), [(0, 0), (2, 7), (0, 1)]);
    assert_eq!(
        seconds(&dispatcher.next_batch(9).expect("work")),
        [(0, 2), (0, 3)]
    );
}

#[test]
fn a_busy_stream_does_not_starve_another() {
    let dispatcher = Dispatcher::of(2, LIMITS);
    for s in 0..3 {
        dispatcher.submit(0, Second(s), Pace::File);
        dispatcher.submit(1, Second(s), Pace::File);
    }
    let order: Vec<_> = (0..6)
        .flat_map(|_| seconds(&dispatcher.next_batch(1).expect("work")))
        .collect();
    assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
}

#[test]
fn a_live_stream_drops_its_oldest_and_says_so() {
    let (dispatcher, stats) = (Dispatcher::default(), Arc::<StreamStats>::default());
    dispatcher.add(LIMITS, Arc::clone(&stats));
    let waiting = || stats.queued_moments.load(Ordering::Relaxed);
    let dropped: u64 = (0..5)
        .map(|s| dispatcher.submit(0, Second(s), Pace::Live))
        .sum();
    assert_eq!((dropped, waiting()), (3, 2));
    let batch = dispatcher.next_batch(9).expect("work");
    assert_eq!(seconds(&batch), [(0, 3), (0, 4)]);
    let Item::Gap(gap) = &batch[0].1 else {
        panic!("a gap comes first")
    };
    assert_eq!((gap.start.0, gap.end.0, gap.lost), (0, 3, 3));
    assert_eq!(waiting(), 0);
}

#[test]
fn a_file_waits_and_loses_nothing() {
    let dispatcher = Arc::new(Dispatcher::of(1, QueueLimits { file: 2, live: 9 }));
    let feeder = {
        let dispatcher = Arc::clone(&dispatcher);
        std::thread::spawn(move || {
            for s in 0..100 {
                dispatcher.submit(0, Second(s), Pace::File);
                dispatcher.gap(0, Second(s).span());
            }
            dispatcher.close();
        })
    };
    let mut got = Vec::new();
    while let Some(batch) = dispatcher.next_batch(3) {
        got.extend(seconds(&batch));
    }
    feeder.join().expect("no panic");
    assert_eq!(got, (0..100).map(|s| (0, s)).collect::<Vec<_>>());
}

/// What happens to a dispatcher of some streams.
#[derive(Clone, Debug)]
enum Step {
    /// A live stream submits its next second.
    Submit(usize),
    /// A second of it is missing.
    Gap(usize),
    /// The network takes a batch of at most so many.
    Take(usize),
}

const STREAMS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..STREAMS).prop_map(Step::Submit),
        1 => (0..STREAMS).prop_map(Step::Gap),
        3 => (1_usize..4).prop_map(Step::Take),
    ]
}

proptest! {
    /// In order within each stream, every second once, as a job or in a gap; and between two jobs
    /// of a stream each other one whose job waited all the while had its turn.
    #[test]
    fn nothing_is_lost_and_all_have_their_turn(steps in prop::collection::vec(step(), 0..120)) {
        let dispatcher = Dispatcher::<Second>::default();
        let stats: [Arc<StreamStats>; STREAMS] = std::array::from_fn(|_| Arc::default());
        for stats in &stats {
            dispatcher.add(LIMITS, Arc::clone(stats));
        }
        let mut submitted = [0; STREAMS];
        let mut seen = [0; STREAMS];
        // How many jobs of others each stream has seen taken while its own waited.
        let mut passed_over = [[0_u32; STREAMS]; STREAMS];
        let waiting = |stream: usize| stats[stream].queued_moments.load(Ordering::Relaxed);
        let drain = [Step::Take(2)].into_iter().cycle().take(STREAMS * 4);
        for step in steps.into_iter().chain(drain) {
            match step {
                Step::Submit(stream) => {
                    dispatcher.submit(stream, Second(submitted[stream]), Pace::Live);
                    submitted[stream] += 1;
                    prop_assert!(waiting(stream) <= LIMITS.live as u64);
                }
                Step::Gap(stream) => {
                    dispatcher.gap(stream, Second(submitted[stream]).span());
                    submitted[stream] += 1;
                }
                Step::Take(most) => {
                    if (0..STREAMS).all(|stream| seen[stream] == submitted[stream]) {
                        // It would wait.
                        continue;
                    }
                    let batch = dispatcher.next_batch(most).expect("not closed");
                    prop_assert!(seconds(&batch).len() <= most);
                    for (stream, item) in batch {
                        let (from, until) = match item {
                            Item::Job(Second(s)) => (s, s + 1),
                            Item::Gap(gap) => (gap.start.0, gap.end.0),
                            Item::Ended(_) => unreachable!("none ends"),
                        };
                        prop_assert_eq!(from, seen[stream]);
                        seen[stream] = until;
                        if matches!(item, Item::Gap(_)) {
                            continue;
                        }
                        passed_over[stream] = [0; STREAMS];
                        for other in (0..STREAMS).filter(|other| waiting(*other) > 0) {
                            if other != stream {
                                passed_over[other][stream] += 1;
                            }
                        }
                    }
                    for (stream, by) in passed_over.iter_mut().enumerate() {
                        if waiting(stream) == 0 {
                            *by = [0; STREAMS];
                        }
                        prop_assert!(by.iter().all(|&n| n <= 1), "{stream}: {by:?}");
                    }
                }
            }
        }
        prop_assert_eq!(seen, submitted);
        prop_assert!((0..STREAMS).all(|stream| waiting(stream) == 0));
    }
}
