//! The room that a sound is in: reverb that get denser and fade (Schroeder 1962).

use rand::RngExt;

use super::voice::{LowPass, RATE, decay};
use crate::corpus::Rng;

/// Delays of the reverb in seconds, without a common divisor.
const COMBS_S: [f32; 4] = [0.0297, 0.0371, 0.0411, 0.0437];
const ALLPASSES_S: [f32; 2] = [0.005, 0.0017];

/// How large a room is and how much of it is heard.
#[derive(Clone, Debug)]
pub struct RoomAcoustics {
    /// Against a room of some 10 m.
    size: f32,
    /// Until the echo has fallen by 60 dB.
    fades_s: f32,
    /// 0 to 1.
    wet: f32,
    /// What the walls let through.
    walls_hz: f32,
}

impl RoomAcoustics {
    /// From a bathroom to a hall.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            size: rng.random_range(0.4..1.6),
            fades_s: rng.random_range(0.15..1.2),
            wet: rng.random_range(0.05..0.5),
            walls_hz: rng.random_range(1_500.0..9_000.0),
        }
    }
}

/// The reverb of a room.
pub struct Reverb {
    combs: Vec<Comb>,
    allpasses: Vec<Line>,
    wet: f32,
}

struct Line {
    delay: Vec<f32>,
    at: usize,
}

struct Comb {
    line: Line,
    back: f32,
    walls: LowPass,
}

impl Line {
    fn new(seconds: f32) -> Self {
        Self {
            delay: vec![0.0; (seconds * RATE) as usize + 1],
            at: 0,
        }
    }

    fn read(&self) -> f32 {
        self.delay[self.at]
    }

    fn write(&mut self, value: f32) {
        self.delay[self.at] = value;
        self.at += 1;
        if self.at == self.delay.len() {
            self.at = 0;
        }
    }
}

impl Reverb {
    /// A room in which nothing has sounded yet.
    pub fn of(room: &RoomAcoustics) -> Self {
        let comb = |seconds: f32| {
            let seconds = seconds * room.size;
            Comb {
                line: Line::new(seconds),
                back: decay(room.fades_s).powf(seconds * RATE),
                walls: LowPass::at(room.walls_hz),
            }
        };
        Self {
            combs: COMBS_S.map(comb).into_iter().collect(),
            allpasses: ALLPASSES_S.map(Line::new).into_iter().collect(),
            wet: room.wet,
        }
    }

    /// Adds the reverb.
    pub fn render(&mut self, samples: &mut [f32]) {
        for sample in samples {
            let mut echo = 0.0;
            for comb in &mut self.combs {
                let late = comb.line.read();
                echo += late;
                let back = comb.walls.next(late) * comb.back;
                comb.line.write(*sample + back);
            }
            echo *= 0.5;
            for line in &mut self.allpasses {
                let late = line.read();
                let new = echo + 0.6 * late;
                line.write(new);
                echo = late - 0.6 * new;
            }
            *sample += self.wet * (echo - *sample);
        }
    }
}
