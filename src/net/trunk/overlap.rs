//! Windows of sound that overlap: the trunk need not compute again what they share.
//!
//! With hops of less than a second most of a window has been through the trunk before. Away
//! from a window's ends a layer's output moves as its input does, if that moves by whole
//! columns of the output. Belongs here: which windows overlap, which columns of a stage are
//! known from that, and what is remembered. Does not: the layers.
//!
//! The columns are those of the spectrogram, 5 ms each with the paper's front end. Blocks 1
//! and 2 of a trunk whose first stride is 2 take windows that are a multiple of 4 columns
//! (20 ms) apart, block 3 of 8 (40 ms). Block 4 would take 16 (80 ms), but of its 12 columns the
//! ends reach all but one or two: it is always computed. So is everything of windows that are
//! no multiple apart. Values differ from those of whole windows by rounding, since tiles of
//! the convolutions begin elsewhere.

use std::collections::VecDeque;
use std::ops::Range;

use l3net_conv::Map;

/// Windows that are remembered, at most: 3.3 MB each where they overlap, 0.2 MB if not.
const REMEMBERED: usize = 32;

/// Fewer columns are not worth the moving.
const LEAST: usize = 4;

/// What is kept of a window: the outputs of conv1_2 (pooled), conv2_2 and conv3_2 (not
/// pooled).
pub(super) type Stages = [Map; STAGES];

/// The number of [`Stages`].
pub(super) const STAGES: usize = 3;

/// Windows that went through the trunk.
pub(super) struct Heard {
    /// Of conv1_1.
    stride: usize,
    /// The newest last.
    windows: VecDeque<Window>,
    /// Windows so far.
    count: u64,
    /// Memory of one that was forgotten.
    spare: Option<Stages>,
}

struct Window {
    number: u64,
    /// `[bins, frames]`.
    spectrogram: Vec<f32>,
    /// `None` if it overlapped with none before it.
    stages: Option<Stages>,
    /// The windows that it overlapped with.
    before: Vec<u64>,
    /// By how many columns the window that came last is later, if the two overlap.
    later: Option<usize>,
}

/// What of each stage of a window is known from windows before it.
pub(super) type Overlap = [Option<Known>; STAGES];

/// Columns of a stage's output that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Which of the remembered windows has them.
    window: usize,
    /// Where they are in it.
    pub from: Range<usize>,
    /// Where they belong.
    pub to: Range<usize>,
}

impl Heard {
    /// For a trunk whose first convolution has this stride.
    pub fn new(stride: usize) -> Self {
        Self {
            stride,
            windows: VecDeque::new(),
            count: 0,
            spare: None,
        }
    }

    /// Columns of the spectrogram that a column of a stage's output stands for.
    fn columns(&self, stage: usize) -> usize {
        match stage {
            0 | 1 => 2 * self.stride,
            _ => 4 * self.stride,
        }
    }

    /// What is known of a window of so many frames; `None` if it overlaps with none.
    pub fn overlap(&mut self, spectrogram: &[f32], frames: usize) -> Option<Overlap> {
        let step = self.columns(0);
        for window in &mut self.windows {
            window.later = later(&window.spectrogram, spectrogram, frames, step);
        }
        let found = self.windows.iter().enumerate();
        let mut found: Vec<(usize, usize)> = found
            .filter_map(|(number, window)| Some((window.later?, number)))
            .collect();
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut overlap = Overlap::default();
        for (stage, known) in overlap.iter_mut().enumerate() {
            let columns = self.columns(stage);
            let is_apart = |(later, number): &&(usize, usize)| {
                self.windows[*number].stages.is_some() && later.is_multiple_of(columns)
            };
            let Some(&(later, window)) = found.iter().find(is_apart) else {
                continue;
            };
            let to = known_columns(stage, frames - later, self.stride);
            if to.len() < LEAST {
                continue;
            }
            let moved = later / columns;
            *known = Some(Known {
                window,
                from: to.start + moved..to.end + moved,
                to,
            });
        }
        Some(overlap)
    }

    /// A stage of the window that has what is known.
    pub fn stage(&self, number: usize, known: &Known) -> &Map {
        let stages = self.windows[known.window].stages.as_ref();
        &stages.expect("it was found for them")[number]
    }

    /// Memory for the stages of a window.
    pub fn vacant(&mut self) -> Stages {
        self.spare.take().unwrap_or_default()
    }

    /// Remembers a window that overlaps with none.
    pub fn remember(&mut self, spectrogram: &[f32]) {
        self.push(spectrogram, None, Vec::new());
    }

    /// Remembers a window that was looked for last and overlaps, and forgets those that are out
    /// of reach: they overlap with one of those before, and with this one no more.
    pub fn remember_stages(&mut self, spectrogram: &[f32], stages: Stages) {
        let found = self.windows.iter().filter(|window| window.later.is_some());
        let older: Vec<u64> = found.flat_map(|window| window.before.clone()).collect();
        let is_over = |w: &Window| w.later.is_none() && older.contains(&w.number);
        while let Some(place) = self.windows.iter().position(is_over) {
            self.forget(place);
        }
        let found = self.windows.iter().filter(|window| window.later.is_some());
        let before = found.map(|window| window.number).collect();
        self.push(spectrogram, Some(stages), before);
    }

