//! The encoded packets of a live stream, kept for a while for clips of it.
//!
//! Belongs here: taking packets where the decoders get them, and the ring that keeps the
//! last of them. Does not: files ([`crate::record`]).
//!
//! ```text
//! GStreamer's threads  probe ──bounded channel──▶ PacketRing::collect ──▶ Ring ──▶ clips
//! ```
//!
//! A lock around the ring would be simpler, but then a source's thread would wait while a
//! clip looks for its beginning, or for as long as the thread that has the lock is not
//! given a core. So the probes only fill a channel, and whoever owns the ring empties it
//! every [`COLLECT_EVERY`]. A session without a ring has no probes.

mod generation;
mod headers;
mod order;
mod ring;
mod tap;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use gst::prelude::*;
use gstreamer as gst;
use jiff::Timestamp;

pub use super::graph::Kind;
pub use generation::{Generation, Stamped};
pub use order::{Decoding, Order};
pub use ring::{After, NoStart, Ring, Start};
pub(super) use tap::Taps;
use tap::{Arrival, Tap, Use};

use crate::sync::lock;

/// How often a ring is to be asked to [`collect`](PacketRing::collect).
pub const COLLECT_EVERY: Duration = Duration::from_millis(50);

/// Packets on their way: 6 s of 60 pictures and 100 packets of sound a second, so that
/// only a machine that stands still loses any.
const CHANNEL_PACKETS: usize = 1_024;

/// Packets of decoders of which it is not known yet whether they are used.
const UNDECIDED_PACKETS: usize = 512;

/// Memory that may be held for as long as one likes. Any other belongs to a driver that has
/// little of it (V4L2, DMA-BUF), and would starve a camera.
const PLAIN_MEMORY: [&str; 2] = ["SystemMemory", "RustGlobalAllocatorMemory"];

/// An encoded packet. Cloning it copies no data.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The data, as the decoder gets it.
    pub buffer: gst::Buffer,
    /// Their format.
    pub caps: gst::Caps,
    /// What a decoder needs before it, if it does not know and it is not in the format.
    pub headers: Option<gst::Buffer>,
}

/// The last packets of one stream, over all its openings.
pub struct PacketRing {
    sender: Sender<Arrival>,
    receiver: Receiver<Arrival>,
    /// How often the stream was opened.
    sessions: AtomicU64,
    /// The number and pipeline of the session that is open.
    open: Mutex<Option<(u64, gst::glib::WeakRef<gst::Pipeline>)>>,
    /// The pictures come unencoded.
    has_raw_picture: AtomicBool,
    lost: AtomicU64,
    kept: Mutex<Kept>,
}

impl std::fmt::Debug for PacketRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketRing").finish_non_exhaustive()
    }
}

/// The ring, and where its packets come from.
struct Kept {
    ring: Ring<Packet>,
    undecided: VecDeque<Arrival>,
    session: Option<u64>,
    sound: From,
    picture: From,
}

/// Where the packets of a kind come from.
#[derive(Default)]
struct From {
    tap: Option<Arc<Tap>>,
    count: u64,
    caps: Option<gst::Caps>,
    headers: Option<gst::Buffer>,
}

