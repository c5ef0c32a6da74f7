//! The kinds of OpenL3's models, and the names of their files.

use std::path::Path;

use crate::net::Modality;
use crate::window_spec::WindowSpec;

/// What the audio trunk hears; image trunks are named after the one that they were trained
/// with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRepr {
    /// A linear spectrogram of 257 frequencies.
    Linear,
    /// A mel spectrogram of 128 bands.
    Mel128,
    /// A mel spectrogram of 256 bands.
    Mel256,
}

impl InputRepr {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Mel128, Self::Mel256];

    /// OpenL3's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Mel128 => "mel128",
            Self::Mel256 => "mel256",
        }
    }

    /// The window and spectrogram of its audio trunk.
    pub fn spec(self) -> WindowSpec {
        match self {
            Self::Linear => WindowSpec::OPENL3_LINEAR,
            Self::Mel128 => WindowSpec::OPENL3_MEL128,
            Self::Mel256 => WindowSpec::OPENL3_MEL256,
        }
    }
}

/// The part of AudioSet that a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// People who play music.
    Music,
    /// Sounds of the environment: people, animals, machines.
    Env,
}

impl ContentType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Music, Self::Env];

    /// OpenL3's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Music => "music",
            Self::Env => "env",
        }
    }
}

/// What the name of a published file says: `openl3_audio_mel256_env.h5`, or with a version
/// and packed `openl3_image_linear_music-v0_4_0.h5.gz`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileKind {
    /// The trunk.
    pub modality: Option<Modality>,
    /// What the audio trunk hears.
    pub input_repr: Option<InputRepr>,
    /// What it was trained on.
    pub content_type: Option<ContentType>,
}

impl FileKind {
    /// Reads a file's name; what it does not say is `None`.
    pub fn of(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let words: Vec<&str> = stem.split(['_', '-']).collect();
        let has = |word: &str| words.contains(&word);
        let modality = match (has("audio"), has("image")) {
            (true, false) => Some(Modality::Audio),
            (false, true) => Some(Modality::Vision),
            _ => None,
        };
        let one = |found: Vec<&'static str>| match found[..] {
            [only] => Some(only),
            _ => None,
        };
        let repr = InputRepr::ALL.map(InputRepr::name);
        let repr = one(repr.into_iter().filter(|name| has(name)).collect());
        let content = ContentType::ALL.map(ContentType::name);
        let content = one(content.into_iter().filter(|name| has(name)).collect());
        Self {
            modality,
            input_repr: InputRepr::ALL.into_iter().find(|r| Some(r.name()) == repr),
            content_type: (ContentType::ALL.into_iter()).find(|c| Some(c.name()) == content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_published_files_say_their_kind() {
        use ContentType::{Env, Music};
        use InputRepr::{Linear, Mel128, Mel256};
        use Modality::{Audio, Vision};
        for (name, expected) in [
            (
                "openl3_audio_mel256_env.h5",
                (Some(Audio), Some(Mel256), Some(Env)),
            ),
            (
                "a/openl3_image_linear_music-v0_4_0.h5.gz",
                (Some(Vision), Some(Linear), Some(Music)),
            ),
            (
                "openl3_audio_mel128_music.h5.gz",
                (Some(Audio), Some(Mel128), Some(Music)),
            ),
            ("my_audio.h5", (Some(Audio), None, None)),
            ("audio_image_mel128_mel256.h5", (None, None, None)),
            ("weights.h5", (None, None, None)),
        ] {
            let kind = FileKind::of(Path::new(name));
            let found = (kind.modality, kind.input_repr, kind.content_type);
            assert_eq!(found, expected, "{name}");
        }
    }
}
