//! `l3net embed --openl3`: OpenL3's command line and output files.

mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use run::Run;

use super::super::common::{ComputeArgs, TalkArgs, Usage, cancel_on_signal, output_folder};
use super::super::progress::Bar;
use super::super::value::choice;
use crate::media::ProcessOpener;
use crate::net::{L3Net, Modality, Precision, TrunkKind, Weights, find_model};
use crate::openl3::{ContentType, EmbeddingSize, InputRepr, PictureRange, Windows, output_path};
use crate::time::SAMPLE_RATE;
use crate::window_spec::WindowSpec;

/// Write embeddings as OpenL3 does: its options, its files, its numbers
///
/// A script that calls openl3 works with `l3net embed --openl3` in its place. Each file has
/// the arrays embedding (T × D) and timestamps (seconds); of an image, embedding alone. The
/// weights are OpenL3's own: see l3net model import.
#[derive(clap::Args, Clone, Debug)]
pub struct OpenL3Args {
    /// What the inputs are
    #[arg(value_enum)]
    modality: InputKind,
    /// Files, or directories (the files in them)
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Directory of the output; beside each input if not given
    #[arg(long, short, value_name = "DIR", value_parser = output_folder)]
    output_dir: Option<PathBuf>,
    /// Appended to the names of the output, after an underscore
    #[arg(long, short = 'x', value_name = "TEXT")]
    suffix: Option<String>,
    /// What the audio trunk hears; mel256 if neither this nor --model is given
    #[arg(long, short, value_parser = choice::<InputRepr>())]
    input_repr: Option<InputRepr>,
    /// What the model was trained on; music if neither this nor --model is given
    #[arg(long, short, value_parser = choice::<ContentType>())]
    content_type: Option<ContentType>,
    /// Values of a sound's embedding: 6144 or 512 [-as]
    #[arg(long, value_parser = ["6144", "512"], default_value = "6144", value_name = "N")]
    audio_embedding_size: String,
    /// Values of a picture's embedding: 8192 or 512 [-is]
    #[arg(long, value_parser = ["8192", "512"], default_value = "8192", value_name = "N")]
    image_embedding_size: String,
    /// Values of either embedding: 512, or else the larger number of both
    #[arg(long, value_parser = ["512", "6144", "8192"], value_name = "N")]
    embedding_size: Option<String>,
    /// Begin the first window with the sound, not half a second before it
    #[arg(long, short, alias = "no-centering")]
    no_audio_centering: bool,
    /// Seconds between windows
    #[arg(
        long,
        short = 't',
        alias = "hop-size",
        default_value = "0.1",
        value_name = "SECONDS"
    )]
    audio_hop_size: f64,
    /// Windows in one pass, at most [-ab]
    #[arg(long, alias = "batch-size", default_value = "32", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    audio_batch_size: u16,
    /// Pictures in one pass, at most [-ib]
    #[arg(long, default_value = "32", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    image_batch_size: u16,
    /// How spectrograms are computed: as by kapre with TensorFlow, or by librosa [-af]
    #[arg(long, value_enum, default_value = "kapre", value_name = "NAME")]
    audio_frontend: Frontend,
    /// Replace output that is there already; else its input is skipped [-ow]
    #[arg(long)]
    overwrite: bool,
    /// Of a video, embed the frame shown at each window's middle instead of all
    #[arg(long)]
    align: bool,
    /// Range of the values of pictures
    #[arg(long, value_parser = choice::<PictureRange>(), default_value = "openl3")]
    picture_range: PictureRange,
    /// Imported model; openl3-CONTENT-REPR.safetensors in models/ if not given
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// What the inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputKind {
    /// Sounds
    Audio,
    /// Pictures
    Image,
    /// Both of each video
    Video,
}

/// What computes spectrograms in OpenL3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Frontend {
    /// In the network, by TensorFlow in single precision
    Kapre,
    /// Before the network, in double precision
    Librosa,
}

/// Runs over all inputs. True if all was done and nothing failed.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &OpenL3Args) -> anyhow::Result<bool> {
    let inputs = files_of(&args.inputs)?;
    args.check_hop()?;
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let bar = match args.talk.quiet {
        true => Bar::none(),
        false => Bar::for_steps("files"),
    };
    args.talk.start_log(bar.writer());
    let cancel = cancel_on_signal()?;
    let net = args.net()?;
    let opener = ProcessOpener::new(1);
    let mut run = Run {
        args,
        net,
        opener: &opener,
        cancel: &cancel,
        bar: &bar,
        written: BTreeMap::new(),
        failed: 0,
    };
    let mut pictures = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        bar.show_steps(number as u64, inputs.len() as u64);
        match args.modality {
            InputKind::Audio => run.audio(input),
            InputKind::Video => run.video(input),
            InputKind::Image => {
                run.picture(input, &mut pictures);
                if pictures.len() >= run.batch(args.image_batch_size) {
                    run.write_pictures(&mut pictures);
                }
            }
        }
        if cancel.is_cancelled() {
            break;
        }
    }
    run.write_pictures(&mut pictures);
    bar.finish();
    if cancel.is_cancelled() {
        bar.say("l3net: stopped; what is written is whole, the same command goes on");
    }
    Ok(run.failed == 0 && !cancel.is_cancelled())
}

