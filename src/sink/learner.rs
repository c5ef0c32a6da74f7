//! Learns during a run which sound belongs to which stream.
//!
//! Keeps what the trunks make of each stream's seconds, and has them learnt in the
//! background after a while; then again whenever twice as much was heard. A better model
//! goes to the network. What is kept is written to a file now and then, and at the end.
//!
//! Policy: live, the oldest is dropped; a file that cannot be written is reported, and the
//! run continues.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{OnFailure, Policy, Sink, SinkError, WhenFull};
use crate::adapt::{Background, Reservoir, ReservoirError};
use crate::event::Event;
use crate::result::StreamName;

/// Time between two writings of what is kept.
const WRITE_INTERVAL: Duration = Duration::from_secs(600);

/// The sink.
pub struct Learner {
    reservoir: Reservoir,
    /// Its file.
    path: PathBuf,
    made_by: String,
    streams: HashMap<StreamName, Stream>,
    first: u64,
    background: Background,
    /// When the file was written, and how many windows had been heard then.
    written: (Instant, u64),
    /// The last writing failed, and that was reported.
    failing: bool,
    /// Rounds of learning whose decision was noted.
    noted: u64,
}

/// What is known of a stream.
struct Stream {
    camera: String,
    /// Whether its moments have a time by the clock, or only the stream's own.
    by_clock: Option<bool>,
}

impl Learner {
    /// Adds to `reservoir`, which is kept in the file `path`; `made_by` says what makes the
    /// features. `cameras` has the camera of each stream, `first` the windows of one after
    /// which it is learnt first.
    pub fn new(
        reservoir: Reservoir,
        path: PathBuf,
        made_by: String,
        cameras: impl IntoIterator<Item = (StreamName, String)>,
        first: u64,
        background: Background,
    ) -> Self {
        let stream = |(name, camera)| {
            let by_clock = None;
            (name, Stream { camera, by_clock })
        };
        Self {
            written: (Instant::now(), reservoir.heard()),
            streams: cameras.into_iter().map(stream).collect(),
            reservoir,
            path,
            made_by,
            first,
            background,
            failing: false,
            noted: 0,
        }
    }

    fn write(&mut self) -> Result<(), SinkError> {
        self.written = (Instant::now(), self.reservoir.heard());
        let written = self.reservoir.write(&self.path, &self.made_by);
        let again = std::mem::replace(&mut self.failing, written.is_err());
        match written {
            Err(ReservoirError::Io { file, cause }) if !again => {
                Err(SinkError::io(&file, "write")(cause))
            }
            Err(error) if !again => Err(SinkError::format(&self.path, "write")(error)),
            _ => Ok(()),
        }
    }

    /// A round that failed or was cut off is not noted: the next run tries again.
    fn note_decision(&mut self) {
        let decided = self.background.decided();
        if std::mem::replace(&mut self.noted, decided) != decided {
            self.reservoir.end_learning();
        }
    }

    /// Whether enough is new: what a long run writes stays small, too.
    fn is_worth_writing(&self) -> bool {
        let (at, heard) = self.written;
        at.elapsed() >= WRITE_INTERVAL && self.reservoir.heard() > heard + heard / 10
    }
}

impl Sink for Learner {
    fn name(&self) -> &'static str {
        "learner"
    }

    fn policy(&self) -> Policy {
        Policy {
            features: true,
            when_full: WhenFull::DropOldestIfLive,
            on_failure: OnFailure::ReportFirstIfLive,
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        let Event::Moment(moment) = event else {
            return Ok(());
        };
        let Some(features) = &moment.evidence.features else {
            return Ok(());
        };
        let verdict = &moment.verdict;
        let Some(stream) = self.streams.get_mut(&verdict.stream) else {
            return Ok(());
        };
        // By the clock where there is one: a stream's own time starts anew with each run.
        let utc: Option<jiff::Timestamp> = verdict.utc.as_ref().and_then(|utc| utc.parse().ok());
        if *stream.by_clock.get_or_insert(utc.is_some()) != utc.is_some() {
            return Ok(());
        }
        let at_s = match utc {
            Some(utc) => utc.as_millisecond() as f64 / 1e3,
            None => verdict.start_ns.as_secs_f64(),
        };
        let is_silent = verdict.audio.silent;
        self.reservoir
            .take(&stream.camera, at_s, is_silent, features.clone());
        if !self.background.is_busy() {
            self.note_decision();
            if self.reservoir.is_due(self.first) {
                self.reservoir.begin_learning();
                self.background.learn(self.reservoir.cameras());
            }
        }
        match self.is_worth_writing() {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        if !self.background.is_busy() {
            self.note_decision();
        }
        // First: a round may take a moment to end.
        let written = self.write();
        self.background.stop();
        written
    }
}
