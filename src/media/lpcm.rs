//! Uncompressed sound of DVDs and Blu-rays, which dvdlpcmdec (1.22) reads wrongly.
//!
//! It takes Blu-ray's 24-bit samples for a DVD's, does not skip the channel that fills up an
//! odd number, and begins a group of 24-bit samples anew with each packet although groups
//! are cut by packets. Each packet is rewritten at its input with the upper 16 bits of
//! each sample, which it reads well: what is lost lies 96 dB below full scale.

use std::sync::Mutex;

use gst::prelude::*;
use gstreamer as gst;

/// Rewrites what arrives at a dvdlpcmdec.
pub(super) fn unpack_samples(decoder: &gst::Element) {
    let Some(pad) = decoder.static_pad("sink") else {
        return;
    };
    let dvd = Mutex::new(Dvd::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let caps = pad.current_caps();
        let layout = caps
            .as_ref()
            .and_then(|caps| Some(caps.structure(0)?.name().as_str()));
        let Some(buffer) = info.buffer_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let unpacked = match (layout, buffer.map_readable()) {
            (Some("audio/x-private1-lpcm"), Ok(map)) => match dvd.lock() {
                Ok(mut dvd) => {
                    if buffer.flags().contains(gst::BufferFlags::DISCONT) {
                        dvd.rest.clear();
                    }
                    dvd.unpack(&map)
                }
                Err(_) => None,
            },
            (Some("audio/x-private-ts-lpcm"), Ok(map)) => bluray(&map),
            _ => return gst::PadProbeReturn::Ok,
        };
        // A packet that is too short holds no samples.
        let Some(Unpacked { data, early_ns }) = unpacked else {
            // Not `Drop`: see `mov`.
            return gst::PadProbeReturn::Handled;
        };
        let mut whole = gst::Buffer::from_mut_slice(data);
        let copied = gst::BufferCopyFlags::FLAGS;
        let target = whole.make_mut();
        // Cannot fail: it copies no memory.
        let _ = buffer.copy_into(target, copied, ..);
        let early = gst::ClockTime::from_nseconds(early_ns);
        target.set_pts(buffer.pts().map(|at| at.saturating_sub(early)));
        *buffer = whole;
        gst::PadProbeReturn::Ok
    });
}

/// A packet of 16-bit samples.
#[derive(Debug, PartialEq, Eq)]
struct Unpacked {
    data: Vec<u8>,
    /// How long before the packet's timestamp its first sample lies.
    early_ns: u64,
}

/// The sound of a DVD.
#[derive(Debug, Default)]
struct Dvd {
    /// What the last packet has cut.
    rest: Vec<u8>,
    /// Sample format, rate and channels of the rest.
    format: u8,
}

impl Dvd {
    /// Bytes before the samples: where the first frame begins (2), its number, its format,
    /// its dynamic range.
    const HEADER: usize = 5;

    fn unpack(&mut self, packet: &[u8]) -> Option<Unpacked> {
        let (&[high, low, number, format, range], samples) =
            packet.split_first_chunk::<{ Self::HEADER }>()?;
        if format != self.format {
            self.rest.clear();
            self.format = format;
        }
        let channels = usize::from(format & 7) + 1;
        let rate = [48_000, 96_000, 44_100, 32_000][usize::from(format >> 4 & 3)];
        // Samples whose upper 16 bits lie together, before their lower ones.
        let group = if channels == 1 { 2 } else { 4 };
        let bits = match format >> 6 {
            0 => 16,
            1 => 20,
            2 => 24,
            _ => return None,
        };
        let group_bytes = group * bits / 8;
        // The timestamp is that of the frame to which the pointer points, from the number on.
        let before = (usize::from(high) << 8 | usize::from(low)).saturating_sub(4);
        let early = (self.rest.len() + before) * group / group_bytes / channels;
        self.rest.extend_from_slice(samples);
        // Whole groups that are whole samples of all channels.
        let groups = (1..=channels).find(|groups| groups * group % channels == 0)?;
        let block = groups * group_bytes;
        let whole = self.rest.len() / block * block;
        let mut data = vec![0, 4, number, format & 0x3f, range];
        for samples in self.rest[..whole].chunks_exact(group_bytes) {
            data.extend_from_slice(&samples[..2 * group]);
        }
        self.rest.drain(..whole);
        Some(Unpacked {
            data,
            early_ns: early as u64 * 1_000_000_000 / rate,
        })
    }
}

