//! A week of streams to which everything happens that is told: each event once, all seconds
//! on disk, and a process that does not grow.

use std::collections::VecDeque;

use l3net_data::event::{Evidence, JudgedMoment, Region};
use l3net_data::hash::mix;
use l3net_data::result::{Heatmap, Judgement};
use l3net_data::window_spec::WindowSpec;

use super::*;
use crate::footprint::{Footprint, alone};
use crate::testing::moment;

const WEEK_S: u64 = 7 * 24 * 3_600;
/// The monitor hears of so many seconds at a time, as after a network that stalled: each
/// second alone would be written alone, which takes most of the time.
const STEP_S: u64 = 10;
const STREAMS: [&str; 2] = ["door", "yard"];

/// What happens to a stream for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Mute,
    NoSound,
    Frozen,
    Black,
    Loud,
    Foreign,
    NoPicture,
    Away,
}

impl What {
    const ALL: [Self; 8] = [
        Self::Mute,
        Self::NoSound,
        Self::Frozen,
        Self::Black,
        Self::Loud,
        Self::Foreign,
        Self::NoPicture,
        Self::Away,
    ];

    fn kind(self) -> Kind {
        match self {
            Self::Mute | Self::NoSound => Kind::Mute,
            Self::Frozen => Kind::Frozen,
            Self::Black => Kind::Black,
            Self::Loud => Kind::Loud,
            Self::Foreign => Kind::Mismatch,
            Self::NoPicture | Self::Away => Kind::Lost,
        }
    }
}

/// From one second to another.
#[derive(Clone, Copy, Debug)]
struct Phase {
    from_s: u64,
    until_s: u64,
    what: What,
}

/// Phases of 80 to 180 s with 200 to 800 s between them; before the first, what is normal is
/// learnt. They begin and end with whole steps.
fn phases(seed: u64) -> Vec<Phase> {
    let mut drawn = seed;
    let mut draw = move |from: u64, to: u64| {
        drawn = mix(drawn);
        from + drawn % (to - from)
    };
    let mut phases = Vec::new();
    let mut from_s = 1_000;
    loop {
        let until_s = from_s + STEP_S * draw(8, 18);
        if until_s + 100 > WEEK_S {
            return phases;
        }
        let what = What::ALL[draw(0, 8) as usize];
        phases.push(Phase {
            from_s,
            until_s,
            what,
        });
        from_s = until_s + STEP_S * draw(20, 80);
    }
}

fn at(second: u64) -> UtcMs {
    UtcMs(NOON + second as i64 * 1000)
}

/// The second of a stream from `second` on.
fn event_of(name: &str, second: u64, what: Option<What>) -> Option<Event> {
    let gap = |why| {
        Some(Event::Gap(Gap {
            stream: name.into(),
            start_ns: MediaTime(second * 1_000_000_000),
            end_ns: MediaTime((second + 1) * 1_000_000_000),
            why,
            lost: 1,
        }))
    };
    let mut verdict = moment(second);
    verdict.stream = name.into();
    verdict.utc = Some(at(second + 1).to_timestamp().to_string());
    // Judgements vary.
    verdict.logits[1] = 1.0 + (mix(second) % 100) as f32 / 200.0;
    match what {
        None => {}
        Some(What::Mute) => {
            verdict.audio.rms_dbfs = SILENCE_FLOOR_DBFS;
            verdict.audio.silent = true;
        }
        Some(What::Frozen) => verdict.video.still = true,
        Some(What::Black) => verdict.video.black = true,
        Some(What::Loud) => verdict.audio.rms_dbfs = -5.0,
        Some(What::Foreign) => verdict.logits = [2.0, -2.0],
        Some(What::NoSound) => return gap(GapReason::NoAudio),
        Some(What::NoPicture) => return gap(GapReason::NoVideo),
        Some(What::Away) => return None,
    }
    let map = || Heatmap {
        rows: 1,
        cols: 1,
        values: vec![0.5],
    };
    Some(Event::Moment(Box::new(JudgedMoment {
        evidence: Evidence {
            judgement: Judgement {
                logits: verdict.logits,
                correspondence: verdict.correspondence,
                vision: map(),
                audio: map(),
            },
            picture: None,
            spectrogram: None,
            spec: WindowSpec::PAPER,
            covered: Region::FULL,
            features: None,
        },
        verdict,
    })))
}

/// What a stream tells, step by step.
struct Played {
    name: &'static str,
    left: VecDeque<Phase>,
    phases: Vec<Phase>,
    judged: usize,
}

impl Played {
    fn new(name: &'static str, seed: u64) -> Self {
        let phases = phases(seed);
        Self {
            name,
            left: phases.clone().into(),
            phases,
            judged: 0,
        }
    }

