//! Augmentation: random changes of pictures and sounds, so that no two steps see the
//! same.
//!
//! Belongs here: the paper's augmentation (section 2.2), a stronger one for small
//! collections, and one for fixed cameras. Positive and negative pairs are changed
//! alike.

mod sound;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use rand::RngExt;

use crate::corpus::{Cut, Example, MIDDLE, Rng, Tag};
use crate::features::{Crop, LogSpectrogram};
use crate::picture::Picture;
use crate::window_spec::WindowSpec;
use sound::{change_events, mask, perturb};

/// Random crops to try for one that keeps the sounding object.
const MAX_TRIES: usize = 10;

/// How much pictures and sounds are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AugmentationStrength {
    /// Not at all: the middle of the picture, the sound unchanged.
    None,
    /// As in the paper: crop, flip, brightness and saturation, volume by up to 10 %.
    #[default]
    Paper,
    /// More of that, and scale, contrast, tint, grey, speed, noise, tone, and masks in
    /// the spectrogram: for thousands of pictures and sounds instead of millions.
    Strong,
    /// As in the paper, and shuffled events, pauses, and masked bands of frequencies:
    /// for recordings of fixed cameras, which are told apart by level, tone and
    /// background noise.
    Place,
}

/// Crops, changes and scales; reuses its scratch memory.
pub struct Augmenter {
    spec: WindowSpec,
    strength: AugmentationStrength,
    side: u32,
    resizer: Resizer,
    spectrogram: LogSpectrogram,
}

impl Augmenter {
    /// An augmenter for a model that hears `spec` and sees `side × side` pixels.
    pub fn new(spec: WindowSpec, strength: AugmentationStrength, side: u32) -> Self {
        Self {
            spec,
            strength,
            side,
            resizer: Resizer::new(),
            spectrogram: LogSpectrogram::new(spec),
        }
    }

    /// The crop of every picture, before a random one.
    pub fn crop(&self) -> Crop {
        match self.strength {
            AugmentationStrength::None => Crop::Center,
            _ => Crop::Full,
        }
    }

    /// Appends `side × side × 3` bytes; returns what is visible in the crop.
    pub fn image(&mut self, of: &Example, rng: &mut Rng, out: &mut Vec<u8>) -> Vec<Tag> {
        let cut = self.cut(of, rng);
        let shows = of.shown_in(cut);
        let start = out.len();
        out.resize(start + (self.side * self.side * 3) as usize, 0);
        let image = &mut out[start..];
        self.scale(&of.picture, cut, image);
        if self.strength != AugmentationStrength::None {
            if rng.random_bool(0.5) {
                flip(image, self.side as usize);
            }
            Colour::draw(self.strength, rng).change(image);
        }
        shows
    }

    /// Appends a spectrogram.
    pub fn sound(&mut self, of: &Example, rng: &mut Rng, out: &mut Vec<f32>) {
        let start = out.len();
        out.resize(start + self.spec.spectrogram_len(), 0.0);
        let out = &mut out[start..];
        match self.strength {
            AugmentationStrength::None => self.spectrogram.write(&of.pcm, out),
            AugmentationStrength::Paper => self.paper_sound(&of.pcm, rng, out),
            AugmentationStrength::Place => {
                self.paper_sound(&of.pcm, rng, out);
                change_events(out, &self.spec, rng);
            }
            AugmentationStrength::Strong => {
                self.spectrogram.write(&perturb(&of.pcm, rng), out);
                mask(out, &self.spec, rng);
            }
        }
    }

    fn paper_sound(&mut self, pcm: &[f32], rng: &mut Rng, out: &mut [f32]) {
        let volume = rng.random_range(0.9..=1.1_f32);
        let pcm: Vec<f32> = pcm.iter().map(|v| v * volume).collect();
        self.spectrogram.write(&pcm, out);
    }

    /// The crop. Keeps at least half of the sounding object, where the corpus knows its
    /// place.
    fn cut(&self, of: &Example, rng: &mut Rng) -> Cut {
        if self.strength == AugmentationStrength::None {
            return Cut::of(self.crop(), &of.picture);
        }
        let (w, h) = (f64::from(of.picture.width), f64::from(of.picture.height));
        let short = w.min(h);
        for _ in 0..MAX_TRIES {
            let (across, down) = match self.strength {
                AugmentationStrength::Strong => {
                    let scale = rng.random_range(0.55..=1.0);
                    let aspect: f64 = rng.random_range(0.8..=1.25_f64);
                    let across = (scale * aspect.sqrt()).min(1.0);
                    (across, (scale / aspect.sqrt()).min(1.0))
                }
                _ => (MIDDLE, MIDDLE),
            };
            let (width, height) = (across * short, down * short);
            let cut = Cut {
                left: rng.random_range(0.0..=w - width),
                top: rng.random_range(0.0..=h - height),
                width,
                height,
            };
            if of.keeps_what_is_heard(cut) {
                return cut;
            }
        }
        of.largest_cut()
    }

    fn scale(&mut self, picture: &Picture, cut: Cut, out: &mut [u8]) {
        let from = TypedImageRef::<U8x3>::from_buffer(picture.width, picture.height, &picture.rgb)
            .expect("a picture has every pixel");
        let mut to = TypedImage::<U8x3>::from_buffer(self.side, self.side, out)
            .expect("the buffer was made for this size");
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(cut.left, cut.top, cut.width, cut.height)
            .use_alpha(false);
        self.resizer
            .resize_typed(&from, &mut to, &options)
            .expect("the cut lies in the picture");
    }
}

