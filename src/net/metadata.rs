//! The metadata in a model's header: which network it is of, and how it came to be.
//!
//! Belongs here: its keys, and the error for each that is missing or wrong. Does not: the
//! tensors (`weights`).

use std::collections::BTreeMap;
use std::path::Path;

use super::cameras::{self, Cameras};
use super::error::ModelError;
use super::layout::{Conv1Stride, Parts, TrunkKind, Variant};
use crate::window_spec::WindowSpec;

/// The `format` in the header of a model file.
pub const FORMAT: &str = "l3net/1";
/// The `init` of a file without tensors: they are generated from its `seed` (see
/// `random`).
const INIT_HE: &str = "he";

/// Where imported weights come from: whatever is learnt on top of them says so, too.
pub(super) const IMPORTED: [&str; 5] = [
    "imported_from",
    "input_repr",
    "content_type",
    "licence",
    "source",
];

/// The metadata of every model: which network it is of. Its parts are told by its tensors.
pub(crate) fn variant_metadata(variant: &Variant) -> BTreeMap<String, String> {
    let mut entries = vec![
        ("format", FORMAT.to_owned()),
        ("audio_frontend", variant.spec.name.to_owned()),
        ("conv1_stride", variant.conv1_stride.get().to_string()),
    ];
    // The paper's are not named, as before there were others.
    if variant.trunks != TrunkKind::L3 {
        entries.push(("trunks", variant.trunks.name().to_owned()));
    }
    entries
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect()
}

/// The metadata from which [`Weights::read`](super::Weights::read) generates random weights.
pub(super) fn random_metadata(seed: u64, variant: &Variant) -> BTreeMap<String, String> {
    let mut metadata = variant_metadata(variant);
    metadata.insert("init".to_owned(), INIT_HE.to_owned());
    metadata.insert("seed".to_owned(), seed.to_string());
    metadata
}

/// The error for a missing or wrong entry of the metadata.
fn refuse(
    metadata: &BTreeMap<String, String>,
    source: &Path,
    key: &'static str,
    expected: impl Into<String>,
    next: &'static str,
) -> ModelError {
    ModelError::Metadata {
        file: source.to_owned(),
        key,
        found: metadata
            .get(key)
            .map_or("missing".to_owned(), |v| format!("\"{v}\"")),
        expected: expected.into(),
        next,
    }
}

/// The variant of a model, if this version can compute it; `has` tells whether it has a
/// tensor whose name starts so.
pub(super) fn check_metadata(
    metadata: &BTreeMap<String, String>,
    has: impl Fn(&str) -> bool,
    source: &Path,
) -> Result<Variant, ModelError> {
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        return Err(refuse(
            metadata,
            source,
            "format",
            "\"l3net/1\"",
            "this is not an l3net model",
        ));
    }
    check_variant(metadata, has, source)
}

/// The same of any file that stores a network.
pub(crate) fn check_variant(
    metadata: &BTreeMap<String, String>,
    has: impl Fn(&str) -> bool,
    source: &Path,
) -> Result<Variant, ModelError> {
    let refuse = |key, expected: &str, next| refuse(metadata, source, key, expected, next);
    let spec = metadata
        .get("audio_frontend")
        .and_then(|name| WindowSpec::by_name(name))
        .ok_or_else(|| {
            refuse(
                "audio_frontend",
                &known_frontends(),
                "the model hears features that this version cannot compute; use the version \
                 that made it, or another model",
            )
        })?;
    let conv1_stride = metadata
        .get("conv1_stride")
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| {
            refuse(
                "conv1_stride",
                "\"1\" or \"2\"",
                "l3net model convert --conv1-stride sets it",
            )
        })?;
    let trunks = match metadata.get("trunks") {
        None => Some(TrunkKind::L3),
        Some(name) => TrunkKind::by_name(name),
    };
    let trunks = trunks.ok_or_else(|| {
        refuse(
            "trunks",
            "\"l3\" or \"openl3\"",
            "use the version that made it, or another model",
        )
    })?;
    match trunks {
        TrunkKind::L3 => Ok(Variant::l3(spec, conv1_stride)),
        TrunkKind::OpenL3 if conv1_stride == Conv1Stride::Two => Err(refuse(
            "conv1_stride",
            "\"1\"",
            "OpenL3's trunks have no other",
        )),
        TrunkKind::OpenL3 => {
            let (vision, audio) = (has("vision."), has("audio."));
            let parts = Parts {
                vision,
                // One of them at least: what is missing is named then.
                audio: audio || !vision,
                fusion: has("fusion."),
            };
            Ok(Variant::openl3(spec, parts))
        }
    }
}

fn known_frontends() -> String {
    let names = WindowSpec::ALL.iter().map(|s| format!("\"{}\"", s.name));
    names.collect::<Vec<_>>().join(" or ")
}

/// The seed of a model without tensors.
pub(super) fn seed_of(
    metadata: &BTreeMap<String, String>,
    source: &Path,
) -> Result<u64, ModelError> {
    let next = "a model without tensors must say how to generate them";
    let refuse = |key, expected: &str| refuse(metadata, source, key, expected, next);
    if metadata.get("init").map(String::as_str) != Some(INIT_HE) {
        return Err(refuse("init", "\"he\""));
    }
    let seed = metadata.get("seed").and_then(|v| v.parse().ok());
    seed.ok_or_else(|| refuse("seed", "a whole number"))
}

/// The cameras that a model knows.
pub(super) fn known_cameras(
    metadata: &BTreeMap<String, String>,
    source: &Path,
) -> Result<Cameras, ModelError> {
    let Some(text) = metadata.get(cameras::KEY) else {
        return Ok(Cameras::new());
    };
    cameras::parse(text).map_err(|found| ModelError::Metadata {
        file: source.to_owned(),
        key: cameras::KEY,
        found,
        expected: "what `l3net adapt` writes".to_owned(),
        next: "l3net adapt --force makes it anew",
    })
}
