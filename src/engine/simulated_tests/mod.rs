//! Cameras and files on a simulated clock: what goes wrong, and hours of it.
//!
//! Here: sources that follow a script, and how they are run.

mod ending;
mod outages;
mod timestamps;
#[cfg(all(target_os = "linux", feature = "monitor"))]
mod week;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::clock::{Clock, SimulatedClock};
use crate::media::{AudioBlock, End, Feed, Frame, MediaError, SessionOptions, SourceKind};
use crate::picture::Picture;
use crate::result::GapReason;
use crate::stats::AvDrift;
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
    /// Plays on; the timestamps of the sound run fast by so many millionths.
    Drifts(i64),
    /// Plays on; blocks from the first on, before the second, come so many blocks late.
    Late(u64, u64, u64),
    /// Blocks without samples, and no picture.
    Mumbles,
    /// Plays on; frames from the first on, before the second, cannot be converted.
    Torn(u64, u64),
    /// A file without an end: all of it is there at once.
    File,
}

/// A source that follows a script, one act each time that it is opened; the last one
/// again and again.
struct Script {
    clock: Arc<SimulatedClock>,
    acts: Vec<Act>,
    /// When it was opened.
    opened: Mutex<Vec<Duration>>,
    /// Frames that were read.
    read: Arc<AtomicU64>,
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
        Ok(Box::new(Played {
            act,
            offset: options.offset,
            opened: self.clock.now(),
            clock: Arc::clone(&self.clock),
            blocks: 0,
            frames: 0,
            read: Arc::clone(&self.read),
            frame: Frame::of_picture(MediaTime::ZERO, &picture),
            pcm: vec![0.1; BLOCK],
        }))
    }
}

struct Played {
    act: Act,
    offset: MediaTime,
    opened: Instant,
    clock: Arc<SimulatedClock>,
    blocks: u64,
    frames: u64,
    read: Arc<AtomicU64>,
    frame: Frame,
    pcm: Vec<f32>,
}

impl Played {
    /// Blocks that it has recorded by now.
    fn recorded(&self) -> u64 {
        let since = self.clock.now().duration_since(self.opened);
        let blocks = (since.as_millis() / BLOCK_TIME.as_millis()) as u64;
        match self.act {
            Act::Breaks(max) | Act::Hangs(max) => blocks.min(max),
            Act::File => u64::MAX,
            Act::Refuses | Act::Drifts(_) | Act::Jumps(..) | Act::Mumbles | Act::Torn(..) => blocks,
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

impl Feed for Played {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        if self.blocks == self.recorded() {
            return None;
        }
        let at = match self.act {
            Act::Drifts(ppm) => {
                let at = self.stamp(self.blocks).0;
                MediaTime(at.saturating_add_signed(at as i64 / 1_000_000 * ppm))
            }
            _ => self.stamp(self.blocks),
        };
        let at = SamplePos::from_time(at);
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
        let at = self.stamp(self.frames);
        let frame = match self.act {
            Act::Torn(from, until) if (from..until).contains(&self.frames) => Frame::torn(at),
            _ => self.frame.clone().moved_to(at),
        };
        self.frames += 1;
        self.read.fetch_add(1, Ordering::SeqCst);
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

    fn is_live(&self) -> bool {
        !matches!(self.act, Act::File)
    }

    fn is_by_clock(&self) -> bool {
        !matches!(self.act, Act::File)
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
    /// How far sound and picture had come apart at the end.
    drift: Option<AvDrift>,
}

/// A run in progress, for who watches it.
struct Running<'a> {
    cancel: &'a CancelToken,
    script: &'a Script,
}

fn camera() -> SourceKind {
    SourceKind::Camera(0)
}

/// The options of a live run for so many seconds of stream time.
fn options(seconds: f64) -> EngineOptions {
    EngineOptions {
        hop: Hop::SECOND,
        every: 1,
        frame_every: MediaTime::ZERO,
        crop: Crop::Full,
        spec: WindowSpec::PAPER,
        real_time: true,
        limit: Some(MediaTime::from_secs_f64(seconds)),
        jobs: 1,
        batch: 4,
        // Simulated time runs ahead of the network, which is no overload.
        max_wait: Duration::from_secs(1_000_000),
        keep_pictures: false,
        wait_for_cameras: false,
    }
}

/// Runs a camera for so many seconds of stream time.
fn run(acts: &[Act], seconds: f64) -> Outcome {
    run_until(acts, seconds, |_, _| {})
}

/// The same; `watch` sees the outcome so far and may cancel.
fn run_until(acts: &[Act], seconds: f64, mut watch: impl FnMut(&Outcome, &CancelToken)) -> Outcome {
    let options = options(seconds);
    let (outcome, ended) = run_with(camera(), options, acts, answer, |outcome, running| {
        watch(outcome, running.cancel);
        Ok(())
    });
    ended.expect("the network does not fail");
    outcome
}

/// A network that answers.
fn answer(batch: usize) -> Result<Vec<()>, NetError> {
    Ok(vec![(); batch])
}

/// Runs a source through a network that answers a batch of so many moments; `watch` is
/// called after each output.
fn run_with(
    kind: SourceKind,
    options: EngineOptions,
    acts: &[Act],
    mut network: impl FnMut(usize) -> Result<Vec<()>, NetError> + Send,
    mut watch: impl FnMut(&Outcome, &Running<'_>) -> Result<(), NetError>,
) -> (Outcome, Result<(), NetError>) {
    let clock = Arc::new(SimulatedClock::new());
    let script = Script {
        clock: Arc::clone(&clock),
        acts: acts.to_vec(),
        opened: Mutex::default(),
        read: Arc::default(),
    };
    let (cancel, stats) = (CancelToken::default(), RunStats::default());
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
        changes: crossbeam_channel::never(),
    };
    let mut outcome = Outcome::default();
    let running = Running {
        cancel: &cancel,
        script: &script,
    };
    let network = |batch: &[&Features]| network(batch.len());
    let ended = engine.run(vec![Task::new(source)], network, |output| {
        match output {
            Output::Answered { job, .. } => {
                outcome.moments.push((job.start.as_secs_f64(), job.utc));
            }
            Output::Begun { .. } => return Ok(()),
            Output::Gap { gap, .. } => outcome.gaps.push(gap),
            Output::Ended { end, .. } => outcome.end = Some(end),
            Output::NetworkFailed(error) => return Err(error),
        }
        watch(&outcome, &running)
    });
    outcome.drift = stats.streams()[0].stats.drift();
    let opened = script.opened.into_inner().expect("no panic");
    outcome.opened = opened.iter().map(Duration::as_secs_f64).collect();
    (outcome, ended)
}

impl Outcome {
    /// Starts of the moments, in seconds.
    fn starts(&self) -> Vec<f64> {
        self.moments.iter().map(|moment| moment.0).collect()
    }
}

fn lost(gaps: &[GapSpan]) -> u64 {
    gaps.iter().map(|gap| gap.lost).sum()
}
