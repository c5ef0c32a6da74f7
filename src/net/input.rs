//! Plain numbers to the tensors that the trunks take, and back.

use tch::{Device, Kind, TchError, Tensor};

use crate::features::{BINS, FRAMES};

/// `[B, 3, h, w]` in f32, v/127.5 − 1, from B × h × w × 3 bytes. Bytes go to the
/// device, a quarter of the floats; rows of pixels are channels-last by themselves.
///
/// # Errors
/// What libtorch says, out of memory mostly.
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

/// `[B, 1, 257, 199]` in f32, as conv1_1 takes it.
///
/// # Errors
/// What libtorch says, out of memory mostly.
pub(crate) fn spectrograms(values: &[f32], device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?
        .f_reshape([-1, BINS as i64, FRAMES as i64, 1])?
        .f_to(device)?
        .f_permute([0, 3, 1, 2])
}

/// The values of a tensor in f32, wherever it is and however it lies.
///
/// # Errors
/// What libtorch says.
pub(crate) fn plain(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let mut values = vec![0.0_f32; tensor.numel()];
    let len = values.len();
    tensor
        .f_to(Device::Cpu)?
        .f_contiguous()?
        .f_copy_data(&mut values, len)?;
    Ok(values)
}
