//! Without the pictures that are dropped, every window has the frame that it has with all of
//! them.

use std::time::Instant;

use proptest::prelude::*;

use super::coded::Coded;
use super::pictures::Pictures;
use super::wanted::Heard;
use super::*;
use crate::time::Hop;
use crate::window::{MomentMaker, MomentOrGap, Pace, Timed, Windower};
use crate::window_spec::WindowSpec;

const MS: u64 = 1_000_000;
const WINDOW: usize = WindowSpec::PAPER.window_samples;

#[derive(Clone, Debug, PartialEq)]
struct Shown(u64, u64);

impl Timed for Shown {
    fn at(&self) -> MediaTime {
        MediaTime(self.0)
    }
    fn duration_ns(&self) -> Option<u64> {
        Some(self.1)
    }
    fn bytes(&self) -> usize {
        0
    }
}

/// A group of pictures that is decoded together: its last one first.
#[derive(Clone, Debug)]
struct Group {
    size: usize,
    pyramid: bool,
    /// What its last picture is. Before a start there are no others.
    last: Coded,
}

fn group() -> impl Strategy<Value = Group> {
    let last = prop_oneof![
        12 => Just(Coded::Reference),
        2 => Just(Coded::Key),
        4 => Just(Coded::Start),
        1 => Just(Coded::Apart),
    ];
    (1_usize..9, any::<bool>(), last).prop_map(|(size, pyramid, last)| Group {
        size: match last {
            Coded::Start => 1,
            _ => size,
        },
        pyramid,
        last,
    })
}

/// A picture's kind and when it is shown, in the order of decoding.
fn coded(groups: &[Group], begin: u64, step: u64) -> Vec<(Coded, u64)> {
    let mut pictures = vec![(Coded::Start, begin)];
    let mut last = begin;
    for Group {
        size,
        pyramid,
        last: anchor,
    } in groups
    {
        let shown = |k: usize| last + step * k as u64;
        pictures.push((*anchor, shown(*size)));
        let middle = size / 2;
        if *pyramid && *size > 2 {
            pictures.push((Coded::Reference, shown(middle)));
        }
        for k in (1..*size).filter(|k| !(*pyramid && *size > 2 && *k == middle)) {
            pictures.push((Coded::Unreferenced, shown(k)));
        }
        last = shown(*size);
    }
    pictures
}

/// A block of sound: by how much it is off where the last one ended, and its length.
fn blocks() -> impl Strategy<Value = Vec<(i64, usize)>> {
    let off = prop_oneof![
        40 => Just(0_i64),
        4 => -240_i64..240,
        1 => -960_i64..960,
        1 => -3_000_i64..20_000,
    ];
    prop::collection::vec(
        (off, prop_oneof![Just(1_024_usize), 1_usize..5_000]),
        1..400,
    )
}

/// Where blocks begin, and their lengths.
fn placed(begin: u64, blocks: &[(i64, usize)]) -> Vec<(SamplePos, usize)> {
    let mut next = begin;
    let place = |&(off, samples): &(i64, usize)| {
        let at = next.saturating_add_signed(off);
        next = at + samples as u64;
        (SamplePos(at), samples)
    };
    blocks.iter().map(place).collect()
}

/// What comes of some sound and frames.
fn moments(
    sound: &[(SamplePos, usize)],
    frames: &[u64],
    step: u64,
    hop: Hop,
    every: u64,
) -> Vec<String> {
    let now = Instant::now();
    let (mut out, silence) = (Vec::new(), vec![0.0; 5_000]);
    let mut maker =
        MomentMaker::new(WindowSpec::PAPER, hop, Pace::File).with_frame_every(MediaTime(every));
    let mut frames = frames.iter().peekable();
    for &(at, samples) in sound {
        maker.push_sound(at, &silence[..samples], now, &mut out);
        while let Some(&frame) = frames.next_if(|&&frame| frame <= at.to_time().0) {
            maker.push_frame(Shown(frame, step));
        }
        maker.poll(now, &mut out);
    }
    maker.end_sound();
    frames.for_each(|&frame| maker.push_frame(Shown(frame, step)));
    maker.end_picture();
    maker.finish(true, 480, &mut out);
    let told = |made: MomentOrGap<Shown>| match made {
        MomentOrGap::Moment(m) => format!("{} {:?} {:?} {}", m.seq, m.start, m.end, m.frame.0),
        MomentOrGap::Gap(gap) => format!("{gap:?}"),
    };
    out.into_iter().map(told).collect()
}

