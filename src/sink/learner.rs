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
    /// Identifies the trunks.
    pub trunks: u64,
    /// The camera of each stream.
    pub camera_of: HashMap<StreamName, String>,
    /// Windows of a stream after which it is learnt first.
    pub first: u64,
    /// Learns.
    pub background: Background,
    /// When the file was written.
    pub written: Instant,
}

impl Learner {
    fn write(&mut self) -> Result<(), SinkError> {
        self.written = Instant::now();
        let written = self.reservoir.write(&self.path, self.trunks);
        written.map_err(|error| match error {
            ReservoirError::Io { file, cause } => SinkError::io(&file, "write")(cause),
            error => SinkError::format(&self.path, "write")(error),
        })
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
        let at_s = match utc {
            Some(utc) => utc.as_millisecond() as f64 / 1e3,
            None => verdict.start_ns.as_secs_f64(),
        };
        let is_silent = verdict.audio.silent;
        self.reservoir
            .take(camera, at_s, is_silent, features.clone());
        if !self.background.is_busy() && self.reservoir.is_due(self.first) {
            self.reservoir.mark_learnt();
            self.background.learn(self.reservoir.cameras());
        }
        match self.written.elapsed() >= WRITE_INTERVAL {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.background.stop();
        self.write()
    }
}
