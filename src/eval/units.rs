//! What single units respond to (paper, section 3.5): the files that excite each
//! of the 512 of pool4 most, and whether these are of one class.
//!
//! Belongs here: the ranking, and which files count. Does not: how files are read or
//! drawn.
//!
//! Files are sorted by class, so the first of equally strong files are of one class:
//! a unit that never fires, or always fires alike, would seem pure. So a file counts
//! only if it excites the unit, and more than the strongest file that is not listed.

use serde::Serialize;

use super::extract::Extraction;

/// A file among the strongest of a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Index of the file.
    pub file: usize,
    /// Its class.
    pub class: usize,
    /// Activation of the unit.
    pub activation: f32,
    /// Whether it is stronger than all files that are not listed.
    pub counts: bool,
}

/// A unit and the files that excite it most.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its number among the 512.
    pub number: usize,
    /// The strongest files, the strongest first.
    pub top: Vec<Entry>,
    /// How far the strongest files lie above the mean of all, in standard deviations.
    pub stands_out: f64,
}

/// The unit with most of its strongest files in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Best {
    /// Number of the unit.
    pub unit: usize,
    /// How many of its strongest files are of the class.
    pub count: usize,
}

impl Unit {
    /// How many of the strongest files that count are of a class.
    pub fn of_class(&self, class: usize) -> usize {
        let own = |e: &&Entry| e.counts && e.class == class;
        self.top.iter().filter(own).count()
    }

    /// The most frequent class of the strongest files, and how many are of it; of
    /// equals, that of the strongest file. `None` if none counts.
    pub fn majority(&self) -> Option<(usize, usize)> {
        let counting = self.top.iter().filter(|e| e.counts);
        let counts = counting.map(|e| (e.class, self.of_class(e.class)));
        counts.fold(None, |best, now| match best {
            Some((_, count)) if count >= now.1 => best,
            _ => Some(now),
        })
    }
}

/// Ranks the files by each unit, one row each, and keeps the `top` strongest.
/// `classes` are those of all files. `None` if fewer files could be read.
pub fn rank(found: &Extraction, classes: &[usize], top: usize) -> Option<Vec<Unit>> {
    let rows = found.one_each();
    if top == 0 || rows.len() < top {
        return None;
    }
    let unit = |number: usize| {
        let mut ranked: Vec<Entry> = (rows.iter())
            .map(|&row| {
                let file = found.file_of[row];
                Entry {
                    file,
                    class: classes[file],
                    activation: found.pool4.row(row)[number],
                    counts: false,
                }
            })
            .collect();
        let spread = Spread::of(&ranked);
        ranked.sort_by(|a, b| {
            (b.activation.total_cmp(&a.activation)).then_with(|| a.file.cmp(&b.file))
        });
        let next = ranked.get(top).map_or(0.0, |e| e.activation).max(0.0);
        ranked.truncate(top);
        for entry in &mut ranked {
            entry.counts = entry.activation > next;
        }
        Unit {
            number,
            stands_out: spread.of_mean(&ranked),
            top: ranked,
        }
    };
    Some((0..found.pool4.width()).map(unit).collect())
}