/// The sound of a Blu-ray: its packets are whole.
fn bluray(packet: &[u8]) -> Option<Unpacked> {
    /// Channels by their arrangement; 0 is reserved.
    const CHANNELS: [usize; 16] = [0, 1, 0, 2, 3, 3, 4, 4, 5, 6, 7, 8, 0, 0, 0, 0];
    let (&[high, low, arrangement, format], samples) = packet.split_first_chunk::<4>()?;
    let channels = CHANNELS[usize::from(arrangement >> 4)];
    let bytes = match format >> 6 {
        1 => 2,
        2 | 3 => 3,
        _ => return None,
    };
    let slots = channels.next_multiple_of(2).max(2);
    let mut data = vec![high, low, arrangement, format & 0x3f | 0x40];
    for frame in samples.chunks_exact(slots * bytes) {
        let channels = frame.chunks_exact(bytes).take(channels);
        data.extend(channels.flat_map(|sample| &sample[..2]));
    }
    Some(Unpacked { data, early_ns: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 24-bit samples 0x010203, 0x040506 and so on as a DVD packs them.
    fn dvd_groups(samples: u8, group: u8) -> Vec<u8> {
        let packed = |first: u8| {
            let upper = (first..first + group).flat_map(|i| [3 * i + 1, 3 * i + 2]);
            upper.chain((first..first + group).map(|i| 3 * i + 3))
        };
        let firsts = (0..samples).step_by(group.into());
        firsts.flat_map(packed).collect()
    }

    fn upper(samples: std::ops::Range<u8>) -> Vec<u8> {
        samples.flat_map(|i| [3 * i + 1, 3 * i + 2]).collect()
    }

    #[test]
    fn groups_of_a_dvd_continue_in_the_next_packet() {
        for (channels, group, samples_at_once) in [(1_u8, 2, 2), (2, 4, 4), (6, 4, 12)] {
            let format = 0x80 | (channels - 1);
            let all = dvd_groups(24, group);
            for cut in 0..all.len() {
                let mut dvd = Dvd::default();
                let mut heard = Vec::new();
                let mut early = 0;
                for (pointer, samples) in [(4, &all[..cut]), (4 + 12, &all[cut..])] {
                    let packet = [&[0, pointer, 7, format, 0x80], samples].concat();
                    let unpacked = dvd.unpack(&packet).expect("it has a header");
                    assert_eq!(unpacked.data[..5], [0, 4, 7, format & 7, 0x80]);
                    let (frames, rest) = unpacked.data[5..].as_chunks::<2>();
                    assert!(rest.is_empty() && frames.len() % usize::from(channels) == 0);
                    heard.extend_from_slice(&unpacked.data[5..]);
                    early = unpacked.early_ns;
                }
                assert_eq!(heard, upper(0..24), "{channels} channels, cut at {cut}");
                let in_rest = cut % (samples_at_once * 3);
                let frames = ((in_rest + 12) / 3) as u64 / u64::from(channels);
                assert_eq!(early, frames * 1_000_000_000 / 48_000);
            }
        }
    }

    #[test]
    fn a_dvd_with_16_and_20_bits() {
        let mut dvd = Dvd::default();
        let sixteen = dvd.unpack(&[0, 4, 0, 0x01, 0x80, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            sixteen.map(|u| u.data[5..].to_vec()),
            Some((1..=8).collect())
        );
        let twenty = dvd.unpack(&[0, 4, 0, 0x41, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 0xab, 0xcd]);
        assert_eq!(
            twenty.map(|u| u.data[5..].to_vec()),
            Some((1..=8).collect())
        );
        assert_eq!(dvd.unpack(&[0, 4, 0]), None);
        assert_eq!(dvd.unpack(&[0, 4, 0, 0xc0, 0, 1, 2]), None, "no such width");
    }

    #[test]
    fn blu_ray_fills_up_odd_channels_and_packs_no_groups() {
        let unpacked = |header: [u8; 2], samples: &[u8]| {
            let packet = [&[0, 9, header[0], header[1]], samples].concat();
            bluray(&packet).map(|u| u.data[2..].to_vec())
        };
        let stereo_24 = unpacked([0x31, 0xc0], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(stereo_24, Some(vec![0x31, 0x40, 1, 2, 4, 5, 7, 8, 10, 11]));
        let mono_16 = unpacked([0x11, 0x40], &[1, 2, 0, 0, 3, 4, 0, 0]);
        assert_eq!(mono_16, Some(vec![0x11, 0x40, 1, 2, 3, 4]));
        let mono_20 = unpacked([0x14, 0x80], &[1, 2, 0x30, 0, 0, 0]);
        assert_eq!(mono_20, Some(vec![0x14, 0x40, 1, 2]));
        assert_eq!(unpacked([0x31, 0x00], &[0; 12]), None, "no such width");
    }
}
