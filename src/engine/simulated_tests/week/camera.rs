//! A camera that follows a plan of faults.

use std::sync::Arc;
use std::time::Duration;

use super::clock::StepClock;
use super::plan::{Fault, What};
use crate::clock::Clock;
use crate::media::{AudioBlock, End, Feed, Frame, MediaError, Opener, SessionOptions, Source};
use crate::picture::Picture;
use crate::time::{MediaTime, SamplePos};

/// Samples of a block.
const BLOCK: usize = 24_000;
/// Length of a block, and time between two frames. Cameras send smaller blocks and more
/// frames; each costs real time here.
const STEP_NS: u64 = 500_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// Pictures that follow each other; no two of neighbouring seconds are the same.
const PICTURES: u64 = 5;

/// Red of a picture whose sound is not its own.
pub const FOREIGN_RED: u8 = 250;

/// A camera, over all its connections.
pub struct Camera {
    pub faults: Vec<Fault>,
    /// So many millionths longer than it says is each second of its sound.
    pub drift_ppm: i64,
    /// Sound begins so much after the picture, each time.
    pub sound_after_s: u64,
}

/// What cameras show and play.
pub struct Content {
    usual: Vec<Frame>,
    foreign: Vec<Frame>,
    large: Vec<Frame>,
    black: Frame,
    quiet: Vec<f32>,
    loud: Vec<f32>,
    mute: Vec<f32>,
}

impl Content {
    pub fn new() -> Self {
        // Of the size that the network sees: scaling would take most of the time.
        let picture =
            |width, rgb| Frame::of_picture(MediaTime::ZERO, &Picture::filled(width, 256, rgb));
        let shade = |i: u64| 60 + 30 * i as u8;
        let all = |width, red: Option<u8>| {
            let pictures = (0..PICTURES).map(shade);
            pictures
                .map(|shade| picture(width, [red.unwrap_or(shade), shade, 120]))
                .collect()
        };
        // A tone of 1 kHz.
        let tone = |level: f32| {
            let sign = |i: usize| if i % 48 < 24 { level } else { -level };
            (0..BLOCK).map(sign).collect()
        };
        Self {
            usual: all(256, None),
            foreign: all(256, Some(FOREIGN_RED)),
            large: all(320, None),
            black: picture(256, [0; 3]),
            quiet: tone(0.01),
            loud: tone(0.9),
            mute: vec![0.0; BLOCK],
        }
    }

    fn pcm(&self, fault: Option<What>) -> &[f32] {
        match fault {
            Some(What::Mute) => &self.mute,
            Some(What::Loud) => &self.loud,
            _ => &self.quiet,
        }
    }

    fn frame(&self, number: u64, fault: Option<What>) -> Frame {
        let number = (number % PICTURES) as usize;
        let frame = match fault {
            Some(What::Black) => &self.black,
            Some(What::Frozen) => &self.usual[0],
            Some(What::Foreign) => &self.foreign[number],
            Some(What::OtherSize) => &self.large[number],
            _ => &self.usual[number],
        };
        frame.clone()
    }
}

/// Cameras by the numbers that are their names.
pub struct Site {
    pub cameras: Vec<Arc<Camera>>,
    pub content: Arc<Content>,
    pub clock: Arc<StepClock>,
}

impl Opener for Site {
    fn open(&self, source: &Source, options: SessionOptions) -> Result<Box<dyn Feed>, MediaError> {
        let number: usize = source.name.parse().expect("a number");
        let camera = &self.cameras[number];
        let now_ns = self.clock.elapsed().as_nanos() as u64;
        if camera.is_away(now_ns) {
            return Err(MediaError::Network("no route to host".to_owned()));
        }
        let next = camera
            .faults
            .iter()
            .position(|fault| fault.until_s * SECOND_NS > now_ns);
        let next = next.unwrap_or(camera.faults.len());
        let track = || Track {
            number: 0,
            next,
            jumped_ms: 0,
        };
        Ok(Box::new(Connection {
            camera: Arc::clone(camera),
            content: Arc::clone(&self.content),
            clock: Arc::clone(&self.clock),
            offset: options.offset,
            opened_ns: now_ns,
            opened_utc: self.clock.utc(),
            sound: track(),
            picture: track(),
        }))
    }
}

impl Camera {
    fn is_away(&self, now_ns: u64) -> bool {
        let now_s = now_ns / SECOND_NS;
        let at = self.faults.partition_point(|fault| fault.until_s <= now_s);
        let fault = self.faults.get(at);
        fault.is_some_and(|fault| fault.what == What::Away && fault.from_s <= now_s)
    }
}

struct Connection {
    camera: Arc<Camera>,
    content: Arc<Content>,
    clock: Arc<StepClock>,
    offset: MediaTime,
    opened_ns: u64,
    opened_utc: jiff::Timestamp,
    sound: Track,
    picture: Track,
}

/// Sound or picture of a connection.
#[derive(Clone, Copy)]
struct Track {
    /// Of the next block or frame.
    number: u64,
    /// The fault that is not over yet.
    next: usize,
    jumped_ms: i64,
}