/// The times of the pictures that are decoded, in the order in which they are shown.
fn decoded(
    pictures: &[(Coded, u64)],
    sound: &[(SamplePos, usize)],
    looks: Looks,
    lead_ms: &[i64],
) -> Vec<u64> {
    let mut heard = Heard::new(looks, MediaTime::ZERO);
    let mut state = Pictures::new(MediaTime::ZERO);
    let mut blocks = sound.iter().peekable();
    let leads = lead_ms.iter().cycle();
    let mut kept = Vec::new();
    for (&(kind, at), lead) in pictures.iter().zip(leads) {
        let until = at.saturating_add_signed(*lead * MS as i64);
        while let Some(&(at, samples)) = blocks.next_if(|(at, _)| at.to_time().0 < until) {
            heard.take(at, samples);
        }
        if blocks.peek().is_none() {
            heard.end();
        }
        kept.extend(state.take((kind, at), kind, MediaTime(at), &heard));
    }
    kept.extend(state.release_all());
    assert_decodable(pictures, &kept);
    let mut times: Vec<u64> = kept.iter().map(|(_, at)| *at).collect();
    times.sort_unstable();
    times
}

/// What is kept is in the order of decoding, and of what is not, nothing that is kept refers to
/// it: it is unreferenced, or all that follow it up to a start are not kept either.
fn assert_decodable(pictures: &[(Coded, u64)], kept: &[(Coded, u64)]) {
    let mut rest = kept.iter().peekable();
    let mut is_broken = false;
    for picture in pictures {
        is_broken &= picture.0 != Coded::Start;
        if rest.next_if(|next| *next == picture).is_some() {
            assert!(!is_broken, "{picture:?} has lost what it refers to");
        } else {
            is_broken |= picture.0 != Coded::Unreferenced;
        }
    }
    assert_eq!(rest.next(), None, "out of order");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any groups of pictures, any sound that breaks off and goes on, heard earlier or later
    /// than the pictures come to be decoded.
    #[test]
    fn skipping_never_changes_the_chosen_frame(
        groups in prop::collection::vec(group(), 1..60),
        step_ms in 5_u64..120,
        begin_ms in 0_u64..300,
        sound_begin in prop_oneof![Just(0_u64), 0_u64..20_000],
        blocks in blocks(),
        hop_s in prop_oneof![Just(1.0), 0.1_f64..=1.0],
        every_ms in prop_oneof![3 => Just(0_u64), 1 => 1_u64..1_000],
        lead_ms in prop::collection::vec(-900_i64..1_500, 1..20),
    ) {
        let step = step_ms * MS + 333_333;
        let pictures = coded(&groups, begin_ms * MS, step);
        let sound = placed(sound_begin, &blocks);
        let hop = Hop::from_secs(hop_s).expect("in range");
        let looks = match every_ms {
            0 => Looks::Windows { window: WINDOW, hop: hop.samples() },
            ms => Looks::Steps(ms * MS),
        };
        let mut all: Vec<u64> = pictures.iter().map(|(_, at)| *at).collect();
        all.sort_unstable();
        let kept = decoded(&pictures, &sound, looks, &lead_ms);
        let [with_all, without] =
            [&all, &kept].map(|frames| moments(&sound, frames, step, hop, every_ms * MS));
        prop_assert_eq!(with_all, without, "{} of {} decoded", kept.len(), all.len());
    }

    /// The positions of the sound give the windows that its samples give.
    #[test]
    fn windows_begin_where_they_are_expected(
        begin in prop_oneof![0_u64..2_000, Just(48_000_u64)],
        blocks in blocks(),
        hop_s in 0.1_f64..=1.0,
    ) {
        let hop = Hop::from_secs(hop_s).expect("in range");
        let looks = Looks::Windows { window: WINDOW, hop: hop.samples() };
        let mut heard = Heard::new(looks, MediaTime::ZERO);
        let mut windower = Windower::new(WindowSpec::PAPER, hop);
        let silence = vec![0.0; 5_000];
        for (at, samples) in placed(begin, &blocks) {
            heard.take(at, samples);
            windower.push(at, &silence[..samples], Instant::now(), |_| {});
            prop_assert_eq!(heard.expected(), windower.end());
            let next = windower.next_start().expect("it has begun");
            let middle = next.plus(WINDOW / 2).to_time();
            let unwanted = heard.is_unwanted(middle, middle, middle);
            prop_assert!(!unwanted, "a window has its middle at {}", middle.0);
        }
    }
}

