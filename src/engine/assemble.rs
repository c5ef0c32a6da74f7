//! Turns the engine's outputs into events.
//!
//! Belongs here: verdicts, with the geometry of the heatmaps; counts of the summaries.
//! Does not: who receives them.

use std::sync::Arc;
use std::time::Instant;

use super::{Answer, EngineOptions, Job, Output};
use crate::event::{Event, Evidence, JudgedMoment, Region};
use crate::features::{Crop, Viewport};
use crate::media::Source;
use crate::net::{CameraRecord, ModelRecord, NetError};
use crate::result::{
    Gap, Heatmap, HeatmapFacts, Judgement, Latency, Qc, SoundHeatmapFacts, StreamName, Summary,
    Verdict,
};
use crate::window_spec::WindowSpec;

/// Makes the events of a run.
#[derive(Debug)]
pub struct Assembler {
    streams: Vec<Stream>,
    crop: Crop,
    spec: WindowSpec,
    /// Of the last moment.
    model: Arc<ModelRecord>,
}

/// What a summary counts.
#[derive(Debug)]
struct Stream {
    name: StreamName,
    /// Its name among the cameras that a model knows.
    camera: String,
    bytes: Option<u64>,
    moments: u64,
    correspondence_sum: f64,
    gaps: u64,
}

impl Assembler {
    /// For a run that begins with `model`.
    pub fn new(options: &EngineOptions, model: Arc<ModelRecord>) -> Self {
        Self {
            streams: Vec::new(),
            crop: options.crop,
            spec: options.spec,
            model,
        }
    }

    /// The events of an output, in order: none of a stream that begins, two of the end of one
    /// that was measured. `now` ends the latency of a moment.
    ///
    /// # Errors
    /// The network's error; no output follows it.
    pub fn events(
        &mut self,
        output: Output<Answer>,
        now: Instant,
    ) -> Result<impl Iterator<Item = Event> + use<>, NetError> {
        let mut measured = None;
        let event = match output {
            Output::Begun { source, .. } => {
                self.begin(&source);
                None
            }
            Output::Answered {
                stream,
                job,
                answer,
                answered,
            } => {
                let stream = &mut self.streams[stream];
                stream.moments += 1;
                let camera = answer.model.cameras.get(&stream.camera).copied();
                let (judgement, z_score) = calibrated(answer.judgement, camera);
                stream.correspondence_sum += f64::from(judgement.correspondence);
                let latency = Latency {
                    wait: ms(job.arrived, job.begun),
                    features: ms(job.begun, job.featured),
                    net: ms(job.featured, answered),
                    total: ms(job.arrived, now),
                };
                let name = stream.name.clone();
                self.model = answer.model;
                let mut moment = self.moment(name, *job, judgement, z_score, latency);
                moment.evidence.features = answer.features;
                Some(Event::Moment(Box::new(moment)))
            }
            Output::Gap { stream, gap } => {
                let stream = &mut self.streams[stream];
                stream.gaps += 1;
                Some(Event::Gap(Gap {
                    stream: stream.name.clone(),
                    start_ns: gap.start,
                    end_ns: gap.end,
                    why: gap.why,
                    lost: gap.lost,
                }))
            }
            Output::Ended { stream, end } => {
                let stream = &self.streams[stream];
                let mean = stream.correspondence_sum / stream.moments as f64;
                measured = end.measured.map(|report| {
                    Event::Measured(Box::new(Qc {
                        stream: stream.name.clone(),
                        video: report.video,
                        audio: report.audio,
                        bytes: stream.bytes,
                    }))
                });
                Some(Event::Ended(Summary {
                    stream: stream.name.clone(),
                    moments: stream.moments,
                    mean_correspondence: (stream.moments > 0).then_some(mean as f32),
                    gaps: stream.gaps,
                    seconds: end.seconds,
                    wall_s: end.wall_s,
                    model: Some(self.model.name.clone()),
                    bytes: stream.bytes,
                    fps: end.fps,
                    keyframes: end.keyframes,
                    interrupted: end.stopped || end.limited,
                    error: end.error,
                }))
            }
            Output::NetworkFailed(error) => return Err(error),
        };
        Ok(measured.into_iter().chain(event))
    }

    fn begin(&mut self, source: &Source) {
        self.streams.push(Stream {
            name: source.name.clone(),
            camera: source.camera().to_owned(),
            bytes: source.bytes(),
            moments: 0,
            correspondence_sum: 0.0,
            gaps: 0,
        });
    }

