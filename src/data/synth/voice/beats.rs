//! A rhythm as a voice meets it: sample by sample.

use super::super::rhythm::Rhythm;
use crate::time::SAMPLE_RATE;

/// The beats from a moment on.
pub struct Beats {
    rhythm: Rhythm,
    next: i64,
    next_sample: i64,
    now: i64,
}

/// A beat that has just come.
pub struct Beat {
    /// How hard, 0.5 to 1.
    pub force: f32,
    number: i64,
}

impl Beats {
    /// The beats from `start_s` on.
    pub fn new(rhythm: Rhythm, start_s: f64) -> Self {
        let next = rhythm.place(start_s).beat + 1;
        let mut beats = Self {
            next,
            next_sample: 0,
            now: (start_s * f64::from(SAMPLE_RATE)).round() as i64,
            rhythm,
        };
        beats.next_sample = beats.sample_of(next);
        beats
    }

    fn sample_of(&self, beat: i64) -> i64 {
        (self.rhythm.beat_s(beat) * f64::from(SAMPLE_RATE)).round() as i64
    }

    /// Goes on by one sample; the beat that falls on it, if one does.
    pub fn step(&mut self) -> Option<Beat> {
        let beat = (self.now >= self.next_sample).then(|| {
            let number = self.next;
            self.next += 1;
            self.next_sample = self.sample_of(self.next);
            Beat {
                force: 0.5 + 0.5 * self.rhythm.chance(number, 1) as f32,
                number,
            }
        });
        self.now += 1;
        beat
    }

    /// A number in `[0, 1)` that belongs to the beat.
    pub fn chance(&self, beat: &Beat, what: u64) -> f32 {
        self.rhythm.chance(beat.number, 2 + what) as f32
    }

    /// From beat to beat, in seconds.
    pub fn period_s(&self) -> f32 {
        self.rhythm.period_s as f32
    }
}
