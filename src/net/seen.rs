//! Pictures that the network has seen a moment ago.
//!
//! With short hops several windows have the same frame, and a camera that shows nothing new
//! sends the same picture: the vision trunk, two thirds of a full frame's time, need not see
//! it again. Belongs here: what is the same, and what is kept. Does not: the trunk.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tch::Tensor;

use super::error::NetError;
use super::trunk::TrunkOutput;
use crate::features::Features;

/// Pictures that are remembered, at most: some batches of live streams. 1.3 MB each.
const REMEMBERED: usize = 32;

/// The last pictures, with what the vision trunk made of them.
#[derive(Default)]
pub(super) struct Seen {
    batches: Mutex<VecDeque<Batch>>,
}

/// Pictures that went through the trunk together.
struct Batch {
    pictures: Vec<(u32, u32, Vec<u8>)>,
    output: TrunkOutput,
}

/// Where a picture's output is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Of a batch before this one.
    Before { batch: usize, row: usize },
    /// Among those that are new.
    New(usize),
}

impl Seen {
    /// What the trunk makes of the pictures of a batch, all of one size. `look` is asked for
    /// those that are new, each once. With `remember` they are known afterwards.
    pub fn output(
        &self,
        batch: &[&Features],
        remember: bool,
        look: impl FnOnce(&[&Features]) -> Result<TrunkOutput, NetError>,
    ) -> Result<TrunkOutput, NetError> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<&Features> = Vec::new();
        let mut places = Vec::with_capacity(batch.len());
        for features in batch {
            let known = find(&batches, features);
            places.push(known.unwrap_or_else(|| {
                let same = new.iter().position(|other| is_same(features, other));
                At::New(same.unwrap_or_else(|| {
                    new.push(features);
                    new.len() - 1
                }))
            }));
        }
        let output = (!new.is_empty()).then(|| look(&new)).transpose()?;
        let all_new = new.len() == batch.len();
        let result = match &output {
            Some(output) if all_new => output.share(),
            _ => gather(&places, &batches, output.as_ref())?,
        };
        if let Some(output) = output.filter(|_| remember) {
            let picture = |f: &&Features| (f.image_width, f.image_height, f.image.clone());
            batches.push_back(Batch {
                pictures: new.iter().map(picture).collect(),
                output,
            });
            let mut count: usize = batches.iter().map(|batch| batch.pictures.len()).sum();
            while count > REMEMBERED && batches.len() > 1 {
                count -= batches.pop_front().map_or(0, |batch| batch.pictures.len());
            }
        }
        Ok(result)
    }
}

fn find(batches: &VecDeque<Batch>, features: &Features) -> Option<At> {
    let of = |(batch, of): (usize, &Batch)| {
        let size = (features.image_width, features.image_height);
        let is_it =
            |(w, h, image): &(u32, u32, Vec<u8>)| (*w, *h) == size && *image == features.image;
        let row = of.pictures.iter().position(is_it)?;
        Some(At::Before { batch, row })
    };
    // The newest first: most likely there.
    batches.iter().enumerate().rev().find_map(of)
}

fn is_same(a: &Features, b: &Features) -> bool {
    let size = |f: &Features| (f.image_width, f.image_height);
    size(a) == size(b) && a.image == b.image
}

/// One row for each place.
fn gather(
    places: &[At],
    batches: &VecDeque<Batch>,
    new: Option<&TrunkOutput>,
) -> Result<TrunkOutput, NetError> {
    let mut rows: Vec<(Tensor, Tensor)> = Vec::with_capacity(places.len());
    let mut rectified = true;
    for place in places {
        let (output, row) = match *place {
            At::Before { batch, row } => (&batches[batch].output, row),
            At::New(row) => (new.expect("a place in it"), row),
        };
        rectified = output.rectified;
        let row = row as i64;
        rows.push((
            output.conv4_2.f_narrow(0, row, 1)?,
            output.pool4.f_narrow(0, row, 1)?,
        ));
    }
    let cat = |of: fn(&(Tensor, Tensor)) -> &Tensor| {
        let parts: Vec<&Tensor> = rows.iter().map(of).collect();
        Tensor::f_cat(&parts, 0)
    };
    Ok(TrunkOutput {
        conv4_2: cat(|row| &row.0)?,
        pool4: cat(|row| &row.1)?,
        rectified,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tch::{Device, Kind};

    use super::*;
    use crate::features::Viewport;

    fn picture(value: u8) -> Features {
        Features {
            spectrogram: Vec::new(),
            image: vec![value; 16 * 16 * 3],
            image_width: 16,
            image_height: 16,
            view: Viewport::whole(16, 16),
        }
    }

    /// Looks at pictures and remembers at which.
    fn judge(seen: &Seen, values: &[u8], remember: bool) -> (Vec<f64>, Vec<u8>) {
        let pictures: Vec<Features> = values.iter().map(|value| picture(*value)).collect();
        let batch: Vec<&Features> = pictures.iter().collect();
        let looked = RefCell::new(Vec::new());
        let output = seen.output(&batch, remember, |new| {
            *looked.borrow_mut() = new.iter().map(|f| f.image[0]).collect();
            let values: Vec<f32> = new.iter().map(|f| f32::from(f.image[0])).collect();
            let pool4 = Tensor::from_slice(&values).reshape([-1, 1]);
            Ok(TrunkOutput {
                conv4_2: pool4.reshape([-1, 1, 1, 1]).expand([-1, 1, 2, 2], false),
                pool4,
                rectified: true,
            })
        });
        let output = output.expect("no failure");
        let rows = values.len() as i64;
        assert_eq!(output.conv4_2.size(), [rows, 1, 2, 2]);
        let means = output
            .conv4_2
            .mean_dim([1, 2, 3].as_slice(), false, Kind::Float);
        let of = |tensor: &Tensor| {
            let flat = tensor
                .to_device(Device::Cpu)
                .reshape([-1])
                .to_kind(Kind::Double);
            Vec::<f64>::try_from(flat).expect("values")
        };
        assert_eq!(of(&means), of(&output.pool4), "of the same picture");
        (of(&output.pool4), looked.into_inner())
    }

    #[test]
    fn a_picture_is_looked_at_once_and_each_gets_its_own_answer() {
        let seen = Seen::default();
        let steps: &[(&[u8], &[u8])] = &[
            (&[1, 2, 3], &[1, 2, 3]),
            (&[1, 2, 3], &[]),
            (&[4, 4, 4], &[4]),
            (&[3, 5, 4, 5, 1], &[5]),
            (&[5], &[]),
        ];
        for (values, looked) in steps {
            let expected: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            assert_eq!(judge(&seen, values, true), (expected, looked.to_vec()));
        }
    }

    #[test]
    fn what_is_not_to_be_remembered_is_shared_within_a_batch_only() {
        let seen = Seen::default();
        assert_eq!(judge(&seen, &[7, 7], false), (vec![7.0, 7.0], vec![7]));
        assert_eq!(judge(&seen, &[7], false), (vec![7.0], vec![7]));
    }

    #[test]
    fn so_many_pictures_are_remembered_and_no_more() {
        let seen = Seen::default();
        for value in 0..100 {
            judge(&seen, &[value, value + 100], true);
        }
        let count = |seen: &Seen| {
            let batches = seen.batches.lock().expect("no panic");
            batches
                .iter()
                .map(|batch| batch.pictures.len())
                .sum::<usize>()
        };
        assert_eq!(count(&seen), REMEMBERED);
        assert!(judge(&seen, &[99], true).1.is_empty(), "of the last batch");
        assert_eq!(judge(&seen, &[0], true).1, [0], "long ago");
    }
}
