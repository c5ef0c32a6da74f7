//! The events of all streams: what is done when one begins, goes on and ends.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use l3net_data::event::JudgedMoment;
use l3net_data::result::StreamName;
use ulid::Ulid;

use super::Watched;
use super::unwritten::Unwritten;
use super::wording::what;
use crate::clip::{Recorder, Recording};
use crate::detect::{Edge, Finding};
use crate::event::{Change, ClipState, Kind, StreamEvent};
use crate::files::EventFolder;
use crate::gallery;
use crate::hub::{Hub, News};
use crate::settings::Record;
use crate::store::{EventFiles, Store, StoreError};
use crate::time::UtcMs;

/// Snapshots are this wide at most.
const SNAPSHOT_WIDTH: u32 = 1280;
/// An event that goes on is told at most so often.
const UPDATE_EVERY: Duration = Duration::from_secs(10);
/// How long the last clips may take when the run ends.
const LAST_CLIPS: Duration = Duration::from_secs(3);

/// Events that go on, and ended ones whose clips are being written.
pub(super) struct Events {
    hub: Arc<Hub>,
    folder: Option<EventFolder>,
    recorder: Option<Arc<dyn Recorder>>,
    lengths: Lengths,
    timeline_max_age: Duration,
    open: BTreeMap<(StreamName, Kind), Open>,
    /// They have ended, but not their clips.
    ending: Vec<Open>,
    unwritten: Unwritten,
}

/// How much belongs to a clip.
#[derive(Clone, Copy)]
struct Lengths {
    before: Duration,
    after: Duration,
    max: Duration,
}

/// An event that is not finished.
struct Open {
    event: StreamEvent,
    files: EventFiles,
    recording: Option<Box<dyn Recording>>,
    told: Arc<StreamEvent>,
    told_at: UtcMs,
}

impl Events {
    pub fn new(
        hub: Arc<Hub>,
        folder: Option<EventFolder>,
        recorder: Option<Arc<dyn Recorder>>,
        record: Option<&Record>,
    ) -> Self {
        let lengths = record.map_or(
            Lengths {
                before: Duration::ZERO,
                after: Duration::ZERO,
                max: Duration::ZERO,
            },
            |record| Lengths {
                before: record.before_s.get(),
                after: record.after_s.get(),
                max: record.max_s.get(),
            },
        );
        Self {
            hub,
            folder,
            recorder,
            lengths,
            timeline_max_age: record
                .map_or(Record::timeline_max_age(), |r| r.timeline_max_age)
                .0,
            open: BTreeMap::new(),
            ending: Vec::new(),
            unwritten: Unwritten::default(),
        }
    }

    /// Finds events of earlier runs: those that had not ended go on; files are counted.
    pub fn find_what_is_there(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if let Some(folder) = self.folder.as_mut().filter(|_| store.is_new()) {
            let found = folder.recover();
            store.at_once(|writer| {
                found
                    .iter()
                    .try_for_each(|(event, files)| writer.event(event, files))
            })?;
        }
        let (with_files, unfinished) =
            store.at_once(|writer| Ok((writer.with_files()?, writer.unfinished()?)))?;
        if let Some(folder) = &mut self.folder {
            // One that goes on still needs its snapshot.
            for (event, files) in with_files
                .iter()
                .filter(|(event, _)| event.end_ms.is_some())
            {
                folder.keep(event, files);
            }
        }
        for (mut event, files) in unfinished {
            if event.clip == ClipState::Pending {
                // It was not whole, so it is not there.
                event.clip = ClipState::None;
            }
            let told = Arc::new(event.clone());
            let key = (event.stream.clone(), event.kind);
            let open = Open {
                told_at: event.begin_ms,
                told,
                event,
                files,
                recording: None,
            };
            if let Some(twice) = self.open.insert(key, open) {
                self.end(twice, None, store);
            }
        }
        Ok(())
    }

    /// Ends events of streams that are not in this run.
    pub fn end_of_others(
        &mut self,
        streams: &BTreeMap<StreamName, Watched>,
        store: &mut Store,
        now: UtcMs,
    ) {
        let others = self
            .open
            .keys()
            .filter(|(name, _)| !streams.contains_key(name));
        for key in others.cloned().collect::<Vec<_>>() {
            if let Some(open) = self.open.remove(&key) {
                self.end(open, Some(now), store);
            }
        }
    }

    /// Kinds of events of a stream that go on.
    pub fn open_kinds(&self, stream: &StreamName) -> impl Iterator<Item = Kind> {
        let of_stream = self.open.keys().filter(move |(name, _)| name == stream);
        of_stream.map(|(_, kind)| *kind)
    }

