//! One clip: packets of a ring into a file, on a thread of its own.
//!
//! Belongs here: which packets, their times, when it is over. Does not: the pipeline
//! ([`super::mux`]), names of files ([`super::file`]), who may have how many clips
//! ([`super::PacketRecorder`]).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use l3net_monitor::clip::{Clip, Recording};
use l3net_monitor::time::UtcMs;

use super::container::{Container, container, way};
use super::file::Draft;
use super::mux::{Input, Mux, Times};
use crate::media::packets::{
    After, COLLECT_EVERY, Decoding, Generation, Kind, NoStart, Packet, PacketRing, Stamped, Start,
};
use crate::sync::lock;

/// A generation that is older has all the tracks that it will ever have, as far as a clip
/// is concerned: tracks cannot be added to a file.
const SETTLED: Duration = Duration::from_secs(5);

/// Packets of a time that have not arrived so much later do not come: a jitter buffer's 2 s
/// and some more.
const GRACE: Duration = Duration::from_secs(4);

/// Where one track has nothing for so long while the other goes on, it has ended: the muxer
/// would wait for it, and all packets of the other in memory.
const PAUSE_NS: i64 = 5_000_000_000;

/// Packets taken from the ring at a time: with the ring locked, which holds up nobody but
/// other clips.
const BATCH: usize = 64;

/// What a clip's thread and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where it is to end: milliseconds since 1970.
    until_ms: AtomicI64,
    result: Mutex<Option<Result<Clip, String>>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            until_ms: AtomicI64::new(i64::MAX),
            result: Mutex::default(),
        }
    }
}

/// A clip that is being written. If it is dropped without an end, it ends now.
pub(super) struct OpenClip {
    pub shared: Arc<Shared>,
    pub thread: Thread,
}

impl Recording for OpenClip {
    fn end_at(&mut self, until: UtcMs) {
        self.shared.until_ms.store(until.0, Ordering::Release);
        self.thread.unpark();
    }

    fn poll(&mut self) -> Option<Result<Clip, String>> {
        lock(&self.shared.result).clone()
    }
}

impl Drop for OpenClip {
    fn drop(&mut self) {
        if self.shared.until_ms.load(Ordering::Acquire) == i64::MAX {
            self.end_at(UtcMs::now());
        }
    }
}

/// Tells the result when it is dropped.
struct End {
    shared: Arc<Shared>,
    result: Result<Clip, String>,
}

impl Drop for End {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, Err(String::new()));
        *lock(&self.shared.result) = Some(result);
    }
}

/// What to write.
pub(super) struct Job {
    pub stream: String,
    pub ring: Arc<PacketRing>,
    pub from: Timestamp,
    pub stem: PathBuf,
    pub draft: Draft,
    pub longest: Duration,
    pub shared: Arc<Shared>,
    /// All clips are to end.
    pub closing: Arc<AtomicBool>,
}

impl Job {
    /// Writes it. The result is there before this returns.
    pub fn run(self) {
        let stream = self.stream.clone();
        // Also if this thread panics: nobody is to wait for ever.
        let mut end = End {
            shared: Arc::clone(&self.shared),
            result: Err(no_clip(&stream, "its thread panicked")),
        };
        end.result = self.write().map_err(|cause| no_clip(&stream, &cause));
    }

