//! Frames and sound to the encoder, drawn with what is known of them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::video::{BEHIND_NS, Container, Encode, Track};
use super::canvas::Canvas;
use super::schedule::{Schedule, Shown, Span};
use super::{HURRIED_END, Options, Report};
use crate::draw::{Area, Caption, Layer, Score, clock, draw_judged};
use crate::picture::{Picture, ToPicture};
use crate::time::{MediaTime, SAMPLE_RATE};

/// Sound that waits for a first frame before the stream counts as sound only.
const SOUND_ONLY_AFTER: usize = 10 * SAMPLE_RATE as usize;

/// A picture that stalls is repeated so often: encoders keep tens of them back.
const STILL_NS: u64 = 500_000_000;

/// A frame on the canvas, and where it lies on it.
type Placed = (Picture, Area);

/// The layer that was drawn last: most frames show the same as the one before.
struct Drawn {
    shown: Shown,
    area: Area,
    layer: Layer,
}

/// Makes the video.
pub struct Writer {
    path: PathBuf,
    container: Container,
    options: Options,
    schedule: Schedule<Placed>,
    canvas: Option<Canvas>,
    encode: Option<Encode>,
    track: Track,
    /// Sound from before the first frame.
    early: Vec<(MediaTime, Vec<f32>, usize)>,
    drawn: Option<Drawn>,
    /// Time of the last frame written.
    last: MediaTime,
    report: Report,
}

impl Writer {
    pub fn new(path: &Path, container: Container, options: Options) -> Self {
        Self {
            path: path.to_owned(),
            container,
            schedule: Schedule::new(options.hop),
            options,
            canvas: None,
            encode: None,
            track: Track::default(),
            early: Vec::new(),
            drawn: None,
            last: MediaTime::ZERO,
            report: Report::default(),
        }
    }

    pub fn waiting(&self) -> usize {
        self.schedule.waiting()
    }

    /// Memory of the frames that wait.
    pub fn waiting_bytes(&self) -> usize {
        let frame = |c: &Canvas| c.width as usize * c.height as usize * 3;
        self.waiting() * self.canvas.as_ref().map_or(0, frame)
    }

    /// Takes a frame, on the canvas at once: the decoder gets its memory back,
    /// and 4K does not wait as 4K.
    pub fn frame(&mut self, at: MediaTime, frame: &dyn ToPicture) -> Result<(), String> {
        if self.encode.is_some() && self.canvas.is_none() {
            // Sound only, by now.
            self.report.dropped += 1;
            return Ok(());
        }
        let Ok(picture) = frame.to_picture() else {
            self.report.unreadable += 1;
            return Ok(());
        };
        if picture.width == 0 || picture.height == 0 {
            self.report.unreadable += 1;
            return Ok(());
        }
        let size = (picture.width, picture.height);
        let canvas = self
            .canvas
            .get_or_insert_with(|| Canvas::for_frame(size.0, size.1));
        let Some(placed) = canvas.place(picture) else {
            self.report.unreadable += 1;
            return Ok(());
        };
        let size = (canvas.width, canvas.height);
        if self.schedule.frame(at, placed).is_err() {
            self.report.dropped += 1;
        }
        if self.encode.is_none() {
            self.start(Some(size))?;
        }
        Ok(())
    }

    pub fn sound(&mut self, at: MediaTime, pcm: &[f32], channels: usize) -> Result<(), String> {
        if !self.options.sound {
            return Ok(());
        }
        let Some(encode) = &self.encode else {
            self.early.push((at, pcm.to_vec(), channels));
            let samples = self.early.iter().map(|(_, pcm, n)| pcm.len() / (*n).max(1));
            if samples.sum::<usize>() > SOUND_ONLY_AFTER {
                self.start(None)?;
            }
            return Ok(());
        };
        for chunk in self.track.sound(at, pcm, channels) {
            encode.sound(&chunk)?;
        }
        self.stand_still(at)
    }

