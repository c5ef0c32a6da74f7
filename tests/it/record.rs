//! Clips of streams that play in real time: compared with what was played, packet by
//! packet, by ffmpeg, which shares no code with what wrote them.

mod playing;
mod probe;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use l3net::record::{Limits, PacketRecorder};
use l3net_monitor::clip::{Clip, Recorder, Recording};
use l3net_monitor::time::UtcMs;

use crate::common::{shared, skipped, wait_for};
use crate::rtsp::{PICTURE, Server, free_address, sound};
use playing::{Playing, make, seconds};
use probe::{Probed, assert_copied, assert_decodes, assert_index_comes_first, names_in};

const BEFORE: Duration = Duration::from_secs(8);

fn result(mut recording: Box<dyn Recording>) -> Result<Clip, String> {
    let mut result = None;
    wait_for("the clip", || {
        result = recording.poll();
        result.is_some()
    });
    result.expect("it was waited for")
}

/// From 2 s ago to 2 s from now.
fn four_seconds(recorder: &PacketRecorder, stream: &str, folder: &Path) -> Box<dyn Recording> {
    let now = UtcMs::now();
    let stem = folder.join(stream);
    let recording = recorder.start(stream, now.minus(seconds(2)), &stem);
    let mut recording = recording.unwrap_or_else(|error| panic!("{error}"));
    recording.end_at(now.plus(seconds(2)));
    recording
}

/// Four seconds and a group of pictures before it.
fn assert_length(clip: &Clip, group_s: f64) {
    let most = 4.0 + group_s + 0.2;
    assert!((3.8..=most).contains(&clip.seconds), "{clip:?}");
}

/// Name, arguments of ffmpeg for picture and sound, extension of the file; the extension
/// of its clip.
const FILES: [(&str, &str, &str, &str); 13] = [
    (
        "h264-aac",
        "-c:v libx264 -bf 3 -g 25 -c:a aac",
        "mp4",
        "mp4",
    ),
    (
        "h264-ts",
        "-c:v libx264 -bf 2 -g 25 -c:a aac -muxdelay 0",
        "ts",
        "mp4",
    ),
    (
        "h264-mkv",
        "-c:v libx264 -bf 3 -g 25 -c:a ac3",
        "mkv",
        "mp4",
    ),
    (
        "h265-mp3",
        "-c:v libx265 -x265-params log-level=none:keyint=25:bframes=3 -c:a libmp3lame",
        "mkv",
        "mp4",
    ),
    (
        "vp8-opus",
        "-c:v libvpx -deadline realtime -g 25 -c:a libopus",
        "webm",
        "mkv",
    ),
    (
        "vp9-opus",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -c:a libopus",
        "webm",
        "mp4",
    ),
    (
        "mjpeg-pcm",
        "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le",
        "mkv",
        "mkv",
    ),
    (
        "mpeg2-mp2",
        "-c:v mpeg2video -bf 2 -g 25 -c:a mp2 -muxdelay 0",
        "ts",
        "mkv",
    ),
    ("mpeg4-aac", "-c:v mpeg4 -g 25 -c:a aac", "mp4", "mp4"),
    (
        "av1-opus",
        "-c:v libsvtav1 -preset 12 -g 25 -c:a libopus",
        "mkv",
        "mp4",
    ),
    (
        "h264-flac",
        "-c:v libx264 -bf 0 -g 25 -c:a flac",
        "mkv",
        "mkv",
    ),
    ("picture", "-c:v libx264 -bf 3 -g 25 -an", "mp4", "mp4"),
    ("sound", "-vn -c:a aac", "mp4", "mp4"),
];

