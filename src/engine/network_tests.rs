//! Batches that fail, and answers that come too late.

use super::super::dispatch::QueueLimits;
use super::*;
use crate::clock::SystemClock;
use crate::features::Viewport;
use tch::TchError;

/// Features that carry a number, as the width of their picture.
fn numbered(width: u32) -> Features {
    Features {
        spectrogram: Vec::new(),
        image: Vec::new(),
        image_width: width,
        image_height: 1,
        view: Viewport::whole(1, 1),
    }
}

fn out_of_memory() -> NetError {
    let text = "CUDA out of memory. Tried to allocate 2.00 GiB.";
    let error = NetError::from(TchError::Torch(text.to_owned()));
    assert!(error.is_out_of_memory());
    error
}

type Answers = Result<Vec<Option<u32>>, NetError>;

/// Answers to pictures of these widths; the batches that the network was given; and
/// the largest batch from then on.
fn answers(
    widths: &[u32],
    mut fails: impl FnMut(&[u32]) -> Option<NetError>,
) -> (Answers, Vec<usize>, usize) {
    let mut batches = Vec::new();
    let features: Vec<_> = widths.iter().copied().map(numbered).collect();
    let dispatcher = Dispatcher::of(1, QueueLimits { file: 1, live: 1 });
    let mut thread = NetworkThread {
        network: |batch: &[&Features]| {
            let widths: Vec<u32> = batch.iter().map(|f| f.image_width).collect();
            batches.push(widths.len());
            fails(&widths).map_or(Ok(widths), Err)
        },
        max_batch: 8,
        max_wait: Duration::from_secs(2),
        dispatcher: &dispatcher,
        outputs: crossbeam_channel::unbounded().0,
        stats: &NetworkStats::default(),
        clock: &SystemClock,
    };
    let answers = thread.answer(&features.iter().collect::<Vec<_>>());
    let max_batch = thread.max_batch;
    (answers, batches, max_batch)
}

#[test]
fn a_batch_that_lacks_memory_is_halved_until_it_fits_and_stays_small() {
    let widths: Vec<u32> = (0..8).collect();
    let fails = |batch: &[u32]| (batch.len() > 2).then(out_of_memory);
    let (answers, batches, max_batch) = answers(&widths, fails);
    let all: Vec<_> = widths.iter().copied().map(Some).collect();
    assert_eq!(answers.expect("all fit"), all);
    assert_eq!(batches, [8, 4, 2, 2, 4, 2, 2]);
    assert_eq!(max_batch, 2);
}

#[test]
fn a_moment_that_does_not_fit_alone_is_a_gap_as_long_as_others_fit() {
    let fails = |batch: &[u32]| batch.contains(&99).then(out_of_memory);
    let (answers, _, max_batch) = answers(&[1, 99, 3, 4], fails);
    let expected = [Some(1), None, Some(3), Some(4)];
    assert_eq!(answers.expect("three fit"), expected);
    assert_eq!(max_batch, 1);
}

#[test]
fn a_network_that_fails_at_a_batch_of_one_ends_the_run() {
    for widths in [&[1][..], &[1, 2, 3]] {
        let (answers, ..) = answers(widths, |_| Some(out_of_memory()));
        assert!(answers.expect_err("nothing fits").is_out_of_memory());
    }
}

#[test]
fn another_failure_is_not_tried_again() {
    let fails = |_: &[u32]| Some(NetError::from(TchError::Torch("bad shape".to_owned())));
    let (answers, batches, max_batch) = answers(&[1, 2], fails);
    assert!(answers.is_err());
    assert_eq!((batches.len(), max_batch), (1, 8));
}

/// A moment whose sound arrived then.
fn job(live: bool, arrived: Instant) -> Box<Job> {
    Box::new(Job {
        seq: 7,
        start: MediaTime(7_000_000_000),
        end: MediaTime(8_000_000_000),
        frame_at: MediaTime(7_500_000_000),
        utc: None,
        features: numbered(1),
        picture: None,
        audio: AudioFacts::of(&[0.0; 10], crate::features::Damage::default()),
        video: VideoFacts {
            width: 1,
            height: 1,
            still: false,
            black: false,
        },
        padded: false,
        live,
        arrived,
        begun: arrived,
        featured: arrived,
    })
}

#[test]
fn a_live_moment_that_waited_too_long_is_lost_and_one_of_a_file_is_judged() {
    let arrived = Instant::now();
    let wait = Duration::from_secs(2);
    let after = |live, seconds| {
        let now = arrived + Duration::from_secs_f64(seconds);
        in_time(Item::Job(job(live, arrived)), now, wait)
    };
    assert!(matches!(after(true, 1.9), Item::Job(_)));
    assert!(matches!(after(false, 3600.0), Item::Job(_)));
    let Item::Gap(gap) = after(true, 2.1) else {
        panic!("it waited too long");
    };
    assert_eq!((gap.why, gap.lost), (GapReason::Overload, 1));
    assert_eq!(gap.start, MediaTime(7_000_000_000));
}

#[cfg(feature = "gst")]
#[test]
fn a_live_answer_that_took_too_long_is_lost_and_the_next_ones_are_given() {
    use crate::clock::SimulatedClock;
    use crate::window::Pace;

    let clock = SimulatedClock::new();
    let after = |seconds| clock.now() + Duration::from_secs_f64(seconds);
    let dispatcher = Dispatcher::of(1, QueueLimits { file: 9, live: 9 });
    for (live, arrived) in [
        (true, after(0.0)),  // takes 3 s
        (true, after(1.8)),  // by then 1.2 s old, and 1 s is reckoned with
        (true, after(2.9)),  // takes 0.2 s
        (true, after(1.3)),  // would be answered after 2.1 s
        (false, after(0.0)), // of a file
    ] {
        dispatcher.submit(0, job(live, arrived), Pace::File);
    }
    dispatcher.close();
    let (outputs, received) = crossbeam_channel::unbounded();
    let mut takes = [3.0, 0.2, 0.2].into_iter();
    NetworkThread {
        network: |batch: &[&Features]| {
            let takes = takes.next().expect("three passes");
            clock.sleep(Duration::from_secs_f64(takes));
            Ok(vec![(); batch.len()])
        },
        max_batch: 1,
        max_wait: Duration::from_secs(2),
        dispatcher: &dispatcher,
        outputs,
        stats: &NetworkStats::default(),
        clock: &clock,
    }
    .run();
    let answered = received
        .iter()
        .map(|output| matches!(output, Output::Answered { .. }));
    assert_eq!(
        answered.collect::<Vec<_>>(),
        [false, false, true, false, true]
    );
}
