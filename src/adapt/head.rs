//! The fusion of a model, learnt from two discriminants.
//!
//! Both discriminants together say how likely picture and sound are of one camera:
//! `ln Σ_c p(c | picture) p(c | sound)`. The fusion has one hidden layer and is taught to
//! answer like that (Hinton et al., 2015), on the cameras' seconds and around them. Its
//! first layer is learnt on top of the discriminants' scores, a few dozen values instead
//! of 1024; the scores are linear in the features, so fc1 takes both in the end.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::camera::Camera;
use super::error::AdaptError;
use super::side::Side;
use crate::corpus::{Rng, rng};
use crate::net::{HIDDEN, Modality};
use crate::train::Adam;

/// Pictures and sounds of a step; each picture is compared with each sound.
const BATCH: usize = 48;
const RATE: f64 = 1e-2;
const WARM_UP: f64 = 100.0;
/// The part of the steps over which the rate falls to zero.
const COOL_DOWN: f64 = 0.7;
/// Log-likelihoods below it count as the same: further down it is not them, in any case.
const LEAST: f64 = -8.0;

/// A fusion on top of two discriminants.
pub struct Head {
    vision: Side,
    audio: Side,
    /// All that learns.
    layers: Tensor,
    /// The sizes of its parts.
    sizes: [i64; 5],
}

impl Head {
    /// Learns from the given rows of each camera. `step` is called before each of
    /// `steps` steps; learning ends if it returns false.
    ///
    /// # Errors
    /// [`AdaptError::Cancelled`], or libtorch fails.
    pub fn learn(
        cameras: &[Camera],
        learnt: &[Vec<usize>],
        steps: u64,
        seed: u64,
        mut step: impl FnMut() -> bool,
    ) -> Result<Self, AdaptError> {
        tch::manual_seed(seed as i64);
        let vision = Side::new(cameras, learnt, Modality::Vision, seed)?;
        let audio = Side::new(cameras, learnt, Modality::Audio, seed)?;
        let (mut layers, sizes) = Layers::random(&vision, &audio)?;
        let mut adam = Adam::new(&layers, 0.0)?;
        let all = 0..sizes.iter().sum::<i64>() as usize;
        let starts: Vec<usize> = (learnt.iter())
            .scan(0, |next, rows| {
                let start = *next;
                *next += rows.len();
                Some(start)
            })
            .collect();
        for number in 0..steps {
            if !step() {
                return Err(AdaptError::Cancelled);
            }
            let mut random = rng(seed, 1, number);
            let drawn = draw_cameras(cameras.len(), &mut random);
            let rows = |random: &mut Rng| {
                let row = |&c: &usize| (starts[c] + random.random_range(0..learnt[c].len())) as i64;
                Tensor::f_from_slice(&drawn.iter().map(row).collect::<Vec<i64>>())
            };
            let seen = vision.varied(&rows(&mut random)?)?;
            let heard = audio.varied(&rows(&mut random)?)?;
            let gradient = {
                let of = Layers::of(&layers, &sizes)?;
                let margins = of.margins(&vision.inputs(&seen)?, &audio.inputs(&heard)?)?;
                let likelihood = likelihood(&vision, &audio, &seen, &heard)?;
                let weights = weights(&drawn)?;
                let loss = margins
                    .f_mse_loss(&likelihood, Reduction::None)?
                    .f_mul(&weights)?
                    .f_sum(Kind::Float)?;
                Tensor::f_run_backward(&[loss], &[&layers], false, false)?.remove(0)
            };
            let up = (number + 1) as f64 / WARM_UP;
            let down = (steps - number) as f64 / (steps as f64 * COOL_DOWN);
            adam.step(
                &mut layers,
                &gradient,
                std::slice::from_ref(&all),
                RATE * up.min(down).min(1.0),
            )?;
        }
        Ok(Self {
            vision,
            audio,
            layers,
            sizes,
        })
    }

