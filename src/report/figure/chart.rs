//! Groups of bars, one below the other, all between 0 and 1.

use super::canvas::{Canvas, Label, Rect};
use crate::draw::{shortened, text::width};
use crate::learn::metrics::Interval;
use crate::table::{number, percent};

const MARGIN: f32 = 24.0;
/// Width of the names to the left of the bars.
const NAMES: f32 = 330.0;
/// Length of a bar of 1.
const FULL: f32 = 480.0;
/// Width of the figure to its right.
const FIGURE: f32 = 90.0;
const TITLE: f32 = 18.0;
const TITLE_LINE: f32 = 34.0;
const LINE: f32 = 25.0;
const BAR: f32 = 16.0;
const LETTERS: f32 = 16.0;
const GAP: f32 = 20.0;
const GRID: [u8; 3] = [225; 3];
const INTERVAL: [u8; 3] = [60; 3];

/// Whose figure a bar is; sets its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// The evaluated network.
    Model,
    /// Other networks, and chance.
    Reference,
    /// Published figures.
    Published,
}

impl Series {
    fn colour(self) -> [u8; 3] {
        let colour = match self {
            Self::Model => colorous::TABLEAU10[0],
            Self::Reference => colorous::TABLEAU10[9],
            Self::Published => colorous::TABLEAU10[1],
        };
        [colour.r, colour.g, colour.b]
    }
}

/// Figures as bars.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    title: String,
    /// Numbers with three decimals, not percentages.
    is_number: bool,
    bars: Vec<Bar>,
}

#[derive(Clone, Debug)]
struct Bar {
    name: String,
    series: Series,
    value: f64,
    interval: Option<Interval>,
}

impl Chart {
    /// Starts a group of shares.
    pub fn shares(&mut self, title: impl Into<String>) {
        self.group(title.into(), false);
    }

    /// Starts a group of numbers between 0 and 1.
    pub fn numbers(&mut self, title: impl Into<String>) {
        self.group(title.into(), true);
    }

    fn group(&mut self, title: String, is_number: bool) {
        self.groups.push(Group {
            title,
            is_number,
            bars: Vec::new(),
        });
    }

    /// Adds a bar to the last group; nothing if there is no figure.
    pub fn bar(
        &mut self,
        name: &str,
        series: Series,
        value: impl Into<Option<f64>>,
        interval: impl Into<Option<Interval>>,
    ) {
        if let (Some(group), Some(value)) = (self.groups.last_mut(), value.into()) {
            group.bars.push(Bar {
                name: name.to_owned(),
                series,
                value,
                interval: interval.into(),
            });
        }
    }

    /// Adds bars of the compared networks, the evaluated one first.
    pub fn networks<'a>(
        &mut self,
        figures: impl Iterator<Item = (&'a str, Option<f64>, Option<Interval>)>,
    ) {
        for (nth, (name, value, interval)) in figures.enumerate() {
            let series = if nth == 0 {
                Series::Model
            } else {
                Series::Reference
            };
            self.bar(name, series, value, interval);
        }
    }

    /// Adds bars of published figures.
    pub fn published<'a>(&mut self, figures: impl Iterator<Item = (&'a str, Option<f64>)>) {
        for (method, value) in figures {
            self.bar(method, Series::Published, value, None);
        }
    }

    /// Lays the chart out.
    pub fn canvas(&self) -> Canvas {
        let groups = || self.groups.iter().filter(|group| !group.bars.is_empty());
        let mut canvas = Canvas::default();
        let mut y = MARGIN;
        for group in groups() {
            group.draw(&mut canvas, y);
            y += TITLE_LINE + LINE * group.bars.len() as f32 + GAP;
        }
        canvas.width = (2.0 * MARGIN + NAMES + FULL + FIGURE) as u32;
        canvas.height = (y - GAP + MARGIN).max(1.0) as u32;
        canvas
    }
}

