//! Things that sound without a beat: fans, engines, sirens, rain, kettles.

use std::f32::consts::TAU;

use rand::RngExt;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, LowPass, Phase, RATE, Resonance};
use crate::corpus::Rng;

/// A fan: air that is chopped by blades, and the hum of a motor.
pub fn fan(_: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let mut air = Hiss::draw(rng);
    let mut low = Resonance::at(rng.random_range(350.0..800.0), 400.0);
    let mut high = Resonance::at(rng.random_range(900.0..2_200.0), 900.0);
    let mut blade = Phase(rng.random_range(0.0..1.0));
    let blade_hz = rng.random_range(9.0..28.0);
    let depth: f32 = rng.random_range(0.5..0.95);
    let mut motor = Phase(0.0);
    let hum_hz = rng.random_range(95.0..240.0);
    let hum_level: f32 = rng.random_range(0.02..0.1);
    Box::new(move || {
        let air = air.next();
        let air = low.next(air) + 0.6 * high.next(air);
        let chop = 0.5 + 0.5 * blade.sine(blade_hz);
        let gate = 1.0 - depth * (1.0 - chop * chop);
        let turn = motor.step(hum_hz);
        let hum = (TAU * turn).sin() + 0.5 * (2.0 * TAU * turn).sin();
        1.5 * air * gate + hum_level * hum
    })
}

/// An engine: explosions through an exhaust, at a speed that comes and goes.
pub fn engine(_: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let mut fire = Phase(0.0);
    let idle_hz: f32 = rng.random_range(24.0..75.0);
    let mut rev = Phase(rng.random_range(0.0..1.0));
    let rev_hz = rng.random_range(0.1..0.8);
    let rev_depth: f32 = rng.random_range(0.0..0.8);
    let uneven = rng.random_range(0.5..1.0);
    let (mut is_even, mut push) = (false, 0.0);
    let keep = (-1.0 / (rng.random_range(0.002..0.008_f32) * RATE)).exp();
    let mut rough = Hiss::draw(rng);
    let mut pipe = [
        Resonance::at(rng.random_range(70.0..160.0), 60.0),
        Resonance::at(rng.random_range(220.0..420.0), 120.0),
        Resonance::at(rng.random_range(600.0..1_300.0), 400.0),
    ];
    let mut muffler = LowPass::at(rng.random_range(250.0..1_000.0));
    Box::new(move || {
        let revs = 0.5 + 0.5 * rev.sine(rev_hz);
        let hz = idle_hz * (1.0 + rev_depth * revs);
        let before = fire.0;
        if fire.step(hz) + hz / RATE >= 1.0 || before == 0.0 {
            is_even = !is_even;
            push = if is_even { 1.0 } else { uneven };
        }
        let source = push * (0.6 + 0.8 * rough.next());
        push *= keep;
        let [a, b, c] = &mut pipe;
        let pipe = a.next(source) + 0.8 * b.next(source) + 0.6 * c.next(source);
        1.4 * muffler.next(pipe + 0.1 * source)
    })
}

/// A siren: a tone that wails, rises, or jumps between two pitches.
pub fn siren(_: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let low_hz: f32 = rng.random_range(350.0..800.0);
    let wail = |turn: f32| 0.5 - 0.5 * (TAU * turn).cos();
    let rise = |turn: f32| turn;
    let two_tone = |turn: f32| f32::from(u8::from(turn > 0.5));
    let (pitch, sway_hz, span): (fn(f32) -> f32, f32, _) = match rng.random_range(0..3) {
        0 => (wail, rng.random_range(0.3..1.2), 1.6..2.6),
        1 => (rise, rng.random_range(2.0..5.0), 1.5..2.4),
        _ => (two_tone, rng.random_range(0.8..1.8), 1.2..1.5),
    };
    let mut tone = Phase(0.0);
    let mut sway = Phase(rng.random_range(0.0..1.0));
    let high_hz = low_hz * rng.random_range(span);
    let mut horn = LowPass::at(rng.random_range(900.0..4_000.0));
    Box::new(move || {
        let up = pitch(sway.step(sway_hz));
        let at = tone.step(low_hz + (high_hz - low_hz) * up);
        let square = if at < 0.5 { 1.0 } else { -1.0 };
        0.14 * horn.next(square)
    })
}

/// Rain: a rush of drops too many to tell apart, and some near enough to hear.
pub fn rain(_: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let mut rush = Hiss::draw(rng);
    let mut below = LowPass::at(rng.random_range(300.0..1_200.0));
    let mut above = LowPass::at(rng.random_range(4_000.0..12_000.0));
    let mut gust = Phase(rng.random_range(0.0..1.0));
    let gust_hz = rng.random_range(0.1..0.6);
    let drops_per_s: f32 = rng.random_range(20.0..150.0);
    let mut drop = Resonance::at(1_500.0, 300.0);
    let mut splash = 0.0;
    let near: f32 = rng.random_range(0.3..1.5);
    Box::new(move || {
        let white = rush.next();
        let far = above.next(white - below.next(white));
        let wind = 0.8 + 0.2 * gust.sine(gust_hz);
        if rush.chance() < drops_per_s / RATE {
            let hz = 1_200.0 + 3_800.0 * rush.chance();
            drop.tune(hz, 0.15 * hz);
            splash = 4.0 * near;
        }
        let drop = drop.next(splash);
        splash *= 0.9;
        0.28 * far * wind + 0.7 * drop
    })
}

/// A whistling kettle: a high tone that wavers, and hiss.
pub fn kettle(_: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let hz: f32 = rng.random_range(1_100.0..2_600.0);
    let (mut tone, mut waver) = (Phase(0.0), Phase(0.0));
    let waver_hz = rng.random_range(5.0..14.0);
    let waver_depth: f32 = rng.random_range(0.002..0.012);
    let mut drift = Phase(rng.random_range(0.0..1.0));
    let second: f32 = rng.random_range(0.1..0.6);
    let mut steam = Hiss::draw(rng);
    let mut throat = Resonance::at(hz * rng.random_range(1.5..2.5), 2_500.0);
    let steam_level: f32 = rng.random_range(0.1..0.4);
    Box::new(move || {
        let waver = waver_depth * waver.sine(waver_hz);
        let drift = 0.03 * drift.sine(0.3);
        let at = tone.step(hz * (1.0 + waver + drift));
        let whistle = (TAU * at).sin() + second * (2.0 * TAU * at).sin();
        0.11 * whistle + steam_level * throat.next(steam.next())
    })
}
