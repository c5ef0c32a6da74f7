//! Recordings as DATA: shards, and media that are prepared into the cache first.

use std::path::{Path, PathBuf};

use crate::cancel::CancelToken;
use crate::cmd::common::Usage;
use crate::corpus::shards::holds_shards;
use crate::corpus::{ClipRules, Clips};

/// All recordings as one corpus, since each needs others to compare with.
///
/// # Errors
/// Names the shard or the media that cannot be used.
pub fn open(
    texts: &[String],
    rules: ClipRules,
    quiet: bool,
    stop: &CancelToken,
) -> anyhow::Result<Clips> {
    let (mut shards, mut media) = (Vec::new(), Vec::new());
    for text in texts {
        let path = Path::new(text);
        if ["synth", "classes", "annotations"].contains(&&**text) && !path.exists() {
            return Err(Usage::error(format!(
                "{text}: no such file or folder; for {text}: mind the colon"
            )));
        }
        if holds_shards(path) {
            shards.push(PathBuf::from(path));
        } else {
            media.push(text.clone());
        }
    }
    if !media.is_empty() {
        shards.push(prepared(&media, quiet, stop)?);
    }
    Ok(Clips::open(&shards, &rules)?)
}

/// Decodes media into shards in the cache, or finds them there.
#[cfg(feature = "gst")]
fn prepared(texts: &[String], quiet: bool, stop: &CancelToken) -> anyhow::Result<PathBuf> {
    use crate::cmd::prepare::{print_report, show_progress};
    use crate::cmd::progress::Bar;
    use crate::cmd::sources::expand;
    use crate::cmd::streams::{check_descriptions, refuse_endless};
    use crate::media::ProcessOpener;
    use crate::prepare::{PrepareOptions, prepare_into_cache};

    let sources = expand(texts)?;
    refuse_endless(&sources, None, "record it to a file first")?;
    check_descriptions(&sources)?;
    let bar = Bar::for_files(&sources, quiet);
    let options = PrepareOptions::default();
    let opener = ProcessOpener::new(options.jobs);
    let report = prepare_into_cache(sources, &options, &opener, stop, |progress| {
        show_progress(&bar, progress)
    });
    bar.finish();
    let report = report?;
    print_report(&report, &bar, quiet);
    if report.shards.0 == 0 && !report.interrupted {
        anyhow::bail!("none of these recordings can be used, for the reasons above");
    }
    if report.interrupted {
        anyhow::bail!("stopped while recordings were prepared; the same command resumes");
    }
    Ok(report.folder)
}

/// Says what is missing.
#[cfg(not(feature = "gst"))]
fn prepared(texts: &[String], _: bool, _: &CancelToken) -> anyhow::Result<PathBuf> {
    Err(Usage::error(format!(
        "{}: no shard, and this program was built without GStreamer: \
         prepare it with one that has it",
        texts[0]
    )))
}
