//! Strings: a delay line that goes round and loses its brightness (Karplus and
//! Strong 1983).

use rand::RngExt;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, RATE};
use crate::corpus::Rng;

/// Strings that may ring at once.
const STRINGS: usize = 4;
/// Half tones above the lowest note: a minor pentatonic scale sounds well in any
/// order.
const SCALE: [f32; 8] = [0.0, 3.0, 5.0, 7.0, 10.0, 12.0, 15.0, 17.0];

/// A guitar, or whatever else has plucked strings.
pub struct Guitar {
    beats: Beats,
    hiss: Hiss,
    strings: Vec<Line>,
    next: usize,
    lowest_hz: f32,
    /// 0 to 1: how bright the pick is.
    bright: f32,
    keep: f32,
    /// Strings plucked at a beat.
    chord: usize,
}

#[derive(Default)]
struct Line {
    delay: Vec<f32>,
    at: usize,
}

impl Guitar {
    /// A guitar with its own tuning, pick and way to play.
    pub fn draw(beats: Beats, rng: &mut Rng) -> Self {
        Self {
            beats,
            hiss: Hiss::draw(rng),
            strings: (0..STRINGS).map(|_| Line::default()).collect(),
            next: 0,
            lowest_hz: rng.random_range(90.0..260.0),
            bright: rng.random_range(0.25..0.95),
            keep: rng.random_range(0.990..0.999),
            chord: *rand::seq::IndexedRandom::choose(&[1, 1, 2, 3][..], rng).unwrap_or(&1),
        }
    }

    fn pluck(&mut self, note: f32, force: f32) {
        let hz = self.lowest_hz * 2.0_f32.powf(note / 12.0);
        let line = &mut self.strings[self.next];
        self.next = (self.next + 1) % STRINGS;
        let mut last = 0.0;
        line.at = 0;
        line.delay.clear();
        line.delay
            .extend((0..(RATE / hz).max(2.0) as usize).map(|_| {
                last += self.bright * (self.hiss.next() - last);
                last * force
            }));
        // What was drawn has a mean, which would stay as a constant.
        let mean = line.delay.iter().sum::<f32>() / line.delay.len() as f32;
        line.delay.iter_mut().for_each(|v| *v -= mean);
    }
}

impl Voice for Guitar {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            if let Some(beat) = self.beats.step() {
                let first = (self.beats.chance(&beat, 0) * 5.0) as usize;
                for string in 0..self.chord {
                    let note = SCALE[(first + 2 * string).min(SCALE.len() - 1)];
                    self.pluck(note, beat.force);
                }
            }
            let mut sum = 0.0;
            for line in &mut self.strings {
                if line.delay.is_empty() {
                    continue;
                }
                let next = (line.at + 1) % line.delay.len();
                let value = line.delay[line.at];
                line.delay[line.at] = self.keep * 0.5 * (value + line.delay[next]);
                line.at = next;
                sum += value;
            }
            *sample = sum * 0.55;
        }
    }
}
