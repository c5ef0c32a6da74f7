//! One per run: takes what the engine emits, and the time, and makes news, timeline and events
//! of it.
//!
//! Belongs here: the order in which things happen to a stream. Does not: when an event begins
//! ([`crate::detect`]), tables ([`crate::store`]), who is told ([`crate::hub`]).
//!
//! Whatever cannot be kept (a full disk) is reported once and tried again; streams, page and
//! messages go on.

mod events;
mod unwritten;
mod watched;
mod wording;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use l3net_data::event::{Event, JudgedMoment};
use l3net_data::result::{Gap, StreamName};

use crate::clip::Recorder;
use crate::detect::{Detectors, Finding, Normals};
use crate::event::Kind;
use crate::files::EventFolder;
use crate::gallery::{self, Gallery};
use crate::hub::Hub;
use crate::settings::{Detect, Record};
use crate::status::{AvDrift, StreamState, StreamStatus};
use crate::store::{Pictures, Store, StoreError};
use crate::time::UtcMs;
use events::Events;
use watched::Watched;

/// How often things are done that need not be done at once: normals are kept, old files and
/// rows deleted.
const SELDOM: Duration = Duration::from_secs(60);
/// Pictures behind the timeline are this wide.
const TIMELINE_WIDTH: u32 = 320;
/// Of a run without a folder to record to, in its temporary one.
const TEMPORARY_PICTURES: u64 = 50_000_000;
/// A stream that delivers nothing for this long is being opened again.
const RECONNECTING_AFTER: Duration = Duration::from_secs(5);
/// A stream that is further behind the clock is lagging.
const LAGGING_S: f32 = 2.0;

/// What is kept of a run.
#[derive(Default)]
pub struct Keeping<'a> {
    /// Where; without it the timeline is of this run only, and events have neither clips nor
    /// snapshots.
    pub record: Option<&'a Record>,
    /// What writes clips.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// A small picture a second is kept behind the timeline.
    pub pictures: bool,
}

/// A stream to watch.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name in results.
    pub name: StreamName,
    /// Its name for people.
    pub label: String,
    /// When its events begin and end.
    pub detect: Detect,
}

/// Watches the streams of a run.
pub struct Monitor {
    hub: Arc<Hub>,
    gallery: Arc<Gallery>,
    store: Store,
    pictures: Option<Pictures>,
    events: Events,
    streams: BTreeMap<StreamName, Watched>,
    /// Pictures of this round.
    taken: Vec<(String, UtcMs, Vec<u8>)>,
    saved: UtcMs,
    seldom: UtcMs,
    /// The timeline could not be kept, and that was reported.
    failing: bool,
    /// The model that judges.
    model: String,
}

