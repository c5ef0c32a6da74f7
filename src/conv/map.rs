//! Feature maps, channels last.

use std::ops::Range;

use crate::buffer::{Buffer, OutOfMemory};

/// Channels are stored in multiples of this: whole panels of every instruction set.
pub(crate) const GRAIN: usize = 32;

/// Feature maps of a batch: `[batch, height, width, channels]`, channels adjacent in
/// memory and padded with zeros to a multiple of 32.
///
/// Channels last, because the transforms then work on as many channels as a vector has
/// lanes, without shuffling, and write the rows that the matrix kernel reads. Blocks of 8
/// or 16 channels, as other libraries have them, give the transforms the same, but the
/// layout would depend on the instruction set.
#[derive(Debug, Default)]
pub struct Map {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    values: Buffer,
}

impl Map {
    /// From `[batch, height, width, channels]` in row-major order.
    ///
    /// ```
    /// let map = l3net_conv::Map::from_channels_last(&[1.0, 2.0, 3.0, 4.0], 1, 1, 2, 2)?;
    /// assert_eq!(map.to_channels_last(), [1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), l3net_conv::OutOfMemory>(())
    /// ```
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If the number of values is another.
    pub fn from_channels_last(
        values: &[f32],
        batch: usize,
        height: usize,
        width: usize,
        channels: usize,
    ) -> Result<Self, OutOfMemory> {
        assert_eq!(values.len(), batch * height * width * channels);
        let mut map = Self::default();
        map.reshape(batch, height, width, channels)?;
        map.values.fill(0.0);
        let stride = map.stride();
        if channels > 0 {
            let places = map.values.chunks_exact_mut(stride);
            for (place, pixel) in places.zip(values.chunks_exact(channels)) {
                place[..channels].copy_from_slice(pixel);
            }
        }
        Ok(map)
    }

    /// `[batch, height, width, channels]` in row-major order.
    pub fn to_channels_last(&self) -> Vec<f32> {
        match self.packed() {
            Some(values) => values.to_vec(),
            None => (self.values.chunks_exact(self.stride()))
                .flat_map(|pixel| &pixel[..self.channels])
                .copied()
                .collect(),
        }
    }

    /// The same without a copy, where the number of channels is a multiple of 32.
    pub fn packed(&self) -> Option<&[f32]> {
        (self.stride() == self.channels).then_some(&*self.values)
    }

    /// Of the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Channels, without those that fill up.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// `[batch, channels]`: the maximum over all positions, negative infinity where there
    /// is none.
    pub fn max_over_positions(&self) -> Vec<f32> {
        let mut max = Vec::with_capacity(self.batch * self.channels);
        let stride = self.stride();
        let image = self.height * self.width * stride;
        for b in 0..self.batch {
            let first = max.len();
            max.resize(first + self.channels, f32::NEG_INFINITY);
            let max = &mut max[first..];
            let pixels = self.values[b * image..][..image].chunks_exact(stride.max(1));
            for pixel in pixels {
                for (max, &value) in max.iter_mut().zip(pixel) {
                    // NaN stays NaN.
                    *max = if value > *max || value.is_nan() {
                        value
                    } else {
                        *max
                    };
                }
            }
        }
        max
    }

    /// `gain · max(sign · value, 0) + shift`, in each channel.
    ///
    /// # Panics
    /// If there is not one of each for every channel.
    pub fn rectify_and_scale(&mut self, signs: &[f32], gains: &[f32], shifts: &[f32]) {
        let channels = self.channels;
        assert!([signs, gains, shifts].iter().all(|of| of.len() == channels));
        let stride = self.stride().max(1);
        for pixel in self.values.chunks_exact_mut(stride) {
            let norm = signs.iter().zip(gains).zip(shifts);
            for (value, ((sign, gain), shift)) in pixel.iter_mut().zip(norm) {
                let positive = sign * *value;
                // NaN stays NaN.
                let positive = if positive < 0.0 { 0.0 } else { positive };
                *value = gain * positive + shift;
            }
        }
    }