    fn moment(
        &self,
        stream: StreamName,
        job: Job,
        judgement: Judgement,
        z_score: Option<f32>,
        latency_ms: Latency,
    ) -> JudgedMoment {
        let viewport = job.features.view;
        let (rows, cols) = (judgement.vision.rows, judgement.vision.cols);
        let (row, col, max) = judgement.vision.peak();
        let [x0, y0, x1, y1] = viewport.under_map(rows, cols);
        let verdict = Verdict {
            stream,
            seq: job.seq,
            start_ns: job.start,
            end_ns: job.end,
            frame_ns: job.frame_at,
            utc: job.utc.map(|t| format!("{t:.3}")),
            correspondence: judgement.correspondence,
            logits: judgement.logits,
            z_score,
            audio: job.audio,
            video: job.video,
            heatmap: HeatmapFacts {
                rows,
                cols,
                crop: self.crop,
                peak: viewport.image_from_cell(row, col, rows, cols),
                max,
                file: None,
            },
            sound_heatmap: sound_facts(&judgement.audio, self.spec),
            latency_ms,
            padded: job.padded,
        };
        let draws = job.picture.is_some();
        JudgedMoment {
            verdict,
            evidence: Evidence {
                judgement,
                spectrogram: draws.then(|| job.features.spectrogram.into()),
                picture: job.picture,
                spec: self.spec,
                covered: Region { x0, y0, x1, y1 },
                features: None,
            },
        }
    }
}

/// The judgement of a stream that the model knows, so that 0.5 means for it what it means
/// for others; and its z-score.
fn calibrated(mut judgement: Judgement, camera: Option<CameraRecord>) -> (Judgement, Option<f32>) {
    let Some(camera) = camera else {
        return (judgement, None);
    };
    let half = (camera.shift / 2.0) as f32;
    judgement.logits[0] -= half;
    judgement.logits[1] += half;
    let margin = judgement.logits[1] - judgement.logits[0];
    judgement.correspondence = 1.0 / (1.0 + (-margin).exp());
    (judgement, Some(camera.z_score(f64::from(margin)) as f32))
}

/// The sound heatmap's peak in Hz and seconds.
fn sound_facts(map: &Heatmap, spec: WindowSpec) -> SoundHeatmapFacts {
    let (row, col, max) = map.peak();
    let whole = Viewport::whole(spec.frames as u32, spec.bins as u32);
    let [width, height] = whole.image_from_cell(row, col, map.rows, map.cols);
    SoundHeatmapFacts {
        rows: map.rows,
        cols: map.cols,
        peak_hz: spec.hz_at(height),
        peak_s: spec.seconds_at(width),
        max,
        file: None,
    }
}

fn ms(from: Instant, to: Instant) -> f32 {
    to.saturating_duration_since(from).as_secs_f32() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::LogSpectrogram;
    use crate::time::SAMPLE_RATE;

    const SPEC: WindowSpec = WindowSpec::PAPER;

    /// A window with one short tone, otherwise silent.
    fn tone(hz: f32, from_s: f32, to_s: f32) -> Vec<f32> {
        (0..SAMPLE_RATE)
            .map(|i| i as f32 / SAMPLE_RATE as f32)
            .map(|s| match (from_s..to_s).contains(&s) {
                true => 0.5 * (std::f32::consts::TAU * hz * s).sin(),
                false => 0.0,
            })
            .collect()
    }

    /// The spectrogram, pooled to the grid of a sound heatmap: each cell is the mean of
    /// the 16 × 16 values below a cell of conv4_2.
    fn pooled(spectrogram: &[f32]) -> Heatmap {
        let (rows, cols) = (16, 12);
        let mean = |i: usize| {
            let (row, col) = (i / cols * 16, i % cols * 16);
            let cells = (row..row + 16).flat_map(|r| (col..col + 16).map(move |c| (r, c)));
            cells
                .map(|(r, c)| spectrogram[r * SPEC.frames + c])
                .sum::<f32>()
                / 256.0
        };
        Heatmap {
            rows: rows as u32,
            cols: cols as u32,
            values: (0..rows * cols).map(mean).collect(),
        }
    }

    #[test]
    fn the_peak_of_a_sound_map_is_at_the_pitch_and_time_of_a_tone() {
        let mut features = LogSpectrogram::new(SPEC);
        for (hz, at_s) in [
            (1_000.0, 0.2),
            (5_300.0, 0.5),
            (9_000.0, 0.85),
            (20_000.0, 0.1),
        ] {
            let spectrogram = features.of(&tone(hz, at_s - 0.04, at_s + 0.04));
            let facts = sound_facts(&pooled(&spectrogram), SPEC);
            // A cell is 1,500 Hz high and 80 ms wide.
            assert!((facts.peak_hz - hz).abs() <= 750.0, "{hz} Hz: {facts:?}");
            assert!((facts.peak_s - at_s).abs() <= 0.06, "{at_s} s: {facts:?}");
        }
    }

    #[test]
    fn the_margin_of_a_known_camera_is_shifted_and_its_z_score_told() {
        let heatmap = || Heatmap {
            rows: 1,
            cols: 1,
            values: vec![0.0],
        };
        let judgement = || Judgement {
            logits: [1.0, 0.0],
            correspondence: 0.268_941_4,
            vision: heatmap(),
            audio: heatmap(),
        };
        assert_eq!(calibrated(judgement(), None), (judgement(), None));
        let camera = CameraRecord {
            shift: 3.0,
            others_mean: -4.0,
            others_std: 2.0,
        };
        let (shifted, z_score) = calibrated(judgement(), Some(camera));
        assert_eq!(shifted.logits, [-0.5, 1.5]);
        assert!((shifted.correspondence - 0.880_797).abs() < 1e-5);
        assert_eq!(z_score, Some(3.0));
    }
}
