//! Recordings that were joined byte by byte: timestamps that begin anew.
//!
//! `cat a.mpg b.mpg` and the cells of a DVD's `.vob` give a program stream whose
//! timestamps jump back. Decoders of GStreamer (1.22) hold the time of the last picture
//! from there on, so it is made good before them, where the demuxer lets buffers out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gstreamer as gst;

/// A jump back by more is the beginning of another recording: less is the order of
/// pictures that refer to later ones.
const BACK: i64 = 1_000_000_000;

/// What the next recording begins after the one before: the end of whatever was stamped
/// last lies within it, and it is hole enough to end a window.
const APART: i64 = 100_000_000;

/// Moves the timestamps of a demuxer's later recordings behind those of the earlier ones,
/// its streams all alike.
pub(super) fn follow_splices(demuxer: &gst::Element) {
    let shared = Arc::new(Mutex::new(Splices::default()));
    demuxer.connect_pad_added(move |_, pad| {
        let shared = Arc::clone(&shared);
        let stream = lock(&shared).add();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer_mut()
                && let Some(at) = buffer.pts().or(buffer.dts())
            {
                let at = i64::try_from(at.nseconds()).unwrap_or(i64::MAX);
                let offset = lock(&shared).offset(stream, at);
                if offset != 0 {
                    let buffer = buffer.make_mut();
                    buffer.set_pts(buffer.pts().map(|at| moved(at, offset)));
                    buffer.set_dts(buffer.dts().map(|at| moved(at, offset)));
                }
            }
            gst::PadProbeReturn::Ok
        });
    });
}

fn lock(shared: &Mutex<Splices>) -> MutexGuard<'_, Splices> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn moved(at: gst::ClockTime, offset: i64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(at.nseconds().saturating_add_signed(offset))
}

/// The recordings of a demuxer.
#[derive(Debug, Default)]
struct Splices {
    streams: Vec<Stream>,
    /// How far each recording after the first is moved.
    offsets: Vec<i64>,
    /// The latest time that came out, of all streams.
    latest: i64,
}

/// One stream of a demuxer.
#[derive(Debug, Default)]
struct Stream {
    /// The recording that it is in.
    recording: usize,
    /// The latest time in it, as it is in the file.
    latest: Option<i64>,
}

impl Splices {
    /// Its number.
    fn add(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    /// How far the time `at` of a stream is moved.
    fn offset(&mut self, stream: usize, at: i64) -> i64 {
        let stream = &mut self.streams[stream];
        if stream.latest.is_some_and(|latest| at + BACK < latest) {
            stream.recording += 1;
            stream.latest = None;
            // The other streams begin there with their own first time.
            if self.offsets.len() < stream.recording {
                self.offsets.push(self.latest + APART - at);
            }
        }
        stream.latest = Some(stream.latest.unwrap_or(at).max(at));
        let offset = match stream.recording {
            0 => 0,
            nth => self.offsets[nth - 1],
        };
        self.latest = self.latest.max(at + offset);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn streams_go_on_together_behind_what_was_there() {
        let mut splices = Splices::default();
        let (sound, picture) = (splices.add(), splices.add());
        // Pictures out of order are no splice.
        for at in [0, 120, 40, 80, 2_900] {
            assert_eq!(splices.offset(picture, at * MS), 0);
        }
        assert_eq!(splices.offset(sound, 2_950 * MS), 0);
        assert_eq!(splices.offset(picture, 200 * MS), 2_850 * MS);
        assert_eq!(splices.offset(sound, 170 * MS), 2_850 * MS);
        assert_eq!(splices.offset(sound, 4_000 * MS), 2_850 * MS);
        // The sound is the first in the third one.
        assert_eq!(splices.offset(sound, 0), 6_950 * MS);
        assert_eq!(splices.offset(picture, 3_900 * MS), 2_850 * MS);
        assert_eq!(splices.offset(picture, 100 * MS), 6_950 * MS);
    }
}