    fn push(&mut self, spectrogram: &[f32], stages: Option<Stages>, before: Vec<u64>) {
        while self.windows.len() >= REMEMBERED {
            self.forget(0);
        }
        self.count += 1;
        self.windows.push_back(Window {
            number: self.count,
            spectrogram: spectrogram.to_vec(),
            stages,
            before,
            later: None,
        });
    }

    fn forget(&mut self, place: usize) {
        let stages = self.windows.remove(place).and_then(|window| window.stages);
        self.spare = self.spare.take().or(stages);
    }
}

/// By how many columns `new` is later than `old`, a multiple of `step`, if they share a third
/// or more.
fn later(old: &[f32], new: &[f32], frames: usize, step: usize) -> Option<usize> {
    if old.len() != new.len() {
        return None;
    }
    (step..=frames * 2 / 3).step_by(step).find(|&later| {
        let mut rows = old.chunks_exact(frames).zip(new.chunks_exact(frames));
        rows.all(|(old, new)| old[later..] == new[..frames - later])
    })
}

/// The columns of a stage's output that depend on nothing but the first `shared` columns of
/// the window, nor on its start.
fn known_columns(stage: usize, shared: usize, stride: usize) -> Range<usize> {
    let block1 = pooled(convolved(convolved(0..shared, stride), 1));
    let block2 = || convolved(convolved(block1.clone(), 1), 1);
    match stage {
        0 => block1,
        1 => block2(),
        _ => convolved(convolved(pooled(block2()), 1), 1),
    }
}

/// Outputs of a convolution 3×3 with padding 1 that depend on nothing but `known`.
fn convolved(known: Range<usize>, stride: usize) -> Range<usize> {
    let first = (known.start + 1).div_ceil(stride);
    let end = (known.end.saturating_sub(1)).div_ceil(stride);
    first..end.max(first)
}

/// Maxima of two that depend on nothing but `known`.
fn pooled(known: Range<usize>) -> Range<usize> {
    let (first, end) = (known.start.div_ceil(2), known.end / 2);
    first..end.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 199;

    /// Windows of three rows, each `hop` columns later than the one before, in which no
    /// column is like another.
    fn window(number: usize, hop: usize) -> Vec<f32> {
        let column =
            |row: usize| (0..FRAMES).map(move |i| (row * 10_000 + number * hop + i) as f32);
        (0..3).flat_map(column).collect()
    }

    /// What is known of each window of a stream, by stage.
    fn known(hop: usize, windows: usize) -> Vec<Option<Overlap>> {
        let mut heard = Heard::new(2);
        let known = (0..windows).map(|number| {
            let window = window(number, hop);
            let Some(overlap) = heard.overlap(&window, FRAMES) else {
                heard.remember(&window);
                return None;
            };
            heard.remember_stages(&window, Stages::default());
            assert!(heard.windows.len() <= 14, "{}", heard.windows.len());
            Some(overlap)
        });
        known.collect()
    }

    #[test]
    fn known_columns_are_those_that_the_ends_do_not_reach() {
        // A window that is 20 columns later shares 179 of 199.
        assert_eq!(known_columns(0, 179, 2), 1..44);
        assert_eq!(known_columns(1, 179, 2), 3..42);
        assert_eq!(known_columns(2, 159, 2), 4..16);
        for (stage, stride) in [(0, 1), (1, 2), (2, 2)] {
            assert!(known_columns(stage, 5, stride).is_empty());
        }
    }

    #[test]
    fn each_stage_is_of_the_last_window_that_is_whole_columns_away() {
        // Columns of a hop, and by how many the window is later from which each stage is.
        for (hop, later) in [
            (10, [Some(20), Some(20), Some(40)]),
            (16, [Some(16), Some(16), Some(16)]),
            (20, [Some(20), Some(20), Some(40)]),
            (80, [Some(80), Some(80), Some(80)]),
            (100, [Some(100), Some(100), None]),
        ] {
            let known = known(hop, 40);
            assert_eq!(known[0], None, "nothing was before");
            for (number, known) in known.iter().enumerate().skip(20) {
                let known = known.as_ref().expect("it overlaps");
                for (stage, later) in later.iter().enumerate() {
                    let columns = if stage < 2 { 4 } else { 8 };
                    let moved = known[stage].as_ref().map(|known| {
                        assert_eq!(known.from.len(), known.to.len());
                        columns * (known.from.start - known.to.start)
                    });
                    assert_eq!(
                        moved, *later,
                        "stage {stage} of {number}, {hop} columns apart"
                    );
                }
            }
        }
        for hop in [133, 199, 200] {
            assert_eq!(known(hop, 10), vec![None; 10], "{hop} columns apart");
        }
    }

    #[test]
    fn windows_of_many_streams_are_told_apart_and_few_are_remembered() {
        let mut heard = Heard::new(2);
        for number in 0..200 {
            let mut window = window(number / 20, 20);
            let stream = (number % 20) as f32;
            window.iter_mut().for_each(|value| *value += 1e5 * stream);
            match heard.overlap(&window, FRAMES) {
                Some(_) => heard.remember_stages(&window, Stages::default()),
                None => heard.remember(&window),
            }
            assert!(heard.windows.len() <= REMEMBERED);
        }
        let mut window = window(10, 20);
        window.iter_mut().for_each(|value| *value += 1e5 * 19.0);
        let overlap = heard.overlap(&window, FRAMES).expect("it overlaps");
        assert!(overlap[0].is_some());
    }
}
