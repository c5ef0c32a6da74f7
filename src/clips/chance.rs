//! Whether a clip's sound matches its own pictures better than those of other clips.
//!
//! The network answers for one pair, and how high depends on the model and on what is
//! seen and heard. The same sound against others' pictures has the same level, so the
//! difference tells without a threshold. Late fusion makes it nearly free: the features of
//! both are there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::hash::{fnv1a, mix};
use crate::pooled::Pooled;
use crate::result::StreamName;

/// Seconds of a clip that are compared, evenly over all of it, at most.
const SECONDS: usize = 16;
/// Clips that others are compared with, at most …
const OTHERS: usize = 64;
/// … each with so many of its pictures: 1 MB in all.
const PICTURES: usize = 8;
/// With fewer other clips there is no chance to tell.
pub const FEWEST_CLIPS: usize = 8;

/// How a clip's sound matches its pictures, against others'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The mean margin (logit of correspondence less the other) of its sounds with their own
    /// pictures, less the mean of those with other clips' pictures, in standard deviations
    /// over these clips. 0: no better than by chance; over 2: it belongs.
    pub z: f32,
    /// Clips that it was compared with.
    pub clips: u32,
}

/// Compares each clip with others of the run.
#[derive(Debug, Default)]
pub struct ChanceMeter {
    open: HashMap<StreamName, Thinned>,
    /// Pictures of clips that have ended.
    others: Vec<(StreamName, Vec<Arc<Pooled>>)>,
    /// Clips that have ended with a picture.
    ended: u64,
    /// Clips that ended before there were others.
    waiting: VecDeque<(StreamName, Vec<Arc<Pooled>>)>,
}

/// Evenly spread seconds of a clip whose length is not known.
#[derive(Debug, Default)]
struct Thinned {
    kept: Vec<Arc<Pooled>>,
    seen: usize,
    /// Every second so many is kept.
    step: usize,
}

impl Thinned {
    fn take(&mut self, second: Arc<Pooled>) {
        self.step = self.step.max(1);
        if self.seen.is_multiple_of(self.step) {
            if self.kept.len() == SECONDS {
                let mut number = 0;
                self.kept.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.step *= 2;
            }
            if self.seen.is_multiple_of(self.step) {
                self.kept.push(second);
            }
        }
        self.seen += 1;
    }
}

impl ChanceMeter {
    /// Takes a second with sound.
    pub fn take(&mut self, stream: &StreamName, second: Arc<Pooled>) {
        if !self.open.contains_key(stream) {
            self.open.insert(stream.clone(), Thinned::default());
        }
        if let Some(clip) = self.open.get_mut(stream) {
            clip.take(second);
        }
    }

    /// A clip has ended: what can be told now, of it or of clips before it.
    ///
    /// `margins` compares each picture with each sound, row by row of pictures.
    ///
    /// # Errors
    /// Those of `margins`.
    pub fn end<E>(
        &mut self,
        stream: &StreamName,
        margins: impl FnMut(&[&Pooled], &[&Pooled]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<(StreamName, Chance)>, E> {
        let Some(clip) = self.open.remove(stream) else {
            return Ok(Vec::new());
        };
        let step = clip.kept.len().div_ceil(PICTURES).max(1);
        let pictures = clip.kept.iter().step_by(step).cloned().collect();
        self.ended += 1;
        if self.others.len() < OTHERS {
            self.others.push((stream.clone(), pictures));
        } else {
            // Each of all that have ended is as likely to be there (reservoir sampling). Of
            // the name and not by chance, for the same answer in each run.
            let place = mix(fnv1a(stream.as_bytes())) % self.ended;
            if let Some(other) = self.others.get_mut(place as usize) {
                *other = (stream.clone(), pictures);
            }
        }
        self.waiting.push_back((stream.clone(), clip.kept));
        match self.others.len() > FEWEST_CLIPS {
            true => self.rest(margins),
            false => Ok(Vec::new()),
        }
    }

    /// What can be told of the clips that wait, now that no further one is waited for.
    ///
    /// # Errors
    /// Those of `margins`.
    pub fn rest<E>(
        &mut self,
        mut margins: impl FnMut(&[&Pooled], &[&Pooled]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<(StreamName, Chance)>, E> {
        let mut told = Vec::new();
        while let Some((stream, seconds)) = self.waiting.pop_front() {
            let chance = self.chance(&stream, &seconds, &mut margins)?;
            told.extend(chance.map(|chance| (stream, chance)));
        }
        Ok(told)
    }

    fn chance<E>(
        &self,
        stream: &StreamName,
        seconds: &[Arc<Pooled>],
        margins: &mut impl FnMut(&[&Pooled], &[&Pooled]) -> Result<Vec<f32>, E>,
    ) -> Result<Option<Chance>, E> {
        let others: Vec<_> = self
            .others
            .iter()
            .filter(|(name, _)| name != stream)
            .collect();
        if others.len() < FEWEST_CLIPS || seconds.is_empty() {
            return Ok(None);
        }
        let sounds: Vec<&Pooled> = seconds.iter().map(|second| &**second).collect();
        let of_others = others.iter().flat_map(|(_, pictures)| pictures.iter());
        let pictures = seconds.iter().chain(of_others).map(|second| &**second);
        let pictures: Vec<&Pooled> = pictures.collect();
        let margins = margins(&pictures, &sounds)?;
        let mut rows = margins.chunks_exact(sounds.len());
        let own = rows.by_ref().take(sounds.len()).enumerate();
        let own = mean(own.map(|(i, row)| row[i]));
        let means: Vec<f64> = others
            .iter()
            .map(|(_, pictures)| mean(rows.by_ref().take(pictures.len()).flatten().copied()))
            .collect();
        let count = means.len() as f64;
        let centre = means.iter().sum::<f64>() / count;
        let spread = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / (count - 1.0);
        let z = (own - centre) / spread.sqrt();
        Ok(z.is_finite().then_some(Chance {
            z: z as f32,
            clips: means.len() as u32,
        }))
    }
}

fn mean(values: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| {
        (sum + f64::from(value), count + 1.0)
    });
    sum / count
}
