//! The child's side: opens what it is asked to, and sends what it decodes.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::limits;
use super::pixels::{self, Wish};
use super::wire::{self, Event, FrameFacts, Request, State};
use crate::cancel::CancelToken;
use crate::clock::SystemClock;
use crate::exit;
use crate::media::graph::start_gstreamer;
use crate::media::{
    AudioBlock, Ending, Feed, Frame, GstOpener, Listener, MediaError, Opener, SessionOptions,
    Source, drive,
};
use crate::picture::ToPicture;
use crate::sync::lock;
use crate::time::MediaTime;
use crate::window::Timed;

/// How often the length of a file is queried while it is unknown.
const LENGTH_EVERY: Duration = Duration::from_millis(500);

/// Sound that is so far ahead of the pictures waits for them. All that is decoded goes to the
/// parent in one line: pictures would be behind what the parent has no room for.
const SOUND_AHEAD_NS: u64 = 20 * 1_000_000_000;

/// It does not wait if none has come for so long: it may lie before them in the container, or
/// be longer.
const NO_PICTURE: Duration = Duration::from_secs(1);

/// Opens what the parent tells it to, until the parent goes. Its channels are stdin and
/// stdout.
///
/// # Errors
/// If there are no such channels, or no thread can be started.
pub fn serve(memory_bytes: u64) -> io::Result<()> {
    let (events, pictures) = limits::take_channels()?;
    limits::be_expendable();
    limits::bound_memory(memory_bytes)?;
    // Before there is a file, while the parent loads its model; a failure is told with it.
    let _ = start_gstreamer();
    let frames = Arc::new(HeldFrames::default());
    let requests = BufReader::new(events.try_clone()?);
    let (sender, orders) = crossbeam_channel::unbounded();
    let threads = std::thread::Builder::new;
    let held = Arc::clone(&frames);
    threads().spawn(move || {
        // The parent has gone, or is out of its mind.
        let _ = take_requests(requests, &sender, &held);
        exit::immediately(0);
    })?;
    let held = Arc::clone(&frames);
    threads().spawn(move || {
        let _ = send_pictures(&pictures, &held);
        exit::immediately(0);
    })?;
    let mut events = BufWriter::new(events);
    while let Ok(order) = orders.recv() {
        let Order::Open(source, options) = order else {
            continue;
        };
        if run(&source, options, &orders, &frames, &mut events).is_err() {
            break;
        }
    }
    exit::immediately(0);
}

/// What the main thread is to do.
enum Order {
    Open(Box<Source>, SessionOptions),
    Close,
}

/// Frames whose pixels the parent may still want.
#[derive(Default)]
struct HeldFrames(Mutex<HashMap<u64, Frame>>);

impl HeldFrames {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Frame>> {
        lock(&self.0)
    }
}

fn take_requests(
    mut from: impl Read,
    orders: &Sender<Order>,
    frames: &HeldFrames,
) -> Result<(), io::Error> {
    let mut open = CancelToken::default();
    loop {
        let order = match wire::read_request(&mut from)? {
            Request::Release(id) => {
                // Outside the lock: dropping it may return memory to a pool.
                let frame = frames.lock().remove(&id);
                drop(frame);
                continue;
            }
            Request::Close => {
                open.cancel();
                Order::Close
            }
            Request::Open {
                name,
                place,
                tracks,
                offset_ns,
                decoder_threads,
                measure,
                graphs,
                looks,
            } => {
                open = CancelToken::default();
                let options = SessionOptions {
                    offset: MediaTime(offset_ns),
                    stop: open.clone(),
                    decoder_threads,
                    meter: measure.then(Arc::default),
                    graphs,
                    looks,
                    ..SessionOptions::default()
                };
                Order::Open(Box::new(place.into_source(name, tracks)), options)
            }
        };
        if orders.send(order).is_err() {
            return Ok(());
        }
    }
}

fn send_pictures(mut line: &UnixStream, frames: &HeldFrames) -> io::Result<()> {
    loop {
        let wish = Wish::read(&mut line)?;
        let frame = frames.lock().get(&wish.id).cloned();
        let frame = frame.ok_or_else(|| "a frame that is no longer there".to_owned());
        match wish.crop {
            None => {
                let picture = frame.and_then(|frame| frame.to_picture());
                pixels::write_picture(&mut line, &picture)?;
            }
            Some(crop) => {
                let seen = frame.and_then(|frame| frame.look(crop));
                pixels::write_seen(&mut line, &seen)?;
            }
        }
    }
}

/// Reads a file to its end, and closes it when it is asked to.
fn run(
    source: &Source,
    options: SessionOptions,
    orders: &Receiver<Order>,
    frames: &HeldFrames,
    events: &mut impl Write,
) -> io::Result<()> {
    let (stop, meter, offset) = (options.stop.clone(), options.meter.clone(), options.offset);
    let mut feed = match GstOpener.open(source, options) {
        Ok(feed) => feed,
        Err(cause) => {
            wire::write_json(events, &Event::Refused(cause.into()))?;
            return events.flush();
        }
    };
    wire::write_json(events, &Event::Opened)?;
    events.flush()?;
    let mut forwarder = Forwarder {
        events,
        frames,
        stop: &stop,
        sound_end: offset,
        last_frame: (offset, Instant::now()),
        state: State::default(),
        sent: State::default(),
        asked_at: None,
        failed: Ok(()),
    };
    let ending = drive(&mut *feed, &SystemClock, source.stall(), &mut forwarder);
    forwarder.send_state(&*feed);
    forwarder.failed?;
    if let Some(meter) = meter.filter(|_| ending == Ending::Whole) {
        wire::write_json(events, &Event::Measured(meter.report()))?;
    }
    let failure = match ending {
        Ending::Failed(cause) => Some(cause.into()),
        Ending::Whole | Ending::Limit | Ending::Stopped => None,
    };
    wire::write_json(events, &Event::Ended(failure))?;
    events.flush()?;
    // Not before the parent has what it wants: frames need their pipeline.
    while let Ok(order) = orders.recv() {
        if matches!(order, Order::Close) {
            break;
        }
    }
    drop(feed);
    wire::write_json(events, &Event::Closed)?;
    events.flush()
}

