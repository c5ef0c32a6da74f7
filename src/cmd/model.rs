//! `l3net model`: inspects, converts and imports model files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bench::gflop_per_pair;
use super::common::Usage;
#[cfg(feature = "hdf5")]
use super::common::check_model_path;
use super::value::choice;
use crate::net::{Conv1Stride, StoreAs, TrunkKind, Weights};
#[cfg(feature = "hdf5")]
use crate::openl3::{ContentType, Import, InputRepr, import};
use crate::train::Checkpoint;

/// Inspects, converts or imports a model file
#[derive(clap::Args, Debug)]
pub struct ModelArgs {
    /// The action
    #[command(subcommand)]
    pub action: ModelAction,
}

/// An action on a model file.
#[derive(clap::Subcommand, Debug)]
pub enum ModelAction {
    /// Show a model's training, parameters and tensors
    Info {
        /// A .safetensors file; by default the default model
        file: Option<PathBuf>,
        /// List every tensor with its shape and values
        #[arg(long)]
        tensors: bool,
    },
    /// Write a model as another safetensors file
    Convert {
        /// Model to read, or a checkpoint of training: the model as it was then
        input: PathBuf,
        /// File to write, atomically
        output: PathBuf,
        /// Number format
        #[arg(long, value_parser = choice::<StoreAs>(), default_value = "f16")]
        dtype: StoreAs,
        /// Change the stride of conv1_1: 1 or 2
        #[arg(long, value_name = "N")]
        conv1_stride: Option<Conv1Stride>,
    },
    /// Make a model of the weights that OpenL3 published
    ///
    /// Name the audio and the image file of one kind: their trunks were trained together.
    /// The model has their features (l3net embed) and tells after learning from your own
    /// recordings whether picture and sound belong together (l3net adapt, or l3net train
    /// --init MODEL --freeze trunks). With one file it has the features of that trunk.
    #[cfg(feature = "hdf5")]
    Import {
        /// openl3_audio_....h5 and openl3_image_....h5, also packed as .h5.gz
        #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Model to write (.safetensors)
        #[arg(long, short, value_name = "MODEL")]
        output: PathBuf,
        /// What the audio trunk hears, where the files' names do not say it
        #[arg(long, value_parser = choice::<InputRepr>(), value_name = "KIND")]
        input_repr: Option<InputRepr>,
        /// What it was trained on, where the files' names do not say it
        #[arg(long, value_parser = choice::<ContentType>(), value_name = "KIND")]
        content_type: Option<ContentType>,
        /// Number format
        #[arg(long, value_parser = choice::<StoreAs>(), default_value = "f32")]
        dtype: StoreAs,
        /// Replace the model if it is there already
        #[arg(long)]
        force: bool,
    },
}

