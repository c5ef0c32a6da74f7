//! One recording: read to its end by the same graph as in `live` and `batch`,
//! its frames scaled as the network sees them.

use std::sync::atomic::Ordering;

use super::cutter::{Cutter, Piece};
use crate::cancel::CancelToken;
use crate::corpus::shards::encode_picture;
use crate::corpus::{CorpusError, EXAMPLE_SPEC};
use crate::features::{Crop, Damage, FrameScaler, clean};
use crate::media::{
    AudioBlock, Ending, Feed, Frame, Listener, MediaError, Opener, RecordingEnd, Source,
    read_recording,
};
use crate::picture::ToPicture;
use crate::stats::StreamStats;
use crate::window::Timed;

/// Frames as JPEG.
pub(super) type Jpeg = Vec<u8>;

/// How a recording ended.
#[derive(Debug, PartialEq)]
pub(super) enum ReadOutcome {
    /// It was read to its end.
    Whole,
    /// It was, and has no sound or no picture, or none that can be decoded here.
    Lacks { what: MediaError, undecodable: bool },
    /// It failed.
    Failed(MediaError),
    /// Cancelled before its end.
    Stopped,
}

/// Reads a source and passes its pieces to `take`, in order. Where it fails or is
/// stopped, only the complete ones: a later run may get further. Also returns which
/// samples of its sound were damaged.
///
/// # Errors
/// What `take` returns.
pub(super) fn record(
    source: &Source,
    opener: &dyn Opener,
    fps: f64,
    stop: &CancelToken,
    position: &StreamStats,
    take: &mut dyn FnMut(Piece<Jpeg>) -> Result<(), CorpusError>,
) -> Result<(ReadOutcome, Damage), CorpusError> {
    let mut recorder = Recorder {
        cutter: Cutter::new(EXAMPLE_SPEC, fps),
        scaler: FrameScaler::new(Crop::Full),
        source,
        stop,
        position,
        take,
        refused: None,
        damage: Damage::default(),
        block: Vec::new(),
    };
    let RecordingEnd {
        ending,
        missing_decoder,
        tail,
    } = read_recording(source, opener, stop, position, &mut recorder);
    if ending == Ending::Whole {
        recorder.cutter.finish(tail);
        recorder.hand_pieces_on();
    }
    let (sound, picture) = recorder.cutter.has();
    if let Some(refused) = recorder.refused {
        return Err(refused);
    }
    let damage = recorder.damage;
    let outcome = match ending {
        Ending::Stopped => ReadOutcome::Stopped,
        Ending::Failed(cause) => ReadOutcome::Failed(cause),
        Ending::Whole | Ending::Limit => {
            match MediaError::lacking(sound, picture, missing_decoder.as_deref()) {
                None => ReadOutcome::Whole,
                Some(what) => ReadOutcome::Lacks {
                    undecodable: missing_decoder.is_some() || what == MediaError::Nothing,
                    what,
                },
            }
        }
    };
    Ok((outcome, damage))
}

struct Recorder<'a> {
    cutter: Cutter<Jpeg>,
    scaler: FrameScaler,
    source: &'a Source,
    stop: &'a CancelToken,
    position: &'a StreamStats,
    take: &'a mut dyn FnMut(Piece<Jpeg>) -> Result<(), CorpusError>,
    /// `take` failed.
    refused: Option<CorpusError>,
    damage: Damage,
    /// A block that is being cleaned.
    block: Vec<f32>,
}

impl Recorder<'_> {
    fn hand_pieces_on(&mut self) {
        while self.refused.is_none()
            && let Some(piece) = self.cutter.next_piece()
        {
            self.refused = (self.take)(piece).err();
        }
    }

    fn jpeg(&mut self, frame: &Frame) -> Result<Jpeg, String> {
        let scaled = self.scaler.scale(&frame.to_picture()?);
        encode_picture(&scaled.rgb, scaled.width, scaled.height)
    }
}

impl Listener for Recorder<'_> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.block.clear();
        self.block.extend_from_slice(block.pcm);
        self.damage += clean(&mut self.block);
        self.cutter.push_sound(block.at, &self.block);
    }

    fn frame(&mut self, frame: Frame) {
        if !self.cutter.wants(frame.at()) {
            return;
        }
        match self.jpeg(&frame) {
            Ok(jpeg) => self.cutter.push_frame(frame.at(), jpeg),
            // The next one is wanted instead.
            Err(cause) => tracing::warn!("{}: {cause}", self.source.name),
        }
    }

    fn sound_ended(&mut self) {
        self.cutter.end_sound();
    }

    fn picture_ended(&mut self) {
        self.cutter.end_picture();
    }

    fn hand_on(&mut self, _: &dyn Feed) {
        self.hand_pieces_on();
    }

    fn over(&mut self, feed: &dyn Feed) -> Option<Ending> {
        let length = self.cutter.length().0;
        self.position.position_ns.store(length, Ordering::Relaxed);
        if self.position.length_ns.load(Ordering::Relaxed) == 0
            && let Some(length) = feed.duration()
        {
            self.position.length_ns.store(length.0, Ordering::Relaxed);
        }
        self.is_stopped().then_some(Ending::Stopped)
    }

    fn is_stopped(&self) -> bool {
        self.refused.is_some() || self.stop.is_cancelled()
    }
}
