//! Creatures and weather: bird, mouth, rain cloud.

use std::f32::consts::TAU;

use super::Pose;
use super::pen::{Pen, ellipse, polygon, rounded, smooth};
use super::style::Ink::{Accent, Dark, Light, Main, Second};
use super::style::Variation;

/// A bird from its side: body, head, beak, wing, tail, legs.
pub fn bird(pen: &mut Pen, v: &Variation, pose: Pose) {
    let fat = v.value("fat", 0.36..0.58);
    let head = v.value("head", 0.22..0.34);
    let neck = v.value("neck", 0.0..0.3);
    let tail = v.value("tail", 0.25..0.5);
    let (hx, hy) = (0.46, -0.34 - neck - 0.04 * pose.strike);
    let legs = v.value("legs", 0.12..0.35);
    for x in [-0.08, 0.14] {
        let foot = fat + 0.05 + legs;
        pen.line(&[(x, fat * 0.7), (x, foot), (x + 0.13, foot)], Accent, 0.06);
    }
    let up = v.value("tail up", -0.45..0.2);
    let fan = [
        (-0.35, -0.1),
        (-0.6 - tail, up - 0.12),
        (-0.62 - tail, up + 0.14),
        (-0.3, 0.22),
    ];
    pen.part(polygon(&fan), Second);
    let body = [
        (hx - 0.1, hy + 0.1),
        (0.56, 0.05),
        (0.3, fat * 0.95),
        (-0.2, fat),
        (-0.6, 0.16),
        (-0.4, -0.2),
        (0.05, -0.28),
    ];
    pen.part(smooth(&body), Main);
    let open = 5.0 + 24.0 * pose.strike;
    let beak = v.value("beak", 0.2..0.42);
    for side in [-1.0, 1.0] {
        pen.at(hx + head * 0.75, hy, side * open * 0.5, |pen| {
            let half = [
                (0.0, 0.0),
                (beak.min(0.98 - hx - head * 0.75), 0.0),
                (0.0, side * 0.12),
            ];
            pen.part(polygon(&half), Accent);
        });
    }
    if v.has("crest", 0.35) {
        for i in 0..3 {
            let x = hx - 0.12 + 0.1 * i as f32;
            let top = (hy - head - 0.16).max(-1.05);
            pen.bar(&[(x, hy - head * 0.7), (x - 0.07, top)], Second, 0.06);
        }
    }
    pen.disc(hx, hy, head, Main);
    let eye = v.value("eye", 0.05..0.09);
    pen.dot(hx + 0.09, hy - 0.07, eye * 1.5, Light);
    pen.dot(hx + 0.11, hy - 0.07, eye, Dark);
    if v.has("breast", 0.5) {
        pen.detail(ellipse(0.28, 0.2, 0.2, fat * 0.45), Light);
    }
    let lift = -16.0 * pose.strike;
    pen.at(0.12, -0.02, lift, |pen| {
        let span = v.value("wing", 0.45..0.7);
        let wing = [
            (0.05, -0.08),
            (-0.2, -0.12),
            (-span, 0.12),
            (-0.3, 0.26),
            (0.02, 0.2),
        ];
        pen.part(smooth(&wing), Second);
    });
}

/// A cloud of some bulges, with rain below.
pub fn cloud(pen: &mut Pen, v: &Variation, pose: Pose) {
    let bulges = v.count("bulges", 3..6);
    let base = v.value("base", 0.0..0.15);
    let drops = v.count("drops", 4..9);
    let long = v.value("long", 0.1..0.24);
    let lean = v.value("lean", -0.12..0.05);
    let round = v.has("round drops", 0.4);
    for i in 0..drops {
        let x = 1.5 * ((i as f32 + 0.5) / drops as f32 - 0.5);
        let fall = (pose.turn + v.value(&format!("drop {i}"), 0.0..1.0)).fract();
        let y = base + 0.12 + fall * (0.86 - base - long);
        let x = x + lean * fall;
        if round {
            let r = 0.4 * long;
            let drop = [
                (x, y),
                (x + r, y + 1.6 * r),
                (x, y + 2.4 * r),
                (x - r, y + 1.6 * r),
            ];
            pen.part(smooth(&drop), Second);
        } else {
            pen.bar(&[(x, y), (x + 0.3 * lean, y + long)], Second, 0.065);
        }
    }
    let bolt = v.has("bolt", 0.25);
    if bolt {
        let bolt = [
            (0.05, base),
            (-0.2, base + 0.42),
            (0.0, base + 0.4),
            (-0.12, base + 0.8),
            (0.26, base + 0.26),
            (0.06, base + 0.28),
            (0.25, base),
        ];
        pen.part(polygon(&bolt), Accent);
    }
    // Outlines of all bulges first, so that none is seen inside the cloud.
    let bulge = |i: usize| {
        let share = (i as f32 + 0.5) / bulges as f32;
        let r = 0.24 + 0.18 * (share * TAU / 2.0).sin() * v.value("height", 0.6..1.3);
        let r = r * v.value(&format!("bulge {i}"), 0.85..1.15);
        (1.3 * (share - 0.5), base - r * 0.85, r)
    };
    for i in 0..bulges {
        let (x, y, r) = bulge(i);
        pen.disc(x, y, r, Main);
    }
    let (left, right) = (bulge(0), bulge(bulges - 1));
    let floor = rounded(
        left.0 - left.2,
        base - 0.3,
        right.0 + right.2,
        base + 0.06,
        0.18,
    );
    pen.part(floor, Main);
    for i in 0..bulges {
        let (x, y, r) = bulge(i);
        pen.dot(x, y, r * 0.97, Main);
    }
    if v.has("light", 0.5) {
        let (x, y, r) = bulge(bulges / 2);
        pen.detail(ellipse(x - 0.2 * r, y - 0.3 * r, 0.4 * r, 0.25 * r), Light);
    }
}

