//! The sound track of a video: stereo, without holes.
//!
//! Encoders need continuous sound, and muxers hold back the picture until there is sound. So
//! holes become silence, and overlaps are cut. Steps of less than 20 ms are ignored.

use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};

/// Channels of the track: supported by all players and encoders.
pub const CHANNELS: usize = 2;
const TOLERANCE: u64 = SAMPLE_RATE as u64 / 50;
/// Longer holes stay holes, or hours of silence would be encoded.
const LONGEST_SILENCE: u64 = 10 * SAMPLE_RATE as u64;
/// How far the track may lag behind the picture before silence is inserted. Sound is late in
/// badly interleaved files, or if its thread lags. That is harmless: meanwhile the picture
/// waits, encoded, before the muxer.
pub const BEHIND_NS: u64 = 5_000_000_000;

/// Sound to write.
#[derive(Debug, PartialEq)]
pub struct Chunk {
    pub at: SamplePos,
    /// Interleaved, [`CHANNELS`] channels.
    pub pcm: Vec<f32>,
    /// It follows a hole.
    pub after_hole: bool,
}

/// The position of the track.
#[derive(Default)]
pub struct Track {
    next: Option<SamplePos>,
}

impl Track {
    /// Takes sound at a time; returns the chunks that continue the track.
    pub fn sound(&mut self, at: MediaTime, pcm: &[f32], channels: usize) -> Vec<Chunk> {
        let at = SamplePos::from_time(at);
        let next = *self.next.get_or_insert(at);
        let mut stereo = to_stereo(pcm, channels);
        let off = at.minus(next);
        let mut chunks = Vec::new();
        if off.unsigned_abs() > TOLERANCE {
            if off > 0 {
                chunks.extend(self.silence_to(at));
            } else {
                let over = usize::try_from(off.unsigned_abs()).unwrap_or(usize::MAX);
                stereo.drain(..over.saturating_mul(CHANNELS).min(stereo.len()));
            }
        }
        if !stereo.is_empty() {
            // After a hole that stays a hole, the track restarts here.
            let after_hole = self.next.is_none();
            let start = *self.next.get_or_insert(at);
            self.next = Some(start.plus(stereo.len() / CHANNELS));
            chunks.push(Chunk {
                at: start,
                pcm: stereo,
                after_hole,
            });
        }
        chunks
    }

    /// The picture has reached this time: returns silence if the track is more than
    /// `behind_ns` behind.
    pub fn picture_at(&mut self, at: MediaTime, behind_ns: u64) -> Option<Chunk> {
        let to = SamplePos::from_time(MediaTime(at.0.saturating_sub(behind_ns)));
        let next = *self.next.get_or_insert(SamplePos::from_time(at));
        // Only in pieces of at least 0.1 s, five frames of an encoder.
        if to.minus(next) < i64::from(SAMPLE_RATE / 10) {
            return None;
        }
        self.silence_to(to).or_else(|| {
            // The picture jumped: 0.1 s of silence moves the track along.
            let start = SamplePos(to.0 - u64::from(SAMPLE_RATE / 10));
            self.next = Some(start);
            let mut chunk = self.silence_to(to)?;
            chunk.after_hole = true;
            Some(chunk)
        })
    }

    /// Silence from the track's position to `to`. If that would be too long: nothing, and the
    /// position is reset.
    fn silence_to(&mut self, to: SamplePos) -> Option<Chunk> {
        let from = self.next?;
        let missing = u64::try_from(to.minus(from)).ok()?;
        if missing > LONGEST_SILENCE {
            self.next = None;
            return None;
        }
        self.next = Some(to);
        Some(Chunk {
            at: from,
            pcm: vec![0.0; missing as usize * CHANNELS],
            after_hole: false,
        })
    }
}

