//! How well held-out seconds are told apart.

use serde::{Deserialize, Serialize};
use tch::TchError;

use super::blocks::Blocks;
use super::camera::Camera;
use super::discriminant::features;
use crate::learn::metrics::{mean, roc_auc};
use crate::net::input::to_vec;
use crate::net::{Cameras, Fusion, Modality};
use crate::train::Calibration;

/// Held-out seconds in one block that are compared with each other, at most: every picture
/// is compared with every sound.
const MOST_ROWS: usize = 1500;
/// Pictures that are compared with all sounds at a time: about 100 MB.
const PICTURES: usize = 64;
/// The seconds over which a mean is taken for a firmer answer.
const LONG: f64 = 10.0;

/// The margins of a block's pictures with all of its sounds.
pub struct Answers {
    /// Start of each row, by camera.
    times: Vec<Vec<f64>>,
    /// The margins of the pictures of one camera with the sounds of another, by row and
    /// column: `cameras × cameras`.
    margins: Vec<Vec<f32>>,
}

impl Answers {
    /// Lets `fusion` judge a block of those cameras that are to be `judged`.
    pub fn of(
        fusion: &Fusion,
        cameras: &[Camera],
        blocks: &Blocks,
        block: usize,
        judged: &[bool],
    ) -> Result<Self, TchError> {
        let most = (MOST_ROWS / cameras.len().max(1)).max(2);
        let rows = |camera: usize| {
            let held_out = match judged[camera] {
                true => blocks.held_out(camera, block),
                false => 0..0,
            };
            // The last ones in a row, not every nth: means over ten seconds need neighbours.
            let begin = held_out.end - held_out.len().min(most);
            &cameras[camera].seconds[begin..held_out.end]
        };
        let rows: Vec<_> = (0..cameras.len()).map(rows).collect();
        let _guard = tch::no_grad_guard();
        let all_rows = || rows.iter().copied().flatten();
        let sounds = features(all_rows(), Modality::Audio)?;
        let mut margins = vec![Vec::new(); cameras.len() * cameras.len()];
        for (seen, of_seen) in rows.iter().enumerate() {
            for part in of_seen.chunks(PICTURES) {
                let pictures = features(part, Modality::Vision)?;
                let all = to_vec(&fusion.margins(&pictures, &sounds)?)?;
                for row in all.chunks_exact(all_rows().count().max(1)) {
                    let mut rest = row;
                    for (heard, of_heard) in rows.iter().enumerate() {
                        let (of_camera, after) = rest.split_at(of_heard.len());
                        margins[seen * cameras.len() + heard].extend_from_slice(of_camera);
                        rest = after;
                    }
                }
            }
        }
        let times = |rows: &&[super::Second]| rows.iter().map(|s| s.at_s).collect();
        Ok(Self {
            times: rows.iter().map(times).collect(),
            margins,
        })
    }

    /// The number of cameras.
    pub fn cameras(&self) -> usize {
        self.times.len()
    }

    /// Pictures of a camera with their own sounds.
    pub fn own(&self, camera: usize) -> Vec<f32> {
        let rows = self.times[camera].len();
        let margins = self.between(camera, camera);
        margins.iter().step_by(rows + 1).copied().collect()
    }

    /// Pictures of a camera with the sounds of all others.
    pub fn others(&self, camera: usize) -> Vec<f32> {
        let others = (0..self.cameras()).filter(|other| *other != camera);
        others
            .flat_map(|other| self.between(camera, other))
            .copied()
            .collect()
    }

    fn between(&self, seen: usize, heard: usize) -> &[f32] {
        &self.margins[seen * self.cameras() + heard]
    }

    /// Means along [`LONG`] seconds of pictures of one camera with as many seconds of
    /// sound of another, from each row on; none if there are not so many.
    fn long(&self, seen: usize, heard: usize) -> Vec<f64> {
        let [pictures, sounds] = [seen, heard].map(|camera| &self.times[camera]);
        let margins = self.between(seen, heard);
        let whole = |times: &[f64], from: usize| {
            let until = times.partition_point(|t| *t <= times[from] + LONG - 1.0 + 1e-6);
            let covers = times
                .last()
                .is_some_and(|t| *t >= times[from] + LONG - 1.0 - 1e-6);
            covers.then_some(until - from)
        };
        let mut means = Vec::new();
        for i in 0..pictures.len() {
            // The same second of both, where they are one camera; else any, in turn.
            let j = if seen == heard {
                i
            } else {
                i % sounds.len().max(1)
            };
            if j >= sounds.len() {
                continue;
            }
            if let (Some(a), Some(b)) = (whole(pictures, i), whole(sounds, j)) {
                let count = a.min(b);
                let along = (0..count).map(|k| margins[(i + k) * sounds.len() + j + k]);
                means.push(along.map(f64::from).sum::<f64>() / count as f64);
            }
        }
        means
    }
}

