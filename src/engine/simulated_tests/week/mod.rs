//! Cameras that are watched for long, with everything that goes wrong with cameras: streams,
//! network, results, events and the timeline on disk, by a simulated clock.

mod account;
mod camera;
mod clock;
mod plan;

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use l3net_monitor::monitor::{Keeping, Monitor, Stream};
use l3net_monitor::settings::{Detect, Record};
use l3net_monitor::time::UtcMs;

use super::*;
use crate::engine::{Answer, Assembler};
use crate::event::Event;
use crate::footprint::alone;
use crate::net::ModelRecord;
use crate::result::{Heatmap, Judgement, StreamName};
use crate::sync::lock;
use account::{Account, Footprints, Told};
use camera::{Camera, Content, FOREIGN_RED, Site};
use clock::{EndIfPanicking, StepClock};

const MODULE: &str = "engine::simulated_tests::week";

/// Time that the network takes for a moment.
const NETWORK: Duration = Duration::from_millis(30);
/// It stalls so seldom, and for so long: longer than an answer may take.
const STALLS_EVERY: u64 = 3_000;
const STALL: Duration = Duration::from_secs(3);

/// Whoever is told.
struct Watching {
    monitor: Monitor,
    told: Told,
}

impl Watching {
    fn open(names: &[StreamName], folder: &Path, now: UtcMs) -> Self {
        let streams: Vec<_> = names
            .iter()
            .map(|name| Stream {
                name: name.clone(),
                label: name.to_string(),
                detect: Detect::default(),
            })
            .collect();
        let record = Record::to(folder);
        let kept = Keeping {
            record: Some(&record),
            ..Keeping::default()
        };
        let monitor = Monitor::open(&streams, "model", kept, now).expect("writable");
        let told = Told::by(monitor.hub());
        Self { monitor, told }
    }

    fn receive(&mut self, event: &Event, now: UtcMs) {
        self.monitor.receive(event, 0.0, now);
        self.told.read();
    }

    fn tick(&mut self, now: UtcMs) {
        self.monitor.tick(now);
        self.told.read();
    }
}

/// A network that knows foreign sounds by the pictures.
fn judge(features: &Features, model: &Arc<ModelRecord>) -> Answer {
    let is_foreign = features.image[0] == FOREIGN_RED;
    let logits = if is_foreign { [2.0, -2.0] } else { [-1.0, 1.0] };
    let map = || Heatmap {
        rows: 2,
        cols: 2,
        values: vec![0.5; 4],
    };
    Answer {
        judgement: Judgement {
            logits,
            correspondence: if is_foreign { 0.02 } else { 0.88 },
            vision: map(),
            audio: map(),
        },
        features: None,
        model: Arc::clone(model),
    }
}

/// How cameras are watched.
struct Watch {
    /// Their numbers: each has faults, a clock and a delay of its own.
    cameras: Range<u64>,
    seconds: u64,
    /// One of so many moments is judged, and if that is not each, no events are made.
    every: u64,
}

