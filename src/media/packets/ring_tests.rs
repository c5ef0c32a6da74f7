//! Streams of 25 pictures and 50 packets of sound a second, a key picture every second.

use super::*;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
/// The time of day at running time zero.
const ZERO: i64 = 1_767_225_600 * SECOND;
const BYTES: usize = 10_000;

fn packet(kind: Kind, at_ms: i64, is_key: bool) -> Stamped<i64> {
    Stamped {
        kind,
        is_key,
        pts_ns: at_ms * MS,
        duration_ns: Some(20 * MS),
        arrived_ns: ZERO + at_ms * MS,
        bytes: BYTES - OVERHEAD_BYTES,
        payload: at_ms,
    }
}

fn picture(at_ms: i64) -> Stamped<i64> {
    packet(Kind::Picture, at_ms, at_ms % 1_000 == 0)
}

fn sound(at_ms: i64) -> Stamped<i64> {
    packet(Kind::Sound, at_ms, true)
}

struct Tested {
    ring: Ring<i64>,
    /// Since the beginning of the day.
    now_ms: i64,
}

impl Tested {
    fn new(before_s: u64, max_bytes: usize) -> Self {
        Self {
            ring: Ring::new(Duration::from_secs(before_s), max_bytes),
            now_ms: 0,
        }
    }

    fn push(&mut self, packet: Stamped<i64>) {
        let now = packet.arrived_ns.max(ZERO + self.now_ms * MS);
        self.now_ms = (now - ZERO) / MS;
        self.ring.push(packet, Some(ZERO));
        self.ring.trim(now);
    }

    /// Sound and picture from one time to another.
    fn play(&mut self, from_ms: i64, to_ms: i64) {
        for at in (from_ms..to_ms).step_by(20) {
            self.push(sound(at));
            if at % 40 == 0 {
                self.push(picture(at));
            }
        }
    }

    /// Where a clip from this time on begins: its picture, its sound, both in ms.
    fn clip(&self, from_ms: i64) -> Result<(Option<i64>, Option<i64>), NoStart> {
        let start = self.ring.find(ZERO + from_ms * MS)?;
        let first = |kind| {
            let mut number = start.of(kind)?;
            let mut packets = Vec::new();
            let generation = start.generation;
            self.ring
                .read(kind, generation, &mut number, 1, &mut packets);
            packets.first().map(|packet| packet.payload)
        };
        Ok((first(Kind::Picture), first(Kind::Sound)))
    }
}

#[test]
fn a_clip_begins_with_the_last_key_picture_before_its_time() {
    let mut tested = Tested::new(10, usize::MAX);
    assert_eq!(tested.clip(0), Err(NoStart::Empty));
    tested.play(0, 30_000);
    for (from_ms, begins_ms) in [
        (25_000, 25_000),
        (25_999, 25_000),
        (24_980, 24_000),
        // It has not come yet: with the newest.
        (99_000, 29_000),
        // It is not there any more: with the oldest. One group of pictures lies before
        // the 10 s that are asked for.
        (0, 19_000),
    ] {
        let both = (Some(begins_ms), Some(begins_ms));
        assert_eq!(tested.clip(from_ms), Ok(both), "{from_ms}");
    }
}

#[test]
fn no_more_is_kept_than_is_needed() {
    let mut tested = Tested::new(10, usize::MAX);
    tested.play(0, 3_600_000);
    let held = tested.ring.bytes() / BYTES;
    assert!((10 * 75..=12 * 75).contains(&held), "{held}");
    let keys = tested.ring.keys.len();
    assert!((11..=12).contains(&keys), "{keys}");
}

#[test]
fn more_bytes_than_allowed_cost_the_oldest_groups_of_pictures() {
    let mut tested = Tested::new(10, 3 * 75 * BYTES);
    tested.play(0, 30_000);
    assert!(tested.ring.bytes() <= 3 * 75 * BYTES);
    assert!(tested.ring.fill() > 0.6 && tested.ring.fill() <= 1.0);
    assert_eq!(tested.clip(20_000), Ok((Some(27_000), Some(27_000))));
}

#[test]
fn a_group_of_pictures_that_is_too_large_stops_new_clips_but_not_open_ones() {
    let mut tested = Tested::new(10, 50 * BYTES);
    tested.play(0, 400);
    let start = tested.ring.find(ZERO).expect("a key picture");
    let mut next = start.picture.expect("pictures");
    let mut read = Vec::new();
    for at in (400..20_000).step_by(40) {
        tested.push(packet(Kind::Picture, at, false));
        let more = tested
            .ring
            .read(Kind::Picture, start.generation, &mut next, 9, &mut read);
        assert_eq!(more, After::More);
    }
    assert_eq!(read.len(), 500);
    assert!(tested.ring.bytes() <= 50 * BYTES);
    assert_eq!(tested.clip(0), Err(NoStart::NoKey));
    // One who is too slow is told.
    let mut slow = start.picture.expect("pictures");
    let told = tested
        .ring
        .read(Kind::Picture, start.generation, &mut slow, 9, &mut read);
    assert_eq!(told, After::Overtaken);
    // With the next key picture all is well again.
    tested.push(picture(20_000));
    assert_eq!(tested.clip(0), Ok((Some(20_000), None)));
}

