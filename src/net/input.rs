//! Plain numbers to the input tensors of the trunks, and tensors back to numbers.

use tch::{Device, Kind, TchError, Tensor};

use crate::window_spec::WindowSpec;

/// `[B, 3, h, w]` in f32, v/127.5 − 1, from B × h × w × 3 bytes. The bytes are what is
/// copied to the device, a quarter of the floats' size; the result is channels-last.
///
/// # Errors
/// If libtorch fails.
pub(crate) fn images(
    bytes: &[u8],
    height: u32,
    width: u32,
    device: Device,
) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(bytes)?
        .f_reshape([-1, i64::from(height), i64::from(width), 3])?
        .f_to(device)?
        .f_to_kind(Kind::Float)?
        .f_mul_scalar_(1.0 / 127.5)?
        .f_sub_scalar_(1.0)?
        .f_permute([0, 3, 1, 2])
}

/// `[B, 1, bins, frames]` in f32, the input of the audio trunk.
///
/// # Errors
/// If libtorch fails.
pub(crate) fn spectrograms(
    values: &[f32],
    spec: WindowSpec,
    device: Device,
) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?
        .f_reshape([-1, spec.bins as i64, spec.frames as i64, 1])?
        .f_to(device)?
        .f_permute([0, 3, 1, 2])
}

/// The values of an f32 tensor on any device, in row-major order.
///
/// # Errors
/// If libtorch fails.
pub(crate) fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let mut values = vec![0.0_f32; tensor.numel()];
    let len = values.len();
    tensor
        .f_to(Device::Cpu)?
        .f_contiguous()?
        .f_copy_data(&mut values, len)?;
    Ok(values)
}