    fn write(self) -> Result<Clip, String> {
        let (start, generation) = self.begin()?;
        let mut tracks = Vec::new();
        let mut inputs = Vec::new();
        for kind in [Kind::Picture, Kind::Sound] {
            let Some(first) = self.first(&start, kind) else {
                continue;
            };
            let caps = first.payload.caps;
            let Some(way) = way(kind, &caps) else {
                let what = kind.name();
                tracing::warn!(
                    "{}: a clip without its {what}: no container takes {caps}",
                    self.stream
                );
                continue;
            };
            tracks.push(Track::new(kind, &start, &generation));
            inputs.push(Input { kind, caps, way });
        }
        let has_picture = tracks.iter().any(|track| track.kind == Kind::Picture);
        if tracks.is_empty() || (start.picture.is_some() && !has_picture) {
            return Err("no container takes its format: have the source send H.264".to_owned());
        }
        let container = container(inputs.iter().map(|input| input.way));
        let (file, scratch) = (self.draft.file(), self.draft.scratch());
        let mut mux = Mux::start(container, &inputs, file, scratch)?;
        self.copy(&start, &mut tracks, container, &mut mux)?;
        if !tracks.iter().any(|track| track.has_begun) {
            return Err(
                "its packets were dropped before they were read: the machine is too slow".into(),
            );
        }
        mux.finish()?;
        let end_ns = tracks.iter().map(|track| track.end_ns).max().unwrap_or(0);
        let (path, bytes) = self.draft.place(&self.stem, container.ending())?;
        Ok(Clip {
            path,
            seconds: Duration::from_nanos(end_ns.max(0).unsigned_abs()).as_secs_f64(),
            bytes,
        })
    }

    /// Where it begins. Of a stream that has just begun, waits until its tracks are known.
    fn begin(&self) -> Result<(Start, Generation), String> {
        let asked = Instant::now();
        loop {
            let start = self.ring.find(self.from).map_err(why_not)?;
            let generation = self.ring.generation(start.generation);
            let generation = generation.ok_or_else(|| why_not(NoStart::Empty))?;
            let is_complete = [Kind::Sound, Kind::Picture]
                .into_iter()
                .all(|kind| self.first(&start, kind).is_some());
            let age_ns = Timestamp::now().as_nanosecond() - i128::from(generation.begun_ns);
            let lacks_track = !generation.has(Kind::Sound) || !generation.has(Kind::Picture);
            let is_settled = generation.is_closed
                || self.is_closing()
                || (is_complete && generation.order.is_known())
                || asked.elapsed() >= SETTLED
                || (lacks_track && age_ns >= SETTLED.as_nanos().cast_signed());
            if is_settled {
                return Ok((start, generation));
            }
            std::thread::park_timeout(COLLECT_EVERY);
        }
    }

    /// The first packet of a kind, if it is there.
    fn first(&self, start: &Start, kind: Kind) -> Option<Stamped<Packet>> {
        let mut number = start.of(kind)?;
        let mut first = Vec::new();
        self.ring
            .read(kind, start.generation, &mut number, 1, &mut first);
        first.pop()
    }

