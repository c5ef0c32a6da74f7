//! A source element that reads a part of a file, as if it were the whole.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::parts::ReadAt;
use super::walk::Container;
use crate::media::error::MediaError;

/// Bytes that are read at once where a reader does not say how many it needs.
const PIECE: usize = 65_536;

/// Has a `uridecodebin` read a part of a file.
///
/// # Errors
/// The file cannot be opened.
pub(in crate::media) fn read_part(
    decoder: &gst::Element,
    path: &Path,
    part: &Range<u64>,
) -> Result<(), MediaError> {
    let file = File::open(path).map_err(|e| MediaError::Unreadable(e.to_string()))?;
    let (file, part) = (Arc::new(file), part.clone());
    decoder.set_property("uri", "appsrc://");
    decoder.connect("source-setup", false, move |values| {
        let source = values.get(1)?.get::<gst_app::AppSrc>().ok()?;
        serve(&source, &file, &part);
        None
    });
    Ok(())
}

/// Answers requests for bytes. Most demuxers read in pull mode, and ask for exactly what they
/// need, anywhere.
fn serve(source: &gst_app::AppSrc, file: &Arc<File>, part: &Range<u64>) {
    let len = part.end - part.start;
    source.set_format(gst::Format::Bytes);
    // tsdemux (1.22) finds no program in what it pulls from an appsrc.
    source.set_stream_type(match Container::at(&**file, part.start) {
        Some(Container::Transport(_)) => gst_app::AppStreamType::Seekable,
        _ => gst_app::AppStreamType::RandomAccess,
    });
    source.set_size(i64::try_from(len).unwrap_or(-1));
    let at = Arc::new(AtomicU64::new(0));
    let (sought, file, begin) = (Arc::clone(&at), Arc::clone(file), part.start);
    let callbacks = gst_app::AppSrcCallbacks::builder()
        .seek_data(move |_, offset| {
            sought.store(offset, Ordering::Relaxed);
            true
        })
        .need_data(move |source, wanted| {
            let from = at.load(Ordering::Relaxed);
            let wanted = usize::try_from(wanted).unwrap_or(PIECE);
            let wanted = if wanted == u32::MAX as usize {
                PIECE
            } else {
                wanted
            };
            let left = usize::try_from(len.saturating_sub(from)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; wanted.min(left)];
            let read = file.read_at(begin + from, &mut bytes);
            bytes.truncate(read);
            if read == 0 {
                let _ = source.end_of_stream();
                return;
            }
            at.store(from + read as u64, Ordering::Relaxed);
            let _ = source.push_buffer(gst::Buffer::from_mut_slice(bytes));
        })
        .build();
    source.set_callbacks(callbacks);
}
