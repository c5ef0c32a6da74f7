//! What is emitted for sound and picture that arrive, end, break off and go missing.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Shown(u64);

impl Timed for Shown {
    fn at(&self) -> MediaTime {
        MediaTime(self.0)
    }
    fn duration_ns(&self) -> Option<u64> {
        Some(40_000_000)
    }
    fn bytes(&self) -> usize {
        1
    }
}

const MS: u64 = 1_000_000;

fn maker(hop: Hop, pace: Pace) -> MomentMaker<Shown> {
    MomentMaker::new(WindowSpec::PAPER, hop, pace)
}

/// Sound in blocks of 20 ms over the given milliseconds.
fn sound(
    maker: &mut MomentMaker<Shown>,
    from_ms: u64,
    to_ms: u64,
    now: Instant,
) -> Vec<MomentOrGap<Shown>> {
    let mut out = Vec::new();
    for at in (from_ms..to_ms).step_by(20) {
        maker.push_sound(SamplePos(at * 48), &[0.5; 960], now, &mut out);
        maker.poll(now, &mut out);
    }
    out
}

fn picture(maker: &mut MomentMaker<Shown>, from_ms: u64, to_ms: u64) {
    for at in (from_ms..to_ms).step_by(40) {
        maker.push_frame(Shown(at * MS));
    }
}

fn summary(made: &[MomentOrGap<Shown>]) -> Vec<String> {
    made.iter()
        .map(|m| match m {
            MomentOrGap::Moment(m) => format!("{} {}@{}", m.seq, m.start.0 / MS, m.frame.0 / MS),
            MomentOrGap::Gap(g) => format!(
                "{} {}-{} lost {}",
                g.why.name(),
                g.start.0 / MS,
                g.end.0 / MS,
                g.lost
            ),
        })
        .collect()
}

fn whole(pace: Pace, sounds: &[(u64, u64)], pictures: &[(u64, u64)]) -> Vec<String> {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, pace);
    let mut out = Vec::new();
    for &(from, to) in pictures {
        picture(&mut maker, from, to);
    }
    for &(from, to) in sounds {
        out.extend(sound(&mut maker, from, to, now));
    }
    maker.finish(true, TAIL_SAMPLES, &mut out);
    summary(&out)
}

#[test]
fn sound_and_picture_make_moments() {
    let got = whole(Pace::File, &[(0, 2_000)], &[(0, 2_000)]);
    assert_eq!(got, ["0 0@480", "1 1000@1480"]);
}

#[test]
fn a_picture_that_ends_early_is_one_gap() {
    let got = whole(Pace::File, &[(0, 4_000)], &[(0, 1_000)]);
    assert_eq!(got, ["0 0@480", "no_video 1000-4000 lost 3"]);
}

#[test]
fn sound_only_and_picture_only_are_one_gap() {
    assert_eq!(
        whole(Pace::File, &[(0, 3_000)], &[]),
        ["no_video 0-3000 lost 3"]
    );
    assert_eq!(
        whole(Pace::File, &[], &[(0, 3_000)]),
        ["no_audio 0-3000 lost 3"]
    );
    assert_eq!(
        whole(Pace::File, &[], &[(0, 400)]),
        ["no_audio 0-400 lost 1"]
    );
}

#[test]
fn sound_that_starts_late_or_ends_early_is_reported() {
    let got = whole(Pace::File, &[(2_500, 4_500)], &[(0, 7_000)]);
    assert_eq!(
        got,
        [
            "no_audio 0-2500 lost 2",
            "0 2500@3000",
            "1 3500@4000",
            "no_audio 4500-7000 lost 2"
        ]
    );
}

#[test]
fn a_hole_in_the_sound_is_reported_between_its_neighbours() {
    let got = whole(Pace::File, &[(0, 1_500), (3_200, 4_200)], &[(0, 4_200)]);
    assert_eq!(
        got,
        ["0 0@480", "discontinuity 1000-3200 lost 2", "1 3200@3680"]
    );
}

