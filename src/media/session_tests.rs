//! Slow state changes must not block the session: GStreamer makes some on its own threads,
//! and an appsink's may wait until it is read. Also slow listeners, and sources that
//! yield nothing.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::clock::SystemClock;
use crate::media::{AudioBlock, Description, Ending, Feed, Listener, Stall, drive};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A file in all but name: plays as fast as it is read, and never ends.
fn open_endless() -> Session {
    let text = "videotestsrc ! video/x-raw,width=16,height=16 ! video. audiotestsrc ! audio.";
    open(text, SessionOptions::default())
}

/// Half of it never begins.
const UNFED: &str = "videotestsrc ! video.  decodebin name=never  never. ! audio.";

fn open(text: &str, options: SessionOptions) -> Session {
    gst::init().expect("GStreamer starts");
    let description = Description::new(text).expect("it is one");
    let source = Source::launch(description);
    Session::open(&source, options).expect("it needs no device")
}

/// Runs it on its own thread, because a hung call cannot be cancelled.
fn in_time<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = channel();
    std::thread::spawn(move || done.send(what()));
    is_done.recv_timeout(TIMEOUT).expect("it hangs")
}

/// Pauses a session and starts it again, on another thread, which stays in the
/// midst of the state change, where it holds the locks, until `go_on` comes.
fn start_slowly(session: &Session, go_on: Receiver<()>) {
    let pipeline = session.pipeline.clone();
    pipeline.set_state(gst::State::Paused).expect("it pauses");
    let (holds, it_holds) = channel();
    let (go_on, holds) = (Mutex::new(Some(go_on)), Mutex::new(holds));
    pipeline
        .bus()
        .expect("it has one")
        .set_sync_handler(move |_, message| {
            let changed = matches!(message.view(), gst::MessageView::StateChanged(_));
            let go_on = changed.then(|| go_on.lock().ok()?.take()).flatten();
            if let Some(go_on) = go_on {
                let _ = holds.lock().expect("one thread is here").send(());
                let _ = go_on.recv_timeout(2 * TIMEOUT);
            }
            gst::BusSyncReply::Pass
        });
    std::thread::spawn(move || pipeline.set_state(gst::State::Playing));
    it_holds.recv_timeout(TIMEOUT).expect("a state changes");
}

fn let_go(go_on: &Sender<()>) {
    go_on.send(()).expect("the state change waits");
}

#[test]
fn reading_a_file_goes_on_while_its_state_changes() {
    let mut session = open_endless();
    let (go_on, may_go_on) = channel();
    start_slowly(&session, may_go_on);
    // As elements do whose latency becomes known late.
    let message = gst::message::Latency::new();
    session
        .pipeline
        .bus()
        .expect("it has one")
        .post(message)
        .expect("it takes it");
    let session = in_time(move || {
        assert_eq!(session.poll(), None);
        session
    });
    let_go(&go_on);
    in_time(|| drop(session));
}

/// How many buffers have arrived at the sinks.
fn count_buffers(session: &Session) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (sound, frames) = sinks(&session.pipeline).expect("it has both");
    for sink in [sound, frames] {
        let count = Arc::clone(&count);
        let pad = sink.static_pad("sink").expect("a sink has one");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }
    count
}

#[test]
fn a_file_that_is_closed_while_its_state_changes_is_read_until_then() {
    let session = open_endless();
    let count = count_buffers(&session);
    let (go_on, may_go_on) = channel();
    start_slowly(&session, may_go_on);
    let mut full = usize::MAX;
    while count.load(Ordering::Relaxed) != full {
        full = count.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(200));
    }
    let closing = std::thread::spawn(move || drop(session));
    let end = Instant::now() + TIMEOUT;
    while count.load(Ordering::Relaxed) < full + 50 {
        assert!(Instant::now() < end, "the sinks stay full");
        std::thread::sleep(Duration::from_millis(1));
    }
    let_go(&go_on);
    in_time(|| closing.join()).expect("it ends in order");
}

/// Takes frames more slowly than they arrive, and is cancelled meanwhile.
#[derive(Default)]
struct Slow {
    blocks: usize,
    frames: usize,
}

impl Listener for Slow {
    fn sound(&mut self, _: &AudioBlock<'_>) {
        self.blocks += 1;
    }

    fn frame(&mut self, _: Frame) {
        self.frames += 1;
        std::thread::sleep(Duration::from_millis(5));
    }

    fn sound_ended(&mut self) {}

    fn picture_ended(&mut self) {}

    fn hand_on(&mut self, _: &dyn Feed) {}

    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        self.is_stopped().then_some(Ending::Stopped)
    }

    fn is_stopped(&self) -> bool {
        self.frames >= 20
    }
}

#[test]
fn a_slow_listener_hears_of_the_sound_and_can_stop() {
    let mut session = open_endless();
    let (ending, slow) = in_time(move || {
        let mut slow = Slow::default();
        let ending = drive(&mut session, &SystemClock, Stall::Never, &mut slow);
        (ending, slow)
    });
    assert_eq!(ending, Ending::Stopped);
    assert!(slow.frames < 20 + CHANNEL_FRAMES, "{}", slow.frames);
    assert!(slow.blocks > 0);
}

#[test]
fn who_wants_to_stop_does_not_wait_for_what_never_begins() {
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        let options = SessionOptions::default();
        options.stop.cancel();
        drop(open(UNFED, options));
        done.send(())
    });
    let half = START_TIMEOUT / 2;
    is_done.recv_timeout(half).expect("it waits");
}
