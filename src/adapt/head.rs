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
use super::discriminant::Discriminant;
use super::error::AdaptError;
use crate::corpus::{Rng, rng};
use crate::net::input::to_vec;
use crate::net::{FEATURE, HIDDEN, Modality, Weights};
use crate::train::Adam;

/// Pictures and sounds of a step; each picture is compared with each sound.
const BATCH: usize = 48;
const RATE: f64 = 1e-2;
const WARM_UP: f64 = 100.0;
/// The part of the steps over which the rate falls to zero.
const COOL_DOWN: f64 = 0.7;
/// Strongest variation that is added to a second, against that within cameras. Held-out
/// seconds differ from the learnt ones more than these from each other: in single
/// trials on real clips 1, 6 and 8 were 1 to 2 % worse.
const MOST_NOISE: f64 = 4.0;
/// Log-likelihoods below it count as the same: further down it is not them, in any case.
const LEAST: f64 = -8.0;

/// A learnt fusion, over plain features.
#[derive(Debug)]
pub struct Head {
    vision: Tensor, // [512, 128]
    audio: Tensor,  // [512, 128]
    bias: Tensor,   // [128]
    output: Tensor, // [128]
    shift: f64,
}

/// One modality: scores of all seconds, and how they become the input of the first layer.
struct Side {
    discriminant: Discriminant,
    /// `[T, P]`, of all learnt seconds.
    scores: Tensor,
    /// Inputs have a mean of 0 over the prototypes, and about unit size.
    scale: f64,
}

impl Side {
    fn new(
        cameras: &[Camera],
        learnt: &[Vec<usize>],
        modality: Modality,
        seed: u64,
    ) -> Result<Self, TchError> {
        let discriminant = Discriminant::fit(cameras, learnt, modality, seed)?;
        let rows = cameras.iter().zip(learnt).flat_map(|(camera, learnt)| {
            learnt.iter().map(|&row| match modality {
                Modality::Vision => camera.seconds[row].vision.as_slice(),
                Modality::Audio => camera.seconds[row].audio.as_slice(),
            })
        });
        let scores = discriminant.scores(&features(rows)?)?;
        let size = centred(&scores)?.f_std(false)?.f_double_value(&[])?;
        Ok(Self {
            discriminant,
            scores,
            scale: 1.0 / size.max(1e-9),
        })
    }

    /// Scores of some seconds, each varied by up to [`MOST_NOISE`].
    fn varied(&self, rows: &Tensor) -> Result<Tensor, TchError> {
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

    fn inputs(&self, scores: &Tensor) -> Result<Tensor, TchError> {
        centred(scores)?.f_mul_scalar(self.scale)
    }

    /// The layer `[P, 128]` over inputs, as a layer `[512, 128]` over features, and what it
    /// adds to the bias.
    fn fold(&self, layer: &Tensor) -> Result<(Tensor, Tensor), TchError> {
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

/// `[N, 512]`.
fn features<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Result<Tensor, TchError> {
    let values: Vec<f32> = rows.flatten().copied().collect();
    Tensor::f_from_slice(&values)?.f_view([-1, FEATURE as i64])
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
        let _guard = tch::no_grad_guard();
        let of = Layers::of(&layers, &sizes)?;
        let (of_vision, from_vision) = vision.fold(&of.vision)?;
        let (of_audio, from_audio) = audio.fold(&of.audio)?;
        Ok(Self {
            vision: of_vision,
            audio: of_audio,
            bias: of
                .bias
                .f_add(&from_vision)?
                .f_add(&from_audio)?
                .f_detach()?,
            output: of.output.f_detach_copy()?,
            shift: of.shift.f_double_value(&[])?,
        })
    }

    /// The fusion of a model.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn of(model: &Weights) -> Result<Self, TchError> {
        let tensor = |name: &str| Tensor::f_from_slice(model.tensor(name));
        let (hidden, feature) = (HIDDEN as i64, FEATURE as i64);
        let fc1 = tensor("fusion.fc1.weight")?
            .f_view([hidden, 2 * feature])?
            .f_tr()?;
        let fc2 = tensor("fusion.fc2.weight")?.f_view([2, hidden])?;
        let bias = model.tensor("fusion.fc2.bias");
        Ok(Self {
            vision: fc1.f_narrow(0, 0, feature)?.f_contiguous()?,
            audio: fc1.f_narrow(0, feature, feature)?.f_contiguous()?,
            bias: tensor("fusion.fc1.bias")?,
            output: fc2.f_get(1)?.f_sub(&fc2.f_get(0)?)?,
            shift: f64::from(bias[1]) - f64::from(bias[0]),
        })
    }

    /// The margin (logit of correspondence less that of none) of each picture with each
    /// sound: `[V, A]`, row by row.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn margins(&self, vision: &[&[f32]], audio: &[&[f32]]) -> Result<Vec<f32>, TchError> {
        let _guard = tch::no_grad_guard();
        let seen = features(vision.iter().copied())?.f_matmul(&self.vision)?;
        let heard = features(audio.iter().copied())?.f_matmul(&self.audio)?;
        to_vec(&grid(&seen, &heard, &self.bias, &self.output)?.f_add_scalar(self.shift)?)
    }

