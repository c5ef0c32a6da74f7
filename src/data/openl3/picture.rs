//! Pictures as OpenL3 prepares them.
//!
//! Not those of [`FrameScaler`](crate::features::FrameScaler): they are not smoothed before
//! they are made smaller, and stay fractions.

use crate::picture::Picture;

/// Width and height of a prepared picture.
pub const SIDE: usize = 224;
/// The short side that pictures are scaled to.
const SHORT_SIDE: f64 = 256.0;

/// The range of a prepared picture's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureRange {
    /// As OpenL3's code has it: -1 to 1 for a picture of 224 × 224, 0 to 1 for any other. A
    /// picture that is cropped and not scaled is divided by its greatest value.
    #[default]
    OpenL3,
    /// -1 to 1 for every picture: what OpenL3 documents, and its network was trained on.
    Trained,
}

/// The middle 224 × 224 of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedPicture {
    /// `224 × 224 × 3` values, rows from the top.
    pub values: Vec<f32>,
}

/// Scales the short side to 256, if it is longer, and takes the middle 224 × 224.
///
/// # Errors
/// If a side is shorter than 224 pixels.
pub fn prepare(picture: &Picture, range: PictureRange) -> Result<PreparedPicture, String> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let short = width.min(height);
    if short < SIDE {
        return Err(format!(
            "is {width} × {height}; OpenL3 takes pictures of 224 × 224 at least: enlarge it"
        ));
    }
    let is_scaled = short as f64 > SHORT_SIDE;
    let values = match is_scaled {
        true => middle_of_scaled(picture),
        false => {
            let (left, top) = (width / 2 - SIDE / 2, height / 2 - SIDE / 2);
            let rows = (top..top + SIDE).flat_map(|y| {
                let start = (y * width + left) * 3;
                &picture.rgb[start..start + SIDE * 3]
            });
            rows.map(|&value| f64::from(value)).collect()
        }
    };
    let is_whole = (width, height) == (SIDE, SIDE);
    let greatest = match is_scaled {
        true => 255.0,
        // Values up to 1 are left as they are.
        false => values.iter().copied().fold(0.0, f64::max).max(1.0),
    };
    let in_range = |value: f64| match range {
        PictureRange::OpenL3 if !is_whole => value / greatest,
        PictureRange::OpenL3 | PictureRange::Trained => 2.0 * value / 255.0 - 1.0,
    };
    let values = values.into_iter().map(|value| in_range(value) as f32);
    Ok(PreparedPicture {
        values: values.collect(),
    })
}

/// A frame of a video, whatever its size: the short side becomes 256. OpenL3 makes every
/// frame 256 × 256, which distorts all but square ones; here the aspect is kept.
pub fn prepare_frame(picture: &Picture, range: PictureRange) -> PreparedPicture {
    let values = middle_of_scaled(picture).into_iter();
    let values = values.map(|value| match range {
        PictureRange::OpenL3 => (value / 255.0) as f32,
        PictureRange::Trained => (value / 127.5 - 1.0) as f32,
    });
    PreparedPicture {
        values: values.collect(),
    }
}

/// The middle of the picture with its short side scaled to 256, bilinear between the
/// centres of pixels (scikit-image's `rescale` without anti-aliasing); 0 to 255.
fn middle_of_scaled(picture: &Picture) -> Vec<f64> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let scale = SHORT_SIDE / width.min(height) as f64;
    // Half goes to the even number, as numpy rounds.
    let scaled = |side: usize| (side as f64 * scale).round_ties_even() as usize;
    let taps = |side: usize| -> Vec<(usize, usize, f64)> {
        let new = scaled(side);
        let first = new / 2 - SIDE / 2;
        let tap = |place: usize| {
            let at = (place as f64 + 0.5) * side as f64 / new as f64 - 0.5;
            let at = at.clamp(0.0, (side - 1) as f64);
            let below = at as usize;
            (below, (below + 1).min(side - 1), at.fract())
        };
        (first..first + SIDE).map(tap).collect()
    };
    let (columns, rows) = (taps(width), taps(height));
    let mut values = Vec::with_capacity(SIDE * SIDE * 3);
    for &(above, below, down) in &rows {
        for &(left, right, along) in &columns {
            for channel in 0..3 {
                let at = |x: usize, y: usize| f64::from(picture.rgb[(y * width + x) * 3 + channel]);
                let upper = at(left, above) * (1.0 - along) + at(right, above) * along;
                let lower = at(left, below) * (1.0 - along) + at(right, below) * along;
                values.push(upper * (1.0 - down) + lower * down);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_openl3s_own_or_what_it_documents() {
        let grey = |side| Picture::filled(side, side + 8, [102, 51, 255]);
        let first = |picture: &Picture, range| {
            let prepared = prepare(picture, range).expect("large enough").values;
            assert_eq!(prepared.len(), SIDE * SIDE * 3);
            [prepared[0], prepared[1], prepared[2]]
        };
        for side in [224, 240, 400] {
            assert_eq!(first(&grey(side), PictureRange::OpenL3), [0.4, 0.2, 1.0]);
            let trained = first(&grey(side), PictureRange::Trained);
            for (found, expected) in trained.iter().zip([-0.2, -0.6, 1.0]) {
                assert!((found - expected).abs() < 1e-6, "{found}");
            }
        }
        let whole = Picture::filled(224, 224, [0, 255, 0]);
        assert_eq!(first(&whole, PictureRange::OpenL3), [-1.0, 1.0, -1.0]);
        // The greatest value of the crop counts as 1.
        let dark = Picture::filled(230, 230, [10, 5, 0]);
        assert_eq!(first(&dark, PictureRange::OpenL3), [1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let (width, height) = (512, 768);
        let rgb = (0..width * height)
            .flat_map(|i| [(i % width / 4) as u8, (i / width / 4) as u8, 7])
            .collect();
        let picture = Picture { width, height, rgb };
        let values = prepare_frame(&picture, PictureRange::OpenL3).values;
        let at = |x: usize, y: usize, channel: usize| values[(y * SIDE + x) * 3 + channel] * 255.0;
        // 512 × 768 becomes 256 × 384: a step of 0.5 a pixel from the crop's corner on.
        assert!((at(100, 0, 0) - (16.0 + 100.0 + 0.25) / 2.0).abs() < 0.3);
        assert!((at(0, 100, 1) - (80.0 + 100.0 + 0.25) / 2.0).abs() < 0.3);
    }

    #[test]
    fn small_pictures_are_refused_with_their_size() {
        let error = prepare(&Picture::filled(223, 400, [0; 3]), PictureRange::default());
        assert!(error.expect_err("too small").contains("223 × 400"));
        let frame = prepare_frame(&Picture::filled(16, 9, [8; 3]), PictureRange::Trained);
        assert_eq!(frame.values.len(), SIDE * SIDE * 3);
    }
}