/// The files that the inputs name.
fn files_of(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let listed = std::fs::read_dir(input).and_then(Iterator::collect);
            let listed: Vec<std::fs::DirEntry> =
                listed.with_context(|| format!("{}", input.display()))?;
            let mut found: Vec<PathBuf> = listed.iter().map(std::fs::DirEntry::path).collect();
            // The output of an earlier run lies among the inputs.
            let is_output = |path: &Path| path.extension().is_some_and(|end| end == "npz");
            found.retain(|path| path.is_file() && !is_output(path));
            found.sort();
            files.extend(found);
        } else if input.exists() {
            files.push(input.clone());
        } else {
            return Err(Usage::error(format!(
                "{}: there is no such file",
                input.display()
            )));
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    match files.is_empty() {
        true => Err(Usage::error("no files in what was named")),
        false => Ok(files),
    }
}

impl OpenL3Args {
    fn check_hop(&self) -> anyhow::Result<()> {
        let hop = self.audio_hop_size;
        match hop.is_finite() && hop * f64::from(SAMPLE_RATE) >= 1.0 {
            true => Ok(()),
            false => Err(Usage::error(format!(
                "--audio-hop-size {hop}: not a number of seconds, of at least a sample (1/48000)"
            ))),
        }
    }

    fn output(&self, input: &Path, what: Option<&str>) -> PathBuf {
        let (suffix, folder) = (self.suffix.as_deref(), self.output_dir.as_deref());
        output_path(input, what, suffix, folder)
    }

    /// The spectrogram for a model that was trained on `spec`.
    fn spec(&self, spec: WindowSpec) -> WindowSpec {
        match self.audio_frontend {
            Frontend::Kapre => spec,
            Frontend::Librosa => spec.by_librosa(),
        }
    }

    fn size(&self, modality: Modality) -> EmbeddingSize {
        let own = match modality {
            Modality::Audio => &self.audio_embedding_size,
            Modality::Vision => &self.image_embedding_size,
        };
        match self.embedding_size.as_ref().unwrap_or(own).as_str() {
            "512" => EmbeddingSize::Small,
            _ => EmbeddingSize::Full,
        }
    }

    /// The network of the imported model, in f32 unless asked otherwise: its numbers are to
    /// be OpenL3's.
    fn net(&self) -> anyhow::Result<L3Net> {
        let weights = Weights::read(&self.model_file()?)?;
        let variant = weights.variant();
        let wrong = |what: String| {
            Err(Usage::error(format!(
                "{}: {what}",
                weights.source().display()
            )))
        };
        if variant.trunks != TrunkKind::OpenL3 {
            return wrong(
                "has not OpenL3's trunks; l3net model import makes one that has".to_owned(),
            );
        }
        let wanted: &[Modality] = match self.modality {
            InputKind::Audio => &[Modality::Audio],
            InputKind::Image => &[Modality::Vision],
            InputKind::Video => &[Modality::Audio, Modality::Vision],
        };
        for modality in wanted {
            weights.check_trunk(*modality)?;
        }
        if let Some(asked) = self.input_repr.filter(|asked| asked.spec() != variant.spec) {
            let (asked, is) = (asked.name(), variant.spec.name);
            return wrong(format!("is for {is}, not for --input-repr {asked}"));
        }
        let trained_on = weights.metadata().get("content_type");
        if let (Some(asked), Some(is)) = (self.content_type, trained_on)
            && asked.name() != is
        {
            let asked = asked.name();
            return wrong(format!("was trained on {is}, not --content-type {asked}"));
        }
        let mut options = self.compute.options();
        if options.precision == Precision::Auto {
            options.precision = Precision::F32;
        }
        Ok(L3Net::new(&weights, &options)?)
    }

    /// The model that was named, or that is in its place.
    fn model_file(&self) -> anyhow::Result<PathBuf> {
        let repr = self.input_repr.unwrap_or(InputRepr::Mel256).name();
        let content = self.content_type.unwrap_or(ContentType::Music).name();
        let name = format!("openl3-{content}-{repr}.safetensors");
        let file = self.model.clone().or_else(|| find_model(&name));
        file.ok_or_else(|| {
            Usage::error(format!(
                "there is no models/{name}; make it of the weights that OpenL3 published: \
                 l3net model import openl3_audio_{repr}_{content}.h5 \
                 openl3_image_{repr}_{content}.h5 -o models/{name}, or name one with --model"
            ))
        })
    }

    /// Windows of a sound; `None` without sound.
    fn windows<'a>(&self, pcm: &'a [f32]) -> Option<Windows<'a>> {
        Windows::new(pcm, !self.no_audio_centering, self.audio_hop_size)
    }
}
