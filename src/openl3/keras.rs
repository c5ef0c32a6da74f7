//! The layers of a Keras model from a file that its `save_weights` wrote.
//!
//! Belongs here: HDF5 and gzip, and the limits that a damaged file is held to. Does not:
//! what the layers mean.
//!
//! The file names its layers in order (`layer_names`), and each layer its arrays
//! (`weight_names`): layers are told by that order, since Keras numbers their names anew in
//! every process.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, Dataset, Datatype, Hdf5File};

use super::error::ImportError;

/// A trunk has 19 MB; more is no trunk.
const MAX_BYTES: u64 = 256 << 20;
/// Arrays of a model; a trunk has 48.
const MAX_ARRAYS: usize = 4096;
/// Groups below one another in the path of an array.
const MAX_DEPTH: usize = 16;

/// A layer of the model.
#[derive(Debug)]
pub(super) struct Layer {
    /// Keras' name of it, such as `conv2d_21`.
    pub name: String,
    /// Its arrays, in order.
    pub arrays: Vec<Array>,
}

impl Layer {
    /// The array of this name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }
}

/// An array of a layer.
#[derive(Debug)]
pub(super) struct Array {
    /// Its name in the layer, such as `kernel`.
    pub name: String,
    pub shape: Vec<usize>,
    /// In the order of the indices, the last one fastest.
    pub values: Vec<f32>,
}

/// All layers of a file, `.h5` or `.h5.gz`, in the order of the model.
pub(super) fn read_layers(file: &Path) -> Result<Vec<Layer>, ImportError> {
    let bytes = unpacked(file)?;
    if !bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Err(ImportError::Damaged {
            file: file.to_owned(),
            what: "not an HDF5 file (.h5, or packed as .h5.gz)".to_owned(),
        });
    }
    let foreign = |what: &str| ImportError::Foreign {
        file: file.to_owned(),
        what: what.to_owned(),
    };
    let failed = |cause: Error| match cause {
        // What a name leads to is not there, or is no array of numbers in single precision.
        Error::GroupNotFound(name) | Error::DatasetNotFound(name) => {
            foreign(&format!("it names {name}, which is not in it"))
        }
        other => ImportError::Damaged {
            file: file.to_owned(),
            what: format!("the HDF5 in it is damaged: {other}"),
        },
    };
    let hdf5 = Hdf5File::from_vec(bytes).map_err(failed)?;
    let root = hdf5.root_group().map_err(failed)?;
    let Some(names) = attribute(&root, "layer_names").map_err(failed)? else {
        return Err(foreign(
            "it names no layers, as the weights of a Keras model do (save_weights)",
        ));
    };
    let (mut layers, mut arrays, mut bytes) = (Vec::new(), 0, 0);
    for name in texts(&names).map_err(failed)? {
        let group = root.group(&name).map_err(failed)?;
        let Some(named) = attribute(&group, "weight_names").map_err(failed)? else {
            return Err(foreign(&format!("its layer {name} names no weights")));
        };
        let mut layer = Layer {
            name,
            arrays: Vec::new(),
        };
        for path in texts(&named).map_err(failed)? {
            let dataset = dataset_below(&group, &path).map_err(failed)?;
            let what = format!("{path} of its layer {}", layer.name);
            let Datatype::FloatingPoint { size: 4, .. } = dataset.dtype() else {
                return Err(foreign(&format!("{what} is not in single precision")));
            };
            arrays += 1;
            bytes += dataset.num_elements().map_err(failed)?.saturating_mul(4);
            if arrays > MAX_ARRAYS || bytes > MAX_BYTES {
                return Err(foreign(&format!(
                    "up to {what} it has {arrays} arrays of {} MB together; a trunk has 48 of 19",
                    bytes >> 20
                )));
            }
            let mut values = vec![0.0_f32; (dataset.num_elements().map_err(failed)?) as usize];
            dataset.read_into(&mut values).map_err(failed)?;
            let short = path.rsplit('/').next().unwrap_or(&path);
            layer.arrays.push(Array {
                name: short.split(':').next().unwrap_or(short).to_owned(),
                shape: dataset.shape().iter().map(|&n| n as usize).collect(),
                values,
            });
        }
        layers.push(layer);
    }
    Ok(layers)
}

/// The bytes of the file, unpacked if it is gzip.
fn unpacked(file: &Path) -> Result<Vec<u8>, ImportError> {
    let read_error = |cause| ImportError::Read {
        file: file.to_owned(),
        cause,
    };
    let too_large = || ImportError::Foreign {
        file: file.to_owned(),
        what: format!("it has over {} MB; a trunk has 19", MAX_BYTES >> 20),
    };
    let mut bytes = Vec::new();
    let mut opened = File::open(file).map_err(read_error)?.take(MAX_BYTES + 1);
    opened.read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut packed = MultiGzDecoder::new(&bytes[..]).take(MAX_BYTES + 1);
    (packed.read_to_end(&mut unpacked)).map_err(|cause| ImportError::Damaged {
        file: file.to_owned(),
        what: format!("cannot be unpacked: {cause}"),
    })?;
    match unpacked.len() as u64 > MAX_BYTES {
        true => Err(too_large()),
        false => Ok(unpacked),
    }
}

fn attribute(group: &Group, name: &str) -> Result<Option<Attribute>, Error> {
    let all = group.attributes()?;
    Ok(all.into_iter().find(|attribute| attribute.name == name))
}

/// The texts of an attribute; a layer without weights has none, of whatever type.
fn texts(attribute: &Attribute) -> Result<Vec<String>, Error> {
    match attribute.num_elements()? {
        0 => Ok(Vec::new()),
        _ => attribute.read_strings(),
    }
}

/// A dataset below a group, by its path.
fn dataset_below(group: &Group, path: &str) -> Result<Dataset, Error> {
    let mut names: Vec<&str> = path.split('/').collect();
    let last = names.pop().unwrap_or_default();
    if names.len() > MAX_DEPTH {
        return Err(Error::DatasetNotFound(format!(
            "an array {} groups down",
            names.len()
        )));
    }
    let mut below: Option<Group> = None;
    for name in names {
        below = Some(below.as_ref().unwrap_or(group).group(name)?);
    }
    below.as_ref().unwrap_or(group).dataset(last)
}