/// The share of the pictures that is decoded of 40 s of groups.
fn share(group: &Group, step_ms: u64, lead_ms: i64) -> f64 {
    let count = 40_000 / (step_ms * group.size as u64);
    let pictures = coded(&vec![group.clone(); count as usize], 0, step_ms * MS);
    let sound = placed(0, &[(0, 1_024); 2_000]);
    let looks = Looks::Windows {
        window: WINDOW,
        hop: 48_000,
    };
    let kept = decoded(&pictures, &sound, looks, &[lead_ms]);
    kept.len() as f64 / pictures.len() as f64
}

#[test]
fn of_a_film_a_third_to_a_half_is_not_decoded() {
    let film = Group {
        size: 4,
        pyramid: true,
        last: Coded::Reference,
    };
    let share = |lead_ms| share(&film, 40, lead_ms);
    assert!(share(0) < 0.6, "{}", share(0));
    assert!(
        (share(0) - share(2_000)).abs() < 1e-9,
        "half a second may be missing"
    );
    assert!(share(-1_000) > 0.98, "known is only the first half second");
}

#[test]
fn of_pictures_that_stand_for_themselves_one_in_a_third_of_a_second_is_decoded() {
    let single = Group {
        size: 1,
        pyramid: false,
        last: Coded::Start,
    };
    for (step_ms, most) in [(40, 0.2), (33, 0.17), (20, 0.1), (100, 0.45)] {
        let share = share(&single, step_ms, 2_000);
        assert!(share < most, "{share} at {step_ms} ms");
    }
    assert!(share(&single, 40, -1_000) > 0.95, "nobody knows yet");
}

#[test]
fn what_is_unusual_is_decoded() {
    let all = Looks::Windows {
        window: WINDOW,
        hop: 48_000,
    };
    let mut heard = Heard::new(all, MediaTime::ZERO);
    heard.take(SamplePos(0), 480_000);
    let time = |ms: u64| MediaTime(ms * MS);
    let take =
        |pictures: &mut Pictures<u64>, kind, ms: u64| pictures.take(ms, kind, time(ms), &heard);
    let settled = || {
        let mut pictures = Pictures::new(MediaTime::ZERO);
        for (kind, ms) in [(Coded::Start, 0), (Coded::Reference, 120)] {
            assert!(take(&mut pictures, kind, ms).is_empty(), "it is held");
        }
        pictures
    };
    let drops = |pictures: &mut Pictures<u64>, ms| {
        let mut decoded = take(pictures, Coded::Unreferenced, ms);
        decoded.extend(pictures.release_all());
        !decoded.contains(&ms)
    };
    assert!(drops(&mut settled(), 40));
    assert!(!drops(&mut settled(), 160), "nothing is shown after it");
    assert!(!drops(&mut settled(), 120), "two at one time");
    let mut restarted = settled();
    assert_eq!(restarted.restart(), [0, 120]);
    assert!(!drops(&mut restarted, 40), "no key picture yet");
    let mut jumped = settled();
    assert_eq!(take(&mut jumped, Coded::Reference, 5_000), [0, 120, 5_000]);
    assert!(!drops(&mut jumped, 40), "times jump");
    let mut unknown = settled();
    assert_eq!(take(&mut unknown, Coded::Unknown, 160), [0, 120, 160]);
    assert!(!drops(&mut unknown, 40));
    // The last ones before a start, and all of what is in them.
    let mut last = settled();
    assert!(take(&mut last, Coded::Unreferenced, 40).is_empty());
    assert!(take(&mut last, Coded::Apart, 150).is_empty());
    assert_eq!(take(&mut last, Coded::Start, 200), [0]);
    assert_eq!(last.release_all(), [200]);
    let mut looked_at = settled();
    assert_eq!(take(&mut looked_at, Coded::Reference, 480), [0]);
    assert_eq!(take(&mut looked_at, Coded::Start, 520), [120, 480]);
}
