//! `l3net embed`: the trunk outputs of each window, for other models to learn on.

mod openl3;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use super::batch::default_jobs;
use super::clash::refuse_url;
use super::common::{NetArgs, TalkArgs, Usage, WindowArgs, cancel_on_signal, say};
use super::progress::Bar;
use super::sources::SourceArgs;
use super::streams::{LIMIT_OR_LIVE, check_descriptions, refuse_endless};
use crate::dataset::Dataset;
use crate::engine::{Engine, EngineOptions, Output, Task};
use crate::features::{Damage, Features};
use crate::file_error::FileError;
use crate::media::ProcessOpener;
#[cfg(feature = "store")]
use crate::media::StagedOpener;
use crate::net::{Embedding, FEATURE, Modality, PICTURE_WIDTH, SOUND_WIDTH};
use crate::result::StreamName;
use crate::sink::SinkError;
use crate::sink::npz::{Npz, Place};
use crate::stats::RunStats;
use crate::text::plural;
use crate::time::MediaTime;

/// Write the network's features of each second as numpy arrays
///
/// Open OUT with numpy.load. Its rows are windows, ordered by source and time; stream,
/// start_ns, end_ns and frame_ns identify them. The network compares audio_512 with
/// vision_512; audio_6144 and vision_8192 are for classifying sounds and pictures
/// (sections 3.3 and 3.4 of the paper).
#[derive(clap::Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct EmbedArgs {
    #[command(subcommand)]
    way: Option<Way>,
    #[command(flatten)]
    from: SourceArgs,
    /// Write features to this .npz file; with --shard, to one in this folder
    #[arg(long, short, required = true, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Features to write, separated by commas; all if not given
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<FeatureKind>,
    /// Files to decode in parallel; by the number of cores if not given
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Another way to embed.
#[derive(clap::Subcommand, Clone, Debug)]
enum Way {
    #[command(long_flag = "openl3")]
    Openl3(openl3::OpenL3Args),
}

/// A kind of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FeatureKind {
    /// Output of the audio trunk (pool4)
    #[value(name = "audio_512")]
    Audio512,
    /// Output of the vision trunk (pool4)
    #[value(name = "vision_512")]
    Vision512,
    /// conv4_2 of the audio trunk, pooled by frequency and time
    #[value(name = "audio_6144")]
    Audio6144,
    /// conv4_2 of the vision trunk, pooled by place in the picture
    #[value(name = "vision_8192")]
    Vision8192,
}

impl FeatureKind {
    /// Name and width of its matrix.
    fn column(self) -> (&'static str, usize) {
        match self {
            Self::Audio512 => ("audio_512", FEATURE),
            Self::Vision512 => ("vision_512", FEATURE),
            Self::Audio6144 => ("audio_6144", SOUND_WIDTH),
            Self::Vision8192 => ("vision_8192", PICTURE_WIDTH),
        }
    }

    /// The trunk whose output it is.
    fn modality(self) -> Modality {
        match self {
            Self::Audio512 | Self::Audio6144 => Modality::Audio,
            Self::Vision512 | Self::Vision8192 => Modality::Vision,
        }
    }

    fn of(self, embedding: &Embedding) -> &[f32] {
        match self {
            Self::Audio512 => &embedding.audio_512,
            Self::Vision512 => &embedding.vision_512,
            Self::Audio6144 => &embedding.audio_6144,
            Self::Vision8192 => &embedding.vision_8192,
        }
    }
}

