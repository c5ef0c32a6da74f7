//! Blocks of any size, holes, overlaps and jumps.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]

use super::*;
use proptest::prelude::*;

const WINDOW: usize = WindowSpec::PAPER.window_samples;

fn windower(hop: Hop) -> Windower {
    Windower::new(WindowSpec::PAPER, hop)
}

/// The number of each sample as its value, so that a slip of one shows.
fn clip(samples: usize) -> Vec<f32> {
    (0..samples).map(|i| i as f32).collect()
}

fn run(windower: &mut Windower, blocks: &[(u64, &[f32])], finish: bool) -> Vec<SoundEvent> {
    let now = Instant::now();
    let mut events = Vec::new();
    for (at, pcm) in blocks {
        windower.push(SamplePos(*at), pcm, now, |e| events.push(e));
    }
    if finish {
        windower.finish(true, TAIL_SAMPLES, |e| events.push(e));
    }
    events
}

fn windows(events: &[SoundEvent]) -> Vec<(u64, bool)> {
    events
        .iter()
        .filter_map(|e| match e {
            SoundEvent::Window(w) => Some((w.start.0, w.padded)),
            SoundEvent::Broken(_) => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the block sizes and the hop, the windows are those of the
    /// whole clip, sample for sample.
    #[test]
    fn windows_do_not_depend_on_blocks(
        samples in 1_usize..250_000,
        hop_s in 0.1_f64..=1.0,
        sizes in prop::collection::vec(1_usize..20_000, 1..40),
    ) {
        let pcm = clip(samples);
        let hop = Hop::from_secs(hop_s).unwrap();
        let mut windower = windower(hop);
        let mut blocks = Vec::new();
        let (mut at, mut k) = (0, 0);
        while at < samples {
            let n = sizes[k % sizes.len()].min(samples - at);
            blocks.push((at as u64, &pcm[at..at + n]));
            at += n;
            k += 1;
        }
        let events = run(&mut windower, &blocks, true);

        let mut want = Vec::new();
        let mut start = 0;
        while start + WINDOW <= samples + TAIL_SAMPLES {
            want.push(start);
            start += hop.samples();
        }
        let short = want.is_empty();
        if short { want.push(0); }
        prop_assert_eq!(events.len(), want.len());
        for (event, start) in events.iter().zip(want) {
            let SoundEvent::Window(w) = event else { panic!("a hole in unbroken sound") };
            prop_assert_eq!(w.start, SamplePos(start as u64));
            prop_assert_eq!(w.padded, short);
            prop_assert_eq!(w.pcm.len(), WINDOW);
            for (i, &v) in w.pcm.iter().enumerate() {
                let want = pcm.get(start + i).copied().unwrap_or(0.0);
                prop_assert_eq!(v, want);
            }
        }
    }

    /// Timestamps that a container rounds to milliseconds change nothing.
    #[test]
    fn rounded_timestamps_are_no_holes(size in 100_usize..5_000, seconds in 1_usize..5) {
        let pcm = clip(seconds * WINDOW);
        let blocks: Vec<_> = pcm.chunks(size).enumerate()
            .map(|(i, c)| (((i * size) as u64 + 24) / 48 * 48, c)).collect();
        let events = run(&mut windower(Hop::SECOND), &blocks, true);
        prop_assert_eq!(events.len(), seconds);
        for (k, e) in events.iter().enumerate() {
            let SoundEvent::Window(w) = e else { panic!("a hole") };
            prop_assert_eq!(w.pcm[0], (k * WINDOW) as f32);
        }
    }

    /// A clock that runs off by a few hundred ppm never breaks the sound and
    /// never moves the windows from the timestamps by more than the slip.
    #[test]
    fn a_drifting_clock_is_followed(ppm in -300_i64..300) {
        let block = vec![0.0; 480];
        let mut windower = windower(Hop::SECOND);
        let now = Instant::now();
        let mut broken = 0;
        for k in 0..60_000_i64 {
            let at = k * 480 + k * 480 * ppm / 1_000_000;
            windower.push(SamplePos(at as u64), &block, now, |e| {
                broken += u32::from(matches!(e, SoundEvent::Broken(_)));
            });
            prop_assert!((windower.end().0 as i64 - at - 480).abs() <= SLIP_SAMPLES as i64);
        }
        prop_assert_eq!(broken, 0);
    }
}

proptest! {
    /// Blocks as short and as far off as they like: nothing panics, windows are whole, and
    /// time never goes back.
    #[test]
    fn any_blocks_give_whole_windows_in_order(
        begin in 0_u64..2_000,
        blocks in prop::collection::vec((-1_500_i64..1_500, 1_usize..3_000), 1..200),
        hop_s in 0.1_f64..=1.0,
    ) {
        let silence = vec![0.0; 3_000];
        let mut windower = windower(Hop::from_secs(hop_s).expect("in range"));
        let (mut next, mut last) = (begin, 0);
        let now = Instant::now();
        for (off, samples) in blocks {
            let at = next.saturating_add_signed(off);
            next = at + samples as u64;
            let mut starts = Vec::new();
            windower.push(SamplePos(at), &silence[..samples], now, |event| {
                if let SoundEvent::Window(window) = event {
                    starts.push((window.start.0, window.pcm.len()));
                }
            });
            for (start, samples) in starts {
                prop_assert_eq!(samples, WINDOW);
                prop_assert!(start >= last, "{} before {}", start, last);
                last = start;
            }
        }
    }
}

#[test]
fn a_hole_of_more_than_20_ms_ends_the_window() {
    let (a, b) = (clip(60_000), clip(48_000));
    let blocks: &[(u64, &[f32])] = &[(0, &a), (60_961, &b)];
    let events = run(&mut windower(Hop::SECOND), blocks, true);
    assert_eq!(windows(&events), [(0, false), (60_961, false)]);
    assert_eq!(
        events[1],
        SoundEvent::Broken(Discontinuity {
            from: SamplePos(48_000),
            expected: SamplePos(60_000),
            got: SamplePos(60_961),
        })
    );
}

#[test]
fn a_hole_of_20_ms_is_bridged() {
    let (a, b) = (vec![0.0; 60_000], vec![1.0; 48_000]);
    let blocks: &[(u64, &[f32])] = &[(0, &a), (60_960, &b)];
    let events = run(&mut windower(Hop::SECOND), blocks, true);
    assert_eq!(windows(&events), [(0, false), (48_000, false)]);
    let SoundEvent::Window(w) = &events[1] else {
        panic!()
    };
    assert!((w.pcm[12_000 + 480] - 0.5).abs() < 0.01, "a straight line");
}

#[test]
fn sound_that_jumps_back_is_not_repeated() {
    let pcm = clip(100_000);
    let blocks: &[(u64, &[f32])] = &[
        (0, &pcm[..50_000]),
        (0, &pcm[..50_000]),
        (50_000, &pcm[50_000..]),
    ];
    let events = run(&mut windower(Hop::SECOND), blocks, true);
    assert_eq!(windows(&events), [(0, false), (48_000, false)]);
}

#[test]
fn a_first_block_that_is_stamped_too_late_costs_no_sound() {
    let pcm = clip(48_000);
    let blocks: &[(u64, &[f32])] = &[(480, &pcm[..1_152]), (1_152, &pcm[1_152..])];
    let events = run(&mut windower(Hop::SECOND), blocks, false);
    let [SoundEvent::Window(w)] = &events[..] else {
        panic!("{}", events.len())
    };
    assert_eq!(w.pcm, pcm);
}

#[test]
fn after_a_break_there_is_no_inserted_silence_to_remove() {
    let pcm = clip(60_000);
    let blocks: &[(u64, &[f32])] = &[
        // Starts 19 ms late, breaks off, and overlaps by 18 ms after a shorter block.
        (900, &pcm[..1_024]),
        (10_000, &pcm[..600]),
        (9_740, &pcm[600..50_000]),
    ];
    let events = run(&mut windower(Hop::SECOND), blocks, false);
    let [SoundEvent::Broken(_), SoundEvent::Window(w)] = &events[..] else {
        panic!("{}", events.len())
    };
    assert_eq!(w.start, SamplePos(10_000));
    // Of real sound, what came first is kept.
    assert_eq!(w.pcm[..600], pcm[..600]);
    assert_eq!(w.pcm[600], pcm[600 + 860]);
}

#[test]
fn a_late_start_moves_the_grid() {
    let pcm = clip(48_000);
    let events = run(&mut windower(Hop::SECOND), &[(24_000, &pcm)], true);
    assert_eq!(windows(&events), [(24_000, false)]);
}

#[test]
fn a_short_clip_is_padded_once_and_a_remainder_is_not() {
    let pcm = clip(48_000 + 47_519);
    let events = run(&mut windower(Hop::SECOND), &[(0, &pcm[..10])], true);
    assert_eq!(windows(&events), [(0, true)]);
    let events = run(&mut windower(Hop::SECOND), &[(0, &pcm)], true);
    assert_eq!(windows(&events), [(0, false)]);
}

#[test]
fn no_sound_gives_no_events() {
    assert!(run(&mut windower(Hop::SECOND), &[], true).is_empty());
    assert!(run(&mut windower(Hop::SECOND), &[(0, &[])], true).is_empty());
}