#[test]
fn a_clip_ends_where_its_stream_broke_off() {
    let mut tested = Tested::new(10, usize::MAX);
    tested.play(0, 5_000);
    tested.ring.break_off();
    // Begins between two key pictures: those before the first are of no use.
    tested.play(7_400, 12_000);
    assert_eq!(tested.clip(3_500), Ok((Some(3_000), Some(3_000))));
    let start = tested.ring.find(ZERO + 3_500 * MS).expect("it is there");
    for (kind, count) in [(Kind::Picture, 50), (Kind::Sound, 100)] {
        let mut number = start.of(kind).expect("it has both");
        let mut packets = Vec::new();
        let after = tested
            .ring
            .read(kind, start.generation, &mut number, 1_000, &mut packets);
        assert_eq!((after, packets.len()), (After::Nothing, count));
    }
    // During the outage, and after it: the new one. Its sound before the first picture
    // belongs to no clip.
    for from_ms in [5_100, 7_000, 7_500] {
        assert_eq!(
            tested.clip(from_ms),
            Ok((Some(8_000), Some(8_000))),
            "{from_ms}"
        );
    }
}

#[test]
fn nothing_is_left_of_what_has_long_ended() {
    let mut tested = Tested::new(10, usize::MAX);
    tested.play(0, 5_000);
    tested.ring.break_off();
    tested.ring.trim(ZERO + 14 * SECOND);
    assert!(tested.clip(0).is_ok());
    tested.ring.trim(ZERO + 16 * SECOND);
    assert_eq!(tested.clip(0), Err(NoStart::Empty));
    assert_eq!(tested.ring.bytes(), 0);
}

#[test]
fn timestamps_that_jump_begin_a_new_generation() {
    for jump_s in [-3_600, -2, 11, 3_600] {
        let mut tested = Tested::new(10, usize::MAX);
        tested.play(0, 5_000);
        let generation = tested.ring.find(ZERO).expect("it plays").generation;
        for at in (5_000..9_000).step_by(40) {
            let mut moved = picture(at);
            moved.pts_ns += jump_s * SECOND;
            tested.push(moved);
        }
        let start = tested.ring.find(ZERO + 8_500 * MS).expect("it plays");
        assert_eq!(start.generation, generation + 1, "{jump_s}");
        if jump_s.abs() > 10 {
            // The clock says nothing then; arrivals do.
            assert_eq!(start.base_ns, (8 + jump_s) * SECOND);
        }
    }
}

#[test]
fn pictures_out_of_order_and_pauses_of_one_kind_are_no_jumps() {
    let mut tested = Tested::new(60, usize::MAX);
    tested.play(0, 2_000);
    for at in (2_000..30_000).step_by(80) {
        tested.push(picture(at + 40));
        tested.push(picture(at));
    }
    // The sound was gone for 28 s.
    tested.play(30_000, 31_000);
    assert_eq!(tested.ring.generations.len(), 1);
    let generation = tested.ring.generation(0).expect("the only one");
    assert_eq!(generation.order.depth(), 1);
}

#[test]
fn sound_may_come_late_or_lie_before_its_pictures() {
    let mut tested = Tested::new(10, usize::MAX);
    for at in (0..3_000).step_by(40) {
        tested.push(picture(at));
    }
    assert_eq!(tested.clip(1_500), Ok((Some(1_000), None)), "not there yet");
    tested.play(3_000, 5_000);
    assert_eq!(tested.clip(1_500), Ok((Some(1_000), Some(3_000))));
    // Sound that arrives 600 ms before its pictures is there for those of a group that
    // has just become the oldest.
    let mut tested = Tested::new(2, usize::MAX);
    for at in (0..20_000).step_by(20) {
        tested.push(sound(at + 600));
        if at % 40 == 0 {
            tested.push(picture(at));
        }
    }
    let (picture, sound) = tested.clip(0).expect("it plays");
    assert_eq!(picture, sound);
}

#[test]
fn a_stream_without_pictures_can_begin_anywhere() {
    let mut tested = Tested::new(10, usize::MAX);
    for at in (0..30_000).step_by(20) {
        tested.push(sound(at));
    }
    assert_eq!(tested.clip(25_030), Ok((None, Some(25_020))));
    assert_eq!(tested.clip(0), Ok((None, Some(19_980))));
    assert!(tested.ring.bytes() / BYTES <= 503);
}

#[test]
fn the_clock_of_a_source_is_followed() {
    let mut tested = Tested::new(60, usize::MAX);
    tested.play(0, 10_000);
    // Its clock is 2 s slow by now.
    tested.ring.set_zero(ZERO + 2 * SECOND);
    assert_eq!(tested.clip(9_500), Ok((Some(7_000), Some(7_000))));
    // What has ended stays where it was.
    tested.ring.break_off();
    tested.ring.set_zero(ZERO + 40 * SECOND);
    assert_eq!(tested.clip(9_500), Ok((Some(7_000), Some(7_000))));
}