/// Runs over all sources. True if all was done and nothing failed.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &EmbedArgs) -> anyhow::Result<bool> {
    if let Some(Way::Openl3(args)) = &args.way {
        return openl3::run(args);
    }
    let out = args.output.as_deref().expect("clap requires it");
    refuse_url(out)?;
    let (sources, shard) = args.from.expand()?;
    let part = out.join(format!("{}.npz", shard.stem()));
    let out = match args.from.shard {
        Some(_) if Dataset::is_meant_by(out) => {
            std::fs::create_dir_all(out).map_err(FileError::io(out, "make the folder"))?;
            &part
        }
        _ => out,
    };
    if sources.is_empty() {
        say(&format!("l3net: {shard} has no source: nothing to do"));
        return Ok(true);
    }
    refuse_endless(&sources, args.window.seconds, LIMIT_OR_LIVE)?;
    check_descriptions(&sources)?;
    let is_kept = |kind: &FeatureKind| args.only.is_empty() || args.only.contains(kind);
    let weights = args.net.weights()?;
    let parts = weights.variant().parts;
    let all = FeatureKind::value_variants().iter().copied();
    let mut kinds: Vec<FeatureKind> = all.filter(is_kept).collect();
    match args.only.is_empty() {
        true => kinds.retain(|kind| parts.has(kind.modality())),
        false => kinds
            .iter()
            .try_for_each(|kind| weights.check_trunk(kind.modality()))?,
    }
    let columns: Vec<_> = kinds.iter().map(|kind| kind.column()).collect();
    let npz = Npz::create(out, &columns).map_err(|error| match error {
        SinkError::File(FileError::Extension { .. }) | SinkError::Foreign { .. } => {
            Usage::error(error)
        }
        other => other.into(),
    })?;
    let bar = Bar::for_files(&sources, args.talk.quiet);
    args.talk.start_log(bar.writer());
    let cancel = cancel_on_signal()?;
    let net = args.net.place(&weights)?;
    let model = weights.identity();
    drop(weights);
    let options = EngineOptions {
        hop: args.window.hop,
        every: 1,
        frame_every: MediaTime::ZERO,
        crop: args.window.crop,
        spec: net.describe().variant.spec,
        real_time: false,
        limit: args.window.seconds.map(MediaTime::from_secs_f64),
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
        batch: EngineOptions::batch_for(&net),
        max_wait: EngineOptions::MAX_WAIT,
        keep_pictures: false,
        wait_for_cameras: false,
    };
    let begun = Instant::now();
    let names: Vec<StreamName> = sources.iter().map(|s| s.name.clone()).collect();
    let stats = RunStats::default();
    #[cfg(feature = "store")]
    let _staging = args.from.staging(&sources, &cancel)?;
    let tasks = sources.into_iter().map(Task::new).collect();
    let mut taken = Taken {
        npz,
        kinds,
        names,
        failed: 0,
        ended: 0,
        lost: 0,
        damage: Damage::default(),
        bar: bar.clone(),
    };
    let embed = move |batch: &[&Features]| net.embed(batch);
    let processes = ProcessOpener::new(options.jobs);
    #[cfg(feature = "store")]
    let processes = StagedOpener { inner: &processes };
    let mut engine = Engine::new(&options, &cancel, &stats);
    engine.opener = &processes;
    let ended = engine.run(tasks, embed, |output| {
        bar.show(&stats);
        taken.take(output)
    });
    bar.finish();
    // Written even if the run was cut short.
    let well = taken.finish(args, out, &model, begun);
    ended?;
    well
}

/// The results of a run so far.
struct Taken {
    npz: Npz,
    kinds: Vec<FeatureKind>,
    names: Vec<StreamName>,
    failed: usize,
    /// Streams that reached their end.
    ended: usize,
    /// Windows lost in gaps.
    lost: u64,
    /// Damaged samples of the sound.
    damage: Damage,
    bar: Bar,
}

impl Taken {
    fn take(&mut self, output: Output<Embedding>) -> anyhow::Result<()> {
        match output {
            Output::Answered {
                stream,
                job,
                answer,
                ..
            } => {
                self.damage += job.audio.damage();
                let place = Place {
                    stream,
                    start: job.start,
                    end: job.end,
                    frame: job.frame_at,
                };
                let vectors: Vec<&[f32]> = self.kinds.iter().map(|k| k.of(&answer)).collect();
                self.npz.push(place, &vectors)?;
            }
            Output::Begun { .. } => {}
            Output::Gap { gap, .. } => self.lost += gap.lost,
            Output::Ended { stream, end } => {
                self.ended += usize::from(!end.stopped);
                if let Some(error) = end.error {
                    self.failed += 1;
                    self.bar.say_failed(&self.names[stream], &error);
                }
            }
            Output::NetworkFailed(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes the file, if there is anything to write.
    fn finish(
        self,
        args: &EmbedArgs,
        out: &Path,
        model: &str,
        begun: Instant,
    ) -> anyhow::Result<bool> {
        let left = self.names.len() - self.ended;
        let rows = self.npz.rows();
        let out = out.display();
        let lost = match self.lost {
            0 => String::new(),
            lost => format!(", {} missing in gaps", plural(lost, "window")),
        };
        if rows == 0 {
            self.bar
                .say(&format!("l3net: no window{lost}: {out} is not written"));
            return Ok(false);
        }
        self.npz.finish(&self.names, model)?;
        if !args.talk.quiet {
            self.bar.say(&format!(
                "{} of {}{lost} in {:.1} s: {out}",
                plural(rows, "window"),
                plural(self.names.len(), "source"),
                begun.elapsed().as_secs_f64(),
            ));
            if !self.damage.is_none() {
                self.bar.say(&format!("damaged sound: {}", self.damage));
            }
            if left > 0 {
                let left = plural(left, "source");
                self.bar
                    .say(&format!("l3net: stopped before the end of {left}"));
            }
        }
        Ok(self.failed == 0 && left == 0)
    }
}