/// Sends everything that is decoded.
struct Forwarder<'a, W> {
    events: &'a mut W,
    frames: &'a HeldFrames,
    stop: &'a CancelToken,
    /// Where the sound ends that was sent.
    sound_end: MediaTime,
    /// Of which time the last frame is, and when it came.
    last_frame: (MediaTime, Instant),
    state: State,
    /// As the parent knows it.
    sent: State,
    /// When the length was last queried.
    asked_at: Option<Instant>,
    /// The parent cannot be reached.
    failed: io::Result<()>,
}

impl<W: Write> Forwarder<'_, W> {
    fn note(&mut self, sent: io::Result<()>) {
        if let Err(error) = sent
            && self.failed.is_ok()
        {
            self.failed = Err(error);
        }
    }

    fn send_state(&mut self, feed: &dyn Feed) {
        let unknown = self.state.duration.is_none();
        if unknown && self.asked_at.is_none_or(|at| at.elapsed() > LENGTH_EVERY) {
            self.asked_at = Some(Instant::now());
            self.state.duration = feed.duration().map(|length| length.0);
        }
        if self.state.frame_rate.is_none() {
            self.state.frame_rate = feed.frame_rate();
        }
        self.state.missing_decoder = feed.missing_decoder().map(str::to_owned);
        self.state.tail_samples = feed.tail_samples();
        self.state.untimed = feed.untimed();
        if self.state != self.sent {
            let written = wire::write_json(self.events, &Event::State(self.state.clone()));
            self.note(written);
            self.sent = self.state.clone();
        }
    }
}

/// The next frame's number. Never used twice: the parent may hold frames of an earlier file.
fn next_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<W: Write> Listener for Forwarder<'_, W> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.sound_end = block.at.plus(block.pcm.len()).to_time();
        let sent = wire::write_sound(self.events, block.at, block.pcm);
        self.note(sent);
    }

    fn has_enough_sound(&self) -> bool {
        let (at, came) = self.last_frame;
        let is_ahead = self.sound_end.0 > at.0.saturating_add(SOUND_AHEAD_NS);
        is_ahead && !self.state.picture_is_done && came.elapsed() < NO_PICTURE
    }

    fn frame(&mut self, frame: Frame) {
        let facts = FrameFacts {
            id: next_id(),
            at: frame.at(),
            duration_ns: frame.duration_ns(),
            bytes: frame.bytes(),
        };
        self.last_frame = (facts.at, Instant::now());
        self.frames.lock().insert(facts.id, frame);
        let sent = wire::write_frame(self.events, facts);
        self.note(sent);
    }

    fn sound_ended(&mut self) {
        self.state.sound_is_done = true;
    }

    fn picture_ended(&mut self) {
        self.state.picture_is_done = true;
    }

    fn hand_on(&mut self, _: &dyn Feed) {
        let sent = self.events.flush();
        self.note(sent);
    }

    fn over(&mut self, feed: &dyn Feed) -> Option<Ending> {
        self.send_state(feed);
        let sent = self.events.flush();
        self.note(sent);
        match &self.failed {
            Err(error) => Some(Ending::Failed(MediaError::Pipeline(error.to_string()))),
            Ok(()) => self.is_stopped().then_some(Ending::Stopped),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use crate::time::SamplePos;

    #[test]
    fn sound_waits_for_pictures_as_long_as_they_come() {
        let (mut bytes, frames, stop) = (Vec::new(), HeldFrames::default(), CancelToken::default());
        let mut forwarder = Forwarder {
            events: &mut bytes,
            frames: &frames,
            stop: &stop,
            sound_end: MediaTime::ZERO,
            last_frame: (MediaTime::ZERO, Instant::now()),
            state: State::default(),
            sent: State::default(),
            asked_at: None,
            failed: Ok(()),
        };
        let second = |n: u64| MediaTime(n * 1_000_000_000);
        let hear = |forwarder: &mut Forwarder<'_, _>, until: u64| {
            forwarder.sound(&AudioBlock {
                at: SamplePos((until - 1) * 48_000),
                arrived: Instant::now(),
                pcm: &[0.1; 48_000],
            });
            forwarder.has_enough_sound()
        };
        let picture = Picture::filled(32, 32, [1, 2, 3]);
        let see = |forwarder: &mut Forwarder<'_, _>, at: u64| {
            forwarder.frame(Frame::of_picture(second(at), &picture));
            forwarder.has_enough_sound()
        };
        assert!(!hear(&mut forwarder, 20));
        assert!(hear(&mut forwarder, 21));
        assert!(!see(&mut forwarder, 5));
        assert!(hear(&mut forwarder, 26));
        // No more come: the sound goes on.
        forwarder.last_frame.1 = Instant::now().checked_sub(NO_PICTURE).expect("in range");
        assert!(!forwarder.has_enough_sound());
        assert!(see(&mut forwarder, 5));
        forwarder.picture_ended();
        assert!(!forwarder.has_enough_sound());
    }
}
