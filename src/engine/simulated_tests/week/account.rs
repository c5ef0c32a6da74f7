//! What must hold at the end: seconds, events, memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use l3net_monitor::event::{Change, Kind, StreamEvent};
use l3net_monitor::hub::{Hub, News, Subscription};
use l3net_monitor::time::UtcMs;

use super::camera::Camera;
use crate::event::Event;
use crate::footprint::Footprint;
use crate::result::{GapReason, Latency};

const SECOND_NS: u64 = 1_000_000_000;

/// An event is dated to the second that it is found in.
const BEFORE_S: f64 = 3.0;
/// A camera is opened again after up to 30 s, once it was found after 10 s that it hangs.
const LATE_S: f64 = 60.0;

/// What the allocator may need more. A leak of 16 bytes for each second of a stream would be
/// 9 MB in a week.
const MOST_MB: f64 = 8.0;

/// The seconds of all streams.
#[derive(Debug)]
pub struct Account {
    /// One of so many moments is judged; the others are counted by the numbers of those.
    every: u64,
    streams: Vec<Seconds>,
    /// How many had a latency of so many milliseconds.
    latencies: Vec<u64>,
    worst_ms: f32,
}

#[derive(Clone, Debug, Default)]
struct Seconds {
    /// Moments so far, also those that were not judged.
    moments: u64,
    judged: u64,
    /// Length of all moments and gaps.
    told_ns: u64,
    /// Gaps by their reasons.
    gaps: BTreeMap<&'static str, u64>,
    /// Before the first of them: less than a second.
    before_ns: u64,
    ends: u64,
}

impl Seconds {
    /// Takes a moment or gap from `start_ns` on, before which there were so many moments.
    fn take(&mut self, start_ns: u64, end_ns: u64, moments: u64) -> Result<(), String> {
        let skipped = moments - self.moments;
        self.moments = moments;
        self.told_ns += skipped * SECOND_NS;
        if self.told_ns == 0 && start_ns < SECOND_NS {
            self.before_ns = start_ns;
        }
        let told_ns = self.before_ns + self.told_ns;
        match start_ns.cmp(&told_ns) {
            Ordering::Less => return Err("twice".to_owned()),
            Ordering::Greater => return Err(format!("{} ns of nothing", start_ns - told_ns)),
            Ordering::Equal => {}
        }
        self.told_ns += end_ns - start_ns;
        Ok(())
    }
}

impl Account {
    pub fn new(streams: usize, every: u64) -> Self {
        Self {
            every,
            streams: vec![Seconds::default(); streams],
            latencies: vec![0; 10_000],
            worst_ms: 0.0,
        }
    }

    /// Takes what was told of a stream; where it ends, unless the stream does.
    pub fn take(&mut self, stream: usize, event: &Event) -> Option<u64> {
        let seconds = &mut self.streams[stream];
        let (end_ns, taken) = match event {
            Event::Moment(moment) => {
                let verdict = &moment.verdict;
                let (start, end) = (verdict.start_ns.0, verdict.end_ns.0);
                assert_eq!(end - start, SECOND_NS, "{verdict:?}");
                let taken = seconds.take(start, end, verdict.seq);
                seconds.moments += 1;
                seconds.judged += 1;
                self.count(verdict.latency_ms);
                (end, taken)
            }
            Event::Gap(gap) => {
                let (start, end) = (gap.start_ns.0, gap.end_ns.0);
                let is_rest = gap.why == GapReason::Discontinuity && end - start < SECOND_NS;
                assert!(start < end && (gap.lost > 0 || is_rest), "{gap:?}");
                *seconds.gaps.entry(gap.why.name()).or_default() += 1;
                let lost_moments = match gap.why {
                    // A moment that was made and given up has a number.
                    GapReason::Overload => gap.lost,
                    _ => 0,
                };
                let taken = match self.every {
                    1 => seconds.take(start, end, seconds.moments),
                    // How many moments came before it is told by the next one.
                    _ => {
                        seconds.told_ns += end - start;
                        Ok(())
                    }
                };
                seconds.moments += lost_moments;
                (end, taken)
            }
            Event::Measured(qc) => panic!("nobody measures: {qc:?}"),
            Event::Ended(summary) => {
                assert_eq!(summary.error, None);
                seconds.ends += 1;
                return None;
            }
        };
        if let Err(cause) = taken {
            panic!("{cause}: {event:?} {:?}", self.streams[stream]);
        }
        Some(end_ns)
    }

    fn count(&mut self, latency: Latency) {
        let last = self.latencies.len() - 1;
        self.latencies[(latency.total as usize).min(last)] += 1;
        self.worst_ms = self.worst_ms.max(latency.total);
    }

    fn percentile_ms(&self, share: f64) -> usize {
        let all: u64 = self.latencies.iter().sum();
        let mut seen = 0;
        let is_over = |count: &u64| {
            seen += count;
            seen as f64 >= share * all as f64
        };
        self.latencies
            .iter()
            .position(is_over)
            .expect("there are some")
    }

