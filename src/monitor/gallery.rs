//! The newest judged moment of each stream, as pictures that are drawn when somebody asks.
//!
//! Belongs here: which picture, its size and encoding. Does not: what a glow looks like
//! ([`l3net_data::draw`]). Without a viewer nothing is drawn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use l3net_data::draw;
use l3net_data::event::JudgedMoment;
use l3net_data::picture::Picture;
use l3net_data::result::StreamName;
use l3net_data::sync::lock;

/// JPEG's quality: artefacts are hardly seen, and a picture has a tenth of its bytes.
const QUALITY: u8 = 80;

/// The newest moments. Any thread may look.
#[derive(Debug, Default)]
pub struct Gallery {
    newest: Mutex<HashMap<StreamName, Arc<JudgedMoment>>>,
}

impl Gallery {
    /// Takes a moment.
    pub fn put(&self, moment: Arc<JudgedMoment>) {
        let mut newest = lock(&self.newest);
        newest.insert(moment.verdict.stream.clone(), moment);
    }

    /// The newest moment of a stream.
    pub fn newest(&self, stream: &str) -> Option<Arc<JudgedMoment>> {
        let newest = lock(&self.newest);
        newest.get(stream).cloned()
    }

    /// Forgets streams that are not among these.
    pub fn keep(&self, streams: &[StreamName]) {
        let mut newest = lock(&self.newest);
        newest.retain(|name, _| streams.contains(name));
    }
}

/// The picture of a moment as a JPEG of at most this width, with its heatmap if it is
/// wanted; `None` if the moment has no picture.
pub fn frame_jpeg(moment: &JudgedMoment, with_heatmap: bool, max_width: u32) -> Option<Vec<u8>> {
    let mut picture = scaled(moment.evidence.picture.as_deref()?, max_width);
    if with_heatmap {
        // Scaled first: the glow is as smooth, and costs a part.
        draw::add_glow(&mut picture, moment);
    }
    jpeg(&picture)
}

/// The log-spectrogram of a moment with its heatmap as a PNG, one pixel for each value;
/// `None` if the moment has none.
pub fn spectrogram_png(moment: &JudgedMoment) -> Option<Vec<u8>> {
    let spec = &moment.evidence.spec;
    let values = moment.evidence.spectrogram.as_deref()?;
    let mut picture = draw::spectrogram_picture(spec, values)?;
    let map = &moment.evidence.judgement.audio;
    let mut layer = draw::Layer::new(picture.width, picture.height);
    let area = draw::Area::of(picture.width, picture.height);
    let under = draw::under_sound_map(area, spec, map);
    draw::glow(&mut layer, under, map, moment.verdict.correspondence, true);
    layer.blend(&mut picture);
    draw::png::quick(&picture).ok()
}

fn scaled(picture: &Picture, max_width: u32) -> Picture {
    if picture.width <= max_width {
        return picture.clone();
    }
    let height = u64::from(picture.height) * u64::from(max_width) / u64::from(picture.width);
    let height = u32::try_from(height).unwrap_or(u32::MAX).max(1);
    let from = ImageRef::new(picture.width, picture.height, &picture.rgb, PixelType::U8x3);
    let mut to = Image::new(max_width, height, PixelType::U8x3);
    match from.map(|from| Resizer::new().resize(&from, &mut to, None)) {
        Ok(Ok(())) => Picture {
            width: max_width,
            height,
            rgb: to.into_vec(),
        },
        // A picture whose size does not fit its bytes; there is none.
        _ => picture.clone(),
    }
}

fn jpeg(picture: &Picture) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // JPEG's sizes have 16 bits.
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(
            &picture.rgb,
            picture.width,
            picture.height,
            ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::judged;

    #[test]
    fn pictures_are_scaled_and_keep_their_shape() {
        let moment = judged(3, 1280, 720);
        for (with_heatmap, width, expected) in [
            (false, 4000, (1280, 720)),
            (true, 320, (320, 180)),
            (false, 1, (1, 1)),
        ] {
            let bytes = frame_jpeg(&moment, with_heatmap, width).expect("it has a picture");
            let read = image::load_from_memory(&bytes).expect("a JPEG");
            assert_eq!((read.width(), read.height()), expected);
        }
        let bytes = spectrogram_png(&moment).expect("it has a spectrogram");
        let read = image::load_from_memory(&bytes).expect("a PNG");
        assert_eq!((read.width(), read.height()), (199, 257));
        let bare = moment.without_pictures();
        assert_eq!(frame_jpeg(&bare, true, 320), None);
        assert_eq!(spectrogram_png(&bare), None);
    }

    #[test]
    fn the_newest_is_shown_and_who_has_gone_is_forgotten() {
        let gallery = Gallery::default();
        gallery.put(Arc::new(judged(1, 64, 36)));
        gallery.put(Arc::new(judged(2, 64, 36)));
        assert_eq!(gallery.newest("door").expect("there").verdict.seq, 2);
        gallery.keep(&["yard".into()]);
        assert!(gallery.newest("door").is_none());
    }
}