    /// The tensors of the fusion over plain features, by their names in a model.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>, TchError> {
        let _guard = tch::no_grad_guard();
        let of = Layers::of(&self.layers, &self.sizes)?;
        let (vision, from_vision) = self.vision.fold(&of.vision)?; // [512, 128], [128]
        let (audio, from_audio) = self.audio.fold(&of.audio)?;
        // Two logits that differ by the margin.
        let two = |half: &Tensor| Tensor::f_stack(&[&half.f_neg()?, half], 0);
        let named = [
            (
                "fusion.fc1.weight",
                Tensor::f_cat(&[&vision, &audio], 0)?.f_tr()?, // [128, 1024]
            ),
            (
                "fusion.fc1.bias",
                of.bias.f_add(&from_vision)?.f_add(&from_audio)?,
            ),
            ("fusion.fc2.weight", two(&of.output.f_mul_scalar(0.5)?)?), // [2, 128]
            (
                "fusion.fc2.bias",
                two(&of.shift.f_mul_scalar(0.5)?)?.f_view([2])?,
            ),
        ];
        Ok(named.map(|(name, tensor)| (name.to_owned(), tensor)).into())
    }
}

/// The layers that learn, as views of one vector.
struct Layers {
    vision: Tensor, // [P of vision, 128]
    audio: Tensor,  // [P of audio, 128]
    bias: Tensor,   // [128]
    output: Tensor, // [128]
    shift: Tensor,  // [1]
}

impl Layers {
    /// The vector, random as by He et al. (2015), and the sizes of its parts.
    fn random(vision: &Side, audio: &Side) -> Result<(Tensor, [i64; 5]), TchError> {
        let hidden = HIDDEN as i64;
        let [seen, heard] = [vision, audio].map(|side| side.scores.size()[1]);
        let options = (Kind::Float, Device::Cpu);
        let random = |len: i64, inputs: i64| {
            Tensor::f_randn([len], options)?.f_mul_scalar((2.0 / inputs as f64).sqrt())
        };
        let sizes = [seen * hidden, heard * hidden, hidden, hidden, 1];
        let vector = Tensor::f_cat(
            &[
                random(sizes[0], seen + heard)?,
                random(sizes[1], seen + heard)?,
                Tensor::f_zeros([hidden], options)?,
                random(hidden, hidden)?,
                Tensor::f_zeros([1], options)?,
            ],
            0,
        )?;
        Ok((vector.f_set_requires_grad(true)?, sizes))
    }

    fn of(vector: &Tensor, sizes: &[i64; 5]) -> Result<Self, TchError> {
        let hidden = HIDDEN as i64;
        let parts = vector.f_split_with_sizes(sizes, 0)?;
        Ok(Self {
            vision: parts[0].f_view([-1, hidden])?,
            audio: parts[1].f_view([-1, hidden])?,
            bias: parts[2].shallow_clone(),
            output: parts[3].shallow_clone(),
            shift: parts[4].shallow_clone(),
        })
    }

    /// `[V, A]`.
    fn margins(&self, vision: &Tensor, audio: &Tensor) -> Result<Tensor, TchError> {
        let (seen, heard) = (vision.f_matmul(&self.vision)?, audio.f_matmul(&self.audio)?);
        seen.f_unsqueeze(1)?
            .f_add(&heard.f_add(&self.bias)?.f_unsqueeze(0)?)?
            .f_relu()?
            .f_matmul(&self.output)?
            .f_add(&self.shift)
    }
}

/// What the discriminants together say of each picture with each sound, `[V, A]`: 0 is
/// half-way between [`LEAST`] and certainty.
fn likelihood(
    vision: &Side,
    audio: &Side,
    seen: &Tensor,
    heard: &Tensor,
) -> Result<Tensor, TchError> {
    let seen = vision.discriminant.cameras(seen)?;
    let heard = audio.discriminant.cameras(heard)?;
    seen.f_matmul(&heard.f_tr()?)?
        .f_clamp_min(LEAST.exp())?
        .f_log()?
        .f_add_scalar(-LEAST / 2.0)
}

/// [`BATCH`] cameras: each at most once, or where there are fewer, each about as often.
fn draw_cameras(count: usize, random: &mut Rng) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(BATCH + count);
    while drawn.len() < BATCH {
        let mut all: Vec<usize> = (0..count).collect();
        all.shuffle(random);
        drawn.extend(all);
    }
    drawn.truncate(BATCH);
    drawn
}

