//! Runs that do not end by themselves, and what watchers get.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::*;
use crate::media::{AudioBlock, Description, Frame, expand};
use crate::net::{Conv1Stride, HeatmapKind, NetOptions, Weights};
use crate::result::Judgement;

/// A run that takes longer has hung.
const TIMEOUT: Duration = Duration::from_secs(60);

const ENDLESS: &str = "videotestsrc is-live=true ! video.  audiotestsrc is-live=true ! audio.";

/// Sources that never end, each with a watcher.
fn endless(watchers: Vec<Vec<Box<dyn Watcher>>>) -> Vec<Task> {
    let sources = expand(&vec![ENDLESS.to_owned(); watchers.len()]).expect("sources");
    let tasks = sources.into_iter().zip(watchers);
    tasks
        .map(|(source, watchers)| Task {
            watchers,
            ..Task::new(source)
        })
        .collect()
}

/// Runs with an untrained network.
fn run_tasks(
    tasks: Vec<Task>,
    cancel: &CancelToken,
    emit: impl FnMut(Output<Judgement>) -> Result<(), ()>,
) -> Result<(), ()> {
    let weights = Weights::random(1, Conv1Stride::Two);
    let net = L3Net::new(&weights, &NetOptions::default()).expect("a network");
    let options = EngineOptions {
        hop: Hop::from_secs(1.0).expect("a second"),
        every: 1,
        frame_every: MediaTime::ZERO,
        crop: Crop::Full,
        spec: WindowSpec::PAPER,
        real_time: false,
        limit: None,
        jobs: tasks.len(),
        batch: 2,
        max_wait: EngineOptions::MAX_WAIT,
        keep_pictures: false,
        wait_for_cameras: false,
    };
    let stats = RunStats::default();
    let judge = move |batch: &[&Features]| net.judge(batch, HeatmapKind::default());
    Engine::new(&options, cancel, &stats).run(tasks, judge, emit)
}

/// Runs until the run ends by a panic.
fn panics_in_time(
    tasks: Vec<Task>,
    output: impl FnMut(Output<Judgement>) -> Result<(), ()> + Send + 'static,
) {
    let (ended, end) = channel();
    std::thread::spawn(move || {
        let run =
            std::panic::AssertUnwindSafe(|| run_tasks(tasks, &CancelToken::default(), output));
        ended.send(std::panic::catch_unwind(run).is_err())
    });
    let panicked = end.recv_timeout(TIMEOUT).expect("it hangs");
    assert!(panicked, "it ended as if all were well");
}

struct Panics;

impl Watcher for Panics {
    fn opened(&mut self, _: bool) {}

    fn sound(&mut self, _: &AudioBlock<'_>) {
        panic!("as a bug in the thread of a stream would");
    }

    fn frame(&mut self, _: &Frame) {}
}

#[test]
fn a_sink_that_panics_ends_the_run() {
    panics_in_time(endless(vec![vec![], vec![]]), |_| {
        panic!("as a bug in a sink would")
    });
}

#[test]
fn a_stream_that_panics_ends_the_run() {
    panics_in_time(endless(vec![vec![Box::new(Panics)], vec![]]), |_| Ok(()));
}

/// The network's thread holds the same guard, but nothing makes it panic.
#[test]
fn a_thread_that_panics_wakes_all_who_wait_for_it() {
    let cancel = CancelToken::default();
    let limits = QueueLimits { file: 1, live: 1 };
    let dispatcher = Dispatcher::of(1, limits);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| dispatcher.next_batch(1));
        let panicking = scope.spawn(|| {
            let _guard = EndIfPanicking {
                cancel: &cancel,
                dispatcher: &dispatcher,
            };
            panic!("as a bug in the network would");
        });
        assert!(panicking.join().is_err());
        assert!(waiting.join().expect("no panic").is_none());
    });
    assert!(cancel.is_cancelled());
}

/// Forwards what it receives, and cancels the run.
struct Opened(Sender<bool>, CancelToken);

impl Watcher for Opened {
    fn opened(&mut self, live: bool) {
        let _ = self.0.send(live);
        self.1.cancel();
    }

    fn sound(&mut self, _: &AudioBlock<'_>) {}

    fn frame(&mut self, _: &Frame) {}
}

#[test]
fn a_description_is_live_or_not_as_it_says_itself() {
    gstreamer::init().expect("GStreamer starts");
    let opened = |text: &str| {
        let (sender, opened) = channel();
        let cancel = CancelToken::default();
        let source = Source::launch(Description::new(text).expect("a description"));
        let task = Task {
            watchers: vec![Box::new(Opened(sender, cancel.clone()))],
            ..Task::new(source)
        };
        run_tasks(vec![task], &cancel, |_| Ok(())).expect("it runs");
        opened.iter().collect::<Vec<bool>>()
    };
    let live = "videotestsrc is-live=true ! video. audiotestsrc is-live=true ! audio.";
    assert_eq!(opened(live), [true]);
    let file = "videotestsrc ! video. audiotestsrc ! audio.";
    assert_eq!(opened(file), [false]);
}
