//! Cached sounds, and seconds cut out of them.
//!
//! Belongs here: which second of a sound is heard. Does not: decoding
//! (`sound_file`), what becomes of the second (`train`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt;

use super::WINDOW_SAMPLES;
use super::cached::{CacheLimit, Cached};
use super::error::CorpusError;
use super::random::Rng;
use super::sound_file::read_sound;
use crate::features::Level;

/// For decoded sounds: 2 GiB.
static CACHE_LIMIT: CacheLimit = CacheLimit::new(2 << 30);

/// A second below this, its constant offset not counted, is silence (-60 dBFS).
pub const SILENT_RMS: f64 = 1e-3;
/// Places tried before a sound counts as silent.
const TRIES: usize = 12;

/// A sound file that is decoded on first use.
pub struct Sound {
    file: PathBuf,
    pcm: Cached<[i16]>,
}

impl Sound {
    /// A sound that is not read yet.
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            pcm: Cached::new(&CACHE_LIMIT),
        }
    }

    /// Its file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn pcm(&self) -> Result<Arc<[i16]>, CorpusError> {
        self.pcm.get(|| {
            let pcm: Arc<[i16]> = read_sound(&self.file)?
                .iter()
                .map(|v| (v * 32767.0).round().clamp(-32768.0, 32767.0) as i16)
                .collect();
            let bytes = size_of_val(&*pcm);
            Ok((pcm, bytes))
        })
    }

    /// A random second of it that is not silent; a sound shorter than that lies
    /// somewhere in it, with silence around. `None` if the whole file is silent.
    ///
    /// # Errors
    /// If the file cannot be decoded.
    pub fn second(&self, rng: &mut Rng) -> Result<Option<Vec<f32>>, CorpusError> {
        let pcm = self.pcm()?;
        let mut best: Option<(f64, usize)> = None;
        for _ in 0..TRIES {
            if pcm.len() <= WINDOW_SAMPLES {
                best = Some((Level::of_i16(&pcm).rms, 0));
                break;
            }
            let start = rng.random_range(0..=pcm.len() - WINDOW_SAMPLES);
            let level = Level::of_i16(&pcm[start..start + WINDOW_SAMPLES]).rms;
            if best.is_none_or(|(max, _)| level > max) {
                best = Some((level, start));
            }
            if level > SILENT_RMS {
                best = Some((level, start));
                break;
            }
        }
        Ok(best
            .filter(|(level, _)| *level > SILENT_RMS)
            .map(|(_, start)| {
                let end = pcm.len().min(start + WINDOW_SAMPLES);
                let part = &pcm[start..end];
                let mut second = vec![0.0; WINDOW_SAMPLES];
                let at = rng.random_range(0..=WINDOW_SAMPLES - part.len());
                for (to, &from) in second[at..].iter_mut().zip(part) {
                    *to = f32::from(from) / 32768.0;
                }
                second
            }))
    }
}
