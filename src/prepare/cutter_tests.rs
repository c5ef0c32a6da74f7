//! Pieces of recordings in any blocks, with holes, late pictures, silence.

use proptest::prelude::*;

use super::*;
use crate::window::TAIL_SAMPLES;

const SPEC: WindowSpec = WindowSpec::PAPER;
const SECOND: usize = SPEC.window_samples;
const STEP_SAMPLES: usize = SECOND / STEPS;
const MS: u64 = 1_000_000;

/// A sample that tells its number, up to 65 535 of them.
fn pcm(from: usize, samples: usize) -> Vec<f32> {
    let value = |i: usize| (i % 65_536) as f32 / 32768.0 - 1.0;
    (from..from + samples).map(value).collect()
}

fn expected(from: usize, samples: usize) -> Vec<i16> {
    let value = |i: usize| (i as i64 % 65_536 - 32_768) as i16;
    (from..from + samples).map(value).collect()
}

fn drain<F>(cutter: &mut Cutter<F>, pieces: &mut Vec<Piece<F>>) {
    pieces.extend(std::iter::from_fn(|| cutter.next_piece()));
}

/// Sound in blocks, frames each `frame_ms`, in the order of a player.
fn cut(blocks: &[(u64, usize)], frame_ms: u64, frames_until_ms: u64, fps: f64) -> Vec<Piece<u64>> {
    let mut cutter = Cutter::new(SPEC, fps);
    let (mut pieces, mut shown) = (Vec::new(), 0);
    for &(at, samples) in blocks {
        cutter.push_sound(SamplePos(at), &pcm(at as usize, samples));
        let until = SamplePos(at).plus(samples).to_time().0;
        while shown * MS < until && shown < frames_until_ms {
            if cutter.wants(MediaTime(shown * MS)) {
                cutter.push_frame(MediaTime(shown * MS), shown);
            }
            shown += frame_ms;
        }
        drain(&mut cutter, &mut pieces);
    }
    cutter.end_sound();
    cutter.end_picture();
    cutter.finish(TAIL_SAMPLES);
    drain(&mut cutter, &mut pieces);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pieces follow each other without a hole and hold all sound but less than a
    /// tenth of a second, whatever the blocks; every frame is where it is shown.
    #[test]
    fn pieces_hold_all_of_the_recording(
        samples in SECOND..35 * SECOND,
        sizes in prop::collection::vec(1_usize..20_000, 1..20),
        frame_ms in 20_u64..700,
        fps in 0.5_f64..10.0,
    ) {
        let mut blocks = Vec::new();
        let (mut at, mut k) = (0, 0);
        while at < samples {
            let size = sizes[k % sizes.len()].min(samples - at);
            blocks.push((at as u64, size));
            at += size;
            k += 1;
        }
        let pieces = cut(&blocks, frame_ms, u64::MAX, fps);
        let mut end = 0;
        for piece in &pieces {
            prop_assert_eq!(piece.start, SamplePos(end as u64));
            prop_assert!((SECOND..11 * SECOND + STEP_SAMPLES).contains(&piece.pcm.len()));
            // A tail of zeros may stand in for up to 10 ms.
            let real = piece.pcm.len().min(samples - end);
            prop_assert!(piece.pcm[..real] == expected(end, real)[..]);
            end += piece.pcm.len();
            for &(at, frame) in &piece.frames {
                let at = SamplePos::heard_at(at);
                prop_assert!(at >= piece.start && at < piece.start.plus(piece.pcm.len()));
                prop_assert_eq!(at, SamplePos::heard_at(MediaTime(frame * MS)));
            }
        }
        prop_assert!(samples < end + STEP_SAMPLES && end <= samples + TAIL_SAMPLES, "{} of {}", end, samples);
        // The first frame of each step of the rate, each once.
        let kept: Vec<u64> = pieces.iter().flat_map(|p| &p.frames).map(|f| f.1).collect();
        let mut step = -1.0;
        let wanted: Vec<u64> = (0..)
            .map(|i| i * frame_ms)
            .take_while(|ms| (SamplePos::heard_at(MediaTime(ms * MS)).0 as usize) < end.min(samples))
            .filter(|ms| {
                let of = (*ms as f64 / 1e3 * fps).floor();
                let first = of > step;
                step = if first { of } else { step };
                first
            })
            .collect();
        prop_assert_eq!(kept, wanted);
    }
}

