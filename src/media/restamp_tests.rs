//! Clocks that drift, holes and formats that change, through the bookkeeping alone and
//! through the real resampler.

use gstreamer_app as gst_app;

use super::*;

const MS: i64 = 1_000_000;

/// What the resampler is shown of blocks of 20 ms at 8 kHz with these times, and the times
/// of the same places behind it, all in milliseconds.
fn through(step: i64, times: &[Option<i64>]) -> Vec<(i64, bool, i64)> {
    let mut line = Line {
        rate: 8_000,
        ..Line::default()
    };
    let blocks = times.iter().filter_map(|at| {
        let shown = line.enters(at.map(|ms| ms * MS), 160, step)?;
        Some((
            shown.at / MS,
            shown.starts_again,
            line.leaves(shown.at) / MS,
        ))
    });
    blocks.collect()
}

#[test]
fn the_resampler_counts_and_the_real_times_come_back() {
    // A clock that is slow by a twentieth.
    let times = [0, 21, 42, 63, 84].map(Some);
    let shown = [(0, 0), (20, 21), (40, 42), (60, 63), (80, 84)];
    assert_eq!(
        through(FILE_STEP_NS, &times),
        shown.map(|(at, real)| (at, false, real))
    );
    // A block without a time continues the one before; a stream without any is left alone.
    let times = [Some(0), Some(21), None, Some(63)];
    let shown = [(0, 0), (20, 21), (40, 41), (60, 63)];
    assert_eq!(
        through(FILE_STEP_NS, &times),
        shown.map(|(at, real)| (at, false, real))
    );
    assert_eq!(through(FILE_STEP_NS, &[None, None]), []);
}

#[test]
fn a_hole_starts_it_again_and_jitter_of_a_live_source_does_not() {
    let times = [0, 20, 61, 81, 40].map(Some);
    let starts = |step| {
        through(step, &times)
            .into_iter()
            .map(|(at, again, _)| (at, again))
    };
    assert_eq!(
        starts(FILE_STEP_NS).collect::<Vec<_>>(),
        [(0, false), (20, false), (61, true), (81, false), (40, true)]
    );
    assert!(starts(LIVE_STEP_NS).all(|(at, again)| at % 20 == 0 && !again));
    let real: Vec<i64> = through(LIVE_STEP_NS, &times).iter().map(|t| t.2).collect();
    assert_eq!(real, [0, 20, 61, 81, 40]);
}

#[test]
fn times_between_two_blocks_are_in_proportion() {
    let mut line = Line {
        rate: 8_000,
        ..Line::default()
    };
    for at in [0, 30 * MS] {
        line.enters(Some(at), 160, FILE_STEP_NS);
    }
    let real = [-5, 0, 10, 20, 30].map(|ms| line.leaves(ms * MS) / MS);
    assert_eq!(real, [-5, 0, 15, 30, 40]);
}

/// Blocks of silence with these lengths in samples and times in ns, resampled from this
/// rate: times and lengths of what comes out.
fn resampled(rate: i32, blocks: &[(usize, u64)]) -> Vec<(u64, usize)> {
    gst::init().expect("GStreamer starts");
    let text = format!(
        "appsrc name=in format=time caps=audio/x-raw,format=F32LE,layout=interleaved,\
         channels=1,rate={rate} ! audioresample name=r ! audio/x-raw,rate=48000 \
         ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).expect("it parses");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    let element = |name| pipeline.by_name(name).expect("it is there");
    keep_timestamps(&element("r"), &Arc::default());
    let source = element("in")
        .downcast::<gst_app::AppSrc>()
        .expect("a source");
    let sink = element("out")
        .downcast::<gst_app::AppSink>()
        .expect("a sink");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    for &(samples, at) in blocks {
        let mut buffer = gst::Buffer::from_mut_slice(vec![0_u8; samples * SAMPLE_BYTES]);
        let writable = buffer.get_mut().expect("it is new");
        writable.set_pts(gst::ClockTime::from_nseconds(at));
        source.push_buffer(buffer).expect("it is taken");
    }
    source.end_of_stream().expect("it ends");
    let mut out = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().expect("sound");
        let at = buffer.pts().expect("a time").nseconds();
        out.push((at, buffer.size() / SAMPLE_BYTES));
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    out
}

/// A minute with clocks that are off by up to 2 %, in blocks of 20 to 250 ms: behind the
/// resampler the times are those in front of it, and steps are as small.
#[test]
fn a_drifting_clock_passes_the_real_resampler_without_a_step() {
    for rate in [8_000, 16_000, 22_050, 44_100] {
        for (block_ms, ppm) in [(20, 20_000), (20, -20_000), (250, 20_000), (64, -3_000)] {
            let samples = rate * block_ms / 1_000;
            let block_ns = i64::from(samples) * 1_000_000_000 / i64::from(rate);
            let stamped_ns = block_ns + block_ns * ppm / 1_000_000;
            let blocks: Vec<_> = (0..60_000 / i64::from(block_ms))
                .map(|k| (samples as usize, (k * stamped_ns) as u64))
                .collect();
            let out = resampled(rate, &blocks);
            let mut heard = 0;
            for pair in out.windows(2) {
                let [(at, samples), (next, _)] = pair else {
                    unreachable!()
                };
                heard += samples;
                let end = *at as i64 + *samples as i64 * 1_000_000_000 / 48_000;
                let step = *next as i64 - end;
                let allowed = block_ns * ppm.abs() / 1_000_000 + MS;
                assert!(step.abs() <= allowed, "{rate} {block_ms} {ppm}: {step} ns");
                // Where the place of this sample is by the timestamps in front.
                let counted = heard as i64 * 1_000_000_000 / 48_000;
                let real = counted + counted * ppm / 1_000_000;
                let off = *next as i64 - real;
                assert!(
                    off.abs() <= allowed,
                    "{rate} {block_ms} {ppm}: {off} ns off"
                );
            }
            let length = heard as f64 / 48_000.0;
            assert!(
                (length - 60.0).abs() < 0.6,
                "{rate} {block_ms} {ppm}: {length} s"
            );
        }
    }
}

#[test]
fn a_hole_passes_the_real_resampler_where_it_is() {
    let blocks: Vec<_> = (0..200_u64)
        .map(|k| {
            (
                160,
                k * 20 * MS as u64 + if k < 100 { 0 } else { 500 * MS as u64 },
            )
        })
        .collect();
    let out = resampled(8_000, &blocks);
    let holes: Vec<_> = out
        .windows(2)
        .map(|pair| pair[1].0 as i64 - pair[0].0 as i64 - pair[0].1 as i64 * MS / 48)
        .filter(|step| step.abs() > MS)
        .collect();
    let [hole] = holes[..] else {
        panic!("{holes:?}")
    };
    // The resampler drops what its filter held back.
    assert!((500 * MS..510 * MS).contains(&hole), "{hole}");
}
