//! From OpenL3's files to a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ImportError;
use super::keras::{Array, Layer, read_layers};
use super::kind::{ContentType, FileKind, InputRepr};
use crate::net::safetensors_file::invalid;
use crate::net::{Modality, Parts, Variant, Weights};

/// Published weights are OpenL3's.
const LICENCE: &str = "CC BY 4.0: OpenL3's published weights";
const SOURCE: &str = "https://github.com/marl/openl3; Cramer, Wu, Salamon and Bello: Look, \
                      Listen, and Learn More, ICASSP 2019";

/// What is imported.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// One trunk's file, or both.
    pub files: Vec<PathBuf>,
    /// What the audio trunk hears, where the files' names do not say it.
    pub input_repr: Option<InputRepr>,
    /// What it was trained on, where the files' names do not say it.
    pub content_type: Option<ContentType>,
}

/// A trunk that was read.
struct Trunk {
    file: PathBuf,
    modality: Modality,
    input_repr: InputRepr,
    content_type: Option<ContentType>,
    tensors: BTreeMap<String, Vec<f32>>,
}

/// Reads one trunk or both; the model has no fusion yet.
///
/// # Errors
/// Names the file and what is wrong with it, or why two files do not fit together.
pub fn import(what: &Import) -> Result<Weights, ImportError> {
    let mut trunks = Vec::new();
    for file in &what.files {
        let trunk = Trunk::read(file, what)?;
        for other in &trunks {
            trunk.check_fits(other)?;
        }
        trunks.push(trunk);
    }
    let Some(first) = trunks.first() else {
        return Err(ImportError::Kind {
            file: PathBuf::new(),
            what: "no file".to_owned(),
        });
    };
    let has = |modality| trunks.iter().any(|trunk| trunk.modality == modality);
    let parts = Parts {
        vision: has(Modality::Vision),
        audio: has(Modality::Audio),
        fusion: false,
    };
    let variant = Variant::openl3(first.input_repr.spec(), parts);
    let names: Vec<String> = (trunks.iter())
        .map(|trunk| file_name(&trunk.file).to_owned())
        .collect();
    let mut origin = BTreeMap::from(
        [
            ("imported_from", names.join(", ")),
            ("input_repr", first.input_repr.name().to_owned()),
            ("licence", LICENCE.to_owned()),
            ("source", SOURCE.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    if let Some(content) = first.content_type {
        origin.insert("content_type".to_owned(), content.name().to_owned());
    }
    let tensors = trunks.into_iter().flat_map(|trunk| trunk.tensors);
    Ok(Weights::trained(variant, tensors.collect(), origin))
}

impl Trunk {
    fn read(file: &Path, what: &Import) -> Result<Self, ImportError> {
        let layers = read_layers(file)?;
        let (modality, tensors) = tensors(&layers).map_err(|what| ImportError::Foreign {
            file: file.to_owned(),
            what,
        })?;
        let wrong = |what: String| ImportError::Kind {
            file: file.to_owned(),
            what,
        };
        let named = FileKind::of(file);
        if named.modality.is_some_and(|named| named != modality) {
            return Err(wrong(format!(
                "its name says another trunk than it holds: the {} one; rename it",
                modality.name()
            )));
        }
        let said = (named.input_repr, what.input_repr);
        let input_repr = either("--input-repr", said, InputRepr::name).map_err(wrong)?;
        let input_repr = input_repr.ok_or_else(|| {
            wrong(
                "its name does not say what the audio trunk hears; say it: --input-repr linear, \
                 mel128 or mel256"
                    .to_owned(),
            )
        })?;
        if let Some(heard) = heard(&layers).filter(|heard| !heard.contains(&input_repr)) {
            let heard: Vec<&str> = heard.iter().map(|repr| repr.name()).collect();
            return Err(wrong(format!(
                "holds an audio trunk for {}, not {}: rename it, or get the right file",
                heard.join(" or "),
                input_repr.name()
            )));
        }
        let said = (named.content_type, what.content_type);
        let content_type = either("--content-type", said, ContentType::name).map_err(wrong)?;
        Ok(Self {
            file: file.to_owned(),
            modality,
            input_repr,
            content_type,
            tensors,
        })
    }

    /// Whether both were trained together.
    fn check_fits(&self, other: &Self) -> Result<(), ImportError> {
        let wrong = |what: String| {
            Err(ImportError::Kind {
                file: self.file.clone(),
                what,
            })
        };
        let name = file_name(&other.file);
        if self.modality == other.modality {
            let modality = self.modality.name();
            return wrong(format!(
                "is a second {modality} trunk beside {name}; name one audio and one image file"
            ));
        }
        if self.content_type.is_none() != other.content_type.is_none() {
            return wrong(format!(
                "its name or that of {name} does not say what it was trained on; say it: \
                 --content-type music or env"
            ));
        }
        if self.input_repr != other.input_repr || self.content_type != other.content_type {
            return wrong(format!(
                "was not trained together with {name} ({} and {}); name two files of one kind",
                self.kind(),
                other.kind()
            ));
        }
        Ok(())
    }

    fn kind(&self) -> String {
        let content = self.content_type.map_or("unknown", ContentType::name);
        format!("{} {content}", self.input_repr.name())
    }
}

/// What a file's name or an option says. Fails if both do, and differ.
fn either<T: Copy + PartialEq>(
    option: &str,
    said: (Option<T>, Option<T>),
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    match said {
        (Some(named), Some(given)) if named != given => Err(format!(
            "its name says {}, {option} {}; omit the option, or rename the file",
            name(named),
            name(given)
        )),
        (named, given) => Ok(named.or(given)),
    }
}

fn file_name(file: &Path) -> &str {
    file.file_name().and_then(|n| n.to_str()).unwrap_or("?")
}

/// What the layer that makes the spectrogram says of what is heard; it has no weights since
/// version 0.4.
fn heard(layers: &[Layer]) -> Option<&'static [InputRepr]> {
    let named = |word: &str| layers.iter().any(|layer| layer.name.starts_with(word));
    if named("melspectrogram") {
        Some(&[InputRepr::Mel128, InputRepr::Mel256])
    } else if named("stft") || named("spectrogram") {
        Some(&[InputRepr::Linear])
    } else {
        None
    }
}

/// The trunk that the layers are of, and its tensors by their names in a model. Fails with
/// the layer and what is wrong with it.
fn tensors(layers: &[Layer]) -> Result<(Modality, BTreeMap<String, Vec<f32>>), String> {
    // Of the layers with weights, those that make a spectrogram (before version 0.4) are
    // computed here.
    let mut learnt =
        (layers.iter()).filter(|layer| layer.array("kernel").is_some() || is_norm(layer));
    let first = learnt.next().ok_or("it has no convolutions")?;
    let modality = match first.array("gamma").map(|gamma| gamma.shape[..].to_vec()) {
        Some(shape) if shape == [1] => Modality::Audio,
        Some(shape) if shape == [3] => Modality::Vision,
        _ => {
            return Err(format!(
                "its first layer, {}, is not the batch norm of sounds (1 channel) or pictures (3)",
                first.name
            ));
        }
    };
    let parts = Parts::only(modality);
    let layout = Variant::openl3(InputRepr::Linear.spec(), parts).layout();
    let mut found = BTreeMap::new();
    let mut layer = Some(first);
    let mut current = "";
    for slot in &layout {
        let mut names = slot.name.split('.').skip(1);
        let (ours, tensor) = (
            names.next().unwrap_or_default(),
            names.next().unwrap_or_default(),
        );
        if !current.is_empty() && ours != current {
            layer = learnt.next();
        }
        current = ours;
        let layer = layer.ok_or_else(|| {
            format!("it ends before {ours}; a trunk has 8 convolutions and 8 batch norms")
        })?;
        let array = match (ours.starts_with("conv"), tensor) {
            (true, "weight") => "kernel",
            (false, "weight") => "gamma",
            (false, "bias") => "beta",
            (false, "running_mean") => "moving_mean",
            (false, "running_var") => "moving_variance",
            _ => "bias",
        };
        let array = (layer.array(array))
            .ok_or_else(|| format!("its layer {}, {ours} here, has no {array}", layer.name))?;
        let values = match &slot.shape[..] {
            &[out, input, 3, 3] if array.shape == [3, 3, input, out] => out_first(array),
            shape if shape == array.shape => array.values.clone(),
            shape => {
                let expected = match shape {
                    &[out, input, h, w] => vec![h, w, input, out],
                    other => other.to_vec(),
                };
                return Err(format!(
                    "{} of its layer {}, {ours} here, has the shape {:?}, expected {expected:?}",
                    array.name, layer.name, array.shape
                ));
            }
        };
        if let Some(what) = invalid(&slot.name, &values) {
            return Err(format!(
                "{} of its layer {} holds {what}",
                array.name, layer.name
            ));
        }
        found.insert(slot.name.clone(), values);
    }
    match learnt.next() {
        None => Ok((modality, found)),
        Some(extra) => Err(format!(
            "it goes on after its eighth convolution, with {}",
            extra.name
        )),
    }
}

fn is_norm(layer: &Layer) -> bool {
    layer.array("gamma").is_some() || layer.array("moving_mean").is_some()
}

/// Kernels [3, 3, in, out] as [out, in, 3, 3].
fn out_first(array: &Array) -> Vec<f32> {
    let (input, out) = (array.shape[2], array.shape[3]);
    let mut values = Vec::with_capacity(array.values.len());
    for o in 0..out {
        for i in 0..input {
            values.extend((0..9).map(|place| array.values[(place * input + i) * out + o]));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(name: &str, shape: &[usize]) -> Array {
        Array {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: vec![1.0; shape.iter().product()],
        }
    }

    fn norm(number: usize, channels: usize) -> Layer {
        let names = ["gamma", "beta", "moving_mean", "moving_variance"];
        Layer {
            name: format!("batch_normalization_{number}"),
            arrays: names.map(|name| array(name, &[channels])).into(),
        }
    }

    fn conv(number: usize, input: usize, out: usize) -> Layer {
        Layer {
            name: format!("conv2d_{number}"),
            arrays: vec![array("kernel", &[3, 3, input, out]), array("bias", &[out])],
        }
    }

    /// A whole trunk for pictures or sounds, with layers that have no weights among them.
    fn trunk(channels: usize) -> Vec<Layer> {
        let mut layers = vec![norm(0, channels)];
        let mut input = channels;
        for (number, out) in [64, 64, 128, 128, 256, 256, 512, 512]
            .into_iter()
            .enumerate()
        {
            layers.push(conv(number, input, out));
            if number < 7 {
                layers.push(norm(number + 1, out));
            }
            layers.push(Layer {
                name: format!("activation_{number}"),
                arrays: Vec::new(),
            });
            input = out;
        }
        layers
    }

    #[test]
    fn layers_are_told_by_their_order_and_their_trunk_by_its_channels() {
        for (channels, modality) in [(1, Modality::Audio), (3, Modality::Vision)] {
            let mut layers = trunk(channels);
            // Older files hold the kernels of the spectrogram, too.
            layers.insert(
                0,
                Layer {
                    name: "melspectrogram_1".to_owned(),
                    arrays: vec![array("real_kernels", &[2048, 1, 1, 1025])],
                },
            );
            let (found, tensors) = tensors(&layers).expect("a trunk");
            assert_eq!(found, modality);
            assert_eq!(tensors.len(), 48);
        }
    }

    #[test]
    fn what_is_missing_misshapen_or_too_much_is_named() {
        type Change = fn(&mut Vec<Layer>);
        let table: [(Change, &str); 7] = [
            (|layers| layers.clear(), "no convolutions"),
            (|layers| layers.truncate(20), "it ends before bn4_1"),
            (
                |layers| drop(layers.remove(1)),
                "batch_normalization_1, conv1_1 here, has no kernel",
            ),
            (
                |layers| layers[1] = conv(0, 1, 32),
                "kernel of its layer conv2d_0, conv1_1 here, has the shape [3, 3, 1, 32], \
                 expected [3, 3, 1, 64]",
            ),
            (
                |layers| layers.push(norm(9, 512)),
                "goes on after its eighth convolution, with batch",
            ),
            (
                |layers| layers[0] = norm(0, 2),
                "batch_normalization_0, is not the batch norm",
            ),
            (
                |layers| layers[0].arrays[3].values[0] = f32::NAN,
                "moving_variance of its layer batch_normalization_0 holds values that are not",
            ),
        ];
        for (change, expected) in table {
            let mut layers = trunk(1);
            change(&mut layers);
            let error = tensors(&layers).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn kernels_are_turned() {
        let mut array = array("kernel", &[3, 3, 2, 4]);
        array.values = (0..72).map(|i| i as f32).collect();
        let turned = out_first(&array);
        // [row 1, column 2, input 1, output 3] is at ((1 * 3 + 2) * 2 + 1) * 4 + 3.
        assert_eq!(turned[(3 * 2 + 1) * 9 + 5], 47.0);
    }
}
