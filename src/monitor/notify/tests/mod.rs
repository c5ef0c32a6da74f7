//! Webhooks, Frigate and commands against servers and programs of the test; what all tests
//! of this module need.

mod command;
mod frigate;
mod server;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ulid::Ulid;

use super::counters::{Counters, Tally};
use super::pace::{Pace, Stop};
use super::webhook::example;
use super::worker::{self, Channel, Limits};
use super::*;
use crate::event::{Change, Kind, StreamEvent};
use crate::hub::{Hub, News};
use crate::time::UtcMs;

/// Long enough on a machine that does something else.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A new event that began now.
pub(super) fn event(stream: &str, kind: Kind) -> StreamEvent {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    StreamEvent {
        id: Ulid::from_parts(1, NEXT.fetch_add(1, Relaxed).into()),
        stream: stream.into(),
        kind,
        begin_ms: UtcMs::now(),
        ..example(Change::New)
    }
}

/// The event at its end.
pub(super) fn ended(event: &StreamEvent) -> StreamEvent {
    StreamEvent {
        end_ms: Some(UtcMs::now()),
        ..event.clone()
    }
}

/// Makes a certificate for this machine; its file and that of its key.
pub(super) fn certificate(folder: &std::path::Path) -> [String; 2] {
    let config = "[req]\ndistinguished_name = dn\nx509_extensions = v3\nprompt = no\n\
        [dn]\nCN = here\n[v3]\nsubjectAltName = IP:127.0.0.1\n\
        basicConstraints = critical,CA:FALSE\n";
    std::fs::write(folder.join("req"), config).expect("it can be written");
    let made = std::process::Command::new("openssl")
        .current_dir(folder)
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(' '))
        .args("-days 2 -config req -keyout key.pem -out cert.pem".split(' '))
        .output()
        .expect("openssl can be run; install it with `apt-get install openssl`");
    assert!(made.status.success(), "{made:?}");
    ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string())
}

pub(super) fn tell(hub: &Hub, change: Change, event: &StreamEvent) {
    hub.tell(&News::Event {
        change,
        event: Arc::new(event.clone()),
        before: None,
    });
}

/// A worker that tries again at once.
struct Quick {
    tally: Arc<Tally>,
    stop: Arc<Stop>,
    thread: std::thread::JoinHandle<()>,
}

impl Quick {
    fn start(channel: impl Channel + 'static, hub: &Hub, spool: usize, retry: Duration) -> Self {
        let pace = Pace {
            first: Duration::from_millis(2),
            most: Duration::from_millis(5),
        };
        let limits = Limits { spool, retry, pace };
        let (tally, stop) = (Arc::new(Tally::of("test")), Arc::<Stop>::default());
        let (channel, ours) = (Box::new(channel), (Arc::clone(&tally), Arc::clone(&stop)));
        let thread = worker::spawn(channel, hub, limits, ours.0, ours.1).expect("a thread");
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
        self.stop.ask(Instant::now() + PATIENCE);
        self.thread.join().expect("it does not panic");
        self.tally.read()
    }
}

fn settings(toml: &str) -> Settings {
    Settings::parse(toml).expect("the test's settings are right")
}

fn wrong(toml: &str) -> String {
    let error = check(&settings(toml)).expect_err("it is wrong");
    error.to_string()
}

#[test]
fn all_are_started_counted_and_ended_in_time() {
    let hub = Hub::new();
    let server = server::Server::start(|_| server::answer(200, ""));
    let toml = format!(
        "[[webhook]]\nurl = \"{0}/a\"\n[[webhook]]\nurl = \"{0}/b\"\n[[command]]\nrun = [\"true\"]",
        server.url()
    );
    let notifiers = start(&settings(&toml), &hub).expect("they start");
    tell(&hub, Change::New, &event("door", Kind::Mute));
    until("all are told", || {
        notifiers.counters().iter().all(|(_, c)| c.sent == 1)
    });
    let counters = notifiers.counters();
    assert_eq!(notifiers.finish(PATIENCE), []);
    let names: Vec<_> = counters.iter().map(|(name, _)| name.as_str()).collect();
    let safe = server.url();
    let expected = [format!("webhook 1 ({safe})"), format!("webhook 2 ({safe})")];
    assert_eq!(names, [&*expected[0], &*expected[1], "command 1 (true)"]);
}

#[test]
fn who_is_in_the_new_settings_too_goes_on_and_the_others_change() {
    let hub = Hub::new();
    let server = server::Server::start(|_| server::answer(200, ""));
    let hook = |path: &str| format!("[[webhook]]\nurl = \"{}/{path}\"\n", server.url());
    let command = "[[command]]\nrun = [\"true\"]\n";
    let before = settings(&(hook("stays") + &hook("goes") + command));
    let mut notifiers = start(&before, &hub).expect("they start");
    let news = |n| tell(&hub, Change::New, &event(n, Kind::Mute));
    let sent = |notifiers: &Notifiers| -> Vec<u64> {
        let counters = notifiers.counters();
        counters.iter().map(|(_, counters)| counters.sent).collect()
    };
    news("first");
    until("all are told", || sent(&notifiers) == [1, 1, 1]);

    let wrong = settings("[[webhook]]\nurl = \"ftp://x\"\n");
    notifiers
        .renew(&wrong, &hub, PATIENCE)
        .expect_err("no such scheme");
    assert_eq!(sent(&notifiers), [1, 1, 1], "nothing has changed");

    // Told before it goes, although it has not been told yet.
    news("second");
    let after = settings(&(hook("comes") + &hook("stays")));
    let renewed = notifiers.renew(&after, &hub, PATIENCE).expect("right");
    let safe = server.url();
    assert_eq!(renewed.begin, [format!("webhook 1 ({safe})")]);
    let gone = [format!("webhook 2 ({safe})"), "command 1 (true)".to_owned()];
    assert_eq!(renewed.end, gone);
    assert!(renewed.failed.is_empty() && renewed.unfinished.is_empty());
    news("third");
    until("both are told", || sent(&notifiers) == [3, 1]);
    assert_eq!(notifiers.finish(PATIENCE), []);
    let asked = server.asked();
    let told = |path: &str| {
        let lines = asked.iter().map(|request| request.line.as_str());
        lines.filter(|line| line.contains(path)).count()
    };
    assert_eq!([told("/stays"), told("/goes"), told("/comes")], [3, 2, 1]);
}

#[test]
fn who_does_not_finish_in_time_is_named() {
    let hub = Hub::new();
    let toml = "[[command]]\nrun = [\"sleep\", \"60\"]\ntimeout_s = 60";
    let notifiers = start(&settings(toml), &hub).expect("they start");
    for _ in 0..3 {
        tell(&hub, Change::New, &event("door", Kind::Mute));
    }
    let started = Instant::now();
    let unfinished = notifiers.finish(Duration::from_millis(300));
    assert!(started.elapsed() < PATIENCE);
    assert_eq!(unfinished.len(), 1, "{unfinished:?}");
    assert!(unfinished[0].to_string().contains("command 1 (sleep)"));
}
