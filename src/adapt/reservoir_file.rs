//! The file of a [`Reservoir`]: features of cameras that outlast a run.
//!
//! A safetensors file. The header's metadata has a record of each camera; the camera with
//! number N has the tensors `N.times` (f64), `N.vision` and `N.audio` (f16, rows of 512).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use l3net_data::floats;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::camera::Second;
use super::collector::Collector;
use super::reservoir::{CameraWindows, Reservoir};
use crate::atomic_file;
use crate::net::FEATURE;
use crate::pooled::Pooled;

/// The keys of the header's metadata: the record of each camera, and what made the features.
const CAMERAS: &str = "cameras";
const MADE_BY: &str = "made_by";

/// What the file says of a camera beside its features.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    heard: u64,
    step: u64,
    silent: usize,
    learnt_at: u64,
}

/// A file of features that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReservoirError {
    /// It cannot be read or written.
    #[error("{}: {cause}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is damaged, or another file.
    #[error("{}: holds no features of cameras ({what}); delete it to begin anew", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It was made with another model, or of other parts of the pictures.
    #[error(
        "{}: holds features of another model or --crop; use those, or delete the file to begin anew",
        file.display()
    )]
    MadeByOther {
        /// The file.
        file: PathBuf,
    },
}

impl Reservoir {
    /// Writes it, whole or not at all. `made_by` says what made the features.
    ///
    /// # Errors
    /// Names the file and what the system says.
    pub fn write(&self, path: &Path, made_by: &str) -> Result<(), ReservoirError> {
        let failed = |cause| ReservoirError::Io {
            file: path.to_owned(),
            cause,
        };
        let mut entries = Vec::new();
        let mut parts: Vec<(String, Vec<usize>, Dtype, Vec<u8>)> = Vec::new();
        for (number, (name, camera)) in self.cameras.iter().enumerate() {
            let seconds = camera.collector.seconds();
            let rows = seconds.len();
            let times = seconds.iter().flat_map(|s| s.at_s.to_le_bytes()).collect();
            let (mut vision, mut audio) = (Vec::new(), Vec::new());
            for second in seconds {
                floats::put_f16(&mut vision, &second.features.vision);
                floats::put_f16(&mut audio, &second.features.audio);
            }
            parts.push((format!("{number}.times"), vec![rows], Dtype::F64, times));
            for (part, bytes) in [("vision", vision), ("audio", audio)] {
                let name = format!("{number}.{part}");
                parts.push((name, vec![rows, FEATURE], Dtype::F16, bytes));
            }
            entries.push(Entry {
                name: name.clone(),
                heard: camera.collector.heard(),
                step: camera.collector.step(),
                silent: camera.collector.silent(),
                learnt_at: camera.learnt_at,
            });
        }
        let entries = serde_json::to_string(&entries).map_err(|e| failed(e.into()))?;
        let metadata = [
            (CAMERAS.to_owned(), entries),
            (MADE_BY.to_owned(), made_by.to_owned()),
        ];
        let invalid = |error: safetensors::SafeTensorError| io::Error::other(error.to_string());
        let views = (parts.iter())
            .map(|(name, shape, dtype, bytes)| {
                Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(invalid(error)))?;
        let bytes = safetensors::serialize(views, Some(metadata.into()))
            .map_err(|error| failed(invalid(error)))?;
        atomic_file::write_to_disk(path, &bytes).map_err(failed)
    }

    /// Reads what an earlier run has written; an empty one if there is no such file.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn read(path: &Path, most: usize, made_by: &str) -> Result<Self, ReservoirError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(most)),
            Err(cause) => {
                return Err(ReservoirError::Io {
                    file: path.to_owned(),
                    cause,
                });
            }
        };
        let damaged = |what: String| ReservoirError::Damaged {
            file: path.to_owned(),
            what,
        };
        let text = |error: safetensors::SafeTensorError| error.to_string();
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(text(e)))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(text(e)))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let (Some(entries), Some(by)) = (metadata.get(CAMERAS), metadata.get(MADE_BY)) else {
            return Err(damaged("its header says nothing of cameras".to_owned()));
        };
        if by != made_by {
            return Err(ReservoirError::MadeByOther {
                file: path.to_owned(),
            });
        }
        let entries: Vec<Entry> =
            serde_json::from_str(entries).map_err(|e| damaged(e.to_string()))?;
        let mut all = Self::new(most);
        for (number, entry) in entries.into_iter().enumerate() {
            if !entry.step.is_power_of_two() || entry.learnt_at > entry.heard {
                let name = entry.name;
                return Err(damaged(format!("the counts of {name} cannot be")));
            }
            let seconds = seconds(&tensors, number).map_err(damaged)?;
            let collector =
                Collector::resumed(most, entry.step, entry.heard, entry.silent, seconds);
            let camera = CameraWindows::new(collector, entry.learnt_at);
            all.cameras.insert(entry.name, camera);
        }
        Ok(all)
    }
}