/// Watches cameras to their end.
fn watch(how: &Watch) {
    let (seconds, every) = (how.seconds, how.every);
    let folder = tempfile::tempdir().expect("a folder");
    let plan = |number: u64| Camera {
        faults: plan::faults(number, seconds),
        drift_ppm: [0, 100, -100, 0][number as usize % 4],
        sound_after_s: [0, 0, 0, 5][number as usize % 4],
    };
    let cameras: Vec<_> = how.cameras.clone().map(plan).map(Arc::new).collect();
    let source = |number: usize| Source {
        name: number.to_string().as_str().into(),
        kind: SourceKind::Uri {
            uri: "rtsp://10.0.0.5/stream".to_owned(),
            live: true,
        },
        label: None,
        tracks: Default::default(),
    };
    let sources: Vec<_> = (0..cameras.len()).map(source).collect();
    let names: Vec<_> = sources.iter().map(|source| source.name.clone()).collect();
    let begin = UtcMs(SimulatedClock::UTC_S * 1000);
    let watching = Arc::new(Mutex::new(Watching::open(&names, folder.path(), begin)));
    let stats = Arc::new(RunStats::default());
    let clock = {
        let watching = Arc::clone(&watching);
        let tick = move |now| {
            if every == 1 {
                lock(&watching).tick(UtcMs::from(now));
            }
        };
        let limit = Duration::from_secs(seconds);
        let streams = sources.len();
        Arc::new(StepClock::new(
            streams,
            Arc::clone(&stats),
            limit,
            every,
            tick,
        ))
    };
    let site = Site {
        cameras: cameras.clone(),
        content: Arc::new(Content::new()),
        clock: Arc::clone(&clock),
    };
    let options = EngineOptions {
        every,
        max_wait: EngineOptions::MAX_WAIT,
        wait_for_cameras: true,
        // Few columns: nobody looks at them.
        spec: WindowSpec {
            step_samples: 24_000,
            frames: 2,
            ..WindowSpec::PAPER
        },
        ..options(seconds as f64)
    };
    let cancel = CancelToken::default();
    let engine = Engine {
        options: &options,
        cancel: &cancel,
        stats: &stats,
        opener: &site,
        clock: &*clock,
        changes: crossbeam_channel::never(),
    };
    let model = Arc::new(ModelRecord::default());
    let mut assembler = Assembler::new(&options, Arc::clone(&model));
    let mut account = Account::new(sources.len(), every);
    let mut footprints = Footprints::new(seconds);
    let mut batches = 0;
    let network = |batch: &[&Features]| {
        batches += 1;
        let time = match batches % STALLS_EVERY {
            0 => STALL,
            _ => NETWORK * batch.len() as u32,
        };
        clock.compute(time);
        Ok(batch
            .iter()
            .map(|features| judge(features, &model))
            .collect())
    };
    let tasks = sources.iter().cloned().map(Task::new).collect();
    let ended: Result<(), NetError> = engine.run(tasks, network, |output| {
        let _guard = EndIfPanicking(&clock, &cancel);
        let Some(event) = assembler.events(output, clock.now())?.next() else {
            return Ok(());
        };
        let stream = names.iter().position(|name| name == event.stream());
        let stream = stream.expect("it is one of them");
        if every == 1 {
            lock(&watching).receive(&event, UtcMs::from(clock.utc()));
        }
        match account.take(stream, &event) {
            Some(end_ns) => clock.taken(stream, end_ns),
            None => clock.ended(stream),
        }
        footprints.measure(clock.elapsed());
        Ok(())
    });
    ended.expect("the network does not fail");
    let mut watching = lock(&watching);
    watching.monitor.finish(UtcMs::from(clock.utc()));
    account.check(seconds, options.max_wait);
    footprints.check();
    if every == 1 {
        watching.told.check(&cameras, begin);
    }
}

/// All of it, with clocks that drift by 100 ppm, and sound that begins 5 s after the picture.
#[test]
fn two_hours_of_four_bad_cameras_are_told_second_by_second() {
    let how = Watch {
        cameras: 0..4,
        seconds: 2 * 3_600,
        every: 1,
    };
    let name = "two_hours_of_four_bad_cameras_are_told_second_by_second";
    alone(&format!("{MODULE}::{name}"), || watch(&how));
}

/// Every second is read, cut and paired, but only one moment in sixty becomes features, a
/// result and a line: those of all would take ten minutes here. Events of a week are a test
/// of the monitor.
#[test]
fn a_week_of_a_bad_camera_is_accounted_for() {
    let how = Watch {
        cameras: 1..2,
        seconds: 7 * 24 * 3_600,
        every: 60,
    };
    let name = "a_week_of_a_bad_camera_is_accounted_for";
    alone(&format!("{MODULE}::{name}"), || watch(&how));
}
