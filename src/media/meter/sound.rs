//! The sound of a file: its channels, blocks of floats.

use gstreamer as gst;
use l3net_data::floats::from_f32;

use crate::features::clean;
use crate::qc::{AudioReport, ChannelWeight, LoudnessMeter, Silence};
use crate::time::MediaTime;

/// Measures sound in whatever format it comes.
#[derive(Default)]
pub(super) struct SoundMeter {
    /// Of the first block.
    first: Option<(u32, u32)>,
    format: Option<(Vec<ChannelWeight>, u32)>,
    silence: Option<Silence>,
    loudness: Option<LoudnessMeter>,
    /// A part of it could not be measured.
    is_unmeasured: bool,
}

impl SoundMeter {
    /// The format of the next blocks.
    pub fn format(&mut self, caps: &gst::CapsRef) {
        let Some(format) = caps.structure(0) else {
            return;
        };
        let number = |name| {
            format
                .get::<i32>(name)
                .ok()
                .and_then(|n| u32::try_from(n).ok())
        };
        let (Some(channels), Some(rate)) = (number("channels"), number("rate")) else {
            return;
        };
        let mask = format.get::<gst::Bitmask>("channel-mask");
        let weights = weights(channels as usize, mask.map_or(0, |mask| mask.0));
        if self.format.as_ref() == Some(&(weights.clone(), rate)) {
            return;
        }
        match &mut self.silence {
            Some(silence) => silence.change(weights.len(), rate),
            None => self.silence = Some(Silence::new(weights.len(), rate)),
        }
        match &mut self.loudness {
            Some(loudness) => self.is_unmeasured |= !loudness.change(&weights, rate),
            None => {
                self.loudness = LoudnessMeter::new(&weights, rate);
                self.is_unmeasured |= self.loudness.is_none();
            }
        }
        self.format = Some((weights, rate));
    }

    /// The next block; without a time it continues the last one.
    pub fn block(&mut self, at: Option<MediaTime>, buffer: &gst::BufferRef) {
        let (Some((channels, rate)), Some(silence)) = (&self.format, &mut self.silence) else {
            return;
        };
        let Ok(map) = buffer.map_readable() else {
            return;
        };
        self.first.get_or_insert((channels.len() as u32, *rate));
        let mut pcm = from_f32(&map);
        // One NaN would stay in the filters for ever.
        clean(&mut pcm);
        let at = at.unwrap_or_else(|| silence.end());
        silence.block(at, &pcm);
        if let Some(loudness) = &mut self.loudness
            && !self.is_unmeasured
        {
            loudness.block(&pcm);
        }
    }

    /// What was measured; `None` if there was no sound.
    pub fn finish(self) -> Option<AudioReport> {
        let (channels, sample_rate) = self.first?;
        let loudness = self.loudness.filter(|_| !self.is_unmeasured);
        Some(AudioReport {
            channels,
            sample_rate,
            silencedetect: self.silence?.finish(),
            ebur128: loudness.map(|loudness| loudness.figures()),
        })
    }
}

/// Positions that count 1.41 times, as bits of GStreamer's channel mask. As in ffmpeg's
/// `ebur128`, which takes all channels at the sides and behind for surround.
const SURROUND: u64 = 1 << 4 // rear left
    | 1 << 5 // rear right
    | 1 << 8 // rear centre
    | 1 << 10 // side left
    | 1 << 11 // side right
    | 1 << 16 // top rear left
    | 1 << 17 // top rear right
    | 1 << 20 // top rear centre
    | 1 << 26 // surround left
    | 1 << 27; // surround right
/// Low-frequency effects.
const LFE: u64 = 1 << 3 | 1 << 9;

/// What channels count. They are in the order of their bits; without a mask, all count as
/// front channels.
fn weights(channels: usize, mask: u64) -> Vec<ChannelWeight> {
    let bits = (0..u64::BITS)
        .map(|i| 1_u64 << i)
        .filter(|bit| mask & bit != 0);
    let weight = |bit: u64| match bit {
        bit if bit & LFE != 0 => ChannelWeight::Lfe,
        bit if bit & SURROUND != 0 => ChannelWeight::Surround,
        _ => ChannelWeight::Front,
    };
    let mut weights: Vec<_> = bits.map(weight).collect();
    if weights.len() != channels {
        weights = vec![ChannelWeight::Front; channels];
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelWeight::{Front, Lfe, Surround};

    #[test]
    fn channels_count_by_their_positions() {
        assert_eq!(weights(1, 0), [Front]);
        assert_eq!(weights(2, 0b11), [Front; 2]);
        let five_one = [Front, Front, Front, Lfe, Surround, Surround];
        assert_eq!(weights(6, 0x3f), five_one);
        assert_eq!(weights(6, 0xc0f), five_one);
        assert_eq!(weights(4, 0), [Front; 4]);
        // A mask that does not fit says nothing.
        assert_eq!(weights(3, 0b11), [Front; 3]);
    }
}
