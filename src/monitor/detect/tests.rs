use l3net_data::result::{Gap, GapReason, SILENCE_FLOOR_DBFS, Verdict};
use l3net_data::time::MediaTime;

use super::*;
use crate::testing::moment;

/// A stream that is watched second by second.
struct Watched {
    detectors: Detectors,
    second: u64,
    told: Vec<(u64, Kind, bool)>,
    /// When something arrived last.
    arrived: UtcMs,
}

impl Watched {
    fn new() -> Self {
        Self {
            detectors: Detectors::new(Detect::default(), Normals::new("m")),
            second: 0,
            told: Vec::new(),
            arrived: UtcMs(0),
        }
    }

    /// So many seconds, of which the moments are changed.
    fn seconds(&mut self, count: u64, change: impl Fn(u64, &mut Verdict)) -> &mut Self {
        for i in 0..count {
            let mut verdict = moment(self.second);
            // As real streams do, it varies.
            let wave = (self.second as f32 * 0.7).sin();
            verdict.logits[1] += wave;
            verdict.audio.rms_dbfs += 4.0 * wave;
            change(i, &mut verdict);
            verdict.audio.silent = verdict.audio.rms_dbfs < -70.0;
            self.second += 1;
            let found = self
                .detectors
                .moment(&verdict, UtcMs(self.second as i64 * 1000));
            self.tell(found);
        }
        self
    }

    fn gaps(&mut self, count: u64, why: GapReason) -> &mut Self {
        for _ in 0..count {
            let start = MediaTime(self.second * 1_000_000_000);
            self.second += 1;
            let gap = Gap {
                stream: "door".into(),
                start_ns: start,
                end_ns: MediaTime(self.second * 1_000_000_000),
                why,
                lost: 1,
            };
            let now = UtcMs(self.second as i64 * 1000);
            let found = self.detectors.gap(&gap, now);
            self.tell(found);
            self.arrived = now;
        }
        self
    }

    fn nothing(&mut self, count: u64) -> &mut Self {
        for _ in 0..count {
            self.second += 1;
            self.tick(UtcMs(self.second as i64 * 1000));
        }
        self
    }

    fn tick(&mut self, now: UtcMs) {
        let found = self.detectors.tick(self.arrived, now);
        self.tell(found.into_iter().collect());
    }

    fn edges(&self) -> Vec<(Kind, bool)> {
        let told = self.told.iter();
        told.map(|&(_, kind, begins)| (kind, begins)).collect()
    }

    fn tell(&mut self, found: Vec<Finding>) {
        for finding in found {
            assert!((0.0..=1.0).contains(&finding.score));
            let (at, begins) = match finding.edge {
                Some(Edge::Begins(at)) => (at, true),
                Some(Edge::Ends(at)) => (at, false),
                None => continue,
            };
            self.told.push((at.0 as u64 / 1000, finding.kind, begins));
        }
    }
}

const MUTE: f32 = SILENCE_FLOOR_DBFS;

#[test]
fn each_kind_begins_and_ends_once() {
    type Scene = fn(&mut Watched);
    let table: [(Kind, Scene, u64, u64); 8] = [
        (
            Kind::Mute,
            |w| {
                w.seconds(30, |_, v| v.audio.rms_dbfs = MUTE);
            },
            600,
            630,
        ),
        (
            Kind::Mute,
            |w| {
                w.gaps(30, GapReason::NoAudio);
            },
            600,
            630,
        ),
        (
            Kind::Frozen,
            |w| {
                w.seconds(90, |_, v| v.video.still = true);
            },
            600,
            690,
        ),
        (
            Kind::Black,
            |w| {
                w.seconds(10, |_, v| v.video.black = true);
            },
            600,
            610,
        ),
        (
            Kind::Lost,
            |w| {
                w.nothing(30);
            },
            600,
            629,
        ),
        (
            Kind::Lost,
            |w| {
                w.gaps(30, GapReason::NoVideo);
            },
            600,
            629,
        ),
        (
            Kind::Loud,
            |w| {
                w.seconds(4, |_, v| v.audio.rms_dbfs = -5.0);
            },
            600,
            604,
        ),
        (
            Kind::Mismatch,
            |w| {
                w.seconds(60, |_, v| v.logits = [2.0, -2.0]);
            },
            600,
            660,
        ),
    ];
    for (kind, scene, begin, end) in table {
        let mut watched = Watched::new();
        watched.seconds(600, |_, _| {});
        scene(&mut watched);
        watched.seconds(300, |_, _| {});
        let told = watched.edges();
        assert_eq!(
            told,
            [(kind, true), (kind, false)],
            "{kind:?}: {:?}",
            watched.told
        );
        let (begun, ended) = (watched.told[0].0, watched.told[1].0);
        // An average is slower than a single second.
        let slack = if kind == Kind::Mismatch { 12 } else { 1 };
        assert!(begun.abs_diff(begin) <= slack, "{kind:?} began at {begun}");
        assert!(ended.abs_diff(end) <= slack, "{kind:?} ended at {ended}");
    }
}

