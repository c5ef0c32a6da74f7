//! Blocks, marks and words on white paper, as SVG or as pixels: both show the same.

use std::fmt::Write;

use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Shader, Stroke, Transform};

use crate::cmd::eval::html::escaped;
use crate::draw::{Layer, text};
use crate::picture::Picture;

const INK: [u8; 3] = [30; 3];
const DIM: [u8; 3] = [110; 3];
/// Frames around panels.
const LINE: [u8; 3] = [205; 3];
/// Width of the white rim of marks, which tells those apart that overlap.
const RIM: f32 = 0.7;

/// What is drawn, in this order; lengths in pixels from the upper left.
#[derive(Default)]
pub(in crate::cmd::eval) struct Scene {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) blocks: Vec<Block>,
    /// Left, top, width, height.
    pub(super) frames: Vec<[f32; 4]>,
    /// In the order in which they are painted.
    pub(super) marks: Vec<Mark>,
    pub(super) words: Vec<Words>,
}

/// A filled rectangle.
pub(super) struct Block {
    /// Left, top, width, height.
    pub at: [f32; 4],
    pub colour: [u8; 3],
}

/// A mark at its middle.
pub(super) struct Mark {
    pub at: [f32; 2],
    pub radius: f32,
    pub shape: Shape,
    pub colour: [u8; 3],
}

/// A line of text, with its upper left corner.
pub(super) struct Words {
    pub at: [f32; 2],
    pub height: f32,
    pub text: String,
    pub dim: bool,
}

/// The shapes of marks, of about the same area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Plus,
    Down,
    Cross,
}

impl Shape {
    pub const ALL: [Self; 7] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Diamond,
        Self::Plus,
        Self::Down,
        Self::Cross,
    ];

    /// Its corners around 0, for a radius of 1; a circle has none.
    fn corners(self) -> Vec<[f32; 2]> {
        // Half the width of the bars of plus and cross.
        const BAR: f32 = 0.42;
        const PLUS: [[f32; 2]; 12] = [
            [-BAR, -1.15],
            [BAR, -1.15],
            [BAR, -BAR],
            [1.15, -BAR],
            [1.15, BAR],
            [BAR, BAR],
            [BAR, 1.15],
            [-BAR, 1.15],
            [-BAR, BAR],
            [-1.15, BAR],
            [-1.15, -BAR],
            [-BAR, -BAR],
        ];
        let triangle = [[0.0, -1.3], [1.17, 0.75], [-1.17, 0.75]];
        match self {
            Self::Circle => Vec::new(),
            Self::Square => vec![[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
            Self::Triangle => triangle.to_vec(),
            Self::Down => triangle.map(|[x, y]| [x, -y]).to_vec(),
            Self::Diamond => vec![[0.0, -1.3], [1.1, 0.0], [0.0, 1.3], [-1.1, 0.0]],
            Self::Plus => PLUS.to_vec(),
            Self::Cross => {
                let turn = std::f32::consts::FRAC_1_SQRT_2;
                PLUS.map(|[x, y]| [(x - y) * turn, (x + y) * turn]).to_vec()
            }
        }
    }
}

impl Mark {
    fn corners(&self) -> impl Iterator<Item = [f32; 2]> {
        let ([x, y], radius) = (self.at, self.radius);
        let corners = self.shape.corners().into_iter();
        corners.map(move |[dx, dy]| [x + dx * radius, y + dy * radius])
    }

    fn path(&self) -> Option<Path> {
        if self.shape == Shape::Circle {
            return PathBuilder::from_circle(self.at[0], self.at[1], self.radius);
        }
        let mut path = PathBuilder::new();
        for (nth, [x, y]) in self.corners().enumerate() {
            match nth {
                0 => path.move_to(x, y),
                _ => path.line_to(x, y),
            }
        }
        path.close();
        path.finish()
    }

    fn svg(&self) -> String {
        let fill = format!("fill=\"{}\"", hex(self.colour));
        if self.shape == Shape::Circle {
            let ([x, y], radius) = (self.at, self.radius);
            return format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" {fill}/>\n");
        }
        let corners = self.corners().map(|[x, y]| format!("{x:.1},{y:.1}"));
        let points = corners.collect::<Vec<_>>().join(" ");
        format!("<polygon points=\"{points}\" {fill}/>\n")
    }
}

