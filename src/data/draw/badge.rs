//! The panel in the corner: score, bar, time, stream.

use super::{Area, Layer, hot, text, unit};
use crate::result::{GapReason, Verdict};
use crate::time::MediaTime;

/// Smaller text is illegible and is omitted.
const MIN_TEXT: f32 = 11.0;
/// A narrower picture gets no bar either.
const MIN_BAR_WIDTH: f32 = 24.0;
const MAX_TEXT: f32 = 64.0;
const WHITE: [u8; 3] = [255; 3];
const GREY: [u8; 3] = [200; 3];

/// The first line of a caption.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// The correspondence.
    Correspondence(f32),
    /// None, for this reason.
    Gap(GapReason),
    /// None.
    Unknown,
}

/// The text of the panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The first line.
    pub score: Score,
    /// The time, in the second line.
    pub when: String,
    /// The stream, in the second line; of a long name, the end is shown.
    pub stream: String,
}

impl Caption {
    /// Score, time and stream of a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            score: Score::Correspondence(verdict.correspondence),
            when: clock(verdict.start_ns),
            stream: verdict.stream.to_string(),
        }
    }

    /// Draws the panel at the lower left of the area, in proportion to it: without text
    /// in a small one, not at all in a tiny one.
    pub fn draw(&self, layer: &mut Layer, area: Area) {
        let height = (area.width / 1.6).min(area.height) / 18.0;
        let height = height.min(MAX_TEXT);
        if height < MIN_TEXT * 0.85 {
            return self.draw_bar_only(layer, area);
        }
        let height = height.max(MIN_TEXT);
        let (small, pad) = (height * 0.72, height * 0.4);
        let small = small.max(MIN_TEXT.min(height));
        let score = match self.score {
            Score::Correspondence(p) => format!("{p:.2}"),
            Score::Gap(why) => format!("no verdict: {}", why.name().replace('_', " ")),
            Score::Unknown => "no verdict".to_owned(),
        };
        let bar = match self.score {
            Score::Correspondence(_) => height * 7.5,
            _ => 0.0,
        };
        let first = text::width(&score, height) + if bar > 0.0 { bar + pad } else { 0.0 };
        let max_width = area.width - 4.0 * pad;
        let letters = (max_width.min(first.max(height * 16.0)) / (small * text::ADVANCE)) as usize;
        let note = text::joined(&self.when, &self.stream, letters);
        let width = first.max(text::width(&note, small)).min(max_width);
        let panel = Area {
            x: area.x + pad,
            y: area.y + area.height - pad - (height + small + 2.0 * pad),
            width: width + 2.0 * pad,
            height: height + small + 2.0 * pad,
        };
        layer.fill(panel, [0; 3], 150);
        let (x, y) = (panel.x + pad, panel.y + pad);
        text::draw(layer, x, y, height, &score, WHITE);
        if let Score::Correspondence(p) = self.score {
            let start = x + text::width(&score, height) + pad;
            let bar = Area {
                x: start,
                y: y + height * 0.3,
                width: (panel.x + panel.width - pad - start).min(bar),
                height: height * 0.42,
            };
            draw_bar(layer, bar, p);
        }
        text::draw(layer, x, y + height + pad * 0.25, small, &note, GREY);
    }

    fn draw_bar_only(&self, layer: &mut Layer, area: Area) {
        let Score::Correspondence(p) = self.score else {
            return;
        };
        if area.width < MIN_BAR_WIDTH || area.height < MIN_BAR_WIDTH {
            return;
        }
        let height = (area.height / 24.0).max(2.0).round();
        let bar = Area {
            y: area.y + area.height - height,
            height,
            ..area
        };
        draw_bar(layer, bar, p);
    }
}

/// The correspondence as a bar, with a mark at one half.
fn draw_bar(layer: &mut Layer, bar: Area, correspondence: f32) {
    let part = unit(correspondence);
    layer.fill(bar, [90; 3], 170);
    let filled = Area {
        width: bar.width * part,
        ..bar
    };
    layer.fill(filled, hot(part), 255);
    let mark = Area {
        x: bar.x + bar.width / 2.0 - 0.5,
        width: (bar.height / 10.0).max(1.0),
        ..bar
    };
    layer.fill(mark, WHITE, 220);
}

/// A time for people: `0:07`, `12:30`, `1:02:03`, with tenths if any.
pub fn clock(time: MediaTime) -> String {
    let tenths = (time.0 + 50_000_000) / 100_000_000;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = match h {
        0 => format!("{m}:{s:02}"),
        _ => format!("{h}:{m:02}:{s:02}"),
    };
    match tenth {
        0 => text,
        _ => format!("{text}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let at = |s: f64| clock(MediaTime::from_secs_f64(s));
        assert_eq!(at(7.0), "0:07");
        assert_eq!(at(59.96), "1:00");
        assert_eq!(at(750.5), "12:30.5");
        assert_eq!(at(3723.0), "1:02:03");
    }
}