#[test]
fn a_common_day_tells_nothing() {
    let mut watched = Watched::new();
    watched
        .seconds(3600, |i, v| {
            // Pauses, single odd judgements, a door that slams, single frozen seconds.
            if i % 50 < 6 {
                v.audio.rms_dbfs = MUTE;
            }
            if i % 17 == 0 {
                v.logits = [2.0, -2.0];
            }
            v.video.still = i % 40 < 20;
        })
        .nothing(8)
        .seconds(100, |_, _| {})
        .gaps(20, GapReason::Overload)
        .seconds(100, |_, _| {});
    assert_eq!(watched.told, []);
}

#[test]
fn silence_is_no_mismatch() {
    let mut watched = Watched::new();
    watched
        .seconds(600, |_, _| {})
        .seconds(100, |_, v| {
            v.audio.rms_dbfs = MUTE;
            v.logits = [3.0, -3.0];
        })
        .seconds(60, |_, _| {});
    let kinds: Vec<_> = watched.told.iter().map(|told| told.1).collect();
    assert_eq!(kinds, [Kind::Mute, Kind::Mute]);
}

#[test]
fn a_camera_that_the_model_knows_needs_no_normal() {
    let mut watched = Watched::new();
    watched
        .seconds(30, |_, v| v.z_score = Some(-0.2))
        .seconds(60, |_, v| v.z_score = Some(2.5));
    let told = watched.edges();
    assert_eq!(told, [(Kind::Mismatch, true), (Kind::Mismatch, false)]);
}

#[test]
fn a_stream_that_changes_for_good_becomes_normal() {
    let mut watched = Watched::new();
    watched
        .seconds(600, |_, _| {})
        .seconds(20_000, |_, v| v.logits[1] -= 3.0);
    let told = watched.edges();
    assert_eq!(told, [(Kind::Mismatch, true), (Kind::Mismatch, false)]);
}

#[test]
fn what_is_switched_off_ends_and_stays_off() {
    let mut watched = Watched::new();
    let silence = |_, v: &mut Verdict| v.audio.rms_dbfs = MUTE;
    watched.seconds(20, silence);
    let mut settings = Detect::default();
    settings.mute.enabled = false;
    watched.detectors.set(settings);
    watched.seconds(20, silence);
    assert_eq!(
        watched.told,
        [(0, Kind::Mute, true), (21, Kind::Mute, false)]
    );
}

#[test]
fn sound_that_becomes_early_or_late_is_out_of_sync() {
    let mut watched = Watched::new();
    let mut drifts = |ms: Option<f32>, seconds: u64| {
        watched.detectors.set_drift(ms);
        watched.seconds(seconds, |_, _| {});
    };
    // As much as EBU R37 allows, and for less than half a minute more.
    drifts(None, 100);
    drifts(Some(40.0), 100);
    drifts(Some(-60.0), 100);
    drifts(Some(200.0), 20);
    drifts(Some(0.0), 80);
    // From 400 on too early, until it is opened again: then nothing is known of before.
    drifts(Some(41.0), 50);
    drifts(Some(35.0), 100);
    drifts(None, 50);
    drifts(Some(0.0), 100);
    // From 700 on too late.
    drifts(Some(-61.0), 100);
    drifts(Some(-45.0), 100);
    let told = [(400, true), (550, false), (700, true), (800, false)];
    let told = told.map(|(at, begins)| (at, Kind::OutOfSync, begins));
    assert_eq!(watched.told, told);
}
