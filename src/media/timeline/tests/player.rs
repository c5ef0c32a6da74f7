//! Plays sources whose timestamps are known to a timeline, and makes moments of what it
//! says.

use std::time::Duration;

use super::*;
use crate::time::Hop;
use crate::window::{MomentMaker, MomentOrGap, Pace, TAIL_SAMPLES, Timed};
use crate::window_spec::WindowSpec;

/// A frame that knows when it was really taken.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    at: MediaTime,
    taken_ms: i64,
}

impl Timed for Shown {
    fn at(&self) -> MediaTime {
        self.at
    }
    fn duration_ns(&self) -> Option<u64> {
        Some(40_000_000)
    }
    fn bytes(&self) -> usize {
        1
    }
}

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Starts in ms.
    pub moments: Vec<u64>,
    /// From and to in ms.
    pub gaps: Vec<(u64, u64)>,
    /// By how much the frame of each was taken before or after its middle, in ms.
    pub apart: Vec<f64>,
    pub doubts: Doubts,
    pub alone: bool,
}

impl Outcome {
    /// The most of them.
    pub fn apart_ms(&self) -> f64 {
        self.apart.iter().copied().fold(0.0, f64::max)
    }
}

/// Asks a timeline, keeps what it holds back, and makes moments of the rest. A sample's
/// value is when it was really recorded.
pub(super) struct Player {
    pub timeline: Timeline,
    maker: MomentMaker<Shown>,
    begun: Instant,
    blocks: Vec<(SamplePos, Vec<f32>, Instant)>,
    frames: Vec<Shown>,
    made: Vec<MomentOrGap<Shown>>,
    pub placed: Vec<(SamplePos, usize)>,
}

impl Player {
    pub fn new(origin: Origin) -> Self {
        let begun = Instant::now();
        let pace = match origin {
            Origin::File => Pace::File,
            Origin::Live => Pace::Live,
        };
        Self {
            timeline: Timeline::new(origin, MediaTime::ZERO, begun),
            maker: MomentMaker::new(WindowSpec::PAPER, Hop::SECOND, pace),
            begun,
            blocks: Vec::new(),
            frames: Vec::new(),
            made: Vec::new(),
            placed: Vec::new(),
        }
    }

    fn hear(&mut self, at: SamplePos, pcm: &[f32], arrived: Instant) {
        self.placed.push((at, pcm.len()));
        self.maker.push_sound(at, pcm, arrived, &mut self.made);
        self.maker.poll(arrived, &mut self.made);
    }

    fn settle_sound(&mut self, held: Held) {
        let mut next = match held {
            Held::Wait => return,
            Held::Drop => return self.blocks.clear(),
            Held::From(at) | Held::Continues(at) => SamplePos::from_time(at),
        };
        let (from, blocks) = (next, std::mem::take(&mut self.blocks));
        let first = blocks[0].0;
        for (at, pcm, arrived) in blocks {
            if let Held::From(_) = held {
                next = SamplePos(from.0.saturating_add_signed(at.minus(first)));
            }
            self.hear(next, &pcm, arrived);
            next = next.plus(pcm.len());
        }
    }

    fn settle_picture(&mut self, held: Held) {
        let from = match held {
            Held::Wait => return,
            Held::Drop | Held::Continues(_) => return self.frames.clear(),
            Held::From(at) => at,
        };
        let frames = std::mem::take(&mut self.frames);
        let first = frames[0].at;
        for frame in frames {
            let at = MediaTime(from.0 + (frame.at.0 - first.0));
            self.maker.push_frame(Shown { at, ..frame });
        }
    }

    pub fn sound(&mut self, at_ns: u64, pcm: &[f32], arrived_ms: i64) {
        let arrived = self.begun + Duration::from_millis(arrived_ms as u64);
        let at = SamplePos::from_time(MediaTime(at_ns));
        let answer = self.timeline.sound(at, pcm.len(), arrived);
        self.settle_sound(answer.held);
        match answer.place {
            Place::At(at) => self.hear(SamplePos::from_time(at), pcm, arrived),
            Place::Hold => self.blocks.push((at, pcm.to_vec(), arrived)),
            Place::Drop => {}
        }
    }

