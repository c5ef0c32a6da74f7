//! Strings: a delay line that goes round and loses its brightness (Karplus and
//! Strong 1983).

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, RATE};
use crate::corpus::Rng;

/// Strings that may ring at once.
const STRINGS: usize = 4;
/// Semitones above the lowest note: a minor pentatonic scale sounds well in any
/// order.
const SCALE: [f32; 8] = [0.0, 3.0, 5.0, 7.0, 10.0, 12.0, 15.0, 17.0];

#[derive(Clone, Default)]
struct DelayLine {
    delay: Vec<f32>,
    at: usize,
}

impl DelayLine {
    /// Fills it with a burst of noise; `bright` is the pick's, 0 to 1.
    fn pluck(&mut self, hz: f32, bright: f32, force: f32, hiss: &mut Hiss) {
        let mut last = 0.0;
        self.at = 0;
        self.delay.clear();
        self.delay
            .extend((0..(RATE / hz).max(2.0) as usize).map(|_| {
                last += bright * (hiss.next() - last);
                last * force
            }));
        // The mean of the noise would stay as a constant.
        let mean = self.delay.iter().sum::<f32>() / self.delay.len() as f32;
        self.delay.iter_mut().for_each(|v| *v -= mean);
    }

    fn next(&mut self, keep: f32) -> f32 {
        let next = (self.at + 1) % self.delay.len();
        let value = self.delay[self.at];
        self.delay[self.at] = keep * 0.5 * (value + self.delay[next]);
        self.at = next;
        value
    }
}

/// A guitar with its own tuning, pick and way to play: one to three strings a beat.
pub fn guitar(mut beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let mut hiss = Hiss::draw(rng);
    let mut strings = vec![DelayLine::default(); STRINGS];
    let mut next = 0;
    let lowest_hz: f32 = rng.random_range(90.0..260.0);
    let bright = rng.random_range(0.25..0.95);
    let keep = rng.random_range(0.990..0.999);
    let chord: usize = *[1, 1, 2, 3].choose(rng).unwrap_or(&1);
    Box::new(move || {
        if let Some(beat) = beats.step() {
            let first = (beats.chance(&beat, 0) * 5.0) as usize;
            for string in 0..chord {
                let note = SCALE[(first + 2 * string).min(SCALE.len() - 1)];
                let hz = lowest_hz * 2.0_f32.powf(note / 12.0);
                strings[next].pluck(hz, bright, beat.force, &mut hiss);
                next = (next + 1) % STRINGS;
            }
        }
        let mut sum = 0.0;
        for string in &mut strings {
            if !string.delay.is_empty() {
                sum += string.next(keep);
            }
        }
        sum * 0.55
    })
}
