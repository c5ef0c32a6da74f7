//! Sound and pictures of a recording into pieces: what one clip of a shard holds.
//!
//! This file owns where pieces begin and end and which frames are in them. It
//! knows nothing of GStreamer, pixels, files. Whether two blocks of sound belong
//! together is for the same [`Windower`] to say that cuts the windows of `live`
//! and `batch`, so what is trained on is what is judged later.

use std::collections::VecDeque;
use std::time::Instant;

use crate::corpus::SILENT_RMS;
use crate::features::LevelSums;
use crate::time::{Hop, MediaTime, SAMPLE_RATE, SamplePos};
use crate::window::{SoundEvent, SoundWindow, Windower};
use crate::window_spec::WindowSpec;

/// Seconds after which a recording is cut: what is read to draw a second of it,
/// and what waits in memory.
pub const PIECE_S: u32 = 10;
const PIECE_SAMPLES: usize = (PIECE_S * SAMPLE_RATE) as usize;

/// Steps of a window in which the sound is taken from it: what is left over at the end of
/// a recording is less than one.
const STEPS: usize = 10;

/// Frames that wait for their sound, at most: some minutes, some 100 MB. Where the
/// picture is ahead by more there is no sound, as far as anybody has seen, and the
/// oldest are dropped.
const MAX_WAITING_FRAMES: usize = 4_096;

/// A piece of a recording: 1 to 11 s of sound without holes, and its frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece<F> {
    /// Where the sound begins.
    pub start: SamplePos,
    /// The sound.
    pub pcm: Vec<i16>,
    /// The frames that are shown first in it, and when.
    pub frames: Vec<(MediaTime, F)>,
    /// No window of it is louder than silence.
    pub silent: bool,
}

/// Cuts one recording.
pub struct Cutter<F> {
    fps: f64,
    window_samples: usize,
    windower: Windower,
    sound: Stretch,
    /// Pieces whose frames are not all there yet.
    waiting: VecDeque<(SamplePos, Vec<i16>)>,
    frames: VecDeque<(MediaTime, F)>,
    last_kept: Option<MediaTime>,
    /// Until when all frames are known; none before the first.
    picture: Option<MediaTime>,
    picture_ended: bool,
    heard: bool,
    /// The sound has ended: no later frame is wanted.
    sound_end: Option<SamplePos>,
}

/// Sound without holes, as far as it is there.
struct Stretch {
    window_samples: usize,
    start: SamplePos,
    pcm: Vec<i16>,
}

impl Stretch {
    fn end(&self) -> SamplePos {
        self.start.plus(self.pcm.len())
    }

    fn extend(&mut self, pcm: &[f32]) {
        let rounded = |v: &f32| (v * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        self.pcm.extend(pcm.iter().map(rounded));
    }

    /// The next piece, once so much of the stretch is there that a window is left;
    /// with `all`, the rest.
    fn cut(&mut self, all: bool) -> Option<(SamplePos, Vec<i16>)> {
        let piece = if self.pcm.len() >= PIECE_SAMPLES + self.window_samples {
            let rest = self.pcm.split_off(PIECE_SAMPLES);
            std::mem::replace(&mut self.pcm, rest)
        } else if all && !self.pcm.is_empty() {
            std::mem::take(&mut self.pcm)
        } else {
            return None;
        };
        let start = self.start;
        self.start = start.plus(piece.len());
        Some((start, piece))
    }
}

impl<F> Cutter<F> {
    /// A cutter of pieces that hold whole windows of `spec`, and at most `fps` frames of each
    /// second.
    pub fn new(spec: WindowSpec, fps: f64) -> Self {
        let window_samples = spec.window_samples;
        let step = (window_samples / STEPS) as f64 / f64::from(SAMPLE_RATE);
        Self {
            fps,
            window_samples,
            windower: Windower::new(spec, Hop::from_secs(step).unwrap_or(Hop::SECOND)),
            sound: Stretch {
                window_samples,
                start: SamplePos::ZERO,
                pcm: Vec::new(),
            },
            waiting: VecDeque::new(),
            frames: VecDeque::new(),
            last_kept: None,
            picture: None,
            picture_ended: false,
            heard: false,
            sound_end: None,
        }
    }

    /// Whether there was any sound, and any picture.
    pub fn has(&self) -> (bool, bool) {
        (self.heard, self.picture.is_some())
    }

    /// How far the recording has come.
    pub fn length(&self) -> MediaTime {
        let picture = self.picture.unwrap_or(MediaTime::ZERO);
        self.windower.end().to_time().max(picture)
    }

