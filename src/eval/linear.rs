//! Classes of pictures by one linear layer on frozen features (paper, section
//! 3.4, Table 3).
//!
//! Softmax regression by cross-entropy with Adam, from zero, on standardised features
//! (which a linear layer could undo). Weight decay is chosen on a part of the
//! training files.

use serde::Serialize;
use tch::{Device, Kind, TchError, Tensor};

use super::classify::Described;
use super::error::EvalError;
use super::labelled::Labelled;
use crate::corpus::{hash, rng};
use crate::learn::{Rows, ZScore};
use crate::net::NetError;
use crate::net::input::to_vec;
use crate::train::Adam;
use rand::seq::SliceRandom;

/// Values of weight decay; ties go to the larger one.
const DECAYS: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];
const EPOCHS: usize = 60;
const BATCH: usize = 256;
/// Adam's initial learning rate; it decays to 0 by a cosine.
const RATE: f64 = 1e-4;

/// Accuracy over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Test pictures.
    pub files: usize,
    /// Share whose class got the highest score.
    pub top_1: f64,
    /// Share whose class is among the five highest; `None` with five classes or fewer.
    pub top_5: Option<f64>,
    /// The weight decay chosen in each round.
    pub weight_decay: Vec<f64>,
}

/// Trains and tests in every round.
///
/// # Errors
/// If too little of a round has rows to train or test on; or errors of libtorch,
/// mostly out of memory.
pub fn classify(
    data: &Labelled,
    described: Described<'_>,
    device: Device,
    seed: u64,
    progress: &mut dyn FnMut(),
) -> Result<Accuracy, EvalError> {
    let classes = data.classes.len();
    let (mut files, mut first, mut among_five) = (0, 0, 0);
    let mut weight_decay = Vec::new();
    for round in &data.rounds {
        described.check(data, round)?;
        let ranks = |train: &[usize], test: &[usize], decays: &[f64]| {
            ranks(data, described, (train, test), decays, (device, seed)).map_err(NetError::from)
        };
        let decay = match round.validation_split() {
            Some((rest, held_out)) => {
                let found = ranks(&rest, held_out, &DECAYS)?;
                let right = found
                    .iter()
                    .map(|r| r.iter().filter(|&&rank| rank == 0).count());
                let best = DECAYS.iter().zip(right).max_by_key(|(_, right)| *right);
                best.map_or(DECAYS[1], |(decay, _)| *decay)
            }
            None => DECAYS[1],
        };
        let found = ranks(&round.train.concat(), &round.test, &[decay])?.concat();
        files += found.len();
        first += found.iter().filter(|&&rank| rank == 0).count();
        among_five += found.iter().filter(|&&rank| rank < 5).count();
        weight_decay.push(decay);
        progress();
    }
    let share = |count: usize| count as f64 / files as f64;
    Ok(Accuracy {
        files,
        top_1: share(first),
        top_5: (classes > 5).then(|| share(among_five)),
        weight_decay,
    })
}

/// For each weight decay: the rank of the true class of each test file that has a
/// row.
fn ranks(
    data: &Labelled,
    described: Described<'_>,
    (train, test): (&[usize], &[usize]),
    decays: &[f64],
    (device, seed): (Device, u64),
) -> Result<Vec<Vec<usize>>, TchError> {
    let (mut seen, files) = described.of(train);
    let labels: Vec<i64> = files.iter().map(|&f| data.files[f].class as i64).collect();
    let (mut held_out, tested) = described.of(test);
    let scale = ZScore::fit(&seen);
    scale.apply(&mut seen);
    scale.apply(&mut held_out);
    let classes = data.classes.len();
    let (seen, held_out) = (matrix(&seen, device)?, matrix(&held_out, device)?);
    let _guard = tch::no_grad_guard();
    let by_decay = decays.iter().map(|&decay| {
        let layer = learn(&seen, &labels, classes, decay, seed)?;
        let scores = to_vec(&layer.scores(&held_out)?)?;
        let rows = scores.chunks_exact(classes).zip(&tested);
        Ok(rows
            .map(|(scores, &file)| rank(scores, data.files[file].class))
            .collect())
    });
    by_decay.collect()
}

/// How many classes score higher than this one. Of equal scores the first counts as
/// higher: equal scores for all classes are not a right answer.
fn rank(scores: &[f32], class: usize) -> usize {
    let own = scores[class];
    let before = |(other, score): (usize, f32)| score > own || score == own && other < class;
    let all = scores.iter().copied().enumerate();
    all.filter(|&other| before(other)).count()
}

/// `[N, W]` in f32.
fn matrix(rows: &Rows, device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(rows.values())?
        .f_reshape([rows.len() as i64, rows.width() as i64])?
        .f_to(device)
}

/// Weights `[C, W]`, then biases `[C]`, in one vector.
struct Layer {
    vector: Tensor,
    classes: i64,
    width: i64,
}

impl Layer {
    fn weight(&self) -> Result<Tensor, TchError> {
        let weights = self.vector.f_narrow(0, 0, self.classes * self.width)?;
        weights.f_view([self.classes, self.width])
    }