impl Scene {
    /// As the text of an SVG file.
    pub fn svg(&self) -> String {
        let (w, h) = (self.width, self.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        let mut rect = |[x, y, width, height]: [f32; 4], paint: String| {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {paint}/>"
            );
        };
        for Block { at, colour } in &self.blocks {
            rect(*at, format!("fill=\"{}\"", hex(*colour)));
        }
        for frame in &self.frames {
            rect(*frame, format!("fill=\"none\" stroke=\"{}\"", hex(LINE)));
        }
        let _ = writeln!(svg, "<g stroke=\"#fff\" stroke-width=\"{RIM}\">");
        self.marks.iter().for_each(|mark| svg += &mark.svg());
        svg += "</g>\n<g font-family=\"Hack, 'DejaVu Sans Mono', monospace\">\n";
        for words in &self.words {
            // From the upper edge to the line that letters stand on.
            let (x, y) = (words.at[0], words.at[1] + words.height * 0.8);
            let ink = hex(if words.dim { DIM } else { INK });
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.1}\" \
                 fill=\"{ink}\">{}</text>",
                // A font's size is its height without the gap between lines.
                words.height * 0.86,
                escaped(&words.text)
            );
        }
        svg + "</g>\n</svg>\n"
    }

    /// As pixels; `None` if they are too many.
    pub fn picture(&self) -> Option<Picture> {
        let mut paper = Pixmap::new(self.width, self.height)?;
        paper.fill(Color::WHITE);
        let mut layer = Layer::new(self.width, self.height);
        for Block { at, colour } in &self.blocks {
            let [x, y, width, height] = *at;
            // A bar of nothing is not seen.
            if let Some(rect) = tiny_skia::Rect::from_xywh(x, y, width, height) {
                paper.fill_rect(rect, &paint(*colour), Transform::identity(), None);
            }
        }
        for &[x, y, width, height] in &self.frames {
            let frame = tiny_skia::Rect::from_xywh(x, y, width, height)?;
            stroke(&mut paper, &PathBuilder::from_rect(frame), LINE, 1.0);
        }
        for mark in &self.marks {
            let path = mark.path()?;
            let rule = FillRule::Winding;
            paper.fill_path(
                &path,
                &paint(mark.colour),
                rule,
                Transform::identity(),
                None,
            );
            stroke(&mut paper, &path, [255; 3], RIM);
        }
        for words in &self.words {
            let ink = if words.dim { DIM } else { INK };
            text::draw(
                &mut layer,
                words.at[0],
                words.at[1],
                words.height,
                &words.text,
                ink,
            );
        }
        let pixels = paper.pixels().iter();
        let mut picture = Picture {
            width: self.width,
            height: self.height,
            // Nothing shows through white paper.
            rgb: pixels
                .flat_map(|p| [p.red(), p.green(), p.blue()])
                .collect(),
        };
        layer.blend(&mut picture);
        Some(picture)
    }
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn paint(colour: [u8; 3]) -> Paint<'static> {
    let [r, g, b] = colour;
    Paint {
        shader: Shader::SolidColor(Color::from_rgba8(r, g, b, 255)),
        anti_alias: true,
        ..Paint::default()
    }
}

fn stroke(paper: &mut Pixmap, path: &Path, colour: [u8; 3], width: f32) {
    let stroke = Stroke {
        width,
        ..Stroke::default()
    };
    let all = Transform::identity();
    paper.stroke_path(path, &paint(colour), &stroke, all, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(words: &str) -> Scene {
        let mark = |(nth, shape)| Mark {
            at: [20.0 + 30.0 * nth as f32, 30.0],
            radius: 8.0,
            shape,
            colour: [200, 0, 0],
        };
        Scene {
            width: 240,
            height: 80,
            blocks: vec![Block {
                at: [200.0, 58.0, 20.0, 10.0],
                colour: [0, 200, 0],
            }],
            frames: vec![[4.5, 4.5, 230.0, 50.0]],
            marks: Shape::ALL.into_iter().enumerate().map(mark).collect(),
            words: vec![Words {
                at: [10.0, 60.0],
                height: 14.0,
                text: words.to_owned(),
                dim: false,
            }],
        }
    }

    #[test]
    fn shapes_are_about_as_large_as_each_other_and_lie_around_their_middle() {
        let picture = scene("").picture().expect("pixels");
        let red = |x: usize, y: usize| picture.rgb[(y * 240 + x) * 3 + 1] < 100;
        for (nth, shape) in Shape::ALL.into_iter().enumerate() {
            let middle = 20 + 30 * nth;
            assert!(red(middle, 30), "{shape:?}");
            let area = (8..52)
                .flat_map(|y| (middle - 14..middle + 14).map(move |x| (x, y)))
                .filter(|&(x, y)| red(x, y))
                .count();
            assert!((110..230).contains(&area), "{shape:?}: {area}");
        }
    }

    #[test]
    fn blocks_are_filled_in_both() {
        let scene = scene("");
        let block = "<rect x=\"200\" y=\"58\" width=\"20\" height=\"10\" fill=\"#00c800\"/>";
        assert!(scene.svg().contains(block), "{}", scene.svg());
        let picture = scene.picture().expect("pixels");
        let green = picture.rgb.chunks_exact(3).filter(|p| **p == [0, 200, 0]);
        assert_eq!(green.count(), 200);
    }

    #[test]
    fn words_are_words_in_both() {
        let svg = scene("<dog> & \"cat\"").svg();
        assert!(
            svg.contains(">&lt;dog&gt; &amp; &quot;cat&quot;</text>"),
            "{svg}"
        );
        assert_eq!(svg.matches("<polygon").count(), 6);
        assert_eq!(svg.matches("<circle").count(), 1);
        let dark = |picture: Picture| picture.rgb.iter().filter(|&&v| v < 60).count();
        let words = dark(scene("dog").picture().expect("pixels"));
        assert!(words > dark(scene("").picture().expect("pixels")));
    }
}