    /// Timeline and events that are older are forgotten.
    pub fn oldest_kept(&self, now: UtcMs) -> UtcMs {
        now.minus(self.timeline_max_age)
    }

    /// Takes what was found at `now`. `newest` is the stream's newest moment.
    pub fn take(
        &mut self,
        stream: &StreamName,
        finding: Finding,
        newest: Option<&JudgedMoment>,
        store: &mut Store,
        now: UtcMs,
    ) {
        let key = (stream.clone(), finding.kind);
        let is_on = self.hub.is_on(stream, finding.kind);
        let ended = match finding.edge {
            Some(Edge::Ends(at)) => Some(at),
            _ if !is_on => Some(now),
            _ => None,
        };
        if let Some(at) = ended {
            if let Some(open) = self.open.remove(&key) {
                self.end(open, Some(at), store);
            }
            return;
        }
        if let Some(open) = self.open.get_mut(&key) {
            open.event.score = finding.score;
            open.event.top_score = open.event.top_score.max(finding.score);
            if now.since(open.told_at) >= UPDATE_EVERY {
                open.event.what = what(&open.event, now);
                self.unwritten.keep(&mut open.event, &open.files, store);
                tell(&self.hub, Change::Update, open, now);
            }
            return;
        }
        let begin = match finding.edge {
            Some(Edge::Begins(at)) => at,
            // It was switched on again while it went on.
            _ => now,
        };
        let open = self.begin(stream, finding, begin, newest, store, now);
        self.open.insert(key, open);
    }

    fn begin(
        &mut self,
        stream: &StreamName,
        finding: Finding,
        begin: UtcMs,
        newest: Option<&JudgedMoment>,
        store: &mut Store,
        now: UtcMs,
    ) -> Open {
        let mut event = StreamEvent {
            id: Ulid::generate(),
            stream: stream.clone(),
            kind: finding.kind,
            begin_ms: begin,
            end_ms: None,
            score: finding.score,
            top_score: finding.score,
            what: String::new(),
            snapshot: false,
            clip: ClipState::None,
            clip_s: None,
            protected: false,
        };
        event.what = what(&event, now);
        let kind = event.kind.name();
        metrics::counter!("l3net_events_total", "stream" => stream.clone(), "event" => kind)
            .increment(1);
        let mut files = EventFiles::default();
        let mut recording = None;
        if let Some(folder) = &self.folder {
            if let Some(moment) = newest {
                files.snapshot = snapshot(folder, &event, moment);
                event.snapshot = files.snapshot.is_some();
            }
            recording = self.start_clip(folder, &event);
            if recording.is_some() {
                event.clip = ClipState::Pending;
            }
        }
        self.unwritten.keep(&mut event, &files, store);
        let event_now = Arc::new(event.clone());
        self.hub.tell(&News::Event {
            change: Change::New,
            event: Arc::clone(&event_now),
            before: None,
        });
        Open {
            event,
            files,
            recording,
            told: event_now,
            told_at: now,
        }
    }

    fn start_clip(&self, folder: &EventFolder, event: &StreamEvent) -> Option<Box<dyn Recording>> {
        let recorder = self.recorder.as_ref()?;
        let begin = event.begin_ms;
        let started = folder
            .stem(event)
            .map_err(|cause| format!("{}: {cause}", folder.path().display()))
            .and_then(|stem| {
                recorder.start(&event.stream, begin.minus(self.lengths.before), &stem)
            });
        match started {
            Ok(mut recording) => {
                let most = self.lengths.max + self.lengths.after;
                recording.end_at(begin.plus(most));
                Some(recording)
            }
            Err(cause) => {
                tracing::warn!(
                    "{}: no clip of {}: {cause}",
                    event.stream,
                    event.kind.name()
                );
                None
            }
        }
    }

    /// It ended at `at`; `None` if that is not known.
    fn end(&mut self, mut open: Open, at: Option<UtcMs>, store: &mut Store) {
        let begin = open.event.begin_ms;
        let end = at.unwrap_or(begin).max(begin);
        open.event.end_ms = Some(end);
        open.event.score = 0.0;
        open.event.what = what(&open.event, end);
        if let Some(recording) = &mut open.recording {
            let end = end.min(begin.plus(self.lengths.max));
            recording.end_at(end.plus(self.lengths.after));
        }
        self.unwritten.keep(&mut open.event, &open.files, store);
        tell(&self.hub, Change::End, &mut open, end);
        if open.recording.is_some() {
            self.ending.push(open);
        } else {
            self.write_event(&open);
        }
    }