    /// `[N, W]` → `[N, C]`.
    fn scores(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let bias = self
            .vector
            .f_narrow(0, self.classes * self.width, self.classes)?;
        rows.f_linear(&self.weight()?, Some(&bias))
    }
}

fn learn(
    rows: &Tensor,
    labels: &[i64],
    classes: usize,
    decay: f64,
    seed: u64,
) -> Result<Layer, TchError> {
    let (count, width) = rows.size2()?;
    let device = rows.device();
    let classes = classes as i64;
    let mut layer = Layer {
        vector: Tensor::f_zeros([classes * (width + 1)], (Kind::Float, device))?,
        classes,
        width,
    };
    // The loss is a mean over the batch, and so is the penalty.
    let mut adam = Adam::new(&layer.vector, decay)?;
    let labels = Tensor::f_from_slice(labels)?.f_to(device)?;
    let targets = labels.f_one_hot(classes)?.f_to_kind(Kind::Float)?; // [N, C]
    let mut order: Vec<i64> = (0..count).collect();
    let all = 0..layer.vector.numel();
    for epoch in 0..EPOCHS {
        order.shuffle(&mut rng(seed, hash(0, "linear"), epoch as u64));
        let turn = std::f64::consts::PI * epoch as f64 / EPOCHS as f64;
        let rate = RATE * (0.5 + 0.5 * turn.cos());
        for batch in order.chunks(BATCH) {
            let index = Tensor::f_from_slice(batch)?.f_to(device)?;
            let x = rows.f_index_select(0, &index)?; //                   [B, W]
            let y = targets.f_index_select(0, &index)?; //                [B, C]
            let error = layer
                .scores(&x)?
                .f_softmax(1, Kind::Float)?
                .f_sub(&y)?
                .f_div_scalar(batch.len() as f64)?; //                    [B, C]
            let by_weight = error.f_tr()?.f_matmul(&x)?.f_flatten(0, 1)?; // [C · W]
            let by_bias = error.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
            let gradient = Tensor::f_cat(&[by_weight, by_bias], 0)?;
            adam.step(
                &mut layer.vector,
                &gradient,
                std::slice::from_ref(&all),
                rate,
            )?;
        }
    }
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::super::labelled::{LabelledFile, Media, Round};
    use super::*;

    /// Six classes; the value at the place of the class is higher, in noise.
    fn data() -> (Labelled, Rows, Vec<usize>) {
        let files: Vec<LabelledFile> = (0..120)
            .map(|i| LabelledFile {
                media: Media::File(format!("{i}.png").into()),
                class: i % 6,
                group: i.to_string(),
            })
            .collect();
        let part = |p: usize| (0..120).filter(|i| i / 6 % 4 == p).collect::<Vec<_>>();
        let round = Round {
            name: "test".to_owned(),
            train: vec![part(0), part(1), part(2)],
            test: part(3),
        };
        let values = files.iter().enumerate().flat_map(|(nth, file)| {
            (0..8_usize).map(move |k| {
                let noise = ((nth * 37 + k * 11) % 17) as f32 / 17.0;
                100.0 + noise + if k == file.class { 2.0 } else { 0.0 }
            })
        });
        let data = Labelled {
            classes: ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
            rounds: vec![round],
            files: files.clone(),
        };
        (data, Rows::new(values.collect(), 8), (0..120).collect())
    }

    #[test]
    fn separable_classes_are_learnt_and_random_labels_are_not() {
        let (mut data, rows, file_of) = data();
        let described = Described {
            rows: &rows,
            file_of: &file_of,
            unreadable: &[],
        };
        let mut rounds = 0;
        let found = classify(&data, described, Device::Cpu, 0, &mut || rounds += 1);
        let found = found.expect("figures");
        assert_eq!((rounds, found.files), (1, 30));
        assert!(found.top_1 > 0.9 && found.top_5 == Some(1.0), "{found:?}");
        for (nth, file) in data.files.iter_mut().enumerate() {
            file.class = (nth * 7919 / 13) % 6;
        }
        let found = classify(&data, described, Device::Cpu, 0, &mut || ());
        let found = found.expect("figures");
        assert!(found.top_1 < 0.6, "{found:?}");
    }

    #[test]
    fn equal_scores_are_not_right_for_every_class() {
        let ranks = |scores: [f32; 4]| [0, 1, 2, 3].map(|class| rank(&scores, class));
        assert_eq!(ranks([0.0; 4]), [0, 1, 2, 3]);
        assert_eq!(ranks([1.0, 3.0, 2.0, 3.0]), [3, 0, 2, 1]);
    }

    #[test]
    fn without_training_rows_there_is_no_figure() {
        let (data, rows, file_of) = data();
        let kept = &data.rounds[0].test;
        let rows = rows.select(kept);
        let file_of: Vec<usize> = kept.iter().map(|&row| file_of[row]).collect();
        let described = Described {
            rows: &rows,
            file_of: &file_of,
            unreadable: &[],
        };
        let error = classify(&data, described, Device::Cpu, 0, &mut || ());
        let error = error.expect_err("nothing to learn from").to_string();
        assert!(error.contains(": 0 classes to learn from"), "{error}");
    }
}
