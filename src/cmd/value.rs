//! Options that take one of a few values, by name.
//!
//! Belongs here: the names and help texts of values that the library defines. Does
//! not: values that a command defines itself, which derive `clap::ValueEnum`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::corpus::SplitBy;
use crate::features::Crop;
use crate::net::StoreAs;
use crate::openl3::{ContentType, InputRepr, PictureRange};
use crate::train::{AugmentationStrength, Freeze, PairingMode, TrainTask};

/// Values in the order of the help: name, value, help.
pub type Choices<T> = &'static [(&'static str, T, &'static str)];

/// A type whose values have names on the command line.
pub trait Choice: Copy + Send + Sync + 'static {
    /// All values.
    const CHOICES: Choices<Self>;
}

/// Parses one of the type's choices; `--help` and errors list them.
pub fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    let values = T::CHOICES
        .iter()
        .map(|(name, _, help)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(values).map(|chosen| {
        let mut choices = T::CHOICES.iter();
        let found = choices.find(|(name, ..)| *name == chosen);
        found.expect("the parser accepts only these names").1
    })
}

impl Choice for Crop {
    const CHOICES: Choices<Self> = &[
        (Self::Full.name(), Self::Full, "The whole frame"),
        (
            Self::Squeeze.name(),
            Self::Squeeze,
            "The whole frame squeezed to 224 × 224, whatever its aspect: cheaper",
        ),
        (
            Self::Center.name(),
            Self::Center,
            "The middle 224 × 224 of the frame scaled to 256, as the paper tests",
        ),
    ];
}

impl Choice for SplitBy {
    const CHOICES: Choices<Self> = &[
        (
            Self::Clip.name(),
            Self::Clip,
            "Whole recordings: one in seven tests, one in ten of the rest validates",
        ),
        (
            Self::Time.name(),
            Self::Time,
            "The end of every recording: its last 30 % test, 10 % before them validate. \
             Recordings of one folder are of one camera",
        ),
    ];
}

impl Choice for StoreAs {
    const CHOICES: Choices<Self> = &[
        (
            "f16",
            Self::F16,
            "16 bits: half the size, precise enough for any use of the network",
        ),
        ("bf16", Self::Bf16, "16 bits with the range of f32"),
        ("f32", Self::F32, "32 bits"),
    ];
}

impl Choice for InputRepr {
    const CHOICES: Choices<Self> = &[
        (
            "linear",
            Self::Linear,
            "Linear spectrograms of 257 frequencies",
        ),
        ("mel128", Self::Mel128, "Mel spectrograms of 128 bands"),
        ("mel256", Self::Mel256, "Mel spectrograms of 256 bands"),
    ];
}

impl Choice for PictureRange {
    const CHOICES: Choices<Self> = &[
        (
            "openl3",
            Self::OpenL3,
            "As OpenL3's code has it: 0 to 1, and -1 to 1 only for 224 × 224 pixels",
        ),
        (
            "trained",
            Self::Trained,
            "-1 to 1, as OpenL3 documents and its network was trained",
        ),
    ];
}

impl Choice for ContentType {
    const CHOICES: Choices<Self> = &[
        ("music", Self::Music, "People who play music"),
        ("env", Self::Env, "Sounds of the environment"),
    ];
}

impl Choice for PairingMode {
    const CHOICES: Choices<Self> = &[
        (
            "paper",
            Self::Paper,
            "As in the paper: every picture and every sound is in one pair; half of the pairs \
             correspond",
        ),
        (
            "all",
            Self::All,
            "Every picture with every sound of the batch, each label with half of the weight: \
             one pass of the trunks serves B² pairs instead of B",
        ),
    ];
}

impl Choice for AugmentationStrength {
    const CHOICES: Choices<Self> = &[
        (
            "none",
            Self::None,
            "Not at all: the middle of the picture, the sound unchanged",
        ),
        (
            "paper",
            Self::Paper,
            "As in the paper: crop, flip, brightness and saturation, volume by up to 10 %",
        ),
        (
            "strong",
            Self::Strong,
            "More of that, and scale, contrast, tint, grey, speed, noise, tone, and masks in the \
             spectrogram: for thousands of pictures and sounds instead of millions",
        ),
        (
            "place",
            Self::Place,
            "As in the paper, and shuffled events, pauses, and masked bands of frequencies: for \
             recordings of fixed cameras, which are told apart by level, tone and background noise",
        ),
    ];
}

impl Choice for TrainTask {
    const CHOICES: Choices<Self> = &[
        ("avc", Self::Avc, "Whether picture and sound correspond"),
        (
            "classify",
            Self::Classify,
            "The classes of picture and sound, separately",
        ),
        ("both", Self::Both, "Both at once"),
    ];
}

impl Choice for Freeze {
    const CHOICES: Choices<Self> = &[
        ("none", Self::None, "None: the whole network learns"),
        ("vision", Self::Vision, "The vision trunk"),
        ("audio", Self::Audio, "The audio trunk"),
        (
            "trunks",
            Self::Trunks,
            "Both trunks: only the fusion learns",
        ),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<T: Choice>(text: &str) -> Option<T> {
        let command = clap::Command::new("test");
        choice::<T>().parse_ref(&command, None, text.as_ref()).ok()
    }

    #[test]
    fn every_value_is_parsed_by_its_name_and_nothing_else_is() {
        for (name, crop, _) in Crop::CHOICES {
            assert_eq!(parsed(name), Some(*crop));
        }
        for (name, freeze, _) in Freeze::CHOICES {
            assert_eq!(parsed(name), Some(*freeze));
        }
        assert_eq!(parsed::<Crop>("FULL"), None);
        assert_eq!(parsed::<Crop>(""), None);
    }
}
