//! Adam with L2 (paper, section 2.2), over one long vector.
//!
//! libtorch's own optimiser hides its moments, and without them no checkpoint could
//! be resumed exactly.

use std::ops::Range;

use tch::{Kind, TchError, Tensor};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// Adam with its state.
pub struct Adam {
    mean: Tensor,   // [P]
    square: Tensor, // [P]
    steps: u64,
    weight_decay: f64,
}

impl Adam {
    /// A new optimiser for a vector like `parameters`; `weight_decay` is L2, added to the
    /// gradient.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn new(parameters: &Tensor, weight_decay: f64) -> Result<Self, TchError> {
        Ok(Self {
            mean: parameters.f_zeros_like()?,
            square: parameters.f_zeros_like()?,
            steps: 0,
            weight_decay,
        })
    }

    /// An optimiser that continues from a state: the two moments and the steps made.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn resumed(
        like: &Tensor,
        weight_decay: f64,
        mean: &[f32],
        square: &[f32],
        steps: u64,
    ) -> Result<Self, TchError> {
        let place = |values: &[f32]| Tensor::f_from_slice(values)?.f_to(like.device());
        Ok(Self {
            mean: place(mean)?,
            square: place(square)?,
            steps,
            weight_decay,
        })
    }

    /// The two moments.
    pub fn moments(&self) -> (&Tensor, &Tensor) {
        (&self.mean, &self.square)
    }

    /// Updates the trainable parts of `parameters` by one step at `rate`; `gradient` is
    /// theirs, in turn.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        trainable: &[Range<usize>],
        rate: f64,
    ) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (fade1, fade2) = (1.0 - BETA1.powi(t), 1.0 - BETA2.powi(t));
        let mut start = 0;
        // In-place operations return the tensor itself.
        for part in trainable {
            let len = part.len() as i64;
            let of = |vector: &Tensor| vector.f_narrow(0, part.start as i64, len);
            let mut p = of(parameters)?;
            let (mut mean, mut square) = (of(&self.mean)?, of(&self.square)?);
            let g = gradient
                .f_narrow(0, start, len)?
                .f_add(&p.f_mul_scalar(self.weight_decay)?)?;
            start += len;
            let _ = mean
                .f_mul_scalar_(BETA1)?
                .f_add_(&g.f_mul_scalar(1.0 - BETA1)?)?;
            let _ = square
                .f_mul_scalar_(BETA2)?
                .f_addcmul_(&g.f_mul_scalar(1.0 - BETA2)?, &g)?;
            let size = (square.f_sqrt()?)
                .f_div_scalar_(fade2.sqrt())?
                .f_add_scalar_(EPS)?;
            let _ = p.f_addcdiv_(&mean.f_mul_scalar(-rate / fade1)?, &size)?;
        }
        Ok(())
    }
}

/// Whether every value is finite.
///
/// # Errors
/// If libtorch fails.
pub fn is_finite(vector: &Tensor) -> Result<bool, TchError> {
    // Cheaper than a mask: a sum is finite only if all its terms are.
    let sum = vector.f_abs()?.f_sum(Kind::Double)?;
    Ok(sum.f_double_value(&[])?.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch.optim.Adam([p], lr=1e-2, weight_decay=1e-1) on the gradients 2p + i.
    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one trainable part")]
    fn three_steps_are_those_of_pytorch() {
        let mut p = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 3.0]);
        let mut adam = Adam::new(&p, 1e-1).expect("a state");
        for step in 0..3 {
            let gradient = &p * 2.0 + f64::from(step);
            adam.step(&mut p, &gradient, &[0..3], 1e-2).expect("a step");
        }
        let values = crate::net::input::to_vec(&p).expect("values");
        // The last value is not trainable.
        let expected = [0.9701842, -1.9707086, 0.4706962, 3.0000000];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
    }

    #[test]
    fn a_single_value_that_is_not_finite_is_found() {
        let fine = Tensor::from_slice(&[1.0_f32, -1e30, 0.0]);
        assert!(is_finite(&fine).expect("a sum"));
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let vector = Tensor::from_slice(&[1.0_f32, wrong, 0.0]);
            assert!(!is_finite(&vector).expect("a sum"), "{wrong}");
        }
    }
}
