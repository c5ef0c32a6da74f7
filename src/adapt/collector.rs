//! The features of one recording, as they come from the network.

use std::collections::BTreeMap;
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
        self.step = self.step.saturating_mul(2);
        let mut number = 0;
        self.seconds.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }

    /// Thins recordings alike, until they are at most so many windows together, or one of
    /// each. Those that have not ended may get more.
    fn thin(recordings: &mut [Self], most: usize) {
        let kept = |all: &[Self]| all.iter().map(|r| r.seconds.len()).sum::<usize>();
        while kept(recordings) > most && recordings.iter().any(|r| r.seconds.len() > 1) {
            let step = 2 * recordings.iter().map(|r| r.step).min().unwrap_or(1);
            for recording in recordings.iter_mut().filter(|r| r.step < step) {
                recording.halve();
            }
        }
    }

    /// A camera with its recordings, one after the other.
    fn join(name: &str, recordings: Vec<Self>) -> Camera {
        let mut camera = Camera::new(name);
        let mut offset = 0.0;
        // Each was thinned by itself; now they are thinned alike.
        let step = recordings.iter().map(|r| r.step).max().unwrap_or(1);
        for mut recording in recordings {
            while recording.step < step {
                recording.halve();
            }
            camera.silent += recording.silent;
            let first = recording.seconds.first().map_or(0.0, |s| s.at_s);
            let mut end = offset;
            for mut second in recording.seconds {
                second.at_s += offset - first;
                end = second.at_s + 1.0 + BETWEEN_S;
                camera.seconds.push(second);
            }
            offset = end;
        }
        camera
    }
}

/// The recordings of some cameras, on their way through the network side by side.
#[derive(Debug)]
pub struct Recordings {
    most: usize,
    cameras: BTreeMap<String, Vec<Collector>>,
    /// The camera of each stream, and which of its recordings it is.
    places: Vec<(String, usize)>,
}

impl Recordings {
    /// For streams of these cameras. Keeps at most so many windows of each camera, and as
    /// many of each recording that has not ended.
    pub fn new<'a>(camera_of: impl IntoIterator<Item = &'a str>, most: usize) -> Self {
        let mut cameras: BTreeMap<String, Vec<Collector>> = BTreeMap::new();
        let place = |camera: &str| {
            let recordings = cameras.entry(camera.to_owned()).or_default();
            recordings.push(Collector::new(most));
            (camera.to_owned(), recordings.len() - 1)
        };
        Self {
            most,
            places: camera_of.into_iter().map(place).collect(),
            cameras,
        }
    }

    fn of(&mut self, stream: usize) -> (&mut [Collector], usize) {
        let (camera, number) = &self.places[stream];
        let recordings = self.cameras.get_mut(camera).expect("made with its place");
        (recordings, *number)
    }

    /// Takes a window of a stream that starts at `at_s`, in order. Silent ones are only
    /// counted: silence belongs to any picture.
    pub fn take(&mut self, stream: usize, at_s: f64, is_silent: bool, features: Arc<Pooled>) {
        let (recordings, number) = self.of(stream);
        recordings[number].take(at_s, is_silent, features);
    }

    /// A stream is over.
    pub fn end(&mut self, stream: usize) {
        let most = self.most;
        Collector::thin(self.of(stream).0, most);
    }

    /// The cameras, by name. Recordings of one follow each other in the order of the
    /// streams.
    pub fn cameras(self) -> Vec<Camera> {
        let most = self.most;
        let camera = |(name, mut recordings): (String, Vec<Collector>)| {
            Collector::thin(&mut recordings, most);
            let mut camera = Collector::join(&name, recordings);
            let (mut number, step) = (0, camera.seconds.len().div_ceil(most).max(1));
            camera.seconds.retain(|_| {
                number += 1;
                (number - 1) % step == 0
            });
            camera
        };
        self.cameras.into_iter().map(camera).collect()
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
        let camera = collector.camera("a");
        assert_eq!(camera.silent, 1);
        assert_eq!(times(&camera), [0.0, 4.0, 9.0]);
    }

    #[test]
    fn recordings_follow_each_other_without_overlap() {
        let mut recordings = Recordings::new(["b", "a", "a"], 8);
        for (stream, first) in [(2, 0.0), (1, 100.0)] {
            for i in 0..2 {
                recordings.take(stream, first + f64::from(i) * 0.5, false, pooled());
            }
        }
        let cameras = recordings.cameras();
        assert_eq!(times(&cameras[0]), [0.0, 0.5, 2.5, 3.0]);
        assert_eq!(
            (cameras[1].name.as_str(), cameras[1].seconds.len()),
            ("b", 0)
        );
    }

    #[test]
    fn a_thousand_recordings_of_a_camera_take_no_more_memory_than_one() {
        let mut recordings = Recordings::new(std::iter::repeat_n("a", 1000), 16);
        for stream in 0..1000 {
            for i in 0..10 {
                recordings.take(stream, f64::from(i), false, pooled());
            }
            recordings.end(stream);
            let kept: usize = recordings.cameras["a"]
                .iter()
                .map(|r| r.seconds.len())
                .sum();
            assert!(kept <= 16.max(stream + 1), "{kept} of {}", stream + 1);
        }
        let kept = recordings.cameras().remove(0).seconds.len();
        assert!((8..=16).contains(&kept), "{kept}");
    }
}
