//! The queues between streams and network, and the engine around them: what an output costs, by
//! the number of sources.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use l3net::cancel::CancelToken;
use l3net::clock::SystemClock;
use l3net::engine::{
    Dispatcher, Droppable, Engine, EngineOptions, Item, Output, QueueLimits, StreamEnd, Task,
};
use l3net::features::{Crop, Features};
use l3net::media::{Feed, MediaError, Opener, SessionOptions, Source, SourceKind};
use l3net::net::NetError;
use l3net::result::GapReason;
use l3net::stats::RunStats;
use l3net::time::{Hop, MediaTime};
use l3net::window::{GapSpan, Pace};
use l3net::window_spec::WindowSpec;

/// Moments that pass in one run of the benchmark.
const MOMENTS: usize = 1_000;
/// Moments in a pass of the network.
const BATCH: usize = 4;

struct Second(usize);

impl Droppable for Second {
    fn span(&self) -> GapSpan {
        GapSpan {
            start: MediaTime(self.0 as u64),
            end: MediaTime(self.0 as u64 + 1),
            why: GapReason::Overload,
            lost: 1,
        }
    }
}

fn of(streams: usize) -> Dispatcher<Second> {
    let dispatcher = Dispatcher::default();
    for _ in 0..streams {
        let _ = dispatcher.add(QueueLimits { file: 2, live: 2 }, Arc::default());
    }
    dispatcher
}

fn end() -> StreamEnd {
    StreamEnd {
        keyframes: false,
        seconds: 1.0,
        wall_s: 0.1,
        stopped: false,
        limited: false,
        fps: None,
        error: None,
        measured: None,
    }
}

/// One short file after another, two at a time: a moment and the end of each.
fn short_files(c: &mut Criterion) {
    let mut group = c.benchmark_group("short files, a moment and an end");
    group.throughput(Throughput::Elements(MOMENTS as u64));
    for streams in [1_000, 10_000, 100_000] {
        let dispatcher = of(streams);
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(streams), |b| {
            b.iter(|| {
                for _ in 0..MOMENTS / 2 {
                    for _ in 0..2 {
                        next = (next + 1) % streams;
                        dispatcher.submit(next, Second(0), Pace::File);
                        dispatcher.end(next, end());
                    }
                    black_box(dispatcher.next_batch(BATCH));
                }
            });
        });
    }
    group.finish();
}

/// All streams have something for the network, as cameras have at the end of a second.
fn all_at_once(c: &mut Criterion) {
    let mut group = c.benchmark_group("a moment of each camera");
    for streams in [10, 1_000, 100_000] {
        let dispatcher = of(streams);
        group.throughput(Throughput::Elements(streams as u64));
        group.bench_function(BenchmarkId::from_parameter(streams), |b| {
            b.iter(|| {
                for stream in 0..streams {
                    dispatcher.submit(stream, Second(0), Pace::Live);
                }
                let mut left = streams;
                while left > 0 {
                    let batch = dispatcher.next_batch(BATCH).unwrap_or_default();
                    left -= batch
                        .iter()
                        .filter(|(_, item)| matches!(item, Item::Job(_)))
                        .count();
                }
            });
        });
    }
    group.finish();
}

struct Refuses;

impl Opener for Refuses {
    fn open(&self, _: &Source, _: SessionOptions) -> Result<Box<dyn Feed>, MediaError> {
        Err(MediaError::Empty)
    }
}

/// Whole runs over files that cannot be opened: the engine's own work for each.
fn runs(c: &mut Criterion) {
    let mut group = c.benchmark_group("a run over files that are empty");
    group.sample_size(10);
    let options = EngineOptions {
        hop: Hop::SECOND,
        every: 1,
        frame_every: MediaTime::ZERO,
        crop: Crop::Full,
        spec: WindowSpec::PAPER,
        real_time: false,
        limit: None,
        jobs: 2,
        batch: BATCH,
        max_wait: EngineOptions::MAX_WAIT,
        keep_pictures: false,
        wait_for_cameras: false,
    };
    let task = |n: usize| {
        Task::new(Source {
            name: format!("{n}.mp4").into(),
            kind: SourceKind::File(format!("{n}.mp4").into()),
            label: None,
            tracks: Default::default(),
        })
    };
    for streams in [1_000, 10_000] {
        group.throughput(Throughput::Elements(streams as u64));
        group.bench_function(BenchmarkId::from_parameter(streams), |b| {
            b.iter(|| {
                let (cancel, stats) = (CancelToken::default(), RunStats::default());
                let engine = Engine {
                    opener: &Refuses,
                    clock: &SystemClock,
                    ..Engine::new(&options, &cancel, &stats)
                };
                let network = |batch: &[&Features]| Ok::<_, NetError>(vec![(); batch.len()]);
                let mut ended = 0;
                let emit = |output: Output<()>| {
                    ended += usize::from(matches!(output, Output::Ended { .. }));
                    Ok::<_, NetError>(())
                };
                let done = engine.run((0..streams).map(task).collect(), network, emit);
                done.expect("the network does not fail");
                assert_eq!(ended, streams);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, short_files, all_at_once, runs);
criterion_main!(benches);