    pub fn picture(&mut self, at_ns: u64, taken_ms: i64) {
        let arrived = self.begun + Duration::from_millis(taken_ms as u64);
        let at = MediaTime(at_ns);
        let answer = self.timeline.picture(at, arrived);
        self.settle_picture(answer.held);
        match answer.place {
            Place::At(at) => self.maker.push_frame(Shown { at, taken_ms }),
            Place::Hold => self.frames.push(Shown { at, taken_ms }),
            Place::Drop => {}
        }
        self.maker.poll(arrived, &mut self.made);
    }

    pub fn finish(mut self) -> Outcome {
        let held = self.timeline.ends(Stream::Sound);
        self.settle_sound(held);
        let held = self.timeline.ends(Stream::Picture);
        self.settle_picture(held);
        self.maker.finish(true, TAIL_SAMPLES, &mut self.made);
        let mut outcome = Outcome {
            doubts: self.timeline.doubts(),
            alone: self
                .timeline
                .take_notes()
                .iter()
                .any(|n| matches!(n, Note::Alone(_))),
            ..Outcome::default()
        };
        for made in self.made {
            match made {
                MomentOrGap::Moment(moment) => {
                    outcome.moments.push(moment.start.0 / 1_000_000);
                    let middle = f64::from(moment.pcm[moment.pcm.len() / 2]) * 1e3;
                    let apart = (middle - moment.frame.taken_ms as f64).abs();
                    outcome.apart.push(apart);
                }
                MomentOrGap::Gap(gap) => {
                    let ms = |time: MediaTime| time.0 / 1_000_000;
                    outcome.gaps.push((ms(gap.start), ms(gap.end)));
                }
            }
        }
        outcome
    }
}

/// A source with a block of sound every `block_ms` and a frame every 40 ms. What is
/// recorded at a time in ms is stamped with what `sound` and `picture` make of it.
pub(super) struct Recorded<S, P> {
    pub seconds: i64,
    pub block_ms: i64,
    /// The sound's clock: samples recorded in a real second, more or less than 48 000.
    pub ppm: i64,
    pub sound: S,
    pub picture: P,
}

impl<S: Fn(i64) -> i64, P: Fn(i64) -> i64> Recorded<S, P> {
    pub fn play(self, origin: Origin) -> Outcome {
        let mut player = Player::new(origin);
        let ns = |ms: i64| ms.max(0) as u64 * 1_000_000;
        let mut recorded = 0_i64;
        for now_ms in (0..self.seconds * 1_000).step_by(10) {
            if now_ms % 40 == 0 {
                player.picture(ns((self.picture)(now_ms)), now_ms);
            }
            if now_ms % self.block_ms == 0 {
                let samples = self.block_ms * 48 * (1_000_000 + self.ppm) / 1_000_000;
                let pcm: Vec<f32> = (0..samples)
                    .map(|k| (now_ms as f64 / 1e3 + k as f64 / 48e3) as f32)
                    .collect();
                player.sound(ns((self.sound)(now_ms)), &pcm, now_ms);
                recorded += samples;
            }
        }
        assert!(recorded > 0);
        player.finish()
    }
}

/// Both clocks right, except that from `at_ms` on, for `for_ms`, timestamps are off by
/// these many ms.
pub(super) fn off(origin: Origin, at_ms: i64, for_ms: i64, sound: i64, picture: i64) -> Outcome {
    let by = move |off: i64| {
        move |ms: i64| {
            ms + if (at_ms..at_ms + for_ms).contains(&ms) {
                off
            } else {
                0
            }
        }
    };
    Recorded {
        seconds: 20,
        block_ms: 20,
        ppm: 0,
        sound: by(sound),
        picture: by(picture),
    }
    .play(origin)
}