    /// The tensors of the fusion, as a model stores them.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let fc1 = Tensor::f_cat(&[&self.vision, &self.audio], 0)?.f_tr()?; // [128, 1024]
        let half = self.output.f_mul_scalar(0.5)?;
        let fc2 = Tensor::f_stack(&[&half.f_neg()?, &half], 0)?; // [2, 128]
        let shift = (self.shift / 2.0) as f32;
        let named = [
            ("fusion.fc1.weight", to_vec(&fc1)?),
            ("fusion.fc1.bias", to_vec(&self.bias)?),
            ("fusion.fc2.weight", to_vec(&fc2)?),
            ("fusion.fc2.bias", vec![-shift, shift]),
        ];
        Ok(named.map(|(name, values)| (name.to_owned(), values)).into())
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
        grid(&seen, &heard, &self.bias, &self.output)?.f_add(&self.shift)
    }
}

/// fc1 and fc2 for each picture with each sound, from what each adds to fc1.
fn grid(seen: &Tensor, heard: &Tensor, bias: &Tensor, output: &Tensor) -> Result<Tensor, TchError> {
    seen.f_unsqueeze(1)?
        .f_add(&heard.f_add(bias)?.f_unsqueeze(0)?)?
        .f_relu()?
        .f_matmul(output)
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
    use super::super::testing::cameras;
    use super::*;
    use crate::net::{Cameras, Fusion};

    fn learnt(cameras: &[Camera], seconds: usize) -> Head {
        let rows: Vec<Vec<usize>> = cameras.iter().map(|_| (0..seconds).collect()).collect();
        Head::learn(cameras, &rows, 300, 1, || true).expect("learnt")
    }

    #[test]
    fn unheard_seconds_are_told_apart() {
        let cameras = cameras(6, 12, 3);
        let head = learnt(&cameras, 8);
        let later = |c: &Camera| c.seconds[8..].to_vec();
        let seconds: Vec<_> = cameras.iter().flat_map(later).collect();
        let vision: Vec<&[f32]> = seconds.iter().map(|s| s.vision.as_slice()).collect();
        let audio: Vec<&[f32]> = seconds.iter().map(|s| s.audio.as_slice()).collect();
        let margins = head.margins(&vision, &audio).expect("margins");
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
        let base = Weights::random(1, crate::net::Conv1Stride::Two);
        let model = base.with_fusion(
            head.tensors().expect("tensors"),
            BTreeMap::new(),
            Cameras::new(),
        );
        let fusion = Fusion::new(&model, Device::Cpu).expect("a fusion");
        let (a, b) = (&cameras[0].seconds[3], &cameras[2].seconds[1]);
        let (vision, audio) = (
            [a.vision.as_slice(), &b.vision],
            [a.audio.as_slice(), &b.audio],
        );
        let margins = head.margins(&vision, &audio).expect("margins");
        let index = |rows: [i64; 4]| Tensor::from_slice(&rows);
        let logits = fusion
            .logits_of(
                &features(vision.into_iter()).expect("features"),
                &features(audio.into_iter()).expect("features"),
                &index([0, 0, 1, 1]),
                &index([0, 1, 0, 1]),
            )
            .expect("logits");
        let logits = to_vec(&logits).expect("values");
        for (margin, logits) in margins.iter().zip(logits.chunks(2)) {
            let stored = logits[1] - logits[0];
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
