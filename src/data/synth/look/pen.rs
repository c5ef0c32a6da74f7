//! Shapes, and the pen that paints them in a thing's style.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Shader, Stroke,
    Transform,
};

use super::style::{Ink, Style};

/// A shape; `None` where it has no size.
pub type Shape = Option<Path>;

/// Paints shapes on a layer.
pub struct Pen<'a> {
    layer: &'a mut Pixmap,
    to_layer: Transform,
    style: &'a Style,
}

impl<'a> Pen<'a> {
    /// A pen for one thing.
    pub fn new(layer: &'a mut Pixmap, to_layer: Transform, style: &'a Style) -> Self {
        Self {
            layer,
            to_layer,
            style,
        }
    }

    /// A part of the thing: filled, with an outline if the style says so.
    pub fn part(&mut self, shape: Shape, ink: Ink) {
        let Some(path) = shape else { return };
        let colour = self.style.colour(ink);
        self.fill(&path, colour);
        if self.style.outline > 0.0 {
            self.stroke(
                &path,
                self.style.colour(Ink::Dark),
                self.style.outline / 100.0,
            );
        }
    }

    /// A detail: filled with the plain ink.
    pub fn detail(&mut self, shape: Shape, ink: Ink) {
        if let Some(path) = shape {
            self.fill(&path, self.style.colour(ink));
        }
    }

    /// A part with four sides (left, top, right, bottom) and round corners.
    pub fn rect(&mut self, sides: [f32; 4], radius: f32, ink: Ink) {
        let [left, top, right, bottom] = sides;
        self.part(rounded(left, top, right, bottom, radius), ink);
    }

    /// A round part.
    pub fn disc(&mut self, x: f32, y: f32, r: f32, ink: Ink) {
        self.part(ellipse(x, y, r, r), ink);
    }

    /// A round detail.
    pub fn dot(&mut self, x: f32, y: f32, r: f32, ink: Ink) {
        self.detail(ellipse(x, y, r, r), ink);
    }

    /// A line of this width through these points.
    pub fn line(&mut self, points: &[(f32, f32)], ink: Ink, width: f32) {
        self.outline(polyline(points), ink, width);
    }

    /// A line of this width around a shape.
    pub fn outline(&mut self, shape: Shape, ink: Ink, width: f32) {
        if let Some(path) = shape {
            self.stroke(&path, self.style.colour(ink), width);
        }
    }

    /// A bar with round ends: a stick, a leg, a hand.
    pub fn bar(&mut self, points: &[(f32, f32)], ink: Ink, width: f32) {
        let line = polyline(points);
        if self.style.outline > 0.0
            && let Some(path) = &line
        {
            let around = width + 2.0 * self.style.outline / 100.0;
            self.stroke(path, self.style.colour(Ink::Dark), around);
        }
        self.outline(line, ink, width);
    }

    /// Whatever `paint` paints, moved and turned by `degrees` about the origin.
    pub fn at(&mut self, x: f32, y: f32, degrees: f32, paint: impl FnOnce(&mut Pen)) {
        let moved = self
            .to_layer
            .pre_concat(Transform::from_translate(x, y))
            .pre_concat(Transform::from_rotate(degrees));
        paint(&mut Pen::new(self.layer, moved, self.style));
    }

    /// Whatever `paint` paints, moved and made smaller.
    pub fn scaled(&mut self, x: f32, y: f32, scale: f32, paint: impl FnOnce(&mut Pen)) {
        let moved = self
            .to_layer
            .pre_concat(Transform::from_translate(x, y))
            .pre_concat(Transform::from_scale(scale, scale));
        paint(&mut Pen::new(self.layer, moved, self.style));
    }

    fn fill(&mut self, path: &Path, colour: Color) {
        let paint = Paint {
            shader: Shader::SolidColor(colour),
            anti_alias: true,
            ..Paint::default()
        };
        let rule = FillRule::Winding;
        self.layer
            .fill_path(path, &paint, rule, self.to_layer, None);
    }

    fn stroke(&mut self, path: &Path, colour: Color, width: f32) {
        let paint = Paint {
            shader: Shader::SolidColor(colour),
            anti_alias: true,
            ..Paint::default()
        };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.layer
            .stroke_path(path, &paint, &stroke, self.to_layer, None);
    }
}

/// An ellipse by its middle and half its axes.
pub fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> Shape {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// A rectangle by its sides, with round corners.
pub fn rounded(left: f32, top: f32, right: f32, bottom: f32, radius: f32) -> Shape {
    let r = radius.min((right - left) / 2.0).min((bottom - top) / 2.0);
    // A quarter of a circle as a cubic.
    let k = r * 0.4477;
    let mut path = PathBuilder::new();
    path.move_to(left + r, top);
    path.line_to(right - r, top);
    path.cubic_to(right - k, top, right, top + k, right, top + r);
    path.line_to(right, bottom - r);
    path.cubic_to(right, bottom - k, right - k, bottom, right - r, bottom);
    path.line_to(left + r, bottom);
    path.cubic_to(left + k, bottom, left, bottom - k, left, bottom - r);
    path.line_to(left, top + r);
    path.cubic_to(left, top + k, left + k, top, left + r, top);
    path.close();
    path.finish()
}

/// A shape with corners.
pub fn polygon(points: &[(f32, f32)]) -> Shape {
    let mut path = straight(points)?;
    path.close();
    path.finish()
}

/// A line with corners.
pub fn polyline(points: &[(f32, f32)]) -> Shape {
    straight(points)?.finish()
}

fn straight(points: &[(f32, f32)]) -> Option<PathBuilder> {
    let (first, rest) = points.split_first()?;
    let mut path = PathBuilder::new();
    path.move_to(first.0, first.1);
    for (x, y) in rest {
        path.line_to(*x, *y);
    }
    Some(path)
}

/// A closed shape that goes smoothly through the points (Catmull and Rom).
pub fn smooth(points: &[(f32, f32)]) -> Shape {
    let n = points.len();
    let at = |i: usize| points[i % n];
    let mut path = PathBuilder::new();
    let first = points.first()?;
    path.move_to(first.0, first.1);
    for i in 0..n {
        let (before, a, b, after) = (at(i + n - 1), at(i), at(i + 1), at(i + 2));
        path.cubic_to(
            a.0 + (b.0 - before.0) / 6.0,
            a.1 + (b.1 - before.1) / 6.0,
            b.0 - (after.0 - a.0) / 6.0,
            b.1 - (after.1 - a.1) / 6.0,
            b.0,
            b.1,
        );
    }
    path.close();
    path.finish()
}
