//! Machines: car, clock, fan, kettle, siren.

use std::f32::consts::TAU;

use super::Pose;
use super::pen::{Pen, ellipse, polygon, rounded, smooth};
use super::style::Ink::{Accent, Dark, Light, Main, Second};
use super::style::Variation;

fn on_circle(turn: f32, r: f32) -> (f32, f32) {
    let (sin, cos) = (turn * TAU).sin_cos();
    (r * sin, -r * cos)
}

/// A car from its side: body, cabin, windows, wheels.
pub fn car(pen: &mut Pen, v: &Variation, pose: Pose) {
    let bump = 0.03 * pose.strike;
    let belt = v.value("belt", -0.12..0.1) - bump;
    let roof = v.value("roof", -0.62..-0.4) - bump;
    let wheel = v.value("wheel", 0.2..0.29);
    let floor = 0.42 - bump;
    let van = v.has("van", 0.3);
    let (rear, front) = if van {
        (-0.92, v.value("front", 0.45..0.7))
    } else {
        (v.value("rear", -0.75..-0.45), v.value("front", 0.2..0.5))
    };
    let slope = v.value("slope", 0.1..0.3);
    let cabin = [
        (rear, belt + 0.05),
        (rear + if van { 0.04 } else { slope }, roof),
        (front - slope, roof),
        (front, belt + 0.05),
    ];
    pen.part(polygon(&cabin), Main);
    let round = v.value("round", 0.05..0.2);
    pen.rect([-0.98, belt, 0.98, floor], round, Main);
    let glass_top = roof + 0.09;
    let middle = v.value("pillar", -0.3..0.05);
    for (from, to) in [
        (rear + slope, middle - 0.04),
        (middle + 0.04, front - slope),
    ] {
        let glass = [
            (from - 0.02, belt),
            (from + 0.05, glass_top),
            (to, glass_top),
            (to + 0.8 * slope * f32::from(u8::from(to > middle)), belt),
        ];
        if to > from + 0.08 {
            pen.detail(polygon(&glass), Light);
        }
    }
    if v.has("stripe", 0.4) {
        let y = belt + 0.18;
        pen.line(&[(-0.96, y), (0.96, y)], Second, 0.06);
    }
    pen.detail(ellipse(0.92, belt + 0.13, 0.07, 0.08), Accent);
    pen.detail(rounded(-0.99, belt + 0.08, -0.9, belt + 0.2, 0.02), Accent);
    let axles = [
        v.value("back axle", -0.65..-0.5),
        v.value("front axle", 0.48..0.64),
    ];
    for x in axles {
        pen.disc(x, 0.44, wheel, Dark);
        pen.dot(x, 0.44, wheel * 0.55, Light);
        for spoke in 0..3 {
            let (dx, dy) = on_circle(pose.turn + spoke as f32 / 6.0, wheel * 0.5);
            let ends = [(x - dx, 0.44 - dy), (x + dx, 0.44 + dy)];
            pen.line(&ends, Dark, 0.035);
        }
    }
    if pose.strike > 0.3 {
        let size = 0.1 * pose.strike;
        pen.detail(ellipse(-1.0, 0.36, size, size * 0.8), Light);
    }
}

