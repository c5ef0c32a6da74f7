//! Jobs of the throughput benchmark besides the network itself.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, bail};
use tch::{CModule, Kind, Tensor};

use crate::features::{Features, Viewport};
use crate::net::{Conv1Stride, NetInfo};
use crate::window_spec::WindowSpec;

/// Work that is timed repeatedly.
pub(super) type Job<'a> = Box<dyn FnMut() -> anyhow::Result<()> + 'a>;

/// Multiplications and additions of one pair, in 10⁹.
pub(in crate::cmd) fn gflop_per_pair(
    spec: WindowSpec,
    stride: Conv1Stride,
    (width, height): (u32, u32),
) -> f64 {
    let trunk = |channels_in: f64, width: u64, height: u64| {
        let stride = u64::from(stride.get());
        let (mut w, mut h) = (width.div_ceil(stride), height.div_ceil(stride));
        let (mut sum, mut channels_in) = (0.0, channels_in);
        for channels in [64.0, 128.0, 256.0, 512.0] {
            sum += 18.0 * (w * h) as f64 * channels * (channels_in + channels);
            (w, h, channels_in) = (w / 2, h / 2, channels);
        }
        sum
    };
    let fusion = 2.0 * (1024.0 * 128.0 + 128.0 * 2.0);
    let vision = trunk(3.0, width.into(), height.into());
    (vision + trunk(1.0, spec.frames as u64, spec.bins as u64) + fusion) / 1e9
}

/// A synthetic pair; the speed of oneDNN and cuDNN does not depend on the values.
pub(super) fn pair(seed: usize, spec: WindowSpec, (width, height): (u32, u32)) -> Features {
    Features {
        spectrogram: (0..spec.spectrogram_len())
            .map(|i| ((i * 31 + seed) % 997) as f32 / 500.0 - 1.5)
            .collect(),
        image: (0..width as usize * height as usize * 3)
            .map(|i| ((i * 7 + seed) % 251) as u8)
            .collect(),
        image_width: width,
        image_height: height,
        view: Viewport::whole(width, height),
    }
}

/// Changes a pixel: what the network has just seen, it does not see again.
pub(super) fn show_another(pair: &mut Features) {
    if let Some(first) = pair.image.first_chunk_mut() {
        *first = u32::from_le_bytes(*first).wrapping_add(1).to_le_bytes();
    }
}

fn side(info: &NetInfo) -> i64 {
    if info.device.is_cuda() { 8192 } else { 1024 }
}

pub(super) fn matmul_gflop(info: &NetInfo) -> f64 {
    2.0 * (side(info) as f64).powi(3) / 1e9
}

pub(super) fn matmul(info: &NetInfo) -> Job<'static> {
    let options = (Kind::Float, info.device);
    let a = Tensor::rand([side(info); 2], options).to_kind(info.kind);
    let device = info.device;
    Box::new(move || {
        drop(black_box(a.f_matmul(&a)?));
        wait(device);
        Ok(())
    })
}

/// Batch of the convolution, the second ceiling, over 28 × 28 positions.
fn images(info: &NetInfo) -> i64 {
    if info.device.is_cuda() { 256 } else { 4 }
}

pub(super) fn convolution_gflop(info: &NetInfo) -> f64 {
    18.0 * images(info) as f64 * 28.0 * 28.0 * 256.0 * 256.0 / 1e9
}

pub(super) fn convolution(info: &NetInfo) -> Job<'static> {
    let options = (Kind::Float, info.device);
    let (kind, device) = (info.kind, info.device);
    let channels_last = |n, side| {
        Tensor::rand([n, side, side, 256], options)
            .to_kind(kind)
            .permute([0, 3, 1, 2])
    };
    let (x, weight) = (channels_last(images(info), 28), channels_last(256, 3));
    Box::new(move || {
        drop(black_box(x.f_conv2d(
            &weight,
            None::<Tensor>,
            [1, 1],
            [1, 1],
            [1, 1],
            1,
        )?));
        wait(device);
        Ok(())
    })
}

/// Calls return before a GPU's kernels have finished.
fn wait(device: tch::Device) {
    if let tch::Device::Cuda(n) = device {
        tch::Cuda::synchronize(n as i64);
    }
}

pub(super) fn load(file: &Path, info: &NetInfo) -> anyhow::Result<CModule> {
    CModule::load_on_device(file, info.device)
        .map_err(|e| anyhow::anyhow!("{}", e.to_string().lines().next().unwrap_or_default()))
        .with_context(|| format!("{}: not a TorchScript file", file.display()))
}

/// The script maps (picture `[B, 3, h, w]`, spectrogram `[B, 1, bins, frames]`) in f32
/// to the logits. Its inputs are on the device already, and it computes no heatmaps:
/// the comparison favours it.
pub(super) fn torchscript<'a>(
    script: &'a CModule,
    file: &Path,
    info: &NetInfo,
    pairs: &[&Features],
) -> anyhow::Result<Job<'a>> {
    let (b, device) = (pairs.len() as i64, info.device);
    let (w, h) = (
        i64::from(pairs[0].image_width),
        i64::from(pairs[0].image_height),
    );
    let bytes: Vec<u8> = pairs.iter().flat_map(|f| f.image.iter().copied()).collect();
    let sound: Vec<f32> = pairs
        .iter()
        .flat_map(|f| f.spectrogram.iter().copied())
        .collect();
    let picture = Tensor::f_from_slice(&bytes)?
        .f_reshape([b, h, w, 3])?
        .f_to(device)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?
        .f_mul_scalar(1.0 / 127.5)?
        .f_sub_scalar(1.0)?;
    let spec = info.variant.spec;
    let (bins, frames) = (spec.bins as i64, spec.frames as i64);
    let sound = Tensor::f_from_slice(&sound)?.f_reshape([b, 1, bins, frames])?;
    let inputs = [picture, sound.f_to(device)?];
    let _guard = tch::no_grad_guard();
    let logits = script.forward_ts(&inputs)?;
    if logits.size() != [b, 2] {
        bail!(
            "{}: its output is {:?}, not logits [{b}, 2]",
            file.display(),
            logits.size()
        );
    }
    Ok(Box::new(move || {
        let _guard = tch::no_grad_guard();
        drop(black_box(
            script.forward_ts(&inputs)?.f_to(tch::Device::Cpu)?,
        ));
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Variant;

    #[test]
    fn a_pair_takes_10_29_or_40_94_gflop() {
        let at = |stride| gflop_per_pair(WindowSpec::PAPER, stride, (224, 224));
        assert!(
            (at(Conv1Stride::Two) - 10.29).abs() < 0.005,
            "{}",
            at(Conv1Stride::Two)
        );
        assert!(
            (at(Conv1Stride::One) - 40.94).abs() < 0.005,
            "{}",
            at(Conv1Stride::One)
        );
    }

    #[test]
    fn a_file_that_is_not_torchscript_is_named() {
        let info = NetInfo {
            device: tch::Device::Cpu,
            kind: Kind::Float,
            threads: 1,
            own_convolutions: true,
            variant: Variant::PAPER,
            trained: false,
        };
        let error = load(Path::new("no-such.pt"), &info).expect_err("no file");
        assert!(
            format!("{error:#}").starts_with("no-such.pt: not a TorchScript file"),
            "{error:#}"
        );
    }
}
