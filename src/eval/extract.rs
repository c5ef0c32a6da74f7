//! The trunks' features of labelled files, computed once and cached.
//!
//! Belongs here: cutting sounds into seconds, scaling pictures, the pass through the
//! network, the cache. Does not: classifiers.

use std::path::{Path, PathBuf};

use super::classify::Described;
use super::error::EvalError;
use super::experiment::Unreadable;
use super::feed::in_order;
use super::labelled::{LabelledFile, Media};
use super::seconds::{Seconds, level, loudest, second_at};
use crate::cache;
use crate::corpus::{CorpusError, hash, hash_bytes};
use crate::features::{Crop, FrameScaler, LogSpectrogram, SHORT_SIDE, ScaledFrame};
use crate::learn::Rows;
use crate::net::safetensors_file::{self as file, Header, StoreAs};
use crate::net::{FEATURE, L3Net, PICTURE_WIDTH, Response, SOUND_WIDTH, TensorSpec, Weights};

/// Part of the names of cached files; to be raised if features change.
const VERSION: u64 = 4;

/// Features of files: a row for each second of a sound or each picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// The file of each row, an index into the given list, ascending.
    pub file_of: Vec<usize>,
    /// conv4_2, pooled as for the paper's classifiers: 6144 or 8192 wide.
    pub blocks: Rows,
    /// pool4: 512 wide.
    pub pool4: Rows,
    /// Level of each row's second in dBFS; 0 for a picture.
    pub level: Vec<f32>,
    /// Files that could not be read; they have no rows.
    pub unreadable: Vec<Unreadable>,
}

impl Extraction {
    /// The rows to classify by.
    pub fn described(&self) -> Described<'_> {
        Described {
            rows: &self.blocks,
            file_of: &self.file_of,
            unreadable: &self.unreadable,
        }
    }

    /// One row for each file that could be read: its loudest second. The middle one is
    /// silent in one of eight recordings of ESC-10.
    pub fn one_each(&self) -> Vec<usize> {
        let mut chosen = Vec::new();
        let mut start = 0;
        for same in self.file_of.chunk_by(|a, b| a == b) {
            let end = start + same.len();
            chosen.push(start + loudest(&self.level[start..end]));
            start = end;
        }
        chosen
    }
}

/// A network that features are extracted with.
#[derive(Clone, Copy)]
pub struct Extractor<'a> {
    /// The network.
    pub net: &'a L3Net,
    /// Its weights, for the names of cached files.
    pub weights: &'a Weights,
    /// Threads that read files.
    pub loaders: usize,
    /// Whether features are read from and written to the cache.
    pub cached: bool,
}

impl Extractor<'_> {
    /// Some seconds of each sound (paper, section 3.3); shorter sounds are padded with
    /// silence.
    ///
    /// # Errors
    /// If no file can be read, or the network fails.
    pub fn sounds(
        &self,
        files: &[LabelledFile],
        seconds: Seconds,
        progress: &mut dyn FnMut(),
    ) -> Result<Extraction, EvalError> {
        let spec = self.weights.spec();
        self.extract(
            &format!("sounds {seconds:?}"),
            SOUND_WIDTH,
            files,
            || LogSpectrogram::new(spec),
            |spectrogram, media| {
                let pcm = media.sound()?;
                let seconds = seconds.starts(spec, pcm.len()).map(|start| {
                    let second = second_at(spec, &pcm, start);
                    (level(second), spectrogram_of(spectrogram, second))
                });
                Ok(seconds.collect())
            },
            |net, batch: &[Vec<f32>]| {
                let batch: Vec<&[f32]> = batch.iter().map(Vec::as_slice).collect();
                let heard = net.audio_response(&batch)?;
                Ok((heard.sound_6144()?, heard))
            },
            progress,
        )
    }

    /// The middle 256 × 256 of each picture whose short side is scaled to that
    /// (paper, section 3.4).
    ///
    /// # Errors
    /// If no file can be read, or the network fails.
    pub fn pictures(
        &self,
        files: &[LabelledFile],
        progress: &mut dyn FnMut(),
    ) -> Result<Extraction, EvalError> {
        self.extract(
            "pictures",
            PICTURE_WIDTH,
            files,
            || FrameScaler::new(Crop::Full),
            |scaler, media| Ok(vec![(0.0, framed(scaler, media)?)]),
            |net, batch: &[ScaledFrame]| {
                let seen = net.vision_response(&batch.iter().collect::<Vec<_>>())?;
                Ok((seen.picture_8192()?, seen))
            },
            progress,
        )
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "pictures and sounds differ in all of them"
    )]
    fn extract<S, I: Send>(
        &self,
        what: &str,
        width: usize,
        files: &[LabelledFile],
        state: impl Fn() -> S + Sync,
        read: impl Fn(&mut S, &Media) -> Result<Vec<(f32, I)>, CorpusError> + Sync,
        pass: impl Fn(&L3Net, &[I]) -> Result<(Vec<f32>, Response), crate::net::NetError>,
        progress: &mut dyn FnMut(),
    ) -> Result<Extraction, EvalError> {
        let cached = self.cached.then(|| self.cache_file(what, files));
        if let Some(found) = cached.as_deref().and_then(|path| load(path, width)) {
            files.iter().for_each(|_| progress());
            return Ok(found);
        }
        let mut unreadable = Vec::new();
        let mut file_of = Vec::new();
        let (mut blocks, mut pool4, mut level) = (Vec::new(), Vec::new(), Vec::new());
        let max_batch = self.net.batch();
        in_order(
            files.len(),
            self.loaders,
            state,
            |state, index| (index, read(state, &files[index].media)),
            |(index, inputs)| {
                progress();
                let inputs = match inputs {
                    Ok(inputs) => inputs,
                    Err(CorpusError::File { file, what }) => {
                        unreadable.push(Unreadable {
                            file,
                            error: what,
                            draws: 1,
                        });
                        return Ok(());
                    }
                    Err(other) => return Err(other.into()),
                };
                let (levels, inputs): (Vec<f32>, Vec<I>) = inputs.into_iter().unzip();
                file_of.extend(levels.iter().map(|_| index));
                level.extend(levels);
                for part in inputs.chunks(max_batch) {
                    let (found, response) = pass(self.net, part)?;
                    blocks.extend(found);
                    pool4.extend(response.pool4()?);
                }
                Ok(())
            },
        )?;
        if file_of.is_empty() {
            let last = unreadable
                .last()
                .map(|u| format!("{}: {}", u.file.display(), u.error));
            let what = format!(
                "none of the {} files can be read; {}",
                files.len(),
                last.unwrap_or_default()
            );
            return Err(CorpusError::TooFew(what).into());
        }
        if !blocks.iter().chain(&pool4).all(|v| v.is_finite()) {
            let origin = files[file_of[0]].media.name().display().to_string();
            return Err(EvalError::NotANumber { origin });
        }
        let extraction = Extraction {
            file_of,
            blocks: Rows::new(blocks, width),
            pool4: Rows::new(pool4, FEATURE),
            level,
            unreadable,
        };
        // Not if a file is missing: it may be repaired.
        if let Some(path) = cached.filter(|_| extraction.unreadable.is_empty())
            && let Err(error) = store(&path, &extraction)
        {
            tracing::warn!("features are not cached: {error}");
        }
        Ok(extraction)
    }

    /// The cache's file, named by everything that the features depend on.
    fn cache_file(&self, what: &str, files: &[LabelledFile]) -> PathBuf {
        let info = self.net.describe();
        let mut key = hash(VERSION, what);
        key = hash(
            key,
            &format!("{} {}", info.device_name(), info.precision_name()),
        );
        key = hash_bytes(key, &self.weights.fingerprint().to_le_bytes());
        for file in files {
            key = hash(key, &file.media.version());
        }
        cache::folder()
            .join("features")
            .join(format!("{key:016x}.safetensors"))
    }
}