/// A mouth that opens, on its own or in a face.
pub fn mouth(pen: &mut Pen, v: &Variation, pose: Pose) {
    if !v.has("face", 0.45) {
        return lips(pen, v, pose);
    }
    let wide = v.value("face wide", 0.75..0.95);
    if v.has("hair", 0.6) {
        pen.part(ellipse(0.0, -0.2, wide, 0.78), Dark);
    }
    for side in [-1.0, 1.0] {
        if v.has("ears", 0.5) {
            pen.part(ellipse(side * wide * 0.9, 0.0, 0.14, 0.2), Main);
        }
    }
    pen.part(ellipse(0.0, 0.04, wide * 0.88, 0.9), Main);
    let eye = v.value("eye", 0.08..0.16);
    let apart = v.value("apart", 0.26..0.4);
    for side in [-1.0, 1.0] {
        pen.detail(ellipse(side * apart, -0.28, eye * 1.2, eye), Light);
        pen.detail(ellipse(side * apart, -0.28, eye * 0.5, eye * 0.6), Dark);
        let brow = [
            (side * (apart - 0.13), -0.47),
            (side * (apart + 0.14), -0.45),
        ];
        pen.line(&brow, Dark, v.value("brow", 0.03..0.08));
    }
    if v.has("nose", 0.7) {
        pen.line(&[(0.0, -0.18), (0.08, 0.1), (-0.04, 0.12)], Dark, 0.04);
    }
    // The lips at half their size, in the lower half of the face.
    pen.scaled(0.0, 0.46, 0.52, |pen| lips(pen, v, pose));
}

fn lips(pen: &mut Pen, v: &Variation, pose: Pose) {
    let thick = v.value("thick", 0.1..0.26);
    let smile = v.value("smile", -0.12..0.18);
    let open = 0.06 + v.value("open", 0.2..0.5) * pose.strike;
    let wide = 0.95 - 0.18 * pose.strike;
    let dip = v.value("dip", 0.02..0.12);
    let outer = [
        (-wide, -smile),
        (-0.5 * wide, -open - thick * 0.9),
        (-0.14, -open - thick * 1.1),
        (0.0, -open - thick * 1.1 + dip),
        (0.14, -open - thick * 1.1),
        (0.5 * wide, -open - thick * 0.9),
        (wide, -smile),
        (0.5 * wide, open + thick * 1.2),
        (0.0, open + thick * 1.6),
        (-0.5 * wide, open + thick * 1.2),
    ];
    pen.part(smooth(&outer), Second);
    let inner = [
        (-0.8 * wide, -smile * 0.8),
        (-0.4 * wide, -open),
        (0.0, -open + dip * 0.5),
        (0.4 * wide, -open),
        (0.8 * wide, -smile * 0.8),
        (0.4 * wide, open),
        (0.0, open * 1.2),
        (-0.4 * wide, open),
    ];
    pen.part(smooth(&inner), Dark);
    if open > 0.15 {
        if v.has("teeth", 0.8) {
            let teeth = rounded(-0.42 * wide, -open + 0.02, 0.42 * wide, -open * 0.45, 0.06);
            pen.detail(teeth, Light);
        }
        if v.has("tongue", 0.7) {
            pen.detail(ellipse(0.0, open * 0.7, 0.35 * wide, open * 0.4), Accent);
        }
    }
}