/// Runs the action and writes a human-readable report to `out`.
///
/// # Errors
/// If the model cannot be read or the result cannot be written.
pub fn run(args: &ModelArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.action {
        ModelAction::Info { file, tensors } => {
            let weights = Weights::open(file.as_deref())?;
            info(&weights, out)?;
            if *tensors {
                list(&weights, out)?;
            }
        }
        ModelAction::Convert {
            input,
            output,
            dtype,
            conv1_stride,
        } => {
            if output.is_file() {
                return Err(Usage::error(format!(
                    "{}: exists already; name another file, or move it away",
                    output.display()
                )));
            }
            let weights = match conv1_stride {
                Some(_) if Checkpoint::names(input) => {
                    return Err(Usage::error(
                        "--conv1-stride takes a model: convert the checkpoint to one first",
                    ));
                }
                // OpenL3's have no other stride: reading it says so.
                Some(stride) => Weights::read_as(input, *stride)?,
                None if Checkpoint::names(input) => Checkpoint::read(input)?.into_model(),
                None => Weights::read(input)?,
            };
            weights.write(output, *dtype)?;
            tell_size(output, out)?;
        }
        #[cfg(feature = "hdf5")]
        ModelAction::Import {
            files,
            output,
            input_repr,
            content_type,
            dtype,
            force,
        } => {
            check_model_path("-o", output)?;
            if output.exists() && !force {
                return Err(Usage::error(format!(
                    "{}: exists already; name another file, or --force replaces it",
                    output.display()
                )));
            }
            let weights = import(&Import {
                files: files.clone(),
                input_repr: *input_repr,
                content_type: *content_type,
            })?;
            weights.write(output, *dtype)?;
            tell_size(output, out)?;
            let written = weights.stored_at(output);
            match written.check_trunks() {
                Ok(()) => writeln!(
                    out,
                    "next: l3net adapt --model {} RECORDINGS... -o cameras.safetensors",
                    output.display()
                )?,
                Err(missing) => writeln!(out, "{missing}")?,
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn tell_size(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let bytes = size(path).with_context(|| format!("{}", path.display()))?;
    writeln!(out, "{}: {:.1} MB", path.display(), bytes as f64 / 1e6)?;
    Ok(())
}

fn size(path: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

fn info(weights: &Weights, out: &mut dyn Write) -> std::io::Result<()> {
    let slots = weights.variant().layout();
    let parameters: usize = slots
        .iter()
        .filter(|s| s.is_parameter())
        .map(|s| s.len())
        .sum();
    let cell = match weights.conv1_stride() {
        Conv1Stride::One => 8,
        Conv1Stride::Two => 16,
    };
    let parts = weights.variant().parts;
    let has = [
        (parts.vision, "vision trunk"),
        (parts.audio, "audio trunk"),
        (parts.fusion, "fusion"),
    ];
    let has: Vec<&str> = (has.into_iter())
        .filter_map(|(there, name)| there.then_some(name))
        .collect();
    let trained = if weights.is_trained() {
        "yes"
    } else {
        "no: random weights, whose results mean nothing"
    };
    writeln!(out, "{:<16} {}", "file", weights.source().display())?;
    writeln!(out, "{:<16} {trained}", "trained")?;
    writeln!(
        out,
        "{:<16} {parameters} in {} tensors",
        "parameters",
        slots.len()
    )?;
    let whose = match weights.variant().trunks {
        TrunkKind::L3 => "L3-Net",
        TrunkKind::OpenL3 => "OpenL3",
    };
    writeln!(out, "{:<16} {}", "parts", has.join(", "))?;
    writeln!(
        out,
        "{:<16} {whose}, {cell} pixels per heatmap cell, {:.2} GFLOP per pair",
        "variant",
        gflop_per_pair(weights.spec(), weights.conv1_stride(), (224, 224))
    )?;
    for (key, value) in weights.metadata() {
        // Hundreds of numbers; the names are what one looks for.
        let names = || weights.cameras().keys().cloned().collect::<Vec<_>>();
        match key == Weights::CAMERAS {
            true => writeln!(out, "{key:<16} {}", names().join(", "))?,
            false => writeln!(out, "{key:<16} {value}")?,
        }
    }
    Ok(())
}

fn list(weights: &Weights, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\n{:<32} {:>18} {:>10} {:>10} {:>10}",
        "tensor", "shape", "min", "max", "rms"
    )?;
    for slot in weights.variant().layout() {
        let values = weights.tensor(&slot.name);
        let (min, max, power) = values.iter().fold(
            (f32::INFINITY, f32::NEG_INFINITY, 0.0_f64),
            |(min, max, power), &v| (min.min(v), max.max(v), power + f64::from(v) * f64::from(v)),
        );
        let rms = (power / values.len() as f64).sqrt();
        let shape = slot
            .shape
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" × ");
        writeln!(
            out,
            "{:<32} {shape:>18} {min:>10.4} {max:>10.4} {rms:>10.4}",
            slot.name
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(action: ModelAction) -> anyhow::Result<String> {
        let mut out = Vec::new();
        run(&ModelArgs { action }, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn info_says_that_random_weights_are_untrained() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("random.safetensors");
        std::fs::write(&file, crate::net::untrained_file())?;
        let text = output(ModelAction::Info {
            file: Some(file),
            tensors: true,
        })?;
        assert!(text.contains("no: random weights"), "{text}");
        assert!(text.contains("9508738 in 100 tensors"), "{text}");
        assert!(text.contains("64 × 3 × 3 × 3"), "{text}");
        assert_eq!(
            text.lines()
                .filter(|l| l.contains("conv4_2.weight"))
                .count(),
            2
        );
        Ok(())
    }

    #[test]
    fn convert_changes_the_storage_and_the_variant() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let input = folder.path().join("random.safetensors");
        std::fs::write(&input, crate::net::untrained_file())?;
        let output_file = folder.path().join("out.safetensors");
        output(ModelAction::Convert {
            input: input.clone(),
            output: output_file.clone(),
            dtype: StoreAs::F16,
            conv1_stride: Some(Conv1Stride::One),
        })?;
        let weights = Weights::read(&output_file)?;
        assert_eq!(weights.conv1_stride(), Conv1Stride::One);
        // 2 bytes each, statistics and a header with them.
        assert!((19_000_000..19_100_000).contains(&size(&output_file)?));
        Ok(())
    }

    #[test]
    fn convert_refuses_a_pickle_in_one_line() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let input = folder.path().join("model.pt");
        std::fs::write(&input, b"PK\x03\x04archive/data.pkl")?;
        let error = output(ModelAction::Convert {
            input,
            output: folder.path().join("out.safetensors"),
            dtype: StoreAs::F16,
            conv1_stride: None,
        })
        .expect_err("a pickle");
        assert!(format!("{error:#}").contains("pickle"), "{error:#}");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
