//! Where verdicts go: plain records out of the engine's outputs, and all ways
//! out in their order.
//!
//! Pictures come first, as the record names their files; then every way out gets
//! the same record.

use std::io::Write;
use std::time::Instant;

use super::overlays::Overlays;
use super::progress::Bar;
use super::streams::StreamArgs;
use crate::engine::{Job, Output, Said, Watcher};
use crate::event::{Evidence, JudgedMoment, Region};
use crate::features::Viewport;
use crate::media::Source;
use crate::result::{
    Crop, Failure, Gap, HeatmapFacts, Judgement, Latency, Record, SoundHeatmapFacts, StreamName,
    Summary, Verdict,
};
use crate::sink::archive::Archive;
use crate::sink::console::Table;
use crate::sink::heatmaps::Heatmaps;
use crate::sink::jsonl::JsonLines;
use crate::sink::{SinkError, metrics};
use crate::window_spec::WindowSpec;

/// All ways out of a run.
pub struct Outputs {
    model: String,
    names: Vec<StreamName>,
    sizes: Vec<Option<u64>>,
    tallies: Vec<Tally>,
    json: Option<JsonLines<Box<dyn Write + Send>>>,
    archive: Option<Archive>,
    heatmaps: Option<Heatmaps>,
    overlays: Overlays,
    table: Option<Table<Box<dyn Write + Send>>>,
    crop: Crop,
    quiet: bool,
    bar: Bar,
    failed: usize,
    /// Streams that have not come to their end. Most of a run that is stopped
    /// have not even begun: nothing is heard of these.
    left: usize,
}

/// What a summary says of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    moments: u64,
    sum: f64,
    gaps: u64,
}

impl Outputs {
    /// Opens them. Without an archive, results go to stdout if no file is named.
    /// `asked` sources were asked for, of which those of `sources` are left; `model` is
    /// what results say of the model.
    ///
    /// # Errors
    /// Names the file or folder that cannot be written.
    pub fn open(
        args: &StreamArgs,
        model: &str,
        archive: Option<Archive>,
        sources: &[Source],
        asked: usize,
        bar: &Bar,
    ) -> anyhow::Result<Self> {
        let (window, quiet, args) = (&args.window, args.talk.quiet, &args.output);
        let names: Vec<StreamName> = sources.iter().map(|s| s.name.clone()).collect();
        let to_stdout = || {
            JsonLines::new(
                Box::new(std::io::stdout()) as Box<dyn Write + Send>,
                "stdout",
            )
        };
        let json = match &args.json {
            Some(path) if path.as_os_str() == "-" => Some(to_stdout()),
            Some(path) => {
                // Lines of earlier runs stay: batch that goes on has only the rest.
                let file = std::fs::File::options()
                    .append(true)
                    .create(true)
                    .open(path)
                    .map_err(SinkError::io(path, "write"))?;
                Some(JsonLines::new(
                    Box::new(file) as Box<dyn Write + Send>,
                    path,
                ))
            }
            None if archive.is_none() => Some(to_stdout()),
            None => None,
        };
        Ok(Self {
            overlays: match &args.overlay {
                Some(path) => Overlays::new(path, &names, asked > 1, window.hop)?,
                None => Overlays::default(),
            },
            model: model.to_owned(),
            names,
            sizes: sources.iter().map(Source::bytes).collect(),
            tallies: vec![Tally::default(); sources.len()],
            json,
            archive,
            heatmaps: args.heatmaps.as_deref().map(Heatmaps::create).transpose()?,
            table: args
                .table
                .then(|| Table::new(Box::new(bar.lines()) as Box<dyn Write + Send>)),
            crop: window.crop,
            quiet,
            bar: bar.clone(),
            failed: 0,
            left: sources.len(),
        })
    }

    /// Whether somebody draws the pictures.
    pub fn draws(&self) -> bool {
        self.heatmaps.is_some()
    }

    /// Takes what comes out of the engine.
    ///
    /// # Errors
    /// Names the way out that failed; or the network's error.
    pub fn take(&mut self, output: Output<Judgement>) -> anyhow::Result<()> {
        match output {
            Output::Answered {
                stream,
                job,
                answer,
                answered,
            } => {
                let arrived = job.arrived;
                let mut judged = self.verdict(stream, *job, answer, answered);
                if let Some(heatmaps) = &self.heatmaps {
                    let files = heatmaps.write(&judged)?;
                    judged.verdict.heatmap.file = files.picture;
                    judged.verdict.sound_heatmap.file = files.sound;
                }
                if let Some(overlay) = self.overlays.sender(stream) {
                    overlay.verdict(&judged);
                }
                let tally = &mut self.tallies[stream];
                tally.moments += 1;
                tally.sum += f64::from(judged.verdict.correspondence);
                // With its pictures, which are there before its line.
                judged.verdict.latency_ms.total = ms(arrived, Instant::now());
                self.write(Record::Moment(judged.verdict))
            }
            Output::Said { stream, said } => self.said(stream, said),
            Output::Broken(error) => Err(error.into()),
        }
    }

    fn said(&mut self, stream: usize, said: Said) -> anyhow::Result<()> {
        let name = self.names[stream].clone();
        match said {
            Said::Gap(span) => {
                self.tallies[stream].gaps += 1;
                if let Some(overlay) = self.overlays.sender(stream) {
                    overlay.gap(span.start, span.end, span.why);
                }
                self.write(Record::Gap(Gap {
                    stream: name,
                    start_ns: span.start,
                    end_ns: span.end,
                    why: span.why,
                    lost: span.lost,
                }))
            }
            Said::Ended {
                seconds,
                wall_s,
                stopped,
                limited,
                error,
            } => {
                self.left -= usize::from(!stopped);
                self.end_overlay(stream);
                let (moments, mean_correspondence, gaps) = self.counts(stream);
                self.write(Record::Summary(Summary {
                    stream: name.clone(),
                    moments,
                    mean_correspondence,
                    gaps,
                    seconds,
                    wall_s,
                    model: Some(self.model.clone()),
                    bytes: self.sizes[stream],
                    interrupted: stopped || limited,
                    error: error.clone(),
                }))?;
                let Some(error) = error else {
                    return Ok(());
                };
                self.failed += 1;
                self.bar.say_failed(&name, &error);
                self.write(Record::Error(Failure {
                    stream: name,
                    error,
                }))
            }
        }
    }

