use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MS: i64 = 1_000_000;

/// A random number from 0 to 1, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A camera: by how much its timestamps run fast, and what delays it.
struct Camera {
    meter: DriftMeter,
    opened: Instant,
    /// By the clock, since it was opened.
    now: u64,
    sound_ppm: f64,
    picture_ppm: f64,
    /// How far its timestamps have come, apart from the clock.
    off: [f64; 2],
    frame_every: u64,
    random: Random,
}

impl Camera {
    fn new() -> Self {
        let opened = Instant::now();
        Self {
            meter: DriftMeter::new(opened),
            opened,
            now: 0,
            sound_ppm: 0.0,
            picture_ppm: 0.0,
            off: [0.0; 2],
            frame_every: 40,
            random: Random(7),
        }
    }

    /// Plays on; `delay_ms` is of sound and picture at a time in seconds, with a random
    /// number. Everything that the meter says is shown to `see`.
    fn play(
        &mut self,
        seconds: u64,
        mut delay_ms: impl FnMut(Stream, f64, f64) -> f64,
        mut see: impl FnMut(Option<AvDrift>),
    ) -> &mut Self {
        let end = self.now + seconds * SECOND;
        while self.now < end {
            // Sound every 20 ms.
            self.now += SECOND / 50;
            let ms = self.now / MS.unsigned_abs();
            let mut arrive = |camera: &mut Self, stream: Stream, ppm: f64| {
                let every = if stream == Stream::Sound {
                    20
                } else {
                    camera.frame_every
                };
                let off = &mut camera.off[stream as usize];
                *off += ppm * 1e-6 * (every * MS.unsigned_abs()) as f64;
                let at = MediaTime(self_time(camera.now, *off));
                let chance = camera.random.next();
                let delay = delay_ms(stream, camera.now as f64 / 1e9, chance).max(0.0);
                let arrived =
                    Duration::from_nanos(camera.now) + Duration::from_secs_f64(delay / 1e3);
                if camera.meter.note(stream, at, camera.opened + arrived) {
                    see(camera.meter.current());
                }
            };
            let (sound, picture) = (self.sound_ppm, self.picture_ppm);
            arrive(self, Stream::Sound, sound);
            if ms.is_multiple_of(self.frame_every) {
                arrive(self, Stream::Picture, picture);
            }
        }
        self
    }

    fn drift_ms(&self) -> Option<f64> {
        self.meter
            .current()
            .map(|of| of.sound_early_ns as f64 / 1e6)
    }
}

/// A timestamp: a minute and the time, and how far it is off.
fn self_time(now: u64, off: f64) -> u64 {
    (60 * SECOND + now).saturating_add_signed(off as i64)
}

#[test]
fn a_hundred_millionths_are_seen_within_minutes_and_their_side_is_known() {
    // Timestamps that run slow are early. By then they are 60 and 84 ms apart.
    for (sound, picture, minutes, side) in [(-100.0, 0.0, 11, 1.0), (0.0, -100.0, 15, -1.0)] {
        let mut camera = Camera::new();
        (camera.sound_ppm, camera.picture_ppm) = (sound, picture);
        let mut first_seen = None;
        let (mut seen, threshold) = (0, if side > 0.0 { 40.0 } else { 60.0 });
        camera.play(
            minutes * 60,
            |_, _, chance| 200.0 * chance,
            |drift| {
                seen += 1;
                let ms = drift.map_or(0.0, |of| of.sound_early_ns as f64 / 1e6);
                if side * ms > threshold {
                    first_seen.get_or_insert(seen);
                }
            },
        );
        assert!(first_seen.is_some(), "{side}: {:?}", camera.meter.current());
        let drift = camera.meter.current().expect("it is known");
        let expected = side * minutes as f64 * 6.0;
        let ms = drift.sound_early_ns as f64 / 1e6;
        assert!((ms - expected).abs() < 12.0, "{ms} ms, not {expected}");
        for (found, real) in [(drift.sound_ppm, sound), (drift.picture_ppm, picture)] {
            let found = f64::from(found.expect("it is known"));
            assert!((found - real).abs() < 15.0, "{found} ppm, not {real}");
        }
    }
}

