//! One stream: open it, read it, make features, open it again if it fails.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dispatch::{Dispatcher, Said};
use super::judge::Job;
use super::prepare::Preparer;
use super::utc::UtcZero;
use super::{CancelToken, EngineOptions, Position, Task};
use crate::media::{
    AudioBlock, Ending, Frame, Listener, MediaError, OPENINGS, Session, SessionOptions, Source,
    Stall,
};
use crate::result::GapReason;
use crate::sink::metrics;
use crate::time::MediaTime;
use crate::window::{GapSpan, MomentMaker, MomentOrGap, Pace, TAIL_SAMPLES};
use crate::window_spec::WindowSpec;

/// First and longest wait before a source is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Between two questions how long a source is that does not know it.
const LENGTH_EVERY: Duration = Duration::from_secs(1);

/// Runs one stream to its end.
pub(super) fn run(
    stream: usize,
    task: Task,
    options: &EngineOptions,
    dispatcher: &Dispatcher<Box<Job>>,
    stop: &CancelToken,
    position: &Position,
) {
    let begun = Instant::now();
    let mut reader = Reader {
        stream,
        options,
        dispatcher,
        stop,
        position,
        pace: if options.real_time {
            Pace::Live
        } else {
            Pace::File
        },
        live: false,
        maker: None,
        preparer: Preparer::new(options),
        utc_zero: UtcZero::default(),
        missing: None,
        tail: TAIL_SAMPLES,
        dropped: (0, 0),
        dropped_before: (0, 0),
        asked_at: None,
        made: Vec::new(),
        task,
    };
    let ending = reader.run(begun);
    let seconds = reader.finish(&ending);
    dispatcher.say(
        stream,
        Said::Ended {
            seconds: seconds.as_secs_f64(),
            wall_s: begun.elapsed().as_secs_f64(),
            stopped: ending == Ending::Stopped && reader.pace == Pace::File,
            limited: ending == Ending::Limit && reader.pace == Pace::File,
            error: reader.failure(&ending).map(|cause| cause.to_string()),
        },
    );
}

struct Reader<'a> {
    stream: usize,
    task: Task,
    options: &'a EngineOptions,
    dispatcher: &'a Dispatcher<Box<Job>>,
    stop: &'a CancelToken,
    position: &'a Position,
    pace: Pace,
    /// The source turned out to be live by itself.
    live: bool,
    /// There once the source has been open, when its pace is known.
    maker: Option<MomentMaker<Frame>>,
    preparer: Preparer,
    utc_zero: UtcZero,
    missing: Option<String>,
    tail: usize,
    /// Blocks and frames that this session dropped, and those before it.
    dropped: (u64, u64),
    dropped_before: (u64, u64),
    /// When the source was last asked how long it is.
    asked_at: Option<Instant>,
    made: Vec<MomentOrGap<Frame>>,
}

