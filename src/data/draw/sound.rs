//! The log-spectrogram as a picture, with its heatmap.

use super::badge::clock;
use super::{Area, Layer, SPECTROGRAM_COLS, SPECTROGRAM_ROWS, glow, text};
use crate::event::JudgedMoment;
use crate::features::Viewport;
use crate::picture::Picture;
use crate::result::Heatmap;

/// Pixels of a spectrogram's cell.
const CELL: (u32, u32) = (3, 2);
const LEFT: u32 = 46;
const TOP: u32 = 34;
const RIGHT: u32 = 18;
const BOTTOM: u32 = 44;
const TEXT: f32 = 16.0;
const PAPER: [u8; 3] = [18; 3];
const INK: [u8; 3] = [215; 3];
/// Black and white are digital silence and a full-scale sine (a Hann window of 480
/// samples sums to 240, half of which is one side's), so that pictures of loud and
/// quiet sounds can be compared.
const SILENCE: f32 = -1.842_068; // 0.2 * ln(1e-4)
const FULL_SCALE: f32 = 0.957_498; // 0.2 * ln(120)
/// Centres of the frames of a window, in seconds.
const FIRST_S: f32 = 0.005;
const STEP_S: f32 = 0.005;
const NYQUIST_HZ: f32 = 24_000.0;

/// Frequency up (kHz), time to the right (s), level as grey, the heatmap as
/// glow; `None` without a spectrogram of the right size.
pub fn sound_picture(judged: &JudgedMoment) -> Option<Picture> {
    let values = judged.evidence.spectrogram.as_deref()?;
    if values.len() != (SPECTROGRAM_ROWS * SPECTROGRAM_COLS) as usize {
        return None;
    }
    let (width, height) = (SPECTROGRAM_COLS * CELL.0, SPECTROGRAM_ROWS * CELL.1);
    let mut picture = Picture::filled(LEFT + width + RIGHT, TOP + height + BOTTOM, PAPER);
    draw_levels(&mut picture, values, (LEFT, TOP), CELL);

    let plot = Area {
        x: LEFT as f32,
        y: TOP as f32,
        width: width as f32,
        height: height as f32,
    };
    let mut layer = Layer::new(picture.width, picture.height);
    let verdict = &judged.verdict;
    let heatmap = &judged.evidence.judgement.audio;
    glow(
        &mut layer,
        under_sound_map(plot, heatmap),
        heatmap,
        verdict.correspondence,
        true,
    );
    draw_axes(&mut layer, plot);
    let score = format!("{:.2}", verdict.correspondence);
    let letters = ((plot.width - text::width(&score, TEXT)) / (TEXT * text::ADVANCE)) as usize;
    let when = clock(verdict.start_ns);
    let what = text::joined(&when, &verdict.stream, letters.saturating_sub(2));
    text::draw(&mut layer, plot.x, 9.0, TEXT, &what, INK);
    let right = plot.x + plot.width - text::width(&score, TEXT);
    text::draw(&mut layer, right, 9.0, TEXT, &score, INK);
    layer.blend(&mut picture);
    Some(picture)
}

/// The part of a spectrogram's picture that lies under its heatmap. Pooling drops the
/// remainder: the last columns, and the highest frequency.
pub fn under_sound_map(picture: Area, map: &Heatmap) -> Area {
    let all = Viewport::whole(SPECTROGRAM_COLS, SPECTROGRAM_ROWS);
    let [_, _, right, end] = all.under_map(map.rows, map.cols);
    Area {
        y: picture.y + (1.0 - end) * picture.height,
        width: right * picture.width,
        height: end * picture.height,
        ..picture
    }
}

/// A plain log-spectrogram, one pixel per value; `None` if it is not of the right
/// size.
pub fn spectrogram_picture(values: &[f32]) -> Option<Picture> {
    let mut picture = Picture::filled(SPECTROGRAM_COLS, SPECTROGRAM_ROWS, PAPER);
    if values.len() != (SPECTROGRAM_ROWS * SPECTROGRAM_COLS) as usize {
        return None;
    }
    draw_levels(&mut picture, values, (0, 0), (1, 1));
    Some(picture)
}

fn draw_levels(picture: &mut Picture, values: &[f32], corner: (u32, u32), cell: (u32, u32)) {
    for y in 0..SPECTROGRAM_ROWS * cell.1 {
        let row = (SPECTROGRAM_ROWS - 1 - y / cell.1) * SPECTROGRAM_COLS;
        let line = ((corner.1 + y) * picture.width + corner.0) as usize * 3;
        for x in 0..SPECTROGRAM_COLS * cell.0 {
            let value = values[(row + x / cell.0) as usize];
            let level = (value - SILENCE) / (FULL_SCALE - SILENCE);
            // Saturates at both ends; NaN becomes black.
            let grey = (level * 255.0) as u8;
            let at = line + x as usize * 3;
            picture.rgb[at..at + 3].fill(grey);
        }
    }
}

fn draw_axes(layer: &mut Layer, plot: Area) {
    let bottom = plot.y + plot.height;
    for khz in (0..=24).step_by(4) {
        // Row 0 is centred on 0 Hz, the last one on 24 kHz.
        let part = khz as f32 * 1000.0 / NYQUIST_HZ;
        let half_cell = CELL.1 as f32 / 2.0;
        let y = bottom - half_cell - part * (plot.height - CELL.1 as f32);
        tick(layer, plot.x - 6.0, y - 0.5, 6.0, 1.0);
        let label = khz.to_string();
        let x = plot.x - 9.0 - text::width(&label, TEXT);
        text::draw(layer, x, y - TEXT / 2.0, TEXT, &label, INK);
    }
    text::draw(layer, 6.0, 9.0, TEXT, "kHz", INK);
    for tenths in (0..=10).step_by(2) {
        let second = tenths as f32 / 10.0;
        let column = (second - FIRST_S) / STEP_S + 0.5;
        let x = (plot.x + column * CELL.0 as f32).clamp(plot.x, plot.x + plot.width);
        tick(layer, x - 0.5, bottom, 1.0, 6.0);
        let label = match tenths {
            10 => "1 s".to_owned(),
            _ => format!("{second}"),
        };
        let x = x - text::width(&label, TEXT) / 2.0;
        text::draw(layer, x, bottom + 10.0, TEXT, &label, INK);
    }
}

fn tick(layer: &mut Layer, x: f32, y: f32, width: f32, height: f32) {
    let area = Area {
        x,
        y,
        width,
        height,
    };
    layer.fill(area, INK, 255);
}
