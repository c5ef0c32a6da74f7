#[cfg(target_os = "linux")]
mod week;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use l3net_data::event::Event;
use l3net_data::result::{Gap, GapReason, SILENCE_FLOOR_DBFS, Summary};
use l3net_data::time::MediaTime;

use super::*;
use crate::clip::{Clip, Recording};
use crate::event::{Change, ClipState, StreamEvent};
use crate::hub::{News, Subscription};
use crate::store::{EventQuery, Reader};
use crate::testing::judged;

/// 2026-11-30 12:00 UTC.
const NOON: i64 = 1_796_040_000_000;

/// Writes a file of one byte for each clip when it is polled after its end.
#[derive(Default)]
struct Recorded {
    asked: Mutex<Vec<(UtcMs, PathBuf)>>,
}

struct OneByte {
    stem: PathBuf,
    from: UtcMs,
    until: UtcMs,
    done: bool,
}

impl Recorder for Recorded {
    fn start(&self, _: &str, from: UtcMs, stem: &Path) -> Result<Box<dyn Recording>, String> {
        self.asked
            .lock()
            .expect("one thread")
            .push((from, stem.to_owned()));
        Ok(Box::new(OneByte {
            stem: stem.to_owned(),
            from,
            until: from,
            done: false,
        }))
    }

    fn ring_fill(&self, _: &str) -> Option<f64> {
        None
    }
}

impl Recording for OneByte {
    fn end_at(&mut self, until: UtcMs) {
        self.done = until.since(self.until) < std::time::Duration::from_secs(100);
        self.until = until;
    }

    fn poll(&mut self) -> Option<Result<Clip, String>> {
        let path = self.stem.with_extension("mp4");
        self.done.then(|| {
            std::fs::write(&path, "x").map_err(|e| e.to_string())?;
            Ok(Clip {
                path,
                seconds: self.until.since(self.from).as_secs_f64(),
                bytes: 1,
            })
        })
    }
}

fn stream(name: &str) -> Stream {
    Stream {
        name: name.into(),
        label: name.to_uppercase(),
        detect: Detect::default(),
    }
}

fn watch(
    names: &[&str],
    record: Option<&Record>,
    recorder: Option<Arc<dyn Recorder>>,
    now: i64,
) -> Monitor {
    let streams: Vec<_> = names.iter().map(|name| stream(name)).collect();
    let keeping = Keeping {
        record,
        recorder,
        pictures: true,
    };
    Monitor::open(&streams, "m", keeping, UtcMs(now)).expect("writable")
}

/// A second of the stream `door`, which ends so many seconds after noon.
fn second(at: u64, level: f32) -> (Event, UtcMs) {
    let now = UtcMs(NOON + at as i64 * 1000);
    let mut moment = judged(at - 1, 640, 360);
    moment.verdict.utc = Some(now.to_timestamp().to_string());
    moment.verdict.audio.rms_dbfs = level;
    moment.verdict.audio.silent = level < -70.0;
    (Event::Moment(Box::new(moment)), now)
}

fn play(monitor: &mut Monitor, seconds: std::ops::Range<u64>, level: f32) {
    for at in seconds {
        let (event, now) = second(at, level);
        monitor.receive(&event, 0.1, now);
    }
}

fn told(of: &Subscription) -> Vec<(Change, StreamEvent)> {
    let mut told = Vec::new();
    while let Some(news) = of.next(std::time::Duration::ZERO) {
        if let News::Event { change, event, .. } = news {
            told.push((change, (*event).clone()));
        }
    }
    told
}

fn changes(told: &[(Change, StreamEvent)]) -> Vec<Change> {
    told.iter().map(|told| told.0).collect()
}

#[test]
fn an_event_has_snapshot_and_clip_and_is_told_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let record = Record::to(dir.path());
    let recorder = Arc::new(Recorded::default());
    let as_recorder: Arc<dyn Recorder> = recorder.clone();
    let mut monitor = watch(&["door"], Some(&record), Some(as_recorder), NOON);
    let news = monitor.hub().subscribe();
    play(&mut monitor, 1..31, -30.0);
    play(&mut monitor, 31..61, SILENCE_FLOOR_DBFS);
    play(&mut monitor, 61..91, -30.0);
    let told = told(&news);
    use Change::{Clip, End, New, Update};
    assert_eq!(changes(&told), [New, Update, Update, End, Clip]);
    let last = &told[4].1;
    assert_eq!((last.begin_ms.0 - NOON, last.kind), (30_000, Kind::Mute));
    assert_eq!(last.end_ms, Some(UtcMs(NOON + 60_000)));
    assert_eq!((last.clip, last.snapshot), (ClipState::Ready, true));
    assert_eq!(last.clip_s, Some(40.0), "five seconds before, and after");
    assert_eq!(last.what, "no sound for 30 s");
    let (from, stem) = recorder.asked.lock().expect("one thread")[0].clone();
    assert_eq!(from, UtcMs(NOON + 25_000));
    assert!(stem.starts_with(dir.path().join("2026-11-30/12/door")));
    for ending in ["mp4", "jpg", "json"] {
        assert!(stem.with_extension(ending).is_file(), "{ending}");
    }
    let status = monitor.hub().stream("door").expect("watched");
    assert_eq!(
        (status.state, status.problems.len()),
        (StreamState::Live, 0)
    );
    assert_eq!(status.label, "DOOR");
}

