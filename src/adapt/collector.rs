//! The features of one recording, as they come from the network.

use std::sync::Arc;

use super::camera::{Camera, Second};
use crate::pooled::Pooled;

/// Time between the recordings of a camera: their windows do not overlap.
const BETWEEN_S: f64 = 1.0;

/// Collects windows, evenly spread over however many come.
#[derive(Debug)]
pub struct Collector {
    most: usize,
    /// Every so many-th window is kept.
    step: u64,
    seen: u64,
    seconds: Vec<Second>,
    silent: usize,
}

impl Collector {
    /// Keeps at most so many windows.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(2),
            step: 1,
            seen: 0,
            seconds: Vec::new(),
            silent: 0,
        }
    }

    /// Takes the window that starts at `at_s`, in order. Silent ones are only counted:
    /// silence belongs to any picture.
    pub fn take(&mut self, at_s: f64, is_silent: bool, features: Arc<Pooled>) {
        if is_silent {
            self.silent += 1;
            return;
        }
        let number = self.seen;
        self.seen += 1;
        if !number.is_multiple_of(self.step) {
            return;
        }
        self.seconds.push(Second { at_s, features });
        if self.seconds.len() > self.most {
            self.halve();
        }
    }

    /// One that continues where another has ended, after `heard` windows that were not
    /// silent; it has kept every `step`-th of them.
    pub fn resumed(
        most: usize,
        step: u64,
        heard: u64,
        silent: usize,
        seconds: Vec<Second>,
    ) -> Self {
        let mut collector = Self {
            step: step.max(1),
            seen: heard,
            silent,
            seconds,
            ..Self::new(most)
        };
        while collector.seconds.len() > collector.most {
            collector.halve();
        }
        collector
    }

    /// Windows so far that were not silent.
    pub fn heard(&self) -> u64 {
        self.seen
    }

    /// Every so many-th window is kept.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Silent windows so far.
    pub fn silent(&self) -> usize {
        self.silent
    }

    /// What is kept.
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// A camera with what is kept.
    pub fn camera(&self, name: &str) -> Camera {
        Camera {
            silent: self.silent,
            seconds: self.seconds.clone(),
            ..Camera::new(name)
        }
    }

    fn halve(&mut self) {
        self.step *= 2;
        let mut number = 0;
        self.seconds.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }

    /// A camera with its recordings, one after the other.
    pub fn join(name: &str, recordings: Vec<Self>, most: usize) -> Camera {
        let mut all = Self::new(most);
        let mut offset = 0.0;
        // Each was thinned by itself; now they are thinned alike.
        let step = recordings.iter().map(|r| r.step).max().unwrap_or(1);
        let mut silent = 0;
        for mut recording in recordings {
            while recording.step < step {
                recording.halve();
            }
            silent += recording.silent;
            let first = recording.seconds.first().map_or(0.0, |s| s.at_s);
            let mut end = offset;
            for mut second in recording.seconds {
                second.at_s += offset - first;
                end = second.at_s + 1.0 + BETWEEN_S;
                all.seconds.push(second);
            }
            offset = end;
        }
        while all.seconds.len() > all.most {
            all.halve();
        }
        Camera {
            silent,
            seconds: all.seconds,
            ..Camera::new(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled() -> Arc<Pooled> {
        Arc::new(Pooled {
            vision: vec![1.0; 512],
            audio: vec![2.0; 512],
        })
    }

    fn times(camera: &Camera) -> Vec<f64> {
        camera.seconds.iter().map(|s| s.at_s).collect()
    }

    #[test]
    fn what_does_not_fit_is_thinned_evenly_and_silence_is_counted() {
        let mut collector = Collector::new(4);
        for i in 0..12 {
            collector.take(f64::from(i), i == 5, pooled());
        }
        let camera = Collector::join("a", vec![collector], 4);
        assert_eq!(camera.silent, 1);
        assert_eq!(times(&camera), [0.0, 4.0, 9.0]);
    }

    #[test]
    fn recordings_follow_each_other_without_overlap() {
        let recording = |first: f64| {
            let mut collector = Collector::new(8);
            for i in 0..2 {
                collector.take(first + f64::from(i) * 0.5, false, pooled());
            }
            collector
        };
        let camera = Collector::join("a", vec![recording(100.0), recording(0.0)], 8);
        assert_eq!(times(&camera), [0.0, 0.5, 2.5, 3.0]);
        assert!(Collector::join("b", Vec::new(), 8).seconds.is_empty());
    }
}