/// The seconds of the camera with this number in the file.
fn seconds(tensors: &SafeTensors<'_>, number: usize) -> Result<Vec<Second>, String> {
    let part = |part: &str, dtype: Dtype, width: &[usize]| {
        let name = format!("{number}.{part}");
        let view = tensors.tensor(&name).map_err(|error| error.to_string())?;
        match view.dtype() == dtype && view.shape().get(1..) == Some(width) {
            true => Ok(view),
            false => Err(format!("{name} has another shape")),
        }
    };
    let times = part("times", Dtype::F64, &[])?;
    let [vision, audio] = [
        part("vision", Dtype::F16, &[FEATURE])?,
        part("audio", Dtype::F16, &[FEATURE])?,
    ]
    .map(|view| floats::from_f16(view.data()));
    let (times, _) = times.data().as_chunks::<8>();
    let in_order = times.is_sorted_by_key(|at| f64::from_le_bytes(*at));
    let mut values = vision.iter().chain(&audio);
    if !in_order || values.any(|value| !value.is_finite()) {
        return Err(format!(
            "camera {number} has times or values that cannot be"
        ));
    }
    if vision.len() != times.len() * FEATURE || audio.len() != vision.len() {
        return Err(format!("camera {number} has parts of different lengths"));
    }
    let rows = vision
        .chunks_exact(FEATURE)
        .zip(audio.chunks_exact(FEATURE));
    let second = |(at, (vision, audio)): (&[u8; 8], (&[f32], &[f32]))| Second {
        at_s: f64::from_le_bytes(*at),
        features: Arc::new(Pooled {
            vision: vision.to_vec(),
            audio: audio.to_vec(),
        }),
    };
    Ok(times.iter().zip(rows).map(second).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(value: f32) -> Arc<Pooled> {
        Arc::new(Pooled {
            vision: vec![value; FEATURE],
            audio: vec![value / 2.0; FEATURE],
        })
    }

    #[test]
    fn what_is_read_continues_as_if_it_had_not_been_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("cameras.features");
        let mut written = Reservoir::read(&path, 8, "a model").expect("nothing there");
        let take = |reservoir: &mut Reservoir, times: std::ops::Range<u32>| {
            for at in times {
                let is_silent = at % 5 == 4;
                reservoir.take("a", f64::from(at), is_silent, features(at as f32));
                reservoir.take("b/c", f64::from(at), false, features(1.0));
            }
        };
        take(&mut written, 0..13);
        written.begin_learning();
        written.end_learning();
        written.write(&path, "a model").expect("written");
        let mut read = Reservoir::read(&path, 8, "a model").expect("read");
        assert_eq!(read.cameras(), written.cameras());
        for reservoir in [&mut written, &mut read] {
            take(reservoir, 13..40);
            assert!(reservoir.is_due(4));
        }
        assert_eq!(read.cameras(), written.cameras());
        assert!(read.cameras().iter().all(|c| c.seconds.len() <= 8));
    }

    #[test]
    fn a_file_that_does_not_fit_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("cameras.features");
        let mut reservoir = Reservoir::new(8);
        reservoir.take("a", 0.0, false, features(1.0));
        reservoir.write(&path, "a model").expect("written");
        let error = |made_by| {
            let error = Reservoir::read(&path, 8, made_by).expect_err("does not fit");
            error.to_string()
        };
        assert!(error("another").contains("cameras.features: holds features of another model"));
        std::fs::write(&path, b"hello").expect("written");
        let damaged = error("a model");
        assert!(
            damaged.contains("holds no features of cameras"),
            "{damaged}"
        );
    }
}