fn flip(image: &mut [u8], side: usize) {
    for row in image.chunks_exact_mut(side * 3) {
        for x in 0..side / 2 {
            for c in 0..3 {
                row.swap(x * 3 + c, (side - 1 - x) * 3 + c);
            }
        }
    }
}

/// A change of colours, the same for every pixel.
struct Colour {
    brightness: f32,
    contrast: f32,
    saturation: f32,
    tint: [f32; 3],
}

impl Colour {
    fn draw(strength: AugmentationStrength, rng: &mut Rng) -> Self {
        let mut around_one = |by: f32| rng.random_range(1.0 - by..=1.0 + by);
        if strength != AugmentationStrength::Strong {
            return Self {
                brightness: around_one(0.2),
                contrast: 1.0,
                saturation: around_one(0.3),
                tint: [1.0; 3],
            };
        }
        let mut colour = Self {
            brightness: around_one(0.4),
            contrast: around_one(0.4),
            saturation: around_one(0.7),
            tint: [around_one(0.2), around_one(0.2), around_one(0.2)],
        };
        if rng.random_bool(0.15) {
            colour.saturation = 0.0;
        }
        colour
    }

    fn change(&self, image: &mut [u8]) {
        for pixel in image.chunks_exact_mut(3) {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let grey = 0.299 * r + 0.587 * g + 0.114 * b;
            for ((to, value), tint) in pixel.iter_mut().zip([r, g, b]).zip(self.tint) {
                let value = (grey + (value - grey) * self.saturation) * tint * self.brightness;
                // `as` keeps within 0 to 255.
                *to = (127.5 + (value - 127.5) * self.contrast + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{COLOURS, Tones};
    use super::*;
    use crate::corpus::{Corpus, Split, rng};
    use crate::features::FeatureExtractor;

    const SPEC: WindowSpec = WindowSpec::PAPER;

    fn example(seed: u64) -> Example {
        Tones::default()
            .draw(Split::Train, &mut rng(seed, 0, 0))
            .expect("a draw")
    }

    #[test]
    fn without_augmentation_features_are_those_of_inference() {
        let example = example(1);
        let mut augmenter = Augmenter::new(SPEC, AugmentationStrength::None, 224);
        let (mut image, mut spectrogram) = (Vec::new(), Vec::new());
        augmenter.image(&example, &mut rng(0, 0, 0), &mut image);
        augmenter.sound(&example, &mut rng(0, 0, 0), &mut spectrogram);
        let used =
            FeatureExtractor::new(SPEC, Crop::Center).extract(&example.pcm, &example.picture);
        assert_eq!(spectrogram, used.spectrogram);
        // One scaling here, scaling and cropping there: they differ by rounding.
        let off = image.iter().zip(&used.image).map(|(a, b)| a.abs_diff(*b));
        assert!(off.max() <= Some(2));
    }

    #[test]
    fn a_crop_keeps_half_of_the_sounding_object() {
        for (seed, strength) in
            (0..200).zip([AugmentationStrength::Paper, AugmentationStrength::Strong].repeat(100))
        {
            let example = example(seed);
            let augmenter = Augmenter::new(SPEC, strength, 32);
            let cut = augmenter.cut(&example, &mut rng(seed, 1, 0));
            let Cut {
                left,
                top,
                width,
                height,
            } = cut;
            assert!(left >= 0.0 && left + width <= 80.0, "{cut:?}");
            assert!(top >= 0.0 && top + height <= 64.0, "{cut:?}");
            let across = (34.0_f64.min(left + width) - 10.0_f64.max(left)).max(0.0);
            let down = (44.0_f64.min(top + height) - 20.0_f64.max(top)).max(0.0);
            let whole = cut == Cut::middle(&example.picture, 1.0);
            assert!(whole || across * down >= 0.5 * 24.0 * 24.0, "{cut:?}");
        }
    }

    #[test]
    fn the_papers_changes_are_small() {
        let example = example(2);
        let mut plain = Vec::new();
        let mut augmenter = Augmenter::new(SPEC, AugmentationStrength::Paper, 32);
        Augmenter::new(SPEC, AugmentationStrength::None, 32).sound(
            &example,
            &mut rng(0, 0, 0),
            &mut plain,
        );
        for seed in 0..50 {
            let mut rng = rng(seed, 2, 0);
            let (mut image, mut sound) = (Vec::new(), Vec::new());
            augmenter.image(&example, &mut rng, &mut image);
            augmenter.sound(&example, &mut rng, &mut sound);
            // Volume by 10 % is 0.2 ln(1.1) at most.
            let off = sound.iter().zip(&plain).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) <= 0.2 * 1.1_f32.ln() + 0.003);
            let strongest = COLOURS.iter().position(|c| *c == [200, 30, 30]);
            assert!(strongest.is_some());
            assert_eq!(image.len(), 32 * 32 * 3);
        }
    }

    #[test]
    fn flipping_twice_changes_nothing() {
        let mut image: Vec<u8> = (0..32 * 32 * 3).map(|i| (i % 251) as u8).collect();
        let before = image.clone();
        flip(&mut image, 32);
        assert_ne!(image, before);
        assert_eq!(image[..3], before[31 * 3..32 * 3]);
        flip(&mut image, 32);
        assert_eq!(image, before);
    }
}
