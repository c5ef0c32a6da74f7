//! The sound of a scene: which thing sounds when, how loud, in which room, over
//! which background.

use std::f64::consts::TAU;
use std::sync::Arc;

use rand::RngExt;

use super::kind::ThingKind;
use super::reverb::{Reverb, RoomAcoustics};
use super::rhythm::Rhythm;
use super::settings::SynthSettings;
use super::voice::{Hiss, LowPass, RATE, Voice, recording};
use crate::corpus::{Rng, rng};

/// Voices are this loud where they sound.
const VOICE_RMS: f32 = 0.1;
/// Samples for which a voice runs before it is heard: what was struck before rings.
const BEFORE: usize = 12_000;
/// Length in samples of the fades of a voice, which avoid clicks.
const RAMP: usize = 480;
/// Samples between updates of the gain.
const STEP: usize = 64;

/// Describes the sound of a scene; rendered any number of times.
#[derive(Clone, Debug)]
pub struct Soundscape {
    /// In the order of time.
    pub(super) spans: Vec<Span>,
    /// Seconds after which the spans repeat.
    pub(super) cycle_s: Option<f64>,
    pub(super) room: Option<RoomAcoustics>,
    /// RMS of the background.
    pub(super) noise: Option<BackgroundNoise>,
    pub(super) level: Level,
}

/// A time in which one thing sounds.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Until the next span begins, or without end.
    pub from_s: f64,
    /// What sounds; nothing if none.
    pub source: Option<Source>,
}

/// Something that sounds.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name of its class.
    pub class: Arc<str>,
    /// Which of the scene's objects it is; one that is not seen has none.
    pub object: Option<usize>,
    pub(super) sound: SoundOf,
    pub(super) rhythm: Rhythm,
    pub(super) seed: u64,
}

#[derive(Clone, Debug)]
pub(super) enum SoundOf {
    Kind(&'static ThingKind),
    Recording(Arc<[f32]>),
}

/// How loud the scene is, and how that changes.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// Of a voice, in dB.
    pub gain_db: f64,
    pub swing_db: f64,
    pub swing_hz: f64,
    pub phase: f64,
}

impl Level {
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            gain_db: rng.random_range(-18.0..9.0),
            swing_db: rng.random_range(0.0..5.0),
            swing_hz: rng.random_range(0.1..1.5),
            phase: rng.random_range(0.0..1.0),
        }
    }

    fn gain(&self, t_s: f64) -> f32 {
        let swing = self.swing_db * (TAU * (self.swing_hz * t_s + self.phase)).sin();
        10.0_f64.powf((self.gain_db + swing) / 20.0) as f32
    }
}

/// BackgroundNoise that has nothing to do with what is seen.
#[derive(Clone, Debug)]
pub(super) struct BackgroundNoise {
    pub rms: f32,
    /// Its corner: rumble, or the hiss of a bad microphone.
    pub colour_hz: f32,
    pub seed: u64,
}

impl BackgroundNoise {
    /// BackgroundNoise `snr_db` below the voices.
    pub fn draw(settings: &SynthSettings, level: &Level, rng: &mut Rng) -> Self {
        let snr_db = rng.random_range(settings.snr_db.clone());
        let gain = 10.0_f64.powf((level.gain_db - f64::from(snr_db)) / 20.0);
        Self {
            rms: VOICE_RMS * gain as f32,
            colour_hz: 80.0 * 100.0_f32.powf(rng.random_range(0.0..1.0)),
            seed: rng.random(),
        }
    }
}

impl Soundscape {
    /// What sounds at a moment.
    pub fn source_at(&self, t_s: f64) -> Option<&Source> {
        let t_s = self.cycle_s.map_or(t_s, |cycle_s| t_s.rem_euclid(cycle_s));
        let span = self.spans.iter().rev().find(|span| span.from_s <= t_s);
        span.and_then(|span| span.source.as_ref())
    }

    /// Span number `k` and when it begins.
    fn span(&self, k: usize) -> Option<(f64, &Span)> {
        let Some(cycle_s) = self.cycle_s else {
            return self.spans.get(k).map(|span| (span.from_s, span));
        };
        let rounds = k.checked_div(self.spans.len())?;
        let span = &self.spans[k % self.spans.len()];
        Some((rounds as f64 * cycle_s + span.from_s, span))
    }

    /// What sounds in the first `seconds`, with the times from and to.
    pub fn heard(&self, seconds: f64) -> impl Iterator<Item = (f64, f64, &Source)> {
        (0..)
            .map_while(|k| self.span(k).map(|(from_s, span)| (k, from_s, span)))
            .take_while(move |(_, from_s, _)| *from_s < seconds)
            .filter_map(move |(k, from_s, span)| {
                let to_s = self.span(k + 1).map_or(seconds, |(next_s, _)| next_s);
                Some((from_s, to_s.min(seconds), span.source.as_ref()?))
            })
    }