/// A picture as in [`Extractor::pictures`].
pub(super) fn framed(scaler: &mut FrameScaler, media: &Media) -> Result<ScaledFrame, CorpusError> {
    Ok(scaler.scale(&media.picture()?).middle(SHORT_SIDE))
}

pub(super) fn spectrogram_of(spectrogram: &mut LogSpectrogram, second: &[f32]) -> Vec<f32> {
    spectrogram.of(second)
}

fn slots(rows: usize, width: usize) -> [TensorSpec; 4] {
    let slot = |name: &str, shape: Vec<usize>| TensorSpec {
        name: name.to_owned(),
        shape,
    };
    [
        slot("file_of", vec![rows]),
        slot("blocks", vec![rows, width]),
        slot("pool4", vec![rows, FEATURE]),
        slot("level", vec![rows]),
    ]
}

fn store(path: &Path, found: &Extraction) -> anyhow::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let slots = slots(found.file_of.len(), found.blocks.width());
    let file_of: Vec<f32> = found.file_of.iter().map(|&i| i as f32).collect();
    let values = |name: &str| match name {
        "file_of" => &file_of[..],
        "blocks" => found.blocks.values(),
        "level" => &found.level,
        _ => found.pool4.values(),
    };
    let rows = [("rows".to_owned(), found.file_of.len().to_string())];
    Ok(file::write(
        path,
        &slots,
        values,
        &rows.into(),
        StoreAs::F32,
    )?)
}

/// `None` if the file is missing or damaged: then features are computed anew.
fn load(path: &Path, width: usize) -> Option<Extraction> {
    let bytes = std::fs::read(path).ok()?;
    let header = Header::parse(&bytes, path).ok()?;
    let rows = header.metadata.get("rows")?.parse().ok()?;
    let [file_of, blocks, pool4, level] =
        slots(rows, width).map(|slot| header.tensor(&slot, path).ok());
    Some(Extraction {
        file_of: file_of?.into_iter().map(|i| i as usize).collect(),
        blocks: Rows::new(blocks?, width),
        pool4: Rows::new(pool4?, FEATURE),
        level: level?,
        unreadable: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extraction() -> Extraction {
        Extraction {
            file_of: vec![0, 0, 0, 2, 2, 5],
            blocks: Rows::new((0..6 * 8).map(|i| i as f32).collect(), 8),
            pool4: Rows::new(vec![0.5; 6 * FEATURE], FEATURE),
            level: vec![0.1, 0.2, 0.1, 0.0, 0.0, 0.3],
            unreadable: Vec::new(),
        }
    }

    #[test]
    fn cached_features_are_loaded_and_damaged_files_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("features/a.safetensors");
        let found = extraction();
        store(&file, &found).expect("written");
        assert_eq!(load(&file, 8), Some(found));
        assert_eq!(load(&file, 4), None);
        let bytes = std::fs::read(&file).expect("read");
        std::fs::write(&file, &bytes[..bytes.len() - 4]).expect("cut off");
        assert_eq!(load(&file, 8), None);
    }

    #[test]
    fn rows_are_found_by_file() {
        let found = extraction();
        let (rows, files) = found.described().of(&[0, 5]);
        assert_eq!(rows, found.blocks.select(&[0, 1, 2, 5]));
        assert_eq!(files, [0, 0, 0, 5]);
        assert_eq!(found.one_each(), [1, 3, 5]);
    }
}
