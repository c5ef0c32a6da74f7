//! safetensors files: parsing with specific errors, and atomic writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use l3net_data::floats;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, SafeTensorError};

use super::error::ModelError;
use super::layout::TensorSpec;
use crate::atomic_file;

/// How a model file stores its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAs {
    /// 16 bits: half the size, precise enough for any use of the network.
    F16,
    /// 16 bits with the range of f32.
    Bf16,
    /// 32 bits.
    F32,
}

impl StoreAs {
    fn dtype(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }
}

/// A parsed file.
pub(crate) struct Header<'a> {
    tensors: SafeTensors<'a>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(bytes: &'a [u8], source: &Path) -> Result<Self, ModelError> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| diagnose(bytes, &error, source))?;
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| diagnose(bytes, &error, source))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self {
            tensors,
            metadata: metadata.into_iter().collect(),
        })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Whether there is a tensor whose name starts so.
    pub(crate) fn has_any(&self, start: &str) -> bool {
        let mut names = self.tensors.names().into_iter();
        names.any(|name| name.starts_with(start))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Checks that the file has exactly the tensors of the network.
    pub(crate) fn check_names(
        &self,
        slots: &[TensorSpec],
        source: &Path,
    ) -> Result<(), ModelError> {
        let present = self.tensors.names();
        let missing: Vec<_> = slots
            .iter()
            .filter(|s| !present.contains(&s.name.as_str()))
            .collect();
        if let Some(first) = missing.first() {
            return Err(ModelError::Missing {
                file: source.to_owned(),
                tensor: first.name.clone(),
                more: missing.len() - 1,
            });
        }
        let mut extra: Vec<_> = present
            .into_iter()
            .filter(|name| !slots.iter().any(|s| s.name == *name))
            .collect();
        extra.sort_unstable();
        match extra.first() {
            Some(first) => Err(ModelError::Extra {
                file: source.to_owned(),
                tensor: (*first).to_owned(),
                more: extra.len() - 1,
            }),
            None => Ok(()),
        }
    }

    /// The values of one tensor in f32.
    pub(crate) fn tensor(&self, slot: &TensorSpec, source: &Path) -> Result<Vec<f32>, ModelError> {
        let file = || source.to_owned();
        let tensor = || slot.name.clone();
        let Ok(view) = self.tensors.tensor(&slot.name) else {
            return Err(ModelError::Missing {
                file: file(),
                tensor: tensor(),
                more: 0,
            });
        };
        if view.shape() != slot.shape {
            return Err(ModelError::Shape {
                file: file(),
                tensor: tensor(),
                found: view.shape().to_vec(),
                expected: slot.shape.clone(),
            });
        }
        let values = match view.dtype() {
            Dtype::F32 => floats::from_f32(view.data()),
            Dtype::F16 => floats::from_f16(view.data()),
            Dtype::BF16 => floats::from_bf16(view.data()),
            other => {
                let found = format!("{other:?}");
                return Err(ModelError::StoredType {
                    file: file(),
                    tensor: tensor(),
                    found,
                });
            }
        };
        match invalid(&slot.name, &values) {
            Some(what) => Err(ModelError::Values {
                file: file(),
                tensor: tensor(),
                what,
            }),
            None => Ok(values),
        }
    }
}

/// What no tensor of a network holds, if it is among the values of this one.
pub(crate) fn invalid(name: &str, values: &[f32]) -> Option<&'static str> {
    if !floats::are_finite(values) {
        Some("values that are not finite")
    } else if name.ends_with("running_var") && values.iter().any(|&v| v < 0.0) {
        Some("a negative variance")
    } else {
        None
    }
}

