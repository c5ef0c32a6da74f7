//! Sources that play in real time while their packets are kept.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use l3net::cancel::CancelToken;
use l3net::engine::{Engine, EngineOptions, Task};
use l3net::features::{Crop, Features};
use l3net::media::packets::PacketRing;
use l3net::media::{Source, expand};
use l3net::record::{Limits, PacketRecorder};
use l3net::result::StreamName;
use l3net::stats::RunStats;
use l3net::time::Hop;
use l3net::window_spec::WindowSpec;

use crate::common::wait_for;

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Makes a film of 20 s with a picture that changes and noise, with such encoders: no two
/// packets are the same.
pub fn make(file: &Path, arguments: &str) {
    let picture = "testsrc2=size=160x120:rate=25:duration=20";
    let sound = "anoisesrc=sample_rate=48000:amplitude=0.3:duration=20";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound,
    ]);
    ffmpeg.args(arguments.split_whitespace()).arg(file);
    let done = ffmpeg.output().expect("ffmpeg is there");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {errors}", file.display());
}

/// An engine that judges nothing.
pub struct Playing {
    pub recorder: PacketRecorder,
    cancel: CancelToken,
    names: Vec<StreamName>,
    thread: Option<JoinHandle<()>>,
}

impl Playing {
    /// Plays sources with names of their own.
    pub fn start(sources: &[String], before: Duration, limits: Limits) -> Self {
        let sources: Vec<Source> = sources
            .iter()
            .flat_map(|text| {
                let (name, text) = text.split_once('=').expect("NAME=SOURCE");
                let mut found = expand(&[text.to_owned()]).expect("a source");
                found[0].name = name.into();
                found
            })
            .collect();
        let names: Vec<_> = sources
            .iter()
            .map(|source| Arc::clone(&source.name))
            .collect();
        let recorder = PacketRecorder::new(limits).expect("a thread");
        recorder.set_streams(names.iter().map(|name| (Arc::clone(name), before)));
        let tasks = sources.into_iter().map(|source| Task {
            packets: recorder.ring(&source.name),
            ..Task::new(source)
        });
        let tasks: Vec<_> = tasks.collect();
        let cancel = CancelToken::default();
        let cancelled = cancel.clone();
        let thread = std::thread::spawn(move || run(tasks, &cancelled));
        Self {
            recorder,
            cancel,
            names,
            thread: Some(thread),
        }
    }

    pub fn ring(&self, stream: &str) -> Arc<PacketRing> {
        self.recorder.ring(stream).expect("it is played")
    }

    /// Waits until all have begun and have had time to play for so long.
    pub fn wait_for(&self, seconds: f64) {
        for name in &self.names {
            let ring = self.ring(name);
            wait_for("packets", || {
                ring.has_raw_picture() || ring.find(jiff::Timestamp::now()).is_ok()
            });
        }
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the engine does not panic");
            }
        }
    }
}

fn run(tasks: Vec<Task>, cancel: &CancelToken) {
    let options = EngineOptions {
        hop: Hop::SECOND,
        every: 1_000_000,
        frame_every: l3net::time::MediaTime::ZERO,
        crop: Crop::Full,
        spec: WindowSpec::PAPER,
        real_time: true,
        limit: None,
        jobs: tasks.len(),
        batch: 2,
        max_wait: EngineOptions::MAX_WAIT,
        keep_pictures: false,
        wait_for_cameras: true,
    };
    let stats = RunStats::default();
    let judge = |batch: &[&Features]| Ok(vec![(); batch.len()]);
    let done = Engine::new(&options, cancel, &stats).run(tasks, judge, |_| Ok::<_, ()>(()));
    done.expect("nothing is emitted in vain");
}
