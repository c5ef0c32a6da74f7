//! Clips without media, for tests: what is heard and shown tells when it was.

use std::path::Path;

use super::codec::{encode_picture, encode_sound};
use super::format::{ClipInfo, FORMAT, Settings};
use super::writer::{Clip, ShardWriter};
use crate::corpus::hash;
use crate::picture::Picture;
use crate::time::{SAMPLE_RATE, SamplePos};

pub(in crate::corpus) const MS: u64 = 1_000_000;

/// How many frames of a clip can be distinguished by their colour.
const COLOURS: usize = 64;

/// Noise that is another at each place of each recording.
pub(in crate::corpus) fn noise(source: &str) -> impl Fn(u64) -> i16 + use<> {
    let seed = hash(0, source);
    move |at| {
        let mixed = (at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed >> 32) % 20_000) as i16 - 10_000
    }
}

pub(in crate::corpus) fn settings() -> Settings {
    Settings {
        fps: 4.0,
        short_side: 256,
        jpeg_quality: 90,
        piece_s: 10,
    }
}

/// What a clip of `source` would say of itself.
pub(in crate::corpus) fn info(source: &str, start: u64, samples: usize) -> ClipInfo {
    ClipInfo {
        format: FORMAT.to_owned(),
        source: source.to_owned(),
        fingerprint: format!("{:016x}", hash(0, source)),
        label: None,
        sample_rate: SAMPLE_RATE,
        start_sample: start,
        samples,
        duration_s: samples as f64 / f64::from(SAMPLE_RATE),
        frame_times_ns: Vec::new(),
        settings: settings(),
    }
}

/// A clip whose frames are shown at these times.
pub(in crate::corpus) fn clip(source: &str, start: u64, samples: usize, times: &[u64]) -> Clip {
    let noise = noise(source);
    let pcm: Vec<i16> = (0..samples as u64).map(|i| noise(start + i)).collect();
    clip_of(
        ClipInfo {
            frame_times_ns: times.to_vec(),
            ..info(source, start, samples)
        },
        &pcm,
    )
}

pub(in crate::corpus) fn clip_of(info: ClipInfo, pcm: &[i16]) -> Clip {
    let frame = |i: usize| {
        let [r, g] = [i / 8 % 8, i % 8].map(|v| (v * 32 + 16) as u8);
        let rgb = [r, g, 128].repeat(48 * 32);
        encode_picture(&rgb, 48, 32).expect("a picture")
    };
    Clip {
        sound: encode_sound(pcm).expect("a sound"),
        frames: (0..info.frame_times_ns.len()).map(frame).collect(),
        info,
    }
}

/// The number of a frame that [`clip`] made, modulo 64.
pub(in crate::corpus) fn number_of(picture: &Picture) -> usize {
    let [r, g] = [0, 1].map(|c| usize::from(picture.rgb[c]) / 32);
    (r * 8 + g) % COLOURS
}

/// A recording of `seconds` from `start` on, in pieces of ten, with a frame each
/// `step_ms`, the first at `first_ms` in each piece.
pub(in crate::corpus) fn recording(
    source: &str,
    start: u64,
    seconds: f64,
    first_ms: u64,
    step_ms: u64,
) -> Vec<Clip> {
    let all = (seconds * f64::from(SAMPLE_RATE)) as usize;
    let piece = 10 * SAMPLE_RATE as usize;
    let mut clips = Vec::new();
    let mut at = 0;
    while at < all {
        let samples = piece.min(all - at);
        let from = SamplePos(start).plus(at);
        let end = from.plus(samples);
        let times: Vec<u64> = (0..COLOURS as u64)
            .map(|i| from.to_time().0 + (first_ms + i * step_ms) * MS)
            // A sample's time is rounded: at it the one before may be heard.
            .filter(|&ns| (from..end).contains(&SamplePos::heard_at(crate::time::MediaTime(ns))))
            .collect();
        clips.push(clip(source, from.0, samples, &times));
        at += samples;
    }
    clips
}

/// Writes clips into shards of a folder.
pub(in crate::corpus) fn write(folder: &Path, clips: &[Clip]) {
    let mut writer = ShardWriter::open(folder, u64::MAX).expect("a folder");
    for clip in clips {
        writer.append(clip).expect("written");
    }
    writer.close().expect("closed");
}