/// Converts any number of channels to two: mono is doubled; with more than two, channels in
/// the usual order (FL FR FC LFE, then pairs) keep their sides.
fn to_stereo(pcm: &[f32], channels: usize) -> Vec<f32> {
    const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
    match channels {
        0 => Vec::new(),
        1 => pcm.iter().flat_map(|&v| [v, v]).collect(),
        2 => pcm[..pcm.len() / 2 * 2].to_vec(),
        n => {
            // Left and right parts of each channel; LFE is omitted, as usual in downmixes.
            let parts: Vec<[f32; 2]> = (0..n)
                .map(|c| match c {
                    0 => [1.0, 0.0],
                    1 => [0.0, 1.0],
                    2 if n != 4 => [HALF_POWER; 2],
                    3 if n >= 6 => [0.0; 2],
                    _ if c % 2 == 0 => [HALF_POWER, 0.0],
                    _ => [0.0, HALF_POWER],
                })
                .collect();
            let total = parts.iter().map(|p| p[0]).sum::<f32>();
            let total = total.max(parts.iter().map(|p| p[1]).sum());
            let mix = |frame: &[f32], side: usize| {
                let sum: f32 = frame.iter().zip(&parts).map(|(v, p)| v * p[side]).sum();
                sum / total
            };
            pcm.chunks_exact(n)
                .flat_map(|frame| [mix(frame, 0), mix(frame, 1)])
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sample: u64) -> MediaTime {
        SamplePos(sample).to_time()
    }

    fn spans(chunks: &[Chunk]) -> Vec<(u64, usize, bool)> {
        let span = |c: &Chunk| (c.at.0, c.pcm.len() / CHANNELS, c.after_hole);
        chunks.iter().map(span).collect()
    }

    #[test]
    fn sound_that_continues_is_passed_on() {
        let mut track = Track::default();
        assert_eq!(
            spans(&track.sound(at(100), &[0.1; 480], 1)),
            [(100, 480, false)]
        );
        // 5 samples off, as with timestamps in milliseconds.
        assert_eq!(
            spans(&track.sound(at(585), &[0.1; 480], 1)),
            [(580, 480, false)]
        );
    }

    #[test]
    fn a_hole_becomes_silence_and_what_comes_twice_is_cut() {
        let mut track = Track::default();
        track.sound(at(0), &[0.1; 480], 1);
        let chunks = track.sound(at(4800), &[0.1; 480], 1);
        assert_eq!(spans(&chunks), [(480, 4320, false), (4800, 480, false)]);
        assert!(chunks[0].pcm.iter().all(|&v| v == 0.0));
        let chunks = track.sound(at(3000), &[0.1; 4800], 1);
        assert_eq!(spans(&chunks), [(5280, 2520, false)]);
        assert!(track.sound(at(0), &[0.1; 100], 1).is_empty());
        assert_eq!(
            spans(&track.sound(at(7800), &[0.1; 10], 1)),
            [(7800, 10, false)]
        );
    }

    #[test]
    fn a_hole_of_hours_stays_one() {
        let mut track = Track::default();
        track.sound(at(0), &[0.1; 480], 1);
        let later = 48_000 * 7200;
        let chunks = track.sound(at(later), &[0.1; 480], 1);
        assert_eq!(spans(&chunks), [(later, 480, true)]);
        let later = later * 3;
        let chunk = track.picture_at(at(later), BEHIND_NS).unwrap();
        let start = later - 240_000 - 4800;
        assert_eq!(spans(&[chunk]), [(start, 4800, true)]);
    }

    #[test]
    fn a_picture_without_sound_is_kept_company_by_silence() {
        const HALF: u64 = 500_000_000;
        let mut track = Track::default();
        assert_eq!(track.picture_at(at(48_000), HALF), None);
        assert_eq!(track.picture_at(at(60_000), HALF), None);
        let chunk = track.picture_at(at(96_000), HALF).unwrap();
        assert_eq!(spans(&[chunk]), [(48_000, 24_000, false)]);
        // Sound that arrives later continues there.
        let chunks = track.sound(at(71_000), &[0.1; 4000], 1);
        assert_eq!(spans(&chunks), [(72_000, 3000, false)]);
    }

    #[test]
    fn channels_become_two() {
        assert_eq!(to_stereo(&[0.1, 0.2], 1), [0.1, 0.1, 0.2, 0.2]);
        assert_eq!(to_stereo(&[0.1, 0.2, 0.3], 2), [0.1, 0.2]);
        assert!(to_stereo(&[0.1, 0.2], 0).is_empty());
        // 5.1: FL FR FC LFE RL RR.
        let stereo = |frame: &[f32]| to_stereo(frame, frame.len());
        let left = stereo(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(left[0] > 0.3 && left[1] == 0.0);
        let middle = stereo(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(middle[0] > 0.2 && middle[0] == middle[1]);
        assert_eq!(stereo(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), [0.0, 0.0]);
        for channels in 3..9 {
            let full = to_stereo(&vec![1.0; channels], channels);
            assert!(
                full.iter().all(|&v| v > 0.5 && v < 1.001),
                "{channels}: {full:?}"
            );
        }
    }
}
