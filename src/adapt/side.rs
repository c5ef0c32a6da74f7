//! One modality on its way from features to the first layer that learns.

use tch::{Device, Kind, TchError, Tensor};

use super::camera::Camera;
use super::discriminant::{Discriminant, features};
use crate::net::Modality;

/// Strongest variation that is added to a second, against that within cameras. Held-out
/// seconds differ from the learnt ones more than these from each other: in trials on real
/// clips 2 and 4 were 0.5 to 1 % worse, and 1, 6 and 8 more.
const MOST_NOISE: f64 = 3.0;

/// One modality: scores of all seconds, and how they become the input of the first layer.
pub struct Side {
    pub discriminant: Discriminant,
    /// `[T, P]`, of all learnt seconds.
    pub scores: Tensor,
    /// Inputs have a mean of 0 over the prototypes, and about unit size.
    scale: f64,
}

impl Side {
    /// Of the rows of each camera that are learnt.
    ///
    /// # Errors
    /// If libtorch fails, as for all of these.
    pub fn new(
        cameras: &[Camera],
        learnt: &[Vec<usize>],
        modality: Modality,
        seed: u64,
    ) -> Result<Self, TchError> {
        let discriminant = Discriminant::fit(cameras, learnt, modality, seed)?;
        let seconds = cameras.iter().zip(learnt).flat_map(|(camera, learnt)| {
            let row = |&row: &usize| &camera.seconds[row];
            learnt.iter().map(row)
        });
        let scores = discriminant.scores(&features(seconds, modality)?)?;
        let size = centred(&scores)?.f_std(false)?.f_double_value(&[])?;
        Ok(Self {
            discriminant,
            scores,
            scale: 1.0 / size.max(1e-9),
        })
    }

    /// Scores of some seconds, each varied by up to [`MOST_NOISE`].
    pub fn varied(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let scores = self.scores.f_index_select(0, rows)?;
        let [batch, prototypes] = scores.size2().map(|(b, p)| [b, p])?;
        let options = (Kind::Float, Device::Cpu);
        let noise = Tensor::f_randn([batch, prototypes], options)?;
        let strength = Tensor::f_rand([batch, 1], options)?.f_mul_scalar(MOST_NOISE)?;
        scores.f_add(
            &noise
                .f_matmul(&self.discriminant.spread)?
                .f_mul(&strength)?,
        )
    }

    /// Scores `[B, P]` to inputs of the first layer.
    pub fn inputs(&self, scores: &Tensor) -> Result<Tensor, TchError> {
        centred(scores)?.f_mul_scalar(self.scale)
    }

    /// The layer `[P, 128]` over inputs, as a layer `[512, 128]` over features, and what it
    /// adds to the bias.
    pub fn fold(&self, layer: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        // Taking the mean off the inputs is the same as taking it off the layer.
        let mean = layer.f_mean_dim([0].as_slice(), true, Kind::Float)?;
        let layer = layer.f_sub(&mean)?.f_mul_scalar(self.scale)?;
        let weight = self.discriminant.weight.f_matmul(&layer)?;
        let bias = self.discriminant.bias.f_matmul(&layer)?;
        Ok((weight, bias))
    }
}

fn centred(scores: &Tensor) -> Result<Tensor, TchError> {
    scores.f_sub(&scores.f_mean_dim([1].as_slice(), true, Kind::Float)?)
}