#[test]
fn a_hole_in_the_sound_ends_a_piece() {
    let blocks = [
        (0, 3 * SECOND),
        (10 * SECOND as u64, 2 * SECOND),
        (12 * SECOND as u64 + 900, SECOND),
    ];
    let pieces = cut(&blocks, 100, u64::MAX, 4.0);
    let spans: Vec<(u64, usize)> = pieces.iter().map(|p| (p.start.0, p.pcm.len())).collect();
    // The second step is bridged: 19 ms.
    assert_eq!(spans, [(0, 3 * SECOND), (480_000, 3 * SECOND)]);
    assert!(pieces.iter().all(|p| p.frames.len() == 12));
}

#[test]
fn the_rest_after_a_hole_needs_a_second() {
    let blocks = [(0, 2 * SECOND), (5 * SECOND as u64, SECOND - 4_000)];
    let pieces = cut(&blocks, 100, u64::MAX, 4.0);
    assert_eq!(pieces.len(), 1);
    // What lacks less than a tail is whole.
    let blocks = [(0, 2 * SECOND), (5 * SECOND as u64, SECOND - 400)];
    let pieces = cut(&blocks, 100, u64::MAX, 4.0);
    assert_eq!(pieces[1].pcm.len(), SECOND);
    assert!(pieces[1].pcm[SECOND - 400..].iter().all(|&v| v == 0));
}

#[test]
fn a_piece_waits_for_its_picture_and_frames_without_sound_are_dropped() {
    let mut cutter = Cutter::new(SPEC, 2.0);
    for ms in (0..3_000).step_by(250) {
        if cutter.wants(MediaTime(ms * MS)) {
            cutter.push_frame(MediaTime(ms * MS), ms);
        }
    }
    // Sound from 2 s on.
    cutter.push_sound(SamplePos(96_000), &pcm(0, 12 * SECOND));
    assert_eq!(cutter.next_piece(), None, "its last frames may still come");
    for ms in (3_000..12_000).step_by(250) {
        if cutter.wants(MediaTime(ms * MS)) {
            cutter.push_frame(MediaTime(ms * MS), ms);
        }
    }
    assert_eq!(cutter.next_piece(), None);
    assert!(cutter.wants(MediaTime(12_000 * MS)), "the next one tells");
    let piece = cutter.next_piece().expect("whole");
    assert_eq!((piece.start.0, piece.pcm.len()), (96_000, 10 * SECOND));
    let frames: Vec<u64> = piece.frames.iter().map(|f| f.1).collect();
    assert_eq!(frames, (2_000..12_000).step_by(500).collect::<Vec<_>>());
}

#[test]
fn a_picture_that_ends_early_leaves_sound_without_frames() {
    let pieces = cut(&[(0, 25 * SECOND)], 40, 4_000, 4.0);
    let frames: Vec<usize> = pieces.iter().map(|p| p.frames.len()).collect();
    assert_eq!(frames, [16, 0, 0]);
}

#[test]
fn frames_that_no_sound_comes_to_do_not_pile_up() {
    let hours = |cutter: &mut Cutter<()>| {
        for ms in (0..2 * 3_600_000).step_by(250) {
            if cutter.wants(MediaTime(ms * MS)) {
                cutter.push_frame(MediaTime(ms * MS), ());
            }
        }
        cutter.frames.len()
    };
    let mut waiting = Cutter::new(SPEC, 4.0);
    assert_eq!(
        hours(&mut waiting),
        MAX_WAITING_FRAMES,
        "sound may still come"
    );
    waiting.end_sound();
    assert_eq!(waiting.frames.len(), 0);
    let mut over = Cutter::new(SPEC, 4.0);
    over.push_sound(SamplePos(0), &pcm(0, 3 * SECOND / 2));
    over.end_sound();
    assert_eq!(hours(&mut over), 10, "to a second behind its end");
}

#[test]
fn less_than_a_second_gives_nothing() {
    assert!(cut(&[(0, SECOND - 4_000)], 40, u64::MAX, 4.0).is_empty());
    assert!(cut(&[], 40, u64::MAX, 4.0).is_empty());
}

#[test]
fn one_loud_second_makes_a_piece_that_is_not_silent() {
    // A constant offset is no sound.
    for offset in [0, 20, -3_000] {
        let mut pcm = vec![offset; 5 * SECOND];
        assert!(is_silent(&pcm, SECOND), "an offset of {offset}");
        let mut loud = |level: i16| {
            for pair in pcm[2 * SECOND..3 * SECOND].chunks_exact_mut(2) {
                pair.copy_from_slice(&[offset + level, offset - level]);
            }
            !is_silent(&pcm, SECOND)
        };
        assert!(loud(33), "-59.9 dBFS");
        assert!(!loud(32), "-60.2 dBFS");
    }
}
