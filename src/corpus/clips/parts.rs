//! Which recordings, or which parts of each, are for training, validation, test.
//!
//! Pure: recordings are names, time is positions in samples.

use std::ops::Range;

use crate::corpus::Split;
use crate::corpus::random::hash;
use crate::time::WINDOW_SAMPLES;

/// One recording in so many is the test.
const TEST_ONE_IN: usize = 7;
/// One in so many of the rest validates.
const VALIDATION_ONE_IN: usize = 10;
/// Pairs that do not correspond need two.
pub(super) const LEAST: usize = 2;

/// Of a recording: the first so many tenths train, one more validates, the rest
/// is the test.
const TRAIN_TENTHS: u64 = 6;
const VALIDATED_TENTHS: u64 = 7;
/// Left out between two parts: a second, so that what is heard in one does not
/// ring on in the other.
const GUARD: u64 = WINDOW_SAMPLES as u64;

/// The parts of a recording, in samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub train: Range<u64>,
    /// None where a tenth less the guard is no second.
    pub validation: Option<Range<u64>>,
    pub test: Range<u64>,
}

impl Parts {
    pub fn of(&self, split: Split) -> Option<&Range<u64>> {
        match split {
            Split::Train => Some(&self.train),
            Split::Validation => self.validation.as_ref(),
            Split::Test => Some(&self.test),
        }
    }
}

/// Cuts a recording by time. None if it is too short for a second to train with
/// and a second to test with, and the guard: under 5 s. Under 20 s it has no part
/// that validates.
pub(super) fn parts(recording: &Range<u64>) -> Option<Parts> {
    let length = recording.end.saturating_sub(recording.start);
    let tenths = |n: u64| recording.start + length / 10 * n + length % 10 * n / 10;
    let holds_window = |part: &Range<u64>| part.end.saturating_sub(part.start) >= GUARD;
    let train = recording.start..tenths(TRAIN_TENTHS);
    let validation = Some(train.end + GUARD..tenths(VALIDATED_TENTHS)).filter(holds_window);
    let before = validation.as_ref().map_or(train.end, |v| v.end);
    let test = tenths(VALIDATED_TENTHS).max(before + GUARD)..recording.end;
    (holds_window(&train) && holds_window(&test)).then_some(Parts {
        train,
        validation,
        test,
    })
}

/// Gives whole recordings to the splits, in the order of a number that hangs on
/// the name and the seed alone. Two to each at least, if there are six.
pub(super) fn assign(recordings: &[&str], seed: u64) -> Vec<Split> {
    let mut order: Vec<usize> = (0..recordings.len()).collect();
    order.sort_by_key(|&i| (hash(seed, recordings[i]), recordings[i]));
    let all = recordings.len();
    let few = all < 3 * LEAST;
    let share = |of: usize, one_in: usize| {
        let least = if few { 0 } else { LEAST };
        (of / one_in).max(least)
    };
    let test = share(all, TEST_ONE_IN);
    let validation = share(all - test, VALIDATION_ONE_IN);
    let mut splits = vec![Split::Train; all];
    for (rank, &i) in order.iter().enumerate() {
        if rank < test {
            splits[i] = Split::Test;
        } else if rank < test + validation {
            splits[i] = Split::Validation;
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = WINDOW_SAMPLES as u64;

    proptest! {
        /// Between any two parts of a recording lies a second that is in neither.
        #[test]
        fn parts_are_a_second_apart(start in 0_u64..1 << 40, length in 0_u64..1 << 34) {
            let Some(parts) = parts(&(start..start + length)) else {
                prop_assert!(length < 5 * SECOND + 10, "{length} samples are enough");
                return Ok(());
            };
            prop_assert!(length >= 5 * SECOND - 10);
            prop_assert_eq!(parts.validation.is_some(), length >= 20 * SECOND);
            let mut end = start;
            for split in [Split::Train, Split::Validation, Split::Test] {
                let Some(part) = parts.of(split) else { continue };
                prop_assert!(part.end - part.start >= SECOND);
                prop_assert!(part.start >= end && part.end <= start + length);
                end = part.end + SECOND;
            }
            let share = |part: &Range<u64>| (part.end - part.start) as f64 / length as f64;
            prop_assert!((share(&parts.train) - 0.6).abs() < 1e-4);
            prop_assert!(share(&parts.test) <= 0.3 + 1e-4);
        }

        #[test]
        fn every_split_has_two_recordings_if_there_are_six(n in 0_usize..200, seed: u64) {
            let names: Vec<String> = (0..n).map(|i| format!("{i}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let splits = assign(&names, seed);
            let count = |split| splits.iter().filter(|s| **s == split).count();
            let counts = [Split::Train, Split::Validation, Split::Test].map(count);
            prop_assert_eq!(counts.iter().sum::<usize>(), n);
            if n >= 6 {
                prop_assert!(counts.iter().all(|&c| c >= 2), "{:?}", counts);
                prop_assert_eq!(counts[2], (n / 7).max(2));
            }
        }

        /// Which split a recording is in does not hang on the order they come in.
        #[test]
        fn the_order_of_recordings_does_not_matter(seed: u64) {
            let names: Vec<String> = (0..40).map(|i| format!("clip {i}")).collect();
            let mut there: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut back = there.clone();
            back.reverse();
            let mut of_back = assign(&back, seed);
            of_back.reverse();
            prop_assert_eq!(assign(&there, seed), of_back);
            there.rotate_left(7);
            let other = assign(&there, seed.wrapping_add(1));
            there.rotate_right(7);
            prop_assert_ne!(assign(&there, seed), other);
        }
    }
}