#[test]
fn sound_that_breaks_off_all_the_time_is_one_gap() {
    let pieces: Vec<_> = (0..100).map(|k| (k * 60, k * 60 + 20)).collect();
    let got = whole(Pace::File, &pieces, &[(0, 6_000)]);
    assert_eq!(got, ["discontinuity 0-5940 lost 5"]);
}

#[test]
fn a_short_clip_is_padded_in_a_file_and_not_live() {
    assert_eq!(whole(Pace::File, &[(0, 600)], &[(0, 600)]), ["0 0@480"]);
    assert!(whole(Pace::Live, &[(0, 600)], &[(0, 600)]).is_empty());
}

#[test]
fn a_live_window_waits_for_its_frame_but_not_for_ever() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    picture(&mut maker, 0, 400);
    let mut out = sound(&mut maker, 0, 1_000, now);
    assert!(out.is_empty(), "a frame after the middle may come");
    maker.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(summary(&out), ["0 0@360"]);
}

#[test]
fn a_live_camera_without_picture_is_reported_every_second() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    let mut out = sound(&mut maker, 0, 2_000, now);
    maker.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(summary(&out), ["no_video 0-2000 lost 2"]);
}

#[test]
fn a_live_camera_without_sound_is_reported_every_second() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    let mut out = Vec::new();
    picture(&mut maker, 0, 6_100);
    maker.poll(now, &mut out);
    assert_eq!(
        summary(&out),
        [
            "no_audio 0-1000 lost 1",
            "no_audio 1000-2000 lost 1",
            "no_audio 2000-3000 lost 1"
        ]
    );
    // Once there is sound, nothing is reported twice.
    out = sound(&mut maker, 6_100, 7_100, now);
    maker.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(summary(&out)[0], "no_audio 3000-6100 lost 3");
}

#[test]
fn a_live_picture_that_is_an_hour_ahead_is_one_gap() {
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    let mut out = Vec::new();
    for at in [0, 3_600_100] {
        maker.push_frame(Shown(at * MS));
        maker.poll(Instant::now(), &mut out);
    }
    assert_eq!(summary(&out), ["no_audio 0-3597000 lost 3597"]);
    for at in [3_601_200, u64::MAX / MS] {
        maker.push_frame(Shown(at * MS));
        maker.poll(Instant::now(), &mut out);
    }
    assert_eq!(out.len(), 3, "{:?}", summary(&out));
}

#[test]
fn windows_that_overlap_are_all_counted_where_live_sound_is_missing() {
    let hop = Hop::from_secs(0.1).expect("a hop");
    let mut maker = self::maker(hop, Pace::Live);
    let mut out = Vec::new();
    picture(&mut maker, 0, 5_100);
    maker.poll(Instant::now(), &mut out);
    assert_eq!(
        summary(&out),
        ["no_audio 0-1000 lost 10", "no_audio 1000-2000 lost 10"]
    );
}

/// Sound that is always `late_ms` behind the picture.
fn late(late_ms: u64) -> Vec<String> {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    let mut out = Vec::new();
    for at in (0..10_000).step_by(200) {
        picture(&mut maker, at, at + 200);
        if let Some(heard) = at.checked_sub(late_ms) {
            out.extend(sound(&mut maker, heard, heard + 200, now));
        }
        maker.poll(now, &mut out);
    }
    summary(&out)
}

#[test]
fn late_live_sound_is_judged_or_reported_and_never_both() {
    let judged = late(3_000);
    assert_eq!(judged[..2], ["0 0@480", "1 1000@1480"]);
    assert!(!judged.iter().any(|line| line.starts_with("no_audio")));
    let missing = late(6_000);
    assert_eq!(missing.len(), 6, "{missing:?}");
    for (second, line) in missing.iter().enumerate() {
        let (from, to) = (second * 1_000, second * 1_000 + 1_000);
        assert_eq!(*line, format!("no_audio {from}-{to} lost 1"));
    }
}

