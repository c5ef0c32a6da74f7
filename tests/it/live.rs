//! Sources that run by the clock, and descriptions.
//!
//! On a machine that is busy with other things a live run may drop moments; then
//! it says so, and these tests count what it says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::common::{
    Running, StreamRecords, batch, by_stream, data, l3net, only, repo, run, streams_in, wait_for,
};
use l3net::media::{SourceKind, expand};

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// Windows that were judged, or told as lost.
fn accounted(told: &StreamRecords) -> u64 {
    told.moments.len() as u64 + told.gaps.iter().map(|g| g.lost).sum::<u64>()
}

fn assert_in_order(told: &StreamRecords) {
    for pair in told.moments.windows(2) {
        assert!(pair[0].seq < pair[1].seq, "{pair:?}");
        assert!(pair[0].end_ns <= pair[1].start_ns, "{pair:?}");
        assert!(pair[0].utc < pair[1].utc, "{pair:?}");
    }
}

#[test]
fn the_built_in_scene_is_judged_in_real_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let (maps, video) = (dir.path().join("maps"), dir.path().join("live.mkv"));
    let done = run([
        "live",
        "test",
        "--seconds",
        "4",
        "--heatmaps",
        &text(&maps),
        "--overlay",
        &text(&video),
    ]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.took > Duration::from_secs(3), "{:?}", done.took);
    let told = only(by_stream(done.records()));
    assert!(
        accounted(&told) >= 3 && !told.moments.is_empty(),
        "{told:?}"
    );
    assert_in_order(&told);
    for moment in &told.moments {
        assert!(moment.utc.is_some(), "{moment:?}");
        assert_eq!((moment.video.width, moment.video.height), (1280, 720));
        let file = moment.heatmap.file.as_ref().expect("a picture");
        assert!(maps.join(file).is_file(), "{file}");
    }
    assert_eq!(told.summaries.len(), 1);
    let out = dir.path().join("again.jsonl");
    let again = batch(&[&video], &out);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(only(streams_in(&out)).summaries[0].seconds > 2.5);
}

