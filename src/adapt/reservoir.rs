//! What was heard and seen of live cameras: features of a bounded number of seconds.
//!
//! Belongs here: what is kept, and when it is time to learn from it. Does not: the file in
//! which it outlasts the run (`reservoir_file`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::camera::Camera;
use super::collector::Collector;
use crate::pooled::Pooled;

/// Seconds of some cameras, evenly spread over the time that each was heard.
#[derive(Debug)]
pub struct Reservoir {
    pub(super) most: usize,
    pub(super) cameras: BTreeMap<String, CameraWindows>,
}

/// A camera on its way.
#[derive(Debug)]
pub(super) struct CameraWindows {
    pub collector: Collector,
    /// Added to its times: a clock that was set back must not disturb their order.
    shift: f64,
    last_at: f64,
    /// Windows that had been heard when it was last learnt.
    pub learnt_at: u64,
    /// The same of the last time that it was tried in this run.
    tried_at: u64,
}

impl Reservoir {
    /// An empty one, for at most so many windows of each camera.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            cameras: BTreeMap::new(),
        }
    }

    /// Takes a window of a camera that starts at `at_s`. Silent ones are only counted.
    pub fn take(&mut self, camera: &str, at_s: f64, is_silent: bool, features: Arc<Pooled>) {
        let most = self.most;
        if !self.cameras.contains_key(camera) {
            let new = CameraWindows::new(Collector::new(most), 0);
            self.cameras.insert(camera.to_owned(), new);
        }
        if let Some(camera) = self.cameras.get_mut(camera) {
            camera.take(at_s, is_silent, features);
        }
    }

    /// The cameras with their seconds.
    pub fn cameras(&self) -> Vec<Camera> {
        let camera = |(name, of): (&String, &CameraWindows)| of.collector.camera(name);
        self.cameras.iter().map(camera).collect()
    }

    /// The names of the cameras.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cameras.keys().map(String::as_str)
    }

    /// Whether it is time to learn: a camera has been heard for `first` windows, and for
    /// twice as many as when it was last learnt. So the first answer comes soon, and what a
    /// long run spends on learning stays small.
    pub fn is_due(&self, first: u64) -> bool {
        self.cameras.values().any(|camera| {
            let heard = camera.collector.heard();
            let before = camera.learnt_at.max(camera.tried_at);
            heard >= first.max(1) && heard >= before.saturating_mul(2)
        })
    }

    /// Notes that all that is there is being learnt.
    pub fn begin_learning(&mut self) {
        for camera in self.cameras.values_mut() {
            camera.tried_at = camera.collector.heard();
        }
    }

    /// Notes that it was learnt. What was not is tried again by the next run.
    pub fn end_learning(&mut self) {
        for camera in self.cameras.values_mut() {
            camera.learnt_at = camera.tried_at;
        }
    }

    /// Windows that were heard of all cameras.
    pub fn heard(&self) -> u64 {
        self.cameras.values().map(|c| c.collector.heard()).sum()
    }
}

impl CameraWindows {
    pub fn new(collector: Collector, learnt_at: u64) -> Self {
        let last = collector.seconds().last();
        Self {
            shift: 0.0,
            last_at: last.map_or(f64::NEG_INFINITY, |s| s.at_s),
            collector,
            learnt_at,
            tried_at: 0,
        }
    }

    fn take(&mut self, at_s: f64, is_silent: bool, features: Arc<Pooled>) {
        if at_s + self.shift <= self.last_at {
            self.shift = self.last_at + 1.0 - at_s;
        }
        self.last_at = at_s + self.shift;
        self.collector.take(self.last_at, is_silent, features);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::FEATURE;

    fn features(value: f32) -> Arc<Pooled> {
        Arc::new(Pooled {
            vision: vec![value; FEATURE],
            audio: vec![value / 2.0; FEATURE],
        })
    }

    fn times(reservoir: &Reservoir) -> Vec<f64> {
        reservoir.cameras()[0]
            .seconds
            .iter()
            .map(|s| s.at_s)
            .collect()
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_disturb_the_order() {
        let mut reservoir = Reservoir::new(10);
        for at_s in [100.0, 101.0, 40.0, 41.0, 102.0] {
            reservoir.take("a", at_s, false, features(1.0));
        }
        assert_eq!(times(&reservoir), [100.0, 101.0, 102.0, 103.0, 164.0]);
    }

    #[test]
    fn it_is_due_after_the_first_windows_and_then_after_twice_as_many() {
        let mut reservoir = Reservoir::new(100);
        let mut due = Vec::new();
        for heard in 1..=50 {
            reservoir.take("a", f64::from(heard), false, features(1.0));
            if heard > 30 {
                reservoir.take("new", f64::from(heard), false, features(1.0));
            }
            if reservoir.is_due(6) {
                due.push(heard);
                reservoir.begin_learning();
            }
        }
        // The camera that came later is not kept waiting by the other.
        assert_eq!(due, [6, 12, 24, 36, 42]);
    }
}