/// A clock: face, marks, hands; some have the bells and feet of an alarm clock.
pub fn clock(pen: &mut Pen, v: &Variation, pose: Pose) {
    let alarm = v.has("alarm", 0.35);
    let (y, r) = if alarm { (0.08, 0.78) } else { (0.0, 0.97) };
    if alarm {
        for side in [-1.0, 1.0] {
            pen.bar(&[(side * 0.35, 0.6), (side * 0.56, 0.98)], Second, 0.13);
            pen.at(side * 0.46, -0.68, side * 32.0, |pen| {
                pen.part(ellipse(0.0, 0.0, 0.33, 0.22), Second);
            });
        }
        pen.bar(
            &[(0.0, -0.7), (0.07 * pose.side * pose.strike, -0.95)],
            Second,
            0.07,
        );
    }
    let rim = v.value("rim", 0.08..0.2);
    let square = !alarm && v.has("square", 0.3);
    let face = |r: f32| {
        if square {
            rounded(-r, y - r, r, y + r, r * v.value("corner", 0.02..0.5))
        } else {
            ellipse(0.0, y, r, r)
        }
    };
    pen.part(face(r), Main);
    pen.part(face(r - rim), Light);
    let face_r = r - rim;
    let marks = if v.has("twelve", 0.6) { 12 } else { 4 };
    let long = v.value("mark", 0.08..0.2) * face_r;
    for i in 0..marks {
        let turn = i as f32 / marks as f32;
        let (ax, ay) = on_circle(turn, face_r * 0.9);
        let (bx, by) = on_circle(turn, face_r * 0.9 - long);
        pen.line(&[(ax, y + ay), (bx, y + by)], Dark, 0.05);
    }
    let width = v.value("hand", 0.05..0.12);
    let minute = v.value("minute", 0.0..1.0);
    let hour = v.value("hour", 0.0..1.0);
    for (turn, length, width) in [(hour, 0.5, width * 1.2), (minute, 0.78, width)] {
        let (hx, hy) = on_circle(turn, face_r * length);
        pen.line(&[(0.0, y), (hx, y + hy)], Dark, width);
    }
    if v.has("second hand", 0.7) {
        let (hx, hy) = on_circle((pose.turn * 12.0).floor() / 60.0, face_r * 0.82);
        pen.line(&[(-0.2 * hx, y - 0.2 * hy), (hx, y + hy)], Accent, 0.035);
    }
    pen.dot(0.0, y, width, Accent);
}

/// A fan: blades, with or without cage, on a foot or in a square frame.
pub fn fan(pen: &mut Pen, v: &Variation, pose: Pose) {
    let build = v.count("build", 0..3);
    let (y, r) = if build == 0 {
        (-0.22, 0.76)
    } else {
        (0.0, 0.95)
    };
    match build {
        0 => {
            pen.bar(
                &[(0.0, 0.2), (0.0, 0.92)],
                Second,
                v.value("pole", 0.08..0.18),
            );
            let foot = v.value("foot", 0.3..0.6);
            pen.rect([-foot, 0.86, foot, 1.02], 0.08, Second);
        }
        1 => {
            pen.rect([-0.98, -0.98, 0.98, 0.98], 0.12, Second);
            pen.dot(0.0, 0.0, 0.92, Dark);
            for (x, y) in [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)] {
                pen.dot(x, y, 0.06, Light);
            }
        }
        _ => {}
    }
    let blades = v.count("blades", 3..7);
    let wide = v.value("wide", 0.35..0.8) * 3.0 / blades as f32;
    let lean = v.value("lean", -0.3..0.3);
    let length = r * 0.9;
    for i in 0..blades {
        let degrees = 360.0 * (pose.turn + i as f32 / blades as f32);
        pen.at(0.0, y, degrees, |pen| {
            let blade = [
                (0.0, -0.1 * length),
                (0.5 * wide * length, -0.45 * length),
                ((0.5 * wide + lean) * length, -0.88 * length),
                (lean * length, -length),
                ((lean - 0.45 * wide) * length, -0.85 * length),
                (-0.2 * wide * length, -0.4 * length),
            ];
            let blade = blade.map(|(x, y)| {
                let out = (x * x + y * y).sqrt() / length;
                (x / out.max(1.0), y / out.max(1.0))
            });
            pen.part(smooth(&blade), Main);
        });
    }
    let hub = v.value("hub", 0.12..0.24) * r;
    pen.disc(0.0, y, hub, Accent);
    if build == 0 || (build == 2 && v.has("cage", 0.5)) {
        let rings = v.count("rings", 1..4);
        for i in 0..=rings {
            let ring = r * (1.0 - 0.6 * i as f32 / (rings + 1) as f32);
            let width = if i == 0 { 0.06 } else { 0.025 };
            pen.outline(ellipse(0.0, y, ring, ring), Dark, width);
        }
        let wires = v.count("wires", 0..5) * 3;
        for i in 0..wires {
            let (x, dy) = on_circle(i as f32 / wires as f32, r);
            pen.line(&[(0.0, y), (x, y + dy)], Dark, 0.02);
        }
    }
}

