//! Reading labelled media: a file, or a clip in a shard.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::corpus::shards::StoredClip;
use crate::corpus::{CorpusError, PICTURE_EXTENSIONS, SOUND_EXTENSIONS, read_picture, read_sound};
use crate::picture::Picture;

/// What the files of a data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Pictures, for the vision trunk.
    Pictures,
    /// Sounds, for the audio trunk.
    Sounds,
}

impl MediaKind {
    /// As in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pictures => "pictures",
            Self::Sounds => "sounds",
        }
    }

    /// Extensions of its files.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pictures => &PICTURE_EXTENSIONS,
            Self::Sounds => &SOUND_EXTENSIONS,
        }
    }
}

/// A labelled picture, sound or clip.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// A picture or a sound.
    File(PathBuf),
    /// A clip of a recording, with sound and pictures.
    Stored(Box<StoredClip>),
}

impl Media {
    /// The picture; the middle one of a clip.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn picture(&self) -> Result<Picture, CorpusError> {
        match self {
            Self::File(path) => read_picture(path),
            Self::Stored(clip) => clip.frame(clip.info.frame_times_ns.len() / 2),
        }
    }

    /// The whole sound: mono, 48 kHz, in `[-1, 1]`.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn sound(&self) -> Result<Vec<f32>, CorpusError> {
        match self {
            Self::File(path) => read_sound(path),
            Self::Stored(clip) => clip.sound(0, clip.info.samples),
        }
    }

    /// Its path; that of a clip is below its shard.
    pub fn name(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stored(clip) => clip.shard().join(clip.info.key()),
        }
    }

    /// The file, or the recording that a clip was cut from: what `--test` matches.
    pub fn recorded_as(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stored(clip) => PathBuf::from(&clip.info.source),
        }
    }

    /// Identifies the content: path, size and modification time.
    pub(in crate::eval) fn version(&self) -> String {
        let of = |file: &Path| {
            let meta = std::fs::metadata(file).ok();
            let changed = meta.as_ref().and_then(|m| m.modified().ok());
            let changed = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let nanos = changed.map_or(0, |t| t.as_nanos());
            let size = meta.map_or(0, |m| m.len());
            let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
            format!("{} {size} {nanos}", path.display())
        };
        match self {
            Self::File(path) => of(path),
            Self::Stored(clip) => format!("{} {}", of(clip.shard()), clip.info.key()),
        }
    }
}
