//! Long runs of numbers: a model's nine million parameters as bytes of a file, as a
//! fingerprint, and drawn at random.
//!
//! Belongs here: loops over each number, with nothing known of networks. They are here
//! for the optimisation alone: without it a model was read in half a second and a
//! checkpoint written in several.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::hash::{GOLDEN_GAMMA, mix};

/// Reads little-endian f32; trailing bytes that do not make a whole number are ignored.
pub fn from_f32(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// As [`from_f32`], of f16.
pub fn from_f16(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<2>();
    let halves: Vec<_> = words.iter().map(|b| f16::from_le_bytes(*b)).collect();
    halves.to_f32_vec()
}

/// As [`from_f32`], of bf16.
pub fn from_bf16(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<2>();
    let halves: Vec<_> = words.iter().map(|b| bf16::from_le_bytes(*b)).collect();
    halves.to_f32_vec()
}

/// Appends numbers as little-endian f32.
pub fn put_f32(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

/// As [`put_f32`], as f16. A number too large for it becomes infinite, see [`fit_f16`].
pub fn put_f16(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()));
}

/// As [`put_f32`], as bf16.
pub fn put_bf16(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()));
}

/// Whether all are finite as f16.
pub fn fit_f16(values: &[f32]) -> bool {
    !values.iter().any(|&v| f16::from_f32(v).is_infinite())
}

/// Whether none is NaN or infinite.
pub fn are_finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// A hash that continues from `state`, over the bits of each number.
pub fn hash(state: u64, values: &[f32]) -> u64 {
    values.iter().fold(state, |state, v| {
        mix(state ^ u64::from(v.to_bits())).wrapping_add(1)
    })
}

/// Rows of `len` numbers, each row times its gain, computed in double precision.
pub fn scaled_rows(values: &[f32], len: usize, gains: &[f64]) -> Vec<f32> {
    let rows = values.chunks_exact(len).zip(gains);
    rows.flat_map(|(row, gain)| row.iter().map(move |&v| (f64::from(v) * gain) as f32))
        .collect()
}

/// Numbers of splitmix64 under a key, uniform in `offset` ± `scale`.
pub fn uniform(key: u64, count: usize, offset: f32, scale: f32) -> Vec<f32> {
    (1..=count as u64)
        .map(|i| {
            let bits = mix(key.wrapping_add(i.wrapping_mul(GOLDEN_GAMMA))) >> 40;
            let s = 2.0 * (bits as f32 / (1_u32 << 24) as f32) - 1.0;
            offset + s * scale
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_put() {
        let values = [0.0, -1.5, 65_504.0, 0.0625];
        for (put, read) in [
            (
                put_f32 as fn(&mut Vec<u8>, &[f32]),
                from_f32 as fn(&[u8]) -> Vec<f32>,
            ),
            (put_f16, from_f16),
        ] {
            let mut bytes = vec![];
            put(&mut bytes, &values);
            assert_eq!(read(&bytes), values);
        }
        let mut bytes = vec![];
        put_bf16(&mut bytes, &[1.5, -2.0]);
        assert_eq!(bytes, [0xc0, 0x3f, 0x00, 0xc0]);
        assert_eq!(from_bf16(&bytes), [1.5, -2.0]);
    }

    #[test]
    fn each_row_has_its_gain() {
        let scaled = scaled_rows(&[1.0, 2.0, 3.0, 4.0], 2, &[10.0, -0.5]);
        assert_eq!(scaled, [10.0, 20.0, -1.5, -2.0]);
    }

    #[test]
    fn what_fits_is_known() {
        assert!(fit_f16(&[65_504.0]) && !fit_f16(&[1.0, 1e5]));
        assert!(are_finite(&[f32::MAX]) && !are_finite(&[0.0, f32::NAN]));
    }
}
