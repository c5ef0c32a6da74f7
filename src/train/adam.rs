//! Adam with L2 (paper, section 2.2), over one long vector.
//!
//! libtorch's own optimiser hides its moments, and without them no checkpoint could
//! be resumed exactly.

use std::ops::Range;

use tch::{TchError, Tensor};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;
/// Parameters that are updated at a time on a CPU: what a step makes of them in between stays in
/// the caches. All at once it went through memory thirty times; from 64 to 512 thousand at a time
/// take the same.
const AT_ONCE: usize = 128 << 10;

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
        // On a GPU the calls are what takes time.
        let at_once = match parameters.device().is_cuda() {
            true => usize::MAX,
            false => AT_ONCE,
        };
        let mut start = 0;
        // In-place operations return the tensor itself.
        for part in trainable.iter().flat_map(|part| pieces(part, at_once)) {
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

/// A range in pieces of at most so many.
fn pieces(range: &Range<usize>, at_once: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = range.end;
    (range.clone().step_by(at_once)).map(move |start| start..end.min(start.saturating_add(at_once)))
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

    /// Every value is updated from its own alone, so the pieces make no difference.
    #[test]
    fn a_vector_in_pieces_is_updated_as_each_part_alone() {
        let len = 2 * AT_ONCE + 77;
        let values = |offset: i64| {
            let counted = Tensor::arange(len as i64, (tch::Kind::Float, tch::Device::Cpu));
            ((counted + offset) * 0.37).sin()
        };
        // What lies between them is not trainable.
        let parts = [5..AT_ONCE + 9, AT_ONCE + 40..len];
        let gradient = Tensor::cat(
            &(parts.clone()).map(|part| values(7).narrow(0, part.start as i64, part.len() as i64)),
            0,
        );
        let mut whole = values(0);
        let mut adam = Adam::new(&whole, 1e-2).expect("a state");
        for _ in 0..2 {
            adam.step(&mut whole, &gradient, &parts, 1e-2)
                .expect("a step");
        }
        for part in parts {
            for short in pieces(&part, 10_007) {
                let of = |all: &Tensor| all.narrow(0, short.start as i64, short.len() as i64);
                let mut alone = of(&values(0)).copy();
                let mut adam = Adam::new(&alone, 1e-2).expect("a state");
                #[allow(clippy::single_range_in_vec_init, reason = "one trainable part")]
                for _ in 0..2 {
                    let gradient = of(&values(7));
                    adam.step(&mut alone, &gradient, &[0..short.len()], 1e-2)
                        .expect("a step");
                }
                assert_eq!(of(&whole), alone, "{short:?}");
            }
        }
        for still in [0..5, AT_ONCE + 9..AT_ONCE + 40] {
            let of = |all: &Tensor| all.narrow(0, still.start as i64, still.len() as i64);
            assert_eq!(of(&whole), of(&values(0)));
        }
    }
}
