//! A [`Listener`] whose blocks and frames are where they belong, whatever their timestamps
//! say.
//!
//! Belongs here: keeping what the [`Timeline`] holds back, and telling what it finds; showing
//! what is believed to the meter of drift. Does not: what is plausible (`timeline`), what
//! drift is (`drift`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::drift::DriftMeter;
use super::drive::{Ending, Listener};
use super::feed::Feed;
use super::frame::Frame;
use super::ring::AudioBlock;
use super::timeline::{Answer, Doubts, Held, Note, Origin, Place, Stream, Timeline};
use crate::clock::Clock;
use crate::stats::StreamStats;
use crate::time::{MediaTime, SamplePos};
use crate::window::Timed;

/// Jumps of a source that are reported one by one; after that they are only counted.
const REPORTED: u64 = 10;

/// Asks a `Timeline` about everything before it passes it on.
pub struct Doubting<'a, L> {
    inner: &'a mut L,
    timeline: Timeline,
    clock: &'a dyn Clock,
    /// The name of the source, for what is reported.
    name: &'a str,
    stats: &'a StreamStats,
    blocks: Vec<HeldBlock>,
    frames: Vec<Frame>,
    /// Blocks that the ring had dropped when last asked.
    dropped: u64,
    /// Blocks without a timestamp, when last asked.
    untimed: u64,
    /// What was counted of doubts so far.
    doubts: Doubts,
    /// Jumps that have been reported.
    reported: u64,
    /// Of a live source.
    drift: Option<DriftMeter>,
    /// How far the timestamps were shifted when they were last measured.
    shifts: [i64; 2],
    /// Blocks and frames that this machine had lost when last asked.
    lost: (u64, u64),
}

struct HeldBlock {
    at: SamplePos,
    arrived: Instant,
    pcm: Vec<f32>,
}

impl<'a, L: Listener> Doubting<'a, L> {
    /// For a source that has just been opened and whose times begin at `start`.
    pub fn new(
        inner: &'a mut L,
        origin: Origin,
        start: MediaTime,
        clock: &'a dyn Clock,
        name: &'a str,
        stats: &'a StreamStats,
    ) -> Self {
        stats.set_drift(None);
        let timeline = Timeline::new(origin, start, clock.now());
        Self {
            inner,
            drift: (origin == Origin::Live).then(|| DriftMeter::new(clock.now())),
            shifts: timeline.shifts(),
            lost: (0, 0),
            timeline,
            clock,
            name,
            stats,
            blocks: Vec::new(),
            frames: Vec::new(),
            dropped: 0,
            untimed: 0,
            doubts: Doubts::default(),
            reported: 0,
        }
    }

    fn settle_blocks(&mut self, held: Held) {
        let mut next = match held {
            Held::Wait => return,
            Held::Drop => return self.blocks.clear(),
            Held::From(first) | Held::Continues(first) => SamplePos::from_time(first),
        };
        let first = self
            .blocks
            .first()
            .map_or(SamplePos::ZERO, |block| block.at);
        let from = next;
        for block in std::mem::take(&mut self.blocks) {
            if let Held::From(_) = held {
                let later = block.at.minus(first);
                next = SamplePos(from.0.saturating_add_signed(later));
            }
            self.inner.sound(&AudioBlock {
                at: next,
                arrived: block.arrived,
                pcm: &block.pcm,
            });
            next = next.plus(block.pcm.len());
        }
    }

    fn settle_frames(&mut self, held: Held) {
        let from = match held {
            Held::Wait => return,
            Held::Drop | Held::Continues(_) => return self.frames.clear(),
            Held::From(first) => first,
        };
        let first = self.frames.first().map_or(MediaTime::ZERO, Timed::at);
        for frame in std::mem::take(&mut self.frames) {
            let later = frame.at().0.saturating_sub(first.0);
            let at = MediaTime(from.0.saturating_add(later));
            self.inner.frame(frame.moved_to(at));
        }
    }

    /// Measures the drift by what is believed, with the timestamps as the source has them:
    /// what the timeline does about jitter and drift is not the source's.
    fn measure(&mut self, stream: Stream, at: MediaTime, arrived: Instant, answer: Answer) {
        let Some(drift) = &mut self.drift else {
            return;
        };
        let shifts = self.timeline.shifts();
        let jumped = std::mem::replace(&mut self.shifts, shifts) != shifts;
        if jumped || matches!(answer.held, Held::From(_)) {
            drift.restart();
            self.stats.set_drift(None);
        }
        if matches!(answer.place, Place::At(_)) && drift.note(stream, at, arrived) {
            self.stats.set_drift(drift.current());
        }
    }