#[test]
fn clips_hold_the_very_packets_of_what_was_played() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, ending: &str| folder.path().join(format!("{name}.{ending}"));
    for (name, arguments, ending, _) in FILES {
        make(&file(name, ending), arguments);
    }
    let clips = folder.path().join("clips");
    std::fs::create_dir(&clips).expect("a folder");
    let sources =
        FILES.map(|(name, _, ending, _)| format!("{name}={}", file(name, ending).display()));
    let playing = Playing::start(&sources, BEFORE, Limits::default());
    playing.wait_for(5.0);
    for (name, ..) in FILES {
        let fill = playing.recorder.ring_fill(name).expect("it has a ring");
        assert!(fill > 0.0 && fill < 0.5, "{name}: {fill}");
    }
    let recordings = FILES.map(|(name, ..)| four_seconds(&playing.recorder, name, &clips));
    for ((name, _, ending, clip_ending), recording) in FILES.into_iter().zip(recordings) {
        let clip = result(recording).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(clip.path, clips.join(format!("{name}.{clip_ending}")));
        assert_eq!(clip.bytes, clip.path.metadata().expect("it is there").len());
        assert_length(&clip, 1.0);
        assert_decodes(&clip.path);
        let probed = Probed::of(&clip.path);
        probed.assert_begins_well();
        assert!(
            (probed.seconds - clip.seconds).abs() < 0.15,
            "{clip:?} {probed:?}"
        );
        assert_copied(&clip.path, &file(name, ending));
        assert_index_comes_first(&clip.path);
    }
    assert_eq!(
        names_in(&clips).len(),
        FILES.len(),
        "nothing else lies about"
    );
}