impl Monitor {
    /// Watches streams that `model` judges from `now` on.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(
        streams: &[Stream],
        model: &str,
        kept: Keeping<'_>,
        now: UtcMs,
    ) -> Result<Self, StoreError> {
        let Keeping {
            record,
            recorder,
            pictures,
        } = kept;
        let mut store = Store::open(record.map(|record| &*record.folder))?;
        let max_pictures = record.map_or(TEMPORARY_PICTURES, |r| r.pictures_max_size.0);
        let pictures = match max_pictures {
            bytes if bytes > 0 && pictures => Some(Pictures::open(store.path(), bytes)?),
            _ => None,
        };
        let folder = record.map(|record| {
            let max_age = record.max_age.map(|age| age.0);
            EventFolder::new(&record.folder, record.max_size.0, max_age)
        });
        let hub = Hub::new();
        hub.set_model(model);
        let mut events = Events::new(Arc::clone(&hub), folder, recorder, record);
        events.find_what_is_there(&mut store)?;
        let mut monitor = Self {
            gallery: Arc::default(),
            hub,
            store,
            pictures,
            events,
            streams: BTreeMap::new(),
            taken: Vec::new(),
            saved: now,
            seldom: now,
            failing: false,
            model: model.to_owned(),
        };
        monitor.set_streams(streams, now)?;
        monitor
            .events
            .end_of_others(&monitor.streams, &mut monitor.store, now);
        Ok(monitor)
    }

    /// Where news come from.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The newest pictures.
    pub fn gallery(&self) -> &Arc<Gallery> {
        &self.gallery
    }

    /// The file of the timeline, for readers.
    pub fn timeline(&self) -> &Path {
        self.store.path()
    }

    /// Which streams are watched from now on, in this order. Those that stay lose nothing;
    /// events of those that go end.
    ///
    /// # Errors
    /// If what was kept of them cannot be read.
    pub fn set_streams(&mut self, streams: &[Stream], now: UtcMs) -> Result<(), StoreError> {
        let names: Vec<StreamName> = streams.iter().map(|s| s.name.clone()).collect();
        let gone: Vec<_> = (self
            .streams
            .keys()
            .filter(|name| !names.contains(name))
            .cloned())
        .collect();
        for name in gone {
            self.end(&name, now);
            self.streams.remove(&name);
        }
        for stream in streams {
            if let Some(watched) = self.streams.get_mut(&stream.name) {
                watched.detectors.set(stream.detect.clone());
                watched.status.label.clone_from(&stream.label);
                continue;
            }
            let normals = self.store.at_once(|writer| writer.normals(&stream.name))?;
            let normals = normals.map_or_else(
                || Normals::new(&self.model),
                |normals| normals.for_model(&self.model),
            );
            let mut detectors = Detectors::new(stream.detect.clone(), normals);
            for kind in self.events.open_kinds(&stream.name) {
                detectors.resume(kind);
            }
            let mut status = StreamStatus::new(stream.name.clone(), stream.label.clone(), now);
            status.problems = self
                .events
                .open_kinds(&stream.name)
                .map(Kind::name)
                .collect();
            begin_counting(&stream.name);
            observe(&status);
            let watched = Watched::new(status, detectors);
            self.streams.insert(stream.name.clone(), watched);
        }
        let statuses = names.iter().filter_map(|name| self.streams.get(name));
        self.hub
            .set_streams(statuses.map(|w| Arc::new(w.status.clone())).collect());
        self.gallery.keep(&names);
        Ok(())
    }

    /// Another model judges from now on: what is normal for its answers is learnt anew.
    pub fn set_model(&mut self, model: &str) {
        model.clone_into(&mut self.model);
        self.hub.set_model(model);
        let watched = self.streams.values_mut();
        watched.for_each(|watched| watched.detectors.set_model(model));
    }

    /// Takes what the engine emits. `lag_s` is how far the stream is behind the clock.
    pub fn receive(&mut self, event: &Event, lag_s: f32, now: UtcMs) {
        match event {
            Event::Moment(moment) => self.moment(moment, lag_s, now),
            Event::Gap(gap) => self.gap(gap, now),
            // Of files only.
            Event::Measured(_) => {}
            Event::Ended(summary) => self.end(&summary.stream, now),
        }
        self.tick(now);
    }

    /// Takes how far sound and picture of a stream have come apart; it is judged with the
    /// next moment.
    pub fn drift(&mut self, stream: &StreamName, drift: AvDrift) {
        if let Some(watched) = self.streams.get_mut(stream) {
            watched.status.drift = drift;
            watched.detectors.set_drift(drift.av_drift_ms);
        }
    }

    /// Takes the time; to be called about once a second when nothing else happens.
    pub fn tick(&mut self, now: UtcMs) {
        if now.since(self.saved) < Duration::from_secs(1) && now >= self.saved {
            return;
        }
        let names: Vec<_> = self.streams.keys().cloned().collect();
        for name in names {
            let Some(watched) = self.streams.get_mut(&name) else {
                continue;
            };
            if watched.status.state == StreamState::Ended {
                continue;
            }
            self.events.observe_ring(&name);
            let quiet_since = watched.quiet_since();
            let found = watched.detectors.tick(quiet_since, now);
            let is_quiet = now.since(quiet_since) >= RECONNECTING_AFTER;
            let was_live = watched.status.state == StreamState::Live;
            if is_quiet && was_live {
                watched.set_state(StreamState::Reconnecting, now);
            }
            let has_news = (is_quiet && was_live) || found.is_some_and(|f| f.edge.is_some());
            self.apply(&name, found.into_iter().collect(), now);
            if has_news {
                self.tell(&name);
            }
        }
        self.events.poll(&mut self.store);
        self.save(now);
    }

    /// Keeps everything; the run ends. Events that go on are gone on with by the next run.
    pub fn finish(&mut self, now: UtcMs) {
        self.events.finish(&mut self.store, now);
        self.seldom = UtcMs(i64::MIN);
        self.save(now);
    }

    fn moment(&mut self, moment: &JudgedMoment, lag_s: f32, now: UtcMs) {
        let verdict = &moment.verdict;
        let Some(watched) = self.streams.get_mut(&verdict.stream) else {
            return;
        };
        let at = verdict
            .utc
            .as_ref()
            .and_then(|utc| utc.parse::<jiff::Timestamp>().ok());
        let at = at.map_or(now, UtcMs::from);
        let moment = Arc::new(moment.clone());
        watched.begin_again(now);
        watched.take(&moment, at, now, lag_s);
        if moment.evidence.picture.is_some() {
            self.gallery.put(Arc::clone(&moment));
        }
        // One a second, however short the hop.
        if self.pictures.is_some()
            && watched.wants_picture(at)
            && let Some(jpeg) = gallery::frame_jpeg(&moment, true, TIMELINE_WIDTH)
        {
            self.taken.push((verdict.stream.to_string(), at, jpeg));
        }
        let found = watched.detectors.moment(verdict, at);
        self.apply(&verdict.stream, found, at);
        self.tell(&verdict.stream);
    }

    fn gap(&mut self, gap: &Gap, now: UtcMs) {
        let Some(watched) = self.streams.get_mut(&gap.stream) else {
            return;
        };
        watched.begin_again(now);
        let (begin, end) = watched.utc_of(gap, now);
        watched.take_gap(gap, begin, end, now);
        let found = watched.detectors.gap(gap, end);
        self.apply(&gap.stream, found, end);
        self.tell(&gap.stream);
    }

    /// The stream is over: so are its events.
    fn end(&mut self, name: &StreamName, now: UtcMs) {
        let Some(watched) = self.streams.get_mut(name) else {
            return;
        };
        watched.set_state(StreamState::Ended, now);
        let found = Kind::ALL
            .into_iter()
            .filter_map(|kind| watched.detectors.end(kind, now));
        let found = found.collect();
        self.apply(name, found, now);
        self.tell(name);
    }

    fn apply(&mut self, name: &StreamName, found: Vec<Finding>, now: UtcMs) {
        let newest = self.gallery.newest(name);
        for finding in found {
            self.events
                .take(name, finding, newest.as_deref(), &mut self.store, now);
        }
    }

    fn tell(&mut self, name: &StreamName) {
        if let Some(watched) = self.streams.get_mut(name) {
            let status = &mut watched.status;
            status.problems = self.events.open_kinds(name).map(Kind::name).collect();
            if status.lag_s > LAGGING_S {
                status.problems.push("lagging");
            }
            status.normal = watched.detectors.normal();
            observe(status);
            self.hub.set_status(status.clone());
        }
    }

    /// Keeps what is new. What cannot be kept waits for the next time.
    fn save(&mut self, now: UtcMs) {
        self.saved = now;
        let seldom = now.since(self.seldom) >= SELDOM || now < self.seldom;
        let streams = &self.streams;
        let oldest = self.events.oldest_kept(now);
        let kept = self.store.at_once(|writer| {
            for (name, watched) in streams {
                watched.save(name, writer)?;
                if seldom {
                    writer.set_normals(name, watched.detectors.normals())?;
                }
            }
            if seldom {
                writer.expire(oldest)?;
            }
            Ok(())
        });
        if kept.is_ok() {
            self.streams.values_mut().for_each(Watched::saved);
        }
        let pictures = std::mem::take(&mut self.taken);
        let pictured = match &mut self.pictures {
            Some(kept) if !pictures.is_empty() => kept.put(&pictures),
            _ => Ok(()),
        };
        // The first of consecutive failures.
        match kept.and(pictured) {
            Ok(()) => self.failing = false,
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                tracing::warn!(
                    "timeline: {error}; the last day is kept in memory and tried again, pictures \
                     are not"
                );
            }
            Err(_) => {}
        }
        if seldom {
            self.seldom = now;
            self.events.make_room(&mut self.store, now);
        }
    }
}

/// Counters begin at 0: else Prometheus does not see the first event of each kind.
fn begin_counting(stream: &StreamName) {
    for kind in Kind::ALL {
        metrics::counter!("l3net_events_total", "stream" => stream.clone(), "event" => kind.name())
            .increment(0);
    }
    metrics::counter!("l3net_reconnects_total", "stream" => stream.clone()).increment(0);
}

/// The metrics of a stream.
fn observe(status: &StreamStatus) {
    let stream = || status.name.clone();
    let up = f64::from(u8::from(status.state == StreamState::Live));
    metrics::gauge!("l3net_stream_up", "stream" => stream()).set(up);
    if let Some(dbfs) = status.level_dbfs {
        metrics::gauge!("l3net_audio_level_dbfs", "stream" => stream()).set(dbfs);
    }
    // Not a number while it is not known: a stream that was opened again knows nothing of
    // the drift before.
    let drift_s = status
        .drift
        .av_drift_ms
        .map_or(f64::NAN, |ms| f64::from(ms) / 1e3);
    metrics::gauge!("l3net_av_drift_seconds", "stream" => stream()).set(drift_s);
}

#[cfg(test)]
mod tests;
