//! Single files as the network met them, with the maps of some of its units.
//!
//! Belongs here: the same pass that [`Extractor`](super::extract::Extractor) made,
//! again, for the few files that somebody looks at: maps of all files and units
//! would not fit anywhere.

use super::error::EvalError;
use super::extract::{framed, spectrogram_of};
use super::labelled::Media;
use super::seconds::{Seconds, second_at};
use crate::features::{FrameScaler, LogSpectrogram, ScaledFrame};
use crate::net::{L3Net, NetError, Response};
use crate::result::{Crop, Heatmap};

/// A picture and where it excites units.
#[derive(Clone, Debug)]
pub struct PictureMaps {
    /// What of the picture was looked at.
    pub frame: ScaledFrame,
    /// conv4_2 of each unit that was asked for.
    pub maps: Vec<Heatmap>,
}

/// A second of sound and where it excites units.
#[derive(Clone, Debug)]
pub struct SoundMaps {
    /// The second that was listened to, 48 kHz, or what there is of it.
    pub second: Vec<f32>,
    /// Its log-spectrogram.
    pub spectrogram: Vec<f32>,
    /// conv4_2 of each unit that was asked for, row 0 the lowest frequency.
    pub maps: Vec<Heatmap>,
}

impl PictureMaps {
    /// What units see in a picture.
    ///
    /// # Errors
    /// If the file cannot be read, or the network fails.
    pub fn of(net: &L3Net, media: &Media, units: &[usize]) -> Result<Self, EvalError> {
        let frame = framed(&mut FrameScaler::new(Crop::Full), media)?;
        let maps = maps(&net.see(&[&frame])?, units)?;
        Ok(Self { frame, maps })
    }
}

impl SoundMaps {
    /// What units hear in the loudest of some seconds of a sound.
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
        let second = second_at(&pcm, seconds.loudest(&pcm)).to_vec();
        let spectrogram = spectrogram_of(&mut LogSpectrogram::new(), &second);
        let maps = maps(&net.hear(&[&spectrogram])?, units)?;
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