impl Group {
    fn draw(&self, canvas: &mut Canvas, top: f32) {
        let max_width = NAMES + FULL + FIGURE;
        canvas.labels.push(Label {
            at: [MARGIN, top],
            height: TITLE,
            text: fitting(&self.title, TITLE, max_width),
            dim: false,
        });
        let (left, top) = (MARGIN + NAMES, top + TITLE_LINE);
        let height = LINE * self.bars.len() as f32;
        for quarter in 0..=4 {
            let x = left + FULL * quarter as f32 / 4.0;
            canvas.rects.push(Rect {
                at: [x.round(), top, 1.0, height],
                colour: GRID,
            });
        }
        for (nth, bar) in self.bars.iter().enumerate() {
            let y = top + LINE * nth as f32;
            let across = |value: f64| FULL * value.clamp(0.0, 1.0) as f32;
            let middle = y + LINE / 2.0;
            canvas.rects.push(Rect {
                at: [left, middle - BAR / 2.0, across(bar.value), BAR],
                colour: bar.series.colour(),
            });
            if let Some([low, high]) = bar.interval {
                let (from, to) = (left + across(low), left + across(high));
                canvas.rects.push(Rect {
                    at: [from, middle - 1.0, to - from, 2.0],
                    colour: INTERVAL,
                });
            }
            let figure = match self.is_number {
                true => number(bar.value),
                false => percent(bar.value),
            };
            let label = |x: f32, text: String| Label {
                at: [x, middle - LETTERS / 2.0],
                height: LETTERS,
                text,
                dim: bar.series != Series::Model,
            };
            let name = fitting(&bar.name, LETTERS, NAMES - 12.0);
            canvas.labels.push(label(MARGIN, name));
            canvas.labels.push(label(left + FULL + 12.0, figure));
        }
    }
}

/// As much of the text as fits.
fn fitting(text: &str, height: f32, max_width: f32) -> String {
    let fits = |n: &usize| width(&shortened(text, *n), height) <= max_width;
    let letters = (1..=text.chars().count()).rev().find(fits);
    shortened(text, letters.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let mut chart = Chart::default();
        chart.shares(format!("synth:sprites={}", "/a/long/folder".repeat(30)));
        let networks = [
            ("model", Some(0.75), Some([0.7, 0.8])),
            ("untrained network", Some(0.5), None),
            ("no figure", None, None),
        ];
        chart.networks(networks.into_iter());
        chart.published([(&*"x".repeat(200), Some(1.0)), ("none", None)].into_iter());
        chart.numbers("nothing in it");
        chart.numbers("NMI");
        chart.bar("model", Series::Model, 0.25, None);
        chart
    }

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let canvas = chart().canvas();
        let wide = |series: Series| -> Vec<f32> {
            let blocks = canvas.rects.iter().filter(|b| b.colour == series.colour());
            blocks.map(|b| b.at[2] / FULL).collect()
        };
        assert_eq!(wide(Series::Model), [0.75, 0.25]);
        assert_eq!(wide(Series::Reference), [0.5]);
        assert_eq!(wide(Series::Published), [1.0]);
        let [from, .., _] = canvas
            .rects
            .iter()
            .find(|b| b.colour == INTERVAL)
            .expect("one")
            .at;
        assert!((from - MARGIN - NAMES - 0.7 * FULL).abs() < 0.01, "{from}");
        let figures: Vec<&str> = canvas.labels.iter().map(|w| w.text.as_str()).collect();
        for figure in ["75.0 %", "50.0 %", "100.0 %", "0.250"] {
            assert!(figures.contains(&figure), "{figures:?}");
        }
        assert!(!figures.contains(&"nothing in it") && !figures.contains(&"no figure"));
    }

    #[test]
    fn everything_lies_on_the_canvas() {
        let canvas = chart().canvas();
        for label in &canvas.labels {
            let right = label.at[0] + width(&label.text, label.height);
            assert!(right <= canvas.width as f32, "{}", label.text);
            assert!(label.at[1] + label.height <= canvas.height as f32);
        }
        for Rect {
            at: [x, y, w, h], ..
        } in canvas.rects
        {
            assert!(x + w <= canvas.width as f32 && y + h <= canvas.height as f32);
        }
        assert!(chart().canvas().picture().is_some());
        assert!(Chart::default().canvas().picture().is_some());
    }
}