#[test]
fn an_outage_is_reported_up_to_each_reopening() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    picture(&mut maker, 0, 1_500);
    let mut out = sound(&mut maker, 0, 1_500, now);
    for at in [4_000, 9_000] {
        maker.reopen(MediaTime(at * MS), &mut out);
    }
    picture(&mut maker, 9_200, 11_000);
    out.extend(sound(&mut maker, 9_200, 10_200, now));
    maker.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(
        summary(&out),
        [
            "0 0@480",
            "discontinuity 1000-4000 lost 3",
            "discontinuity 4000-9000 lost 5",
            "discontinuity 9000-9200 lost 0",
            "1 9200@9680"
        ]
    );
}

#[test]
fn a_window_in_which_live_sound_broke_off_is_part_of_the_gap() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::Live);
    picture(&mut maker, 0, 1_400);
    let mut out = sound(&mut maker, 0, 1_400, now);
    picture(&mut maker, 1_400, 6_500);
    maker.poll(now, &mut out);
    assert_eq!(
        summary(&out),
        [
            "0 0@480",
            "no_audio 1000-2400 lost 1",
            "no_audio 2400-3400 lost 1"
        ]
    );
    out = sound(&mut maker, 6_000, 7_000, now);
    maker.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(
        summary(&out),
        ["discontinuity 3400-6000 lost 2", "1 6000@6480"]
    );
}

#[test]
fn a_stopped_stream_reports_no_remainder() {
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::File);
    picture(&mut maker, 0, 3_000);
    let mut out = sound(&mut maker, 0, 1_600, now);
    maker.finish(false, TAIL_SAMPLES, &mut out);
    assert_eq!(summary(&out), ["0 0@480"]);
}

#[test]
fn a_stopped_file_does_not_guess_the_frame() {
    // A later run resumes it, and must find what an uninterrupted one finds.
    let now = Instant::now();
    let mut maker = self::maker(Hop::SECOND, Pace::File);
    picture(&mut maker, 0, 400);
    let mut out = sound(&mut maker, 0, 1_600, now);
    maker.finish(false, TAIL_SAMPLES, &mut out);
    assert!(out.is_empty(), "{:?}", summary(&out));
}

#[test]
fn a_limit_waits_for_what_is_read_later() {
    let now = Instant::now();
    let limit = MediaTime(1_000 * MS);
    let mut file = maker(Hop::SECOND, Pace::File);
    picture(&mut file, 0, 9_000);
    assert!(!file.has_reached(limit, false), "its sound is read later");
    assert!(file.has_reached(limit, true), "it has none");
    sound(&mut file, 0, 1_000, now);
    assert!(file.has_reached(limit, false));

    let mut live = maker(Hop::SECOND, Pace::Live);
    picture(&mut live, 0, 5_100);
    assert!(
        live.has_reached(limit, false),
        "its sound would be here by now"
    );
}