    /// Moments of a stream, their mean correspondence, and gaps.
    fn counts(&self, stream: usize) -> (u64, Option<f32>, u64) {
        let tally = self.tallies[stream];
        let mean = (tally.moments > 0).then(|| (tally.sum / tally.moments as f64) as f32);
        // A run that goes on with a file counts what stands there, too.
        let before = self
            .archive
            .as_ref()
            .and_then(|a| a.progress().stream(&self.names[stream]));
        before.map_or((tally.moments, mean, tally.gaps), |b| {
            (b.moments(), b.mean_correspondence(), b.gaps())
        })
    }

    fn write(&mut self, record: Record) -> anyhow::Result<()> {
        if let Some(archive) = &mut self.archive
            && !archive.append(&record)?
            && matches!(record, Record::Moment(_) | Record::Gap(_))
        {
            // A run before has told it, there as here.
            return Ok(());
        }
        metrics::observe(&record);
        // Without a reader there is nothing to go on for, but with an archive.
        let needs_readers = self.archive.is_none();
        if let Some(json) = &mut self.json
            && !is_read(json.write(&record), needs_readers)?
        {
            self.json = None;
        }
        if let Some(table) = &mut self.table
            && !matches!(record, Record::Error(_))
            && !is_read(table.row(&record), needs_readers)?
        {
            self.table = None;
        }
        Ok(())
    }

    /// Closes everything. True if all was done and nothing failed.
    ///
    /// # Errors
    /// Names the way out that could not be closed.
    pub fn finish(mut self, stopped: bool) -> anyhow::Result<bool> {
        for stream in 0..self.names.len() {
            self.end_overlay(stream);
        }
        let goes_on = self.archive.is_some();
        let archived = self.archive.map(Archive::finish).transpose();
        if stopped && self.left > 0 && !self.quiet {
            self.bar.say(if goes_on {
                "l3net: stopped; the same command goes on where it was"
            } else {
                "l3net: stopped before the end"
            });
        }
        archived?;
        Ok(self.failed == 0 && self.left == 0)
    }

    fn verdict(
        &self,
        stream: usize,
        job: Job,
        judgement: Judgement,
        judged: Instant,
    ) -> JudgedMoment {
        let (row, col, max) = judgement.vision.peak();
        let (rows, cols) = (judgement.vision.rows, judgement.vision.cols);
        let (sound_row, sound_col, sound_max) = judgement.audio.peak();
        let view = job.features.view;
        let [x0, y0, x1, y1] = view.under_map(rows, cols);
        let spec = WindowSpec::PAPER;
        let [t, f] = Viewport::whole(spec.frames as u32, spec.bins as u32).image_from_cell(
            sound_row,
            sound_col,
            judgement.audio.rows,
            judgement.audio.cols,
        );
        let verdict = Verdict {
            stream: self.names[stream].clone(),
            seq: job.seq,
            start_ns: job.start,
            end_ns: job.end,
            frame_ns: job.frame_at,
            utc: job.utc.map(|t| format!("{t:.3}")),
            correspondence: judgement.correspondence,
            logits: judgement.logits,
            audio: job.audio,
            video: job.video,
            heatmap: HeatmapFacts {
                rows,
                cols,
                crop: self.crop,
                peak: view.image_from_cell(row, col, rows, cols),
                max,
                file: None,
            },
            sound_heatmap: SoundHeatmapFacts {
                rows: judgement.audio.rows,
                cols: judgement.audio.cols,
                peak_hz: spec.hz_at(f),
                peak_s: spec.seconds_at(t),
                max: sound_max,
                file: None,
            },
            latency_ms: Latency {
                wait: ms(job.arrived, job.begun),
                features: ms(job.begun, job.featured),
                net: ms(job.featured, judged),
                // When all is out that belongs to it.
                total: 0.0,
            },
            padded: job.padded,
        };
        let draws = job.picture.is_some();
        JudgedMoment {
            verdict,
            evidence: Evidence {
                judgement,
                spectrogram: draws.then(|| job.features.spectrogram.into()),
                picture: job.picture,
                covered: Region { x0, y0, x1, y1 },
            },
        }
    }

    /// Who else looks at a stream: its overlay video, where one is asked for.
    pub fn watcher(&self, stream: usize) -> Option<Box<dyn Watcher>> {
        self.overlays.watcher(stream)
    }

    /// Ends a stream's video. One that failed is told; the run goes on.
    fn end_overlay(&mut self, stream: usize) {
        if let Err(error) = self.overlays.end(stream) {
            self.failed += 1;
            self.bar.say(&format!("l3net: {error}"));
        }
    }
}

fn ms(from: Instant, to: Instant) -> f32 {
    to.saturating_duration_since(from).as_secs_f32() * 1e3
}

/// Whether somebody still reads what was written; that nobody does is an error
/// where there have to be readers.
fn is_read(written: Result<(), SinkError>, needs_readers: bool) -> Result<bool, SinkError> {
    match written {
        Err(error) if error.is_closed() && !needs_readers => Ok(false),
        other => other.map(|()| true),
    }
}
