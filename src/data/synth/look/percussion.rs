//! Things that are struck or plucked: ball, bell, drum, guitar.

use std::f32::consts::TAU;

use super::Pose;
use super::pen::{Pen, ellipse, polygon, rounded, smooth};
use super::style::Ink::{Accent, Dark, Light, Main, Second};
use super::style::Variation;

/// A ball with seams, stripes, segments or dots.
pub fn ball(pen: &mut Pen, v: &Variation, _: Pose) {
    let round = ellipse(0.0, 0.0, 0.95, 0.95);
    pen.part(round.clone(), Main);
    let around = |share: f32, r: f32| {
        let (sin, cos) = (share * TAU).sin_cos();
        (r * cos, r * sin)
    };
    match v.count("pattern", 0..4) {
        0 => {
            let width = v.value("seam", 0.05..0.11);
            pen.line(&[(-0.95, 0.0), (0.95, 0.0)], Dark, width);
            pen.line(&[(0.0, -0.95), (0.0, 0.95)], Dark, width);
            for side in [-1.0, 1.0] {
                let bow = [(0.62, -0.7), (0.36, -0.3), (0.36, 0.3), (0.62, 0.7)];
                let bow: Vec<_> = bow.iter().map(|(x, y)| (x * side, *y)).collect();
                pen.line(&bow, Dark, width);
            }
        }
        1 => {
            let segments = v.count("segments", 3..5) * 2;
            for i in (0..segments).step_by(2) {
                let (from, to) = (i as f32, i as f32 + 1.0);
                let mut wedge = vec![(0.0, 0.0)];
                wedge.extend((0..=6).map(|k| {
                    around(
                        (from + (to - from) * k as f32 / 6.0) / segments as f32,
                        0.95,
                    )
                }));
                let ink = if i % 4 == 0 { Second } else { Accent };
                pen.detail(polygon(&wedge), ink);
            }
            pen.disc(0.0, 0.0, 0.14, Accent);
        }
        2 => {
            let r = v.value("patch", 0.24..0.34);
            let patch = |x: f32, y: f32, r: f32, turn: f32| {
                let corners: Vec<_> = (0..5)
                    .map(|k| around(k as f32 / 5.0 + turn, r))
                    .map(|(dx, dy)| (x + dx, y + dy))
                    .collect();
                polygon(&corners)
            };
            pen.detail(patch(0.0, 0.0, r, 0.0), Dark);
            for k in 0..5 {
                let share = k as f32 / 5.0;
                let (x, y) = around(share, 0.74);
                pen.line(&[around(share, r), (x, y)], Dark, 0.05);
                pen.detail(patch(x, y, 0.2, share + 0.5), Dark);
            }
        }
        _ => {
            let half = v.value("band", 0.15..0.35);
            let reach = (0.95_f32 * 0.95 - half * half).sqrt();
            let band: Vec<_> = (0..=8)
                .map(|k| (k as f32 / 8.0 - 0.5) * 2.0)
                .map(|s| ((0.95_f32.powi(2) - (s * half).powi(2)).sqrt(), s * half))
                .collect();
            let mut whole = band.clone();
            whole.extend(band.iter().rev().map(|(x, y)| (-x, *y)));
            pen.detail(polygon(&whole), Second);
            if v.has("star", 0.5) {
                pen.dot(0.0, 0.0, half * 0.7, Light);
            }
            pen.line(&[(-reach, half), (reach, half)], Dark, 0.03);
        }
    }
    if v.has("shine", 0.5) {
        pen.detail(ellipse(-0.38, -0.45, 0.18, 0.12), Light);
    }
}

/// A church bell, or one with a handle.
pub fn bell(pen: &mut Pen, v: &Variation, pose: Pose) {
    let swing = 18.0 * pose.strike * pose.side;
    let waist = v.value("waist", 0.42..0.6);
    let rim = v.value("rim", 0.75..0.98);
    let shoulder = v.value("shoulder", 0.28..0.45);
    let has_handle = v.has("handle", 0.4);
    pen.at(0.0, -0.6, swing, |pen| {
        let clapper = -1.6 * swing;
        pen.at(0.0, 0.3, clapper, |pen| {
            pen.disc(0.0, 1.08, 0.14, Second);
        });
        if has_handle {
            pen.rect([-0.1, -0.42, 0.1, 0.15], 0.08, Second);
        } else {
            pen.outline(ellipse(0.0, -0.16, 0.15, 0.17), Dark, 0.09);
        }
        let mut right = vec![
            (0.0, 0.0),
            (shoulder * 0.7, 0.04),
            (shoulder, 0.22),
            (waist, 0.7),
            (waist + 0.35 * (rim - waist), 1.05),
            (rim, 1.28),
        ];
        let left: Vec<_> = right.iter().skip(1).rev().map(|(x, y)| (-x, *y)).collect();
        right.push((0.0, 1.34));
        right.extend(left);
        pen.part(smooth(&right), Main);
        if v.has("bands", 0.6) {
            let y = v.value("band", 0.45..0.75);
            let half = shoulder + (waist - shoulder) * (y - 0.22) / 0.48;
            pen.line(&[(-half, y), (half, y)], Second, 0.08);
        }
        if v.has("lip", 0.7) {
            let lip = rounded(-rim, 1.2, rim, 1.36, 0.08);
            pen.part(lip, Accent);
        }
    });
}