#[test]
fn an_event_goes_on_over_a_restart_and_ends_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let record = Record::to(dir.path());
    let open = |now| watch(&["door"], Some(&record), None, now);
    let mut monitor = open(NOON);
    play(&mut monitor, 1..31, SILENCE_FLOOR_DBFS);
    monitor.finish(UtcMs(NOON + 30_000));
    drop(monitor);
    let mut monitor = open(NOON + 40_000);
    let news = monitor.hub().subscribe();
    play(&mut monitor, 41..51, SILENCE_FLOOR_DBFS);
    play(&mut monitor, 51..71, -30.0);
    assert_eq!(changes(&told(&news)).last(), Some(&Change::End));
    let reader = Reader::open(monitor.timeline()).expect("it is there");
    let query = EventQuery {
        limit: 10,
        ..EventQuery::default()
    };
    let events = reader.events(&query).expect("readable");
    let spans: Vec<_> = events
        .iter()
        .map(|e| (e.begin_ms.0 - NOON, e.end_ms))
        .collect();
    assert_eq!(spans, [(0, Some(UtcMs(NOON + 50_000)))]);
    let timeline = reader
        .timeline("door", UtcMs(NOON), UtcMs(NOON + 70_000), 600)
        .expect("readable");
    assert_eq!(
        timeline.mean.iter().flatten().count(),
        60,
        "no second of both runs is lost"
    );
}

#[test]
fn a_stream_that_goes_ends_its_events_and_others_lose_no_second() {
    let mut monitor = watch(&["door", "yard"], None, None, NOON);
    let news = monitor.hub().subscribe();
    play(&mut monitor, 1..31, SILENCE_FLOOR_DBFS);
    let now = UtcMs(NOON + 30_500);
    monitor
        .set_streams(&[stream("door")], now)
        .expect("readable");
    // Nothing was ever heard of the yard.
    let ended: Vec<_> = told(&news)
        .into_iter()
        .map(|(c, e)| (c, e.stream.to_string()))
        .collect();
    assert!(
        ended.contains(&(Change::End, "yard".to_owned())),
        "{ended:?}"
    );
    assert!(
        !ended.contains(&(Change::End, "door".to_owned())),
        "{ended:?}"
    );
    monitor.set_streams(&[], now).expect("readable");
    assert_eq!(told(&news).last().map(|told| told.0), Some(Change::End));
    assert!(monitor.hub().streams().is_empty());
}

#[test]
fn a_kind_that_is_switched_off_ends_and_comes_back() {
    let mut monitor = watch(&["door"], None, None, NOON);
    let hub = Arc::clone(monitor.hub());
    let news = hub.subscribe();
    play(&mut monitor, 1..16, SILENCE_FLOOR_DBFS);
    hub.switch(&"door".into(), Kind::Mute, false);
    play(&mut monitor, 16..20, SILENCE_FLOOR_DBFS);
    hub.switch(&"door".into(), Kind::Mute, true);
    play(&mut monitor, 20..23, SILENCE_FLOOR_DBFS);
    let told = told(&news);
    assert_eq!(changes(&told), [Change::New, Change::End, Change::New]);
    assert_eq!(told[2].1.begin_ms, UtcMs(NOON + 20_000));
}

