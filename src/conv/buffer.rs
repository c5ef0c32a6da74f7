//! Memory for activations and weights.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line: what a vector should not straddle.
const LINE: usize = 64;

/// Values of f32 whose first is at the start of a cache line.
///
/// Grows, never shrinks: with steady shapes nothing is allocated after the first call.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Longer than `len` by up to a line.
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Of zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::default();
        buffer.resize(len);
        buffer
    }

    /// Makes it `len` values long. What they are is not specified: zeros or older ones.
    pub fn resize(&mut self, len: usize) {
        let needed = len + LINE / size_of::<f32>();
        if self.values.len() < needed {
            // Not `resize`, which would copy what nobody wants; and not both at once.
            self.values = Vec::new();
            self.values = vec![0.0; needed];
            self.start = self.values.as_ptr().align_offset(LINE);
        }
        self.len = len;
    }
}

impl Clone for Buffer {
    /// Copies elsewhere, where the line may start at another place.
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_at_a_cache_line_whatever_happens_to_them() {
        let mut buffer = Buffer::zeros(3);
        for len in [1, 100, 5, 4096] {
            buffer.resize(len);
            buffer.fill(len as f32);
            let copy = buffer.clone();
            for buffer in [&buffer, &copy] {
                assert_eq!(buffer.as_ptr().addr() % LINE, 0);
                assert_eq!(buffer.iter().sum::<f32>(), (len * len) as f32);
            }
        }
    }
}