    fn count(&mut self, feed: &dyn Feed) {
        let (dropped, frames) = feed.dropped();
        let lost = (dropped, frames);
        if std::mem::replace(&mut self.lost, lost) != lost
            && let Some(drift) = &mut self.drift
        {
            drift.pause(self.clock.now());
        }
        if std::mem::replace(&mut self.dropped, dropped) != dropped {
            self.timeline.sound_was_lost();
        }
        let untimed = feed.untimed();
        if self.untimed == 0 && untimed > 0 {
            tracing::warn!(
                "{}: sound without timestamps: it continues what came before, if anything did",
                self.name
            );
        }
        let doubts = self.timeline.doubts();
        let add = |counter: &AtomicU64, now: u64, before: u64| {
            if now != before {
                counter.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
            }
        };
        add(&self.stats.untimed_blocks, untimed, self.untimed);
        add(&self.stats.time_jumps, doubts.jumps, self.doubts.jumps);
        let doubted = |doubts: Doubts| doubts.continued + doubts.discarded;
        add(
            &self.stats.doubted_times,
            doubted(doubts),
            doubted(self.doubts),
        );
        (self.untimed, self.doubts) = (untimed, doubts);
    }

    fn report(&mut self) {
        for note in self.timeline.take_notes() {
            self.reported += 1;
            if self.reported > REPORTED {
                continue;
            }
            let called = |stream| match stream {
                Stream::Sound => "sound",
                Stream::Picture => "picture",
            };
            let name = self.name;
            match note {
                Note::Jumped {
                    stream,
                    from,
                    to,
                    at,
                } => tracing::warn!(
                    "{name}: the timestamps of the {} jump from {:.1} s to {:.1} s; \
                     it continues at {:.1} s",
                    called(stream),
                    from.as_secs_f64(),
                    to.as_secs_f64(),
                    at.as_secs_f64(),
                ),
                Note::Alone(stream) => tracing::warn!(
                    "{name}: only the timestamps of the {} jumped; \
                     sound and picture may be apart from here on",
                    called(stream),
                ),
            }
            if self.reported == REPORTED {
                tracing::warn!("{name}: further jumps of its timestamps are only counted");
            }
        }
    }
}

impl<L: Listener> Listener for Doubting<'_, L> {
    fn arrives(&mut self) {
        self.inner.arrives();
    }

    fn sound(&mut self, block: &AudioBlock<'_>) {
        let answer = (self.timeline).sound(block.at, block.pcm.len(), block.arrived);
        self.measure(Stream::Sound, block.at.to_time(), block.arrived, answer);
        let Answer { held, place } = answer;
        self.settle_blocks(held);
        match place {
            Place::At(at) => self.inner.sound(&AudioBlock {
                at: SamplePos::from_time(at),
                arrived: block.arrived,
                pcm: block.pcm,
            }),
            Place::Hold => self.blocks.push(HeldBlock {
                at: block.at,
                arrived: block.arrived,
                pcm: block.pcm.to_vec(),
            }),
            Place::Drop => {}
        }
        self.report();
    }

    fn has_enough_sound(&self) -> bool {
        self.inner.has_enough_sound()
    }

    fn frame(&mut self, frame: Frame) {
        let now = self.clock.now();
        let answer = self.timeline.picture(frame.at(), now);
        self.measure(Stream::Picture, frame.at(), now, answer);
        let Answer { held, place } = answer;
        self.settle_frames(held);
        match place {
            Place::At(at) => self.inner.frame(frame.moved_to(at)),
            Place::Hold => self.frames.push(frame),
            Place::Drop => {}
        }
        self.report();
    }

    fn sound_ended(&mut self) {
        let held = self.timeline.ends(Stream::Sound);
        self.settle_blocks(held);
        self.inner.sound_ended();
    }

    fn picture_ended(&mut self) {
        let held = self.timeline.ends(Stream::Picture);
        self.settle_frames(held);
        self.inner.picture_ended();
    }

    fn hand_on(&mut self, feed: &dyn Feed) {
        self.count(feed);
        self.inner.hand_on(feed);
    }

    fn waits(&mut self, since: Duration) {
        self.inner.waits(since);
    }

    fn over(&mut self, feed: &dyn Feed) -> Option<Ending> {
        self.inner.over(feed)
    }

    fn is_stopped(&self) -> bool {
        self.inner.is_stopped()
    }
}

#[cfg(test)]
#[path = "doubting_tests.rs"]
mod tests;
