//! What the engine emits: plain data, with what it takes to draw it.
//!
//! Belongs here: the types that sinks receive. Does not: tensors, threads, files.

use std::sync::Arc;

use crate::picture::Picture;
use crate::pooled::Pooled;
use crate::result::{Failure, Gap, Judgement, Qc, Record, StreamName, Summary, Verdict};
use crate::window_spec::WindowSpec;

/// What happens in a run, in each stream's order.
#[derive(Clone, Debug)]
pub enum Event {
    /// A moment was judged.
    Moment(Box<JudgedMoment>),
    /// A part of a stream was not judged.
    Gap(Gap),
    /// A whole file was measured. Its end follows.
    Measured(Box<Qc>),
    /// A stream is over; `error` in it says whether it failed.
    Ended(Summary),
}

impl Event {
    /// The stream that it is about.
    pub fn stream(&self) -> &StreamName {
        match self {
            Self::Moment(moment) => &moment.verdict.stream,
            Self::Gap(gap) => &gap.stream,
            Self::Measured(qc) => &qc.stream,
            Self::Ended(summary) => &summary.stream,
        }
    }

    /// The same moment without the picture and spectrogram that it carries, if any.
    pub fn without_pictures(&self) -> Option<Self> {
        let Self::Moment(moment) = self else {
            return None;
        };
        let evidence = &moment.evidence;
        let carries = evidence.picture.is_some() || evidence.spectrogram.is_some();
        carries.then(|| Self::Moment(Box::new(moment.without_pictures())))
    }

    /// The lines of output that say it, in their order.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let (first, second) = match self {
            Self::Moment(moment) => (Record::Moment(moment.verdict.clone()), None),
            Self::Gap(gap) => (Record::Gap(gap.clone()), None),
            Self::Measured(qc) => (Record::Qc((**qc).clone()), None),
            Self::Ended(summary) => {
                let failure = summary.error.as_ref().map(|error| Failure {
                    stream: summary.stream.clone(),
                    error: error.clone(),
                });
                (Record::Summary(summary.clone()), failure.map(Record::Error))
            }
        };
        std::iter::once(first).chain(second)
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug)]
pub struct JudgedMoment {
    /// The record that goes out.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub evidence: Evidence,
}

impl JudgedMoment {
    /// The same without picture and spectrogram.
    pub fn without_pictures(&self) -> Self {
        Self {
            verdict: self.verdict.clone(),
            evidence: Evidence {
                judgement: self.evidence.judgement.clone(),
                picture: None,
                spectrogram: None,
                spec: self.evidence.spec,
                covered: self.evidence.covered,
                features: self.evidence.features.clone(),
            },
        }
    }
}

/// What a verdict rests on, for sinks that draw.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The network's outputs with both heatmaps.
    pub judgement: Judgement,
    /// The frame that the network saw; `None` where no sink draws it.
    pub picture: Option<Arc<Picture>>,
    /// The log-spectrogram that the network heard, row by row from low to high
    /// frequencies; `None` where no sink draws it.
    pub spectrogram: Option<Arc<[f32]>>,
    /// What its rows and columns stand for.
    pub spec: WindowSpec,
    /// The part of the picture that the vision heatmap covers.
    pub covered: Region,
    /// What the fusion compared; `None` where no sink wants it.
    pub features: Option<Arc<Pooled>>,
}

/// A rectangle in a picture, 0 to 1 from its top left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl Region {
    /// The whole picture.
    pub const FULL: Self = Self {
        x0: 0.0,
        y0: 0.0,
        x1: 1.0,
        y1: 1.0,
    };
}
