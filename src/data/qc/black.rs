//! Black pictures: `blackdetect`.

use super::{Plane, Stretch, is_long};
use crate::plane::words;
use crate::time::MediaTime;

/// The share of a picture that has to be black.
const BLACK_SHARE: f64 = 0.98;
/// A pixel is black up to this share of the luma range.
const BLACK_PIXEL: f64 = 0.10;

/// The brightest luma that is black, of so many bits; rounded down, as ffmpeg does.
pub fn black_level(depth: u32, is_full_range: bool) -> u16 {
    let whole = f64::from((1_u32 << depth.clamp(8, 16)) - 1);
    let step = f64::from(1_u32 << (depth.clamp(8, 16) - 8));
    let level = match is_full_range {
        true => BLACK_PIXEL * whole,
        false => 16.0 * step + BLACK_PIXEL * 219.0 * step,
    };
    level as u16
}

/// Whether a picture with this luma of so many bits is black. A bright one is left after its
/// first rows.
pub fn is_black(luma: &Plane<'_>, depth: u32, level: u16) -> bool {
    let all = luma.samples(depth);
    // One more than can be, so that rounding does not matter.
    let most = (all as f64 * (1.0 - BLACK_SHARE)) as u64 + 1;
    let mut bright = 0_u64;
    for row in luma.lines() {
        bright += match u8::try_from(level) {
            Ok(level) if depth <= 8 => row.iter().map(|v| u32::from(*v > level)).sum::<u32>(),
            _ => words(row).map(|v| u32::from(v > level)).sum(),
        } as u64;
        if bright > most {
            return false;
        }
    }
    all > 0 && (all - bright.min(all)) as f64 / all as f64 >= BLACK_SHARE
}

/// Finds where the picture stays black.
#[derive(Clone, Debug, Default)]
pub struct Black {
    since: Option<MediaTime>,
    last: MediaTime,
    found: Vec<Stretch>,
}

impl Black {
    /// The next frame.
    pub fn frame(&mut self, at: MediaTime, is_black: bool) {
        match (self.since, is_black) {
            (None, true) => self.since = Some(at),
            (Some(start), false) => {
                self.since = None;
                self.close(start, at);
            }
            _ => {}
        }
        self.last = at;
    }

    fn close(&mut self, start: MediaTime, end: MediaTime) {
        if is_long(start, end) {
            self.found.push(Stretch::between(start, end));
        }
    }

    /// All of it. What lasts until the end ends with the time of the last frame.
    pub fn finish(mut self) -> Vec<Stretch> {
        if let Some(start) = self.since {
            self.close(start, self.last);
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::plane;

    #[test]
    fn the_levels_are_those_of_ffmpeg() {
        let levels = [8, 10, 12].map(|depth| [false, true].map(|full| black_level(depth, full)));
        assert_eq!(levels, [[37, 25], [151, 102], [606, 409]]);
    }

    #[test]
    fn two_percent_may_be_bright() {
        let mut luma = [37_u8; 100];
        luma[0] = 38;
        luma[99] = 255;
        assert!(is_black(&plane(&luma, 10), 8, 37));
        luma[50] = 38;
        assert!(!is_black(&plane(&luma, 10), 8, 37));
        assert!(!is_black(&plane(&[], 1), 8, 37));
    }

    #[test]
    fn what_lies_between_the_rows_is_no_picture() {
        let luma = [20, 20, 255, 255, 20, 20, 255, 255];
        let narrow = Plane {
            bytes: &luma,
            stride: 4,
            row_bytes: 2,
            rows: 2,
        };
        assert!(is_black(&narrow, 8, 37));
        assert!(!is_black(&plane(&luma, 4), 8, 37));
    }

    #[test]
    fn more_bits_lie_in_words() {
        let luma: Vec<u8> = [151_u16; 50].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(is_black(&plane(&luma, 20), 10, 151));
        assert!(!is_black(&plane(&luma, 20), 10, 150));
    }

    fn stretches(black: &[(u64, bool)]) -> Vec<Stretch> {
        let mut detector = Black::default();
        for (ms, is_black) in black {
            detector.frame(MediaTime(ms * 1_000_000), *is_black);
        }
        detector.finish()
    }

    #[test]
    fn black_begins_with_its_first_frame_and_ends_with_the_first_that_is_not() {
        let found = stretches(&[
            (0, false),
            (40, true),
            (80, true),
            (2_040, false),
            (2_080, true),
            (4_000, false),
        ]);
        let ms = |ms: u64| MediaTime(ms * 1_000_000);
        assert_eq!(found, [Stretch::between(ms(40), ms(2_040))]);
    }

    #[test]
    fn black_until_the_end_ends_with_the_last_frame() {
        let found = stretches(&[(0, false), (40, true), (1_000, true), (3_000, true)]);
        assert_eq!((found[0].start_s, found[0].end_s), (0.04, 3.0));
        assert!(stretches(&[(0, true), (1_960, true)]).is_empty());
        assert!(stretches(&[]).is_empty());
    }
}
