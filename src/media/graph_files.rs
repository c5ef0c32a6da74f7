//! `--dot`: draws pipelines as Graphviz files, for reports of faults.
//!
//! Belongs here: when a pipeline is drawn, the names of the files, keeping passwords out of
//! them. Does not: what is in a pipeline ([`super::graph`]).
//!
//! A stream has up to three: `playing`, `error` and `end`. Those of a source that is opened
//! again replace the earlier ones, so that a folder does not fill up.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstreamer as gst;
use l3net_data::folder::folder_of;
use serde::{Deserialize, Serialize};

use super::secrets::without_secrets;

/// Where the pipeline of a stream is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphFiles {
    /// The files' path without what they end with; it need not be UTF-8.
    start: Vec<u8>,
}

impl GraphFiles {
    /// Creates the folder, and checks that it can be written to.
    ///
    /// # Errors
    /// Why not.
    pub fn check(folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        tempfile::tempfile_in(folder).map(drop)
    }

    /// The files of a stream, whatever its name.
    pub fn in_folder(folder: &Path, stream: &str) -> Self {
        // Not `_`, which may be in a stream's name.
        let name = folder_of(stream).replace('/', "~");
        let start = folder.join(name).into_os_string();
        Self {
            start: start.into_vec(),
        }
    }

    /// One of the files.
    pub fn path(&self, when: &str) -> PathBuf {
        let mut path = OsString::from(std::ffi::OsStr::from_bytes(&self.start));
        path.push(format!(".{when}.dot"));
        path.into()
    }

    /// Draws the pipeline when it plays, and when something in it fails.
    pub(super) fn draw_changes_of(&self, pipeline: &gst::Pipeline) {
        let Some(bus) = pipeline.bus() else {
            return;
        };
        let (files, weak) = (self.clone(), pipeline.downgrade());
        // In the thread that reports it: whoever reads the bus may be late, and find the
        // pipeline as it is then.
        bus.set_sync_handler(move |_, message| {
            if let Some(pipeline) = weak.upgrade() {
                match message.view() {
                    gst::MessageView::StateChanged(change)
                        if change.current() == gst::State::Playing
                            && message.src() == Some(pipeline.upcast_ref()) =>
                    {
                        files.draw(&pipeline, "playing");
                    }
                    gst::MessageView::Error(_) => files.draw(&pipeline, "error"),
                    _ => {}
                }
            }
            gst::BusSyncReply::Pass
        });
    }

    /// Draws the pipeline as it is.
    pub(super) fn draw(&self, pipeline: &gst::Pipeline, when: &str) {
        let text = pipeline.debug_to_dot_data(gst::DebugGraphDetails::all());
        let path = self.path(when);
        if let Err(error) = std::fs::write(&path, published(&text)) {
            tracing::warn!(
                "{}: cannot write the pipeline's graph: {error}",
                path.display()
            );
        }
    }
}

/// Properties that are not for others.
const SECRET: [&str; 6] = [
    "user-id",
    "user-pw",
    "proxy-id",
    "proxy-pw",
    "password",
    "passphrase",
];
/// A quotation mark within a label.
const QUOTE: &str = "\\\"";

/// A graph without credentials: those in addresses, and values of properties for them.
fn published(graph: &str) -> String {
    let mut shown = graph.to_owned();
    for (at, _) in graph.match_indices("://") {
        let rest = &graph[at..];
        let value = &rest[..end_of_value(rest)];
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        shown = without_secrets(&shown, &value[..end]);
    }
    for name in SECRET {
        shown = without_value(&shown, &format!("{name}={QUOTE}"));
    }
    shown
}

/// Where a value ends: at its closing quotation mark, or that of its label. One within the
/// value has an escaped backslash before it.
fn end_of_value(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        at += match c {
            '\\' if rest.starts_with(QUOTE) => return at,
            // Escaped twice: a backslash, or a quotation mark.
            '\\' if rest.starts_with("\\\\\\\\") || rest.starts_with("\\\\\\\"") => 4,
            '\\' if rest.starts_with("\\\\") => 2,
            '"' => return at,
            c => c.len_utf8(),
        };
    }
    text.len()
}

/// The same without the text from each `start` to the next quotation mark.
fn without_value(text: &str, start: &str) -> String {
    let mut parts = text.split(start);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = end_of_value(part);
        shown.extend([start, "…", &part[end..]]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_has_files_of_its_own_in_the_folder() {
        let path = |stream: &str| GraphFiles::in_folder("graphs".as_ref(), stream).path("end");
        assert_eq!(path("clip.mp4"), Path::new("graphs/clip.mp4.end.dot"));
        let names = ["a/b.mp4", "../b", "rtsp://u:p@h/1", "a~b.mp4", "", ".."];
        let paths: std::collections::BTreeSet<_> = names.map(path).into();
        assert_eq!(paths.len(), names.len());
        for path in paths {
            assert_eq!(path.parent(), Some(Path::new("graphs")), "{path:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        GraphFiles::check(&dir.path().join("new/one")).expect("created");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        GraphFiles::check(&file).expect_err("a file");
    }

    #[test]
    fn a_value_ends_at_its_own_quotation_mark() {
        for (text, value) in [
            (r#"pa'ss@cam\"\nnext"#, "pa'ss@cam"),
            (r#"p\\303\\244ss@cam\"\n"#, r"p\\303\\244ss@cam"),
            (r#"a\\\"b\"\n"#, r#"a\\\"b"#),
            (r#"a\\\\\"\n"#, r"a\\\\"),
            (r#"a" ]"#, "a"),
            ("whole", "whole"),
        ] {
            assert_eq!(&text[..end_of_value(text)], value, "{text}");
        }
    }

    #[test]
    fn a_pipeline_is_drawn_without_its_secrets() {
        gst::init().expect("GStreamer starts");
        let text = "souphttpsrc location=\"http://me:se'cret@h/1?token=abcd\" \
                    user-pw=hush\\\"still ! fakesink";
        let Ok(pipeline) = gst::parse::launch(text) else {
            return;
        };
        let pipeline = pipeline.downcast::<gst::Pipeline>().expect("one");
        let dir = tempfile::tempdir().expect("a folder");
        let files = GraphFiles::in_folder(dir.path(), "cam");
        files.draw(&pipeline, "end");
        let graph = std::fs::read_to_string(files.path("end")).expect("drawn");
        assert!(
            graph.starts_with("digraph") && graph.contains("souphttpsrc"),
            "{graph}"
        );
        for secret in ["cret", "abcd", "hush", "still"] {
            assert!(!graph.contains(secret), "{graph}");
        }
    }
}
