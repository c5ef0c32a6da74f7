//! Planes against the picture that they are.

use super::*;
use crate::features::Crop;
use crate::picture::Picture;

/// Smooth colours with some detail, as planes of full size in full range, and as RGB.
fn scene(width: u32, height: u32) -> ([Vec<u8>; 3], Picture) {
    let mut planes = [Vec::new(), Vec::new(), Vec::new()];
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let detail = if (x / 7 + y / 5) % 3 == 0 { 20.0 } else { 0.0 };
            let values = [
                60.0 + 100.0 * u + detail,
                128.0 + 30.0 * (v * 5.0).sin(),
                128.0 + 30.0 * (u * 6.0).cos(),
            ]
            .map(f32::round);
            for (plane, value) in planes.iter_mut().zip(values) {
                plane.push(value as u8);
            }
            let [y, cb, cr] = values;
            let (cb, cr) = (cb - 128.0, cr - 128.0);
            rgb.extend([
                (y + 1.402 * cr).round() as u8,
                (y - 0.344_136 * cb - 0.714_136 * cr).round() as u8,
                (y + 1.772 * cb).round() as u8,
            ]);
        }
    }
    (planes, Picture { width, height, rgb })
}

/// The mean of `across × down` values of a plane each.
fn reduced(plane: &[u8], width: usize, across: usize, down: usize) -> Vec<u8> {
    let rows: Vec<&[u8]> = plane.chunks(width).collect();
    let mut small = Vec::new();
    for rows in rows.chunks(down) {
        for x in (0..width).step_by(across) {
            let columns = x..(x + across).min(width);
            let values = rows.iter().flat_map(|row| &row[columns.clone()]);
            let (sum, n) = values.fold((0, 0), |(sum, n), &v| (sum + u32::from(v), n + 1));
            small.push((sum / n) as u8);
        }
    }
    small
}

fn differences(a: &ScaledFrame, b: &ScaledFrame) -> (f64, u8) {
    assert_eq!((a.width, a.height, a.view), (b.width, b.height, b.view));
    let off = || a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b));
    let mean = off().map(f64::from).sum::<f64>() / a.rgb.len() as f64;
    (mean, off().max().unwrap_or(0))
}

#[test]
fn planes_give_the_image_that_their_picture_gives() {
    for (width, height) in [(640, 360), (641, 361), (320, 240), (1280, 720), (90, 600)] {
        let (full, picture) = scene(width, height);
        for halved in [[false, false], [true, false], [true, true]] {
            let [across, down] = halved.map(|is| if is { 2 } else { 1 });
            let colours = [1, 2].map(|i| reduced(&full[i], width as usize, across, down));
            let stride = (width as usize).div_ceil(across);
            let planes = Planes {
                width,
                height,
                bytes: [&full[0], &colours[0], &colours[1]],
                strides: [width as usize, stride, stride],
                halved,
                cosited: [false, false],
                full_range: true,
                shares: [0.299, 0.114],
            };
            for crop in [Crop::Full, Crop::Center] {
                let mut scaler = FrameScaler::new(crop);
                let found = scaler.scale_planes(&planes).expect("whole planes");
                let (mean, most) = differences(&found, &scaler.scale(&picture));
                let case = format!("{width} × {height}, {halved:?}, {crop:?}: {mean:.2}, {most}");
                assert!(mean < 0.8 && most <= 4, "{case}");
            }
        }
    }
}

#[test]
fn colours_on_the_first_column_are_not_shifted() {
    // A step from one colour to another between two pixels: the mean place of the change is
    // the same for both ways of placing colours.
    let (width, height) = (1024_usize, 512_usize);
    let grey = vec![128; width * height];
    let edge = |cosited: bool| {
        // Column 2k, or between 2k and 2k + 1; the step is at 512.
        let value = |k: usize| match (2 * k).cmp(&512) {
            std::cmp::Ordering::Less => 100,
            // Half of what lies on the column, a quarter of each of its neighbours.
            std::cmp::Ordering::Equal if cosited => 142,
            _ => 156,
        };
        let row: Vec<u8> = (0..width / 2).map(value).collect();
        let colour = row.repeat(height / 2);
        let planes = Planes {
            width: width as u32,
            height: height as u32,
            bytes: [&grey, &colour, &grey],
            strides: [width, width / 2, width],
            halved: [true, true],
            cosited: [cosited, false],
            full_range: true,
            shares: [0.299, 0.114],
        };
        let mut scaler = FrameScaler::new(Crop::Full);
        let image = scaler.scale_planes(&planes).expect("whole planes");
        let row = &image.rgb[..image.width as usize * 3];
        row.chunks(3).map(|p| f64::from(p[2])).sum::<f64>()
    };
    let per_pixel = 56.0 * 1.772;
    let shift = (edge(true) - edge(false)) / per_pixel;
    assert!(shift.abs() < 0.2, "{shift} pixels");
}

#[test]
fn planes_that_end_early_give_no_image() {
    let short = [0; 10];
    let planes = Planes {
        width: 64,
        height: 64,
        bytes: [&short; 3],
        strides: [64, 32, 32],
        halved: [true, true],
        cosited: [false, false],
        full_range: false,
        shares: [0.2126, 0.0722],
    };
    assert_eq!(FrameScaler::new(Crop::Full).scale_planes(&planes), None);
}