#[test]
fn a_file_is_played_by_the_clock_beside_other_sources() {
    let clip = text(&data("clips/stream-of-water.mp4"));
    let done = run(["live", &clip, "test", "--seconds", "4"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.took > Duration::from_millis(2_900), "{:?}", done.took);
    let streams = by_stream(done.records());
    assert_eq!(accounted(&streams["stream-of-water.mp4"]), 3, "{streams:?}");
    assert!(accounted(&streams["test"]) >= 2, "{streams:?}");
    for told in streams.values() {
        assert_in_order(told);
        assert_eq!(told.summaries.len(), 1);
    }
}

#[test]
fn a_description_of_a_file_gives_what_the_file_gives() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let clip = data("made/whole_3s_flac.mkv");
    assert_eq!(batch(&[&clip], &out).code, Some(0));
    let of_file = only(streams_in(&out));
    let description = format!(
        "filesrc location={} ! decodebin name=d  d. ! queue ! audio.  d. ! queue ! video.",
        clip.display()
    );
    let done = run(["launch", &description]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let launched = only(by_stream(done.records()));
    assert_eq!(launched.moments.len(), of_file.moments.len());
    for (a, b) in launched.moments.iter().zip(&of_file.moments) {
        assert_eq!(
            (a.seq, a.start_ns, a.frame_ns),
            (b.seq, b.start_ns, b.frame_ns)
        );
        assert_eq!((a.video, a.audio), (b.video, b.audio));
        assert!((a.correspondence - b.correspondence).abs() < 1e-2);
    }
}

#[test]
fn a_description_of_half_a_film_ends_as_the_file_does() {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["video_rotation_90.mp4", "sample_audio_only.mp4"] {
        let clip = data("odd").join(file);
        let out = dir.path().join(format!("{file}.jsonl"));
        assert_eq!(batch(&[&clip], &out).code, Some(1));
        let of_file = only(streams_in(&out));
        let path = clip.display();
        for decoder in [
            format!("filesrc location={path} ! decodebin"),
            format!("uridecodebin uri=file://{path}"),
        ] {
            let description = format!("{decoder} name=d  d. ! queue ! audio.  d. ! queue ! video.");
            let done = run(["launch", &description]);
            assert_eq!(done.code, Some(1), "{description}: {}", done.err);
            let told = only(by_stream(done.records()));
            assert_eq!(told.errors[0].error, of_file.errors[0].error);
            assert_eq!(told.gaps.len(), 1, "{description}");
            assert_eq!(told.gaps[0].why, of_file.gaps[0].why, "{description}");
        }
    }
}

#[test]
fn a_live_description_that_fails_is_opened_again() {
    // Two seconds of picture at a time.
    let camera = "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1 \
         ! identity error-after=60 ! video.  audiotestsrc is-live=true ! audio.";
    let done = run(["live", camera, "--seconds", "6"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("opening it again"), "{}", done.err);
    let told = only(by_stream(done.records()));
    assert!(told.errors.is_empty(), "{told:?}");
    let outage = told.gaps.iter().find(|g| g.why.name() == "discontinuity");
    let outage = outage.unwrap_or_else(|| panic!("no outage: {told:?}"));
    let after = told.moments.iter().any(|m| m.start_ns >= outage.end_ns);
    assert!(after || accounted(&told) >= 4, "it did not go on: {told:?}");
    assert_in_order(&told);
}

#[test]
fn a_decoder_that_is_too_slow_skips_pictures_and_does_not_fall_behind() {
    // Twice the time that there is for each picture, and a queue without end before it.
    let camera = "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=25/1 \
         ! jpegenc ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! jpegdec \
         ! identity sleep-time=80000 ! video.  audiotestsrc is-live=true ! audio.";
    let done = run(["live", camera, "--seconds", "8"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("s behind: pictures are skipped"),
        "{}",
        done.err
    );
    let told = only(by_stream(done.records()));
    assert!(accounted(&told) >= 7, "{told:?}");
    assert_in_order(&told);
    // Counted from the arrival of the sound, however busy the machine is.
    for moment in &told.moments {
        assert!(moment.latency_ms.total <= 2_000.0, "{moment:?}");
    }
}

#[test]
fn a_read_that_fails_fills_nothing_up() {
    // Half a second of three: a whole clip of that length would be judged, with silence.
    let description = format!(
        "filesrc location={} ! decodebin name=d  d. ! queue ! video. \
         d. ! identity error-after=6 ! queue ! audio.",
        data("made/whole_3s_flac.mkv").display()
    );
    let done = run(["launch", &description]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let told = only(by_stream(done.records()));
    assert_eq!(told.errors.len(), 1, "{told:?}");
    assert!(told.moments.is_empty() && told.gaps.is_empty(), "{told:?}");
}

#[test]
fn the_pipelines_that_come_along_are_understood() {
    gstreamer::init().expect("GStreamer starts");
    let mut names = Vec::new();
    let entries = std::fs::read_dir(repo().join("pipelines")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    for path in paths.filter(|path| path.is_file()) {
        let path = text(&path);
        let sources = expand(std::slice::from_ref(&path)).unwrap_or_else(|e| panic!("{e}"));
        let [source] = &sources[..] else {
            panic!("{path}: {sources:?}")
        };
        let SourceKind::Launch(description) = &source.kind else {
            panic!("{path}: {source:?}")
        };
        description
            .build()
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        names.push(source.name.to_string());
    }
    names.sort();
    assert_eq!(names, ["camera", "file", "rtsp", "screen", "test"]);

    let done = run(["live", "pipelines/test.launch", "--seconds", "2"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(accounted(&by_stream(done.records())["test"]) >= 1);

    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let done = batch(&[Path::new("pipelines/file.launch")], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(only(streams_in(&out)).moments.len(), 6);
}

#[test]
fn ctrl_c_writes_the_summary_and_a_video_that_plays() {
    let dir = tempfile::tempdir().expect("a folder");
    let (json, video) = (dir.path().join("live.jsonl"), dir.path().join("live.mkv"));
    let running = Running::start(l3net([
        "live",
        "test",
        "--json",
        &text(&json),
        "--overlay",
        &text(&video),
    ]));
    wait_for("two moments", || {
        std::fs::read_to_string(&json).is_ok_and(|t| t.matches("\"moment\"").count() >= 2)
    });
    running.signal("INT");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(done.out, "", "results go to the file alone");
    let told = only(streams_in(&json));
    assert_eq!(told.summaries.len(), 1);
    assert_eq!(told.summaries[0].moments, told.moments.len() as u64);

    let out = dir.path().join("again.jsonl");
    let again = batch(&[&video], &out);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let length = only(streams_in(&out)).summaries[0].seconds;
    assert!(length > 1.5, "{length} s of video");
}

#[test]
fn figures_are_served_while_a_stream_runs() {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port")
        .port();
    let running = Running::start(l3net(["live", "test", "--metrics", &format!(":{port}")]));
    let mut page = String::new();
    wait_for("figures", || {
        page = get(port).unwrap_or_default();
        // Figures are set one after the other, and the page may be served in between.
        let figures = [
            r#"l3net_moments_total{stream="test"}"#,
            "l3net_latency_seconds_bucket",
        ];
        figures.iter().all(|figure| page.contains(figure))
    });
    running.signal("INT");
    let done = running.wait();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let ours = page
        .lines()
        .filter(|l| !l.starts_with('#') && l.contains('{'));
    for line in ours {
        assert!(line.starts_with("l3net_"), "{line}");
    }
}

fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
