//! One stream: open it, read it, extract features, reopen it if it fails.

mod lag;
mod listening;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::dispatch::{Dispatcher, StreamEnd};
use super::extract::Extractor;
use super::network::Job;
use super::utc::UtcZero;
use super::{Engine, Task};
use crate::cancel::CancelToken;
use crate::media::{
    Doubting, Ending, Feed, Frame, Looks, MediaError, OPENINGS, Origin, SessionOptions, Source,
    SourceKind, Stall, drive,
};
use crate::result::GapReason;
use crate::stats::StreamStats;
use crate::time::{MediaTime, SamplePos};
use crate::window::{FRAME_MEMORY, GapSpan, MomentMaker, MomentOrGap, Pace, TAIL_SAMPLES};
use lag::{Lag, Lateness};
use listening::Listening;

/// First and longest wait before a source is reopened.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Memory for a stream's frames, however many streams there are: a second at 1080p, thinned.
const MIN_FRAME_MEMORY: usize = 8 << 20;

/// How often a camera is opened that was never there.
const TRIES: usize = 3;

/// How often a waiting stream checks for cancellation.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// How often the length of a source is queried while it is unknown.
const LENGTH_EVERY: Duration = Duration::from_secs(1);

/// Runs one stream to its end.
pub(super) fn run(
    engine: &Engine<'_>,
    stream: usize,
    task: Task,
    stop: CancelToken,
    dispatcher: &Dispatcher<Box<Job>>,
) {
    let begun = engine.clock.now();
    let stats = Arc::clone(&engine.stats.streams()[stream].stats);
    let mut reader = Reader {
        engine,
        stream,
        dispatcher,
        stop,
        stats: &stats,
        pace: if engine.options.real_time {
            Pace::Live
        } else {
            Pace::File
        },
        live: false,
        maker: None,
        extractor: Extractor::new(task.source.name.clone(), engine.options),
        utc_zero: UtcZero::default(),
        lateness: None,
        missing: None,
        tail: TAIL_SAMPLES,
        frame_rate: None,
        frames: 0,
        dropped: (0, 0),
        dropped_before: (0, 0),
        asked_at: None,
        made: Vec::new(),
        task,
    };
    let ending = reader.run(begun);
    let seconds = reader.finish(&ending);
    stats.position_ns.store(seconds.0, Ordering::Relaxed);
    let meter = reader.task.meter.take().filter(|_| ending == Ending::Whole);
    let wall = engine.clock.now().duration_since(begun);
    dispatcher.end(
        stream,
        StreamEnd {
            seconds: seconds.as_secs_f64(),
            wall_s: wall.as_secs_f64(),
            stopped: ending == Ending::Stopped && reader.pace == Pace::File,
            limited: ending == Ending::Limit && reader.pace == Pace::File,
            fps: reader.frame_rate,
            keyframes: reader.task.keyframes,
            error: reader.failure(&ending).map(|cause| cause.to_string()),
            measured: meter.map(|meter| Box::new(meter.report())),
        },
    );
}

struct Reader<'a> {
    engine: &'a Engine<'a>,
    stream: usize,
    task: Task,
    dispatcher: &'a Dispatcher<Box<Job>>,
    /// Requests the end of this stream.
    stop: CancelToken,
    stats: &'a StreamStats,
    pace: Pace,
    /// The source turned out to be live.
    live: bool,
    /// Set once the source has been opened and its pace is known.
    maker: Option<MomentMaker<Frame>>,
    extractor: Extractor,
    utc_zero: UtcZero,
    /// How late the moments of an open live source are.
    lateness: Option<Lateness>,
    missing: Option<String>,
    tail: usize,
    /// Frames that came.
    frames: u64,
    /// Frames a second.
    frame_rate: Option<f64>,
    /// Blocks and frames dropped in this session.
    dropped: (u64, u64),
    dropped_before: (u64, u64),
    /// When the source's length was last queried.
    asked_at: Option<Instant>,
    made: Vec<MomentOrGap<Frame>>,
}