/// A drum with a skin, rims and two sticks.
pub fn drum(pen: &mut Pen, v: &Variation, pose: Pose) {
    let half = v.value("width", 0.62..0.98);
    let foot = half * v.value("taper", 0.6..1.05);
    let bow = half * v.value("tilt", 0.18..0.36);
    let top = v.value("top", -0.45..-0.15);
    let bottom = v.value("bottom", 0.35..0.95) - bow * 0.6;
    pen.detail(ellipse(0.0, bottom, foot, bow), Main);
    let shell = [(-half, top), (half, top), (foot, bottom), (-foot, bottom)];
    pen.part(polygon(&shell), Main);
    let rim_y = |x: f32, y: f32, r: f32| y + bow * (1.0 - (x / r).powi(2)).max(0.0).sqrt();
    let columns = v.count("columns", 4..8);
    let laced = v.has("laced", 0.5);
    let along: Vec<_> = (0..=columns)
        .map(|i| 2.0 * i as f32 / columns as f32 - 1.0)
        .enumerate()
        .map(|(i, s)| {
            if laced && i % 2 == 1 {
                (s * foot, rim_y(s * foot, bottom, foot))
            } else {
                (s * half, rim_y(s * half, top, half))
            }
        })
        .collect();
    if laced {
        pen.line(&along, Light, 0.05);
    } else {
        for s in along.iter().map(|(x, _)| x / half) {
            let bar = [
                (s * half, rim_y(s * half, top, half)),
                (s * foot, rim_y(s * foot, bottom, foot)),
            ];
            pen.line(&bar, Second, 0.05);
        }
    }
    let lower: Vec<_> = (0..=10)
        .map(|i| foot * (i as f32 / 5.0 - 1.0))
        .map(|x| (x, rim_y(x, bottom, foot)))
        .collect();
    pen.line(&lower, Accent, v.value("rim", 0.06..0.14));
    pen.part(ellipse(0.0, top, half, bow), Light);
    pen.outline(
        ellipse(0.0, top, half, bow),
        Accent,
        v.value("rim", 0.06..0.14),
    );
    if v.has("sticks", 0.8) {
        for side in [-1.0, 1.0] {
            let struck = if side == pose.side { pose.strike } else { 0.0 };
            let lift = 34.0 * (1.0 - struck);
            pen.at(side * 0.12, top + bow * 0.25, side * (20.0 - lift), |pen| {
                let far = (side * 0.78, -0.42);
                pen.bar(&[(0.0, 0.0), far], Second, 0.07);
                pen.disc(0.0, 0.0, 0.08, Second);
            });
        }
    }
}

/// A guitar, upright: body with a waist, neck, head, strings.
pub fn guitar(pen: &mut Pen, v: &Variation, pose: Pose) {
    let (low, high) = (v.value("lower", 0.42..0.6), v.value("upper", 0.3..0.45));
    let waist = high * v.value("waist", 0.6..0.9);
    let electric = v.has("electric", 0.4);
    let head_half = v.value("head", 0.09..0.14);
    pen.rect([-head_half, -1.05, head_half, -0.74], 0.04, Second);
    for i in 0..3 {
        let y = -1.0 + 0.1 * i as f32;
        for side in [-1.0, 1.0] {
            pen.detail(ellipse(side * (head_half + 0.04), y, 0.045, 0.035), Light);
        }
    }
    let mut right = vec![
        (0.1, 0.02),
        (high, 0.08),
        (high * 0.98, 0.26),
        (waist, 0.42),
        (low, 0.7),
        (low * 0.72, 0.98),
    ];
    if electric {
        right[0] = (0.12, 0.16);
        right[1] = (high, v.value("horn", -0.14..0.04));
    }
    let left: Vec<_> = right.iter().rev().map(|(x, y)| (-x, *y)).collect();
    right.push((0.0, 1.02));
    right.extend(left);
    pen.part(smooth(&right), Main);
    let bridge = v.value("bridge", 0.72..0.82);
    if electric {
        for y in [0.4, 0.56] {
            pen.rect([-0.17, y, 0.17, y + 0.09], 0.03, Dark);
        }
    } else {
        let hole = v.value("hole", 0.13..0.2);
        pen.dot(0.0, 0.38, hole * 1.25, Accent);
        pen.dot(0.0, 0.38, hole, Dark);
    }
    pen.rect([-0.07, -0.76, 0.07, 0.24], 0.01, Second);
    for i in 0..7 {
        let y = -0.7 + 0.125 * i as f32;
        pen.line(&[(-0.07, y), (0.07, y)], Light, 0.015);
    }
    pen.rect([-0.2, bridge, 0.2, bridge + 0.07], 0.02, Second);
    let shake = 0.03 * pose.strike * pose.side;
    for i in 0..4 {
        let x = -0.045 + 0.03 * i as f32;
        let string = [(x, -0.95), (x + shake, 0.2), (x, bridge + 0.03)];
        pen.line(&string, Light, 0.012);
    }
}
