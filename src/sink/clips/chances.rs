//! Compares each clip's sound with the pictures of others while the run goes on.
//!
//! Policy: loses nothing; a failure ends the run.

use std::fs::File;
use std::path::PathBuf;

use tch::{TchError, Tensor};

use super::note;
use crate::clips::{Chance, ChanceMeter};
use crate::event::Event;
use crate::net::Fusion;
use crate::net::input::to_vec;
use crate::pooled::Pooled;
use crate::result::StreamName;
use crate::sink::{Policy, Sink, SinkError};

/// The sink.
pub struct Chances {
    fusion: Fusion,
    meter: ChanceMeter,
    journal: File,
    path: PathBuf,
}

impl Chances {
    pub(super) fn new(fusion: Fusion, journal: File, path: PathBuf) -> Self {
        Self {
            fusion,
            meter: ChanceMeter::default(),
            journal,
            path,
        }
    }

    fn note(&self, told: Result<Vec<(StreamName, Chance)>, TchError>) -> Result<(), SinkError> {
        let told = told.map_err(SinkError::format(&self.path, "compare clips"))?;
        told.iter()
            .try_for_each(|(stream, chance)| note(&self.journal, stream, *chance))
            .map_err(SinkError::io(&self.path, "write"))
    }
}

/// Each picture with each sound.
fn margins(
    fusion: &Fusion,
    pictures: &[&Pooled],
    sounds: &[&Pooled],
) -> Result<Vec<f32>, TchError> {
    let _guard = tch::no_grad_guard();
    let tensor = |rows: &[&Pooled], of: fn(&Pooled) -> &[f32]| {
        let values: Vec<f32> = rows.iter().flat_map(|row| of(row)).copied().collect();
        Tensor::f_from_slice(&values)?.f_reshape([rows.len() as i64, -1])
    };
    let pictures = tensor(pictures, |row| &row.vision)?;
    let sounds = tensor(sounds, |row| &row.audio)?;
    to_vec(&fusion.margins(&pictures, &sounds)?)
}

impl Sink for Chances {
    fn name(&self) -> &'static str {
        "clips"
    }

    fn policy(&self) -> Policy {
        Policy {
            features: true,
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::Moment(moment) if !moment.verdict.audio.silent => {
                if let Some(features) = &moment.evidence.features {
                    self.meter.take(&moment.verdict.stream, features.clone());
                }
                Ok(())
            }
            Event::Ended(summary) => {
                let fusion = &self.fusion;
                let told = self
                    .meter
                    .end(&summary.stream, |p, s| margins(fusion, p, s));
                self.note(told)
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let fusion = &self.fusion;
        let told = self.meter.rest(|p, s| margins(fusion, p, s));
        self.note(told)
    }
}
