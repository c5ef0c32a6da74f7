//! A recorded sound as a voice.

use std::sync::Arc;

use super::Voice;

/// As loud as the other voices: 0.1 RMS.
const RMS: f32 = 0.1;
/// A recording is never amplified to more than this.
const MAX_PEAK: f32 = 0.9;

/// Plays a recording in a loop.
pub fn recording(pcm: Arc<[f32]>) -> Box<dyn Voice> {
    let power: f32 = pcm.iter().map(|v| v * v).sum();
    let rms = (power / pcm.len().max(1) as f32).sqrt();
    let peak = pcm.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    let gain = (RMS / rms.max(1e-5)).min(MAX_PEAK / peak.max(1e-5));
    let mut at = 0;
    Box::new(move || {
        let sample = gain * pcm.get(at).copied().unwrap_or(0.0);
        at = (at + 1) % pcm.len().max(1);
        sample
    })
}