impl PacketRing {
    /// For clips that begin up to `before` in the past; more than `max_bytes` are never
    /// kept, but for what arrives between two times of [`collect`](Self::collect).
    pub fn new(before: Duration, max_bytes: usize) -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(CHANNEL_PACKETS);
        Self {
            sender,
            receiver,
            sessions: AtomicU64::new(0),
            open: Mutex::default(),
            has_raw_picture: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            kept: Mutex::new(Kept {
                ring: Ring::new(before, max_bytes),
                undecided: VecDeque::new(),
                session: None,
                sound: From::default(),
                picture: From::default(),
            }),
        }
    }

    /// For clips that begin up to `before` in the past, from now on.
    pub fn set_before(&self, before: Duration) {
        lock(&self.kept).ring.set_before(before);
    }

    /// A session begins; its number.
    fn open(&self, pipeline: &gst::Pipeline) -> u64 {
        let session = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        self.has_raw_picture.store(false, Ordering::Relaxed);
        *lock(&self.open) = Some((session, pipeline.downgrade()));
        session
    }

    /// A session has ended.
    fn close(&self, session: u64) {
        let mut open = lock(&self.open);
        if open.as_ref().is_some_and(|(number, _)| *number == session) {
            *open = None;
        }
    }

    fn note_raw_picture(&self) {
        self.has_raw_picture.store(true, Ordering::Relaxed);
    }

    /// Takes a packet, or counts it as lost. Never allocates or waits: nobody ever waits
    /// at the other end of the channel, so none need be woken.
    fn offer(&self, arrival: Arrival) {
        if self.sender.try_send(arrival).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts what has arrived into the ring, and drops what is too old. To be called every
    /// [`COLLECT_EVERY`], by one thread.
    pub fn collect(&self, now: Timestamp) {
        // Before the channel is emptied: a session that has ended sends nothing more.
        let open = lock(&self.open).clone();
        let zero_ns = open
            .as_ref()
            .and_then(|(_, pipeline)| zero_ns(pipeline, now));
        let mut kept = lock(&self.kept);
        if let Some(zero_ns) = zero_ns {
            kept.ring.set_zero(zero_ns);
        }
        let arrivals = self.receiver.len();
        let news = self.receiver.try_iter().take(arrivals);
        kept.undecided.extend(news);
        kept.accept_decided(zero_ns);
        if kept.session != open.map(|(number, _)| number) {
            kept.ring.break_off();
        }
        kept.ring.trim(nanoseconds(now));
    }

    /// Where a clip from this time of day on begins.
    ///
    /// # Errors
    /// If nothing in the ring can be decoded.
    pub fn find(&self, from: Timestamp) -> Result<Start, NoStart> {
        lock(&self.kept).ring.find(nanoseconds(from))
    }

    /// Takes packets as [`Ring::read`] does.
    pub fn read(
        &self,
        kind: Kind,
        generation: u64,
        number: &mut u64,
        at_most: usize,
        into: &mut Vec<Stamped<Packet>>,
    ) -> After {
        let kept = lock(&self.kept);
        kept.ring.read(kind, generation, number, at_most, into)
    }

    /// What is known of a generation, unless it is long over.
    pub fn generation(&self, number: u64) -> Option<Generation> {
        lock(&self.kept).ring.generation(number).cloned()
    }

    /// Whether its pictures come unencoded: there is nothing to copy.
    pub fn has_raw_picture(&self) -> bool {
        self.has_raw_picture.load(Ordering::Relaxed)
    }

    /// The share of the bytes that may be kept, 0 to 1.
    pub fn fill(&self) -> f64 {
        lock(&self.kept).ring.fill()
    }

    /// Packets lost because nobody collected them in time. What follows them is a new
    /// generation.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Kept {
    /// Takes what comes from decoders that are used, in the order of each decoder.
    fn accept_decided(&mut self, zero_ns: Option<i64>) {
        let mut undecided: VecDeque<Arrival> = VecDeque::new();
        for arrival in std::mem::take(&mut self.undecided) {
            // It may have been decided since the one before it was looked at.
            let is_behind = |other: &Arrival| Arc::ptr_eq(&other.tap, &arrival.tap);
            match arrival.tap.used() {
                Use::Unused => {}
                Use::Used if !undecided.iter().any(is_behind) => self.accept(arrival, zero_ns),
                Use::Used | Use::Unknown => undecided.push_back(arrival),
            }
        }
        let too_many = undecided.len().saturating_sub(UNDECIDED_PACKETS);
        undecided.drain(..too_many);
        self.undecided = undecided;
    }

    fn accept(&mut self, arrival: Arrival, zero_ns: Option<i64>) {
        let kind = arrival.tap.kind;
        if self.session != Some(arrival.session) {
            self.session = Some(arrival.session);
            self.ring.break_off();
            (self.sound, self.picture) = (From::default(), From::default());
        }
        let from = match kind {
            Kind::Sound => &mut self.sound,
            Kind::Picture => &mut self.picture,
        };
        if !from.continues(&arrival) {
            self.ring.break_off();
            from.headers = None;
        }
        let buffer = off_the_device(arrival.buffer);
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let mut needs = None;
        if kind == Kind::Picture && is_key {
            match headers::find(&arrival.caps, &buffer) {
                Some(headers) => from.headers = Some(headers),
                None => needs.clone_from(&from.headers),
            }
        }
        let duration = buffer.duration().map(gst::ClockTime::nseconds);
        let stamped = Stamped {
            kind,
            is_key,
            pts_ns: arrival.pts_ns,
            duration_ns: duration.and_then(|ns| i64::try_from(ns).ok()),
            arrived_ns: nanoseconds(arrival.at),
            bytes: buffer.size(),
            payload: Packet {
                buffer,
                caps: arrival.caps,
                headers: needs,
            },
        };
        self.ring.push(stamped, zero_ns);
    }
}

impl From {
    /// Whether a packet is in the same format as the last one, with none lost between.
    fn continues(&mut self, arrival: &Arrival) -> bool {
        let before = self.caps.replace(arrival.caps.clone());
        let tap = self.tap.replace(Arc::clone(&arrival.tap));
        let count = std::mem::replace(&mut self.count, arrival.count);
        let (Some(before), Some(tap)) = (before, tap) else {
            return true;
        };
        let is_next = Arc::ptr_eq(&tap, &arrival.tap) && count + 1 == arrival.count;
        is_next && is_same_format(&before, &arrival.caps)
    }
}

/// Parsers correct the rate of pictures as they learn it, and nothing depends on it.
fn is_same_format(one: &gst::CapsRef, other: &gst::CapsRef) -> bool {
    let without_rate = |caps: &gst::CapsRef| {
        let mut caps = caps.to_owned();
        for format in caps.make_mut().iter_mut() {
            format.remove_field("framerate");
        }
        caps
    };
    std::ptr::eq(one, other) || one == other || without_rate(one) == without_rate(other)
}

/// A packet in memory that may be held.
fn off_the_device(buffer: gst::Buffer) -> gst::Buffer {
    let is_plain = |memory: &gst::MemoryRef| PLAIN_MEMORY.iter().any(|name| memory.is_type(*name));
    if buffer.iter_memories().all(is_plain) {
        return buffer;
    }
    // What cannot be read is not copied; then it cannot be written either, which is told.
    buffer.copy_deep().unwrap_or(buffer)
}

/// The time of day at running time zero; `None` before the pipeline plays.
fn zero_ns(pipeline: &gst::glib::WeakRef<gst::Pipeline>, now: Timestamp) -> Option<i64> {
    let running = pipeline.upgrade()?.current_running_time()?;
    Some(nanoseconds(now).saturating_sub(i64::try_from(running.nseconds()).ok()?))
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}