/// The error for bytes that do not parse: what they are instead, where that can be told.
fn diagnose(bytes: &[u8], error: &SafeTensorError, source: &Path) -> ModelError {
    let file = source.to_owned();
    let what = match bytes {
        [] => Some("empty; get a complete copy of it"),
        [b'P', b'K', 3, 4, ..] => Some(
            "a zip archive, probably a pickle of PyTorch, which l3net never opens \
             (it can run any code); save it with safetensors.torch.save_file",
        ),
        [0x80, 2..=5, ..] => Some(
            "a pickle, which l3net never opens (it can run any code); save it with \
             safetensors.torch.save_file",
        ),
        [0x89, b'H', b'D', b'F', ..] => {
            Some("HDF5 (Keras); l3net model import reads the weights of OpenL3")
        }
        _ => None,
    };
    if let Some(what) = what {
        return ModelError::NotSafetensors {
            file,
            what: what.to_owned(),
        };
    }
    match error {
        SafeTensorError::MetadataIncompleteBuffer => incomplete(bytes, file),
        SafeTensorError::InvalidHeaderLength if looks_like_header(bytes) => {
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default());
            ModelError::Truncated {
                file,
                tensor: "the header".to_owned(),
                expected: header.saturating_add(8),
                actual: bytes.len() as u64,
            }
        }
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::HeaderTooLarge
        | SafeTensorError::InvalidHeaderLength => ModelError::NotSafetensors {
            file,
            what: "something else; l3net models end in .safetensors".to_owned(),
        },
        SafeTensorError::InvalidHeader(_) | SafeTensorError::InvalidHeaderDeserialization(_)
            if !looks_like_header(bytes) =>
        {
            ModelError::NotSafetensors {
                file,
                what: "something else; l3net models end in .safetensors".to_owned(),
            }
        }
        other => ModelError::Damaged {
            file,
            what: other.to_string(),
        },
    }
}

fn looks_like_header(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// The header is valid, the data too short or too long.
fn incomplete(bytes: &[u8], file: PathBuf) -> ModelError {
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default());
    let start = header.saturating_add(8);
    let actual = bytes.len() as u64;
    let json = usize::try_from(start)
        .ok()
        .and_then(|end| bytes.get(8..end));
    let parsed: serde_json::Map<String, serde_json::Value> = json
        .and_then(|json| serde_json::from_slice(json).ok())
        .unwrap_or_default();
    let end =
        |value: &serde_json::Value| Some(start + value.get("data_offsets")?.get(1)?.as_u64()?);
    let ends = parsed
        .iter()
        .filter_map(|(name, value)| Some((end(value)?, name)));
    match ends.filter(|(end, _)| *end > actual).min() {
        Some((expected, name)) => ModelError::Truncated {
            file,
            tensor: format!("tensor {name}"),
            expected,
            actual,
        },
        None => ModelError::Damaged {
            file,
            what: "bytes after the last tensor".to_owned(),
        },
    }
}

/// A file with metadata and no tensors.
pub(crate) fn header_only(metadata: &BTreeMap<String, String>) -> Vec<u8> {
    header(&[], metadata, StoreAs::F32)
}

/// Not `safetensors::serialize`: it writes the metadata in the order of a hash map, so
/// the same model would give different files.
fn header(slots: &[TensorSpec], metadata: &BTreeMap<String, String>, store_as: StoreAs) -> Vec<u8> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut start = 0;
    for slot in slots {
        let end = start + slot.len() * store_as.bytes();
        let entry = serde_json::json!({
            "dtype": store_as.dtype(), "shape": slot.shape, "data_offsets": [start, end],
        });
        entries.insert(slot.name.clone(), entry);
        start = end;
    }
    let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut json);
    bytes
}

/// Writes the tensors of `slots`; `values` yields their values by name.
///
/// # Errors
/// If the file cannot be written, or values do not fit into f16; an existing file is
/// kept then.
pub(crate) fn write<'a>(
    path: &Path,
    slots: &[TensorSpec],
    values: impl Fn(&str) -> &'a [f32],
    metadata: &BTreeMap<String, String>,
    store_as: StoreAs,
) -> Result<(), ModelError> {
    let mut bytes = header(slots, metadata, store_as);
    for slot in slots {
        let values = values(&slot.name);
        match store_as {
            StoreAs::F32 => floats::put_f32(&mut bytes, values),
            StoreAs::Bf16 => floats::put_bf16(&mut bytes, values),
            StoreAs::F16 if floats::fit_f16(values) => floats::put_f16(&mut bytes, values),
            StoreAs::F16 => {
                return Err(ModelError::Values {
                    file: path.to_owned(),
                    tensor: slot.name.clone(),
                    what: "values too large for f16 (store as bf16 or f32)",
                });
            }
        }
    }
    atomic_file::write_to_disk(path, &bytes).map_err(|cause| ModelError::Write {
        file: path.to_owned(),
        cause,
    })
}
