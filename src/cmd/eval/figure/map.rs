//! Panels of marks side by side, and below them what each mark stands for.

use super::scene::{Mark, Scene, Shape, Words};
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
/// Letters of a class's name in the legend.
const MOST_LETTERS: usize = 28;

/// Marks of one network.
pub(in crate::cmd::eval) struct Panel {
    pub title: String,
    pub note: String,
    /// Place and class; what is farther up has more of the second number.
    pub marks: Vec<([f32; 2], usize)>,
}

/// Colour and shape of a class. Ten colours and seven shapes have no divisor in
/// common: 70 classes differ in one or both, and neighbours in the legend in both.
fn look(class: usize) -> ([u8; 3], Shape) {
    let colour = colorous::TABLEAU10[class % colorous::TABLEAU10.len()];
    let shape = Shape::ALL[class % Shape::ALL.len()];
    ([colour.r, colour.g, colour.b], shape)
}

/// Lays all of it out.
pub(in crate::cmd::eval) fn map(panels: &[Panel], classes: &[String]) -> Scene {
    let width = MARGIN + panels.len() as f32 * (SIDE + MARGIN);
    let legend = MARGIN + HEAD + SIDE + MARGIN;
    let (columns, column) = legend_columns(classes, width - 2.0 * MARGIN);
    let lines = classes.len().div_ceil(columns);
    let height = legend + lines as f32 * LEGEND_LINE + MARGIN;
    let mut scene = Scene {
        width: width as u32,
        height: height as u32,
        ..Scene::default()
    };
    for (nth, panel) in panels.iter().enumerate() {
        let x = MARGIN + nth as f32 * (SIDE + MARGIN);
        draw_panel(&mut scene, panel, x);
    }
    for (class, name) in classes.iter().enumerate() {
        let (colour, shape) = look(class);
        // Down the columns, as an index is read.
        let x = MARGIN + (class / lines) as f32 * column;
        let y = legend + (class % lines) as f32 * LEGEND_LINE;
        scene.marks.push(Mark {
            at: [x + 8.0, y + LEGEND * 0.55],
            radius: 6.5,
            shape,
            colour,
        });
        scene.words.push(Words {
            at: [x + 22.0, y],
            height: LEGEND,
            text: shortened(name, MOST_LETTERS),
            dim: false,
        });
    }
    scene
}

/// How many columns the legend has, and how wide they are.
fn legend_columns(classes: &[String], room: f32) -> (usize, f32) {
    let letters = classes.iter().map(|c| c.chars().count()).max();
    let longest = "x".repeat(letters.unwrap_or(0).min(MOST_LETTERS));
    let column = 22.0 + text::width(&longest, LEGEND) + 26.0;
    let columns = ((room / column) as usize).clamp(1, classes.len().max(1));
    (columns, column)
}

fn draw_panel(scene: &mut Scene, panel: &Panel, x: f32) {
    let words = |y: f32, height: f32, text: &str, dim: bool| Words {
        at: [x, y],
        height,
        text: text.to_owned(),
        dim,
    };
    scene.words.push(words(MARGIN, TITLE, &panel.title, false));
    let below = MARGIN + TITLE + 7.0;
    scene.words.push(words(below, NOTE, &panel.note, true));
    let y = MARGIN + HEAD;
    // Half pixels: the lines are one wide.
    scene
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
    // Files come sorted by class: painted so, the last class would lie over all.
    let mut order: Vec<usize> = (0..panel.marks.len()).collect();
    order.sort_by_key(|&i| (hash_bytes(0, &i.to_le_bytes()), i));
    for i in order {
        let (place, class) = panel.marks[i];
        let (colour, shape) = look(class);
        scene.marks.push(Mark {
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
    fn everything_lies_on_the_paper_and_marks_in_their_panels() {
        for count in [2, 34, 70] {
            let panels = [panel(500, count), panel(500, count)];
            let scene = map(&panels, &classes(count));
            assert_eq!(scene.marks.len(), 1000 + count);
            for mark in &scene.marks {
                let [x, y] = mark.at;
                assert!(x > 0.0 && x < scene.width as f32, "{x}");
                assert!(y > 0.0 && y < scene.height as f32, "{y}");
            }
            for (nth, mark) in scene.marks[..1000].iter().enumerate() {
                let [left, top, width, height] = scene.frames[nth / 500];
                let [x, y] = mark.at;
                assert!(x > left + mark.radius && x < left + width - mark.radius);
                assert!(y > top + mark.radius && y < top + height - mark.radius);
            }
            for words in &scene.words {
                let right = words.at[0] + text::width(&words.text, words.height);
                assert!(right <= scene.width as f32, "{}", words.text);
            }
        }
    }

    #[test]
    fn marks_that_all_lie_in_one_place_can_be_drawn() {
        let panel = Panel {
            marks: vec![([3.0, 3.0], 0); 4],
            ..panel(1, 1)
        };
        let scene = map(&[panel], &classes(1));
        assert!(scene.marks.iter().all(|m| m.at[0].is_finite()));
        assert!(scene.picture().is_some());
    }
}