    /// The last picture again, where a live one does not come: the muxer would wait
    /// for it with all the sound. A picture that is only late still finds its place.
    fn stand_still(&mut self, heard: MediaTime) -> Result<(), String> {
        let stalls = self.options.live && self.report.frames > 0 && self.waiting() == 0;
        while stalls && heard.0 > self.last.0 + 2 * BEHIND_NS {
            self.last.0 += STILL_NS;
            if let Some(encode) = &mut self.encode {
                encode.again(self.last)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, size: Option<(u32, u32)>) -> Result<(), String> {
        let sound = self.options.sound;
        self.encode = Some(Encode::start(&self.path, self.container, size, sound)?);
        self.report.written = true;
        for (at, pcm, channels) in std::mem::take(&mut self.early) {
            self.sound(at, &pcm, channels)?;
        }
        Ok(())
    }

    pub fn label(&mut self, span: Span) {
        self.schedule.label(span);
    }

    pub fn draw_settled(&mut self) -> Result<(), String> {
        while let Some((at, frame, shown)) = self.schedule.next() {
            self.write(at, frame, shown)?;
        }
        if let Some(encode) = &self.encode {
            encode.check()?;
        }
        Ok(())
    }

    /// Draws the oldest frames with what is known.
    pub fn draw_at_once(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let Some((at, frame, shown)) = self.schedule.next_at_once() else {
                break;
            };
            self.report.late += 1;
            self.write(at, frame, shown)?;
        }
        Ok(())
    }

    /// Draws the frames that have waited too long, or for which there is no room.
    pub fn draw_older_than(&mut self, wait_ns: u64, bytes: usize) -> Result<(), String> {
        while self.schedule.span_ns() > wait_ns || self.waiting_bytes() > bytes {
            self.draw_at_once(1)?;
        }
        Ok(())
    }

    fn write(&mut self, at: MediaTime, frame: Placed, shown: Shown) -> Result<(), String> {
        if self.report.frames > 0 && at <= self.last {
            // Another stood in its place.
            self.report.dropped += 1;
            return Ok(());
        }
        let (mut picture, area) = frame;
        let same = |d: &Drawn| d.shown.same(&shown) && d.area == area;
        if !self.drawn.as_ref().is_some_and(same) {
            let mut layer = Layer::new(picture.width, picture.height);
            draw(&mut layer, area, &shown, at, &self.options.stream);
            self.drawn = Some(Drawn { shown, area, layer });
        }
        if let Some(drawn) = &self.drawn {
            drawn.layer.blend(&mut picture);
        }
        self.keep_company(at, BEHIND_NS)?;
        let Some(encode) = &mut self.encode else {
            return Ok(());
        };
        self.report.frames += 1;
        self.last = at;
        encode.picture(at, picture.rgb)
    }

    /// Silence, where there is no sound to the picture.
    fn keep_company(&mut self, at: MediaTime, behind_ns: u64) -> Result<(), String> {
        if let Some(encode) = &self.encode
            && self.options.sound
            && let Some(silence) = self.track.picture_at(at, behind_ns)
        {
            encode.sound(&silence)?;
        }
        Ok(())
    }

    /// Draws what waits and ends the file. Where nothing came there is none.
    pub fn finish(mut self) -> Result<Report, String> {
        self.schedule.end();
        let begun = Instant::now();
        while let Some((at, frame, shown)) = self.schedule.next() {
            if self.options.cancel.is_cancelled() && begun.elapsed() > HURRIED_END {
                self.report.dropped += 1;
                continue;
            }
            self.write(at, frame, shown)?;
        }
        if self.encode.is_none() && !self.early.is_empty() {
            self.start(None)?;
        }
        if self.report.frames > 0 {
            // All sound has come: a track must not end before its picture, or
            // some players end with it.
            self.keep_company(self.last, 0)?;
        }
        match self.encode.take() {
            Some(encode) => encode.finish()?,
            None => {
                // It is empty: made to see whether it can be written.
                let _ = std::fs::remove_file(&self.path);
            }
        }
        Ok(self.report)
    }
}

fn draw(layer: &mut Layer, area: Area, shown: &Shown, at: MediaTime, stream: &str) {
    let score = match shown {
        Shown::Judged(judged) => return draw_judged(layer, area, judged),
        Shown::Gap(why) => Score::Gap(*why),
        Shown::Unknown => Score::Unknown,
    };
    let caption = Caption {
        score,
        // Of the first frame that shows it.
        when: clock(at),
        stream: stream.to_owned(),
    };
    caption.draw(layer, area);
}