    /// Every second up to the end is told, and none is told late.
    pub fn check(&self, seconds: u64, max_wait: Duration) {
        for stream in &self.streams {
            assert_eq!(stream.ends, 1, "{stream:?}");
            let told = stream.before_ns + stream.told_ns;
            let left = (seconds * SECOND_NS).saturating_sub(told);
            // A moment that reaches over the end is not judged, nor are the last of those of
            // which one is.
            assert!(
                left < (self.every + 1) * SECOND_NS,
                "{left} ns left: {stream:?}"
            );
            assert!(stream.judged > seconds / self.every / 2, "{stream:?}");
        }
        // The clock waits for single outputs only where all moments are judged.
        if self.every > 1 {
            return;
        }
        let bound_ms = max_wait.as_secs_f32() * 1e3;
        let p99 = self.percentile_ms(0.99) as f32;
        assert!(p99 <= bound_ms, "{p99} ms");
        assert!(self.worst_ms <= bound_ms, "{} ms", self.worst_ms);
    }
}

/// What was told of events, by whoever reads it all. Beside it somebody never reads.
pub struct Told {
    news: Subscription,
    _asleep: Subscription,
    /// Of each stream and kind, those that have ended.
    ended: BTreeMap<(String, Kind), Vec<StreamEvent>>,
    open: BTreeMap<(String, Kind), StreamEvent>,
}

impl Told {
    pub fn by(hub: &Arc<Hub>) -> Self {
        Self {
            news: hub.subscribe(),
            _asleep: hub.subscribe(),
            ended: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// Reads what is new.
    pub fn read(&mut self) {
        while let Some(news) = self.news.next(Duration::ZERO) {
            let News::Event { change, event, .. } = news else {
                continue;
            };
            let key = (event.stream.to_string(), event.kind);
            match change {
                Change::New => {
                    let before = self.open.insert(key, (*event).clone());
                    assert!(before.is_none(), "it begins twice: {event:?}");
                }
                Change::Update | Change::Clip => {
                    assert_eq!(self.open.get(&key).map(|open| open.id), Some(event.id));
                }
                Change::End => {
                    let open = self.open.remove(&key);
                    assert_eq!(open.map(|open| open.id), Some(event.id), "{event:?}");
                    self.ended.entry(key).or_default().push((*event).clone());
                }
            }
        }
    }

    /// Each fault that is to be told was, once, and nothing else.
    pub fn check(&self, cameras: &[Arc<Camera>], begin: UtcMs) {
        assert!(self.open.is_empty(), "{:?}", self.open);
        for (number, camera) in cameras.iter().enumerate() {
            for kind in Kind::ALL {
                let faults: Vec<_> = (camera.faults.iter())
                    .filter(|fault| fault.what.event() == Some(kind))
                    .collect();
                let key = (number.to_string(), kind);
                let told = self.ended.get(&key).map_or(&[][..], |told| told);
                let second = |at: UtcMs| (at.0 - begin.0) as f64 / 1000.0;
                let spans: Vec<_> = (told.iter())
                    .map(|event| (second(event.begin_ms), event.end_ms.map(second)))
                    .collect();
                let case = format!("camera {number}: {kind:?}: {faults:?} {spans:?}");
                assert_eq!(faults.len(), spans.len(), "{case}");
                for (fault, (from, until)) in faults.iter().zip(&spans) {
                    let until = until.expect("it has ended");
                    let late = [from - fault.from_s as f64, until - fault.until_s as f64];
                    assert!(
                        (-BEFORE_S..LATE_S).contains(&late[0]),
                        "{fault:?} {late:?} {case}"
                    );
                    assert!(
                        (-BEFORE_S..LATE_S).contains(&late[1]),
                        "{fault:?} {late:?} {case}"
                    );
                }
            }
        }
    }
}

/// Memory and open files, ten times in a run.
#[derive(Debug)]
pub struct Footprints {
    every: Duration,
    next: Duration,
    measured: Vec<Footprint>,
}

impl Footprints {
    /// For a run of so many seconds.
    pub fn new(seconds: u64) -> Self {
        let every = Duration::from_secs(seconds) / 10;
        Self {
            every,
            next: every,
            measured: Vec::with_capacity(16),
        }
    }

    /// Measures, if it is time.
    pub fn measure(&mut self, now: Duration) {
        if now >= self.next {
            self.next += self.every;
            self.measured.push(Footprint::now());
        }
    }

    /// Neither has grown since a tenth of the time.
    pub fn check(&self) {
        let [first, .., last] = self.measured[..] else {
            panic!("{self:?}")
        };
        assert!(last.files <= first.files, "{self:?}");
        assert!(last.memory_mb - first.memory_mb < MOST_MB, "{self:?}");
    }
}
