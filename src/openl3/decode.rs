//! All sound and all frames of a file.

use std::path::Path;

use super::resample;
use crate::cancel::CancelToken;
use crate::corpus::{SOUND_EXTENSIONS, read_sound_as_it_is};
use crate::features::{Damage, clean};
use crate::media::{
    AudioBlock, Ending, Feed, Frame, Listener, MediaError, Opener, Source, read_recording,
};
use crate::picture::{Picture, ToPicture};
use crate::stats::StreamStats;
use crate::time::{MediaTime, SAMPLE_RATE};
use crate::window::Timed;

/// The longest sound that is taken, in samples: 24 hours, 16 GB.
const MAX_SAMPLES: u64 = 48_000 * 86_400;

/// All sound of a file: mono, 48 kHz. Sound files are resampled as OpenL3 does; of anything
/// else it is what GStreamer decodes, with silence where there is none.
///
/// # Errors
/// Why there is none, in one line, without the file's name.
pub fn read_all_sound(
    file: &Path,
    opener: &dyn Opener,
    stop: &CancelToken,
) -> Result<Vec<f32>, String> {
    let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
    let ending = ending.to_string_lossy();
    if SOUND_EXTENSIONS.contains(&&*ending) {
        match read_sound_as_it_is(file) {
            Ok((pcm, rate)) => return Ok(resample(pcm, rate, SAMPLE_RATE)),
            Err(cause) => tracing::info!("{cause}; trying GStreamer, which resamples otherwise"),
        }
    }
    let media = read_media(file, opener, stop, None)?;
    match media.lacking {
        Some(what) => Err(what.to_string()),
        None => Ok(media.pcm),
    }
}

/// What a file had.
#[derive(Debug)]
pub struct Media {
    /// Its sound; empty if it has none.
    pub pcm: Vec<f32>,
    /// What of sound and frames it lacks, if they were wanted.
    pub lacking: Option<MediaError>,
}

/// Takes a frame and the time that it is shown from; ends the reading if it returns false.
pub type TakeFrame<'a> = &'a mut dyn FnMut(MediaTime, Picture) -> bool;

/// The sound of a file as [`read_all_sound`], and its frames in order, if they are wanted.
///
/// # Errors
/// As [`read_all_sound`].
pub fn read_media<'a>(
    file: &Path,
    opener: &dyn Opener,
    stop: &'a CancelToken,
    take: Option<TakeFrame<'a>>,
) -> Result<Media, String> {
    let wants_frames = take.is_some();
    let mut collector = Collector {
        stop,
        take,
        pcm: Vec::new(),
        last_frame: None,
        damage: Damage::default(),
        failure: None,
    };
    let stats = StreamStats::default();
    let end = read_recording(&Source::file(file), opener, stop, &stats, &mut collector);
    if let Some(failure) = collector.failure {
        return Err(failure);
    }
    if !collector.damage.is_none() {
        tracing::warn!("{}: damaged sound: {}", file.display(), collector.damage);
    }
    match end.ending {
        Ending::Failed(cause) => Err(cause.to_string()),
        Ending::Stopped => Err(STOPPED.to_owned()),
        Ending::Whole | Ending::Limit => {
            let picture = collector.last_frame.is_some() || !wants_frames;
            let sound = !collector.pcm.is_empty();
            let missing = end.missing_decoder.as_deref();
            Ok(Media {
                lacking: MediaError::lacking(sound, picture, missing),
                pcm: collector.pcm,
            })
        }
    }
}

/// The reading was cancelled.
const STOPPED: &str = "stopped";

struct Collector<'a> {
    stop: &'a CancelToken,
    take: Option<TakeFrame<'a>>,
    pcm: Vec<f32>,
    last_frame: Option<MediaTime>,
    damage: Damage,
    failure: Option<String>,
}

impl Listener for Collector<'_> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        if block.at.0 + block.pcm.len() as u64 > MAX_SAMPLES {
            self.failure = Some("is longer than 24 hours: cut it".to_owned());
            return;
        }
        let start = block.at.0 as usize;
        // A gap is silence.
        let end = self.pcm.len().max(start + block.pcm.len());
        self.pcm.resize(end, 0.0);
        let place = &mut self.pcm[start..start + block.pcm.len()];
        place.copy_from_slice(block.pcm);
        self.damage += clean(place);
    }

    fn frame(&mut self, frame: Frame) {
        let Some(take) = &mut self.take else {
            return;
        };
        let at = frame.at();
        // Those before it were taken already, if the file was opened again.
        if self.last_frame.is_some_and(|last| at <= last) {
            return;
        }
        self.last_frame = Some(at);
        match frame.to_picture() {
            Ok(picture) => {
                if !take(at, picture) {
                    self.failure = Some(STOPPED.to_owned());
                }
            }
            Err(cause) => self.failure = Some(cause),
        }
    }

    fn sound_ended(&mut self) {}

    fn picture_ended(&mut self) {}

    fn hand_on(&mut self, _: &dyn Feed) {}

    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        self.is_stopped().then_some(Ending::Stopped)
    }

    fn is_stopped(&self) -> bool {
        self.failure.is_some() || self.stop.is_cancelled()
    }
}
