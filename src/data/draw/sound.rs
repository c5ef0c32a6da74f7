//! The log-spectrogram as a picture, with its heatmap.

use super::badge::clock;
use super::{Area, Layer, glow, text};
use crate::event::JudgedMoment;
use crate::features::Viewport;
use crate::picture::Picture;
use crate::result::Heatmap;
use crate::window_spec::{Frequencies, WindowSpec};

/// Pixels of a spectrogram's cell.
const CELL: (u32, u32) = (3, 2);
const LEFT: u32 = 46;
const TOP: u32 = 34;
const RIGHT: u32 = 18;
const BOTTOM: u32 = 44;
const TEXT: f32 = 16.0;
const PAPER: [u8; 3] = [18; 3];
const INK: [u8; 3] = [215; 3];
/// Frequency up (kHz), time to the right (s), level as grey, the heatmap as
/// glow; `None` without a spectrogram of the right size.
pub fn sound_picture(judged: &JudgedMoment) -> Option<Picture> {
    let spec = &judged.evidence.spec;
    let values = judged.evidence.spectrogram.as_deref()?;
    if values.len() != spec.spectrogram_len() {
        return None;
    }
    let (width, height) = (spec.frames as u32 * CELL.0, spec.bins as u32 * CELL.1);
    let mut picture = Picture::filled(LEFT + width + RIGHT, TOP + height + BOTTOM, PAPER);
    draw_levels(&mut picture, spec, values, (LEFT, TOP), CELL);

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
        under_sound_map(plot, spec, heatmap),
        heatmap,
        verdict.correspondence,
        true,
    );
    draw_axes(&mut layer, plot, spec);
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
/// remainder: the last columns, and the highest frequency of an odd number of rows.
pub fn under_sound_map(picture: Area, spec: &WindowSpec, map: &Heatmap) -> Area {
    let all = Viewport::whole(spec.frames as u32, spec.bins as u32);
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
pub fn spectrogram_picture(spec: &WindowSpec, values: &[f32]) -> Option<Picture> {
    let mut picture = Picture::filled(spec.frames as u32, spec.bins as u32, PAPER);
    if values.len() != spec.spectrogram_len() {
        return None;
    }
    draw_levels(&mut picture, spec, values, (0, 0), (1, 1));
    Some(picture)
}

/// The levels as grey. Black and white are the least and the greatest value that there can
/// be, so that pictures of loud and quiet sounds can be compared.
fn draw_levels(
    picture: &mut Picture,
    spec: &WindowSpec,
    values: &[f32],
    corner: (u32, u32),
    cell: (u32, u32),
) {
    let (rows, cols) = (spec.bins as u32, spec.frames as u32);
    let (black, white) = (spec.quietest(), spec.loudest());
    for y in 0..rows * cell.1 {
        let row = (rows - 1 - y / cell.1) * cols;
        let line = ((corner.1 + y) * picture.width + corner.0) as usize * 3;
        for x in 0..cols * cell.0 {
            let value = values[(row + x / cell.0) as usize];
            let level = (value - black) / (white - black);
            // Saturates at both ends; NaN becomes black.
            let grey = (level * 255.0) as u8;
            let at = line + x as usize * 3;
            picture.rgb[at..at + 3].fill(grey);
        }
    }
}

fn draw_axes(layer: &mut Layer, plot: Area, spec: &WindowSpec) {
    let bottom = plot.y + plot.height;
    // Mel: evenly spaced labels would crowd at the top.
    let khz: &[u8] = match spec.frequencies {
        Frequencies::Linear => &[0, 4, 8, 12, 16, 20, 24],
        Frequencies::Mel => &[0, 1, 2, 4, 8, 16, 24],
    };
    for &khz in khz {
        let up = spec.height_of(f32::from(khz) * 1000.0).clamp(0.0, 1.0);
        let y = bottom - up * plot.height;
        tick(layer, plot.x - 6.0, y - 0.5, 6.0, 1.0);
        let label = khz.to_string();
        let x = plot.x - 9.0 - text::width(&label, TEXT);
        text::draw(layer, x, y - TEXT / 2.0, TEXT, &label, INK);
    }
    text::draw(layer, 6.0, 9.0, TEXT, "kHz", INK);
    for tenths in (0..=10).step_by(2) {
        let second = tenths as f32 / 10.0;
        let along = spec.width_of(second).clamp(0.0, 1.0);
        let x = plot.x + along * plot.width;
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
