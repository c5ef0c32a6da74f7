use super::*;
use crate::qc::Stretch;

/// What is measured of a description's sound and pictures.
fn measured(sound: &str, picture: &str) -> Report {
    gst::init().expect("GStreamer starts");
    let text = format!("{sound} ! audio.  {picture} ! video.");
    let pipeline = crate::media::description::build(&text).expect("a pipeline");
    let (heard, seen) = crate::media::graph::sinks(&pipeline).expect("both ends");
    for sink in [&heard, &seen] {
        sink.set_sync(false);
        sink.set_max_buffers(4);
        sink.set_drop(true);
        sink.set_wait_on_eos(false);
    }
    let meter = Arc::new(Meter::default());
    meter
        .attach(&pipeline, &seen, &Arc::default(), MediaTime::ZERO)
        .expect("attached");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let bus = pipeline.bus().expect("a bus");
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    let end = end.expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).expect("it stops");
    meter.report()
}

fn tone(caps: &str) -> String {
    format!(
        "audiotestsrc num-buffers=30 samplesperbuffer=4800 freq=997 volume=0.5 ! audio/x-raw,{caps}"
    )
}

fn pattern(pattern: &str, caps: &str) -> String {
    format!(
        "videotestsrc num-buffers=75 pattern={pattern} ! video/x-raw,width=64,height=48,framerate=25/1,{caps}"
    )
}

fn whole() -> [Stretch; 1] {
    [Stretch::between(MediaTime::ZERO, MediaTime(2_960_000_000))]
}

#[test]
fn pictures_are_measured_in_every_kind_of_format() {
    for format in [
        "I420",
        "YV12",
        "NV12",
        "Y42B",
        "Y444",
        "YUY2",
        "UYVY",
        "AYUV",
        "v210",
        "v216",
        "GRAY8",
        "GRAY16_LE",
        "GRAY16_BE",
        "I420_10LE",
        "I420_10BE",
        "I422_12LE",
        "P010_10LE",
        "A420",
        "RGB",
        "BGRx",
        "ARGB",
        "GBR",
        "GBR_10LE",
        "ARGB64",
        "RGB16",
        "r210",
        "NV12_64Z32",
    ] {
        let video = |name: &str| {
            let sound = tone("format=S16LE,rate=48000,channels=2");
            let report = measured(&sound, &pattern(name, &format!("format={format}")));
            report.video.expect("a picture")
        };
        let black = video("black");
        assert_eq!((black.frames, black.unreadable_frames), (75, 0), "{format}");
        assert_eq!(black.blackdetect, whole(), "{format}");
        assert_eq!(black.freezedetect, whole(), "{format}");
        let still = video("smpte75");
        assert_eq!(still.blackdetect, [], "{format}");
        assert_eq!(still.freezedetect, whole(), "{format}");
        let moving = video("snow");
        assert_eq!(
            (&moving.blackdetect[..], &moving.freezedetect[..]),
            (&[][..], &[][..]),
            "{format}"
        );
    }
}

#[test]
fn sound_is_measured_with_its_own_channels_and_rate() {
    for (format, layout) in [
        ("S16LE", "interleaved"),
        ("U8", "interleaved"),
        ("S24LE", "interleaved"),
        ("S32BE", "interleaved"),
        ("F32LE", "non-interleaved"),
        ("F64LE", "interleaved"),
    ] {
        for (channels, rate, lufs) in [(1, 48_000, -9.03), (2, 44_100, -6.02), (2, 8_000, -6.02)] {
            let sound = tone(&format!(
                "format={format},layout={layout},rate={rate},channels={channels}"
            ));
            let report = measured(&sound, &pattern("snow", "format=I420"));
            let audio = report.audio.expect("sound");
            let case = format!("{format}, {layout}, {channels} × {rate} Hz: {audio:?}");
            assert_eq!(
                (audio.channels, audio.sample_rate),
                (channels, rate),
                "{case}"
            );
            assert_eq!(audio.silencedetect, [], "{case}");
            let loudness = audio.ebur128.expect("measured");
            let found = loudness.integrated_lufs.expect("not silent");
            // The standard's filters are made for 48 kHz.
            let near = if rate == 8_000 { 0.4 } else { 0.1 };
            assert!((found - lufs).abs() < near, "{case}");
        }
    }
}

#[test]
fn channels_count_by_their_positions() {
    // The same tone in all of them: front 3, effects 0, surround 2 · 1.41.
    let sound = tone("format=F32LE,rate=48000,channels=6,channel-mask=(bitmask)0x3f");
    let report = measured(&sound, &pattern("snow", "format=I420"));
    let loudness = report.audio.and_then(|audio| audio.ebur128);
    let found = loudness.and_then(|l| l.integrated_lufs).expect("loud");
    let expected = -9.03 + 10.0 * (3.0_f64 + 2.0 * 1.41).log10();
    assert!((found - expected).abs() < 0.1, "{found}, not {expected}");
}

#[test]
fn silence_is_found_in_all_channels() {
    let silent = "audiotestsrc num-buffers=30 samplesperbuffer=4800 wave=silence \
                  ! audio/x-raw,format=S16LE,rate=48000,channels=2";
    let audio = measured(silent, &pattern("snow", "format=I420"))
        .audio
        .expect("sound");
    let expected = Stretch::between(MediaTime::ZERO, MediaTime(3_000_000_000));
    assert_eq!(audio.silencedetect, [expected]);
    assert_eq!(audio.ebur128.and_then(|l| l.integrated_lufs), None);
}
