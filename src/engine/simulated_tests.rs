//! Cameras on a simulated clock: outages, stalls and odd timestamps, hours of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::clock::{Clock, SimulatedClock};
use crate::media::{AudioBlock, End, Feed, Frame, MediaError, SessionOptions, SourceKind};
use crate::picture::Picture;
use crate::result::GapReason;
use crate::time::SamplePos;
use crate::window::GapSpan;
use crate::window_spec::WindowSpec;

/// How often a camera looks whether it has recorded something.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Samples of a block: 100 ms.
const BLOCK: usize = 4_800;
const BLOCK_TIME: Duration = Duration::from_millis(100);

/// What a source does when it is opened.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// It cannot be opened.
    Refuses,
    /// Sound and picture for so many blocks, then an error.
    Breaks(u64),
    /// Sound and picture for so many blocks, then nothing more.
    Hangs(u64),
    /// Plays on; from a block on, timestamps are off by so many milliseconds.
    Jumps(u64, i64),
    /// Plays on; blocks from the first on, before the second, come so many blocks late.
    Late(u64, u64, u64),
    /// Blocks without samples, and no picture.
    Mumbles,
}

/// A camera that follows a script, one act each time that it is opened; the last one
/// again and again.
struct Script {
    clock: Arc<SimulatedClock>,
    acts: Vec<Act>,
    /// When it was opened.
    opened: Mutex<Vec<Duration>>,
}

impl Opener for Script {
    fn open(&self, _: &Source, options: SessionOptions) -> Result<Box<dyn Feed>, MediaError> {
        let mut opened = self.opened.lock().expect("no panic");
        let act = self.acts[opened.len().min(self.acts.len() - 1)];
        opened.push(self.clock.elapsed());
        if matches!(act, Act::Refuses) {
            return Err(MediaError::Network("no route to host".to_owned()));
        }
        let picture = Picture::filled(32, 32, [90, 120, 150]);
        Ok(Box::new(Camera {
            act,
            offset: options.offset,
            opened: self.clock.now(),
            clock: Arc::clone(&self.clock),
            blocks: 0,
            frames: 0,
            frame: Frame::of_picture(MediaTime::ZERO, &picture),
            pcm: vec![0.1; BLOCK],
        }))
    }
}

struct Camera {
    act: Act,
    offset: MediaTime,
    opened: Instant,
    clock: Arc<SimulatedClock>,
    blocks: u64,
    frames: u64,
    frame: Frame,
    pcm: Vec<f32>,
}

impl Camera {
    /// Blocks that it has recorded by now.
    fn recorded(&self) -> u64 {
        let since = self.clock.now().duration_since(self.opened);
        let blocks = (since.as_millis() / BLOCK_TIME.as_millis()) as u64;
        match self.act {
            Act::Breaks(max) | Act::Hangs(max) => blocks.min(max),
            Act::Refuses | Act::Jumps(..) | Act::Mumbles => blocks,
            Act::Late(from, until, by) => match blocks.saturating_sub(by) {
                late if late < until => blocks.min(from).max(late),
                _ => blocks,
            },
        }
    }

    /// The time that it stamps a block with.
    fn stamp(&self, block: u64) -> MediaTime {
        let ms = 100 * block as i64
            + match self.act {
                Act::Jumps(from, off) if block >= from => off,
                _ => 0,
            };
        MediaTime(self.offset.0 + ms.max(0) as u64 * 1_000_000)
    }
}

impl Feed for Camera {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        if self.blocks == self.recorded() {
            return None;
        }
        let at = SamplePos::from_time(self.stamp(self.blocks));
        self.blocks += 1;
        let pcm = match self.act {
            Act::Mumbles => &[],
            _ => &self.pcm[..],
        };
        Some(AudioBlock {
            at,
            arrived: self.clock.now(),
            pcm,
        })
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if self.frames == self.recorded() || matches!(self.act, Act::Mumbles) {
            return None;
        }
        let frame = self.frame.clone().moved_to(self.stamp(self.frames));
        self.frames += 1;
        Some(frame)
    }

    fn sound_is_done(&self) -> bool {
        false
    }

    fn picture_is_done(&self) -> bool {
        false
    }

    fn wait(&mut self, clock: &dyn Clock, at_most: Duration) {
        clock.sleep(at_most.min(POLL_INTERVAL));
    }

    fn poll(&mut self) -> Option<End> {
        let broken = matches!(self.act, Act::Breaks(max) if self.blocks == max);
        let cause = || MediaError::Network("connection reset".to_owned());
        broken.then(|| End::Failed(cause()))
    }

    fn has_failed_silently(&self) -> bool {
        false
    }

    fn is_live(&self) -> bool {
        true
    }

    fn is_by_clock(&self) -> bool {
        true
    }

    fn dropped(&self) -> (u64, u64) {
        (0, 0)
    }

    fn missing_decoder(&self) -> Option<&str> {
        None
    }

    fn tail_samples(&self) -> usize {
        0
    }

    fn duration(&self) -> Option<MediaTime> {
        None
    }

    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        let running = self.clock.now().duration_since(self.opened);
        let running = jiff::SignedDuration::try_from(running).ok()?;
        self.clock.utc().checked_sub(running).ok()
    }
}

/// What came of a run.
#[derive(Debug, Default)]
struct Outcome {
    /// Starts of the moments, in seconds, and the times of day of their ends.
    moments: Vec<(f64, Option<jiff::Timestamp>)>,
    gaps: Vec<GapSpan>,
    end: Option<StreamEnd>,
    /// When the source was opened, in seconds.
    opened: Vec<f64>,
}

