//! Which recordings, or which parts of each, are for training, validation, test.
//!
//! Pure: recordings are names, time is positions in samples.

use std::ops::Range;

use crate::corpus::random::hash;
use crate::corpus::{Split, WINDOW_SAMPLES};

/// One recording in this many is for the test.
const TEST_ONE_IN: usize = 7;
/// One in this many of the rest is for validation.
const VALIDATION_ONE_IN: usize = 10;
/// Pairs that do not correspond need two.
pub(super) const MIN_RECORDINGS: usize = 2;

/// Tenths of a recording: its end is for the test, the part before for validation,
/// each at least a second long, which is what the network hears.
const TEST_TENTHS: u64 = 3;
const VALIDATION_TENTHS: u64 = 1;
/// Between two parts a twentieth is skipped, a second at most, so that no sound of
/// one part rings on in the other.
const GUARD_ONE_IN: u64 = 20;
const SECOND: u64 = WINDOW_SAMPLES as u64;

/// The parts of a recording, in samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub train: Range<u64>,
    /// None where there is no second for it.
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

/// Cuts a recording by time. None if it is too short for a second to train with,
/// one to test with, and the guard: under 2.11 s. Under 4 s, about, it has no part
/// that validates.
pub(super) fn parts(recording: &Range<u64>) -> Option<Parts> {
    let length = recording.end.saturating_sub(recording.start);
    let share = |tenths: u64| (length / 10 * tenths + length % 10 * tenths / 10).max(SECOND);
    let guard = (length / GUARD_ONE_IN).min(SECOND);
    let fits = |end: u64, part: u64| end.checked_sub(part).filter(|&at| at >= recording.start);
    let test = fits(recording.end, share(TEST_TENTHS))?..recording.end;
    let validation_end = fits(test.start, guard)?;
    let validation = fits(validation_end, share(VALIDATION_TENTHS))
        .filter(|&at| fits(at, guard + SECOND).is_some())
        .map(|at| at..validation_end);
    let before = validation.as_ref().map_or(test.start, |v| v.start);
    let train = recording.start..fits(before, guard)?;
    (train.end - train.start >= SECOND).then_some(Parts {
        train,
        validation,
        test,
    })
}

/// Gives whole recordings to the splits: two to each at least, if there are six.
pub(super) fn assign(recordings: &[&str], seed: u64) -> Vec<Split> {
    by_number(recordings, seed).unwrap_or_else(|| by_rank(recordings, seed))
}

/// By a number that depends on the name and the seed alone: recordings that are added
/// later never turn training data into a test. `None` if a split gets fewer
/// than two.
fn by_number(recordings: &[&str], seed: u64) -> Option<Vec<Split>> {
    let test = u64::MAX / TEST_ONE_IN as u64;
    let validation = test + (u64::MAX - test) / VALIDATION_ONE_IN as u64;
    let split = |recording: &&str| match hash(seed, recording) {
        number if number < test => Split::Test,
        number if number < validation => Split::Validation,
        _ => Split::Train,
    };
    let splits: Vec<Split> = recordings.iter().map(split).collect();
    let count = |split| splits.iter().filter(|s| **s == split).count();
    let enough = Split::ALL
        .into_iter()
        .all(|split| count(split) >= MIN_RECORDINGS);
    enough.then_some(splits)
}

/// By the order of these numbers, for few recordings.
fn by_rank(recordings: &[&str], seed: u64) -> Vec<Split> {
    let mut order: Vec<usize> = (0..recordings.len()).collect();
    order.sort_by_key(|&i| (hash(seed, recordings[i]), recordings[i]));
    let all = recordings.len();
    let few = all < 3 * MIN_RECORDINGS;
    let share = |of: usize, one_in: usize| {
        let min = if few { 0 } else { MIN_RECORDINGS };
        (of / one_in).max(min)
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

    proptest! {
        /// No two parts of a recording touch, however short it is.
        #[test]
        fn parts_lie_apart(
            start in 0_u64..1 << 40,
            length in prop_oneof![0..6 * SECOND, 0_u64..1 << 34],
        ) {
            let Some(parts) = parts(&(start..start + length)) else {
                // Two seconds, and a twentieth of it all between them.
                prop_assert!(length <= 2 * SECOND * 20 / 19 + 1, "{length} samples are enough");
                return Ok(());
            };
            prop_assert!(length >= 2 * SECOND);
            let tail = 4 * SECOND;
            prop_assert!(parts.validation.is_some() || length < tail, "{length}");
            let (mut end, guard) = (start, (length / 20).min(SECOND));
            for split in [Split::Train, Split::Validation, Split::Test] {
                let Some(part) = parts.of(split) else { continue };
                prop_assert!(part.end - part.start >= SECOND);
                prop_assert!(part.start >= end && part.end <= start + length);
                end = part.end + guard;
            }
            let share = |part: &Range<u64>| (part.end - part.start) as f64 / length as f64;
            if length >= 10 * SECOND {
                prop_assert!((share(&parts.test) - 0.3).abs() < 1e-4);
                prop_assert!((0.5..=0.6).contains(&share(&parts.train)));
            }
        }

        #[test]
        fn every_split_has_two_recordings_if_there_are_six(n in 0_usize..200, seed: u64) {
            let names: Vec<String> = (0..n).map(|i| format!("{i}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let splits = assign(&names, seed);
            let count = |split| splits.iter().filter(|s| **s == split).count();
            let counts = [Split::Train, Split::Validation, Split::Test].map(count);
            prop_assert_eq!(counts.iter().sum::<usize>(), n);
            let ranked = by_rank(&names, seed);
            if n >= 6 {
                let tests = ranked.iter().filter(|s| **s == Split::Test).count();
                prop_assert_eq!(tests, (n / 7).max(2));
                prop_assert!(counts.iter().all(|&c| c >= 2), "{:?}", counts);
            }
        }

        #[test]
        fn recordings_stay_where_they_are_when_others_come(more in 0_usize..200, seed: u64) {
            let names: Vec<String> = (0..100 + more).map(|i| format!("{i}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // Of a hundred a split gets fewer than two once in some thousand seeds.
            if let Some(before) = by_number(&names[..100], seed) {
                prop_assert_eq!(&assign(&names, seed)[..100], &before[..]);
                prop_assert_eq!(assign(&names[..100], seed), before);
            }
        }

        #[test]
        fn one_in_seven_is_the_test(seed: u64) {
            let names: Vec<String> = (0..2_000).map(|i| format!("{i}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let splits = assign(&names, seed);
            let share = |split| splits.iter().filter(|s| **s == split).count() as f64 / 2_000.0;
            // Six standard deviations.
            prop_assert!((share(Split::Test) - 1.0 / 7.0).abs() < 0.047);
            prop_assert!((share(Split::Validation) - 6.0 / 70.0).abs() < 0.038);
        }

        /// Which split a recording is in does not depend on their order.
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