/// What becomes of a block or frame.
enum Fate {
    /// It is not there yet.
    Later,
    /// It never comes.
    Never,
    /// It comes with this off its timestamp.
    Now(Option<What>, i64),
}

impl Track {
    /// Of what was recorded at `at_ns` and is looked for at `now_ns`, on a connection since
    /// `opened_ns`.
    fn fate(&mut self, camera: &Camera, opened_ns: u64, at_ns: u64, now_ns: u64) -> Fate {
        let fault = loop {
            let Some(fault) = camera.faults.get(self.next) else {
                return Fate::Now(None, self.jumped_ms);
            };
            if at_ns < fault.until_s * SECOND_NS {
                break fault;
            }
            if let What::Jumps(ms) = fault.what {
                // A connection has no times before its beginning.
                let since_ms = (fault.until_s * SECOND_NS).saturating_sub(opened_ns) / 1_000_000;
                self.jumped_ms = (self.jumped_ms + ms).max(-(since_ms as i64));
            }
            self.next += 1;
        };
        if at_ns < fault.from_s * SECOND_NS {
            return Fate::Now(None, self.jumped_ms);
        }
        let is_over = now_ns >= fault.until_s * SECOND_NS;
        match fault.what {
            What::Hangs if is_over => Fate::Never,
            What::Hangs => Fate::Later,
            What::Bursts if !is_over => Fate::Later,
            what => Fate::Now(Some(what), self.jumped_ms),
        }
    }
}

impl Connection {
    fn since_opening(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64 - self.opened_ns
    }

    /// When a block of sound began, since the opening. The device's seconds are longer or
    /// shorter than ours.
    fn sound_at(&self, number: u64) -> u64 {
        let at = (number * STEP_NS) as i64;
        (at + at / 1_000_000 * self.camera.drift_ppm) as u64
    }

    fn stamp(&self, at_ns: u64, jumped_ms: i64) -> MediaTime {
        let jumped = (at_ns as i64 + jumped_ms * 1_000_000).max(0) as u64;
        MediaTime(self.offset.0 + jumped)
    }
}

impl Feed for Connection {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        let since = self.since_opening();
        loop {
            let number = self.sound.number;
            let (at, end) = (self.sound_at(number), self.sound_at(number + 1));
            if end > since {
                return None;
            }
            let (opened, mut track) = (self.opened_ns, self.sound);
            let fate = track.fate(&self.camera, opened, opened + at, opened + since);
            if matches!(fate, Fate::Later) {
                return None;
            }
            track.number += 1;
            self.sound = track;
            let Fate::Now(fault, jumped_ms) = fate else {
                continue;
            };
            if fault == Some(What::NoSound) || at < self.camera.sound_after_s * SECOND_NS {
                continue;
            }
            return Some(AudioBlock {
                at: SamplePos::from_time(self.stamp(at, jumped_ms)),
                arrived: self.clock.now(),
                pcm: self.content.pcm(fault),
            });
        }
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let since = self.since_opening();
        loop {
            let number = self.picture.number;
            let at = number * STEP_NS;
            if at + STEP_NS > since {
                return None;
            }
            let (opened, mut track) = (self.opened_ns, self.picture);
            let fate = track.fate(&self.camera, opened, opened + at, opened + since);
            if matches!(fate, Fate::Later) {
                return None;
            }
            track.number += 1;
            self.picture = track;
            match fate {
                Fate::Now(fault, jumped_ms) if fault != Some(What::NoPicture) => {
                    let frame = self.content.frame(number, fault);
                    return Some(frame.moved_to(self.stamp(at, jumped_ms)));
                }
                _ => {}
            }
        }
    }

    fn sound_is_done(&self) -> bool {
        false
    }

    fn picture_is_done(&self) -> bool {
        false
    }

    /// Until the next block or frame is recorded: half a second at most, which is longer
    /// than is asked for. Every look costs real time.
    fn wait(&mut self, clock: &dyn Clock, _: Duration) {
        let since = self.since_opening();
        let next_frame = (since / STEP_NS + 1) * STEP_NS;
        let next_block = (self.sound.number..)
            .map(|number| self.sound_at(number + 1))
            .find(|end| *end > since);
        let next = next_frame.min(next_block.unwrap_or(next_frame));
        clock.sleep(Duration::from_nanos(next - since));
    }

    fn poll(&mut self) -> Option<End> {
        let now_s = (self.opened_ns + self.since_opening()) / SECOND_NS;
        let opened_s = self.opened_ns / SECOND_NS;
        let breaks = |fault: &&Fault| {
            matches!(fault.what, What::Away | What::Resets) && fault.from_s > opened_s
        };
        let next = &self.camera.faults[self.sound.next.min(self.picture.next)..];
        let begun = next.iter().take_while(|fault| fault.from_s <= now_s);
        let broken = begun.filter(breaks).count() > 0;
        let cause = || MediaError::Network("connection reset".to_owned());
        broken.then(|| End::Failed(cause()))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn is_by_clock(&self) -> bool {
        true
    }

    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        Some(self.opened_utc)
    }
}
