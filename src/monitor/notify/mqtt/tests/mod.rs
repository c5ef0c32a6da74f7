//! MQTT against a real broker.

mod discovered;
mod lost;
mod mosquitto;
mod told;

use std::io::Write;
use std::sync::OnceLock;

use self::mosquitto::{Mosquitto, Reader, Wire};
use super::super::counters::Counters;
use super::super::tests::{PATIENCE, certificate, ended, event, tell, until};
use super::*;
use crate::settings::{Mqtt, Text};
use crate::status::StreamState;
use crate::time::UtcMs;

const QUICK: Pace = Pace {
    first: Duration::from_millis(5),
    most: Duration::from_millis(50),
};

/// Monitor, at a broker.
struct Monitor {
    tally: Arc<Tally>,
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Monitor {
    fn start(hub: &Arc<Hub>, port: u16, set: impl FnOnce(&mut Mqtt)) -> Self {
        let mut settings = Mqtt::at(Text::new(format!("mqtt://127.0.0.1:{port}")));
        set(&mut settings);
        let broker = Broker::new(&settings, Vec::new()).expect("it is right");
        let (tally, stop) = (Arc::new(Tally::of("test")), Arc::<Stop>::default());
        let ours = (Arc::clone(&tally), Arc::clone(&stop));
        let thread = spawn(broker, hub, QUICK, ours.0, ours.1).expect("a thread");
        Self {
            tally,
            stop,
            thread,
        }
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    fn finish(self) -> Counters {
        let started = Instant::now();
        self.stop.ask(started + PATIENCE);
        self.thread.join().expect("it does not panic");
        assert!(started.elapsed() < END + Duration::from_secs(5));
        self.tally.read()
    }
}

/// A hub with these streams, which are called by their labels too.
fn hub(streams: &[&str]) -> Arc<Hub> {
    let hub = Hub::new();
    hub.set_streams(streams.iter().map(|name| status(name).into()).collect());
    hub
}

fn status(name: &str) -> StreamStatus {
    let mut status = StreamStatus::new(name.into(), format!("The {name}"), UtcMs(5));
    status.state = StreamState::Live;
    status
}

fn json_of(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What was logged by all tests so far, which have different ports.
fn logged(part: &str) -> Vec<String> {
    let log = log().0.lock().expect("no panic");
    let text = String::from_utf8_lossy(&log);
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let ours = log.clone();
        // The only one in this package's tests: log lines come from many threads.
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || ours.clone())
            .init();
        log
    })
}
