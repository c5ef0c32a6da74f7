//! Rows and chances by hand.

use std::convert::Infallible;
use std::sync::Arc;

use super::*;
use crate::pooled::Pooled;

const SECOND: u64 = 1_000_000_000;

/// A second that begins at `at`.
fn moment(seq: u64, at: u64, correspondence: f32) -> ClipMoment {
    ClipMoment {
        seq,
        start_ns: at * SECOND,
        end_ns: (at + 1) * SECOND,
        correspondence,
        rms_dbfs: -20.0,
        silent: false,
        still: false,
        black: false,
        size: [640, 360],
    }
}

fn facts(moments: Vec<ClipMoment>) -> ClipFacts {
    ClipFacts {
        moments,
        end: Some(ClipEnd::default()),
        loudness_lufs: None,
    }
}

fn row(facts: ClipFacts) -> Clip {
    facts.row("a".into(), 0.5, None).expect("it has ended")
}

#[test]
fn a_row_sums_up_a_clip() {
    // numpy.percentile([0.1, 0.4, 0.35, 0.8], [10, 50]) is [0.175, 0.375].
    let mut moments: Vec<ClipMoment> = [0.1, 0.4, 0.35, 0.8]
        .into_iter()
        .enumerate()
        .map(|(n, p)| moment(n as u64, n as u64, p))
        .collect();
    moments[0].silent = true;
    moments[1].still = true;
    moments[2].still = true;
    moments[3].black = true;
    moments[3].size = [320, 180];
    moments[3].rms_dbfs = -10.0;
    moments.swap(0, 3);
    let row = row(facts(moments));
    let near = |value: Option<f64>, expected: f64| {
        let value = value.expect("there are moments");
        assert!((value - expected).abs() < 1e-6, "{value}, not {expected}");
    };
    near(row.mean, 0.4125);
    near(row.p10, 0.175);
    near(row.p50, 0.375);
    near(row.share_over, 0.25);
    near(row.silent, 0.25);
    near(row.still, 0.5);
    near(row.black, 0.25);
    // 10 log10((3 · 0.01 + 0.1) / 4)
    near(row.level_dbfs, -14.881_166);
    assert_eq!((row.moments, row.size), (4, Some([640, 360])));
    assert!((row.longest_mismatch_s - 3.0).abs() < 1e-9);
}

#[test]
fn the_longest_mismatch_ends_at_a_match_and_at_a_gap() {
    for (moments, longest) in [
        (&[][..], 0.0),
        (&[(0, 0.9)], 0.0),
        (&[(0, 0.1)], 1.0),
        (&[(0, 0.1), (1, 0.1), (2, 0.9), (3, 0.1)], 2.0),
        (&[(0, 0.1), (1, 0.1), (5, 0.1)], 2.0),
        (&[(0, 0.1), (1, f32::NAN), (2, 0.1)], 1.0),
        // The threshold itself is a match.
        (&[(0, 0.1), (1, 0.5), (2, 0.1)], 1.0),
    ] {
        let moments = moments.iter().enumerate();
        let moments = moments.map(|(seq, (at, p))| moment(seq as u64, *at, *p));
        let row = row(facts(moments.collect()));
        assert!((row.longest_mismatch_s - longest).abs() < 1e-9, "{row:?}");
    }
    // Windows that overlap cover their time once.
    let mut half = [moment(0, 0, 0.1), moment(1, 0, 0.1)];
    half[1].start_ns += SECOND / 2;
    half[1].end_ns += SECOND / 2;
    assert!((row(facts(half.to_vec())).longest_mismatch_s - 1.5).abs() < 1e-9);
}