#[test]
fn status_says_what_is_the_matter() {
    let mut monitor = watch(&["door"], None, None, NOON);
    let hub = Arc::clone(monitor.hub());
    let state = || hub.stream("door").expect("watched").state;
    assert_eq!(state(), StreamState::Connecting);
    play(&mut monitor, 1..3, -30.0);
    assert_eq!(state(), StreamState::Live);
    for s in 3..30 {
        monitor.tick(UtcMs(NOON + s * 1000));
    }
    assert_eq!(state(), StreamState::Reconnecting);
    let gap = Gap {
        stream: "door".into(),
        start_ns: MediaTime(2_000_000_000),
        end_ns: MediaTime(30_000_000_000),
        why: GapReason::Discontinuity,
        lost: 28,
    };
    monitor.receive(&Event::Gap(gap), 0.0, UtcMs(NOON + 30_000));
    let (event, now) = second(31, -30.0);
    monitor.receive(&event, 9.0, now);
    assert_eq!(state(), StreamState::Live);
    assert!(
        hub.stream("door")
            .expect("watched")
            .problems
            .contains(&"lagging")
    );
    let reader = Reader::open(monitor.timeline()).expect("it is there");
    monitor.tick(UtcMs(NOON + 33_000));
    let timeline = reader
        .timeline("door", UtcMs(NOON), UtcMs(NOON + 60_000), 60)
        .expect("readable");
    let gaps: Vec<_> = timeline
        .gaps
        .iter()
        .map(|g| (g.begin_ms.0 - NOON, g.end_ms.0 - NOON))
        .collect();
    assert_eq!(gaps, [(2_000, 30_000)]);
    let summary = Summary {
        stream: "door".into(),
        moments: 3,
        mean_correspondence: None,
        gaps: 1,
        seconds: 31.0,
        wall_s: 31.0,
        model: None,
        bytes: None,
        fps: None,
        keyframes: false,
        interrupted: false,
        error: None,
    };
    monitor.receive(&Event::Ended(summary), 0.0, UtcMs(NOON + 34_000));
    assert_eq!(state(), StreamState::Ended);
}

#[test]
fn a_stream_that_was_lost_is_said_to_be_and_comes_back() {
    let mut monitor = watch(&["door"], None, None, NOON);
    let hub = Arc::clone(monitor.hub());
    let news = hub.subscribe();
    play(&mut monitor, 1..11, -30.0);
    for s in 11..40 {
        monitor.tick(UtcMs(NOON + s * 1000));
    }
    assert_eq!(hub.stream("door").expect("watched").problems, ["lost"]);
    for at in 40..60 {
        let (event, now) = second(at, -30.0);
        monitor.receive(&event, 0.1, now.plus(Duration::from_millis(300)));
    }
    let told = told(&news);
    assert_eq!(changes(&told).last(), Some(&Change::End), "{told:?}");
    assert!(hub.stream("door").expect("watched").problems.is_empty());
}

#[test]
fn a_clock_that_is_set_back_loses_no_second() {
    let mut monitor = watch(&["door"], None, None, NOON);
    play(&mut monitor, 300..330, -30.0);
    play(&mut monitor, 100..130, -30.0);
    play(&mut monitor, 310..350, -30.0);
    monitor.finish(UtcMs(NOON + 350_000));
    let reader = Reader::open(monitor.timeline()).expect("it is there");
    let timeline = reader
        .timeline("door", UtcMs(NOON), UtcMs(NOON + 400_000), 600)
        .expect("readable");
    assert_eq!(timeline.mean.iter().flatten().count(), 50 + 30);
}

#[test]
fn what_is_protected_outlasts_what_makes_room() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut record = Record::to(dir.path());
    record.max_size.0 = 1;
    let mut monitor = watch(&["door"], Some(&record), None, NOON);
    for begin in [1, 101, 201] {
        play(&mut monitor, begin..begin + 31, SILENCE_FLOOR_DBFS);
        play(&mut monitor, begin + 31..begin + 46, -30.0);
        if begin == 1 {
            let reader = Reader::open(monitor.timeline()).expect("it is there");
            let query = EventQuery {
                limit: 1,
                ..EventQuery::default()
            };
            let first = reader.events(&query).expect("readable")[0].id;
            crate::store::protect(monitor.timeline(), first, true).expect("writable");
        }
    }
    monitor.finish(UtcMs(NOON + 300_000));
    let reader = Reader::open(monitor.timeline()).expect("it is there");
    let query = EventQuery {
        limit: 9,
        ..EventQuery::default()
    };
    let events = reader.events(&query).expect("readable");
    let kept: Vec<_> = events.iter().map(|event| event.snapshot).collect();
    assert_eq!(kept, [false, false, true], "the newest first");
}

#[test]
fn an_index_that_is_lost_is_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let record = Record::to(dir.path());
    let open = |now| {
        let recorder: Arc<dyn Recorder> = Arc::new(Recorded::default());
        watch(&["door"], Some(&record), Some(recorder), now)
    };
    let mut monitor = open(NOON);
    play(&mut monitor, 1..31, SILENCE_FLOOR_DBFS);
    play(&mut monitor, 31..51, -30.0);
    monitor.finish(UtcMs(NOON + 51_000));
    let path = monitor.timeline().to_owned();
    drop(monitor);
    std::fs::remove_file(path).expect("it was there");
    let monitor = open(NOON + 60_000);
    let query = EventQuery {
        limit: 10,
        ..EventQuery::default()
    };
    let events = Reader::open(monitor.timeline())
        .expect("ok")
        .events(&query)
        .expect("ok");
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].clip, events[0].end_ms),
        (ClipState::Ready, Some(UtcMs(NOON + 30_000)))
    );
}
