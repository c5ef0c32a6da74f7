//! Reads a recording from its start to its end.

use super::doubting::Doubting;
use super::drive::{Ending, Listener, OPENINGS, drive};
use super::error::MediaError;
use super::feed::Opener;
use super::session::SessionOptions;
use super::source::Source;
use super::timeline::Origin;
use crate::cancel::CancelToken;
use crate::clock::SystemClock;
use crate::stats::StreamStats;
use crate::time::MediaTime;
use crate::window::TAIL_SAMPLES;

/// How the reading of a recording ended.
#[derive(Debug)]
pub struct RecordingEnd {
    /// Why it ended.
    pub ending: Ending,
    /// A decoder that is missing for a part of it.
    pub missing_decoder: Option<String>,
    /// How many samples the last window may lack and still count as whole.
    pub tail: usize,
}

/// Opens a recording and reads it to its end; `stats` get what is doubtful in it. Opened
/// again if it stops silently at its start.
pub fn read_recording(
    source: &Source,
    opener: &dyn Opener,
    stop: &CancelToken,
    stats: &StreamStats,
    listener: &mut impl Listener,
) -> RecordingEnd {
    let mut end = RecordingEnd {
        ending: Ending::Failed(MediaError::SilentFailure),
        missing_decoder: None,
        tail: TAIL_SAMPLES,
    };
    for _ in 0..OPENINGS {
        let options = SessionOptions {
            stop: stop.clone(),
            ..SessionOptions::default()
        };
        end.ending = match opener.open(source, options) {
            Ok(feed) if feed.is_by_clock() => Ending::Failed(MediaError::Pipeline(
                "runs by the clock: record it to a file first".to_owned(),
            )),
            Ok(mut feed) => {
                let mut doubting = Doubting::new(
                    listener,
                    Origin::File,
                    MediaTime::ZERO,
                    &SystemClock,
                    &source.name,
                    stats,
                );
                let ending = drive(&mut *feed, &SystemClock, source.stall(), &mut doubting);
                end.missing_decoder = feed.missing_decoder().map(str::to_owned);
                end.tail = feed.tail_samples();
                ending
            }
            Err(cause) => Ending::Failed(cause),
        };
        if end.ending != Ending::Failed(MediaError::SilentFailure) {
            break;
        }
    }
    end
}