impl Reader<'_> {
    fn source(&self) -> &Source {
        &self.task.source
    }

    /// Opens and reads the source; reopens it if it is of that kind.
    fn run(&mut self, begun: Instant) -> Ending {
        let mut offset = MediaTime::ZERO;
        let mut wait = BACKOFF.0;
        let mut openings = 0;
        loop {
            let before = self.length();
            openings += 1;
            let session_options = SessionOptions {
                real_time: self.engine.options.real_time,
                offset,
                stop: self.stop.clone(),
                packets: self.task.packets.clone(),
                meter: self.task.meter.clone(),
                graphs: self.task.graphs.clone(),
                looks: self.looks(),
                ..SessionOptions::default()
            };
            let ending = match self.engine.opener.open(self.source(), session_options) {
                Ok(mut feed) => self.read(&mut *feed, offset),
                Err(_) if self.stop.is_cancelled() => Ending::Stopped,
                Err(cause) => Ending::Failed(cause),
            };
            if ending == Ending::Failed(MediaError::SilentFailure) && openings < OPENINGS {
                continue;
            }
            let again = match ending {
                Ending::Failed(_) => self.reopens(),
                // A live stream ends when its camera is switched off.
                Ending::Whole => self.reopens() && self.live,
                Ending::Stopped | Ending::Limit => false,
            };
            if !again || (openings >= TRIES && self.is_absent()) {
                return ending;
            }
            if self.length() > before {
                wait = BACKOFF.0;
            }
            let cause = match &ending {
                Ending::Failed(cause) => cause.to_string(),
                _ => "the stream ended".to_owned(),
            };
            let nothing_came = self.nothing_came();
            tracing::warn!(
                "{}: {cause}; opening it again in {} s",
                self.source().name,
                wait.as_secs()
            );
            let not_cancelled = self.sleep(wait);
            wait = (wait * 2).min(BACKOFF.1);
            // The timeline continues at the current time.
            let outage = self.engine.clock.now().duration_since(begun);
            let back = MediaTime::from_secs_f64(outage.as_secs_f64()).max(self.length());
            // A whole sample: else the first window would begin before the gap ends.
            offset = SamplePos::from_time(back).plus(1).to_time();
            let maker = self.maker.take();
            let maker = maker.unwrap_or_else(|| self.new_maker(Pace::Live));
            let maker = self.maker.insert(maker);
            maker.reopen(offset, &mut self.made);
            for made in std::mem::take(&mut self.made) {
                self.hand_on(made);
            }
            self.utc_zero.forget();
            let over = match not_cancelled {
                true if offset < self.limit() => continue,
                true => Ending::Limit,
                false => Ending::Stopped,
            };
            // A source that never yielded anything has failed, even if stopped now.
            return if nothing_came { ending } else { over };
        }
    }

    /// Which frames of a file are looked at; `None` for all.
    fn looks(&self) -> Option<Looks> {
        let options = self.engine.options;
        if options.real_time || !self.task.watchers.is_empty() {
            return None;
        }
        if self.task.keyframes {
            return Some(Looks::KeyPictures);
        }
        Some(match options.frame_every.0 {
            0 => Looks::Windows {
                window: options.spec.window_samples,
                hop: self.task.hop.unwrap_or(options.hop).samples(),
            },
            every => Looks::Steps(every),
        })
    }

    /// Where the stream is to end.
    fn limit(&self) -> MediaTime {
        self.engine.options.limit.unwrap_or(MediaTime(u64::MAX))
    }

    fn nothing_came(&self) -> bool {
        self.maker
            .as_ref()
            .is_none_or(|maker| maker.has_sound_and_picture() == (false, false))
    }

    /// A camera that has never yielded anything, and need not be waited for: most likely
    /// there is no such device. A server may come later than we do.
    fn is_absent(&self) -> bool {
        let is_camera = matches!(self.source().kind, SourceKind::Camera(_));
        is_camera && !self.engine.options.wait_for_cameras && self.nothing_came()
    }

    /// Whether the source is opened again when it fails.
    fn reopens(&self) -> bool {
        self.engine.options.real_time && self.source().reopens(self.live)
    }

    /// False if the run was cancelled meanwhile.
    fn sleep(&self, time: Duration) -> bool {
        let clock = self.engine.clock;
        let end = clock.now() + time;
        while clock.now() < end {
            if self.stop.is_cancelled() {
                return false;
            }
            clock.sleep(CANCEL_INTERVAL);
        }
        true
    }

    fn length(&self) -> MediaTime {
        self.maker
            .as_ref()
            .map_or(MediaTime::ZERO, MomentMaker::length)
    }

    /// Streams that are open at once share the memory for frames.
    fn new_maker(&self, pace: Pace) -> MomentMaker<Frame> {
        let options = self.engine.options;
        let open = match options.real_time {
            true => self.engine.stats.streams().len(),
            false => options.jobs,
        };
        let memory = (FRAME_MEMORY / open.max(1)).max(MIN_FRAME_MEMORY);
        let hop = self.task.hop.unwrap_or(options.hop);
        MomentMaker::new(options.spec, hop, pace)
            .with_frame_memory(memory)
            .with_frame_every(options.frame_every)
    }

    /// Reads an open source to its end.
    fn read(&mut self, feed: &mut dyn Feed, offset: MediaTime) -> Ending {
        if feed.is_by_clock() {
            self.pace = Pace::Live;
            self.engine.stats.set_live();
        }
        for watcher in &mut self.task.watchers {
            watcher.opened(self.pace == Pace::Live);
        }
        let maker = self.maker.take();
        let maker = maker.unwrap_or_else(|| self.new_maker(self.pace));
        self.live |= feed.is_live();
        let stall = match self.source().stall() {
            Stall::Never if self.reopens() => Stall::OnceBegun,
            // In real time, a hole in a file takes as long as it is.
            Stall::Always if feed.is_by_clock() && self.source().is_file() => Stall::Never,
            stall => stall,
        };
        let clock = self.engine.clock;
        let lag = feed.is_live().then(|| Lag::new(clock.now()));
        self.lateness = feed.is_live().then(|| Lateness::new(clock.now()));
        let (name, stats) = (self.source().name.clone(), self.stats);
        let mut listening = Listening {
            reader: self,
            maker,
            offset,
            lag,
            unanswered: None,
            last_arrival: clock.now(),
        };
        let origin = match feed.is_live() {
            true => Origin::Live,
            false => Origin::File,
        };
        let mut doubting = Doubting::new(&mut listening, origin, offset, clock, &name, stats);
        let ending = drive(feed, clock, stall, &mut doubting);
        let maker = listening.maker;
        self.missing = feed.missing_decoder().map(str::to_owned);
        self.tail = feed.tail_samples();
        self.frame_rate = feed.frame_rate().or(self.frame_rate);
        self.dropped_before.0 += std::mem::take(&mut self.dropped.0);
        self.dropped_before.1 += std::mem::take(&mut self.dropped.1);
        self.maker = Some(maker);
        ending
    }

    fn update_stats(&mut self, feed: &dyn Feed, maker: &MomentMaker<Frame>) {
        let (stats, clock) = (self.stats, self.engine.clock);
        stats
            .position_ns
            .store(maker.emitted().0, Ordering::Relaxed);
        if self.pace == Pace::File
            && stats.length_ns.load(Ordering::Relaxed) == 0
            && self
                .asked_at
                .is_none_or(|at| clock.now() > at + LENGTH_EVERY)
        {
            self.asked_at = Some(clock.now());
            if let Some(length) = feed.duration() {
                stats.length_ns.store(length.0, Ordering::Relaxed);
            }
        }
        let dropped = feed.dropped();
        if dropped != self.dropped {
            self.dropped = dropped;
            let (blocks, frames) = self.dropped_before;
            let store = |counter: &AtomicU64, n| counter.store(n, Ordering::Relaxed);
            store(&stats.dropped_blocks, blocks + dropped.0);
            store(&stats.dropped_frames, frames + dropped.1);
        }
    }

    /// Submits what remains at the end. Returns the stream's length.
    fn finish(&mut self, ending: &Ending) -> MediaTime {
        let Some(mut maker) = self.maker.take() else {
            return MediaTime::ZERO;
        };
        // A stream that failed half-way may be read again, so it is not padded.
        let whole = *ending == Ending::Whole;
        maker.finish(whole, self.tail, &mut self.made);
        let (sound, picture) = maker.has_sound_and_picture();
        if self.task.keyframes && self.frames == 1 && whole {
            tracing::warn!(
                "{}: has one key picture only: all of its moments are judged by that; \
                 leave out --keyframes",
                self.source().name
            );
        }
        for made in std::mem::take(&mut self.made) {
            self.hand_on(made);
        }
        self.missing = self.missing.take().filter(|_| !(sound && picture));
        let length = match *ending {
            // A file may have been read far ahead of its last moment.
            Ending::Stopped if self.pace == Pace::File => maker.emitted(),
            Ending::Limit => maker.length().min(self.limit()),
            _ => maker.length(),
        };
        self.maker = Some(maker);
        length
    }

    /// The error to report, if any.
    fn failure(&self, ending: &Ending) -> Option<MediaError> {
        match ending {
            Ending::Failed(cause) => return Some(cause.clone()),
            Ending::Stopped => return None,
            Ending::Whole | Ending::Limit => {}
        }
        let (sound, picture) = self
            .maker
            .as_ref()
            .map_or((false, false), MomentMaker::has_sound_and_picture);
        MediaError::lacking(sound, picture, self.missing.as_deref())
    }

    fn deliver(&mut self, feed: &dyn Feed, offset: MediaTime) {
        if self.made.is_empty() {
            return;
        }
        if self.pace == Pace::Live {
            let back =
                jiff::SignedDuration::from_nanos(i64::try_from(offset.0).unwrap_or(i64::MAX));
            self.utc_zero.refresh(self.engine.clock.now(), || {
                feed.utc_origin()?.checked_sub(back).ok()
            });
        }
        for made in std::mem::take(&mut self.made) {
            self.hand_on(made);
        }
    }

    fn hand_on(&mut self, made: MomentOrGap<Frame>) {
        // Sound or picture may have been read far beyond the limit.
        let beyond = match &made {
            MomentOrGap::Gap(gap) => gap.start >= self.limit(),
            MomentOrGap::Moment(moment) => moment.end > self.limit(),
        };
        if beyond {
            return;
        }
        let moment = match made {
            MomentOrGap::Gap(gap) => return self.dispatcher.gap(self.stream, gap),
            MomentOrGap::Moment(moment) => moment,
        };
        let there_already = moment.seq < self.task.skip;
        // The last one already there is still needed: `still` compares the next with it.
        if moment.seq + 1 < self.task.skip || !moment.seq.is_multiple_of(self.engine.options.every)
        {
            return;
        }
        let span = GapSpan {
            start: moment.start,
            end: moment.end,
            why: GapReason::NoVideo,
            lost: 1,
        };
        let clock = self.engine.clock;
        let is_late = |late: &mut Lateness| late.is_too_late(moment.end, clock.now());
        if self.lateness.as_mut().is_some_and(is_late) {
            let why = GapReason::Overload;
            return self.dispatcher.gap(self.stream, GapSpan { why, ..span });
        }
        if self.pace == Pace::Live {
            self.utc_zero.limit(moment.end, clock.utc());
        }
        match (self.extractor).extract(moment, self.utc_zero.get(), self.pace, clock) {
            Ok(_) if there_already => {}
            Ok(job) => {
                let dropped = self
                    .dispatcher
                    .submit(self.stream, Box::new(job), self.pace);
                if dropped > 0 {
                    tracing::debug!(stream = %self.source().name, dropped, "too slow");
                }
            }
            Err(cause) => {
                tracing::warn!("{}: {cause}", self.source().name);
                self.dispatcher.gap(self.stream, span);
            }
        }
    }
}