impl Reader<'_> {
    fn source(&self) -> &Source {
        &self.task.source
    }

    /// Opens the source, again and again where it is of that kind.
    fn run(&mut self, begun: Instant) -> Ending {
        let mut offset = MediaTime::ZERO;
        let mut wait = BACKOFF.0;
        let mut openings = 0;
        loop {
            let before = self.length();
            openings += 1;
            let session_options = SessionOptions {
                real_time: self.options.real_time,
                offset,
                stop: self.stop.clone(),
            };
            let ending = match Session::open(self.source(), session_options) {
                Ok(mut session) => self.read(&mut session, offset),
                Err(cause) => Ending::Failed(cause),
            };
            if ending == Ending::Failed(MediaError::Speechless) && openings < OPENINGS {
                continue;
            }
            let again = match ending {
                Ending::Failed(_) => self.reopens(),
                // A stream that is live ends when its camera is switched off.
                Ending::Whole => self.reopens() && self.live,
                Ending::Stopped | Ending::Limit => false,
            };
            if !again {
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
            let goes_on = self.sleep(wait);
            wait = (wait * 2).min(BACKOFF.1);
            // It goes on in the same timeline, where the clock is now.
            offset = MediaTime::from_secs_f64(begun.elapsed().as_secs_f64()).max(self.length());
            let (hop, pace) = (self.options.hop, Pace::Live);
            let maker = self
                .maker
                .get_or_insert_with(|| MomentMaker::new(WindowSpec::PAPER, hop, pace));
            maker.reopen(offset, &mut self.made);
            for made in std::mem::take(&mut self.made) {
                self.hand_on(made);
            }
            self.utc_zero.forget();
            let over = match goes_on {
                true if offset < self.limit() => continue,
                true => Ending::Limit,
                false => Ending::Stopped,
            };
            // What was never there is no stream that was stopped.
            return if nothing_came { ending } else { over };
        }
    }

    /// Where the stream is to end.
    fn limit(&self) -> MediaTime {
        self.options.limit.unwrap_or(MediaTime(u64::MAX))
    }

    fn nothing_came(&self) -> bool {
        self.maker
            .as_ref()
            .is_none_or(|maker| maker.has_sound_and_picture() == (false, false))
    }

    /// Whether the source is opened again when it fails.
    fn reopens(&self) -> bool {
        self.options.real_time && self.source().reopens(self.live)
    }

    /// False if asked to stop meanwhile.
    fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.stop.is_cancelled() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    fn length(&self) -> MediaTime {
        self.maker
            .as_ref()
            .map_or(MediaTime::ZERO, MomentMaker::length)
    }

    /// Reads an open source to its end.
    fn read(&mut self, session: &mut Session, offset: MediaTime) -> Ending {
        if session.is_by_clock() {
            self.pace = Pace::Live;
        }
        if let Some(watcher) = &mut self.task.watcher {
            watcher.opened(self.pace == Pace::Live);
        }
        let (hop, pace) = (self.options.hop, self.pace);
        let maker = self
            .maker
            .take()
            .unwrap_or_else(|| MomentMaker::new(WindowSpec::PAPER, hop, pace));
        self.live |= session.is_live();
        let stall = match self.source().stall() {
            Stall::Never if self.reopens() => Stall::OnceBegun,
            // A hole in a file takes as long by the clock as it is.
            Stall::Always if session.is_by_clock() && self.source().is_file() => Stall::Never,
            stall => stall,
        };
        let mut listening = Listening {
            reader: self,
            maker,
            offset,
        };
        let ending = session.drive(stall, &mut listening);
        let maker = listening.maker;
        self.missing = session.missing_decoder().map(str::to_owned);
        self.tail = session.tail_samples();
        self.dropped_before.0 += std::mem::take(&mut self.dropped.0);
        self.dropped_before.1 += std::mem::take(&mut self.dropped.1);
        self.maker = Some(maker);
        ending
    }

    fn tell_position(&mut self, session: &Session, maker: &MomentMaker<Frame>) {
        self.position
            .at_ns
            .store(maker.emitted().0, Ordering::Relaxed);
        if self.pace == Pace::File
            && self.position.length_ns.load(Ordering::Relaxed) == 0
            && self.asked_at.is_none_or(|at| at.elapsed() > LENGTH_EVERY)
        {
            self.asked_at = Some(Instant::now());
            if let Some(length) = session.duration() {
                self.position.length_ns.store(length.0, Ordering::Relaxed);
            }
        }
        let name = &self.task.source.name;
        let dropped = (session.sound.dropped_blocks(), session.dropped_frames());
        if dropped != self.dropped {
            metrics::dropped_blocks(name, self.dropped_before.0 + dropped.0);
            metrics::dropped_frames(name, self.dropped_before.1 + dropped.1);
            self.dropped = dropped;
        }
    }

    /// The rest, when nothing more comes. Returns the stream's length.
    fn finish(&mut self, ending: &Ending) -> MediaTime {
        let Some(mut maker) = self.maker.take() else {
            return MediaTime::ZERO;
        };
        // What failed half-way may be read again: nothing is filled up for it.
        let whole = *ending == Ending::Whole;
        maker.finish(whole, self.tail, &mut self.made);
        let (sound, picture) = maker.has_sound_and_picture();
        for made in std::mem::take(&mut self.made) {
            self.hand_on(made);
        }
        self.missing = self.missing.take().filter(|_| !(sound && picture));
        let length = match *ending {
            // A file may have been read far ahead of what came of it.
            Ending::Stopped if self.pace == Pace::File => maker.emitted(),
            Ending::Limit => maker.length().min(self.limit()),
            _ => maker.length(),
        };
        self.maker = Some(maker);
        length
    }

    /// What is to be told as an error, if anything.
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

    fn deliver(&mut self, session: &Session, offset: MediaTime) {
        if self.made.is_empty() {
            return;
        }
        if self.pace == Pace::Live {
            let back =
                jiff::SignedDuration::from_nanos(i64::try_from(offset.0).unwrap_or(i64::MAX));
            self.utc_zero.refresh(Instant::now(), || {
                session.utc_origin()?.checked_sub(back).ok()
            });
        }
        for made in std::mem::take(&mut self.made) {
            self.hand_on(made);
        }
    }

    fn hand_on(&mut self, made: MomentOrGap<Frame>) {
        // One of the two may have been read far beyond where the other is.
        let beyond = match &made {
            MomentOrGap::Gap(gap) => gap.start >= self.limit(),
            MomentOrGap::Moment(moment) => moment.end > self.limit(),
        };
        if beyond {
            return;
        }
        let moment = match made {
            MomentOrGap::Gap(gap) => return self.dispatcher.say(self.stream, Said::Gap(gap)),
            MomentOrGap::Moment(moment) => moment,
        };
        let there_already = moment.seq < self.task.skip;
        // The last that is there is what the first new one is held against.
        if moment.seq + 1 < self.task.skip {
            return;
        }
        let span = GapSpan {
            start: moment.start,
            end: moment.end,
            why: GapReason::NoVideo,
            lost: 1,
        };
        match self.preparer.prepare(moment, self.utc_zero.get()) {
            Ok(_) if there_already => {}
            Ok(job) => {
                let dropped = self.dispatcher.judge(self.stream, Box::new(job), self.pace);
                if dropped > 0 {
                    tracing::debug!(stream = %self.source().name, dropped, "too slow");
                }
                let waiting = self.dispatcher.waiting(self.stream);
                metrics::queue_depth("moments", Some(&self.source().name), waiting);
            }
            Err(cause) => {
                tracing::warn!("{}: {cause}", self.source().name);
                self.dispatcher.say(self.stream, Said::Gap(span));
            }
        }
    }
}