    /// Renders it from its start on.
    pub fn listen(self: &Arc<Self>) -> Listener {
        Listener {
            span: 0,
            sounding: Vec::new(),
            reverb: self.room.as_ref().map(Reverb::of),
            noise: self.noise.as_ref().map(NoiseVoice::of),
            at: 0,
            gain: 0.0,
            voiced: Vec::new(),
            scape: Arc::clone(self),
        }
    }
}

/// Renders a scene's sound, sample after sample; blocks may be of any size.
pub struct Listener {
    scape: Arc<Soundscape>,
    span: usize,
    sounding: Vec<Sounding>,
    reverb: Option<Reverb>,
    noise: Option<NoiseVoice>,
    at: u64,
    gain: f32,
    voiced: Vec<f32>,
}

struct Sounding {
    voice: Box<dyn Voice>,
    since: usize,
    /// Samples until it has gone, once another has come.
    left: Option<usize>,
    from_start: bool,
}

struct NoiseVoice {
    hiss: Hiss,
    colour: LowPass,
    gain: f32,
}

impl NoiseVoice {
    fn of(noise: &BackgroundNoise) -> Self {
        // What one pole leaves of white noise of an RMS of 1/√3.
        let keep = (-std::f32::consts::TAU * noise.colour_hz / RATE).exp();
        let left = ((1.0 - keep) / (1.0 + keep) / 3.0).sqrt();
        Self {
            hiss: Hiss::draw(&mut rng(noise.seed, 0, 0)),
            colour: LowPass::at(noise.colour_hz),
            gain: noise.rms / left,
        }
    }
}

impl Listener {
    /// The next `samples`, at 48 kHz in `[-1, 1]`.
    pub fn read(&mut self, samples: usize) -> Vec<f32> {
        let mut out = vec![0.0; samples];
        let mut done = 0;
        while done < samples {
            self.begin_spans();
            let end = done + self.until_next_span().min(samples - done);
            self.block(&mut out[done..end]);
            done = end;
        }
        out
    }

    fn begin_spans(&mut self) {
        while let Some((from_s, span)) = self.scape.span(self.span)
            && sample_at(from_s) <= self.at
        {
            for sounding in &mut self.sounding {
                sounding.left.get_or_insert(RAMP);
            }
            if let Some(source) = &span.source {
                self.sounding.push(Sounding {
                    voice: source.voice(from_s),
                    since: 0,
                    left: None,
                    from_start: self.at == 0,
                });
            }
            self.span += 1;
        }
    }

    fn until_next_span(&self) -> usize {
        let next = self.scape.span(self.span);
        let next = next.map(|(from_s, _)| sample_at(from_s));
        next.map_or(usize::MAX, |next| {
            usize::try_from(next - self.at).unwrap_or(usize::MAX)
        })
    }

    fn block(&mut self, out: &mut [f32]) {
        for sounding in &mut self.sounding {
            self.voiced.clear();
            self.voiced.resize(out.len(), 0.0);
            sounding.voice.render(&mut self.voiced);
            for (to, voiced) in out.iter_mut().zip(&self.voiced) {
                *to += voiced * sounding.fade();
            }
        }
        self.sounding.retain(|sounding| sounding.left != Some(0));
        for (i, to) in out.iter_mut().enumerate() {
            let at = self.at + i as u64;
            if at.is_multiple_of(STEP as u64) {
                self.gain = self.scape.level.gain(at as f64 / f64::from(RATE));
            }
            *to *= self.gain;
        }
        if let Some(reverb) = &mut self.reverb {
            reverb.render(out);
        }
        if let Some(noise) = &mut self.noise {
            for to in out.iter_mut() {
                *to += noise.gain * noise.colour.next(noise.hiss.next());
            }
        }
        for to in out.iter_mut() {
            *to = soft(*to);
        }
        self.at += out.len() as u64;
    }
}

impl Sounding {
    /// Its strength at the next sample.
    fn fade(&mut self) -> f32 {
        let come = if self.from_start { RAMP } else { self.since };
        self.since += 1;
        let mut fade = (come as f32 / RAMP as f32).min(1.0);
        if let Some(left) = &mut self.left {
            fade *= *left as f32 / RAMP as f32;
            *left = left.saturating_sub(1);
        }
        fade
    }
}

impl Source {
    fn voice(&self, from_s: f64) -> Box<dyn Voice> {
        let mut rng = rng(self.seed, 0, 0);
        match &self.sound {
            SoundOf::Kind(kind) => {
                let start_s = from_s - BEFORE as f64 / f64::from(RATE);
                let mut voice = kind.voice(&self.rhythm, start_s, &mut rng);
                voice.render(&mut [0.0; BEFORE]);
                voice
            }
            SoundOf::Recording(pcm) => recording(Arc::clone(pcm)),
        }
    }
}

fn sample_at(t_s: f64) -> u64 {
    (t_s * f64::from(RATE)).round().max(0.0) as u64
}

/// Lets through what is quiet and bends what would clip.
fn soft(value: f32) -> f32 {
    const FROM: f32 = 0.7;
    let over = value.abs() - FROM;
    if over <= 0.0 {
        return value;
    }
    let headroom = 1.0 - FROM;
    (FROM + headroom * over / (headroom + over)).copysign(value)
}