#[test]
fn frames_without_sound_do_not_accumulate() {
    let now = Instant::now();
    // A camera without sound keeps some seconds of frames.
    let mut camera = maker(Hop::SECOND, Pace::Live);
    let mut out = Vec::new();
    picture(&mut camera, 0, 600_000);
    camera.poll(now, &mut out);
    assert!(
        camera.frames.frame_count() <= 127,
        "{}",
        camera.frames.frame_count()
    );
    // When its sound starts, or restarts, the frames around it are there.
    let mut out = sound(&mut camera, 599_000, 600_000, now);
    camera.poll(now + FRAME_TIMEOUT, &mut out);
    assert_eq!(summary(&out).last().unwrap(), "0 599000@599480");
    picture(&mut camera, 600_000, 900_000);
    assert!(
        camera.frames.frame_count() <= 127,
        "{}",
        camera.frames.frame_count()
    );

    let mut soundless = maker(Hop::SECOND, Pace::File);
    soundless.end_sound();
    picture(&mut soundless, 0, 600_000);
    assert!(
        soundless.frames.frame_count() <= 14,
        "{}",
        soundless.frames.frame_count()
    );

    // A last window that is short by a tail: its frame must be there.
    let mut ends_early = maker(Hop::SECOND, Pace::File);
    let mut out = sound(&mut ends_early, 0, 1_980, now);
    ends_early.push_sound(SamplePos(1_980 * 48), &[0.5; 600], now, &mut out);
    ends_early.end_sound();
    picture(&mut ends_early, 0, 600_000);
    assert!(
        ends_early.frames.frame_count() <= 39,
        "{}",
        ends_early.frames.frame_count()
    );
    ends_early.finish(true, TAIL_SAMPLES, &mut out);
    assert_eq!(
        summary(&out),
        ["0 0@480", "1 1000@1480", "no_audio 2000-600000 lost 598"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever arrives or goes missing, the number of frames stays bounded.
    #[test]
    fn the_number_of_frames_is_bounded(
        live in any::<bool>(),
        steps in prop::collection::vec((0_u8..5, 1_u64..20_000), 1..60),
    ) {
        let now = Instant::now();
        let pace = if live { Pace::Live } else { Pace::File };
        let mut maker = self::maker(Hop::SECOND, pace);
        let (mut out, mut heard, mut seen) = (Vec::new(), 0, 0);
        // Each step begins with a frame, however soon after the last.
        let uneven = steps.len();
        for (what, ms) in steps {
            match what {
                0 | 1 => {
                    let from = if what == 0 { heard } else { seen.max(heard) };
                    heard = from + ms.min(3_000) / 20 * 20;
                    out.extend(sound(&mut maker, from, heard, now));
                }
                2 => {
                    picture(&mut maker, seen, seen + 4 * ms);
                    seen += 4 * ms;
                }
                3 => maker.end_sound(),
                _ if live => {
                    let at = maker.length();
                    maker.reopen(at, &mut out);
                    (heard, seen) = (at.0 / MS + 1_000, at.0 / MS + 1_000);
                }
                _ => {}
            }
            // A minute of frames in a file, each counted as 64 KiB at least.
            let max = if live { 127 + uneven } else { 8_192 };
            prop_assert!(maker.frames.frame_count() <= max, "{} frames", maker.frames.frame_count());
        }
    }

    /// Live time is told once, in order, without holes, from the first sound or gap on.
    #[test]
    fn live_time_has_no_holes(
        hop in prop_oneof![Just(0.1), Just(0.5), Just(1.0)],
        steps in prop::collection::vec((0_u8..5, 1_u64..9_000), 1..60),
    ) {
        let mut now = Instant::now();
        let mut maker = self::maker(Hop::from_secs(hop).expect("a hop"), Pace::Live);
        let (mut out, mut heard, mut seen) = (Vec::new(), 0, 0);
        for (what, ms) in steps {
            let ms = ms / 20 * 20 + 20;
            match what {
                // Both, or one of them.
                0 | 1 => {
                    picture(&mut maker, seen, heard + ms);
                    out.extend(sound(&mut maker, heard, heard + ms, now));
                    heard += ms;
                    seen = seen.max(heard);
                }
                2 => {
                    out.extend(sound(&mut maker, heard, heard + ms, now));
                    heard += ms;
                }
                3 => {
                    picture(&mut maker, seen, seen + ms);
                    seen += ms;
                }
                _ => {
                    // By the clock, which does not go back.
                    let at = maker.length().max(maker.emitted()).0 / MS + 1 + ms % 2_000;
                    maker.reopen(MediaTime(at * MS), &mut out);
                    (heard, seen) = (at + ms / 10, at + ms / 10);
                }
            }
            now += Duration::from_millis(ms);
            maker.poll(now, &mut out);
        }
        let mut told = None;
        for made in &out {
            let (start, end) = match made {
                MomentOrGap::Moment(moment) => (moment.start, moment.end),
                MomentOrGap::Gap(gap) => (gap.start, gap.end),
            };
            let told_until = told.unwrap_or(start);
            prop_assert!(start < end, "{:?}", summary(&out));
            // With short hops windows overlap, also those that are missing.
            let overlaps = hop < 1.0 && start < told_until;
            prop_assert!(start == told_until || overlaps, "{:?}", summary(&out));
            told = Some(told_until.max(end));
        }
    }
}