/// A reader while its source is open.
struct Listening<'r, 'a> {
    reader: &'r mut Reader<'a>,
    maker: MomentMaker<Frame>,
    offset: MediaTime,
}

impl Listener for Listening<'_, '_> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        if let Some(watcher) = &mut self.reader.task.watcher {
            watcher.sound(block);
        }
        self.maker
            .push_sound(block.at, block.pcm, block.arrived, &mut self.reader.made);
    }

    fn frame(&mut self, frame: Frame) {
        if let Some(watcher) = &mut self.reader.task.watcher {
            watcher.frame(&frame);
        }
        self.maker.push_frame(frame);
    }

    fn sound_ended(&mut self) {
        self.maker.end_sound();
    }

    fn picture_ended(&mut self) {
        self.maker.end_picture();
    }

    fn hand_on(&mut self, session: &mut Session) {
        self.maker.poll(Instant::now(), &mut self.reader.made);
        self.reader.deliver(session, self.offset);
    }

    fn waits(&mut self, since: Duration) {
        tracing::warn!(
            "{}: nothing has come for {} seconds; waiting for more",
            self.reader.source().name,
            since.as_secs()
        );
    }

    fn over(&mut self, session: &Session) -> Option<Ending> {
        self.reader.tell_position(session, &self.maker);
        if self.is_stopped() {
            return Some(Ending::Stopped);
        }
        let limit = self.reader.options.limit?;
        let sound_ended = session.sound.is_done();
        (self.maker.has_reached(limit, sound_ended)).then_some(Ending::Limit)
    }

    fn is_stopped(&self) -> bool {
        self.reader.stop.is_cancelled()
    }
}
