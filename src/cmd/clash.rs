//! Outputs that would overwrite a source or each other.

use std::path::{Path, PathBuf};

use super::common::Usage;
use super::outputs::OutputArgs;
use crate::media::Source;
use crate::result::StreamName;
use crate::sink::overlay::video_paths;

/// Refuses them before anything is opened; `archive` is the OUT of `batch`.
///
/// # Errors
/// Wrong usage: names the file and what it is already.
pub(super) fn refuse(
    args: &OutputArgs,
    archive: Option<&Path>,
    sources: &[Source],
) -> anyhow::Result<()> {
    let names: Vec<StreamName> = sources.iter().map(|s| s.name.clone()).collect();
    let overlays = args.overlay.as_deref();
    let overlays = overlays.map(|path| video_paths(path, &names, names.len() > 1));
    let outputs = args
        .json
        .iter()
        .cloned()
        .chain(overlays.into_iter().flatten());
    // A file that does not exist yet clashes with nothing.
    for output in outputs.filter(|path| path.is_file()) {
        let is = |other: &Path| same_file::is_same_file(&output, other).unwrap_or(false);
        let is_read = |source: &&Source| source.files().iter().any(|file: &PathBuf| is(file));
        let what = if let Some(source) = sources.iter().find(is_read) {
            format!("the source {}, which it would overwrite", source.name)
        } else if archive.is_some_and(is) {
            "OUT, where all lines are already".to_owned()
        } else {
            continue;
        };
        return Err(Usage::error(format!(
            "{}: is {what}; name another file",
            output.display()
        )));
    }
    Ok(())
}
