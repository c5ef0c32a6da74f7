//! A recorded sound as a voice.

use std::sync::Arc;

use super::Voice;

/// As loud as the other voices: 0.1 RMS.
const RMS: f32 = 0.1;
/// A recording is never made louder than this.
const MOST: f32 = 0.9;

/// A recording that starts again at its end.
pub struct Recording {
    pcm: Arc<[f32]>,
    at: usize,
    gain: f32,
}

impl Recording {
    /// Plays `pcm` from sample `at` on, round and round.
    pub fn new(pcm: Arc<[f32]>, at: usize) -> Self {
        let power: f32 = pcm.iter().map(|v| v * v).sum();
        let rms = (power / pcm.len().max(1) as f32).sqrt();
        let peak = pcm.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        Self {
            at: at % pcm.len().max(1),
            gain: (RMS / rms.max(1e-5)).min(MOST / peak.max(1e-5)),
            pcm,
        }
    }
}

impl Voice for Recording {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = self.gain * self.pcm.get(self.at).copied().unwrap_or(0.0);
            self.at = (self.at + 1) % self.pcm.len().max(1);
        }
    }
}
