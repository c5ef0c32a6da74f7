//! Where a thing is: its motion through the picture.

use std::f64::consts::TAU;

use rand::RngExt;

use super::kind::{self, ThingKind};
use super::rhythm::{BeatPosition, Rhythm};
use crate::corpus::Rng;

/// How a thing moves. Places are 0 to 1 of the space that its size leaves it, so it
/// stays in the picture.
#[derive(Clone, Debug)]
pub struct Motion {
    home: [f64; 2],
    path: Path,
    /// Degrees.
    angle: f64,
    sway: Wave,
    /// Grows and shrinks by this share.
    breath: Wave,
    /// How much it is shaken when it is struck.
    shake: f64,
}

#[derive(Clone, Debug)]
enum Path {
    Still,
    /// Two sines.
    Float {
        x: Wave,
        y: Wave,
    },
    /// Straight on, and back from the edges.
    Cross {
        speed: [f64; 2],
    },
    /// Falls on the floor at each beat.
    Bounce {
        x: Wave,
        height: f64,
    },
}

#[derive(Clone, Debug)]
struct Wave {
    size: f64,
    hz: f64,
    phase: f64,
}

impl Wave {
    fn draw(size: f64, hz: std::ops::Range<f64>, rng: &mut Rng) -> Self {
        Self {
            size: rng.random_range(0.0..=size),
            hz: rng.random_range(hz),
            phase: rng.random_range(0.0..1.0),
        }
    }

    fn at(&self, t_s: f64) -> f64 {
        self.size * (TAU * (self.hz * t_s + self.phase)).sin()
    }
}

/// Where a thing is at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// x and y, 0 to 1 of the space that its size leaves it.
    pub at: [f64; 2],
    /// Degrees, clockwise.
    pub angle: f64,
    /// Against its size.
    pub scale: f64,
    /// Wider and flatter by this share: it has hit the floor.
    pub squash: f64,
}

impl Motion {
    /// A motion that begins near `home`.
    pub fn draw(home: [f64; 2], kind: Option<&ThingKind>, rng: &mut Rng) -> Self {
        let bounces = kind.map_or(kind::BOUNCES, |kind| kind.bounces);
        let max_angle = kind.map_or(kind::MAX_ANGLE, |kind| kind.max_angle);
        let path = if rng.random_bool(bounces) {
            Path::Bounce {
                x: Wave::draw(0.3, 0.05..0.3, rng),
                height: rng.random_range(0.2..0.9),
            }
        } else {
            match rng.random_range(0..10) {
                0..3 => Path::Still,
                3..7 => Path::Float {
                    x: Wave::draw(0.35, 0.05..0.4, rng),
                    y: Wave::draw(0.35, 0.05..0.4, rng),
                },
                _ => Path::Cross {
                    speed: std::array::from_fn(|_| rng.random_range(-0.4..0.4)),
                },
            }
        };
        Self {
            home,
            path,
            angle: rng.random_range(-max_angle..max_angle) * rng.random_range(0.0..1.0),
            sway: Wave::draw(8.0, 0.1..0.8, rng),
            breath: Wave::draw(0.08, 0.05..0.4, rng),
            shake: rng.random_range(0.0..0.04),
        }
    }

    /// Where it is; `beats` moves what depends on its rhythm.
    pub fn at(&self, t_s: f64, rhythm: &Rhythm, beats: bool) -> Placement {
        let [hx, hy] = self.home;
        let place = rhythm.place(t_s);
        let mut at = match &self.path {
            Path::Still => [hx, hy],
            Path::Float { x, y } => [hx + x.at(t_s), hy + y.at(t_s)],
            Path::Cross { speed } => [
                to_and_fro(hx + speed[0] * t_s),
                to_and_fro(hy + speed[1] * t_s),
            ],
            Path::Bounce { x, height } => {
                let floor = 0.5 + 0.5 * hy;
                let up = if beats { flight(place, *height) } else { 0.0 };
                [hx + x.at(t_s), floor - up * floor]
            }
        };
        let struck = if beats { strike(place.since_s) } else { 0.0 };
        let hit = matches!(self.path, Path::Bounce { .. });
        at[0] += self.shake * struck * (TAU * 11.0 * place.since_s).sin();
        Placement {
            at: at.map(|v| v.clamp(0.0, 1.0)),
            angle: self.angle + self.sway.at(t_s),
            scale: 1.0 + self.breath.at(t_s),
            squash: if hit {
                0.18 * (-place.since_s / 0.04).exp() * f64::from(u8::from(beats))
            } else {
                0.0
            },
        }
    }
}

/// 1 at the stroke, then falling.
pub fn strike(since_s: f64) -> f64 {
    (-since_s / 0.14).exp()
}

/// How high a thing is that was thrown at a beat and lands at the next.
fn flight(place: BeatPosition, height: f64) -> f64 {
    let share = place.since_s / place.gap_s;
    height * 4.0 * share * (1.0 - share)
}

/// Back and forth between 0 and 1.
fn to_and_fro(x: f64) -> f64 {
    let turn = x.rem_euclid(2.0);
    if turn > 1.0 { 2.0 - turn } else { turn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bounces_is_on_the_floor_when_it_sounds() {
        for position in 0..20 {
            let mut rng = crate::corpus::rng(3, 0, position);
            let rhythm = Rhythm::draw(0.3..0.7, &mut rng);
            let mut motion = Motion::draw([0.5, 0.5], Some(&kind::KINDS[0]), &mut rng);
            let still = Wave::draw(0.0, 0.1..0.2, &mut rng);
            let height = 0.6;
            motion.path = Path::Bounce { x: still, height };
            for beat in 1..6 {
                let (from, to) = (rhythm.beat_s(beat), rhythm.beat_s(beat + 1));
                let y = |t_s: f64| motion.at(t_s, &rhythm, true).at[1];
                let floor = y(from);
                assert!((y(to - 1e-6) - floor).abs() < 1e-3);
                assert!(y((from + to) / 2.0) < 0.5 * floor);
            }
            // A thing that is silent and at rest stays on the floor.
            let y = |t_s: f64| motion.at(t_s, &rhythm, false).at[1];
            assert_eq!(y(0.1), y(1.23));
        }
    }

    #[test]
    fn ways_stay_in_their_room() {
        for position in 0..60 {
            let mut rng = crate::corpus::rng(4, 0, position);
            let rhythm = Rhythm::draw(0.3..0.7, &mut rng);
            let motion = Motion::draw([0.9, 0.1], None, &mut rng);
            for i in 0..200 {
                let placement = motion.at(f64::from(i) * 0.31, &rhythm, true);
                assert!(placement.at.iter().all(|v| (0.0..=1.0).contains(v)));
            }
        }
    }
}
