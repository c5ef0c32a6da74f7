//! Memory for activations and weights.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line: what a vector should not straddle.
const LINE: usize = 64;

/// The system does not have the memory that a layer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of memory: a layer needs {values} values at once")]
pub struct OutOfMemory {
    /// Values of f32 that were asked for.
    pub values: usize,
}

/// Values of f32 whose first is at the start of a cache line.
///
/// With steady shapes nothing is allocated after the first call.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Longer than `len` by up to a line.
    values: Vec<f32>,
    start: usize,
    len: usize,
    /// The largest `len` since the last [`trim`](Self::trim).
    needed: usize,
}

impl Buffer {
    /// Of zeros.
    pub fn zeros(len: usize) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::default();
        buffer.resize(len)?;
        Ok(buffer)
    }

    /// Makes it `len` values long. What they are is not specified: zeros or older ones.
    ///
    /// # Errors
    /// If there is too little memory; then it is empty.
    pub fn resize(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let all = len.saturating_add(LINE / size_of::<f32>());
        if self.values.len() < all {
            // Not `resize`, which would copy what nobody wants; and not both at once.
            *self = Self::default();
            let refused = |_| OutOfMemory { values: len };
            self.values.try_reserve_exact(all).map_err(refused)?;
            self.values.resize(all, 0.0);
            self.start = self.values.as_ptr().align_offset(LINE);
        }
        self.len = len;
        self.needed = self.needed.max(len);
        Ok(())
    }

    /// Frees all if less than half of it was needed since the last call.
    pub fn trim(&mut self) {
        if 2 * (self.needed + LINE / size_of::<f32>()) < self.values.len() {
            *self = Self::default();
        }
        self.needed = 0;
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
        let mut buffer = Buffer::zeros(3).expect("memory");
        for len in [1, 100, 5, 4096] {
            buffer.resize(len).expect("memory");
            buffer.fill(len as f32);
            assert_eq!(buffer.as_ptr().addr() % LINE, 0);
            assert_eq!(buffer.iter().sum::<f32>(), (len * len) as f32);
        }
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        let mut buffer = Buffer::zeros(3).expect("memory");
        for values in [1 << 50, usize::MAX / 4, usize::MAX] {
            assert_eq!(buffer.resize(values), Err(OutOfMemory { values }));
            assert!(buffer.is_empty());
            buffer.resize(5).expect("memory");
        }
    }

    #[test]
    fn memory_that_is_not_needed_any_more_is_freed() {
        let mut buffer = Buffer::zeros(1000).expect("memory");
        buffer.trim();
        buffer.resize(10).expect("memory");
        assert_eq!(buffer.values.len(), 1016);
        // Since the first call only 10 were needed.
        buffer.trim();
        assert_eq!(buffer.values.capacity(), 0);
        buffer.resize(10).expect("memory");
        buffer.trim();
        assert_eq!(buffer.values.len(), 26);
    }
}
