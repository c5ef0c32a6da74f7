//! Single files as the network sees and hears them, with the maps of some units.
//!
//! Belongs here: repeating the pass that [`Extractor`](super::extract::Extractor) made,
//! for the few files that are shown: the maps of all files and units are too large to
//! store.

use super::error::EvalError;
use super::extract::{framed, spectrogram_of};
use super::labelled::Media;
use super::seconds::{Seconds, second_at};
use crate::features::{Crop, FrameScaler, LogSpectrogram, ScaledFrame};
use crate::net::{L3Net, NetError, Response};
use crate::result::Heatmap;

/// A picture, and where it excites units.
#[derive(Clone, Debug)]
pub struct PictureMaps {
    /// The part of the picture that the network sees.
    pub frame: ScaledFrame,
    /// conv4_2 of each of the units.
    pub maps: Vec<Heatmap>,
}

/// A second of sound, and where it excites units.
#[derive(Clone, Debug)]
pub struct SoundMaps {
    /// The loudest second, or less if the sound is shorter.
    pub second: Vec<f32>,
    /// Its log-spectrogram.
    pub spectrogram: Vec<f32>,
    /// conv4_2 of each of the units, row 0 the lowest frequency.
    pub maps: Vec<Heatmap>,
}

impl PictureMaps {
    /// The maps of some units for a picture.
    ///
    /// # Errors
    /// If the file cannot be read, or the network fails.
    pub fn of(net: &L3Net, media: &Media, units: &[usize]) -> Result<Self, EvalError> {
        let frame = framed(&mut FrameScaler::new(Crop::Full), media)?;
        let maps = maps(&net.vision_response(&[&frame])?, units)?;
        Ok(Self { frame, maps })
    }
}

impl SoundMaps {
    /// The maps of some units for the loudest second of a sound.
    ///
    /// # Errors
    /// If the file cannot be read, or the network fails.
    pub fn of(
        net: &L3Net,
        media: &Media,
        seconds: Seconds,
        units: &[usize],
    ) -> Result<Self, EvalError> {
        let pcm = media.sound()?;
        let spec = net.describe().variant.spec;
        let second = second_at(spec, &pcm, seconds.loudest(spec, &pcm)).to_vec();
        let spectrogram = spectrogram_of(&mut LogSpectrogram::new(spec), &second);
        let maps = maps(&net.audio_response(&[&spectrogram])?, units)?;
        Ok(Self {
            second,
            spectrogram,
            maps,
        })
    }
}

fn maps(response: &Response, units: &[usize]) -> Result<Vec<Heatmap>, NetError> {
    let map = |&unit: &usize| response.unit(0, unit);
    units.iter().map(map).collect()
}
