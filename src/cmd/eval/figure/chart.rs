//! Groups of bars, one below the other, all between 0 and 1.

use super::scene::{Block, Scene, Words};
use crate::cmd::eval::output::{number, percent};
use crate::draw::{shortened, text};
use crate::eval::metrics::Interval;

const MARGIN: f32 = 24.0;
/// From the left of a group to its bars.
const NAMES: f32 = 330.0;
/// A bar of 1.
const FULL: f32 = 480.0;
/// Right of it stands the figure.
const FIGURE: f32 = 90.0;
const TITLE: f32 = 18.0;
const TITLE_LINE: f32 = 34.0;
const LINE: f32 = 25.0;
const BAR: f32 = 16.0;
const LETTERS: f32 = 16.0;
const GAP: f32 = 20.0;
const GRID: [u8; 3] = [225; 3];
const INTERVAL: [u8; 3] = [60; 3];

/// Whose figure a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cmd::eval) enum Of {
    /// The network that is looked at.
    Model,
    /// What stands beside it, and chance.
    Beside,
    /// What others published.
    Published,
}

impl Of {
    fn colour(self) -> [u8; 3] {
        let colour = match self {
            Self::Model => colorous::TABLEAU10[0],
            Self::Beside => colorous::TABLEAU10[9],
            Self::Published => colorous::TABLEAU10[1],
        };
        [colour.r, colour.g, colour.b]
    }
}

/// Figures as bars.
#[derive(Default)]
pub(in crate::cmd::eval) struct Chart {
    groups: Vec<Group>,
}

struct Group {
    title: String,
    /// As a number with three places, not in percent.
    is_number: bool,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    of: Of,
    value: f64,
    interval: Option<Interval>,
}

impl Chart {
    /// The bars after it are shares.
    pub fn shares(&mut self, title: impl Into<String>) {
        self.group(title.into(), false);
    }

    /// The bars after it are numbers between 0 and 1.
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

    /// A bar of the last group; none if there is no figure.
    pub fn bar(
        &mut self,
        name: &str,
        of: Of,
        value: impl Into<Option<f64>>,
        interval: impl Into<Option<Interval>>,
    ) {
        if let (Some(group), Some(value)) = (self.groups.last_mut(), value.into()) {
            group.bars.push(Bar {
                name: name.to_owned(),
                of,
                value,
                interval: interval.into(),
            });
        }
    }

    /// Bars of the networks that are compared, the one that is looked at first.
    pub fn networks<'a>(
        &mut self,
        figures: impl Iterator<Item = (&'a str, Option<f64>, Option<Interval>)>,
    ) {
        for (nth, (name, value, interval)) in figures.enumerate() {
            let of = if nth == 0 { Of::Model } else { Of::Beside };
            self.bar(name, of, value, interval);
        }
    }

    /// Bars of what others published.
    pub fn published<'a>(&mut self, figures: impl Iterator<Item = (&'a str, Option<f64>)>) {
        for (method, value) in figures {
            self.bar(method, Of::Published, value, None);
        }
    }

    /// Lays it out.
    pub fn scene(&self) -> Scene {
        let groups = || self.groups.iter().filter(|group| !group.bars.is_empty());
        let mut scene = Scene::default();
        let mut y = MARGIN;
        for group in groups() {
            group.draw(&mut scene, y);
            y += TITLE_LINE + LINE * group.bars.len() as f32 + GAP;
        }
        scene.width = (2.0 * MARGIN + NAMES + FULL + FIGURE) as u32;
        scene.height = (y - GAP + MARGIN).max(1.0) as u32;
        scene
    }
}

impl Group {
    fn draw(&self, scene: &mut Scene, top: f32) {
        let room = NAMES + FULL + FIGURE;
        scene.words.push(Words {
            at: [MARGIN, top],
            height: TITLE,
            text: fitting(&self.title, TITLE, room),
            dim: false,
        });
        let (left, top) = (MARGIN + NAMES, top + TITLE_LINE);
        let height = LINE * self.bars.len() as f32;
        for quarter in 0..=4 {
            let x = left + FULL * quarter as f32 / 4.0;
            scene.blocks.push(Block {
                at: [x.round(), top, 1.0, height],
                colour: GRID,
            });
        }
        for (nth, bar) in self.bars.iter().enumerate() {
            let y = top + LINE * nth as f32;
            let across = |value: f64| FULL * value.clamp(0.0, 1.0) as f32;
            let middle = y + LINE / 2.0;
            scene.blocks.push(Block {
                at: [left, middle - BAR / 2.0, across(bar.value), BAR],
                colour: bar.of.colour(),
            });
            if let Some([low, high]) = bar.interval {
                let (from, to) = (left + across(low), left + across(high));
                scene.blocks.push(Block {
                    at: [from, middle - 1.0, to - from, 2.0],
                    colour: INTERVAL,
                });
            }
            let figure = match self.is_number {
                true => number(bar.value),
                false => percent(bar.value),
            };
            let words = |x: f32, text: String| Words {
                at: [x, middle - LETTERS / 2.0],
                height: LETTERS,
                text,
                dim: bar.of != Of::Model,
            };
            let name = fitting(&bar.name, LETTERS, NAMES - 12.0);
            scene.words.push(words(MARGIN, name));
            scene.words.push(words(left + FULL + 12.0, figure));
        }
    }
}

/// As much of it as there is room for.
fn fitting(words: &str, height: f32, room: f32) -> String {
    let letters = words.chars().count();
    let fits = |n: &usize| text::width(&shortened(words, *n), height) <= room;
    let most = (1..=letters).rev().find(fits).unwrap_or(1);
    shortened(words, most)
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
        chart.bar("model", Of::Model, 0.25, None);
        chart
    }

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let scene = chart().scene();
        let wide = |of: Of| -> Vec<f32> {
            let blocks = scene.blocks.iter().filter(|b| b.colour == of.colour());
            blocks.map(|b| b.at[2] / FULL).collect()
        };
        assert_eq!(wide(Of::Model), [0.75, 0.25]);
        assert_eq!(wide(Of::Beside), [0.5]);
        assert_eq!(wide(Of::Published), [1.0]);
        let [from, .., _] = scene
            .blocks
            .iter()
            .find(|b| b.colour == INTERVAL)
            .expect("one")
            .at;
        assert!((from - MARGIN - NAMES - 0.7 * FULL).abs() < 0.01, "{from}");
        let figures: Vec<&str> = scene.words.iter().map(|w| w.text.as_str()).collect();
        for figure in ["75.0 %", "50.0 %", "100.0 %", "0.250"] {
            assert!(figures.contains(&figure), "{figures:?}");
        }
        assert!(!figures.contains(&"nothing in it") && !figures.contains(&"no figure"));
    }

    #[test]
    fn everything_lies_on_the_paper() {
        let scene = chart().scene();
        for words in &scene.words {
            let right = words.at[0] + text::width(&words.text, words.height);
            assert!(right <= scene.width as f32, "{}", words.text);
            assert!(words.at[1] + words.height <= scene.height as f32);
        }
        for Block {
            at: [x, y, w, h], ..
        } in scene.blocks
        {
            assert!(x + w <= scene.width as f32 && y + h <= scene.height as f32);
        }
        assert!(chart().scene().picture().is_some());
        assert!(Chart::default().scene().picture().is_some());
    }
}