/// Runs a camera for so many seconds of stream time.
fn run(acts: &[Act], seconds: f64) -> Outcome {
    run_until(acts, seconds, |_, _| {})
}

/// The same; `watch` sees the outcome so far and may cancel.
fn run_until(acts: &[Act], seconds: f64, watch: impl FnMut(&Outcome, &CancelToken)) -> Outcome {
    let (outcome, ended) = run_through(acts, seconds, |batch| Ok(vec![(); batch]), watch);
    ended.expect("the network does not fail");
    outcome
}

/// The same through a network that answers a batch of so many moments.
fn run_through(
    acts: &[Act],
    seconds: f64,
    network: impl FnMut(usize) -> Result<Vec<()>, NetError> + Send,
    watch: impl FnMut(&Outcome, &CancelToken),
) -> (Outcome, Result<(), NetError>) {
    run_with(camera(), acts, seconds, false, network, watch)
}

fn camera() -> SourceKind {
    SourceKind::Camera(0)
}

fn network_stream() -> SourceKind {
    SourceKind::Uri {
        uri: "rtsp://10.0.0.5/stream".to_owned(),
        live: true,
    }
}

fn run_with(
    kind: SourceKind,
    acts: &[Act],
    seconds: f64,
    wait_for_sources: bool,
    mut network: impl FnMut(usize) -> Result<Vec<()>, NetError> + Send,
    mut watch: impl FnMut(&Outcome, &CancelToken),
) -> (Outcome, Result<(), NetError>) {
    let clock = Arc::new(SimulatedClock::new());
    let script = Script {
        clock: Arc::clone(&clock),
        acts: acts.to_vec(),
        opened: Mutex::default(),
    };
    let options = EngineOptions {
        hop: Hop::SECOND,
        crop: Crop::Full,
        spec: WindowSpec::PAPER,
        real_time: true,
        limit: Some(MediaTime::from_secs_f64(seconds)),
        jobs: 1,
        batch: 4,
        // Simulated time runs ahead of the network, which is no overload.
        max_wait: Duration::from_secs(1_000_000),
        keep_pictures: false,
        wait_for_sources,
    };
    let (cancel, stats) = (CancelToken::default(), RunStats::new(1));
    let source = Source {
        name: "cam".into(),
        kind,
        label: None,
        tracks: Default::default(),
    };
    let engine = Engine {
        options: &options,
        cancel: &cancel,
        stats: &stats,
        opener: &script,
        clock: &*clock,
    };
    let mut outcome = Outcome::default();
    let network = |batch: &[&Features]| network(batch.len());
    let ended = engine.run(vec![Task::new(source)], network, |output| {
        match output {
            Output::Answered { job, .. } => {
                outcome.moments.push((job.start.as_secs_f64(), job.utc));
            }
            Output::Gap { gap, .. } => outcome.gaps.push(gap),
            Output::Ended { end, .. } => outcome.end = Some(end),
            Output::NetworkFailed(error) => return Err(error),
        }
        watch(&outcome, &cancel);
        Ok(())
    });
    let opened = script.opened.into_inner().expect("no panic");
    outcome.opened = opened.iter().map(Duration::as_secs_f64).collect();
    (outcome, ended)
}

/// Runs a source that may be waited for.
fn run_waiting(kind: SourceKind, acts: &[Act], seconds: f64, wait_for_sources: bool) -> Outcome {
    let network = |batch| Ok(vec![(); batch]);
    let (outcome, ended) = run_with(kind, acts, seconds, wait_for_sources, network, |_, _| {});
    ended.expect("the network does not fail");
    outcome
}

fn lost(gaps: &[GapSpan]) -> u64 {
    gaps.iter().map(|gap| gap.lost).sum()
}

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

#[test]
fn a_source_that_was_never_there_is_given_up_unless_it_is_waited_for() {
    for kind in [camera(), network_stream()] {
        let outcome = run_waiting(kind.clone(), &[Act::Refuses], 600.0, false);
        assert_eq!(outcome.opened.len(), 3, "{outcome:?}");
        let error = outcome.end.expect("it ends").error.expect("an error");
        assert!(error.contains("no route to host"), "{error}");

        let late = [&[Act::Refuses; 8][..], &[Act::Jumps(u64::MAX, 0)]].concat();
        let outcome = run_waiting(kind.clone(), &late, 150.0, true);
        assert!(outcome.moments.len() > 10, "{outcome:?}");
        assert_eq!(outcome.end.expect("it ends").error, None);

        // Once it was there, it may stay away for long.
        let away = [
            &[Act::Breaks(25)],
            &[Act::Refuses; 8][..],
            &[Act::Jumps(u64::MAX, 0)],
        ]
        .concat();
        let outcome = run_waiting(kind, &away, 200.0, false);
        assert!(outcome.moments.len() > 10, "{outcome:?}");
    }
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
    let (outcome, ended) = run_through(&[Act::Jumps(u64::MAX, 0)], 1e6, network, |_, _| {});
    let error = ended.expect_err("it fails").to_string();
    assert!(error.contains("the GPU is gone"), "{error}");
    assert!(outcome.moments.len() < 5);
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
    // Every second up to the last moment was judged or is in a gap, but for what each
    // return of the camera leaves of a second.
    let accounted = outcome.moments.len() as u64 + lost(&outcome.gaps);
    let off = (last as u64 + 1).abs_diff(accounted);
    assert!(off <= 102, "{accounted} of {last} seconds");
    assert!(outcome.moments.windows(2).all(|w| w[0].0 < w[1].0));
    assert!(outcome.gaps.windows(2).all(|w| w[0].start < w[1].start));
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
