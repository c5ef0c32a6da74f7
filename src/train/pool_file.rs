//! The features of a pool in the cache.
//!
//! Each block is found by its content: the pictures and sounds as the trunks take them.
//! So it does not matter what has changed since, files, options or the program itself:
//! what is the same is taken from the cache, and nothing else is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::batch::PooledRows;
use super::settings::TrainSettings;
use crate::corpus::hash;
use crate::net::safetensors_file::{self as file, Header, StoreAs};
use crate::net::{FEATURE, L3Net, ModelError, NetError, TensorSpec, Weights};

/// The key of the metadata with the blocks: the hash of each and its rows, in turn.
const BLOCKS: &str = "blocks";

/// Features of blocks, by the hash of the blocks.
pub struct PoolFile {
    path: PathBuf,
    /// What an earlier run left.
    stored: BTreeMap<u64, PooledRows>,
    /// What this run has used.
    used: BTreeMap<u64, PooledRows>,
    has_news: bool,
}

impl PoolFile {
    /// The file in `folder` of these trunks, and of a pool of these settings and data; with
    /// what an earlier run left in it.
    pub fn open(
        folder: &Path,
        net: &L3Net,
        weights: &Weights,
        settings: &TrainSettings,
        data: &[String],
    ) -> Self {
        let info = net.describe();
        let sampler = &settings.sampler;
        let mut key = hash(
            weights.trunk_fingerprint(),
            &format!(
                "pool of {} {} {} {:?} {}",
                settings.pool_len(),
                info.device_name(),
                info.precision_name(),
                sampler.augment,
                sampler.seed
            ),
        );
        for line in data {
            key = hash(key, line);
        }
        Self::at(folder.join(format!("pool-{key:016x}.safetensors")))
    }

    fn at(path: PathBuf) -> Self {
        Self {
            stored: load(&path).unwrap_or_default(),
            path,
            used: BTreeMap::new(),
            has_news: false,
        }
    }

    /// The features of a block, by the hash of its content: from the cache, or else of
    /// `compute`.
    ///
    /// # Errors
    /// As `compute`.
    pub fn rows(
        &mut self,
        key: u64,
        compute: impl FnOnce() -> Result<PooledRows, NetError>,
    ) -> Result<PooledRows, NetError> {
        let stored = self.stored.remove(&key);
        let rows = match stored.or_else(|| self.used.get(&key).cloned()) {
            Some(rows) => rows,
            None => {
                self.has_news = true;
                compute()?
            }
        };
        self.used.insert(key, rows.clone());
        Ok(rows)
    }

    /// Stores what was used and what may be yet. Where it cannot be, the next run computes
    /// it again.
    pub fn write(&mut self) {
        if !self.has_news {
            return;
        }
        match self.store() {
            Ok(()) => self.has_news = false,
            Err(error) => tracing::warn!("features are not cached: {error}"),
        }
    }

    /// [Stores](Self::write) what was used, and drops the rest: nothing else is to come.
    pub fn end(mut self) {
        self.has_news |= !self.stored.is_empty();
        self.stored.clear();
        self.write();
    }

    fn store(&self) -> Result<(), ModelError> {
        let blocks = || self.used.iter().chain(&self.stored);
        let join = |of: fn(&PooledRows) -> &[f32]| -> Vec<f32> {
            blocks().flat_map(|(_, rows)| of(rows)).copied().collect()
        };
        let (vision, audio) = (join(|rows| &rows.vision), join(|rows| &rows.audio));
        let list: Vec<String> = blocks()
            .map(|(key, rows)| format!("{key:016x}:{}", rows.audio.len() / FEATURE))
            .collect();
        let values = |name: &str| match name {
            "vision" => &vision[..],
            _ => &audio[..],
        };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| ModelError::Write {
                file: self.path.clone(),
                cause,
            })?;
        }
        let metadata = [(BLOCKS.to_owned(), list.join(","))].into();
        let slots = slots(audio.len() / FEATURE);
        file::write(&self.path, &slots, values, &metadata, StoreAs::F32)
    }
}

fn slots(rows: usize) -> [TensorSpec; 2] {
    ["vision", "audio"].map(|name| TensorSpec {
        name: name.to_owned(),
        shape: vec![rows, FEATURE],
    })
}

/// `None` if the file is missing or damaged: then features are computed anew.
fn load(path: &Path) -> Option<BTreeMap<u64, PooledRows>> {
    let bytes = std::fs::read(path).ok()?;
    let header = Header::parse(&bytes, path).ok()?;
    let list: Vec<(u64, usize)> = (header.metadata.get(BLOCKS)?.split(','))
        .map(|entry| {
            let (key, rows) = entry.split_once(':')?;
            Some((u64::from_str_radix(key, 16).ok()?, rows.parse().ok()?))
        })
        .collect::<Option<_>>()?;
    let rows = list.iter().map(|(_, rows)| rows).sum();
    let [vision, audio] = slots(rows).map(|slot| header.tensor(&slot, path).ok());
    let (vision, audio) = (vision?, audio?);
    let mut start = 0;
    let block = |(key, rows)| {
        let part = start..start + rows * FEATURE;
        start = part.end;
        let rows = PooledRows {
            vision: vision[part.clone()].to_vec(),
            audio: audio[part].to_vec(),
        };
        (key, rows)
    };
    Some(list.into_iter().map(block).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: f32) -> PooledRows {
        PooledRows {
            vision: vec![value; 2 * FEATURE],
            audio: vec![-value; 2 * FEATURE],
        }
    }

    /// The features of blocks, and how many of them had to be computed.
    fn ask(file: &mut PoolFile, blocks: &[u8]) -> (Vec<PooledRows>, usize) {
        let mut computed = 0;
        let one = |&block: &u8| {
            let compute = || {
                computed += 1;
                Ok(rows(f32::from(block)))
            };
            file.rows(u64::from(block), compute).expect("rows")
        };
        let found = blocks.iter().map(one).collect();
        (found, computed)
    }

    #[test]
    fn blocks_are_computed_once_whatever_comes_between() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("features/pool.safetensors");
        let mut first = PoolFile::at(path.clone());
        assert_eq!(ask(&mut first, &[1, 2, 3]).1, 3);
        first.write();
        // Killed, and started again: the first blocks are there, and so is the last.
        let mut second = PoolFile::at(path.clone());
        let (found, computed) = ask(&mut second, &[1, 4]);
        assert_eq!((found, computed), (vec![rows(1.0), rows(4.0)], 1));
        second.write();
        let mut third = PoolFile::at(path.clone());
        let (found, computed) = ask(&mut third, &[4, 3, 2, 2]);
        assert_eq!(found, [rows(4.0), rows(3.0), rows(2.0), rows(2.0)]);
        assert_eq!(computed, 0);
        third.end();
        // What the last whole run did not use is gone.
        assert_eq!(ask(&mut PoolFile::at(path), &[1, 2, 3, 4]).1, 1);
    }

    #[test]
    fn a_damaged_file_is_computed_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pool.safetensors");
        let mut first = PoolFile::at(path.clone());
        ask(&mut first, &[1, 2]);
        first.end();
        let bytes = std::fs::read(&path).expect("read");
        for damaged in [&bytes[..bytes.len() - 8], b"nonsense", b""] {
            std::fs::write(&path, damaged).expect("written");
            assert_eq!(ask(&mut PoolFile::at(path.clone()), &[1, 2]).1, 2);
        }
    }
}
