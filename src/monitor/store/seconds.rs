//! Seconds of a stream, packed: a minute is one value of 300 bytes.
//!
//! A row a second of twelve streams would be 31 million rows in 30 days; packed they take
//! 180 MB.

use crate::time::UtcMs;

/// Bytes of a second.
const SIZE: usize = 5;
/// Seconds in a minute.
pub const PER_MINUTE: usize = 60;

/// What is kept of a second of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Second {
    /// Moments that ended in it, up to 15.
    pub moments: u8,
    /// Their mean correspondence, to 1/255.
    pub mean: f32,
    /// The least.
    pub min: f32,
    /// The greatest.
    pub max: f32,
    /// Mean level in dBFS, to half a decibel.
    pub level_dbfs: f32,
    /// The sound was silent.
    pub silent: bool,
    /// The picture stood.
    pub still: bool,
    /// The picture was black.
    pub black: bool,
}

impl Second {
    /// Takes a moment that ended in this second.
    pub fn add(&mut self, correspondence: f32, level_dbfs: f32) {
        let correspondence = l3net_data::draw::unit(correspondence);
        let before = f32::from(self.moments);
        if self.moments == 0 {
            (self.min, self.max) = (correspondence, correspondence);
        }
        self.mean = (self.mean * before + correspondence) / (before + 1.0);
        self.level_dbfs = (self.level_dbfs * before + level_dbfs) / (before + 1.0);
        self.min = self.min.min(correspondence);
        self.max = self.max.max(correspondence);
        self.moments = (self.moments + 1).min(15);
    }

    fn to_bytes(self) -> [u8; SIZE] {
        if self.moments == 0 {
            return [0; SIZE];
        }
        // Casts saturate; NaN becomes 0.
        let unit = |value: f32| (value * 255.0).round() as u8;
        let flags =
            u8::from(self.silent) << 4 | u8::from(self.still) << 5 | u8::from(self.black) << 6;
        [
            self.moments | flags,
            unit(self.mean),
            unit(self.min),
            unit(self.max),
            ((self.level_dbfs + 120.0) * 2.0).round() as u8,
        ]
    }

    fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let unit = |value: u8| f32::from(value) / 255.0;
        Self {
            moments: bytes[0] & 15,
            mean: unit(bytes[1]),
            min: unit(bytes[2]),
            max: unit(bytes[3]),
            level_dbfs: f32::from(bytes[4]) / 2.0 - 120.0,
            silent: bytes[0] & 16 != 0,
            still: bytes[0] & 32 != 0,
            black: bytes[0] & 64 != 0,
        }
    }
}

/// A minute of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Minute {
    /// Its number since 1970.
    pub number: i64,
    seconds: [Second; PER_MINUTE],
}

impl Minute {
    /// An empty one.
    pub fn new(number: i64) -> Self {
        Self {
            number,
            seconds: [Second::default(); PER_MINUTE],
        }
    }

    /// The number of the minute of a time.
    pub fn number_of(at: UtcMs) -> i64 {
        at.0.div_euclid(60_000)
    }

    /// The second of a time, which must be of this minute.
    pub fn second_mut(&mut self, at: UtcMs) -> &mut Second {
        &mut self.seconds[at.0.rem_euclid(60_000) as usize / 1000]
    }

    /// Takes the seconds of another that were judged.
    pub fn put_over(&mut self, newer: &Self) {
        for (second, newer) in self.seconds.iter_mut().zip(&newer.seconds) {
            if newer.moments > 0 {
                *second = *newer;
            }
        }
    }

    /// All seconds with moments, each with its beginning.
    pub fn judged(&self) -> impl Iterator<Item = (UtcMs, &Second)> {
        let begin = self.number * 60_000;
        (self.seconds.iter().enumerate())
            .filter(|(_, second)| second.moments > 0)
            .map(move |(i, second)| (UtcMs(begin + i as i64 * 1000), second))
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.seconds.iter().flat_map(|s| s.to_bytes()).collect()
    }

    /// From what was kept; what is too short is empty.
    pub fn from_bytes(number: i64, bytes: &[u8]) -> Self {
        let mut minute = Self::new(number);
        let (seconds, _) = bytes.as_chunks::<SIZE>();
        for (second, bytes) in minute.seconds.iter_mut().zip(seconds) {
            *second = Second::from_bytes(bytes);
        }
        minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_to_its_precision() {
        let mut minute = Minute::new(29_000_000);
        let at = UtcMs(29_000_000 * 60_000 + 59_999);
        assert_eq!(Minute::number_of(at), 29_000_000);
        let second = minute.second_mut(at);
        second.add(0.2, -30.0);
        second.add(0.8, -50.0);
        second.still = true;
        let back = Minute::from_bytes(minute.number, &minute.to_bytes());
        let [(begin, second)] = back.judged().collect::<Vec<_>>()[..] else {
            panic!("one second");
        };
        assert_eq!(begin.0, 29_000_000 * 60_000 + 59_000);
        assert_eq!(
            (second.moments, second.still, second.silent),
            (2, true, false)
        );
        for (kept, true_value) in [(second.mean, 0.5), (second.min, 0.2), (second.max, 0.8)] {
            assert!((kept - true_value).abs() < 0.003, "{kept}");
        }
        assert_eq!(second.level_dbfs, -40.0);
    }

    #[test]
    fn odd_values_are_kept_as_what_is_nearest() {
        let mut minute = Minute::new(0);
        for (i, (p, level)) in [(f32::NAN, -500.0), (7.0, 30.0)].into_iter().enumerate() {
            minute.second_mut(UtcMs(i as i64 * 1000)).add(p, level);
        }
        let back = Minute::from_bytes(0, &minute.to_bytes());
        let kept: Vec<_> = back.judged().map(|(_, s)| (s.mean, s.level_dbfs)).collect();
        assert_eq!(kept, [(0.0, -120.0), (1.0, 7.5)]);
        assert_eq!(Minute::from_bytes(3, &[1, 2]).judged().count(), 0);
    }
}