    /// Takes clips that have become whole, and tries again to keep what could not be kept.
    pub fn poll(&mut self, store: &mut Store) {
        self.unwritten.retry(store);
        let Some(folder) = &self.folder else {
            return;
        };
        for open in self.open.values_mut().chain(&mut self.ending) {
            let Some(done) = open.recording.as_mut().and_then(|clip| clip.poll()) else {
                continue;
            };
            open.recording = None;
            match done {
                Ok(clip) => {
                    open.event.clip = ClipState::Ready;
                    open.event.clip_s = Some(clip.seconds);
                    open.files.clip = Some(folder.relative(&clip.path));
                }
                Err(cause) => {
                    open.event.clip = ClipState::None;
                    tracing::warn!(
                        "{}: no clip of {}: {cause}",
                        open.event.stream,
                        open.event.kind.name()
                    );
                }
            }
            self.unwritten.keep(&mut open.event, &open.files, store);
            let at = open.told_at;
            tell(&self.hub, Change::Clip, open, at);
        }
        let is_done = |open: &mut Open| open.recording.is_none();
        let done: Vec<Open> = self.ending.extract_if(.., is_done).collect();
        done.iter().for_each(|open| self.write_event(open));
        if let Some(folder) = &self.folder {
            metrics::gauge!("l3net_clips_bytes").set(folder.bytes() as f64);
        }
    }

    /// How full the ring of a stream's packets is.
    pub fn observe_ring(&self, stream: &StreamName) {
        if let Some(fill) = self.recorder.as_ref().and_then(|r| r.ring_fill(stream)) {
            metrics::gauge!("l3net_ring_fill_ratio", "stream" => stream.clone()).set(fill);
        }
    }

    /// Deletes the oldest clips and snapshots over the limits, except of protected events.
    pub fn make_room(&mut self, store: &mut Store, now: UtcMs) {
        let Some(folder) = &mut self.folder else {
            return;
        };
        for (begin, id) in folder.oldest_first() {
            if !folder.is_over(begin, now) {
                break;
            }
            let found = store.at_once(|writer| writer.find(id));
            let Ok(Some((mut event, files))) = found else {
                continue;
            };
            if event.protected {
                continue;
            }
            // What cannot be deleted or noted now is tried again the next time.
            if let Err((path, cause)) = folder.delete(&files) {
                tracing::warn!("{}: cannot be deleted: {cause}", path.display());
                continue;
            }
            if files.clip.is_some() {
                event.clip = ClipState::Deleted;
            }
            event.snapshot = false;
            let none = EventFiles::default();
            if store.at_once(|writer| writer.event(&event, &none)).is_ok() {
                folder.forget(&event);
            }
            self.hub.tell(&News::Event {
                change: Change::Clip,
                event: Arc::new(event),
                before: None,
            });
        }
    }

    /// Ends the clips: the run ends. The events go on in the next one.
    pub fn finish(&mut self, store: &mut Store, now: UtcMs) {
        for open in self.open.values_mut().chain(&mut self.ending) {
            if let Some(recording) = &mut open.recording {
                recording.end_at(now);
            }
        }
        let until = std::time::Instant::now() + LAST_CLIPS;
        let is_writing = |events: &Self| {
            let all = events.open.values().chain(&events.ending);
            all.into_iter().any(|open| open.recording.is_some())
        };
        while is_writing(self) && std::time::Instant::now() < until {
            self.poll(store);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn write_event(&mut self, open: &Open) {
        let has_files = open.files != EventFiles::default();
        if let Some(folder) = self.folder.as_mut().filter(|_| has_files)
            && let Err(cause) = folder.write_event(&open.event, &open.files)
        {
            warn_of(folder.path(), &cause);
        }
    }
}

fn snapshot(
    folder: &EventFolder,
    event: &StreamEvent,
    moment: &JudgedMoment,
) -> Option<std::path::PathBuf> {
    let jpeg = gallery::frame_jpeg(moment, true, SNAPSHOT_WIDTH)?;
    let written = folder.write_snapshot(event, &jpeg);
    written.map_err(|cause| warn_of(folder.path(), &cause)).ok()
}

fn warn_of(folder: &Path, cause: &io::Error) {
    tracing::warn!("{}: an event cannot be written: {cause}", folder.display());
}

fn tell(hub: &Hub, change: Change, open: &mut Open, now: UtcMs) {
    let event = Arc::new(open.event.clone());
    let before = std::mem::replace(&mut open.told, Arc::clone(&event));
    open.told_at = now;
    hub.tell(&News::Event {
        change,
        event,
        before: Some(before),
    });
}
