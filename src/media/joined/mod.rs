//! Recordings that were joined byte by byte in one file, as `cat` makes them: of MP4, MOV,
//! Matroska, WebM, AVI, FLV, ASF or Ogg, or of several containers, those of MPEG included.
//! GStreamer's demuxers (1.22) read the first and end.
//!
//! Belongs here: finding the recordings ([`parts`]), reading one from its part of the file,
//! and one after the other on one timeline. Does not: streams whose timestamps jump
//! (`splice`).

mod parts;
mod reader;
mod walk;

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::drive::{OPENINGS, SILENT_FAILURE};
use super::error::MediaError;
use super::feed::Feed;
use super::frame::Frame;
use super::ring::AudioBlock;
use super::session::{End, MAX_TAIL_SAMPLES, Session, SessionOptions};
use super::source::{Source, SourceKind};
use crate::clock::Clock;
use crate::time::{MediaTime, SamplePos};
use crate::window::Timed;

pub(super) use reader::read_part;
pub(super) use walk::element;

/// Time between two recordings: long enough that a window ends in it.
const APART: u64 = 100_000_000;
/// What a recording's sound may lack of a whole window, as at the end of a stream.
static TAIL: [f32; MAX_TAIL_SAMPLES] = [0.0; MAX_TAIL_SAMPLES];

/// The recordings in a source; at most one if it is no file.
pub(super) fn find(source: &Source) -> Vec<Range<u64>> {
    let SourceKind::File(path) = &source.kind else {
        return Vec::new();
    };
    match open(path) {
        Some(file) => parts::parts(&file),
        None => Vec::new(),
    }
}

/// Opens a regular file; others, such as pipes, can be read only once.
fn open(path: &Path) -> Option<File> {
    let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file());
    File::open(path).ok().filter(|_| is_file)
}

/// Several recordings, read one after the other.
pub(super) struct Joined {
    source: Source,
    options: SessionOptions,
    parts: Vec<Range<u64>>,
    /// The number of the recording that is open.
    number: usize,
    openings: usize,
    opened: Instant,
    session: Session,
    /// Where what was read ends.
    end: MediaTime,
    /// Where the sound of the open recording ends so far, and when that arrived.
    sound: Option<(SamplePos, Instant)>,
    /// Blocks and frames that were dropped from earlier recordings.
    dropped: (u64, u64),
    /// Blocks without a timestamp in earlier recordings.
    untimed: u64,
    missing: Option<String>,
}

impl Joined {
    /// Opens the first of several recordings.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn open(
        source: &Source,
        parts: Vec<Range<u64>>,
        options: SessionOptions,
    ) -> Result<Self, MediaError> {
        tracing::debug!("{}: {} recordings in one file", source.name, parts.len());
        let first = parts.first().cloned();
        let session = Session::open_part(source, options.clone(), first)?;
        Ok(Self {
            source: source.clone(),
            end: options.offset,
            options,
            parts,
            number: 0,
            openings: 1,
            opened: Instant::now(),
            session,
            sound: None,
            dropped: (0, 0),
            untimed: 0,
            missing: None,
        })
    }

    fn is_last(&self) -> bool {
        self.number + 1 == self.parts.len()
    }

    /// Opens the recording with a number, behind what was read.
    fn open_number(&mut self, number: usize) -> Result<(), MediaError> {
        self.openings = if number == self.number {
            self.openings + 1
        } else {
            1
        };
        self.number = number;
        self.opened = Instant::now();
        self.dropped = Feed::dropped(self);
        self.untimed = Feed::untimed(self);
        self.missing = self.missing_decoder().map(str::to_owned);
        let options = SessionOptions {
            offset: MediaTime(self.end.0.saturating_add(APART)),
            ..self.options.clone()
        };
        let part = self.parts.get(number).cloned();
        self.session = Session::open_part(&self.source, options, part)?;
        Ok(())
    }

    /// A cause, and in which recording.
    fn failed(&self, cause: MediaError) -> End {
        if self.number == 0 && cause == MediaError::SilentFailure {
            return End::Failed(cause);
        }
        End::Failed(MediaError::InPart {
            number: self.number + 1,
            of: self.parts.len(),
            cause: Box::new(cause),
        })
    }

    fn open_or_fail(&mut self, number: usize) -> Option<End> {
        let opened = self.open_number(number);
        opened.err().map(|cause| self.failed(cause))
    }
}

impl Feed for Joined {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        if !self.is_last()
            && self.session.sound_is_done()
            && let Some((at, arrived)) = self.sound.take()
        {
            return Some(AudioBlock {
                at,
                arrived,
                pcm: &TAIL[..self.session.tail_samples().min(MAX_TAIL_SAMPLES)],
            });
        }
        let block = self.session.sound.next_block()?;
        let end = block.at.plus(block.pcm.len());
        self.end = self.end.max(end.to_time());
        self.sound = Some((end, block.arrived));
        Some(block)
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let frame = self.session.next_frame()?;
        let ends = frame.at().0 + frame.duration_ns().unwrap_or(0).min(APART);
        self.end = self.end.max(MediaTime(ends));
        Some(frame)
    }

    fn sound_is_done(&self) -> bool {
        self.is_last() && self.session.sound_is_done()
    }

    fn picture_is_done(&self) -> bool {
        self.is_last() && self.session.picture_is_done()
    }

    fn wait(&mut self, clock: &dyn Clock, at_most: Duration) {
        self.session.wait(clock, at_most);
    }

    fn poll(&mut self) -> Option<End> {
        match self.session.poll() {
            Some(End::Failed(cause)) => return Some(self.failed(cause)),
            Some(End::Whole) if self.is_last() => return Some(End::Whole),
            Some(End::Whole) => {
                // What has arrived is read first.
                let sound_is_read = self.session.sound_is_done() && self.sound.is_none();
                let is_read = sound_is_read && self.session.picture_is_done();
                return is_read
                    .then(|| self.open_or_fail(self.number + 1))
                    .flatten();
            }
            None => {}
        }
        // The first one is opened again by who reads all.
        let is_dead = self.number > 0 && self.opened.elapsed() > SILENT_FAILURE;
        if is_dead && Feed::has_failed_silently(&self.session) {
            if self.openings == OPENINGS {
                return Some(self.failed(MediaError::SilentFailure));
            }
            return self.open_or_fail(self.number);
        }
        None
    }

    fn has_failed_silently(&self) -> bool {
        self.number == 0 && Feed::has_failed_silently(&self.session)
    }

    fn is_live(&self) -> bool {
        Feed::is_live(&self.session)
    }

    fn is_by_clock(&self) -> bool {
        Feed::is_by_clock(&self.session)
    }

    fn dropped(&self) -> (u64, u64) {
        let now = Feed::dropped(&self.session);
        (self.dropped.0 + now.0, self.dropped.1 + now.1)
    }

    fn untimed(&self) -> u64 {
        self.untimed + Feed::untimed(&self.session)
    }

    fn missing_decoder(&self) -> Option<&str> {
        let before = self.missing.as_deref();
        before.or_else(|| self.session.missing_decoder())
    }

    fn tail_samples(&self) -> usize {
        self.session.tail_samples()
    }

    fn duration(&self) -> Option<MediaTime> {
        // Known of the open one alone.
        None
    }

    fn frame_rate(&self) -> Option<f64> {
        self.session.frame_rate()
    }

    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        self.session.utc_origin()
    }
}