/// How well a camera's held-out seconds are told from the others'.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraFigures {
    /// The camera.
    pub camera: String,
    /// Windows that were learnt, or could be.
    pub windows: usize,
    /// Windows that were held out and judged.
    pub held_out: usize,
    /// Mean of `own` and `others`.
    pub accuracy: f64,
    /// Share of its pictures with their own sound that are judged to correspond.
    pub own: f64,
    /// Share of its pictures with others' sounds that are judged not to.
    pub others: f64,
    /// The camera whose sounds are most often taken for its own, and how often.
    pub confused_with: Option<(String, f64)>,
}

/// How well all cameras are told apart. Each camera weighs the same, and so do pairs that
/// correspond and pairs that do not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Share of single windows that are judged rightly.
    pub accuracy: f64,
    /// Area under the ROC curve of single windows.
    pub roc_auc: f64,
    /// Share judged rightly by the mean over all that is held out of a camera.
    pub by_mean: f64,
    /// Shares judged rightly by the mean over ten seconds: of own sounds, and of others';
    /// none if no camera has so much held out.
    pub over_10_s: Option<[f64; 2]>,
    /// Each camera.
    pub cameras: Vec<CameraFigures>,
}

impl Figures {
    /// From the answers to held-out seconds; `known` has the shift of each camera.
    pub fn of(
        answers: &Answers,
        cameras: &[Camera],
        calibration: Option<Calibration>,
        known: &Cameras,
    ) -> Self {
        let count = answers.cameras();
        let calibrated = |seen: usize, margin: f64| {
            let margin = calibration.map_or(margin, |c| c.calibrated(margin));
            margin + known.get(&cameras[seen].name).map_or(0.0, |c| c.shift)
        };
        let share = |seen: usize, margins: &[f32], corresponds: bool| {
            let right = |m: &&f32| (calibrated(seen, f64::from(**m)) > 0.0) == corresponds;
            let right = margins.iter().filter(right).count();
            (!margins.is_empty()).then(|| right as f64 / margins.len() as f64)
        };
        let average = |margins: &[f32]| mean(margins.iter().map(|m| f64::from(*m)));
        let mut all = Self::default();
        let (mut of_own, mut of_others, mut long) =
            (Vec::new(), Vec::new(), [(); 2].map(|()| Vec::new()));
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for (seen, camera) in cameras.iter().enumerate().take(count) {
            let own = answers.own(seen);
            let Some(right) = share(seen, &own, true) else {
                continue;
            };
            let of_each: Vec<(usize, f64)> = (0..count)
                .filter(|other| *other != seen)
                .filter_map(|other| {
                    Some((other, share(seen, answers.between(seen, other), false)?))
                })
                .collect();
            let others = answers.others(seen);
            let Some(rejected) = share(seen, &others, false) else {
                continue;
            };
            let worst = of_each.iter().min_by(|a, b| a.1.total_cmp(&b.1));
            let confused = worst.filter(|(_, rejected)| *rejected < 0.75);
            all.cameras.push(CameraFigures {
                camera: camera.name.clone(),
                windows: camera.seconds.len(),
                held_out: own.len(),
                accuracy: (right + rejected) / 2.0,
                own: right,
                others: rejected,
                confused_with: confused.map(|(o, r)| (cameras[*o].name.clone(), 1.0 - r)),
            });
            let by_mean = |margins: &[f32], corresponds: bool| {
                let average = average(margins)?;
                Some(f64::from(u8::from(
                    (calibrated(seen, average) > 0.0) == corresponds,
                )))
            };
            of_own.extend(by_mean(&own, true));
            let rejected = (0..count)
                .filter(|other| *other != seen)
                .filter_map(|other| by_mean(answers.between(seen, other), false));
            of_others.extend(mean(rejected));
            for (of, corresponds) in [(0, true), (1, false)] {
                let means = (0..count)
                    .filter(|other| (*other == seen) == corresponds)
                    .flat_map(|other| answers.long(seen, other));
                let right =
                    means.map(|m| f64::from(u8::from((calibrated(seen, m) > 0.0) == corresponds)));
                long[of].extend(mean(right));
            }
            positives.extend(own.iter().map(|m| calibrated(seen, f64::from(*m))));
            negatives.extend(others.iter().map(|m| calibrated(seen, f64::from(*m))));
        }
        all.accuracy = mean(all.cameras.iter().map(|c| c.accuracy)).unwrap_or(0.0);
        all.roc_auc = roc_auc(&positives, &negatives).unwrap_or(0.0);
        let [own, others] = [of_own, of_others].map(mean);
        all.by_mean = (own.unwrap_or(0.0) + others.unwrap_or(0.0)) / 2.0;
        let [own, others] = long.map(mean);
        all.over_10_s = own.zip(others).map(|(own, others)| [own, others]);
        all
    }

    /// Whether they are better than others, of the same held-out seconds: more is judged
    /// rightly, or as much and the order of pairs is better.
    pub fn are_better_than(&self, before: &Self) -> bool {
        let [new, old] = [self, before].map(|f| (f.accuracy, f.roc_auc));
        new.0 > old.0 + 1e-9 || ((new.0 - old.0).abs() <= 1e-9 && new.1 > old.1)
    }
}