/// Mean and standard deviation of a unit over all files.
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Spread {
    fn of(entries: &[Entry]) -> Self {
        let mean = mean(entries);
        let squares = (entries.iter()).map(|e| (f64::from(e.activation) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / entries.len().max(1) as f64).sqrt();
        Self { mean, deviation }
    }

    fn of_mean(&self, entries: &[Entry]) -> f64 {
        match self.deviation > 0.0 {
            true => (mean(entries) - self.mean) / self.deviation,
            false => 0.0,
        }
    }
}

fn mean(entries: &[Entry]) -> f64 {
    let sum: f64 = entries.iter().map(|e| f64::from(e.activation)).sum();
    sum / entries.len().max(1) as f64
}

/// For each class the unit with most of its strongest files in it; of equals, the one
/// that stands out more. `None` if no unit has any.
pub fn best_of_classes(units: &[Unit], classes: usize) -> Vec<Option<Best>> {
    let best = |class: usize| {
        let with = units.iter().map(|unit| (unit.of_class(class), unit));
        let best = with.filter(|(count, _)| *count > 0).max_by(|a, b| {
            (a.0.cmp(&b.0))
                .then_with(|| a.1.stands_out.total_cmp(&b.1.stands_out))
                .then_with(|| b.1.number.cmp(&a.1.number))
        });
        best.map(|(count, unit)| Best {
            unit: unit.number,
            count,
        })
    };
    (0..classes).map(best).collect()
}

/// Number of classes that have a unit with at least `at_least` files in them.
pub fn covered(best: &[Option<Best>], at_least: usize) -> usize {
    let enough = |b: &&Best| b.count >= at_least;
    best.iter().flatten().filter(enough).count()
}

/// Expected number of covered classes if `units` units ranked the files at random,
/// independently; `sizes` are the numbers of files of the classes.
///
/// With few classes it is high: of 512 units, some have three of five files in each of
/// ten classes.
pub fn covered_by_chance(sizes: &[usize], units: usize, top: usize, at_least: usize) -> f64 {
    let files: usize = sizes.iter().sum();
    let class = |&size: &usize| {
        let ways = |of: usize| {
            let others = (files - size, top - of);
            choose(size, of) * choose(others.0, others.1) / choose(files, top)
        };
        let one: f64 = (at_least..=top).map(ways).sum();
        1.0 - (1.0 - one).powi(units as i32)
    };
    sizes.iter().map(class).sum()
}

/// Binomial coefficient: ways to choose `k` of `n`.
fn choose(n: usize, k: usize) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
}