    /// The maximum of each 2 × 2, into `to`; an odd last row or column is dropped.
    ///
    /// # Errors
    /// If there is too little memory.
    pub fn max_of_2x2(&self, to: &mut Self) -> Result<(), OutOfMemory> {
        let (height, width) = (self.height / 2, self.width / 2);
        to.reshape(self.batch, height, width, self.channels)?;
        let stride = self.stride();
        let row_len = self.width * stride;
        // NaN stays NaN.
        let larger = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
        let pixels = to.values.chunks_exact_mut(stride.max(1));
        for (i, pixel) in pixels.enumerate() {
            let (row, column) = (i / width, i % width);
            let (image, row) = (row / height, row % height);
            let first = (image * self.height + 2 * row) * row_len + 2 * column * stride;
            let upper = &self.values[first..][..2 * stride];
            let lower = &self.values[first + row_len..][..2 * stride];
            let (a, b) = upper.split_at(stride);
            let (c, d) = lower.split_at(stride);
            for ((((value, a), b), c), d) in pixel.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *value = larger(larger(*a, *b), larger(*c, *d));
            }
        }
        Ok(())
    }

    /// Makes it of the shape of `other`. Its values are those of anything.
    ///
    /// # Errors
    /// If there is too little memory; then it is empty.
    pub fn reshape_like(&mut self, other: &Self) -> Result<(), OutOfMemory> {
        self.reshape(other.batch, other.height, other.width, other.channels)
    }

    /// Copies columns of another map of its shape to its own from `first` on.
    ///
    /// # Panics
    /// If the shapes differ, or there are fewer columns.
    pub fn copy_columns(&mut self, first: usize, from: &Self, columns: Range<usize>) {
        let shape = |map: &Self| [map.batch, map.height, map.width, map.channels];
        assert_eq!(shape(self), shape(from), "shapes");
        assert!(columns.end <= self.width && first + columns.len() <= self.width);
        let stride = self.stride();
        let row_len = self.width * stride;
        if row_len == 0 {
            return;
        }
        let len = columns.len() * stride;
        let rows = self.values.chunks_exact_mut(row_len);
        for (to, from) in rows.zip(from.values.chunks_exact(row_len)) {
            to[first * stride..][..len].copy_from_slice(&from[columns.start * stride..][..len]);
        }
    }

    /// Frees its memory if less than half of it was needed since the last call; it is empty
    /// then.
    pub fn trim(&mut self) {
        self.values.trim();
        if self.values.is_empty() {
            self.batch = 0;
        }
    }

    /// Makes it of another shape. Its values are those of anything.
    ///
    /// # Errors
    /// If there is too little memory; then it is empty.
    pub(crate) fn reshape(
        &mut self,
        batch: usize,
        height: usize,
        width: usize,
        channels: usize,
    ) -> Result<(), OutOfMemory> {
        self.batch = 0;
        (self.height, self.width, self.channels) = (height, width, channels);
        let all = [batch, height, width, self.stride()]
            .iter()
            .try_fold(1, |n: usize, &size| n.checked_mul(size));
        self.values.resize(all.unwrap_or(usize::MAX))?;
        self.batch = batch;
        Ok(())
    }

    /// From one pixel to the next.
    pub(crate) fn stride(&self) -> usize {
        self.channels.next_multiple_of(GRAIN)
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_fill_up_are_not_seen() {
        let values: Vec<f32> = (0..2 * 3 * 2 * 5).map(|i| i as f32).collect();
        let mut map = Map::from_channels_last(&values, 2, 3, 2, 5).expect("memory");
        assert_eq!(map.to_channels_last(), values);
        assert_eq!(map.packed(), None);
        let max = [25., 26., 27., 28., 29., 55., 56., 57., 58., 59.];
        assert_eq!(map.max_over_positions(), max);
        let signs = [1., 1., 1., -1., 1.];
        map.rectify_and_scale(&signs, &[2., 2., -1., 3., 2.], &[1., 0., 0., 5., 0.]);
        assert_eq!(map.to_channels_last()[5..10], [11., 12., -7., 5., 18.]);
        assert_eq!(map.values()[5..32], [0.0; 27]);
        let whole = Map::from_channels_last(&values[..32], 1, 1, 1, 32).expect("memory");
        assert_eq!(whole.packed(), Some(&values[..32]));
    }

    #[test]
    fn a_shape_that_no_machine_has_memory_for_is_an_error_and_the_map_is_empty() {
        let mut map = Map::from_channels_last(&[1.0; 64], 1, 1, 2, 32).expect("memory");
        for (batch, side) in [
            (1 << 40, 112),
            (1, 1 << 24),
            (usize::MAX, 1),
            (1 << 33, 1 << 31),
        ] {
            assert!(map.reshape(batch, side, side, 64).is_err());
            assert_eq!(map.to_channels_last(), []);
            assert_eq!(map.max_over_positions(), []);
        }
        map.reshape(1, 2, 2, 64).expect("memory");
        assert_eq!(map.to_channels_last().len(), 256);
    }
}
