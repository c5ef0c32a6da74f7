//! The model that is used where the command line names none.

use std::path::{Path, PathBuf};

use super::error::ModelError;
use super::layout::Variant;
use super::metadata::random_metadata;
use super::safetensors_file::header_only;
use super::weights::Weights;

/// The trained default model.
const BASE_FILE: &str = "l3net-base.safetensors";
/// The untrained one, embedded in the program.
const EMBEDDED_FILE: &str = "l3net-random.safetensors";
static EMBEDDED: &[u8] = include_bytes!("../../models/l3net-random.safetensors");
/// The seed of the embedded model.
///
/// Its results mean nothing; with this seed they lie above one half, so that
/// heatmaps and overlays show something.
const EMBEDDED_SEED: u64 = 19;

impl Weights {
    /// The default model: `l3net-base.safetensors` beside the binary, in `models/`
    /// beside it or up to three folders above, in `models/` of the working folder or
    /// of the sources; else the untrained one that the program embeds (see
    /// [`is_trained`](Self::is_trained)).
    ///
    /// # Errors
    /// If such a file exists and cannot be used: a model that was put in place is
    /// never ignored silently.
    pub fn default_model() -> Result<Self, ModelError> {
        match find_model(BASE_FILE) {
            Some(path) => Self::read(&path),
            None => Self::from_bytes(EMBEDDED, Path::new(EMBEDDED_FILE)),
        }
    }

    /// The model in a file, or the default one.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`default_model`](Self::default_model).
    pub fn open(path: Option<&Path>) -> Result<Self, ModelError> {
        path.map_or_else(Self::default_model, Self::read)
    }
}

/// A model by the name of its file, where the default model is looked for too.
pub fn find_model(name: &str) -> Option<PathBuf> {
    candidates(name).into_iter().find(|path| path.is_file())
}

fn candidates(name: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let exe = std::env::current_exe().and_then(|p| p.canonicalize()).ok();
    if let Some(exe) = &exe {
        places.extend(exe.parent().map(|dir| dir.join(name)));
        // target/debug/deps/test is four folders below the sources.
        let above = exe.ancestors().skip(1).take(4);
        places.extend(above.map(|dir| dir.join("models").join(name)));
    }
    places.push(Path::new("models").join(name));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    places.push(sources.join("models").join(name));
    places
}

/// The bytes of the embedded model: a header without tensors, from which
/// [`Weights::read`] generates them.
pub fn untrained_file() -> Vec<u8> {
    header_only(&random_metadata(EMBEDDED_SEED, &Variant::PAPER))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Conv1Stride;
    use super::*;

    #[test]
    fn the_embedded_model_is_the_untrained_one() {
        assert_eq!(EMBEDDED, untrained_file());
        let weights = Weights::from_bytes(EMBEDDED, Path::new(EMBEDDED_FILE)).expect("a model");
        assert!(!weights.is_trained());
        let random = Weights::random(EMBEDDED_SEED, Conv1Stride::Two);
        for slot in weights.variant().layout() {
            let same = weights.tensor(&slot.name) == random.tensor(&slot.name);
            assert!(same, "{}", slot.name);
        }
    }
}
