//! What is normal for a stream: a distribution that forgets slowly.

use serde::{Deserialize, Serialize};

/// Bins over the range of a [`Histogram`].
const BINS: usize = 400;

/// Weighted counts of values on a fixed range, of which old ones fade. Constant in size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    low: f32,
    high: f32,
    /// Weight that fades to half after as much new weight as this.
    half_life: f32,
    bins: Vec<f32>,
    total: f32,
    /// Bins and total are this many times too large: instead of all that is there fading,
    /// what is new counts for more.
    scale: f32,
}

/// From here on bins and total are divided by the scale.
const MAX_SCALE: f32 = 1e6;

impl Histogram {
    /// Of values from `low` to `high`; others count as the nearest. After values of the
    /// weight `half_life` the weight of all earlier ones is halved.
    pub fn new(low: f32, high: f32, half_life: f32) -> Self {
        Self {
            low,
            high,
            half_life,
            bins: vec![0.0; BINS],
            total: 0.0,
            scale: 1.0,
        }
    }

    /// Counts a value; NaN counts as none.
    pub fn add(&mut self, value: f32, weight: f32) {
        if value.is_nan() {
            return;
        }
        self.scale *= (std::f32::consts::LN_2 * weight / self.half_life).exp();
        if self.scale > MAX_SCALE {
            self.bins.iter_mut().for_each(|bin| *bin /= self.scale);
            self.total = self.bins.iter().sum();
            self.scale = 1.0;
        }
        let place = (value - self.low) / (self.high - self.low) * BINS as f32;
        // Saturates at 0.
        let bin = (place as usize).min(BINS - 1);
        self.bins[bin] += weight * self.scale;
        self.total += weight * self.scale;
    }

    /// The total weight, with old values faded.
    pub fn weight(&self) -> f32 {
        self.total / self.scale
    }

    /// The value that `share` (0 to 1) of the values are under, to half a bin.
    pub fn quantile(&self, share: f32) -> f32 {
        let mut left = share * self.total;
        let width = (self.high - self.low) / BINS as f32;
        for (i, &bin) in self.bins.iter().enumerate() {
            if bin > 0.0 && left <= bin {
                return self.low + width * (i as f32 + left / bin);
            }
            left -= bin;
        }
        self.high
    }

    /// Whether it is as [`new`](Self::new) makes them, for one that was read from a file.
    pub fn is_valid(&self) -> bool {
        self.bins.len() == BINS
            && self.total.is_finite()
            && (1.0..=MAX_SCALE).contains(&self.scale)
            && self.bins.iter().all(|bin| bin.is_finite() && *bin >= 0.0)
            && self.high > self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::new(0.0, 1.0, 1e9);
        for i in 0..1000 {
            histogram.add(i as f32 / 1000.0, 1.0);
        }
        for share in [0.05, 0.16, 0.5, 0.95] {
            let found = histogram.quantile(share);
            assert!((found - share).abs() < 0.003, "{share}: {found}");
        }
        histogram.add(f32::NAN, 1.0);
        histogram.add(f32::INFINITY, 1.0);
        histogram.add(f32::NEG_INFINITY, 1.0);
        assert!((histogram.weight() - 1002.0).abs() < 0.1);
    }

    #[test]
    fn old_values_fade() {
        let mut histogram = Histogram::new(0.0, 1.0, 100.0);
        (0..1000).for_each(|_| histogram.add(0.2, 1.0));
        (0..100).for_each(|_| histogram.add(0.8, 1.0));
        assert!((histogram.quantile(0.49) - 0.2).abs() < 0.01);
        (0..20).for_each(|_| histogram.add(0.8, 1.0));
        assert!((histogram.quantile(0.49) - 0.8).abs() < 0.01);
    }
}