    /// Takes a block of sound whose first sample is at `at`.
    pub fn push_sound(&mut self, at: SamplePos, pcm: &[f32]) {
        self.heard |= !pcm.is_empty();
        self.sound_end = None;
        let (sound, waiting) = (&mut self.sound, &mut self.waiting);
        // The arrival time does not matter for a file.
        self.windower.push(at, pcm, Instant::now(), |event| {
            take(event, sound, waiting);
        });
    }

    /// Whether a frame that is shown at `at` is kept: the first in each step of
    /// the rate, while there is sound. Call it for every frame, in order.
    pub fn wants(&mut self, at: MediaTime) -> bool {
        let later = self.picture.is_none_or(|last| at > last);
        if later {
            self.picture = Some(at);
        }
        let step = |at: MediaTime| (at.as_secs_f64() * self.fps).floor();
        let heard = |end| SamplePos::heard_at(at) < end;
        later
            && self.sound_end.is_none_or(heard)
            && self.last_kept.is_none_or(|last| step(at) > step(last))
    }

    /// Takes a frame that is wanted.
    pub fn push_frame(&mut self, at: MediaTime, frame: F) {
        self.last_kept = Some(at);
        self.frames.push_back((at, frame));
        if self.frames.len() > MAX_WAITING_FRAMES {
            self.frames.pop_front();
        }
    }

    /// No further sound will come (or none at all).
    pub fn end_sound(&mut self) {
        // The last second may be filled up with silence.
        let end = self.windower.end().plus(self.window_samples);
        if self.sound_end.replace(end) != Some(end) {
            let heard = |at| SamplePos::heard_at(at) < end;
            self.frames.retain(|(at, _)| heard(*at));
        }
    }

    /// No further frame will come.
    pub fn end_picture(&mut self) {
        self.picture_ended = true;
    }

    /// The recording is over: what is left becomes pieces. A last second that lacks
    /// at most `tail` samples counts as whole.
    pub fn finish(&mut self, tail: usize) {
        let (sound, waiting) = (&mut self.sound, &mut self.waiting);
        self.windower.finish(false, tail, |event| {
            take(event, sound, waiting);
        });
        while let Some(piece) = sound.cut(true) {
            waiting.push_back(piece);
        }
        self.picture_ended = true;
    }

    /// The next piece that is whole, in the order of the recording.
    pub fn next_piece(&mut self) -> Option<Piece<F>> {
        let (start, pcm) = self.waiting.front()?;
        let end = start.plus(pcm.len());
        let known = self.picture.map(SamplePos::heard_at);
        if !self.picture_ended && known.is_none_or(|known| known < end) {
            return None;
        }
        let (start, pcm) = self.waiting.pop_front()?;
        let mut frames = Vec::new();
        while let Some((at, _)) = self.frames.front()
            && SamplePos::heard_at(*at) < end
        {
            let frame = self.frames.pop_front();
            // Before it there was no sound.
            frames.extend(frame.filter(|(at, _)| SamplePos::heard_at(*at) >= start));
        }
        Some(Piece {
            start,
            silent: is_silent(&pcm, self.window_samples),
            pcm,
            frames,
        })
    }
}

/// Windows overlap by nine tenths; of those that continue the sound, the last tenth is new.
fn take(event: SoundEvent, sound: &mut Stretch, waiting: &mut VecDeque<(SamplePos, Vec<i16>)>) {
    match event {
        SoundEvent::Window(SoundWindow { start, pcm, .. }) => {
            let ahead = sound.end().minus(start);
            match usize::try_from(ahead) {
                Ok(known @ 1..) if !sound.pcm.is_empty() => {
                    sound.extend(pcm.get(known..).unwrap_or(&[]));
                }
                _ => {
                    waiting.extend(sound.cut(true));
                    sound.start = start;
                    sound.extend(&pcm);
                }
            }
            waiting.extend(sound.cut(false));
        }
        SoundEvent::Broken(_) => waiting.extend(sound.cut(true)),
    }
}

/// Whether every window, looked at each tenth, is silent but for a constant offset.
fn is_silent(pcm: &[i16], window_samples: usize) -> bool {
    let steps = pcm.chunks(window_samples / STEPS).map(LevelSums::of_i16);
    let steps: Vec<LevelSums> = steps.collect();
    let mut seconds = steps.windows(STEPS);
    seconds.all(|second| second.iter().copied().sum::<LevelSums>().level().rms <= SILENT_RMS)
}

#[cfg(test)]
#[path = "cutter_tests.rs"]
mod tests;