/// Weights of the pairs, `[B, B]`: those of one camera add up to half, the others to the
/// other half.
fn weights(drawn: &[usize]) -> Result<Tensor, TchError> {
    let pairs = || drawn.iter().flat_map(|a| drawn.iter().map(move |b| a == b));
    let same = pairs().filter(|same| *same).count();
    let different = (drawn.len() * drawn.len() - same).max(1);
    let weight = |is_same| match is_same {
        true => 0.5 / same as f32,
        false => 0.5 / different as f32,
    };
    let values: Vec<f32> = pairs().map(weight).collect();
    Tensor::f_from_slice(&values)?.f_view([drawn.len() as i64, drawn.len() as i64])
}

#[cfg(test)]
mod tests {
    use super::super::camera::Second;
    use super::super::discriminant::features;
    use super::super::testing::cameras;
    use super::*;
    use crate::net::input::to_vec;
    use crate::net::{Cameras, Conv1Stride, Fusion, Weights};

    fn learnt(cameras: &[Camera], seconds: usize) -> Head {
        let rows: Vec<Vec<usize>> = cameras.iter().map(|_| (0..seconds).collect()).collect();
        Head::learn(cameras, &rows, 120, 1, || true).expect("learnt")
    }

    fn seen(seconds: &[Second]) -> Tensor {
        features(seconds, Modality::Vision).expect("features")
    }

    fn heard(seconds: &[Second]) -> Tensor {
        features(seconds, Modality::Audio).expect("features")
    }

    #[test]
    fn unheard_seconds_are_told_apart() {
        let cameras = cameras(6, 12, 3);
        let head = learnt(&cameras, 8);
        let later = |c: &Camera| c.seconds[8..].to_vec();
        let seconds: Vec<_> = cameras.iter().flat_map(later).collect();
        let tensors = head.tensors().expect("tensors");
        let fusion = Fusion::over(|name| tensors[name].shallow_clone()).expect("a fusion");
        let margins = (fusion.margins(&seen(&seconds), &heard(&seconds))).expect("margins");
        let margins = to_vec(&margins).expect("values");
        let right = |(i, margin): (usize, &f32)| {
            let same = i / seconds.len() / 4 == i % seconds.len() / 4;
            (*margin > 0.0) == same
        };
        let right = margins.iter().enumerate().filter(|p| right(*p)).count();
        assert!(
            right * 100 > margins.len() * 95,
            "{right} of {}",
            margins.len()
        );
    }

    /// What is stored answers as what was learnt: everything folds into fc1.
    #[test]
    fn a_model_with_the_tensors_gives_the_same_margins() {
        let cameras = cameras(3, 8, 5);
        let head = learnt(&cameras, 8);
        let tensors = head.tensors().expect("tensors");
        let values = |(name, tensor)| (name, to_vec(&tensor).expect("values"));
        let tensors = tensors.into_iter().map(values).collect();
        let base = Weights::random(1, Conv1Stride::Two);
        let model = base.with_fusion(tensors, BTreeMap::new(), Cameras::new());
        let fusion = Fusion::new(&model, Device::Cpu).expect("a fusion");
        let seconds = [&cameras[0].seconds[3], &cameras[2].seconds[1]].map(Clone::clone);
        let (vision, audio) = (seen(&seconds), heard(&seconds));
        let inputs = |side: &Side, x: &Tensor| {
            let scores = side.discriminant.scores(x).expect("scores");
            side.inputs(&scores).expect("inputs")
        };
        let margins = Layers::of(&head.layers, &head.sizes)
            .and_then(|l| l.margins(&inputs(&head.vision, &vision), &inputs(&head.audio, &audio)))
            .and_then(|margins| to_vec(&margins.detach()))
            .expect("margins");
        let stored = fusion.margins(&vision, &audio).expect("margins");
        let stored = to_vec(&stored).expect("values");
        for (margin, stored) in margins.iter().zip(&stored) {
            assert!((margin - stored).abs() < 1e-3, "{margin} {stored}");
        }
        assert!(margins[0] > 0.0 && margins[1] < 0.0, "{margins:?}");
    }

    #[test]
    fn it_ends_when_asked_to() {
        let cameras = cameras(2, 5, 5);
        let rows = vec![vec![0, 1, 2]; 2];
        let mut left = 3;
        let error = Head::learn(&cameras, &rows, 300, 1, || {
            left -= 1;
            left > 0
        });
        assert!(matches!(error, Err(AdaptError::Cancelled)));
    }
}