    /// Copies packets until the clip is over.
    fn copy(
        &self,
        start: &Start,
        tracks: &mut [Track],
        container: Container,
        mux: &mut Mux,
    ) -> Result<(), String> {
        let mut packets = Vec::with_capacity(BATCH);
        loop {
            let until = self.until(start);
            let mut has_news = false;
            for track in tracks.iter_mut().filter(|track| !track.is_over) {
                packets.clear();
                let (generation, next) = (start.generation, &mut track.next);
                let after = self
                    .ring
                    .read(track.kind, generation, next, BATCH, &mut packets);
                track.is_waiting = packets.len() < BATCH;
                has_news |= !packets.is_empty();
                for packet in packets.drain(..) {
                    let Some(times) = track.times(&packet, until.running_ns, container) else {
                        continue;
                    };
                    mux.push(track.kind, &packet.payload, times)?;
                }
                match after {
                    After::More => {}
                    After::Nothing => track.is_over |= track.is_waiting,
                    After::Overtaken => {
                        tracing::warn!(
                            "{}: a clip ends early: packets were dropped before they were \
                             written; is its disk too slow?",
                            self.stream
                        );
                        return Ok(());
                    }
                }
            }
            let latest = tracks.iter().map(|track| track.end_ns).max().unwrap_or(0);
            for track in tracks.iter_mut() {
                if track.is_over {
                    mux.end(track.kind);
                } else if track.is_waiting && latest - track.end_ns > PAUSE_NS {
                    tracing::debug!(stream = self.stream, kind = track.kind.name(), "a pause");
                    track.is_over = true;
                    mux.end(track.kind);
                }
            }
            let is_late = Timestamp::now() > until.at;
            if tracks.iter().all(|track| track.is_over)
                || (!has_news && (is_late || self.is_closing()))
            {
                return Ok(());
            }
            if !has_news {
                std::thread::park_timeout(COLLECT_EVERY);
            }
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    fn until(&self, start: &Start) -> Until {
        let until_ms = self.shared.until_ms.load(Ordering::Acquire);
        let longest_ns = i64::try_from(self.longest.as_nanos()).unwrap_or(i64::MAX);
        let last_ns = start.base_ns.saturating_add(longest_ns);
        let generation = self.ring.generation(start.generation);
        let running_ns = match generation {
            Some(generation) if until_ms != i64::MAX => until_ms
                .saturating_mul(1_000_000)
                .saturating_sub(generation.zero_ns),
            _ => i64::MAX,
        };
        let at = UtcMs(until_ms).to_timestamp();
        let grace = jiff::SignedDuration::try_from(GRACE).unwrap_or_default();
        Until {
            // Its first packet at least.
            running_ns: running_ns.min(last_ns).max(start.base_ns),
            at: at.checked_add(grace).unwrap_or(Timestamp::MAX),
        }
    }
}

/// Where a clip ends, as far as is known.
struct Until {
    running_ns: i64,
    /// Then nothing more of it arrives.
    at: Timestamp,
}

/// A track of a clip.
struct Track {
    kind: Kind,
    /// The number of its next packet.
    next: u64,
    base_ns: i64,
    decoding: Decoding,
    interval_ns: i64,
    last_sound_ns: i64,
    /// Where what was written of it ends, after the clip's beginning.
    end_ns: i64,
    has_begun: bool,
    /// All that there is was read.
    is_waiting: bool,
    is_over: bool,
}

impl Track {
    fn new(kind: Kind, start: &Start, generation: &Generation) -> Self {
        Self {
            kind,
            next: start.of(kind).unwrap_or(0),
            base_ns: start.base_ns,
            decoding: Decoding::new(&generation.order),
            interval_ns: generation.order.interval_ns(),
            last_sound_ns: i64::MIN,
            end_ns: 0,
            has_begun: false,
            is_waiting: false,
            is_over: false,
        }
    }

    /// The times of a packet in the clip; `None` if it is not a part of it.
    fn times<P>(
        &mut self,
        packet: &Stamped<P>,
        until_ns: i64,
        container: Container,
    ) -> Option<Times> {
        // Sound before the first picture, and pictures that follow a key picture but are
        // shown before it: they depend on what is not there.
        if self.is_over || packet.pts_ns < self.base_ns {
            return None;
        }
        let (dts_ns, duration_ns) = match self.kind {
            Kind::Picture => {
                let steady = (container == Container::Mp4).then_some(self.interval_ns);
                (
                    self.decoding.next(packet.pts_ns),
                    packet.duration_ns.or(steady),
                )
            }
            Kind::Sound => (packet.pts_ns.max(self.last_sound_ns), packet.duration_ns),
        };
        if dts_ns > until_ns {
            self.is_over = true;
            return None;
        }
        let mut pts_ns = packet.pts_ns;
        if self.kind == Kind::Sound {
            // Never back: a muxer would not have it.
            pts_ns = dts_ns;
            self.last_sound_ns = dts_ns + 1;
        }
        self.has_begun = true;
        let times = Times {
            pts_ns: pts_ns - self.base_ns,
            dts_ns: dts_ns - self.base_ns,
            duration_ns,
        };
        let lasts = packet.duration_ns.unwrap_or(match self.kind {
            Kind::Picture => self.interval_ns,
            Kind::Sound => 0,
        });
        self.end_ns = self.end_ns.max(times.pts_ns.saturating_add(lasts));
        Some(times)
    }
}

/// Why there is no clip of a stream, in one line.
pub(super) fn no_clip(stream: &str, cause: &str) -> String {
    format!("{stream}: no clip: {cause}")
}

pub(super) fn why_not(cause: NoStart) -> String {
    match cause {
        NoStart::Empty => "nothing of it has arrived lately: try again when it plays",
        NoStart::NoKey => {
            "there is no key picture among the packets that are kept: have the camera send one \
             every few seconds"
        }
    }
    .to_owned()
}
