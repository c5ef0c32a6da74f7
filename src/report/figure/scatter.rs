//! Scatter plots side by side, with a legend below.

use super::canvas::{Canvas, Label, Mark, Shape};
use crate::corpus::hash_bytes;
use crate::draw::{shortened, text};

const MARGIN: f32 = 24.0;
/// Side of a panel.
const SIDE: f32 = 760.0;
/// From the edge of a panel to its outermost mark.
const PAD: f32 = 16.0;
const TITLE: f32 = 22.0;
const NOTE: f32 = 17.0;
const HEAD: f32 = 62.0;
const LEGEND: f32 = 17.0;
const LEGEND_LINE: f32 = 25.0;
/// Letters of a class's name in the legend, at most.
const MAX_LETTERS: usize = 28;

/// A plot of one network's files.
pub struct Panel {
    /// First line above the plot.
    pub title: String,
    /// Second line above the plot.
    pub note: String,
    /// Place (x, y upwards) and class.
    pub marks: Vec<([f32; 2], usize)>,
}

/// Colour and shape of a class. Ten colours and seven shapes are coprime: 70 classes
/// differ in one or both, and neighbours in the legend in both.
fn look(class: usize) -> ([u8; 3], Shape) {
    let colour = colorous::TABLEAU10[class % colorous::TABLEAU10.len()];
    let shape = Shape::ALL[class % Shape::ALL.len()];
    ([colour.r, colour.g, colour.b], shape)
}

/// Lays the plots out.
pub fn scatter(panels: &[Panel], classes: &[String]) -> Canvas {
    let width = MARGIN + panels.len() as f32 * (SIDE + MARGIN);
    let legend = MARGIN + HEAD + SIDE + MARGIN;
    let (columns, column) = legend_columns(classes, width - 2.0 * MARGIN);
    let lines = classes.len().div_ceil(columns);
    let height = legend + lines as f32 * LEGEND_LINE + MARGIN;
    let mut canvas = Canvas {
        width: width as u32,
        height: height as u32,
        ..Canvas::default()
    };
    for (nth, panel) in panels.iter().enumerate() {
        let x = MARGIN + nth as f32 * (SIDE + MARGIN);
        draw_panel(&mut canvas, panel, x);
    }
    for (class, name) in classes.iter().enumerate() {
        let (colour, shape) = look(class);
        // Down the columns, as an index is read.
        let x = MARGIN + (class / lines) as f32 * column;
        let y = legend + (class % lines) as f32 * LEGEND_LINE;
        canvas.marks.push(Mark {
            at: [x + 8.0, y + LEGEND * 0.55],
            radius: 6.5,
            shape,
            colour,
        });
        canvas.labels.push(Label {
            at: [x + 22.0, y],
            height: LEGEND,
            text: shortened(name, MAX_LETTERS),
            dim: false,
        });
    }
    canvas
}

/// How many columns the legend has, and how wide they are.
fn legend_columns(classes: &[String], width: f32) -> (usize, f32) {
    let letters = classes.iter().map(|c| c.chars().count()).max();
    let longest = "x".repeat(letters.unwrap_or(0).min(MAX_LETTERS));
    let column = 22.0 + text::width(&longest, LEGEND) + 26.0;
    let columns = ((width / column) as usize).clamp(1, classes.len().max(1));
    (columns, column)
}

fn draw_panel(canvas: &mut Canvas, panel: &Panel, x: f32) {
    let label = |y: f32, height: f32, text: &str, dim: bool| Label {
        at: [x, y],
        height,
        text: text.to_owned(),
        dim,
    };
    canvas
        .labels
        .push(label(MARGIN, TITLE, &panel.title, false));
    let below = MARGIN + TITLE + 7.0;
    canvas.labels.push(label(below, NOTE, &panel.note, true));
    let y = MARGIN + HEAD;
    // Half pixels: the lines are one wide.
    canvas
        .frames
        .push([x + 0.5, y + 0.5, SIDE - 1.0, SIDE - 1.0]);

    let ends = |axis: usize| {
        let values = || panel.marks.iter().map(|(place, _)| place[axis]);
        let low = values().fold(f32::INFINITY, f32::min);
        (low, values().fold(f32::NEG_INFINITY, f32::max))
    };
    let (across, up) = (ends(0), ends(1));
    let range = (across.1 - across.0).max(up.1 - up.0).max(1e-6);
    let scale = (SIDE - 2.0 * PAD) / range;
    let middle = [(across.0 + across.1) / 2.0, (up.0 + up.1) / 2.0];
    // Files are sorted by class: in that order the last class would cover the others.
    let mut order: Vec<usize> = (0..panel.marks.len()).collect();
    order.sort_by_key(|&i| (hash_bytes(0, &i.to_le_bytes()), i));
    for i in order {
        let (place, class) = panel.marks[i];
        let (colour, shape) = look(class);
        canvas.marks.push(Mark {
            at: [
                x + SIDE / 2.0 + (place[0] - middle[0]) * scale,
                y + SIDE / 2.0 - (place[1] - middle[1]) * scale,
            ],
            radius: radius(panel.marks.len()),
            shape,
            colour,
        });
    }
}

/// Small enough that many marks do not hide each other.
fn radius(marks: usize) -> f32 {
    (115.0 / (marks.max(1) as f32).sqrt()).clamp(2.8, 6.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(marks: usize, classes: usize) -> Panel {
        let mark = |i: usize| {
            let (x, y) = ((i * 37 % 101) as f32, (i * 53 % 89) as f32);
            ([x * 3.0 - 70.0, y - 900.0], i % classes)
        };
        Panel {
            title: "the model".to_owned(),
            note: "50 %".to_owned(),
            marks: (0..marks).map(mark).collect(),
        }
    }

    fn classes(count: usize) -> Vec<String> {
        (0..count).map(|c| format!("class number {c}")).collect()
    }

    #[test]
    fn seventy_classes_look_different() {
        let mut seen = Vec::new();
        for class in 0..70 {
            let look = look(class);
            assert!(!seen.contains(&look), "{class}");
            seen.push(look);
        }
    }

    #[test]
    fn everything_lies_on_the_canvas_and_marks_in_their_panels() {
        for count in [2, 34, 70] {
            let panels = [panel(500, count), panel(500, count)];
            let canvas = scatter(&panels, &classes(count));
            assert_eq!(canvas.marks.len(), 1000 + count);
            for mark in &canvas.marks {
                let [x, y] = mark.at;
                assert!(x > 0.0 && x < canvas.width as f32, "{x}");
                assert!(y > 0.0 && y < canvas.height as f32, "{y}");
            }
            for (nth, mark) in canvas.marks[..1000].iter().enumerate() {
                let [left, top, width, height] = canvas.frames[nth / 500];
                let [x, y] = mark.at;
                assert!(x > left + mark.radius && x < left + width - mark.radius);
                assert!(y > top + mark.radius && y < top + height - mark.radius);
            }
            for label in &canvas.labels {
                let right = label.at[0] + text::width(&label.text, label.height);
                assert!(right <= canvas.width as f32, "{}", label.text);
            }
        }
    }

    #[test]
    fn marks_that_all_lie_in_one_place_can_be_drawn() {
        let panel = Panel {
            marks: vec![([3.0, 3.0], 0); 4],
            ..panel(1, 1)
        };
        let canvas = scatter(&[panel], &classes(1));
        assert!(canvas.marks.iter().all(|m| m.at[0].is_finite()));
        assert!(canvas.picture().is_some());
    }
}
