//! The reference values, and how results are held against them.

use std::path::Path;

use l3net::features::{Features, LogSpectrogram, Viewport};
use l3net::net::{Device, L3Net, NetOptions, Precision, Weights};
use l3net::picture::Picture;
use l3net::window_spec::WindowSpec;
use safetensors::SafeTensors;
use tch::Tensor;

/// How far f32 may be off, as a part of the largest value.
pub const F32: f64 = 1e-4;
/// How far bf16 may be off.
pub const BF16: f64 = 3e-2;
/// As in `golden.py`.
pub const SEED: u64 = 11;
pub const UNIT: u16 = 100;

/// Reference values by name.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn read(path: &Path) -> Self {
        Self(std::fs::read(path).expect("reference values"))
    }

    pub fn ours() -> Self {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden.safetensors"))
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).expect("a safetensors file");
        file.tensor(name).expect(name).data().to_vec()
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        let (words, _) = bytes.as_chunks::<4>();
        words.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub fn pcm(&self) -> Vec<Vec<f32>> {
        let bytes = self.bytes("audio_i16");
        let (words, _) = bytes.as_chunks::<2>();
        let samples: Vec<f32> = words
            .iter()
            .map(|b| f32::from(i16::from_le_bytes(*b)) / 32768.0)
            .collect();
        samples.chunks(48_000).map(<[f32]>::to_vec).collect()
    }
}

#[track_caller]
pub fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    assert!(got.iter().all(|v| v.is_finite()), "{what}: not finite");
    let scale = expected
        .iter()
        .fold(0.0_f64, |m, &v| m.max(f64::from(v).abs()));
    let off = got.iter().zip(expected).fold(0.0_f64, |m, (&g, &e)| {
        m.max((f64::from(g) - f64::from(e)).abs())
    });
    assert!(scale > 0.0, "{what}: the reference is all zero");
    assert!(
        off <= tolerance * scale,
        "{what}: off by {off:.3e} of {scale:.3e} ({:.2e})",
        off / scale
    );
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor
        .to_device(tch::Device::Cpu)
        .to_kind(tch::Kind::Float)
        .contiguous();
    let mut values = vec![0.0; tensor.numel()];
    let len = values.len();
    tensor.copy_data(&mut values, len);
    values
}

pub fn spectrogram(pcm: &[f32]) -> Vec<f32> {
    LogSpectrogram::new(WindowSpec::PAPER).of(pcm)
}

/// As `picture` of `golden.py`.
pub fn picture(width: i64, height: i64, salt: i64) -> Picture {
    let pixel = |x: i64, y: i64| {
        [
            (x * 255 / (width - 1).max(1) + salt * 40) % 256,
            if (x / 16 + y / 16 + salt) % 2 == 0 {
                200
            } else {
                30
            },
            (x * x * 3 + y * y * 5 + x * y * salt) % 256,
        ]
    };
    let rgb = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
        .map(|v| v as u8)
        .collect();
    Picture {
        width: width as u32,
        height: height as u32,
        rgb,
    }
}

pub fn features(spectrogram: Vec<f32>, picture: Picture) -> Features {
    Features {
        spectrogram,
        view: Viewport::whole(picture.width, picture.height),
        image: picture.rgb,
        image_width: picture.width,
        image_height: picture.height,
    }
}

pub fn our_features(golden: &Golden) -> Vec<Features> {
    let pcm = golden.pcm();
    (0..2)
        .map(|i| features(spectrogram(&pcm[i]), picture(120, 88, i as i64 + 1)))
        .collect()
}

pub fn network(weights: &Weights, device: Device, precision: Precision) -> L3Net {
    let options = NetOptions {
        device,
        precision,
        ..NetOptions::default()
    };
    L3Net::new(weights, &options).expect("a network")
}

/// Which of fc1's 128 units are on, for each pair.
pub fn units_on(weights: &Weights, vision: &[f32], audio: &[f32]) -> Vec<Vec<bool>> {
    let (fc1, bias) = (
        weights.tensor("fusion.fc1.weight"),
        weights.tensor("fusion.fc1.bias"),
    );
    let pair = |(vision, audio): (&[f32], &[f32])| {
        let both = [vision, audio].concat();
        let sum = |row: &[f32]| -> f64 {
            row.iter()
                .zip(&both)
                .map(|(&w, &f)| f64::from(w) * f64::from(f))
                .sum()
        };
        fc1.chunks(1024)
            .zip(bias)
            .map(|(row, &b)| sum(row) + f64::from(b) > 0.0)
            .collect()
    };
    vision
        .chunks(512)
        .zip(audio.chunks(512))
        .map(pair)
        .collect()
}

/// The heatmap of a modality with these units of fc1 on, from conv4_2 `[512, h, w]`, by the
/// textbook: `Σ_k max(∂(logit₁ − logit₀)/∂feature_k, 0) · conv4_2[k]`.
pub fn heatmap_of(weights: &Weights, on: &[bool], conv4_2: &[f32], is_audio: bool) -> Vec<f32> {
    let (fc1, fc2) = (
        weights.tensor("fusion.fc1.weight"),
        weights.tensor("fusion.fc2.weight"),
    );
    let (first, hidden) = (if is_audio { 512 } else { 0 }, on.len());
    let cells = conv4_2.len() / 512;
    let mut heat = vec![0.0; cells];
    for (k, map) in conv4_2.chunks(cells).enumerate() {
        let through = |unit: usize| -> f64 {
            let out = f64::from(fc2[hidden + unit]) - f64::from(fc2[unit]);
            out * f64::from(fc1[unit * 1024 + first + k])
        };
        let gradient: f64 = (0..hidden).filter(|&unit| on[unit]).map(through).sum();
        for (heat, value) in heat.iter_mut().zip(map) {
            *heat += gradient.max(0.0) * f64::from(*value);
        }
    }
    heat.iter().map(|&heat| heat as f32).collect()
}