/// A kettle: belly, spout, lid, handle, steam.
pub fn kettle(pen: &mut Pen, v: &Variation, pose: Pose) {
    let (top, bottom) = (v.value("top", 0.32..0.55), v.value("bottom", 0.55..0.78));
    let shoulder = v.value("shoulder", -0.25..0.0);
    let arch = v.has("arch", 0.6);
    if arch {
        let height = v.value("height", -0.85..-0.65);
        let bow = [
            (-top, shoulder + 0.05),
            (-top * 0.95, height + 0.18),
            (-top * 0.5, height),
            (top * 0.5, height),
            (top * 0.95, height + 0.18),
            (top, shoulder + 0.05),
        ];
        pen.bar(&bow, Second, v.value("grip", 0.08..0.15));
    } else {
        let bow = [
            (-bottom * 0.8, shoulder + 0.1),
            (-0.98, shoulder + 0.12),
            (-0.98, 0.5),
            (-bottom * 0.9, 0.62),
        ];
        pen.bar(&bow, Second, v.value("grip", 0.09..0.16));
    }
    let tip = v.value("tip", -0.4..-0.15);
    let spout = [
        (bottom * 0.7, 0.15),
        (0.82, tip),
        (1.02, tip + 0.06),
        (bottom * 0.95, 0.6),
    ];
    pen.part(polygon(&spout), Main);
    let belly = [
        (-top, shoulder),
        (top, shoulder),
        (bottom * 0.97, 0.45),
        (bottom, 0.82),
        (bottom * 0.8, 0.96),
        (-bottom * 0.8, 0.96),
        (-bottom, 0.82),
        (-bottom * 0.97, 0.45),
    ];
    let body = if v.has("round", 0.6) {
        smooth(&belly)
    } else {
        polygon(&belly)
    };
    pen.part(body, Main);
    pen.part(ellipse(0.0, shoulder, top * 0.95, 0.1), Second);
    pen.disc(0.0, shoulder - 0.13, 0.09, Accent);
    if v.has("band", 0.5) {
        let y = v.value("band at", 0.3..0.75);
        pen.line(&[(-bottom * 0.9, y), (bottom * 0.9, y)], Second, 0.08);
    }
    if pose.works {
        for i in 0..3 {
            let rise = (pose.turn + i as f32 / 3.0).fract();
            let size = 0.05 + 0.09 * rise;
            let (x, y) = (
                0.93 - 0.12 * (rise * 9.0).sin() * rise,
                tip - 0.08 - 0.6 * rise,
            );
            pen.dot(x, y, size, Light);
        }
    }
}

/// A warning light: foot, dome, rays.
pub fn siren(pen: &mut Pen, v: &Variation, pose: Pose) {
    let half = v.value("half", 0.38..0.6);
    let height = v.value("height", 0.55..1.0);
    let foot = half * v.value("foot", 1.1..1.5);
    let base = 0.62;
    let rays = v.count("rays", 0..4) * 2 + 1;
    let long = 0.2 + 0.16 * pose.strike;
    for i in 0..rays {
        let turn = if rays == 1 {
            0.0
        } else {
            (i as f32 / (rays - 1) as f32 - 0.5) * 0.5
        };
        let (sx, sy) = on_circle(turn, 1.0);
        let from = (sx * (half + 0.14), base - 0.12 + sy * (height + 0.1));
        let to = (
            (from.0 + sx * long).clamp(-1.05, 1.05),
            (from.1 + sy * long).max(-1.05),
        );
        pen.line(&[from, to], Accent, v.value("ray", 0.05..0.12));
    }
    let dome = [
        (-half, base),
        (-half, base - 0.55 * height),
        (-0.55 * half, base - 0.95 * height),
        (0.55 * half, base - 0.95 * height),
        (half, base - 0.55 * height),
        (half, base),
    ];
    let dome = if v.has("round", 0.7) {
        smooth(&dome)
    } else {
        polygon(&dome)
    };
    pen.part(dome, Main);
    let glow = half * (0.35 + 0.3 * pose.strike);
    let x = 0.45 * half * (pose.turn * TAU).sin();
    pen.detail(ellipse(x, base - 0.5 * height, glow * 0.7, glow), Light);
    if v.has("ribs", 0.5) {
        for i in 1..4 {
            let x = half * (i as f32 / 2.0 - 1.0);
            pen.line(&[(x, base - 0.7 * height), (x, base)], Dark, 0.03);
        }
    }
    pen.rect([-foot, base - 0.06, foot, base + 0.2], 0.06, Second);
    let sole = foot * v.value("sole", 1.05..1.3);
    pen.rect([-sole, base + 0.18, sole, base + 0.34], 0.04, Dark);
}