/// The `max` purest units: those with most of their strongest files in one class
/// first. Of equals, the one of each class that stands out most comes first, then the
/// second of each, and so on: otherwise one class would fill the page.
pub fn purest(units: &[Unit], max: usize) -> Vec<&Unit> {
    let mut pure: Vec<(usize, usize, &Unit)> = (units.iter())
        .filter_map(|unit| unit.majority().map(|(class, count)| (count, class, unit)))
        .collect();
    pure.sort_by(|a, b| {
        (b.0.cmp(&a.0))
            .then_with(|| b.2.stands_out.total_cmp(&a.2.stands_out))
            .then_with(|| a.2.number.cmp(&b.2.number))
    });
    let mut seen = std::collections::BTreeMap::new();
    let mut ordered: Vec<(usize, usize, &Unit)> = (pure.into_iter())
        .map(|(count, class, unit)| {
            let nth: &mut usize = seen.entry((count, class)).or_default();
            *nth += 1;
            (count, *nth, unit)
        })
        .collect();
    // Stable: equals stay in the order of standing out.
    ordered.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let units = ordered.into_iter().map(|(_, _, unit)| unit);
    units.take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Rows;

    /// Twelve files of three classes in order, a row each; `unit` gives what a
    /// file excites each unit with.
    fn units<const N: usize>(unit: impl Fn(usize) -> [f32; N]) -> Vec<Unit> {
        let found = Extraction {
            file_of: (0..12).collect(),
            blocks: Rows::new(vec![0.0; 12], 1),
            pool4: Rows::new((0..12).flat_map(unit).collect(), N),
            level: vec![0.0; 12],
            unreadable: Vec::new(),
        };
        let classes: Vec<usize> = (0..12).map(|file| file / 4).collect();
        rank(&found, &classes, 3).expect("enough files")
    }

    #[test]
    fn a_unit_that_one_class_excites_is_pure() {
        let units = units(|file| {
            let own = if file / 4 == 1 { 10.0 } else { 0.0 };
            [own + file as f32, (file % 4) as f32]
        });
        let files: Vec<usize> = units[0].top.iter().map(|e| e.file).collect();
        assert_eq!(files, [7, 6, 5]);
        assert_eq!(units[0].majority(), Some((1, 3)));
        assert!(units[0].stands_out > 1.0);
        // The last of each class excites the second: one of each.
        assert_eq!(units[1].majority(), Some((0, 1)));
        let best = best_of_classes(&units, 3);
        assert_eq!(best[1], Some(Best { unit: 0, count: 3 }));
        assert_eq!((covered(&best, 3), covered(&best, 1)), (1, 3));
    }

    #[test]
    fn units_that_cannot_tell_files_apart_are_not_pure() {
        let units = units(|file| {
            let first = f32::from(u8::from(file == 0));
            // Dead; alike for all; one file above the rest; two above equals.
            [0.0, 5.0, first, if file < 2 { 2.0 } else { 1.0 }]
        });
        assert_eq!(units[0].majority(), None);
        assert_eq!(units[1].majority(), None);
        assert_eq!(units[2].majority(), Some((0, 1)));
        assert_eq!(units[3].majority(), Some((0, 2)));
        assert_eq!(units[0].stands_out, 0.0);
        assert_eq!(units[1].stands_out, 0.0);
        assert_eq!(covered(&best_of_classes(&units, 3), 3), 0);
    }

    #[test]
    fn too_few_files_have_no_ranks() {
        let found = Extraction {
            file_of: vec![0, 0, 1, 1],
            blocks: Rows::new(vec![0.0; 4], 1),
            pool4: Rows::new(vec![1.0, 2.0, 3.0, 4.0], 1),
            level: vec![0.1, 0.2, 0.2, 0.3],
            unreadable: Vec::new(),
        };
        assert_eq!(rank(&found, &[0, 1], 3), None);
        // Two files: all that are there, so nothing is omitted but silence. The
        // row of a file is its loudest one.
        let units = rank(&found, &[0, 1], 2).expect("enough files");
        assert!(units[0].top.iter().all(|e| e.counts));
        assert_eq!(units[0].top[0].activation, 4.0);
        assert_eq!(units[0].top[1].activation, 2.0);
    }

    #[test]
    fn of_units_alike_in_purity_each_class_comes_in_turn() {
        let unit = |(number, &(class, count, stands_out)): (usize, &(usize, usize, f64))| {
            let entry = |nth| Entry {
                file: nth,
                class,
                activation: 1.0,
                counts: nth < count,
            };
            Unit {
                number,
                top: (0..5).map(entry).collect(),
                stands_out,
            }
        };
        // Three pure units of class 0, one of class 2; one less pure, one dead.
        let units = [
            (0, 5, 2.0),
            (0, 5, 9.0),
            (0, 5, 4.0),
            (2, 5, 3.0),
            (1, 4, 99.0),
            (1, 0, 0.0),
        ];
        let units: Vec<Unit> = units.iter().enumerate().map(unit).collect();
        let numbers = |max| -> Vec<usize> {
            let pure = purest(&units, max);
            pure.iter().map(|u| u.number).collect()
        };
        assert_eq!(numbers(9), [1, 3, 2, 0, 4]);
        assert_eq!(numbers(2), [1, 3]);
    }

    #[test]
    fn chance_is_that_of_drawing_without_laying_back() {
        // Two of two files drawn of four, two of which are of the class: 1 in 6.
        let one = covered_by_chance(&[2, 2], 1, 2, 2);
        assert!((one - 2.0 / 6.0).abs() < 1e-12, "{one}");
        let two = covered_by_chance(&[2, 2], 2, 2, 2);
        assert!((two - 2.0 * (1.0 - 25.0 / 36.0)).abs() < 1e-12, "{two}");
        // A class that is too small is never covered, and with enough units each
        // other one is.
        let many = covered_by_chance(&[1, 50, 50], 100_000, 5, 4);
        assert!((many - 2.0).abs() < 1e-9, "{many}");
        // The paper's case, as if all classes had as many clips: hardly any at 4
        // of 5, a few at 3.
        let sizes = [100; 34];
        assert!(covered_by_chance(&sizes, 512, 5, 4) < 0.2);
        assert!((1.0..6.0).contains(&covered_by_chance(&sizes, 512, 5, 3)));
    }
}
