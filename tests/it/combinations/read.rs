//! Reads a clip through the library, without a network, and measures what was heard and
//! seen in each moment.

use std::path::Path;
use std::time::Instant;

use l3net::clock::SystemClock;
use l3net::media::{
    AskedTracks, AudioBlock, Doubting, Ending, Feed, Frame, GstOpener, Listener, MediaError,
    OPENINGS, Opener, Origin, SessionOptions, Source, SourceKind, drive,
};
use l3net::picture::{Picture, ToPicture};
use l3net::result::GapReason;
use l3net::stats::StreamStats;
use l3net::time::{Hop, MediaTime, SAMPLE_RATE};
use l3net::window::{Moment, MomentMaker, MomentOrGap, Pace, Timed};
use l3net::window_spec::WindowSpec;

/// What came of a clip.
#[derive(Debug, Default)]
pub struct Heard {
    pub moments: Vec<Measured>,
    /// Windows without a picture.
    pub no_video: u64,
    /// Gaps because the sound was interrupted.
    pub breaks: usize,
    pub failed: Option<String>,
}

/// A moment, as its sound and its picture tell it themselves.
#[derive(Debug)]
pub struct Measured {
    pub start_ms: f64,
    /// Which time of the tone the window starts with.
    pub heard_ms: f64,
    pub dbfs: f64,
    pub frame_ms: f64,
    /// The number in the picture.
    pub seen: Option<u32>,
}

/// Reads a clip to its end.
pub fn listen(path: &Path) -> Heard {
    let source = Source {
        name: path.display().to_string().as_str().into(),
        kind: SourceKind::File(path.to_owned()),
        label: None,
        tracks: AskedTracks::default(),
    };
    let stats = StreamStats::default();
    let mut reader = Reader::new();
    for _ in 0..OPENINGS {
        reader = Reader::new();
        let ending = match GstOpener.open(&source, SessionOptions::default()) {
            Ok(mut feed) => {
                let mut doubting = Doubting::new(
                    &mut reader,
                    Origin::File,
                    MediaTime::ZERO,
                    &SystemClock,
                    &source.name,
                    &stats,
                );
                let ending = drive(&mut *feed, &SystemClock, source.stall(), &mut doubting);
                let whole = ending == Ending::Whole;
                reader
                    .maker
                    .finish(whole, feed.tail_samples(), &mut reader.made);
                reader.hand_on(&*feed);
                ending
            }
            Err(cause) => Ending::Failed(cause),
        };
        match ending {
            Ending::Failed(MediaError::SilentFailure) => {}
            Ending::Failed(cause) => {
                reader.heard.failed = Some(cause.to_string());
                break;
            }
            _ => break,
        }
    }
    reader.heard
}

struct Reader {
    maker: MomentMaker<Frame>,
    made: Vec<MomentOrGap<Frame>>,
    heard: Heard,
}

impl Reader {
    fn new() -> Self {
        Self {
            maker: MomentMaker::new(WindowSpec::PAPER, Hop::SECOND, Pace::File),
            made: Vec::new(),
            heard: Heard::default(),
        }
    }
}

impl Listener for Reader {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.maker
            .push_sound(block.at, block.pcm, block.arrived, &mut self.made);
    }

    fn has_enough_sound(&self) -> bool {
        self.maker.has_enough_sound()
    }

    fn frame(&mut self, frame: Frame) {
        self.maker.push_frame(frame);
    }

    fn sound_ended(&mut self) {
        self.maker.end_sound();
    }

    fn picture_ended(&mut self) {
        self.maker.end_picture();
    }

    fn hand_on(&mut self, _: &dyn Feed) {
        self.maker.poll(Instant::now(), &mut self.made);
        for made in self.made.drain(..) {
            match made {
                MomentOrGap::Moment(moment) => self.heard.moments.push(measure(&moment)),
                MomentOrGap::Gap(gap) => match gap.why {
                    GapReason::NoVideo => self.heard.no_video += gap.lost,
                    GapReason::Discontinuity => self.heard.breaks += 1,
                    _ => {}
                },
            }
        }
    }

    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        None
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

fn measure(moment: &Moment<Frame>) -> Measured {
    let power = moment
        .pcm
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>();
    let power = power / moment.pcm.len() as f64;
    Measured {
        start_ms: moment.start.0 as f64 / 1e6,
        heard_ms: tone_time(&moment.pcm, power.sqrt()).map_or(f64::NAN, |s| s * 1e3),
        dbfs: 10.0 * power.max(1e-12).log10(),
        frame_ms: moment.frame.at().0 as f64 / 1e6,
        seen: moment.frame.to_picture().ok().as_ref().and_then(number),
    }
}

/// Which time of the tone the first sample has: its pitch is 400 Hz, and 200 more after
/// each second. Counted from the first to the last rise through zero.
fn tone_time(pcm: &[f32], level: f64) -> Option<f64> {
    let (mut first, mut last, mut count) = (None, 0.0, 0_u32);
    let (mut armed, mut before) = (false, 0.0);
    for (i, x) in pcm.iter().map(|x| f64::from(*x)).enumerate() {
        if x < -0.2 * level {
            armed = true;
        } else if armed && x >= 0.0 && before < 0.0 {
            last = (i as f64 - x / (x - before)) / f64::from(SAMPLE_RATE);
            first.get_or_insert(last);
            count += 1;
            armed = false;
        }
        before = x;
    }
    let first = first.filter(|first| *first < last)?;
    let hertz = f64::from(count - 1) / (last - first);
    Some((hertz - 400.0) / 200.0 - f64::midpoint(first, last))
}

/// The number in a picture, whichever way it is turned: nine cells along the longer side,
/// white for 1. The first is white and the last black.
fn number(picture: &Picture) -> Option<u32> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let long = width.max(height);
    let light = |cell: usize| {
        let along = (2 * cell + 1) * long / 18;
        let mut sum = 0;
        for (u, v) in (0..49).map(|i| (along + i % 7 - 3, width.min(height) / 2 + i / 7 - 3)) {
            let (x, y) = if width >= height { (u, v) } else { (v, u) };
            let at = 3 * (y * width + x);
            sum += picture.rgb[at..at + 3]
                .iter()
                .map(|v| u32::from(*v))
                .sum::<u32>();
        }
        sum > 127 * 3 * 49
    };
    let mut cells: Vec<bool> = (0..9).map(light).collect();
    if cells[8] && !cells[0] {
        cells.reverse();
    }
    let framed = cells[0] && !cells[8];
    framed.then(|| cells[1..8].iter().fold(0, |n, bit| 2 * n + u32::from(*bit)))
}
