//! Outputs that would overwrite a source or each other.

use std::path::{Path, PathBuf};

use super::common::Usage;
use super::outputs::OutputArgs;
use crate::dataset::is_url;
use crate::media::Source;
use crate::result::StreamName;
use crate::sink::overlay::video_paths;

/// Refuses a URL where only paths are written to: it would become a folder of that name.
///
/// # Errors
/// Wrong usage: names the URL.
pub(super) fn refuse_url(output: &Path) -> anyhow::Result<()> {
    match is_url(output) {
        false => Ok(()),
        true => Err(Usage::error(format!(
            "{}: only OUT and --clips of `l3net batch` may be in an object store; name a path",
            output.display()
        ))),
    }
}

/// Refuses them before anything is opened; `others` are files that the run writes besides,
/// and what they are.
///
/// # Errors
/// Wrong usage: names the file and what it is already.
pub(super) fn refuse(
    args: &OutputArgs,
    others: &[(PathBuf, &str)],
    sources: &[Source],
) -> anyhow::Result<()> {
    let folders = args.heatmaps.iter().chain(&args.json).chain(&args.overlay);
    for output in folders {
        refuse_url(output)?;
    }
    let names: Vec<StreamName> = sources.iter().map(|s| s.name.clone()).collect();
    let overlays = args.overlay.as_deref();
    let overlays = overlays.map(|path| video_paths(path, &names, names.len() > 1));
    let outputs = args
        .json
        .iter()
        .cloned()
        .chain(overlays.into_iter().flatten());
    for output in outputs {
        // False for files that do not exist yet.
        let is = |other: &Path| same_file::is_same_file(&output, other).unwrap_or(false);
        let is_read = |source: &&Source| source.files().iter().any(|file: &PathBuf| is(file));
        let what = if let Some(source) = sources.iter().find(is_read) {
            format!("the source {}, which it would overwrite", source.name)
        } else if let Some((_, what)) = others.iter().find(|(path, _)| *path == output || is(path))
        {
            (*what).to_owned()
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
