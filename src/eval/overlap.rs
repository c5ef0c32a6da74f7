//! How well a heatmap covers boxes of annotators or a generator: consensus
//! intersection over union (Senocak et al., "Learning to Localize Sound Source in
//! Visual Scenes", 2018), the score of VGG-SS and Flickr-SoundNet.
//!
//! `cIoU = Σ_{map} g / (Σ g + Σ_{map, g = 0} 1)`, where `g` is the number of boxes at a
//! point over the votes that it needs, at most 1, and the map is where the heatmap is
//! above the middle between its lowest and highest value. Sums are over a grid of points.

use crate::features::Viewport;
use crate::result::Heatmap;

/// A rectangle: left, top, right, bottom, 0 to 1 from the picture's top left.
pub type Bounds = [f32; 4];

/// Points of the grid along each side of the picture.
const GRID: usize = 64;
/// Thresholds of the success curve: 0, 0.05, … 1.
const STEPS: usize = 20;

/// Whether a point lies in a box.
pub fn is_in([x, y]: [f32; 2], [left, top, right, bottom]: Bounds) -> bool {
    (left..=right).contains(&x) && (top..=bottom).contains(&y)
}

/// Share of the picture in a box, without what lies outside of the picture.
pub fn area(bounds: Bounds) -> f64 {
    let [left, top, right, bottom] = bounds.map(|edge| f64::from(edge.clamp(0.0, 1.0)));
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// A boxed source: one or several boxes, of which `votes` make a point certain (1 if
/// every box is true, 2 if annotators must agree).
#[derive(Clone, Debug, PartialEq)]
pub struct Boxed {
    /// The boxes.
    pub boxes: Vec<Bounds>,
    /// Boxes that make a point certain.
    pub votes: u32,
}

impl Boxed {
    /// Whether a point lies in any box.
    pub fn holds(&self, point: [f32; 2]) -> bool {
        self.boxes.iter().any(|&b| is_in(point, b))
    }

    /// Share of the picture that is in any box.
    pub fn area(&self) -> f64 {
        // All points between two consecutive edges are in the same boxes.
        let edges = |from: usize, to: usize| {
            let ends = self.boxes.iter().flat_map(|b| [b[from], b[to]]);
            let mut ends: Vec<f32> = ends.map(|end| end.clamp(0.0, 1.0)).collect();
            ends.sort_by(f32::total_cmp);
            ends
        };
        let (across, down) = (edges(0, 2), edges(1, 3));
        let mut sum = 0.0;
        for x in across.windows(2) {
            for y in down.windows(2) {
                if self.holds([f32::midpoint(x[0], x[1]), f32::midpoint(y[0], y[1])]) {
                    sum += area([x[0], y[0], x[1], y[1]]);
                }
            }
        }
        sum
    }

    fn weight(&self, point: [f32; 2]) -> f64 {
        let count = self.boxes.iter().filter(|&&b| is_in(point, b)).count();
        (count as f64 / f64::from(self.votes.max(1))).min(1.0)
    }

    /// cIoU with the points where `is_shown`.
    pub fn overlap(&self, is_shown: impl Fn([f32; 2]) -> bool) -> f64 {
        let (mut shared, mut wanted, mut outside) = (0.0, 0.0, 0.0);
        for row in 0..GRID {
            for col in 0..GRID {
                let at = |i: usize| (i as f32 + 0.5) / GRID as f32;
                let point = [at(col), at(row)];
                let weight = self.weight(point);
                wanted += weight;
                if is_shown(point) {
                    shared += weight;
                    outside += if weight == 0.0 { 1.0 } else { 0.0 };
                }
            }
        }
        if wanted + outside > 0.0 {
            shared / (wanted + outside)
        } else {
            0.0
        }
    }

    /// cIoU with a heatmap.
    pub fn overlap_with(&self, map: &Heatmap, view: &Viewport) -> f64 {
        let values = || map.values.iter().copied();
        let high = values().fold(f32::NEG_INFINITY, f32::max);
        let low = values().fold(f32::INFINITY, f32::min);
        if !(high > low && high > 0.0) {
            return 0.0; // flat, or nowhere above zero: it points nowhere
        }
        let half = low + (high - low) / 2.0;
        let [left, top, right, bottom] = view.under_map(map.rows, map.cols);
        self.overlap(|[x, y]| {
            let cell = |at: f32, from: f32, to: f32, cells: u32| {
                let place = (at - from) / (to - from) * cells as f32;
                (0.0..cells as f32).contains(&place).then_some(place as u32)
            };
            let row = cell(y, top, bottom, map.rows);
            let col = cell(x, left, right, map.cols);
            row.zip(col)
                .is_some_and(|(row, col)| map.values[(row * map.cols + col) as usize] >= half)
        })
    }
}

/// Share of overlaps of at least one half.
pub fn success(overlaps: &[f64]) -> f64 {
    share_from(overlaps, 0.5)
}

/// Area under the share of overlaps that reach each of 0, 0.05, … 1.
pub fn area_under_successes(overlaps: &[f64]) -> f64 {
    let at = |step: usize| share_from(overlaps, step as f64 / STEPS as f64);
    let strips = (0..STEPS).map(|step| (at(step) + at(step + 1)) / 2.0);
    strips.sum::<f64>() / STEPS as f64
}

fn share_from(overlaps: &[f64], min: f64) -> f64 {
    // Tolerates rounding where an overlap equals the threshold.
    let reached = overlaps.iter().filter(|&&o| o >= min - 1e-9).count();
    reached as f64 / overlaps.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Bounds = [0.0, 0.0, 0.5, 1.0];
    const RIGHT: Bounds = [0.5, 0.0, 1.0, 1.0];

    fn boxed(boxes: &[Bounds], votes: u32) -> Boxed {
        Boxed {
            boxes: boxes.to_vec(),
            votes,
        }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let left = boxed(&[LEFT], 1);
        assert_eq!(left.overlap(|[x, _]| x < 0.5), 1.0);
        assert_eq!(left.overlap(|_| true), 0.5);
        assert_eq!(left.overlap(|[x, _]| x > 0.5), 0.0);
        assert_eq!(left.overlap(|_| false), 0.0);
        // The left half against the upper half: a quarter of three.
        assert!((left.overlap(|[_, y]| y < 0.5) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn annotators_must_agree() {
        // Two say left, one says right: right counts half.
        let three = boxed(&[LEFT, LEFT, RIGHT], 2);
        assert!((three.overlap(|[x, _]| x < 0.5) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(three.overlap(|_| true), 1.0);
        assert!(three.holds([0.9, 0.5]));
    }

    #[test]
    fn a_map_shows_what_is_over_half_of_its_range() {
        let map = Heatmap {
            rows: 2,
            cols: 2,
            values: vec![0.0, 3.0, 1.4, 2.0],
        };
        let view = Viewport::whole(32, 32);
        let right = boxed(&[RIGHT], 1);
        assert_eq!(right.overlap_with(&map, &view), 1.0);
        let flat = Heatmap {
            values: vec![1.0; 4],
            ..map
        };
        assert_eq!(right.overlap_with(&flat, &view), 0.0);
    }

    #[test]
    fn successes_are_counted_at_a_half_and_summed_up() {
        assert_eq!(success(&[0.5, 0.49, 1.0, 0.0]), 0.5);
        assert!((area_under_successes(&[1.0, 1.0]) - 1.0).abs() < 1e-9);
        // Reached up to 0.5, then not: half of the area, and half a step more.
        assert!((area_under_successes(&[0.5]) - 0.525).abs() < 1e-9);
        // Anything reaches 0.
        assert!((area_under_successes(&[0.0]) - 0.025).abs() < 1e-9);
    }

    #[test]
    fn boxes_cover_a_place_once_and_nothing_outside_the_picture() {
        let area = |boxes: &[Bounds]| boxed(boxes, 2).area();
        assert!((area(&[[0.5, 0.5, 1.5, 1.0]]) - 0.25).abs() < 1e-6);
        assert!((area(&[[-1.0, 0.25, 0.5, 0.75]]) - 0.25).abs() < 1e-6);
        assert_eq!(area(&[[1.1, 0.0, 1.2, 1.0]]), 0.0);
        assert_eq!(area(&[LEFT, LEFT]), 0.5);
        assert_eq!(area(&[LEFT, RIGHT]), 1.0);
        // The left half and the upper half.
        assert!((area(&[LEFT, [0.0, 0.0, 1.0, 0.5]]) - 0.75).abs() < 1e-9);
    }
}