#[test]
fn a_day_of_jitter_bursts_and_stalls_is_no_drift() {
    let mut camera = Camera::new();
    let mut most: f64 = 0.0;
    camera.play(
        86_400,
        |stream, at, chance| {
            // Jitter to half a second that comes and goes; large pictures take longer; in every
            // ten minutes all stands still for four seconds, in every hour only the picture for
            // seven.
            let jitter = if at % 3_600.0 < 1_800.0 { 500.0 } else { 20.0 };
            let key = f64::from(stream == Stream::Picture && at % 2.0 < 0.04) * 120.0;
            let until = |period: f64, long: f64| (long - at % period).max(0.0) * 1e3;
            let stall = until(600.0, 4.0);
            let alone = f64::from(stream == Stream::Picture) * until(3_600.0, 7.0);
            30.0 + jitter * chance + key + stall.max(alone)
        },
        |drift| {
            let ms = drift.map_or(0.0, |of| of.sound_early_ns as f64 / 1e6);
            most = most.max(ms.abs());
        },
    );
    assert!(most > 0.0, "nothing was measured");
    // The smaller threshold is 40 ms.
    assert!(most < 30.0, "{most} ms");
    let drift = camera.meter.current().expect("it is known");
    let ppm = drift.sound_ppm.expect("it is known").abs();
    assert!(ppm < 5.0, "{ppm} ppm");
}

#[test]
fn both_clocks_may_drift_and_sound_may_always_be_late() {
    let mut camera = Camera::new();
    (camera.sound_ppm, camera.picture_ppm) = (300.0, 300.0);
    let delay = |stream, _, chance| match stream {
        Stream::Sound => 900.0 + 50.0 * chance,
        Stream::Picture => 150.0 + 50.0 * chance,
    };
    camera.play(3_600, delay, |_| {});
    let drift = camera.meter.current().expect("it is known");
    assert!(drift.sound_early_ns.abs() < 5 * MS, "{drift:?}");
    let ppm = drift.sound_ppm.expect("it is known");
    assert!((ppm - 300.0).abs() < 5.0, "{ppm} ppm");
}

#[test]
fn lost_samples_are_a_step() {
    let mut camera = Camera::new();
    camera.play(120, |_, _, _| 80.0, |_| {});
    // The source lost 100 ms of sound and counts on as if it had not.
    camera.off[0] -= 100.0 * MS as f64;
    camera.play(60, |_, _, _| 80.0, |_| {});
    let ms = camera.drift_ms().expect("it is known");
    assert!((ms - 100.0).abs() < 1.0, "{ms} ms");
}

#[test]
fn single_timestamps_that_are_wrong_change_nothing() {
    let mut camera = Camera::new();
    let mut most: f64 = 0.0;
    camera.play(
        1_200,
        // As early as a timestamp that is 70 ms too late, once in most windows.
        |stream, at, _| match stream {
            Stream::Picture if at % 7.0 < 0.02 => 0.0,
            _ => 70.0,
        },
        |drift| most = most.max(drift.map_or(0.0, |of| of.sound_early_ns as f64 / 1e6).abs()),
    );
    assert!(most < 1.0, "{most} ms");
}

