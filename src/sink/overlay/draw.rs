//! Draws verdicts on frames and sends frames and sound to the encoder.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::video::{BEHIND_NS, Container, Encode, Track};
use super::canvas::Canvas;
use super::schedule::{Schedule, Shown, Span};
use super::{HURRIED_END, Options, Report};
use crate::draw::{Area, Caption, Layer, Score, clock, draw_judged};
use crate::picture::{Picture, ToPicture};
use crate::time::{MediaTime, SAMPLE_RATE};

/// Samples of sound without any frame after which the stream counts as sound only.
const SOUND_ONLY_AFTER: usize = 10 * SAMPLE_RATE as usize;

/// Interval at which a stalled picture is repeated: encoders hold back tens of frames.
const STILL_NS: u64 = 500_000_000;

/// A frame on the canvas, and its area.
type Placed = (Picture, Area);

/// The last drawn layer, reused because most frames show the same as the previous one.
struct Drawn {
    shown: Shown,
    area: Area,
    layer: Layer,
}

/// Writes the video.
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

    /// Bytes of the frames that wait.
    pub fn waiting_bytes(&self) -> usize {
        let frame = |c: &Canvas| c.width as usize * c.height as usize * 3;
        self.waiting() * self.canvas.as_ref().map_or(0, frame)
    }

    /// Takes a frame and scales it at once: that frees the decoder's memory, and 4K frames
    /// do not wait in full size.
    pub fn frame(&mut self, at: MediaTime, frame: &dyn ToPicture) -> Result<(), String> {
        if self.encode.is_some() && self.canvas.is_none() {
            // The file has been started with sound only.
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

    /// Repeats the last picture while a live one stalls; otherwise the muxer would hold back
    /// the sound. A picture that is only late still gets its place.
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

    /// Draws the oldest frames with what is known by now.
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

    /// Draws frames that have waited too long or exceed the memory limit.
    pub fn draw_older_than(&mut self, wait_ns: u64, bytes: usize) -> Result<(), String> {
        while self.schedule.span_ns() > wait_ns || self.waiting_bytes() > bytes {
            self.draw_at_once(1)?;
        }
        Ok(())
    }

    fn write(&mut self, at: MediaTime, frame: Placed, shown: Shown) -> Result<(), String> {
        if self.report.frames > 0 && at <= self.last {
            // A repeated picture has taken its place.
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

    /// Adds silence where sound is missing.
    fn keep_company(&mut self, at: MediaTime, behind_ns: u64) -> Result<(), String> {
        if let Some(encode) = &self.encode
            && self.options.sound
            && let Some(silence) = self.track.picture_at(at, behind_ns)
        {
            encode.sound(&silence)?;
        }
        Ok(())
    }

    /// Draws what waits and closes the file. If nothing arrived, there is no file.
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
            // Some players stop when the sound track ends, so it must not end before the
            // picture.
            self.keep_company(self.last, 0)?;
        }
        match self.encode.take() {
            Some(encode) => encode.finish()?,
            None => {
                // The file is empty; it was created to check that it can be written.
                let _ = std::fs::remove_file(&self.path);
            }
        }
        Ok(self.report)
    }
}

fn draw(layer: &mut Layer, area: Area, shown: &Shown, at: MediaTime, stream: &str) {
    let score = match shown {
        Shown::Moment(judged) => return draw_judged(layer, area, judged),
        Shown::Gap(why) => Score::Gap(*why),
        Shown::Unknown => Score::Unknown,
    };
    let caption = Caption {
        score,
        // The time of the first frame that shows it.
        when: clock(at),
        stream: stream.to_owned(),
    };
    caption.draw(layer, area);
}