/// Films from elsewhere, some seconds of each, with all that encoders and editors do.
#[test]
fn clips_of_films_hold_their_very_packets() {
    const FILMS: [&str; 3] = [
        "movie_300",
        "video_big_buck_bunny",
        "sample_with_increasing_timestamps_360p",
    ];
    let film = |name: &str| shared(&format!("data/clips/{name}.mp4"));
    let films: Vec<_> = FILMS
        .into_iter()
        .filter_map(|name| Some((name, film(name)?)))
        .collect();
    if films.is_empty() {
        return skipped(
            "clips_of_films_hold_their_very_packets",
            "the shared data is not there",
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let sources: Vec<_> = films
        .iter()
        .map(|(name, file)| format!("{name}={}", file.display()))
        .collect();
    let playing = Playing::start(&sources, BEFORE, Limits::default());
    playing.wait_for(4.0);
    let recordings: Vec<_> = films
        .iter()
        .map(|(name, _)| four_seconds(&playing.recorder, name, folder.path()))
        .collect();
    for ((_, file), recording) in films.iter().zip(recordings) {
        let clip = result(recording).unwrap_or_else(|error| panic!("{error}"));
        // Key pictures may be 10 s apart.
        assert_length(&clip, 10.0);
        assert_decodes(&clip.path);
        Probed::of(&clip.path).assert_begins_well();
        assert_copied(&clip.path, file);
    }
}

#[test]
fn clips_of_rtsp_cameras() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("film.mp4");
    make(&film, "-c:v libx264 -bf 3 -g 25 -c:a aac");
    let picture =
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 !";
    let with = |picture: &str, sound: &str| format!("{picture} {sound}");
    let streams = [
        (
            "film",
            format!(
                "filesrc location={} ! qtdemux name=d  d.video_0 ! queue ! h264parse \
                 ! rtph264pay name=pay0 pt=96  d.audio_0 ! queue ! aacparse \
                 ! rtpmp4gpay name=pay1 pt=97",
                film.display()
            ),
            "mp4",
        ),
        (
            "pcmu",
            with(PICTURE, &sound(8_000, "mulawenc ! rtppcmupay")),
            "mkv",
        ),
        (
            "aac",
            with(
                PICTURE,
                &sound(16_000, "audioconvert ! avenc_aac ! rtpmp4gpay"),
            ),
            "mp4",
        ),
        (
            "bframes",
            with(
                &format!(
                    "{picture} x264enc bframes=2 key-int-max=25 rc-lookahead=5 ! rtph264pay name=pay0"
                ),
                &sound(48_000, "audioconvert ! opusenc ! rtpopuspay"),
            ),
            "mp4",
        ),
        (
            "h265",
            with(
                &format!(
                    "{picture} x265enc tune=zerolatency key-int-max=25 ! rtph265pay name=pay0"
                ),
                &sound(8_000, "alawenc ! rtppcmapay"),
            ),
            "mkv",
        ),
        (
            "vp8",
            with(
                &format!("{picture} vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay name=pay0"),
                &sound(48_000, "audioconvert ! opusenc ! rtpopuspay"),
            ),
            "mkv",
        ),
        (
            "mjpeg",
            with(
                &format!("{picture} jpegenc ! rtpjpegpay name=pay0"),
                &sound(44_100, "audioconvert ! rtpL16pay"),
            ),
            "mkv",
        ),
    ];
    let arguments: Vec<_> = streams
        .iter()
        .map(|(name, text, _)| format!("/{name}={text}"))
        .collect();
    let server = Server::start(free_address(), &arguments);
    let sources = streams.each_ref().map(|(name, ..)| {
        let scheme = if *name == "film" { "rtspt" } else { "rtsp" };
        format!("{name}={}", server.uri(scheme, &format!("/{name}")))
    });
    let playing = Playing::start(&sources, BEFORE, Limits::default());
    // Until the senders have reported how sound and picture belong together: then one of
    // them steps.
    playing.wait_for(14.0);
    // Two of one stream overlap.
    let again = folder.path().join("again");
    let recordings: Vec<_> = streams
        .iter()
        .map(|(name, ..)| four_seconds(&playing.recorder, name, folder.path()))
        .collect();
    std::thread::sleep(seconds(1));
    let now = UtcMs::now();
    let mut second = playing
        .recorder
        .start("pcmu", now, &again)
        .expect("it plays");
    second.end_at(now.plus(seconds(3)));
    for ((name, _, ending), recording) in streams.iter().zip(recordings) {
        let clip = result(recording).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(clip.path, folder.path().join(format!("{name}.{ending}")));
        assert_length(&clip, 1.0);
        assert_decodes(&clip.path);
        let probed = Probed::of(&clip.path);
        probed.assert_begins_well();
        assert_eq!(probed.streams(), 2, "{name}");
        if *name == "film" {
            assert_copied(&clip.path, &film);
        }
    }
    let clip = result(second).unwrap_or_else(|error| panic!("{error}"));
    assert!((2.8..=4.2).contains(&clip.seconds), "{clip:?}");
    assert_decodes(&clip.path);
}

#[test]
fn a_stream_that_breaks_off_ends_its_clip_whole_and_comes_back_in_the_next() {
    let stream = format!("/s={PICTURE} {}", sound(8_000, "mulawenc ! rtppcmupay"));
    let server = Server::start(free_address(), std::slice::from_ref(&stream));
    let folder = tempfile::tempdir().expect("a folder");
    let source = format!("s={}", server.uri("rtspt", "/s"));
    let playing = Playing::start(&[source], BEFORE, Limits::default());
    playing.wait_for(4.0);
    let now = UtcMs::now();
    let start = |name: &str, from| {
        let recording = playing.recorder.start("s", from, &folder.path().join(name));
        recording.unwrap_or_else(|error| panic!("{error}"))
    };
    // It is never told to end.
    let cut_off = start("cut-off", now.minus(seconds(2)));
    std::thread::sleep(seconds(1));
    let address = server.address;
    drop(server);
    let clip = result(cut_off).unwrap_or_else(|error| panic!("{error}"));
    assert!((2.5..=5.0).contains(&clip.seconds), "{clip:?}");
    assert_decodes(&clip.path);
    let broke_off = UtcMs::now();
    let _server = Server::start(address, std::slice::from_ref(&stream));
    wait_for("packets of the second opening", || {
        let from = playing.ring("s").find(broke_off.to_timestamp());
        from.is_ok_and(|start| start.generation > 0)
    });
    std::thread::sleep(seconds(2));
    let mut back = start("back", broke_off);
    back.end_at(UtcMs::now());
    let clip = result(back).unwrap_or_else(|error| panic!("{error}"));
    assert!((1.0..=5.0).contains(&clip.seconds), "{clip:?}");
    assert_decodes(&clip.path);
    Probed::of(&clip.path).assert_begins_well();
}

#[test]
fn what_cannot_be_recorded_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = "raw=videotestsrc is-live=true ! video. audiotestsrc is-live=true ! audio.";
    let film = folder.path().join("film.mp4");
    make(&film, "-c:v libx264 -g 25 -c:a aac");
    let sources = [raw.to_owned(), format!("film={}", film.display())];
    let limits = Limits {
        open_clips: 2,
        ..Limits::default()
    };
    let playing = Playing::start(&sources, BEFORE, limits);
    playing.wait_for(3.0);
    let clips = folder.path().join("clips");
    std::fs::create_dir(&clips).expect("a folder");
    let start = |stream: &str, stem: &Path| playing.recorder.start(stream, UtcMs::now(), stem);
    let refused = |stream: &str, stem: &Path, why: &str| {
        let error = start(stream, stem).err().expect("it is refused");
        assert!(
            error.starts_with(&format!("{stream}: no clip: ")),
            "{error}"
        );
        assert!(error.contains(why) && !error.contains('\n'), "{error}");
    };
    refused("raw", &clips.join("a"), "not encoded");
    refused("other", &clips.join("a"), "not kept");
    refused(
        "film",
        &folder.path().join("none/a"),
        "make the folder first",
    );
    let open = [1, 2].map(|n| start("film", &clips.join(n.to_string())).expect("there is room"));
    refused("film", &clips.join("a"), "2 clips are being written");
    // A clip that nobody waits for any more ends, and is whole.
    drop(open);
    wait_for("their ends", || names_in(&clips) == ["1.mp4", "2.mp4"]);
    for name in ["1.mp4", "2.mp4"] {
        assert_decodes(&clips.join(name));
    }
    // The folder goes while a clip is written.
    let mut gone = start("film", &clips.join("3")).expect("there is room");
    // It may be in use just then.
    wait_for("the folder to go", || {
        let _ = std::fs::remove_dir_all(&clips);
        !clips.exists()
    });
    gone.end_at(UtcMs::now());
    let error = result(gone).expect_err("it has no folder");
    assert!(error.starts_with("film: no clip: "), "{error}");
    assert!(!clips.exists());
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mut mount = Command::new("mount");
    let mount = mount
        .args(["-t", "tmpfs", "-o", "size=200k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|done| done.status.success()) {
        return skipped(
            "a_full_disk_leaves_nothing_behind",
            "only root can mount a small disk",
        );
    }
    let film = folder.path().join("film.mp4");
    make(
        &film,
        "-c:v libx264 -g 25 -b:v 3M -minrate 3M -maxrate 3M -bufsize 1M -c:a aac",
    );
    let mkv = folder.path().join("film.mkv");
    make(&mkv, "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p -c:a pcm_s16le");
    let sources = [
        format!("a={}", film.display()),
        format!("b={}", mkv.display()),
    ];
    let playing = Playing::start(&sources, BEFORE, Limits::default());
    playing.wait_for(4.0);
    let recordings = ["a", "b"].map(|stream| four_seconds(&playing.recorder, stream, &disk));
    let errors = recordings.map(|recording| result(recording).expect_err("there is no room"));
    let left = names_in(&disk);
    // Lazily: a program that another test has started meanwhile may have its files.
    let unmounted = Command::new("umount").arg("-l").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    for error in errors {
        assert!(
            error.contains("free some space") && !error.contains('\n'),
            "{error}"
        );
    }
    assert_eq!(left, [""; 0]);
}