    /// The seconds of a step, when they are over.
    fn step(&mut self, monitor: &mut Monitor, from_s: u64) {
        let now = at(from_s + STEP_S);
        if let Some(over) = self.left.pop_front_if(|phase| phase.until_s <= from_s)
            && over.what == What::Away
        {
            monitor.receive(&away(self.name, over), 0.0, at(from_s));
        }
        let current = self.left.front().filter(|phase| phase.from_s <= from_s);
        let what = current.map(|phase| phase.what);
        for second in from_s..from_s + STEP_S {
            if let Some(event) = event_of(self.name, second, what) {
                self.judged += usize::from(matches!(event, Event::Moment(_)));
                monitor.receive(&event, 0.0, now);
            }
        }
    }
}

/// Told once the stream is back.
fn away(name: &str, phase: Phase) -> Event {
    Event::Gap(Gap {
        stream: name.into(),
        start_ns: MediaTime(phase.from_s * 1_000_000_000),
        end_ns: MediaTime(phase.until_s * 1_000_000_000),
        why: GapReason::Discontinuity,
        lost: phase.until_s - phase.from_s,
    })
}

#[test]
fn a_week_of_events_is_told_once_and_kept_in_bounds() {
    let test = "monitor::tests::week::a_week_of_events_is_told_once_and_kept_in_bounds";
    alone(test, play_a_week);
}

fn play_a_week() {
    let dir = tempfile::tempdir().expect("a folder");
    let record = Record::to(dir.path());
    let mut streams: Vec<_> = (STREAMS.iter().zip(1..))
        .map(|(name, seed)| Played::new(name, seed))
        .collect();
    let mut monitor = watch(&STREAMS, Some(&record), None, NOON);
    let news = monitor.hub().subscribe();
    let _never_read = monitor.hub().subscribe();
    let mut told_all = Vec::new();
    let mut footprints = Vec::new();
    for from_s in (0..WEEK_S).step_by(STEP_S as usize) {
        for stream in &mut streams {
            stream.step(&mut monitor, from_s);
        }
        monitor.tick(at(from_s + STEP_S));
        let edges = told(&news).into_iter();
        told_all.extend(edges.filter(|told| told.0 != Change::Update));
        if from_s % (WEEK_S / 10) < STEP_S {
            footprints.push(Footprint::now());
        }
    }
    let [_, early, .., last] = footprints[..] else {
        panic!("{footprints:?}")
    };
    assert!(last.files <= early.files, "{footprints:?}");
    // 10,000 events that nobody reads are 6 MB; a leak of eight bytes for each second of a
    // stream would be 8 MB.
    assert!(last.memory_mb - early.memory_mb < 8.0, "{footprints:?}");
    monitor.finish(at(WEEK_S));
    for stream in &streams {
        assert_told_once(stream, &told_all);
        assert_kept(&monitor, stream);
    }
}

/// Each phase was an event that began and ended, and nothing else was.
fn assert_told_once(stream: &Played, told: &[(Change, StreamEvent)]) {
    for kind in Kind::ALL {
        let own = |event: &StreamEvent| *event.stream == *stream.name && event.kind == kind;
        let told: Vec<_> = told.iter().filter(|(_, event)| own(event)).collect();
        let phases = stream
            .phases
            .iter()
            .filter(|phase| phase.what.kind() == kind);
        let phases: Vec<_> = phases.collect();
        assert_eq!(told.len(), 2 * phases.len(), "{kind:?}");
        for (phase, edges) in phases.iter().zip(told.chunks(2)) {
            let [(Change::New, begun), (Change::End, ended)] = edges else {
                panic!("{phase:?}: {edges:?}")
            };
            assert_eq!(begun.id, ended.id, "{phase:?}");
            let off = |at: Option<UtcMs>, second: u64| {
                let at = at.expect("a time");
                (at.0 - NOON) as f64 / 1000.0 - second as f64
            };
            let begin = off(Some(ended.begin_ms), phase.from_s);
            let end = off(ended.end_ms, phase.until_s);
            // A mismatch is one of averages over ten seconds.
            assert!(
                (-1.0..=11.0).contains(&begin),
                "{begin} {phase:?}: {ended:?}"
            );
            assert!((-1.0..=21.0).contains(&end), "{end} {phase:?}: {ended:?}");
        }
    }
}

/// All judged seconds are on disk, and take little room.
fn assert_kept(monitor: &Monitor, stream: &Played) {
    let reader = Reader::open(monitor.timeline()).expect("it is there");
    let mut judged = 0;
    for day in 0..7 {
        let from = at(day * 24 * 3_600);
        let to = at((day + 1) * 24 * 3_600);
        let timeline = reader.timeline(stream.name, from, to, 86_400);
        let timeline = timeline.expect("readable");
        judged += timeline.mean.iter().flatten().count();
    }
    assert_eq!(judged, stream.judged, "{}", stream.name);
    let bytes = std::fs::metadata(monitor.timeline())
        .expect("it is there")
        .len();
    // Thirty days of twelve streams.
    let scaled = bytes as f64 * (30.0 / 7.0) * (12.0 / STREAMS.len() as f64);
    assert!(scaled < 500e6, "{bytes} bytes");
}
