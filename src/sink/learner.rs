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
    /// What is kept.
    pub reservoir: Reservoir,
    /// Its file.
    pub path: PathBuf,
    /// What makes the features: the trunks, and of which part of the pictures.
    pub made_by: String,
    /// The camera of each stream.
    pub camera_of: HashMap<StreamName, String>,
    /// Windows of a stream after which it is learnt first.
    pub first: u64,
    /// Learns.
    pub background: Background,
    /// When the file was written, and how many windows had been heard then.
    pub written: (Instant, u64),
    /// Streams whose moments have a time by the clock; the others have their own.
    pub by_clock: HashMap<StreamName, bool>,
    /// The last writing failed, and that was reported.
    pub failing: bool,
    /// Rounds of learning whose decision was noted.
    pub noted: u64,
}

impl Learner {
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
        let Some(camera) = self.camera_of.get(&verdict.stream) else {
            return Ok(());
        };
        // By the clock where there is one: a stream's own time starts anew with each run.
        let utc: Option<jiff::Timestamp> = verdict.utc.as_ref().and_then(|utc| utc.parse().ok());
        let by_clock = utc.is_some();
        let usual = self.by_clock.entry(verdict.stream.clone());
        if *usual.or_insert(by_clock) != by_clock {
            return Ok(());
        }
        let at_s = match utc {
            Some(utc) => utc.as_millisecond() as f64 / 1e3,
            None => verdict.start_ns.as_secs_f64(),
        };
        let is_silent = verdict.audio.silent;
        self.reservoir
            .take(camera, at_s, is_silent, features.clone());
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