#[test]
fn a_clip_has_a_row_once_it_has_ended() {
    let open = ClipFacts {
        end: None,
        ..facts(vec![moment(0, 0, 0.5)])
    };
    assert_eq!(open.row("a".into(), 0.5, None), None);
    let stopped = ClipFacts {
        end: Some(ClipEnd {
            interrupted: true,
            ..ClipEnd::default()
        }),
        ..facts(vec![moment(0, 0, 0.5)])
    };
    assert_eq!(stopped.row("a".into(), 0.5, None), None);
    let mut failed = facts(Vec::new());
    failed.end = Some(ClipEnd {
        error: Some("not a media file".to_owned()),
        ..ClipEnd::default()
    });
    let row = row(failed);
    assert_eq!((row.mean, row.size, row.level_dbfs), (None, None, None));
    assert_eq!(row.end.error.as_deref(), Some("not a media file"));
}

/// The product of one feature each.
fn products(pictures: &[&Pooled], sounds: &[&Pooled]) -> Result<Vec<f32>, Infallible> {
    let row = |picture: &&Pooled| {
        let of = |sound: &&Pooled| picture.vision[0] * sound.audio[0];
        sounds.iter().map(of).collect::<Vec<f32>>()
    };
    Ok(pictures.iter().flat_map(row).collect())
}

fn second(vision: f32, audio: f32) -> Arc<Pooled> {
    Arc::new(Pooled {
        vision: vec![vision],
        audio: vec![audio],
    })
}

fn stream(n: usize) -> StreamName {
    format!("clip{n}").into()
}

#[test]
fn chance_compares_a_clip_with_all_others_once_there_are_enough() {
    let mut meter = ChanceMeter::default();
    let mut told = Vec::new();
    for n in 0..=FEWEST_CLIPS {
        assert!(told.is_empty(), "not before there are others");
        meter.take(&stream(n), second(n as f32, 1.0));
        told = meter.end(&stream(n), products).expect("no failure");
    }
    assert_eq!(told.len(), 9);
    // The others of clip 8 are 0 to 7: mean 3.5, standard deviation √6.
    for (n, z) in [(0, -1.837_117_3), (4, 0.0), (8, 1.837_117_3)] {
        let (name, chance) = &told[n];
        assert_eq!((name, chance.clips), (&stream(n), 8));
        assert!((chance.z - z).abs() < 1e-5, "{n}: {chance:?}");
    }
    meter.take(&stream(9), second(4.0, 1.0));
    let told = meter.end(&stream(9), products).expect("no failure");
    let [(_, chance)] = &told[..] else {
        panic!("at once: {told:?}");
    };
    assert!(chance.clips == 9 && chance.z.abs() < 1e-5, "{chance:?}");
}

#[test]
fn without_other_clips_there_is_no_chance() {
    let mut meter = ChanceMeter::default();
    for n in 0..FEWEST_CLIPS {
        meter.take(&stream(n), second(n as f32, 1.0));
        assert!(
            meter
                .end(&stream(n), products)
                .expect("no failure")
                .is_empty()
        );
    }
    assert!(meter.rest(products).expect("no failure").is_empty());
    // One without a second that can be heard.
    assert!(
        meter
            .end(&stream(99), products)
            .expect("no failure")
            .is_empty()
    );
    // All alike: nothing to tell.
    let mut meter = ChanceMeter::default();
    for n in 0..20 {
        meter.take(&stream(n), second(1.0, 1.0));
        assert!(
            meter
                .end(&stream(n), products)
                .expect("no failure")
                .is_empty()
        );
    }
}

#[test]
fn long_clips_and_many_take_no_more_memory_and_time() {
    let mut meter = ChanceMeter::default();
    let mut most = 0;
    for n in 0..500 {
        for at in 0..=n {
            meter.take(&stream(n), second((n % 7) as f32 + at as f32 / 1e3, 1.0));
        }
        let counted = |pictures: &[&Pooled], sounds: &[&Pooled]| {
            most = most.max(pictures.len() * sounds.len());
            assert!(sounds.len() <= 16, "{}", sounds.len());
            // Evenly over the clip.
            let times: Vec<f32> = pictures[..sounds.len()]
                .iter()
                .map(|p| p.vision[0])
                .collect();
            assert!(times.is_sorted(), "{times:?}");
            products(pictures, sounds)
        };
        meter.end(&stream(n), counted).expect("no failure");
    }
    assert!(most <= (16 + 64 * 8) * 16, "{most}");
}
