//! Rectangles, marks and labels on white paper, as SVG.
//!
//! The SVG is the one description of a figure: PNG files are rasterised from it.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{Options, Tree};
use tiny_skia::{Pixmap, Transform};

use crate::picture::Picture;

const INK: [u8; 3] = [30; 3];
const DIM: [u8; 3] = [110; 3];
/// Frames around panels.
const LINE: [u8; 3] = [205; 3];
/// Width of the white rim of marks, which separates those that overlap.
const RIM: f32 = 0.7;

/// Text is drawn in the font that is built in, whatever the system has.
static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_source(Source::Binary(Arc::new(epaint_default_fonts::HACK_REGULAR)));
    Options {
        fontdb: Arc::new(fonts),
        ..Options::default()
    }
});

/// A figure; its elements are painted in this order, with lengths in pixels from the
/// upper left.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rects: Vec<Rect>,
    /// Left, top, width, height.
    pub(super) frames: Vec<[f32; 4]>,
    pub(super) marks: Vec<Mark>,
    pub(super) labels: Vec<Label>,
}

/// A filled rectangle.
#[derive(Clone, Debug)]
pub(super) struct Rect {
    /// Left, top, width, height.
    pub at: [f32; 4],
    pub colour: [u8; 3],
}

/// A mark at its middle.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub at: [f32; 2],
    pub radius: f32,
    pub shape: Shape,
    pub colour: [u8; 3],
}

/// A line of text, with its upper left corner.
#[derive(Clone, Debug)]
pub(super) struct Label {
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
    fn svg(&self) -> String {
        let ([x, y], radius) = (self.at, self.radius);
        let fill = format!("fill=\"{}\"", hex(self.colour));
        if self.shape == Shape::Circle {
            return format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" {fill}/>\n");
        }
        let corners = self.shape.corners().into_iter();
        let corners =
            corners.map(|[dx, dy]| format!("{:.1},{:.1}", x + dx * radius, y + dy * radius));
        let points = corners.collect::<Vec<_>>().join(" ");
        format!("<polygon points=\"{points}\" {fill}/>\n")
    }
}

impl Canvas {
    /// The text of an SVG file.
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
        for Rect { at, colour } in &self.rects {
            rect(*at, format!("fill=\"{}\"", hex(*colour)));
        }
        for frame in &self.frames {
            rect(*frame, format!("fill=\"none\" stroke=\"{}\"", hex(LINE)));
        }
        let _ = writeln!(svg, "<g stroke=\"#fff\" stroke-width=\"{RIM}\">");
        self.marks.iter().for_each(|mark| svg += &mark.svg());
        svg += "</g>\n<g font-family=\"Hack, 'DejaVu Sans Mono', monospace\">\n";
        for label in &self.labels {
            // From the upper edge to the baseline.
            let (x, y) = (label.at[0], label.at[1] + label.height * 0.8);
            let ink = hex(if label.dim { DIM } else { INK });
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.1}\" \
                 fill=\"{ink}\">{}</text>",
                // A font's size is its height without the gap between lines.
                label.height * 0.86,
                escaped(&label.text)
            );
        }
        svg + "</g>\n</svg>\n"
    }

    /// The SVG in pixels; `None` if they are too many.
    pub fn picture(&self) -> Option<Picture> {
        let tree = Tree::from_str(&self.svg(), &OPTIONS).ok()?;
        let mut paper = Pixmap::new(self.width, self.height)?;
        resvg::render(&tree, Transform::identity(), &mut paper.as_mut());
        let pixels = paper.pixels().iter();
        Some(Picture {
            width: self.width,
            height: self.height,
            // Opaque: the paper is white.
            rgb: pixels
                .flat_map(|p| [p.red(), p.green(), p.blue()])
                .collect(),
        })
    }
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Text as XML content. Control characters, which XML does not allow, become dots.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c if c.is_control() => safe.push('·'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(words: &str) -> Canvas {
        let mark = |(nth, shape)| Mark {
            at: [20.0 + 30.0 * nth as f32, 30.0],
            radius: 8.0,
            shape,
            colour: [200, 0, 0],
        };
        Canvas {
            width: 240,
            height: 80,
            rects: vec![Rect {
                at: [200.0, 58.0, 20.0, 10.0],
                colour: [0, 200, 0],
            }],
            frames: vec![[4.5, 4.5, 230.0, 50.0]],
            marks: Shape::ALL.into_iter().enumerate().map(mark).collect(),
            labels: vec![Label {
                at: [10.0, 60.0],
                height: 14.0,
                text: words.to_owned(),
                dim: false,
            }],
        }
    }

    #[test]
    fn shapes_are_about_as_large_as_each_other_and_lie_around_their_middle() {
        let picture = canvas("").picture().expect("pixels");
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
    fn rectangles_are_filled_in_svg_and_pixels() {
        let canvas = canvas("");
        let block = "<rect x=\"200\" y=\"58\" width=\"20\" height=\"10\" fill=\"#00c800\"/>";
        assert!(canvas.svg().contains(block), "{}", canvas.svg());
        let picture = canvas.picture().expect("pixels");
        let green = picture.rgb.chunks_exact(3).filter(|p| **p == [0, 200, 0]);
        assert_eq!(green.count(), 200);
    }

    #[test]
    fn labels_are_text_in_svg_and_pixels() {
        let svg = canvas("<dog> & \"cat\"").svg();
        assert!(
            svg.contains(">&lt;dog&gt; &amp; &quot;cat&quot;</text>"),
            "{svg}"
        );
        assert_eq!(svg.matches("<polygon").count(), 6);
        assert_eq!(svg.matches("<circle").count(), 1);
        let dark = |picture: Picture| picture.rgb.iter().filter(|&&v| v < 60).count();
        let words = dark(canvas("dog").picture().expect("pixels"));
        assert!(words > dark(canvas("").picture().expect("pixels")));
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        assert_eq!(
            escaped("<script>alert('a & \"b\"')</script>\n"),
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;·"
        );
        assert_eq!(escaped("plain ä 1.wav"), "plain ä 1.wav");
    }
}