#[test]
fn another_rate_of_frames_is_another_beginning_and_missing_frames_are_not() {
    let mut camera = Camera::new();
    let held = |frames: f64| {
        move |stream, _: f64, _: f64| match stream {
            Stream::Sound => 50.0,
            Stream::Picture => 50.0 + frames,
        }
    };
    camera.play(60, held(80.0), |_| {});
    assert!(camera.drift_ms().is_some_and(|ms| ms.abs() < 1.0));
    // Night: half as many frames, of which two are held back.
    camera.frame_every = 80;
    let mut forgot = false;
    camera.play(60, held(160.0), |drift| {
        forgot |= drift.is_none();
        assert!(
            drift.is_none_or(|of| of.sound_early_ns.abs() < 2 * MS),
            "{drift:?}"
        );
    });
    assert!(forgot);
    camera.play(60, held(160.0), |_| {});
    assert!(camera.drift_ms().is_some_and(|ms| ms.abs() < 1.0));
    // Two seconds without frames.
    camera.frame_every = 2_000;
    camera.play(2, held(160.0), |_| {});
    camera.frame_every = 80;
    camera.play(60, held(160.0), |drift| assert!(drift.is_some()));
}

#[test]
fn what_this_machine_is_late_by_does_not_count() {
    let mut camera = Camera::new();
    camera.play(60, |_, _, _| 40.0, |_| {});
    for _ in 0..20 {
        // Pictures are decoded a second late, until some are dropped.
        let late = |stream, _: f64, _: f64| match stream {
            Stream::Sound => 40.0,
            Stream::Picture => 1_040.0,
        };
        camera.play(4, late, |drift| {
            assert!(drift.is_some_and(|of| of.sound_early_ns == 0), "{drift:?}");
        });
        let now = camera.opened + Duration::from_nanos(camera.now);
        camera.meter.pause(now);
    }
    camera.play(60, |_, _, _| 40.0, |_| {});
    let ms = camera.drift_ms().expect("it is still known");
    assert!(ms.abs() < 1.0, "{ms} ms");
}

#[test]
fn after_a_jump_it_begins_anew() {
    let mut camera = Camera::new();
    camera.play(60, |_, _, _| 40.0, |_| {});
    assert!(camera.drift_ms().is_some());
    camera.meter.restart();
    assert_eq!(camera.drift_ms(), None);
    camera.off = [-3_000.0 * MS as f64, 500.0 * MS as f64];
    camera.play(60, |_, _, _| 40.0, |_| {});
    assert!(camera.drift_ms().is_some_and(|ms| ms.abs() < 1.0));
}

#[test]
fn a_source_of_few_frames_takes_longer() {
    let mut camera = Camera::new();
    camera.frame_every = 1_000;
    let mut seen = 0;
    camera.play(1_800, |_, _, chance| 100.0 * chance, |_| seen += 1);
    // Two hundred seconds each.
    assert!((7..=9).contains(&seen), "{seen}");
    assert!(camera.drift_ms().is_some_and(|ms| ms.abs() < 10.0));
}

proptest! {
    #[test]
    fn delay_is_never_taken_for_drift(
        jitter in 0.0..500.0_f64,
        burst in 0.0..3_000.0_f64,
        seed in 1..u64::MAX,
    ) {
        let mut camera = Camera::new();
        camera.random = Random(seed);
        let mut most: f64 = 0.0;
        camera.play(
            300,
            // Bursts of both, one second in ten.
            |_, at, chance| jitter * chance + if at % 10.0 < 1.0 { burst } else { 0.0 },
            |drift| most = most.max(drift.map_or(0.0, |of| of.sound_early_ns as f64 / 1e6).abs()),
        );
        prop_assert!(most < 30.0, "{most} ms");
    }

    #[test]
    fn no_times_overflow(times in proptest::collection::vec(any::<(bool, u64, u32, bool)>(), 0..400)) {
        let opened = Instant::now();
        let mut meter = DriftMeter::new(opened);
        for (is_sound, at, seconds, pauses) in times {
            let stream = if is_sound { Stream::Sound } else { Stream::Picture };
            let arrived = opened + Duration::from_secs(seconds.into());
            meter.note(stream, MediaTime(at), arrived);
            if pauses {
                meter.pause(arrived);
            }
            meter.current();
        }
    }
}
