//! Reads a clip through the library, without a network, and measures what was heard and
//! seen in each moment.

use std::path::Path;

use l3net::media::{
    AskedTracks, Ending, Frame, MediaError, OPENINGS, SessionOptions, Source, SourceKind,
};
use l3net::picture::{Picture, ToPicture};
use l3net::result::GapReason;
use l3net::time::{Hop, SAMPLE_RATE};
use l3net::window::{Moment, MomentMaker, MomentOrGap, Pace, Timed};
use l3net::window_spec::WindowSpec;

use crate::moments;

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
    let mut heard = Heard::default();
    for _ in 0..OPENINGS {
        heard = Heard::default();
        let maker = MomentMaker::new(WindowSpec::PAPER, Hop::SECOND, Pace::File);
        let take = |made| match made {
            MomentOrGap::Moment(moment) => heard.moments.push(measure(&moment)),
            MomentOrGap::Gap(gap) => match gap.why {
                GapReason::NoVideo => heard.no_video += gap.lost,
                GapReason::Discontinuity => heard.breaks += 1,
                _ => {}
            },
        };
        match moments::read(&source, SessionOptions::default(), maker, take).ending {
            Ending::Failed(MediaError::SilentFailure) => {}
            Ending::Failed(cause) => {
                heard.failed = Some(cause.to_string());
                break;
            }
            _ => break,
        }
    }
    heard
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
